"""`loopwatch scenario`: what the bench can play, and playing it against the firmware."""

import typer
from rich.table import Table

from ..bench.runner import ScenarioResult, run_scenario
from ..bench.scenario import load_scenario, scenario_names
from ..desk.words import duration_words
from . import output

app = typer.Typer(help="Scenarios: a loop, what happens to it, and what must be observed.", no_args_is_help=True)


@app.command("list")
def list_scenarios(as_json: bool = typer.Option(False, "--json", help="One JSON document.")) -> None:
    """The scenarios that are built in."""
    scenarios = [load_scenario(name) for name in scenario_names()]
    if as_json:
        rows = [
            {"name": each.name, "title": each.title, "duration_s": each.duration_s, "seed": each.seed}
            for each in scenarios
        ]
        output.document({"scenarios": rows})
        return
    table = Table(box=None, header_style="bold")
    for title in ("name", "lasts", "what happens"):
        table.add_column(title, no_wrap=title != "what happens")
    for each in scenarios:
        table.add_row(
            each.name, "as its log" if each.duration_s is None else duration_words(each.duration_s), each.title
        )
    output.answers().print(table)


@app.command("run")
def run(
    name: str = typer.Argument(help="Name of a built-in scenario, or a file."),
    target: str = typer.Option("vm", help="vm, pico, serial, or serial:PORT."),
    seed: int | None = typer.Option(None, min=0, help="Seed of everything random; the scenario's own by default."),
    settings: list[str] = typer.Option(
        [], "--set", help="Put key=value over what the file says, e.g. loop.gas_ml=300."
    ),
    as_json: bool = typer.Option(False, "--json", help="One JSON document."),
) -> None:
    """Run a scenario and judge it; exit code 1 when something expected was not observed."""
    notes = output.notes()
    try:
        with output.progress(name) as progress:
            result = run_scenario(name, target, seed, settings, progress, lambda text: notes.print(text, style="bold"))
    except KeyboardInterrupt:
        notes.print(f"{name}: ended before its time, nothing was judged", style="yellow")
        raise typer.Exit(1) from None
    if as_json:
        output.document(result.as_json())
    else:
        _say(result)
    raise typer.Exit(0 if result.met else 1)


def _say(result: ScenarioResult) -> None:
    console = output.answers()
    speed = result.virtual_s / result.wall_s if result.wall_s else 0.0
    console.print(
        f"{result.scenario} on {result.target}, seed {result.seed}: {result.virtual_s:g} s in {result.wall_s:.1f} s"
        f" ({speed:.0f} × real time), firmware {result.firmware}, {result.samples} samples, {result.late} late,"
        f" {sum(result.gaps.values())} lost, {result.bad_lines} damaged"
    )
    for alarm in result.alarms:
        style = "bold red" if alarm.priority == 1 and alarm.state == "UNACK" else ""
        console.print(f"  {alarm.t_s:9.3f} s  {alarm.name}  {alarm.state}  priority {alarm.priority}", style=style)
    if result.onset_s is not None:
        lost = f", {result.lost_ml:.1f} mL lost" if result.lost_ml is not None else ""
        outcome = f"detected after {result.delay_s:.1f} s" if result.delay_s is not None else "not detected"
        console.print(f"leak from {result.onset_s:g} s on: {outcome}{lost}")
    for missed in result.missed_expectations:
        console.print(f"MISSED  {missed}", style="bold red")
    if result.met:
        console.print("everything expected was observed", style="green")
