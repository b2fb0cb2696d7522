"""Whether readings of one second can be those of a loop: what a broken sensor does and a leak cannot.

Kernels like those of kernels.py: int32 memory, nothing allocated, the same source in every engine. What the checks
mean, and which fault each one is for, is in faults.py; the limits' kernels at the end are for limits.py.

Pressures up to 2**21 Pa, temperatures within ±2**18 m°C.
"""

from .port import const, ptr8, ptr32

# Bits of both results: bit i is channel i of sample.CHANNELS, whose value is not to be used; and beyond those:
SCALED = const(64)

# Codes of told[channel]: those of sample.STATUS_NAMES.
_STUCK = const(11)
_MOVED = const(12)
_CONTRADICTS = const(13)
_NOISY = const(14)
_USABLE_MAX = const(2)  # sample.SPEC_HIGH

# State of the thermometers, three of each.
T_SEEN = const(0)  # 0 before the first reading, 1 seen last second, 2 lost
T_LAST = const(3)
T_USED = const(6)  # the last reading that was believed
T_OUT = const(9)  # above 0: it has moved impossibly, and is not believed
T_ANCHOR = const(12)  # nine: what all three read when this one last moved
T_CROSSED_N = const(21)
T_STILL_N = const(22)  # three: seconds since then
T_STATE_N = const(25)

# Parameters of the thermometers.
T_RATE = const(0)  # three: m°C a second by which the place cannot cool; it heats no more than four times as fast
T_PARAM_N = const(3)

# Half a step of the chip: one that lives flips to and fro by a step, also where a dome's wall stands still for minutes.
_T_STILL_MDEGC = const(4)
_T_STILL_N = const(600)  # seconds
_T_OTHERS_MDEGC = const(5_000)  # what the others may move while one does not
_T_CALM_N = const(20)  # seconds at an eighth of that rate
_T_BACK_MDEGC = const(3_000)  # as near to where it was lost it is believed again
_T_CROSSED_MDEGC = const(5_000)
_T_CROSSED_N = const(120)


def thermometers(state: ptr32, params: ptr32, seen: ptr32, status: ptr8, told: ptr8) -> int:
    """Judge channels 2 to 4; returns the bits of those not to be used."""
    bits = 0
    for i in range(3):
        channel = i + 2
        told[channel] = 0
        if status[channel] > _USABLE_MAX:
            if state[T_SEEN + i] == 1:
                state[T_SEEN + i] = 2
            continue
        t = seen[channel]
        if state[T_SEEN + i] == 0:
            state[T_LAST + i] = t
            state[T_USED + i] = t
        elif state[T_SEEN + i] == 2:
            state[T_LAST + i] = t
        state[T_SEEN + i] = 1
        moved = state[T_LAST + i] - t
        if moved < 0:
            moved = -moved >> 2
        state[T_LAST + i] = t
        away = t - state[T_USED + i]
        if away < 0:
            away = -away
        if moved > params[T_RATE + i]:
            state[T_OUT + i] = _T_CALM_N
        elif state[T_OUT + i] > 0:
            if moved > params[T_RATE + i] >> 3:
                state[T_OUT + i] = _T_CALM_N
            elif state[T_OUT + i] > 1:
                state[T_OUT + i] -= 1
            elif away < _T_BACK_MDEGC:
                state[T_OUT + i] = 0
            elif i < 2 and status[channel + 1] <= _USABLE_MAX and state[T_OUT + i + 1] == 0 and t >= seen[channel + 1]:
                # Warmer than the next cooler place: in the room, where it would have fallen, it is not.
                state[T_OUT + i] = 0
        # Still while the others move: its anchor row keeps what all read when it last moved.
        row = T_ANCHOR + 3 * i
        moved = t - state[row + i]
        if moved > _T_STILL_MDEGC or moved < -_T_STILL_MDEGC:
            state[T_STILL_N + i] = 0
            for j in range(3):
                state[row + j] = seen[2 + j]
        elif state[T_STILL_N + i] < _T_STILL_N:
            state[T_STILL_N + i] += 1
        code = 0
        for j in range(3):
            if status[2 + j] > _USABLE_MAX or state[T_OUT + j] > 0:
                state[row + j] = seen[2 + j]
            moved = seen[2 + j] - state[row + j]
            if state[T_STILL_N + i] == _T_STILL_N and (moved > _T_OTHERS_MDEGC or moved < -_T_OTHERS_MDEGC):
                code = _STUCK
        if state[T_OUT + i] > 0:
            code = _MOVED
        if code:
            told[channel] = code
            bits |= 1 << channel
        else:
            state[T_USED + i] = t
    return bits


