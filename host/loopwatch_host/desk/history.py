"""What the log remembers of a board between two moments, thinned out to what a chart can show.

Each piece of time gives its least and its greatest value, so that no spike is lost to thinning. Short ranges come from
the samples, longer ones from the means of a second. Where the log has nothing there is a row without values: the line
ends there. Reads beside the program that writes; any thread may call it.
"""

import sqlite3
from bisect import bisect_right
from contextlib import closing
from pathlib import Path
from typing import Any

from .channels import MEASURED, RESIDUAL

SAMPLES_UP_TO_S = 900.0  # 9000 rows at 10 Hz
GAP_S = 2.5
MEASURED_FIELDS = tuple(figure.field for figure in MEASURED)
DECIDED_FIELDS = (RESIDUAL.field,)

Columns = dict[str, list[Any]]


def read(path: Path, board_id: str, from_s: float, to_s: float, points_n: int) -> dict[str, Columns]:
    """Columns `t` (wall time, s) and one per field in the units of the wire; measured and decided ones apart.

    About points_n rows at most, None where there is nothing. Raises sqlite3.Error.
    """
    table = "samples" if to_s - from_s <= SAMPLES_UP_TO_S else "means"
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5.0)) as db:
        return {
            "measured": _thinned(db, table, MEASURED_FIELDS, board_id, from_s, to_s, points_n),
            "decided": _thinned(db, "decisions", DECIDED_FIELDS, board_id, from_s, to_s, points_n),
        }


def _thinned(
    db: sqlite3.Connection, table: str, fields: tuple[str, ...], board_id: str, from_s: float, to_s: float,
    points_n: int,
) -> Columns:  # fmt: skip
    piece_s = max(1e-3, 2 * (to_s - from_s) / points_n)
    spreads = ", ".join(f"min({field}), max({field})" for field in fields)
    columns: Columns = {name: [] for name in ("t", *fields)}
    for boot_id, least_seq, last_seq in _boots(db, table, board_id, from_s, to_s):
        rows = db.execute(
            f"SELECT min(at_s), max(at_s), {spreads} FROM {table} WHERE boot_id = ? AND seq BETWEEN ? AND ?"
            " AND at_s BETWEEN ? AND ? GROUP BY CAST((at_s - ?) / ? AS INTEGER) ORDER BY 1",
            (boot_id, least_seq, last_seq, from_s, to_s, from_s, piece_s),
        )
        for first_s, last_s, *spread in rows:
            _append(columns, fields, first_s, last_s, spread, max(GAP_S, 2.5 * piece_s))
    return columns


def _append(
    columns: Columns, fields: tuple[str, ...], first_s: float, last_s: float, spread: list[int | None], gap_s: float
) -> None:
    times_s = columns["t"]
    if times_s and first_s <= times_s[-1]:
        return
    if times_s and first_s - times_s[-1] > gap_s:
        times_s.append((times_s[-1] + first_s) / 2)
        for field in fields:
            columns[field].append(None)
    ends = (0, 1) if last_s > first_s else (0,)
    for end in ends:
        times_s.append((first_s, last_s)[end])
        for place, field in enumerate(fields):
            columns[field].append(spread[2 * place + end])


def _boots(db: sqlite3.Connection, table: str, board_id: str, from_s: float, to_s: float) -> list[tuple[int, int, int]]:
    """Each start of the board with rows in the range, and about which rows: found by halving, as time follows seq."""
    found = []
    for (boot_id,) in db.execute("SELECT id FROM boots WHERE board_id = ? ORDER BY started_s", (board_id,)).fetchall():
        least, most = db.execute(f"SELECT min(seq), max(seq) FROM {table} WHERE boot_id = ?", (boot_id,)).fetchone()
        if least is None:
            continue
        times = _Times(db, table, boot_id, least, most)
        first = least + max(0, bisect_right(times, from_s) - 1)
        last = least + bisect_right(times, to_s)
        if last > first or times[0] <= to_s:
            found.append((boot_id, first, last))
    return found


class _Times:
    """Wall time of the row at or after each seq of one start, as a sequence that bisect can search."""

    def __init__(self, db: sqlite3.Connection, table: str, boot_id: int, least: int, most: int) -> None:
        self._db = db
        self._query = f"SELECT at_s FROM {table} WHERE boot_id = ? AND seq >= ? ORDER BY seq LIMIT 1"
        self._boot_id = boot_id
        self._least = least
        self._most = most

    def __len__(self) -> int:
        return self._most - self._least + 1

    def __getitem__(self, place: int) -> float:
        return float(self._db.execute(self._query, (self._boot_id, self._least + place)).fetchone()[0])
