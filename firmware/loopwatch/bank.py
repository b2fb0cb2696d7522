"""Whether the loop leaks: a bank of CUSUM members on the residual, one for each decade of leak and patience.

A kernel like residual.py: int32 memory, inside ±2**30 whatever the input, the same to the bit in every engine.
A second is scale(), then judge().

Member j follows the residual as the level of a Kalman filter does, and adds up what it falls by:

    e = (r - L) >> n;  L += e;  S = max(0, S - (S >> m) - e / (a v) - k);  alarm when S > h

It reads "more than h lost beyond an allowance of k". Nothing counts as evidence while the residual's lags fill after a
start: 100 s for the fastest group, six times as long for each slower one. The evidence is divided by what the loop is
doing: v, from peak-held drives (pump, load, dome), and a, because noise in millilitres grows as the gas expands. All
but the fastest group divide it by more while the loop is beyond what its log met (residual.DRIVE_BEYOND).
L is in 1/256 µL, S, k and h in 2**-14 µL.
"""

from .port import const, ptr32

# Peak holds: which drive of residual's output, and how slowly it fades (2**shift seconds).
HOLDS = (
    (1, 3),
    (1, 6),
    (1, 9),
    (1, 11),
    (6, 5),
    (6, 9),
    (6, 11),
    (2, 4),
    (2, 9),
    (3, 4),
    (4, 6),
    (5, 6),
)
HOLD_N = const(12)
GROUP_N = const(4)
MEMBER_N = const(12)

# State.
STARTED = const(0)  # seconds since the start, up to SETTLED_S
AGE_ACC = const(1)  # slow mean of the residual, times 2**8
SCALES_Q15 = const(2)  # 1 / (a v) per group
HOLDS_ACC = const(6)  # times 2**17: a hold stands still 2**shift above nothing
LEVELS = const(18)
SCORES = const(30)
AGES_S = const(42)  # seconds since the member's score last stood at zero
ONSETS_UL = const(54)  # its level then
RESIDUAL_PART_Q8 = const(66)  # of this second's residual, as residual has it
STATE_N = const(67)

# Parameters.
AGE_GAIN = const(0)  # 2**24 / gas volume in µL
HOLD_DRIVES = const(1)
HOLD_SHIFTS = const(13)
HOLD_WEIGHTS = const(25)  # per group, HOLD_N each: Q8 of w per drive unit, times 2**8
GROUPS = const(73)
LEVEL_SHIFTS = const(85)
LEAK_SHIFTS = const(97)
ALLOWANCES = const(109)
LIMITS = const(121)
PARAM_N = const(133)

# What pick() leaves of a member, for estimate.
PICKED_AGE_S = const(0)
PICKED_FALL_UL = const(1)
PICKED_LEVEL_SHIFT = const(2)
PICKED_ALLOWANCE = const(3)
PICKED_SCALE_Q10 = const(4)
PICKED_ALONE = const(5)  # whether only level members have evidence worth telling
PICKED_KEPT_UL = const(6)  # what level members say is lost
PICKED_N = const(7)

SETTLED_S = const(21_600)
_SETTLE_FIRST_S = const(100)
_AGE_SHIFT = const(14)
_AGE_HALF = const(1 << 13)
_SCORE_MAX = const((1 << 29) - 1)
_ROOT_MAX_Q13 = const(23_170)  # of a and of v: both end at 8
_FALL_MAX = const((1 << 19) - 1)  # 2 mL in a second
_AGE_MAX_S = const(1 << 24)
_PART_PLACE = const(7)  # residual.RESIDUAL_PART_Q8 among the drives
_DRIVE_BEYOND = const(8)  # residual.DRIVE_BEYOND among them; a test compares them


def scale(state: ptr32, params: ptr32, drives: ptr32) -> int:
    """Take residual's output and set each group's scale of the evidence; returns the ageing a in Q8."""
    residual = drives[0] << 8  # 20b + 8b = 28b
    state[RESIDUAL_PART_Q8] = drives[_PART_PLACE]
    started_s = state[STARTED]
    if started_s == 0:
        state[AGE_ACC] = residual
        for i in range(MEMBER_N):
            state[LEVELS + i] = residual
            state[ONSETS_UL + i] = drives[0]
    if started_s < SETTLED_S:
        started_s = started_s + 1
    state[STARTED] = started_s
    acc = state[AGE_ACC]
    acc = acc + ((residual - acc + _AGE_HALF) >> _AGE_SHIFT)
    state[AGE_ACC] = acc
    lost_ul = -(acc >> 8)
    if lost_ul < 0:
        lost_ul = 0
    ratio = (lost_ul >> 2) * params[AGE_GAIN]  # 18b + 12b; Q22 of the gas's growth
    ratio = 8192 + ((ratio + 256) >> 9)
    if ratio > _ROOT_MAX_Q13:
        ratio = _ROOT_MAX_Q13
    age_q12 = (ratio * ratio + 8192) >> 14  # below 2**29. Rounded, as all here: a score adds up what is cut.

    w0 = 0
    w1 = 0
    w2 = 0
    w3 = 0
    for i in range(HOLD_N):
        held = state[HOLDS_ACC + i]
        held = held - (held >> params[HOLD_SHIFTS + i])
        drive = drives[params[HOLD_DRIVES + i]]  # 12b + 17b = 29b
        if held < drive:
            held = drive
        state[HOLDS_ACC + i] = held
        # 12 products of 16b + 14b less 4b: 30b. A whole unit of a drive would be a percent of the evidence.
        held = (held + 4096) >> 13
        w0 = w0 + ((held * params[HOLD_WEIGHTS + i]) >> 4)
        w1 = w1 + ((held * params[HOLD_WEIGHTS + HOLD_N + i]) >> 4)
        w2 = w2 + ((held * params[HOLD_WEIGHTS + 2 * HOLD_N + i]) >> 4)
        w3 = w3 + ((held * params[HOLD_WEIGHTS + 3 * HOLD_N + i]) >> 4)
    state[SCALES_Q15] = w0
    state[SCALES_Q15 + 1] = w1
    state[SCALES_Q15 + 2] = w2
    state[SCALES_Q15 + 3] = w3
    settle_s = _SETTLE_FIRST_S
    beyond = drives[_DRIVE_BEYOND]
    for group in range(GROUP_N):
        w = 8192 + ((state[SCALES_Q15 + group] + 6) >> 3)  # half, and what 12 floored products lack
        if w > _ROOT_MAX_Q13:
            w = _ROOT_MAX_Q13
        # a v in Q14, from 15b + 15b = 30b. A scale of ten bits would, times the noise, move alarms by seconds.
        v = (((w * w + 8192) >> 14) * age_q12 + 512) >> 10
        scale_q15 = (536_870_912 + (v >> 1)) // v
        if beyond > 0:
            if group > 0:
                # Divided by (1 + beyond)**2 in Q12: 14b + 14b - 12b, and 16b + 12b.
                v = ((4096 + beyond) * (4096 + beyond) + 2048) >> 12
                scale_q15 = ((scale_q15 << 12) + (v >> 1)) // v
        if started_s < settle_s:
            scale_q15 = 0
        state[SCALES_Q15 + group] = scale_q15
        settle_s = settle_s * 6
    return age_q12 >> 4


