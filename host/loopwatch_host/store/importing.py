"""A session that comes from elsewhere, written into a log as a session of its own."""

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from . import rollup
from .schema import FIELDS, HEARD, TABLES, Transaction, explain, insert_into, migrate

AT_ONCE_N = 20_000

# Columns of a start and of a gap that leave the log and come back.
BOOT_COLUMNS = (
    "board_id", "firmware", "started_s", "heard", "protocol_n", "reset_cause_n", "config_crc", "not_monitoring_n",
)  # fmt: skip
GAP_COLUMNS = ("at_s", "boot_id", "name", "after_seq", "lost_n", "reason")


@dataclass(frozen=True)
class Session:
    """A session apart from its records. boots: by the numbers that its records and gaps name them with."""

    source: str
    started_s: float
    ended_s: float | None
    boots: Mapping[int, Mapping[str, Any]]
    gaps: list[dict[str, Any]]


def write(path: Path, session: Session, tables: Mapping[str, Iterable[tuple[Any, ...]]]) -> tuple[int, dict[str, int]]:
    """Put a session into the log at path, all of it or nothing; returns its id and the rows of each kind.

    tables: per kind (t_ms, at_s, board_ms, boot_id, seq, fields in FIELDS' order). Raises StoreError.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(path, timeout=5.0, isolation_level=None)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            migrate(db, path)
            with Transaction(db):
                session_id, boot_ids = _begin(db, session)
                counts = {name: _records(db, name, rows, session_id, boot_ids) for name, rows in tables.items()}
            rollup.catch_up(db)
        finally:
            db.close()
    except (sqlite3.Error, OSError) as error:
        raise explain(path, error) from None
    return session_id, counts


def _begin(db: sqlite3.Connection, session: Session) -> tuple[int, dict[int, int]]:
    session_id = db.execute(
        "INSERT INTO sessions (started_s, ended_s, source) VALUES (?, ?, ?)",
        (session.started_s, session.ended_s, session.source),
    ).lastrowid
    assert session_id is not None
    boot_ids: dict[int, int] = {}
    marks = ", ".join("?" * (1 + len(BOOT_COLUMNS)))
    for old_id, boot in session.boots.items():
        values = (session_id, *(boot[column] for column in BOOT_COLUMNS))
        new_id = db.execute(
            f"INSERT INTO boots (session_id, {', '.join(BOOT_COLUMNS)}) VALUES ({marks})", values
        ).lastrowid
        assert new_id is not None
        boot_ids[old_id] = new_id
    marks = ", ".join("?" * (1 + len(GAP_COLUMNS)))
    for gap in session.gaps:
        values = tuple(boot_ids.get(gap["boot_id"]) if column == "boot_id" else gap[column] for column in GAP_COLUMNS)
        db.execute(f"INSERT INTO gaps (session_id, {', '.join(GAP_COLUMNS)}) VALUES ({marks})", (session_id, *values))
    return session_id, boot_ids


def _records(
    db: sqlite3.Connection, name: str, rows: Iterable[tuple[Any, ...]], session_id: int, boot_ids: Mapping[int, int]
) -> int:
    assert name in TABLES and len(FIELDS[name])
    written_n = 0
    for boot_id, of_boot in groupby(rows, lambda row: row[3]):
        new_id = boot_ids[boot_id]
        while piece := list(islice(of_boot, AT_ONCE_N)):
            values = [(new_id, row[4], session_id, row[2], row[1], *row[5:]) for row in piece]
            count_n = db.executemany(insert_into(name), values).rowcount
            if count_n:
                seqs = [row[4] for row in piece]
                db.execute(HEARD, (session_id, new_id, name, min(seqs), max(seqs), count_n))
                written_n += count_n
    return written_n
