"""How fast the loop loses coolant, how much is gone, and when the pump will lose suction, each with a 95 % interval.

A kernel like residual.py: int32 memory, inside ±2**30 whatever the input, the same to the bit in every engine.
Run it when there is something to tell, after bank.judge(): nothing in it is remembered.

The member that bank.pick() chose says when the loss began and how far its level has fallen since, F over A seconds.
Its level trails a ramp q by T = 2**n - 1 s, and its score left zero when q (1 - x**t) passed the allowance k a v,
x = 1 - 2**-n. With E = 1 - x**A that gives F = q A - T (q - k a v) E, so

    q = (F - T k a v E) / (A - T E),  lost = F + T q E,  time to go = (reserve - lost) / q

A leak begins within a second, and a second's value is its mean: the span counts 0.25 s less, between 0.5 s more and
1 s less, and half a second's loss is still to be seen. The interval takes F ± noise(A) a v, the noise being what
commissioning found by leaks tried on the log: the bank alarms when chance has helped it, and dates the onset by the
same chance. The most lost counts noise twice, and what went while the score had yet to leave zero, 2**n s of it; and
it is not below 3/2 of what a level member has, which has not forgotten it for a disturbance.

A slow leak is often seen by a level member alone, which knows what is lost but not since when. Then the loss is that
member's score, from 3/8 to 5/2 of it. The rate is less than the first of the others would see, 4 k a v, as long as
that one's own fall does not say more exactly how much less. Rates hold for the millilitres of the gas volume given.
"""

from .port import const, ptr32

# Input: as bank.pick() leaves it.
AGE_S = const(0)
FALL_UL = const(1)
LEVEL_SHIFT = const(2)
ALLOWANCE = const(3)
SCALE_Q10 = const(4)
ALONE = const(5)
KEPT_UL = const(6)
PICKED_N = const(7)

# Parameters.
RESERVE_UL = const(0)  # coolant that can go before the pump loses suction, below 2**28
NOISES_UL = const(1)  # for ages up to 2**i s; the first is the leak-free residual's alone, in a second
NOISE_N = const(17)
PARAM_N = const(18)

# Output.
RATE_UL_H = const(0)  # and its least and most
LOST_UL = const(3)  # since the onset, least and most
DRY_S = const(6)  # until the pump loses suction, earliest and latest; FOREVER_S where the rate may be nothing
OUT_N = const(9)

FOREVER_S = const(360_000_000)
_FOREVER_H = const(100_000)
_FALL_MAX_UL = const((1 << 20) - 1)
_RESERVE_MAX_UL = const((1 << 28) - 1)
_KEPT_MAX_UL = const((1 << 26) - 1)
_RATE_MAX = const(4_000_000)


