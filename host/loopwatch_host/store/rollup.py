"""Least, mean and greatest values per minute and per hour of every start of a board, so that years open at once.

Made by SQL from the rows that were kept, never from memory: a program that was killed owes nothing, and rolling twice
gives the same. A minute's values come from its records, an hour's from its minutes. The latest slot may be one under
way; it is made anew each time. Slots are whole minutes and hours of the board's own time since its start.
"""

import sqlite3

from .schema import PERIODS_S, ROLLED, TABLES, Transaction, first_of, rolled_fields, rollup_table

# After this many seconds of the log a transaction ends, so that others get their turn at an old log's first rolling.
AT_ONCE_N = 600_000


def behind(db: sqlite3.Connection) -> list[int]:
    """The starts that have records later than their minutes."""
    found = []
    for (boot_id,) in db.execute("SELECT id FROM boots ORDER BY id").fetchall():
        for name in ROLLED:
            latest = first_of(db, f"SELECT max(seq) FROM {TABLES[name]} WHERE boot_id = ?", boot_id)
            rolled = _to_seq(db, name, boot_id, 0)
            if latest is not None and latest > rolled:
                found.append(boot_id)
                break
    return found


def catch_up(db: sqlite3.Connection) -> None:
    """Roll up what a killed program left, or all of a log from before there were rollups."""
    for boot_id in behind(db):
        roll_whole(db, boot_id)


def roll_whole(db: sqlite3.Connection, boot_id: int) -> None:
    """Bring one start up to date, in as many transactions as it takes."""
    done = False
    while not done:
        with Transaction(db):
            done = roll(db, boot_id)


def roll(db: sqlite3.Connection, boot_id: int) -> bool:
    """Bring the rollups of one start up to its latest records, inside a transaction of the caller.

    Returns whether it is done; an old log is done in pieces.
    """
    done = True
    for name in ROLLED:
        # The slot before the latest is whole: all after it is made anew.
        from_seq = _to_seq(db, name, boot_id, 1)
        to_seq = first_of(db, f"SELECT max(seq) FROM {TABLES[name]} WHERE boot_id = ?", boot_id)
        if to_seq is None or to_seq == _to_seq(db, name, boot_id, 0):
            continue
        if to_seq - from_seq > AT_ONCE_N:
            # Records are dense in seq but for gaps; a slot that is cut here is made anew by the next call.
            least = first_of(
                db, f"SELECT min(seq) FROM {TABLES[name]} WHERE boot_id = ? AND seq > ?", boot_id, from_seq
            )
            done = done and to_seq <= least + AT_ONCE_N
            to_seq = min(to_seq, least + AT_ONCE_N)
        _roll_minutes(db, name, boot_id, from_seq, to_seq)
        _roll_hours(db, name, boot_id)
    return done


def _to_seq(db: sqlite3.Connection, name: str, boot_id: int, back_n: int) -> int:
    """The latest record in the last minute, or in the one back_n before; -1 without one."""
    query = f"SELECT to_seq FROM {rollup_table(name, 'minutes')} WHERE boot_id = ? ORDER BY slot DESC LIMIT 1 OFFSET ?"
    found = first_of(db, query, boot_id, back_n)
    return -1 if found is None else int(found)


def _roll_minutes(db: sqlite3.Connection, name: str, boot_id: int, from_seq: int, to_seq: int) -> None:
    fields = rolled_fields(name)
    columns = ", ".join(f"{field}_{part}" for field in fields for part in ("least", "mean", "most"))
    values = ", ".join(f"min({field}), avg({field}), max({field})" for field in fields)
    period_ms = 1000 * PERIODS_S["minutes"]
    db.execute(
        f"INSERT OR REPLACE INTO {rollup_table(name, 'minutes')} (boot_id, slot, at_s, to_seq, count_n, {columns})"
        f" SELECT boot_id, t_ms / {period_ms} AS slot, min(at_s), max(seq), count(*), {values} FROM {TABLES[name]}"
        " WHERE boot_id = ? AND seq > ? AND seq <= ? GROUP BY slot",
        (boot_id, from_seq, to_seq),
    )


def _roll_hours(db: sqlite3.Connection, name: str, boot_id: int) -> None:
    """From the hour before the latest on: an hour that was latest may have gained its last minutes since."""
    fields = rolled_fields(name)
    columns = ", ".join(f"{field}_{part}" for field in fields for part in ("least", "mean", "most"))
    # The mean over all records, not over the minutes: a minute with gaps counts for less.
    values = ", ".join(
        f"min({field}_least), total({field}_mean * count_n) / sum(CASE WHEN {field}_mean IS NULL THEN NULL ELSE"
        f" count_n END), max({field}_most)"
        for field in fields
    )
    hours = rollup_table(name, "hours")
    from_slot = first_of(db, f"SELECT max(slot) FROM {hours} WHERE boot_id = ?", boot_id) or 0
    db.execute(
        f"INSERT OR REPLACE INTO {hours} (boot_id, slot, at_s, to_seq, count_n, {columns})"
        f" SELECT boot_id, slot / 60 AS hour, min(at_s), max(to_seq), sum(count_n), {values}"
        f" FROM {rollup_table(name, 'minutes')} WHERE boot_id = ? AND slot >= ? GROUP BY hour",
        (boot_id, 60 * from_slot),
    )
