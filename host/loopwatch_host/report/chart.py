"""Charts as inline SVG: panels over one axis of time, with bands, limits and marks; no script, no font from elsewhere.

A gap in the data is a gap in the curve. Colours are those of Okabe and Ito, which the colour-blind tell apart, and
every curve is named where it is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise

WIDTH, LEFT, RIGHT = 960, 78, 18
HEIGHT, BETWEEN, TOP = 170, 40, 30
POINTS_N = 1200
GAP_FACTOR = 3.5  # times the usual distance between two points

BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY = (
    "#0072b2", "#e69f00", "#009e73", "#d55e00", "#b0568f", "#56b4e9", "#6b7280",
)  # fmt: skip

Points = Sequence[tuple[float, float | None]]


@dataclass(frozen=True)
class Curve:
    """A named line; low and high, when given, are the edges of a band around it. dots: of points set apart by hand."""

    name: str
    colour: str
    points: Points
    low: Points = ()
    high: Points = ()
    dots: bool = False


@dataclass(frozen=True)
class Limit:
    """A level that means something."""

    value: float
    name: str
    colour: str = RED


@dataclass(frozen=True)
class Panel:
    """One picture above the axis of time. least_span keeps noise from filling the panel."""

    title: str
    unit: str
    curves: Sequence[Curve]
    limits: Sequence[Limit] = ()
    least_span: float = 0.0


@dataclass(frozen=True)
class Mark:
    """A moment, with words; or a span of time when until_s is given."""

    at: float
    words: str
    colour: str = RED
    until: float | None = None


@dataclass(frozen=True)
class Axis:
    """Values along the bottom. log: powers of ten, labelled."""

    label: str
    ticks: Sequence[tuple[float, str]] = field(default_factory=tuple)
    log: bool = False


class _Scale:
    """Values to places on the paper."""

    def __init__(self, low: float, high: float, at_low: float, at_high: float, log: bool = False) -> None:
        self._map = (lambda value: math.log10(value)) if log else (lambda value: value)
        self.low, self.high = low, high
        self._at_low = at_low
        self._gain = (at_high - at_low) / ((self._map(high) - self._map(low)) or 1.0)

    def __call__(self, value: float) -> float:
        return self._at_low + (self._map(value) - self._map(self.low)) * self._gain


def svg(panels: Sequence[Panel], axis: Axis, marks: Sequence[Mark] = (), log_y: bool = False) -> str:
    """The drawing; empty when no curve has a value."""
    shown = [panel for panel in panels if any(_known(curve.points) for curve in panel.curves)]
    times = [at for panel in shown for curve in panel.curves for at, value in curve.points if value is not None]
    if not times:
        return ""
    low, high = min(times), max(times)
    if high <= low:
        high = low + 1.0
    x = _Scale(low, high, LEFT, WIDTH - RIGHT, axis.log)
    bottom = TOP + len(shown) * (HEIGHT + BETWEEN) - BETWEEN
    # Words of marks that stand close go to lines of their own, so that none covers another.
    inside = [mark for mark in marks if mark.until is not None or low <= mark.at <= high]
    drawn = [_mark(mark, i, x, bottom, low, high) for i, mark in enumerate(inside)]
    parts = [shape for shape, _ in drawn]
    parts += [_panel(panel, TOP + i * (HEIGHT + BETWEEN), x, log_y) for i, panel in enumerate(shown)]
    parts += [words for _, words in drawn]
    ticks = axis.ticks or [(at, f"{at:g}") for at in round_values(low, high, 8)]
    for at, words in ticks:
        if low <= at <= high:
            parts.append(
                f'<text class="tick" x="{x(at):.1f}" y="{bottom + 16}" text-anchor="middle">{escape(words)}</text>'
            )
    parts.append(
        f'<text class="tick" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{bottom + 34}" text-anchor="middle">'
        f"{escape(axis.label)}</text>"
    )
    names = "; ".join(panel.title for panel in shown)
    return (
        f'<svg viewBox="0 0 {WIDTH} {bottom + 42}" role="img" aria-label="{escape(names)}"'
        f' xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )


def time_axis(low_s: float, high_s: float) -> Axis:
    """An axis of seconds, labelled in the unit that suits its length."""
    span_s = high_s - low_s
    unit, size_s = ("s", 1.0) if span_s <= 300 else ("min", 60.0) if span_s <= 3 * 3600 else ("h", 3600.0)
    if span_s > 4 * 86_400:
        unit, size_s = "days", 86_400.0
    ticks = [(at * size_s, f"{at:g}") for at in round_values(low_s / size_s, high_s / size_s, 8)]
    return Axis(f"time, {unit}", ticks)


def round_values(low: float, high: float, about_n: int) -> list[float]:
    """Round values between low and high, about so many."""
    span = (high - low) / about_n
    if not span > 0:
        return [low]
    power = 10.0 ** math.floor(math.log10(span))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= span * 0.999)
    return [round(n * step, 10) for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _panel(panel: Panel, top: float, x: _Scale, log_y: bool) -> str:
    values = [
        value
        for curve in panel.curves
        for points in (curve.points, curve.low, curve.high)
        for _, value in points
        if value is not None
    ]
    values += [limit.value for limit in panel.limits]
    low, high = min(values), max(values)
    if log_y:
        y = _Scale(low / 1.5, high * 1.5, top + HEIGHT, top, log=True)
        ticks = [10.0**n for n in range(math.ceil(math.log10(y.low)), math.floor(math.log10(y.high)) + 1)]
    else:
        missing = max(0.0, panel.least_span - (high - low)) / 2
        pad = 0.07 * (high - low) + missing or 1.0
        y = _Scale(low - pad, high + pad, top + HEIGHT, top)
        ticks = round_values(y.low, y.high, 4)
    right = WIDTH - RIGHT
    parts = [f'<rect class="frame" x="{LEFT}" y="{top}" width="{right - LEFT}" height="{HEIGHT}"/>']
    for value in ticks:
        at = y(value)
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"/>'
            f'<text class="tick" x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{value:g}</text>'
        )
    for limit in panel.limits:
        at = y(limit.value)
        parts.append(
            f'<line x1="{LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}" stroke="{limit.colour}"'
            f' stroke-dasharray="6 4"/><text x="{right - 6}" y="{at - 5:.1f}" text-anchor="end"'
            f' fill="{limit.colour}">{escape(limit.name)}</text>'
        )
    for curve in panel.curves:
        parts.append(_band(curve, x, y))
        if curve.dots:
            parts += [
                f'<circle cx="{x(at):.1f}" cy="{y(value):.1f}" r="3" fill="{curve.colour}"/>'
                for at, value in curve.points
                if value is not None
            ]
        parts += [
            f'<polyline stroke="{curve.colour}" points="{run}"/>' for run in _runs(curve.points, x, y, not curve.dots)
        ]
    parts.append(f'<text class="title" x="{LEFT}" y="{top - 9}">{escape(f"{panel.title}, {panel.unit}")}</text>')
    return "".join(parts) + _legend(panel, top)


def _legend(panel: Panel, top: float) -> str:
    """The curves' names at the right end of the title's line."""
    named = [curve for curve in panel.curves if curve.name and _known(curve.points)]
    if len(named) < 2:
        return ""
    parts = []
    at = float(WIDTH - RIGHT)
    for curve in reversed(named):
        at -= 7.0 * len(curve.name)
        parts.append(f'<text x="{at:.0f}" y="{top - 9}" fill="#374151">{escape(curve.name)}</text>')
        parts.append(f'<rect x="{at - 18:.0f}" y="{top - 16}" width="14" height="5" rx="1" fill="{curve.colour}"/>')
        at -= 34
    return "".join(parts)


def _band(curve: Curve, x: _Scale, y: _Scale) -> str:
    low = [(at, value) for at, value in curve.low if value is not None]
    high = [(at, value) for at, value in curve.high if value is not None]
    if not low or not high:
        return ""
    edge = [*_thinned(high), *reversed(_thinned(low))]
    points = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in edge)
    return f'<polygon fill="{curve.colour}" fill-opacity="0.15" points="{points}"/>'


def _mark(mark: Mark, number: int, x: _Scale, bottom: float, low: float, high: float) -> tuple[str, str]:
    """A mark's line or span, which lies below the curves, and its words, which lie above them."""
    if mark.until is not None:
        begin, end = max(mark.at, low), min(mark.until, high)
        if end <= begin:
            return "", ""
        middle = (x(begin) + x(end)) / 2
        return (
            f'<rect x="{x(begin):.1f}" y="{TOP}" width="{x(end) - x(begin):.1f}" height="{bottom - TOP}"'
            f' fill="{mark.colour}" fill-opacity="0.10"/>',
            f'<text class="mark" x="{middle:.1f}" y="{TOP + 14}" text-anchor="middle" fill="{mark.colour}">'
            f"{escape(mark.words)}</text>",
        )
    at = x(mark.at)
    line_y = TOP + 28 + 14 * (number % 8)
    anchor, aside = ("end", -4) if at > WIDTH * 0.7 else ("start", 4)
    return (
        f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{bottom}" stroke="{mark.colour}" stroke-dasharray="3 3"/>',
        f'<text class="mark" x="{at + aside:.1f}" y="{line_y}" text-anchor="{anchor}" fill="{mark.colour}">'
        f"{escape(mark.words)}</text>",
    )


