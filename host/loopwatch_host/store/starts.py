"""Starts of boards that turn out to be one: rows heard before a board had said who it is, put where they belong.

A run that is joined is known by nothing but its time until the board has answered; a program that is killed in between
leaves a start without a board. It is the same as a known one when both were heard behind the same port and began at
the same moment, to the delay of the first lines and the crystal.
"""

import sqlite3

from .schema import HEARD, PERIODS_S, ROLLED, TABLES, rollup_table

# boots.heard of a start that nobody listened to, only its events came later: its times are the latest they can be.
NOBODY_HEARD = -1

SAME_START_S = 5.0
SAME_START_PPM = 100


def slack_of(age_s: float) -> float:
    """How far two sightings of one start may differ, seen age_s after it."""
    return SAME_START_S + max(0.0, age_s) * SAME_START_PPM * 1e-6


def adopt_orphans(db: sqlite3.Connection) -> None:
    """Give starts without a board to the one that they are; inside a transaction of the caller."""
    orphans = db.execute(
        "SELECT boots.id, boots.started_s, sessions.source, sessions.started_s FROM boots JOIN sessions"
        " ON sessions.id = session_id WHERE board_id IS NULL AND heard = 0"
    ).fetchall()
    for orphan_id, started_s, source, heard_s in orphans:
        found = db.execute(
            "SELECT boots.id FROM boots JOIN sessions ON sessions.id = boots.session_id WHERE board_id IS NOT NULL AND"
            " source = ? AND abs(boots.started_s - ?) <= ? ORDER BY abs(boots.started_s - ?), boots.id",
            (source, started_s, slack_of(heard_s - started_s), started_s),
        ).fetchone()
        if found:
            merge(db, orphan_id, found[0])


def merge(db: sqlite3.Connection, boot_id: int, into_id: int) -> None:
    """Make one start of two; a record that both have is kept once. Inside a transaction of the caller."""
    sessions = [row[0] for row in db.execute("SELECT DISTINCT session_id FROM heard WHERE boot_id = ?", (boot_id,))]
    for name in ROLLED:
        least_ms = db.execute(f"SELECT min(t_ms) FROM {TABLES[name]} WHERE boot_id = ?", (boot_id,)).fetchone()[0]
        for period, seconds in PERIODS_S.items():
            table = rollup_table(name, period)
            db.execute(f"DELETE FROM {table} WHERE boot_id = ?", (boot_id,))
            if least_ms is not None:
                # What was rolled from there on lacks these rows: it is rolled anew.
                slot = least_ms // (1000 * seconds)
                db.execute(f"DELETE FROM {table} WHERE boot_id = ? AND slot >= ?", (into_id, slot))
    for table in (*TABLES.values(), "gaps"):
        db.execute(f"UPDATE OR IGNORE {table} SET boot_id = ? WHERE boot_id = ?", (into_id, boot_id))
        db.execute(f"DELETE FROM {table} WHERE boot_id = ?", (boot_id,))
    db.execute("DELETE FROM heard WHERE boot_id = ?", (boot_id,))
    for session_id in sessions:
        for name, table in TABLES.items():
            key = (session_id, into_id, name)
            least, most, count_n = db.execute(
                f"SELECT min(seq), max(seq), count(*) FROM {table} WHERE session_id = ? AND boot_id = ?", key[:2]
            ).fetchone()
            db.execute("DELETE FROM heard WHERE session_id = ? AND boot_id = ? AND name = ?", key)
            if count_n:
                db.execute(HEARD, (*key, least, most, count_n))
    db.execute("DELETE FROM boots WHERE id = ?", (boot_id,))
