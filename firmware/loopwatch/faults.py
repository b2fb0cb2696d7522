"""Faults are not leaks: what is believed of a second's readings, and what is told of them.

A leak makes both pressures fall by the same amount, no lower than the weather, and temperatures do nothing. So:

    fault                      what is seen                                told as            still guarded
    wire open or to ground     signal below 4 % of the rail (scaling)      open               what it does not measure
    wire to the supply         above 96 % (scaling)                        short              the same
    transducer at its stop     4-10 %, 90-96 % (scaling)                   spec_low, _high    everything
    chip off the bus           no acknowledge (sampler)                    no_answer          other chips
    bus held low               no chip answers; the clock is pulsed        no_answer, blind   nothing, until freed
    conversion never ready     time is up (sampler)                        timeout            other chips
    thermometer lost power     -256 °C refused, started anew (sampler)     timeout            the rest; its last value
    pressure stuck             its raw value does not move; after 8 s      stuck              the other pressure's limit
                               nothing is concluded from it
    thermometer stuck          no step for 10 min, others move by 5 K      stuck              the rest; its last value
    probe out of its pocket    faster than the place can be                moved              the rest; its last value
    one pressure jumps         the other does not follow                   contradicts        the other one's limit
    below the weather          absolute pressure no leak can reach         contradicts        nothing: blind
    p_static, p_pump swapped   the discharge is below the vessel           contradicts        everything
    source, radiator swapped   the source is the colder one for 2 min      contradicts        everything
    interference               to and fro in a second so far that a        noisy              nothing: blind
                               rupture could empty the reserve untold
    rail sags or rises         outside 4.4-5.6 V, and outside 4.0-6.0 V    common mode        all, by the ratio; then
                               pressures have no reference (scaling)                          nothing: blind
    gain of the converter      rail and pressures scale together           common mode        the same
    gain, rail not measured    both pressures scale by one factor, where   common mode,       nothing: blind
                               a leak takes one amount from both           contradicts
    data path reads zero       both pressures below the weather at once    common mode,       nothing: blind
                                                                           contradicts
    any big fall               20 kPa in a second is believed when the     -                  the leak, 3 s later
                               signal has been alive for 3 s after it

What is not believed reaches neither inventory nor detector: their evidence stays as it was, and counts on when the
channel is back. A pressure that drifts slowly by itself is not told from a leak. Nothing is allocated after __init__.
"""

from array import array

from . import plausible
from .config import Config
from .port import const
from .sample import (
    ABSENT,
    CHANNEL_N,
    GOOD,
    NO_ANSWER,
    OPEN,
    P_PUMP,
    P_STATIC,
    RAIL,
    SHORT,
    SPEC_HIGH,
    SPEC_LOW,
    T_DOME,
    T_SOURCE,
    Sample,
)

# By what a place can cool, m°C in a second: the source's coolant follows a heater of grams, the radiator's what flows
# in, the dome's wall the room and the tank. Heat may come four times as fast.
_RATE_MDEGC_S = (1_000, 700, 150)
# A pump that starts pushes what has grown hot in the source through both; 2.7 K/s were seen (loops of evaluate.family).
_FLOW_N = const(60)
_FLOW_FACTOR = const(4)

_RAIL_LEAST_MV = const(4_400)  # the USB host's least, less a cable and a fuse
_RAIL_MOST_MV = const(5_600)

_NOISE_1_S = const(1)  # estimate.NOISES_UL: what a loop's residual changes by in a second
_NOISE_MAX_UL = const((1 << 14) - 1)
_NOISY_MAX_Q6 = const((1 << 19) - 1)


