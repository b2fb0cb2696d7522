"""What all tests share: what was left out, and what was measured, is said at the end of the run."""

from collections import Counter

import pytest


def _reason(report: pytest.TestReport) -> str:
    # A skip is told as (file, line, "Skipped: why").
    told = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return told.removeprefix("Skipped: ")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the tables that tests measured, then every reason for a skip with how many tests it took.

    A test hands its table over with record_property("table", text), which also survives parallel runs.
    """
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, text in report.user_properties:
                if name == "table":
                    terminalreporter.section(report.nodeid.split("::")[-1].replace("_", " "))
                    terminalreporter.line(str(text))
    skipped = Counter(_reason(report) for report in terminalreporter.getreports("skipped"))
    if skipped:
        terminalreporter.section("left out, and why")
        for reason, tests_n in skipped.most_common():
            terminalreporter.line(f"{tests_n} skipped: {reason}")
