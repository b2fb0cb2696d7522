"""The page beside the settings: what compensation does, what each sensor is worth, which leak is seen when, caveats.

One HTML file without scripts or anything from elsewhere. Every figure is of the log that was given.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from html import escape
from typing import Any

import numpy as np

from .. import twin
from ..desk.words import duration_words
from ..evaluate import bound, peers
from . import fit
from .commission import CURVE_LONGEST_S, CURVE_ML_H, Work, hourly_rms_ul
from .fit import ABSENT, Floats, Ints
from .pictures import Axis, Curve, bars, chart

SENSORS = ("p_pump_pa", "t_source_mdegc", "t_radiator_mdegc", "t_dome_mdegc")
POINTS_N = 1_200
PEER_ONSETS_N = 20
YEAR_S = 365 * 86_400
_PEERS_S = fit.SKIP_S + peers.WARM_S + CURVE_LONGEST_S
DELAYS = ((1, "1 s"), (10, "10 s"), (60, "1 min"), (600, "10 min"), (3600, "1 h"), (6 * 3600, "6 h"), (43_200, "12 h"))
RATES = tuple((ml_h, f"{ml_h:g}") for ml_h in (1, 10, 60, 600, 6000))

STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:940px;margin:2em auto;padding:0 1em;color:#222}
svg{width:100%;height:auto}svg text{font:12px system-ui,sans-serif;fill:#444}.frame{fill:none;stroke:#bbb}
.grid{stroke:#e4e4e4}table{border-collapse:collapse}td,th{padding:.15em .8em;text-align:right}th{font-weight:600}
li{margin:.3em 0}h2{margin-top:1.6em}small{color:#666}"""


def html(work: Work, config: str) -> str:
    """The page; config: the settings' file name."""
    made = work.made
    title = f"Loop commissioned: {config}"
    parts = [
        f"<h1>{escape(title)}</h1><p>{made.days:.1f} days of log, {made.liquid_ml:.0f} mL of coolant,"
        f" {made.gas_ml:.0f} mL of gas, settings {made.crc:08X}, budget {made.false_alarms_per_year:g} false alarms a"
        " year.</p>",
        "<h2>What to know first</h2><ul>" + "".join(f"<li>{escape(text)}</li>" for text in made.caveats) + "</ul>",
        "<h2>Residual before and after compensation</h2>",
        f"<p>In an hour the gas law alone moves by {made.raw_rms_ul / 1000:.2f} mL rms, the residual by"
        f" {made.residual_rms_ul / 1000:.3f} mL: every part of it by a fit that has not seen that part.</p>",
        _residual(work),
        "<h2>What each sensor is worth</h2><p>rms change of the residual over an hour, refitted without it.</p>",
        bars([(name, ul, f"{ul / 1000:.3f} mL") for name, ul in without(work)]),
        "<h2>Which leak is seen when</h2>",
        _detectability(work),
        "<p><small>Leaks added to the log's own residual at random moments; of the others the time by which half are"
        " seen. The bound is that of any detector in noise"
        " like this log's, white and walking, with a pump that runs." + _why_alone(work) + "</small></p>",
        _table(made.curve),
    ]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
        f"<body>{''.join(parts)}</body></html>\n"
    )


def without(work: Work) -> list[tuple[str, float]]:
    """(name, hourly rms of the residual in µL) with all sensors, and refitted without each that is fitted."""
    rows = [("with all that is fitted", work.made.residual_rms_ul)]
    for place, name in enumerate(SENSORS):
        channels = list(work.shape.channels)
        if channels[place] == ABSENT:
            continue
        channels[place] = ABSENT
        if all(c == ABSENT for c in channels[1:]):
            continue
        p, s, r, d = channels
        shape = replace(work.shape, channels=(p, s, r, d), head_pa=0.0 if place == 0 else work.shape.head_pa)
        folds = fit.folds_of(work.log.x, shape, work.log.parts)
        rows.append((f"without {name}", hourly_rms_ul(folds.residual_ul(), folds.parts)))
    return rows