class Faults:
    """Judges the means of each second.

    mean: what inventory and limits may use: a copy without what is not believed. told: a code of sample.STATUS_NAMES
    per channel that a person must know of, 0 for none. told_bits: the same, 4 bits each. common_mode: what all analog
    channels share has moved. degraded: a fitted thermometer is not to be used, so the residual is worse than what was
    commissioned. doubtful: p_static has a value that is not believed.
    """

    def __init__(self, config: Config) -> None:
        self.mean = Sample()
        self.told = bytearray(CHANNEL_N)
        self.told_bits = 0
        self.common_mode = False
        self.degraded = False
        self.doubtful = False
        self._config = config
        self._rail_fitted = config.fitted(RAIL)
        self._fitted_bits = config.fitted_bits
        self._thermal = array("i", bytes(4 * plausible.T_STATE_N))
        self._thermal_params = array("i", _RATE_MDEGC_S)
        self._flows: bool | None = None
        self._flow_n = 0
        self._pressed = array("i", bytes(4 * plausible.P_STATE_N))
        self._pressed_params = array("i", bytes(4 * plausible.P_PARAM_N))
        self._pressed_params[plausible.P_FLOOR] = config.leak_floor_pa
        self._pressed_params[plausible.P_STUCK_N] = config.stuck_s
        self._pressed_params[plausible.P_ZERO] = config.p_static_span_pa >> 3
        self._pressed_params[plausible.P_ZERO + 1] = config.p_pump_span_pa >> 3
        self._pressed_params[plausible.P_NOISY_Q6] = _noisy_q6(config)

    def rebaseline(self) -> None:
        """A person has seen to the loop: every channel is believed again as it reads."""
        for state in (self._thermal, self._pressed):
            for i in range(len(state)):
                state[i] = 0

    def judge(self, mean: Sample, pair_raw, wobble_pa) -> None:
        """Take a second's means, the latest sums of conversions and how far the two pressures went to and fro.

        mean's status becomes what is told of a channel that is not believed.
        """
        used = self.mean
        told = self.told
        status = mean.status
        values = mean.values
        used.seq = mean.seq
        used.t_ms = mean.t_ms
        bits = plausible.pressures(self._pressed, self._pressed_params, values, status, pair_raw, wobble_pa, told)
        flows = status[P_STATIC] <= SPEC_HIGH and status[P_PUMP] <= SPEC_HIGH
        flows = flows and values[P_PUMP] - values[P_STATIC] > self._config.pump_on_pa
        self._follow_flow(flows)
        bits |= plausible.thermometers(self._thermal, self._thermal_params, values, status, told)
        plausible.crossed(self._thermal, values, status, told, 1 if flows else 0)
        self._judge_rail(mean, bits & plausible.SCALED != 0)
        self.doubtful = bits & 1 << P_STATIC != 0
        self.told_bits = plausible.believe(bits, values, status, told, used.values, used.status)
        self.degraded = False
        for channel in range(T_SOURCE, T_DOME + 1):
            if used.status[channel] > SPEC_HIGH and self._fitted_bits >> channel & 1:
                self.degraded = True

    def _follow_flow(self, flows: bool) -> None:
        """For a minute after the coolant has begun or ceased to flow, source and radiator may cool faster."""
        if flows != self._flows:
            # What flowed already when the board started has nothing hot standing anywhere.
            self._flow_n = 0 if self._flows is None else _FLOW_N
            self._flows = flows
        elif self._flow_n:
            self._flow_n -= 1
        factor = _FLOW_FACTOR if self._flow_n else 1
        self._thermal_params[0] = _RATE_MDEGC_S[0] * factor
        self._thermal_params[1] = _RATE_MDEGC_S[1] * factor

    def _judge_rail(self, mean: Sample, scaled: bool) -> None:
        self.common_mode = scaled
        if not self._rail_fitted:
            return
        status = mean.status[RAIL]
        if status == GOOD:
            rail_mv = mean.values[RAIL]
            self.common_mode = scaled or rail_mv < _RAIL_LEAST_MV or rail_mv > _RAIL_MOST_MV
        elif status == SPEC_LOW or status == SPEC_HIGH or status == OPEN or status == SHORT:
            self.common_mode = True


def _noisy_q6(config: Config) -> int:
    """How far p_static may go to and fro, for plausible.P_NOISY_Q6, so that a rupture is told before the pump runs dry.

    The wide limits ask for 22 noises (detector.NOISE_FACTOR), of which a second goes 21 to and fro (guard). Three
    quarters of the reserve: a tenth of a rupture's 30 mL/min is their medium member's allowance, and the rest goes in
    the seconds that it lags. Noise by which a commissioned bank still judges (plausible.ROUGH_RATIO) hides nothing.
    """
    most_ul = config.reserve_ul * 63 // 88  # 21b + 6b = 27b
    if len(config.estimate):
        most_ul = max(most_ul, plausible.ROUGH_RATIO * min(config.estimate[_NOISE_1_S], _NOISE_MAX_UL))  # 5b + 14b
    return min((most_ul << 6) // max(1, config.gas_ul >> 10), _NOISY_MAX_Q6)  # 21b + 6b = 27b


def bus_is_dead(sample: Sample) -> bool:
    """Whether no fitted channel's chip answers: the bus itself is held, and not a chip lost."""
    fitted = False
    for channel in range(CHANNEL_N):
        status = sample.status[channel]
        if status != ABSENT:
            fitted = True
            if status != NO_ANSWER:
                return False
    return fitted
