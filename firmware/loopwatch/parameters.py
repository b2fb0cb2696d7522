"""The parameters of the detector's kernels, as commissioning finds them, and what they may be.

One run of int32 words, those of residual, bank, burst and estimate behind one another. check() refuses words with
which a kernel would divide by zero, reach outside its memory, or leave ±2**30; the bounds are those that the kernels'
own comments reckon with. Whoever sends damaged or foreign words gets the name of the first one that cannot be.
"""

from . import bank, burst, estimate, residual
from .port import const, ptr32

RESIDUAL = const(0)
BANK = const(94)  # residual.PARAM_N
BURST = const(227)  # and bank.PARAM_N
ESTIMATE = const(238)  # and burst.PARAM_N
WORD_N = const(256)  # and estimate.PARAM_N

_WORD_MAX = const((1 << 30) - 1)

# (name, first place, how many, least, most)
BOUNDS = (
    ("residual.p_pump_channel", residual.P_PUMP_CHANNEL, 1, 0, 5),
    ("residual.role_channels", residual.ROLE_CHANNELS, 3, 0, 5),
    ("residual.p_shift", residual.P_SHIFT, 1, 0, 24),
    ("residual.p0", residual.P0, 1, 1, (1 << 19) - 1),
    ("residual.p_least", residual.P_LEAST, 1, 1, (1 << 19) - 1),
    ("residual.gas", residual.GAS, 1, 1, (1 << 15) - 1),
    ("residual.gas_shift", residual.GAS_SHIFT, 1, 0, 10),
    ("residual.gas_follow_q8", residual.GAS_FOLLOW_Q8, 1, 1, 256),
    ("residual.adiabatic_acc", residual.ADIABATIC_ACC, 1, 0, (1 << 14) - 1),
    ("residual.gas_t0", residual.GAS_T0, 1, -65_536, 65_536),
    ("residual.inverse_t0", residual.INVERSE_T0, 1, 1, (1 << 14) - 1),
    ("residual.curve_q11", residual.CURVE_Q11, 1, 0, (1 << 11) - 1),
    ("residual.head_bias_pa", residual.HEAD_BIAS_PA, 1, -262_143, 262_143),
    ("residual.head_gain", residual.HEAD_GAIN, 1, 1, (1 << 11) - 1),
    ("residual.head_shift", residual.HEAD_SHIFT, 1, 0, 24),
    ("residual.off_below", residual.OFF_BELOW, 1, 0, (1 << 14) - 1),
    ("residual.standing_flow_q8", residual.STANDING_FLOW_Q8, 1, 0, 256),
    ("residual.dome_gain_q8", residual.DOME_GAIN_Q8, 1, 0, (1 << 9) - 1),
    ("residual.sum_shift", residual.SUM_SHIFT, 1, 0, 22),
    ("residual.c0_sum", residual.C0_SUM, 1, -_WORD_MAX, _WORD_MAX),
    ("residual.shifts", residual.SHIFTS, residual.AVERAGE_N, 0, 24),
    ("residual.roles_of", residual.ROLES_OF, residual.AVERAGE_N, 0, 3),
    ("residual.weights", residual.WEIGHTS, residual.FEATURE_N, -16_384, 16_384),
    ("residual.swing_gain", residual.SWING_GAIN, 1, 0, (1 << 10) - 1),
    ("residual.swing_shift", residual.SWING_SHIFT, 1, 6, 24),
    ("residual.reach_low", residual.REACH_LOW, 3, -65_535, 65_535),
    ("residual.reach_high", residual.REACH_HIGH, 3, -65_535, 65_535),
    ("residual.reach_gain", residual.REACH_GAIN, 1, 0, (1 << 14) - 1),
    ("residual.reach_off_s", residual.REACH_OFF_S, 1, 0, (1 << 17) - 1),
    ("residual.reach_off_gain", residual.REACH_OFF_GAIN, 1, 0, (1 << 14) - 1),
    ("bank.age_gain", BANK + bank.AGE_GAIN, 1, 0, (1 << 12) - 1),
    ("bank.hold_drives", BANK + bank.HOLD_DRIVES, bank.HOLD_N, 1, 6),
    ("bank.hold_shifts", BANK + bank.HOLD_SHIFTS, bank.HOLD_N, 0, 24),
    ("bank.hold_weights", BANK + bank.HOLD_WEIGHTS, bank.GROUP_N * bank.HOLD_N, 0, (1 << 14) - 1),
    ("bank.groups", BANK + bank.GROUPS, bank.MEMBER_N, 0, bank.GROUP_N - 1),
    ("bank.level_shifts", BANK + bank.LEVEL_SHIFTS, bank.MEMBER_N, 0, 24),
    ("bank.leak_shifts", BANK + bank.LEAK_SHIFTS, bank.MEMBER_N, 4, 30),
    ("bank.allowances", BANK + bank.ALLOWANCES, bank.MEMBER_N, 0, 1 << 28),
    ("bank.limits", BANK + bank.LIMITS, bank.MEMBER_N, 1, _WORD_MAX),
    ("burst.p_pump_channel", BURST + burst.P_PUMP_CHANNEL, 1, 0, 5),
    ("burst.hose_q12", BURST + burst.HOSE_Q12, 1, -4_095, 4_095),
    ("burst.level_shifts", BURST + burst.LEVEL_SHIFTS, burst.MEMBER_N, 0, 24),
    ("burst.allowances", BURST + burst.ALLOWANCES, burst.MEMBER_N, 0, 1 << 28),
    ("burst.limits", BURST + burst.LIMITS, burst.MEMBER_N, 1, _WORD_MAX),
    ("estimate.reserve_ul", ESTIMATE + estimate.RESERVE_UL, 1, 0, (1 << 28) - 1),
    ("estimate.noises_ul", ESTIMATE + estimate.NOISES_UL, estimate.NOISE_N, 0, (1 << 19) - 1),
)

