"""The Raspberry Pi Pico with the loop's sensors, lamps, horn, button and interlock on its pins.

The only file that knows the hardware. Console, pins and feeding the watchdog allocate nothing and never block; all
outputs begin in their safe state, interlock dropped.
"""

import select
import sys
from time import sleep_us

import machine
from machine import I2C, WDT, Pin

from ..port import const

_I2C_SDA = const(4)
_I2C_SCL = const(5)
_I2C_HZ = const(400_000)
# The longest transfer takes 0.15 ms. The port's own 50 ms would cost half a second a cycle on a bus held low.
_I2C_TIMEOUT_US = const(2_000)
_CLEAR_CLOCKS_N = const(9)
_HALF_CLOCK_US = const(5)
_INTERLOCK = const(10)
_HORN = const(11)
_LAMP_ALARM = const(12)
_LAMP_FAULT = const(13)
_ACKNOWLEDGE = const(15)
_ESCAPE = const(22)

# RP2040 datasheet: 4.7.6 CTRL of the watchdog, through its clearing alias (2.1.2), and REASON; the RP2350 has the same
# registers elsewhere (its datasheet, 2.2 and 12.9).
_WATCHDOG = 0x400D_8000 if "RP2350" in getattr(sys.implementation, "_machine", "") else 0x4005_8000
_WATCHDOG_CTRL_CLEAR = _WATCHDOG + 0x3000
_WATCHDOG_ENABLE = 1 << 30
_WATCHDOG_REASON = _WATCHDOG + 8
_REASON_FORCED = const(2)

_NO_BYTE = const(-1)
# reset_cause_n of the boot record.
RESET_POWER_ON = const(1)
RESET_SOFTWARE = const(2)
RESET_WATCHDOG = const(3)


class Console:
    """The USB serial port, which is the REPL's too: Ctrl-C still interrupts.

    The port can be asked only whether it takes anything at all; a write that needs more room than there is
    blocks until the host reads, half a second or more. Its buffer of 256 bytes is sent in packets of 64: while all
    writes are packets (see link), it has room for a whole one where it has any.
    """

    def __init__(self) -> None:
        self._input = sys.stdin.buffer
        self._output = sys.stdout.buffer
        self._readable = select.poll()
        self._readable.register(sys.stdin, select.POLLIN)
        self._writable = select.poll()
        self._writable.register(sys.stdout, select.POLLOUT)
        self._byte = bytearray(1)

    def write_packet(self, buffer: bytearray, start: int, n: int) -> bool:
        """Write buffer[start:start+n] if the port takes it now; returns whether it did. n is always the same."""
        if not _is_ready(self._writable):
            return False
        self._output.write(buffer, start, n)
        return True

    def read_byte(self) -> int:
        """The next byte that has come in, or -1."""
        if _is_ready(self._readable) and self._input.readinto(self._byte):
            return self._byte[0]
        return _NO_BYTE


def _is_ready(poll) -> bool:
    for _ in poll.ipoll(0):
        return True
    return False


def escape_held() -> bool:
    """Whether a person holds the board back: the escape pin is pulled to ground."""
    return not Pin(_ESCAPE, Pin.IN, Pin.PULL_UP).value()


def _reset_cause_n() -> int:
    cause = machine.reset_cause()
    if cause == machine.PWRON_RESET:
        return RESET_POWER_ON
    # The rp2 port restarts by the watchdog in machine.reset() too, and calls both WDT_RESET.
    if cause != machine.WDT_RESET or machine.mem32[_WATCHDOG_REASON] & _REASON_FORCED:
        return RESET_SOFTWARE
    return RESET_WATCHDOG


class Board:
    """What the firmware uses of the board.

    i2c: the sensor bus. id: eight bytes of this chip's own. reset_cause_n: RESET_POWER_ON (a pulse on
    RUN too), RESET_SOFTWARE or RESET_WATCHDOG.
    """

    def __init__(self) -> None:
        self._interlock = Pin(_INTERLOCK, Pin.OUT, value=0)
        self._horn = Pin(_HORN, Pin.OUT, value=0)
        self._lamp_alarm = Pin(_LAMP_ALARM, Pin.OUT, value=0)
        self._lamp_fault = Pin(_LAMP_FAULT, Pin.OUT, value=0)
        self._led = Pin("LED", Pin.OUT, value=0)
        self._acknowledge = Pin(_ACKNOWLEDGE, Pin.IN, Pin.PULL_UP)
        self._watchdog: WDT | None = None
        self.i2c = I2C(0, sda=Pin(_I2C_SDA), scl=Pin(_I2C_SCL), freq=_I2C_HZ, timeout=_I2C_TIMEOUT_US)
        self.id = machine.unique_id()
        self.reset_cause_n = _reset_cause_n()
        self.console = Console()

    def free_bus(self) -> None:
        """Clock a chip that holds the data line low until it lets go; takes 0.2 ms.

        A chip that was interrupted in the middle of a byte waits for clocks to go on with it: nine let it
        finish, and the stop after them ends the transfer (I2C-bus specification UM10204, 3.1.16).
        """
        clock = Pin(_I2C_SCL, Pin.OUT, value=1)
        data = Pin(_I2C_SDA, Pin.IN, Pin.PULL_UP)
        for _ in range(_CLEAR_CLOCKS_N):
            clock.value(0)
            sleep_us(_HALF_CLOCK_US)
            clock.value(1)
            sleep_us(_HALF_CLOCK_US)
        # The stop: data rises while the clock is high.
        data.init(Pin.OUT, value=0)
        sleep_us(_HALF_CLOCK_US)
        data.init(Pin.IN, Pin.PULL_UP)
        # On this port a bus exists once: whoever holds i2c has the one that is made anew here.
        self.i2c = I2C(0, sda=Pin(_I2C_SDA), scl=Pin(_I2C_SCL), freq=_I2C_HZ, timeout=_I2C_TIMEOUT_US)

    def start_watchdog(self, timeout_ms: int) -> None:
        """From now on the chip restarts when feed() is not called within timeout_ms, at most 8388."""
        self._watchdog = WDT(timeout=timeout_ms)

    def feed(self) -> None:
        """Tell the watchdog that a whole healthy cycle has run."""
        if self._watchdog is not None:
            self._watchdog.feed()

    def stop_watchdog(self) -> None:
        """End the watch, so that a person at the REPL is not thrown out; MicroPython itself has no way to."""
        machine.mem32[_WATCHDOG_CTRL_CLEAR] = _WATCHDOG_ENABLE
        self._watchdog = None

    def led(self, on: bool) -> None:
        """The small light on the board."""
        self._led.value(on)

    def interlock(self, on: bool) -> None:
        """The relay that lets the pump run: energised only while all is well."""
        self._interlock.value(on)

    def horn(self, on: bool) -> None:
        """The horn."""
        self._horn.value(on)

    def lamp_alarm(self, on: bool) -> None:
        """The red lamp: a leak."""
        self._lamp_alarm.value(on)

    def lamp_fault(self, on: bool) -> None:
        """The yellow lamp: a fault, or nobody watches."""
        self._lamp_fault.value(on)

    def ack_pressed(self) -> bool:
        """Whether the acknowledge button is down; it pulls its pin low."""
        return not self._acknowledge.value()

    def safe(self) -> None:
        """Outputs of a board that no longer watches: interlock dropped, fault lamp lit, the rest off."""
        self.interlock(False)
        self.lamp_fault(True)
        self.lamp_alarm(False)
        self.horn(False)
        self.led(False)

    def reset(self) -> None:
        """Restart the chip, with the outputs safe on the way."""
        self.safe()
        machine.reset()
