"""Settings of the 10 Hz burst path: from the pressure's white noise, and floors for what a pump's start does.

The members' noise is simulated: some days of samples at the loop's noise, and the exponential tail of the largest
scores taken to where a member alarms ALARMS_PER_YEAR times; not below the floors, and not below LOG_PART times what
the loop's own log has done to them. In a loop of hot water the coolant that stood shrinks within
seconds when the pump starts, which is as smooth as a leak.
"""

from __future__ import annotations

import math

import numpy as np

from loopwatch import burst

from .. import twin
from .fit import ABSENT, Floats, Ints, Shape, Spans

# (allowance mL/h, n)
MEMBERS = ((1_200.0, 3), (2_500.0, 2), (5_000.0, 1))
ALARMS_PER_YEAR = 0.02  # of each member: a small part of the budget
MARGIN = 1.1  # a loop is never as quiet as its sensor's noise alone
FLOOR_ML = 0.3
FLOOR_ML_L = 0.25  # coolant that stood mixes at a start: 0.2 mL/L within seconds in a loop of hot water
SAMPLES_PER_S = 10
BLOCK_N = 1_000
BLOCKS_N = 3_456  # four days
TAIL_PART = 0.05
YEAR_BLOCKS_N = 365 * 86_400 * SAMPLES_PER_S / BLOCK_N
LOG_PART = 1.6  # a year holds more starts of a pump than a log, and one of them is the worst
LOG_MOST = 8.0  # floors: a faulty second in the log must not end the watch for bursts. Starts of hot water do four.
STEP_S = 3  # a step of the head is over in this
STEP_PART = 0.2
TRIMMED = 1.05  # a second's six of ten, against the mean of all ten
_PUMP, _SCORES, _MEMBER_N, _BLOCK_N = burst.P_PUMP_CHANNEL, burst.SCORES, burst.MEMBER_N, BLOCK_N


def white_pa(x: Ints) -> float:
    """rms of a 10 Hz sample's white noise, by the seconds of a log: robust second differences of p_static."""
    bend = np.abs(np.diff(x[:, 0].astype(np.float64), 2))
    return float(np.median(bend)) / 0.6745 / math.sqrt(6) * math.sqrt(SAMPLES_PER_S) / TRIMMED


def hose_part(x: Ints, shape: Shape, parts: Spans | None = None) -> float:
    """Pa that the vessel falls by at once for a Pa of the pump's head: what the discharge hose takes in.

    By least squares over the seconds of a log in which the head steps by a fifth of its reference or more; not over
    those that lie in two of its parts.
    """
    pump = shape.channels[0]
    if pump == ABSENT or shape.head_pa <= 0:
        return 0.0
    vessel = x[:, 0].astype(np.float64)
    head = np.maximum(x[:, pump] - vessel, 0.0)
    steps = head[STEP_S:] - head[:-STEP_S]
    falls = vessel[:-STEP_S] - vessel[STEP_S:]
    moving = np.abs(steps) > STEP_PART * shape.head_pa
    for _, last in (parts or [])[:-1]:
        moving[last - STEP_S : last] = False
    if moving.sum() < STEP_S:
        return 0.0
    part = float((steps[moving] @ falls[moving]) / (steps[moving] @ steps[moving]))
    return min(max(part, 0.0), 0.99)


def parameters(
    shape: Shape, noise_pa: float, litres: float, hose: float, x: Ints | None = None, parts: Spans | None = None
) -> Ints:
    """The burst kernel's parameters for a loop; hose: hose_part() of its log; x: the log itself, a row a second.

    parts: of the log, each watched anew.
    """
    p = np.zeros(burst.PARAM_N, np.int32)
    pa_per_ml = 1.4 * shape.p0_pa / (shape.gas_ul / 1000)  # adiabatic
    p[burst.P_PUMP_CHANNEL] = max(shape.channels[0], 0) if shape.channels[0] != ABSENT else 0
    p[burst.HOSE_Q12] = round(hose * 4096)
    for i, (ml_h, n) in enumerate(MEMBERS):
        p[burst.LEVEL_SHIFTS + i] = n
        p[burst.ALLOWANCES + i] = round(64 * ml_h / 3600 / SAMPLES_PER_S * pa_per_ml)
        p[burst.LIMITS + i] = 2**30 - 1
    most = np.zeros((BLOCKS_N, burst.MEMBER_N), np.int32)
    _noise_most(p, noise_pa, shape.p0_pa, shape.head_pa, most)
    floor = 64 * pa_per_ml * max(FLOOR_ML, FLOOR_ML_L * litres)
    done = np.zeros(burst.MEMBER_N, np.int32)
    if x is not None:
        for first, last in parts or [(0, len(x))]:
            _log_most(p, x[first:last], done)
    for i in range(burst.MEMBER_N):
        least = max(floor, min(LOG_PART * float(done[i]), LOG_MOST * floor))
        p[burst.LIMITS + i] = min(round(max(MARGIN * tail(most[:, i]), least)), 2**28 - 2)
    return p


def tail(most: Ints | Floats) -> float:
    """The score that is passed ALARMS_PER_YEAR times, from the largest ones of blocks of BLOCK_N samples."""
    ordered = np.sort(most.astype(np.float64))
    top = ordered[-round(TAIL_PART * len(ordered)) :]
    return float(top[0] + (top.mean() - top[0]) * math.log(TAIL_PART * YEAR_BLOCKS_N / ALARMS_PER_YEAR))


@twin.compiled
def _noise_most(p: Ints, noise_pa: float, p0_pa: int, head_pa: float, most: Ints) -> None:
    np.random.seed(1)
    state = np.zeros(burst.STATE_N, np.int32)
    x = np.zeros(6, np.int32)
    for block in range(most.shape[0]):
        for _ in range(_BLOCK_N):
            x[p[_PUMP]] = round(p0_pa + head_pa + noise_pa * np.random.standard_normal())
            x[0] = round(p0_pa + noise_pa * np.random.standard_normal())
            twin.burst_step(state, p, x)
            for j in range(_MEMBER_N):
                most[block, j] = max(most[block, j], state[_SCORES + j])


@twin.compiled
def _log_most(p: Ints, x: Ints, most: Ints) -> None:
    """Each member's largest score over a log.

    Between two seconds' means all happens in half a second: what falls within one is smoother in their means than it
    was, and joined by straight lines it did half as much to the members as the samples had done.
    """
    state = np.zeros(burst.STATE_N, np.int32)
    tenth = np.zeros(6, np.int32)
    pump = p[_PUMP]
    for i in range(1, x.shape[0]):
        for k in range(SAMPLES_PER_S):
            part = min(2 * k, SAMPLES_PER_S)
            tenth[pump] = x[i - 1, pump] + (x[i, pump] - x[i - 1, pump]) * part // SAMPLES_PER_S
            tenth[0] = x[i - 1, 0] + (x[i, 0] - x[i - 1, 0]) * part // SAMPLES_PER_S
            twin.burst_step(state, p, tenth)
            for j in range(_MEMBER_N):
                most[j] = max(most[j], state[_SCORES + j])
