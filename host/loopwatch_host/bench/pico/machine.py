"""One emulated Pico from power-on to power-off: its chip, its flash, its pins and its cable.

Time is virtual, whole microseconds on the bench's clock, and passes only in run_until(). Two runs with the
same flash, bus and inputs at the same times are the same to the cycle. Nothing here sleeps or starts threads.
A reset of the chip keeps this object; a power cut ends it, and flash() is what the next one boots from.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from rp2040py import RP2040, ConsoleLogger, GPIOPin, GPIOPinState, LogLevel, Simulator
from rp2040py.clock.simulation_clock import SimulationClock
from rp2040py.device.bootrom import BOOTROM_B1
from rp2040py.execute_batch import execute_batch
from rp2040py.memory_map import FLASH_START_ADDRESS, RAM_START_ADDRESS

from loopwatch_host.bench.bus import Bus

from . import remedies
from .flash_image import FLASH_N
from .i2c_wire import ByteLevel, WireLevel
from .usb import UsbHost

SDA_GPIO = 4
SCL_GPIO = 5
CYCLE_NS = remedies.CORE_NS_PER_CYCLE

# What a board reports as reset_cause_n.
POWER_ON = 1
SOFTWARE = 2
WATCHDOG = 3

# RP2040 datasheet 4.7.6 (watchdog) and 2.19.6.1 (GPIO_STATUS).
_WATCHDOG_REASON = 0x08
_REASON_FORCE = 2
_IN_FROM_PAD = 1 << 17
_DEFAULT_ID = bytes.fromhex("e6614104032d5a2b")


class Machine:
    """A powered board.

    on_pin(gpio, level, t_us): an output took this level; one that is let go of is told as 0.
    on_reset(cause, t_us): the chip has been reset and starts again; cause is SOFTWARE, WATCHDOG or, for RUN, POWER_ON.
    without: names of remedies.REMEDIES to leave out, for the tests that ask whether they are still needed.
    """

    def __init__(
        self,
        flash: bytes | bytearray,
        bus: Bus | None = None,
        *,
        start_us: int = 0,
        board_id: bytes = _DEFAULT_ID,
        without: Collection[str] = (),
    ) -> None:
        remedies.check_names(without)
        self.on_pin: Callable[[int, int, int], object] = lambda gpio, level, t_us: None
        self.on_reset: Callable[[int, int], object] = lambda cause, t_us: None
        self._start_us = start_us
        self._without = without
        self._clock = SimulationClock()
        self._chip = RP2040(self._clock)
        self._simulator = Simulator(rp2040=self._chip)
        self._chip.load_bootrom(BOOTROM_B1)
        self._chip.logger = ConsoleLogger(LogLevel.ERROR)
        self._chip.flash[: len(flash)] = flash
        self._stop_alarm = self._clock.create_alarm(self._stop)
        self.host = UsbHost(self._chip.usb_ctrl, self._now, without)
        self._bus_ends = self._connect(bus if bus is not None else Bus())
        if "flash_has_id" not in without:
            remedies.flash_has_id(self._chip.ssi, board_id)
        if "uart_tx_ends" not in without:
            for uart in self._chip.uart:
                remedies.uart_tx_ends(uart, self._clock)
        self._levels: dict[int, int] = {}
        for pin in self._chip.gpio:
            pin.add_listener(self._listener(pin))
        self._chip.watchdog.on_watchdog_trigger = self._watchdog_bit
        self._chip.core.pc = FLASH_START_ADDRESS

    @property
    def now_us(self) -> int:
        """Time of the bench's clock, rounded down."""
        return self._start_us + int(self._clock.nanos) // 1000

    @property
    def cycles_n(self) -> int:
        """Core cycles executed since power-on; sleeping (WFI, WFE) is not counted."""
        return int(self._chip.core.cycles)

    def flash(self) -> bytes:
        """The flash as it is now: what survives when the power goes."""
        return bytes(self._chip.flash[:FLASH_N])

    def memory(self, address: int, n: int) -> bytes:
        """n bytes of the chip's RAM; address as the core sees it."""
        at = address - RAM_START_ADDRESS
        return bytes(self._chip.sram[at : at + n])

    def run_until(self, t_us: int) -> None:
        """Let the board live until the bench's clock shows t_us; at once when it already does."""
        remaining_ns = (t_us - self._start_us) * 1000 - self._clock.nanos
        if remaining_ns <= 0:
            return
        self._simulator.stopped = False
        self._stop_alarm.schedule(remaining_ns)
        while not self._simulator.stopped:
            execute_batch(self._simulator, 1)

    def every(self, period_us: int, call: Callable[[int], object]) -> Callable[[], None]:
        """Call call(t_us) each period of virtual time from now on; returns what ends it."""

        def fire() -> None:
            alarm.schedule(period_us * 1000)
            call(self.now_us)

        alarm = self._clock.create_alarm(fire)
        alarm.schedule(period_us * 1000)
        return alarm.cancel

    def level(self, gpio: int) -> int:
        """Level of a pin as a voltmeter shows it: what drives it, inside or outside, else its pull."""
        pin = self._chip.gpio[gpio]
        if pin.output_enable:
            return int(pin.output_value)
        return int(bool(pin.status & _IN_FROM_PAD))

    def drive(self, gpio: int, level: int | None) -> None:
        """Drive a pin from outside; None lets it go to its pull."""
        pin = self._chip.gpio[gpio]
        if level is None:
            pin.release_input()
        else:
            pin.set_input_value(bool(level))

    def driven_high(self) -> list[int]:
        """The pins that the board drives high now."""
        return [gpio for gpio, level in self._levels.items() if level]

    def press_reset(self) -> None:
        """Pull RUN low for a moment: everything but the flash starts anew."""
        self._restart(POWER_ON, from_watchdog=False)
        self._chip.watchdog.reset()

    def watch_pin(self, gpio: int, call: Callable[[int], object]) -> Callable[[], None]:
        """Call call(level) at each change of an output, within the instruction that makes it; returns what ends it."""

        def changed(state: GPIOPinState, _: GPIOPinState) -> None:
            call(int(state == GPIOPinState.HIGH))

        return self._chip.gpio[gpio].add_listener(changed)

    def _stop(self) -> None:
        self._simulator.stopped = True

    def _connect(self, bus: Bus) -> list[ByteLevel | WireLevel]:
        """Wire the bus to the I2C controller and to the pins it shares."""
        controller = self._chip.i2c[0]
        if "i2c_nack_ends" not in self._without:
            remedies.i2c_nack_ends(controller)
        ends: list[ByteLevel | WireLevel] = [ByteLevel(controller, bus, self._now)]
        if "i2c_takes_time" not in self._without:
            remedies.i2c_takes_time(controller, self._clock)
        if "i2c_on_pins" not in self._without:
            ends.append(WireLevel(self._chip.gpio[SDA_GPIO], self._chip.gpio[SCL_GPIO], bus, self._now))
        return ends

    def _now(self) -> int:
        return self.now_us

    def _listener(self, pin: GPIOPin) -> Callable[[GPIOPinState, GPIOPinState], None]:
        return lambda state, _: self._pin_is(pin.index, state)

    def _pin_is(self, gpio: int, state: GPIOPinState) -> None:
        if gpio in (SDA_GPIO, SCL_GPIO):
            return
        level = int(state == GPIOPinState.HIGH)
        if self._levels.get(gpio, 0) != level:
            self._levels[gpio] = level
            self.on_pin(gpio, level, self.now_us)

    def _watchdog_bit(self) -> None:
        forced = self._chip.watchdog.read_uint32(_WATCHDOG_REASON) & _REASON_FORCE
        self._restart(SOFTWARE if forced else WATCHDOG, from_watchdog=True)

    def _restart(self, cause: int, from_watchdog: bool) -> None:
        self._chip.enter_reset(from_watchdog=from_watchdog)
        if "pins_tell_reset" not in self._without:
            remedies.pins_tell_reset(self._chip.gpio, self._pin_is)
        for end in self._bus_ends:
            end.release()
        self._chip.leave_reset()
        self.on_reset(cause, self.now_us)
