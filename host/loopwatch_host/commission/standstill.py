"""Whether the two pressure sensors still agree where they must: while the pump stands, both see one liquid at rest.

Their difference is then the height between them and what each is wrong by; a leak changes neither. So a drift of one
sensor, which by itself reads like a seep or hides one, shows here, at every stop, and nowhere else on the loop. Which
of the two it is only a calibration tells.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from loopwatch.sample import P_STATIC

from .fit import ABSENT
from .log import Log

MINUTE_S = 60
LEAST_N = 3  # minutes; in the first one after a stop the liquid comes to rest
PIECE_N = 60  # a loop that stands for days is looked at anew each hour
# Two transducers walk by 1 kPa a year each and differ by 50 Pa/K (bench.frontend.SensorSpec).
APART_PA = 2_000


@dataclass(frozen=True)
class Standstill:
    """p_pump less p_static at the first and at the last of stops_n moments at which the pump stood, Pa."""

    stops_n: int
    first_pa: float
    last_pa: float

    @property
    def change_pa(self) -> float:
        """By how much the one sensor has moved against the other."""
        return self.last_pa - self.first_pa

    @property
    def drifts(self) -> bool:
        """Whether that is more than two good sensors do."""
        return abs(self.change_pa) > APART_PA


def compared(log: Log, pump_on_pa: float) -> Standstill | None:
    """Both sensors at the stops of a log; None without p_pump or without two stops that last.

    pump_on_pa: the head of a pump that runs, of sensors that agree; while they part, it is seen from the stop before.
    """
    pump = log.channels[0]
    if pump == ABSENT:
        return None
    apart_pa = log.x[:, pump].astype(np.float64) - log.x[:, P_STATIC]
    minutes_n = len(apart_pa) // MINUTE_S
    minutes_pa = np.median(apart_pa[: minutes_n * MINUTE_S].reshape(minutes_n, MINUTE_S), 1).tolist()
    level_pa = pump_on_pa / 2
    found: list[float] = []
    stop: list[float] = []
    for minute_pa in [*minutes_pa, math.inf]:
        stands = minute_pa < level_pa + pump_on_pa / 2
        if stands:
            stop.append(minute_pa)
            level_pa = minute_pa
        if (not stands and stop) or len(stop) == PIECE_N:
            if len(stop) >= LEAST_N:
                found.append(float(np.median(stop[1:])))
            stop = []
    return Standstill(len(found), found[0], found[-1]) if len(found) > 1 else None


def document(found: Standstill | None) -> dict[str, int | bool] | None:
    """For programs."""
    if found is None:
        return None
    return {
        "stops": found.stops_n,
        "first_pa": round(found.first_pa),
        "change_pa": round(found.change_pa),
        "drifts": found.drifts,
    }
