"""What all tests share: what was left out, and what was measured, is said at the end of the run."""

import os
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from fmea import owed

if TYPE_CHECKING:
    from loopwatch.config import Config

MISSING: pytest.StashKey[list[str]] = pytest.StashKey()


@pytest.fixture(scope="session")
def commissioned(tmp_path_factory: pytest.TempPathFactory) -> "Config":
    """The reference loop's own configuration, see tests/unit/commissioned_loop.py."""
    import commissioned_loop

    base = tmp_path_factory.getbasetemp()
    return commissioned_loop.config(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base)


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
    missing = terminalreporter.config.stash.get(MISSING, [])
    if missing:
        terminalreporter.section("named in hardware/fmea.csv and not passed in this run", red=True)
        for node_id in missing:
            terminalreporter.line(node_id)
    skipped = Counter(_reason(report) for report in terminalreporter.getreports("skipped"))
    if skipped:
        terminalreporter.section("left out, and why")
        for reason, tests_n in skipped.most_common():
            terminalreporter.line(f"{tests_n} skipped: {reason}")


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int):
    """A run that was given the files of the failure modes' tests has to have passed every one of them."""
    answer = yield
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or hasattr(session.config, "workerinput"):
        return answer
    passed = {report.nodeid for report in reporter.getreports("passed")}
    missing = sorted(owed(session.config) - passed)
    if missing and session.exitstatus == pytest.ExitCode.OK:
        session.config.stash[MISSING] = missing
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    return answer
