"""The log on the laptop: what the board said, kept in one SQLite file that survives whatever happens to this program.

An event is on the disk before add() returns; samples, means and decisions follow in batches of at most FLUSH_S.
Columns are those of wire.KINDS, in their units; a value that the board did not have is NULL. `t_ms` counts from the
board's start, `at_s` is wall time in seconds since 1970. A session is one run of this program; a boot is one start of
a board, and keeps its events once, however many sessions heard them. One thread uses a Store. Errors are
errors.StoreError.
"""

import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from loopwatch import wire

from .errors import StoreError
from .messages import (
    Disconnected,
    Earlier,
    Gap,
    Identified,
    Message,
    Record,
    Started,
    boot_board_id,
    boot_firmware,
    crc_of,
)

FLUSH_S = 1.0

# boots.heard of a start that nobody listened to, only its events came later: its times are the latest they can be.
NOBODY_HEARD = -1

# Two sightings of one start differ by the delay of the first lines and by the crystal.
SAME_START_S = 5.0
SAME_START_PPM = 100

FIELDS = {kind[1]: tuple(field[0] for field in kind[3]) for kind in wire.KINDS}
TABLES = {"sample": "samples", "mean": "means", "decision": "decisions", "event": "events"}

Row = dict[str, Any]


def default_path() -> Path:
    """The log of this user: where the system wants programs to keep data."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "loopwatch" / "log.db"


def _create(db: sqlite3.Connection) -> None:
    db.execute(
        "CREATE TABLE sessions (id INTEGER PRIMARY KEY, started_s REAL NOT NULL, ended_s REAL, source TEXT NOT NULL)"
    )
    db.execute(
        "CREATE TABLE boots (id INTEGER PRIMARY KEY, session_id INTEGER NOT NULL REFERENCES sessions(id),"
        " board_id TEXT, firmware TEXT, started_s REAL NOT NULL, heard INTEGER NOT NULL, protocol_n INTEGER,"
        " reset_cause_n INTEGER, config_crc INTEGER, not_monitoring_n INTEGER)"
    )
    for name, table in TABLES.items():
        columns = ", ".join(f"{field} INTEGER" for field in FIELDS[name])
        db.execute(
            f"CREATE TABLE {table} (boot_id INTEGER NOT NULL REFERENCES boots(id), seq INTEGER NOT NULL,"
            f" session_id INTEGER NOT NULL REFERENCES sessions(id), t_ms INTEGER NOT NULL, at_s REAL NOT NULL,"
            f" {columns}, PRIMARY KEY (boot_id, seq)) WITHOUT ROWID"
        )
    db.execute(
        "CREATE TABLE gaps (id INTEGER PRIMARY KEY, session_id INTEGER NOT NULL REFERENCES sessions(id),"
        " boot_id INTEGER REFERENCES boots(id), at_s REAL NOT NULL, name TEXT NOT NULL, after_seq INTEGER,"
        " lost_n INTEGER, reason TEXT)"
    )
    db.execute("CREATE INDEX boots_by_board ON boots (board_id, started_s)")


def _number_runs(db: sqlite3.Connection) -> None:
    """The board's own number of a start, by which events that it sends late find their boot."""
    db.execute("ALTER TABLE boots ADD COLUMN run_n INTEGER")


# MIGRATIONS[n] takes a log from schema n to n + 1. Append, never change one that was released.
MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_create, _number_runs)


