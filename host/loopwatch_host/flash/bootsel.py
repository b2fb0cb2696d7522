"""A board in BOOTSEL mode: a small USB drive that takes MicroPython as one file.

The chip's own boot ROM shows the drive, so it works whatever is on the flash. INFO_UF2.TXT on it says which chip it is
(RP2040 datasheet 2.8.4; RP2350 datasheet 5.5).
"""

from __future__ import annotations

import os
import re
import string
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import NoBoard
from .prompt import FlashError

INFO = "INFO_UF2.TXT"
CHIPS = {"RPI-RP2": "Raspberry Pi Pico (RP2040)", "RP2350": "Raspberry Pi Pico 2 (RP2350)"}
PINNED_BOARD_ID = "RPI-RP2"  # the one for which a MicroPython with a known SHA-256 is fetched
USB_ID = ("2e8a", ("0003", "000f"))
GONE_TIMEOUT_S = 30.0
BLOCK_N = 65_536


@dataclass(frozen=True)
class Drive:
    """A mounted drive of a board in BOOTSEL mode; board_id is what INFO_UF2.TXT calls the board."""

    folder: Path
    board_id: str

    @property
    def chip(self) -> str:
        """The board as people know it."""
        return CHIPS.get(self.board_id, self.board_id or "an unknown board")


def drives(folders: Iterable[Path] | None = None) -> list[Drive]:
    """Every such drive among these folders, by default all that are mounted on this machine."""
    found = []
    for folder in mounted() if folders is None else folders:
        try:
            text = (folder / INFO).read_text(errors="replace")
        except OSError:
            continue
        match = re.search(r"^Board-ID:\s*(\S+)", text, re.MULTILINE)
        found.append(Drive(folder, match[1] if match else ""))
    return found


def mounted() -> list[Path]:
    """Where removable drives are mounted on this machine."""
    if sys.platform == "win32":
        return [Path(f"{letter}:/") for letter in string.ascii_uppercase[2:]]
    if sys.platform == "darwin":
        return sorted(Path("/Volumes").glob("*"))
    try:
        lines = Path("/proc/mounts").read_text().splitlines()
    except OSError:
        return []
    # A space in a path is written \040 there.
    return [Path(line.split()[1].replace("\\040", " ")) for line in lines if line.split()[2] == "vfat"]


def plugged_in(devices: Path = Path("/sys/bus/usb/devices")) -> bool:
    """Whether a board in BOOTSEL mode is on USB, its drive mounted or not; known on Linux only."""
    vendor, products = USB_ID
    for product in devices.glob("*/idProduct"):
        try:
            words = (product.with_name("idVendor").read_text().strip(), product.read_text().strip())
        except OSError:
            continue
        if words[0] == vendor and words[1] in products:
            return True
    return False


def the_drive(found: list[Drive], image_given: bool = False) -> Drive:
    """The one drive to write MicroPython to.

    Raises NoBoard when it is the wrong chip, one of several, or one for which a person has to bring the image.
    """
    if len(found) > 1:
        names = ", ".join(str(drive.folder) for drive in found)
        raise NoBoard(f"{len(found)} boards are in BOOTSEL mode ({names}): unplug all but one")
    (drive,) = found
    if drive.board_id not in CHIPS:
        raise NoBoard(
            f"the board in BOOTSEL mode on {drive.folder} is a {drive.chip}: the firmware is for the"
            f" {' and the '.join(CHIPS.values())}, and nothing was written"
        )
    if drive.board_id != PINNED_BOARD_ID and not image_given:
        raise NoBoard(
            f"the board in BOOTSEL mode on {drive.folder} is a {drive.chip}, for which no MicroPython is pinned: fetch"
            " RPI_PICO2 from micropython.org/download/RPI_PICO2, name it with --uf2, and nothing was written"
        )
    return drive


def no_drive() -> NoBoard:
    """The sentence for a board in BOOTSEL mode without a drive, on Linux without a desktop for example."""
    return NoBoard(
        "a board in BOOTSEL mode is plugged in and its drive is not mounted: open it in the file manager, or"
        " `udisksctl mount -b /dev/disk/by-label/RPI-RP2` (of a Pico 2: RP2350), then flash again"
    )


def install(drive: Drive, image: Path, progress: Callable[[int, int], None]) -> None:
    """Write the image to the drive and wait until the board has left BOOTSEL mode by itself. Raises FlashError."""
    data = image.read_bytes()
    target = drive.folder / image.name
    try:
        with target.open("wb") as file:
            for at in range(0, len(data), BLOCK_N):
                file.write(data[at : at + BLOCK_N])
                progress(min(at + BLOCK_N, len(data)), len(data))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        # A board that has all of it restarts at once, and the drive is gone before the file is closed.
        if (drive.folder / INFO).exists():
            raise FlashError(
                f"MicroPython could not be written to {drive.folder} ({error}): unplug the board, plug it in with"
                " BOOTSEL held, then flash again"
            ) from None
    end_s = time.monotonic() + GONE_TIMEOUT_S
    while (drive.folder / INFO).exists():
        if time.monotonic() > end_s:
            raise FlashError(
                f"the board is still in BOOTSEL mode {GONE_TIMEOUT_S:.0f} s after MicroPython was written to"
                f" {drive.folder}: unplug it, plug it in with BOOTSEL held, then flash again"
            )
        time.sleep(0.1)
