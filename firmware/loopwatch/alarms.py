"""Alarms: which there are, and the life of each one, in the words of ISA-18.2.

A condition may be true, false or unknown. Unknown (no usable sensor) neither
raises nor clears anything: it starts the delays again. Acknowledging says that a person has seen it;
only a reset ends a latched alarm, and only once its condition is known to be gone.

Times are milliseconds of the board's wrapping counter, given as arguments; what lasts minutes is counted in calls of
tick(). Nothing is allocated after __init__.
"""

from array import array

from .config import Config
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

# Rules of a row, added up.
# HARD: never suppressed, shelved, out of service or passive. For what the loop's parts or an empty pump depend on, in
# less time than a person needs: an inhibit that somebody has forgotten must not be in the way.
HARD = const(1)
# KEPT: never shelved or out of service. What says that the board does not guard, or only pretends to, must stay in
# sight, or an unguarded loop would look like a guarded one.
KEPT = const(2)
IN_START = const(4)  # the start-up inhibit suppresses it: true of every loop that is being started
IN_SERVICE = const(8)  # service suppresses it: true of every loop that is being refilled or bled

LEAK = const(0)
BLIND = const(1)
SENSOR_FAULT = const(2)  # the first of six, in the order of sample.CHANNELS
NOT_COMMISSIONED = const(8)
SIGNAL_NOISY = const(9)
LEAK_SEEP = const(10)
LEAK_RUPTURE = const(11)
PRESSURE_LOW = const(12)
PRESSURE_HIGH = const(13)
TEMPERATURE_HIGH = const(14)
TEMPERATURE_DIFFERENCE = const(15)
PUMP_STOPPED = const(16)
PUMP_CAVITATING = const(17)
INVENTORY_GAIN = const(18)
COMMON_MODE_FAULT = const(19)
CONFIG_FAULT = const(20)
RESTARTED = const(21)
JOURNAL_FAULT = const(22)
SIMULATION = const(23)

# (name, priority, latches, action, on_delay_ms, off_delay_ms, unit of the event's value, stale_s, re_alarm_s, rules)
# stale_s: how long its condition may stay unknown before that counts as not guarding, 0 for ever. re_alarm_s: how long
# it may stand acknowledged before it wants to be seen again, 0 for ever. Append rows: the places are on the wire.
TABLE = (
    (
        ("leak", URGENT, True, TRIPS, 0, 10_000, "rate_ul_h", 60, 3_600, IN_SERVICE),
        ("blind", URGENT, False, TRIPS, 3_000, 3_000, "status_bits", 0, 3_600, KEPT),
    )
    + tuple(
        ("sensor_fault_" + name[: name.rindex("_")], HIGH, False, PASSIVE, 1_000, 3_000, "status", 0, 86_400, 0)
        for name in CHANNELS
    )
    + (
        ("not_commissioned", ADVISORY, False, PASSIVE, 0, 0, "", 0, 0, KEPT),
        ("signal_noisy", LOW, False, PASSIVE, 10_000, 60_000, "noise_ul", 0, 0, 0),
        ("leak_seep", HIGH, True, PASSIVE, 0, 10_000, "rate_ul_h", 60, 28_800, IN_SERVICE),
        ("leak_rupture", URGENT, True, TRIPS, 0, 10_000, "rate_ul_h", 60, 600, HARD),
        ("pressure_low", HIGH, False, PASSIVE, 3_000, 10_000, "pa", 60, 3_600, IN_START | IN_SERVICE),
        ("pressure_high", URGENT, True, TRIPS, 2_000, 10_000, "pa", 60, 600, HARD),
        ("temperature_high", HIGH, False, PASSIVE, 5_000, 10_000, "mdegc", 60, 3_600, 0),
        ("temperature_difference", HIGH, False, PASSIVE, 30_000, 30_000, "mdegc", 300, 3_600, IN_START | IN_SERVICE),
        ("pump_stopped", HIGH, False, PASSIVE, 10_000, 5_000, "pa", 60, 3_600, IN_START | IN_SERVICE),
        ("pump_cavitating", HIGH, False, PASSIVE, 5_000, 30_000, "pa", 60, 3_600, IN_START | IN_SERVICE),
        ("inventory_gain", LOW, False, PASSIVE, 5_000, 60_000, "ul", 0, 0, IN_SERVICE),
        ("common_mode_fault", HIGH, False, PASSIVE, 1_000, 10_000, "rail_mv", 0, 3_600, 0),
        ("config_fault", HIGH, False, PASSIVE, 0, 0, "", 0, 86_400, KEPT),
        ("restarted", LOW, False, PASSIVE, 0, 0, "reset_cause_n", 0, 0, 0),
        ("journal_fault", HIGH, False, PASSIVE, 0, 10_000, "", 0, 86_400, 0),
        ("simulation", LOW, False, PASSIVE, 0, 0, "ul", 0, 0, KEPT),
    )
)

