"""Limits: what is measured against which number, and the classes of a leak.

Judged once a second, from the means of that second. A limit's trip is a setting (config.TABLE); it clears a deadband
further back, and between the two the alarm stays what it is. A quantity without usable sensors is unknown: it raises
nothing and clears nothing. Delays, latching and what follows from an alarm are its row of alarms.TABLE.

judge() and judge_leak() allocate nothing.
"""

from array import array

from . import alarms, plausible
from .config import Config
from .fixed import clamp, ema
from .guard import NO_LEAK, RUPTURE, SEEP
from .plausible import (
    DIFFERENCE_MDEGC,
    GAIN_UL,
    HEAD_PA,
    HIGHEST_MDEGC,
    HIGHEST_PA,
    PUMP_WOBBLE_PA,
    QUANTITY_N,
    STATIC_PA,
)
from .port import const
from .sample import Sample

BELOW = const(0)
ABOVE = const(1)

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
_PUMP_MAY_STAND_PA = const(1 << 21)  # the head of a pump that nobody expects to run: its limit is met


class Limits:
    """Judges the limits of TABLE. value: the latest quantities, in their units; known_bits: which have a value."""

    def __init__(self, config: Config) -> None:
        self.value = array("i", bytes(4 * QUANTITY_N))
        self.known_bits = 0
        self._pump_expected = config.pump_expected != 0
        self._rows = bytearray(3 * LIMIT_N)
        self._bounds = array("i", bytes(4 * 2 * LIMIT_N))
        self._conditions = bytearray(LIMIT_N)
        self._level_acc = 0
        self._has_level = False
        for i in range(LIMIT_N):
            alarm, quantity, side, setting, deadband = TABLE[i]
            self._rows[3 * i] = alarm
            self._rows[3 * i + 1] = quantity
            self._rows[3 * i + 2] = side
            trip = getattr(config, setting)
            self._bounds[2 * i] = trip
            self._bounds[2 * i + 1] = trip - deadband if side == ABOVE else trip + deadband
            self._conditions[i] = alarms.UNKNOWN

    def rebaseline(self) -> None:
        """The inventory has a new baseline: what it gained before does not count."""
        self._has_level = False

    def judge(
        self, states: alarms.Alarms, mean: Sample, pump_wobble_pa: int, residual_ul: int, settled: bool, now_ms: int
    ) -> None:
        """Tell the alarms what is beyond its limit in this second.

        pump_wobble_pa: how far p_pump's samples went to and fro. residual_ul has a value while settled.
        """
        value = self.value
        known = plausible.quantities(mean.values, mean.status, pump_wobble_pa, value)
        if not self._pump_expected:
            value[HEAD_PA] = _PUMP_MAY_STAND_PA
        if settled:
            residual_ul = clamp(residual_ul, -_RESIDUAL_MAX_UL, _RESIDUAL_MAX_UL)
            # 20b + 8b = 28b
            self._level_acc = ema(self._level_acc, residual_ul, 8, _GAIN_SHIFT) if self._has_level else residual_ul << 8
            self._has_level = True
            value[GAIN_UL] = residual_ul - (self._level_acc >> 8)
            known |= 1 << GAIN_UL
        self.known_bits = known
        conditions = self._conditions
        changed = plausible.beyond(self._rows, LIMIT_N, self._bounds, value, known, states.active_flags, conditions)
        if changed or states.pending_n:
            for i in range(LIMIT_N):
                row = TABLE[i]
                states.update(row[0], conditions[i], value[row[1]], now_ms)


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
