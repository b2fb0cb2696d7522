"""Where rp2040py departs from the RP2040, and what puts it right: every workaround for the emulator is here.

Each remedy is applied from outside to the objects of one Machine; nothing of the package is changed
for others. REMEDIES says what is wrong and in which version it was seen. tests/pico/test_remedies.py runs the board
without each of them and fails, naming it, once the emulator no longer needs it: then remove it here.

What has no remedy, so that measurements are read rightly: no time for erasing or programming flash, no
XIP cache misses (real bytecode is slower), the clock fixed at 125 MHz, one core, no I2C target mode.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from rp2040py import RPI2C, USBCDC, GPIOPin, GPIOPinState, RPUSBController
from rp2040py.clock.clock import IClock
from rp2040py.clock.simulation_clock import SimulationClock
from rp2040py.peripherals.i2c import R_TX_EMPTY
from rp2040py.peripherals.ssi import RPSSI
from rp2040py.peripherals.uart import RPUART, UARTDR, UARTTXINTR
from rp2040py.peripherals.usb import (
    EP0_IN_BUFFER_CONTROL,
    EP15_OUT_BUFFER_CONTROL,
    INTE,
    INTR_DEV_SOF,
    SIE_STATUS,
    SIE_SUSPENDED,
    SOF_RD,
    USB_BUF_CTRL_AVAILABLE,
)

SEEN_IN = "rp2040py 0.3.6"

REMEDIES = {
    "usb_out_waits": "an armed OUT endpoint is answered at once with empty packets, so that the core never sleeps",
    "usb_in_waits": "an IN packet is always taken, so that a host that does not read cannot be shown",
    "usb_suspend_clears": "SIE_STATUS.SUSPENDED is not cleared by writing it, so that a suspend interrupt never ends",
    "usb_frames_start": "no start of frame reaches a device, so that a flush after connecting waits for ever",
    "i2c_takes_time": "I2C bytes pass in no time when completed at once, and TX_EMPTY does not wait for the byte",
    "i2c_nack_ends": "after a byte without acknowledge TX_EMPTY is not set: ETIMEDOUT instead of EIO",
    "i2c_on_pins": "a bit-banged transfer never reaches the byte hooks, so that scan() and SoftI2C find no chip",
    "uart_tx_ends": "the UART's transmit interrupt is always asserted, so that UART() hangs",
    "pins_tell_reset": "a reset returns the pins to inputs without telling the listeners",
    "flash_has_id": "the flash does not answer READ UNIQUE ID (0x4B), so that unique_id() is all ones",
}

CORE_NS_PER_CYCLE = 8  # the emulator's clock, 125 MHz
_FRAME_NS = 1_000_000  # USB 2.0, 7.1.12: full speed
_UART_BITS_PER_BYTE = 10
_READ_UNIQUE_ID = 0x4B  # W25Q16JV datasheet, 8.2.32: four dummy bytes, then eight of id
_UNIQUE_ID_AT = 5


class OutEndpoint:
    """usb_out_waits: bytes from the host reach the device when there are any, and not before.

    The device arms its OUT endpoint for up to 64 bytes; a real host answers nothing (NAK on the wire)
    until it has something to send.
    """

    def __init__(self, cdc: USBCDC) -> None:
        self._usb = cdc.usb
        self._waiting: deque[int] = deque()
        self._armed: tuple[int, int] | None = None
        self._control = _set(cdc.usb.on_endpoint_read)
        cdc.usb.on_endpoint_read = self._armed_by_device

    @property
    def waiting_n(self) -> int:
        """Bytes that the device has not yet asked for."""
        return len(self._waiting)

    def send(self, data: bytes) -> None:
        """Queue bytes for the device."""
        self._waiting.extend(data)
        self._deliver()

    def reset(self) -> None:
        """The device is gone from the bus: what waited for it is lost."""
        self._waiting.clear()
        self._armed = None

    def _armed_by_device(self, endpoint: int, size: int) -> None:
        if endpoint == 0:
            self._control(endpoint, size)
            return
        self._armed = (endpoint, size)
        self._deliver()

    def _deliver(self) -> None:
        if self._armed is None or not self._waiting:
            return
        endpoint, size = self._armed
        self._armed = None
        packet = bytes(self._waiting.popleft() for _ in range(min(size, len(self._waiting))))
        self._usb.endpoint_read_done(endpoint, packet)


class InEndpoint:
    """usb_in_waits: packets to the host are taken while it reads, and wait in the device while it does not."""

    def __init__(self, usb: RPUSBController) -> None:
        self.reading = True
        self._held: list[tuple[int, int]] = []
        self._transfer = usb.dpram_updated
        usb.dpram_updated = self._updated  # type: ignore[method-assign]

    def read(self, reading: bool) -> None:
        """Start or stop taking packets."""
        self.reading = reading
        if reading:
            held, self._held = self._held, []
            for offset, value in held:
                self._transfer(offset, value)

    def reset(self) -> None:
        """The device is gone from the bus: its packets are lost."""
        self._held = []

    def _updated(self, offset: int, value: int) -> None:
        is_buffer = EP0_IN_BUFFER_CONTROL <= offset <= EP15_OUT_BUFFER_CONTROL
        is_data_in = is_buffer and not offset & 4 and offset >= EP0_IN_BUFFER_CONTROL + 8
        if is_data_in and value & USB_BUF_CTRL_AVAILABLE and not self.reading:
            self._held.append((offset, value))
            return
        self._transfer(offset, value)


def usb_suspend_clears(usb: RPUSBController) -> None:
    """Make SIE_STATUS.SUSPENDED write-to-clear (RP2040 datasheet 4.1.4, SIE_STATUS)."""
    write = usb.write_uint32

    def write_uint32(offset: int, value: int) -> None:
        if offset == SIE_STATUS and usb.raw_write_value & SIE_SUSPENDED:
            usb._sie_status &= ~SIE_SUSPENDED
        write(offset, value)

    usb.write_uint32 = write_uint32  # type: ignore[method-assign]


def usb_frames_start(usb: RPUSBController, clock: IClock) -> None:
    """Raise INTR.DEV_SOF every frame while the device has it enabled; reading SOF_RD ends it (RP2040 datasheet 4.1.4).

    MicroPython flushes what it could not send before the port was opened on one of these interrupts.
    """
    write, read = usb.write_uint32, usb.read_uint32

    def start_frame() -> None:
        if usb._int_enable & INTR_DEV_SOF:
            usb._sof_frame_number += 1
            usb._int_raw |= INTR_DEV_SOF
            usb.check_interrupts()
            alarm.schedule(_FRAME_NS)

    alarm = clock.create_alarm(start_frame)

    def write_uint32(offset: int, value: int) -> None:
        idle = not usb._int_enable & INTR_DEV_SOF
        write(offset, value)
        if offset == INTE and idle and usb._int_enable & INTR_DEV_SOF:
            alarm.schedule(_FRAME_NS)

    def read_uint32(offset: int) -> int:
        if offset == SOF_RD:
            usb._int_raw &= ~INTR_DEV_SOF
            usb.check_interrupts()
        return read(offset)

    usb.write_uint32 = write_uint32  # type: ignore[method-assign]
    usb.read_uint32 = read_uint32  # type: ignore[method-assign]


def i2c_takes_time(controller: RPI2C, clock: SimulationClock) -> None:
    """Call the byte hooks when the byte has passed: nine bit times for an address or data byte, one for start and stop.

    The bit time is what the firmware has set in the SCL counters. TX_EMPTY is raised when the byte
    has left, as IC_CON.TX_EMPTY_CTRL asks (RP2040 datasheet 4.3.14): the SDK looks for an abort just then.
    """
    hooks = (controller.on_start, controller.on_connect, controller.on_write_byte, controller.on_read_byte)
    on_start, on_connect, on_write, on_read = hooks
    on_stop = controller.on_stop
    set_interrupts, reset = controller._set_interrupts, controller.reset
    under_way: list[tuple[Callable[..., None], tuple[Any, ...], bool]] = []

    def passed() -> None:
        hook, arguments, is_data = under_way.pop()
        was_last = is_data and controller._tx_fifo.empty
        hook(*arguments)
        if was_last:
            set_interrupts(R_TX_EMPTY)

    alarm = clock.create_alarm(passed)

    def after(bits: int, hook: Callable[..., None], is_data: bool = False) -> Callable[..., None]:
        def begin(*arguments: Any) -> None:
            under_way.append((hook, arguments, is_data))
            bit_ns = (controller.scl_high_period + controller.scl_low_period) * CORE_NS_PER_CYCLE
            alarm.schedule(bits * bit_ns)

        return begin

    def set_interrupts_in_time(mask: int) -> None:
        if mask != R_TX_EMPTY or not under_way:
            set_interrupts(mask)

    def reset_all() -> None:
        alarm.cancel()
        under_way.clear()
        reset()

    controller.on_start = after(1, on_start)
    controller.on_connect = after(9, on_connect)
    controller.on_write_byte = after(9, on_write, True)
    controller.on_read_byte = after(9, on_read, True)
    controller.on_stop = after(1, on_stop)
    controller._set_interrupts = set_interrupts_in_time  # type: ignore[method-assign]
    controller.reset = reset_all  # type: ignore[method-assign]


def i2c_nack_ends(controller: RPI2C) -> None:
    """Raise TX_EMPTY with the abort: the aborted FIFO is empty, and the SDK waits for that before it looks."""

    def ending(complete: Callable[..., None]) -> Callable[..., None]:
        def complete_and_tell(ack: bool, *more: Any) -> None:
            complete(ack, *more)
            if not ack:
                controller.int_raw |= R_TX_EMPTY
                controller.check_interrupts()

        return complete_and_tell

    controller.complete_connect = ending(controller.complete_connect)  # type: ignore[method-assign]
    controller.complete_write = ending(controller.complete_write)  # type: ignore[method-assign]


def uart_tx_ends(uart: RPUART, clock: SimulationClock) -> None:
    """Raise the transmit interrupt when a written byte has left, and only then."""
    write, reset = uart.write_uint32, uart.reset

    def check_interrupts() -> None:
        uart.rp2040.set_interrupt(uart.irq, bool(uart._interrupt_status & uart._interrupt_mask))

    def drained() -> None:
        uart._interrupt_status |= UARTTXINTR
        check_interrupts()

    alarm = clock.create_alarm(drained)

    def write_uint32(offset: int, value: int) -> None:
        write(offset, value)
        if offset == UARTDR:
            alarm.schedule(_UART_BITS_PER_BYTE * 1e9 / max(uart.baud_rate, 1))

    def reset_all() -> None:
        alarm.cancel()
        reset()

    uart.check_interrupts = check_interrupts  # type: ignore[method-assign]
    uart.write_uint32 = write_uint32  # type: ignore[method-assign]
    uart.reset = reset_all  # type: ignore[method-assign]


def pins_tell_reset(pins: Iterable[GPIOPin], listener: Callable[[int, GPIOPinState], None]) -> None:
    """Tell the listener what each pin is; call it after a reset."""
    for pin in pins:
        listener(pin.index, pin.value)


def flash_has_id(flash: RPSSI, board_id: bytes) -> None:
    """Answer READ UNIQUE ID with these eight bytes."""
    shift = flash._shift_byte

    def shift_byte(byte: int) -> int:
        answer = shift(byte)
        at = len(flash._tx_buffer) - 1 - _UNIQUE_ID_AT
        if flash._tx_buffer[0] == _READ_UNIQUE_ID and 0 <= at < len(board_id):
            return board_id[at]
        return answer

    flash._shift_byte = shift_byte  # type: ignore[method-assign,assignment]


def check_names(without: Iterable[str]) -> None:
    """ValueError when one of these is no remedy."""
    for name in without:
        if name not in REMEDIES:
            raise ValueError(f"{name} is not in remedies.REMEDIES")


def _set(hook: Callable[[int, int], None] | None) -> Callable[[int, int], None]:
    if hook is None:
        raise ValueError(f"the USB console of {SEEN_IN} sets on_endpoint_read; this one does not")
    return hook
