"""`loopwatch blackbox`: the samples that a board has kept around its alarms."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import Any

import typer
from rich.table import Table

from .. import blackbox
from ..errors import UsageError
from ..store import Log, default_path
from . import output
from .config import JSON, PORT, asking

DB = typer.Option(None, help="The log to read; the user's by default.")

app = typer.Typer(help="What a board has kept of the minutes around its alarms.", no_args_is_help=True)


@app.command("list")
def list_boxes(port: str | None = PORT, as_json: bool = JSON) -> None:
    """The boxes on a board, oldest first."""
    with asking(port) as ask:
        sizes = []
        for box_n in blackbox.numbers(ask):
            size_n, writing = ask(f"BLAC:SIZE? {box_n}").split(",")
            sizes.append({"box": box_n, "bytes": int(size_n), "writing": writing == "1"})
    if as_json:
        output.document({"boxes": sizes})
        return
    table = Table(box=None, header_style="bold")
    for title in ("box", "bytes", ""):
        table.add_column(title, justify="right")
    for each in sizes:
        table.add_row(str(each["box"]), str(each["bytes"]), "being written" if each["writing"] else "")
    console = output.answers()
    if sizes:
        console.print(table)
    else:
        console.print("no alarm has left a box", style="dim")


@app.command()
def fetch(
    box: int = typer.Argument(min=1, help="Number of the box."),
    to: Path = typer.Option(..., "-o", "--output", help="The CSV file to write."),
    port: str | None = PORT,
    as_json: bool = JSON,
) -> None:
    """Fetch a box into a CSV of its samples, t_ms first; what is missing or damaged inside is refused."""
    with asking(port) as ask:
        got = blackbox.fetch(ask, box)
    _save(got, to, as_json)


@app.command("kept")
def list_kept(db: Path | None = DB, as_json: bool = JSON) -> None:
    """The boxes in the log, latest first: monitor, run and web fetch each box of their board by themselves."""
    with Log(db or default_path()) as log:
        rows = log.boxes()
    if as_json:
        output.document({"boxes": rows})
        return
    table = Table(box=None, header_style="bold")
    for title in ("kept", "board", "box", "alarm", "when", "samples", ""):
        table.add_column(title, justify="right" if title in ("kept", "box", "samples") else "left")
    for row in rows:
        when = "" if row["at_s"] is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row["at_s"]))
        cut = "" if row["complete"] else "cut by the power"
        words = (row["id"], row["board_id"], row["box_n"], row["alarm"], when, row["sample_n"], cut)
        table.add_row(*(str(word) for word in words))
    console = output.answers()
    if rows:
        console.print(table)
    else:
        console.print("the log has no box: monitor fetches them when a board has raised an alarm", style="dim")


@app.command()
def save(
    kept: int = typer.Argument(min=1, help="Number in the log, as `kept` lists it."),
    to: Path = typer.Option(..., "-o", "--output", help="The CSV file to write."),
    db: Path | None = DB,
    as_json: bool = JSON,
) -> None:
    """Write a box of the log into a CSV of its samples, t_ms first, as `fetch` does with one on a board."""
    _save(blackbox.kept(db or default_path(), kept), to, as_json)


def _save(got: blackbox.Box, to: Path, as_json: bool) -> None:
    part = to.with_name(to.name + ".part")
    try:
        with part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(blackbox.COLUMNS)
            writer.writerows(got.rows())
        part.replace(to)
    except OSError as error:
        raise UsageError(f"{to}: cannot be written ({error.strerror}): choose another -o") from None
    told = _document(got, to)
    if as_json:
        output.document(told)
        return
    words = "" if got.complete else "; the box was cut, or is still being written"
    output.answers().print(
        f"{to}: {len(got.samples)} samples around {got.alarm} at {got.event_ms / 1000:.1f} s of the board's start"
        f" {got.run_n}{words}"
    )


def _document(box: blackbox.Box, to: Path) -> dict[str, Any]:
    return {
        "file": str(to),
        "box": box.box_n,
        "alarm": box.alarm,
        "run": box.run_n,
        "event_seq": box.event_seq,
        "event_ms": box.event_ms,
        "samples": len(box.samples),
        "period_ms": blackbox.period_ms(box.samples),
        "complete": box.complete,
    }