def crossed(state: ptr32, seen: ptr32, status: ptr8, told: ptr8, flows: int) -> int:
    """Tell source and radiator as exchanged when the source has been the colder one for long; returns 1 then.

    Only while coolant flows; the values are used all the same, since the liquid's temperature is made of both.
    """
    colder = 0
    if flows and status[2] <= _USABLE_MAX and status[3] <= _USABLE_MAX:
        if seen[3] - seen[2] > _T_CROSSED_MDEGC:
            colder = 1
    if colder == 0:
        state[T_CROSSED_N] = 0
        return 0
    if state[T_CROSSED_N] < _T_CROSSED_N:
        state[T_CROSSED_N] += 1
        return 0
    told[2] = _CONTRADICTS
    told[3] = _CONTRADICTS
    return 1


# State of the pressures.
P_SEEN = const(0)  # 1: both had a value in the second before
P_LAST = const(1)  # two
P_RAW = const(3)  # two
P_STILL_N = const(5)  # two
P_OUT = const(7)  # above 0: p_static has jumped alone
P_HEAD = const(8)  # mean head before that, in 1/16 Pa
P_SCALED = const(9)  # 1: both have been scaled by one factor
P_BEFORE = const(10)  # two: the signals before that
P_NOISY_N = const(12)
P_CROSSED_N = const(13)
P_WAIT_N = const(14)
P_HAD = const(15)  # 1: p_static had a value in the second before
P_FLOOR_N = const(16)
P_ALIVE_N = const(17)
P_STATE_N = const(18)

# Parameters of the pressures.
P_FLOOR = const(0)
P_STUCK_N = const(1)
P_ZERO = const(2)  # two: an eighth of each span, so that pressure and it are in the ratio of the signal
P_NOISY_Q6 = const(4)  # to and fro in 1/64 Pa per 1024 Pa of p_static that hides a rupture, below 2**19
P_PARAM_N = const(5)

_STILL_RAW = const(2)  # of a sum of two conversions: half a step each
_QUIET_N = const(8)  # seconds without a move after which nothing is concluded from the value
_ALIVE_N = const(3)
_KNOWN_N = const(300)
_FLOOR_N = const(5)
_BIG_PA = const(20_000)  # a fall in one second after which the signal must show that it is alive
_JUMP_PA = const(3_000)
_PLACES_PA = const(10_000)
_OUT_N = const(3)  # seconds until it is told: interference jumps to and fro
# Samples of white noise go seven rms to and fro in a second (kernels.wobble); the mean's steps stay within 0.92 rms in
# 95 of 100 seconds, which is 0.66 rms of gas for a change within a second (estimate.NOISES_UL, adiabatic). From two and
# a half times the noise of commissioning on the bank's limits are not for it: 2.5 * 7 / 0.66.
ROUGH_RATIO = const(27)
_NOISY_LEAST_PA = const(7_000)  # white noise of 1 kPa: four times a transducer's own
_NOISY_MOST_PA = const(28_000)  # of 4 kPa: whatever the loop, a signal like that is broken
_NOISY_N = const(24)  # a noisy second counts four up, another one down: noise about the limit is told as well
_NOISY_MOST_N = const(36)
_CROSSED_PA = const(25_000)  # two transducers of 5 bar and 2 % differ by 20 kPa
_CROSSED_N = const(10)
_SCALE_LEAST = const(39)  # 5 kPa in 128 Pa
_SCALE_APART = const(8)


