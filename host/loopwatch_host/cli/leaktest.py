"""`loopwatch leaktest`: a pressure-decay leak test of the loop at a board, or of many simulated ones."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.table import Table

from ..desk.words import duration_words
from ..errors import UsageError
from . import output
from .watch import until_ended

if TYPE_CHECKING:
    from ..leaktest.procedure import Plan, Procedure, Result

WORDS = {
    "tight": "TIGHT: the rate is below the limit",
    "leaking": "LEAKING: the rate is above the limit",
    "undecided": "UNDECIDED: the limit lies inside the interval",
    "void": "VOID: nothing can be said",
    "aborted": "ABORTED: nothing was judged",
}
PHASE_WORDS = {
    "fill": "reading the filled loop for a minute",
    "stabilise": "waiting until the temperatures are steady; leave load and pump as they are",
    "test": "testing",
}
PROMISED_RIGHT, PROMISED_COVERED = 0.95, 0.90


def leaktest(
    target: str = typer.Option("serial", help="vm, pico, serial, or serial:PORT."),
    leak_ml_h: float | None = typer.Option(None, min=0.0, max=10_000.0, help="For vm and pico: the leak to be found."),
    seed: int = typer.Option(1, min=0, help="For vm and pico: seed of everything random."),
    scenario: str | None = typer.Option(None, help="For vm and pico: the loop of this scenario."),
    limit_ml_h: float | None = typer.Option(
        None, min=0.05, max=1000.0, help="The rate that passes; 1 mL/h by default."
    ),
    limit_pa_s: float | None = typer.Option(None, min=1e-4, max=100.0, help="The limit as a pressure decay instead."),
    volume_ml: float = typer.Option(2000.0, min=100.0, max=20_000.0, help="Coolant in the loop."),
    gas_ml: float = typer.Option(150.0, min=5.0, max=4_000.0, help="Gas in the vessel when it is filled."),
    gas_error_percent: float = typer.Option(5.0, min=0.0, max=50.0, help="How sure that volume is: one sigma."),
    config: Path | None = typer.Option(None, help="Settings that commission wrote: its model then takes out warmth."),
    stabilise_min: float = typer.Option(10.0, min=5.0, max=600.0, help="Least time to stabilise."),
    test_min: float = typer.Option(40.0, min=15.0, max=1440.0, help="Time after which a sure result is enough."),
    most_min: float = typer.Option(90.0, min=15.0, max=2880.0, help="Longest time to test."),
    yes: bool = typer.Option(False, "--yes", "-y", help="Ask nothing: the loop is filled and will be left alone."),
    samples: Path | None = typer.Option(None, help="Write the seconds that were judged here, .csv."),
    report: Path | None = typer.Option(None, help="Write the result as a page for print here, .html."),
    campaign: int | None = typer.Option(None, min=5, max=2000, help="Try so many simulated loops; no target is used."),
    family: bool = typer.Option(False, "--family", help="With --campaign: loops of other sizes, coolants, sensors."),
    as_json: bool = typer.Option(False, "--json", help="One JSON document."),
) -> None:
    """Test a loop for leaks: fill, stabilise, test, result; exit code 0 tight, 1 leaking or not shown to be tight."""
    from ..leaktest.gauge import Gauge
    from ..leaktest.procedure import Plan

    if limit_ml_h is not None and limit_pa_s is not None:
        raise UsageError("--limit-ml-h and --limit-pa-s are the same limit twice: give one of them")
    if most_min < test_min:
        raise UsageError(f"--most-min {most_min:g} is less than --test-min {test_min:g}: give more")
    gauge = Gauge(volume_ml, gas_ml, gas_error_percent / 100)
    plan = Plan(
        limit_ml_h=limit_ml_h or 1.0,
        limit_pa_s=limit_pa_s,
        stabilise_least_s=round(stabilise_min * 60),
        stabilise_most_s=max(3600, round(stabilise_min * 120)),
        test_s=round(test_min * 60),
        most_s=round(most_min * 60),
    )
    if campaign is not None:
        _campaign(campaign, plan, family, as_json)
        return
    virtual = target in ("vm", "pico")
    if leak_ml_h is not None and not virtual:
        raise UsageError(f"--leak-ml-h opens a leak on a virtual target only, and {target} is a real loop")
    if scenario is not None and not virtual:
        raise UsageError("a scenario is for a virtual board: --target vm or pico")
    if not virtual and target.partition(":")[0] != "serial":
        raise UsageError(f"no target {target!r}: vm, pico, serial or serial:PORT")
    said = _test(target, virtual, leak_ml_h, seed, scenario, plan, gauge, config, yes or virtual, as_json)
    document, result, procedure = said
    if samples:
        _write_samples(samples, procedure)
    if report:
        from ..report import leaktest as page

        page.write(document, report)
        document["report"] = str(report)
    if as_json:
        output.document(document)
    else:
        _say(document, result)
    raise typer.Exit(0 if result.verdict == "tight" else 1)


def _test(
    target: str, virtual: bool, leak_ml_h: float | None, seed: int, scenario: str | None, plan: Plan,
    gauge: Any, config: Path | None, yes: bool, quiet: bool,
) -> tuple[dict[str, Any], Result, Procedure]:  # fmt: skip
    from ..leaktest import bench
    from ..leaktest.procedure import DONE, Procedure

    made = None
    if config is not None:
        from ..commission import record

        made = record.load(config)
    notes = output.notes()
    with ExitStack() as opened:
        if virtual:
            loop = opened.enter_context(bench.virtual(target, scenario, leak_ml_h or 0.0, seed))
        else:
            loop = opened.enter_context(bench.at_port(target.partition(":")[2]))
        ended = opened.enter_context(until_ended())
        if not yes and not _ready(gauge):
            raise UsageError("the test was not begun: fill the loop first")
        procedure = Procedure(plan, gauge, made)
        progress = opened.enter_context(output.progress("leak test"))
        phase = ""
        while procedure.phase != DONE:
            if procedure.phase != phase:
                phase = procedure.phase
                if not quiet:
                    notes.print(f"{duration_words(procedure.seconds):>9}  {phase}: {PHASE_WORDS[phase]}", markup=False)
            for row in loop.seconds():
                procedure.take(row)
            progress(procedure.seconds, 60 + plan.stabilise_least_s + plan.test_s)
            if ended():
                procedure.abort("ended by hand; the loop and the board are as they were")
            elif loop.lost:
                procedure.abort(loop.lost)
        result = procedure.result
        assert result is not None
        return bench.document(procedure, loop, target, leak_ml_h, seed if virtual else None, config), result, procedure


def _ready(gauge: Any) -> bool:
    """Ask the person at the loop; without a terminal there is nobody to ask."""
    import sys

    if not sys.stdin.isatty():
        raise UsageError("nobody is here to say that the loop is filled: add --yes when it is")
    console = output.notes()
    console.print("1  Fill the loop and bleed it; raise it to its working pressure, at least 0.3 bar above the room.")
    console.print("2  Let the pump run at one speed and leave the load as it is; do not touch the loop from now on.")
    console.print(f"   Gas in the vessel: {gauge.gas_ml:g} mL (--gas-ml). Ctrl-C ends the test at any time.")
    return typer.confirm("Is the loop ready?", err=True)


def _write_samples(path: Path, procedure: Procedure) -> None:
    import csv
    import math

    from loopwatch import sample

    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["t_ms", *sample.CHANNELS])
            for i, row in enumerate(procedure.rows().tolist()):
                writer.writerow([1000 * i, *("" if math.isnan(value) else round(value) for value in row)])
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}): choose another --samples") from None


def _say(document: dict[str, Any], result: Result) -> None:
    console = output.answers()
    style = {"tight": "bold green", "leaking": "bold red"}.get(result.verdict, "bold yellow")
    console.print(WORDS[result.verdict], style=style)
    if result.estimate is not None:
        low, high = document["interval_ml_h"]
        console.print(
            f"rate {document['rate_ml_h']:.2f} mL/h, 95 % interval {low:.2f} to {high:.2f} mL/h;"
            f" limit {document['limit_ml_h']:.2f} mL/h ({document['limit_pa_s']:.4f} Pa/s at this pressure)"
        )
        console.print(
            f"tested for {duration_words(document['seconds'])}; the temperatures alone would have made"
            f" {document['temperature_ml_h']:+.2f} mL/h of it"
        )
    for note in (*result.notes, result.why):
        if note:
            console.print(note, style="yellow", markup=False)


def _campaign(n: int, plan: Plan, of_family: bool, as_json: bool) -> None:
    from ..leaktest import campaign as room

    with output.progress("leak tests") as progress:
        rows = room.campaign(room.held_out(n), plan, of_family, progress)
    kept = all(
        row["right"] >= PROMISED_RIGHT * row["tests"] and row["covered"] >= PROMISED_COVERED * row["tests"]
        for row in rows
    )
    if as_json:
        loops = "family" if of_family else "reference"
        promise = {"right": PROMISED_RIGHT, "covered": PROMISED_COVERED}
        output.document(
            {"loops": loops, "limit_ml_h": plan.limit_ml_h, "promise": promise, "kept": kept, "rates": rows}
        )
    else:
        table = Table(box=None, header_style="bold")
        for title in ("leak mL/h", "tests", "right", "interval holds truth", "rms error", "± mL/h", "minutes", "most"):
            table.add_column(title, justify="right")
        for row in rows:
            table.add_row(
                f"{row['rate_ml_h']:g}", str(row["tests"]), str(row["right"]), str(row["covered"]),
                f"{row['rms_error_ml_h']:.2f}", f"{row['half_interval_ml_h']:.2f}", f"{row['minutes_median']:.0f}",
                f"{row['minutes_most']:.0f}",
            )  # fmt: skip
        output.answers().print(table)
    raise typer.Exit(0 if kept else 1)


def load(path: Path) -> dict[str, Any]:
    """A result that --json printed."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        assert "verdict" in content and "phases" in content
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}): check the path of the result") from None
    except (ValueError, AssertionError, TypeError):
        raise UsageError(f"{path}: is no result of `loopwatch leaktest --json`") from None
    return dict(content)
