"""The tables of the log, how an older log becomes one of today, and what went wrong in words.

Every kind of records.KINDS but the boot record has a table; a kind or a field that the wire has gained appears in a log
by itself when it is opened for writing. What the wire no longer has stays where it was kept.
"""

import os
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from loopwatch import records

from ..errors import StoreError

FIELDS = {kind[1]: tuple(field[0] for field in kind[3]) for kind in records.KINDS}
TABLES = {name: "evidence" if name == "evidence" else f"{name}s" for name in FIELDS if name != "boot"}

# Wholes and counts of the board that say nothing as a minute's mean.
_NOT_ROLLED = ("_bits", "_n", "_seq")


def rolled_fields(name: str) -> tuple[str, ...]:
    """The fields of a kind whose least, mean and greatest value a rollup keeps."""
    return tuple(field for field in FIELDS[name] if not field.endswith(_NOT_ROLLED))


# Kinds that have rollups: what is measured (from the samples, so that no spike is missed) and what is made of it.
ROLLED = tuple(name for name in TABLES if name not in ("mean", "event", "heartbeat"))
PERIODS_S = {"minutes": 60, "hours": 3600}


def rollup_table(name: str, period: str) -> str:
    """The table of a kind's minutes or hours."""
    return f"{name}_{period}"


def default_path() -> Path:
    """The log of this user: where the system wants programs to keep data."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "loopwatch" / "log.db"


class Transaction:
    """BEGIN IMMEDIATE … COMMIT, or ROLLBACK when the body fails."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._db.execute("COMMIT")
        elif self._db.in_transaction:
            self._db.execute("ROLLBACK")


# The tables of schema 1 as they were; later ones are made by _complete.
_FIRST_TABLES = ("samples", "means", "decisions", "events")


def _create(db: sqlite3.Connection) -> None:
    db.execute(
        "CREATE TABLE sessions (id INTEGER PRIMARY KEY, started_s REAL NOT NULL, ended_s REAL, source TEXT NOT NULL)"
    )
    db.execute(
        "CREATE TABLE boots (id INTEGER PRIMARY KEY, session_id INTEGER NOT NULL REFERENCES sessions(id),"
        " board_id TEXT, firmware TEXT, started_s REAL NOT NULL, heard INTEGER NOT NULL, protocol_n INTEGER,"
        " reset_cause_n INTEGER, config_crc INTEGER, not_monitoring_n INTEGER)"
    )
    for table in _FIRST_TABLES:
        _create_records(db, table)
    db.execute(
        "CREATE TABLE gaps (id INTEGER PRIMARY KEY, session_id INTEGER NOT NULL REFERENCES sessions(id),"
        " boot_id INTEGER REFERENCES boots(id), at_s REAL NOT NULL, name TEXT NOT NULL, after_seq INTEGER,"
        " lost_n INTEGER, reason TEXT)"
    )
    db.execute("CREATE INDEX boots_by_board ON boots (board_id, started_s)")


def _find_by_session(db: sqlite3.Connection) -> None:
    """Schema 2: what each session heard of each start, so that a session is found without reading all; and events by
    time. Heartbeats and rollups come with it, by _complete().
    """
    db.execute("CREATE INDEX events_by_time ON events (at_s)")
    db.execute(
        "CREATE TABLE heard (session_id INTEGER NOT NULL REFERENCES sessions(id), boot_id INTEGER NOT NULL"
        " REFERENCES boots(id), name TEXT NOT NULL, from_seq INTEGER NOT NULL, to_seq INTEGER NOT NULL,"
        " count_n INTEGER NOT NULL, PRIMARY KEY (session_id, boot_id, name)) WITHOUT ROWID"
    )
    for table in _FIRST_TABLES:
        db.execute(
            f"INSERT INTO heard SELECT session_id, boot_id, '{table[:-1]}', min(seq), max(seq), count(*) FROM {table}"
            " GROUP BY session_id, boot_id"
        )


def _number_runs(db: sqlite3.Connection) -> None:
    """Schema 3: the board's own number of a start, by which events that it sends late find their boot."""
    db.execute("ALTER TABLE boots ADD COLUMN run_n INTEGER")


def _keep_boxes(db: sqlite3.Connection) -> None:
    """Schema 4: the boards' black boxes, their bytes as they stood on the board (see blackbox.parse)."""
    db.execute(
        "CREATE TABLE boxes (id INTEGER PRIMARY KEY, board_id TEXT NOT NULL, box_n INTEGER NOT NULL, run_n INTEGER"
        " NOT NULL, event_seq INTEGER NOT NULL, event_ms INTEGER NOT NULL, alarm TEXT NOT NULL, sample_n INTEGER"
        " NOT NULL, complete INTEGER NOT NULL, fetched_s REAL NOT NULL, content BLOB NOT NULL,"
        " UNIQUE (board_id, box_n, run_n, event_seq, event_ms))"
    )


