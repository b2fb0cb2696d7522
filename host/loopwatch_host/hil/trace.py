"""What one procedure on a bench has shown: records of the board and deeds of the bench on one clock.

Times are seconds of the bench: virtual ones since power-on, or wall seconds since the procedure began on a real board.
Pressures in Pa, volumes in µL, evidence in thousandths of the alarm's threshold; None is a value that was not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ..messages import Gap, Identified, Message, Record, Started, alarm_change, boot_firmware, crc_of

BACKWARDS_MS = 2_000  # a board whose time falls back by more has started anew
BASELINE_SETTLED = 2  # bit of a decision's state_bits, see telemetry


@dataclass(frozen=True)
class AlarmAt:
    """One change of an alarm's state."""

    t_s: float
    name: str
    state: str
    priority_n: int


@dataclass
class Trace:
    """The record of one procedure; see Listener for how it is filled.

    samples: (t_s, p_static_pa, p_pump_pa). decisions: (t_s, residual_ul, most evidence_permille). deeds: (t_s, words).
    """

    target: str = ""
    firmware: str = ""
    board_id: str = ""
    protocol: str = ""
    samples: list[tuple[float, int | None, int | None]] = field(default_factory=list)
    decisions: list[tuple[float, int | None, int | None]] = field(default_factory=list)
    alarms: list[AlarmAt] = field(default_factory=list)
    deeds: list[tuple[float, str]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """As plain data; from_json() is its inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Trace:
        """The trace that as_json() wrote."""
        return cls(**{**data, "alarms": [AlarmAt(**each) for each in data["alarms"]]})


class Listener:
    """Fills a trace from the client's messages, and remembers what a procedure asks about.

    start_of(n, record) is the bench's time at which the board's n-th start (from 0) had t_ms = 0.
    boots: the boot records heard. latest: the latest record of each kind.
    """

    def __init__(self, trace: Trace, start_of: Callable[[int, Record], float]) -> None:
        self.trace = trace
        self.boots: list[Record] = []
        self.latest: dict[str, Record] = {}
        self.lost_n: dict[str, int] = {}
        self.start_n = 0
        self.settled = False
        self._start_of = start_of
        self._start_s: float | None = None
        self._latest_ms = 0
        self._event_seqs: set[int] = set()

    def take(self, messages: Iterable[Message]) -> None:
        """Note what the client has told."""
        for message in messages:
            if isinstance(message, Identified):
                self.trace.firmware, self.trace.board_id = message.firmware, message.board_id
            elif isinstance(message, Started) and message.boot is not None:
                self._record(message.boot)
            elif isinstance(message, Gap):
                self.lost_n[message.name] = self.lost_n.get(message.name, 0) + message.lost_n
            elif isinstance(message, Record):
                self._record(message)

    def first_s(self, alarm: str, state: str = "UNACK", after_s: float = 0.0) -> float | None:
        """When an alarm first took this state at after_s or later; None when it did not."""
        times_s = [each.t_s for each in self.trace.alarms if (each.name, each.state) == (alarm, state)]
        return min((t_s for t_s in times_s if t_s >= after_s), default=None)

    def state(self, alarm: str) -> str:
        """The alarm's latest state."""
        states = [each.state for each in self.trace.alarms if each.name == alarm]
        return states[-1] if states else "NORM"

    def raised(self) -> set[str]:
        """Alarms that came up at some time."""
        return {each.name for each in self.trace.alarms if each.state == "UNACK"}

    def value(self, kind: str, name: str) -> int | None:
        """A field of the latest record of this kind; None without one."""
        record = self.latest.get(kind)
        return None if record is None else record.values[name]

    def _record(self, record: Record) -> None:
        t_ms = record.t_ms
        if record.name == "boot" or (record.name != "event" and t_ms < self._latest_ms - BACKWARDS_MS):
            self.start_n += self._start_s is not None
            self._start_s = None
            self._latest_ms = 0
            self._event_seqs.clear()
            self.settled = False
        if self._start_s is None:
            self._start_s = self._start_of(self.start_n, record)
        self._latest_ms = max(self._latest_ms, t_ms)
        self.latest[record.name] = record
        self._draw(record, round(self._start_s + t_ms / 1000, 3))

    def _draw(self, record: Record, t_s: float) -> None:
        values, trace = record.values, self.trace
        if record.name == "boot":
            self.boots.append(record)
            trace.firmware = boot_firmware(record)
            trace.protocol = f"{values['protocol_n']} ({crc_of(record, 'protocol_crc'):08X})"
        elif record.name == "sample":
            trace.samples.append((t_s, values["p_static_pa"], values["p_pump_pa"]))
        elif record.name == "decision":
            members = [value for name, value in values.items() if name.startswith("evidence_") and value is not None]
            trace.decisions.append((t_s, values["residual_ul"], max(members, default=None)))
            self.settled = bool((values["state_bits"] or 0) & BASELINE_SETTLED)
        change = alarm_change(record)
        if change and record.seq not in self._event_seqs:
            self._event_seqs.add(record.seq)
            trace.alarms.append(AlarmAt(t_s, change.name, change.state, change.priority_n))
            trace.alarms.sort(key=lambda each: each.t_s)


def thinned(points: Sequence[Any], most_n: int) -> Sequence[Any]:
    """At most most_n of the points, evenly taken, the last one always among them."""
    if len(points) <= most_n:
        return points
    step = (len(points) - 1) / (most_n - 1)
    return [points[round(i * step)] for i in range(most_n)]