def pressures(state: ptr32, params: ptr32, seen: ptr32, status: ptr8, raw: ptr32, wobble: ptr32, told: ptr8) -> int:
    """Judge channels 0 and 1; returns the bits of those not to be used, and SCALED.

    raw: the latest sum of conversions of each. wobble: how far its samples went to and fro.
    """
    bits = 0
    told[0] = 0
    told[1] = 0
    has_static = 0
    has_both = 0
    if status[0] <= _USABLE_MAX:
        has_static = 1
        if status[1] <= _USABLE_MAX:
            has_both = 1
    s = seen[0]
    p = seen[1]
    # Stuck: a signal that does not move by a step for longer than noise could hold it.
    for i in range(2):
        moved = raw[i] - state[P_RAW + i]
        if moved > _STILL_RAW or moved < -_STILL_RAW or status[i] > _USABLE_MAX:
            state[P_RAW + i] = raw[i]
            state[P_STILL_N + i] = 0
        elif state[P_STILL_N + i] < params[P_STUCK_N]:
            state[P_STILL_N + i] += 1
        if state[P_STILL_N + i] >= params[P_STUCK_N]:
            told[i] = _STUCK
            bits |= 1 << i
        elif i == 0 and state[P_STILL_N] >= _QUIET_N:
            bits |= 1
    # Noise that would hide a leak for too long, second by second.
    noisy_pa = ((s >> 10) * params[P_NOISY_Q6]) >> 6  # 11b + 19b = 30b
    if noisy_pa > _NOISY_MOST_PA:
        noisy_pa = _NOISY_MOST_PA
    if noisy_pa < _NOISY_LEAST_PA:
        noisy_pa = _NOISY_LEAST_PA
    if has_static and wobble[0] > noisy_pa:
        bits |= 1
        if state[P_NOISY_N] < _NOISY_MOST_N:
            state[P_NOISY_N] += 4
    elif state[P_NOISY_N] > 0:
        state[P_NOISY_N] -= 1
    if state[P_NOISY_N] >= _NOISY_N:
        # A calm second in between is one by chance.
        told[0] = _NOISY
        bits |= 1
    # Below what the weather leaves: no leak goes there, a wrong number does.
    if has_static and s < params[P_FLOOR]:
        bits |= 1
        if state[P_FLOOR_N] < _FLOOR_N:
            state[P_FLOOR_N] += 1
        else:
            told[0] = _CONTRADICTS
            if has_both and p < params[P_FLOOR]:
                told[1] = _CONTRADICTS
                bits |= 2 | SCALED
    else:
        state[P_FLOOR_N] = 0
    if has_both and state[P_SEEN]:
        fall_s = s - state[P_LAST]
        fall_p = p - state[P_LAST + 1]
        # Both scaled by one factor, which the head between them tells from a fall of both by one amount.
        us = (state[P_LAST] + params[P_ZERO]) >> 7  # 15b
        up = (state[P_LAST + 1] + params[P_ZERO + 1]) >> 7
        ds = fall_s >> 7  # 15b
        dp = fall_p >> 7
        apart = dp - ds
        off = dp * us - ds * up  # 15b + 15b = 30b
        if apart < 0:
            apart = -apart
        if off < 0:
            off = -off
        if (ds > _SCALE_LEAST or ds < -_SCALE_LEAST) and (dp > _SCALE_LEAST or dp < -_SCALE_LEAST):
            if apart > _SCALE_APART and off < ((apart * us) >> 2) and state[P_SCALED] == 0:
                state[P_SCALED] = 1
                state[P_BEFORE] = us
                state[P_BEFORE + 1] = up
        if state[P_SCALED] == 1:
            us = ((s + params[P_ZERO]) >> 7) - state[P_BEFORE]
            up = ((p + params[P_ZERO + 1]) >> 7) - state[P_BEFORE + 1]
            if us < 0:
                us = -us
            if up < 0:
                up = -up
            if us < state[P_BEFORE] >> 4 and up < state[P_BEFORE + 1] >> 4:
                state[P_SCALED] = 0
        # p_static jumps and the discharge, which stands on it, does not; or the two change places.
        against = 0
        if (fall_s > 0 and fall_p < 0) or (fall_s < 0 and fall_p > 0):
            against = 1
        if fall_s < 0:
            fall_s = -fall_s
        if fall_p < 0:
            fall_p = -fall_p
        off = p - s - (state[P_HEAD] >> 4)
        if state[P_OUT] > 0:
            if off < _JUMP_PA and off > -_JUMP_PA:
                state[P_OUT] = 0
            elif state[P_OUT] < _OUT_N:
                state[P_OUT] += 1
        elif fall_s > _JUMP_PA and fall_p < fall_s >> 2:
            state[P_OUT] = 1
        elif against and fall_s > _PLACES_PA and fall_p > fall_s >> 1 and fall_p < fall_s << 1:
            state[P_OUT] = 1
        elif state[P_SCALED] == 0 and s >= params[P_FLOOR]:
            state[P_HEAD] += off << 2  # 22b + 4b, a mean of four seconds
    elif has_both and state[P_OUT] == 0 and s >= params[P_FLOOR]:
        state[P_HEAD] = (p - s) << 4
    # A fall that no hole of ours makes is believed when the signal is seen to live on.
    # One that keeps jumping is known to live, and its noise raises the thresholds.
    if state[P_ALIVE_N] > 0:
        state[P_ALIVE_N] -= 1
    elif has_static and state[P_HAD] and state[P_LAST] - s > _BIG_PA:
        state[P_WAIT_N] = _ALIVE_N + 1
    if state[P_WAIT_N] > 0:
        state[P_WAIT_N] -= 1
        if state[P_WAIT_N] > 0:
            bits |= 1
        elif state[P_STILL_N] >= _ALIVE_N - 1:
            state[P_STILL_N] = _QUIET_N
            bits |= 1
        else:
            state[P_ALIVE_N] = _KNOWN_N
    if state[P_OUT] > 0:
        bits |= 1
        if state[P_OUT] == _OUT_N:
            told[0] = _CONTRADICTS
    if state[P_SCALED] == 1:
        told[0] = _CONTRADICTS
        told[1] = _CONTRADICTS
        bits |= 3 | SCALED
    # The discharge below the vessel: the two have been exchanged, or one of them is wrong.
    if has_both and s - p > _CROSSED_PA:
        if state[P_CROSSED_N] < _CROSSED_N:
            state[P_CROSSED_N] += 1
        else:
            told[1] = _CONTRADICTS
    else:
        state[P_CROSSED_N] = 0
    state[P_SEEN] = has_both
    state[P_HAD] = has_static
    if has_static:
        state[P_LAST] = s
    if has_both:
        state[P_LAST + 1] = p
    return bits


