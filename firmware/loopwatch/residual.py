"""How much coolant the loop has gained or lost, µL: the residual of the gas law and the liquid's expansion.

A kernel: plain functions on int32 memory that run as they stand on the board (bytecode or viper), on CPython, and
compiled by numba, with the same result to the bit. Every value stays inside ±2**30 whatever the input, nothing is
allocated, nothing is called. A second is take(), then gas(), then weigh().

    residual = (1 - scale) * (c0 + sum(feature * weight)) - Vg0 * ((P0 / P) * (Tg / Tg0) - 1)

How far the liquid's expansion shows in the gas does not stay what it was at commissioning: less liquid expands less,
softer gas gives a hose and a pressure sensor that warms another share, and the sensor drifts. Over months that is
some percent of millilitres, in step with every warming. `scale` follows it within days, by what still goes up and
down with the modelled liquid; a loss only goes, and is left.

The model is as good as its log: warmer, colder or with the pump off for longer than the log ever was, it guesses, and
what it guesses wrong goes like a leak. How far the loop is beyond its log is the drive DRIVE_BEYOND, held for hours
because the lags remember; it tells the bank's patient members to believe the residual less. Where a loop stays, it is
no longer beyond after a day or two.

Two pressure transducers drift apart by kilopascals in months, as much as tells a standing pump from a running one. What
they show apart while it stands is therefore followed, an hour of standing long, and taken from the head.

The features say how warm the liquid is where it is: each thermometer lagged in several ways, the tank as seen
through the flow of coolant that has gone round (the flow clock), and the pump's pressure, which stretches the
discharge hose. A channel that is not fitted costs its weights, not a branch: its place points to another channel.
Temperatures are 1/512 K from 25 °C, pressures in steps of 2**p_shift Pa, the pump's head in 1/4096 of its reference.
"""

from .port import const, ptr32

# Averages of the thermometers and of the pump's head: role 0 source, 1 radiator, 2 dome, 3 head; time constant
# 2**shift seconds. Their order is that of the state and of the features.
AVERAGES = (
    (0, 0),
    (0, 2),
    (0, 4),
    (0, 6),
    (0, 9),
    (1, 0),
    (1, 2),
    (1, 4),
    (1, 6),
    (2, 0),
    (2, 2),
    (2, 4),
    (2, 6),
    (2, 9),
    (2, 12),
    (3, 0),
    (3, 2),
    (3, 5),
)
AVERAGE_N = const(18)
SOURCE_4 = const(2)
SOURCE_6 = const(3)
SOURCE_9 = const(4)
RADIATOR_0 = const(5)
RADIATOR_4 = const(7)
RADIATOR_6 = const(8)
DOME_0 = const(9)
DOME_4 = const(11)
DOME_6 = const(12)
DOME_9 = const(13)
HEAD_0 = const(15)
HEAD_2 = const(16)
HEAD_5 = const(17)

# Observers of the tank: time constants 2**2 to 2**8 seconds of full flow.
TANK_N = const(7)
TANK_FIRST_SHIFT = const(2)
FEATURE_N = const(25)

# State: features' averages first, each the value times 2**13.
STARTED = const(25)
FLOW_ACC = const(26)
DOME_BEFORE_ACC = const(27)
GAS_ACC = const(28)
P_BEFORE = const(29)
GAIN_UL = const(30)
OFF = const(31)
ROLES = const(32)  # four values of this second, times 2**13 as well
LIQUID_MEAN_ACC = const(36)
RESIDUAL_MEAN_ACC = const(37)
SCALE_ACC = const(38)  # scale times 2**29; worth keeping over a restart, for it takes days to be found
GAIN_PART_Q8 = const(39)  # what GAIN_UL lacks, 1/256 µL
LIQUID_REST = const(40)  # of the two means, what a second has not yet moved them by
RESIDUAL_REST = const(41)
OFF_S = const(42)  # seconds since the pump stopped
BEYOND_ACC = const(43)  # peak hold of how far beyond the log the loop is, times 2**13
REACH_LOW_ACC = const(44)  # per role the least warmth that counts as met, times 2**13
REACH_HIGH_ACC = const(47)  # and the most
HEAD_ZERO_ACC = const(50)  # what the two pressures show apart while the pump stands, Pa times 2**12; worth keeping too
STATE_N = const(51)
SCALE_MAX_ACC = const((1 << 28) - 4096)
HEAD_ZERO_MAX_PA = const(16_383)
HEAD_ZERO_MAX_ACC = const(16_383 << 12)

