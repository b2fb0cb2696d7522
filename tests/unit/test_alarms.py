"""The life of an alarm, by the ISA-18.2 diagram."""

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwatch import alarms
from loopwatch.alarms import ACKED, FALSE, LATCH, LEAK, NORM, OOSRV, RTNUN, SHELVED, TRUE, UNACK, UNKNOWN
from loopwatch.config import Config
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
    named = {i for i, row in enumerate(alarms.TABLE) if "leak" in row[0]}
    assert named == {alarms.LEAK, alarms.LEAK_SEEP, alarms.LEAK_RUPTURE}
    assert sum(1 << i for i in named) == alarms.LEAK_BITS
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


def raise_now(states, alarm, now_ms=0):
    hold(states, alarm, TRUE, now_ms, alarms.TABLE[alarm][4])
    assert states.state[alarm] == UNACK


@pytest.mark.parametrize("alarm", [alarms.LEAK_RUPTURE, alarms.PRESSURE_HIGH, alarms.BLIND, alarms.SIMULATION])
def test_what_must_stay_in_sight_can_be_neither_shelved_nor_taken_out_of_service(states, alarm):
    assert not states.shelve(alarm, 60, 0)
    assert not states.set_out_of_service(alarm, True, 0)
    raise_now(states, alarm)


def test_hard_alarms_are_suppressed_by_no_mode_made_passive_by_no_setting_and_trip_while_only_watching():
    every = (1 << alarms.ALARM_N) - 1
    states = alarms.Alarms(Journal(), Config(passive_bits=every, disabled_bits=every))
    states.suppress(alarms.IN_START | alarms.IN_SERVICE, True, 0)
    states.arm(False)
    assert states.state[LEAK] == OOSRV
    for alarm in (alarms.LEAK_RUPTURE, alarms.PRESSURE_HIGH):
        raise_now(states, alarm)
        assert states.tripped
        states.acknowledge(alarm, 9_000)
        hold(states, alarm, FALSE, 10_000, 10_000)
        assert states.reset(alarm, 30_000)
        assert not states.tripped


def test_while_only_watching_a_leak_is_told_and_does_not_trip_until_the_trip_is_armed(states):
    states.arm(False)
    raise_now(states, LEAK)
    assert not states.tripped
    states.arm(True)
    assert states.tripped


def test_a_setting_makes_a_passive_alarm_trip_and_a_tripping_one_passive():
    states = alarms.Alarms(Journal(), Config(tripping_bits=1 << alarms.PRESSURE_LOW, passive_bits=1 << LEAK))
    raise_now(states, LEAK)
    assert not states.tripped
    raise_now(states, alarms.PRESSURE_LOW)
    assert states.tripped


def test_a_shelf_silences_a_leak_but_does_not_bypass_the_interlock_and_logs_what_happens_under_it():
    journal = Journal()
    states = alarms.Alarms(journal)
    raise_now(states, LEAK)
    assert states.shelve(LEAK, 600, 0)
    assert (states.unack_bits, states.tripped) == (0, True)
    before_n = journal.seq
    hold(states, LEAK, FALSE, 100, 10_000)
    assert journal.seq == before_n + 1
    for _ in range(599):
        states.tick(20_000)
    assert states.state[LEAK] == SHELVED
    states.tick(20_000)
    assert states.state[LEAK] == RTNUN, "it latched before, and nobody has reset it"


def test_the_first_out_is_kept_until_nothing_stands(states):
    raise_now(states, alarms.PRESSURE_LOW)
    raise_now(states, LEAK)
    assert states.first_out == alarms.PRESSURE_LOW
    states.acknowledge(alarms.PRESSURE_LOW, 5_000)
    hold(states, alarms.PRESSURE_LOW, FALSE, 5_000, 10_000)
    assert states.state[alarms.PRESSURE_LOW] == NORM
    assert states.first_out == alarms.PRESSURE_LOW, "it was first, whatever has become of it"
    states.acknowledge(LEAK, 20_000)
    hold(states, LEAK, FALSE, 20_000, 10_000)
    states.reset(LEAK, 40_000)
    assert states.first_out == alarms.NONE


