"""From power-on to the watch and back after a crash, on the real MicroPython: slots, safe mode, escape."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

import loopwatch
from loopwatch import VERSION, crash, safe_mode, slots, wire
from loopwatch_host.bench.vm import VmTarget

ROOT = Path(loopwatch.__file__).resolve().parents[1]
# hardware/pinmap.toml
ESCAPE_GPIO = 22
INTERLOCK_GPIO = 10
LAMP_FAULT_GPIO = 13

PLANTED_CRASH = """
class App:
    def __init__(self, board, config, healthy, ring):
        self.healthy = healthy
    def run(self):
        raise ValueError("planted " + "x" * {n})
"""

# Works for a second and hangs then, the watchdog running; the second time it works.
PLANTED_HANG = """
import os
from .port import sleep_ms
from .real_app import App as RealApp
class App(RealApp):
    def run(self):
        if "hung" not in os.listdir():
            open("hung", "w").close()
            self._board.start_watchdog(2_000)
            while True:
                pass
        RealApp.run(self)
"""


class Files:
    """A board's file system on this machine, with this checkout's firmware in slots."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def slot(self, name: str, app: str | None = None) -> None:
        """A whole firmware in a slot, its app replaced; the real one stays beside it as real_app."""
        package = self.folder / name / "loopwatch"
        shutil.copytree(ROOT / "loopwatch", package)
        if app is not None:
            (package / "app.py").rename(package / "real_app.py")
            (package / "app.py").write_text(app)
        (self.folder / name / slots.COMPLETE).write_text("whole")

    def point(self, text: str) -> None:
        (self.folder / slots.FILE).write_text(text)

    def __getitem__(self, name: str) -> str:
        return (self.folder / name).read_text()

    def __contains__(self, name: str) -> bool:
        return (self.folder / name).exists()


class Start(NamedTuple):
    """A virtual board on its files, its world, and what the laptop hears."""

    board: VmTarget
    world: object
    heard: Callable[[], list[wire.Message | str]]

    def messages(self, name: str) -> list[wire.Message]:
        return [item for item in self.heard() if isinstance(item, wire.Message) and item.name == name]

    def text(self) -> str:
        return "\n".join(item for item in self.heard() if isinstance(item, str))

    def ask(self, command: str, tag: int = 1) -> str:
        self.board.send(f"@{tag} {command}\n".encode())
        self.board.advance_to(self.board.now_s + 0.5)
        return self.messages("reply")[-1].text


@pytest.fixture
def files(tmp_path: Path) -> Files:
    folder = tmp_path / "flash"
    folder.mkdir()
    return Files(folder)


@pytest.fixture
def start(bench, files: Files) -> Callable[..., Start]:
    def make() -> Start:
        board, laptop, world = bench.board(None, flash_dir=files.folder)

        def heard() -> list[wire.Message | str]:
            return wire.Decoder().feed(laptop.received())

        return Start(board, world, heard)

    return make


def pin(world, gpio: int) -> int:
    return {each: level for _, each, level in world.pins}[gpio]


def test_three_crashes_in_a_row_end_in_a_safe_mode_that_answers_and_says_why(files: Files, start) -> None:
    files.slot("a", PLANTED_CRASH.format(n=0))
    files.point("a")
    board, world, _ = started = start()
    board.advance_to(12)
    assert [reset.cause for reset in board.resets] == ["software"] * crash.MANY_N
    (boot,) = started.messages("boot")
    assert boot.values["not_monitoring_n"] == safe_mode.CRASHED
    assert boot.values["reset_cause_n"] == 2
    beats = started.messages("heartbeat")
    assert len(beats) >= 5
    assert beats[-1].values["ne107_n"] == 4, "NE 107 failure"
    assert beats[-1].values["sample_n"] == 0
    assert started.ask("*IDN?").endswith("{}.{}.{}".format(*VERSION))
    assert started.ask("SYST:ERR?") == '-310,"System error; 3 crashes in a row, the last: ValueError: planted"'
    assert "blind=UNACK" in started.ask("ALAR:LIST?")
    assert (pin(world, INTERLOCK_GPIO), pin(world, LAMP_FAULT_GPIO)) == (0, 1)
    board.advance_to(60)
    assert len(board.resets) == crash.MANY_N, "it stays there"
    assert started.text().count("safe mode, nothing is monitored: 3 crashes in a row") == 1


def test_a_crash_is_kept_with_its_traceback_and_no_longer_than_allowed(files: Files, start) -> None:
    files.slot("a", PLANTED_CRASH.format(n=3 * crash.TEXT_MAX_N))
    files.point("a")
    board, *_ = start()
    board.advance_to(0.9)
    assert files[crash.COUNT_FILE] == "1"
    assert len(files[crash.TEXT_FILE]) == crash.TEXT_MAX_N
    files.slot("b", PLANTED_CRASH.format(n=0))
    files.point("b")
    board.advance_to(3.5)
    assert files[crash.TEXT_FILE].startswith("Traceback (most recent call last):")
    assert "in run" in files[crash.TEXT_FILE]
    assert files[crash.TEXT_FILE].rstrip().endswith("ValueError: planted")


