"""What happened, in order: alarms and changes of mode, kept until the laptop has them.

The latest CAPACITY_N events, each with a sequence number that starts at 1 and never repeats in a
run. Adding allocates nothing. They are kept in memory: a restart begins a new run, told by the boot record.
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

_WORD_N = const(6)


class Journal:
    """A ring of events and the place up to which they have been handed to the link."""

    def __init__(self) -> None:
        self.seq = 0
        self.sent_seq = 0
        self._words = array("i", bytes(4 * _WORD_N * CAPACITY_N))

    def add(self, event_n: int, subject_n: int, state_n: int, priority_n: int, value: int, now_ms: int) -> None:
        """Append an event; the oldest is given up when the ring is full."""
        self.seq = (self.seq + 1) & SEQ_MASK
        words = self._words
        at = (self.seq % CAPACITY_N) * _WORD_N
        words[at] = now_ms
        words[at + 1] = event_n
        words[at + 2] = subject_n
        words[at + 3] = state_n
        words[at + 4] = priority_n
        words[at + 5] = value

    def oldest_seq(self) -> int:
        """Sequence number of the oldest event still kept; seq + 1 when there is none."""
        return max(1, self.seq - CAPACITY_N + 1)

    def load(self, seq: int, record: Record) -> None:
        """Copy an event into a record of kind E; raises IndexError when it is no longer, or not yet, kept."""
        if not self.oldest_seq() <= seq <= self.seq:
            raise IndexError("event {} is not kept".format(seq))
        at = (seq % CAPACITY_N) * _WORD_N
        record.seq = seq
        record.t_ms = self._words[at]
        for i in range(_WORD_N - 1):
            record.values[i] = self._words[at + 1 + i]

    def resend_after(self, seq: int) -> None:
        """Hand every kept event after seq to the link once more."""
        self.sent_seq = min(max(seq, self.oldest_seq() - 1), self.seq)
