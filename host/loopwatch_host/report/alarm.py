"""The report of one alarm: the minutes around it at full rate, what was known at that moment, and what people did."""

from __future__ import annotations

import csv
import time
from pathlib import Path

from ..blackbox import parse
from ..desk import boxes
from ..desk.words import duration_words, interval_words, left_words, rate_words, volume_words
from ..errors import StoreError, UsageError
from ..messages import is_leak
from ..store import Log
from . import curves, page
from .chart import RED, Curve, Mark, Panel, svg, time_axis
from .run import boot_rows

BEFORE_S, AFTER_S = 120.0, 300.0
SAME_S = 5.0  # wall times of one event, heard by two sessions


def html(log: Log, session_id: int, seq: int | None = None, blackbox: Path | None = None) -> str:
    """The page of the event numbered seq, by default the session's first leak, else its most urgent alarm.

    blackbox: a sample CSV of the board's own record around the alarm; the one that the log has kept by default. Raises
    StoreError, UsageError.
    """
    changed = curves.changes(log, session_id)
    alarm = _chosen(changed, seq, session_id)
    session = log.session(session_id)
    from_s, to_s = alarm.t_s - BEFORE_S, alarm.t_s + AFTER_S
    wall_s = alarm.at_s - (log.first_s(session_id) or 0.0)
    panels = curves.cut(curves.panels(log, session_id, wall_s - BEFORE_S, wall_s + AFTER_S), from_s, to_s)
    around = [each for each in changed if from_s <= each.t_s <= to_s]
    same = [each for each in changed if each.name == alarm.name and each.t_s >= alarm.t_s]
    acknowledged = next((each for each in same if each.state in ("ACKED", "LATCH") and each.t_s > alarm.t_s), None)
    name = alarm.name.replace("_", " ")
    marks = [
        Mark(each.t_s, f"{each.name.replace('_', ' ')} {each.state}", curves.STATE_COLOURS.get(each.state, RED))
        for each in around
        if each.name == alarm.name or each.priority_n <= 2
    ]
    picture = svg(panels, time_axis(*curves.span_of(panels)), marks)
    done = "nobody acknowledged it" if acknowledged is None else "acknowledged"
    after = "" if acknowledged is None else f"after {duration_words(acknowledged.t_s - alarm.t_s)}"
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(alarm.at_s))
    kept = None if blackbox else _kept(log, alarm)
    sections = [
        page.headline(
            [
                *_known(log, session_id, alarm),
                ("priority", str(alarm.priority_n), "1 urgent to 4 advisory"),
                ("people", done, after),
            ]
        ),
        page.picture(
            "Around the alarm",
            picture,
            f"{BEFORE_S:g} s before to {AFTER_S:g} s after; time counts from the board's start.",
        ),
        _of_file(blackbox, alarm) if blackbox else _of_log(kept, alarm) if kept else "",
        page.table(
            "What happened",
            ("alarm", "state", "priority", "against the alarm", "at"),
            [
                (
                    each.name.replace("_", " "),
                    each.state,
                    str(each.priority_n),
                    f"{each.t_s - alarm.t_s:+.1f} s",
                    time.strftime("%H:%M:%S", time.localtime(each.at_s)),
                )
                for each in [each for each in changed if each in around or each in same]
            ],
        ),
        page.origin(
            [
                *boot_rows(log, session_id, session["source"]),
                ("event", f"number {alarm.seq} of the board, at {alarm.board_ms / 1000:.1f} s of its time"),
                *([("black box", f"{blackbox.name}, SHA-256 {page.file_hash(blackbox)}")] if blackbox else []),
                *([("black box", f"number {kept.box.box_n} of the board, in the log")] if kept else []),
            ]
        ),
    ]
    grade = page.BAD if is_leak(alarm.name) or alarm.priority_n <= 2 else page.OPEN
    return page.page("alarm", f"Alarm: {name}", f"Raised at {moment} by {session['source']}.", grade, sections)


def _chosen(changed: list[curves.Change], seq: int | None, session_id: int) -> curves.Change:
    raised = [each for each in changed if (each.state == "UNACK" if seq is None else each.seq == seq)]
    if not raised:
        which = "no alarm" if seq is None else f"no alarm's event number {seq}"
        raise StoreError(f"session {session_id} has {which}: `loopwatch log events` lists them")
    return min(raised, key=lambda each: (not is_leak(each.name), each.priority_n, each.t_s))


