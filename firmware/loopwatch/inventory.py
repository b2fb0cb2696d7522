"""How much coolant is in the loop, from the pressure of the gas it leaves room for.

The loop is sealed, so gas and liquid share one volume: what the gas gains the liquid has lost. The
gas follows the ideal gas law with the dome's temperature; what the liquid loses by cooling is
taken out with its expansion. The residual is what remains, in microlitres against the
baseline: zero while nothing leaks, falling when coolant is lost.

Integers within 2**30; step() allocates nothing. Pressures are in 1/32 mbar (3.125 Pa), temperatures in
1/128 degC from 25 degC.

    Vg = Vg0 * (P0 / P) * (Tg / Tg0)      ideal gas, product form
    residual = -(Vg - Vg0) - beta * VL * (T - T0)
"""

from .config import Config
from .fixed import clamp, ema, quotient_q20
from .port import const
from .sample import P_PUMP, P_STATIC, T_DOME, T_RADIATOR, T_SOURCE, Sample, usable

SETTLE_N = const(16)  # seconds of usable samples averaged into the baseline

_P32_MAX = const((1 << 20) - 1)
_P32_MIN = const(1 << 11)  # 64 mbar absolute: below any loop that holds coolant
_T128_MAX = const(19_200)  # 150 K from the reference
_WARMING_T128_MAX = const(12_800)  # 100 K from the baseline
_ABSOLUTE_25C_T128 = const(38_163)  # 298.15 K in 1/128 K
_GAS_LAG_SHIFT = const(5)  # the gas follows the dome's wall in about 40 s
_TANK_LAG_SHIFT = const(6)  # tank and lines follow the radiator in about a minute of flow

# Weights of the liquid's temperature in 1/128: 15 % of it sits in the heat source.
_SOURCE_WEIGHT = const(19)
_TANK_WEIGHT = const(109)

NO_INPUT = const(0)
SETTLING = const(1)
VALID = const(2)


class Inventory:
    """The residual of one loop, a second at a time.

    residual_ul: against the baseline, negative is lost; meaningful when step() returned VALID.
    pump_on: whether p_pump says that the pump runs; True when p_pump is not usable.
    """

    def __init__(self, config: Config) -> None:
        self.residual_ul = 0
        self.pump_on = True
        self._config = config
        # Gas volume as a 15-bit number and a shift, so that products stay inside 2**30.
        shift = 0
        while config.gas_ul >> shift >= 1 << 15:
            shift += 1
        self._gas = config.gas_ul >> shift
        self._gas_shift = shift
        self._liquid_ul_k = config.liquid_ul // 1000 * config.expansion_ppm_k // 1000  # 15b + 11b = 26b
        self.rebaseline()

    def rebaseline(self) -> None:
        """Forget the baseline: the next SETTLE_N usable seconds make a new one."""
        self._settled_n = 0
        self._p0_acc = 0
        self._p0 = 0
        self._gas_acc = 0
        self._tank_acc = 0
        self._gas0 = 0
        self._liquid0 = 0
        self._source = 0
        self._has_gas = False
        self._has_tank = False
        self._gone_bits = 0
        self.residual_ul = 0

    def step(self, mean: Sample) -> int:
        """Take one second's mean; returns NO_INPUT, SETTLING or VALID.

        A temperature without a value holds its last one, and when it has one again the baseline moves by what it has
        changed: neither is coolant. Without p_static there is no residual.
        """
        self._take_pump(mean)
        self._take_temperatures(mean)
        if not usable(mean.status[P_STATIC]):
            return NO_INPUT
        # 21b * 8 = 24b
        p = clamp(mean.values[P_STATIC] * 8 // 25, _P32_MIN, _P32_MAX)
        gas = self._gas_acc >> 14
        liquid = (self._source * _SOURCE_WEIGHT + (self._tank_acc >> 14) * _TANK_WEIGHT) >> 7  # 15b + 7b = 22b
        if self._settled_n < SETTLE_N:
            self._p0_acc += p  # 20b + 4b = 24b
            self._settled_n += 1
            self._p0 = self._p0_acc // self._settled_n
            self._gas0 = gas
            self._liquid0 = liquid
            return SETTLING
        warming = clamp(liquid - self._liquid0, -_WARMING_T128_MAX, _WARMING_T128_MAX)
        expansion_ul = self._liquid_ul_k * warming >> 7  # 15b + 14b = 29b
        self.residual_ul = -self._gas_gain_ul(p, gas) - expansion_ul
        return VALID

    def _gas_gain_ul(self, p: int, gas: int) -> int:
        """How much the gas has grown since the baseline, uL."""
        by_p = quotient_q20(self._p0 - p, p)
        by_t = quotient_q20(gas - self._gas0, _ABSOLUTE_25C_T128 + self._gas0)
        # (1 + a)(1 + b) - 1 = a + b + ab; limited to a gain of three volumes, Q20 in 22b.
        gain = clamp(by_p, -(1 << 20), 3 << 20)
        gain = clamp(gain + by_t + ((gain >> 8) * (by_t >> 8) >> 4), -(1 << 20), (1 << 22) - 1)
        shift = self._gas_shift
        # 15b + 12b = 27b and 15b + 10b = 25b.
        return (self._gas * (gain >> 10) >> (10 - shift)) + (self._gas * (gain & 1023) >> (20 - shift))

    def _take_pump(self, mean: Sample) -> None:
        if usable(mean.status[P_PUMP]) and usable(mean.status[P_STATIC]):
            self.pump_on = mean.values[P_PUMP] - mean.values[P_STATIC] > self._config.pump_on_pa

    def _take_temperatures(self, mean: Sample) -> None:
        if usable(mean.status[T_SOURCE]):
            source = _t128(mean.values[T_SOURCE])
            if self._is_back(T_SOURCE):
                self._liquid0 += (source - self._source) * _SOURCE_WEIGHT >> 7  # 16b + 5b
            self._source = source
        else:
            self._gone_bits |= 1 << T_SOURCE
        if usable(mean.status[T_DOME]):
            dome = _t128(mean.values[T_DOME])
            if not self._has_gas or self._is_back(T_DOME):
                self._gas0 += dome - (self._gas_acc >> 14)
                self._gas_acc = dome << 14  # 15b + 14b = 29b
                self._has_gas = True
            else:
                self._gas_acc = ema(self._gas_acc, dome, 14, _GAS_LAG_SHIFT)
        else:
            self._gone_bits |= 1 << T_DOME
        if usable(mean.status[T_RADIATOR]):
            radiator = _t128(mean.values[T_RADIATOR])
            if not self._has_tank or self._is_back(T_RADIATOR):
                self._liquid0 += (radiator - (self._tank_acc >> 14)) * _TANK_WEIGHT >> 7  # 16b + 7b
                self._tank_acc = radiator << 14
                self._has_tank = True
            elif self.pump_on:
                # Standing coolant keeps its temperature: the tank follows only while it flows.
                self._tank_acc = ema(self._tank_acc, radiator, 14, _TANK_LAG_SHIFT)
        else:
            self._gone_bits |= 1 << T_RADIATOR

    def _is_back(self, channel: int) -> bool:
        """Whether the channel has a value again after seconds without."""
        back = self._gone_bits >> channel & 1
        self._gone_bits &= ~(1 << channel)
        return back == 1


def _t128(value_mdegc: int) -> int:
    """Millidegrees Celsius to 1/128 K from 25 degC, limited to +-150 K."""
    # 18b * 16 = 22b
    return clamp((value_mdegc - 25_000) * 16 // 125, -_T128_MAX, _T128_MAX)
