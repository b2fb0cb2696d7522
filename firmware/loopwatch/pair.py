"""A record kept twice on the flash: a cut of power at any byte leaves the old one or the new one, never a mix.

Two files of a folder, a and b, take turns. Each is

    "LW", kind, 0 | generation | length of the content | content | CRC-32 of everything before it

with numbers of 32 bits, the lowest byte first. The whole one of the higher generation is in force. save() writes the
other one and reads it back; until its last byte is right, the one before stays in force. Loading and saving
allocate, and block while the flash is erased: 45 ms a block, 400 at most (Winbond W25Q16JV, 9.6).
"""

import os

from .port import const
from .wire import Crc32

NAMES = ("a", "b")
CONTENT_MAX_N = const(4_096)

_HEAD_N = const(12)
_CRC_N = const(4)
_NONE = const(-1)


def crc_bytes(crc: Crc32) -> bytes:
    """The CRC's four bytes, the lowest first."""
    return crc.lo.to_bytes(2, "little") + crc.hi.to_bytes(2, "little")


def crc_of(data) -> Crc32:
    """CRC-32 of a buffer."""
    crc = Crc32()
    crc.of(data, 0, len(data))
    return crc


def read(path: str):
    """The bytes of a file; None when there is none, or it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def make_folder(folder: str) -> None:
    """Make sure that a folder is there. Raises OSError."""
    try:
        os.stat(folder)
    except OSError:
        os.mkdir(folder)


def magic(kind: str) -> bytes:
    """The first four bytes of the records of a kind."""
    return b"LW" + kind.encode() + b"\0"


def sealed(beginning: bytes, generation: int, content: bytes) -> bytes:
    """The bytes of a file with this content; beginning is magic() of its kind."""
    data = beginning + generation.to_bytes(4, "little") + len(content).to_bytes(4, "little") + content
    return data + crc_bytes(crc_of(data))


class Pair:
    """The two files of one folder. kind: a letter, so that no record is taken for another's.

    damaged_n: files that are there and not whole, as of load(). refusals: why whole ones were refused.
    """

    def __init__(self, folder: str, kind: str) -> None:
        self.damaged_n = 0
        self.refusals: list = []
        self._folder = folder
        self._magic = magic(kind)
        self._in_force = _NONE
        self._generation = 0

    def load(self, accept):
        """Hand the whole contents to accept, the newest first; returns what it makes of the first it does not refuse.

        accept(bytes) refuses with ValueError. None when nothing is in force.
        """
        self.damaged_n = 0
        self.refusals = []
        self._in_force = _NONE
        self._generation = 0
        found = []
        for slot in range(2):
            data = read(self._path(slot))
            if not data:  # a file that was begun and cut is empty, and was never a record
                continue
            generation = self._generation_of(data)
            if generation < 0:
                self.damaged_n += 1
            else:
                found.append((generation, slot, data[_HEAD_N:-_CRC_N]))
        found.sort(reverse=True)
        if found:
            self._generation = found[0][0]
        for _, slot, content in found:
            try:
                accepted = accept(content)
            except ValueError as error:
                self.refusals.append(str(error))
                continue
            self._in_force = slot
            return accepted
        return None

    def save(self, content: bytes) -> None:
        """Put content in force; it is on the flash and was read back when this returns.

        load() must have been called once. Raises OSError when the flash does not take it, and the one before stays.
        """
        if len(content) > CONTENT_MAX_N:
            raise ValueError("{} bytes: at most {}".format(len(content), CONTENT_MAX_N))
        make_folder(self._folder)
        slot = 1 if self._in_force == 0 else 0
        generation = self._generation + 1
        data = sealed(self._magic, generation, content)
        with open(self._path(slot), "wb") as file:
            file.write(data)
        if read(self._path(slot)) != data:
            raise OSError(5, "the flash gives back other bytes than were written")
        self._in_force = slot
        self._generation = generation

    def _path(self, slot: int) -> str:
        return self._folder + "/" + NAMES[slot]

    def _generation_of(self, data: bytes) -> int:
        """The generation of a whole file, or -1."""
        n = len(data)
        if n < _HEAD_N + _CRC_N or data[:4] != self._magic:
            return _NONE
        if int.from_bytes(data[8:12], "little") != n - _HEAD_N - _CRC_N:
            return _NONE
        if crc_bytes(crc_of(data[:-_CRC_N])) != data[-_CRC_N:]:
            return _NONE
        return int.from_bytes(data[4:8], "little")