def _residual(work: Work) -> str:
    raw: list[Curve] = []
    compensated: list[Curve] = []
    parts = work.log.parts
    every = max(1, len(work.out) // POINTS_N)
    for k, ((first, last), (a, b)) in enumerate(zip(parts, fit.kept(parts), strict=True)):
        begins_s = float(work.log.second[first] + fit.SKIP_S)
        pressure = work.log.x[first + fit.SKIP_S : last, 0].astype(np.float64)
        raw_ul = -work.shape.gas_ul * (work.shape.p0_pa / pressure - 1)
        r_ul = work.out[a:b, 0].astype(np.float64)
        raw.append(Curve("" if k else "gas law alone", "#1565c0", _thinned(raw_ul, begins_s, every)))
        compensated.append(Curve("" if k else "compensated", "#00796b", _thinned(r_ul, begins_s, every)))
    days = Axis("days")
    return chart(days, Axis("mL"), raw + compensated) + chart(days, Axis("mL"), compensated)


def _thinned(values_ul: Floats, begins_s: float, every: int) -> list[tuple[float, float]]:
    """(day, mL) of means over equal stretches from begins_s on, the level taken out."""
    means = values_ul[: len(values_ul) // every * every].reshape(-1, every).mean(1) / 1000
    means -= np.median(means)
    return [((begins_s + every / 2 + i * every) / 86_400, value) for i, value in enumerate(means.tolist())]


def _detectability(work: Work) -> str:
    curves = []
    for key, name, colour in (("p50_s", "half seen", "#00796b"), ("p95_s", "95 % seen", "#c62828")):
        points = [(row["rate_ml_h"], row[key]) for row in work.made.curve if row[key] is not None]
        curves.append(Curve(name, colour, points))
    for name, colour, points in zip(peers.NAMES, ("#6a1b9a", "#ef6c00", "#1565c0"), peer_delays(work), strict=True):
        curves.append(Curve(name, colour, points, dashed=True))
    curves.append(Curve("bound", "#444", bounds(work), dashed=True))
    return chart(Axis("mL/h", True, RATES), Axis("seen after", True, DELAYS), curves)


def _why_alone(work: Work) -> str:
    """Why a log with gaps shows none of the others."""
    if len(work.log.parts) == 1 or any(peer_delays(work)):
        return ""
    return f" The others are not shown: they need {_PEERS_S // 3600} h without a gap."


def bounds(work: Work) -> list[tuple[float, float]]:
    """(mL/h, s): the least mean delay in noise like the validated residual's."""
    r_ul = work.out[:, 0].astype(np.float64)
    white_ul = max(float(np.median(np.abs(np.diff(r_ul, 2)))) / 0.6745 / math.sqrt(6), 0.1)
    walk = max((work.made.residual_rms_ul**2) / 3600, 1e-3)
    arl_s = YEAR_S / work.made.false_alarms_per_year
    return [(ml_h, bound.delay_s(ml_h / 3.6, white_ul, walk, arl_s)) for ml_h in CURVE_ML_H]


def peer_delays(work: Work) -> list[list[tuple[float, float]]]:
    """For each of peers.NAMES (mL/h, s until half of the leaks are seen), as far as it sees half.

    Nothing when no part of the log lasts for _PEERS_S.
    """
    parts = work.log.parts
    # A pressure goes on in no other part: the longest one has to do.
    (first, end), (a, b) = max(zip(parts, fit.kept(parts), strict=True), key=lambda rows: rows[1][1] - rows[1][0])
    x = np.ascontiguousarray(work.log.x[first + fit.SKIP_S : end])
    r_ul = np.ascontiguousarray(work.out[a:b, 0])
    last = len(x) - CURVE_LONGEST_S
    if last <= peers.WARM_S:
        return [[] for _ in peers.NAMES]
    limit = peers.limits(x, r_ul)
    onsets = np.linspace(peers.WARM_S, last - 1, PEER_ONSETS_N).astype(np.int64)
    delays = np.zeros((len(CURVE_ML_H), len(onsets), len(peers.NAMES)))
    pa_per_ul = work.shape.p0_pa / work.shape.gas_ul
    _peers(x, r_ul, onsets, np.array(CURVE_ML_H) / 3.6, pa_per_ul, CURVE_LONGEST_S, limit, delays)
    half = np.percentile(delays, 50, axis=1, method="higher")
    return [
        [(ml_h, s) for ml_h, s in zip(CURVE_ML_H, half[:, j].tolist(), strict=True) if math.isfinite(s)]
        for j in range(len(peers.NAMES))
    ]


@twin.compiled
def _peers(
    x: Ints,
    r_ul: Ints,
    onsets: Any,
    rates_ul_s: Floats,
    pa_per_ul: float,
    longest: int,
    limit: Floats,
    delays: Floats,
) -> None:
    state, statistic = np.zeros(peers.STATE_N), np.zeros(3)
    at = 0
    for j in range(len(onsets)):
        while at < onsets[j]:
            peers.step(state, float(x[at, 0]), float(r_ul[at]), statistic)
            at += 1
        for i in range(len(rates_ul_s)):
            apart, seen = state.copy(), statistic.copy()
            delays[i, j] = np.inf
            for t in range(longest):
                lost_ul = rates_ul_s[i] * (t + 1)
                peers.step(apart, x[at + t, 0] - lost_ul * pa_per_ul, r_ul[at + t] - lost_ul, seen)
                bits = peers.alarms(seen, limit)
                for k in range(3):
                    if (bits >> k) & 1 and not np.isfinite(delays[i, j, k]):
                        delays[i, j, k] = t + 1
                if np.isfinite(delays[i, j]).all():
                    break


def _table(rows: Sequence[dict[str, Any]]) -> str:
    def cell(row: dict[str, Any], key: str) -> str:
        return duration_words(row[key]) if row[key] is not None else "-"

    lines = []
    for row in rows:
        lost = "-" if row["p95_lost_ml"] is None else f"{row['p95_lost_ml']:.2f} mL"
        cells = [f"{row['rate_ml_h']:g} mL/h", cell(row, "p50_s"), cell(row, "p95_s"), lost]
        cells.append(f"{row['missed']} of {row['onsets']}")
        lines.append("<tr>" + "".join(f"<td>{text}</td>" for text in cells) + "</tr>")
    heads = "".join(f"<th>{name}</th>" for name in ("leak", "half seen in", "95 % seen in", "lost by then", "not seen"))
    return f"<table><tr>{heads}</tr>{''.join(lines)}</table>"