# Parameters.
P_PUMP_CHANNEL = const(0)
ROLE_CHANNELS = const(1)  # source, radiator, dome
P_SHIFT = const(4)
P0 = const(5)
P_LEAST = const(6)
GAS = const(7)  # gas volume at the baseline, below 2**15, in 2**GAS_SHIFT µL
GAS_SHIFT = const(8)
GAS_FOLLOW_Q8 = const(9)  # 256 / time constant of the gas in s
ADIABATIC_ACC = const(10)  # K/512 * 2**13 per pressure step
GAS_T0 = const(11)
INVERSE_T0 = const(12)  # 2**30 / (512 * T0 in K)
CURVE_Q11 = const(13)  # curve of the coolant's expansion, 1/K, times 2**16
HEAD_BIAS_PA = const(14)
HEAD_GAIN = const(15)
HEAD_SHIFT = const(16)
OFF_BELOW = const(17)
STANDING_FLOW_Q8 = const(18)
DOME_GAIN_Q8 = const(19)
SUM_SHIFT = const(20)
C0_SUM = const(21)
SHIFTS = const(22)
ROLES_OF = const(40)
WEIGHTS = const(58)
SWING_GAIN = const(83)  # 64 * 2**SWING_SHIFT / rms of what the modelled liquid does within hours, µL; 0 keeps scale
SWING_SHIFT = const(84)
REACH_LOW = const(85)  # the log's least warmth per role, averaged over 2**6 s
REACH_HIGH = const(88)  # and its most
REACH_GAIN = const(91)  # DRIVE_BEYOND per K/512 beyond them, times 2**8
REACH_OFF_S = const(92)  # the log's longest stop of the pump
REACH_OFF_GAIN = const(93)  # DRIVE_BEYOND per 16 s beyond it, times 2**8
PARAM_N = const(94)

# Output: the residual and what moves in the loop, times 2**17, for the bank to scale its evidence by.
RESIDUAL_UL = const(0)
DRIVE_HEAD = const(1)
DRIVE_SOURCE_FAST = const(2)
DRIVE_RADIATOR = const(3)
DRIVE_SOURCE_SLOW = const(4)
DRIVE_DOME = const(5)
DRIVE_OFF = const(6)
RESIDUAL_PART_Q8 = const(7)  # what RESIDUAL_UL lacks, 1/256 µL
DRIVE_BEYOND = const(8)  # in 1/4096; the bank divides evidence by (1 + it)**2
OUT_N = const(9)

DRIVE_MAX = const(4095)
DRIVE_SHIFT = const(17)
_DRIVE_MAX_ACC = const(4095 << 13)
BEYOND_MAX = const(7_489)  # by eight
_BEYOND_K_MAX = const(65_535)  # 16 K
_BEYOND_SHIFT = const(13)  # it fades in 2.3 hours
_MET_SHIFT = const(16)  # after 18 hours beyond, a third of it is left
_OFF_MAX_S = const((1 << 17) - 1)
_COASTED_S = const(120)  # after this the pump stands and the hoses have relaxed
_ZERO_SHIFT = const(12)  # an hour of standing
_FEATURE_MAX_ACC = const(65_535 << 13)
_CURVED_MAX = const((1 << 28) - 1)  # of K/512 times 2**12
_RESIDUAL_MAX_UL = const(1 << 20)
_LIQUID_MAX_UL = const((1 << 20) - 1)
_HOURS_SHIFT = const(14)  # means over 4.5 h part what swings from what goes
_HOURS_REST = const((1 << 14) - 1)
_DAYS_SHIFT = const(11)  # of a product of 9 and 12 fractional bits: scale settles in 2**19 s, six days


