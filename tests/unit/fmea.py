"""The table of failure modes, hardware/fmea.csv, and which of its tests a run owes."""

import csv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = ("mode", "cause", "effect", "how_detected", "response", "alarm", "test")


def rows() -> list[dict[str, str]]:
    """Every failure mode."""
    with (ROOT / "hardware" / "fmea.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def from_tests(node_id: str) -> str:
    """A node id as this run of pytest has it: its root is the folder tests."""
    return node_id.removeprefix("tests/")


def owed(config: Any) -> set[str]:
    """The named tests that this run should have passed: of every file that it was given whole.

    A run that was told to leave tests out, or to stop early, owes none.
    """
    option = config.option
    narrowed = option.keyword or option.markexpr or getattr(option, "lf", False) or getattr(option, "maxfail", 0)
    if narrowed or option.collectonly or getattr(option, "deselect", None):
        return set()
    given = [Path(argument.split("::")[0]).resolve() for argument in config.args if "::" not in argument]
    found = set()
    for row in rows():
        path = ROOT / row["test"].split("::")[0]
        if any(path.is_relative_to(each) for each in given):
            found.add(from_tests(row["test"]))
    return found
