"""Limits: what is measured against which number, and the classes of a leak.

Judged once a second, from the means of that second. A limit's trip is a setting (config.TABLE); it clears a deadband
further back, and between the two the alarm stays what it is. A quantity without usable sensors is unknown: it raises
nothing and clears nothing. Delays, latching and what follows from an alarm are its row of alarms.TABLE.

judge() and judge_leak() allocate nothing.
"""

from array import array

from . import alarms
from .config import Config
from .fixed import clamp, ema
from .guard import NO_LEAK, RUPTURE, SEEP
from .port import const
from .sample import P_PUMP, P_STATIC, T_DOME, T_RADIATOR, T_SOURCE, Sample, usable

BELOW = const(0)
ABOVE = const(1)

# What is measured.
STATIC_PA = const(0)
HIGHEST_PA = const(1)
HIGHEST_MDEGC = const(2)
DIFFERENCE_MDEGC = const(3)
HEAD_PA = const(4)
PUMP_WOBBLE_PA = const(5)
GAIN_UL = const(6)
QUANTITY_N = const(7)

# (alarm, what is measured, side, setting of the trip, deadband back to the clear in the same unit)
TABLE = (
    (alarms.PRESSURE_LOW, STATIC_PA, BELOW, "pressure_low_pa", 5_000),
    (alarms.PRESSURE_HIGH, HIGHEST_PA, ABOVE, "pressure_high_pa", 10_000),
    (alarms.TEMPERATURE_HIGH, HIGHEST_MDEGC, ABOVE, "temperature_high_mdegc", 3_000),
    (alarms.TEMPERATURE_DIFFERENCE, DIFFERENCE_MDEGC, ABOVE, "temperature_difference_mdegc", 3_000),
    (alarms.PUMP_STOPPED, HEAD_PA, BELOW, "pump_on_pa", 1_000),
    (alarms.PUMP_CAVITATING, PUMP_WOBBLE_PA, ABOVE, "cavitation_pa", 5_000),
    (alarms.INVENTORY_GAIN, GAIN_UL, ABOVE, "gain_ul", 5_000),
)
LIMIT_N = len(TABLE)

# A gain is what the inventory has above its own mean of about a minute: a refill, not a slow drift.
_GAIN_SHIFT = const(6)
_RESIDUAL_MAX_UL = const(1 << 20)


