"""The report of a commissioning: which leak this loop shows, how fast, at which rate of false alarms."""

from __future__ import annotations

from pathlib import Path

from ..commission import record
from ..desk.words import duration_words
from . import page
from .chart import BLUE, ORANGE, Axis, Curve, Panel, svg


def html(path: Path) -> str:
    """The page of a configuration that `loopwatch commission` wrote. Raises RecordError."""
    made = record.load(path)
    seen = [row for row in made.curve if row.get("p95_s")]
    quickest = min((row for row in seen if row["rate_ml_h"] >= 10), key=lambda row: row["rate_ml_h"], default=None)
    budget = f"{made.false_alarms_per_year:g} false alarms a year"
    lead = f"Made from {made.days:.1f} days of its own log, for a budget of {budget}."
    figures = [
        ("quiet within an hour", f"{made.residual_rms_ul:.0f} µL rms", f"{made.raw_rms_ul:.0f} µL by pressure alone"),
        ("false-alarm budget", f"{made.false_alarms_per_year:g} a year", ""),
        ("coolant, gas", f"{made.liquid_ml:g} mL", f"{made.gas_ml:g} mL of gas"),
    ]
    if quickest:
        seconds = f"{duration_words(quickest['p50_s'])}"
        figures.insert(
            0, (f"{quickest['rate_ml_h']:g} mL/h is seen in", seconds, f"95 % in {_time(quickest.get('p95_s'))}")
        )
    sections = [
        page.headline(figures),
        page.picture(
            "Which leak is seen in what time",
            _picture(made),
            "Leaks added to the loop's own leak-free log at random moments. What is missing at the left was not seen in"
            " 12 h in half, or in 95 %, of the trials.",
        ),
        page.table(
            "The same in figures",
            ("leak", "half of them within", "95 % within", "lost by then (half)", "lost (95 %)", "not seen in 12 h"),
            [
                (
                    f"{row['rate_ml_h']:g} mL/h",
                    _time(row.get("p50_s")),
                    _time(row.get("p95_s")),
                    _ml(row.get("p50_lost_ml")),
                    _ml(row.get("p95_lost_ml")),
                    f"{row['missed']} of {row['onsets']}",
                )
                for row in made.curve
            ],
        ),
        page.notes("To bear in mind", made.caveats),
        page.table(
            "The detector's members",
            ("allowance", "averages over", "limit", "alarms"),
            [
                (
                    f"{row['allowance_ml_h']:g} mL/h",
                    duration_words(row["averages_s"]),
                    f"{row['limit_ml']:.3f} mL" if row["alarms"] else "none",
                    "yes" if row["alarms"] else "no",
                )
                for row in made.members()
            ],
        ),
        page.origin([("configuration", path.name), ("CRC-32", f"{made.crc:08X}"), ("SHA-256", page.file_hash(path))]),
    ]
    return page.page("commissioning", "What this loop can show", lead, page.PLAIN, sections)


def _picture(made: record.Commissioned) -> str:
    curves = []
    for key, name, colour in (("p95_s", "95 % within", ORANGE), ("p50_s", "half within", BLUE)):
        points = [(row["rate_ml_h"], row[key] / 60) for row in made.curve if row.get(key)]
        if points:
            curves.append(Curve(name, colour, points, dots=True))
    if not curves:
        return ""
    ticks = [(rate, f"{rate:g}") for rate in (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0, 1800.0, 6000.0)]
    return svg([Panel("time until the alarm", "min", curves)], Axis("leak, mL/h", ticks, log=True), log_y=True)


def _time(seconds: float | None) -> str:
    return "not seen" if seconds is None else duration_words(seconds)


def _ml(volume_ml: float | None) -> str:
    return "" if volume_ml is None else f"{volume_ml:.2f} mL"
