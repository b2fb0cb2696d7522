"""What is on a board: its chip, its MicroPython, and every file of loopwatch by size and hash, asked at the prompt.

The programs here run on the board. They go into its memory once, by HELPERS, and are called by short lines; a hash is
always taken of what is read back from the flash.
"""

from __future__ import annotations

import ast
import base64
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from loopwatch import crash, slots

from ..errors import NoBoard
from ..firmware_build import PICO, PICO_2
from .prompt import FlashError, Prompt

MICROPYTHON_LEAST = (1, 24)
MPY_VERSION = 6  # of .mpy files, from MicroPython 1.19 on
PLATFORM = "rp2"
# What the firmware is compiled for, by the chip.
CHIPS = {"RP2040": PICO, "RP2350": PICO_2}
# By (sys.implementation._mpy >> 10) & 15: MicroPython's reference, "MicroPython .mpy files".
ARCHITECTURES = "none x86 x64 armv6 armv6m armv7m armv7em armv7emsp armv7emdp xtensa xtensawin rv32imc rv64imc".split()
SCRIPTS = ("main.py", "boot.py")
OLD_PACKAGE = "loopwatch"  # where the firmware was before there were slots
SETTINGS = "config"
PIECE_N = 1_536
DIGESTS_N = 8  # files hashed by one program

HELPERS = """
import os, sys, hashlib, binascii
_buffer = memoryview(bytearray(1024))
def _digests(*paths):
    for path in paths:
        h = hashlib.sha256()
        with open(path, 'rb') as f:
            n = f.readinto(_buffer)
            while n:
                h.update(_buffer[:n])
                n = f.readinto(_buffer)
        print(binascii.hexlify(h.digest()).decode(), path)
def _list(folder):
    try:
        entries = list(os.ilistdir('/' + folder))
    except OSError:
        return
    for entry in entries:
        path = folder + '/' + entry[0] if folder else entry[0]
        if entry[1] == 0x4000:
            _list(path)
        else:
            print(entry[3], path)
def _folders(path):
    for i in range(len(path)):
        if path[i] == '/':
            try:
                os.mkdir(path[:i])
            except OSError as error:
                if error.errno != 17:
                    raise
def _drop(path):
    try:
        kind = os.stat(path)[0]
    except OSError:
        return
    if kind & 0x4000:
        for entry in list(os.ilistdir(path)):
            _drop(path + '/' + entry[0])
        os.rmdir(path)
    else:
        os.remove(path)
def _copy(source, path):
    _folders(path)
    with open(source, 'rb') as f, open(path, 'wb') as g:
        n = f.readinto(_buffer)
        while n:
            g.write(_buffer[:n])
            n = f.readinto(_buffer)
def _put(path, data, last):
    global _file
    if _file is None:
        _folders(path)
        _file = open(path, 'wb')
    _file.write(binascii.a2b_base64(data))
    if last:
        _file.close()
        _file = None
_file = None
os.chdir('/')
"""

_FACTS = """
_i = sys.implementation
_s = os.statvfs('/')
print(repr((sys.platform, _i.name, tuple(_i.version[:3]), getattr(_i, '_machine', ''), getattr(_i, '_mpy', 0),
    _s[0], _s[3])))
"""


@dataclass(frozen=True)
class Facts:
    """A board's chip and MicroPython, e.g. `Raspberry Pi Pico with RP2040` and (1, 26, 1)."""

    platform: str
    python_name: str
    version: tuple[int, int, int]
    machine: str
    mpy: int
    block_n: int
    free_blocks_n: int

    @property
    def chip(self) -> str:
        """RP2040 or RP2350; empty when it is neither."""
        return next((chip for chip in CHIPS if chip in self.machine), "")

    @property
    def architecture(self) -> str:
        """What its MicroPython runs machine code of, in mpy-cross's words."""
        place = self.mpy >> 10 & 0xF
        return ARCHITECTURES[place] if place < len(ARCHITECTURES) else f"architecture {place}"

    @property
    def micropython(self) -> str:
        """The version as people write it."""
        return ".".join(str(part) for part in self.version)


@dataclass(frozen=True)
class Pointer:
    """Which slot is in force, see loopwatch.slots; name is empty on a board without slots."""

    name: str = ""
    state: str = slots.HEALTHY

    def __str__(self) -> str:
        return f"{self.name} {self.state}".strip()


