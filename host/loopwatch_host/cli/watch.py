"""Watching a board: its messages shown and kept, until the time is up or somebody ends it.

Ctrl-C, a closed terminal and `kill` end it in the same clean way, with what was kept on the disk.
"""

import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console

from ..bench.runner import Observed
from ..client import Client, Subscription
from ..desk.words import duration_words
from ..messages import Message
from ..store import Store

if TYPE_CHECKING:
    from ..adviser import Adviser
    from ..box_keeper import BoxKeeper
    from ..notify import Notifier


class View(Protocol):
    """Whatever shows a board: the line view, or the model behind a dashboard or a page."""

    @property
    def alarm_lines(self) -> Iterable[str]:
        """What was shown of alarms, for the summary at the end."""

    def show(self, message: Message) -> None:
        """Show one message of the client."""

    def narrate(self, text: str) -> None:
        """Show what the virtual bench does to the loop."""

    def tick(self) -> None:
        """Time has passed, whether anything came or not."""


class Watch:
    """One sitting in front of a board. view is None when nothing is to be printed. notifier: who else is told.

    boxes: who fetches the board's black boxes, and when nobody does None. adviser: who says when the board should be
    commissioned again.
    """

    def __init__(self, heard: Subscription, store: Store, view: View | None, observed: Observed) -> None:
        self.observed = observed
        self.notifier: Notifier | None = None
        self.boxes: BoxKeeper | None = None
        self.adviser: Adviser | None = None
        self._heard = heard
        self._store = store
        self._view = view
        self._begun_s = time.monotonic()

    def step(self, timeout_s: float) -> None:
        """Take what has come, waiting at most timeout_s for the first message."""
        message = self._heard.get(timeout_s) if timeout_s > 0 else None
        batch: list[Message] = [message] if message else []
        batch += self._heard.drain()
        self.observed.take(batch)
        # Kept before shown: a line on the screen is a line on the disk.
        for each in batch:
            self._store.add(each)
            if self._view:
                self._view.show(each)
            if self.notifier:
                self.notifier.take(each)
            if self.boxes:
                self.boxes.take(each)
            if self.adviser:
                self.adviser.take(each)
        if self.notifier:
            self.notifier.tick()
        if self.boxes:
            for news in self.boxes.tick():
                if self._view:
                    self._view.show(news)
        if self.adviser:
            for said in self.adviser.tick():
                if self._view:
                    self._view.show(said)
        self._store.tick()
        if self._view:
            self._view.tick()

    def report(self, client: Client) -> dict[str, Any]:
        """What was seen, as the document of --json."""
        return {
            "firmware": self.observed.firmware,
            "board_id": client.stream.board_id,
            "samples": self.observed.sample_n,
            "alarms": [vars(alarm) for alarm in self.observed.alarms()],
            "gaps": dict(sorted(self.observed.gaps.items())),
            "bad_lines": client.bad_n,
            "late": self.observed.late_n,
            "black_boxes": self.boxes.kept_n if self.boxes else 0,
            "db": str(self._store.path),
            "session": self._store.session_id,
            "wall_s": round(time.monotonic() - self._begun_s, 3),
        }

    def summary(self, client: Client, console: Console) -> None:
        """Say at the end what was seen."""
        report = self.report(client)
        lost_n = sum(report["gaps"].values())
        words = [f"{report['samples']} samples in {duration_words(report['wall_s'])}"]
        words.append(f"{lost_n} records lost" if lost_n else "none lost")
        words += [f"{report['bad_lines']} damaged lines"] if report["bad_lines"] else []
        words += [f"{report['late']} late"] if report["late"] else []
        box_n = report["black_boxes"]
        words += [f"{box_n} black box{'es' if box_n > 1 else ''}"] if box_n else []
        console.print(f"\n{', '.join(words)}; kept in {report['db']} as session {report['session']}", markup=False)
        if self._view:
            for line in self._view.alarm_lines:
                console.print(f"  {line}", markup=False)


@contextmanager
def until_ended() -> Iterator[Callable[[], bool]]:
    """Whether somebody has ended it: by Ctrl-C, `kill` or closing the terminal.

    Asked for rather than raised, so that no message is dropped between the cable and the disk.
    """
    received: list[int] = []

    def note(number: int, frame: object) -> None:
        received.append(number)

    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
