"""Commissioned again from what monitor has kept: the board's own seconds, all parts of them, and what changes by it."""

import json
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

import command_line
import numpy as np
import pytest
from test_store import BOARD_ID, NOW_S, _boot, _record

from loopwatch import alarms, bank
from loopwatch.journal import ALARM
from loopwatch_host.commission import changes, live, record, recorded
from loopwatch_host.errors import StoreError, UsageError
from loopwatch_host.evaluate import family, journey
from loopwatch_host.messages import Started
from loopwatch_host.store import Log, Store
from loopwatch_host.store.made import days_of

DAY_S = 86_400
FIRST_S = 2 * 3600
HOLE_S = 3 * 3600
SECOND_S = DAY_S
OTHER_S = NOW_S + 30 * DAY_S


def _other_boot() -> Started:
    """A start of another board, a month later."""
    started = _boot(1, OTHER_S)
    assert started.boot
    started.boot.values["board_id_w3"] = 0x9999
    return started


@pytest.fixture(scope="module")
def loop_x() -> np.ndarray:
    member = family.default(23)
    way = journey.drawn(member, 1.3)
    return journey.log(journey.begun(member, way), way, 0, FIRST_S + HOLE_S + SECOND_S)


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory, loop_x: np.ndarray) -> Path:
    """Two sittings in front of one start of a board, three hours apart, a leak alarm in the later; another board."""
    path = tmp_path_factory.mktemp("recorded") / "log.db"
    for first, last in ((0, FIRST_S), (FIRST_S + HOLE_S, FIRST_S + HOLE_S + SECOND_S)):
        with Store(path, "a port", NOW_S + first) as kept:
            kept.add(_boot())
            for second in range(first, last):
                row = loop_x[second].tolist()
                values = dict(zip(live.COLUMNS, row, strict=False))
                kept.add(_record("mean", second, 1000 * second, **values))
            if first:
                subject_n = alarms.index_of("leak")
                unacknowledged_n = alarms.STATE_NAMES.index("UNACK")
                event = {"event_n": ALARM, "subject_n": subject_n, "state_n": unacknowledged_n, "priority_n": 1}
                kept.add(_record("event", 1, 1000 * (last - 600), **event))
    with Store(path, "another port", OTHER_S) as kept:
        kept.add(_other_boot())
        for second in range(50):
            values = {**dict.fromkeys(live.COLUMNS), "p_static_pa": 150_000 + second}
            kept.add(_record("mean", second, 1000 * second, 1, OTHER_S, **values))
    return path


def test_all_sittings_are_parts_of_the_log_and_the_boards_alarm_in_it_is_told(db, loop_x):
    taken = recorded.read(db, session=1, from_s=NOW_S, to_s=NOW_S + 3 * DAY_S, tight=True)
    assert (taken.board_id, taken.parts_n) == (BOARD_ID, 2)
    assert taken.begun_s == NOW_S
    assert taken.kept_days == pytest.approx((FIRST_S + SECOND_S) / DAY_S, abs=0.001)
    assert taken.log.parts == [(0, FIRST_S), (FIRST_S, FIRST_S + SECOND_S)]
    assert taken.log.gaps_s() == [(FIRST_S, HOLE_S)]
    assert np.array_equal(taken.log.x[:FIRST_S, :5], loop_x[:FIRST_S, :5])
    assert np.array_equal(taken.log.x[FIRST_S:, :5], loop_x[FIRST_S + HOLE_S :, :5])
    assert (taken.leaks_s, taken.left_out_days) == ([NOW_S + FIRST_S + HOLE_S + SECOND_S - 600], 0)


def test_the_time_around_a_leak_that_the_board_raised_is_left_out_unless_its_owner_vouches_for_it(db):
    taken = recorded.read(db, session=1, from_s=NOW_S, to_s=NOW_S + 3 * DAY_S)
    # Never reset while somebody listened: twelve hours before it, and all behind it.
    left_s = FIRST_S + SECOND_S - 600 - recorded.BEFORE_LEAK_S
    assert len(taken.log.x) == left_s
    assert taken.left_out_days == pytest.approx((600 + recorded.BEFORE_LEAK_S) / DAY_S)
    assert taken.parts_n == 2


