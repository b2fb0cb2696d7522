"""MicroPython's `machine` as on the rp2 port, as far as a bench is behind it.

It stands before the built-in module on the path. What has no bench behind it is not here, so
that firmware which needs it fails at its import or with AttributeError. Transfers, pins and feeding the watchdog
allocate nothing.
"""

import _lockstep
from _lockstep import bench
from _requests import (
    I2C_READ,
    I2C_WIRE,
    I2C_WRITE,
    PIN_MODE,
    PIN_READ,
    PIN_WRITE,
    RESET,
    SOFT_RESET,
    WATCHDOG_FEED,
    WATCHDOG_START,
    WATCHDOG_STOP,
)

PWRON_RESET = 1
WDT_RESET = 3

_CLOCK_HZ = 125_000_000
_WATCHDOG_MAX_MS = 8_388  # RP2040 datasheet 4.7.2: a 24-bit counter that runs twice as fast (RP2040-E1)
_LED_GPIO = 25
_GPIO_N = 30


def reset_cause() -> int:
    """PWRON_RESET, or WDT_RESET after the watchdog and, as on rp2, after reset()."""
    return WDT_RESET if _lockstep.reset_reason else PWRON_RESET


def unique_id() -> bytes:
    """Eight bytes of this board's own."""
    return _lockstep.board_id


def freq() -> int:
    """Clock of the processor in Hz."""
    return _CLOCK_HZ


def reset() -> None:
    """Restart the board, by the watchdog as rp2 does it."""
    bench.post(RESET, 0, 0)
    bench.answer()


def soft_reset() -> None:
    """Restart the interpreter; pins, watchdog and the reset cause stay."""
    bench.post(SOFT_RESET, 0, 0)
    bench.answer()


def idle() -> None:
    """Wait for something to happen: at most a millisecond, rp2's tick."""
    bench.sleep(1_000)


def lightsleep(delay_ms: int) -> None:
    """Wait with the clocks stopped; to the firmware the same as sleep_ms."""
    bench.sleep(delay_ms * 1_000)


class Pin:
    """One GPIO by number, or "LED". What drives an input is on the bench, so pulls have no effect here."""

    IN = 0
    OUT = 1
    PULL_UP = 1
    PULL_DOWN = 2

    def __init__(self, id, mode: int = -1, pull: int = -1, value=None) -> None:
        self._gpio = _LED_GPIO if id == "LED" else id
        if not (isinstance(self._gpio, int) and 0 <= self._gpio < _GPIO_N):
            raise ValueError("invalid pin")
        self._is_output = False
        self._level = 0
        if mode >= 0:
            self.init(mode, pull, value)

    def init(self, mode: int = -1, pull: int = -1, value=None) -> None:
        """Set direction and, for an output, its level."""
        if mode not in (Pin.IN, Pin.OUT):
            raise ValueError("invalid pin mode")
        if value is not None:
            self._level = 1 if value else 0
        self._is_output = mode == Pin.OUT
        bench.post(PIN_MODE, self._gpio, mode)
        if self._is_output:
            bench.post(PIN_WRITE, self._gpio, self._level)

    def value(self, level=None):
        """The level; or, given one, drive the output to it."""
        if level is None:
            if self._is_output:
                return self._level
            bench.call()
            bench.post(PIN_READ, self._gpio, 0)
            return bench.answer()
        self._level = 1 if level else 0
        bench.call()
        if self._is_output:
            bench.post(PIN_WRITE, self._gpio, self._level)
        return None

    def __call__(self, level=None):
        """Short for value()."""
        return self.value(level)

    def on(self) -> None:
        """Drive it high."""
        self.value(1)

    def off(self) -> None:
        """Drive it low."""
        self.value(0)

    def toggle(self) -> None:
        """Drive it to the other level."""
        self.value(1 - self._level)


class WDT:
    """The watchdog: restarts the board unless fed within timeout ms. It cannot be stopped, except through mem32."""

    def __init__(self, id: int = 0, timeout: int = 5_000) -> None:
        if id != 0:
            raise ValueError(f"WDT({id}) doesn't exist")
        if not 1 <= timeout <= _WATCHDOG_MAX_MS:
            raise ValueError(f"timeout exceeds {_WATCHDOG_MAX_MS}" if timeout > 0 else "timeout must be >= 1")
        bench.post(WATCHDOG_START, timeout * 1_000, 0)

    def feed(self) -> None:
        """Start its time afresh."""
        bench.call()
        bench.post(WATCHDOG_FEED, 0, 0)


