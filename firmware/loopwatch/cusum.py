"""The wide limits' members, a second at a time: a kernel as bank is one, for the detector of loops nobody has seen.

int32 memory, inside ±2**30 for any residual that is, the same on every Python; nothing is allocated or called.
Levels and scores are in 1/256 µL.
"""

from .port import const, ptr32

MEMBER_N = const(3)

# State.
LEVELS = const(0)
SCORES = const(3)
AGES_S = const(6)
ONSETS_UL = const(9)
NOISE_ACC = const(12)
NOISE_N = const(13)
PREVIOUS_UL = const(14)
PREVIOUS_STEP_UL = const(15)
STARTED = const(16)
STATE_N = const(17)

# Parameters.
SHIFTS = const(0)
ALLOWANCES_UL_S = const(3)
LIMITS_UL = const(6)
NOISE_FACTOR = const(9)
PARAM_N = const(10)

_RESIDUAL_MAX_UL = const(1 << 20)  # one litre; who has lost that knows
_NOISE_N = const(64)  # about a minute, so that a leak is seen long before it counts as noise
_SCORE_CAP_N = const(4)  # a score stops at this many limits, so that it can come down again
_AGE_MAX_S = const(1 << 20)


def judge(state: ptr32, params: ptr32, residual_ul: int, permille: ptr32) -> int:
    """Take a residual and set each member's evidence; returns the member with most of it."""
    if residual_ul > _RESIDUAL_MAX_UL:
        residual_ul = _RESIDUAL_MAX_UL
    if residual_ul < -_RESIDUAL_MAX_UL:
        residual_ul = -_RESIDUAL_MAX_UL
    residual = residual_ul << 8  # 20b + 8b = 28b
    if state[STARTED] == 0:
        state[STARTED] = 1
        state[PREVIOUS_UL] = residual_ul
        state[PREVIOUS_STEP_UL] = 0
        for i in range(MEMBER_N):
            state[LEVELS + i] = residual

    # The mean second difference: 1.95 rms of white noise (sqrt(6) sqrt(2 / pi)), 0 of a leak.
    step_ul = residual_ul - state[PREVIOUS_UL]  # 21b
    change_ul = step_ul - state[PREVIOUS_STEP_UL]
    if change_ul < 0:
        change_ul = -change_ul
    state[PREVIOUS_UL] = residual_ul
    state[PREVIOUS_STEP_UL] = step_ul
    # A plain mean of the first seconds, then a moving one.
    noise_n = state[NOISE_N]
    if noise_n < _NOISE_N:
        noise_n = noise_n + 1
        state[NOISE_N] = noise_n
    noise_acc = state[NOISE_ACC]
    noise_acc = noise_acc + (((change_ul >> 1) << 8) - noise_acc) // noise_n  # 22b - 1b + 8b = 29b
    state[NOISE_ACC] = noise_acc
    noise_limit_ul = (noise_acc >> 8) * params[NOISE_FACTOR]  # 21b + 5b = 26b

    most = 0
    for i in range(MEMBER_N):
        innovation = (residual - state[LEVELS + i]) >> params[SHIFTS + i]  # 28b - 28b = 29b
        state[LEVELS + i] = state[LEVELS + i] + innovation
        limit_ul = params[LIMITS_UL + i]
        if limit_ul < noise_limit_ul:
            limit_ul = noise_limit_ul
        score = state[SCORES + i] - innovation - (params[ALLOWANCES_UL_S + i] << 8)
        if score <= 0:
            score = 0
            state[AGES_S + i] = 0
            state[ONSETS_UL + i] = residual_ul
        elif state[AGES_S + i] < _AGE_MAX_S:
            state[AGES_S + i] = state[AGES_S + i] + 1
        # With a score of at most 2**20 µL the thousandfold is inside 2**30.
        cap_ul = _SCORE_CAP_N * limit_ul
        if cap_ul > _RESIDUAL_MAX_UL:
            cap_ul = _RESIDUAL_MAX_UL
        if score > cap_ul << 8:
            score = cap_ul << 8
        state[SCORES + i] = score
        permille[i] = ((score >> 8) * 1000) // limit_ul
        if permille[i] > permille[most]:
            most = i
    return most
