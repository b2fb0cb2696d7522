"""The Pico's 2 MB flash as bytes: MicroPython below, its littlefs with our files above.

The layout is that of MicroPython's RPI_PICO build: the file system is the last 1408 KB, 352 blocks of
4096 bytes from offset 0xA0000 (ports/rp2/boards/RPI_PICO, MICROPY_HW_FLASH_STORAGE_BYTES). The same
bytes survive a power cut: read_files() shows what is in them without a board.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

from littlefs import LittleFS

FLASH_N = 2 * 1024 * 1024
FLASH_ADDRESS = 0x1000_0000
FILES_OFFSET = 0xA0000
BLOCK_N = 4096
BLOCKS_N = 352

# UF2 block, https://github.com/microsoft/uf2: 32 bytes of header, up to 476 of payload, a last magic.
_UF2_BLOCK_N = 512
_UF2_MAGIC = (0x0A324655, 0x9E5D5157)
_UF2_MAGIC_END = 0x0AB16F30


def blank(uf2: Path) -> bytearray:
    """Flash with the MicroPython of this UF2 file and everything else erased; ValueError if it is no UF2 for it."""
    flash = bytearray(b"\xff" * FLASH_N)
    data = uf2.read_bytes()
    if not data or len(data) % _UF2_BLOCK_N:
        raise ValueError(f"{uf2} is not a UF2 file: its length is not a multiple of {_UF2_BLOCK_N}")
    for at in range(0, len(data), _UF2_BLOCK_N):
        block = data[at : at + _UF2_BLOCK_N]
        magic0, magic1, _, address, payload_n = struct.unpack_from("<5I", block)
        if (magic0, magic1) != _UF2_MAGIC or struct.unpack_from("<I", block, 508)[0] != _UF2_MAGIC_END:
            raise ValueError(f"{uf2} is damaged: no UF2 block at byte {at}")
        offset = address - FLASH_ADDRESS
        if not 0 <= offset <= FILES_OFFSET - payload_n:
            raise ValueError(f"{uf2} is for another chip or layout: a block goes to 0x{address:08X}")
        flash[offset : offset + payload_n] = block[32 : 32 + payload_n]
    return flash


def with_files(flash: bytes | bytearray, files: Mapping[str, bytes]) -> bytearray:
    """A copy of the flash with a new file system holding these files (path to content, directories made)."""
    image = LittleFS(block_size=BLOCK_N, block_count=BLOCKS_N, prog_size=256, read_size=32, lookahead_size=32)
    for path in sorted(files):
        parent = path.rpartition("/")[0]
        if parent:
            image.makedirs(parent, exist_ok=True)
        with image.open(path, "wb") as file:
            file.write(files[path])
    copy = bytearray(flash)
    copy[FILES_OFFSET : FILES_OFFSET + BLOCK_N * BLOCKS_N] = image.context.buffer
    return copy


def read_files(flash: bytes | bytearray) -> dict[str, bytes]:
    """Every file of the file system in this flash; littlefs.LittleFSError if there is none."""
    image = LittleFS(block_size=BLOCK_N, block_count=BLOCKS_N, mount=False)
    image.context.buffer = bytearray(flash[FILES_OFFSET : FILES_OFFSET + BLOCK_N * BLOCKS_N])
    image.mount()
    files = {}
    for folder, _, names in image.walk("/"):
        for name in names:
            path = f"{folder.rstrip('/')}/{name}".lstrip("/")
            with image.open(path, "rb") as file:
                files[path] = bytes(file.read())
    return files
