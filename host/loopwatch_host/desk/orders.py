"""What a person tells the board from a face: acknowledge, reset, shelve; what it answers becomes a note, and is kept.

Nothing waits: an order is posted, and tick() looks whether the board has answered. Who gave which order when, and what
came of it, goes to the log's order book, where `loopwatch alarms` keeps its own.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ..client import COMMAND_TIMEOUT_S, Client, Pending
from ..errors import LoopwatchError, StoreError
from ..order_book import OrderBook, this_person
from . import notes
from .loop import Loop
from .notes import Note
from .words import duration_words


class Hands(Protocol):
    """What a person can do at a face about an alarm; None when it cannot be sent. by: who, if not the account."""

    def acknowledge(self, name: str, by: str = "") -> Pending | None:
        """Say that a person has seen this alarm."""

    def reset(self, name: str, by: str = "") -> Pending | None:
        """End this latched alarm; the board refuses while its condition stands."""

    def shelve(self, name: str, for_s: int, by: str = "") -> Pending | None:
        """Do not be told of this alarm for a time, a day at most; it is judged and logged, and trips what it trips."""

    def unshelve(self, name: str, by: str = "") -> Pending | None:
        """Be told of this alarm again."""


@dataclass(frozen=True)
class _Order:
    """An order on its way."""

    pending: Pending
    who: str
    what: str
    name: str
    argument: str | None
    done_words: str
    posted_s: float


class Orders:
    """Orders on their way to one board. Call tick() often. book: where they are kept, None for nowhere."""

    def __init__(
        self, client: Client, loop: Loop, book: OrderBook | None = None, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._loop = loop
        self._book = book
        self._clock_s = clock_s
        self._posted: list[_Order] = []
        self._question: Pending | None = None
        self._asked_s = 0.0

    def acknowledge(self, name: str, by: str = "") -> Pending | None:
        """Say that a person has seen this alarm."""
        return self._post(f"ALAR:ACK {name}", "ack", name, None, f"{name} acknowledged", by)

    def reset(self, name: str, by: str = "") -> Pending | None:
        """End this latched alarm; the board refuses while its condition stands."""
        return self._post(f"ALAR:RES {name}", "reset", name, None, f"{name} reset", by)

    def shelve(self, name: str, for_s: int, by: str = "") -> Pending | None:
        """Do not be told of this alarm for a time, a day at most; it is judged and logged, and trips what it trips."""
        words = f"{name} shelved for {duration_words(for_s)}"
        return self._post(f"ALAR:SHEL {name},{for_s}", "shelve", name, str(for_s), words, by)

    def unshelve(self, name: str, by: str = "") -> Pending | None:
        """Be told of this alarm again."""
        return self._post(f"ALAR:UNSH {name}", "unshelve", name, None, f"{name} taken from the shelf", by)

    def tick(self) -> None:
        """Note the answers that came, and ask what the loop needs to know."""
        for order in list(self._posted):
            if not order.pending.done and self._clock_s() - order.posted_s < COMMAND_TIMEOUT_S:
                continue
            self._posted.remove(order)
            try:
                outcome = order.pending.wait(0.0)
                if order.what == "shelve":
                    self._loop.shelf_changed(order.name)
                self._say(f"DONE  {order.done_words}, by {order.who}", notes.PLAIN)
            except LoopwatchError as error:
                outcome = str(error)
                self._say(f"REFUSED  {error}", notes.FAULT)
            self._keep(order, outcome)
        self._ask()

    def _post(
        self, command: str, what: str, name: str, argument: str | None, done_words: str, by: str
    ) -> Pending | None:
        try:
            pending = self._client.post(command)
        except LoopwatchError as error:
            self._say(f"NOT SENT  {error}", notes.FAULT)
            return None
        self._posted.append(_Order(pending, by or this_person(), what, name, argument, done_words, self._clock_s()))
        return pending

    def _keep(self, order: _Order, outcome: str) -> None:
        if self._book is None:
            return
        try:
            self._book.add(order.who, order.what, order.name, outcome, self._loop.board_id or None, order.argument)
        except StoreError as error:
            # The board has done it all the same: no reason to stop watching.
            self._say(f"NOT KEPT  {error}", notes.FAULT)

    def _ask(self) -> None:
        if self._question and not self._question.done and self._clock_s() - self._asked_s < COMMAND_TIMEOUT_S:
            return
        if self._question:
            reply, self._question = self._question.reply, None
            if reply is not None:
                self._loop.answer(reply)
        question = self._loop.question()
        if question is None:
            return
        try:
            self._question, self._asked_s = self._client.post(question), self._clock_s()
        except LoopwatchError:
            self._question = None

    def _say(self, text: str, grade: str) -> None:
        self._loop.note(Note(time.time(), text, grade))
