"""One file for whoever is to help from afar: what the log has of a session's end, versions, and the configuration.

A .zip of plain tables: `about.json` (versions, the starts of the board with the CRC of their configuration, what could
not be had and why), `session/` as export writes it, every event of the session, the black boxes, the orders, the raw
lines of the same time, and `loop.toml`, the configuration in force, when the board is at hand. Nothing of it names the
person but the account that gave an order.
"""

from __future__ import annotations

import csv
import io
import json
import platform
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from contextlib import closing
from importlib import metadata
from pathlib import Path
from typing import Any

from loopwatch import wire

from . import blackbox, board_config, ports
from .client import Client
from .commission import record
from .errors import LoopwatchError, UsageError
from .export import export_session, export_table
from .order_book import OrderBook
from .store import Log, capture
from .store.retention import remembered
from .stream import HOST_VERSION

LAST_S = 3_600.0
COMMAND_TIMEOUT_S = 5.0
PACKAGES = ("pyserial", "textual", "plotext", "starlette", "uvicorn", "youplot", "typer", "rich", "numpy", "pyarrow")
ORDER_COLUMNS = ("at_s", "board_id", "who", "what", "name", "argument", "outcome")


def configuration(port: str | None) -> str:
    """The configuration in force on the board at this port, or the only one, as TOML. Raises LoopwatchError."""
    with Client(port or ports.the_board().device) as client:
        config = board_config.pull(lambda text: client.command(text, COMMAND_TIMEOUT_S))
    return record.board_toml(config)


def bundle(
    log: Log, session_id: int, to: Path, from_s: float | None, to_s: float | None, ask: Callable[[], str]
) -> dict[str, Any]:
    """Write the file, whole or not at all; returns about.json.

    from_s, to_s: seconds from the session's first record; its last LAST_S by default. ask: gives the configuration, and
    raises LoopwatchError where there is no board: then the file says so. Raises UsageError, StoreError.
    """
    first_s, last_s = log.first_s(session_id) or 0.0, log.last_s(session_id) or 0.0
    if from_s is None:
        from_s = max(0.0, last_s - first_s - LAST_S)
    ends_s = first_s + to_s if to_s is not None else last_s
    about = _about(log, session_id)
    part = to.with_name(to.name + ".part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as packed:
            with tempfile.TemporaryDirectory(prefix="loopwatch-support-") as scratch:
                folder = Path(scratch) / "session"
                for written in export_session(log, session_id, folder, ".csv", from_s, to_s):
                    packed.write(written.path, f"session/{written.path.name}")
                packed.write(export_table(log, "event", session_id, Path(scratch) / "e.csv").path, "all-events.csv")
            board_ids = {boot["board_id"] for boot in log.boots(session_id) if boot["board_id"]}
            for board_id in sorted(board_ids):
                for row in log.boxes(board_id):
                    box = blackbox.parse(log.box_content(row["id"]))
                    packed.writestr(f"boxes/{row['id']}-{box.alarm}.csv", _table(blackbox.COLUMNS, box.rows()))
            with closing(io.StringIO()) as lines:
                for at_s, text in capture.lines(capture.folder_of(log.path), first_s + from_s - 1.0, ends_s + 1.0):
                    lines.write(f"{at_s:.3f} {text}\n")
                packed.writestr("raw.log", lines.getvalue())
            with OrderBook(log.path) as book:
                orders = book.between(first_s, 1e18)
            packed.writestr("orders.csv", _table(ORDER_COLUMNS, [list(each.values()) for each in orders]))
            try:
                packed.writestr("loop.toml", ask())
            except LoopwatchError as error:
                about["missing"]["loop.toml"] = str(error)
            packed.writestr("about.json", json.dumps(about, indent=2, ensure_ascii=False) + "\n")
        part.replace(to)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UsageError(
            f"{to} cannot be written ({error.strerror or error}): is the folder there, and room?"
        ) from None
    return about


def _about(log: Log, session_id: int) -> dict[str, Any]:
    session = log.session(session_id)
    protocol = wire.protocol_crc()
    told = ("board_id", "firmware", "started_s", "reset_cause_n", "not_monitoring_n")
    return {
        "made": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "loopwatch": HOST_VERSION,
        "protocol_crc": f"{protocol.hi << 16 | protocol.lo:08X}",
        "python": sys.version.split()[0],
        "system": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
        "session": {key: session[key] for key in ("id", "started_s", "ended_s", "source", "gaps")},
        "starts": [
            {
                **{key: boot[key] for key in told},
                "config_crc": None if boot["config_crc"] is None else f"{boot['config_crc']:08X}",
            }
            for boot in log.boots(session_id)
        ],
        "retention": vars(remembered(log.path)),
        "missing": {},
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()
