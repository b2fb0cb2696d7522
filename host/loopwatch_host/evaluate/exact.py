"""The detector's equations in float64, to hold the board's integers against: same parameters, no shift rounds.

One thing is taken from the board: its reading of the pump's head, by which the flow clock ticks and the pump stands.
A tick is an event: a clock that has counted for weeks ticks a second sooner or later by the least that was rounded, so
two clocks apart would compare chance. How far the flows themselves lie apart is told beside.

One second is second(); its memory is a float array laid out like the kernels' own, with values instead of multiples.
"""

from __future__ import annotations

import math

import numpy as np

from loopwatch import bank, residual

from .. import twin
from .journey import Floats, Ints

_UNIT = 4194 / 8192  # of a temperature feature, per m°C, as the kernel has it
_TANK_FIRST, _TANK_N, _AVERAGE_N = residual.TANK_FIRST_SHIFT, residual.TANK_N, residual.AVERAGE_N
# Places behind the features.
_STARTED, _FLOW, _DOME_BEFORE, _GAS, _P_BEFORE, _LIQUID_MEAN, _RESIDUAL_MEAN, _SCALE, _OFF_S, _BEYOND = range(25, 35)
_LOW, _HIGH, _ZERO, RESIDUAL_N = 35, 38, 41, 42
_B_STARTED, _AGE = 0, 1
_HOLDS, _LEVELS, _SCORES = 2, 2 + bank.HOLD_N, 2 + bank.HOLD_N + bank.MEMBER_N
BANK_N = _SCORES + bank.MEMBER_N
_DRIVE_MAX = float(residual.DRIVE_MAX)
_SWING_N, _HOURS_S, _DAYS_S = residual.SWING_GAIN, 2.0**14, 2.0**19
_MET_S = 2.0**16
_COASTED_S, _ZERO_S, _ZERO_MAX_PA = 120, 2.0**12, float(residual.HEAD_ZERO_MAX_PA)


def memory() -> tuple[Floats, Floats]:
    """Memory of residual and bank, not started."""
    return np.zeros(RESIDUAL_N), np.zeros(BANK_N)


@twin.compiled
def flow(head_4096: float) -> float:
    """Share of full flow at this head, in 1/4096 of its reference."""
    return math.sqrt(head_4096 / 4096)


