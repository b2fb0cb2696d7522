"""What new settings change for a board that was commissioned before: which leaks alarm from now on, and how early."""

from __future__ import annotations

from typing import Any

from .record import Commissioned


def of(before: Commissioned, made: Commissioned) -> dict[str, Any]:
    """The days of both logs, members by their limits, and the curve's p95 by rate where both have one.

    limit_ml and limit_before_ml are None where a member is advisory.
    """
    members = []
    for was, now in zip(before.members(), made.members(), strict=True):
        members.append(
            {
                "allowance_ml_h": now["allowance_ml_h"],
                "limit_before_ml": was["limit_ml"] if was["alarms"] else None,
                "limit_ml": now["limit_ml"] if now["alarms"] else None,
            }
        )
    seen_before_s = {row["rate_ml_h"]: row.get("p95_s") for row in before.curve}
    curve = [
        {"rate_ml_h": row["rate_ml_h"], "p95_before_s": seen_before_s[row["rate_ml_h"]], "p95_s": row.get("p95_s")}
        for row in made.curve
        if row["rate_ml_h"] in seen_before_s
    ]
    return {"days_before": before.days, "days": made.days, "members": members, "curve": curve}


def words(changed: dict[str, Any]) -> list[str]:
    """The changes that matter, a sentence each."""
    said = []
    for was, now, text in (
        ("limit_before_ml", "limit_ml", "alarm from now on and were advisory"),
        ("limit_ml", "limit_before_ml", "are advisory from now on and were alarms"),
    ):
        names = [_name(row) for row in changed["members"] if row[was] is None and row[now] is not None]
        if names:
            said.append(f"{', '.join(names)}: {text}")
    if 0 < changed["days"] < changed["days_before"] - 0.05:
        said.append(
            f"the settings in force come from {changed['days_before']:.1f} days of log, these from"
            f" {changed['days']:.1f} only: keep those unless the loop has changed"
        )
    return said


def _name(row: dict[str, Any]) -> str:
    return f"{row['allowance_ml_h']:g} mL/h" if row["allowance_ml_h"] else "the slow level"
