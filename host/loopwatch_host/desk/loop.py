"""What is known of one loop now: figures and how old they are, alarms, the board's health, the link, the last hour.

Fed with the client's messages in their order, it holds no more than an hour and the latest notes. Its time line is
`now_s`, seconds of the board's own clock carried on through restarts, so that a virtual board may run at any speed and
a laptop's clock may be set. Silence makes everything old: a face asks `stale` and shows no old figure as a new one.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from loopwatch import alarms, guard, sample
from loopwatch.journal import MODE, MODE_NAMES
from loopwatch.telemetry import BASELINE_SETTLED, BEYOND_LOG, BLIND, COMMISSIONED, PUMP_RUNNING

from ..messages import (
    NE107_NAMES,
    BlackBox,
    Connected,
    Disconnected,
    Gap,
    Identified,
    Message,
    Record,
    Started,
    alarm_change,
    alarm_name,
    channel_status,
    priority_of,
    standing_alarms,
)
from . import notes
from .channels import MEASURED, RESIDUAL, Figure
from .levels import Levels
from .notes import Note, notes_of
from .trace import Run, Trace
from .words import clock_words, interval_words, left_words, rate_words, volume_words

HISTORY_N = 3_600  # rows of one second
NOTES_N = 200
ALARM_LINES_N = 1_000
STALE_AFTER_S = 2.0
NEAR = 1.5
OLD_AFTER_MS = 3_000  # a mean that stopped coming while the heartbeat goes on

CLASSES = guard.CLASS_NAMES
PLOTTED = (*MEASURED, RESIDUAL)

STATE_WORDS = {
    "UNACK": "not acknowledged",
    "ACKED": "acknowledged",
    "RTNUN": "returned, not acknowledged",
    "LATCH": "returned, waits for reset",
    "SHELVED": "shelved",
    "SUPPR": "suppressed",
    "OOSRV": "out of service",
    "": "state not heard yet",
}
STATE_MARKS = {"UNACK": "▲", "ACKED": "●", "RTNUN": "△", "LATCH": "■", "SHELVED": "◌", "SUPPR": "◌", "OOSRV": "◌"}
COVERED = ("SHELVED", "SUPPR", "OOSRV")
STATE_ORDER = ("UNACK", "RTNUN", "", "LATCH", "ACKED", *COVERED)


@dataclass(frozen=True)
class Reading:
    """A measured figure: value in its unit or None, and the status in words (`good`, `open`, `starting` …)."""

    figure: Figure
    value: float | None
    status: str


@dataclass(frozen=True)
class AlarmLevel:
    """The inventory in mL at which a class of leak alarms. near: at most NEAR times as far away as the highest."""

    name: str
    at_ml: float
    near: bool


@dataclass(frozen=True)
class AlarmRow:
    """An alarm that is not in the normal state. state is of alarms.STATE_NAMES, '' while it was not heard."""

    name: str
    state: str
    priority_n: int
    since_s: float | None
    value: int | None
    shelf_end_s: float | None = None

    @property
    def title(self) -> str:
        """The name as people read it."""
        return self.name.replace("_", " ")

    @property
    def acknowledgeable(self) -> bool:
        """Whether there is something for a person to acknowledge."""
        return self.state in ("UNACK", "RTNUN")

    @property
    def resettable(self) -> bool:
        """Whether a person may end it now."""
        return self.state == "LATCH"

    @property
    def shelvable(self) -> bool:
        """Whether a person may be spared it for a time: not when it must stay in sight, see loopwatch.alarms."""
        index = alarms.index_of(self.name)
        return index >= 0 and self.state in ("UNACK", "ACKED", "RTNUN", "LATCH") and not _must_stay(index)

    @property
    def unshelvable(self) -> bool:
        """Whether a person may take it from the shelf."""
        return self.state == "SHELVED"

    @property
    def covered(self) -> bool:
        """Whether it is kept from people: judged and logged, but not told."""
        return self.state in COVERED

    @property
    def mark(self) -> str:
        """A sign for the state that needs no colour."""
        return STATE_MARKS.get(self.state, "?" if not self.state else "·")

    @property
    def words(self) -> str:
        """The state in words."""
        return STATE_WORDS.get(self.state, self.state)

    @property
    def value_words(self) -> str:
        """The figure that the alarm came with, in the unit of its row of alarms.TABLE."""
        index = alarms.index_of(self.name)
        if self.value is None or index < 0:
            return ""
        unit = alarms.TABLE[index][6]
        if unit == "rate_ul_h":
            return rate_words(self.value)
        if unit == "noise_ul":
            return f"noise {self.value / 1000:.2f} mL rms"
        if unit == "status" and 0 <= self.value < len(sample.STATUS_NAMES):
            return sample.STATUS_NAMES[self.value].replace("_", " ")
        return ""


class Loop:
    """The picture of one loop. Times ending in _s are on its own time line but for at_s, which is wall time.

    board_time: notes are stamped with the time since the board's start instead of the time of day.
    """

    def __init__(self, board_time: bool = False, clock_s: Callable[[], float] = time.monotonic) -> None:
        self.board_time = board_time
        self.trace = Trace(len(PLOTTED), HISTORY_N)
        self.notes: deque[tuple[str, Note]] = deque(maxlen=NOTES_N)
        self.note_n = 0
        self.alarm_lines: deque[str] = deque(maxlen=ALARM_LINES_N)
        self.mean: Record | None = None
        self.decision: Record | None = None
        self.heartbeat: Record | None = None
        self.mode = ""
        self.board_id = ""
        self.firmware = ""
        self.port = ""
        self.connected = False
        self.lost: dict[str, int] = {}
        self.connect_n = 0
        self.bad_n = 0
        self.box_n = 0  # black boxes that have come into the log
        self._clock_s = clock_s
        self._heard_s: float | None = None
        self._sampled_s: float | None = None
        self._latest_s = 0.0
        self._latest_ms = 0
        self._shift_s = 0.0
        self._epoch_n: int | None = None
        self.levels = Levels()
        self._members: Record | None = None
        self._levels_ml: dict[str, float] = {}
        self._alarms: dict[str, AlarmRow] = {}
        self._differs_n = 0
        self._asked = ""

    def show(self, message: Message) -> None:
        """Take one message of the client."""
        if isinstance(message, Record):
            self._take(message)
        elif isinstance(message, Gap):
            self.lost[message.name] = self.lost.get(message.name, 0) + message.lost_n
        elif isinstance(message, Connected):
            self.connected = True
            self.port = message.port
            self.connect_n += 1
        elif isinstance(message, Disconnected):
            self.connected = False
        elif isinstance(message, Identified):
            self.board_id, self.firmware = message.board_id, message.firmware
        elif isinstance(message, Started):
            self._restart(message)
        elif isinstance(message, BlackBox):
            self.box_n += message.kept
        for note in notes_of(message, self.decision):
            self.note(note)

    def narrate(self, text: str) -> None:
        """Note what the virtual bench does to the loop."""
        self.note(Note(time.time(), f"BENCH  {text}", notes.BENCH))

    def note(self, note: Note) -> None:
        """Add a line for people."""
        stamp = self.stamp(note.at_s)
        self.notes.append((stamp, note))
        self.note_n += 1
        if note.is_alarm:
            self.alarm_lines.append(f"{stamp}  {note.text}")

    def tick(self) -> None:
        """Nothing is to be done in silence: what is old tells by its age."""

    @property
    def now_s(self) -> float:
        """Now, on the loop's time line; it goes on while nothing comes."""
        return self._latest_s + (0.0 if self._heard_s is None else self._clock_s() - self._heard_s)

    @property
    def age_s(self) -> float | None:
        """Seconds since the last sample; None before the first."""
        return None if self._sampled_s is None else self._clock_s() - self._sampled_s

    @property
    def stale(self) -> bool:
        """Whether what is known is too old to be believed."""
        age_s = self.age_s
        return not self.connected or age_s is None or age_s > STALE_AFTER_S

    def verdict(self) -> tuple[str, str]:
        """The loop's state in a few words after its grade: `urgent`, `fault` or `good`. Old news is never good."""
        rows = [row for row in self.alarm_rows() if row.priority_n < alarms.ADVISORY]
        standing = [row for row in rows if not row.covered]
        words = f"{standing[0].mark} ALARM {standing[0].title}: {standing[0].words}" if standing else ""
        if len(standing) > 1:
            words += f" and {len(standing) - 1} more"
        before = f"; before: {words}" if words else ""
        if not self.connected:
            return notes.URGENT, f"DISCONNECTED: what stands here is old{before}"
        if self.age_s is None:
            return notes.FAULT, "WAITING for the first sample"
        urgent = any(row.priority_n == alarms.URGENT for row in standing)
        if self.stale:
            return notes.URGENT if urgent else notes.FAULT, f"STALE: no sample for {self.age_s:.0f} s{before}"
        if standing:
            return notes.URGENT if urgent else notes.FAULT, words
        if self.ne107() not in ("good", "maintenance required"):
            return notes.FAULT, f"BOARD: {self.ne107()}"
        if hidden := [row for row in rows if row.state in ("SHELVED", "OOSRV")]:
            more = f" and {len(hidden) - 1} more" if len(hidden) > 1 else ""
            return notes.FAULT, f"NO ALARM, but {hidden[0].title} is {hidden[0].words}{more}"
        return notes.GOOD, "✓ NO ALARM"

    def stamp(self, at_s: float) -> str:
        """The time of a note, as it is shown."""
        if self.board_time:
            return clock_words(self._latest_ms / 1000)
        return time.strftime("%H:%M:%S", time.localtime(at_s))

    def readings(self) -> list[Reading]:
        """The measured channels of the latest second; empty before the first."""
        if self.mean is None:
            return []
        old = self._latest_ms - self.mean.t_ms > OLD_AFTER_MS
        shown = []
        for channel, figure in enumerate(MEASURED):
            status = "stale" if old else channel_status(self.mean, channel).replace("_", " ")
            shown.append(Reading(figure, figure.scaled(self.mean.values[figure.field]), status))
        return shown

    def decided(self, field: str) -> int | None:
        """A field of the latest decision record; None when it has no value or is old."""
        if self.decision is None or self._latest_ms - self.decision.t_ms > OLD_AFTER_MS:
            return None
        return self.decision.values.get(field)

    def residual_words(self) -> str:
        """The inventory against the baseline in mL, or why there is none."""
        residual_ul = self.decided("residual_ul")
        if residual_ul is not None:
            return f"{residual_ul / 1000:+.2f} mL"
        state_bits = self.decided("state_bits") or 0
        if self.decision is None:
            return "starting"
        return "blind" if state_bits & BLIND else "none" if state_bits & BASELINE_SETTLED else "settling"

    def evidence(self) -> list[tuple[str, float | None]]:
        """Evidence of each class of leak in parts of its threshold; 1 alarms, None is not watched."""
        known = [(name, self.decided(f"evidence_{name}_permille")) for name in CLASSES]
        return [(name, None if permille is None else permille / 1000) for name, permille in known]

    def unwatched_words(self) -> str:
        """Why there is no evidence of a class of leak."""
        state_bits = self.decided("state_bits")
        if state_bits is None or state_bits & BLIND or not state_bits & BASELINE_SETTLED:
            return "not known"
        return "not known yet" if state_bits & COMMISSIONED else "needs commissioning"

    def leak_figures(self) -> list[tuple[str, str]]:
        """Leak rate with its interval, volume lost and time left, as label and words; `–` without evidence of one."""
        rate_ul_h, lost_ul = self.decided("rate_ul_h"), self.decided("lost_ul")
        ends_ul_h = self.decided("rate_low_ul_h"), self.decided("rate_high_ul_h")
        interval = interval_words(*ends_ul_h)
        left_s = self.decided("time_left_s")
        return [
            ("leak rate", "–" if rate_ul_h is None else rate_words(rate_ul_h)),
            ("95 % interval", "–" if rate_ul_h is None else interval or "not known"),
            ("lost", "–" if lost_ul is None or rate_ul_h is None else volume_words(lost_ul)),
            ("time left", "–" if left_s is None else left_words(left_s, rate_ul_h, *ends_ul_h)),
        ]

    def alarm_levels(self) -> list[AlarmLevel]:
        """At which inventory each class of leak alarms, if the coolant goes at once; highest first.

        Only what is known: see levels. Once the evidence is beyond its threshold the level stays where it was crossed.
        """
        residual_ul = self.decided(RESIDUAL.field)
        if residual_ul is None:
            return []
        now_ml = residual_ul / RESIDUAL.divisor
        known = sorted(self._levels_ml.items(), key=lambda level: -level[1])
        reach_ml = NEAR * max((abs(now_ml - at_ml) for _, at_ml in known[:1]), default=0.0)
        return [AlarmLevel(name, at_ml, abs(now_ml - at_ml) <= reach_ml) for name, at_ml in known]

    def nearest_level(self) -> tuple[str, str]:
        """The nearest of alarm_levels() as label and words, or why there is none."""
        levels = self.alarm_levels()
        if levels:
            return f"{levels[0].name} alarms at", f"{levels[0].at_ml:+.2f} mL"
        return "alarms at", "not known" if self.decided(RESIDUAL.field) is not None else "–"

    def ne107(self) -> str:
        """The board's own status, in the words of NE 107."""
        ne107_n = self._count("ne107_n")
        if ne107_n is None:
            return "not heard yet"
        return NE107_NAMES[ne107_n] if 0 <= ne107_n < len(NE107_NAMES) else f"status {ne107_n}"

    def commissioning(self) -> str:
        """Whether the board works with settings made for this loop."""
        if self.decision is None:
            return "commissioning not heard yet"
        state_bits = self.decision.values["state_bits"] or 0
        if state_bits & BEYOND_LOG:
            return "commissioned, beyond its log: slow leaks are told late"
        return "commissioned" if state_bits & COMMISSIONED else "not commissioned: wide first settings"

    def pump(self) -> str:
        """What the board makes of the pump."""
        state_bits = self.decided("state_bits")
        return "pump ?" if state_bits is None else "pump on" if state_bits & PUMP_RUNNING else "pump off"

    def counts(self) -> list[tuple[str, int]]:
        """What went wrong on the way here, as label and count: on the board, on the cable, on this laptop."""
        return [
            ("dropped by board", self._count("dropped_n") or 0),
            ("lost on the way", sum(self.lost.values())),
            ("damaged lines", self.bad_n),
            ("reconnects", max(0, self.connect_n - 1)),
            ("late samples", self._count("late_n") or 0),
            ("bus errors", self._count("bus_error_n") or 0),
        ]

    def alarm_rows(self) -> list[AlarmRow]:
        """The alarms that are not normal, the one that wants a person most first."""

        def order(row: AlarmRow) -> tuple[int, int, float]:
            place = STATE_ORDER.index(row.state) if row.state in STATE_ORDER else len(STATE_ORDER)
            advice = row.priority_n >= alarms.ADVISORY
            return (len(STATE_ORDER) + 1 if advice else place, row.priority_n, row.since_s or 0.0)

        return sorted(self._alarms.values(), key=order)

    def runs(self, figure: Figure, span_s: float) -> list[Run]:
        """The unbroken pieces of a figure's line over the last span_s, on the loop's time line."""
        now_s = self.now_s
        return self.trace.runs(PLOTTED.index(figure), now_s - span_s, now_s)

    def question(self) -> str | None:
        """A command to ask the board for what was not heard: the states of its alarms when they are not what its
        heartbeat counts, how long an alarm stays on the shelf, its thresholds.
        """
        if not self.connected:
            return None
        shelved = next((row.name for row in self._alarms.values() if row.unshelvable and row.shelf_end_s is None), None)
        if self._differs_n > 1:
            self._differs_n = 0
            self._asked = "ALAR:STAT?"
        elif shelved:
            self._asked = f"ALAR:DET? {shelved}"
        else:
            self._asked = self.levels.question(self.decision) or ""
        return self._asked or None

    def answer(self, reply: str) -> None:
        """The board's answer to question(); one that begins with `!` is a refusal."""
        command, _, name = self._asked.partition(" ")
        if command == "ALAR:STAT?":
            self._take_states(reply)
        elif command == "ALAR:DET?":
            self._take_detail(name, reply)
        elif reply.startswith("!"):
            self.levels.refused()
        else:
            self.levels.answer(reply)

    def shelf_changed(self, name: str) -> None:
        """A person has set this alarm's time on the shelf anew."""
        if row := self._alarms.get(name):
            self._alarms[name] = replace(row, shelf_end_s=None)

    def _take_states(self, digits: str) -> None:
        """A digit per alarm of the table: its state's place."""
        if not digits.isdigit():
            return
        states = {
            alarm_name(index): alarms.STATE_NAMES[int(digit)]
            for index, digit in enumerate(digits)
            if 0 < int(digit) < len(alarms.STATE_NAMES)
        }
        self._alarms = {
            name: replace(self._alarms.get(name) or _row(name), state=state) for name, state in states.items()
        }

    def _take_detail(self, name: str, reply: str) -> None:
        """State, active, value, seconds on the shelf, stale."""
        row, words = self._alarms.get(name), reply.split(",")
        if row:
            shelf_s = int(words[3]) if len(words) > 3 and words[3].isdigit() else 0
            self._alarms[name] = replace(row, shelf_end_s=self.now_s + shelf_s)

    def _take(self, record: Record) -> None:
        if record.name != "event":
            self._place(record)
        if record.name == "sample":
            self._sampled_s = self._clock_s()
        elif record.name == "mean":
            self.mean = record
        elif record.name == "decision":
            self.decision = record
            self._plot(record)
            self._follow_levels(record)
        elif record.name == "evidence":
            self._members = record
        elif record.name == "heartbeat":
            self.heartbeat = record
            self._compare(record.values["alarm_bits"] or 0)
        elif record.name == "event":
            self._change(record)

    def _place(self, record: Record) -> None:
        """Find the record's place on the time line; the first one after a start sets the shift."""
        if record.epoch_n != self._epoch_n:
            self._shift_s = self.now_s - record.t_ms / 1000 if self._epoch_n is not None else 0.0
            self._epoch_n = record.epoch_n
            self._latest_ms = record.t_ms
        self._heard_s = self._clock_s()
        self._latest_ms = max(self._latest_ms, record.t_ms)
        self._latest_s = self._latest_ms / 1000 + self._shift_s

    def _plot(self, decision: Record) -> None:
        """A decision closes its second: its mean came just before it."""
        mean = self.mean
        here = mean is not None and mean.t_ms == decision.t_ms
        values = [figure.scaled(mean.values[figure.field]) if mean and here else None for figure in MEASURED]
        values.append(RESIDUAL.scaled(decision.values[RESIDUAL.field]))
        self.trace.add(decision.t_ms / 1000 + self._shift_s, values)

    def _follow_levels(self, decision: Record) -> None:
        """Find the levels of this second; the record of its evidence comes just after it, so the last one counts."""
        members, residual_ul = self._members, decision.values[RESIDUAL.field]
        if residual_ul is None:
            self._levels_ml.clear()
            return
        if members and decision.t_ms - members.t_ms > OLD_AFTER_MS:
            members = None
        p_static_pa = self.mean.values[MEASURED[0].field] if self.mean else None
        missing = self.levels.missing_ul(decision, members, p_static_pa, self._count("uptime_s"))
        for name, each in zip(CLASSES, missing, strict=True):
            if each is None:
                self._levels_ml.pop(name, None)
            elif each > 0 or name not in self._levels_ml:
                self._levels_ml[name] = (residual_ul - each) / RESIDUAL.divisor

    def _change(self, event: Record) -> None:
        subject_n = event.values["subject_n"]
        if event.values["event_n"] == MODE and subject_n is not None and 0 < subject_n < len(MODE_NAMES):
            self.mode = MODE_NAMES[subject_n]
        change = alarm_change(event)
        if change is None:
            return
        if change.state == "NORM":
            self._alarms.pop(change.name, None)
            return
        before = self._alarms.get(change.name)
        since_s = event.t_ms / 1000 + self._shift_s
        if before and before.since_s is not None and change.state != "UNACK":
            since_s = before.since_s
        shelf_end_s = before.shelf_end_s if before and before.state == change.state else None
        self._alarms[change.name] = AlarmRow(
            change.name, change.state, change.priority_n, since_s, change.value, shelf_end_s
        )

    def _compare(self, alarm_bits: int) -> None:
        """A heartbeat overtakes the events of its own second: only what lasts is a difference."""
        standing = set(standing_alarms(alarm_bits))
        if standing == set(self._alarms) and all(row.state for row in self._alarms.values()):
            self._differs_n = 0
            return
        self._differs_n += 1
        if self._differs_n > 1:
            kept = {name: self._alarms.get(name) or _row(name) for name in sorted(standing)}
            self._alarms = kept

    def _restart(self, started: Started) -> None:
        self.mean = self.decision = self.heartbeat = self._members = None
        self.levels.forget()
        self._levels_ml.clear()
        self.mode = ""
        self._latest_ms = 0
        self._alarms.clear()

    def _count(self, field: str) -> int | None:
        return self.heartbeat.values.get(field) if self.heartbeat else None


def _row(name: str) -> AlarmRow:
    return AlarmRow(name, "", priority_of(name), None, None)


def _must_stay(index: int) -> bool:
    """Whether the alarm's row says that nobody may take it out of sight."""
    return bool(alarms.TABLE[index][9] & (alarms.HARD | alarms.KEPT))
