"""`loopwatch monitor`: a board on a cable, live: the dashboard on a terminal, else a line a second; all kept."""

from pathlib import Path

import typer

from .. import ports
from ..desk.loop import Loop
from ..monitor import LineView
from . import output
from .screen import show_dashboard
from .sitting import at_board
from .watch import until_ended


def monitor(
    port: str | None = typer.Option(None, help="Serial port of the board; found by its USB ids when left out."),
    for_s: float | None = typer.Option(None, "--for", min=0.1, help="Stop after so many seconds."),
    no_ui: bool = typer.Option(False, "--no-ui", help="Plain lines, no dashboard."),
    db: Path | None = typer.Option(None, help="The log to write; the user's by default."),
    as_json: bool = typer.Option(False, "--json", help="Nothing but one JSON document, at the end."),
) -> None:
    """Watch a board, until --for, q or Ctrl-C; a board that goes away is waited for."""
    device = port or ports.the_board().device
    console = output.answers()
    loop = Loop() if output.has_screen() and not no_ui and not as_json else None
    view = loop or (None if as_json else LineView(console))
    with at_board(device, db, view, for_s) as sitting, until_ended() as ended:
        if loop:
            show_dashboard(sitting, loop, device, ended)
        else:
            while not ended() and not sitting.over:
                sitting.step(0.1)
        sitting.end()
        if view:
            sitting.watch.summary(sitting.client, console)
        else:
            output.document(sitting.report())
