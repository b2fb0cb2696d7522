"""From how much log settings were made, by their CRC: what a board runs on does not say it, and the log that gathers
leak-free time is where somebody asks whether it is time for new ones.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from .schema import Transaction, explain

_TABLE = "made"


def any_in(log: Path) -> bool:
    """Whether this log knows any settings. Raises StoreError."""
    return bool(_rows(log, f"SELECT 1 FROM {_TABLE} LIMIT 1"))


def days_of(log: Path, crc: str) -> float | None:
    """Days of log behind the settings of this CRC, as `CONF:CRC?` writes it; None when nobody has told this log.

    Raises StoreError.
    """
    rows = _rows(log, f"SELECT days FROM {_TABLE} WHERE crc = ?", crc)
    return float(rows[0][0]) if rows else None


def _rows(log: Path, query: str, *arguments: str) -> list[tuple[Any, ...]]:
    if not log.is_file():
        return []
    try:
        with closing(sqlite3.connect(f"{log.resolve().as_uri()}?mode=ro", uri=True, timeout=5.0)) as db:
            present = db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (_TABLE,)).fetchone()
            return db.execute(query, arguments).fetchall() if present else []
    except sqlite3.Error as error:
        raise explain(log, error) from None


def remember(log: Path, crc: str, days: float) -> None:
    """Tell a log that is there from how many days the settings of this CRC were made. Raises StoreError."""
    if not log.is_file():
        return
    try:
        with closing(sqlite3.connect(log, timeout=5.0, isolation_level=None)) as db, Transaction(db):
            db.execute(f"CREATE TABLE IF NOT EXISTS {_TABLE} (crc TEXT PRIMARY KEY, days REAL NOT NULL)")
            db.execute(f"INSERT OR REPLACE INTO {_TABLE} VALUES (?, ?)", (crc, days))
    except sqlite3.Error as error:
        raise explain(log, error) from None