@twin.compiled
def weighed(state: Floats, params: Ints, x: Ints, lost_ul: float, head_4096: int, drives: Floats) -> float:
    """The residual of this second, µL, with lost_ul more gone than x shows; drives as residual's output has
    them, without its 2**DRIVE_SHIFT.

    head_4096: the pump's head as the board has averaged it.
    """
    roles = np.zeros(4)
    for role in range(3):
        t = (x[params[residual.ROLE_CHANNELS + role]] - 25_000) * _UNIT
        roles[role] = t + (t / 4) ** 2 / 1024 * params[residual.CURVE_Q11] / 2048
    apart = float(x[params[residual.P_PUMP_CHANNEL]] - x[0] + params[residual.HEAD_BIAS_PA])
    head = max(0.0, apart - state[_ZERO])
    roles[3] = min(head * params[residual.HEAD_GAIN] / 2.0 ** params[residual.HEAD_SHIFT], 16_383.0)
    started = state[_STARTED] == 0
    for i in range(_AVERAGE_N):
        value = roles[params[residual.ROLES_OF + i]]
        if started:
            state[i] = value
        state[i] += (value - state[i]) / 2.0 ** params[residual.SHIFTS + i]
    if started:
        state[_AVERAGE_N : _AVERAGE_N + _TANK_N] = state[residual.RADIATOR_0]
        state[_DOME_BEFORE] = state[residual.DOME_4]
        state[_LOW:_HIGH] = params[residual.REACH_LOW : residual.REACH_LOW + 3]
        state[_HIGH:_ZERO] = params[residual.REACH_HIGH : residual.REACH_HIGH + 3]
    moved = (state[residual.DOME_4] - state[_DOME_BEFORE]) * params[residual.DOME_GAIN_Q8] / 256
    state[_DOME_BEFORE] = state[residual.DOME_4]
    off = head_4096 < params[residual.OFF_BELOW]
    if off and state[_OFF_S] > _COASTED_S:
        most_pa = min(1024 * 2.0 ** params[residual.HEAD_SHIFT] / params[residual.HEAD_GAIN], _ZERO_MAX_PA)
        state[_ZERO] += (min(max(apart, -most_pa), most_pa) - state[_ZERO]) / _ZERO_S
    # The clock counts in 1/256.
    state[_FLOW] += params[residual.STANDING_FLOW_Q8] / 256 if off else math.floor(256 * flow(head_4096)) / 256
    while state[_FLOW] >= 1:
        state[_FLOW] -= 1
        for i in range(_TANK_N):
            state[_AVERAGE_N + i] += (state[residual.RADIATOR_0] - state[_AVERAGE_N + i]) / 2.0 ** (_TANK_FIRST + i)
    if off:
        state[_AVERAGE_N : _AVERAGE_N + _TANK_N] += moved

    p = x[0] / 2.0 ** params[residual.P_SHIFT]
    wall = (x[params[residual.ROLE_CHANNELS + 2]] - 25_000) * _UNIT
    if started:
        state[_GAS], state[_P_BEFORE] = wall, p
    by_p = params[residual.P0] / p - 1
    state[_GAS] += (wall - state[_GAS]) * params[residual.GAS_FOLLOW_Q8] / 256
    state[_GAS] += (p - state[_P_BEFORE]) * (1 + by_p) * params[residual.ADIABATIC_ACC] / 8192
    state[_P_BEFORE] = p
    by_t = (state[_GAS] - params[residual.GAS_T0]) * params[residual.INVERSE_T0] / 2.0**30
    gas_ul = params[residual.GAS] * 2.0 ** params[residual.GAS_SHIFT]
    gain_ul = gas_ul * (by_p + by_t + by_p * by_t) + lost_ul

    liquid_ul = float(params[residual.C0_SUM])
    for i in range(_AVERAGE_N + _TANK_N):
        liquid_ul += state[i] * params[residual.WEIGHTS + i]
    liquid_ul /= 2.0 ** params[residual.SUM_SHIFT]
    r_ul = liquid_ul * (1 - state[_SCALE]) - gain_ul
    if started:
        state[_STARTED] = 1
        state[_LIQUID_MEAN], state[_RESIDUAL_MEAN] = liquid_ul, r_ul
    state[_LIQUID_MEAN] += (liquid_ul - state[_LIQUID_MEAN]) / _HOURS_S
    state[_RESIDUAL_MEAN] += (r_ul - state[_RESIDUAL_MEAN]) / _HOURS_S
    rms = params[_SWING_N] / 2.0 ** params[residual.SWING_SHIFT] / 64  # 1 / rms of the swings
    swing = min(max((liquid_ul - state[_LIQUID_MEAN]) * rms, -4.0), 4.0)
    left = min(max((r_ul - state[_RESIDUAL_MEAN]) * rms, -0.25), 0.25)
    state[_SCALE] += swing * left / _DAYS_S

    drives[1] = state[residual.HEAD_2] - state[residual.HEAD_5]
    drives[2] = state[residual.SOURCE_4] - state[residual.SOURCE_6]
    drives[3] = state[residual.RADIATOR_4] - state[residual.RADIATOR_6]
    drives[4] = state[residual.SOURCE_4] - state[residual.SOURCE_9]
    drives[5] = state[residual.DOME_4] - state[residual.DOME_9]
    drives[6] = _DRIVE_MAX if off else 0.0
    beyond_k = 0.0
    for role, at in ((0, residual.SOURCE_6), (1, residual.RADIATOR_6), (2, residual.DOME_6)):
        over, under = state[at] - state[_HIGH + role], state[_LOW + role] - state[at]
        state[_HIGH + role] += max(over, 0.0) / _MET_S
        state[_LOW + role] -= max(under, 0.0) / _MET_S
        beyond_k = max(beyond_k, over, under)
    state[_OFF_S] = state[_OFF_S] + 1 if off else 0.0
    beyond = min(beyond_k, 65_535 / 8) * params[residual.REACH_GAIN] / 256
    beyond = max(beyond, (state[_OFF_S] - params[residual.REACH_OFF_S]) / 16 * params[residual.REACH_OFF_GAIN] / 256)
    state[_BEYOND] = max(state[_BEYOND] * (1 - 2.0**-13), min(beyond, float(residual.BEYOND_MAX)))
    drives[residual.DRIVE_BEYOND] = state[_BEYOND]
    for i in range(1, 7):
        drives[i] = min(abs(drives[i]), _DRIVE_MAX)
    return float(r_ul)


@twin.compiled
def judged(state: Floats, params: Ints, r_ul: float, drives: Floats) -> int:
    """The bank's alarms of this second."""
    if state[_B_STARTED] == 0:
        state[_AGE] = r_ul
        state[_LEVELS : _LEVELS + bank.MEMBER_N] = r_ul
    state[_B_STARTED] = min(state[_B_STARTED] + 1, float(bank.SETTLED_S))
    state[_AGE] += (r_ul - state[_AGE]) / 2.0**14
    grown = 1 + max(-state[_AGE], 0.0) * params[bank.AGE_GAIN] / 2.0**24
    age = min(grown, 11_585 / 4096) ** 2
    for i in range(bank.HOLD_N):
        held = state[_HOLDS + i] * (1 - 2.0 ** -params[bank.HOLD_SHIFTS + i])
        state[_HOLDS + i] = max(held, drives[params[bank.HOLD_DRIVES + i]])
    scales = np.zeros(bank.GROUP_N)
    settle_s = 100
    for group in range(bank.GROUP_N):
        w = 1.0
        for i in range(bank.HOLD_N):
            w += state[_HOLDS + i] * params[bank.HOLD_WEIGHTS + group * bank.HOLD_N + i] / 65_536
        v = min(w, 11_585 / 4096) ** 2 * age
        if group > 0:
            v *= (1 + drives[residual.DRIVE_BEYOND] / 4096) ** 2
        scales[group] = 0.0 if state[_B_STARTED] < settle_s else 1 / v
        settle_s *= 6
    alarms = 0
    for i in range(bank.MEMBER_N):
        e = (r_ul - state[_LEVELS + i]) / 2.0 ** params[bank.LEVEL_SHIFTS + i]
        state[_LEVELS + i] += e
        e = min(max(e, -2048.0), 2048.0) * scales[params[bank.GROUPS + i]]
        s = state[_SCORES + i]
        s = max(0.0, s * (1 - 2.0 ** -params[bank.LEAK_SHIFTS + i]) - e - params[bank.ALLOWANCES + i] / 2.0**14)
        state[_SCORES + i] = s
        if s * 2.0**14 > params[bank.LIMITS + i]:
            alarms |= 1 << i
    return alarms
