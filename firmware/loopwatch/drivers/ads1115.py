"""The ADS1115, a four-input converter, one single-shot conversion at a time.

125 µV a step (`*_raw`), full scale ±4.096 V, 128 conversions a second. Nothing blocks, nothing is allocated
after __init__; what the bus raises (OSError) passes through. Sections are those of the datasheet SBAS444D.
"""

from ..port import const

# Address pointer, section 9.6.1.
_CONVERSION = const(0)
_CONFIG = const(1)

# Config register, section 9.6.3: upper byte OS, MUX, PGA, MODE; lower byte DR and the comparator.
_OS_UPPER = const(0x80)  # written: begin a conversion; read: none under way
_MUX_AIN0_GND_UPPER = const(0x40)  # AIN1 to AIN3 against ground follow in steps of 0x10
_PGA_4V096_UPPER = const(0x02)
_MODE_SINGLE_UPPER = const(0x01)
_DR_128_SPS_COMPARATOR_OFF = const(0x83)

INPUT_N = const(4)
RAW_MIN = const(-32768)
RAW_MAX = const(32767)  # section 9.5.4: codes clip here
STEP_UV = const(125)  # section 9.3.3: 4.096 V / 2**15
SLOWEST_CONVERSION_US = const(8_706)  # 1 / (128 SPS less 10 %), section 9.3.6, and 25 µs wake-up, section 9.4.2.1


class ADS1115:
    """The converter at address on i2c (a machine.I2C)."""

    def __init__(self, i2c, address: int = 0x48) -> None:
        self._i2c = i2c
        self._address = address
        # One write, pointer and register together, is one transfer; that is what starts a conversion.
        self._command = bytearray((_CONFIG, 0, _DR_128_SPS_COMPARATOR_OFF))
        self._word = bytearray(2)

    def start(self, mux_input: int) -> None:
        """Begin a conversion of AIN<mux_input>, 0 to 3, against ground."""
        mux = _MUX_AIN0_GND_UPPER + (mux_input << 4)
        self._command[1] = _OS_UPPER | mux | _PGA_4V096_UPPER | _MODE_SINGLE_UPPER
        self._i2c.writeto(self._address, self._command)

    def ready(self) -> bool:
        """Whether the conversion begun by start() has ended; the pointer stands where start() left it.

        A chip that lost its supply meanwhile shows its reset settings (8583h) and a result of 0: for it
        this stays False, since that 0 was never measured (section 9.6.2).
        """
        word = self._word
        self._i2c.readfrom_into(self._address, word)
        return word[0] == self._command[1] and word[1] == _DR_128_SPS_COMPARATOR_OFF

    def read_raw(self) -> int:
        """The latest result in steps of STEP_UV, RAW_MIN to RAW_MAX, two's complement in the chip (section 9.6.2)."""
        word = self._word
        self._i2c.readfrom_mem_into(self._address, _CONVERSION, word)
        raw = word[0] << 8 | word[1]
        return raw - 0x10000 if raw & 0x8000 else raw
