"""A chip of 16-bit registers behind a pointer, as the ADS1115 and the TMP117 both are.

A write is the pointer byte, then the register's two bytes, upper first; the register changes when
the second has come. A read gives the two bytes of the register that the pointer was last set to,
so that repeated reads need no new pointer (ADS1115: SBAS444D section 9.5.3; TMP117: SNOSD82D
section 7.5.3.1.3). The word is taken from the register once, at its first byte.
"""

from __future__ import annotations

from ..bus import RELEASED_BYTE, Chip

GENERAL_CALL_RESET = 0x06

FAULTS = ("stuck", "never_ready", "power_up")


class WordChip(Chip):
    """Pointer and bytes; a chip adds read_word, write_word and power_cycle.

    `fault` is None or one of FAULTS: `stuck` converts on but its result stays as it is;
    `never_ready` never finishes a conversion; `power_up` browns out again and again, so that every register
    reads as after power-on and what is written is forgotten.
    """

    POINTER_MASK = 0xFF

    def __init__(self) -> None:
        self.fault: str | None = None
        self._pointer = 0
        self._byte_n = 0
        self._upper = 0
        self._word = 0

    def fail(self, kind: str, t_us: int) -> None:
        """Bring about a fault of FAULTS; ValueError names another kind."""
        if kind not in FAULTS:
            raise ValueError(f"a chip cannot fail by {kind!r}: one of {', '.join(FAULTS)}")
        self.settle(t_us)
        if kind == "power_up":
            self.power_cycle(t_us)
        self.fault = kind

    def heal(self, t_us: int) -> None:
        """End the fault; a chip that could not convert starts again as after power-on."""
        was, self.fault = self.fault, None
        if was in ("never_ready", "power_up"):
            self.power_cycle(t_us)

    def start(self, reading: bool, t_us: int) -> bool:
        self._byte_n = 0
        return True

    def write_byte(self, byte: int, t_us: int) -> bool:
        n = self._byte_n
        self._byte_n = n + 1
        if n == 0:
            self._pointer = byte & self.POINTER_MASK
        elif n == 1:
            self._upper = byte
        elif n == 2:
            self.settle(t_us)
            if self.fault != "power_up":
                self.write_word(self._pointer, self._upper << 8 | byte, t_us)
        return True

    def read_byte(self, t_us: int) -> int:
        n = self._byte_n
        self._byte_n = n + 1
        if n == 0:
            self.settle(t_us)
            self._word = self.read_word(self._pointer, t_us)
            return self._word >> 8
        return self._word & 255 if n == 1 else RELEASED_BYTE

    def general_call(self, byte: int, t_us: int) -> bool:
        if byte != GENERAL_CALL_RESET:
            return False
        self.power_cycle(t_us)
        return True

    def power_cycle(self, t_us: int) -> None:
        self._pointer = 0
        self._byte_n = 0

    def read_word(self, pointer: int, t_us: int) -> int:
        """The 16 bits that a read of this register gives now."""
        raise NotImplementedError

    def write_word(self, pointer: int, word: int, t_us: int) -> None:
        """Take 16 bits into a register."""
        raise NotImplementedError
