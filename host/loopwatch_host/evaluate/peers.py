"""What others do, for comparison on the same loops and leaks: pressure switch, dP/dt, and EWMA of the residual.

Each has its limit from the same leak-free log: the worst of the log with MARGIN on it. The pressure switch acts on a
fall below the log's lowest pressure, dP/dt on the fall of minute means over ten minutes, EWMA on the difference of the
residual's averages over ten minutes and a day.
"""

from __future__ import annotations

import numpy as np

from .. import twin
from .journey import Floats, Ints

NAMES = ("pressure switch", "dP/dt over 10 min", "EWMA 10 min - 24 h")
MARGIN = 1.5
SWITCH_PART = 0.25  # of the log's range below its lowest

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
def _extremes(x: Ints, r_ul: Ints, out: Floats) -> None:
    state, statistic = np.zeros(STATE_N), np.zeros(3)
    out[0], out[1], out[2], out[3] = 1e9, 0.0, 0.0, 0.0
    for i in range(len(r_ul)):
        step(state, float(x[i, 0]), float(r_ul[i]), statistic)
        out[0] = min(out[0], statistic[0])
        out[3] = max(out[3], statistic[0])
        out[1] = max(out[1], statistic[1])
        if i > WARM_S:
            out[2] = max(out[2], statistic[2])


def limits(x: Ints, r_ul: Ints) -> Floats:
    """The peers' limits from a log and its cross-validated residual, row for row."""
    seen = np.zeros(4)
    _extremes(x, r_ul, seen)
    return np.array([seen[0] - SWITCH_PART * (seen[3] - seen[0]), MARGIN * seen[1], MARGIN * seen[2]])


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
