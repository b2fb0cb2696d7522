"""Whether a board has been watched for long enough that new settings would see more than those it runs on.

Counted as `commission --recorded` counts: parts, without the hours in which their lags fill and without the time around
leaks that the board raised; by the log's minutes, so that months are counted at once. It only tells: settings change
when a person runs the commands.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..store import Log as Store
from ..store import made
from . import recorded, thresholds
from .checks import counted_s

DAY_S = 86_400
COMMANDS = (
    "`loopwatch config pull -o board.toml`, `loopwatch commission --recorded --board board.toml -o loop.toml`, look at"
    " loop.html, `loopwatch config push loop.toml`"
)


def counted_days(db: Path, board_id: str) -> float:
    """Days of leak-free log that are kept of a board, up to its latest. Raises StoreError."""
    with Store(db) as store:
        minutes_s = store.minutes_of(board_id)
        minutes_s = [at_s for at_s in minutes_s if at_s >= minutes_s[-1] - recorded.MOST_DAYS * DAY_S]
        if not minutes_s:
            return 0.0
        t_ms = 1000.0 * np.array(minutes_s, np.float64)
        t_ms = t_ms[recorded.outside(t_ms, recorded.leaks(store, board_id, minutes_s[0], minutes_s[-1]))]
    if not len(t_ms):
        return 0.0
    parts = recorded.parts_of(t_ms)
    return counted_s([float(t_ms[last - 1] - t_ms[first]) / 1000 + 60 for first, last in parts]) / DAY_S


def worth_it(days_before: float, days: float) -> str:
    """What settings from so many days gain over those in force, from days_before; empty when nothing."""
    reached = [least for least in thresholds.RULES_FROM_DAYS if days_before < least <= days]
    if not reached:
        return ""
    before_ml_h, ml_h = thresholds.advisory_ml_h(days_before), thresholds.advisory_ml_h(days)
    gain = (
        f"leaks of {before_ml_h:g} mL/h and less, advisory until then, alarm with settings made of them"
        if ml_h < before_ml_h
        else "settings made of them alarm sooner"
    )
    return (
        f"its settings come from {days_before:.1f} days of log, and {days:.1f} leak-free days are kept by now: {gain}"
    )


def advice(db: Path, board_id: str, crc: str) -> str | None:
    """worth_it() for a board that runs on the settings of this CRC; None when nobody knows what they were made from.

    Raises StoreError.
    """
    days_before = made.days_of(db, crc)
    if days_before is None:
        return None
    if days_before >= thresholds.RULES_FROM_DAYS[-1]:
        return ""
    return worth_it(days_before, counted_days(db, board_id))
