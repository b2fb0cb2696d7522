"""What the log remembers of a board between two moments, thinned out to what a chart can show.

Each piece of time gives its least and its greatest value, so that no spike is lost to thinning. Short ranges come from
the samples, longer ones from the means of a second, days from the log's minutes and years from its hours, whose least
and greatest are those of the samples. Where the log has nothing there is a row without values: the line ends there.
Reads beside the program that writes; any thread may call it.
"""

import sqlite3
from bisect import bisect_right
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..store.log import Times
from ..store.schema import PERIODS_S, rollup_table
from .channels import MEASURED, RESIDUAL

SAMPLES_UP_TO_S = 900.0  # 9000 rows at 10 Hz
GAP_S = 2.5
MEASURED_FIELDS = tuple(figure.field for figure in MEASURED)
DECIDED_FIELDS = (RESIDUAL.field,)

Columns = dict[str, list[Any]]


@dataclass(frozen=True)
class _Source:
    """Where a chart's rows come from: a table, its key along time, suffixes of its columns, distance of its rows."""

    table: str
    key: str = "seq"
    least: str = ""
    most: str = ""
    spacing_s: float = 1.0


def read(path: Path, board_id: str, from_s: float, to_s: float, points_n: int) -> dict[str, Columns]:
    """Columns `t` (wall time, s) and one per field in the units of the wire; measured and decided ones apart.

    About points_n rows at most, None where there is nothing. Raises sqlite3.Error.
    """
    piece_s = max(1e-3, 2 * (to_s - from_s) / points_n)
    seconds = _Source("samples" if to_s - from_s <= SAMPLES_UP_TO_S else "means")
    measured = _rolled("sample", piece_s) or seconds
    decided = _rolled("decision", piece_s) or _Source("decisions")
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5.0)) as db:
        return {
            "measured": _thinned(db, measured, MEASURED_FIELDS, board_id, from_s, to_s, piece_s),
            "decided": _thinned(db, decided, DECIDED_FIELDS, board_id, from_s, to_s, piece_s),
        }


def _rolled(name: str, piece_s: float) -> _Source | None:
    """The coarsest rollup that is no coarser than a piece."""
    fit = [(seconds, period) for period, seconds in PERIODS_S.items() if seconds <= piece_s]
    if not fit:
        return None
    seconds, period = max(fit)
    return _Source(rollup_table(name, period), "slot", "_least", "_most", seconds)


def _thinned(
    db: sqlite3.Connection, source: _Source, fields: tuple[str, ...], board_id: str, from_s: float, to_s: float,
    piece_s: float,
) -> Columns:  # fmt: skip
    spreads = ", ".join(f"min({field}{source.least}), max({field}{source.most})" for field in fields)
    gap_s = max(GAP_S * source.spacing_s, 2.5 * piece_s)
    columns: Columns = {name: [] for name in ("t", *fields)}
    for boot_id, least, last in _boots(db, source, board_id, from_s, to_s):
        rows = db.execute(
            f"SELECT min(at_s), max(at_s), {spreads} FROM {source.table} WHERE boot_id = ? AND {source.key} BETWEEN ?"
            " AND ? AND at_s BETWEEN ? AND ? GROUP BY CAST((at_s - ?) / ? AS INTEGER) ORDER BY 1",
            (boot_id, least, last, from_s, to_s, from_s, piece_s),
        )
        for first_s, last_s, *spread in rows:
            _append(columns, fields, first_s, last_s, spread, gap_s)
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


def _boots(
    db: sqlite3.Connection, source: _Source, board_id: str, from_s: float, to_s: float
) -> list[tuple[int, int, int]]:
    """Each start of the board with rows in the range, and about which: found by halving, as time follows the key."""
    found = []
    limits = f"SELECT min({source.key}), max({source.key}) FROM {source.table} WHERE boot_id = ?"
    for (boot_id,) in db.execute("SELECT id FROM boots WHERE board_id = ? ORDER BY started_s", (board_id,)).fetchall():
        least, most = db.execute(limits, (boot_id,)).fetchone()
        if least is None:
            continue
        times_s = Times(db, source.table, source.key, boot_id, least, most)
        first = least + max(0, bisect_right(times_s, from_s) - 1)
        last = least + bisect_right(times_s, to_s)
        if last > first or times_s[0] <= to_s:
            found.append((boot_id, first, last))
    return found
