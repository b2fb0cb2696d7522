"""A loop's log as `loopwatch monitor` has kept it: one board's seconds from all sittings in front of it.

What accumulates while a loop is watched is what its next settings are made from. Nobody knows what happened in a time
without a row: one longer than log.LONGEST_GAP_S parts the record. Nor is learnt from what may be a leak: the time
around each one that the board raised is left out, unless the owner says that no coolant went.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import UsageError
from ..messages import alarm_change, event_record, is_leak
from ..store import Log as Store
from . import log as logs
from .checks import counted_s
from .fit import Floats, Spans
from .live import COLUMNS, LEAST_STEP_MS
from .log import LONGEST_GAP_S
from .thresholds import RULES_FROM_DAYS

AT_ONCE_N = 100_000
AT_ONCE_DAYS = 30.0  # of the record; more does not sharpen the limits, and a laptop's memory ends
MOST_DAYS = 120.0  # so far back when what is nearer supports no full set of alarms: a year ago it was another loop
DAY_S = 86_400
BEFORE_LEAK_S = 12 * 3600  # a leak has leaked before it is raised, a slow one for long


@dataclass(frozen=True)
class Recorded:
    """What is there of a board. log: its parts, of which the first began at begun_s (wall time).

    kept_days: in all parts together, parts_n of them, as they were kept. leaks_s: wall times at which the board raised
    a leak meanwhile. left_out_days: how much was left out around them, 0 when the owner vouches for it.
    """

    log: logs.Log
    board_id: str
    begun_s: float
    kept_days: float
    parts_n: int
    leaks_s: list[float]
    left_out_days: float


def read(
    db: Path,
    session: int | None = None,
    from_s: float | None = None,
    to_s: float | None = None,
    tight: bool = False,
) -> Recorded:
    """The record of the board that a session watched, the latest one's when None, between two wall times.

    Without from_s the last AT_ONCE_DAYS of it, and more while these support no full set of alarms. tight: no coolant
    went when the board raised a leak, the owner says. Raises StoreError without a store, LogError and UsageError when
    it holds nothing to go by.
    """
    with Store(db) as store:
        session_id, board_id = _watched(store, db, session)
        ends_s = store.last_s(session_id) or 0.0
        to_s = ends_s if to_s is None else to_s
        since_s = to_s - AT_ONCE_DAYS * DAY_S if from_s is None else from_s
        rows = _seconds(store, board_id, since_s, to_s)
        while from_s is None and to_s - since_s < MOST_DAYS * DAY_S and _usable_days(rows) < RULES_FROM_DAYS[-1]:
            until_s, since_s = since_s, since_s - AT_ONCE_DAYS * DAY_S
            rows = np.concatenate([_seconds(store, board_id, since_s, until_s), rows])
            rows = rows[_rising(rows)]
        if not len(rows):
            raise UsageError(f"{db}: has no second of board {board_id} in that time: give another --from or --to")
        raised = leaks(store, board_id, float(rows[0, 0]) / 1000, float(rows[-1, 0]) / 1000)
    kept = parts_of(rows[:, 0])
    kept_days = sum(float(rows[last - 1, 0] - rows[first, 0]) for first, last in kept) / 1000 / DAY_S
    whole_n = len(rows)
    if not tight:
        rows = rows[outside(rows[:, 0], raised)]
    if not len(rows):
        raise UsageError(
            f"{db}: holds {kept_days:.1f} days of board {board_id} in that time, all of it around leaks that the board"
            " raised: look for the leak; if no coolant went, add --tight"
        )
    begun_s, left_out_days = float(rows[0, 0]) / 1000, (whole_n - len(rows)) / DAY_S
    rows[:, 0] -= rows[0, 0]
    log = logs.of_table(db, ["t_ms", *COLUMNS], rows)
    return Recorded(log, board_id, begun_s, kept_days, len(kept), [raised_s for raised_s, _ in raised], left_out_days)


def parts_of(t_ms: Floats) -> Spans:
    """The rows of each part, by their times."""
    edges = np.flatnonzero(np.diff(t_ms) > 1000 * (LONGEST_GAP_S + 1)) + 1
    return list(pairwise([0, *edges.tolist(), len(t_ms)]))


def outside(t_ms: Floats, raised: list[tuple[float, float]]) -> npt.NDArray[np.bool_]:
    """Which wall times are not around a leak that the board raised and that was over at some time, s.

    One that was never seen to be over has lasted to the end of the part in which it was raised.
    """
    well = np.ones(len(t_ms), bool)
    parts = parts_of(t_ms)
    for raised_s, over_s in raised:
        ends_ms = [t_ms[last - 1] for _, last in parts if t_ms[last - 1] >= 1000 * raised_s]
        end_ms = 1000 * over_s if math.isfinite(over_s) else min(ends_ms, default=0.0)
        well &= (t_ms < 1000 * (raised_s - BEFORE_LEAK_S)) | (t_ms > end_ms)
    return well


def _usable_days(rows: Floats) -> float:
    """What commissioning will count of rows, leaks apart."""
    lengths_s = (
        [float(rows[last - 1, 0] - rows[first, 0]) / 1000 for first, last in parts_of(rows[:, 0])] if len(rows) else []
    )
    return counted_s(lengths_s) / DAY_S


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
    return table[_rising(table)]


def _rising(table: Floats) -> npt.NDArray[np.bool_]:
    """Which rows come a while after the one before: two starts may meet within a second."""
    kept: npt.NDArray[np.bool_] = np.diff(table[:, 0], prepend=-LEAST_STEP_MS) >= LEAST_STEP_MS
    return kept


def _blocks(rows: Iterator[tuple[float | None, ...]]) -> Iterator[Floats]:
    """The rows as arrays of AT_ONCE_N: a month of tuples would need a gigabyte."""
    while piece := list(islice(rows, AT_ONCE_N)):
        yield np.array(piece, np.float64)


def leaks(store: Store, board_id: str, from_s: float, to_s: float) -> list[tuple[float, float]]:
    """(when the board raised a leak, when a person had reset it, inf when that was not heard) between two wall times.

    Those count that stood at from_s already; those of proof tests don't.
    """
    found: list[tuple[float, float]] = []
    standing: dict[str, float] = {}
    proving = False
    for row in store.events_between(from_s - MOST_DAYS * DAY_S, to_s):
        change = alarm_change(event_record(row)) if row["board_id"] == board_id else None
        if change is None:
            continue
        if change.name == "simulation":
            proving = change.state in ("UNACK", "ACKED")
        if not is_leak(change.name):
            continue
        at_s = float(row["at_s"])
        if change.state == "UNACK" and not proving:
            standing.setdefault(change.name, at_s)
        elif change.state == "NORM" and change.name in standing:
            found.append((standing.pop(change.name), at_s))
    found += [(raised_s, math.inf) for raised_s in standing.values()]
    # One from before whose end nobody heard was over with the part in which it was raised.
    return sorted((raised_s, over_s) for raised_s, over_s in found if raised_s >= from_s or from_s <= over_s < math.inf)
