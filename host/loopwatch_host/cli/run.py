"""`loopwatch run`: the whole thing at a desk, a virtual board on a simulated loop, paced to the wall clock."""

from pathlib import Path

import typer

from ..bench.scenario import load_scenario
from ..bench.target import PACE_STEP_S
from ..desk.loop import Loop
from ..monitor import LineView
from . import keeping, output
from .screen import show_dashboard
from .sitting import at_bench
from .watch import until_ended


def run(
    scenario: str = typer.Option("demo", help="Name of a built-in scenario, or a file."),
    for_s: float | None = typer.Option(None, "--for", min=0.1, help="Stop after so many seconds of the loop's time."),
    no_ui: bool = typer.Option(False, "--no-ui", help="Plain lines, no dashboard."),
    speed: float = typer.Option(1.0, min=0.1, max=100.0, help="Seconds of the loop's time in one second."),
    seed: int | None = typer.Option(None, min=0, help="Seed of everything random; the scenario's own by default."),
    target: str = typer.Option("vm", help="What runs the firmware: vm or pico."),
    db: Path | None = typer.Option(None, help="The log to write; the user's by default."),
    keep_days: float | None = keeping.KEEP_DAYS,
    as_json: bool = typer.Option(False, "--json", help="Nothing but one JSON document, at the end."),
) -> None:
    """Run the firmware on a simulated loop and watch it, until --for, q or Ctrl-C."""
    script = load_scenario(scenario)
    console = output.answers()
    title = f"{script.name}: {script.title}"
    loop = Loop(board_time=True) if output.has_screen() and not no_ui and not as_json else None
    view = loop or (None if as_json else LineView(console, board_time=speed != 1.0))
    kept = keeping.given(keep_days)
    with at_bench(script, target, seed, speed, db, view, for_s, kept) as sitting, until_ended() as ended:
        if loop:
            show_dashboard(sitting, loop, title, ended)
        else:
            if view:
                console.print(f"{title}; on {target}, seed {sitting.seed}; Ctrl-C ends it", style="dim")
            while not ended() and not sitting.over:
                sitting.step(PACE_STEP_S)
        sitting.end()
        if view:
            sitting.watch.summary(sitting.client, console)
        else:
            output.document(sitting.report())
