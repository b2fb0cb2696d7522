"""Who told the board what about its alarms, and when: a table of its own in the laptop's log.

An order is on the disk before add() returns, refused or not. `at_s` is wall time in seconds since 1970. Errors are
errors.StoreError.
"""

import getpass
import sqlite3
import time
from pathlib import Path
from typing import Any

from .errors import StoreError
from .store import Store

_COLUMNS = "at_s, board_id, who, what, name, argument, outcome"


def this_person() -> str:
    """The name that orders are kept under unless another one is given: that of the account."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in some containers
        return "unknown"


class OrderBook:
    """The orders kept in a log. Context manager."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            # A log of loopwatch is begun in one place.
            with Store(path, "orders"):
                pass
        try:
            self._db = sqlite3.connect(path, timeout=5.0, isolation_level=None)
            self._db.row_factory = sqlite3.Row
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, at_s REAL NOT NULL, board_id TEXT,"
                " who TEXT NOT NULL, what TEXT NOT NULL, name TEXT, argument TEXT, outcome TEXT NOT NULL)"
            )
        except sqlite3.Error as error:
            raise _explain(path, error) from None
        self._path = path

    def __enter__(self) -> "OrderBook":
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def add(
        self, who: str, what: str, name: str | None, outcome: str, board_id: str | None, argument: str | None = None
    ) -> dict[str, Any]:
        """Keep an order: what (ack, reset, shelve ...) about which alarm, and what the board answered to it."""
        row = (time.time(), board_id, who, what, name, argument, outcome)
        try:
            self._db.execute(f"INSERT INTO orders ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        except sqlite3.Error as error:
            raise _explain(self._path, error) from None
        return dict(zip(_COLUMNS.split(", "), row, strict=True))

    def between(self, from_s: float, to_s: float) -> list[dict[str, Any]]:
        """The orders of a span of wall time, oldest first."""
        found = self._db.execute(
            f"SELECT {_COLUMNS} FROM orders WHERE at_s >= ? AND at_s <= ? ORDER BY at_s, id", (from_s, to_s)
        )
        return [dict(row) for row in found]


def _explain(path: Path, error: Exception) -> StoreError:
    return StoreError(
        f"cannot keep the order in {path} ({error}): check its permissions, or name another file with --db"
    )