class Store:
    """The log open for writing, and the session that is being written. Context manager."""

    def __init__(self, path: Path, source: str, now_s: float | None = None) -> None:
        """Open or create the log and begin a session; source says whom it listens to, e.g. a port."""
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=5.0, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            # FULL: a commit is on the disk when it returns, even if the power goes next.
            self._db.execute("PRAGMA synchronous=FULL")
            _migrate(self._db, path)
            with self._commit():
                self.session_id = self._db.execute(
                    "INSERT INTO sessions (started_s, source) VALUES (?, ?)", (now_s or time.time(), source)
                ).lastrowid
        except (sqlite3.Error, OSError) as error:
            raise _explain(path, error) from None
        self._boot_ids: dict[int, int] = {}
        self._board_id: str | None = None
        self._firmware: str | None = None
        self._waiting: dict[str, list[tuple[Any, ...]]] = {name: [] for name in TABLES}
        self._flushed_s = time.monotonic()
        self._insert = {name: _insert_into(name) for name in TABLES}

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, message: Message) -> None:
        """Keep what a message tells; an event, a start and a gap are on the disk when this returns."""
        try:
            if isinstance(message, Record):
                self._add_record(message)
            elif isinstance(message, Started):
                self._add_start(message)
            elif isinstance(message, Identified):
                self._identify(message)
            elif isinstance(message, Earlier):
                self._add_earlier(message)
            elif isinstance(message, Gap):
                boot_id = self._boot_ids.get(message.epoch_n)
                self._add_gap(boot_id, message.at_s, message.name, message.after_seq, message.lost_n, None)
            elif isinstance(message, Disconnected):
                self._add_gap(None, message.at_s, "link", None, None, message.reason)
        except sqlite3.Error as error:
            raise _explain(self.path, error) from None

    def tick(self) -> None:
        """Write the batch if it is due: call it at least every FLUSH_S while nothing is added."""
        if time.monotonic() - self._flushed_s >= FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        self._flushed_s = time.monotonic()
        if not any(self._waiting.values()):
            return
        try:
            with self._commit():
                for name, rows in self._waiting.items():
                    self._db.executemany(self._insert[name], rows)
        except sqlite3.Error as error:
            raise _explain(self.path, error) from None
        for rows in self._waiting.values():
            rows.clear()

    def close(self) -> None:
        """End the session; safe to call twice."""
        try:
            self.flush()
            with self._commit():
                self._db.execute("UPDATE sessions SET ended_s = ? WHERE id = ?", (time.time(), self.session_id))
            self._db.close()
        except sqlite3.ProgrammingError:
            return

    def _commit(self) -> "_Transaction":
        return _Transaction(self._db)

    def _add_record(self, record: Record) -> None:
        if record.name not in TABLES:
            self.tick()
            return
        boot_id = self._boot_ids.get(record.epoch_n) or self._joined(record)
        fields = (record.values[field] for field in FIELDS[record.name])
        row = (boot_id, record.seq, self.session_id, record.t_ms, record.at_s, *fields)
        self._waiting[record.name].append(row)
        if record.name == "event":
            self.flush()
            self._db.execute(
                "UPDATE boots SET run_n = ? WHERE id = ? AND run_n IS NULL", (record.values.get("run_n"), boot_id)
            )
        else:
            self.tick()

    def _add_earlier(self, message: Earlier) -> None:
        """An event of an earlier start: of a boot of this or another session, or of one that nobody listened to."""
        record = message.record
        boot_id, at_s = self._boot_ids.get(record.epoch_n), record.at_s
        if boot_id is None:
            run_n = record.values.get("run_n")
            found = self._db.execute(
                "SELECT id, started_s, heard FROM boots WHERE board_id = ? AND run_n = ?"
                " ORDER BY started_s DESC, id DESC LIMIT 1",
                (message.board_id, run_n),
            ).fetchone()
            if found:
                boot_id = int(found[0])
                at_s = at_s if found[2] == NOBODY_HEARD else found[1] + record.t_ms / 1000
            else:
                with self._commit():
                    boot_id = self._db.execute(
                        "INSERT INTO boots (session_id, board_id, started_s, heard, run_n) VALUES (?, ?, ?, ?, ?)",
                        (self.session_id, message.board_id, at_s - record.t_ms / 1000, NOBODY_HEARD, run_n),
                    ).lastrowid
        fields = (record.values[field] for field in FIELDS["event"])
        self._waiting["event"].append((boot_id, record.seq, self.session_id, record.t_ms, at_s, *fields))
        self.flush()

    def _add_start(self, started: Started) -> None:
        boot = started.boot
        if boot is None:
            return
        with self._commit():
            cursor = self._db.execute(
                "INSERT INTO boots (session_id, board_id, firmware, started_s, heard, protocol_n, reset_cause_n,"
                " config_crc, not_monitoring_n, run_n) VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?)",
                (
                    self.session_id,
                    boot_board_id(boot),
                    boot_firmware(boot),
                    boot.at_s - boot.t_ms / 1000,
                    boot.values["protocol_n"],
                    boot.values["reset_cause_n"],
                    crc_of(boot, "config_crc"),
                    boot.values["not_monitoring_n"],
                    boot.values.get("run_n"),
                ),
            )
        self._boot_ids[started.epoch_n] = cursor.lastrowid or 0

    def _joined(self, record: Record) -> int:
        """The boot of a run that was joined: one known from an earlier session, else a new row."""
        started_s = record.at_s - record.t_ms / 1000
        boot_id = self._known_boot(started_s, record.t_ms)
        if boot_id is None:
            with self._commit():
                boot_id = self._db.execute(
                    "INSERT INTO boots (session_id, board_id, firmware, started_s, heard) VALUES (?, ?, ?, ?, 0)",
                    (self.session_id, self._board_id, self._firmware, started_s),
                ).lastrowid
        assert boot_id is not None
        self._boot_ids[record.epoch_n] = boot_id
        return boot_id

    def _known_boot(self, started_s: float, age_ms: int) -> int | None:
        if self._board_id is None:
            return None
        slack_s = SAME_START_S + age_ms * 1e-3 * SAME_START_PPM * 1e-6
        found = self._db.execute(
            "SELECT id FROM boots WHERE board_id = ? AND abs(started_s - ?) <= ? ORDER BY abs(started_s - ?), id",
            (self._board_id, started_s, slack_s, started_s),
        ).fetchone()
        return int(found[0]) if found else None

    def _identify(self, who: Identified) -> None:
        """Name the boot at hand; if an earlier session knew it, its rows become one with that one's."""
        self._board_id, self._firmware = who.board_id, who.firmware
        boot_id = self._boot_ids.get(who.epoch_n)
        if boot_id is None:
            return
        self.flush()
        started_s, heard = self._db.execute("SELECT started_s, heard FROM boots WHERE id = ?", (boot_id,)).fetchone()
        known_id = None if heard else self._known_boot(started_s, round((who.at_s - started_s) * 1000))
        with self._commit():
            if known_id is None or known_id == boot_id:
                self._db.execute(
                    "UPDATE boots SET board_id = ?, firmware = ? WHERE id = ?", (who.board_id, who.firmware, boot_id)
                )
                return
            for table in (*TABLES.values(), "gaps"):
                self._db.execute(f"UPDATE OR IGNORE {table} SET boot_id = ? WHERE boot_id = ?", (known_id, boot_id))
                self._db.execute(f"DELETE FROM {table} WHERE boot_id = ?", (boot_id,))
            self._db.execute("DELETE FROM boots WHERE id = ?", (boot_id,))
        self._boot_ids[who.epoch_n] = known_id

    def _add_gap(self, boot_id: int | None, at_s: float, name: str, *what: object) -> None:
        self.flush()
        with self._commit():
            self._db.execute(
                "INSERT INTO gaps (session_id, boot_id, at_s, name, after_seq, lost_n, reason)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (self.session_id, boot_id, at_s, name, *what),
            )