def judge(state: ptr32, params: ptr32, residual_ul: int) -> int:
    """Take the residual of this second; returns the alarms, bit j for member j."""
    alarms = 0
    residual = (residual_ul << 8) + state[RESIDUAL_PART_Q8]  # 20b + 8b = 28b
    # Chosen, not looked up: then the laptop's compiler takes several members at once.
    scale_0 = state[SCALES_Q15]
    scale_1 = state[SCALES_Q15 + 1]
    scale_2 = state[SCALES_Q15 + 2]
    scale_3 = state[SCALES_Q15 + 3]
    for i in range(MEMBER_N):
        level = state[LEVELS + i]
        e = (residual - level) >> params[LEVEL_SHIFTS + i]  # 29b
        level = level + e
        state[LEVELS + i] = level
        if e > _FALL_MAX:
            e = _FALL_MAX
        if e < -_FALL_MAX:
            e = -_FALL_MAX
        group = params[GROUPS + i]
        scale_q15 = scale_0
        if group == 1:
            scale_q15 = scale_1
        if group == 2:
            scale_q15 = scale_2
        if group == 3:
            scale_q15 = scale_3
        score = state[SCORES + i]
        # 2**-18 µL: 14b + 15b, 5b + 15b and 29b, together inside 2**30. Rounded once: a score adds it up for hours.
        e = (e >> 5) * scale_q15 + (((e & 31) * scale_q15) >> 5)
        e = (e + (score >> (params[LEAK_SHIFTS + i] - 4)) + 8) >> 4
        score = score - e - params[ALLOWANCES + i]
        age_s = state[AGES_S + i] + 1
        onset_ul = state[ONSETS_UL + i]
        if age_s > _AGE_MAX_S:
            age_s = _AGE_MAX_S
        if score <= 0:
            score = 0
            age_s = 0
            onset_ul = level >> 8
        if score > _SCORE_MAX:
            score = _SCORE_MAX
        state[SCORES + i] = score
        state[AGES_S + i] = age_s
        state[ONSETS_UL + i] = onset_ul
        if score > params[LIMITS + i]:
            alarms = alarms | (1 << i)
    return alarms


def pick(state: ptr32, params: ptr32, picked: ptr32) -> int:
    """Take the member that knows best what leaks into picked; returns it, -1 when none has evidence.

    Of those past their limit the one with the largest allowance, whose score left zero last; before any is, the most
    patient. A level member, which has no allowance, hardly ever stands at zero and dates nothing, but its score is
    what was lost, however the loop was disturbed meanwhile. While one is past half its limit, and none of the others
    past its own, the first of these is picked, which may stand at zero. Allowances rise from member to member, and
    level members have the scale of the first.
    """
    best = -1
    first = -1
    past = 0
    alone = 0
    kept = 0
    for i in range(MEMBER_N):
        score = state[SCORES + i]
        if params[ALLOWANCES + i] == 0:
            if score > kept:
                kept = score
            if score > params[LIMITS + i] >> 1:
                alone = 1
        else:
            if first < 0:
                first = i
            if state[AGES_S + i] > 0:
                if score > params[LIMITS + i]:
                    best = i
                    past = 1
                elif best < 0:
                    best = i
    if past > 0:
        alone = 0
    if alone > 0:
        best = first
    if best >= 0:
        scale_q15 = state[SCALES_Q15 + params[GROUPS + first]]
        if scale_q15 < 1:
            scale_q15 = 1
        picked[PICKED_AGE_S] = state[AGES_S + best]
        picked[PICKED_FALL_UL] = state[ONSETS_UL + best] - (state[LEVELS + best] >> 8)
        picked[PICKED_LEVEL_SHIFT] = params[LEVEL_SHIFTS + best]
        picked[PICKED_ALLOWANCE] = params[ALLOWANCES + best]
        picked[PICKED_SCALE_Q10] = state[SCALES_Q15 + params[GROUPS + best]] >> 5
        picked[PICKED_ALONE] = alone
        picked[PICKED_KEPT_UL] = (kept << 1) // scale_q15  # 30b
    return best
