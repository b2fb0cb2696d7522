"""A loop's log taken from a board while it runs: the seconds that the board's own detector sees, as a CSV file.

The file is the sample CSV that commission reads; its times are milliseconds since its first row. It is on the disk
every FLUSH_S, and goes on when the same file is given again: neither a crash nor an unplugged cable costs more than
what was not measured. A hole longer than log.LONGEST_GAP_S parts a log, and what counts is what commission will take
of its parts.

Seconds come from a Source: a board on a cable, which is waited for when it goes away, or a virtual one.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Protocol

from loopwatch.sample import CHANNELS, RAIL

from .. import ports
from ..bench.runner import consume, make_target
from ..bench.scenario import load_scenario
from ..bench.target import VirtualTarget
from ..bench.world import World
from ..client import Client, Subscription
from ..errors import UsageError
from ..messages import Message, Record
from .checks import counted_s
from .log import LONGEST_GAP_S

COLUMNS = CHANNELS[:RAIL]
HEADER = ",".join(("t_ms", *COLUMNS))
FLUSH_S = 30.0
LEAST_STEP_MS = 500
WAIT_S = 0.2
VIRTUAL_STEP_S = 10.0


class LiveLog:
    """Appends each second's means to a file. Raises UsageError when the file is another kind of table.

    seconds_n: rows in the file. logged_s: from its first row to its last. stretch_s: from the first row after the last
    long hole. counted_s: what its parts come to for commission.
    """

    def __init__(self, path: Path, clock_s: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self.seconds_n = 0
        self._clock_s = clock_s
        self._first_at_s: float | None = None
        self._last_ms = -LEAST_STEP_MS
        self._stretch_ms = 0
        self._parts_s: list[float] = []  # those that a long hole has ended
        self._flushed_s = clock_s()
        try:
            self._take_up()
            self._file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{path}: cannot be written ({error.strerror}): choose another --log") from None
        if not self._first_at_s:
            self._file.write(HEADER + "\n")

    def __enter__(self) -> LiveLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def logged_s(self) -> float:
        """From the first row to the last."""
        return max(0, self._last_ms) / 1000

    @property
    def stretch_s(self) -> float:
        """From the first row after the last long hole to the last row."""
        return max(0, self._last_ms - self._stretch_ms) / 1000

    @property
    def counted_s(self) -> float:
        """What the parts come to: what is too short for one, and the hours in which lags fill, do not count."""
        return counted_s([*self._parts_s, self.stretch_s])

    def take(self, message: Message) -> None:
        """Note a message of the client; only means with a pressure become rows."""
        if not isinstance(message, Record) or message.name != "mean" or message.values[COLUMNS[0]] is None:
            return
        if self._first_at_s is None:
            self._first_at_s = message.at_s
        t_ms = round((message.at_s - self._first_at_s) * 1000)
        # A clock that was set back, or a record sent twice.
        if t_ms < self._last_ms + LEAST_STEP_MS:
            return
        cells = ("" if message.values[name] is None else str(message.values[name]) for name in COLUMNS)
        self._file.write(f"{t_ms},{','.join(cells)}\n")
        self._follow(t_ms)
        if self._clock_s() - self._flushed_s >= FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Put everything on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._flushed_s = self._clock_s()

    def _take_up(self) -> None:
        """Find where a file from before ends; a last line that was cut is removed."""
        if not self.path.exists() or not self.path.stat().st_size:
            return
        written_at_s = self.path.stat().st_mtime
        with self.path.open("r+b") as file:
            if file.readline().decode("utf-8", "replace").strip() != HEADER:
                raise UsageError(
                    f"{self.path}: is not a log of this kind (its first line is not {HEADER}): choose another"
                )
            end = file.tell()
            try:
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    end += len(line)
                    self._follow(int(line.partition(b",")[0]))
            except ValueError:
                raise UsageError(
                    f"{self.path} line {self.seconds_n + 2}: has no time: take it out, or log into another file"
                ) from None
            file.truncate(end)
            if not self.seconds_n:
                return
        # The file was changed when its last rows were written: the hole since then stays a hole.
        self._first_at_s = written_at_s - self._last_ms / 1000

    def _follow(self, t_ms: int) -> None:
        if t_ms - self._last_ms > 1000 * (LONGEST_GAP_S + 1):
            self._parts_s.append(self.stretch_s)
            self._stretch_ms = t_ms
        self._last_ms = t_ms
        self.seconds_n += 1


class Source(Protocol):
    """Where the seconds come from."""

    def messages(self) -> Iterator[Message]:
        """What has come since the last call; records with the wall time of what they measured."""


class _Cable:
    """A board on a cable."""

    def __init__(self, heard: Subscription) -> None:
        self._heard = heard

    def messages(self) -> Iterator[Message]:
        """Wait a little, then give what has come."""
        message = self._heard.get(WAIT_S)
        if message is not None:
            yield message
        yield from self._heard.drain()


class _Bench:
    """A virtual board, run as fast as it goes; its clock began when it was switched on."""

    def __init__(self, heard: Subscription, target: VirtualTarget, client: Client) -> None:
        self._heard = heard
        self._target = target
        self._client = client
        self._begun_s = time.time()

    def messages(self) -> Iterator[Message]:
        """Run on by VIRTUAL_STEP_S, then give what has come."""
        self._target.advance_to(self._target.now_s + VIRTUAL_STEP_S)
        consume(self._client, self._target)
        for message in self._heard.drain():
            if isinstance(message, Record):
                yield replace(message, at_s=self._begun_s + message.t_ms / 1000)
            else:
                yield message


@contextmanager
def at_port(port: str) -> Iterator[Source]:
    """A real board, found by its USB ids when port is empty. Raises NoBoard."""
    client = Client(port or ports.the_board().device)
    heard = client.subscribe()
    with client:
        yield _Cable(heard)


@contextmanager
def at_bench(kind: str, scenario: str, seed: int) -> Iterator[Source]:
    """A virtual board of this kind (vm, pico) in a scenario's world. Raises NoBoard and ScenarioError."""
    world = World(load_scenario(scenario), seed)
    with ExitStack() as opened:
        scratch = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="loopwatch-live-")))
        target = opened.enter_context(make_target(kind, world, scratch))
        client = Client(target.port, greet=False)
        heard = client.subscribe()
        opened.enter_context(client)
        yield _Bench(heard, target, client)