def _known(log: Log, session_id: int, alarm: curves.Change) -> list[tuple[str, str, str]]:
    """What the board made of it when it alarmed; the first decision after the alarm that has a rate, else nothing."""
    wall_s = alarm.at_s - (log.first_s(session_id) or 0.0)
    for row in log.records("decision", session_id, wall_s - 1.5, wall_s + 60):
        after_s = row["t_ms"] / 1000 - alarm.t_s
        if row.get("rate_ul_h") is None or not -1.5 <= after_s <= 60:
            continue
        after = f"{max(0.0, after_s):.0f} s after the alarm"
        ends_ul_h = row.get("rate_low_ul_h"), row.get("rate_high_ul_h")
        interval = interval_words(*ends_ul_h)
        rate = rate_words(row["rate_ul_h"]) + (f" ({interval})" if interval else "")
        figures = [("leak rate", rate, after)]
        if row.get("lost_ul") is not None:
            figures.append(("lost by then", volume_words(row["lost_ul"]), ""))
        if row.get("time_left_s") is not None:
            left = left_words(row["time_left_s"], row["rate_ul_h"], *ends_ul_h)
            figures.append(("until the reserve is gone", left, "at this rate"))
        return figures
    return []


def _kept(log: Log, alarm: curves.Change) -> boxes.Lines | None:
    """The black box of this alarm in the log, if it has come."""
    for row in log.boxes():
        same = row["event_seq"] == alarm.seq and row["alarm"] == alarm.name and row["event_ms"] == alarm.board_ms
        if same and row["at_s"] is not None and abs(row["at_s"] - alarm.at_s) < SAME_S:
            return boxes.lines_of(parse(log.box_content(row["id"])))
    return None


def _of_log(lines: boxes.Lines, alarm: curves.Change) -> str:
    """The board's own samples as the log has them."""
    columns = {
        field: [
            (at_s, None if value is None else value / divisor)
            for at_s, value in zip(lines.columns["t"], lines.columns[field], strict=True)
        ]
        for field, _, _, divisor in (*curves.PRESSURES, *curves.TEMPERATURES)
    }
    return _drawn(columns, alarm, len(lines.box.samples))


def _of_file(path: Path, alarm: curves.Change) -> str:
    """The board's own samples from a file."""
    columns: dict[str, list[tuple[float, float | None]]] = {}
    wanted = (*curves.PRESSURES, *curves.TEMPERATURES)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if "t_ms" not in (reader.fieldnames or []):
                raise UsageError(f"{path}: has no column t_ms: is it a black box, a sample CSV?")
            for row in reader:
                t_s = (float(row["t_ms"]) - alarm.board_ms) / 1000
                for field, _, _, divisor in wanted:
                    cell = row.get(field)
                    columns.setdefault(field, []).append((t_s, float(cell) / divisor if cell else None))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}): check the path of the black box") from None
    except ValueError as error:
        raise UsageError(f"{path}: is damaged ({error}): fetch it from the board again") from None
    if not columns:
        raise UsageError(f"{path}: has no rows: fetch it from the board again")
    return _drawn(columns, alarm, len(next(iter(columns.values()))))


def _drawn(columns: dict[str, list[tuple[float, float | None]]], alarm: curves.Change, samples_n: int) -> str:
    """Samples on the board's clock; the alarm is marked when it lies among them."""
    times_s = [t_s for t_s, _ in next(iter(columns.values()))]
    panels = [
        Panel(title, unit, [Curve(label, colour, columns[field]) for field, label, colour, _ in group], (), span)
        for title, unit, group, span in (
            ("pressures", "mbar absolute", curves.PRESSURES, 5.0),
            ("temperatures", "°C", curves.TEMPERATURES, 1.0),
        )
    ]
    inside = times_s[0] <= 0 <= times_s[-1]
    marks = [Mark(0.0, alarm.name, RED)] if inside else []
    words = "Time counts from the alarm, by the board's clock." if inside else "The alarm does not lie in this record."
    drawn = svg(panels, time_axis(times_s[0], times_s[-1]), marks)
    return page.picture("The board's black box", drawn, f"{samples_n} samples kept on the board. {words}")
