"""`loopwatch monitor`: a board on a cable, live: the dashboard on a terminal, else a line a second; all kept."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from .. import ports
from ..desk.loop import Loop
from ..errors import UsageError
from ..monitor import LineView
from ..plotters import Plotter, PlotterView
from . import keeping, output
from .screen import show_dashboard
from .sitting import at_board
from .watch import until_ended

if TYPE_CHECKING:
    from ..notify import Notifier


def monitor(
    port: str | None = typer.Option(None, help="Serial port of the board; found by its USB ids when left out."),
    for_s: float | None = typer.Option(None, "--for", min=0.1, help="Stop after so many seconds."),
    no_ui: bool = typer.Option(False, "--no-ui", help="Plain lines, no dashboard."),
    db: Path | None = typer.Option(None, help="The log to write; the user's by default."),
    keep_days: float | None = keeping.KEEP_DAYS,
    keep_size_mb: float | None = keeping.KEEP_SIZE,
    raw_file_mb: float | None = keeping.RAW_FILE_SIZE,
    raw_file_hours: float | None = keeping.RAW_FILE_HOURS,
    notify: list[str] = typer.Option(
        [],
        "--notify",
        envvar="LOOPWATCH_NOTIFY",
        help="Where alarms are sent, as an URL of apprise; several may be given.",
    ),
    plot: Plotter | None = typer.Option(None, help="Nothing but lines that this plotter draws."),
    as_json: bool = typer.Option(False, "--json", help="Nothing but one JSON document, at the end."),
) -> None:
    """Watch a board, until --for, q or Ctrl-C; a board that goes away is waited for."""
    if plot and as_json:
        raise UsageError("--plot and --json both want standard output for themselves: give one of them")
    notifier = _notifier(notify) if notify else None
    device = port or ports.the_board().device
    console = output.answers()
    loop = Loop() if output.has_screen() and not (no_ui or as_json or plot) else None
    lines = PlotterView(plot, typer.echo) if plot else LineView(console)
    view = loop or (None if as_json else lines)
    kept = keeping.given(keep_days, keep_size_mb, raw_file_mb, raw_file_hours)
    with at_board(device, db, view, for_s, kept) as sitting, until_ended() as ended:
        sitting.watch.notifier = notifier
        if loop:
            show_dashboard(sitting, loop, device, ended)
        else:
            while not ended() and not sitting.over:
                sitting.step(0.1)
        sitting.end()
        if notifier:
            notifier.close()
        if plot:
            return
        if view:
            sitting.watch.summary(sitting.client, console)
        else:
            output.document(sitting.report())


def _notifier(urls: list[str]) -> "Notifier":
    # Loading apprise takes half a second, which nobody pays who does not use it.
    from ..notify import Notifier

    return Notifier(urls)
