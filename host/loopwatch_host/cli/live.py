"""`loopwatch commission --live`: a log taken from a board until there is enough of it; ended and taken up at will."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from ..desk.words import duration_words
from ..errors import LoopwatchError, UsageError
from ..messages import Connected, Disconnected, Message, Record, alarm_change, is_leak
from . import output
from .watch import until_ended

if TYPE_CHECKING:
    from ..commission.log import Log

SILENT_S = 60.0


class _Teller:
    """Says what happens while nobody looks: once each time, on stderr."""

    def __init__(self) -> None:
        self._notes = output.notes()
        self._heard_s = time.monotonic()
        self._silent = False
        self._gone = False

    def take(self, message: Message) -> None:
        """Say what this message means for the log, if anything."""
        if isinstance(message, Disconnected):
            self._gone = True
            self._say(f"the board is gone: {message.reason}; it is waited for")
        elif isinstance(message, Connected) and self._gone:
            self._gone = False
            self._say("the board is back")
        elif isinstance(message, Record):
            if message.name == "mean":
                self._heard_s = time.monotonic()
                self._silent = False
            change = alarm_change(message)
            if change is not None and is_leak(change.name) and change.state == "UNACK":
                self._say(f"the board raises {change.name}: a loop that leaks cannot be commissioned; look for it now")

    def tick(self) -> None:
        """Say that the board is silent, once it has been for SILENT_S."""
        if not self._silent and not self._gone and time.monotonic() - self._heard_s > SILENT_S:
            self._silent = True
            self._say(f"no second has come from the board for {SILENT_S:g} s: is it monitoring, or at its prompt?")

    def _say(self, text: str) -> None:
        self._notes.print(text, style="yellow", markup=False)


def logged(path: Path, target: str, scenario: str, seed: int, days: float) -> Log:
    """Log the board at target into path until days of it are there, and read them; goes on where path stops.

    Raises NoBoard, UsageError, and LoopwatchError when somebody ends it before.
    """
    from ..commission import live
    from ..commission import log as logs

    kind, _, port = target.partition(":")
    if kind not in ("vm", "pico", "serial"):
        raise UsageError(f"no target {target!r}: vm, pico, serial or serial:PORT")
    if path.suffix != ".csv":
        raise UsageError(f"{path}: a live log is a table that grows, so it must end in .csv")
    of_s = days * 86_400
    teller = _Teller()
    with ExitStack() as opened:
        live_log = opened.enter_context(live.LiveLog(path))
        if kind == "serial":
            source = opened.enter_context(live.at_port(port))
        else:
            source = opened.enter_context(live.at_bench(kind, scenario, seed))
        ended = opened.enter_context(until_ended())
        if live_log.seconds_n:
            begun = duration_words(live_log.counted_s)
            output.notes().print(f"{path}: {begun} that count are there; going on", markup=False)
        progress = opened.enter_context(output.progress(f"logging into {path}"))
        while live_log.counted_s < of_s and not ended():
            for message in source.messages():
                live_log.take(message)
                teller.take(message)
            teller.tick()
            progress(live_log.counted_s, of_s)
        done_s = live_log.counted_s
    if done_s < of_s:
        raise LoopwatchError(
            f"ended with {duration_words(done_s)} of {duration_words(of_s)} in {path}: the same command goes on with"
            f" it, `loopwatch commission {path}` takes what is there"
        )
    return logs.read([path])