def take(state: ptr32, params: ptr32, x: ptr32) -> int:
    """Take a second's channels; returns 1 while the pump stands.

    x: in the order and units of sample.CHANNELS, magnitudes up to 2**28.
    """
    for role in range(3):
        t = x[params[ROLE_CHANNELS + role]] - 25_000
        if t > 125_000:
            t = 125_000
        if t < -125_000:
            t = -125_000
        acc = t * 4194  # 17b + 13b = 29b: K/512 times 2**13
        half = acc >> 14  # 15b: its square with what is below it is inside 2**30
        curved = half * half + ((half * ((acc >> 7) & 127)) >> 6)
        # 1.024e9 / 2**11 * 2047 is inside 2**30, and what is below it adds 11b.
        curved = (curved >> 11) * params[CURVE_Q11] + (((curved & 2047) * params[CURVE_Q11]) >> 11)
        if curved > _CURVED_MAX:
            curved = _CURVED_MAX
        acc = acc + (curved << 1)  # 29b + 29b
        if acc > _FEATURE_MAX_ACC:
            acc = _FEATURE_MAX_ACC
        if acc < -_FEATURE_MAX_ACC:
            acc = -_FEATURE_MAX_ACC
        state[ROLES + role] = acc

    apart = x[params[P_PUMP_CHANNEL]] - x[0] + params[HEAD_BIAS_PA]
    head = apart - (state[HEAD_ZERO_ACC] >> _ZERO_SHIFT)
    if head > 262_143:
        head = 262_143
    if head < 0:
        head = 0
    head = head * params[HEAD_GAIN]  # 18b + 11b = 29b
    shift = params[HEAD_SHIFT]
    acc = head >> shift
    if acc > 16_383:
        acc = 16_383
    # And six bits of what is left: 24b + 6b = 30b. The noisiest step of all moved the evidence by a permille.
    state[ROLES + 3] = (acc << 13) + ((((head & ((1 << shift) - 1)) << 6) >> shift) << 7)

    if state[STARTED] == 0:
        state[STARTED] = 1
        for i in range(AVERAGE_N):
            state[i] = state[ROLES + params[ROLES_OF + i]]
        for i in range(AVERAGE_N, FEATURE_N):
            state[i] = state[RADIATOR_0]
        for role in range(3):
            state[REACH_LOW_ACC + role] = params[REACH_LOW + role] << 13
            state[REACH_HIGH_ACC + role] = params[REACH_HIGH + role] << 13
        state[DOME_BEFORE_ACC] = state[DOME_4]
        state[FLOW_ACC] = 0
        state[GAS_ACC] = (1 << 29) - 1  # gas() begins
    # A loop for each role: the compiler keeps its value in a register.
    x_acc = state[ROLES]  # 29b; differences of two such are inside 30b
    for i in range(RADIATOR_0):
        acc = state[i]
        state[i] = acc + ((x_acc - acc) >> params[SHIFTS + i])
    x_acc = state[ROLES + 1]
    for i in range(RADIATOR_0, DOME_0):
        acc = state[i]
        state[i] = acc + ((x_acc - acc) >> params[SHIFTS + i])
    x_acc = state[ROLES + 2]
    for i in range(DOME_0, HEAD_0):
        acc = state[i]
        state[i] = acc + ((x_acc - acc) >> params[SHIFTS + i])
    x_acc = state[ROLES + 3]
    for i in range(HEAD_0, AVERAGE_N):
        acc = state[i]
        state[i] = acc + ((x_acc - acc) >> params[SHIFTS + i])

    # The flow clock: a unit of flow moves the tank's observers; while the pump stands they go with the dome.
    head = state[HEAD_2] >> 13
    flow = params[STANDING_FLOW_Q8]
    off = 1
    # 22b + 9b less the lag's 4b. What is cut here counts the next second: a stop adds it all up.
    moved = (state[DOME_4] - state[DOME_BEFORE_ACC]) >> 8
    state[DOME_BEFORE_ACC] = state[DOME_BEFORE_ACC] + (moved << 8)
    moved = moved * params[DOME_GAIN_Q8]
    if head >= params[OFF_BELOW]:
        off = 0
        moved = 0
        flow = 0
        bit = 512
        square = head << 4  # 18b: the root of head / 4096 in Q8
        while bit > 0:
            if (flow + bit) * (flow + bit) <= square:
                flow = flow + bit
            bit = bit >> 1
    elif state[OFF_S] > _COASTED_S:
        # A quarter of the pump's head at most: whatever a broken sensor has made of it, one that runs is seen to run.
        most = HEAD_ZERO_MAX_PA
        if shift < 20:  # 10b + 19b
            most = (1024 << shift) // params[HEAD_GAIN]
        if most > HEAD_ZERO_MAX_PA:
            most = HEAD_ZERO_MAX_PA
        if apart > most:
            apart = most
        if apart < -most:
            apart = -most
        acc = state[HEAD_ZERO_ACC]
        state[HEAD_ZERO_ACC] = acc + apart - (acc >> _ZERO_SHIFT)  # 26b + 14b + 14b
    state[OFF] = off
    flow = flow + state[FLOW_ACC]
    state[FLOW_ACC] = flow & 255
    radiator_acc = state[RADIATOR_0]
    while flow > 255:
        flow = flow - 256
        for i in range(TANK_N):
            acc = state[AVERAGE_N + i]
            state[AVERAGE_N + i] = acc + ((radiator_acc - acc) >> (TANK_FIRST_SHIFT + i))
    if moved != 0:
        for i in range(TANK_N):
            acc = state[AVERAGE_N + i] + moved  # 29b + 28b
            if acc > 536_870_911:
                acc = 536_870_911
            if acc < -536_870_911:
                acc = -536_870_911
            state[AVERAGE_N + i] = acc
    return off


