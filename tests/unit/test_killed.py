"""kill -9 of the recorder at random moments: what was acknowledged is there, once, and the database is intact."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pty_board import PtyBoard

from loopwatch import wire
from loopwatch_host.store import Log, capture

KILLS_N = 50
PERIOD_MS = 10  # a board ten times as fast as ours
ALARM_EVERY_N = 37  # samples


class Running(threading.Thread):
    """A board that goes on whatever happens to the laptop: samples, means, heartbeats, alarms, and its journal."""

    def __init__(self, board: PtyBoard) -> None:
        super().__init__(daemon=True)
        self.board = board
        self.sample_n = 0
        self.event_n = 0
        self._stop_asked = threading.Event()

    def run(self) -> None:
        """Send what is due by the wall clock."""
        begun_s = time.monotonic()
        self.board.boot()
        while not self._stop_asked.is_set():
            due_n = int((time.monotonic() - begun_s) * 1000 / PERIOD_MS)
            while self.sample_n < due_n:
                self._one()
            time.sleep(0.005)

    def _one(self) -> None:
        board, n = self.board, self.sample_n + 1
        t_ms = PERIOD_MS * n
        board.sample(n, t_ms)
        if n % ALARM_EVERY_N == 0:
            self.event_n += 1
            board.event(self.event_n, t_ms, event_n=1, subject_n=0, state_n=1, priority_n=1, value=self.event_n)
        if n % 10 == 0:
            board.send(board.record("M", n // 10, t_ms))
            board.heartbeat(n // 10, t_ms)
        self.sample_n = n

    def stop(self) -> None:
        """End it."""
        self._stop_asked.set()
        self.join(10)


class Recorder:
    """The recorder's process, started and killed again and again."""

    def __init__(self, port: str, db: Path) -> None:
        self._arguments = f"monitor --port {port} --json --db {db}\n"
        script = Path(__file__).with_name("recorder.py")
        self._starter = subprocess.Popen(
            [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        self._pid = 0

    def start(self) -> None:
        """Begin a sitting."""
        assert self._starter.stdin is not None and self._starter.stdout is not None
        self._starter.stdin.write(self._arguments)
        self._starter.stdin.flush()
        self._pid = int(self._starter.stdout.readline())

    def end(self, number: int) -> None:
        """Send a signal and wait until the process is gone."""
        assert self._starter.stdout is not None
        os.kill(self._pid, number)
        assert self._starter.stdout.readline() == "gone\n"

    def close(self) -> None:
        """End the starter."""
        self._starter.communicate(timeout=10)


def _kept(db: Path) -> tuple[list[int], list[int]]:
    """Samples and events that another program sees now: what has been acknowledged."""
    connection = sqlite3.connect(f"{db.as_uri()}?mode=ro", uri=True, timeout=10)
    try:
        return (
            [row[0] for row in connection.execute("SELECT seq FROM samples ORDER BY boot_id, seq")],
            [row[0] for row in connection.execute("SELECT seq FROM events ORDER BY boot_id, seq")],
        )
    finally:
        connection.close()


@pytest.mark.timeout(180)
def test_kill_9_at_fifty_random_moments_loses_nothing_acknowledged_and_doubles_nothing(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    rng = random.Random(9)
    db = tmp_path / "log.db"
    acknowledged_n = [0, 0]
    begun_s = time.monotonic()
    with PtyBoard(tmp_path) as board:
        running = Running(board)
        recorder = Recorder(board.port, db)
        running.start()
        samples: list[int] = []
        events: list[int] = []
        for _ in range(KILLS_N):
            recorder.start()
            # The moment: some way into the start, the catching up, a batch, or between two.
            time.sleep(rng.choice((rng.uniform(0.02, 0.4), rng.uniform(0.4, 1.2))))
            before = _kept(db) if db.exists() and _has_tables(db) else ([], [])
            recorder.end(signal.SIGKILL)
            samples, events = _kept(db) if _has_tables(db) else ([], [])
            assert set(before[0]) <= set(samples)
            assert set(before[1]) <= set(events)
            assert len(set(samples)) == len(samples)
            assert len(set(events)) == len(events)
            acknowledged_n = [len(samples), len(events)]
        # The last sitting is left alone until the board has told everything that its journal holds.
        recorder.start()
        _until(lambda: len(_kept(db)[0]) > len(samples) + 300)
        running.stop()
        _until(lambda: len(_kept(db)[1]) == running.event_n)
        recorder.end(signal.SIGTERM)
        recorder.close()
        told_n = running.event_n
    samples, events = _kept(db)
    assert events == list(range(1, told_n + 1))
    connection = sqlite3.connect(db)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("SELECT count(DISTINCT board_id), count(*) FROM boots").fetchone() == (1, 1)
    # What is missing of the samples is what was sent while no recorder ran, and is said to be missing or lies between
    # sessions; what a session has is without a hole.
    for (session_id,) in connection.execute("SELECT id FROM sessions").fetchall():
        seqs = [row[0] for row in connection.execute("SELECT seq FROM samples WHERE session_id = ?", (session_id,))]
        lost = connection.execute(
            "SELECT coalesce(sum(lost_n), 0) FROM gaps WHERE session_id = ? AND name = 'sample'", (session_id,)
        ).fetchone()[0]
        assert not seqs or seqs[-1] - seqs[0] + 1 - len(seqs) <= lost
    # The rollups hold what the rows hold, however often they were broken off.
    assert connection.execute("SELECT sum(count_n) FROM sample_minutes").fetchone() == (len(samples),)
    assert connection.execute("SELECT sum(count_n) FROM heard WHERE name = 'event'").fetchone() == (told_n,)
    connection.close()
    with Log(db) as log:
        assert sum(session["samples"] for session in log.sessions()) == len(samples)
    # The raw lines lose what the last second held, never half a line.
    decoder = wire.Decoder()
    for _, text in capture.lines(capture.folder_of(db)):
        decoder.feed(text.encode() + b"\n")
    assert decoder.bad_n <= KILLS_N + 1  # of each sitting the first line, which the cable had begun before
    record_property(
        "table",
        f"{KILLS_N} kills in {time.monotonic() - begun_s:.0f} s: {len(samples)} samples and {told_n} alarms kept,"
        f" {acknowledged_n[0]} and {acknowledged_n[1]} of them acknowledged before the last kill; none missing, none"
        " twice",
    )


def _until(holds: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end_s, "what the board had told was not on the disk after a minute"
        time.sleep(0.2)


def _has_tables(db: Path) -> bool:
    connection = sqlite3.connect(f"{db.as_uri()}?mode=ro", uri=True, timeout=10)
    try:
        return bool(connection.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.OperationalError:
        return False
    finally:
        connection.close()
