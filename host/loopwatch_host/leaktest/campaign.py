"""The leak test tried on many loops: calibrated leaks and none, on the compiled plant with the sensors' noise.

A seed is a loop, its sensors, the hour of the day and what was done to the loop before: the load changed between 5 and
60 minutes before it was filled, and is then left alone. The person knows the volumes as people do, gas to 5 %, liquid
to 3 %. The leak has run since the filling. The judging code is the one that judges a real loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..bench import plant
from ..evaluate import family, journey
from ..evaluate.family import HELD_OUT, Member
from .estimate import Floats
from .gauge import Gauge
from .procedure import DONE, LEAKING, TIGHT, Plan, Procedure, Result

RATES_ML_H = (0.0, 2.0, 10.0, 60.0)
BEFORE_S = 3600
OFFSET_N = 70_000  # the first held-out loops have shown that lags need a prior of their own
GAS_ERROR, LIQUID_ERROR = 0.05, 0.03


@dataclass(frozen=True)
class Tried:
    """One test: the leak that there was, and what came of it."""

    seed: int
    rate_ml_h: float
    result: Result

    @property
    def right(self) -> bool:
        """Whether the verdict was the one that the leak deserves."""
        return self.result.verdict == (LEAKING if self.rate_ml_h > 0 else TIGHT)

    @property
    def covered(self) -> bool:
        """Whether the stated interval holds the truth."""
        found = self.result.estimate
        return found is not None and found.interval[0] <= self.rate_ml_h <= found.interval[1]


def seconds_of(member: Member, rate_ml_h: float, n: int) -> tuple[Floats, float]:
    """n seconds of a loop from its filling on, columns as sample.CHANNELS, and the gas in it then, mL.

    The rail has no value here.
    """
    rng = np.random.default_rng([member.seed, 7])
    day = int(journey.DAY_S)
    begin = int(rng.integers(0, day - 1))
    total_n = BEFORE_S + n
    inputs = journey.used(member.use, np.random.default_rng([member.seed, 2]), 2 * day)[begin : begin + total_n]
    changed = BEFORE_S - int(rng.uniform(300, 3600))
    loads = rng.choice(plant.LOADS_W, 2) * member.use.load_scale
    inputs[:, 0] = loads[1]
    inputs[:changed, 0] = loads[0]
    inputs[:, 1] = float(rng.choice(plant.SPEEDS))
    added = journey.sensed(member.sensors, np.random.default_rng([member.seed, 3]), total_n)
    way = journey.Journey(np.ascontiguousarray(inputs), added)
    run = journey.begun(member, way)
    journey.log(run, way, 0, BEFORE_S)
    gas_ml = float(run.state[plant.GAS_M3]) * 1e6
    x = journey.log(run.leaking(rate_ml_h * 1e-6 / 3600, 0.0), way, BEFORE_S, total_n).astype(float)
    x[:, 5] = np.nan
    return x, gas_ml


def known(member: Member, gas_ml: float) -> Gauge:
    """What a person believes of a loop that holds gas_ml when it is filled."""
    rng = np.random.default_rng([member.seed, 8])
    believed_ml = gas_ml * float(np.exp(rng.normal(0, GAS_ERROR)))
    return Gauge(member.loop.liquid_ml * float(np.exp(rng.normal(0, LIQUID_ERROR))), believed_ml, GAS_ERROR)


def tried(member: Member, rate_ml_h: float, plan: Plan) -> Tried:
    """One test of a loop."""
    longest_s = 120 + plan.stabilise_most_s + plan.most_s
    x, gas_ml = seconds_of(member, rate_ml_h, longest_s)
    procedure = Procedure(plan, known(member, gas_ml))
    for row in x.tolist():
        procedure.take(row)
        if procedure.phase == DONE:
            break
    procedure.abort("the seconds ran out")
    assert procedure.result is not None
    return Tried(member.seed, rate_ml_h, procedure.result)


def campaign(
    seeds: Sequence[int],
    plan: Plan,
    of_family: bool = False,
    progress: Callable[[float, float], None] = lambda done, of: None,
) -> list[dict[str, Any]]:
    """A row per rate: how many were judged right, how many intervals held the truth, and how long it took.

    of_family: loops of other volumes, coolants and sensors, instead of the reference loop.
    """
    rows = []
    make = family.drawn if of_family else family.default
    for i, rate_ml_h in enumerate(RATES_ML_H):
        done = []
        for seed in seeds:
            done.append(tried(make(seed), rate_ml_h, plan))
            progress(i * len(seeds) + len(done), len(RATES_ML_H) * len(seeds))
        rows.append(row_of(rate_ml_h, done))
    return rows


def row_of(rate_ml_h: float, done: Sequence[Tried]) -> dict[str, Any]:
    """The row of one rate."""
    found = [each.result.estimate for each in done]
    errors = [each.rate_ml_h - rate_ml_h for each in found if each is not None]
    halves = [(each.interval[1] - each.interval[0]) / 2 for each in found if each is not None]
    minutes = [each.result.phases[-1][2] / 60 for each in done]
    verdicts = [each.result.verdict for each in done]
    return {
        "rate_ml_h": rate_ml_h,
        "tests": len(done),
        "right": sum(each.right for each in done),
        "covered": sum(each.covered for each in done),
        "verdicts": {verdict: verdicts.count(verdict) for verdict in sorted(set(verdicts))},
        "rms_error_ml_h": round(float(np.sqrt(np.mean(np.square(errors)))), 4) if errors else None,
        "mean_error_ml_h": round(float(np.mean(errors)), 4) if errors else None,
        "half_interval_ml_h": round(float(np.median(halves)), 4) if halves else None,
        "minutes_median": round(float(np.median(minutes)), 1),
        "minutes_most": round(float(np.max(minutes)), 1),
    }


def held_out(n: int) -> range:
    """Seeds that nothing was chosen on."""
    return range(HELD_OUT.start + OFFSET_N, HELD_OUT.start + OFFSET_N + n)
