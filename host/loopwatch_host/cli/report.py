"""`loopwatch report`: one page a run, an alarm, a leak test or a commissioning, for the screen and for paper."""

from pathlib import Path

import typer

from ..report import page
from ..store import Log, default_path
from . import output
from .leaktest import load
from .moments import seconds_from

app = typer.Typer(help="Reports: one HTML file each, offline; the browser's print makes the PDF.", no_args_is_help=True)

TO = typer.Option(None, "-o", "--output", help="The page to write, .html.")
DB = typer.Option(None, help="The log to read; the user's by default.")
SESSION = typer.Option(None, min=1, help="Which session; the latest by default.")
AS_JSON = typer.Option(False, "--json", help="One JSON document.")


@app.command("run")
def run(
    session: int | None = SESSION,
    from_text: str | None = typer.Option(None, "--from", help="Seconds from its first record, or a local time."),
    to_text: str | None = typer.Option(None, "--to", help="Seconds from its first record, or a local time."),
    to: Path | None = TO,
    db: Path | None = DB,
    as_json: bool = AS_JSON,
) -> None:
    """A session of the log."""
    from ..report import run as room

    with Log(db or default_path()) as log:
        session_id = log.session_id(session)
        first_s = log.first_s(session_id)
        from_s, to_s = seconds_from(from_text, first_s) or 0.0, seconds_from(to_text, first_s)
        text = room.html(log, session_id, from_s, to_s)
    _done(text, to or Path(f"run-{session_id}.html"), as_json)


@app.command("alarm")
def alarm(
    session: int | None = SESSION,
    seq: int | None = typer.Option(None, min=1, help="The event's number; the first leak by default, else the worst."),
    blackbox: Path | None = typer.Option(
        None, help="The board's black box of it, a sample CSV; the one in the log by default."
    ),
    to: Path | None = TO,
    db: Path | None = DB,
    as_json: bool = AS_JSON,
) -> None:
    """One alarm, the minutes around it, and the board's black box."""
    from ..report import alarm as room

    with Log(db or default_path()) as log:
        session_id = log.session_id(session)
        text = room.html(log, session_id, seq, blackbox)
    _done(text, to or Path(f"alarm-{session_id}.html"), as_json)


@app.command("leaktest")
def leaktest(
    result: Path = typer.Argument(metavar="RESULT.json", help="What `loopwatch leaktest --json` printed."),
    to: Path | None = TO,
    as_json: bool = AS_JSON,
) -> None:
    """A leak test."""
    from ..report import leaktest as room

    _done(room.html(load(result)), to or result.with_suffix(".html"), as_json)


@app.command("commission")
def commission(
    config: Path = typer.Argument(metavar="LOOP.toml", help="Settings that `loopwatch commission` wrote."),
    to: Path | None = TO,
    as_json: bool = AS_JSON,
) -> None:
    """A commissioning."""
    from ..report import commission as room

    _done(room.html(config), to or config.with_suffix(".html"), as_json)


def _done(text: str, path: Path, as_json: bool) -> None:
    written = page.write(text, path)
    if as_json:
        output.document({"report": str(written.path), "bytes": written.bytes_n, "sha256": written.sha256})
    else:
        output.answers().print(f"{written.path}: {written.bytes_n / 1024:.0f} KB", markup=False)
