"""The bench's I2C bus at the two places where the emulated RP2040 can meet it: its controller and its pins.

`ByteLevel` answers the I2C controller byte by byte. `WireLevel` watches the two pins while the firmware
bit-bangs them, as MicroPython does for SoftI2C and for every transfer without data (I2C.scan() is made of
these): it finds start, stop, bits and acknowledges in the edges, and pulls SDA low as a chip would. Both speak
to the same bench.bus.Bus. Times are whole microseconds of the virtual clock.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from rp2040py import RPI2C, GPIOPin, GPIOPinState, I2CMode

from loopwatch_host.bench.bus import Bus

Now = Callable[[], int]
_LOOK_AGAIN_NS = 100_000


class ByteLevel:
    """Gives the chips of a bus to an I2C controller; each call is answered at once, a start when SDA is free."""

    def __init__(self, controller: RPI2C, bus: Bus, now_us: Now) -> None:
        self._looks_again = controller.rp2040.clock.create_alarm(lambda: self._start(False))
        self._controller = controller
        self._bus = bus
        self._now_us = now_us
        controller.on_start = self._start
        controller.on_connect = self._connect
        controller.on_write_byte = self._write_byte
        controller.on_read_byte = self._read_byte
        controller.on_stop = self._stop

    def release(self) -> None:
        """The controller has been reset: no transfer is under way."""
        self._looks_again.cancel()

    def _start(self, repeated: bool) -> None:
        # With SDA held low the controller waits for an idle bus, and the firmware times out.
        if self._bus.stuck:
            self._looks_again.schedule(_LOOK_AGAIN_NS)
        else:
            self._controller.complete_start()

    def _connect(self, address: int, mode: I2CMode) -> None:
        acked = self._bus.start(address, mode == I2CMode.READ, self._now_us())
        self._controller.complete_connect(acked)

    def _write_byte(self, byte: int) -> None:
        self._controller.complete_write(self._bus.write_byte(byte, self._now_us()))

    def _read_byte(self, ack: bool) -> None:
        self._controller.complete_read(self._bus.read_byte(self._now_us()))

    def _stop(self) -> None:
        self._bus.stop(self._now_us())
        self._controller.complete_stop()


class _Role(Enum):
    IDLE = auto()  # no transfer
    ADDRESS = auto()  # the byte after a start
    TAKING = auto()  # a chip receives
    GIVING = auto()  # a chip sends
    DEAF = auto()  # nobody is addressed, or the last byte was refused: until the next start or stop


class WireLevel:
    """The chips of a bus as seen by two open-drain pins with pull-ups.

    A byte is eight bits, sampled as SCL rises and changed after it has fallen, and an acknowledge: SDA
    low in the ninth clock (I2C specification UM10204, 3.1.3 to 3.1.6). The chips do not stretch the clock.
    """

    def __init__(self, sda: GPIOPin, scl: GPIOPin, bus: Bus, now_us: Now) -> None:
        self._sda_pin = sda
        self._scl_pin = scl
        self._bus = bus
        self._now_us = now_us
        self._sda = self._scl = True
        self._pulling = False
        self._acked = False
        self._begin(_Role.IDLE)
        sda.add_listener(self._changed)
        scl.add_listener(self._changed)
        self.release()

    def release(self) -> None:
        """Nobody pulls: the lines go high and no transfer is under way. After power-on and reset."""
        self._begin(_Role.IDLE)
        self._pulling = False
        self._sda = self._scl = True
        self._show()

    def _begin(self, role: _Role) -> None:
        self._role = role
        self._bit_n = 0
        self._byte = 0

    def _changed(self, *_: GPIOPinState) -> None:
        """The board drives a pin otherwise: find the levels of the lines, and what the change means."""
        scl = self._scl_pin.value != GPIOPinState.LOW
        sda = self._sda_level()
        if scl and self._scl and sda != self._sda:
            if sda:
                self._stop()
            else:
                self._begin(_Role.ADDRESS)
        elif scl and not self._scl:
            self._clock_rose(sda)
        elif self._scl and not scl:
            self._clock_fell()
            sda = self._sda_level()
        self._sda, self._scl = sda, scl
        self._show()

    def _sda_level(self) -> bool:
        return self._sda_pin.value != GPIOPinState.LOW and not self._pulling and not self._bus.stuck

    def _show(self) -> None:
        self._sda_pin.set_input_value(self._sda)
        self._scl_pin.set_input_value(self._scl)

    def _stop(self) -> None:
        if self._role != _Role.IDLE:
            self._bus.stop(self._now_us())
        self._begin(_Role.IDLE)

    def _clock_rose(self, sda: bool) -> None:
        if self._role in (_Role.IDLE, _Role.DEAF):
            return
        self._bit_n += 1
        if self._bit_n == 9:
            self._acked = not sda
        elif self._role != _Role.GIVING:
            self._byte = self._byte << 1 | sda

    def _clock_fell(self) -> None:
        """Between two clocks: a chip changes SDA or lets it go."""
        if self._role in (_Role.IDLE, _Role.DEAF):
            return
        if self._bit_n == 9:
            self._next_byte()
        elif self._bit_n == 8:
            self._pulling = self._acknowledge()
        elif self._role == _Role.GIVING:
            self._pulling = not self._byte >> (7 - self._bit_n) & 1

    def _acknowledge(self) -> bool:
        """Eight bits have passed: whether a chip pulls SDA in the ninth clock."""
        if self._role == _Role.ADDRESS:
            return self._bus.start(self._byte >> 1, bool(self._byte & 1), self._now_us())
        if self._role == _Role.TAKING:
            return self._bus.write_byte(self._byte, self._now_us())
        return False

    def _next_byte(self) -> None:
        """Nine clocks have passed."""
        self._pulling = False
        if not self._acked:
            self._begin(_Role.DEAF)
        elif self._role == _Role.GIVING or (self._role == _Role.ADDRESS and self._byte & 1):
            self._begin(_Role.GIVING)
            self._byte = self._bus.read_byte(self._now_us())
            self._pulling = not self._byte >> 7
        else:
            self._begin(_Role.TAKING)
