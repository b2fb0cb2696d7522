"""Something that runs the firmware and has a port: what tests, scenarios and `loopwatch run` hold in their hands.

A Target is started, reached by pyserial at `port`, and stopped. A VirtualTarget has a clock of its own as
well: it stands still unless it is advanced, or paced to the wall clock in the background. For a seed, what happens
at which virtual time does not depend on the wall clock, as long as nobody types.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple, Protocol, TypeVar

from ..errors import LoopwatchError, UsageError
from .bus import Bus

PACE_STEP_S = 0.01
PACE_SLICE_US = 100_000
LAG_MAX_S = 1.0

T = TypeVar("T", bound="Target")


class TargetError(LoopwatchError):
    """A target could not be started, or stopped working."""


class Reset(NamedTuple):
    """One restart of the board: when, and "watchdog", "hang", "software", "soft" or "power".

    "hang" is a watchdog's restart too, of a program that had stopped doing anything that takes time.
    """

    t_s: float
    cause: str


class Surroundings(Protocol):
    """What a virtual board is wired to; world.World is one. Times are virtual µs since power-on of the bench.

    link_connected: the cable is in. link_reading: the laptop reads what the board sends.
    """

    bus: Bus
    link_connected: bool
    link_reading: bool

    def advance(self, t_us: int) -> object:
        """Bring everything up to t_us; a moment already past changes nothing."""

    def pin_write(self, gpio: int, value: int, t_us: int) -> object:
        """The board drives an output; a board in reset lets go of it, told as 0."""

    def pin_read(self, gpio: int, t_us: int) -> int:
        """The level at an input."""


class Target(ABC):
    """A board to talk to. Use it as a context manager: leaving it stops it."""

    @property
    @abstractmethod
    def port(self) -> str:
        """Path that pyserial opens, while the target runs."""

    @abstractmethod
    def start(self) -> None:
        """Make it ready; TargetError says what is missing."""

    @abstractmethod
    def stop(self) -> None:
        """Leave nothing running; may be called twice."""

    def __enter__(self: T) -> T:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


class VirtualTarget(Target):
    """A board with a clock that the bench moves.

    overrun_s: wall time by which pace() had to fall behind so far.
    """

    def __init__(self) -> None:
        self.overrun_s = 0.0
        self._moving = threading.RLock()
        self._pacer: threading.Thread | None = None
        self._pace_ends = threading.Event()
        self._pace_error: BaseException | None = None

    @property
    @abstractmethod
    def now_us(self) -> int:
        """Virtual time since start()."""

    @property
    @abstractmethod
    def resets(self) -> list[Reset]:
        """Restarts so far; the first start is none."""

    @property
    @abstractmethod
    def delivered_n(self) -> int:
        """Console bytes handed to the pty so far."""

    @abstractmethod
    def send(self, data: bytes, t_s: float | None = None) -> None:
        """Bytes from the laptop that reach the board at virtual time t_s exactly (now, when None)."""

    @abstractmethod
    def power_off(self) -> None:
        """Cut the board's power now; its flash survives."""

    @abstractmethod
    def power_on(self) -> None:
        """Give the board and its sensors their power back."""

    @abstractmethod
    def _run_to(self, t_us: int, patient: bool) -> None:
        """Run the board until t_us. A patient run waits for a slow client; else that is a host that does not read."""

    @property
    def now_s(self) -> float:
        """Virtual time since start()."""
        return self.now_us / 1e6

    def power_cycle(self) -> None:
        """power_off() and power_on() at the same moment."""
        with self._moving:
            self.power_off()
            self.power_on()

    def advance_to(self, t_s: float) -> None:
        """Run until virtual time t_s, as fast as possible.

        On return everything that the board wrote until then is in the pty, unless the link is out or unread.
        Raises UsageError for a time in the past or while paced, TargetError when the board cannot go on.
        """
        t_us = round(t_s * 1e6)
        if self._pacer is not None:
            raise UsageError("the board is paced to the wall clock: pause() it before it is advanced")
        with self._moving:
            if t_us < self.now_us:
                raise UsageError(f"the board is at {self.now_s:.6f} s: it cannot go back to {t_s:.6f} s")
            self._run_to(t_us, patient=True)

    def run_until(self, predicate: Callable[[], bool], timeout_s: float, step_s: float = 0.1) -> bool:
        """Run in steps until predicate() holds; returns False when it does not within timeout_s of virtual time.

        Works while paced too; then the steps are waited for.
        """
        end_s = self.now_s + timeout_s
        while not predicate():
            if self.now_s >= end_s:
                return False
            if self._pacer is None:
                self.advance_to(min(self.now_s + step_s, end_s))
            else:
                self.check_pace()
                time.sleep(PACE_STEP_S)
        return True

    def pace(self, speed: float = 1.0) -> None:
        """Run in the background, speed virtual seconds a second, until pause() or stop().

        Where the machine is too slow the board falls behind, and overrun_s says by how much.
        """
        if self._pacer is not None:
            raise UsageError("the board is paced already")
        self._pace_ends.clear()
        self._pace_error = None
        self._pacer = threading.Thread(target=self._pace, args=(speed,), name=f"pace {self.port}", daemon=True)
        self._pacer.start()

    def pause(self) -> None:
        """End pace(); raises what stopped it early, if anything did."""
        if self._pacer is None:
            return
        self._pace_ends.set()
        self._pacer.join()
        self._pacer = None
        self.check_pace()

    def check_pace(self) -> None:
        """Raise what stopped pace() early, once, if anything did."""
        error, self._pace_error = self._pace_error, None
        if error is not None:
            raise error

    def _pace(self, speed: float) -> None:
        started_s, started_us = time.monotonic(), self.now_us
        try:
            while not self._pace_ends.is_set():
                due_us = started_us + round((time.monotonic() - started_s) * speed * 1e6)
                with self._moving:
                    # In slices, so that pause() and power_cycle() get their turn.
                    self._run_to(min(due_us, self.now_us + PACE_SLICE_US), patient=False)
                lag_s = time.monotonic() - started_s - (self.now_us - started_us) / (speed * 1e6)
                if lag_s > LAG_MAX_S:
                    self.overrun_s += lag_s
                    started_s, started_us = time.monotonic(), self.now_us
                elif lag_s < PACE_STEP_S:
                    self._pace_ends.wait(PACE_STEP_S)
        except BaseException as error:
            self._pace_error = error