def test_a_leak_that_was_reset_parts_the_record_and_one_in_a_proof_test_does_not(tmp_path):
    """Four days without a hole; a proof test's leak on the first, one that was mended after two hours on the third."""
    path = tmp_path / "log.db"
    hours_n = 4 * 24
    with Store(path, "a port", NOW_S) as kept:
        kept.add(_boot())
        for n in range(hours_n * 6):
            # A second each ten minutes, which is as far apart as neighbours of one part may be.
            values = {**dict.fromkeys(live.COLUMNS, 25_000), "p_static_pa": 150_000 + n % 7, "p_pump_pa": 185_000}
            kept.add(_record("mean", n, 600_000 * n, **values))
        events = [
            (5.0, "simulation", "UNACK"),
            (5.1, "leak", "UNACK"),
            (5.2, "leak", "NORM"),
            (5.3, "simulation", "NORM"),
            (50.0, "leak", "UNACK"),
            (51.0, "leak", "ACKED"),
            (52.0, "leak", "NORM"),
        ]
        for seq, (hour, name, state) in enumerate(events, 1):
            subject_n, state_n = alarms.index_of(name), alarms.STATE_NAMES.index(state)
            event = {"event_n": ALARM, "subject_n": subject_n, "state_n": state_n, "priority_n": 1}
            kept.add(_record("event", seq, round(3_600_000 * hour), **event))
    with Log(path) as log:
        leaks = recorded.leaks(log, BOARD_ID, NOW_S, NOW_S + 5 * DAY_S)
    assert leaks == [(NOW_S + 50 * 3600, NOW_S + 52 * 3600)]
    t_ms = (1000 * (NOW_S + 600.0 * np.arange(hours_n * 6))).astype(np.float64)
    well = recorded.outside(t_ms, leaks)
    hours = (t_ms / 1000 - NOW_S) / 3600
    assert np.array_equal(well, (hours < 38) | (hours > 52))
    assert [(hours[well][a], hours[well][b - 1]) for a, b in recorded.parts_of(t_ms[well])] == [
        (0, 38 - 1 / 6),
        (52 + 1 / 6, hours_n - 1 / 6),
    ]


def test_a_range_and_another_board_choose_and_what_is_not_there_is_said(db, tmp_path):
    early = recorded.read(db, session=2, from_s=NOW_S, to_s=NOW_S + 3_600)
    assert (early.parts_n, early.leaks_s, len(early.log.x)) == (1, [], 3_601)
    with pytest.raises(UsageError, match="has no second of board"):
        recorded.read(db, session=1, from_s=NOW_S + FIRST_S + 60, to_s=NOW_S + FIRST_S + 3_600)
    # The latest sitting was in front of a board that gave nothing but a pressure.
    with pytest.raises(UsageError, match="no temperature"):
        recorded.read(db)
    with pytest.raises(StoreError, match="no log at"):
        recorded.read(tmp_path / "none.db")


def test_one_command_commissions_again_keeps_the_volumes_and_says_what_changes(db, tmp_path):
    loopwatch = partial(command_line.loopwatch, "commission")
    until = datetime.fromtimestamp(NOW_S + 3 * DAY_S).isoformat()
    since = datetime.fromtimestamp(NOW_S).isoformat()
    which = ("--recorded", "--db", db, "--session", 1, "--from", since, "--to", until)
    first = tmp_path / "first.toml"
    refused = loopwatch(*which, "-o", first, "--json")
    assert refused.returncode == 1
    assert "a day is needed" in json.loads(refused.stdout)["error"]
    assert "--tight" in json.loads(refused.stdout)["error"]
    vouched = (*which, "--tight")
    made = loopwatch(*vouched, "--volume-ml", 1900, "--gas-ml", 140, "-o", first, "--json")
    assert made.returncode == 0, made.stdout + made.stderr
    told = json.loads(made.stdout)
    assert told["recorded"]["board_id"] == BOARD_ID
    assert told["changes"] is None
    assert any("raised a leak once" in text for text in told["caveats"])
    assert any("Commission again with 2.5 days" in text for text in told["caveats"])
    assert days_of(db, told["crc"]) == told["days"] == pytest.approx(1.0)
    again = loopwatch(*vouched, "--board", first, "-o", tmp_path / "again.toml")
    assert again.returncode == 0, again.stdout + again.stderr
    assert f"against {first}" in again.stdout.replace("\n", " ")
    assert "loopwatch config push" in again.stdout
    kept, new = record.load(first), record.load(tmp_path / "again.toml")
    assert (new.liquid_ml, new.gas_ml) == (1900, 140)
    assert changes.words(changes.of(kept, new)) == []
    for words in (
        ("--recorded", "log.csv"),
        ("log.csv", "--db", db),
        ("log.csv", "--tight"),
        ("--recorded", "--from", "12"),
    ):
        assert loopwatch(*words, "-o", tmp_path / "no.toml").returncode == 2
    longer = new.bank.copy()
    longer[bank.LIMITS : bank.LIMITS + 2] = 1_000_000
    said = changes.words(changes.of(kept, replace(new, bank=longer, days=14.0)))
    assert said == ["0.7 mL/h, 2 mL/h: alarm from now on and were advisory"]
    said = changes.words(changes.of(replace(new, bank=longer, days=14.0), new))
    assert "are advisory from now on and were alarms" in said[0]
    assert "from 14.0 days of log, these from 1.0 only" in said[1]
