"""What happened, in order: alarms and changes of mode, kept until the laptop has them.

The latest CAPACITY_N events, each with a sequence number that goes on from start to start, and the number of the start
(`run_n`) in which it happened; the two together never come again. Adding allocates nothing. They are kept in
memory here, and on the flash by logbook, which also brings back those of earlier starts.
"""

from array import array

from .port import const
from .wire import SEQ_MASK, Record

CAPACITY_N = const(64)

# event_n of the wire's event record.
ALARM = const(1)
MODE = const(2)
COMMAND = const(3)

# subject_n of a MODE event.
MODE_MONITORING = const(1)
MODE_STOPPED = const(2)
MODE_BASELINE = const(3)
MODE_START_UP = const(4)
MODE_SERVICE = const(5)
MODE_PROOF_TEST = const(6)
MODE_WATCH_ONLY = const(7)
MODE_ARMED = const(8)

MODE_NAMES = (
    "",
    "monitoring",
    "stopped",
    "baseline",
    "start-up inhibit",
    "service",
    "proof test",
    "watch only",
    "armed",
)

# Alarm events up to this priority are on the flash within two seconds, the others within a minute.
SOON_PRIORITY = const(3)

# Journal.fault_n.
FAULT_NONE = const(0)
FAULT_NOT_WRITTEN = const(1)  # the flash does not take what is written
FAULT_DAMAGED = const(2)  # entries on the flash were damaged when the board started

RUNS_N = const(9_999)  # after which run_n begins anew: with the sequence number it still never comes again

WORD_N = const(7)  # t_ms, event_n, subject_n, state_n, priority_n, value, run_n


class Journal:
    """A ring of events, the place up to which they have been handed to the link, and that up to which they are kept.

    run_n: number of this start. before_seq: latest event of earlier starts. kept_seq: latest event on the flash.
    soon_seq: latest event that must not wait for a minute. fault_n: what is wrong with the flash, a number of FAULT_.
    write_error_n, damaged_n: writes that failed, entries found damaged, since the start.
    """

    def __init__(self) -> None:
        self.seq = 0
        self.sent_seq = 0
        self.before_seq = 0
        self.kept_seq = 0
        self.soon_seq = 0
        self.run_n = 1
        self.fault_n = FAULT_NONE
        self.write_error_n = 0
        self.damaged_n = 0
        self._oldest_seq = 1
        self._words = array("i", bytes(4 * WORD_N * CAPACITY_N))

    def add(self, event_n: int, subject_n: int, state_n: int, priority_n: int, value: int, now_ms: int) -> None:
        """Append an event; the oldest is given up when the ring is full."""
        self.seq = (self.seq + 1) & SEQ_MASK
        words = self._words
        at = (self.seq % CAPACITY_N) * WORD_N
        words[at] = now_ms
        words[at + 1] = event_n
        words[at + 2] = subject_n
        words[at + 3] = state_n
        words[at + 4] = priority_n
        words[at + 5] = value
        words[at + 6] = self.run_n
        if event_n == ALARM and priority_n <= SOON_PRIORITY:
            self.soon_seq = self.seq

    def restore(self, seq: int, words) -> None:
        """Take an event of an earlier start from the flash, WORD_N words; after a hole only what follows it is kept."""
        if seq != self.seq + 1:
            self._oldest_seq = seq
        self.seq = self.sent_seq = self.before_seq = self.kept_seq = self.soon_seq = seq
        self.run_n = words[6] % RUNS_N + 1
        at = (seq % CAPACITY_N) * WORD_N
        for i in range(WORD_N):
            self._words[at + i] = words[i]

    def oldest_seq(self) -> int:
        """Sequence number of the oldest event still kept; seq + 1 when there is none."""
        return max(self._oldest_seq, self.seq - CAPACITY_N + 1)

    def word(self, seq: int, i: int) -> int:
        """One word of a kept event, see WORD_N."""
        return self._words[(seq % CAPACITY_N) * WORD_N + i]

    def load(self, seq: int, record: Record) -> None:
        """Copy an event into a record of kind E; raises IndexError when it is no longer, or not yet, kept."""
        if not self.oldest_seq() <= seq <= self.seq:
            raise IndexError("event {} is not kept".format(seq))
        at = (seq % CAPACITY_N) * WORD_N
        record.seq = seq
        record.t_ms = self._words[at]
        for i in range(WORD_N - 1):
            record.values[i] = self._words[at + 1 + i]

    def resend_after(self, seq: int) -> None:
        """Hand every kept event after seq to the link once more."""
        self.sent_seq = min(max(seq, self.oldest_seq() - 1), self.seq)
