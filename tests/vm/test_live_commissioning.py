"""`loopwatch commission --live` on the real firmware: a log that grows, survives a kill, and becomes settings."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from loopwatch.sample import CHANNELS
from loopwatch_host.bench import plant
from loopwatch_host.bench.scenario import load_scenario
from loopwatch_host.bench.vm import VmTarget
from loopwatch_host.bench.world import World
from loopwatch_host.commission import checks, live, log
from loopwatch_host.commission.record import load
from loopwatch_host.evaluate import family, journey

DAY_S = 86_400
MISSING_S = 40
STARTS_S = 120.0


def _command(*words: object) -> list[str]:
    return [sys.executable, "-c", "from loopwatch_host.cli import main; main()", "commission", *map(str, words)]


def _rows(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()[1:] if path.exists() else []


def _nearly_a_day(path: Path, leak_ml_h: float = 0.0) -> None:
    """A log as --live leaves it MISSING_S before the day is full, written just now."""
    member = family.default(11)
    way = journey.drawn(member, 1)
    run = journey.begun(member, way)
    run.inputs[plant.LEAK_RATE_M3_S] = leak_ml_h * 1e-6 / 3600
    x = journey.log(run, way, 0, DAY_S - MISSING_S)
    table = np.column_stack([1000 * np.arange(len(x)), x[:, : len(live.COLUMNS)]])
    np.savetxt(path, table, fmt="%d", delimiter=",", header=live.HEADER, comments="")


class _Cable:
    """Bytes to and fro between a board's port and a port of its own, which goes away when it is pulled."""

    def __init__(self, board: str, port: Path) -> None:
        self._board, self._port = board, port
        self._pulled = threading.Event()

    def plug(self) -> None:
        self._pulled.clear()
        self._far = os.open(self._board, os.O_RDWR | os.O_NOCTTY)
        self._near, slave = pty.openpty()
        tty.setraw(slave)
        self._port.symlink_to(os.ttyname(slave))
        self._slave = slave
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def pull(self) -> None:
        self._pulled.set()
        self._thread.join()
        self._port.unlink()
        for end in (self._slave, self._near, self._far):
            os.close(end)

    def _carry(self) -> None:
        while not self._pulled.is_set():
            for end in select.select([self._near, self._far], [], [], 0.05)[0]:
                other = self._near if end == self._far else self._far
                with contextlib.suppress(OSError):
                    os.write(other, os.read(end, 4096))


@contextlib.contextmanager
def _cabled(port: Path) -> Iterator[_Cable]:
    """A virtual board in real time at the far end of a cable."""
    with VmTarget(World(load_scenario("quiet"), 1)) as target:
        cable = _Cable(target.port, port)
        cable.plug()
        target.pace()
        yield cable
        cable.pull()


def _soon(holds: Callable[[], bool]) -> bool:
    end_s = time.monotonic() + STARTS_S
    while not holds() and time.monotonic() < end_s:
        time.sleep(0.2)
    return holds()


def test_a_cable_pulled_in_the_middle_is_waited_for_and_the_log_goes_on_with_a_hole(tmp_path: Path) -> None:
    path, port, notes = tmp_path / "loop.csv", tmp_path / "board", tmp_path / "notes"
    words = _command("--live", path, "--target", f"serial:{port}")
    with _cabled(port) as cable, notes.open("w") as said:
        process = subprocess.Popen(words, stderr=said)
        try:
            assert _soon(lambda: "logging" in notes.read_text() or bool(_rows(path)))
            time.sleep(8)
            cable.pull()
            assert _soon(lambda: "the board is gone" in notes.read_text()), notes.read_text()
            time.sleep(4)
            assert process.poll() is None
            cable.plug()
            assert _soon(lambda: "the board is back" in notes.read_text()), notes.read_text()
            time.sleep(8)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(STARTS_S)
        assert process.returncode == 1
        t_ms = [int(row.partition(",")[0]) for row in _rows(path)]
        steps_ms = np.diff(t_ms)
        assert steps_ms.min() > 0
        # Pulled for four seconds and what the machine needs to see it: one hole, and rows on either side.
        hole = int(np.argmax(steps_ms))
        assert steps_ms[hole] >= 4_000
        assert min(hole + 1, len(steps_ms) - hole) >= 1
        assert "the same command goes on" in notes.read_text()

        before_n = len(t_ms)
        process = subprocess.Popen(words, stderr=said)
        try:
            assert _soon(lambda: "going on" in notes.read_text()), notes.read_text()
            time.sleep(8)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(STARTS_S)
        assert len(_rows(path)) > before_n
    assert [int(row.partition(",")[0]) for row in _rows(path)][:before_n] == t_ms
    assert "Traceback" not in notes.read_text()


