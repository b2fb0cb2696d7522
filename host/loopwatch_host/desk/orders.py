"""What a person tells the board from a face: acknowledge, reset; what it answers becomes a note.

Nothing waits: an order is posted, and tick() looks whether the board has answered.
"""

import time
from collections.abc import Callable

from ..client import COMMAND_TIMEOUT_S, Client, Pending
from ..errors import LoopwatchError
from . import notes
from .loop import Loop
from .notes import Note


class Orders:
    """Orders on their way to one board. Call tick() often."""

    def __init__(self, client: Client, loop: Loop, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._loop = loop
        self._clock_s = clock_s
        self._posted: list[tuple[Pending, str, float]] = []
        self._question: Pending | None = None

    def acknowledge(self, name: str) -> Pending | None:
        """Say that a person has seen this alarm; None when it cannot be sent."""
        return self._post(f"ALAR:ACK {name}", f"{name} acknowledged")

    def reset(self, name: str) -> Pending | None:
        """End this latched alarm; the board refuses while its condition stands. None when it cannot be sent."""
        return self._post(f"ALAR:RES {name}", f"{name} reset")

    def tick(self) -> None:
        """Note the answers that came, and ask what the loop needs to know."""
        for entry in list(self._posted):
            pending, done_words, posted_s = entry
            if not pending.done and self._clock_s() - posted_s < COMMAND_TIMEOUT_S:
                continue
            self._posted.remove(entry)
            if pending.reply is not None and not pending.reply.startswith("!"):
                self._say(f"DONE  {done_words}", notes.PLAIN)
                continue
            try:
                pending.wait(0.0)
            except LoopwatchError as error:
                self._say(f"REFUSED  {error}", notes.FAULT)
        self._ask()

    def _post(self, command: str, done_words: str) -> Pending | None:
        try:
            pending = self._client.post(command)
        except LoopwatchError as error:
            self._say(f"NOT SENT  {error}", notes.FAULT)
            return None
        self._posted.append((pending, done_words, self._clock_s()))
        return pending

    def _ask(self) -> None:
        if self._question and self._question.done:
            reply, self._question = self._question.reply, None
            if reply is not None and not reply.startswith("!"):
                self._loop.take_alarm_list(reply)
        question = self._loop.question()
        if question is None:
            return
        try:
            self._question = self._client.post(question)
        except LoopwatchError:
            self._question = None

    def _say(self, text: str, grade: str) -> None:
        self._loop.note(Note(time.time(), text, grade))
