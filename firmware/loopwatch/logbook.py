"""The journal on the flash: what happened survives a restart, and a cut of power at any byte.

An entry is 24 bytes with its own CRC-32. The newest TAIL_N are in the file `tail`, which is only appended to; when it
is full they go to the end of a segment, and the tail begins anew. Three segments take turns, the oldest is overwritten.
An entry that is cut, damaged, or there twice is left out when the board starts, and the damaged ones are counted.

Wear. The flash is erased in blocks of 4096 bytes, each good for 100 000 times, and littlefs spreads the erasing over
the free ones, some 200. The tail is small enough for littlefs to keep it inside its folder: a write appends 768
bytes there, so that one in five erases a block, and one in twenty another for the segment; a quarter of an erase
each. A board with 20 events a day makes 1 800 erases a year, nine a block.
The most there can be: a write a minute, 525 600 a year, for what may wait, and one every 12 s for an urgent alarm that
comes and goes as fast as its delays let it, 2.6 million. Together 0.8 million erases a year, 4 000 a block: 25 years.
Alarms that are not urgent get BURST_N quick writes, then share those of the minute.

sync() blocks for about 10 ms, and for 45 ms more (400 at most) when it erases: only the quiet slot calls it.
"""

import os
from array import array

from .journal import FAULT_DAMAGED, FAULT_NONE, FAULT_NOT_WRITTEN, WORD_N, Journal
from .pair import crc_bytes, make_folder, read
from .port import const, ticks_diff
from .wire import Crc32

FOLDER = "journal"
TAIL = "journal/tail"
SEGMENTS = ("journal/0", "journal/1", "journal/2")

ENTRY_N = const(24)
TAIL_N = const(20)  # 480 bytes: littlefs keeps files of up to 512 in their folder
SEGMENT_ENTRIES_N = const(160)  # 3840 bytes, one block

BATCH_MS = const(60_000)
BURST_N = const(30)
_URGENT = const(1)


