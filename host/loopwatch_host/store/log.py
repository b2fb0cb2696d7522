"""The log open for reading: sessions, records by time and around events, gaps, and what was heard of whom.

A session's records are found by what it heard of each start of a board, and a moment among them by halving, since
time follows `seq`: nothing reads the whole log.
"""

import sqlite3
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from ..errors import StoreError
from . import rollup, schema
from .schema import FIELDS, TABLES, explain, first_of
from .starts import NOBODY_HEARD

Row = dict[str, Any]

# Wall times of neighbouring records may change places by the least delay seen meanwhile; none by more than this.
UNSORTED_S = 5.0

KEYS = ("t_ms", "at_s", "board_ms", "boot_id", "seq")


class Log:
    """The log open for reading only, also while another program writes it. Context manager."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise StoreError(
                f"no log at {path}: `loopwatch run` or `loopwatch monitor` begins one, or name it with --db"
            )
        try:
            self._db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5.0)
            version_n = first_of(self._db, "PRAGMA user_version")
            if 1 <= version_n < len(schema.MIGRATIONS):
                _upgrade(path)
                version_n = first_of(self._db, "PRAGMA user_version")
        except sqlite3.Error as error:
            raise explain(path, error) from None
        if not 1 <= version_n <= len(schema.MIGRATIONS):
            raise schema.unknown_version(path, version_n)
        self.path = path
        self._db.row_factory = sqlite3.Row

    def __enter__(self) -> "Log":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def sessions(self) -> list[Row]:
        """Every session with the number of records that it heard first, by kind, oldest session first."""
        rows = self._rows("SELECT id, started_s, ended_s, source FROM sessions ORDER BY id")
        heard = self._rows("SELECT session_id, name, sum(count_n) AS n FROM heard GROUP BY session_id, name")
        gaps = self._rows("SELECT session_id, count(*) AS n FROM gaps GROUP BY session_id")
        counted = {(row["session_id"], row["name"]): row["n"] for row in heard}
        gap_n = {row["session_id"]: row["n"] for row in gaps}
        for row in rows:
            row |= {table: counted.get((row["id"], name), 0) for name, table in TABLES.items()}
            row["gaps"] = gap_n.get(row["id"], 0)
        return rows

    def session_id(self, wanted: int | None) -> int:
        """The session asked for, or the latest. Raises StoreError when there is none."""
        query = "SELECT max(id) FROM sessions" if wanted is None else "SELECT id FROM sessions WHERE id = ?"
        found = first_of(self._db, query, *(() if wanted is None else (wanted,)))
        if found is None:
            which = "is empty" if wanted is None else f"has no session {wanted}: `loopwatch log` lists them"
            raise StoreError(f"the log {which}")
        return int(found)

    def session_ids(self) -> list[int]:
        """Every session, oldest first."""
        return [row["id"] for row in self._rows("SELECT id FROM sessions ORDER BY id")]

    def session(self, session_id: int) -> Row:
        """One session with its counts."""
        return next(row for row in self.sessions() if row["id"] == session_id)

    def first_s(self, session_id: int) -> float | None:
        """Wall time of a session's first record that is still kept; None without one."""
        return min(self._ends_s(session_id, "ASC"), default=None)

    def last_s(self, session_id: int) -> float | None:
        """Wall time of a session's last record; None without one."""
        return max(self._ends_s(session_id, "DESC"), default=None)

    def minutes(
        self, name: str, session_id: int, field: str, least_s: float, most_s: float
    ) -> Iterator[tuple[Any, ...]]:
        """(wall time, least, mean, most) of a field in every minute of the starts that a session heard of."""
        for boot in self.boots(session_id):
            yield from self._db.execute(
                f"SELECT at_s, {field}_least, {field}_mean, {field}_most FROM {schema.rollup_table(name, 'minutes')}"
                " WHERE boot_id = ? AND at_s BETWEEN ? AND ? ORDER BY slot",
                (boot["id"], least_s, most_s),
            )

    def minutes_of(self, board_id: str) -> list[float]:
        """Wall times of all minutes in which a board sent samples, in time."""
        query = (
            f"SELECT at_s FROM {schema.rollup_table('sample', 'minutes')} JOIN boots ON boots.id = boot_id"
            " WHERE board_id = ? ORDER BY at_s"
        )
        return [float(row[0]) for row in self._db.execute(query, (board_id,))]

    def records(
        self, name: str, session_id: int, from_s: float = 0.0, to_s: float | None = None, limit_n: int | None = None
    ) -> Iterator[Row]:
        """Records of one kind of records.KINDS, in time; from_s and to_s count from the session's first record.

        `t_ms` counts from the first board start of the session, through later starts; `board_ms` is the board's own.
        """
        names = (*KEYS, *FIELDS[name])
        for row in self.rows(name, session_id, FIELDS[name], from_s, to_s, limit_n):
            yield dict(zip(names, row, strict=True))

    def rows(
        self,
        name: str,
        session_id: int,
        fields: tuple[str, ...],
        from_s: float = 0.0,
        to_s: float | None = None,
        limit_n: int | None = None,
    ) -> Iterator[tuple[Any, ...]]:
        """The same as tuples: KEYS, then fields; for whoever takes many."""
        first_s = self.first_s(session_id)
        boots = self.boots(session_id)
        if first_s is None:
            return
        least_s = first_s + from_s if from_s > 0 else -1e18
        most_s = first_s + to_s if to_s is not None else 1e18
        began_s = _began_s(boots)
        left_n = -1 if limit_n is None else limit_n
        for boot in boots:
            span = self._span(name, session_id, boot["id"], least_s, most_s)
            if span is None:
                continue
            shift_ms = round((boot["started_s"] - began_s) * 1000)
            # No key of the outer program's rows: sqlite3.Row costs twice the time of a tuple.
            cursor = self._db.cursor()
            cursor.row_factory = None
            cursor.execute(
                f"SELECT t_ms + ?, at_s, t_ms, boot_id, seq{''.join(', ' + field for field in fields)}"
                f" FROM {TABLES[name]} WHERE boot_id = ? AND seq BETWEEN ? AND ? AND session_id = ?"
                " AND at_s BETWEEN ? AND ? ORDER BY seq LIMIT ?",
                (shift_ms, boot["id"], *span, session_id, least_s, most_s, left_n),
            )
            for row in cursor:
                left_n -= left_n > 0
                yield row
            if left_n == 0:
                return

    def with_values(
        self, name: str, session_id: int, fields: tuple[str, ...], may_lack: tuple[str, ...]
    ) -> tuple[str, ...]:
        """The fields without those of may_lack that have no value in all of a session."""
        heard = self._rows("SELECT * FROM heard WHERE session_id = ? AND name = ?", session_id, name)
        return tuple(
            field
            for field in fields
            if field not in may_lack
            or any(
                first_of(
                    self._db,
                    f"SELECT 1 FROM {TABLES[name]} WHERE boot_id = ? AND seq BETWEEN ? AND ? AND session_id = ?"
                    f" AND {field} IS NOT NULL LIMIT 1",
                    each["boot_id"],
                    each["from_seq"],
                    each["to_seq"],
                    session_id,
                )
                for each in heard
            )
        )

    def rolled(
        self, name: str, period: str, session_id: int, from_s: float = 0.0, to_s: float | None = None
    ) -> Iterator[Row]:
        """Least, mean and greatest values of a kind per minute or hour, of the starts that a session heard of.

        `count_n` says how many records a row stands for. The range counts from the session's first record.
        """
        first_s = self.first_s(session_id)
        boots = self.boots(session_id)
        if first_s is None:
            return
        fields = [f"{field}_{part}" for field in schema.rolled_fields(name) for part in ("least", "mean", "most")]
        for boot in boots:
            shift_ms = round((boot["started_s"] - _began_s(boots)) * 1000)
            yield from self._rows(
                f"SELECT slot * ? + ? AS t_ms, at_s, count_n, {', '.join(fields)}"
                f" FROM {schema.rollup_table(name, period)} WHERE boot_id = ? AND at_s BETWEEN ? AND ? ORDER BY slot",
                1000 * schema.PERIODS_S[period],
                shift_ms,
                boot["id"],
                first_s + from_s,
                1e18 if to_s is None else first_s + to_s,
            )

    def events_between(self, least_s: float, most_s: float) -> list[Row]:
        """Events of every session between two wall times, in time; `session_id` and `board_id` say whose."""
        return self._rows(
            "SELECT events.*, boots.board_id, events.t_ms AS board_ms FROM events JOIN boots ON boots.id = boot_id"
            " WHERE at_s BETWEEN ? AND ? ORDER BY at_s, seq",
            least_s,
            most_s,
        )

    def boxes(self, board_id: str | None = None) -> list[Row]:
        """The black boxes that were fetched from all boards or this one, latest first; box_content() has their bytes.

        `alarm` raised it at wall time `at_s`, None where no session knows of that start of the board. Not `complete`:
        the power has cut it.
        """
        return self._rows(
            "SELECT id, board_id, box_n, run_n, event_seq, event_ms, alarm, sample_n, complete, fetched_s,"
            " coalesce((SELECT at_s FROM boots JOIN events ON boot_id = boots.id WHERE board_id = boxes.board_id"
            " AND seq = event_seq AND boots.run_n = boxes.run_n ORDER BY at_s DESC LIMIT 1),"
            " (SELECT started_s FROM boots WHERE board_id = boxes.board_id AND run_n = boxes.run_n"
            " ORDER BY started_s DESC LIMIT 1) + event_ms / 1000.0) AS at_s"
            " FROM boxes WHERE ?1 IS NULL OR board_id = ?1 ORDER BY coalesce(at_s, fetched_s) DESC, id DESC",
            board_id,
        )

    def box_content(self, box_id: int) -> bytes:
        """The bytes of the black box with this `id` of boxes(). Raises StoreError when there is none."""
        content = first_of(self._db, "SELECT content FROM boxes WHERE id = ?", box_id)
        if content is None:
            raise StoreError(f"the log has no black box {box_id}: `loopwatch blackbox kept` lists them")
        return bytes(content)

    def gaps(self, session_id: int) -> list[Row]:
        """What never arrived, and when the link was gone."""
        return self._rows(
            "SELECT at_s, boot_id, name, after_seq, lost_n, reason FROM gaps WHERE session_id = ? ORDER BY at_s, id",
            session_id,
        )

    def boots(self, session_id: int) -> list[Row]:
        """The starts of boards that a session heard of, in time."""
        return self._rows(
            "SELECT id, board_id, firmware, started_s, heard, protocol_n, reset_cause_n, config_crc, not_monitoring_n"
            " FROM boots WHERE session_id = ?1 OR id IN (SELECT boot_id FROM heard WHERE session_id = ?1)"
            " ORDER BY started_s, id",
            session_id,
        )

    def _ends_s(self, session_id: int, order: str) -> list[float]:
        """Wall time of the first (ASC) or last (DESC) record of each kind that a session heard of each start."""
        ends = [
            first_of(
                self._db,
                f"SELECT at_s FROM {TABLES[each['name']]} WHERE boot_id = ? AND seq BETWEEN ? AND ? AND session_id = ?"
                f" ORDER BY seq {order} LIMIT 1",
                each["boot_id"],
                each["from_seq"],
                each["to_seq"],
                session_id,
            )
            for each in self._rows(
                "SELECT heard.* FROM heard JOIN boots ON boots.id = boot_id WHERE heard.session_id = ?"
                " AND (boots.heard != ? OR NOT EXISTS (SELECT 1 FROM heard AS h JOIN boots AS b ON b.id = h.boot_id"
                " WHERE h.session_id = ? AND b.heard != ?))",
                session_id,
                NOBODY_HEARD,
                session_id,
                NOBODY_HEARD,
            )
            if each["name"] in TABLES
        ]
        return [end for end in ends if end is not None]

    def _span(self, name: str, session_id: int, boot_id: int, least_s: float, most_s: float) -> tuple[int, int] | None:
        """Between which records of a start the range lies; None when the session heard none of this kind."""
        heard = self._rows(
            "SELECT from_seq, to_seq FROM heard WHERE session_id = ? AND boot_id = ? AND name = ?",
            session_id,
            boot_id,
            name,
        )
        if not heard:
            return None
        from_seq, to_seq = heard[0]["from_seq"], heard[0]["to_seq"]
        times_s = Times(self._db, TABLES[name], "seq", boot_id, from_seq, to_seq)
        first = from_seq + bisect_left(times_s, least_s - UNSORTED_S)
        return first, from_seq + bisect_right(times_s, most_s + UNSORTED_S)

    def _rows(self, query: str, *arguments: object) -> list[Row]:
        return [dict(row) for row in self._db.execute(query, arguments)]


def _began_s(boots: list[Row]) -> float:
    """When the time line of a session begins: the first start that it listened to."""
    listened = [boot for boot in boots if boot["heard"] != NOBODY_HEARD] or boots
    return float(listened[0]["started_s"])


def _upgrade(path: Path) -> None:
    """Bring a log of an older loopwatch up to today's tables. Raises sqlite3.Error."""
    db = sqlite3.connect(path, timeout=5.0, isolation_level=None)
    try:
        schema.migrate(db, path)
        rollup.catch_up(db)
    finally:
        db.close()


class Times:
    """Wall time of the row at or after each key of one start, as a sequence that bisect can search."""

    def __init__(self, db: sqlite3.Connection, table: str, key: str, boot_id: int, least: int, most: int) -> None:
        self._db = db
        self._query = f"SELECT at_s FROM {table} WHERE boot_id = ? AND {key} >= ? ORDER BY {key} LIMIT 1"
        self._boot_id = boot_id
        self._least = least
        self._most = most

    def __len__(self) -> int:
        return self._most - self._least + 1

    def __getitem__(self, place: int) -> float:
        found = first_of(self._db, self._query, self._boot_id, self._least + place)
        return float("inf") if found is None else float(found)
