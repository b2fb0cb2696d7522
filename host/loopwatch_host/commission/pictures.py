"""Drawings of the commissioning report: curves over linear or logarithmic axes, and bars. Plain SVG, no script."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 900, 300, 80, 20, 14, 44
BAR = 24

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Curve:
    """A named line; dashed for what is only compared with. Without a name it goes on with one that has one."""

    name: str
    colour: str
    points: Points
    dashed: bool = False


@dataclass(frozen=True)
class Axis:
    """label with its unit. logarithmic: values must be above zero. ticks: (value, words); own ones when empty."""

    label: str
    logarithmic: bool = False
    ticks: Sequence[tuple[float, str]] = ()

    def value(self, value: float) -> float:
        """Where a value lies, in the axis' own measure."""
        return math.log10(value) if self.logarithmic else value

    def marks(self, low: float, high: float) -> list[tuple[float, str]]:
        """Ticks between two places in that measure."""
        if self.ticks:
            return [(self.value(v), words) for v, words in self.ticks if low <= self.value(v) <= high]
        if self.logarithmic:
            return [(float(e), f"{10.0**e:g}") for e in range(math.ceil(low), math.floor(high) + 1)]
        power = 10.0 ** math.floor(math.log10((high - low) / 5))
        step = next(f * power for f in (1, 2, 5, 10) if f * power * 7 >= high - low)
        return [(n * step, f"{n * step:g}") for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


def chart(x: Axis, y: Axis, curves: Sequence[Curve]) -> str:
    """Curves over common axes, their names below; an empty string when none has a point."""
    shown = [curve for curve in curves if curve.points]
    if not shown:
        return ""
    xs = [x.value(px) for curve in shown for px, _ in curve.points]
    ys = [y.value(py) for curve in shown for _, py in curve.points]
    x_low, x_high = min(xs), max(max(xs), min(xs) + 1e-9)
    y_low, y_high = min(ys), max(max(ys), min(ys) + 1e-9)
    bottom = HEIGHT - BOTTOM

    def at(px: float, py: float) -> tuple[float, float]:
        return (
            LEFT + (px - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT),
            bottom - (py - y_low) / (y_high - y_low) * (bottom - TOP),
        )

    parts = [f'<rect class="frame" x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - RIGHT}" height="{bottom - TOP}"/>']
    for place, words in x.marks(x_low, x_high):
        px, _ = at(place, y_low)
        parts.append(f'<line class="grid" x1="{px:.1f}" x2="{px:.1f}" y1="{TOP}" y2="{bottom}"/>')
        parts.append(f'<text x="{px:.1f}" y="{bottom + 14}" text-anchor="middle">{escape(words)}</text>')
    for place, words in y.marks(y_low, y_high):
        _, py = at(x_low, place)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{py:.1f}" y2="{py:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{py + 4:.1f}" text-anchor="end">{escape(words)}</text>')
    for curve in shown:
        line = " ".join("{:.1f},{:.1f}".format(*at(x.value(px), y.value(py))) for px, py in curve.points)
        dash = ' stroke-dasharray="5 4"' if curve.dashed else ""
        parts.append(f'<polyline fill="none" stroke="{curve.colour}" stroke-width="1.6"{dash} points="{line}"/>')
    names_x = float(LEFT)
    for curve in (curve for curve in shown if curve.name):
        parts.append(f'<rect x="{names_x:.0f}" y="{HEIGHT - 12}" width="14" height="4" fill="{curve.colour}"/>')
        parts.append(f'<text x="{names_x + 18:.0f}" y="{HEIGHT - 6}">{escape(curve.name)}</text>')
        names_x += 34 + 6.5 * len(curve.name)
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 18}" text-anchor="end">{escape(x.label)}</text>')
    parts.append(
        f'<text transform="rotate(-90)" x="{-TOP}" y="14" text-anchor="end" class="label">{escape(y.label)}</text>'
    )
    return _svg(HEIGHT, parts)


def bars(rows: Sequence[tuple[str, float, str]]) -> str:
    """Bars from zero: (name, length, words behind it)."""
    longest = max((length for _, length, _ in rows), default=0.0) or 1.0
    parts, name_w = [], 300
    for i, (name, length, words) in enumerate(rows):
        y, width = BAR * i, max(1.0, length / longest * (WIDTH - name_w - 140))
        parts.append(f'<text x="{name_w - 8}" y="{y + 15}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<rect x="{name_w}" y="{y + 3}" width="{width:.1f}" height="{BAR - 8}" fill="#00796b"/>')
        parts.append(f'<text x="{name_w + width + 6:.1f}" y="{y + 15}">{escape(words)}</text>')
    return _svg(BAR * len(rows), parts)


def _svg(height: int, parts: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
