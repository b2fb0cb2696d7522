"""The black box: a minute before and half a minute after, sample by sample, and what a cut leaves of it."""

import random
import struct
import zlib
from array import array
from pathlib import Path
from typing import Any

import pytest
from cut_power import FOR_EVER, power
from hypothesis import given
from hypothesis import strategies as st

from loopwatch import blackbox, kernels, sample
from loopwatch.blackbox import BLOCK_N, BLOCK_SAMPLES_N, BOXES_N, HOUR_MS, KEPT_N, MOST_N, POST_N, PRE_N, Blackbox
from loopwatch.ring import RING_N
from loopwatch_host.blackbox import parse

LEAK, URGENT, LOW = 0, 1, 3


class Board:
    """A black box on a board that samples ten times a second and has a quiet slot once a second."""

    def __init__(self, folder: Path) -> None:
        self.box = Blackbox()
        self.folder = folder
        self.sample = sample.Sample()
        self.n = 0
        self.sample.status[:] = bytes(6)

    def take(self, writes: bool = True) -> int:
        self.sample.t_ms = t_ms = self.n * 100 % 2**30
        self.box.add(self.sample, self.sample.status_bits())
        self.n += 1
        if writes and self.n % 10 == 5:
            self.box.write_piece(self.n * 100 % 2**30)
        return t_ms

    def live(self, samples_n: int, writes: bool = True) -> None:
        for _ in range(samples_n):
            for channel in range(6):
                self.sample.values[channel] = self.n % 1_000 * (channel + 1)
            self.take(writes)

    def alarm(self, priority: int = URGENT, seq: int = 9) -> None:
        self.box.trigger(LEAK, priority, seq, 3, self.n * 100)