def _known(points: Points) -> bool:
    return any(value is not None for _, value in points)


def _runs(points: Points, x: _Scale, y: _Scale, gaps: bool) -> list[str]:
    """The curve in pieces, broken where a value is missing, and with gaps also where a record is."""
    steps = sorted(later[0] - earlier[0] for earlier, later in pairwise(points))
    usual = steps[len(steps) // 2] if steps else 0.0
    runs: list[list[tuple[float, float]]] = [[]]
    for at, value in points:
        if value is None or (runs[-1] and gaps and usual and at - runs[-1][-1][0] > GAP_FACTOR * usual):
            runs.append([])
        if value is not None:
            runs[-1].append((at, value))
    share = POINTS_N / max(len(points), 1)
    drawn = []
    for run in runs:
        if run:
            kept = _thinned(run, max(4, math.ceil(len(run) * share)))
            drawn.append(" ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in kept))
    return drawn


def _thinned(points: Sequence[tuple[float, float]], most_n: int = POINTS_N) -> list[tuple[float, float]]:
    """At most about most_n points: of each piece its least and its greatest, so that no spike is lost."""
    if len(points) <= most_n:
        return list(points)
    size = math.ceil(2 * len(points) / most_n)
    kept: list[tuple[float, float]] = []
    for begin in range(0, len(points), size):
        piece = points[begin : begin + size]
        ends = {min(piece, key=lambda point: point[1]), max(piece, key=lambda point: point[1])}
        kept += sorted(ends)
    if kept[-1] != points[-1]:
        kept.append(points[-1])
    return kept
