"""The life of an alarm, by the ISA-18.2 diagram."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwatch import alarms
from loopwatch.alarms import ACKED, FALSE, LATCH, LEAK, NORM, RTNUN, TRUE, UNACK, UNKNOWN
from loopwatch.journal import CAPACITY_N, Journal
from loopwatch.wire import Record

FAULT = alarms.SENSOR_FAULT


@pytest.fixture
def states():
    return alarms.Alarms(Journal())


def hold(states, alarm, condition, from_ms, for_ms):
    for now_ms in range(from_ms, from_ms + for_ms + 1, 100):
        states.update(alarm, condition, 5, now_ms)
    return from_ms + for_ms


def test_a_condition_shorter_than_its_delay_raises_nothing(states):
    on_delay_ms = alarms.TABLE[FAULT][4]
    hold(states, FAULT, TRUE, 0, on_delay_ms - 100)
    hold(states, FAULT, FALSE, on_delay_ms, 0)
    hold(states, FAULT, TRUE, on_delay_ms + 100, on_delay_ms - 100)
    assert states.state[FAULT] == NORM


def test_a_leak_latches_until_it_is_acknowledged_gone_and_reset(states):
    off_delay_ms = alarms.TABLE[LEAK][5]
    states.update(LEAK, TRUE, 1, 0)
    assert states.state[LEAK] == UNACK
    assert not states.reset(LEAK, 0)
    assert states.acknowledge(LEAK, 0)
    assert not states.reset(LEAK, 0)
    hold(states, LEAK, FALSE, 100, off_delay_ms)
    assert states.state[LEAK] == LATCH
    assert states.tripped
    assert states.reset(LEAK, 0)
    assert states.state[LEAK] == NORM
    assert not states.tripped


def test_a_leak_that_ends_unseen_still_wants_to_be_seen_and_reset(states):
    states.update(LEAK, TRUE, 1, 0)
    hold(states, LEAK, FALSE, 100, 10_000)
    assert states.state[LEAK] == RTNUN
    assert not states.reset(LEAK, 0)
    assert states.acknowledge(LEAK, 0)
    assert states.state[LEAK] == LATCH


def test_an_alarm_that_does_not_latch_ends_with_its_condition_once_acknowledged(states):
    now_ms = hold(states, FAULT, TRUE, 0, 1_000)
    states.acknowledge(FAULT, now_ms)
    assert states.state[FAULT] == ACKED
    hold(states, FAULT, FALSE, now_ms + 100, alarms.TABLE[FAULT][5])
    assert states.state[FAULT] == NORM


def test_a_condition_that_comes_again_wants_to_be_seen_again(states):
    states.update(LEAK, TRUE, 1, 0)
    states.acknowledge(LEAK, 0)
    hold(states, LEAK, FALSE, 100, 10_000)
    states.update(LEAK, TRUE, 1, 20_000)
    assert states.state[LEAK] == UNACK


def test_without_sensors_an_alarm_is_neither_raised_nor_cleared(states):
    states.update(LEAK, TRUE, 1, 0)
    hold(states, LEAK, UNKNOWN, 100, 60_000)
    assert states.state[LEAK] == UNACK
    hold(states, FAULT, TRUE, 0, 900)
    hold(states, FAULT, UNKNOWN, 1_000, 0)
    hold(states, FAULT, TRUE, 1_100, 900)
    assert states.state[FAULT] == NORM


def test_delays_are_right_across_the_wrap_of_the_clock(states):
    period = 1 << 30
    for now_ms in (period - 600, period - 100, 399):
        states.update(FAULT, TRUE, 1, now_ms)
        assert states.state[FAULT] == NORM
    states.update(FAULT, TRUE, 1, 400)
    assert states.state[FAULT] == UNACK


def test_only_leak_alarms_have_leak_in_their_names():
    assert [row[0] for row in alarms.TABLE if "leak" in row[0]] == ["leak"]
    assert len({row[0] for row in alarms.TABLE}) == alarms.ALARM_N
    assert alarms.TABLE[alarms.NOT_COMMISSIONED][0] == "not_commissioned"


def test_every_change_is_in_the_journal_in_order():
    journal = Journal()
    states = alarms.Alarms(journal)
    states.update(LEAK, TRUE, 42, 7)
    states.acknowledge(LEAK, 9)
    record = Record("E")
    seen = []
    for seq in (1, 2):
        journal.load(seq, record)
        seen.append((record.seq, record.t_ms, *record.values))
    assert seen == [(1, 7, 1, LEAK, UNACK, 1, 42, 1), (2, 9, 1, LEAK, ACKED, 1, 42, 1)]


def test_the_journal_keeps_the_latest_and_says_which_are_gone():
    journal = Journal()
    for i in range(CAPACITY_N + 5):
        journal.add(2, 1, 0, 4, i, i)
    record = Record("E")
    journal.load(journal.oldest_seq(), record)
    assert (record.seq, record.values[4]) == (6, 5)
    with pytest.raises(IndexError, match="event 5 is not kept"):
        journal.load(5, record)
    journal.sent_seq = journal.seq
    journal.resend_after(0)
    assert journal.sent_seq == 5


@given(
    st.lists(st.tuples(st.sampled_from([alarms.FALSE, alarms.TRUE, alarms.UNKNOWN]), st.integers(1, 60)), max_size=40)
)
def test_while_no_delay_runs_the_same_condition_again_changes_nothing(spells):
    told_always, told_when_needed = alarms.Alarms(Journal()), alarms.Alarms(Journal())
    now_ms, previous = 0, None
    for condition, spell_n in spells:
        for _ in range(spell_n):
            now_ms += 100
            told_always.update(alarms.BLIND, condition, 5, now_ms)
            if condition != previous or told_when_needed.pending_n:
                previous = condition
                told_when_needed.update(alarms.BLIND, condition, 5, now_ms)
        assert told_always.state == told_when_needed.state
        assert told_always.pending_n == told_when_needed.pending_n
