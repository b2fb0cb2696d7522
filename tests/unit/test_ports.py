"""Which port is the board, and what is said when it cannot be had."""

import errno
import os
import pty
from pathlib import Path

import pytest
import serial
from serial.tools.list_ports_common import ListPortInfo

from loopwatch_host import ports
from loopwatch_host.errors import NoBoard


def _info(
    device: str, vid: int | None = None, pid: int | None = None, serial_number: str | None = None
) -> ListPortInfo:
    info = ListPortInfo(device, skip_link_detection=True)
    info.vid, info.pid, info.serial_number = vid, pid, serial_number
    return info


JUNK = [_info("/dev/ttyS0"), _info("/dev/ttyS1"), _info("/dev/cu.Bluetooth-Incoming-Port")]
ARDUINO = _info("/dev/ttyACM0", 0x2341, 0x0043, "8513")
PICO = _info("/dev/ttyACM1", 0x2E8A, 0x0005, "e661a4d417123456")
OTHER_PICO = _info("/dev/ttyACM2", 0x2E8A, 0x0005, "e661a4d417999999")
DEBUG_PROBE = _info("/dev/ttyACM3", 0x2E8A, 0x000C, "e661")


def test_the_board_is_found_among_ports_of_other_kinds() -> None:
    assert ports.the_board([*JUNK, ARDUINO, DEBUG_PROBE, PICO]).device == "/dev/ttyACM1"


def test_ports_without_usb_ids_are_passed_over_and_boards_come_first() -> None:
    assert [port.device for port in ports.found([*JUNK, ARDUINO, PICO])] == ["/dev/ttyACM1", "/dev/ttyACM0"]


def test_no_board_is_a_sentence_with_exit_code_three() -> None:
    with pytest.raises(NoBoard, match="no board found .*--port") as caught:
        ports.the_board([*JUNK, ARDUINO])
    assert caught.value.exit_code == 3


def test_several_boards_are_named_with_their_serial_numbers() -> None:
    with pytest.raises(NoBoard, match=r"2 boards .*/dev/ttyACM1 \(e661a4d417123456\).*/dev/ttyACM2.*--port"):
        ports.the_board([PICO, OTHER_PICO])


def test_a_board_is_found_again_under_another_name_by_its_serial_number() -> None:
    moved = _info("/dev/ttyACM7", 0x2E8A, 0x0005, "e661a4d417123456")
    assert ports.find_again("/dev/ttyACM1", "e661a4d417123456", [OTHER_PICO, moved]) == "/dev/ttyACM7"


def test_another_board_under_the_old_name_is_not_taken_for_it() -> None:
    newcomer = _info("/dev/ttyACM1", 0x2E8A, 0x0005, "e661a4d417999999")
    assert ports.find_again("/dev/ttyACM1", "e661a4d417123456", [newcomer]) is None


def test_a_port_without_serial_number_is_found_under_its_name_only(tmp_path: Path) -> None:
    assert ports.find_again(str(tmp_path / "gone"), "", []) is None
    (tmp_path / "here").touch()
    assert ports.find_again(str(tmp_path / "here"), "", []) == str(tmp_path / "here")


def test_a_port_that_another_program_holds_is_called_busy() -> None:
    master, slave = pty.openpty()
    name = os.ttyname(slave)
    with serial.Serial(name, exclusive=True), pytest.raises(NoBoard, match=f"{name} is busy: another program"):
        ports.open_serial(name)
    os.close(slave)
    os.close(master)


def test_a_port_that_is_not_there_says_how_to_list_what_is(tmp_path: Path) -> None:
    with pytest.raises(NoBoard, match="no board on .*/ttyACM9 .*loopwatch ports"):
        ports.open_serial(str(tmp_path / "ttyACM9"))


def test_a_plain_file_is_no_serial_port(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.touch()
    with pytest.raises(NoBoard, match="is no serial port"):
        ports.open_serial(str(path))


def test_a_refused_permission_comes_with_the_dialout_and_the_udev_remedy() -> None:
    # Root may open anything, so the error is pyserial's as an unprivileged user gets it.
    error = serial.SerialException(errno.EACCES, "could not open port /dev/ttyACM0: [Errno 13] Permission denied")
    assert "usermod -aG dialout" in str(ports.explain("/dev/ttyACM0", error))
    assert "udev rule" in str(ports.explain("/dev/ttyACM0", error))


def test_what_pyserial_says_on_windows_is_understood() -> None:
    held = serial.SerialException("could not open port 'COM3': PermissionError(13, 'Access is denied.', None, 5)")
    gone = serial.SerialException("could not open port 'COM9': FileNotFoundError(2, 'The system cannot find', None, 2)")
    assert "COM3 is busy" in str(ports.explain("COM3", held))
    assert "no board on COM9" in str(ports.explain("COM9", gone))
