"""Crashes and hangs of the firmware on the emulated board, with its own watchdog, flash and reset causes."""

from __future__ import annotations

import pytest

from loopwatch import crash, safe_mode, slots, wire
from loopwatch_host.bench.pico import flash_image
from loopwatch_host.bench.pico.machine import SOFTWARE, WATCHDOG, Machine
from loopwatch_host.bench.pico.repl import Repl
from loopwatch_host.flash import flasher
from loopwatch_host.flash.board import SCRIPTS

PLANTED = {
    "crash": b"""
class App:
    def __init__(self, board, config, healthy, ring):
        pass
    def run(self):
        raise ValueError("planted")
""",
    # It sleeps, because two seconds of busy code would be emulated for minutes.
    "hang": b"""
from .port import sleep_ms
class App:
    def __init__(self, board, config, healthy, ring):
        self.board = board
    def run(self):
        self.board.start_watchdog(2_000)
        while True:
            sleep_ms(100)
""",
}

pytestmark = pytest.mark.timeout(400)  # busy code is emulated some 60 times slower than it runs


class Watched:
    """A board that has started with one of PLANTED in its slot: its resets, and what it says."""

    def __init__(self, flash: bytes, planted: str) -> None:
        built = flasher.build()
        files = {path if path in SCRIPTS else f"a/{path}": data for path, data in built.items()}
        del files["a/loopwatch/app.mpy"]
        files["a/loopwatch/app.py"] = PLANTED[planted]
        files[slots.FILE] = b"a"
        self.resets: list[tuple[int, int]] = []
        self.machine = Machine(flash_image.with_files(flash, files))
        self.machine.on_reset = lambda cause, t_us: self.resets.append((cause, t_us))
        self.repl = Repl(self.machine)

    def until_reset(self, n: int, limit_us: int) -> None:
        """Let the board live until it has been reset n times."""
        self.repl.wait(lambda: len(self.resets) >= n, limit_us, f"reset {n}")

    def files(self) -> dict[str, bytes]:
        return flash_image.read_files(self.machine.flash())


def test_three_planted_crashes_end_in_a_safe_mode_that_answers(micropython_flash: bytes) -> None:
    watched = Watched(micropython_flash, "crash")
    watched.until_reset(crash.MANY_N, 15_000_000)
    assert [cause for cause, _ in watched.resets] == [SOFTWARE] * crash.MANY_N
    files = watched.files()
    assert files[crash.COUNT_FILE] == b"3"
    assert files[crash.TEXT_FILE].startswith(b"Traceback (most recent call last):")
    assert files[crash.TEXT_FILE].rstrip().endswith(b"ValueError: planted")
    repl, machine = watched.repl, watched.machine
    repl.wait_for(b"safe mode, nothing is monitored", 5_000_000)
    machine.host.send(b"@5 SYST:ERR?\n")
    repl.wait_for(b"$R,5,", 1_000_000)
    repl.wait_for(b"$H,1,", 2_000_000)
    heard = [item for item in wire.Decoder().feed(bytes(repl.console)) if isinstance(item, wire.Message)]
    boot = next(item for item in heard if item.name == "boot")
    assert boot.values["not_monitoring_n"] == safe_mode.CRASHED
    assert boot.values["reset_cause_n"] == SOFTWARE
    reply = next(item for item in heard if item.name == "reply")
    assert reply.text == '-310,"System error; 3 crashes in a row, the last: ValueError: planted"'
    assert len(watched.resets) == crash.MANY_N


def test_a_planted_hang_is_ended_by_the_watchdog_in_its_time_and_told_from_a_reset(micropython_flash: bytes) -> None:
    watched = Watched(micropython_flash, "hang")
    watched.until_reset(1, 8_000_000)
    assert [cause for cause, _ in watched.resets] == [WATCHDOG]
    watched.repl.wait(lambda: crash.COUNT_FILE in watched.files(), 3_000_000, "the count")
    assert watched.files()[crash.TEXT_FILE].startswith(b"Hang:")