class Limits:
    """Judges the limits of TABLE. value: the latest quantities, in their units; known_bits: which have a value."""

    def __init__(self, config: Config) -> None:
        self.value = array("i", bytes(4 * QUANTITY_N))
        self.known_bits = 0
        self._pump_expected = config.pump_expected != 0
        self._trip = array("i", bytes(4 * LIMIT_N))
        self._clear = array("i", bytes(4 * LIMIT_N))
        self._told = bytearray(LIMIT_N)
        self._level_acc = 0
        self._has_level = False
        for i in range(LIMIT_N):
            _, _, side, setting, deadband = TABLE[i]
            self._told[i] = alarms.UNKNOWN
            self._trip[i] = getattr(config, setting)
            self._clear[i] = self._trip[i] - deadband if side == ABOVE else self._trip[i] + deadband

    def rebaseline(self) -> None:
        """The inventory has a new baseline: what it gained before does not count."""
        self._has_level = False

    def judge(
        self, states: alarms.Alarms, mean: Sample, pump_wobble_pa: int, residual_ul: int, settled: bool, now_ms: int
    ) -> None:
        """Tell the alarms what is beyond its limit in this second.

        pump_wobble_pa: how far p_pump's samples went to and fro. residual_ul has a value while settled.
        """
        self._measure(mean, pump_wobble_pa, residual_ul, settled)
        told = self._told
        for i in range(LIMIT_N):
            alarm, quantity, side, _, _ = TABLE[i]
            value = self.value[quantity]
            if not self.known_bits >> quantity & 1:
                condition = alarms.UNKNOWN
            elif value > self._trip[i] if side == ABOVE else value < self._trip[i]:
                condition = alarms.TRUE
            elif value < self._clear[i] if side == ABOVE else value > self._clear[i]:
                condition = alarms.FALSE
            else:
                condition = alarms.TRUE if states.active(alarm) else alarms.FALSE
            if condition != told[i] or states.pending_n:
                told[i] = condition
                states.update(alarm, condition, value, now_ms)

    def _measure(self, mean: Sample, pump_wobble_pa: int, residual_ul: int, settled: bool) -> None:
        values = mean.values
        status = mean.status
        value = self.value
        has_static = usable(status[P_STATIC])
        has_pump = usable(status[P_PUMP])
        known = 0
        if has_static:
            value[STATIC_PA] = values[P_STATIC]
            known |= 1 << STATIC_PA
        if has_static or has_pump:
            # The discharge stands above the vessel: with one of them gone the other still guards the loop.
            p_pa = values[P_PUMP] if has_pump else values[P_STATIC]
            if has_static and values[P_STATIC] > p_pa:
                p_pa = values[P_STATIC]
            value[HIGHEST_PA] = p_pa
            known |= 1 << HIGHEST_PA
        if has_pump:
            value[PUMP_WOBBLE_PA] = pump_wobble_pa
            known |= 1 << PUMP_WOBBLE_PA
            if has_static:
                value[HEAD_PA] = values[P_PUMP] - values[P_STATIC]
                # A pump that nobody expects to run may stand: the limit is met.
                if not self._pump_expected:
                    value[HEAD_PA] = 1 << 21
                known |= 1 << HEAD_PA
        for channel in range(T_SOURCE, T_DOME + 1):
            if usable(status[channel]):
                if not known >> HIGHEST_MDEGC & 1 or values[channel] > value[HIGHEST_MDEGC]:
                    value[HIGHEST_MDEGC] = values[channel]
                known |= 1 << HIGHEST_MDEGC
        if usable(status[T_SOURCE]) and usable(status[T_RADIATOR]):
            value[DIFFERENCE_MDEGC] = values[T_SOURCE] - values[T_RADIATOR]
            known |= 1 << DIFFERENCE_MDEGC
        if settled:
            residual_ul = clamp(residual_ul, -_RESIDUAL_MAX_UL, _RESIDUAL_MAX_UL)
            # 20b + 8b = 28b
            self._level_acc = ema(self._level_acc, residual_ul, 8, _GAIN_SHIFT) if self._has_level else residual_ul << 8
            self._has_level = True
            value[GAIN_UL] = residual_ul - (self._level_acc >> 8)
            known |= 1 << GAIN_UL
        self.known_bits = known


def judge_leak(states: alarms.Alarms, class_n: int, rate_ul_h: int, now_ms: int) -> None:
    """Tell the alarms which class of leak there is; a rupture is a leak too.

    A class that was left for another one is unknown, not gone: only no leak at all clears it. Of the 40 mL that a loop
    may typically lose before its pump draws gas (config reserve_ul), a rupture (see guard: 30 mL/min and more) leaves
    80 s at most: nobody comes in time, so it drops the interlock in every mode. A seep, below 1 mL/min, leaves 40
    minutes or more: somebody should look for it, and stopping the loop at once would cost more than it saves. What
    lies between is the leak that a person is called for, and that stops the pump if nobody has said otherwise.
    """
    seep = leak = rupture = alarms.UNKNOWN
    if class_n == NO_LEAK:
        seep = leak = rupture = alarms.FALSE
    elif class_n == SEEP:
        seep = alarms.TRUE
    else:
        leak = alarms.TRUE
        if class_n == RUPTURE:
            rupture = alarms.TRUE
    states.update(alarms.LEAK, leak, rate_ul_h, now_ms)
    states.update(alarms.LEAK_RUPTURE, rupture, rate_ul_h, now_ms)
    states.update(alarms.LEAK_SEEP, seep, rate_ul_h, now_ms)


def leak_unknown(states: alarms.Alarms, now_ms: int) -> None:
    """Tell the alarms that nobody can say whether there is a leak."""
    states.update(alarms.LEAK, alarms.UNKNOWN, 0, now_ms)
    states.update(alarms.LEAK_RUPTURE, alarms.UNKNOWN, 0, now_ms)
    states.update(alarms.LEAK_SEEP, alarms.UNKNOWN, 0, now_ms)
