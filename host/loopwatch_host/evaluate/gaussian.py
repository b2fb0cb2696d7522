"""The pure noise model: the bank on white noise and a random walk, beside the bound.

Thresholds come from simulated leak-free years (daily maxima of each member, exponential tail), shared so that all
members together alarm once in the budget's time; delays from leaks that begin at random moments.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwatch import bank, residual

from .. import twin
from . import bound
from .poisson import poisson_interval

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]

WHITE_UL = 81.0
WALK_UL2_S = 22.0
DAY_S = 86_400
YEAR_S = 365 * DAY_S
RATES_ML_H = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0, 1800.0, 6000.0)
WARM_S = 4_000
NEVER = 2**30 - 1
_SCORES, _MEMBER_N, _OUT_N = bank.SCORES, bank.MEMBER_N, residual.OUT_N

# (allowance mL/h, n): innovations of the steady filter for this noise have n = 4. A leak of 600 mL/h is seen in the
# third second, whose reading tells most: two members with n = 3 weigh it more.
MEMBERS = (
    (0.45, 4),
    (0.9, 4),
    (2.0, 4),
    (4.5, 4),
    (9.0, 4),
    (18.0, 4),
    (32.0, 4),
    (50.0, 4),
    (60.0, 3),
    (70.0, 4),
    (95.0, 4),
    (120.0, 3),
)


def parameters(members: tuple[tuple[float, int], ...] = MEMBERS) -> Ints:
    """The bank's parameters without limits."""
    p = np.zeros(bank.PARAM_N, np.int32)
    p[bank.HOLD_DRIVES : bank.HOLD_DRIVES + bank.HOLD_N] = 1
    for i, (ml_h, n) in enumerate(members):
        p[bank.LEVEL_SHIFTS + i] = n
        p[bank.LEAK_SHIFTS + i] = 30
        p[bank.ALLOWANCES + i] = round(ml_h * 1000 / 3600 * 2**14)
        p[bank.LIMITS + i] = NEVER
    return p


@twin.compiled
def daily_most(p: Ints, seed: int, days: int, white: float, walk: float, most: Ints) -> None:
    """Each member's largest score of each leak-free day; the walk begins anew each day, the scores go on."""
    np.random.seed(seed)
    state = np.zeros(bank.STATE_N, np.int32)
    drives = np.zeros(_OUT_N, np.int32)
    level = 0.0
    for day in range(days):
        level = 0.0
        for i in range(bank.MEMBER_N):
            state[bank.LEVELS + i] = 0
        for _ in range(DAY_S):
            level += np.random.normal(0.0, walk)
            r = round(level + np.random.normal(0.0, white))
            drives[0] = r
            twin.scale(state, p, drives)
            twin.judge(state, p, r)
            for j in range(_MEMBER_N):
                most[day, j] = max(most[day, j], state[_SCORES + j])


@twin.compiled
def joint_alarms(p: Ints, seed: int, days: int, white: float, walk: float) -> int:
    """Alarms in leak-free days, scores starting from zero after each."""
    np.random.seed(seed)
    state = np.zeros(bank.STATE_N, np.int32)
    drives = np.zeros(_OUT_N, np.int32)
    level = 0.0
    n = 0
    for _ in range(days * DAY_S):
        level += np.random.normal(0.0, walk)
        r = round(level + np.random.normal(0.0, white))
        drives[0] = r
        twin.scale(state, p, drives)
        if twin.judge(state, p, r) != 0:
            n += 1
            for j in range(_MEMBER_N):
                state[_SCORES + j] = 0
    return n


@twin.compiled
def delays(p: Ints, seed: int, rate: float, white: float, walk: float, out: Floats, by: Ints) -> None:
    """Seconds from onset to alarm, one for each place of out; by counts the members that alarmed."""
    np.random.seed(seed)
    state = np.zeros(bank.STATE_N, np.int32)
    drives = np.zeros(_OUT_N, np.int32)
    for trial in range(out.shape[0]):
        state[:] = 0
        level = 0.0
        for t in range(-WARM_S, 400_000):
            level += np.random.normal(0.0, walk)
            if t >= 0:
                level -= rate
            r = round(level + np.random.normal(0.0, white))
            drives[0] = r
            twin.scale(state, p, drives)
            alarms = twin.judge(state, p, r)
            if t >= 0 and alarms != 0:
                out[trial] = t + 1
                for j in range(_MEMBER_N):
                    by[j] += (alarms >> j) & 1
                break


