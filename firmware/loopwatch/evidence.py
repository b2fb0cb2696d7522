"""What the bank's scores are worth, and how they are held while the residual means nothing: kernels beside bank.

Like bank they run on int32 memory, inside ±2**30 whatever the input, the same in every engine, allocate nothing and
call nothing. Their state and parameters are bank's.
"""

from . import bank, burst
from .port import const, ptr8, ptr32

MEMBER_N = const(12)
MOST = const(12)  # place after the members' permilles: which of them has most
BURST = const(13)  # and the burst path's evidence
BEYOND = const(14)  # and how far the loop is beyond its log, as bank has it
HALVED_Q12 = const(1_697)  # from there on slow leaks count half or less: (1 + it)**2 is two
OUT_N = const(15)

# bank's places, as constants that the compiler folds; a test compares them.
_AGE_ACC = const(1)
_LEVELS = const(18)
_SCORES = const(30)
_AGES_S = const(42)
_ONSETS_UL = const(54)
_GROUPS = const(73)
_LIMITS = const(121)

# burst's places.
_BURST_MEMBER_N = const(3)
_BURST_SCORES = const(4)
_BURST_LIMITS = const(8)

# Members that see less than 1 mL/min: those of groups 2 and 3, and 24 mL/h of group 1.
SEEP_BITS = const(0b1100_0001_1111)

# Who watches, for classes().
FINE = const(1)
WIDE = const(2)

NEVER = const((1 << 30) - 1)  # the limit of a member that is advisory
_SCORE_MAX = const((1 << 29) - 1)
_CAP_N = const(4)  # a score stops at this many limits, so that it can come down again

PLACES = (_AGE_ACC, _LEVELS, _SCORES, _AGES_S, _ONSETS_UL, _GROUPS, _LIMITS, _BURST_SCORES, _BURST_LIMITS)
BANK_PLACES = (bank.AGE_ACC, bank.LEVELS, bank.SCORES, bank.AGES_S, bank.ONSETS_UL, bank.GROUPS, bank.LIMITS)
BURST_PLACES = (burst.SCORES, burst.LIMITS)


def hold(state: ptr32, params: ptr32, residual_ul: int, group_bits: int) -> int:
    """Keep the members of these groups at the residual, without evidence; returns how many that are."""
    held_n = 0
    for i in range(MEMBER_N):
        if (group_bits >> params[_GROUPS + i]) & 1:
            state[_LEVELS + i] = residual_ul << 8  # 20b + 8b = 28b
            state[_SCORES + i] = 0
            state[_AGES_S + i] = 0
            state[_ONSETS_UL + i] = residual_ul
            held_n = held_n + 1
    return held_n


def move(state: ptr32, change_ul: int) -> int:
    """Move every level by what the residual has jumped without coolant going, evidence as it is; returns the change."""
    change = change_ul << 8  # 21b + 8b = 29b
    for i in range(MEMBER_N):
        level = state[_LEVELS + i] + change  # 28b + 29b
        if level > 536_870_911:
            level = 536_870_911
        if level < -536_870_911:
            level = -536_870_911
        state[_LEVELS + i] = level
        state[_ONSETS_UL + i] = state[_ONSETS_UL + i] + change_ul
    acc = state[_AGE_ACC] + change
    if acc > 536_870_911:
        acc = 536_870_911
    if acc < -536_870_911:
        acc = -536_870_911
    state[_AGE_ACC] = acc
    return change_ul


def weigh_up(state: ptr32, params: ptr32, out: ptr32) -> int:
    """Cap the scores and set out: each member's evidence in thousandths of its limit, and who has most of it.

    Returns the most evidence among the members that may alarm. An advisory member's limit is never reached.
    """
    most = 0
    most_permille = -1
    for i in range(MEMBER_N):
        limit = params[_LIMITS + i]
        cap = _SCORE_MAX
        if limit < _SCORE_MAX // _CAP_N:
            cap = limit * _CAP_N
        score = state[_SCORES + i]
        if score > cap:
            score = cap
            state[_SCORES + i] = cap
        # Divide the limit once more by 2**10 than the thousandfold: 29b - 10b + 10b.
        unit = limit >> 10
        if unit < 1:
            unit = 1
        permille = ((score >> 10) * 1000) // unit
        if permille > 9_999:
            permille = 9_999
        out[i] = permille
        if limit < NEVER:
            if permille > most_permille:
                most_permille = permille
                most = i
    out[MOST] = most
    if most_permille < 0:
        most_permille = 0
    return most_permille


def classes(permille: ptr32, wide_permille: ptr32, seep_bits: int, bits: int, out: ptr32) -> int:
    """Set out to the most evidence of a seep, a leak and a rupture; -1 while nobody watches for it.

    permille: of bank's members, used when bits has FINE, and after them that of the burst path. wide_permille: of the
    wide limits' fast, medium and slow member, when bits has WIDE. Returns the most of all.
    """
    seep = -1
    leak = -1
    rupture = -1
    if bits & FINE:
        for i in range(MEMBER_N):
            value = permille[i]
            if (seep_bits >> i) & 1:
                if value > seep:
                    seep = value
            elif value > leak:
                leak = value
        rupture = permille[BURST]
    if bits & WIDE:
        # The slowest of them asks for 1 mL/min beyond its allowance, the fastest for 12.
        for i in range(1, 3):
            if wide_permille[i] > leak:
                leak = wide_permille[i]
        if wide_permille[0] > rupture:
            rupture = wide_permille[0]
    out[0] = seep
    out[1] = leak
    out[2] = rupture
    if leak > seep:
        seep = leak
    if rupture > seep:
        seep = rupture
    return seep


def burst_permille(scores: ptr32, limits: ptr32) -> int:
    """The most evidence of the 10 Hz path's members, in thousandths of their limits."""
    most = 0
    for i in range(_BURST_MEMBER_N):
        unit = limits[_BURST_LIMITS + i] >> 10
        if unit < 1:
            unit = 1
        permille = ((scores[_BURST_SCORES + i] >> 10) * 1000) // unit  # 18b + 10b
        if permille > most:
            most = permille
    if most > 9_999:
        most = 9_999
    return most


def missing(status: ptr8, needed_bits: int, usable_most: int) -> int:
    """Bits of the channels needed that have no value: whose status is above usable_most."""
    bits = 0
    i = 0
    while needed_bits >> i:
        if (needed_bits >> i) & 1:
            if status[i] > usable_most:
                bits = bits | (1 << i)
        i = i + 1
    return bits
