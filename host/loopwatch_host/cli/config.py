"""`loopwatch config`: a board's configuration shown, sent, fetched and compared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.table import Table

from loopwatch.config import TABLE, Config

from .. import board_config, ports
from ..client import Client
from ..commission import record
from ..errors import UsageError
from . import output
from .detection import remember_made

app = typer.Typer(help="The board's configuration: show, push, pull, diff.", no_args_is_help=True)

COMMAND_TIMEOUT_S = 5.0
WORDS_SHOWN_N = 12
PORT = typer.Option(None, help="Serial port of the board; found by its USB ids when left out.")
JSON = typer.Option(False, "--json", help="One JSON document.")


@contextmanager
def asking(port: str | None) -> Iterator[board_config.Ask]:
    """A board to ask, on this port or the only one there is. Raises NoBoard."""
    with Client(port or ports.the_board().device) as client:
        yield lambda text: client.command(text, COMMAND_TIMEOUT_S)


@app.command()
def show(
    file: Path | None = typer.Argument(None, help="A file instead of a board."),
    port: str | None = PORT,
    as_json: bool = JSON,
) -> None:
    """Show what is in force on a board, or what is in a file."""
    if file is not None and port is not None:
        raise UsageError("a file and --port exclude each other: give one of them")
    fault = ""
    if file is not None:
        config, source = record.load_config(file), str(file)
    else:
        with asking(port) as ask:
            config, source = board_config.pull(ask), "the board"
            told = board_config.persistent(ask, "CONF:FAUL?")
            fault = "" if told == "OK" else told
    if as_json:
        output.document({"source": source, "fault": fault or None, **board_config.document(config)})
        return
    console = output.answers()
    words = "with a commissioned detector" if config.commissioned else "not commissioned: wide safe limits"
    console.print(f"{source}: configuration {board_config.crc_text(config)}, {words}")
    table = Table(box=None, header_style="bold")
    for title in ("setting", "value", "default", "what it is"):
        table.add_column(title, justify="right" if title in ("value", "default") else "left", no_wrap=True)
    for name, default, _, _, text in TABLE:
        value = getattr(config, name)
        table.add_row(name, str(value), "" if value == default else str(default), text)
    console.print(table)
    if fault:
        output.notes().print(f"configuration fault: {fault}", style="bold yellow", markup=False)


@app.command()
def push(
    file: Path = typer.Argument(help="A file that commission or pull wrote."),
    port: str | None = PORT,
    force: bool = typer.Option(False, "--force", help="Even while a leak alarm stands; its evidence is lost."),
    as_json: bool = JSON,
) -> None:
    """Put a configuration in force on a board, which restarts and runs on it."""
    config = record.load_config(file)
    with asking(port) as ask, output.progress("sending") as progress:
        pushed = board_config.push(ask, config, force, progress)
    if config.commissioned and (made := record.load(file)).days:
        remember_made(made)
    if as_json:
        output.document({"file": str(file), **vars(pushed)})
        return
    words = "is in force" if pushed.changed else "was in force already"
    output.answers().print(f"{file}: configuration {pushed.crc} {words}")


@app.command()
def pull(
    to: Path = typer.Option(..., "-o", "--output", help="The file to write."),
    port: str | None = PORT,
    as_json: bool = JSON,
) -> None:
    """Fetch the configuration in force into a file, which can be pushed again."""
    with asking(port) as ask:
        config = board_config.pull(ask)
    _write(to, record.board_toml(config))
    if as_json:
        output.document({"file": str(to), **board_config.document(config)})
        return
    output.answers().print(f"{to}: configuration {board_config.crc_text(config)}")


@app.command()
def diff(
    file: Path = typer.Argument(help="A file."),
    other: Path | None = typer.Argument(None, help="Another file instead of a board."),
    port: str | None = PORT,
    as_json: bool = JSON,
) -> None:
    """Compare a file with what is in force on a board, or with another file; exit code 1 when they differ."""
    ours = record.load_config(file)
    theirs, name = _other(other, port)
    rows = board_config.differences(ours, theirs)
    if as_json:
        crcs = {"a_crc": board_config.crc_text(ours), "b_crc": board_config.crc_text(theirs)}
        output.document({"a": str(file), "b": name, "same": not rows, **crcs, "differences": rows})
    elif rows:
        _print_differences(rows, str(file), name)
    else:
        output.answers().print(f"{file} and {name} are the same configuration {board_config.crc_text(ours)}")
    raise typer.Exit(1 if rows else 0)


def _other(other: Path | None, port: str | None) -> tuple[Config, str]:
    if other is not None:
        if port is not None:
            raise UsageError("a second file and --port exclude each other: give one of them")
        return record.load_config(other), str(other)
    with asking(port) as ask:
        return board_config.pull(ask), "the board"


def _print_differences(rows: list[dict[str, object]], a: str, b: str) -> None:
    table = Table(box=None, header_style="bold")
    table.add_column("setting", no_wrap=True)
    table.add_column(a, justify="right")
    table.add_column(b, justify="right")
    scalars = [row for row in rows if "." not in str(row["name"])]
    words = [row for row in rows if "." in str(row["name"])]
    for row in scalars + words[:WORDS_SHOWN_N]:
        table.add_row(*("none" if row[key] is None else str(row[key]) for key in ("name", "a", "b")))
    console = output.answers()
    console.print(table)
    if len(words) > WORDS_SHOWN_N:
        console.print(f"and {len(words) - WORDS_SHOWN_N} words more (--json has them all)")


def _write(to: Path, text: str) -> None:
    part = to.with_name(to.name + ".part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(to)
    except OSError as error:
        raise UsageError(f"{to}: cannot be written ({error.strerror}): choose another -o") from None