def estimate(picked: ptr32, params: ptr32, out: ptr32) -> int:
    """Set out from what bank.pick() left of the member; returns the rate, µL/h."""
    age_s = picked[AGE_S]
    fall_ul = picked[FALL_UL]
    if fall_ul > _FALL_MAX_UL:
        fall_ul = _FALL_MAX_UL
    if fall_ul < 0:
        fall_ul = 0
    shift = picked[LEVEL_SHIFT]
    if shift > 9:
        shift = 9
    lag_s = (1 << shift) - 1
    # E by repeated squaring in Q14.
    base = 16_384 - (16_384 >> shift)
    power = 16_384
    exponent = age_s
    while exponent > 0:
        if exponent & 1:
            power = (power * base + 8192) >> 14
        base = (base * base + 8192) >> 14
        exponent = exponent >> 1
    reached = 16_384 - power
    scale = picked[SCALE_Q10]
    if scale < 1:
        scale = 1
    allowance = picked[ALLOWANCE]
    if allowance > 16_777_215:
        allowance = 16_777_215
    late_ul = ((allowance >> 4) * lag_s) >> 10  # 20b + 9b
    if late_ul > 524_287:
        late_ul = 524_287
    late_ul = (late_ul << 10) // scale  # 29b
    if late_ul > 524_287:
        late_ul = 524_287
    late_ul = ((late_ul >> 4) * reached) >> 10  # 15b + 14b
    place = 1
    while place < NOISE_N - 1 and (1 << place) < age_s:
        place = place + 1
    noise_ul = params[NOISES_UL + place]
    if noise_ul > 524_287:
        noise_ul = 524_287
    noise_ul = (noise_ul << 10) // scale
    if noise_ul > _FALL_MAX_UL:
        noise_ul = _FALL_MAX_UL
    # Sixteenths of a second: 24b + 4b, and 9b + 14b - 10b.
    lag = (lag_s * reached) >> 10
    span = (age_s << 4) - lag
    if span < 1:
        span = 1
    halvings = 0
    while (span >> halvings) > 2_097_151:
        halvings = halvings + 1
    span = span >> halvings
    reserve_ul = params[RESERVE_UL]
    if reserve_ul > _RESERVE_MAX_UL:
        reserve_ul = _RESERVE_MAX_UL
    for which in range(3):
        # 0 the rate, 1 its least, 2 its most.
        net_ul = fall_ul - late_ul
        over = span - (4 >> halvings)
        if which == 1:
            net_ul = net_ul - noise_ul
            over = span + (8 >> halvings)
        if which == 2:
            net_ul = net_ul + noise_ul
            over = span - (16 >> halvings)
        if net_ul < 0:
            net_ul = 0
        if over < 4:
            over = 4
        net_ul = (net_ul >> halvings) * 240  # 22b + 8b = 30b: an hour is 240 * 240 sixteenths
        rate = net_ul // over
        rest = net_ul - rate * over
        if rate > _RATE_MAX:
            rate = _RATE_MAX
        out[RATE_UL_H + which] = rate * 240 + (rest * 240) // over  # 22b + 8b, 21b + 8b
    kept_ul = picked[KEPT_UL]
    if kept_ul > _KEPT_MAX_UL:
        kept_ul = _KEPT_MAX_UL
    alone = picked[ALONE]
    if alone > 0:
        # 4 k in µL/h is 225/256 of 2**-14 µL/s: 20b + 8b, and 19b + 10b.
        most_ul_h = ((allowance >> 4) * 225) >> 4
        if most_ul_h > 524_287:
            most_ul_h = 524_287
        most_ul_h = (most_ul_h << 10) // scale
        if age_s == 0 or out[RATE_UL_H + 2] > most_ul_h:
            out[RATE_UL_H] = most_ul_h >> 2
            out[RATE_UL_H + 2] = most_ul_h
            if out[RATE_UL_H + 1] > most_ul_h >> 2:
                out[RATE_UL_H + 1] = most_ul_h >> 2
    for which in range(3):
        gone_ul = fall_ul
        before = 8
        if which == 1:
            gone_ul = gone_ul - noise_ul
            before = 0
        if which == 2:
            gone_ul = gone_ul + 2 * noise_ul
            before = 16 << shift
        if gone_ul < 0:
            gone_ul = 0
        # What the level has still to show, then what it does not show, by the rate itself.
        rate_ul_h = out[RATE_UL_H + which]
        sixteenths = lag
        for _ in range(2):
            if rate_ul_h < 24_000_000:
                gone_ul = gone_ul + ((rate_ul_h // 240) * sixteenths) // 240  # 17b + 13b
            else:
                gone_ul = gone_ul + (rate_ul_h // 57_600) * sixteenths  # 15b + 13b
            if gone_ul > _RESERVE_MAX_UL:
                gone_ul = _RESERVE_MAX_UL
            rate_ul_h = out[RATE_UL_H]
            sixteenths = before
        most_ul = (kept_ul * 3) >> 1
        if alone > 0:
            gone_ul = kept_ul + (kept_ul >> 3)
            if which == 1:
                gone_ul = (kept_ul * 3) >> 3
            most_ul = (kept_ul * 5) >> 1
        if which == 2 and gone_ul < most_ul:
            gone_ul = most_ul
        if gone_ul > _RESERVE_MAX_UL:
            gone_ul = _RESERVE_MAX_UL
        out[LOST_UL + which] = gone_ul
    for which in range(3):
        # 0 goes by the rate, 1 by its most, 2 by its least.
        rate_ul_h = out[RATE_UL_H + (3 - which) % 3]
        left_ul = reserve_ul - out[LOST_UL + (3 - which) % 3]
        dry_s = FOREVER_S
        if left_ul <= 0:
            dry_s = 0
        elif rate_ul_h > 0:
            hours = left_ul // rate_ul_h
            if hours < _FOREVER_H:
                rest = left_ul - hours * rate_ul_h
                while rest > 262_143:
                    rest = rest >> 1
                    rate_ul_h = rate_ul_h >> 1
                dry_s = hours * 3600 + (rest * 3600) // rate_ul_h
        out[DRY_S + which] = dry_s
    return out[RATE_UL_H]