def test_a_killed_log_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path = tmp_path / "loop.csv"
    counts = []
    for _ in range(2):
        before_n = len(_rows(path))
        process = subprocess.Popen(_command("--live", path, "--target", "vm"), stderr=subprocess.DEVNULL)
        end_s = time.monotonic() + STARTS_S
        while len(_rows(path)) < before_n + 300 and time.monotonic() < end_s:
            time.sleep(0.2)
        process.send_signal(signal.SIGKILL)
        process.wait()
        counts.append(len(_rows(path)) - before_n)
    assert min(counts) >= 299, "the second start dropped at most the line that was cut"
    read = log.read([path])
    assert (np.diff(read.second) > 0).all()
    assert len(read.x) >= 598
    middle_pa = np.median(read.x[:, CHANNELS.index("p_static_pa")])
    assert middle_pa == pytest.approx(plant.LoopParams().pressure_pa, rel=0.05)


def test_ended_by_hand_it_says_how_to_go_on(tmp_path: Path) -> None:
    path = tmp_path / "loop.csv"
    process = subprocess.Popen(_command("--live", path, "--target", "vm"), stderr=subprocess.PIPE, text=True)
    end_s = time.monotonic() + STARTS_S
    while not _rows(path) and time.monotonic() < end_s:
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=STARTS_S)
    assert process.returncode == 1
    assert "of 336 h in" in said
    assert "the same command goes on" in said
    assert "Traceback" not in said


def test_when_the_days_are_full_the_settings_are_written(tmp_path: Path) -> None:
    path, config = tmp_path / "loop.csv", tmp_path / "loop.toml"
    _nearly_a_day(path)
    words = ("--live", path, "--target", "vm", "--days", 1, "--gas-ml", 150, "-o", config, "--json")
    answer = subprocess.run(_command(*words), capture_output=True, text=True, timeout=400)
    assert answer.returncode == 0, answer.stderr
    told = json.loads(answer.stdout)
    assert DAY_S - MISSING_S < told["samples"] <= DAY_S + 60
    assert told["days"] == pytest.approx(1, abs=0.01)
    assert f"{load(config).crc:08X}" == told["crc"]
    assert "going on" in answer.stderr


def test_a_loop_that_leaked_meanwhile_is_refused_with_the_reason_and_the_log_stays(tmp_path: Path) -> None:
    path, config = tmp_path / "loop.csv", tmp_path / "loop.toml"
    _nearly_a_day(path, leak_ml_h=3.0)
    answer = subprocess.run(
        _command("--live", path, "--target", "vm", "--days", 1, "--gas-ml", 150, "-o", config, "--json"),
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert answer.returncode == 1
    assert "mL go in" in json.loads(answer.stdout)["error"]
    assert not config.exists()
    assert len(_rows(path)) >= DAY_S - MISSING_S


def test_a_hole_of_hours_parts_the_log_and_both_parts_count_as_far_as_they_are_long_enough(tmp_path: Path) -> None:
    path = tmp_path / "loop.csv"
    _nearly_a_day(path)
    hours_ago_s = time.time() - 3 * 3600
    os.utime(path, (hours_ago_s, hours_ago_s))
    with live.LiveLog(path) as live_log:
        assert live_log.stretch_s == DAY_S - MISSING_S - 1
        assert live_log.logged_s == live_log.stretch_s
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{1000 * (DAY_S + 10_800 + i)},150000,185000,30000,29000,28000\n" for i in range(50))
    with live.LiveLog(path) as live_log:
        assert (live_log.stretch_s, live_log.logged_s) == (49, DAY_S + 10_849)
        assert live_log.counted_s == DAY_S - MISSING_S - 1
    kept, said = checks.usable(log.read([path]))
    assert len(kept.x) == DAY_S - MISSING_S
    assert "one part shorter than 7 h" in said[0]
