"""Virtual boards that run a test's own program, and a laptop at the other end of the pty."""

import os
import select
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from loopwatch_host.bench.scenario import load_scenario
from loopwatch_host.bench.vm import VmTarget
from loopwatch_host.bench.world import World

RECEIVE_TIMEOUT_S = 10.0


class Laptop:
    """A client that has the board's port open and reads all that comes."""

    def __init__(self, board: VmTarget) -> None:
        self._board = board
        self._before_n = board.delivered_n
        self._fd = os.open(board.port, os.O_RDWR | os.O_NOCTTY)
        self._received = bytearray()
        self._ends = threading.Event()
        self.reads = threading.Event()
        self.reads.set()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def received(self) -> bytes:
        """All bytes so far; waits for those that the target says it has delivered."""
        deadline_s = time.monotonic() + RECEIVE_TIMEOUT_S
        while len(self._received) < self._board.delivered_n - self._before_n:
            assert time.monotonic() < deadline_s, "bytes were delivered and did not arrive"
            time.sleep(0.002)
        return bytes(self._received)

    def lines(self) -> list[str]:
        """The same as lines of text."""
        return self.received().decode().splitlines()

    def type(self, data: bytes) -> None:
        """Send bytes to the board."""
        os.write(self._fd, data)

    def close(self) -> None:
        """Leave the port."""
        self._ends.set()
        self._reader.join()
        os.close(self._fd)

    def _read(self) -> None:
        while not self._ends.is_set():
            if self.reads.is_set() and select.select([self._fd], [], [], 0.02)[0]:
                try:
                    self._received += os.read(self._fd, 4096)
                except OSError:  # the target has removed its port
                    return


class Bench:
    """Boards of one test: board(program) is a virtual one that runs it, in the world of a scenario."""

    def __init__(self, folder: Path, opened: ExitStack) -> None:
        self._folder = folder
        self._opened = opened

    def board(self, program: str | None, scenario: str = "quiet", **options: Any) -> tuple[VmTarget, Laptop, World]:
        """A started board with a laptop at its port; the firmware runs when program is None."""
        target = self.alone(program, scenario, **options)
        laptop = Laptop(target)
        self._opened.callback(laptop.close)
        return target, laptop, self.world

    def alone(self, program: str | None, scenario: str = "quiet", **options: Any) -> VmTarget:
        """A started board whose port nobody has opened."""
        self.world = World(load_scenario(scenario), seed=1)
        if program is not None:
            main = self._folder / "main.py"
            main.write_text(textwrap.dedent(program))
            options["main"] = main
        return self._opened.enter_context(VmTarget(self.world, **options))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A bench that is cleared after the test."""
    with ExitStack() as opened:
        yield Bench(tmp_path, opened)
