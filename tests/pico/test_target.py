"""The `pico` target: the unchanged firmware in a world, behind a port that pyserial and mpremote open."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

import pytest
import serial

from loopwatch import wire
from loopwatch_host.bench.pico import flash_image
from loopwatch_host.bench.pico.target import PicoTarget, firmware_flash
from loopwatch_host.bench.scenario import load_scenario
from loopwatch_host.bench.target import TargetError
from loopwatch_host.bench.world import World

INTERLOCK_GPIO = 10
IDENTIFY = b"@7 *IDN?\n"

pytestmark = pytest.mark.timeout(400)  # busy code is emulated some 60 times slower than it runs


@pytest.fixture(scope="module")
def board_flash() -> bytes:
    """The flash of a board with this checkout's firmware."""
    return bytes(firmware_flash())


class Listener:
    """A client with the port open: what it has received, in raw and decoded, phase by phase."""

    def __init__(self, target: PicoTarget) -> None:
        self.target = target
        self.serial = serial.Serial(target.port, timeout=0, exclusive=True)
        self.decoder = wire.Decoder()
        self.phases: dict[str, list[wire.Message]] = {}

    def advance(self, phase: str, t_s: float) -> None:
        """Advance the target to t_s; what arrives until then is this phase's."""
        self.target.advance_to(t_s)
        items = self.decoder.feed(self.serial.read(100_000))
        self.phases[phase] = [item for item in items if isinstance(item, wire.Message)]

    def of(self, phase: str, name: str) -> list[wire.Message]:
        return [message for message in self.phases[phase] if message.name == name]


class Day(NamedTuple):
    """One run in which everything happens in turn; booting once for each test would take minutes."""

    listener: Listener
    world: World
    p_static_pa: float
    pins_at_cut: list[tuple[int, int, int]]
    files_while_off: dict[str, bytes]
    delivered_while_off_n: int


@pytest.fixture(scope="module")
def day(board_flash: bytes) -> Iterator[Day]:
    world = World(load_scenario("quiet"))
    with PicoTarget(world, flash=board_flash) as target:
        listener = Listener(target)
        target.send(IDENTIFY, 2.1)
        listener.advance("well", 2.35)
        p_static_pa = world.truth.p_static_pa
        world.bus.nack(0x48)
        listener.advance("deaf", 2.75)
        world.bus.heal(0x48)
        world.link_reading = False
        listener.advance("unread", 5.0)
        target.power_off()
        pins_at_cut = list(world.pins)
        sent_n = target.delivered_n
        listener.advance("off", 5.5)
        delivered_n = target.delivered_n - sent_n
        files = flash_image.read_files(target.flash())
        world.link_reading = True
        target.power_on()
        listener.advance("again", 7.6)
        yield Day(listener, world, p_static_pa, pins_at_cut, files, delivered_n)
        listener.serial.close()


def test_the_firmware_boots_says_who_it_is_and_samples_without_a_gap(day: Day) -> None:
    (boot,) = day.listener.of("well", "boot")
    assert boot.values["reset_cause_n"] == 1
    samples = day.listener.of("well", "sample")
    assert len(samples) >= 6
    assert all(later.seq == earlier.seq + 1 for earlier, later in pairwise(samples))
    assert samples[-1].values["late_n"] == samples[0].values["late_n"], "late, if ever, only at the start"
    assert samples[-1].values["p_static_pa"] == pytest.approx(day.p_static_pa, abs=3_000)
    assert day.listener.decoder.bad_n <= 1, "at most the line that the power cut broke"
    assert (INTERLOCK_GPIO, 1) in [(gpio, value) for _, gpio, value in day.world.pins]


def test_a_command_reaches_the_firmware_at_the_moment_asked_for(day: Day) -> None:
    (reply,) = day.listener.of("well", "reply")
    assert reply.seq == 7
    assert reply.text.startswith("loopwatch,")


def test_a_converter_that_falls_silent_is_told_as_no_answer(day: Day) -> None:
    last = day.listener.of("deaf", "sample")[-1].values
    assert last["p_static_pa"] is None
    assert last["t_source_mdegc"] is not None


