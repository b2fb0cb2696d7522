"""The I2C bus between a board and the chips of the bench.

Times are integer microseconds of the virtual clock. Nothing sleeps: a transfer says how long it
takes on the wire. Whole transfers (`write`, `read`, `write_then_read`) serve a board that hands
over blocks; the byte calls (`start`, `write_byte`, `read_byte`, `stop`) serve an emulated core that
sees single bytes. Both reach the same chips, and the faults of the bus hold for both.
"""

from __future__ import annotations

from collections.abc import Callable

GENERAL_CALL_ADDRESS = 0
RELEASED_BYTE = 0xFF
BITS_PER_BYTE = 9  # eight and the acknowledge, I2C specification UM10204 section 3.1.5
STUCK_TIMEOUT_US = 50_000  # machine.I2C gives up after this time by default


class Chip:
    """One device on the bus, a byte at a time; times are when the byte has passed."""

    def start(self, reading: bool, t_us: int) -> bool:
        """Answer to its address after a start or repeated start; returns the acknowledge."""
        raise NotImplementedError

    def write_byte(self, byte: int, t_us: int) -> bool:
        """Take a byte from the board; returns the acknowledge."""
        raise NotImplementedError

    def read_byte(self, t_us: int) -> int:
        """Give a byte to the board."""
        raise NotImplementedError

    def stop(self, t_us: int) -> None:
        """End of the transfer."""

    def general_call(self, byte: int, t_us: int) -> bool:
        """Take a byte sent to address 0; returns the acknowledge."""
        return False

    def settle(self, t_us: int) -> None:
        """Finish what the chip had under way and was due by t_us."""

    def power_cycle(self, t_us: int) -> None:
        """Lose the supply for a moment: every register as after power-on."""
        raise NotImplementedError


