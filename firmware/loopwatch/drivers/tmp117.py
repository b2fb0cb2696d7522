"""The TMP117, a thermometer, converting continuously.

7.8125 m°C a step (`*_raw`). Nothing blocks, nothing is allocated after __init__; what the bus raises
(OSError) passes through. Sections are those of the datasheet SNOSD82D.
"""

from ..port import const

# Register map, section 7.6.
_TEMP_RESULT = const(0x00)
_CONFIGURATION = const(0x01)

# Configuration register, section 7.6: upper byte flags, MOD and the top of CONV; lower byte the rest.
_DATA_READY_UPPER = const(0x20)
_MOD_CONTINUOUS_CONV_500_MS_UPPER = const(0x01)  # MOD = 00, CONV = 011: a fresh reading whenever one is asked for
_CONV_500_MS_AVG_8_LOWER = const(0xA0)  # AVG = 01: mean of 8 conversions, 124 ms

RAW_POWER_UP = const(-32768)  # 8000h, -256 °C: nothing converted since power-up, section 7.3.1
RAW_MIN = const(-55 * 128)  # section 6.3: operated from -55 °C
RAW_MAX = const(150 * 128)  # to 150 °C


class TMP117:
    """The thermometer at address on i2c (a machine.I2C)."""

    def __init__(self, i2c, address: int) -> None:
        self._i2c = i2c
        self._address = address
        self._command = bytes((_CONFIGURATION, _MOD_CONTINUOUS_CONV_500_MS_UPPER, _CONV_500_MS_AVG_8_LOWER))
        self._word = bytearray(2)

    def start(self) -> None:
        """Set the mode; the first reading is ready 0.14 s later at most (section 6.6: 8 of 17 ms)."""
        self._i2c.writeto(self._address, self._command)

    def ready(self) -> bool:
        """Whether there is a reading that neither ready() nor read_raw() has met: asking clears the flag."""
        self._i2c.readfrom_mem_into(self._address, _CONFIGURATION, self._word)
        return self._word[0] & _DATA_READY_UPPER != 0

    def read_raw(self) -> int:
        """The latest reading in steps of 7.8125 m°C, or RAW_POWER_UP, which is none (section 7.6, Temp_Result)."""
        word = self._word
        self._i2c.readfrom_mem_into(self._address, _TEMP_RESULT, word)
        raw = word[0] << 8 | word[1]
        return raw - 0x10000 if raw & 0x8000 else raw
