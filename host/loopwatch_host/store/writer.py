"""The log open for writing: one session of it.

One thread uses a Store. What the records of a minute amount to is rolled up every ROLL_S; what is too old is swept
every SWEEP_S, a little at a time.
"""

import sqlite3
import time
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any

from ..messages import (
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
from . import rollup
from .keep import KEEP, Keep, sweep
from .schema import FIELDS, HEARD, TABLES, Transaction, explain, first_of, insert_into, migrate
from .starts import NOBODY_HEARD, adopt_orphans, merge, slack_of

FLUSH_S = 1.0
ROLL_S = 10.0
SWEEP_S = 600.0


class Store:
    """The log open for writing, and the session that is being written. Context manager."""

    def __init__(self, path: Path, source: str, now_s: float | None = None, keep: Keep = KEEP) -> None:
        """Open or create the log and begin a session; source says whom it listens to, e.g. a port."""
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=5.0, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            # FULL: a commit is on the disk when it returns, even if the power goes next.
            self._db.execute("PRAGMA synchronous=FULL")
            migrate(self._db, path)
            with self._commit():
                self.session_id = self._db.execute(
                    "INSERT INTO sessions (started_s, source) VALUES (?, ?)", (now_s or time.time(), source)
                ).lastrowid
            with self._commit():
                adopt_orphans(self._db)
            rollup.catch_up(self._db)
        except (sqlite3.Error, OSError) as error:
            raise explain(path, error) from None
        self._keep = keep
        self._boot_ids: dict[int, int] = {}
        self._board_id: str | None = None
        self._firmware: str | None = None
        self._waiting: dict[str, list[tuple[Any, ...]]] = {name: [] for name in TABLES}
        self._flushed_s = self._rolled_s = time.monotonic()
        self._swept_s = self._flushed_s
        self._latest_s = 0.0
        self._to_roll: set[int] = set()
        self._insert = {name: insert_into(name) for name in TABLES}

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
            raise explain(self.path, error) from None

    def has_box(self, board_id: str, box_n: int, event: tuple[int, int, int]) -> bool:
        """Whether the log has this black box, by the board, its number there and blackbox.event_of()."""
        query = "SELECT 1 FROM boxes WHERE board_id = ? AND box_n = ? AND run_n = ? AND event_seq = ? AND event_ms = ?"
        try:
            return first_of(self._db, query, board_id, box_n, *event) is not None
        except sqlite3.Error as error:
            raise explain(self.path, error) from None

    def keep_box(self, **row: Any) -> None:
        """Keep a black box, the columns of boxes in schema; it is on the disk when this returns."""
        marks = ", ".join("?" * len(row))
        try:
            with self._commit():
                self._db.execute(
                    f"INSERT OR IGNORE INTO boxes ({', '.join(row)}) VALUES ({marks})", tuple(row.values())
                )
        except sqlite3.Error as error:
            raise explain(self.path, error) from None

    def tick(self) -> None:
        """Write the batch if it is due: call it at least every FLUSH_S while nothing is added."""
        now_s = time.monotonic()
        if now_s - self._flushed_s < FLUSH_S:
            return
        self.flush()
        try:
            if now_s - self._rolled_s >= ROLL_S:
                self._rolled_s = now_s
                self._roll()
            elif now_s - self._swept_s >= SWEEP_S:
                with self._commit():
                    swept_n = sweep(self._db, self._keep, self._latest_s)
                # More is to go: the next piece with the next batch.
                self._swept_s = self._swept_s if swept_n else now_s
        except sqlite3.Error as error:
            raise explain(self.path, error) from None

    def flush(self) -> None:
        """Write what waits."""
        self._flushed_s = time.monotonic()
        if not any(self._waiting.values()):
            return
        try:
            with self._commit():
                for name, rows in self._waiting.items():
                    self._write(name, rows)
        except sqlite3.Error as error:
            raise explain(self.path, error) from None
        for rows in self._waiting.values():
            rows.clear()

    def _write(self, name: str, rows: list[tuple[Any, ...]]) -> None:
        """Put a batch of one kind into its table; what was there already is not counted twice."""
        for boot_id, of_boot in groupby(rows, lambda row: row[0]):
            batch = list(of_boot)
            written_n = self._db.executemany(self._insert[name], batch).rowcount
            if written_n:
                seqs = [row[1] for row in batch]
                self._db.execute(HEARD, (self.session_id, boot_id, name, min(seqs), max(seqs), written_n))

    def close(self) -> None:
        """End the session; safe to call twice."""
        try:
            self.flush()
            self._roll()
            with self._commit():
                self._db.execute("UPDATE sessions SET ended_s = ? WHERE id = ?", (time.time(), self.session_id))
            self._db.close()
        except sqlite3.ProgrammingError:
            return

    def _commit(self) -> Transaction:
        return Transaction(self._db)

    def _roll(self) -> None:
        while self._to_roll:
            rollup.roll_whole(self._db, self._to_roll.pop())

    def _add_record(self, record: Record) -> None:
        if record.name not in TABLES:
            self.tick()
            return
        boot_id = self._boot_ids.get(record.epoch_n) or self._joined(record)
        fields = (record.values[field] for field in FIELDS[record.name])
        row = (boot_id, record.seq, self.session_id, record.t_ms, record.at_s, *fields)
        self._waiting[record.name].append(row)
        self._to_roll.add(boot_id)
        self._latest_s = max(self._latest_s, record.at_s)
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
        slack_s = slack_of(age_ms / 1000)
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
                adopt_orphans(self._db)
                self._to_roll.add(boot_id)
                return
            merge(self._db, boot_id, known_id)
        self._boot_ids[who.epoch_n] = known_id
        self._to_roll.discard(boot_id)
        self._to_roll.add(known_id)

    def _add_gap(self, boot_id: int | None, at_s: float, name: str, *what: object) -> None:
        self.flush()
        with self._commit():
            self._db.execute(
                "INSERT INTO gaps (session_id, boot_id, at_s, name, after_seq, lost_n, reason)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (self.session_id, boot_id, at_s, name, *what),
            )