def gas(state: ptr32, params: ptr32, x: ptr32) -> int:
    """Follow the gas; returns how much it has grown since the baseline, µL.

    With dT = 0.4/1.4 T dP/P + (Twall - T) dt / (1.4 tau), the ideal gas with heat from the wall, what the gas warms
    by being pressed is followed by the pressure itself.
    """
    p = x[0] >> params[P_SHIFT]
    if p > 524_287:
        p = 524_287
    if p < params[P_LEAST]:
        p = params[P_LEAST]
    # The dome as the thermometer has it: the coolant's curve is not the gas's.
    t = x[params[ROLE_CHANNELS + 2]] - 25_000
    if t > 125_000:
        t = 125_000
    if t < -125_000:
        t = -125_000
    wall_acc = t * 4194  # 17b + 13b = 29b
    acc = state[GAS_ACC]
    if acc == (1 << 29) - 1:
        acc = wall_acc
        state[P_BEFORE] = p
    pressed = p - state[P_BEFORE]
    if pressed > 32_767:
        pressed = 32_767
    if pressed < -32_767:
        pressed = -32_767
    state[P_BEFORE] = p
    # P0 / P - 1 in Q21 by steps of ten and eleven bits; P_LEAST keeps it below 3.
    rest = (params[P0] - p) << 10  # 19b + 10b = 29b, and 19b + 11b for what is left of it
    by_p = rest // p
    rest = rest - by_p * p
    by_p = (by_p << 11) + (rest << 11) // p
    acc = acc + ((wall_acc - acc) >> 8) * params[GAS_FOLLOW_Q8]  # 22b + 8b = 30b
    if acc > 500_000_000:
        acc = 500_000_000
    if acc < -500_000_000:
        acc = -500_000_000
    pressed = pressed * (4096 + (by_p >> 9))  # 15b + 14b
    rest = pressed & 4095
    pressed = pressed >> 12
    if pressed > 32_767:
        pressed = 32_767
    if pressed < -32_767:
        pressed = -32_767
    # 5e8 + (15b + 14b) is inside 2**30. Fractions of a step count: floored, the gas would seem 50 mK cooler at one
    # pressure than another.
    acc = acc + pressed * params[ADIABATIC_ACC] + ((rest * params[ADIABATIC_ACC]) >> 12)
    if acc > 500_000_000:
        acc = 500_000_000
    if acc < -500_000_000:
        acc = -500_000_000
    state[GAS_ACC] = acc

    # 17b + 13b = 30b and 13b + 14b; Q22.
    by_t = ((acc >> 13) - params[GAS_T0]) * params[INVERSE_T0]
    by_t = (by_t + (((acc & 8191) * params[INVERSE_T0]) >> 13)) >> 8
    # by_p * by_t from 18b and 3 * 2**10, and 16b + 11b.
    grown = (by_p << 1) + by_t + (((by_t >> 4) * (by_p >> 11)) >> 6) + (((by_t >> 6) * (by_p & 2047)) >> 15)
    if grown > 16_777_215:
        grown = 16_777_215
    if grown < -4_194_304:
        grown = -4_194_304
    shift = params[GAS_SHIFT]
    volume = params[GAS]
    # 15b + 12b = 27b both.
    gain = volume * (grown >> 12) + ((volume * (grown & 4095)) >> 12)
    shift = 10 - shift
    gain_ul = gain >> shift
    state[GAIN_UL] = gain_ul
    state[GAIN_PART_Q8] = ((gain & ((1 << shift) - 1)) << 8) >> shift
    return gain_ul


