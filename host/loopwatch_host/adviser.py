"""Tells once, when a board is met, that its settings could be made anew from what has been kept of it meanwhile.

Nothing waits: it asks the board one question, and only where the log knows some settings at all; what months of a log
come to is counted in a thread of its own.
"""

import threading
import time
from pathlib import Path

from .client import Client, Pending
from .errors import CommandFailed, StoreError
from .messages import Identified, Message, Text
from .store import made


class Adviser:
    """One sitting's adviser. Give it every message, and call tick() often."""

    def __init__(self, client: Client, log: Path) -> None:
        self._client = client
        self._log = log
        self._board_id = ""
        self._asked: Pending | None = None
        self._news: list[Message] = []

    def take(self, message: Message) -> None:
        """Hear one message of the client."""
        if not isinstance(message, Identified) or self._board_id:
            return
        self._board_id = message.board_id
        try:
            if made.any_in(self._log):
                self._asked = self._client.post("CONF:CRC?")
        except (CommandFailed, StoreError):
            self._asked = None

    def tick(self) -> list[Message]:
        """What there is to say now: at most one line in a sitting."""
        asked = self._asked
        if asked is not None and asked.done:
            self._asked = None
            if asked.reply is not None:
                threading.Thread(target=self._count, args=(asked.reply.strip(),), daemon=True).start()
        news, self._news = self._news, []
        return news

    def _count(self, crc: str) -> None:
        # The compiler of the twin, which the room of commissioning loads, takes a second.
        from .commission import accumulated

        try:
            text = accumulated.advice(self._log, self._board_id, crc)
        except StoreError:
            return
        if text:
            self._news = [Text(f"board {self._board_id}: {text}; {accumulated.COMMANDS}", time.time())]
