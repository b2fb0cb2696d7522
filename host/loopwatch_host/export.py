"""A session of the log as files for elsewhere, and back again without loss.

One kind of record goes to one table, CSV or Parquet by its suffix: t_ms first, then the record's fields in their units,
so that every tool of loopwatch reads it as a log, then `at_s`, `board_ms`, `boot_id` and `seq`; channels that never had
a value are left out. A whole session goes to a folder: a table a kind, and session.json with the starts of the board,
the gaps and what wrote it. A value that was not there is an empty cell, or null. Rows pass through a piece at a time: a
month at 1 Hz needs no more memory than a minute.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loopwatch import sample, wire

from .errors import StoreError, UsageError
from .store import FIELDS, TABLES, Log
from .store.importing import BOOT_COLUMNS, GAP_COLUMNS, Session, write
from .stream import HOST_VERSION

if TYPE_CHECKING:
    import pyarrow

AT_ONCE_N = 20_000
SUFFIXES = (".csv", ".parquet")
BEHIND = ("at_s", "board_ms", "boot_id", "seq")
ABOUT = "session.json"
LAYOUT_N = 1

Rows = Iterable[tuple[Any, ...]]


@dataclass(frozen=True)
class Written:
    """One file that was written."""

    path: Path
    rows: int
    sha256: str


def fields_of(name: str) -> tuple[str, ...]:
    """A kind's fields in the order of its table: what other tools read first, the channels, then the rest."""
    first = tuple(field for field in sample.CHANNELS if field in FIELDS[name])
    return first + tuple(field for field in FIELDS[name] if field not in first)


def export_table(
    log: Log, name: str, session_id: int, path: Path, from_s: float = 0.0, to_s: float | None = None
) -> Written:
    """One kind of a session to one file, the whole of it or nothing. Raises UsageError, StoreError."""
    _known_suffix(path)
    fields = log.with_values(name, session_id, fields_of(name), sample.CHANNELS)
    rows = (
        (t_ms, *values, at_s, board_ms, boot_id, seq)
        for t_ms, at_s, board_ms, boot_id, seq, *values in log.rows(name, session_id, fields, from_s, to_s)
    )
    return _whole(path, ("t_ms", *fields, *BEHIND), rows)