def test_a_laptop_that_does_not_read_gets_nothing_and_the_board_goes_on(day: Day) -> None:
    assert len(day.listener.of("unread", "sample")) <= 4, "what was in the packets under way"
    assert [reset.cause for reset in day.listener.target.resets] == ["power"], "the watchdog did not bite"


def test_a_power_cut_drops_the_interlock_and_the_flash_stays(day: Day) -> None:
    interlock = [(t_us, value) for t_us, gpio, value in day.pins_at_cut if gpio == INTERLOCK_GPIO]
    assert interlock[0][1] == 1
    assert interlock[-1][1] == 0
    assert day.delivered_while_off_n == 0
    assert day.listener.phases["off"] == []
    assert "main.py" in day.files_while_off


def test_the_board_comes_back_after_a_power_cut(day: Day) -> None:
    assert [(reset.t_s, reset.cause) for reset in day.listener.target.resets] == [(5.5, "power")]
    (boot,) = day.listener.of("again", "boot")
    assert boot.values["reset_cause_n"] == 1
    assert day.listener.of("again", "sample")[-1].values["p_static_pa"] is not None


def test_the_same_seed_sends_the_same_bytes_however_time_is_cut(board_flash: bytes) -> None:
    def run(step_s: float) -> bytes:
        received = b""
        target = PicoTarget(World(load_scenario("quiet"), seed=7), flash=board_flash)
        with target, serial.Serial(target.port, timeout=0) as port:
            while target.now_s < 2.1:
                target.advance_to(min(2.1, target.now_s + step_s))
                received += port.read(100_000)
            # What the board has sent may still be on its way through the terminal.
            port.timeout = 1
            received += port.read(100_000)
        return received

    whole = run(2.1)
    assert whole.count(b"$S") >= 2
    assert run(0.07) == whole


@pytest.fixture
def world() -> World:
    return World(load_scenario("quiet"))


def test_a_board_without_power_says_so(world: World, micropython_flash: bytes) -> None:
    with PicoTarget(world, flash=micropython_flash) as target:
        target.power_off()
        with pytest.raises(TargetError, match="no power"):
            _ = target.machine
        target.power_on()
        with pytest.raises(TargetError, match="has power already"):
            target.power_on()


def test_the_port_is_a_usage_error_before_the_start(world: World, board_flash: bytes) -> None:
    with pytest.raises(TargetError, match="not been started"):
        _ = PicoTarget(world, flash=board_flash).port


def mpremote(target: PicoTarget, *arguments: str) -> str:
    process = subprocess.run(
        [sys.executable, "-m", "mpremote", "connect", target.port, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


@pytest.mark.skipif(os.name == "nt", reason="no pseudo-terminals on Windows")
def test_mpremote_works_on_the_port_as_on_a_board(
    world: World, flash_with: Callable[..., bytearray], tmp_path: os.PathLike[str]
) -> None:
    here = os.path.join(tmp_path, "here.txt")
    with open(here, "w") as file:
        file.write("carried over\n" * 50)
    with PicoTarget(world, flash=flash_with(hello="print('hello from the flash')")) as target:
        target.pace()
        assert mpremote(target, "exec", "print(6 * 7)").strip() == "42"
        mpremote(target, "cp", here, ":there.txt")
        assert "there.txt" in mpremote(target, "ls")
        assert mpremote(target, "exec", "import hello").strip() == "hello from the flash"
        mpremote(target, "reset")
        deadline_s = time.monotonic() + 10
        while not target.resets and time.monotonic() < deadline_s:
            time.sleep(0.01)
        assert [reset.cause for reset in target.resets] == ["software"]
        assert "there.txt" in mpremote(target, "ls")
        target.pause()
        assert flash_image.read_files(target.flash())["there.txt"] == b"carried over\n" * 50


def test_paced_virtual_time_keeps_to_the_wall_clock(world: World, micropython_flash: bytes) -> None:
    with PicoTarget(world, flash=micropython_flash) as target:
        target.advance_to(0.2)
        began_s, began_wall_s = target.now_s, time.monotonic()
        target.pace()
        time.sleep(1.0)
        target.pause()
        passed_s, passed_wall_s = target.now_s - began_s, time.monotonic() - began_wall_s
    assert passed_s == pytest.approx(passed_wall_s, abs=0.2)
