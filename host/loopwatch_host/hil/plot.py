"""A trace as a drawing: pressures, residual and evidence over one axis of time, alarms as bars, deeds as lines.

Plain SVG for a page without scripts or fonts from elsewhere. A gap in the records is a gap in the curve.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from itertools import pairwise

from ..messages import is_leak
from .trace import Trace, thinned

WIDTH, LEFT, RIGHT = 960, 76, 16
PANEL, BETWEEN, LANE, TOP, LABEL = 120, 26, 20, 44, 13
POINTS_N = 1_500
GAP_FACTOR = 3.0  # times the usual distance between two points

P_STATIC, P_PUMP, RESIDUAL, EVIDENCE = "#1565c0", "#78909c", "#00796b", "#6a1b9a"
STATE_COLOURS = {"UNACK": "#c62828", "ACKED": "#ef6c00", "RTNUN": "#f9a825", "LATCH": "#8e24aa"}
CALM_COLOURS = {"UNACK": "#f9a825", "ACKED": "#fbc02d", "RTNUN": "#fff176", "LATCH": "#fff176"}
LOW_PRIORITY_N = 3

Curve = Sequence[tuple[float, float | None]]
Named = tuple[str, str, Curve]  # name, colour, points


def svg(trace: Trace) -> str:
    """The drawing; an empty string when the trace holds nothing with a time."""
    end_s = max(
        [t_s for t_s, *_ in trace.samples]
        + [t_s for t_s, *_ in trace.decisions]
        + [each.t_s for each in trace.alarms]
        + [t_s for t_s, _ in trace.deeds],
        default=0.0,
    )
    if end_s <= 0:
        return ""
    lanes = list(dict.fromkeys(each.name for each in trace.alarms))
    x = _Axis(0.0, end_s, LEFT, WIDTH - RIGHT)
    panels = [panel for panel in _panels(trace) if any(_has_values(curve) for _, _, curve in panel[1])]
    lanes_top = TOP + len(panels) * (PANEL + BETWEEN)
    axis_y = lanes_top + LANE * len(lanes) + 4
    parts = [_deeds(trace, x, axis_y)]
    parts += [_panel(x, TOP + i * (PANEL + BETWEEN), *panel) for i, panel in enumerate(panels)]
    parts += [_lane(trace, name, x, lanes_top + i * LANE, end_s) for i, name in enumerate(lanes)]
    parts += [
        f'<text class="tick" x="{x(t_s):.1f}" y="{axis_y + 12}" text-anchor="middle">{t_s:g}</text>'
        for t_s in _ticks(0.0, end_s, 10)
    ]
    height = axis_y + 34
    parts.append(f'<text class="tick" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{height - 6}" text-anchor="middle">s</text>')
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" xmlns="http://www.w3.org/2000/svg">'
        + "".join(parts)
        + "</svg>"
    )


class _Axis:
    """Values to places on the paper."""

    def __init__(self, low: float, high: float, at_low: float, at_high: float) -> None:
        self.low, self.high = low, high
        self._at_low = at_low
        self._scale = (at_high - at_low) / ((high - low) or 1.0)

    def __call__(self, value: float) -> float:
        return self._at_low + (value - self.low) * self._scale


def _panels(trace: Trace) -> list[tuple[str, list[Named], tuple[float, ...]]]:
    """Title, curves and limits of each panel, from the top."""
    p_static = [(t_s, _scaled(p_pa, 0.01)) for t_s, p_pa, _ in trace.samples]
    p_pump = [(t_s, _scaled(p_pa, 0.01)) for t_s, _, p_pa in trace.samples]
    residual = [(t_s, _scaled(value, 0.001)) for t_s, value, _ in trace.decisions]
    evidence = [(t_s, _scaled(value, 0.001)) for t_s, _, value in trace.decisions]
    return [
        ("pressure, mbar", [("p_static", P_STATIC, p_static), ("p_pump", P_PUMP, p_pump)], ()),
        ("residual, mL", [("residual", RESIDUAL, residual)], ()),
        ("evidence / threshold", [("evidence", EVIDENCE, evidence)], (1.0,)),
    ]


def _has_values(curve: Curve) -> bool:
    return any(value is not None for _, value in curve)


def _scaled(value: int | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _panel(x: _Axis, top: float, title: str, curves: Sequence[Named], limits: Sequence[float]) -> str:
    values = [value for _, _, curve in curves for _, value in curve if value is not None]
    low, high = min([*values, *limits], default=0.0), max([*values, *limits], default=1.0)
    pad = 0.06 * (high - low) or 1.0
    y = _Axis(low - pad, high + pad, top + PANEL, top)
    parts = [f'<rect class="frame" x="{LEFT}" y="{top}" width="{WIDTH - LEFT - RIGHT}" height="{PANEL}"/>']
    for value in _ticks(y.low, y.high, 4):
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
            f'<text class="tick" x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:g}</text>'
        )
    parts += [
        f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(limit):.1f}" y2="{y(limit):.1f}"/>'
        for limit in limits
    ]
    for _, colour, curve in curves:
        parts += [f'<polyline fill="none" stroke="{colour}" points="{points}"/>' for points in _runs(curve, x, y)]
    parts.append(f'<text class="title" x="{LEFT}" y="{top - 6}">{escape(title)}</text>')
    if len(curves) > 1:
        for i, (name, colour, _) in enumerate(curves):
            at = LEFT + 110 + 80 * i
            parts.append(f'<text class="tick" x="{at}" y="{top - 6}" style="fill:{colour}">{escape(name)}</text>')
    return "".join(parts)


def _runs(curve: Curve, x: _Axis, y: _Axis) -> Iterable[str]:
    """The curve in pieces, broken where a value or a record is missing."""
    steps_s = sorted(later[0] - earlier[0] for earlier, later in pairwise(curve))
    usual_s = steps_s[len(steps_s) // 2] if steps_s else 0.0
    run: list[tuple[float, float]] = []
    runs = [run]
    for t_s, value in curve:
        if value is None or (run and t_s - run[-1][0] > GAP_FACTOR * usual_s):
            run = []
            runs.append(run)
        if value is not None:
            run.append((t_s, value))
    share = POINTS_N / max(len(curve), 1)
    for run in runs:
        if run:
            points = thinned(run, max(2, math.ceil(len(run) * share)))
            yield " ".join(f"{x(t_s):.1f},{y(value):.1f}" for t_s, value in points)


def _lane(trace: Trace, name: str, x: _Axis, top: float, end_s: float) -> str:
    """One alarm's states as bars."""
    changes = [each for each in trace.alarms if each.name == name]
    parts = [f'<text class="tick" x="{LEFT - 6}" y="{top + 13}" text-anchor="end">{escape(_short(name))}</text>']
    for i, change in enumerate(changes):
        until_s = changes[i + 1].t_s if i + 1 < len(changes) else end_s
        colours = STATE_COLOURS if change.priority_n < LOW_PRIORITY_N or is_leak(name) else CALM_COLOURS
        colour = colours.get(change.state)
        if colour:
            width = max(2.0, x(until_s) - x(change.t_s))
            said = f"{name} {change.state} at {change.t_s:.2f} s"
            parts.append(
                f'<rect x="{x(change.t_s):.1f}" y="{top + 3}" width="{width:.1f}" height="{LANE - 6}" fill="{colour}">'
                f"<title>{escape(said)}</title></rect>"
            )
            if width > 60:
                parts.append(f'<text class="state" x="{x(change.t_s) + 4:.1f}" y="{top + 14}">{change.state}</text>')
    return "".join(parts)


def _short(name: str) -> str:
    """An alarm's name that fits left of the axis."""
    return name.replace("sensor_fault_", "").replace("not_commissioned", "not comm.").replace("_", " ")


def _deeds(trace: Trace, x: _Axis, bottom: float) -> str:
    """What the bench did, as numbered lines; the page lists them."""
    parts = []
    last_x = -100.0
    raised = 0
    for i, (t_s, words) in enumerate(trace.deeds, 1):
        at = x(t_s)
        raised = (raised + 1) % 2 if at - last_x < 2 * LABEL else 0
        last_x = at
        y = 26 - raised * LABEL
        parts.append(
            f'<line class="deed" x1="{at:.1f}" x2="{at:.1f}" y1="{y + 3}" y2="{bottom}"/>'
            f'<text class="deed" x="{at:.1f}" y="{y}" text-anchor="middle">{i}<title>{escape(words)}</title></text>'
        )
    return "".join(parts)


def _ticks(low: float, high: float, about_n: int) -> list[float]:
    """Round values between low and high, about so many."""
    span = (high - low) / about_n
    power = 10.0 ** math.floor(math.log10(span))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= span * 0.999)
    return [round(n * step, 10) for n in range(math.ceil(low / step), math.floor(high / step) + 1)]
