"""The `vm` target: real MicroPython as a child process, running the unchanged firmware on the bench's time.

The firmware's `machine`, `time` and `select` are shims that ask this process, and MicroPython stands still
until it is answered. Virtual time passes only in sleeps, in transfers on the bus with their true bit times, and by
a small fixed cost of each call that reads the clock or looks at the console. So the same scenario and seed give the
same bytes at the same times, however fast the machine is. Computing costs no virtual time: how long it takes
on the board is measured on the emulated Pico.

Ctrl-C (0x03) raises KeyboardInterrupt where the program waits. When main.py ends, its traceback is on the console and
the board stays silent, until the watchdog, Ctrl-D (a soft reset) or power restarts it: a REPL is not here.
"""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import loopwatch

from ...errors import NoBoard
from ..pty_link import PtyLink
from ..target import Reset, Surroundings, TargetError, VirtualTarget
from .board import Board
from .console import Console
from .process import Process

HANG_S = 10.0
BOARD_ID = b"loopvm\x00\x01"


def boot_scripts(main: Path | None) -> list[Path]:
    """boot.py, if there is one, and main.py: the one given, else the checkout's or that in the wheel."""
    package_folder = Path(loopwatch.__file__).resolve().parents[1]
    in_wheel = Path(__file__).resolve().parents[2] / "board"
    if main is None:
        main = next((path for path in (package_folder / "main.py", in_wheel / "main.py") if path.is_file()), None)
    if main is None or not main.is_file():
        raise NoBoard(f"no firmware to run: there is no {main or package_folder / 'main.py'}. Install loopwatch again")
    boot = main.with_name("boot.py")
    return [boot, main] if boot.is_file() else [main]


class VmTarget(VirtualTarget):
    """A virtual board wired to world; main is the program it runs, the firmware's by default.

    heap_kb: MicroPython's heap: twice a Pico's, because here a word has 64 bits. flash_dir: its file system, which
    survives; by default an empty one for as long as the target runs. hang_s: wall time without any request after which
    the program counts as hung.
    """

    def __init__(
        self,
        world: Surroundings,
        *,
        heap_kb: int = 380,
        flash_dir: Path | None = None,
        main: Path | None = None,
        hang_s: float = HANG_S,
        board_id: bytes = BOARD_ID,
    ) -> None:
        super().__init__()
        self._world = world
        self._heap_kb = heap_kb
        self._flash_dir = flash_dir
        self._main = main
        self._hang_s = hang_s
        self._board_id = board_id
        self._open = contextlib.ExitStack()
        self._parts: tuple[PtyLink, Console, Board] | None = None

    @property
    def port(self) -> str:
        return self._running[0].port

    @property
    def now_us(self) -> int:
        return self._running[2].now_us

    @property
    def resets(self) -> list[Reset]:
        return self._running[2].resets

    @property
    def main_end_s(self) -> list[float]:
        """Virtual times at which main.py ended."""
        return [end_us / 1e6 for end_us in self._running[2].main_end_us]

    @property
    def delivered_n(self) -> int:
        return self._running[1].delivered_n

    @property
    def discarded_n(self) -> int:
        """Console bytes that went nowhere: no cable, or nobody had the port open."""
        return self._running[1].discarded_n

    @property
    def lost_n(self) -> int:
        """Console bytes written although the laptop did not read; each such write has stalled the board."""
        return self._running[1].lost_n

    def start(self) -> None:
        if self._parts is not None:
            raise TargetError(f"the virtual board at {self.port} runs already")
        scripts = boot_scripts(self._main)
        folders = [scripts[-1].parent, Path(loopwatch.__file__).resolve().parents[1]]
        with contextlib.ExitStack() as opened:
            flash_dir = self._flash_dir
            if flash_dir is None:
                flash_dir = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="loopwatch-flash-")))
            flash_path = flash_dir
            pty = PtyLink()
            opened.callback(pty.close)
            console = Console(self._world, pty)
            board = Board(
                self._world,
                console,
                lambda: Process(scripts, folders, flash_path, self._heap_kb),
                self._hang_s,
                self._board_id,
            )
            opened.callback(board.stop)
            self._open = opened.pop_all()
        self._parts = (pty, console, board)

    def stop(self) -> None:
        try:
            self.pause()
        finally:
            self._open.close()

    def send(self, data: bytes, t_s: float | None = None) -> None:
        with self._moving:
            self._running[1].expect(self.now_us if t_s is None else round(t_s * 1e6), data)

    def power_off(self) -> None:
        with self._moving:
            self._running[2].power_off()

    def power_on(self) -> None:
        with self._moving:
            for chip in self._world.bus.chips.values():
                chip.power_cycle(self.now_us)
            self._running[2].restart("power")

    @property
    def _running(self) -> tuple[PtyLink, Console, Board]:
        if self._parts is None:
            raise TargetError("the virtual board has not been started: start() it first")
        return self._parts

    def _run_to(self, t_us: int, patient: bool) -> None:
        _, console, board = self._running
        console.patient = patient
        board.run_to(t_us)
