"""Black boxes brought home without being asked for: whoever watches a board keeps each of its boxes, once, in the log.

    when                              what is done
    a board is there, or anew         its boxes are listed; what the log does not have is fetched
    an alarm was raised               the same, when its box should be finished
    a box is still being written      the same again, a little later
    the link goes                     what has come of a box waits, and goes on when the board is back
    a block is damaged or missing     the box is refused, and said to be; the others are fetched

One question is on its way at a time, and the next one only after the board has sent a record: just then it has the most
time, and live samples are never late for the past. Nothing waits: tick() does what can be done now.
"""

import time
from collections.abc import Callable, Generator

from . import blackbox
from .blackbox import Box, BoxError, Dialogue
from .client import Client, Pending
from .errors import CommandFailed, Refused
from .messages import BlackBox, Connected, Disconnected, Identified, Message, Record, Started, alarm_change
from .store import Store

FINISHED_MS = 32_000  # from an alarm to the end of its box, at ten samples a second
AGAIN_MS = 10_000
AFTER_FAILURE_MS = 60_000
ANSWER_S = 10.0  # a virtual board may be far slower than a real one
TRIES_N = 3


class BoxKeeper:
    """Fetches one board's boxes into the store. Give it every message, and call tick() often.

    kept_n: boxes that it has put into the log.
    """

    def __init__(self, client: Client, store: Store, clock_s: Callable[[], float] = time.monotonic) -> None:
        self.kept_n = 0
        self._client = client
        self._store = store
        self._clock_s = clock_s
        self._board_id = ""
        self._now_ms = 0
        self._look_ms: int | None = None
        self._turn = False
        self._work: Generator[str, str, None] | None = None
        self._asked: Pending | None = None
        self._command = ""
        self._asked_s = 0.0
        self._tries_n = 0
        self._settled: set[int] = set()
        self._parts: dict[int, bytearray] = {}
        self._news: list[BlackBox] = []

    @property
    def busy(self) -> bool:
        """Whether a box or the list of them is being fetched."""
        return self._work is not None

    def take(self, message: Message) -> None:
        """Hear one message of the client."""
        if isinstance(message, Record):
            self._turn = True
            self._now_ms = message.t_ms
            change = alarm_change(message)
            if change and change.state == "UNACK":
                self._look_ms = message.t_ms + FINISHED_MS
            elif message.name == "heartbeat" and self._look_ms is not None and message.t_ms >= self._look_ms:
                self._look()
        elif isinstance(message, Started):
            self._settled.clear()
            self._look_ms = 0
        elif isinstance(message, Identified):
            if message.board_id != self._board_id:
                self._parts.clear()
            self._board_id = message.board_id
            self._settled.clear()
            self._look_ms = 0
        elif isinstance(message, Disconnected):
            self._stop()
        elif isinstance(message, Connected):
            self._look_ms = 0

    def tick(self) -> list[BlackBox]:
        """Ask what is to be asked, take what was answered; returns what there is to say."""
        asked = self._asked
        if asked and asked.done:
            self._answered(asked)
        elif self._work and (self._clock_s() - self._asked_s > ANSWER_S if asked else self._turn):
            self._post()
        news, self._news = self._news, []
        return news

    def _look(self) -> None:
        if self._work or not self._board_id:
            return
        self._look_ms = None
        self._work = self._fetch_all()
        self._go_on(lambda work: next(work))

    def _stop(self) -> None:
        self._work = self._asked = None

    def _answered(self, pending: Pending) -> None:
        self._asked = None
        try:
            reply = pending.wait(0.0)
        except CommandFailed as error:
            failure = error
            self._go_on(lambda work: work.throw(failure))
            return
        self._go_on(lambda work: work.send(reply))

    def _go_on(self, advance: Callable[[Generator[str, str, None]], str]) -> None:
        """Let the work take its answer; what it asks next goes out with the board's next record."""
        if self._work is None:
            return
        self._turn = False
        self._tries_n = 0
        try:
            self._command = advance(self._work)
        except StopIteration:
            self._stop()
        except CommandFailed:
            self._give_up()

    def _give_up(self) -> None:
        self._stop()
        self._look_ms = self._now_ms + AFTER_FAILURE_MS

    def _post(self) -> None:
        self._tries_n += 1
        self._asked_s = self._clock_s()
        try:
            if self._tries_n > TRIES_N:
                raise CommandFailed(f"no answer to {self._command}")
            self._asked = self._client.post(self._command)
        except CommandFailed:
            self._give_up()

    def _fetch_all(self) -> Dialogue[None]:
        for box_n in (yield from blackbox.listing()):
            if box_n in self._settled:
                continue
            try:
                yield from self._fetch(box_n)
            except Refused:
                # Newer boxes have taken its place meanwhile.
                self._settled.add(box_n)

    def _fetch(self, box_n: int) -> Dialogue[None]:
        size_n, writing = yield from blackbox.sizing(box_n)
        if writing:
            self._look_ms = self._now_ms + AGAIN_MS
            return
        begun = self._parts.setdefault(box_n, bytearray())
        try:
            event = yield from blackbox.beginning(box_n)
            if begun and blackbox.event_of(begun) != event:
                begun.clear()  # the board has lost its boxes meanwhile, and numbers them anew
            if not self._store.has_box(self._board_id, box_n, event):
                self._keep((yield from blackbox.reading(box_n, size_n, begun)), bytes(begun))
        except BoxError as error:
            self._news.append(BlackBox(f"REFUSED  black box {box_n}: {error}", False, time.time()))
        self._settled.add(box_n)
        del self._parts[box_n]

    def _keep(self, box: Box, content: bytes) -> None:
        self._store.keep_box(
            board_id=self._board_id,
            box_n=box.box_n,
            run_n=box.run_n,
            event_seq=box.event_seq,
            event_ms=box.event_ms,
            alarm=box.alarm,
            sample_n=len(box.samples),
            complete=box.complete,
            fetched_s=time.time(),
            content=content,
        )
        self.kept_n += 1
        self._news.append(BlackBox(f"KEPT  {box.words}", True, time.time()))
