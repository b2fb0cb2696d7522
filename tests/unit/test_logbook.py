"""The journal on the flash: whatever byte the power goes at, what was kept is there and nothing else is."""

from pathlib import Path

import pytest
from cut_power import FOR_EVER, power
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwatch import journal, logbook, pair, states
from loopwatch.journal import ALARM, CAPACITY_N, MODE, Journal
from loopwatch.logbook import BATCH_MS, BURST_N, ENTRY_N, SEGMENT_ENTRIES_N, TAIL_N, Logbook
from loopwatch.memory import Memory
from loopwatch.wire import Record

Event = tuple[int, ...]
INT31 = st.integers(-(2**30) + 1, 2**30 - 1)


def started(folder: Path) -> tuple[Journal, Logbook]:
    """A journal after a start in this folder."""
    with power(folder, FOR_EVER):
        book = Journal()
        log = Logbook(book)
        log.load()
    return book, log


def events_of(book: Journal) -> dict[int, Event]:
    """What a journal holds, by sequence number: t_ms and the event's words, run_n last."""
    record = Record("E")
    held = {}
    for seq in range(book.oldest_seq(), book.seq + 1):
        book.load(seq, record)
        held[seq] = (record.t_ms, *record.values)
    return held


def add(book: Journal, n: int, event_n: int = MODE, priority_n: int = 4) -> None:
    """n events that differ in every word."""
    for _ in range(n):
        seq = book.seq + 1
        book.add(event_n, seq % 30, seq % 8, priority_n, -seq * 1_000_003 % 2**30 - 2**29, seq * 77)


def test_after_a_restart_the_latest_events_are_there_and_numbers_go_on(tmp_path: Path) -> None:
    book, log = started(tmp_path)
    add(book, 5)
    before = events_of(book)
    with power(tmp_path, FOR_EVER):
        log.sync(0)
    again, _ = started(tmp_path)
    assert events_of(again) == before
    assert (again.seq, again.before_seq, again.kept_seq, again.run_n) == (5, 5, 5, book.run_n + 1)
    add(again, 1)
    assert again.seq == 6
    assert events_of(again)[6][-1] == 2, "the number of the start"


def test_hundreds_of_events_keep_their_latest_in_bounded_files(tmp_path: Path) -> None:
    book, log = started(tmp_path)
    with power(tmp_path, FOR_EVER):
        for _ in range(300):
            add(book, 3)
            log.sync(0)
    again, _ = started(tmp_path)
    assert events_of(again) == events_of(book)
    sizes_n = {path.name: path.stat().st_size for path in (tmp_path / "journal").iterdir()}
    assert set(sizes_n) == {"tail", "0", "1", "2"}
    assert sizes_n.pop("tail") <= TAIL_N * ENTRY_N <= 512, "small enough to lie in its folder"
    assert all(size_n <= SEGMENT_ENTRIES_N * ENTRY_N <= 4096 for size_n in sizes_n.values())
    assert sum(sizes_n.values()) >= 2 * (SEGMENT_ENTRIES_N - TAIL_N) * ENTRY_N


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255), INT31, st.integers(0, 2**30 - 1)), max_size=30))
@settings(max_examples=30)
def test_every_event_comes_back_as_it_was(given_events: list[tuple[int, int, int, int]]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        book, log = started(Path(folder))
        for subject_n, state_n, value, t_ms in given_events:
            book.add(ALARM, subject_n, state_n, 2, value, t_ms)
            with power(Path(folder), FOR_EVER):
                log.sync(0)
        assert events_of(started(Path(folder))[0]) == events_of(book)


BATCHES = (1, 1, 3, 7, 2, 9, 1, 5, 20, 4, 1)


@pytest.mark.parametrize("rest", range(5))
def test_a_cut_at_any_byte_loses_nothing_that_was_kept_and_makes_nothing_up(tmp_path: Path, rest: int) -> None:
    lasts_n, ended = rest, False
    while not ended:
        folder = tmp_path / str(lasts_n)
        folder.mkdir()
        book, log = started(folder)
        with power(folder, lasts_n, logbook):
            for n in BATCHES:
                add(book, n)
                log.sync(0)
            ended = True
        said = events_of(book)
        again, log = started(folder)
        found = events_of(again)
        assert again.seq >= book.kept_seq
        assert all(seq in found for seq in said if seq <= book.kept_seq)
        assert all(found[seq] == said[seq] for seq in found), "nothing is made up"
        assert again.damaged_n <= 1
        # It goes on from there, and the place of the cut does no harm later.
        add(again, 3)
        with power(folder, FOR_EVER):
            log.sync(0)
        last, _ = started(folder)
        assert list(events_of(last).values())[-3:] == list(events_of(again).values())[-3:]
        assert last.run_n == (again.run_n % 9_999) + 1
        lasts_n += 5
    assert lasts_n > 1_500, "the cuts were where something is written"


def test_a_second_cut_while_healing_the_first_does_no_harm(tmp_path: Path) -> None:
    for first_n in range(350, 700, 13):
        for second_n in (1, 7, 40):
            folder = tmp_path / f"{first_n}-{second_n}"
            folder.mkdir()
            book, log = started(folder)
            with power(folder, first_n, logbook):
                for n in BATCHES:
                    add(book, n)
                    log.sync(0)
            middle, log = started(folder)
            add(middle, 2)
            with power(folder, second_n, logbook):
                log.sync(0)
            last, _ = started(folder)
            assert last.seq >= book.kept_seq
            found, said = events_of(last), {**events_of(book), **events_of(middle)}
            assert all(found[seq] == said[seq] for seq in found)


def test_a_byte_changed_anywhere_costs_that_entry_alone_and_is_counted(tmp_path: Path) -> None:
    book, log = started(tmp_path)
    with power(tmp_path, FOR_EVER):
        for _ in range(5):
            add(book, 5)
            log.sync(0)
    said = events_of(book)
    for path in sorted((tmp_path / "journal").iterdir()):
        whole = path.read_bytes()
        for at in range(len(whole)):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :])
            again, _ = started(tmp_path)
            found = events_of(again)
            assert (again.damaged_n, again.fault_n) == (1, journal.FAULT_DAMAGED)
            assert all(found[seq] == said[seq] for seq in found)
            assert again.seq >= 24
        path.write_bytes(whole)