@dataclass(frozen=True)
class Rate:
    """One line of the table."""

    rate_ml_h: float
    mean_s: float
    mean_error_s: float
    p95_s: float
    bound_s: float
    by: list[int]

    @property
    def ratio(self) -> float:
        """Mean delay over the bound."""
        return self.mean_s / self.bound_s


def limited(p: Ints, most: Ints, alarms_per_year: float, share: Floats) -> Ints:
    """Limits by the exponential tail of the daily maxima; share: of the budget, for each member.

    A fast member's score is zero on most days: then the tail is that of the others.
    """
    p = p.copy()
    for i in range(bank.MEMBER_N):
        values = np.sort(most[:, i].astype(np.float64))
        top = values[-max(20, len(values) // 5) :]
        base = float(top[0])
        top = top[top > 0]
        scale = float((top - base).mean()) if len(top) else 0.0
        per_day = len(top) / len(values)
        target = alarms_per_year * float(share[i]) / 365
        p[bank.LIMITS + i] = round(base + scale * math.log(max(per_day / target, 1.0)))
    return p


def table(p: Ints, trials: int, seed: int, arl_s: float = YEAR_S) -> list[Rate]:
    """Delays at every rate of RATES_ML_H beside the bound."""
    lines = []
    for place, ml_h in enumerate(RATES_ML_H):
        rate = ml_h * 1000 / 3600
        out, by = np.zeros(trials), np.zeros(bank.MEMBER_N, np.int32)
        delays(p, seed + place, rate, WHITE_UL, math.sqrt(WALK_UL2_S), out, by)
        least = bound.delay_s(rate, WHITE_UL, WALK_UL2_S, arl_s)
        error = float(out.std() / math.sqrt(trials))
        lines.append(Rate(ml_h, float(out.mean()), error, float(np.percentile(out, 95)), least, by.tolist()))
    return lines


CALIBRATED_DAYS = 1_200
JUDGED_DAYS = 20 * 365
TRIALS = 1_500
# Members overlap: each may have this many times its equal share and the bank still keeps the budget.
OVERLAP = 2.0


def evaluated(progress: Callable[[float, float], None] = lambda done, of: None, seed: int = 1) -> dict[str, Any]:
    """Limits for one alarm a year, delays at every rate beside the bound, and the alarms that other years then have."""
    walk = math.sqrt(WALK_UL2_S)
    p = parameters()
    most = np.zeros((CALIBRATED_DAYS, bank.MEMBER_N), np.int32)
    progress(0, 3)
    daily_most(p, seed, CALIBRATED_DAYS, WHITE_UL, walk, most)
    progress(1, 3)
    p = limited(p, most, OVERLAP, np.full(bank.MEMBER_N, 1 / bank.MEMBER_N))
    lines = table(p, TRIALS, seed + 1_000)
    progress(2, 3)
    count = joint_alarms(p, seed + 2_000, JUDGED_DAYS, WHITE_UL, walk)
    progress(3, 3)
    years = JUDGED_DAYS / 365
    rates = [
        {
            "rate_ml_h": line.rate_ml_h,
            "mean_s": line.mean_s,
            "mean_error_s": line.mean_error_s,
            "p95_s": line.p95_s,
            "lost_ml": line.mean_s * line.rate_ml_h / 3600,
            "bound_s": line.bound_s,
            "ratio": line.ratio,
            "missed": 0,
        }
        for line in lines
    ]
    low, high = poisson_interval(count)
    alarms = {"count": count, "years": years, "per_year": count / years, "per_year_ci95": [low / years, high / years]}
    return {
        "noise": {"white_ul": WHITE_UL, "walk_ul2_s": WALK_UL2_S},
        "rates": rates,
        "false_alarms": {**alarms, "budget": 1.0},
    }
