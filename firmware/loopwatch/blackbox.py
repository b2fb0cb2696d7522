"""The black box: every sample from a minute before an alarm to half a minute after it, on the flash.

add() keeps the last PRE_N samples in memory, always: a kernel, nothing is allocated. trigger() begins a box, a file in
the folder boxes named by a number that goes on from start to start; from then on write_piece() puts a block of
BLOCK_SAMPLES_N samples on the flash each time it is called, until the last one is there. The KEPT_N latest boxes stay.

A block is whole in itself, with numbers the lowest byte first:

    "LB", 1, last | box_n | run_n | event_seq | event's t_ms | first t_ms | alarm, block, samples 2 | samples | CRC-32

of 32 bits where nothing is said; samples as kernels.keep_sample writes them, with t_ms modulo 2**21, that of the first
one in full. What is missing of BLOCK_SAMPLES_N is zero. `last` is 1 in a box's last block: a box that was cut by the
power has none.

Wear: a block on the flash costs an erase of 4096 bytes, 19 a box and 32 at most. An urgent alarm may use all of
BOXES_N boxes in hand, another one half of them; an hour gives one back. So 8 770 boxes a year at the most, 0.28 million
erases, 1 400 for each of some 200 free blocks that are good for 100 000.
"""

import os
from array import array

from .kernels import copy_from_ring, keep_sample
from .pair import crc_bytes, make_folder
from .port import const, ticks_diff
from .ring import RING_N
from .sample import Sample
from .wire import SEQ_MASK, Crc32

FOLDER = "boxes"
KEPT_N = const(10)

SAMPLE_N = const(20)
PRE_N = const(600)
POST_N = const(300)
MOST_N = const(1_500)  # samples of a box that further alarms make longer
BLOCK_SAMPLES_N = const(48)
HEAD_N = const(28)
BLOCK_N = const(992)  # HEAD_N + BLOCK_SAMPLES_N * SAMPLE_N + 4

BOXES_N = const(10)
HOUR_MS = const(3_600_000)

_RING_SAMPLES_N = const(640)  # PRE_N, and those that come in until the first pieces are written
_URGENT = const(1)
TIME_MASK = const((1 << 21) - 1)

# The book of kernels.keep_sample.
_AT = const(0)  # where the next sample goes, bytes
_HELD = const(1)  # samples in the ring, of those that a box may want
_HELD_MOST = const(2)
_RECORDING = const(3)
_TO_COME = const(4)  # samples that the box still waits for
_UNWRITTEN = const(5)
_AFTER = const(6)  # samples behind the box's last one
_LOST = const(7)  # samples that were overwritten before they could be put on the flash
_BOOK_N = const(8)


