"""The loop as a piping and instrumentation drawing: what flows where, where each sensor sits, where leaks are made.

Plain SVG, written by hand so that it needs nothing but Python. Channels and their words come from pinmap.toml; letters
are those of ISA-5.1 (P pressure, T temperature, I indicator, T transmitter).
"""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

from bench import MAP

WIDTH, HEIGHT = 1140, 760
LIQUID, GAS, STEEL = "#2f6f9f", "#e9f2f8", "#333333"


class Picture:
    """Shapes in the order in which they are painted."""

    def __init__(self) -> None:
        self.shapes: list[str] = []

    def pipe(self, *points: tuple[int, int], width: int = 5, color: str = LIQUID, dashed: bool = False) -> None:
        """A pipe or a hose from point to point."""
        dash = ' stroke-dasharray="7 5"' if dashed else ""
        path = " ".join(f"{x},{y}" for x, y in points)
        self.shapes.append(
            f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="{width}"{dash} '
            'stroke-linejoin="round"/>'
            'stroke-linejoin="round"/>'
        )

    def text(self, x: int, y: int, *lines: str, size: int = 13, anchor: str = "start", bold: bool = False) -> None:
        """Lines of text, the first with its baseline at y."""
        weight = ' font-weight="bold"' if bold else ""
        for i, line in enumerate(lines):
            self.shapes.append(
                f'<text x="{x}" y="{y + i * (size + 3)}" font-size="{size}" text-anchor="{anchor}"{weight}>'
                f"{escape(line)}</text>"
            )

    def box(self, x: int, y: int, width: int, height: int, fill: str = "white", radius: int = 0) -> None:
        """A vessel or an apparatus."""
        self.shapes.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="{radius}" fill="{fill}" stroke="{STEEL}" '
            'stroke-width="2"/>'
        )

    def circle(self, x: int, y: int, radius: int, fill: str = "white") -> None:
        """A machine or an instrument."""
        self.shapes.append(f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{fill}" stroke="{STEEL}" stroke-width="2"/>')

    def shape(self, *points: tuple[int, int], fill: str = "white") -> None:
        """A closed shape."""
        path = " ".join(f"{x},{y}" for x, y in points)
        self.shapes.append(f'<polygon points="{path}" fill="{fill}" stroke="{STEEL}" stroke-width="2"/>')

    def valve(self, x: int, y: int, upright: bool = False) -> None:
        """A valve: two triangles that meet."""
        if upright:
            self.shape((x - 9, y - 13), (x + 9, y - 13), (x - 9, y + 13), (x + 9, y + 13))
        else:
            self.shape((x - 13, y - 9), (x - 13, y + 9), (x + 13, y - 9), (x + 13, y + 9))

    def instrument(self, x: int, y: int, letters: str, tap: tuple[int, int]) -> None:
        """A transmitter on its tap."""
        self.pipe(tap, (x, y), width=2, color=STEEL)
        self.circle(x, y, 21, "#fff7dd")
        self.text(x, y + 5, letters, size=14, anchor="middle", bold=True)

    def svg(self) -> str:
        """The whole document."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
            'font-family="sans-serif"><rect width="100%" height="100%" fill="white"/>'
        )
        return "\n".join([head, *self.shapes, "</svg>", ""])


def _what(channel: str) -> str:
    return next(str(row["what"]) for row in MAP["channels"] if row["name"] == channel)


def _label(picture: Picture, x: int, y: int, channel: str, *more: str, anchor: str = "start") -> None:
    picture.text(x, y, channel, size=13, anchor=anchor, bold=True)
    picture.text(x, y + 16, _what(channel), *more, size=12, anchor=anchor)


def _circuit(picture: Picture) -> None:
    """Pump, source, radiator and the pipes between them, clockwise."""
    picture.pipe((330, 520), (330, 160), (860, 160), (860, 520), (330, 520))
    picture.circle(330, 400, 32)
    picture.shape((314, 424), (346, 424), (330, 368), fill=LIQUID)
    picture.text(280, 396, "pump P1", "12 or 24 V,", "by interlock", anchor="end")
    picture.valve(330, 295, upright=True)
    picture.text(310, 292, "XV1 isolating valve,", "closed without power,", "by interlock", anchor="end", size=12)
    picture.box(540, 125, 130, 70, "#f7e1d7")
    picture.text(605, 157, "heat source", "E1", anchor="middle")
    picture.box(815, 300, 90, 120, "#eaf3ea")
    for y in (325, 350, 375, 400):
        picture.pipe((825, y), (895, y), width=2, color=STEEL)
    picture.text(918, 330, "radiator", "E2")
    picture.shape((440, 152), (440, 168), (456, 160), fill=LIQUID)
    picture.shape((640, 512), (640, 528), (624, 520), fill=LIQUID)


def _vessel(picture: Picture) -> None:
    """The expansion vessel at the pump's suction: the static point."""
    picture.pipe((430, 520), (430, 455))
    picture.box(385, 255, 90, 200, GAS, 30)
    picture.shapes.append(f'<path d="M386 370h88v55a30 30 0 0 1-30 29h-28a30 30 0 0 1-30-29z" fill="{LIQUID}"/>')
    picture.text(430, 345, "gas", anchor="middle")
    picture.text(430, 235, "V1 vessel", anchor="middle", bold=True)
    picture.instrument(555, 330, "TT", (475, 315))
    _label(picture, 584, 322, "t_dome_mdegc", "(under insulation, above the level)")
    picture.instrument(520, 425, "PT", (430, 485))
    _label(picture, 549, 417, "p_static_pa", "(below the level: sees no pump)")


def _sensors(picture: Picture) -> None:
    """The three others."""
    picture.instrument(390, 105, "PT", (390, 160))
    _label(picture, 420, 78, "p_pump_pa", "(tells whether the pump runs)")
    picture.instrument(740, 215, "TT", (740, 160))
    _label(picture, 640, 255, "t_source_mdegc", "(pocket in the flow)")
    picture.instrument(920, 470, "TT", (860, 470))
    _label(picture, 950, 462, "t_radiator_mdegc", "(pocket in the flow)")


def _service(picture: Picture) -> None:
    """Filling, bleeding, draining, reference gauge."""
    picture.pipe((860, 160), (860, 105), width=3)
    picture.valve(860, 105, upright=True)
    picture.text(882, 112, "HV1 bleed, highest point", size=12)
    picture.pipe((230, 520), (330, 520), width=3)
    picture.valve(260, 520)
    picture.text(225, 500, "HV2 fill and drain,", "lowest point", anchor="end", size=12)
    picture.pipe((230, 520), (230, 600), width=3)
    picture.box(185, 600, 90, 70, GAS)
    picture.text(230, 690, "filling can", anchor="middle", size=12)
    picture.pipe((430, 505), (480, 490), width=2, color=STEEL)
    picture.circle(490, 484, 17)
    picture.text(490, 489, "PI", anchor="middle", size=12, bold=True)
    picture.text(515, 489, "gauge, for calibration", size=12)
    picture.pipe((705, 160), (705, 105), width=3)
    picture.valve(705, 105, upright=True)
    picture.text(690, 62, "PSV1 relief valve 2.0 bar g,", "outlet into a tray, never plugged", size=12)


def _leak(picture: Picture) -> None:
    """The leak-injection point, on the return line, at the static pressure."""
    picture.pipe((600, 520), (600, 600), (800, 600), (800, 640), width=3)
    picture.valve(600, 560, upright=True)
    picture.text(582, 557, "HV3", anchor="end", size=12)
    picture.valve(660, 600)
    picture.text(660, 632, "NV1 needle valve", "sets the rate", anchor="middle", size=12)
    picture.valve(740, 600)
    picture.box(730, 572, 20, 14)
    picture.text(740, 562, "SV1 solenoid: onset to 0.1 s", anchor="middle", size=12)
    picture.box(782, 645, 36, 80, GAS)
    picture.shapes.append(f'<rect x="783" y="690" width="34" height="34" fill="{LIQUID}"/>')
    for y in (660, 675, 690, 705):
        picture.pipe((806, y), (817, y), width=1, color=STEEL)
    picture.text(832, 676, "measuring cylinder", "on a balance: volume", "and stopwatch", size=12)
    picture.text(440, 604, "leak injection", bold=True)


def generate(into: Path) -> None:
    """loop.svg."""
    into.mkdir(parents=True, exist_ok=True)
    picture = Picture()
    picture.text(30, 40, "loopwatch: the loop and where its sensors sit", size=19, bold=True)
    _circuit(picture)
    _vessel(picture)
    _sensors(picture)
    _service(picture)
    _leak(picture)
    picture.box(905, 560, 195, 66, "#fdf6f6")
    picture.text(
        915, 582, "All below 3 bar absolute and", "60 °C; extra-low voltage only", "near the coolant.", size=12
    )
    (into / "loop.svg").write_text(picture.svg(), encoding="utf-8")
