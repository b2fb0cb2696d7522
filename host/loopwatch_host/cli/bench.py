"""`loopwatch bench`: the budgets, measured here and now."""

import typer
from rich.table import Table

from .. import benchmark
from . import output


def bench(as_json: bool = typer.Option(False, "--json", help="One JSON document.")) -> None:
    """Measure what firmware and bench cost; exit code 1 when a budget is not kept."""
    with output.progress("bench") as progress:
        result = benchmark.measure(progress)
    kept = True
    table = Table(box=None, header_style="bold")
    for title in ("what", "measured", "budget", ""):
        table.add_column(title)
    for (section, name), budget in benchmark.BUDGETS.items():
        figure = result[section][name]
        met = budget.met(figure)
        kept = kept and met
        table.add_row(f"{section} {name}", f"{figure:g}", str(budget), "kept" if met else "[bold red]not kept")
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