ALARM_N = len(TABLE)

LEAK_BITS = const(1 << LEAK | 1 << LEAK_SEEP | 1 << LEAK_RUPTURE)
NO_FAULT_BITS = const(LEAK_BITS | 1 << NOT_COMMISSIONED)  # what the red lamp tells, and what is no fault of anything

# Why an alarm is kept from people: the highest one that is on names its state.
SHELF = const(1)
DESIGN = const(2)
OUT = const(4)

# What can happen to an alarm besides its condition and its covers.
CHANGED = const(0)
ACKNOWLEDGED = const(1)
RESET = const(2)
AGAIN = const(3)

SHELF_MAX_S = const(86_400)  # a day: whoever wants longer looks at it again
FLOOD_N = const(10)  # more than so many raised in FLOOD_S are a flood
FLOOD_S = const(600)
NONE = const(-1)

# save_words(): a head of three, then a word an alarm.
_HEAD_N = const(3)
WORD_N = _HEAD_N + ALARM_N
_FORMAT = const(0x0A18)
_SHELF_SHIFT = const(8)
_SAVE_SHELF_S = const(600)  # a shelf's remaining time is worth keeping anew that often


def index_of(name: str) -> int:
    """The place of the alarm in TABLE, or -1."""
    for index in range(ALARM_N):
        if TABLE[index][0] == name:
            return index
    return -1


def _mask(column: int, wanted: int) -> int:
    """A bit for each alarm whose row has any of the wanted bits in this column of numbers."""
    bits = 0
    for index in range(ALARM_N):
        if int(TABLE[index][column]) & wanted:
            bits |= 1 << index
    return bits