class Log:
    """The log open for reading only, also while another program writes it. Context manager."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise StoreError(
                f"no log at {path}: `loopwatch run` or `loopwatch monitor` begins one, or name it with --db"
            )
        try:
            self._db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5.0)
            version_n = self._db.execute("PRAGMA user_version").fetchone()[0]
        except sqlite3.Error as error:
            raise _explain(path, error) from None
        if not 1 <= version_n <= len(MIGRATIONS):
            raise _unknown_version(path, version_n)
        self._db.row_factory = sqlite3.Row

    def __enter__(self) -> "Log":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def sessions(self) -> list[Row]:
        """Every session with its counts, oldest first. Events sent again are counted where they were first heard."""
        counts = ", ".join(
            f"(SELECT count(*) FROM {table} WHERE session_id = sessions.id) AS {table}" for table in TABLES.values()
        )
        gaps = "(SELECT count(*) FROM gaps WHERE session_id = sessions.id) AS gaps"
        return self._rows(f"SELECT id, started_s, ended_s, source, {counts}, {gaps} FROM sessions ORDER BY id")

    def session_id(self, wanted: int | None) -> int:
        """The session asked for, or the latest. Raises StoreError when there is none."""
        query = "SELECT max(id) FROM sessions" if wanted is None else "SELECT id FROM sessions WHERE id = ?"
        found = self._db.execute(query, () if wanted is None else (wanted,)).fetchone()
        if not found or found[0] is None:
            which = "is empty" if wanted is None else f"has no session {wanted}: `loopwatch log` lists them"
            raise StoreError(f"the log {which}")
        return int(found[0])

    def records(
        self, name: str, session_id: int, from_s: float = 0.0, to_s: float | None = None, limit_n: int | None = None
    ) -> Iterator[Row]:
        """Records of one kind of wire.KINDS, in time; from_s and to_s count from the session's first record.

        `t_ms` counts from the first board start of the session, through later starts; `board_ms` is the board's own.
        """
        table = TABLES[name]
        boots = self._rows(
            f"SELECT id, started_s, heard FROM boots WHERE id IN (SELECT boot_id FROM {table} WHERE session_id = ?)"
            " ORDER BY started_s",
            session_id,
        )
        if not boots:
            return
        listened = [boot for boot in boots if boot["heard"] != NOBODY_HEARD] or boots
        began_s = listened[0]["started_s"]
        first = self._db.execute(
            f"SELECT min(at_s) FROM {table} WHERE session_id = ? AND boot_id IN ({', '.join('?' * len(listened))})",
            (session_id, *(boot["id"] for boot in listened)),
        ).fetchone()[0]
        left_n = limit_n
        for boot in boots:
            shift_ms = round((boot["started_s"] - began_s) * 1000)
            cursor = self._db.execute(
                f"SELECT * FROM {table} WHERE boot_id = ? AND session_id = ? AND at_s >= ? AND at_s <= ?"
                " ORDER BY seq LIMIT ?",
                (
                    boot["id"],
                    session_id,
                    first + from_s if from_s > 0 else -1e18,
                    first + to_s if to_s is not None else 1e18,
                    -1 if left_n is None else left_n,
                ),
            )
            for row in cursor:
                if left_n is not None:
                    left_n -= 1
                fields = {field: row[field] for field in FIELDS[name]}
                times = {"t_ms": row["t_ms"] + shift_ms, "at_s": row["at_s"], "board_ms": row["t_ms"]}
                yield {**times, "seq": row["seq"], **fields}

    def gaps(self, session_id: int) -> list[Row]:
        """What never arrived, and when the link was gone."""
        return self._rows(
            "SELECT at_s, name, after_seq, lost_n, reason FROM gaps WHERE session_id = ? ORDER BY at_s, id", session_id
        )

    def boots(self, session_id: int) -> list[Row]:
        """The starts of boards that a session heard of."""
        return self._rows(
            "SELECT id, board_id, firmware, started_s, heard, protocol_n, reset_cause_n, config_crc FROM boots"
            " WHERE session_id = ?1 OR id IN (SELECT boot_id FROM samples WHERE session_id = ?1) ORDER BY started_s",
            session_id,
        )

    def _rows(self, query: str, *arguments: object) -> list[Row]:
        return [dict(row) for row in self._db.execute(query, arguments)]


def _insert_into(name: str) -> str:
    """By column name: a migrated log may have its columns in another order."""
    columns = ("boot_id", "seq", "session_id", "t_ms", "at_s", *FIELDS[name])
    marks = ", ".join("?" * len(columns))
    return f"INSERT OR IGNORE INTO {TABLES[name]} ({', '.join(columns)}) VALUES ({marks})"


class _Transaction:
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


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    """Bring an older log up to this schema, and give it columns for fields that wire.KINDS has gained."""
    with _Transaction(db):
        version_n = db.execute("PRAGMA user_version").fetchone()[0]
        if version_n > len(MIGRATIONS):
            raise _unknown_version(path, version_n)
        for migration in MIGRATIONS[version_n:]:
            migration(db)
        for name, table in TABLES.items():
            present = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
            for field in FIELDS[name]:
                if field not in present:
                    db.execute(f"ALTER TABLE {table} ADD COLUMN {field} INTEGER")
        db.execute(f"PRAGMA user_version={len(MIGRATIONS)}")


def _unknown_version(path: Path, version_n: int) -> StoreError:
    return StoreError(
        f"{path} has schema {version_n}, this loopwatch knows up to {len(MIGRATIONS)} (written by a newer one, or no"
        " log of loopwatch?): update loopwatch, or name another file with --db"
    )


def _explain(path: Path, error: Exception) -> StoreError:
    text = str(error)
    if "not a database" in text:
        return StoreError(f"{path} is no log of loopwatch: name another file with --db")
    if "locked" in text:
        return StoreError(f"{path} is locked by another program for more than 5 s: close it, or use another --db")
    if "full" in text or "disk I/O" in text:
        return StoreError(f"{path} cannot be written ({text}): is the disk full?")
    return StoreError(f"cannot use the log {path} ({text}): check the path and its permissions, or use another --db")
