"""What goes to open pages: new rows ten times a second, the whole state once a second or when it has changed.

A frame is a JSON document. A page that does not keep up is let go, and begins anew. Memory is bounded: the rows of the
last RECENT_S are kept for pages that open.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from ..desk.channels import CHARTS, MEASURED, RESIDUAL
from ..desk.loop import AlarmRow, Loop
from ..desk.shelf import SPANS_S
from ..desk.words import duration_words
from ..messages import Message, Record

STATE_EVERY_S = 1.0
RECENT_S = 5.0
BEHIND_MAX_N = 100  # frames that a page may be behind: 10 s
NOTES_N = 60

FINE_FIELDS = tuple(figure.field for figure in MEASURED)
COARSE_FIELDS = (*FINE_FIELDS, RESIDUAL.field)


class Feed:
    """A view of the board (cli.watch.View) for any number of pages. publish() sends what has come since.

    wall_s: seconds since 1970, the same clock as the at_s of messages.
    """

    def __init__(self, loop: Loop, wall_s: Callable[[], float] = time.time) -> None:
        self.loop = loop
        self._wall_s = wall_s
        self._fine: list[list[float | None]] = []
        self._coarse: list[list[float | None]] = []
        self._recent: deque[tuple[str, list[float | None]]] = deque(maxlen=500)
        self._mean: Record | None = None
        self._listeners: set[asyncio.Queue[str | None]] = set()
        self._stated_s = 0.0
        self._stated: tuple[object, ...] = ()

    @property
    def alarm_lines(self) -> Iterable[str]:
        """What was shown of alarms, for the summary at the end."""
        return self.loop.alarm_lines

    def show(self, message: Message) -> None:
        """Take one message of the client."""
        self.loop.show(message)
        if not isinstance(message, Record):
            return
        if message.name == "sample":
            self._keep("fine", [message.at_s, *(message.values[field] for field in FINE_FIELDS)])
        elif message.name == "mean":
            self._mean = message
        elif message.name == "decision":
            mean = self._mean if self._mean and self._mean.t_ms == message.t_ms else None
            measured = [mean.values[field] if mean else None for field in FINE_FIELDS]
            self._keep("coarse", [message.at_s, *measured, message.values[RESIDUAL.field]])

    def narrate(self, text: str) -> None:
        """Note what the virtual bench does to the loop."""
        self.loop.narrate(text)

    def tick(self) -> None:
        """Nothing is to be done in silence: the state tells its age."""

    def publish(self) -> None:
        """Send what has come to every open page."""
        frame: dict[str, Any] = {"now_s": self._wall_s()}
        if self._fine:
            frame["fine"], self._fine = self._fine, []
        if self._coarse:
            frame["coarse"], self._coarse = self._coarse, []
        now_s = time.monotonic()
        told = (self.loop.note_n, self.loop.verdict(), *self.loop.alarm_rows())
        if now_s - self._stated_s >= STATE_EVERY_S or told != self._stated:
            self._stated_s, self._stated = now_s, told
            frame["state"] = state_of(self.loop)
        if len(frame) == 1 or not self._listeners:
            return
        text = json.dumps(frame, separators=(",", ":"))
        for listener in list(self._listeners):
            if listener.qsize() < BEHIND_MAX_N:
                listener.put_nowait(text)
            else:
                self._listeners.discard(listener)
                listener.put_nowait(None)

    async def frames(self) -> AsyncIterator[str]:
        """The frames for one page, from the latest seconds on, until it goes or is let go."""
        listener: asyncio.Queue[str | None] = asyncio.Queue()
        first: dict[str, Any] = {"now_s": self._wall_s(), "state": state_of(self.loop), "fine": [], "coarse": []}
        for kind, row in self._recent:
            first[kind].append(row)
        # Rows that publish() has yet to send come a second time: a page takes no row that is not later than its last.
        self._listeners.add(listener)
        try:
            yield json.dumps(first, separators=(",", ":"))
            while True:
                frame = await listener.get()
                if frame is None:
                    return
                yield frame
        finally:
            self._listeners.discard(listener)

    def close(self) -> None:
        """Let every page go."""
        for listener in self._listeners:
            listener.put_nowait(None)

    def _keep(self, kind: str, row: list[float | None]) -> None:
        (self._fine if kind == "fine" else self._coarse).append(row)
        self._recent.append((kind, row))
        at_s = row[0] or 0.0
        while (self._recent[0][1][0] or 0.0) < at_s - RECENT_S:
            self._recent.popleft()


def setup() -> dict[str, Any]:
    """What a page needs to know before the first frame: the charts, the columns of rows, for how long one shelves."""
    charts = [
        {"name": chart.name, "title": chart.title, "figures": [vars(figure) for figure in chart.figures]}
        for chart in CHARTS
    ]
    shelf = [(for_s, duration_words(for_s)) for for_s in SPANS_S]
    return {"charts": charts, "fine": ["t", *FINE_FIELDS], "coarse": ["t", *COARSE_FIELDS], "shelf": shelf}


def state_of(loop: Loop) -> dict[str, Any]:
    """Everything but the rows, in words, ready to be shown."""
    grade, words = loop.verdict()
    return {
        "verdict": {"grade": grade, "words": words},
        "board": {
            "id": loop.board_id,
            "firmware": loop.firmware,
            "ne107": loop.ne107(),
            "commissioning": loop.commissioning(),
            "pump": loop.pump(),
            "mode": loop.mode,
        },
        "link": {
            "connected": loop.connected,
            "port": loop.port,
            "age_s": loop.age_s,
            "stale": loop.stale,
            "counts": loop.counts(),
        },
        "figures": [
            {
                "label": reading.figure.label,
                "words": "" if reading.value is None else reading.figure.words(reading.value),
                "status": reading.status,
            }
            for reading in loop.readings()
        ]
        or [{"label": "measured", "words": "", "status": "starting"}],
        "leak": [("inventory", loop.residual_words()), loop.nearest_level(), *loop.leak_figures()],
        "levels": [vars(level) for level in loop.alarm_levels()],
        "evidence": loop.evidence(),
        "unwatched": loop.unwatched_words(),
        "box_n": loop.box_n,
        "alarms": [_alarm(row, loop) for row in loop.alarm_rows()],
        "notes": [(stamp, note.text, note.grade) for stamp, note in list(loop.notes)[-NOTES_N:]],
    }


def _alarm(row: AlarmRow, loop: Loop) -> dict[str, Any]:
    return {
        "name": row.name,
        "title": row.title,
        "state": row.state,
        "mark": row.mark,
        "words": row.words,
        "priority": row.priority_n,
        "value": row.value_words,
        "age_s": None if row.since_s is None else round(max(0.0, loop.now_s - row.since_s)),
        "acknowledgeable": row.acknowledgeable,
        "resettable": row.resettable,
        "shelvable": row.shelvable,
        "unshelvable": row.unshelvable,
        "shelf_s": None if row.shelf_end_s is None else round(max(0.0, row.shelf_end_s - loop.now_s)),
    }