class I2C:
    """A bus of the chip. OSError: EIO when nobody acknowledges, ETIMEDOUT when the bus is held low."""

    def __init__(self, id: int = 0, *, scl=None, sda=None, freq: int = 400_000, timeout: int = 50_000) -> None:
        if id not in (0, 1):
            raise ValueError(f"I2C({id}) doesn't exist")
        # RP2040 datasheet 1.4.3: SDA of bus 0 on GPIO 0, 4, 8 ..., of bus 1 on 2, 6, 10 ..., SCL on the next.
        sda_gpio = (4, 6)[id] if sda is None else sda._gpio
        scl_gpio = (5, 7)[id] if scl is None else scl._gpio
        if sda_gpio % 4 != 2 * id:
            raise ValueError("bad SDA pin")
        if scl_gpio % 4 != 2 * id + 1:
            raise ValueError("bad SCL pin")
        request = bench.request
        request[0] = I2C_WIRE
        request[2] = sda_gpio
        request[3] = scl_gpio
        request[4] = freq
        request[5] = timeout
        bench.send()

    def writeto(self, addr: int, buf, stop: bool = True) -> int:
        """Write buf; returns how many bytes were acknowledged."""
        self._whole(stop)
        request = bench.request
        request[4] = request[5] = 0
        self._write(addr, buf)
        return len(buf)

    def writeto_mem(self, addr: int, memaddr: int, buf, *, addrsize: int = 8) -> None:
        """Write the memory address and buf in one transfer."""
        request = bench.request
        request[4] = memaddr
        request[5] = addrsize // 8
        self._write(addr, buf)

    def readfrom_into(self, addr: int, buf, stop: bool = True) -> None:
        """Fill buf."""
        self._whole(stop)
        request = bench.request
        request[4] = request[5] = 0
        self._read(addr, buf)

    def readfrom(self, addr: int, nbytes: int, stop: bool = True) -> bytes:
        """Read nbytes."""
        data = bytearray(nbytes)
        self.readfrom_into(addr, data, stop)
        return bytes(data)

    def readfrom_mem_into(self, addr: int, memaddr: int, buf, *, addrsize: int = 8) -> None:
        """Write the memory address, repeated start, fill buf."""
        request = bench.request
        request[4] = memaddr
        request[5] = addrsize // 8
        self._read(addr, buf)

    def readfrom_mem(self, addr: int, memaddr: int, nbytes: int, *, addrsize: int = 8) -> bytes:
        """As readfrom_mem_into; returns the bytes."""
        data = bytearray(nbytes)
        self.readfrom_mem_into(addr, memaddr, data, addrsize=addrsize)
        return bytes(data)

    def scan(self) -> list:
        """Addresses that acknowledge, of those a device may have."""
        found = []
        for address in range(0x08, 0x78):
            try:
                self.writeto(address, b"")
            except OSError:
                continue
            found.append(address)
        return found

    def _whole(self, stop: bool) -> None:
        if not stop:
            raise NotImplementedError("stop=False: the bench has whole transfers, use readfrom_mem_into")

    def _write(self, addr: int, buf) -> None:
        bench.post(I2C_WRITE, addr, len(buf))
        bench.write(buf)
        if bench.answer():
            raise OSError(bench.result)

    def _read(self, addr: int, buf) -> None:
        bench.post(I2C_READ, addr, len(buf))
        if bench.answer():
            raise OSError(bench.result)
        bench.read(buf)


class _WatchdogRegisters:
    """mem32 as far as the watchdog: enough to stop it for a person at the REPL, and to ask why the chip was reset."""

    _CONTROL = 0x4005_8000  # RP2040 datasheet 4.7.6, CTRL
    _REASON = 0x4005_8008  # the same, REASON
    _CONTROL_CLEAR = _CONTROL + 0x3000  # 2.1.2: writing here clears the bits that are set
    _ENABLE = 1 << 30

    def __getitem__(self, address: int) -> int:
        if address != self._REASON:
            raise ValueError(f"mem32[0x{address:08x}] is not on this bench")
        return _lockstep.reset_reason

    def __setitem__(self, address: int, value: int) -> None:
        clears = address == self._CONTROL_CLEAR and value & self._ENABLE
        overwrites = address == self._CONTROL and not value & self._ENABLE
        if not (clears or overwrites):
            raise ValueError(f"mem32[0x{address:08x}] is not on this bench")
        bench.post(WATCHDOG_STOP, 0, 0)


mem32 = _WatchdogRegisters()
