"""Alarms: which there are, and the life of each one, in the words of ISA-18.2.

A condition may be true, false or unknown. Unknown (no usable sensor) neither
raises nor clears anything: it starts the delays again. Acknowledging says that a person has seen it;
only a reset ends a latched alarm, and only once its condition is gone.

Times are milliseconds of the board's wrapping counter, given as arguments. update() allocates nothing.
"""

from array import array

from .journal import ALARM, Journal
from .port import const, ticks_diff
from .sample import CHANNELS

NORM = const(0)
UNACK = const(1)
ACKED = const(2)
RTNUN = const(3)
LATCH = const(4)
SHELVED = const(5)
SUPPR = const(6)
OOSRV = const(7)

STATE_NAMES = ("NORM", "UNACK", "ACKED", "RTNUN", "LATCH", "SHELVED", "SUPPR", "OOSRV")

# What a condition may be.
FALSE = const(0)
TRUE = const(1)
UNKNOWN = const(2)

URGENT = const(1)
HIGH = const(2)
LOW = const(3)
ADVISORY = const(4)

# What an alarm does to the interlock while it is not in the normal state.
PASSIVE = const(0)
TRIPS = const(1)

LEAK = const(0)
BLIND = const(1)
SENSOR_FAULT = const(2)  # the first of six, in the order of sample.CHANNELS
NOT_COMMISSIONED = const(8)
SIGNAL_NOISY = const(9)

# (name, priority, latches, action, on_delay_ms, off_delay_ms, unit of the event's value)
TABLE = (
    (
        ("leak", URGENT, True, TRIPS, 0, 10_000, "rate_ul_h"),
        ("blind", URGENT, False, TRIPS, 3_000, 3_000, "status_bits"),
    )
    + tuple(
        ("sensor_fault_" + name[: name.rindex("_")], HIGH, False, PASSIVE, 1_000, 3_000, "status") for name in CHANNELS
    )
    + (
        ("not_commissioned", ADVISORY, False, PASSIVE, 0, 0, ""),
        ("signal_noisy", LOW, False, PASSIVE, 10_000, 60_000, "noise_ul"),
    )
)

ALARM_N = len(TABLE)


def index_of(name: str) -> int:
    """The place of the alarm in TABLE, or -1."""
    for index in range(ALARM_N):
        if TABLE[index][0] == name:
            return index
    return -1


class Alarms:
    """Every alarm of TABLE in one of the ISA-18.2 states.

    state   what happens                                            next
    NORM    condition true for on_delay_ms                          UNACK
    UNACK   acknowledged                                            ACKED
    UNACK   condition false for off_delay_ms                        RTNUN
    ACKED   condition false for off_delay_ms, latching              LATCH
    ACKED   condition false for off_delay_ms                        NORM
    RTNUN   condition true for on_delay_ms                          UNACK
    RTNUN   acknowledged, latching                                  LATCH
    RTNUN   acknowledged                                            NORM
    LATCH   condition true for on_delay_ms                          UNACK
    LATCH   reset by a person                                       NORM

    Every change of state is added to the journal. pending_n: alarms whose delay runs; while there are none, the same
    conditions again would change nothing.
    """

    def __init__(self, journal: Journal) -> None:
        self.state = bytearray(ALARM_N)
        self.value = array("i", bytes(4 * ALARM_N))
        self.tripped = False
        self.alarm_bits = 0
        self.pending_n = 0
        self._journal = journal
        self._pending = bytearray(ALARM_N)
        self._since_ms = array("i", bytes(4 * ALARM_N))
        # Rows as arrays: indexing a tuple of tuples is slower on the board.
        self._on_delay_ms = array("i", [row[4] for row in TABLE])
        self._off_delay_ms = array("i", [row[5] for row in TABLE])

    def update(self, alarm: int, condition: int, value: int, now_ms: int) -> None:
        """Take the alarm's condition at now_ms, with the figure behind it."""
        state = self.state[alarm]
        standing = state == UNACK or state == ACKED
        if condition == UNKNOWN or (condition == TRUE) == standing:
            self._stop_delay(alarm)
            return
        if not self._pending[alarm]:
            self._pending[alarm] = 1
            self.pending_n += 1
            self._since_ms[alarm] = now_ms
        delay_ms = self._off_delay_ms[alarm] if standing else self._on_delay_ms[alarm]
        if ticks_diff(now_ms, self._since_ms[alarm]) < delay_ms:
            return
        self._stop_delay(alarm)
        self.value[alarm] = value
        if not standing:
            self._enter(alarm, UNACK, now_ms)
        elif state == UNACK:
            self._enter(alarm, RTNUN, now_ms)
        else:
            self._enter(alarm, self._rest(alarm), now_ms)

    def acknowledge(self, alarm: int, now_ms: int) -> bool:
        """A person has seen it; returns False when there was nothing to acknowledge."""
        state = self.state[alarm]
        if state == UNACK:
            self._enter(alarm, ACKED, now_ms)
        elif state == RTNUN:
            self._enter(alarm, self._rest(alarm), now_ms)
        else:
            return False
        return True

    def reset(self, alarm: int, now_ms: int) -> bool:
        """A person ends a latched alarm; returns False unless it is acknowledged and its condition gone."""
        if self.state[alarm] != LATCH:
            return False
        self._enter(alarm, NORM, now_ms)
        return True

    def acknowledge_all(self, now_ms: int) -> None:
        """The button: a person has seen everything that stands."""
        for alarm in range(ALARM_N):
            self.acknowledge(alarm, now_ms)

    def _stop_delay(self, alarm: int) -> None:
        self.pending_n -= self._pending[alarm]
        self._pending[alarm] = 0

    def _rest(self, alarm: int) -> int:
        return LATCH if TABLE[alarm][2] else NORM

    def _enter(self, alarm: int, state: int, now_ms: int) -> None:
        self.state[alarm] = state
        row = TABLE[alarm]
        bits = 0
        tripped = False
        for i in range(ALARM_N):
            if self.state[i] != NORM:
                bits |= 1 << i
                tripped = tripped or TABLE[i][3] == TRIPS
        self.alarm_bits = bits
        self.tripped = tripped
        self._journal.add(ALARM, alarm, state, row[1], self.value[alarm], now_ms)
