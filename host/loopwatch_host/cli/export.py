"""`loopwatch export` and `import`: a session of the log as files for elsewhere, and back without loss."""

from enum import Enum
from pathlib import Path

import typer

from .. import export as room
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
    to: Path = typer.Argument(metavar="OUT", help="A table, .csv or .parquet; or a new folder for a whole session."),
    what: What | None = typer.Option(None, help="Which records: samples by default for a table, all for a folder."),
    session: int | None = typer.Option(None, min=1, help="Which session; the latest by default."),
    from_text: str | None = typer.Option(None, "--from", help="Seconds from its first record, or a local time."),
    to_text: str | None = typer.Option(None, "--to", help="Seconds from its first record, or a local time."),
    form: Format = typer.Option(Format.PARQUET, "--format", help="For a folder: the form of its tables."),
    db: Path | None = typer.Option(None, help="The log to read; the user's by default."),
    as_json: bool = typer.Option(False, "--json", help="One JSON document."),
) -> None:
    """Write a session of the log to files: one kind of record as a table, or all of it as a folder."""
    asked = None if what is None else str(what.value)
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