def test_a_flash_that_takes_nothing_is_a_fault_that_ends_when_it_does_again(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("in the way")
    book, log = started(tmp_path)
    add(book, 3, ALARM, 1)
    with power(tmp_path, FOR_EVER):
        assert log.due(0)
        log.sync(0)
        assert (book.write_error_n, book.fault_n) == (1, journal.FAULT_NOT_WRITTEN)
        assert events_of(book).keys() == {1, 2, 3}, "the ring goes on"
        assert not log.due(1_000), "tried again after a minute"
        (tmp_path / "journal").unlink()
        assert log.due(BATCH_MS)
        log.sync(BATCH_MS)
    assert (book.fault_n, book.kept_seq) == (journal.FAULT_NONE, 3)


def syncs_of(every_ms: int, for_ms: int, event_n: int, priority_n: int, folder: Path) -> list[int]:
    """When a board that asks once a second writes, with an event every so often."""
    book, log = started(folder)
    times_ms = []
    with power(folder, FOR_EVER):
        for now_ms in range(0, for_ms, 1_000):
            if now_ms % every_ms == 0:
                add(book, 1, event_n, priority_n)
            if log.due(now_ms):
                log.sync(now_ms)
                times_ms.append(now_ms)
    return times_ms


def test_an_alarm_is_on_the_flash_at_the_next_quiet_slot_and_a_mode_within_a_minute(tmp_path: Path) -> None:
    for name, event_n, priority_n, limit_ms in (("alarm", ALARM, 3, 1_000), ("mode", MODE, 4, BATCH_MS)):
        folder = tmp_path / name
        folder.mkdir()
        assert syncs_of(10**9, 100_000, event_n, priority_n, folder)[0] <= limit_ms


def test_wear_is_bounded_however_often_alarms_come_and_go(tmp_path: Path) -> None:
    hour_ms = 3_600_000
    low, urgent = tmp_path / "low", tmp_path / "urgent"
    low.mkdir()
    urgent.mkdir()
    # Once the quick ones are used up, one a minute, which twice a second's worth of events cannot make more.
    assert len(syncs_of(5_000, hour_ms, ALARM, 3, low)) <= BURST_N + 2 * 60
    assert len(syncs_of(12_000, hour_ms, ALARM, 1, urgent)) <= 300, "an urgent one always"


def test_states_survive_a_cut_at_any_byte_as_they_were_before_or_after(tmp_path: Path) -> None:
    before, after = [1, 2, 3, -4], [5, 6, 7, 2**30]
    outcomes = []
    for lasts_n in range(120):
        folder = tmp_path / str(lasts_n)
        folder.mkdir()
        done = False
        with power(folder, FOR_EVER):
            kept = states.States()
            kept.load()
            kept.put(before, 4)
            assert kept.save()
        with power(folder, lasts_n, pair):
            kept.put(after, 4)
            done = kept.save()
        with power(folder, FOR_EVER):
            found = list(states.States().load())
        assert found == after if done else found in (before, after)
        outcomes.append(found)
    assert before in outcomes
    assert outcomes[-1] == after


def test_states_that_did_not_change_are_not_written(tmp_path: Path) -> None:
    with power(tmp_path, FOR_EVER):
        kept = states.States()
        assert kept.load() is None
        kept.put([1, 2], 2)
        assert kept.dirty
        assert kept.save()
        kept.put([1, 2], 2)
        assert not kept.dirty
        kept.put([1, 3], 2)
        assert kept.dirty


def test_the_memory_writes_one_thing_at_a_time_the_alarm_first(tmp_path: Path) -> None:
    with power(tmp_path, FOR_EVER):
        book = Journal()
        memory = Memory(book)
        assert memory.load() is None
        book.add(ALARM, 0, 1, 1, 5, 100)
        memory.states.put([9], 1)
        assert memory.use_quiet_slot(1_000)
        assert (book.kept_seq, memory.states.dirty) == (1, True)
        assert memory.use_quiet_slot(2_000)
        assert not memory.states.dirty
        assert not memory.use_quiet_slot(3_000)
        memory.learnt.put([1, 2, 3], 3)
        memory.states.put([8], 1)
        assert memory.use_quiet_slot(4_000)
        assert (memory.states.dirty, memory.learnt.dirty) == (False, True)
        assert memory.use_quiet_slot(5_000)
        assert not memory.use_quiet_slot(6_000)
        again = Memory(Journal())
        assert (list(again.load()), list(again.learnt.load())) == ([8], [1, 2, 3])


def test_the_ring_holds_what_a_restart_brings_back(tmp_path: Path) -> None:
    book, log = started(tmp_path)
    with power(tmp_path, FOR_EVER):
        for _ in range(CAPACITY_N):
            add(book, 2)
            log.sync(0)
    again, _ = started(tmp_path)
    assert again.oldest_seq() == 2 * CAPACITY_N - CAPACITY_N + 1
    again.resend_after(0)
    assert again.sent_seq == CAPACITY_N
