"""`loopwatch export` and `import`: a session of the log as files for elsewhere, and back without loss."""

from enum import Enum
from pathlib import Path

import typer

from .. import export as room
from .. import support
from ..errors import UsageError
from ..store import TABLES, Log, default_path
from . import output
from .moments import seconds_from

KIND_OF = {table: name for name, table in TABLES.items()}
What = Enum("What", {table.upper(): table for table in (*KIND_OF, "all")}, type=str)  # type: ignore[misc]


class Format(str, Enum):
    """How the tables of a folder are written."""

    CSV = "csv"
    PARQUET = "parquet"


def export(
    to: Path = typer.Argument(
        metavar="OUT", help="A table, .csv or .parquet; a new folder for a whole session; a .zip for support."
    ),
    what: What | None = typer.Option(None, help="Which records: samples by default for a table, all for a folder."),
    session: int | None = typer.Option(None, min=1, help="Which session; the latest by default."),
    from_text: str | None = typer.Option(None, "--from", help="Seconds from its first record, or a local time."),
    to_text: str | None = typer.Option(None, "--to", help="Seconds from its first record, or a local time."),
    port: str | None = typer.Option(
        None, help="For a .zip: the board whose configuration goes with it; found by itself."
    ),
    form: Format = typer.Option(Format.PARQUET, "--format", help="For a folder: the form of its tables."),
    db: Path | None = typer.Option(None, help="The log to read; the user's by default."),
    as_json: bool = typer.Option(False, "--json", help="One JSON document."),
) -> None:
    """Write a session of the log to files: one kind of record as a table, or all of it as a folder.

    A .zip is for whoever helps from afar: the session's last hour, its events, black boxes, orders and raw lines, the
    versions, and the board's configuration.
    """
    asked = None if what is None else str(what.value)
    if to.suffix == ".zip":
        if what is not None:
            raise UsageError(f"{to}: a .zip has everything: leave --what out")
        _support(to, session, from_text, to_text, db or default_path(), port, as_json)
        return
    if port is not None:
        raise UsageError("--port is for a .zip, which takes the board's configuration along")
    is_table = to.suffix in room.SUFFIXES
    if asked == "all" and is_table:
        raise UsageError(f"{to} is one table: give --what one kind of record, or a folder for all of them")
    if asked not in (None, "all") and not is_table:
        raise UsageError(f"{to}: a table of {asked} ends in .csv or .parquet")
    with Log(db or default_path()) as kept:
        session_id = kept.session_id(session)
        first_s = kept.first_s(session_id)
        from_s = seconds_from(from_text, first_s) or 0.0
        to_s = seconds_from(to_text, first_s)
        if is_table:
            name = KIND_OF[asked or "samples"]
            written = [room.export_table(kept, name, session_id, to, from_s, to_s)]
        else:
            written = room.export_session(kept, session_id, to, f".{form.value}", from_s, to_s)
    if as_json:
        files = [{"file": str(each.path), "rows": each.rows, "sha256": each.sha256} for each in written]
        output.document({"session": session_id, "files": files})
        return
    for each in written:
        output.answers().print(f"{each.path}: {each.rows} rows", markup=False)


def _support(
    to: Path, session: int | None, from_text: str | None, to_text: str | None, db: Path, port: str | None, as_json: bool
) -> None:
    with Log(db) as kept:
        session_id = kept.session_id(session)
        first_s = kept.first_s(session_id)
        from_s, to_s = seconds_from(from_text, first_s), seconds_from(to_text, first_s)
        about = support.bundle(kept, session_id, to, from_s, to_s, lambda: support.configuration(port))
    if as_json:
        output.document({"file": str(to), "bytes": to.stat().st_size, **about})
        return
    console = output.answers()
    console.print(f"{to}: {to.stat().st_size / 1e6:.1f} MB of session {session_id}", markup=False)
    for name, why in about["missing"].items():
        console.print(f"without {name}: {why}", markup=False, style="yellow")


def bring_in(
    source: Path = typer.Argument(metavar="IN", help="A folder or a table that `loopwatch export` wrote."),
    db: Path | None = typer.Option(None, help="The log to write; the user's by default."),
    as_json: bool = typer.Option(False, "--json", help="One JSON document."),
) -> None:
    """Bring an exported session back into a log, as a session of its own."""
    path = db or default_path()
    session_id, counts = room.import_back(source, path)
    if as_json:
        output.document({"db": str(path), "session": session_id, "rows": counts})
        return
    words = ", ".join(f"{count} {TABLES[name]}" for name, count in counts.items() if count)
    output.answers().print(f"session {session_id} of {path}: {words or 'no records'}", markup=False)
