"""A file system whose power goes at any byte: real files in a real folder, written byte by byte until it is enough.

Opening for writing, removing and making a folder take one unit, so that a cut falls between them too. What had been
written is on the disk; nothing is undone, which is worse than littlefs does it.
"""

from __future__ import annotations

import builtins
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

import pytest


class PowerCut(BaseException):
    """The board is dark. No firmware may catch it, so it is no Exception."""


class _File:
    def __init__(self, power: Power, file: Any) -> None:
        self._power = power
        self._file = file

    def __enter__(self) -> _File:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, data: bytes) -> int:
        """One byte after the other."""
        for i in range(len(data)):
            self._power.spend()
            self._file.write(data[i : i + 1])
        return len(data)


class Power:
    """Lasts for a number of bytes; spent_n: how many went."""

    def __init__(self, lasts_n: int) -> None:
        self.spent_n = 0
        self._lasts_n = lasts_n

    def spend(self) -> None:
        """A unit, or the cut."""
        if self.spent_n >= self._lasts_n:
            raise PowerCut
        self.spent_n += 1

    def open(self, path: str, mode: str = "r") -> Any:
        """As open(); writing goes through here byte by byte."""
        if "w" not in mode and "a" not in mode:
            return builtins.open(path, mode)
        self.spend()
        return _File(self, builtins.open(path, mode, buffering=0))

    def remove(self, path: str, really: Any = os.remove) -> None:
        """As os.remove()."""
        self.spend()
        really(path)

    def mkdir(self, path: str, really: Any = os.mkdir) -> None:
        """As os.mkdir()."""
        self.spend()
        really(path)


FOR_EVER = 1 << 60


@contextmanager
def power(folder: Path, lasts_n: int, *modules: ModuleType) -> Iterator[Power]:
    """Run modules in this folder until the power goes; that ends the block quietly."""
    with pytest.MonkeyPatch.context() as patch:
        supply = Power(lasts_n)
        patch.chdir(folder)
        for module in modules:
            patch.setattr(module, "open", supply.open, raising=False)
        patch.setattr(os, "remove", supply.remove)
        patch.setattr(os, "mkdir", supply.mkdir)
        with suppress(PowerCut):
            yield supply
