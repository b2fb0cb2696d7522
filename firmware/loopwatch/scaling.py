"""From the chips' steps to the units of a sample, and what the signal bands say of it.

Integers inside +-2**30, each result rounded once, nothing allocated. Transducers and rail reach the converter through
equal 10k/15k dividers, so the divider cancels in a pressure. Bands are those of NE 43, as ratios
to the supply.
"""

from .drivers import ads1115, tmp117
from .fixed import scaled
from .port import const
from .sample import GOOD, OPEN, SHORT, SPEC_HIGH, SPEC_LOW

# Steps of the converter, 125 µV behind a divider of 0.6: 24 steps are 5 mV of the rail.
RAIL_NOMINAL_RAW = const(24_000)
_RAIL_OPEN_RAW = const(960)  # 4 % of nominal
_RAIL_LOW_RAW = const(19_200)  # 4.0 V
_RAIL_HIGH_RAW = const(28_800)  # 6.0 V


def rail_mv(rail_raw: int) -> int:
    """The rail's voltage of one conversion behind the 10k/15k divider."""
    return (rail_raw * 5 + 12) // 24  # 16b + 3b = 19b


def rail_status(rail_raw: int) -> int:
    """Status of the rail; outside 4.0 to 6.0 V it has a value but nothing may be divided by it."""
    if rail_raw < _RAIL_OPEN_RAW:
        return OPEN
    if rail_raw >= ads1115.RAW_MAX:
        return SHORT
    if rail_raw < _RAIL_LOW_RAW:
        return SPEC_LOW
    return SPEC_HIGH if rail_raw > _RAIL_HIGH_RAW else GOOD


def pressure_status(pair_raw: int, rail_raw: int) -> int:
    """Status of a transducer by the ratio of its signal to the rail; pair_raw is the sum of two conversions."""
    pair25 = 25 * pair_raw  # 17b + 5b = 22b; the ratio is pair / (2 * rail)
    if pair25 < 2 * rail_raw:
        return OPEN
    if pair25 > 48 * rail_raw:
        return SHORT
    if pair25 < 5 * rail_raw:
        return SPEC_LOW
    return SPEC_HIGH if pair25 > 45 * rail_raw else GOOD


def pressure_pa(pair_raw: int, rail_raw: int, span_pa: int) -> int:
    """Absolute pressure of a transducer that gives 10 % of the rail at 0 Pa and 90 % at span_pa.

    With x = pair / (2 * rail) it is span * (x - 0.1) / 0.8 = span * (5 * pair - rail) / (8 * rail), rounded once.
    For ratios of 4 to 96 % and a rail below 6.0 V: |5 * pair - rail| < 8.6 * 28800 < 2**18.
    """
    return scaled(span_pa, 5 * pair_raw - rail_raw, 8 * rail_raw)


def temperature_mdegc(raw: int) -> int:
    """Temperature of a TMP117's reading: 7.8125 m°C a step."""
    return (raw * 125 + 8) >> 4  # 16b + 7b = 23b


def temperature_status(raw: int) -> int:
    """Status of a TMP117's reading against the range that the chip is specified for."""
    if raw < tmp117.RAW_MIN:
        return SPEC_LOW
    return SPEC_HIGH if raw > tmp117.RAW_MAX else GOOD
