"""Who touches a real bench: a person at the terminal, a relay on the valve, a hub that cuts the power.

Each does one thing and returns when it is done. What a bench has no hands for raises NotHere, which is a reason to
leave a procedure out; hands that fail raise LoopwatchError.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import serial

from ..errors import LoopwatchError
from . import bench_file

PATIENCE_S = 300.0
HUB_TIMEOUT_S = 30.0
GPIO_SETTLE_S = 0.2

Switch = Callable[[bool], object]


class NotHere(LoopwatchError):
    """This bench cannot do what the procedure asks for; str() says why."""


def ask(what: str) -> None:
    """Ask the person at the terminal to do something, and wait for Enter. Raises NotHere without a terminal."""
    try:
        with open("con:" if sys.platform == "win32" else "/dev/tty", "r+", buffering=1, encoding="utf-8") as terminal:
            terminal.write(f"\n  >>> {what}, then press Enter: ")
            if not terminal.readline():
                raise NotHere(f"nobody at the terminal to {what}")
    except OSError:
        raise NotHere(f"no terminal to ask somebody to {what}: run it from one") from None


@contextlib.contextmanager
def valve(
    drive: bench_file.NoDrive | bench_file.PersonDrive | bench_file.SerialRelay | bench_file.GpioRelay, hole_mm: float
) -> Iterator[Switch]:
    """What opens (True) and closes (False) the leak valve; it is closed at the end."""
    opened = False

    def turn(switch: Switch, wanted: bool) -> None:
        nonlocal opened
        if wanted != opened:
            switch(wanted)
            opened = wanted

    with _valve_switch(drive, hole_mm) as switch:
        try:
            yield lambda wanted: turn(switch, wanted)
        finally:
            turn(switch, False)


@contextlib.contextmanager
def _valve_switch(drive: object, hole_mm: float) -> Iterator[Switch]:
    if isinstance(drive, bench_file.PersonDrive):
        yield lambda wanted: ask(f"{'open' if wanted else 'close'} the leak valve of {hole_mm:g} mm")
    elif isinstance(drive, bench_file.SerialRelay):
        try:
            port = serial.Serial(drive.port, drive.baud, timeout=1, write_timeout=1)
        except (serial.SerialException, OSError) as error:
            raise LoopwatchError(
                f"the valve's relay on {drive.port} cannot be opened ({error}): see bench.toml"
            ) from None
        with port:
            yield lambda wanted: port.write((drive.on_line if wanted else drive.off_line).encode())
    elif isinstance(drive, bench_file.GpioRelay):
        with contextlib.ExitStack() as held:
            yield lambda wanted: _hold(held, drive, wanted)
    else:
        raise NotHere("no leak valve on this bench (bench.toml, valve.drive)")


def _hold(held: contextlib.ExitStack, drive: bench_file.GpioRelay, on: bool) -> None:
    """gpioset keeps the line for as long as it runs."""
    held.close()
    command = ["gpioset", "-c", drive.chip, *(["-l"] if drive.active_low else []), f"{drive.line}={int(on)}"]
    try:
        process = subprocess.Popen(command, stderr=subprocess.PIPE)
    except OSError as error:
        raise LoopwatchError(f"gpioset cannot be run ({error.strerror}): install libgpiod's tools, version 2") from None
    held.callback(process.wait)
    held.callback(process.terminate)
    time.sleep(GPIO_SETTLE_S)
    if process.poll() is not None:
        words = process.stderr.read().decode(errors="replace").strip() if process.stderr else ""
        raise LoopwatchError(f"gpioset gave up the valve's line: {words}")


def sensor(drive: bench_file.NoDrive | bench_file.PersonDrive, channel: str, connected: bool) -> None:
    """Unplug a sensor, or plug it in again."""
    if not isinstance(drive, bench_file.PersonDrive):
        raise NotHere("nobody at this bench to unplug a sensor (bench.toml, sensors.by)")
    ask(f"{'plug in' if connected else 'unplug'} {channel}")


def power(drive: bench_file.NoDrive | bench_file.PersonDrive | bench_file.HubDrive, on: bool) -> None:
    """Switch the board's supply, and with it the cable."""
    if isinstance(drive, bench_file.PersonDrive):
        ask(f"{'plug in' if on else 'unplug'} the board's USB cable")
        return
    if not isinstance(drive, bench_file.HubDrive):
        raise NotHere("nobody at this bench to pull the cable, and no uhubctl hub (bench.toml, power.by)")
    command = ["uhubctl", "-l", drive.location, "-p", str(drive.port), "-a", "on" if on else "off"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=HUB_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LoopwatchError(f"uhubctl cannot be run ({error}): install it, or set power.by in bench.toml") from None
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip()
        raise LoopwatchError(f"uhubctl did not switch port {drive.port} of hub {drive.location}: {words}")
