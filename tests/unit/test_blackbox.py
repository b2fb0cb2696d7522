"""The black box: a minute before and half a minute after, sample by sample, and what a cut leaves of it."""

import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from cut_power import FOR_EVER, power
from hypothesis import given
from hypothesis import strategies as st

from loopwatch import blackbox, kernels, sample
from loopwatch.blackbox import BLOCK_N, BLOCK_SAMPLES_N, BOXES_N, HOUR_MS, KEPT_N, MOST_N, POST_N, PRE_N, Blackbox

LEAK, URGENT, LOW = 0, 1, 3


class Board:
    """A black box on a board that samples ten times a second and has a quiet slot once a second."""

    def __init__(self, folder: Path) -> None:
        self.box = Blackbox()
        self.folder = folder
        self.sample = sample.Sample()
        self.n = 0
        self.sample.status[:] = bytes(6)

    def live(self, samples_n: int, writes: bool = True) -> None:
        for _ in range(samples_n):
            self.sample.t_ms = self.n * 100
            for channel in range(6):
                self.sample.values[channel] = self.n * (channel + 1)
            self.box.add(self.sample, self.sample.status_bits())
            self.n += 1
            if writes and self.n % 10 == 5:
                self.box.write_piece(self.n * 100)

    def alarm(self, priority: int = URGENT, seq: int = 9) -> None:
        self.box.trigger(LEAK, priority, seq, 3, self.n * 100)


def blocks(data: bytes) -> list[tuple[tuple[Any, ...], list[int]]]:
    """Heads and t_ms of the samples, by struct and zlib."""
    found = []
    for at in range(0, len(data), BLOCK_N):
        block = data[at : at + BLOCK_N]
        assert zlib.crc32(block[:-4]) == int.from_bytes(block[-4:], "little")
        head = struct.unpack_from("<2sBB4IBBH", block)
        found.append((head, [int.from_bytes(block[24 * i + 24 : 24 * i + 28], "little") for i in range(head[-1])]))
    return found


@given(
    st.integers(0, 2**30 - 1),
    st.lists(st.integers(-(2**23), 2**23 - 1), min_size=5, max_size=5),
    st.integers(0, 65_535),
    st.integers(0, 2**24 - 1),
)
def test_a_sample_is_packed_into_24_bytes_and_nothing_beyond(t_ms, values, rail_mv, bits):
    ring = bytearray(b"\xee" * 72)
    assert kernels.pack_sample(ring, 24, t_ms, [*values, rail_mv], bits) == 48
    assert ring[:24] == ring[48:] == b"\xee" * 24
    expected = struct.pack("<I", t_ms) + b"".join(struct.pack("<i", value)[:3] for value in values)
    assert ring[24:48] == expected + struct.pack("<H", rail_mv) + struct.pack("<I", bits)[:3]


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
    assert {(*head[:2], *head[3:8]) for head in heads} == {(b"LB", 1, 1, 3, 9, 100_300, LEAK)}
    assert [head[8] for head in heads] == list(range(len(heads)))
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
    for lasts_n in range(0, 24 * BLOCK_N, 613):
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
    assert blackbox._RING_N == blackbox._RING_SAMPLES_N * blackbox.SAMPLE_N
    assert BLOCK_N == blackbox.HEAD_N + BLOCK_SAMPLES_N * blackbox.SAMPLE_N + 4
    assert -(-MOST_N // BLOCK_SAMPLES_N) <= 255