def test_an_advisory_alarm_is_never_the_first_out_and_counts_for_no_flood(states):
    states.update(alarms.NOT_COMMISSIONED, TRUE, 0, 0)
    assert states.first_out == alarms.NONE
    raise_now(states, FAULT)
    assert states.first_out == FAULT


def test_more_than_ten_in_ten_minutes_are_grouped_under_the_first_out_and_acknowledged_with_it(states):
    rises = [FAULT + i for i in range(6)] + [12, 14, 15, 16, 17, 18, 19]
    for n, alarm in enumerate(rises):
        for _ in range(30):
            states.tick(0)
        raise_now(states, alarm)
        assert states.flood == (n >= 10)
    grouped = rises[10:]
    assert states.grouped_bits == sum(1 << alarm for alarm in grouped)
    raise_now(states, LEAK)
    assert not states.grouped_bits >> LEAK & 1, "what is urgent is never grouped"
    assert states.acknowledge(FAULT, 0)
    assert [states.state[alarm] for alarm in grouped] == [ACKED] * 3
    assert states.state[FAULT + 1] == UNACK
    for _ in range(600):
        states.tick(0)
    assert not states.flood


def test_what_was_acknowledged_and_still_stands_wants_to_be_seen_again_after_its_time(states):
    raise_now(states, alarms.LEAK_RUPTURE)
    states.acknowledge(alarms.LEAK_RUPTURE, 0)
    for _ in range(599):
        states.tick(0)
    assert states.state[alarms.LEAK_RUPTURE] == ACKED
    states.tick(0)
    assert states.state[alarms.LEAK_RUPTURE] == UNACK


def test_a_condition_unknown_for_longer_than_its_row_allows_is_stale(states):
    states.update(LEAK, FALSE, 0, 0)
    for _ in range(100):
        states.tick(0)
    assert not states.stale(LEAK)
    states.update(LEAK, UNKNOWN, 0, 0)
    for _ in range(59):
        states.tick(0)
    assert not states.stale(LEAK)
    states.tick(0)
    assert states.stale(LEAK)
    states.update(LEAK, FALSE, 0, 0)
    assert not states.stale(LEAK)


@pytest.mark.parametrize(
    ("place", "word"), [(0, 0), (0, 0x0A17), (1, -1), (1, alarms.ALARM_N + 1), (5, -1), (5, 1 << 28), (7, 1 << 6)]
)
def test_words_that_are_not_ours_are_refused_and_nothing_is_taken_from_them(states, place, word):
    words = array("i", bytes(4 * alarms.WORD_N))
    raise_now(states, LEAK)
    n = states.save_words(words)
    words[place] = word
    fresh = alarms.Alarms(Journal())
    assert not fresh.load_words(words, n, 0)
    assert not fresh.load_words(words, 2, 0)
    assert fresh.alarm_bits == 0


def test_the_words_of_a_firmware_with_fewer_alarms_are_taken_and_the_rest_stays():
    words = array("i", bytes(4 * alarms.WORD_N))
    older = alarms.Alarms(Journal())
    raise_now(older, LEAK)
    older.save_words(words)
    words[1] = 10
    fresh = alarms.Alarms(Journal())
    assert fresh.load_words(words, 13, 0)
    assert (fresh.state[LEAK], fresh.tripped, fresh.alarm_bits) == (UNACK, True, 1)


def test_a_latched_alarm_is_not_reset_while_nobody_knows_whether_its_condition_is_gone(states):
    raise_now(states, LEAK)
    states.acknowledge(LEAK, 0)
    hold(states, LEAK, FALSE, 100, 10_000)
    assert states.state[LEAK] == LATCH
    states.update(LEAK, UNKNOWN, 0, 20_000)
    assert not states.reset(LEAK, 20_000)
    states.update(LEAK, FALSE, 0, 21_000)
    assert states.reset(LEAK, 21_000)
