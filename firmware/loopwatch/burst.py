"""Whether the loop has burst: CUSUM members on the pressure itself, ten times a second.

A kernel like residual.py: int32 memory, inside ±2**30 whatever the input, the same to the bit in every engine.
Within a second or two temperatures don't matter; what the pump's head takes into the discharge hose does, and is
taken out. L is in 1/64 Pa, S, k and h too.

    p = p_static + hose * (p_pump - p_static);  e = (p - L) >> n;  L += e;  S = max(0, S - e - k);  alarm when S > h
"""

from .port import const, ptr32

MEMBER_N = const(3)

# State.
STARTED = const(0)  # samples since the start, up to _SETTLED_N
LEVELS = const(1)
SCORES = const(4)
STATE_N = const(7)

# Parameters.
P_PUMP_CHANNEL = const(0)
HOSE_Q12 = const(1)  # Pa at the vessel per Pa of head, below 1
LEVEL_SHIFTS = const(2)
ALLOWANCES = const(5)
LIMITS = const(8)
PARAM_N = const(11)

_SETTLED_N = const(30)  # the levels begin at a single noisy sample
_PRESSURE_MAX_PA = const((1 << 21) - 1)
_HEAD_MAX_PA = const((1 << 18) - 1)
_SCORE_MAX = const((1 << 28) - 1)


def step(state: ptr32, params: ptr32, x: ptr32) -> int:
    """Take a sample's channels, in the order and units of sample.CHANNELS; returns the alarms, bit j for member j.

    x: magnitudes up to 2**28.
    """
    p = x[0]
    if p > _PRESSURE_MAX_PA:
        p = _PRESSURE_MAX_PA
    if p < 0:
        p = 0
    head = x[params[P_PUMP_CHANNEL]] - x[0]
    if head > _HEAD_MAX_PA:
        head = _HEAD_MAX_PA
    if head < 0:
        head = 0
    p = (p << 6) + ((head * params[HOSE_Q12]) >> 6)  # 27b and 18b + 12b - 6b
    started_n = state[STARTED]
    if started_n == 0:
        for i in range(MEMBER_N):
            state[LEVELS + i] = p
    if started_n < _SETTLED_N:
        started_n = started_n + 1
        state[STARTED] = started_n
    alarms = 0
    for i in range(MEMBER_N):
        level = state[LEVELS + i]
        e = (p - level) >> params[LEVEL_SHIFTS + i]  # 28b
        state[LEVELS + i] = level + e
        score = state[SCORES + i] - e - params[ALLOWANCES + i]
        if score < 0 or started_n < _SETTLED_N:
            score = 0
        if score > _SCORE_MAX:
            score = _SCORE_MAX
        state[SCORES + i] = score
        if score > params[LIMITS + i]:
            alarms = alarms | (1 << i)
    return alarms
