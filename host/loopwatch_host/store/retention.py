"""How long what is kept, as people have set it for a log. The log remembers it, so that every program goes by it.

What nobody has set is as in keep and capture. Sizes are in MB of 10**6 bytes.
"""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, fields, replace
from pathlib import Path

from ..errors import UsageError
from .capture import LIMITS, Limits
from .keep import KEEP, Keep
from .schema import Transaction, explain

MB = 10**6
_TABLE = "retention"


@dataclass(frozen=True)
class Retention:
    """keep_days: of every sample and raw line. raw_total_mb: all raw lines, packed. raw_file_mb, raw_file_hours: when
    a file of them is full, and the next begins.
    """

    keep_days: float = KEEP.samples_days
    raw_total_mb: float = LIMITS.total_bytes / MB
    raw_file_mb: float = LIMITS.file_bytes / MB
    raw_file_hours: float = LIMITS.file_hours

    @property
    def keep(self) -> Keep:
        """The same for the log's records; a second's means and decisions never go before its samples."""
        return Keep(self.keep_days, max(self.keep_days, KEEP.seconds_days))

    @property
    def limits(self) -> Limits:
        """The same for the ring of raw lines."""
        total_n, file_n = round(self.raw_total_mb * MB), round(self.raw_file_mb * MB)
        return Limits(file_n, self.raw_file_hours, total_n, self.keep_days)


def remembered(log: Path) -> Retention:
    """What was set for this log, which need not be there; the rest as by default. Raises StoreError."""
    if not log.is_file():
        return Retention()
    try:
        with closing(sqlite3.connect(f"{log.resolve().as_uri()}?mode=ro", uri=True, timeout=5.0)) as db:
            present = db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (_TABLE,)).fetchone()
            rows = db.execute(f"SELECT name, value FROM {_TABLE}").fetchall() if present else []
    except sqlite3.Error as error:
        raise explain(log, error) from None
    known = {field.name for field in fields(Retention)}
    return Retention(**{name: value for name, value in rows if name in known})


def settled(log: Path, given: Mapping[str, float]) -> Retention:
    """What is to hold: what is given now, else what was set before. Raises UsageError, StoreError."""
    retention = replace(remembered(log), **given)
    if 2 * retention.raw_file_mb > retention.raw_total_mb:
        raise UsageError(
            f"a file of raw lines of {retention.raw_file_mb:g} MB is more than half of all of them,"
            f" {retention.raw_total_mb:g} MB: nearly nothing would be kept when it turns; make --raw-file-size smaller"
        )
    return retention


def remember(log: Path, given: Mapping[str, float]) -> None:
    """Set this for a log that is there, for good. Raises StoreError."""
    if not given:
        return
    try:
        with closing(sqlite3.connect(log, timeout=5.0, isolation_level=None)) as db, Transaction(db):
            db.execute(f"CREATE TABLE IF NOT EXISTS {_TABLE} (name TEXT PRIMARY KEY, value REAL NOT NULL)")
            db.executemany(f"INSERT OR REPLACE INTO {_TABLE} VALUES (?, ?)", given.items())
    except sqlite3.Error as error:
        raise explain(log, error) from None