class Blackbox:
    """The ring, and the box that is being written. error_n: pieces that the flash did not take.

    ring: its memory, RING_N bytes, when it was taken before.
    """

    def __init__(self, ring: bytearray | None = None) -> None:
        self.error_n = 0
        self._ring = bytearray(RING_N) if ring is None else ring
        self._block = bytearray(BLOCK_N)
        self._book = array("i", bytes(4 * _BOOK_N))
        self._book[_HELD_MOST] = PRE_N
        self._crc = Crc32()
        self._total_n = 0
        self._box_n = 0
        self._block_i = 0
        self._boxes_left_n = BOXES_N
        self._refill_ms = 0

    @property
    def recording(self) -> bool:
        """Whether a box is being written."""
        return bool(self._book[_RECORDING])

    @property
    def lost_n(self) -> int:
        """Samples that were overwritten before they could be put on the flash."""
        return self._book[_LOST]

    def load(self) -> None:
        """Find out which boxes there are. Never raises."""
        kept = self.boxes()
        self._box_n = kept[-1] if kept else 0

    def add(self, sample: Sample, status_bits: int) -> None:
        """Take a sample; allocates nothing."""
        keep_sample(self._ring, RING_N, self._book, sample.t_ms, sample.values, status_bits)

    def trigger(self, alarm: int, priority: int, event_seq: int, run_n: int, event_ms: int) -> None:
        """An alarm was raised: begin its box, or make the one that is being filled longer."""
        book = self._book
        if book[_RECORDING]:
            if book[_TO_COME]:
                longer_n = min(POST_N - book[_TO_COME], MOST_N - self._total_n)
                book[_TO_COME] += longer_n
                self._total_n += longer_n
            return
        if self._boxes_left_n <= (0 if priority == _URGENT else BOXES_N // 2):
            return
        self._boxes_left_n -= 1
        self._box_n += 1
        self._block_i = 0
        self._total_n = book[_HELD] + POST_N
        book[_UNWRITTEN] = book[_HELD]
        book[_AFTER] = 0
        book[_TO_COME] = POST_N
        book[_RECORDING] = 1
        block = self._block
        block[0] = 76  # L
        block[1] = 66  # B
        block[2] = 1
        block[4:8] = self._box_n.to_bytes(4, "little")
        block[8:12] = run_n.to_bytes(4, "little")
        block[12:16] = event_seq.to_bytes(4, "little")
        block[16:20] = event_ms.to_bytes(4, "little")
        block[24] = alarm

    def write_piece(self, now_ms: int) -> bool:
        """Put the next block on the flash if there is a whole one, or the last one; returns whether it did.

        Call it once a second. Blocks for some 10 ms and the erasing of one block of flash: only in the quiet slot.
        """
        if ticks_diff(now_ms, self._refill_ms) >= HOUR_MS:
            self._refill_ms = now_ms
            self._boxes_left_n = min(self._boxes_left_n + 1, BOXES_N)
        book = self._book
        n = min(book[_UNWRITTEN], BLOCK_SAMPLES_N)
        last = not book[_TO_COME] and book[_UNWRITTEN] == n
        if not book[_RECORDING] or (n < BLOCK_SAMPLES_N and not last):
            return False
        self._fill(n, last, now_ms)
        try:
            if self._block_i == 0:
                make_folder(FOLDER)
                self._remove_oldest()
            with open(_path(self._box_n), "ab") as file:
                file.write(self._block)
        except OSError:
            # A hole would be worse than an end: the box stays as it is, without its last block.
            self.error_n += 1
            book[_RECORDING] = 0
            return True
        self._block_i += 1
        book[_UNWRITTEN] -= n
        if last:
            book[_RECORDING] = 0
        return True

    def _fill(self, n: int, last: bool, now_ms: int) -> None:
        """Make the next block of the n oldest samples that are not on the flash yet."""
        book = self._book
        block = self._block
        oldest = book[_AT] - (book[_UNWRITTEN] + book[_AFTER]) * SAMPLE_N
        copy_from_ring(block, HEAD_N, self._ring, RING_N, oldest % RING_N, n * SAMPLE_N)
        for i in range(HEAD_N + n * SAMPLE_N, BLOCK_N):
            block[i] = 0
        # A sample in the ring is younger than 2**21 ms, which is what it has of its time.
        first_ms = block[HEAD_N] | block[HEAD_N + 1] << 8 | (block[HEAD_N + 2] & 7) << 16
        first_ms |= (block[HEAD_N + 19] >> 6) << 19
        age_ms = (now_ms - first_ms) & TIME_MASK
        block[20:24] = ((now_ms - age_ms) & SEQ_MASK).to_bytes(4, "little")
        block[3] = 1 if last else 0
        block[25] = self._block_i
        block[26] = n
        self._crc.of(block, 0, BLOCK_N - 4)
        block[BLOCK_N - 4 :] = crc_bytes(self._crc)

    def boxes(self) -> list:
        """Numbers of the boxes on the flash, oldest first."""
        try:
            names = os.listdir(FOLDER)
        except OSError:
            return []
        return sorted(int(name) for name in names if name.isdigit())

    def writes(self, box_n: int) -> bool:
        """Whether this box is being written."""
        return self.recording and box_n == self._box_n

    def size_n(self, box_n: int) -> int:
        """Bytes of a box. Raises OSError when there is none of this number."""
        return os.stat(_path(box_n))[6]

    def read(self, box_n: int, at: int, n: int) -> bytes:
        """At most n bytes of a box from `at` on. Raises OSError when there is none of this number."""
        with open(_path(box_n), "rb") as file:
            file.seek(at)
            return file.read(n)

    def _remove_oldest(self) -> None:
        kept = self.boxes()
        for box_n in kept[: max(0, len(kept) - KEPT_N + 1)]:
            os.remove(_path(box_n))


def _path(box_n: int) -> str:
    return FOLDER + "/" + str(box_n)