class Logbook:
    """Writes a journal's events behind it. Call load() once before anything is added to the journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._crc = Crc32()
        self._words = array("i", bytes(4 * WORD_N))
        self._tail_n = 0  # bytes
        self._segment = 0
        self._segment_n = 0  # bytes
        self._segment_seq = 0  # latest event in a segment
        self._waiting = False
        self._waiting_ms = 0
        self._quick_n = BURST_N
        self._refill_ms = 0

    def load(self) -> None:
        """Bring the events of earlier starts back into the journal, the latest last. Never raises."""
        journal = self._journal
        order = []
        for i in range(len(SEGMENTS)):
            data = read(SEGMENTS[i]) or b""
            last_seq = self._last_seq(data)
            if last_seq:
                order.append((last_seq, i, len(data)))
        order.sort()
        for _, i, _ in order:
            self._restore(read(SEGMENTS[i]) or b"")
        if order:
            self._segment_seq, self._segment, self._segment_n = order[-1]
        data = read(TAIL) or b""
        damaged_n = journal.damaged_n
        self._restore(data)
        # A tail with damage in it is given up with the next write, its whole entries go to a segment.
        self._tail_n = len(data) if journal.damaged_n == damaged_n else TAIL_N * ENTRY_N
        if journal.damaged_n:
            journal.fault_n = FAULT_DAMAGED

    def due(self, now_ms: int) -> bool:
        """Whether sync() ought to be called now: call this once a second. Allocates nothing."""
        journal = self._journal
        if ticks_diff(now_ms, self._refill_ms) >= BATCH_MS:
            self._refill_ms = now_ms
            self._quick_n = min(self._quick_n + 1, BURST_N)
        if journal.kept_seq == journal.seq:
            self._waiting = False
            return False
        if not self._waiting:
            self._waiting = True
            self._waiting_ms = now_ms
        if ticks_diff(now_ms, self._waiting_ms) >= BATCH_MS:
            return True
        if journal.fault_n == FAULT_NOT_WRITTEN:
            return False
        if journal.seq - journal.kept_seq >= TAIL_N:
            return True
        if journal.soon_seq <= journal.kept_seq:
            return False
        if self._urgent():
            return True
        if self._quick_n:
            self._quick_n -= 1
            return True
        return False

    def sync(self, now_ms: int) -> None:
        """Write what is not on the flash yet, TAIL_N entries at most. What fails is counted and tried again later."""
        journal = self._journal
        self._waiting_ms = now_ms
        first_seq = max(journal.kept_seq + 1, journal.oldest_seq())
        last_seq = min(journal.seq, first_seq + TAIL_N - 1)
        data = b""
        for seq in range(first_seq, last_seq + 1):
            data += self._entry(seq)
        try:
            make_folder(FOLDER)
            if self._tail_n + len(data) > TAIL_N * ENTRY_N:
                self._move()
            self._append(TAIL, self._tail_n, data)
        except (OSError, MemoryError):
            journal.write_error_n += 1
            journal.fault_n = FAULT_NOT_WRITTEN
            self._tail_n = _size_n(TAIL)
            self._segment_n = _size_n(SEGMENTS[self._segment])
            return
        self._tail_n = self._tail_n + -self._tail_n % ENTRY_N + len(data)
        journal.kept_seq = last_seq
        if journal.soon_seq <= last_seq:
            journal.soon_seq = 0
        if journal.fault_n == FAULT_NOT_WRITTEN:
            journal.fault_n = FAULT_NONE

    def _urgent(self) -> bool:
        journal = self._journal
        for seq in range(max(journal.kept_seq + 1, journal.oldest_seq()), journal.soon_seq + 1):
            if journal.word(seq, 4) == _URGENT:
                return True
        return False

    def _move(self) -> None:
        """Append the tail's entries to the segments and begin the tail anew."""
        data = read(TAIL) or b""
        fresh = b""
        last_seq = self._segment_seq
        for at in range(0, len(data) - ENTRY_N + 1, ENTRY_N):
            # A cut between the two steps left the tail as it was: what is in a segment already is not written again.
            if self._whole(data, at) and self._seq_of(data, at) > last_seq:
                last_seq = self._seq_of(data, at)
                fresh += data[at : at + ENTRY_N]
        if fresh:
            if self._segment_n + len(fresh) > SEGMENT_ENTRIES_N * ENTRY_N:
                self._segment = (self._segment + 1) % len(SEGMENTS)
                self._segment_n = 0
                with open(SEGMENTS[self._segment], "wb"):
                    pass
            self._append(SEGMENTS[self._segment], self._segment_n, fresh)
            self._segment_n += -self._segment_n % ENTRY_N + len(fresh)
            self._segment_seq = last_seq
        with open(TAIL, "wb"):
            pass
        self._tail_n = 0

    def _append(self, path: str, n: int, data: bytes) -> None:
        """Append to a file of n bytes; where an entry was cut, its place is filled first."""
        with open(path, "ab") as file:
            file.write(b"\xff" * (-n % ENTRY_N) + data)

    def _entry(self, seq: int) -> bytes:
        journal = self._journal
        data = bytearray()
        data += seq.to_bytes(4, "little")
        data += journal.word(seq, 6).to_bytes(4, "little")
        data += journal.word(seq, 0).to_bytes(4, "little")
        for i in range(1, 5):
            data.append(journal.word(seq, i) & 255)
        data += (journal.word(seq, 5) & 0xFFFF_FFFF).to_bytes(4, "little")
        self._crc.of(data, 0, ENTRY_N - 4)
        return bytes(data) + crc_bytes(self._crc)

    def _whole(self, data: bytes, at: int) -> bool:
        self._crc.of(data, at, at + ENTRY_N - 4)
        return crc_bytes(self._crc) == data[at + ENTRY_N - 4 : at + ENTRY_N]

    def _seq_of(self, data: bytes, at: int) -> int:
        return int.from_bytes(data[at : at + 4], "little")

    def _last_seq(self, data: bytes) -> int:
        """Sequence number of the last whole entry, 0 without one."""
        at = len(data) - len(data) % ENTRY_N - ENTRY_N
        while at >= 0:
            if self._whole(data, at):
                return self._seq_of(data, at)
            at -= ENTRY_N
        return 0

    def _restore(self, data: bytes) -> None:
        journal = self._journal
        words = self._words
        for at in range(0, len(data), ENTRY_N):
            if at + ENTRY_N > len(data) or not self._whole(data, at):
                journal.damaged_n += 1
                continue
            seq = self._seq_of(data, at)
            if seq <= journal.seq:
                continue
            words[6] = int.from_bytes(data[at + 4 : at + 8], "little")
            words[0] = int.from_bytes(data[at + 8 : at + 12], "little")
            for i in range(4):
                words[1 + i] = data[at + 12 + i]
            value = int.from_bytes(data[at + 16 : at + 20], "little")
            words[5] = value - (1 << 32) if value >> 31 else value
            journal.restore(seq, words)


def _size_n(path: str) -> int:
    try:
        return os.stat(path)[6]
    except OSError:
        return 0
