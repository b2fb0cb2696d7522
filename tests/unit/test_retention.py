"""How long a log keeps what: set once on the command line, remembered by the log, and gone by."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pty_board import PtyBoard
from typer.testing import CliRunner

from loopwatch_host.cli import app
from loopwatch_host.cli.sitting import at_board
from loopwatch_host.errors import UsageError
from loopwatch_host.store import Store, capture
from loopwatch_host.store.retention import Retention, remember, remembered, settled

RUN = [
    sys.executable,
    "-c",
    "from loopwatch_host.cli import main; main()",
    "run",
    "--for",
    "1",
    "--speed",
    "20",
    "--json",
]


def _run(db: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*RUN, "--db", str(db), *arguments], capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip


def test_what_was_set_on_the_command_line_holds_for_every_later_program_of_that_log(tmp_path: Path) -> None:
    db = tmp_path / "log.db"
    assert _run(db, "--keep-days", "3").returncode == 0
    assert _run(db).returncode == 0
    assert remembered(db).keep_days == 3.0
    assert remembered(tmp_path / "other.db") == Retention()


def test_what_is_not_set_stays_as_it_was_and_the_new_comes_before_the_old(tmp_path: Path) -> None:
    db = tmp_path / "log.db"
    Store(db, "test").close()
    remember(db, {"keep_days": 7.0, "raw_total_mb": 90.0})
    assert settled(db, {"raw_total_mb": 60.0}) == Retention(keep_days=7.0, raw_total_mb=60.0)
    remember(db, {})
    assert remembered(db) == Retention(keep_days=7.0, raw_total_mb=90.0)


def test_seconds_outlive_samples_however_long_those_are_kept() -> None:
    assert (Retention().keep.samples_days, Retention().keep.seconds_days) == (30.0, 800.0)
    assert Retention(keep_days=2000.0).keep.seconds_days == 2000.0


def test_raw_lines_of_a_board_turn_at_the_size_that_was_set_and_the_oldest_go(tmp_path: Path) -> None:
    db = tmp_path / "log.db"
    kept = {"raw_file_mb": 0.004, "raw_total_mb": 0.012}
    with PtyBoard(tmp_path) as board, at_board(board.port, db, None, kept=kept) as sitting:
        board.boot()
        n = 0
        while n < 1500:
            for _ in range(50):
                n += 1
                board.sample(n, 100 * n)
            sitting.step(0.2)
    files = capture.files(capture.folder_of(db))
    assert len(files) >= 2
    assert sum(path.stat().st_size for path in files) <= 0.012e6 + 0.004e6
    texts = [text for _, text in capture.lines(capture.folder_of(db))]
    numbers = [int(text.split(",")[1]) for text in texts if text.startswith("$S")]
    assert numbers == list(range(numbers[0], 1501))
    assert numbers[0] > 100


def test_a_file_that_would_be_nearly_all_there_is_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--raw-file-size smaller"):
        settled(tmp_path / "log.db", {"raw_file_mb": 10.0, "raw_total_mb": 15.0})


@pytest.mark.parametrize("command", ["monitor", "web", "run"])
def test_the_help_says_how_long_what_is_kept_when_nobody_says_anything(command: str) -> None:
    done = CliRunner().invoke(app, [command, "--help"], terminal_width=200, color=False)
    words = " ".join(done.stdout.replace("│", " ").split())
    assert "--keep-days" in words
    assert "[default: (30, or what was set for this log before)]" in words
