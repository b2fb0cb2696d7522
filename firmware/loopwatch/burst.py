"""Whether the loop has burst: CUSUM members on the pressure itself, ten times a second.

A kernel like residual.py: int32 memory, inside ±2**30 whatever the input, the same to the bit in every engine.
Within a second or two temperatures don't matter; what the pump's head takes into the discharge hose does, and is
taken out. Single spikes are no pressure: p_static is the middle of the last three, which follows a sample late, as
p_pump then must too; and one sample above a limit is no burst. L is in 1/64 Pa, S, k and h too.

    p = p_static + hose * (p_pump - p_static);  e = (p - L) >> n;  L += e;  S = max(0, S - e - k)
    alarm when S > h of any member in two samples, one after the other
"""

from .port import const, ptr32

MEMBER_N = const(3)

# State.
STARTED = const(0)  # samples since the start, up to _SETTLED_N
LEVELS = const(1)
SCORES = const(4)
BEFORE_PA = const(7)  # p_static of the two samples before
BEFORE_N = const(9)  # how many of them there are; zero it when a sample has no p_static
IN_A_ROW_N = const(10)  # samples above a limit until now
BEFORE_PUMP_PA = const(11)  # p_pump of the sample before
STATE_N = const(12)

# Parameters.
P_PUMP_CHANNEL = const(0)
HOSE_Q12 = const(1)  # Pa at the vessel per Pa of head, below 1
LEVEL_SHIFTS = const(2)
ALLOWANCES = const(5)
LIMITS = const(8)
PARAM_N = const(11)

_BURST_N = const(2)  # samples in a row
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
    low = state[BEFORE_PA]
    high = state[BEFORE_PA + 1]
    state[BEFORE_PA] = high
    state[BEFORE_PA + 1] = p
    pump = state[BEFORE_PUMP_PA]
    state[BEFORE_PUMP_PA] = x[params[P_PUMP_CHANNEL]]
    if state[BEFORE_N] < 2:
        state[BEFORE_N] = state[BEFORE_N] + 1
        return 0
    if low > high:
        head = low
        low = high
        high = head
    if p < low:
        p = low
    if p > high:
        p = high
    head = 0
    if params[P_PUMP_CHANNEL] != 0:
        head = pump - p
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
    in_a_row_n = 0
    if alarms != 0:
        in_a_row_n = state[IN_A_ROW_N] + 1
        if in_a_row_n < _BURST_N:
            alarms = 0
        else:
            in_a_row_n = _BURST_N
    state[IN_A_ROW_N] = in_a_row_n
    return alarms