# MIGRATIONS[n] takes a log from schema n to n + 1. Append, never change one that was released.
MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_create, _find_by_session, _number_runs, _keep_boxes)

# (session, boot, kind, least seq, greatest seq, rows): what a batch adds to `heard`.
HEARD = (
    "INSERT INTO heard VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (session_id, boot_id, name) DO UPDATE SET"
    " from_seq = min(from_seq, excluded.from_seq), to_seq = max(to_seq, excluded.to_seq),"
    " count_n = count_n + excluded.count_n"
)


def migrate(db: sqlite3.Connection, path: Path) -> None:
    """Bring an older log up to this schema, and give it what records.KINDS has gained. Raises StoreError."""
    with Transaction(db):
        version_n = db.execute("PRAGMA user_version").fetchone()[0]
        if version_n > len(MIGRATIONS):
            raise unknown_version(path, version_n)
        for migration in MIGRATIONS[version_n:]:
            migration(db)
        _complete(db)
        db.execute(f"PRAGMA user_version={len(MIGRATIONS)}")


def _complete(db: sqlite3.Connection) -> None:
    """Tables of new kinds, columns of new fields."""
    present = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for name, table in TABLES.items():
        if table not in present:
            _create_records(db, table)
        _add_columns(db, table, dict.fromkeys(FIELDS[name], "INTEGER"))
    for name in ROLLED:
        for period in PERIODS_S:
            table = rollup_table(name, period)
            if table not in present:
                # slot: board time in whole periods. to_seq: the latest record in it.
                db.execute(
                    f"CREATE TABLE {table} (boot_id INTEGER NOT NULL REFERENCES boots(id), slot INTEGER NOT NULL,"
                    " at_s REAL NOT NULL, to_seq INTEGER NOT NULL, count_n INTEGER NOT NULL,"
                    " PRIMARY KEY (boot_id, slot)) WITHOUT ROWID"
                )
            columns: dict[str, str] = {}
            for field in rolled_fields(name):
                columns |= {f"{field}_least": "INTEGER", f"{field}_mean": "REAL", f"{field}_most": "INTEGER"}
            _add_columns(db, table, columns)


def _create_records(db: sqlite3.Connection, table: str) -> None:
    db.execute(
        f"CREATE TABLE {table} (boot_id INTEGER NOT NULL REFERENCES boots(id), seq INTEGER NOT NULL,"
        " session_id INTEGER NOT NULL REFERENCES sessions(id), t_ms INTEGER NOT NULL, at_s REAL NOT NULL,"
        " PRIMARY KEY (boot_id, seq)) WITHOUT ROWID"
    )


def _add_columns(db: sqlite3.Connection, table: str, columns: dict[str, str]) -> None:
    present = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
    for column, kind in columns.items():
        if column not in present:
            db.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")


def insert_into(name: str) -> str:
    """The statement for one record of a kind; by column name, for a migrated log may have them in another order."""
    columns = ("boot_id", "seq", "session_id", "t_ms", "at_s", *FIELDS[name])
    marks = ", ".join("?" * len(columns))
    return f"INSERT OR IGNORE INTO {TABLES[name]} ({', '.join(columns)}) VALUES ({marks})"


def first_of(db: sqlite3.Connection, query: str, *arguments: Any) -> Any:
    """The first column of a query's first row, None without one."""
    row = db.execute(query, arguments).fetchone()
    return row[0] if row else None


def unknown_version(path: Path, version_n: int) -> StoreError:
    """A log that is newer than this program, or none."""
    return StoreError(
        f"{path} has schema {version_n}, this loopwatch knows up to {len(MIGRATIONS)} (written by a newer one, or no"
        " log of loopwatch?): update loopwatch, or name another file with --db"
    )


def explain(path: Path, error: Exception) -> StoreError:
    """An error of SQLite or of the file system as a sentence."""
    text = str(error)
    if "not a database" in text:
        return StoreError(f"{path} is no log of loopwatch: name another file with --db")
    if "locked" in text:
        return StoreError(f"{path} is locked by another program for more than 5 s: close it, or use another --db")
    if "full" in text or "disk I/O" in text:
        return StoreError(f"{path} cannot be written ({text}): is the disk full?")
    return StoreError(f"cannot use the log {path} ({text}): check the path and its permissions, or use another --db")