def blocks(data: bytes) -> list[tuple[tuple[Any, ...], list[int]]]:
    """Heads and t_ms of the samples, by struct and zlib."""
    found = []
    for at in range(0, len(data), BLOCK_N):
        block = data[at : at + BLOCK_N]
        assert zlib.crc32(block[:-4]) == int.from_bytes(block[-4:], "little")
        head = struct.unpack_from("<2sBB5IBBH", block)
        times_ms = []
        for i in range(head[-1]):
            words = struct.unpack_from("<5I", block, 28 + 20 * i)
            times_ms.append(words[0] % 2**19 + words[4] // 2**30 * 2**19)
        assert times_ms[0] == head[7] % 2**21
        found.append((head, [head[7] - times_ms[0] + t_ms for t_ms in times_ms]))
    return found


@given(
    st.integers(0, 2**30 - 1),
    st.lists(st.integers(-(2**23), 2**23 - 1), min_size=2, max_size=2),
    st.lists(st.integers(-200_000, 200_000), min_size=3, max_size=3),
    st.integers(0, 8_191),
    st.integers(0, 2**24 - 1),
)
def test_a_sample_is_packed_into_20_bytes_and_nothing_beyond(t_ms, pressures, temperatures, rail_mv, bits):
    ring = bytearray(b"\xee" * 60)
    book = [20, 0, 600, 0, 0, 0, 0, 0]
    assert kernels.keep_sample(ring, 60, book, t_ms, [*pressures, *temperatures, rail_mv], bits) == 40
    assert ring[:20] == ring[40:] == b"\xee" * 20
    assert book == [40, 1, 600, 0, 0, 0, 0, 0]
    fields = [(t_ms, 19), (rail_mv, 13), (pressures[0], 24), (bits, 8), (pressures[1], 24), (bits >> 8, 8)]
    fields += [(min(max(value, -131_071), 131_071), 18) for value in temperatures]
    fields += [(bits >> 16, 8), (t_ms >> 19, 2)]
    packed, at = 0, 0
    for value, bits_n in fields:
        packed |= value % 2**bits_n << at
        at += bits_n
    assert at == 160
    assert ring[20:40] == packed.to_bytes(20, "little")


def test_what_the_laptop_makes_of_a_block_is_what_went_into_it(tmp_path: Path) -> None:
    rng = random.Random(4)
    with power(tmp_path, FOR_EVER):
        board = Board(tmp_path)
        board.n = 2**30 // 100 - 650  # the clock wraps in the box
        given = {}
        for i in range(1_100):
            values = [rng.randrange(-2_000, 2_000_000) for _ in range(2)]
            values += [rng.randrange(-40_000, 120_000) for _ in range(3)] + [rng.randrange(0, 6_000)]
            board.sample.values[:] = array("i", values)
            board.sample.status[:] = bytes(rng.randrange(0, 11) for _ in range(6))
            t_ms = board.take()
            if i == 640:
                board.alarm()
            usable = [value if status <= 2 else None for value, status in zip(values, board.sample.status, strict=True)]
            given[t_ms] = (*usable, board.sample.status_bits())
        box = parse(board.box.read(1, 0, 10**6))
    assert box.complete
    assert len(box.samples) == PRE_N + POST_N
    for sample_ in box.samples:
        assert (*sample_.values, sample_.status_bits) == given[sample_.t_ms % 2**30]


@given(st.binary(min_size=10, max_size=50), st.integers(0, 9), st.integers(0, 10))
def test_a_piece_of_a_ring_is_copied_around_its_end(ring, at, n):
    block = bytearray(20)
    end = kernels.copy_from_ring(block, 5, bytearray(ring), len(ring), at, n)
    assert block == bytes(5) + (ring + ring)[at : at + n] + bytes(15 - n)
    assert end == (at + n) % len(ring)


def test_a_box_holds_the_minute_before_and_the_half_after_without_a_gap(tmp_path: Path) -> None:
    with power(tmp_path, FOR_EVER):
        board = Board(tmp_path)
        board.live(1_003)
        board.alarm()
        board.live(400)
        assert not board.box.recording
        found = blocks(board.box.read(1, 0, 10**6))
    times_ms = [t_ms for _, block in found for t_ms in block]
    assert times_ms == list(range((1_003 - PRE_N) * 100, (1_003 + POST_N) * 100, 100))
    heads = [head for head, _ in found]
    assert {(*head[:2], *head[3:7], head[8]) for head in heads} == {(b"LB", 1, 1, 3, 9, 100_300, LEAK)}
    assert [head[9] for head in heads] == list(range(len(heads)))
    assert [head[2] for head in heads] == [0] * (len(heads) - 1) + [1]
    assert board.box.lost_n == 0


def test_an_alarm_soon_after_the_start_has_what_there_is(tmp_path: Path) -> None:
    with power(tmp_path, FOR_EVER):
        board = Board(tmp_path)
        board.live(42)
        board.alarm()
        board.live(350)
        times_ms = [t_ms for _, block in blocks(board.box.read(1, 0, 10**6)) for t_ms in block]
    assert times_ms == list(range(0, (42 + POST_N) * 100, 100))


def test_further_alarms_make_a_box_longer_up_to_its_most(tmp_path: Path) -> None:
    with power(tmp_path, FOR_EVER):
        board = Board(tmp_path)
        board.live(700)
        for _ in range(20):
            board.alarm()
            board.live(100)
        board.live(200)
        found = blocks(board.box.read(1, 0, 10**6))
        assert sum(len(block) for _, block in found) == MOST_N
        assert found[-1][0][2] == 1


def test_a_box_that_was_cut_is_whole_up_to_the_cut_and_has_no_end(tmp_path: Path) -> None:
    for lasts_n in range(0, 20 * BLOCK_N, 613):
        folder = tmp_path / str(lasts_n)
        folder.mkdir()
        with power(folder, lasts_n, blackbox):
            board = Board(folder)
            board.live(700)
            board.alarm()
            board.live(400)
        with power(folder, FOR_EVER):
            box = Blackbox()
            box.load()
            numbers = box.boxes()
            assert numbers in ([], [1])
            data = box.read(1, 0, 10**6) if numbers else b""
        found = blocks(data[: len(data) // BLOCK_N * BLOCK_N])
        times_ms = [t_ms for _, block in found for t_ms in block]
        assert times_ms == list(range(10_000, 10_000 + 100 * len(times_ms), 100))
        assert all(head[2] == 0 for head, _ in found[:-1])
        whole = len(times_ms) == PRE_N + POST_N
        assert bool(found and found[-1][0][2]) == whole


def test_the_latest_ten_are_kept_and_their_numbers_go_on_after_a_restart(tmp_path: Path) -> None:
    with power(tmp_path, FOR_EVER):
        board = Board(tmp_path)
        for _ in range(BOXES_N):
            board.live(50)
            board.alarm()
            board.live(360)
        assert board.box.boxes() == list(range(1, BOXES_N + 1))
        again = Board(tmp_path)
        again.box.load()
        again.live(50)
        again.alarm()
        again.live(360)
        assert again.box.boxes() == list(range(2, KEPT_N + 2))


def test_alarms_without_end_use_up_the_boxes_and_an_urgent_one_still_has_its_own(tmp_path: Path) -> None:
    with power(tmp_path, FOR_EVER):
        board = Board(tmp_path)
        for _ in range(20):
            board.alarm(LOW)
            board.live(POST_N + 40)
        assert len(board.box.boxes()) == BOXES_N - BOXES_N // 2
        board.alarm(URGENT)
        board.live(POST_N + 40)
        assert len(board.box.boxes()) == BOXES_N - BOXES_N // 2 + 1
        board.n += 2 * HOUR_MS // 100
        board.live(10)
        board.n += 2 * HOUR_MS // 100
        board.live(10)
        board.alarm(LOW)
        board.live(POST_N + 40)
        assert board.box.boxes()[-1] == BOXES_N - BOXES_N // 2 + 2, "an hour gives one back"


def test_a_flash_that_takes_nothing_ends_the_box_and_is_counted(tmp_path: Path) -> None:
    (tmp_path / "boxes").write_text("in the way")
    with power(tmp_path, FOR_EVER):
        board = Board(tmp_path)
        board.live(100)
        board.alarm()
        board.live(100)
    assert (board.box.error_n, board.box.recording) == (1, False)


@pytest.mark.parametrize("late_n", [100, 300])
def test_a_writer_that_is_held_up_loses_the_oldest_and_counts_them(tmp_path: Path, late_n: int) -> None:
    with power(tmp_path, FOR_EVER):
        board = Board(tmp_path)
        board.live(700)
        board.alarm()
        board.live(late_n, writes=False)
        board.live(400)
        times_ms = [t_ms for _, block in blocks(board.box.read(1, 0, 10**6)) for t_ms in block]
    room_n = blackbox._RING_SAMPLES_N
    assert board.box.lost_n == PRE_N + late_n + 5 - room_n, "five more until the next quiet slot"
    assert times_ms[-1] == (700 + POST_N - 1) * 100
    assert len(times_ms) == PRE_N + POST_N - board.box.lost_n


def test_the_sizes_fit_each_other() -> None:
    assert RING_N == blackbox._RING_SAMPLES_N * blackbox.SAMPLE_N
    assert BLOCK_N == blackbox.HEAD_N + BLOCK_SAMPLES_N * blackbox.SAMPLE_N + 4
    assert -(-MOST_N // BLOCK_SAMPLES_N) <= 255
