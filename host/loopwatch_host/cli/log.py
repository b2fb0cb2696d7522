"""`loopwatch log`: what was kept: sessions, alarms, and samples to take elsewhere."""

import csv
import sys
import time
from collections.abc import Iterable, Iterator
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import Any

import typer
from rich.table import Table

from loopwatch import sample

from ..errors import StoreError, UsageError
from ..messages import alarm_change, event_record, event_words
from ..store import FIELDS, TABLES, Log, Row, capture, default_path
from ..store.schema import PERIODS_S
from . import output
from .moments import seconds_from

LINES_N = 50

# Beside the kinds of records: what each session was, what never arrived, the log's rollups, and the cable itself.
KINDS = {table: name for name, table in TABLES.items()}
What = Enum("What", {word.upper(): word for word in ("sessions", *KINDS, "gaps", *PERIODS_S, "raw")}, type=str)  # type: ignore[misc]


def log(
    what: What | None = typer.Argument(None, help="Sessions by default; samples with --csv."),
    session: int | None = typer.Option(None, min=1, help="Which session; the latest by default."),
    from_text: str | None = typer.Option(None, "--from", help="Seconds from its first record, or a local time."),
    to_text: str | None = typer.Option(None, "--to", help="Seconds from its first record, or a local time."),
    around: str | None = typer.Option(None, help="Around an event instead: its number, or the first of this alarm."),
    window_s: float = typer.Option(60.0, "--window", min=0.0, help="With --around: so many seconds to either side."),
    alarm: str | None = typer.Option(None, help="Of events only those of this alarm."),
    state: str | None = typer.Option(None, help="Of events only those with this state, e.g. UNACK."),
    all_sessions: bool = typer.Option(False, "--all", help="Events of every session; --from and --to are dates."),
    limit_n: int | None = typer.Option(None, "--limit", min=1, help=f"At most so many; {LINES_N} for people."),
    db: Path | None = typer.Option(None, help="The log to read; the user's by default."),
    as_json: bool = typer.Option(False, "--json", help="One JSON document."),
    as_csv: bool = typer.Option(False, "--csv", help="A table with a header line, t_ms first."),
) -> None:
    """Show what was kept, by time and by event."""
    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other: give one of them")
    asked = str(what.value) if what else "samples" if as_csv else "sessions"
    if (alarm or state or all_sessions) and asked != "events":
        raise UsageError("--alarm, --state and --all choose among events: ask for `loopwatch log events`")
    if around is not None and (from_text or to_text):
        raise UsageError("--around and --from or --to are two ranges: give one of them")
    path = db or default_path()
    with Log(path) as kept:
        session_id = None if asked == "sessions" or all_sessions else kept.session_id(session)
        first_s = None if session_id is None else kept.first_s(session_id)
        from_s, to_s = seconds_from(from_text, first_s) or 0.0, seconds_from(to_text, first_s)
        if around is not None and session_id is not None:
            from_s, to_s = _around(kept, session_id, around, window_s)
        limit_n = limit_n or (None if as_json or as_csv else LINES_N)
        rows: Iterable[Row]
        if session_id is None:
            rows = kept.sessions() if asked == "sessions" else _all_events(kept, from_s, to_s)
        elif asked == "gaps":
            rows = kept.gaps(session_id)
        elif asked == "raw":
            rows = _raw(path, first_s or 0.0, from_s, to_s)
        elif asked in PERIODS_S:
            rows = kept.rolled("sample", asked, session_id, from_s, to_s)
        else:
            rows = _records(kept, KINDS[asked], session_id, from_s, to_s)
        if alarm or state:
            rows = (row for row in rows if alarm in (None, row["name"]) and state in (None, row["state"]))
        rows = islice(rows, limit_n)
        if as_json:
            output.document({"session": session_id, asked: [_for_program(row) for row in rows]})
        elif as_csv:
            _write_csv(rows, _csv_columns(asked))
        else:
            _print_table(rows)


def _around(kept: Log, session_id: int, wanted: str, window_s: float) -> tuple[float, float]:
    """The range around an event, s from the session's first record."""
    first_s = kept.first_s(session_id) or 0.0
    for row in _records(kept, "event", session_id, 0.0, None):
        if wanted in (str(row["seq"]), row["name"]):
            at_s = row["at_s"] - first_s
            return at_s - window_s, at_s + window_s
    raise StoreError(f"session {session_id} has no event {wanted}: `loopwatch log events` lists them")


def _records(kept: Log, kind: str, session_id: int, from_s: float, to_s: float | None) -> Iterator[Row]:
    for row in kept.records(kind, session_id, from_s, to_s):
        yield _event(row) if kind == "event" else row


def _all_events(kept: Log, from_s: float, to_s: float | None) -> Iterator[Row]:
    for row in kept.events_between(from_s, 1e18 if to_s is None else to_s):
        yield {"session": row["session_id"], "board_id": row["board_id"], **_event(row)}


def _raw(path: Path, first_s: float, from_s: float, to_s: float | None) -> Iterator[Row]:
    """The cable's lines of the session, from the files beside the log."""
    ends_s = 1e18 if to_s is None else first_s + to_s
    for at_s, line in capture.lines(capture.folder_of(path), first_s + from_s - 1.0, ends_s):
        yield {"at_s": at_s, "line": line}


def _event(row: Row) -> Row:
    record = event_record(row)
    change = alarm_change(record)
    return {
        "t_ms": row["t_ms"],
        "at_s": row["at_s"],
        "seq": row["seq"],
        "what": event_words(record),
        "name": change.name if change else None,
        "state": change.state if change else None,
        "priority": row["priority_n"],
        "value": row["value"],
    }


def _csv_columns(what: str) -> list[str] | None:
    """The columns of a table; for samples and means the form that every other tool of loopwatch reads."""
    if what in ("samples", "means"):
        return ["t_ms", *sample.CHANNELS]
    return ["t_ms", *FIELDS[KINDS[what]]] if what in KINDS and what != "events" else None


def _write_csv(rows: Iterable[Row], columns: list[str] | None) -> None:
    writer = None
    for row in rows:
        if writer is None:
            writer = csv.DictWriter(sys.stdout, columns or list(row), extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
        writer.writerow(row)
    if writer is None and columns:
        print(",".join(columns))


def _for_program(row: Row) -> Row:
    return {key: round(value, 3) if isinstance(value, float) else value for key, value in row.items()}


def _print_table(rows: Iterable[Row]) -> None:
    table: Table | None = None
    for row in rows:
        if table is None:
            table = Table(box=None, header_style="bold")
            for column in row:
                table.add_column(column, no_wrap=True)
        table.add_row(*(_for_person(key, value) for key, value in row.items()))
    console = output.answers()
    if table is None:
        console.print("nothing was kept", style="dim")
    else:
        console.print(table)


def _for_person(key: str, value: Any) -> str:
    if value is None:
        return ""
    if key.endswith("_s") and isinstance(value, float):
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(value))
    return str(value)
