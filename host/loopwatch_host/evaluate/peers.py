"""What others do, for comparison on the same loops and leaks: pressure switch, dP/dt, and EWMA of the residual.

Each has its limit from the same leak-free log and for the same budget: the exponential tail of the worst of each hour,
taken to where it is passed as often as the budget allows, and not below the worst of the log. That is what a log says
by itself, and false alarms that it did not foresee are counted beside. The pressure switch acts on a low pressure,
dP/dt on the fall of minute means over ten minutes, EWMA on the difference of the residual's averages over ten minutes
and a day.
"""

from __future__ import annotations

import numpy as np

from .. import twin
from .journey import Floats, Ints

NAMES = ("pressure switch", "dP/dt over 10 min", "EWMA 10 min - 24 h")
HOUR_S = 3_600
TAIL_PART = 0.05
YEAR_H = 365 * 24

# State: started, 30 s mean of p, second of the minute, its sum, place in the ring, ten minute means, two EWMAs, warm s.
_P, _SECOND, _SUM, _PLACE, _RING, _SHORT, _LONG, _AGE_S = 1, 2, 3, 4, 5, 15, 16, 17
STATE_N = 18
WARM_S = 86_400


@twin.compiled
def step(state: Floats, p_pa: float, r_ul: float, statistic: Floats) -> None:
    """Take a second; statistic: pressure, fall over ten minutes, fall of the short below the long average."""
    if state[0] == 0:
        state[0] = 1
        state[_P] = p_pa
        state[_RING : _RING + 10] = p_pa
        state[_SHORT] = r_ul
        state[_LONG] = r_ul
        statistic[1] = 0.0
    state[_AGE_S] += 1
    state[_P] += (p_pa - state[_P]) / 30
    state[_SUM] += p_pa
    state[_SECOND] += 1
    if state[_SECOND] == 60:
        mean = state[_SUM] / 60
        place = int(state[_PLACE])
        statistic[1] = state[_RING + place] - mean
        state[_RING + place] = mean
        state[_PLACE] = (place + 1) % 10
        state[_SECOND] = 0
        state[_SUM] = 0
    state[_SHORT] += (r_ul - state[_SHORT]) / 600
    state[_LONG] += (r_ul - state[_LONG]) / 86_400
    statistic[0] = state[_P]
    statistic[2] = state[_LONG] - state[_SHORT]


@twin.compiled
def _worst(x: Ints, r_ul: Ints, out: Floats) -> None:
    """Each hour's lowest pressure and largest falls; hours of EWMA that are not warm stay at zero."""
    state, statistic = np.zeros(STATE_N), np.zeros(3)
    out[:, 0] = 1e9
    for i in range(len(r_ul)):
        step(state, float(x[i, 0]), float(r_ul[i]), statistic)
        hour = i // HOUR_S
        if hour >= out.shape[0]:
            return
        out[hour, 0] = min(out[hour, 0], statistic[0])
        out[hour, 1] = max(out[hour, 1], statistic[1])
        if i > WARM_S:
            out[hour, 2] = max(out[hour, 2], statistic[2])


def limits(x: Ints, r_ul: Ints, alarms_per_year: float = 1.0) -> Floats:
    """The peers' limits from a log of two hours at least and its cross-validated residual, row for row."""
    worst = np.zeros((len(r_ul) // HOUR_S, 3))
    _worst(x, r_ul, worst)
    warm = worst[WARM_S // HOUR_S + 1 :, 2]
    return np.array(
        [
            -tail(-worst[:, 0], alarms_per_year),
            tail(worst[:, 1], alarms_per_year),
            # A log of a day has no hour of it: nothing can be said, and nothing alarms.
            tail(warm, alarms_per_year) if len(warm) else np.inf,
        ]
    )


def tail(worst: Floats, alarms_per_year: float) -> float:
    """What the worst of an hour passes so often a year, by the exponential tail of these hours."""
    ordered = np.sort(worst)
    top = ordered[-max(2, round(TAIL_PART * len(ordered))) :]
    part = len(top) / len(ordered)
    beyond = float(top.mean() - top[0]) * max(0.0, float(np.log(part * YEAR_H / alarms_per_year)))
    return max(float(top[0]) + beyond, float(ordered[-1]))


@twin.compiled
def alarms(statistic: Floats, limit: Floats) -> int:
    """Which peers alarm, bit by place in NAMES."""
    bits = 0
    if statistic[0] < limit[0]:
        bits |= 1
    if statistic[1] > limit[1]:
        bits |= 2
    if statistic[2] > limit[2]:
        bits |= 4
    return bits
