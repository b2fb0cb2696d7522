"""What the board knows about its loop and its sensors: a table of integers, and what commissioning found.

The defaults are the safe settings of a board that nobody has commissioned: it
guards at once, with limits wide enough for loops it has never seen, and says so.

As bytes, on the cable and on the flash, a configuration is a run of int32, the lowest byte first:

    layout, number of scalars, the scalars in the order of TABLE, number of words, the words (see parameters)

Its CRC-32 is its name. decode() also takes layout 1, which had no words, and layout 2, which did not know how far the
log of commissioning reached.
"""

from array import array

from .port import const
from .wire import Crc32

LAYOUT_N = const(3)  # append rows to TABLE without a new one; a new meaning wants a new one, and a row in _DECODERS

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
    ("commissioned", 0, 0, 1, "1 when the words of the detector come with it"),
    ("pressure_low_pa", 50_000, 0, 2_000_000, "p_static below it is an alarm, absolute"),
    ("pressure_high_pa", 450_000, 100_000, 2_000_000, "a pressure above it is an alarm, absolute: what the loop bears"),
    ("temperature_high_mdegc", 110_000, 0, 150_000, "a temperature above it is an alarm"),
    ("temperature_difference_mdegc", 90_000, 1_000, 150_000, "t_source above t_radiator by more is an alarm"),
    ("pump_expected", 0, 0, 1, "1 when a pump that stands is an alarm"),
    ("cavitation_pa", 25_000, 500, 500_000, "to and fro of p_pump in a second that means the pump draws gas"),
    ("gain_ul", 30_000, 1_000, 2_000_000, "coolant gained within a minute that means a refill, or air"),
    ("leak_floor_pa", 70_000, 0, 200_000, "no leak takes p_static below it, absolute: the weather's least"),
    ("stuck_s", 60, 10, 86_400, "a pressure signal that does not move for so long is stuck"),
    ("start_s", 0, 0, 3_600, "start-up inhibit after a start"),
    ("watch_only", 0, 0, 1, "1: only hard limits drop the interlock, until MODE:ARM"),
    ("interlock_toggled", 0, 0, 1, "1: edges for the charge pump (jumper JP1 on 2-3) instead of a level"),
    ("tripping_bits", 0, 0, (1 << 24) - 1, "alarms that drop the interlock beside those of alarms.TABLE, by place"),
    ("passive_bits", 0, 0, (1 << 24) - 1, "alarms that do not, against alarms.TABLE; hard ones do"),
    ("disabled_bits", 0, 0, (1 << 24) - 1, "alarms out of service from the start; those that must stay do"),
)

# An edge comes with every sample: as long as the charge pump holds the relay (edge_most_ms of hardware/pinmap.toml).
_EDGES_MS = const(100)

# Layout 1 held these, and no words.
_LAYOUT_1_N = const(15)

# Layout 2's words lacked those of how far the log reached, the last of residual.
LAYOUT_2_RESIDUAL_N = const(85)
_REACH_N = const(9)
_LAYOUT_2_WORD_N = const(247)

# Where the words of bank, burst and estimate begin, see parameters.
_BANK = const(94)
_BURST = const(227)
_ESTIMATE = const(238)

# Config.fault_n.
FAULT_NONE = const(0)
FAULT_ONE = const(1)  # one of the two records on the flash cannot be used, the other is in force
FAULT_DEFAULTS = const(2)  # no record on the flash can be used: safe defaults


