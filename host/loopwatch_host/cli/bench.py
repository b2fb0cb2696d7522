"""`loopwatch bench`: the budgets, measured here and now."""

from typing import Any

import typer
from rich.table import Table

from .. import benchmark
from . import output


def bench(as_json: bool = typer.Option(False, "--json", help="One JSON document.")) -> None:
    """Measure what firmware and bench cost; exit code 1 when a budget is not kept."""
    with output.progress("bench") as progress:
        result = benchmark.measure(progress)
    table, kept = _table(result)
    if as_json:
        output.document(result)
    else:
        console = output.answers()
        machine = result["machine"]
        console.print(
            f"loopwatch {result['version']}, {result['date']}, {machine['system']}, {machine['cores']} cores,"
            f" Python {machine['python']}"
        )
        console.print(table)
    raise typer.Exit(0 if kept else 1)


def _table(result: dict[str, Any]) -> tuple[Table, bool]:
    """Every figure beside its budget, and whether all budgets that could be measured are kept."""
    kept = True
    table = Table(box=None, header_style="bold")
    for title in ("what", "measured", "budget", ""):
        table.add_column(title)
    for section, name in (*benchmark.BUDGETS, *benchmark.UNBOUND):
        if name not in result[section]:
            continue
        figure = result[section][name]
        budget = benchmark.BUDGETS.get((section, name))
        met = budget is None or budget.met(figure)
        kept = kept and met
        verdict = "" if budget is None else "kept" if met else "[bold red]not kept"
        table.add_row(f"{section} {name}", f"{figure:g}", str(budget or ""), verdict)
    if "skipped" in result["board"]:
        table.add_row("board", "not measured", "", result["board"]["skipped"])
    return table, kept