def believe(bits: int, seen: ptr32, status: ptr8, told: ptr8, used: ptr32, used_status: ptr8) -> int:
    """Copy all six channels, values and statuses, for use; those in bits get a status without a value instead.

    status too, where something was told. Returns told, 4 bits a channel.
    """
    packed = 0
    for i in range(6):
        used[i] = seen[i]
        used_status[i] = status[i]
        packed |= told[i] << (4 * i)
        if bits >> i & 1 and status[i] <= _USABLE_MAX:
            used_status[i] = _STUCK
            if told[i]:
                used_status[i] = told[i]
                status[i] = told[i]
    return packed


# What limits are about, by place in a buffer.
STATIC_PA = const(0)
HIGHEST_PA = const(1)
HIGHEST_MDEGC = const(2)
DIFFERENCE_MDEGC = const(3)
HEAD_PA = const(4)
PUMP_WOBBLE_PA = const(5)
GAIN_UL = const(6)
QUANTITY_N = const(7)


def quantities(seen: ptr32, status: ptr8, wobble_pa: int, out: ptr32) -> int:
    """What the limits are about, but for the gain, from the channels of a second; returns bits of what is known."""
    known = 0
    if status[0] <= _USABLE_MAX:
        out[STATIC_PA] = seen[0]
        out[HIGHEST_PA] = seen[0]
        known = 1 << STATIC_PA | 1 << HIGHEST_PA
    if status[1] <= _USABLE_MAX:
        # The discharge stands above the vessel: with one of them gone the other still guards the loop.
        if known == 0 or seen[1] > seen[0]:
            out[HIGHEST_PA] = seen[1]
        out[PUMP_WOBBLE_PA] = wobble_pa
        if known:
            out[HEAD_PA] = seen[1] - seen[0]
            known |= 1 << HEAD_PA
        known |= 1 << PUMP_WOBBLE_PA | 1 << HIGHEST_PA
    for i in range(2, 5):
        if status[i] <= _USABLE_MAX:
            if known >> HIGHEST_MDEGC & 1 == 0 or seen[i] > out[HIGHEST_MDEGC]:
                out[HIGHEST_MDEGC] = seen[i]
            known |= 1 << HIGHEST_MDEGC
    if status[2] <= _USABLE_MAX and status[3] <= _USABLE_MAX:
        out[DIFFERENCE_MDEGC] = seen[2] - seen[3]
        known |= 1 << DIFFERENCE_MDEGC
    return known


def beyond(rows: ptr8, n: int, bounds: ptr32, value: ptr32, known: int, active: ptr8, conditions: ptr8) -> int:
    """Judge n limits; returns a bit for each whose condition has changed.

    rows: three bytes a limit, its alarm, its quantity, 1 for a limit from above. bounds: trip and clear of each.
    active: by alarm. conditions: 0 false, 1 true, 2 unknown, as in alarms; between trip and clear what was stays.
    """
    changed = 0
    for i in range(n):
        quantity = rows[3 * i + 1]
        condition = 2
        if known >> quantity & 1:
            x = value[quantity]
            trip = bounds[2 * i]
            clear = bounds[2 * i + 1]
            if rows[3 * i + 2] == 0:
                x = -x
                trip = -trip
                clear = -clear
            condition = active[rows[3 * i]]
            if x > trip:
                condition = 1
            elif x < clear:
                condition = 0
        if conditions[i] != condition:
            conditions[i] = condition
            changed |= 1 << i
    return changed