def test_a_healthy_minute_ends_the_count_and_the_trial(files: Files, start) -> None:
    files.slot("b")
    files.point("b trial")
    (files.folder / crash.COUNT_FILE).write_text("1")
    board, *_ = started = start()
    board.advance_to(55)
    assert files[slots.FILE] == "b trial"
    assert crash.COUNT_FILE in files
    board.advance_to(64)
    assert files[slots.FILE] == "b"
    assert crash.COUNT_FILE not in files
    assert started.messages("sample")[-1].values["late_n"] == 0


def test_a_hang_is_ended_by_the_watchdog_counted_and_told(files: Files, start) -> None:
    files.slot("a", PLANTED_HANG)
    files.point("a")
    board, *_ = started = start()
    board.advance_to(6)
    assert [reset.cause for reset in board.resets] == ["hang"]
    assert board.resets[0].t_s == pytest.approx(2.1, abs=0.5), "the watchdog's two seconds"
    assert started.messages("boot")[-1].values["reset_cause_n"] == 3
    assert started.messages("sample")
    assert files[crash.COUNT_FILE] == "1"
    assert files[crash.TEXT_FILE].startswith("Hang:")


def test_a_new_firmware_that_only_crashes_gives_way_to_the_one_before(files: Files, start) -> None:
    files.slot("a")
    files.slot("b", PLANTED_CRASH.format(n=0))
    files.point("b trial")
    board, *_ = started = start()
    board.advance_to(12)
    assert files[slots.FILE] == "a returned"
    (boot,) = started.messages("boot")
    assert boot.values["not_monitoring_n"] == 0
    assert started.messages("sample")
    words = "new firmware failed, the old one is back: ValueError: planted"
    assert words in started.text()
    assert started.ask("SYST:ERR?") == f'-310,"System error; {words}"'


def test_a_new_firmware_without_one_before_it_ends_in_safe_mode(files: Files, start) -> None:
    files.slot("a", PLANTED_CRASH.format(n=0))
    files.point("a trial")
    board, *_ = started = start()
    board.advance_to(12)
    assert files[slots.FILE] == "a trial"
    assert started.messages("boot")[-1].values["not_monitoring_n"] == safe_mode.CRASHED


def test_a_new_firmware_that_cannot_be_loaded_gives_way_at_once(files: Files, start) -> None:
    files.slot("a")
    files.slot("b")
    (files.folder / "b" / "loopwatch" / "launch.py").write_text("this is no Python\n")
    files.point("b trial")
    board, *_ = started = start()
    board.advance_to(3)
    assert [reset.cause for reset in board.resets] == ["soft"]
    assert files[slots.FILE] == "a returned"
    assert "SyntaxError" in files[crash.TEXT_FILE]
    assert started.messages("sample")
    assert "SyntaxError" in started.ask("SYST:ERR?")


def test_a_firmware_that_cannot_be_loaded_and_is_alone_leaves_the_prompt(files: Files, start) -> None:
    files.slot("a")
    (files.folder / "a" / "loopwatch" / "launch.py").write_text("this is no Python\n")
    files.point("a")
    board, *_ = started = start()
    board.advance_to(3)
    assert board.resets == []
    assert board.main_end_s
    assert "`loopwatch flash` puts it right" in started.text()


def test_after_power_came_back_a_board_in_safe_mode_tries_once_more(files: Files, start) -> None:
    files.slot("a", PLANTED_CRASH.format(n=0))
    files.point("a")
    board, *_ = started = start()
    board.advance_to(10)
    board.power_cycle()
    board.advance_to(10.9)
    assert files[crash.COUNT_FILE] == "3", "the one more crash"
    board.advance_to(15)
    assert [reset.cause for reset in board.resets] == ["software"] * 3 + ["power", "software"]
    assert started.messages("boot")[-1].values["not_monitoring_n"] == safe_mode.CRASHED


def test_with_the_escape_pin_held_low_nothing_is_started(start) -> None:
    board, world, _ = started = start()
    world.pin_drive(ESCAPE_GPIO, 0)
    board.advance_to(3)
    assert board.main_end_s
    assert "escape pin" in started.text()
    assert board.resets == [], "no watchdog runs"
    assert started.messages("boot") == []


@pytest.mark.parametrize("at_s", [0.05, 2.0], ids=["escape window", "watching"])
def test_ctrl_c_ends_at_the_prompt_with_no_watchdog(start, at_s: float) -> None:
    board, world, _ = start()
    board.send(b"\x03", at_s)
    board.advance_to(at_s + 20)
    assert board.main_end_s[0] == pytest.approx(at_s, abs=0.3)
    assert board.resets == []
    assert not any(gpio == INTERLOCK_GPIO and level for t_us, gpio, level in world.pins if t_us > (at_s + 0.3) * 1e6)


def test_ctrl_c_in_safe_mode_ends_at_the_prompt_too(files: Files, start) -> None:
    files.slot("a", PLANTED_CRASH.format(n=0))
    files.point("a")
    board, *_ = start()
    board.send(b"\x03", 10)
    board.advance_to(25)
    assert board.main_end_s
    assert len(board.resets) == crash.MANY_N


def test_without_slots_the_package_on_the_path_runs(files: Files, start) -> None:
    board, *_ = started = start()
    board.advance_to(2)
    assert started.messages("sample")
    kept = sorted(path.name for path in files.folder.rglob("*"))
    assert kept == ["a", "journal", "states", "tail"], "that it has started, and its alarms' states"
