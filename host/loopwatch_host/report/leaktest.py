"""The report of a leak test: the verdict, what the gas gained and what of it was warmth, and the loop meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..desk.words import duration_words
from . import page
from .chart import BLUE, GREEN, GREY, ORANGE, PURPLE, Curve, Mark, Panel, svg, time_axis

TITLES = {
    "tight": ("The loop is tight", page.GOOD),
    "leaking": ("The loop leaks", page.BAD),
    "undecided": ("Not decided", page.OPEN),
    "void": ("No result", page.OPEN),
    "aborted": ("Ended before its time", page.OPEN),
}
PHASES = {"fill": GREY, "stabilise": ORANGE, "test": BLUE}


def html(said: dict[str, Any]) -> str:
    """The page of a result, the document of `loopwatch leaktest --json`."""
    title, grade = TITLES.get(said["verdict"], (said["verdict"], page.OPEN))
    return page.page("leak test by pressure decay", title, _lead(said), grade, _sections(said))


def write(said: dict[str, Any], path: Path) -> page.Written:
    """The same as a file."""
    return page.write(html(said), path)


def _lead(said: dict[str, Any]) -> str:
    if "rate_ml_h" not in said:
        return said["why"] or "Nothing was judged."
    low, high = said["interval_ml_h"]
    side = {"tight": "below", "leaking": "above"}.get(said["verdict"], "not told from")
    return (
        f"{said['rate_ml_h']:.2f} mL/h (95 % interval {low:.2f} to {high:.2f} mL/h), {side} the limit of"
        f" {said['limit_ml_h']:g} mL/h."
    )


def _sections(said: dict[str, Any]) -> list[str]:
    parts = []
    if "rate_ml_h" in said:
        low, high = said["interval_ml_h"]
        parts.append(
            page.headline(
                [
                    ("leak rate", f"{said['rate_ml_h']:.2f} mL/h", f"{low:.2f} … {high:.2f}"),
                    ("limit", f"{said['limit_ml_h']:g} mL/h", f"{said['limit_pa_s']:.4f} Pa/s"),
                    ("pressure decay", f"{said['rate_pa_s']:.4f} Pa/s", "of the leak alone"),
                    ("tested for", duration_words(said["seconds"]), f"at {said['p_static_pa'] / 1e5:.3f} bar"),
                ]
            )
        )
    parts.append(page.picture("What the gas gained, and what of it was warmth", _gained(said), _CAPTION))
    parts.append(page.picture("The loop during the test", _loop(said)))
    parts.append(page.notes("Remarks", [each for each in (*said["notes"], said["why"]) if each]))
    parts.append(page.facts("The test", _facts(said)))
    parts.append(page.origin(_origin(said)))
    return parts


_CAPTION = (
    "Gained: the room that the gas has taken from the coolant, by its pressure and temperature, as means of a minute."
    " Warmth: what the temperatures explain. Without warmth: the difference, whose slope is the leak rate; its band is"
    " the 95 % interval."
)


def _gained(said: dict[str, Any]) -> str:
    blocks = said.get("blocks") or []
    if len(blocks) < 2:
        return ""
    at = [block[0] for block in blocks]
    gained = [(t_s, z) for t_s, z, _ in blocks]
    warmth = [(t_s, w) for t_s, _, w in blocks]
    left = [(t_s, z - w) for t_s, z, w in blocks]
    middle_s = sum(at) / len(at)
    level = sum(value for _, value in left) / len(left)

    def line(ml_h: float) -> list[tuple[float, float | None]]:
        return [(t_s, level + ml_h * (t_s - middle_s) / 3600) for t_s in at]

    low, high = said["interval_ml_h"]
    rate = said["rate_ml_h"]
    curves = [
        Curve("without warmth", BLUE, left, dots=True),
        Curve("gained", GREY, gained),
        Curve("warmth", ORANGE, warmth),
        Curve("leak rate", PURPLE, line(rate), line(low), line(high)),
    ]
    return svg([Panel("coolant lost", "mL", curves, least_span=0.2)], time_axis(at[0], at[-1]))


def _loop(said: dict[str, Any]) -> str:
    rows = said.get("curves") or []
    if len(rows) < 2:
        return ""
    pressure = [(row[0], row[1]) for row in rows]
    names = (("source", ORANGE), ("radiator", GREEN), ("dome", PURPLE))
    temperatures = [
        Curve(name, colour, [(row[0], row[2 + i]) for row in rows]) for i, (name, colour) in enumerate(names)
    ]
    panels = [
        Panel("pressure at the vessel", "mbar absolute", [Curve("pressure", BLUE, pressure)], least_span=2.0),
        Panel("temperatures", "°C", temperatures, least_span=0.5),
    ]
    marks = [
        Mark(phase["from_s"], phase["phase"], PHASES.get(phase["phase"], GREY), phase["to_s"])
        for phase in said["phases"]
        if phase["to_s"] > phase["from_s"]
    ]
    return svg(panels, time_axis(0.0, rows[-1][0]), marks)


def _facts(said: dict[str, Any]) -> list[tuple[str, str]]:
    phases = ", ".join(f"{each['phase']} {duration_words(each['to_s'] - each['from_s'])}" for each in said["phases"])
    rows = [
        ("phases", phases),
        ("coolant in the loop", f"{said['liquid_ml']:.0f} mL"),
        ("gas in the vessel when filled", f"{said['gas_ml']:.1f} mL, known to {100 * said['gas_error']:g} %"),
    ]
    if "temperature_ml_h" in said:
        rows.append(("taken out for the temperatures", f"{said['temperature_ml_h']:+.2f} mL/h"))
        rows.append(("probability of a rate above the limit", f"{100 * said['above_limit']:.1f} %"))
    if said.get("leak_ml_h") is not None:
        rows.append(("leak opened on the virtual loop", f"{said['leak_ml_h']:g} mL/h"))
    return rows


def _origin(said: dict[str, Any]) -> list[tuple[str, str]]:
    seed = "" if said.get("seed") is None else f", seed {said['seed']}"
    return [
        ("tested", said.get("date", "")),
        ("target", f"{said['target']}{seed}"),
        ("board", said.get("board_id", "")),
        ("firmware", f"{said.get('firmware', '')}, protocol {said.get('protocol', '')}"),
        ("tested by", f"loopwatch {said.get('loopwatch', '')}, git {said.get('git', '')}"),
        ("commissioned settings", said.get("config") or "none: expansion of an unknown coolant"),
    ]
