"""Leak-free time accumulates: who watches a board or examines it is told when new settings would see more, and how."""

import io
import time
from pathlib import Path

import pytest
from pty_board import BOARD_ID, PtyBoard
from rich.console import Console
from test_store import NOW_S, _boot, _record

from loopwatch import alarms
from loopwatch.journal import ALARM
from loopwatch_host.cli.doctor import _commissioning
from loopwatch_host.cli.sitting import at_board
from loopwatch_host.commission import accumulated
from loopwatch_host.doctor import Facts, Level, default_crc
from loopwatch_host.errors import StoreError
from loopwatch_host.monitor import LineView
from loopwatch_host.store import Store, made

BOARD = f"{BOARD_ID:016x}"
CRC = "0BADCAFE"
HOURS_N = 16  # of each day, then the laptop sleeps
DAYS_N = 18
SAID_S = 30.0


def watched(path: Path, days_n: int, leak_day: int | None = None) -> Path:
    """A log of a sitting a day, HOURS_N long, a sample a minute; a leak at noon of one of them, reset after an hour."""
    for day in range(days_n):
        begun_s = 86_400 * day
        with Store(path, "a port", NOW_S + begun_s) as kept:
            kept.add(_boot())
            for minute in range(60 * HOURS_N):
                t_ms = 1000 * (begun_s + 60 * minute)
                kept.add(_record("sample", t_ms // 60_000, t_ms, p_static_pa=150_000))
            if day == leak_day:
                for seq, (hour, state) in enumerate(((12, "UNACK"), (13, "NORM")), 1):
                    subject_n, state_n = alarms.index_of("leak_seep"), alarms.STATE_NAMES.index(state)
                    event = {"event_n": ALARM, "subject_n": subject_n, "state_n": state_n, "priority_n": 2}
                    kept.add(_record("event", seq, 1000 * (begun_s + 3600 * hour), **event))
    return path


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return watched(tmp_path_factory.mktemp("accumulated") / "log.db", DAYS_N)


def test_days_are_counted_as_commission_counts_them(db, tmp_path):
    # Of every day but the first one the six hours in which the lags fill are spent.
    assert accumulated.counted_days(db, BOARD) == pytest.approx((DAYS_N * (HOURS_N - 6) + 6) / 24, abs=0.01)
    assert accumulated.counted_days(db, "another") == 0
    leaked = watched(tmp_path / "log.db", 3, leak_day=1)
    # The day of the leak keeps its last three hours, which are no part of their own.
    assert accumulated.counted_days(leaked, BOARD) == pytest.approx((16 + 10) / 24, abs=0.01)
    with pytest.raises(StoreError, match="no log at"):
        accumulated.counted_days(tmp_path / "none.db", BOARD)


@pytest.mark.parametrize(
    ("before", "now", "says"),
    [
        (1.0, 2.4, ""),
        (1.0, 2.5, "alarm sooner"),
        (1.0, 10.0, "leaks of 5 mL/h and less, advisory until then, alarm"),
        (3.0, 9.9, ""),
        (3.0, 11.0, "come from 3.0 days of log, and 11.0 leak-free days are kept by now"),
        (10.0, 30.0, ""),
    ],
)
def test_new_settings_are_worth_it_when_a_rule_for_longer_logs_is_reached(before, now, says):
    said = accumulated.worth_it(before, now)
    assert says in said
    assert bool(said) == bool(says)


def test_a_log_remembers_what_settings_were_made_from_and_one_that_is_not_there_is_not_begun_for_it(tmp_path):
    path = tmp_path / "log.db"
    made.remember(path, CRC, 3.0)
    assert not path.exists()
    with Store(path, "a port"):
        pass
    assert (made.any_in(path), made.days_of(path, CRC)) == (False, None)
    made.remember(path, CRC, 3.0)
    made.remember(path, CRC, 4.5)
    assert (made.any_in(path), made.days_of(path, CRC), made.days_of(path, "00000000")) == (True, 4.5, None)


def said_to_a_watcher(folder: Path, log: Path, crc: str) -> tuple[str, list[str]]:
    """What `loopwatch monitor` says of a board that runs on these settings, and what the board was asked."""
    with PtyBoard(folder) as board:
        board.config_crc = crc
        lines = io.StringIO()
        with at_board(board.port, log, LineView(Console(file=lines, width=500))) as sitting:
            end_s = time.monotonic() + SAID_S
            while "commission" not in lines.getvalue() and time.monotonic() < end_s:
                sitting.step(0.02)
                if sitting.client.stream.board_id and sitting.watch.adviser is None:
                    break
    return lines.getvalue(), board.commands


def test_whoever_watches_is_told_once_what_to_type_and_a_log_that_knows_no_settings_asks_nothing(tmp_path):
    path = watched(tmp_path / "log.db", DAYS_N)
    told, asked = said_to_a_watcher(tmp_path, path, CRC)
    assert "loopwatch commission" not in told
    assert not any("CONF:CRC?" in command for command in asked)
    made.remember(path, CRC, 1.0)
    told, asked = said_to_a_watcher(tmp_path, path, CRC)
    # Eighteen days of sixteen hours are 7.8 that count.
    assert f"board {BOARD}: its settings come from 1.0 days of log, and 7.8 leak-free days" in told
    assert told.count("loopwatch commission --recorded --board board.toml -o loop.toml") == 1
    assert sum("CONF:CRC?" in command for command in asked) == 1


def test_the_doctor_says_whether_there_is_enough_for_new_settings_and_when_it_cannot_know(db, tmp_path):
    made.remember(db, CRC, 1.0)
    made.remember(db, "00000014", 14.0)
    facts = Facts(board_id=BOARD, replies={"CONF:CRC?": CRC})
    (found,) = _commissioning(facts, db)
    assert (found.name, found.level) == ("commissioning", Level.WARN)
    assert "alarm sooner" in found.text
    assert "loopwatch config push" in found.advice
    (found,) = _commissioning(Facts(board_id=BOARD, replies={"CONF:CRC?": "00000014"}), db)
    assert (found.level, found.advice) == (Level.OK, "")
    (found,) = _commissioning(Facts(board_id=BOARD, replies={"CONF:CRC?": "00000099"}), db)
    assert "not known from how much log" in found.text
    (found,) = _commissioning(facts, tmp_path / "none.db")
    assert "not known" in found.text
    for reply in (default_crc(), "!-113", None):
        assert _commissioning(Facts(board_id=BOARD, replies={"CONF:CRC?": reply}), db) == []