def weigh(state: ptr32, params: ptr32, out: ptr32) -> int:
    """Set out from this second's state; returns the residual, µL, negative is lost.

    The weights' magnitudes times 2**16, with |c0|, sum below 2**30: commissioning sees to it.
    """
    total = params[C0_SUM]
    parts = 0
    for i in range(FEATURE_N):
        acc = state[i]
        weight = params[WEIGHTS + i]
        total = total + (acc >> 13) * weight
        parts = parts + ((acc >> 5) & 255) * weight  # 8b + 14b, all of them
    total = total + (parts >> 8)
    shift = params[SUM_SHIFT]
    liquid_ul = total >> shift
    part_q8 = ((total & ((1 << shift) - 1)) << 8) >> shift  # 22b + 8b = 30b
    if liquid_ul > _LIQUID_MAX_UL:
        liquid_ul = _LIQUID_MAX_UL
    if liquid_ul < -_LIQUID_MAX_UL:
        liquid_ul = -_LIQUID_MAX_UL
    scale_acc = state[SCALE_ACC]
    scale_q17 = scale_acc >> 12
    # 14b + 16b, and the six bits below: 63 * 65535 / 64 more is inside 2**30.
    scaled_q8 = ((liquid_ul >> 6) * scale_q17 + (((liquid_ul & 63) * scale_q17) >> 6)) >> 3
    # 27b + 8b would be too much: microlitres and their parts apart.
    residual_q8 = part_q8 - (scaled_q8 & 255) - state[GAIN_PART_Q8]
    residual_ul = liquid_ul - (scaled_q8 >> 8) - state[GAIN_UL] + (residual_q8 >> 8)
    if residual_ul > _RESIDUAL_MAX_UL:
        residual_ul = _RESIDUAL_MAX_UL
    if residual_ul < -_RESIDUAL_MAX_UL:
        residual_ul = -_RESIDUAL_MAX_UL
    out[RESIDUAL_UL] = residual_ul
    out[RESIDUAL_PART_Q8] = residual_q8 & 255

    # Normalised least mean squares, both clipped so that neither a burst nor a heat wave moves the scale by much.
    if state[STARTED] == 1:
        state[STARTED] = 2
        state[LIQUID_MEAN_ACC] = liquid_ul << 8
        state[RESIDUAL_MEAN_ACC] = residual_ul << 8
    acc = state[LIQUID_MEAN_ACC]
    rest = state[LIQUID_REST] + (liquid_ul << 8) - acc  # 29b; without what is left over it would trail by 32 µL
    acc = acc + (rest >> _HOURS_SHIFT)
    state[LIQUID_MEAN_ACC] = acc
    state[LIQUID_REST] = rest & _HOURS_REST
    swing = liquid_ul - (acc >> 8)
    acc = state[RESIDUAL_MEAN_ACC]
    rest = state[RESIDUAL_REST] + (residual_ul << 8) - acc
    acc = acc + (rest >> _HOURS_SHIFT)
    state[RESIDUAL_MEAN_ACC] = acc
    state[RESIDUAL_REST] = rest & _HOURS_REST
    left = residual_ul - (acc >> 8)
    if swing > 524_287:
        swing = 524_287
    if swing < -524_287:
        swing = -524_287
    swing = (swing * params[SWING_GAIN]) >> (params[SWING_SHIFT] - 3)  # 19b + 10b; Q9 of the rms
    if swing > 2048:
        swing = 2048
    if swing < -2048:
        swing = -2048
    if left > 262_143:
        left = 262_143
    if left < -262_143:
        left = -262_143
    shift = params[SWING_SHIFT] - 6
    left = (left * params[SWING_GAIN] + ((1 << shift) >> 1)) >> shift  # Q12; floored it would follow each swing
    if left > 1024:
        left = 1024
    if left < -1024:
        left = -1024
    scale_acc = scale_acc + ((swing * left + 1024) >> _DAYS_SHIFT)
    if scale_acc > SCALE_MAX_ACC:
        scale_acc = SCALE_MAX_ACC
    if scale_acc < -SCALE_MAX_ACC:
        scale_acc = -SCALE_MAX_ACC
    state[SCALE_ACC] = scale_acc

    out[DRIVE_HEAD] = state[HEAD_2] - state[HEAD_5]
    out[DRIVE_SOURCE_FAST] = state[SOURCE_4] - state[SOURCE_6]
    out[DRIVE_RADIATOR] = state[RADIATOR_4] - state[RADIATOR_6]
    out[DRIVE_SOURCE_SLOW] = state[SOURCE_4] - state[SOURCE_9]
    out[DRIVE_DOME] = state[DOME_4] - state[DOME_9]
    out[DRIVE_OFF] = state[OFF] * _DRIVE_MAX_ACC
    for i in range(DRIVE_HEAD, RESIDUAL_PART_Q8):
        drive = out[i]
        if drive < 0:
            drive = -drive
        if drive > _DRIVE_MAX_ACC:
            drive = _DRIVE_MAX_ACC
        out[i] = drive << 4  # 25b + 4b

    # What the log has met, and slowly what is met since: a season is no event.
    beyond = 0
    for role in range(3):
        acc = state[SOURCE_6]
        if role == 1:
            acc = state[RADIATOR_6]
        if role == 2:
            acc = state[DOME_6]
        over = acc - state[REACH_HIGH_ACC + role]  # 29b + 29b
        if over > 0:
            state[REACH_HIGH_ACC + role] = state[REACH_HIGH_ACC + role] + (over >> _MET_SHIFT)
        if over > beyond:
            beyond = over
        over = state[REACH_LOW_ACC + role] - acc
        if over > 0:
            state[REACH_LOW_ACC + role] = state[REACH_LOW_ACC + role] - (over >> _MET_SHIFT)
        if over > beyond:
            beyond = over
    beyond = beyond >> 10
    if beyond > _BEYOND_K_MAX:
        beyond = _BEYOND_K_MAX
    beyond = (beyond * params[REACH_GAIN]) >> 11  # 16b + 14b, from eighths of K/512
    off_s = (state[OFF_S] + 1) * state[OFF]
    if off_s > _OFF_MAX_S:
        off_s = _OFF_MAX_S
    state[OFF_S] = off_s
    off_s = (((off_s - params[REACH_OFF_S]) >> 1) * params[REACH_OFF_GAIN]) >> 11  # 16b + 14b
    if off_s > beyond:
        beyond = off_s
    if beyond > BEYOND_MAX:
        beyond = BEYOND_MAX
    acc = state[BEYOND_ACC]
    acc = acc - (acc >> _BEYOND_SHIFT)
    if acc < beyond << 13:
        acc = beyond << 13  # 13b + 13b
    state[BEYOND_ACC] = acc
    out[DRIVE_BEYOND] = (acc + 4096) >> 13
    return residual_ul
