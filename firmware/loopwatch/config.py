"""What the board knows about its loop and its sensors: a table of integers.

The defaults are the safe settings of a board that nobody has commissioned: it
guards at once, with limits wide enough for loops it has never seen, and says so.
"""

from array import array

from .wire import Crc32

# (name, default, least, most, what it is)
TABLE = (
    ("period_ms", 100, 100, 1000, "time between samples"),
    ("fitted_bits", 0b111111, 0, 0b111111, "channels fitted, bit 0 is channel 0 of sample.CHANNELS"),
    ("p_static_span_pa", 500_000, 50_000, 2_000_000, "p_static at 90 % of the supply; 0 Pa absolute at 10 %"),
    ("p_pump_span_pa", 500_000, 50_000, 2_000_000, "p_pump at 90 % of the supply"),
    ("p_static_offset_pa", 0, -50_000, 50_000, "added to p_static after scaling"),
    ("p_pump_offset_pa", 0, -50_000, 50_000, "added to p_pump after scaling"),
    ("t_source_offset_mdegc", 0, -5_000, 5_000, "added to t_source"),
    ("t_radiator_offset_mdegc", 0, -5_000, 5_000, "added to t_radiator"),
    ("t_dome_offset_mdegc", 0, -5_000, 5_000, "added to t_dome"),
    ("gas_ul", 150_000, 5_000, 2_000_000, "gas in the vessel at the baseline"),
    ("liquid_ul", 2_000_000, 100_000, 20_000_000, "coolant in the loop"),
    ("reserve_ul", 40_000, 1_000, 2_000_000, "coolant that may be lost before the pump draws gas"),
    ("expansion_ppm_k", 400, 0, 1_500, "volume expansion of the coolant, less that of the loop"),
    ("pump_on_pa", 8_000, 500, 200_000, "p_pump above p_static that means the pump is running"),
    ("commissioned", 0, 0, 1, "1 when these numbers were found on this loop"),
)


class Config:
    """The settings in force, one attribute a row of TABLE.

    Raises ValueError naming the row when a value given is unknown or out of its range.
    """

    period_ms: int
    fitted_bits: int
    p_static_span_pa: int
    p_pump_span_pa: int
    p_static_offset_pa: int
    p_pump_offset_pa: int
    t_source_offset_mdegc: int
    t_radiator_offset_mdegc: int
    t_dome_offset_mdegc: int
    gas_ul: int
    liquid_ul: int
    reserve_ul: int
    expansion_ppm_k: int
    pump_on_pa: int
    commissioned: int

    residual: array | None = None
    bank: array | None = None
    burst: array | None = None

    def __init__(self, **given: int) -> None:
        for name, default, least, most, _ in TABLE:
            value = given.pop(name, default)
            if not least <= value <= most:
                raise ValueError("{}={}: must be {} to {}".format(name, value, least, most))
            setattr(self, name, value)
        for name in given:
            raise ValueError("{}: not in config.TABLE".format(name))

    def crc(self) -> Crc32:
        """CRC-32 over every name and value, in table order."""
        text = ";".join("{}={}".format(row[0], getattr(self, row[0])) for row in TABLE).encode()
        crc = Crc32()
        crc.of(text, 0, len(text))
        return crc

    def fitted(self, channel: int) -> bool:
        """Whether this channel of sample.CHANNELS has a sensor."""
        return bool((self.fitted_bits >> channel) & 1)