def export_session(
    log: Log, session_id: int, folder: Path, suffix: str, from_s: float = 0.0, to_s: float | None = None
) -> list[Written]:
    """All of a session to a folder, which must be empty or new. Raises UsageError, StoreError."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is there already and not empty: name a new folder, or remove it first")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder} cannot be made ({error.strerror}): name another folder") from None
    session = log.session(session_id)
    files = {}
    for name, table in TABLES.items():
        files[name] = export_table(log, name, session_id, folder / f"{table}{suffix}", from_s, to_s)
    protocol = wire.protocol_crc()
    about = {
        "layout": LAYOUT_N,
        "loopwatch": HOST_VERSION,
        "protocol_crc": f"{protocol.hi << 16 | protocol.lo:08X}",
        "session": {key: session[key] for key in ("id", "started_s", "ended_s", "source")},
        "boots": [{key: boot[key] for key in ("id", *BOOT_COLUMNS)} for boot in log.boots(session_id)],
        "gaps": [{key: gap[key] for key in GAP_COLUMNS} for gap in log.gaps(session_id)],
        "files": {
            name: {"file": each.path.name, "rows": each.rows, "sha256": each.sha256} for name, each in files.items()
        },
    }
    text = json.dumps(about, indent=2, ensure_ascii=False) + "\n"
    (folder / ABOUT).write_text(text, encoding="utf-8")
    return [*files.values(), Written(folder / ABOUT, 1, hashlib.sha256(text.encode()).hexdigest())]


def import_back(source: Path, db: Path) -> tuple[int, dict[str, int]]:
    """A folder or a table that export wrote, as a new session of a log; returns its id and the rows by kind.

    A table alone brings its records, and starts of a board that are known by number only; a table of no other columns
    than t_ms and channels comes in as samples or means of one start. Raises UsageError, StoreError.
    """
    if source.is_dir():
        session, tables = _read_folder(source)
    else:
        _known_suffix(source)
        session, tables = _read_alone(source)
    return write(db, session, tables)


def _known_suffix(path: Path) -> None:
    if path.suffix not in SUFFIXES:
        raise UsageError(
            f"{path}: a table ends in .csv or .parquet; a whole session goes to a folder, without a suffix"
        )


def _whole(path: Path, columns: Sequence[str], rows: Rows) -> Written:
    """Write a file beside its place and put it there when it is whole."""
    part = path.with_name(path.name + ".part")
    try:
        rows_n = (_write_csv if path.suffix == ".csv" else _write_parquet)(part, columns, rows)
        digest = hashlib.sha256()
        with part.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UsageError(
            f"{path} cannot be written ({error.strerror or error}): is the folder there, and room?"
        ) from None
    return Written(path, rows_n, digest.hexdigest())


def _write_csv(path: Path, columns: Sequence[str], rows: Rows) -> int:
    rows_n = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for piece in _pieces(rows):
            # Floats are written by repr: the shortest text that reads back as the same number.
            writer.writerows(piece)
            rows_n += len(piece)
    return rows_n


def _write_parquet(path: Path, columns: Sequence[str], rows: Rows) -> int:
    import pyarrow
    from pyarrow import parquet

    schema = _parquet_schema(columns)
    rows_n = 0
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for piece in _pieces(rows):
            arrays = [
                pyarrow.array(column, kind.type) for column, kind in zip(zip(*piece, strict=True), schema, strict=True)
            ]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
            rows_n += len(piece)
    return rows_n


def _parquet_schema(columns: Sequence[str]) -> pyarrow.Schema:
    import pyarrow

    kinds = [(column, pyarrow.float64() if column == "at_s" else pyarrow.int64()) for column in columns]
    return pyarrow.schema(kinds, metadata={"loopwatch": HOST_VERSION})


def _pieces(rows: Rows) -> Iterator[list[tuple[Any, ...]]]:
    source = iter(rows)
    while piece := list(itertools.islice(source, AT_ONCE_N)):
        yield piece


def _read_folder(folder: Path) -> tuple[Session, dict[str, Rows]]:
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        if about["layout"] != LAYOUT_N:
            raise UsageError(f"{folder}: has layout {about['layout']}, this loopwatch reads {LAYOUT_N}: update it")
        boots = {boot["id"]: {key: boot[key] for key in BOOT_COLUMNS} for boot in about["boots"]}
        gaps = [{key: gap[key] for key in GAP_COLUMNS} for gap in about["gaps"]]
        told = about["session"]
        session = Session(told["source"], told["started_s"], told["ended_s"], boots, gaps)
        files = {name: folder / each["file"] for name, each in about["files"].items()}
        for name, path in files.items():
            _check_hash(path, about["files"][name]["sha256"])
    except FileNotFoundError as error:
        raise UsageError(
            f"{folder}: has no {Path(error.filename).name}: is it a folder that `loopwatch export` wrote?"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{folder}: its {ABOUT} cannot be used ({error!r}): export the session again") from None
    return session, {name: _read(path, name) for name, path in files.items() if name in TABLES}


def _check_hash(path: Path, sha256: str) -> None:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    if digest.hexdigest() != sha256:
        raise UsageError(f"{path}: is not the file that was exported (its SHA-256 differs): take it from a copy")


def _read_alone(path: Path) -> tuple[Session, dict[str, Rows]]:
    header = _header(path)
    # What a table holds shows in its fields; the kind with most of them, the sample before the mean.
    name = max(TABLES, key=lambda kind: len(set(FIELDS[kind]) & set(header)))
    if not set(FIELDS[name]) & set(header):
        raise UsageError(f"{path}: has no column of a record of loopwatch but {', '.join(header[:8])}")
    boot_ids: dict[int, float] = {}
    for row in _read(path, name):
        at_s, board_ms, boot_id = row[1], row[2], row[3]
        boot_ids.setdefault(boot_id, at_s - board_ms / 1000)
    if not boot_ids:
        raise UsageError(f"{path}: has no rows: nothing to bring in")
    unknown = dict.fromkeys(BOOT_COLUMNS)
    boots = {boot_id: {**unknown, "started_s": started_s, "heard": 0} for boot_id, started_s in boot_ids.items()}
    started_s = min(boot_ids.values())
    return Session(f"import {path.name}", started_s, None, boots, []), {name: _read(path, name)}


def _header(path: Path) -> list[str]:
    try:
        if path.suffix == ".csv":
            with path.open(newline="", encoding="utf-8-sig") as file:
                return next(csv.reader(file), [])
        from pyarrow import parquet

        return list(parquet.read_schema(path).names)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read ({error}): check the path, and that it is a table") from None


def _read(path: Path, name: str) -> Rows:
    """Rows as the log wants them: t_ms, at_s, board_ms, boot_id, seq, then the kind's fields in FIELDS' order.

    What a foreign table lacks: times of the board are t_ms, wall time counts from 1970, rows count from 1.
    """
    header = _header(path)
    if "t_ms" not in header:
        raise UsageError(f"{path}: has no column t_ms but {', '.join(header[:8]) or 'nothing'}")
    place = {column: i for i, column in enumerate(header)}
    fields = [place.get(field) for field in FIELDS[name]]
    raw = _csv_rows(path, header) if path.suffix == ".csv" else _parquet_rows(path)
    for n, row in enumerate(raw, 1):
        t_ms = row[place["t_ms"]]
        if t_ms is None:
            raise UsageError(f"{path} row {n}: has no t_ms")
        at_s = row[place["at_s"]] if "at_s" in place else t_ms / 1000
        board_ms = row[place["board_ms"]] if "board_ms" in place else t_ms
        boot_id = row[place["boot_id"]] if "boot_id" in place else 1
        seq = row[place["seq"]] if "seq" in place else n
        yield (t_ms, at_s, board_ms, boot_id, seq, *(None if i is None else row[i] for i in fields))


def _csv_rows(path: Path, header: list[str]) -> Rows:
    kinds = [float if column == "at_s" else _whole_number for column in header]
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        next(reader)
        for cells in reader:
            try:
                yield tuple(kind(cell) if cell else None for kind, cell in zip(kinds, cells, strict=True))
            except ValueError:
                raise UsageError(
                    f"{path} line {reader.line_num}: is cut or damaged: a number a column is needed"
                ) from None


def _whole_number(cell: str) -> int:
    return int(cell) if cell.lstrip("-").isdigit() else round(float(cell))


def _parquet_rows(path: Path) -> Rows:
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(AT_ONCE_N):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


__all__ = ["StoreError", "Written", "export_session", "export_table", "fields_of", "import_back"]