# The channels that the kernels read, by the places of the words that name them.
_CHANNEL_PLACES = (
    residual.P_PUMP_CHANNEL,
    residual.ROLE_CHANNELS,
    residual.ROLE_CHANNELS + 1,
    residual.ROLE_CHANNELS + 2,
    BURST + burst.P_PUMP_CHANNEL,
)


def check(words: ptr32, fitted_bits: int) -> None:
    """Raise ValueError, naming the word and what it may be, unless the kernels can run on these words."""
    if len(words) != WORD_N:
        raise ValueError("words: {}, must be {}".format(len(words), WORD_N))
    for name, first, n, least, most in BOUNDS:
        for i in range(n):
            value = words[first + i]
            if not least <= value <= most:
                which = name if n == 1 else "{}[{}]".format(name, i)
                raise ValueError("{}={}: must be {} to {}".format(which, value, least, most))
    for place in _CHANNEL_PLACES:
        if not fitted_bits >> words[place] & 1:
            raise ValueError("fitted_bits: channel {} is not fitted, and the words use it".format(words[place]))
    _check_together(words)


def _check_together(words: ptr32) -> None:
    """What no word is to blame for alone."""
    # gas(): P0 / P - 1 stays below 4, in Q20 below 22 bits.
    if 4 * words[residual.P_LEAST] < words[residual.P0]:
        raise ValueError("residual.p_least={}: must be a quarter of p0 or more".format(words[residual.P_LEAST]))
    # gas(): the gas is held to ±5e8 / 2**13 < 2**16.
    if (65_536 + abs(words[residual.GAS_T0])) * words[residual.INVERSE_T0] > _WORD_MAX:
        raise ValueError("residual.inverse_t0={}: too large beside gas_t0".format(words[residual.INVERSE_T0]))
    # take(): what the dome moves the tank by is added to 29 bits.
    moved = (1 << 22 >> words[residual.SHIFTS + residual.DOME_4]) * words[residual.DOME_GAIN_Q8]
    if moved > 1 << 28:
        raise ValueError("residual.dome_gain_q8={}: too large beside its lag".format(words[residual.DOME_GAIN_Q8]))
    # weigh(): features are below 2**16, and the gas takes up to 2**27 from the sum.
    total = abs(words[residual.C0_SUM])
    for i in range(residual.FEATURE_N):
        total += abs(words[residual.WEIGHTS + i]) << 16
    if total > _WORD_MAX or total >> words[residual.SUM_SHIFT] > 1 << 29:
        raise ValueError("residual.weights: together too large for 2**30")
