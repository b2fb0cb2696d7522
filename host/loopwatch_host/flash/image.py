"""A UF2 image: whether it is whole, and for which chip, by the family id that its blocks carry.

The format is github.com/microsoft/uf2, 512 bytes a block; the ids are those of its utils/uf2families.json. Nothing
here says that an image is MicroPython, or a good one: that is what a published SHA-256 is for.
"""

from __future__ import annotations

import struct
from pathlib import Path

from ..errors import UsageError

BLOCK_N = 512
MAGIC = (0x0A324655, 0x9E5D5157)
MAGIC_END = 0x0AB16F30
FLAG_FAMILY = 0x2000

RP2040 = 0xE48BFF56
RP2350_ARM = 0xE48BFF59
RP2350_RISC_V = 0xE48BFF5A
# Names no chip. Images for the RP2350 begin with one such block, which the boot ROM needs (erratum RP2350-E10).
ABSOLUTE = 0xE48BFF57
NAMES = {RP2040: "RP2040", RP2350_ARM: "RP2350", RP2350_RISC_V: "RP2350 as RISC-V"}
# Which images a board takes, by the Board-ID of its INFO_UF2.TXT; the firmware is compiled for Arm.
FAMILY = {"RPI-RP2": RP2040, "RP2350": RP2350_ARM}


def families(path: Path) -> set[int]:
    """The family ids of a whole UF2 file. Raises UsageError when it cannot be read, is none, or is not whole."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}): check --uf2") from None
    if not data or len(data) % BLOCK_N:
        raise UsageError(f"{path} is not a UF2 file, or the download was cut: fetch it again")
    seen: dict[int, set[int]] = {}
    announced: dict[int, int] = {}
    for at in range(0, len(data), BLOCK_N):
        magic0, magic1, flags, _, _, block, blocks_n, family = struct.unpack_from("<8I", data, at)
        (magic_end,) = struct.unpack_from("<I", data, at + BLOCK_N - 4)
        if (magic0, magic1) != MAGIC or magic_end != MAGIC_END:
            raise UsageError(f"{path} has no UF2 block at byte {at}: it is damaged, fetch it again")
        if not flags & FLAG_FAMILY:
            raise UsageError(f"{path} does not say for which chip it is (no family id): take another image")
        seen.setdefault(family, set()).add(block)
        announced[family] = blocks_n
    for family, blocks in seen.items():
        if family != ABSOLUTE and blocks != set(range(announced[family])):
            raise UsageError(
                f"{path} has {len(blocks)} of {announced[family]} blocks: the download was cut, fetch it again"
            )
    return set(seen)


def check(path: Path, board_id: str) -> None:
    """Raise UsageError when this image is not for the board of this Board-ID, or is not whole."""
    found = families(path) - {ABSOLUTE}
    wanted = FAMILY[board_id]
    if found != {wanted}:
        names = ", ".join(sorted(NAMES.get(family, f"0x{family:08X}") for family in found)) or "no chip"
        raise UsageError(
            f"{path} is an image for {names}, the board is one for {NAMES[wanted]}: fetch the right one; nothing was"
            " written"
        )