class Alarms:
    """Every alarm of TABLE in one of the ISA-18.2 states.

    Covers keep an alarm from people: shelved by a person for a time, suppressed by the design of a mode, out of
    service until a person ends it. Under a cover its condition is still judged and logged. In the order of the code:

    state    what happens                                             next
    any      a cover is on: out of service, else suppressed, else     OOSRV, SUPPR, SHELVED
             shelved
    covered  its last cover goes, condition true                      UNACK
    covered  its last cover goes, latched                             RTNUN
    covered  its last cover goes                                      NORM
    NORM     condition true for on_delay_ms                           UNACK
    UNACK    acknowledged                                             ACKED
    UNACK    condition false for off_delay_ms                         RTNUN
    ACKED    condition still true after re_alarm_s                    UNACK
    ACKED    condition false for off_delay_ms, latching               LATCH
    ACKED    condition false for off_delay_ms                         NORM
    RTNUN    condition true for on_delay_ms                           UNACK
    RTNUN    acknowledged, latching                                   LATCH
    RTNUN    acknowledged                                             NORM
    LATCH    condition true for on_delay_ms                           UNACK
    LATCH    reset by a person, condition known to be false           NORM

    Latched is a latching alarm from the moment it is raised, shelved or not, until its reset. What rises and falls
    while suppressed or out of service latches nothing: that is what those are for.

    Every change of state is added to the journal. pending_n: alarms whose delay runs; while there are none, the same
    conditions again would change nothing. alarm_bits: not NORM. unack_bits: UNACK. standing_bits: not NORM and not
    covered. tripped: an alarm that trips is not normal. A shelved one still trips while it is true or latched: a
    shelf silences, and does not bypass an interlock. armed: without it only HARD alarms trip. first_out: the alarm
    that stood first of those that stand, or NONE. flood: more than FLOOD_N were raised in FLOOD_S; grouped_bits: those
    raised meanwhile, which are acknowledged with the first out. dirty: something changed that save_words() keeps.
    changed_n: counts the changes of states and of the trip. active_flags: by alarm, see active().
    """

    def __init__(self, journal: Journal, config: Config | None = None) -> None:
        self.state = bytearray(ALARM_N)
        self.value = array("i", bytes(4 * ALARM_N))
        self.tripped = False
        self.armed = True
        self.alarm_bits = 0
        self.unack_bits = 0
        self.standing_bits = 0
        self.grouped_bits = 0
        self.pending_n = 0
        self.first_out = NONE
        self.flood = False
        self.dirty = False
        self.changed_n = 0
        self.second_n = 0
        self._journal = journal
        self._condition = bytearray(ALARM_N)
        self.active_flags = bytearray(ALARM_N)
        self._latched = bytearray(ALARM_N)
        self._covers = bytearray(ALARM_N)
        self._trip_bits = 0
        self._pending = bytearray(ALARM_N)
        self._since_ms = array("i", bytes(4 * ALARM_N))
        self._unknown_s = array("i", bytes(4 * ALARM_N))
        self._shelf_s = array("i", bytes(4 * ALARM_N))
        self._acked_s = array("i", bytes(4 * ALARM_N))
        self._timed_bits = 0
        # The seconds at which the latest alarms were raised, in a ring.
        self._raised_s = array("i", [-FLOOD_S] * (FLOOD_N + 1))
        self._raised_n = 0
        # Rows as arrays: indexing a tuple of tuples is slower on the board.
        self._on_delay_ms = array("i", [row[4] for row in TABLE])
        self._off_delay_ms = array("i", [row[5] for row in TABLE])
        self._hard_bits = _mask(9, HARD)
        self._kept_bits = _mask(9, HARD | KEPT)
        self._loud_bits = 0
        for index in range(ALARM_N):
            self._condition[index] = UNKNOWN
            if TABLE[index][1] != ADVISORY:
                self._loud_bits |= 1 << index
        self._tripping_bits = _mask(3, TRIPS)
        if config is not None:
            self._tripping_bits |= config.tripping_bits
            self._tripping_bits &= ~config.passive_bits | self._hard_bits
            for index in range(ALARM_N):
                if config.disabled_bits & ~self._kept_bits & 1 << index:
                    self._covers[index] = OUT
                    self.state[index] = OOSRV
                    self.alarm_bits |= 1 << index

    def update(self, alarm: int, condition: int, value: int, now_ms: int) -> None:
        """Take the alarm's condition at now_ms, with the figure behind it."""
        if condition != self._condition[alarm]:
            self._condition[alarm] = condition
            self._unknown_s[alarm] = self.second_n if condition == UNKNOWN else NONE
        active = self.active_flags[alarm]
        if condition == UNKNOWN or condition == active:
            self._stop_delay(alarm)
            return
        if not self._pending[alarm]:
            self._pending[alarm] = 1
            self.pending_n += 1
            self._since_ms[alarm] = now_ms
        if ticks_diff(now_ms, self._since_ms[alarm]) < (self._off_delay_ms if active else self._on_delay_ms)[alarm]:
            return
        self._stop_delay(alarm)
        self.value[alarm] = value
        self.active_flags[alarm] = condition
        self._happen(alarm, CHANGED, now_ms)

    def tick(self, now_ms: int) -> None:
        """A second has gone by: shelves run out, and what was acknowledged long ago wants to be seen again."""
        self.second_n += 1
        if self._timed_bits:
            self._count_down(now_ms)
        if self.flood:
            self._judge_flood()

    def acknowledge(self, alarm: int, now_ms: int) -> bool:
        """A person has seen it; returns False when there was nothing to acknowledge.

        The first out of a flood is acknowledged with all that is grouped under it.
        """
        if alarm == self.first_out and self.grouped_bits:
            grouped_bits = self.grouped_bits
            self.grouped_bits = 0
            for other in range(ALARM_N):
                if grouped_bits >> other & 1 and other != alarm:
                    self._happen(other, ACKNOWLEDGED, now_ms)
        return self._happen(alarm, ACKNOWLEDGED, now_ms)

    def acknowledge_all(self, now_ms: int) -> None:
        """The button: a person has seen everything that stands."""
        for alarm in range(ALARM_N):
            self._happen(alarm, ACKNOWLEDGED, now_ms)

    def reset(self, alarm: int, now_ms: int) -> bool:
        """A person ends a latched alarm; returns False unless it is acknowledged and its condition gone."""
        return self._happen(alarm, RESET, now_ms)

    def shelve(self, alarm: int, for_s: int, now_ms: int) -> bool:
        """A person does not want to be told for so long; returns False when it must stay, or for_s is out of range.

        Shelving again sets the time anew.
        """
        if self._kept_bits >> alarm & 1 or not 0 < for_s <= SHELF_MAX_S:
            return False
        self._shelf_s[alarm] = for_s
        self._timed_bits |= 1 << alarm
        self._cover(alarm, SHELF, True, now_ms)
        return True

    def unshelve(self, alarm: int, now_ms: int) -> bool:
        """The shelf's time is over; returns False when it was not shelved."""
        if not self._covers[alarm] & SHELF:
            return False
        self._shelf_s[alarm] = 0
        self._cover(alarm, SHELF, False, now_ms)
        return True

    def set_out_of_service(self, alarm: int, out: bool, now_ms: int) -> bool:
        """A person takes it out of service or puts it back; returns False when it must stay, or nothing changes."""
        if (out and self._kept_bits >> alarm & 1) or bool(self._covers[alarm] & OUT) == out:
            return False
        self._cover(alarm, OUT, out, now_ms)
        return True

    def suppress(self, rule: int, on: bool, now_ms: int) -> None:
        """A mode begins or ends to suppress the alarms of this rule: IN_START, IN_SERVICE or both; 0 is none."""
        for alarm in range(ALARM_N):
            row_rules = TABLE[alarm][9]
            if row_rules & rule and not row_rules & HARD and bool(self._covers[alarm] & DESIGN) != on:
                self._cover(alarm, DESIGN, on, now_ms)

    def forget(self, alarm: int) -> None:
        """Its condition was about a baseline that is no more: while it is covered, it counts as gone."""
        if self._covers[alarm]:
            self._stop_delay(alarm)
            self.active_flags[alarm] = 0
            self._condition[alarm] = UNKNOWN
            self._unknown_s[alarm] = self.second_n

    def arm(self, on: bool) -> None:
        """Whether alarms that trip do so; HARD ones always do."""
        self.dirty = self.dirty or on != self.armed
        self.armed = on
        self._judge_trip()

    def stale(self, alarm: int) -> bool:
        """Whether its condition has been unknown for longer than its row allows."""
        stale_s = TABLE[alarm][7]
        return stale_s > 0 and self.unknown_s(alarm) >= stale_s

    def unknown_s(self, alarm: int) -> int:
        """How long its condition has been unknown; 0 when it is known."""
        since_s = self._unknown_s[alarm]
        return self.second_n - since_s if since_s != NONE else 0

    def shelf_s(self, alarm: int) -> int:
        """How long it stays on the shelf."""
        return self._shelf_s[alarm]

    def active(self, alarm: int) -> bool:
        """Whether its condition is true, by the delays, covered or not."""
        return self.active_flags[alarm] != 0

    def may_be_covered(self, alarm: int) -> bool:
        """Whether a person may shelve it or take it out of service."""
        return not self._kept_bits >> alarm & 1

    def save_words(self, words) -> int:
        """Put what must survive a restart into words[0:WORD_N] of 32 bits; returns WORD_N."""
        self.dirty = False
        words[0] = _FORMAT
        words[1] = ALARM_N
        words[2] = self.first_out + 1 | (0 if self.armed else 1 << _SHELF_SHIFT)
        for alarm in range(ALARM_N):
            # State 3b, active 1b, latched 1b, covers 3b, shelf 17b: 25b
            covers = self._covers[alarm] & ~DESIGN
            words[_HEAD_N + alarm] = (
                self.state[alarm]
                | self.active_flags[alarm] << 3
                | self._latched[alarm] << 4
                | covers << 5
                | self._shelf_s[alarm] << _SHELF_SHIFT
            )
        return WORD_N

    def load_words(self, words, n: int, now_ms: int) -> bool:
        """Take up the states that save_words() put into words[0:n]; False, and nothing changed, when they are none.

        A row that this firmware has and the older one had not stays as it is. What stood still stands, until
        its condition is judged; a mode's suppression is not taken up, since a restart ends the mode.
        """
        if n < _HEAD_N or words[0] != _FORMAT or not 0 <= words[1] <= min(ALARM_N, n - _HEAD_N):
            return False
        for alarm in range(words[1]):
            word = words[_HEAD_N + alarm]
            if not 0 <= word >> _SHELF_SHIFT <= SHELF_MAX_S or (word >> 6) & 1:
                return False
        for alarm in range(words[1]):
            self._restore(alarm, words[_HEAD_N + alarm], now_ms)
        first_out = (words[2] & 255) - 1
        if first_out < ALARM_N and first_out >= 0 and self.standing_bits >> first_out & 1:
            self.first_out = first_out
        self.armed = not words[2] >> _SHELF_SHIFT & 1
        self._judge_trip()
        self.dirty = False
        return True

    def _restore(self, alarm: int, word: int, now_ms: int) -> None:
        self.active_flags[alarm] = word >> 3 & 1
        self._latched[alarm] = word >> 4 & 1
        shelf_s = word >> _SHELF_SHIFT
        covers = word >> 5 & 7
        if self._kept_bits >> alarm & 1 or (covers & SHELF and not shelf_s):
            covers &= ~(OUT | SHELF)
        if covers & SHELF:
            self._shelf_s[alarm] = shelf_s
            self._timed_bits |= 1 << alarm
        self._covers[alarm] |= covers
        state = word & 7
        self.state[alarm] = state
        if self._covers[alarm] or state >= SHELVED or self.active_flags[alarm] != (state == UNACK or state == ACKED):
            self._happen(alarm, CHANGED, now_ms)
        elif state != NORM:
            self._enter(alarm, state, now_ms)

    def _stop_delay(self, alarm: int) -> None:
        self.pending_n -= self._pending[alarm]
        self._pending[alarm] = 0

    def _cover(self, alarm: int, cover: int, on: bool, now_ms: int) -> None:
        before = self._covers[alarm]
        self._covers[alarm] = before | cover if on else before & ~cover
        self._happen(alarm, CHANGED, now_ms)

    def _count_down(self, now_ms: int) -> None:
        for alarm in range(ALARM_N):
            if not self._timed_bits >> alarm & 1:
                continue
            if self._shelf_s[alarm]:
                self._shelf_s[alarm] -= 1
                self.dirty = self.dirty or self._shelf_s[alarm] % _SAVE_SHELF_S == 0
                if not self._shelf_s[alarm]:
                    self._cover(alarm, SHELF, False, now_ms)
            elif self.state[alarm] == ACKED and TABLE[alarm][8]:
                self._acked_s[alarm] += 1
                if self._acked_s[alarm] >= TABLE[alarm][8]:
                    self._happen(alarm, AGAIN, now_ms)
            else:
                self._timed_bits &= ~(1 << alarm)

    def _happen(self, alarm: int, what: int, now_ms: int) -> bool:
        """The machine: what becomes of the alarm; returns whether that was anything."""
        state = self.state[alarm]
        covers = self._covers[alarm]
        active = self.active_flags[alarm]
        latches = TABLE[alarm][2]
        rest = LATCH if latches else NORM
        if covers:
            if what != CHANGED:
                return False
            after = OOSRV if covers & OUT else SUPPR if covers & DESIGN else SHELVED
            if after == SHELVED and active and latches:
                self._latched[alarm] = 1
        elif state >= SHELVED:
            after = UNACK if active else RTNUN if self._latched[alarm] else NORM
        elif active:
            after = state if state == ACKED else UNACK
            if state == UNACK and what == ACKNOWLEDGED:
                after = ACKED
            elif state == ACKED and what == AGAIN:
                after = UNACK
        elif state == UNACK:
            after = RTNUN
        elif state == ACKED:
            after = rest
        elif state == RTNUN and what == ACKNOWLEDGED:
            after = rest
        elif state == LATCH and what == RESET and self._condition[alarm] == FALSE:
            after = NORM
        else:
            after = state
        if after == state and not (covers and what == CHANGED):
            return False
        self._enter(alarm, after, now_ms)
        return True

    def _enter(self, alarm: int, state: int, now_ms: int) -> None:
        bit = 1 << alarm
        covered = state >= SHELVED
        self.state[alarm] = state
        self.alarm_bits = self.alarm_bits | bit if state != NORM else self.alarm_bits & ~bit
        self.unack_bits = self.unack_bits | bit if state == UNACK else self.unack_bits & ~bit
        if state == UNACK:
            self._latched[alarm] = 1 if TABLE[alarm][2] else 0
            self._count_raised(bit, alarm)
        elif state == NORM:
            self._latched[alarm] = 0
        elif state == ACKED:
            self._acked_s[alarm] = 0
            self._timed_bits |= bit
        if state == NORM or covered:
            self.standing_bits &= ~bit
            self.grouped_bits &= ~bit
            if not self.standing_bits & self._loud_bits:
                self.first_out = NONE
        else:
            self.standing_bits |= bit
        silenced = state == SHELVED and (self.active_flags[alarm] or self._latched[alarm])
        self._trip_bits = self._trip_bits | bit if self.standing_bits & bit or silenced else self._trip_bits & ~bit
        self._judge_trip()
        self.dirty = True
        self._journal.add(ALARM, alarm, state, TABLE[alarm][1], self.value[alarm], now_ms)

    def _count_raised(self, bit: int, alarm: int) -> None:
        if not bit & self._loud_bits:
            return
        if not self.standing_bits & self._loud_bits:
            self.first_out = alarm
        self._raised_n = (self._raised_n + 1) % (FLOOD_N + 1)
        self._raised_s[self._raised_n] = self.second_n
        self._judge_flood()
        if self.flood and TABLE[alarm][1] != URGENT:
            self.grouped_bits |= bit

    def _judge_flood(self) -> None:
        """The oldest of the last FLOOD_N + 1 raised is young: that many came in FLOOD_S."""
        oldest_s = self._raised_s[(self._raised_n + 1) % (FLOOD_N + 1)]
        self.flood = self.second_n - oldest_s < FLOOD_S

    def _judge_trip(self) -> None:
        mask = self._tripping_bits if self.armed else self._hard_bits & self._tripping_bits
        self.tripped = self._trip_bits & mask != 0
        self.changed_n = (self.changed_n + 1) & 0xFFFF
