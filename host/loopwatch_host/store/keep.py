"""How long what is kept: a table, and the broom that goes by it.

Ten samples a second are 70 MB a day, a year of them 25 GB; means and decisions of a second 9 MB a day. Minutes and
hours are 0.2 MB a day, and they, the events, the gaps and the starts stay for ever. Rolled up first, swept then, a
little at a time, so that the log is never locked for long; the file keeps its size and reuses the room. Age is counted
from the latest record, not from the laptop's clock, which may be wrong.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from .schema import TABLES, first_of

AT_ONCE_N = 20_000
DAY_S = 86_400.0


@dataclass(frozen=True)
class Keep:
    """Days for which records stay; samples apart from whatever else comes once a second."""

    samples_days: float = 30.0
    seconds_days: float = 800.0

    def table_days(self) -> Iterable[tuple[str, float]]:
        """Every table that is swept, and its days."""
        for name, table in TABLES.items():
            if name != "event":
                yield table, self.samples_days if name == "sample" else self.seconds_days


KEEP = Keep()


def sweep(db: sqlite3.Connection, keep: Keep, now_s: float) -> int:
    """Delete up to AT_ONCE_N of the oldest rows that are over their days, in the caller's transaction.

    Returns how many; 0 says that nothing is left to do.
    """
    for table, days in keep.table_days():
        before_s = now_s - days * DAY_S
        for (boot_id,) in db.execute("SELECT id FROM boots WHERE started_s < ? ORDER BY id", (before_s,)).fetchall():
            least = first_of(db, f"SELECT min(seq) FROM {table} WHERE boot_id = ?", boot_id)
            if least is None:
                continue
            cursor = db.execute(
                f"DELETE FROM {table} WHERE boot_id = ? AND seq >= ? AND seq < ? AND at_s < ?",
                (boot_id, least, least + AT_ONCE_N, before_s),
            )
            if cursor.rowcount:
                return cursor.rowcount
    return 0
