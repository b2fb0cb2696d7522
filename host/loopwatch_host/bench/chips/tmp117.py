"""The TMP117, a digital thermometer of 7.8125 m°C steps, as its datasheet SNOSD82D describes it.

`celsius(from_us, to_us)` is what the chip sees: its mean temperature over that stretch of virtual
time. The EEPROM's registers hold what is written until the next power cycle; programming it is not modelled.
"""

from __future__ import annotations

from collections.abc import Callable

from .words import WordChip

# Section 7.6, register map.
TEMP_RESULT = 0x00
CONFIGURATION = 0x01
THIGH_LIMIT = 0x02
TLOW_LIMIT = 0x03
TEMP_OFFSET = 0x07
DEVICE_ID = 0x0F
RESET = {
    TEMP_RESULT: 0x8000,
    CONFIGURATION: 0x0220,
    THIGH_LIMIT: 0x6000,
    TLOW_LIMIT: 0x8000,
    0x04: 0x0000,
    0x05: 0x0000,
    0x06: 0x0000,
    TEMP_OFFSET: 0x0000,
    0x08: 0x0000,
    DEVICE_ID: 0x0117,
}
READ_ONLY = (TEMP_RESULT, DEVICE_ID)

# Configuration register, section 7.6.1.2.
HIGH_ALERT = 0x8000
LOW_ALERT = 0x4000
DATA_READY = 0x2000
MODE_MASK = 0x0C00
MODE_CONTINUOUS, MODE_SHUTDOWN, MODE_CONTINUOUS_TOO, MODE_ONE_SHOT = 0x0000, 0x0400, 0x0800, 0x0C00
THERM = 0x0010
SOFT_RESET = 0x0002
CONFIG_WRITABLE = 0x0FFC

LSB_PER_KELVIN = 128
CONVERSION_US = 15_500.0  # section 6.6: one conversion, before averaging
POWER_UP_US = 1_500.0  # section 7.3.1: supply to ready
RESET_US = 2_000.0  # section 7.6.1.2, Soft_Reset
AVERAGED_N = (1, 8, 32, 64)
# Section 7.6.1.2, table "Conversion cycle time in CC mode": what CONV asks for, unless the averaging takes longer.
CYCLE_US = (0.0, 125e3, 250e3, 500e3, 1e6, 4e6, 8e6, 16e6)
AVERAGE_CYCLE_US = (15.5e3, 125e3, 500e3, 1e6)

RATE_ERROR_MAX = 0.12  # section 6.6: 13.5 to 17 ms for the nominal 15.5

CelsiusMean = Callable[[float, float], float]


class TMP117(WordChip):
    """The thermometer behind `celsius`; rate_error is this chip's own, as part of its conversion rate."""

    POINTER_MASK = 0x0F

    def __init__(self, celsius: CelsiusMean, rate_error: float = 0.0, t_us: int = 0) -> None:
        super().__init__()
        if abs(rate_error) > RATE_ERROR_MAX:
            raise ValueError(f"rate_error {rate_error} is beyond the datasheet's ±{RATE_ERROR_MAX}")
        self._celsius = celsius
        self._rate = 1.0 + rate_error
        self._registers: dict[int, int] = {}
        self._begin_us: float | None = None
        self.power_cycle(t_us)

    def power_cycle(self, t_us: int) -> None:
        """Reset values; then continuous conversion begins, the result 8000h until its first end (section 7.3.1)."""
        super().power_cycle(t_us)
        self._reset(t_us + POWER_UP_US)

    def read_word(self, pointer: int, t_us: int) -> int:
        """A register; reading the result or the configuration clears Data_Ready (section 7.6.1.2)."""
        word = self._registers.get(pointer, 0)
        if pointer in (TEMP_RESULT, CONFIGURATION):
            self._registers[CONFIGURATION] &= ~DATA_READY
        if pointer == CONFIGURATION and not word & THERM:
            self._registers[CONFIGURATION] &= ~(HIGH_ALERT | LOW_ALERT)
        return word

    def write_word(self, pointer: int, word: int, t_us: int) -> None:
        if pointer == CONFIGURATION:
            self._configure(word, t_us)
        elif pointer in self._registers and pointer not in READ_ONLY:
            self._registers[pointer] = word

    def settle(self, t_us: int) -> None:
        """Finish the conversions due by t_us; of several the latest counts."""
        if self.fault in ("never_ready", "power_up"):
            return
        while self._begin_us is not None:
            active_us = self._active_us()
            end_us = self._begin_us + active_us
            if end_us > t_us:
                return
            if self._mode() == MODE_ONE_SHOT:
                self._convert(self._begin_us, end_us)
                self._registers[CONFIGURATION] = self._registers[CONFIGURATION] & ~MODE_MASK | MODE_SHUTDOWN
                self._begin_us = None
            else:
                cycle_us = self._cycle_us()
                begin_us = self._begin_us + (t_us - end_us) // cycle_us * cycle_us
                self._convert(begin_us, begin_us + active_us)
                self._begin_us = begin_us + cycle_us

    def _reset(self, ready_us: float) -> None:
        self._registers = dict(RESET)
        self._begin_us = ready_us

    def _configure(self, word: int, t_us: int) -> None:
        """Take a configuration; a conversion under way is given up and a new one begins, unless shut down."""
        if word & SOFT_RESET:
            self._reset(t_us + RESET_US)
            return
        if word & MODE_MASK == MODE_CONTINUOUS_TOO:
            word &= ~MODE_MASK  # reads back as 00, section 7.6.1.2
        self._registers[CONFIGURATION] = self._registers[CONFIGURATION] & ~CONFIG_WRITABLE | word & CONFIG_WRITABLE
        self._begin_us = None if self._mode() == MODE_SHUTDOWN else float(t_us)

    def _mode(self) -> int:
        return self._registers[CONFIGURATION] & MODE_MASK

    def _active_us(self) -> float:
        """Time of the averaged conversions, section 7.3.2."""
        return CONVERSION_US * AVERAGED_N[self._registers[CONFIGURATION] >> 5 & 3] / self._rate

    def _cycle_us(self) -> float:
        config = self._registers[CONFIGURATION]
        return max(CYCLE_US[config >> 7 & 7], AVERAGE_CYCLE_US[config >> 5 & 3]) / self._rate

    def _convert(self, from_us: float, to_us: float) -> None:
        """Put the mean temperature plus Temp_Offset into the result, and set the flags."""
        if self.fault != "stuck":
            steps = round(self._celsius(from_us, to_us) * LSB_PER_KELVIN) + _signed(self._registers[TEMP_OFFSET])
            self._registers[TEMP_RESULT] = max(-32768, min(32767, steps)) & 0xFFFF
        self._registers[CONFIGURATION] |= DATA_READY
        self._compare(_signed(self._registers[TEMP_RESULT]))

    def _compare(self, steps: int) -> None:
        """Alert and therm flags against the limits (sections 7.4.4.1 and 7.4.4.2)."""
        high = _signed(self._registers[THIGH_LIMIT])
        low = _signed(self._registers[TLOW_LIMIT])
        config = self._registers[CONFIGURATION]
        if config & THERM:
            if steps > high:
                config |= HIGH_ALERT
            elif steps < low:
                config &= ~HIGH_ALERT
            config &= ~LOW_ALERT
        else:
            config |= (HIGH_ALERT if steps > high else 0) | (LOW_ALERT if steps < low else 0)
        self._registers[CONFIGURATION] = config


def _signed(word: int) -> int:
    return word - 0x10000 if word & 0x8000 else word