class Bus:
    """Chips by their 7-bit address, at a clock of clock_hz.

    on_time is called with the moment of each start and byte before a chip sees it, so that the
    world behind the chips has come that far. `stuck` holds the data line low: nobody answers
    and every transfer takes STUCK_TIMEOUT_US; a chip that holds it lets go after stuck_clocks_n clocks, if that is
    above 0. Without `powered` no chip answers.
    """

    def __init__(self, clock_hz: int = 400_000, on_time: Callable[[int], object] | None = None) -> None:
        self.chips: dict[int, Chip] = {}
        self.stuck = False
        self.stuck_clocks_n = 0
        self.powered = True
        self._byte_us = BITS_PER_BYTE * 1e6 / clock_hz
        self._bit_us = 1e6 / clock_hz
        self._on_time = on_time
        self._silent: set[int] = set()
        self._selected: list[Chip] = []
        self._general = False

    def add(self, address: int, chip: Chip) -> None:
        """Solder a chip in; ValueError when the address is taken or not a 7-bit device address."""
        if not 0x08 <= address <= 0x77:
            raise ValueError(f"I2C address 0x{address:02X} is outside 0x08 to 0x77")
        if address in self.chips:
            raise ValueError(f"I2C address 0x{address:02X} is taken twice: strap one of the two chips differently")
        self.chips[address] = chip

    def clock(self) -> None:
        """The board has pulsed the clock line by hand: a chip that waits for it goes on with its byte."""
        if self.stuck_clocks_n > 0:
            self.stuck_clocks_n -= 1
            if self.stuck_clocks_n == 0:
                self.stuck = False

    def nack(self, address: int) -> None:
        """Make a chip deaf: it acknowledges nothing until heal(address)."""
        self._silent.add(address)

    def heal(self, address: int) -> None:
        """Let a chip answer again."""
        self._silent.discard(address)

    def start(self, address: int, reading: bool, t_us: int) -> bool:
        """Start or repeated start and the address byte; returns whether a chip acknowledged."""
        if self._on_time is not None:
            self._on_time(t_us)
        self._general = address == GENERAL_CALL_ADDRESS and not reading
        if self.stuck or not self.powered:
            self._selected = []
        elif self._general:
            self._selected = [chip for at, chip in self.chips.items() if at not in self._silent]
        else:
            chip = None if address in self._silent else self.chips.get(address)
            self._selected = [chip] if chip is not None and chip.start(reading, t_us) else []
        return bool(self._selected)

    def write_byte(self, byte: int, t_us: int) -> bool:
        """A byte from the board; returns whether a chip acknowledged."""
        if self._on_time is not None:
            self._on_time(t_us)
        if self._general:
            acked = False
            for chip in self._selected:
                acked |= chip.general_call(byte, t_us)
            return acked
        return bool(self._selected) and self._selected[0].write_byte(byte, t_us)

    def read_byte(self, t_us: int) -> int:
        """A byte for the board; a bus that nobody drives reads as ones."""
        if self._on_time is not None:
            self._on_time(t_us)
        return self._selected[0].read_byte(t_us) if self._selected else RELEASED_BYTE

    def stop(self, t_us: int) -> None:
        """Stop condition."""
        if not self._general:
            for chip in self._selected:
                chip.stop(t_us)
        self._selected = []
        self._general = False

    def write(self, address: int, data: bytes, t_us: int) -> tuple[bool, int]:
        """Write bytes; returns (every byte acknowledged, time on the wire in µs).

        The board gives up at the first byte without an acknowledge, and that is where time ends.
        """
        if self._is_stuck(t_us):
            return False, STUCK_TIMEOUT_US
        acked, at_us = self._send(address, data, t_us, 0.0)
        return acked, self._finish(t_us, at_us)

    def read(self, address: int, n: int, t_us: int) -> tuple[bytes | None, int]:
        """Read n bytes; returns (the bytes, or None without an acknowledge, time on the wire in µs)."""
        if self._is_stuck(t_us):
            return None, STUCK_TIMEOUT_US
        data, at_us = self._fetch(address, n, t_us, 0.0)
        return data, self._finish(t_us, at_us)

    def write_then_read(self, address: int, data: bytes, n: int, t_us: int) -> tuple[bytes | None, int]:
        """Write, repeated start, read n bytes; returns as read() does."""
        if self._is_stuck(t_us):
            return None, STUCK_TIMEOUT_US
        answer: bytes | None = None
        acked, at_us = self._send(address, data, t_us, 0.0)
        if acked:
            answer, at_us = self._fetch(address, n, t_us, at_us)
        return answer, self._finish(t_us, at_us)

    def _is_stuck(self, t_us: int) -> bool:
        """Whether the data line is held low at t_us."""
        if self._on_time is not None:
            self._on_time(t_us)
        return self.stuck

    def _send(self, address: int, data: bytes, t_us: int, at_us: float) -> tuple[bool, float]:
        """Start, address and data; returns (acknowledged, µs after t_us)."""
        at_us += self._bit_us + self._byte_us
        acked = self.start(address, False, t_us + int(at_us))
        for byte in data:
            if not acked:
                break
            at_us += self._byte_us
            acked = self.write_byte(byte, t_us + int(at_us))
        return acked, at_us

    def _fetch(self, address: int, n: int, t_us: int, at_us: float) -> tuple[bytes | None, float]:
        """Start, address and n bytes read; returns (the bytes or None, µs after t_us)."""
        at_us += self._bit_us + self._byte_us
        if not self.start(address, True, t_us + int(at_us)):
            return None, at_us
        data = bytearray(n)
        for i in range(n):
            at_us += self._byte_us
            data[i] = self.read_byte(t_us + int(at_us))
        return bytes(data), at_us

    def _finish(self, t_us: int, at_us: float) -> int:
        """Stop condition; returns the duration since t_us, rounded up to whole µs."""
        duration_us = -int(-(at_us + self._bit_us) // 1)
        self.stop(t_us + duration_us)
        return duration_us
