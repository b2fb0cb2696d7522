"""The report of a session: what the loop did, which alarms came, and what never arrived."""

from __future__ import annotations

import time

from ..desk.words import duration_words
from ..errors import StoreError
from ..messages import RESET_CAUSES, is_leak
from ..store import Log, Row
from . import curves, page
from .chart import svg, time_axis


def html(log: Log, session_id: int, from_s: float = 0.0, to_s: float | None = None) -> str:
    """The page of a session, or of a part of it, seconds from its first record. Raises StoreError when it is empty."""
    session = log.session(session_id)
    first_s, last_s = log.first_s(session_id), log.last_s(session_id)
    if first_s is None or last_s is None:
        raise StoreError(f"session {session_id} has no records (any more): there is nothing to report on")
    to_s = last_s - first_s if to_s is None else min(to_s, last_s - first_s)
    changed = [each for each in curves.changes(log, session_id) if from_s <= each.at_s - first_s <= to_s]
    leaks = [each for each in changed if is_leak(each.name) and each.state == "UNACK"]
    raised = sorted({each.name for each in changed if each.state == "UNACK"})
    gaps = log.gaps(session_id)
    lost_n = sum(gap["lost_n"] or 0 for gap in gaps)
    if leaks:
        title, grade = "A leak was reported", page.BAD
    elif any(each.priority_n <= 2 and each.state == "UNACK" for each in changed):
        title, grade = "No leak; other alarms came", page.OPEN
    else:
        title, grade = "No leak was reported", page.GOOD
    panels = curves.panels(log, session_id, from_s, to_s)
    begun_s, ended_s = curves.span_of(panels)
    picture = svg(panels, time_axis(begun_s, ended_s), curves.alarm_marks(changed))
    lead = (
        f"Session {session_id}, {session['source']}, {_clock(first_s + from_s)} to {_clock(first_s + to_s)}"
        f" ({duration_words(ended_s - begun_s)} of the board)."
    )
    sections = [
        page.headline(
            [
                ("leak alarms", str(len(leaks)), f"{len(raised)} kinds of alarm came up"),
                ("samples", f"{session['samples']:,}".replace(",", " "), f"{lost_n} records lost"),
                (
                    "watched for",
                    duration_words(ended_s - begun_s),
                    f"starts of the board: {len(log.boots(session_id))}",
                ),
            ]
        ),
        page.picture("The loop", picture, "Time counts from the board's start. A gap is a gap."),
        page.table(
            "Alarms",
            ("alarm", "state", "priority", "time", "at"),
            [
                (each.name.replace("_", " "), each.state, str(each.priority_n), f"{each.t_s:.1f} s", _clock(each.at_s))
                for each in changed
            ],
        ),
        page.notes("Also", [f"{t_s:.1f} s: {words}" for t_s, words in curves.other_events(log, session_id)]),
        page.table("What never arrived", ("what", "lost", "when", "why"), [_gap(gap, first_s) for gap in gaps[:100]]),
        page.origin(boot_rows(log, session_id, session["source"])),
    ]
    return page.page("run", title, lead, grade, sections)


def boot_rows(log: Log, session_id: int, source: str) -> list[tuple[str, str]]:
    """Which board, firmware and configuration a session heard, for the table of origin."""
    rows = [("log", f"{log.path}, session {session_id}"), ("source", source)]
    for boot in log.boots(session_id):
        cause = RESET_CAUSES.get(boot["reset_cause_n"], "start not heard")
        crc = "" if boot["config_crc"] is None else f", configuration {boot['config_crc']:08X}"
        words = f"{boot['board_id'] or 'unknown'}, firmware {boot['firmware'] or 'unknown'}{crc}"
        rows.append(("board", f"{words}, started {_clock(boot['started_s'])} ({cause})"))
    return rows


def _gap(gap: Row, first_s: float) -> tuple[str, ...]:
    lost = "" if gap["lost_n"] is None else str(gap["lost_n"])
    return (gap["name"], lost, f"{gap['at_s'] - first_s:.1f} s", gap["reason"] or "")


def _clock(at_s: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at_s))
