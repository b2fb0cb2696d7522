"""Which serial port is the board: by its USB ids, never by guessing at names.

MicroPython on an RP2040 answers as 2E8A:0005. Ports without USB ids (ttyS0, Bluetooth, debug) are passed over, but any
port can be named. Errors are one sentence each (errors.NoBoard).
"""

import errno
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass

import serial
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from .errors import NoBoard

# USB ids of Raspberry Pi (github.com/raspberrypi/usb-pid): MicroPython's serial port on RP2040 and RP2350.
BOARD_IDS = ((0x2E8A, 0x0005),)


@dataclass(frozen=True)
class Port:
    """A serial port of this machine. usb_id is e.g. `2E8A:0005`, empty when it is no USB device."""

    device: str
    usb_id: str
    serial_number: str
    product: str
    is_board: bool


def found(infos: Iterable[ListPortInfo] | None = None) -> list[Port]:
    """Every serial port with a USB id, boards first; infos default to what this machine has."""
    listed = list_ports.comports() if infos is None else infos
    ports = [
        Port(
            device=info.device,
            usb_id=f"{info.vid:04X}:{info.pid:04X}",
            serial_number=info.serial_number or "",
            product=info.product or info.description or "",
            is_board=(info.vid, info.pid) in BOARD_IDS,
        )
        for info in listed
        if info.vid is not None and info.pid is not None
    ]
    return sorted(ports, key=lambda port: (not port.is_board, port.device))


def the_board(infos: Iterable[ListPortInfo] | None = None) -> Port:
    """The one board plugged in. Raises NoBoard when there is none, or several to choose from."""
    boards = [port for port in found(infos) if port.is_board]
    if not boards:
        raise NoBoard(
            "no board found (not plugged in, a charge-only cable, or in BOOTSEL mode, where it is a drive and no serial"
            " port?): plug it in, or name its port with --port; `loopwatch ports --all` lists what is there"
        )
    if len(boards) > 1:
        names = ", ".join(f"{port.device} ({port.serial_number or 'no serial number'})" for port in boards)
        raise NoBoard(f"{len(boards)} boards are plugged in: {names}: say which with --port")
    return boards[0]


def serial_number_of(device: str, infos: Iterable[ListPortInfo] | None = None) -> str:
    """USB serial number of the device behind a port, empty when it has none (a pty, a UART)."""
    real = os.path.realpath(device)
    for port in found(infos):
        if device == port.device or real == os.path.realpath(port.device):
            return port.serial_number
    return ""


def find_again(device: str, serial_number: str, infos: Iterable[ListPortInfo] | None = None) -> str | None:
    """Where the same board is now: under its serial number, else under its old name; None while it is away."""
    if serial_number:
        return next((port.device for port in found(infos) if port.serial_number == serial_number), None)
    return device if os.path.exists(device) or sys.platform == "win32" else None


def explain(device: str, error: Exception) -> NoBoard:
    """The sentence for a port that cannot be opened."""
    code = getattr(error, "errno", None)
    text = str(error)
    if code in (errno.EACCES, errno.EPERM) and sys.platform != "win32":
        return NoBoard(
            f"no permission to open {device}: add yourself to its group with `sudo usermod -aG dialout $USER` and log"
            ' in again, or add a udev rule: SUBSYSTEM=="tty", ATTRS{idVendor}=="2e8a", MODE="0666"'
        )
    # Windows reports a port that another program holds as "Access is denied".
    if code in (errno.EAGAIN, errno.EBUSY, errno.EACCES) or "PermissionError" in text:
        return NoBoard(f"{device} is busy: another program holds it (a monitor, mpremote, Thonny?): close it")
    if code in (errno.ENOENT, errno.ENODEV, errno.ENXIO) or "FileNotFoundError" in text:
        return NoBoard(f"no board on {device} (unplugged, or renamed?): `loopwatch ports` lists what is there")
    if code == errno.ENOTTY or "Could not configure port" in text:
        return NoBoard(f"{device} is no serial port: `loopwatch ports` lists what is there")
    return NoBoard(f"cannot open {device}: {text}")


def open_serial(device: str) -> serial.Serial:
    """Open a port for this program alone, every read and write with a timeout. Raises NoBoard.

    DTR is raised once, by opening: the board's USB console counts a laptop without DTR as absent. A
    pyserial URL (socket://, rfc2217://) is no device of this machine and cannot be locked.
    """
    try:
        port = serial.serial_for_url(device, baudrate=115200, timeout=0.2, write_timeout=1.0, do_not_open=True)
        if "://" not in device:
            port.exclusive = True
        port.open()
        return port
    except (serial.SerialException, OSError, ValueError) as error:
        raise explain(device, error) from None