@dataclass(frozen=True)
class Contents:
    """Files on the board by path: sizes_n of all that may concern us, digests (SHA-256, hex) of those asked for."""

    pointer: Pointer
    sizes_n: dict[str, int]
    digests: dict[str, str] = field(default_factory=dict)

    def whole(self, slot: str) -> bool:
        """Whether a slot holds all of a firmware."""
        return f"{slot}/{slots.COMPLETE}" in self.sizes_n

    def runs_something_else(self) -> bool:
        """Whether there is a main.py and no sign of loopwatch."""
        ours = self.pointer.name or any(path.startswith(f"{OLD_PACKAGE}/") for path in self.sizes_n)
        return "main.py" in self.sizes_n and not ours


def other(slot: str) -> str:
    """The other one of the two slots."""
    return slots.NAMES[1 - slots.NAMES.index(slot)]


def spare_slot(found: Contents) -> str:
    """The slot that is not in force. Raises FlashError when it holds no whole firmware to go back to."""
    if not found.pointer.name or not found.whole(other(found.pointer.name)):
        raise FlashError("there is no earlier firmware on the board to go back to: flash the one you want")
    return other(found.pointer.name)


def facts(prompt: Prompt) -> Facts:
    """Ask the board what it is; sends HELPERS too. Raises NoBoard when the firmware cannot run on it."""
    prompt.run(HELPERS)
    found = Facts(*ast.literal_eval(prompt.run(_FACTS).strip()))
    name = f"{found.python_name} {found.micropython}"
    bootsel = "hold BOOTSEL while plugging it in, then flash again"
    if found.python_name != "micropython":
        raise NoBoard(f"the board runs {name}, not MicroPython: {bootsel}")
    if found.platform != PLATFORM or not found.chip:
        raise NoBoard(
            f"the board is a {found.machine or found.platform}: the firmware is for a Raspberry Pi Pico (RP2040) or"
            " Pico 2 (RP2350)"
        )
    if found.version < MICROPYTHON_LEAST or found.mpy & 0xFF != MPY_VERSION:
        least = ".".join(str(part) for part in MICROPYTHON_LEAST)
        raise NoBoard(
            f"MicroPython {found.micropython} on the board does not fit, {least} or newer is needed: {bootsel}"
        )
    if found.architecture != CHIPS[found.chip]:
        raise NoBoard(
            f"MicroPython on the board runs as {found.architecture}, the firmware for the {found.chip} is compiled for"
            f" {CHIPS[found.chip]}: install the image for Arm ({bootsel})"
        )
    return found


def contents(prompt: Prompt) -> Contents:
    """List the board's files; HELPERS must be there, as after facts()."""
    sizes_n = {}
    for line in prompt.run("_list('')").splitlines():
        size_n, _, path = line.partition(" ")
        sizes_n[path] = int(size_n)
    words: list[str] = []
    if slots.FILE in sizes_n:
        words = prompt.run(f"print(open({slots.FILE!r}).read())").split()
    known = bool(words) and words[0] in slots.NAMES
    pointer = Pointer(words[0], words[1] if len(words) > 1 else slots.HEALTHY) if known else Pointer()
    return Contents(pointer, sizes_n)


def digests(prompt: Prompt, paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield path and SHA-256 of these files, read back from the flash."""
    in_order = sorted(paths)
    for at in range(0, len(in_order), DIGESTS_N):
        arguments = ", ".join(repr(path) for path in in_order[at : at + DIGESTS_N])
        for line in prompt.run(f"_digests({arguments})").splitlines():
            digest, _, path = line.partition(" ")
            yield path, digest


def write(prompt: Prompt, path: str, data: bytes) -> Iterator[int]:
    """Write a file in pieces; yields the bytes of each. It is not whole before the last one."""
    pieces = [data[at : at + PIECE_N] for at in range(0, len(data), PIECE_N)] or [b""]
    for i, piece in enumerate(pieces):
        text = base64.b64encode(piece).decode()
        prompt.run(f"_put({path!r}, {text!r}, {i == len(pieces) - 1})")
        yield len(piece)


def replace(prompt: Prompt, path: str, data: bytes) -> None:
    """Put a small file in the place of another, whole or not at all."""
    new = f"{path}.new"
    for _ in write(prompt, new, data):
        pass
    prompt.run(f"os.rename({new!r}, {path!r})")


def copy(prompt: Prompt, source: str, path: str) -> None:
    """Copy a file on the board."""
    prompt.run(f"_copy({source!r}, {path!r})")


def drop(prompt: Prompt, *paths: str) -> None:
    """Remove files and folders, as far as they are there."""
    for path in paths:
        prompt.run(f"_drop({path!r})")


def point(prompt: Prompt, pointer: Pointer) -> None:
    """Put a slot in force; it begins with no crashes counted."""
    drop(prompt, crash.COUNT_FILE)
    replace(prompt, slots.FILE, str(pointer).encode())


def in_slot(slot: str, path: str) -> str:
    """Where a file of the firmware is on the board."""
    return posixpath.join(slot, path)
