"""A loop's log as `loopwatch monitor` has kept it: one board's seconds from all sittings in front of it.

What accumulates while a loop is watched is what its next settings are made from. Nobody knows what happened in a time
without a row: one longer than checks.LONGEST_GAP_S parts the record, and the longest part is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

import numpy as np

from ..errors import UsageError
from ..messages import alarm_change, event_record, is_leak
from ..store import Log as Store
from . import log as logs
from .checks import LONGEST_GAP_S
from .fit import Floats
from .live import COLUMNS, LEAST_STEP_MS

AT_ONCE_N = 100_000
MOST_DAYS = 30.0  # more does not sharpen the limits, and a laptop's memory ends
DAY_S = 86_400


@dataclass(frozen=True)
class Recorded:
    """What is there of a board. log: the longest part, which began at begun_s (wall time).

    kept_days: in all the parts together, parts_n of them. leaks_s: wall times at which the board raised a leak while
    the log was kept.
    """

    log: logs.Log
    board_id: str
    begun_s: float
    kept_days: float
    parts_n: int
    leaks_s: list[float]


def read(db: Path, session: int | None = None, from_s: float | None = None, to_s: float | None = None) -> Recorded:
    """The record of the board that a session watched, the latest one's when None, between two wall times.

    Without from_s the last MOST_DAYS of it. Raises StoreError without a store, LogError and UsageError when it holds
    nothing to go by.
    """
    with Store(db) as store:
        session_id, board_id = _watched(store, db, session)
        ends_s = store.last_s(session_id) or 0.0
        to_s = ends_s if to_s is None else to_s
        from_s = to_s - MOST_DAYS * DAY_S if from_s is None else from_s
        rows = _seconds(store, board_id, from_s, to_s)
        if not len(rows):
            raise UsageError(f"{db}: has no second of board {board_id} in that time: give another --from or --to")
        edges = [0, *(np.flatnonzero(np.diff(rows[:, 0]) > 1000 * (LONGEST_GAP_S + 1)) + 1).tolist(), len(rows)]
        spans = [slice(a, b) for a, b in pairwise(edges)]
        lengths_ms = [float(rows[span][-1, 0] - rows[span][0, 0]) for span in spans]
        part = rows[spans[int(np.argmax(lengths_ms))]]
        begun_s, ended_s = float(part[0, 0]) / 1000, float(part[-1, 0]) / 1000
        leaks_s = _leaks_s(store, board_id, begun_s, ended_s)
    part[:, 0] -= part[0, 0]
    log = logs.of_table(db, ["t_ms", *COLUMNS], part)
    return Recorded(log, board_id, begun_s, sum(lengths_ms) / 1000 / DAY_S, len(spans), leaks_s)


def _watched(store: Store, db: Path, session: int | None) -> tuple[int, str]:
    """The session asked for, else the latest that heard a second of a board, and that board."""
    ids = [each["id"] for each in store.sessions() if each["means"]] if session is None else [store.session_id(session)]
    for session_id in reversed(ids):
        boards = [boot["board_id"] for boot in store.boots(session_id) if boot["board_id"]]
        if boards:
            return session_id, boards[-1]
    where = db if session is None else f"session {session} of {db}"
    raise UsageError(f"{where}: has no seconds of a board that said who it is: `loopwatch monitor` keeps them")


def _seconds(store: Store, board_id: str, from_s: float, to_s: float) -> Floats:
    """(wall time in ms, COLUMNS, nan where there is no value) of every second with a pressure, in time."""
    blocks = [np.empty((0, 1 + len(COLUMNS)))]
    for session_id in store.session_ids():
        begun_s = {boot["id"]: boot["started_s"] for boot in store.boots(session_id) if boot["board_id"] == board_id}
        first_s = store.first_s(session_id)
        if first_s is None or not begun_s or first_s > to_s:
            continue
        # By the board's own clock, which the wall time of a start sets once: the laptop's may be put right meanwhile.
        rows = (
            (1000 * begun_s[boot_id] + board_ms, *values)
            for _, at_s, board_ms, boot_id, _, *values in store.rows(
                "mean", session_id, COLUMNS, max(0.0, from_s - first_s), to_s - first_s
            )
            if boot_id in begun_s and values[0] is not None and from_s <= at_s
        )
        blocks += _blocks(rows)
    table = np.concatenate(blocks)
    table = table[np.argsort(table[:, 0], kind="stable")]
    # Two starts may meet within a second.
    return table[np.diff(table[:, 0], prepend=-LEAST_STEP_MS) >= LEAST_STEP_MS]


def _blocks(rows: Iterator[tuple[float | None, ...]]) -> Iterator[Floats]:
    """The rows as arrays of AT_ONCE_N: a month of tuples would need a gigabyte."""
    while piece := list(islice(rows, AT_ONCE_N)):
        yield np.array(piece, np.float64)


def _leaks_s(store: Store, board_id: str, from_s: float, to_s: float) -> list[float]:
    """When the board raised a leak."""
    found = []
    for row in store.events_between(from_s, to_s):
        change = alarm_change(event_record(row)) if row["board_id"] == board_id else None
        if change is not None and is_leak(change.name) and change.state == "UNACK":
            found.append(float(row["at_s"]))
    return found
