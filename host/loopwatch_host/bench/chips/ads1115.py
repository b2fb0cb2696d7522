"""The ADS1115, a 16-bit converter with four inputs, as its datasheet SBAS444D describes it.

`volts(input, from_us, to_us)` is what the chip sees: the mean voltage on AINx over that stretch of
virtual time. A conversion is that mean over one period of the data rate, since the delta-sigma
modulator and its filter settle within one conversion (section 9.3.6). The comparator's pin is not wired on
this bench; its threshold registers hold what is written.
"""

from __future__ import annotations

from collections.abc import Callable

from .words import WordChip

# Section 9.6.1, address pointer.
CONVERSION, CONFIG, LO_THRESH, HI_THRESH = range(4)

# Section 9.6.3, Config register.
CONFIG_RESET = 0x8583
OS = 0x8000
MODE_SINGLE = 0x0100
FULL_SCALE_V = (6.144, 4.096, 2.048, 1.024, 0.512, 0.256, 0.256, 0.256)
DATA_RATE_SPS = (8, 16, 32, 64, 128, 250, 475, 860)
# MUX: the two inputs of each setting; None is ground.
MUX_INPUTS: tuple[tuple[int, int | None], ...] = (
    (0, 1), (0, 3), (1, 3), (2, 3), (0, None), (1, None), (2, None), (3, None),
)  # fmt: skip

# Section 9.6.4, reset values of the threshold registers.
LO_THRESH_RESET = 0x8000
HI_THRESH_RESET = 0x7FFF

POWER_UP_US = 25.0  # section 9.4.2.1: from the command to the start of a single conversion
RATE_ERROR_MAX = 0.10  # section 9.3.6 and table 7.5: data rate within ±10 %

VoltsMean = Callable[[int, float, float], float]


class ADS1115(WordChip):
    """The converter behind `volts`; rate_error is this chip's own, -0.1 to 0.1 of the data rate.

    gain: its reference against what it should be, inverted: 0.5 halves every result.
    """

    POINTER_MASK = 3

    def __init__(self, volts: VoltsMean, rate_error: float = 0.0, t_us: int = 0) -> None:
        super().__init__()
        if abs(rate_error) > RATE_ERROR_MAX:
            raise ValueError(f"rate_error {rate_error} is beyond the datasheet's ±{RATE_ERROR_MAX}")
        self._volts = volts
        self._rate = 1.0 + rate_error
        self.gain = 1.0
        self._begin_us: float | None = None
        self.power_cycle(t_us)

    def power_cycle(self, t_us: int) -> None:
        """Registers to their reset values, powered down, nothing converted (section 9.4.1)."""
        super().power_cycle(t_us)
        self._result = 0
        self._config = CONFIG_RESET & ~OS
        self._lo_thresh = LO_THRESH_RESET
        self._hi_thresh = HI_THRESH_RESET
        self._begin_us = None
        self._converting = self._config

    def read_word(self, pointer: int, t_us: int) -> int:
        if pointer == CONVERSION:
            return self._result
        if pointer == CONFIG:
            return self._config if self._begin_us is not None else self._config | OS
        return self._lo_thresh if pointer == LO_THRESH else self._hi_thresh

    def write_word(self, pointer: int, word: int, t_us: int) -> None:
        """Set a register. A conversion under way ends with the settings it began with (section 9.4.2.2)."""
        if pointer == CONFIG:
            self._config = word & ~OS
            if self._begin_us is None and (word & OS or not word & MODE_SINGLE):
                self._begin(t_us + POWER_UP_US)
        elif pointer == LO_THRESH:
            self._lo_thresh = word
        elif pointer == HI_THRESH:
            self._hi_thresh = word

    def settle(self, t_us: int) -> None:
        """Finish the conversions due by t_us; of several in continuous mode the latest counts."""
        if self._begin_us is None or self.fault == "never_ready":
            return
        period_us = self._period_us(self._converting)
        end_us = self._begin_us + period_us
        if end_us > t_us:
            return
        continuous = not self._config & MODE_SINGLE
        if continuous and self._converting == self._config:
            end_us += (t_us - end_us) // period_us * period_us
        self._convert(end_us - period_us, end_us)
        self._begin_us = None
        if continuous:
            self._begin(end_us)
            self.settle(t_us)

    def _begin(self, begin_us: float) -> None:
        self._begin_us = begin_us
        self._converting = self._config

    def _period_us(self, config: int) -> float:
        return 1e6 / (DATA_RATE_SPS[config >> 5 & 7] * self._rate)

    def _convert(self, from_us: float, to_us: float) -> None:
        """Put the mean input over the window into the result, clipped at full scale (section 9.5.4)."""
        if self.fault == "stuck":
            return
        positive, negative = MUX_INPUTS[self._converting >> 12 & 7]
        volts = self._volts(positive, from_us, to_us)
        if negative is not None:
            volts -= self._volts(negative, from_us, to_us)
        code = round(volts * self.gain * 32768.0 / FULL_SCALE_V[self._converting >> 9 & 7])
        self._result = max(-32768, min(32767, code)) & 0xFFFF
