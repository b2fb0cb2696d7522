"""`loopwatch run`: the whole thing at a desk, a virtual board on a simulated loop, paced to the wall clock."""

import tempfile
from contextlib import ExitStack
from pathlib import Path

import typer

from ..bench.runner import Observed, PowerSwitch, Truth, consume, give_commands, make_target, starts_s, step_words
from ..bench.scenario import load_scenario
from ..bench.world import World
from ..client import Client
from ..messages import is_leak
from ..monitor import LineView
from ..store import Store, default_path
from . import output
from .watch import Watch, until_ended


def run(
    scenario: str = typer.Option("demo", help="Name of a built-in scenario, or a file."),
    for_s: float | None = typer.Option(None, "--for", min=0.1, help="Stop after so many seconds of the loop's time."),
    no_ui: bool = typer.Option(False, "--no-ui", help="Plain lines, no dashboard."),
    speed: float = typer.Option(1.0, min=0.1, max=100.0, help="Seconds of the loop's time in one second."),
    seed: int | None = typer.Option(None, min=0, help="Seed of everything random; the scenario's own by default."),
    target: str = typer.Option("vm", help="What runs the firmware: vm or pico."),
    db: Path | None = typer.Option(None, help="The log to write; the user's by default."),
    as_json: bool = typer.Option(False, "--json", help="Nothing but one JSON document, at the end."),
) -> None:
    """Run the firmware on a simulated loop and watch it, until --for or Ctrl-C."""
    script = load_scenario(scenario)
    world = World(script, seed)
    console = output.answers()
    view = None if as_json else LineView(console, board_time=speed != 1.0)
    truth = Truth()
    with ExitStack() as opened:
        scratch = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="loopwatch-run-")))
        virtual = opened.enter_context(make_target(target, world, scratch))
        store = opened.enter_context(Store(db or default_path(), f"{target} {script.name} seed {world.seed}"))
        client = Client(virtual.port, greet=False)
        watch = Watch(client.subscribe(), store, view, Observed(lambda: starts_s(virtual)))
        opened.enter_context(client)
        if view:
            console.print(f"{script.name}: {script.title}; on {target}, seed {world.seed}; Ctrl-C ends it", style="dim")

        give_commands(world, virtual, client)
        power = PowerSwitch(world, virtual)
        to_come = sorted(script.events, key=lambda event: event.at_s)
        with until_ended() as ended:

            def done() -> bool:
                while view and to_come and to_come[0].at_s <= virtual.now_s:
                    view.narrate(step_words(to_come.pop(0)))
                power.act(virtual.now_s)
                watch.step(0.0)
                truth.note(virtual.now_s, world.truth.lost_ml)
                return ended() or (for_s is not None and virtual.now_s >= for_s)

            virtual.pace(speed)
            virtual.run_until(done, timeout_s=float("inf"))
        virtual.pause()
        consume(client, virtual)
        watch.step(0.0)
        store.flush()
        if view:
            watch.summary(client, console)
            return
        report = watch.report(client)
    alarms = [alarm["t_s"] for alarm in report["alarms"] if is_leak(alarm["name"]) and alarm["state"] == "UNACK"]
    onset_s = world.truth.onset_s
    seen_s = next((t_s for t_s in alarms if onset_s is not None and t_s >= onset_s), None)
    output.document(
        {
            "scenario": script.name,
            "target": target,
            "seed": world.seed,
            "onset_s": onset_s,
            "detected": seen_s is not None,
            "delay_s": None if seen_s is None or onset_s is None else round(seen_s - onset_s, 3),
            "lost_ml": None
            if onset_s is None
            else round(truth.lost_ml(virtual.now_s if seen_s is None else seen_s), 3),
            "virtual_s": round(virtual.now_s, 3),
            **report,
        }
    )