class Config:
    """The settings in force, one attribute a row of TABLE.

    residual, bank, burst, estimate: int32 parameters of these kernels, empty unless commissioned. fault_n, fault:
    what was wrong with the records on the flash when this one was taken, as a number of FAULT_ and a sentence.
    Raises ValueError naming the field when a value given is unknown or out of its range.
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
    pressure_low_pa: int
    pressure_high_pa: int
    temperature_high_mdegc: int
    temperature_difference_mdegc: int
    pump_expected: int
    cavitation_pa: int
    gain_ul: int
    leak_floor_pa: int
    stuck_s: int
    start_s: int
    watch_only: int
    interlock_toggled: int
    tripping_bits: int
    passive_bits: int
    disabled_bits: int

    def __init__(self, words=(), **given: int) -> None:
        self.fault_n = FAULT_NONE
        self.fault = ""
        for name, default, least, most, _ in TABLE:
            value = given.pop(name, default)
            if not least <= value <= most:
                raise ValueError("{}={}: must be {} to {}".format(name, value, least, most))
            setattr(self, name, value)
        for name in given:
            raise ValueError("{}: not in config.TABLE".format(name))
        if self.interlock_toggled and self.period_ms > _EDGES_MS:
            why = "period_ms={}: the relay drops; {}, or interlock_toggled=0"
            raise ValueError(why.format(self.period_ms, _EDGES_MS))
        if self.commissioned:
            # Its bounds take 4 KB of memory, which a board that runs on what it has checked needs no more (see launch).
            from .parameters import check

            check(words, self.fitted_bits)
        elif len(words):
            raise ValueError("commissioned=0: must be 1 when there are words")
        self.residual = array("i", words[:_BANK])
        self.bank = array("i", words[_BANK:_BURST])
        self.burst = array("i", words[_BURST:_ESTIMATE])
        self.estimate = array("i", words[_ESTIMATE:])

    def content(self) -> bytes:
        """The configuration as bytes; allocates a kilobyte."""
        values = [LAYOUT_N, len(TABLE)]
        for row in TABLE:
            values.append(getattr(self, row[0]))
        words = bytes(self.residual) + bytes(self.bank) + bytes(self.burst) + bytes(self.estimate)
        values.append(len(words) // 4)
        return bytes(array("i", values)) + words

    def crc(self) -> Crc32:
        """CRC-32 of content(); it takes a millisecond."""
        content = self.content()
        crc = Crc32()
        crc.of(content, 0, len(content))
        return crc

    def fitted(self, channel: int) -> bool:
        """Whether this channel of sample.CHANNELS has a sensor."""
        return bool((self.fitted_bits >> channel) & 1)


def decode(content: bytes) -> Config:
    """The configuration of these bytes. Raises ValueError, naming the field, when they are none."""
    if len(content) < 8 or len(content) % 4:
        raise ValueError("length {}: not a whole number of words".format(len(content)))
    values = array("i", content)
    layout_n = values[0]
    if layout_n not in _DECODERS:
        raise ValueError("layout {}: this firmware knows {} to {}".format(layout_n, min(_DECODERS), max(_DECODERS)))
    return _DECODERS[layout_n](values)


def _decode_1(values: array) -> Config:
    """Scalars alone; what it called commissioned had no words, so the loop wants commissioning anew."""
    if values[1] != _LAYOUT_1_N or len(values) != 2 + _LAYOUT_1_N:
        raise ValueError("scalars: {} in {} words, layout 1 has {}".format(values[1], len(values), _LAYOUT_1_N))
    given = _scalars(values, _LAYOUT_1_N)
    given["commissioned"] = 0
    return Config(**given)


def _decode_2(values: array) -> Config:
    """As layout 3, but that nothing counts as beyond the log."""
    scalar_n = values[1]
    at = scalar_n + 2
    if 0 < at < len(values) and values[at] == _LAYOUT_2_WORD_N:
        values[at] += _REACH_N
        at += 1 + LAYOUT_2_RESIDUAL_N
        values = values[:at] + array("i", bytes(4 * _REACH_N)) + values[at:]
    return _decode_3(values)


def _decode_3(values: array) -> Config:
    """Scalars, as many as the writer knew of, and words. Rows that have been appended since take their default."""
    scalar_n = values[1]
    if not _LAYOUT_1_N <= scalar_n <= len(TABLE) or len(values) < scalar_n + 3:
        raise ValueError("scalars: {}, must be {} to {}".format(scalar_n, _LAYOUT_1_N, len(TABLE)))
    words = values[scalar_n + 3 :]
    if values[scalar_n + 2] != len(words):
        raise ValueError("words: {} announced, {} there".format(values[scalar_n + 2], len(words)))
    return Config(words, **_scalars(values, scalar_n))


def _scalars(values: array, n: int) -> dict:
    given = {}
    for i in range(n):
        given[TABLE[i][0]] = values[2 + i]
    return given


_DECODERS = {1: _decode_1, 2: _decode_2, 3: _decode_3}
