"""`loopwatch monitor`: a board on a cable, live: one line a second, alarms at once, everything kept."""

import time
from contextlib import ExitStack
from pathlib import Path

import typer

from .. import ports
from ..bench.runner import Observed
from ..client import Client
from ..monitor import LineView
from ..store import Store, default_path
from . import output
from .watch import Watch, until_ended


def monitor(
    port: str | None = typer.Option(None, help="Serial port of the board; found by its USB ids when left out."),
    for_s: float | None = typer.Option(None, "--for", min=0.1, help="Stop after so many seconds."),
    db: Path | None = typer.Option(None, help="The log to write; the user's by default."),
    as_json: bool = typer.Option(False, "--json", help="Nothing but one JSON document, at the end."),
) -> None:
    """Watch a board, until --for or Ctrl-C; a board that goes away is waited for."""
    device = port or ports.the_board().device
    console = output.answers()
    view = None if as_json else LineView(console)
    began_s = time.monotonic()
    first_ms: list[int] = []
    with ExitStack() as opened:
        client = Client(device)
        heard = client.subscribe()
        # The port first: without a board no session is begun.
        opened.enter_context(client)
        store = opened.enter_context(Store(db or default_path(), device))
        watch = Watch(heard, store, view, Observed(lambda: [-first_ms[0] / 1000 if first_ms else 0.0]))
        with until_ended() as ended:
            while not ended() and (for_s is None or time.monotonic() - began_s < for_s):
                watch.step(0.1)
        watch.step(0.0)
        store.flush()
        if view:
            watch.summary(client, console)
        else:
            output.document({"port": client.port, **watch.report(client)})
