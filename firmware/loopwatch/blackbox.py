"""The black box: every sample from a minute before an alarm to half a minute after it, on the flash.

add() keeps the last PRE_N samples in memory, always: a kernel, nothing is allocated. trigger() begins a box, a file in
the folder boxes named by a number that goes on from start to start; from then on write_piece() puts a block of
BLOCK_SAMPLES_N samples on the flash each time it is called, until the last one is there. The KEPT_N latest boxes stay.

A block is whole in itself, with numbers the lowest byte first:

    "LB", 1, last | box_n 4 | run_n 4 | event_seq 4 | event t_ms 4 | alarm, block, samples 2 | samples of 24 | CRC-32

samples as kernels.pack_sample writes them, of one period each unless t_ms says otherwise; what is missing of
BLOCK_SAMPLES_N is zero. `last` is 1 in a box's last block: a box that was cut by the power has none.

Wear: a block on the flash costs an erase of 4096 bytes, 23 a box and 38 at most. An urgent alarm may use all of
BOXES_N boxes in hand, another one half of them; an hour gives one back. So 8 770 boxes a year at the most, a third of a
million erases, 1 700 for each of some 200 free blocks that are good for 100 000.
"""

import os

from .kernels import copy_from_ring, pack_sample
from .pair import crc_bytes, make_folder
from .port import const, ticks_diff
from .sample import Sample
from .wire import Crc32

FOLDER = "boxes"
KEPT_N = const(10)

SAMPLE_N = const(24)
PRE_N = const(600)
POST_N = const(300)
MOST_N = const(1_500)  # samples of a box that further alarms make longer
BLOCK_SAMPLES_N = const(40)
HEAD_N = const(24)
BLOCK_N = const(988)  # HEAD_N + BLOCK_SAMPLES_N * SAMPLE_N + 4

BOXES_N = const(10)
HOUR_MS = const(3_600_000)

_SLACK_N = const(64)  # samples that come in while the first pieces are written
_RING_SAMPLES_N = const(664)
_RING_N = const(15_936)
_URGENT = const(1)


class Blackbox:
    """The ring, and the box that is being written. recording: one is. error_n: pieces that the flash did not take.

    lost_n: samples that were overwritten before they could be put on the flash.
    """

    def __init__(self) -> None:
        self.recording = False
        self.error_n = 0
        self.lost_n = 0
        self._ring = bytearray(_RING_N)
        self._block = bytearray(BLOCK_N)
        self._crc = Crc32()
        self._at = 0  # where the next sample goes, bytes
        self._held_n = 0  # samples in the ring, of those that a box may want
        self._unwritten_n = 0
        self._after_n = 0  # samples behind the box's last one
        self._to_come_n = 0
        self._total_n = 0
        self._box_n = 0
        self._block_i = 0
        self._boxes_left_n = BOXES_N
        self._refill_ms = 0

    def load(self) -> None:
        """Find out which boxes there are. Never raises."""
        kept = self.boxes()
        self._box_n = kept[-1] if kept else 0

    def add(self, sample: Sample, status_bits: int) -> None:
        """Take a sample; allocates nothing."""
        at = pack_sample(self._ring, self._at, sample.t_ms, sample.values, status_bits)
        self._at = 0 if at == _RING_N else at
        if self._held_n < PRE_N:
            self._held_n += 1
        if not self.recording:
            return
        if self._to_come_n:
            self._to_come_n -= 1
            self._unwritten_n += 1
        else:
            self._after_n += 1
        if self._unwritten_n + self._after_n > _RING_SAMPLES_N:
            self._unwritten_n -= 1
            self.lost_n += 1

    def trigger(self, alarm: int, priority: int, event_seq: int, run_n: int, event_ms: int) -> None:
        """An alarm was raised: begin its box, or make the one that is being filled longer."""
        if self.recording:
            if self._to_come_n:
                longer_n = min(POST_N - self._to_come_n, MOST_N - self._total_n)
                self._to_come_n += longer_n
                self._total_n += longer_n
            return
        if self._boxes_left_n <= (0 if priority == _URGENT else BOXES_N // 2):
            return
        self._boxes_left_n -= 1
        self.recording = True
        self._box_n += 1
        self._block_i = 0
        self._unwritten_n = self._held_n
        self._after_n = 0
        self._to_come_n = POST_N
        self._total_n = self._held_n + POST_N
        block = self._block
        block[0] = 76  # L
        block[1] = 66  # B
        block[2] = 1
        block[4:8] = self._box_n.to_bytes(4, "little")
        block[8:12] = run_n.to_bytes(4, "little")
        block[12:16] = event_seq.to_bytes(4, "little")
        block[16:20] = event_ms.to_bytes(4, "little")
        block[20] = alarm

    def write_piece(self, now_ms: int) -> bool:
        """Put the next block on the flash if there is a whole one, or the last one; returns whether it did.

        Call it once a second. Blocks for some 10 ms and the erasing of one block of flash: only in the quiet slot.
        """
        if ticks_diff(now_ms, self._refill_ms) >= HOUR_MS:
            self._refill_ms = now_ms
            self._boxes_left_n = min(self._boxes_left_n + 1, BOXES_N)
        n = min(self._unwritten_n, BLOCK_SAMPLES_N)
        last = not self._to_come_n and self._unwritten_n == n
        if not self.recording or (n < BLOCK_SAMPLES_N and not last):
            return False
        block = self._block
        oldest = self._at - (self._unwritten_n + self._after_n) * SAMPLE_N
        copy_from_ring(block, HEAD_N, self._ring, _RING_N, oldest % _RING_N, n * SAMPLE_N)
        for i in range(HEAD_N + n * SAMPLE_N, BLOCK_N):
            block[i] = 0
        block[3] = 1 if last else 0
        block[21] = self._block_i
        block[22] = n
        self._crc.of(block, 0, BLOCK_N - 4)
        block[BLOCK_N - 4 :] = crc_bytes(self._crc)
        try:
            if self._block_i == 0:
                make_folder(FOLDER)
                self._remove_oldest()
            with open(_path(self._box_n), "ab") as file:
                file.write(block)
        except OSError:
            # A hole would be worse than an end: the box stays as it is, without its last block.
            self.error_n += 1
            self.recording = False
            return True
        self._block_i += 1
        self._unwritten_n -= n
        if last:
            self.recording = False
        return True

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
