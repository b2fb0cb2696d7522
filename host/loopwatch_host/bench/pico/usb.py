"""The laptop's end of the emulated board's USB cable.

Bytes of the console arrive through on_data at the moment of their packet; send() waits on the wire until
the board takes it. A host that stops reading, closes the port or pulls the cable is modelled as the board
sees it: packets stay in the device, DTR falls, or the bus goes quiet. Buffers of a real host (Linux
takes some kilobytes before it stops polling) are taken to be full already.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from rp2040py import USBCDC, RPUSBController
from rp2040py.peripherals.usb import SIE_SUSPENDED

from . import remedies

_SUSPEND_AFTER_NS = 3_000_000  # USB 2.0, 7.1.7.6: a bus without traffic for 3 ms is suspended


class UsbHost:
    """A laptop with the board's port open.

    on_data(data, t_us) gets every packet of the console. configured: the board is enumerated and its port there.
    """

    def __init__(self, usb: RPUSBController, now_us: Callable[[], int], without: Collection[str] = ()) -> None:
        self.on_data: Callable[[bytes, int], None] = lambda data, t_us: None
        self.configured = False
        self._usb = usb
        self._now_us = now_us
        self._reading = True
        self._plugged = True
        self._cdc = USBCDC(usb)
        self._cdc.on_serial_data = lambda data: self.on_data(bytes(data), self._now_us())
        self._cdc.on_device_connected = self._configured
        self._out = None if "usb_out_waits" in without else remedies.OutEndpoint(self._cdc)
        self._in = None if "usb_in_waits" in without else remedies.InEndpoint(usb)
        if "usb_suspend_clears" not in without:
            remedies.usb_suspend_clears(usb)
        if "usb_frames_start" not in without:
            remedies.usb_frames_start(usb, usb.rp2040.clock)
        self._suspend = usb.rp2040.clock.create_alarm(self._bus_quiet)
        self._enumerate = usb.on_usb_enabled
        usb.on_usb_enabled = self._device_attached
        self._forget = usb.on_reset
        usb.on_reset = self._device_gone

    @property
    def reading(self) -> bool:
        """Whether the laptop takes packets of the console."""
        return self._reading

    @reading.setter
    def reading(self, reading: bool) -> None:
        self._reading = reading
        self._take_packets()

    @property
    def plugged(self) -> bool:
        """Whether the cable is in; without it the board, powered elsewhere, sees a suspended bus."""
        return self._plugged

    @plugged.setter
    def plugged(self, plugged: bool) -> None:
        if plugged == self._plugged:
            return
        self._plugged = plugged
        self._take_packets()
        if plugged:
            self._suspend.cancel()
            self._device_gone()
            self._device_attached()
        else:
            self._suspend.schedule(_SUSPEND_AFTER_NS)

    @property
    def waiting_n(self) -> int:
        """Bytes sent that the board has not taken yet."""
        return self._out.waiting_n if self._out is not None else self._cdc.tx_fifo.item_count

    @property
    def dtr(self) -> bool:
        """Whether the port is open on the laptop: what the board's `connected` follows."""
        return self._cdc.dtr

    def send(self, data: bytes) -> None:
        """Send bytes to the board's console; lost when the cable is out."""
        if not self._plugged:
            return
        if self._out is not None:
            self._out.send(data)
            return
        for byte in data:
            self._cdc.send_serial_byte(byte)

    def open_port(self, is_open: bool) -> None:
        """Raise or drop DTR and RTS, as opening and closing the port does."""
        self._cdc.set_control_lines(dtr=is_open, rts=is_open)

    def _take_packets(self) -> None:
        if self._in is not None:
            self._in.read(self._reading and self._plugged)

    def _configured(self) -> None:
        self.configured = True

    def _device_attached(self) -> None:
        if self._plugged and self._enumerate is not None:
            self._enumerate()

    def _device_gone(self) -> None:
        self.configured = False
        if self._forget is not None:
            self._forget()
        if self._out is not None:
            self._out.reset()
        if self._in is not None:
            self._in.reset()

    def _bus_quiet(self) -> None:
        self._usb._sie_status |= SIE_SUSPENDED
        self._usb._sie_status_updated()
