"""What a session looked like, as curves for a chart: from samples, seconds or minutes, whichever suits its length.

Ranges are wall time, s from the session's first record, as everywhere in the log; the axis is the board's time (t_s,
from its first start that the session heard), which a virtual board that runs faster than life keeps too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle

from loopwatch import sample

from ..messages import AlarmChange, alarm_change, event_record, event_words, is_leak
from ..store import FIELDS, TABLES, Log, Row
from .chart import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, SKY, Curve, Limit, Mark, Panel

SAMPLES_UP_TO_S = 1200.0
SECONDS_UP_TO_S = 2 * 86_400.0

# Field, label, colour, divisor to the unit shown.
PRESSURES = (
    (sample.CHANNELS[sample.P_STATIC], "vessel", BLUE, 100.0),
    (sample.CHANNELS[sample.P_PUMP], "pump", SKY, 100.0),
)
TEMPERATURES = (
    (sample.CHANNELS[sample.T_SOURCE], "source", ORANGE, 1000.0),
    (sample.CHANNELS[sample.T_RADIATOR], "radiator", GREEN, 1000.0),
    (sample.CHANNELS[sample.T_DOME], "dome", PURPLE, 1000.0),
)
EVIDENCE_COLOURS = (SKY, ORANGE, PURPLE)
INVENTORY = (("residual_ul", "inventory", BLUE, 1000.0),)

STATE_COLOURS = {"UNACK": RED, "ACKED": ORANGE, "RTNUN": ORANGE, "LATCH": PURPLE}

Wanted = Sequence[tuple[str, str, str, float]]


class Change:
    """An alarm's change of state."""

    def __init__(self, row: Row, change: AlarmChange) -> None:
        self.t_s: float = row["t_ms"] / 1000
        self.at_s: float = row["at_s"]
        self.board_ms: int = row["board_ms"]
        self.seq: int = row["seq"]
        self.name = change.name
        self.state = change.state
        self.priority_n = change.priority_n


def changes(log: Log, session_id: int) -> list[Change]:
    """Every change of an alarm in a session, in time."""
    found = []
    for row in log.records("event", session_id):
        change = alarm_change(event_record(row))
        if change:
            found.append(Change(row, change))
    return sorted(found, key=lambda each: each.t_s)


def other_events(log: Log, session_id: int) -> list[tuple[float, str]]:
    """What else happened: (t_s, words)."""
    rows = ((row["t_ms"] / 1000, event_record(row)) for row in log.records("event", session_id))
    return [(t_s, event_words(record)) for t_s, record in rows if alarm_change(record) is None]


def panels(log: Log, session_id: int, from_s: float, to_s: float) -> list[Panel]:
    """Pressures, temperatures, inventory and evidence between two moments of a session."""
    span_s = to_s - from_s
    measured = "sample" if span_s <= SAMPLES_UP_TO_S else "mean"
    drawn = [
        Panel("pressures", "mbar absolute", _curves(log, measured, session_id, PRESSURES, from_s, to_s), (), 5.0),
        Panel("temperatures", "°C", _curves(log, measured, session_id, TEMPERATURES, from_s, to_s), (), 1.0),
        Panel(
            "coolant against the baseline", "mL", _curves(log, "decision", session_id, INVENTORY, from_s, to_s), (), 0.5
        ),
    ]
    drawn += [
        Panel(
            "evidence of a leak",
            "% of its limit",
            _curves(log, name, session_id, wanted, from_s, to_s),
            [Limit(100.0, "alarm")],
        )
        for name, wanted in _evidence().items()
    ]
    return drawn


def _evidence() -> dict[str, Wanted]:
    """What tells evidence by the class of leak, by the kind of record that carries it."""
    found: dict[str, Wanted] = {}
    for name in TABLES:
        fields = [field for field in FIELDS[name] if field.startswith("evidence_")]
        if fields:
            classes = [field.removeprefix("evidence_").removesuffix("_permille") for field in fields]
            colours = cycle(EVIDENCE_COLOURS)
            found[name] = [
                (field, of, colour, 10.0) for field, of, colour in zip(fields, classes, colours, strict=False)
            ]
    return found


def _curves(log: Log, name: str, session_id: int, wanted: Wanted, from_s: float, to_s: float) -> list[Curve]:
    if to_s - from_s > SECONDS_UP_TO_S:
        kind = "sample" if name == "mean" else name
        return [_rolled(log, kind, session_id, each, from_s, to_s) for each in wanted]
    fields = tuple(each[0] for each in wanted)
    columns: list[list[tuple[float, float | None]]] = [[] for _ in fields]
    for t_ms, _, _, _, _, *values in log.rows(name, session_id, fields, from_s, to_s):
        for column, value, each in zip(columns, values, wanted, strict=True):
            column.append((t_ms / 1000, None if value is None else value / each[3]))
    return [Curve(each[1], each[2], points) for each, points in zip(wanted, columns, strict=True)]


def _rolled(
    log: Log, name: str, session_id: int, each: tuple[str, str, str, float], from_s: float, to_s: float
) -> Curve:
    field, label, colour, divisor = each
    first_s = log.first_s(session_id) or 0.0
    least, mean, most = [], [], []
    for at_s, low, middle, high in log.minutes(name, session_id, field, first_s + from_s, first_s + to_s):
        t_s = at_s - first_s
        least.append((t_s, None if low is None else low / divisor))
        mean.append((t_s, None if middle is None else middle / divisor))
        most.append((t_s, None if high is None else high / divisor))
    return Curve(label, colour, mean, least, most)


def alarm_marks(changed: Sequence[Change]) -> list[Mark]:
    """Lines where an alarm came up: every leak, and what is urgent or high."""
    return [
        Mark(each.t_s, f"{each.name.replace('_', ' ')} {each.state}", STATE_COLOURS.get(each.state, GREY))
        for each in changed
        if each.state == "UNACK" and (each.priority_n <= 2 or is_leak(each.name))
    ]


def span_of(drawn: Sequence[Panel]) -> tuple[float, float]:
    """First and last t_s of what the panels show; (0, 1) when they show nothing."""
    times_s = [
        points[end][0]
        for panel in drawn
        for curve in panel.curves
        for points in [curve.points]
        if points
        for end in (0, -1)
    ]
    return (min(times_s), max(times_s)) if times_s else (0.0, 1.0)


def cut(drawn: Sequence[Panel], from_s: float, to_s: float) -> list[Panel]:
    """The panels between two moments of t_s."""
    return [
        replace(
            panel,
            curves=[
                replace(curve, points=[point for point in curve.points if from_s <= point[0] <= to_s])
                for curve in panel.curves
            ],
        )
        for panel in drawn
    ]
