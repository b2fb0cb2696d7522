"""How fast the compiled twin of the board's detector runs through a log, on one core."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import numpy as np

from loopwatch import bank

from .. import twin
from ..commission import fit, thresholds
from . import family, journey

SEED = 30  # of the train part
DAYS = 14.0
LOG_S = 2 * journey.DAY_S
RUN_N = 7
ALARMS_MOST_N = 1_000


@dataclass(frozen=True)
class TwinFigures:
    """samples_per_s: seconds of log, by residual and bank, in a CPU second; the median of RUN_N runs."""

    samples_per_s: float


def measure() -> TwinFigures:
    """Commission the reference loop on two days, and watch it for fourteen; takes some fifteen seconds."""
    member = family.default(SEED)
    way = journey.drawn(member, DAYS)
    x = journey.log(journey.begun(member, way), way, 0, len(way.inputs))
    shape, folds = fit.searched(x[:LOG_S], fit.shape_of(x[:LOG_S], round(member.loop.gas_ml * 1000)))
    out = thresholds.validated(x[:LOG_S], shape, folds)
    params = fit.parameters(shape, folds.whole)
    limits = thresholds.made(out, shape.gas_ul, member.loop.liquid_ml / 1000, thresholds.rule_for(DAYS))
    at_s, which = np.zeros((2, ALARMS_MOST_N), np.int32)
    rates = []
    for run in range(1 + RUN_N):
        most = np.zeros(bank.MEMBER_N, np.int32)
        begun_s = time.process_time()
        twin.replay(twin.residual_state(), params, twin.bank_state(), limits, x, at_s, which, most)
        if run:  # the first one compiles
            rates.append(len(x) / (time.process_time() - begun_s))
    return TwinFigures(round(statistics.median(rates)))
