"""How often the estimate's intervals hold the truth, and how wide they are, on loops of the family.

A loop is commissioned on its first days; from random moments of the days after it leaks of every rate are tried, and
what the board would tell is kept at the moment of the alarm and at three times that delay. The true loss counts from
the onset of the leak; the one told counts from the moment that the estimate takes for the onset, and has to make up
for the difference.

The leak is taken off the residual, µL for µL, which makes one journey of the loop do for all leaks. That leaves out
the loop's own answer to a leak: the pressure that falls with the coolant, so the ageing of the gas beyond what the
bank makes of the residual, the chill of gas that expands fast, holes whose rate falls with the pressure; and the
burst path, so a fast leak is told of when the bank sees it. The gas volume is the true one: what is wrong with the one
that a person gives scales all that is told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from loopwatch import estimate, residual

from .. import twin
from ..commission import estimates, fit, reach, thresholds
from ..commission.scalars import scalars
from . import family, journey
from .journey import DAY_S, Floats

RATES_ML_H = ((1.0, 2 * DAY_S), (10.0, 12 * 3600), (60.0, 7200), (600.0, 1800), (6000.0, 300))
MOMENTS = (1.0, 3.0)  # times the delay of the alarm

# Columns of what tried() returns, then what the kernel told.
RATE_ML_H, MOMENT, LOST_UL, DRY_S, TOLD = 0, 1, 2, 3, 4
COLUMN_N = TOLD + estimate.OUT_N


def tried(member: family.Member, days: float, log_days: float, onset_n: int) -> Floats:
    """One loop's leaks, a row for each that was seen and each of its MOMENTS inside the journey: COLUMN_N columns."""
    way = journey.drawn(member, days)
    x = journey.log(journey.begun(member, way), way, 0, len(way.inputs))
    first = int(log_days * DAY_S)
    shape, folds = fit.searched(x[:first], fit.shape_of(x[:first], round(member.loop.gas_ml * 1000)))
    residual_params = fit.parameters(shape, folds.whole)
    reach.put(residual_params, [x[:first]])
    validated = thresholds.validated(x[:first], shape, folds)
    litres = member.loop.liquid_ml / 1000
    bank_params = thresholds.made(validated, shape.gas_ul, litres, thresholds.rule_for(log_days))
    reserve_ml = scalars(shape, residual_params, member.loop.liquid_ml)["reserve_ul"] / 1000
    params = estimates.parameters(validated, bank_params, reserve_ml)
    out = np.zeros((len(x), residual.OUT_N), np.int32)
    twin.residuals(twin.residual_state(), residual_params, x, out)
    rng = np.random.default_rng([member.seed, 7])
    onsets = np.sort(rng.integers(first, len(x) - 2 * DAY_S, onset_n)).tolist()
    rows = []
    for case in estimates.tried(out, bank_params, onsets, RATES_ML_H, MOMENTS):
        told = np.zeros(estimate.OUT_N, np.int32)
        twin.estimated(case.picked, params, told)
        lost_ul = case.rate_ml_h / 3.6 * case.after_s
        dry_s = max(0.0, (1000 * reserve_ml - lost_ul) / (case.rate_ml_h / 3.6))
        rows.append([case.rate_ml_h, case.moment, lost_ul, dry_s, *told.tolist()])
    return np.array(rows, float).reshape(-1, COLUMN_N)


def table(found: Floats) -> dict[str, Any]:
    """What tried() found of many loops: per rate and moment how often the truth lay inside, and what was told.

    n: leaks told of. rate, least, most: medians of what was told over the truth; covered: parts of n, of the rate's,
    the loss's and the time to go's intervals. lost: median of the loss told over the truth, least and most of its
    interval.
    """
    rows = []
    for rate_ml_h, _ in RATES_ML_H:
        for moment in MOMENTS:
            each = found[(found[:, RATE_ML_H] == rate_ml_h) & (found[:, MOMENT] == moment)]
            row: dict[str, Any] = {"rate_ml_h": rate_ml_h, "delays": moment, "n": len(each)}
            for name, first, true in (
                ("rate", estimate.RATE_UL_H, np.full(len(each), 1000 * rate_ml_h)),
                ("lost", estimate.LOST_UL, each[:, LOST_UL]),
            ):
                told, least, most = (each[:, TOLD + first + i] for i in range(3))
                row[f"{name}_covered"] = _mean((least <= true) & (true <= most))
                row[f"{name}_told"] = _median(told / true)
                row[f"{name}_least"] = _median(least / true)
                row[f"{name}_most"] = _median(most / true)
            earliest_s, latest_s = each[:, TOLD + estimate.DRY_S + 1], each[:, TOLD + estimate.DRY_S + 2]
            latest_s = np.where(latest_s >= estimate.FOREVER_S, np.inf, latest_s)
            # Whole seconds are told.
            row["dry_covered"] = _mean((earliest_s <= each[:, DRY_S]) & (each[:, DRY_S] < latest_s + 1))
            rows.append(row)
    return {"rates": rows}


def _mean(values: Any) -> float | None:
    return float(np.mean(values)) if len(values) else None


def _median(values: Any) -> float | None:
    return float(np.median(values)) if len(values) else None


def evaluated(
    seeds: list[int],
    days: float,
    log_days: float,
    onset_n: int,
    progress: Callable[[float, float], None] = lambda done, of: None,
) -> dict[str, Any]:
    """The table of these loops."""
    found = []
    for i, seed in enumerate(seeds):
        found.append(tried(family.drawn(seed), days, log_days, onset_n))
        progress(i + 1, len(seeds))
    return {"loops": len(seeds), **table(np.concatenate(found))}
