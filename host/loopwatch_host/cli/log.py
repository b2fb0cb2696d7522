"""`loopwatch log`: what was kept: sessions, alarms, and samples to take elsewhere."""

import csv
import sys
import time
from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import typer
from rich.table import Table

from loopwatch import sample

from ..errors import UsageError
from ..messages import Record, alarm_change, event_words
from ..store import FIELDS, Log, Row, default_path
from . import output

LINES_N = 50


class What(str, Enum):
    """What to show of the log."""

    SESSIONS = "sessions"
    EVENTS = "events"
    SAMPLES = "samples"
    MEANS = "means"
    DECISIONS = "decisions"
    GAPS = "gaps"


KINDS = {What.EVENTS: "event", What.SAMPLES: "sample", What.MEANS: "mean", What.DECISIONS: "decision"}


def log(
    what: What | None = typer.Argument(None, help="Sessions by default; samples with --csv."),
    session: int | None = typer.Option(None, min=1, help="Which session; the latest by default."),
    from_s: float = typer.Option(0.0, "--from", help="Seconds from the session's first record."),
    to_s: float | None = typer.Option(None, "--to", help="Seconds from the session's first record."),
    limit_n: int | None = typer.Option(None, "--limit", min=1, help=f"At most so many; {LINES_N} for people."),
    db: Path | None = typer.Option(None, help="The log to read; the user's by default."),
    as_json: bool = typer.Option(False, "--json", help="One JSON document."),
    as_csv: bool = typer.Option(False, "--csv", help="A table with a header line, t_ms first."),
) -> None:
    """Show what was kept."""
    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other: give one of them")
    what = what or (What.SAMPLES if as_csv else What.SESSIONS)
    with Log(db or default_path()) as kept:
        if what is What.SESSIONS:
            rows: Iterable[Row] = kept.sessions()
        elif what is What.GAPS:
            rows = kept.gaps(kept.session_id(session))
        else:
            people_n = None if as_json or as_csv else LINES_N
            rows = _records(kept, KINDS[what], kept.session_id(session), from_s, to_s, limit_n or people_n)
        if as_json:
            session_id = None if what is What.SESSIONS else kept.session_id(session)
            output.document({"session": session_id, what.value: [_for_program(row) for row in rows]})
        elif as_csv:
            _write_csv(rows, _csv_columns(what))
        else:
            _print_table(rows)


def _records(
    kept: Log, kind: str, session_id: int, from_s: float, to_s: float | None, limit_n: int | None
) -> Iterator[Row]:
    for row in kept.records(kind, session_id, from_s, to_s, limit_n):
        if kind != "event":
            yield row
            continue
        record = Record(
            "event", row["seq"], 0, row["board_ms"], row["at_s"], {name: row[name] for name in FIELDS["event"]}
        )
        change = alarm_change(record)
        yield {
            "t_ms": row["t_ms"],
            "at_s": row["at_s"],
            "seq": row["seq"],
            "what": event_words(record),
            "name": change.name if change else None,
            "state": change.state if change else None,
            "priority": row["priority_n"],
            "value": row["value"],
        }


def _csv_columns(what: What) -> list[str] | None:
    """The columns of a table; for samples and means the form that every other tool of loopwatch reads."""
    if what in (What.SAMPLES, What.MEANS):
        return ["t_ms", *sample.CHANNELS]
    if what is What.DECISIONS:
        return ["t_ms", *FIELDS["decision"]]
    return None


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
