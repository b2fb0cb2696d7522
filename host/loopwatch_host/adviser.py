"""Tells once, when a board is met, that its settings could be made anew from what has been kept of it meanwhile.

Nothing waits: a thread of its own asks the board one question, and counts what months of a log come to. Where the log
knows no settings (store.made) nobody needs one.
"""

import threading
import time
from pathlib import Path

from .client import Client
from .errors import CommandFailed, StoreError
from .messages import Identified, Message, Text


class Adviser:
    """One sitting's adviser. Give it every message, and call tick() often."""

    def __init__(self, client: Client, log: Path) -> None:
        self._client = client
        self._log = log
        self._met = False
        self._news: list[Message] = []

    def take(self, message: Message) -> None:
        """Hear one message of the client."""
        if isinstance(message, Identified) and not self._met:
            self._met = True
            threading.Thread(target=self._look, args=(message.board_id,), daemon=True).start()

    def tick(self) -> list[Message]:
        """What there is to say now: at most one line in a sitting."""
        news, self._news = self._news, []
        return news

    def _look(self, board_id: str) -> None:
        try:
            crc = self._client.command("CONF:CRC?").strip()
            # The compiler of the twin, which the room of commissioning loads, takes a second.
            from .commission import accumulated

            text = accumulated.advice(self._log, board_id, crc)
        except (CommandFailed, StoreError):
            # Whoever wants to know asks `loopwatch doctor`, which says what is wrong.
            return
        if text:
            self._news = [Text(f"board {board_id}: {text}; {accumulated.COMMANDS}", time.time())]
