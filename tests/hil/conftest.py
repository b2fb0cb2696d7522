"""One suite for every target: `--target vm`, `pico` or `serial:PORT`, on the bench that bench.toml describes.

Without --target, as in `make test`, everything runs on vm, and what is marked `also_on_pico` on the emulated Pico
too if it can be had here. What a bench cannot do is skipped with its reason; a board that was named and is not
there fails.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from loopwatch_host.errors import NoBoard
from loopwatch_host.hil import bench_file, page
from loopwatch_host.hil.bench import Bench, make
from loopwatch_host.hil.hands import NotHere

HERE = Path(__file__).parent
SHOWN = pytest.StashKey[list[page.Shown]]()
TRACE = pytest.StashKey[Bench]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("loopwatch")
    group.addoption("--target", help="vm, pico, serial or serial:PORT")
    group.addoption("--bench", default=str(HERE / "bench.toml"), help="what stands on the bench")
    group.addoption("--page", help="HTML page to write, with the plot of every procedure")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "also_on_pico: short enough for the emulated Pico in every run of the tests")
    config.stash[SHOWN] = []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "target" not in metafunc.fixturenames:
        return
    given = metafunc.config.getoption("--target", None)
    targets = [given] if given else ["vm"]
    if not given and metafunc.definition.get_closest_marker("also_on_pico"):
        targets.append("pico")
    metafunc.parametrize("target", targets, scope="session")


@cache
def no_pico() -> str:
    """What keeps the emulated board from running here, or nothing."""
    try:
        from loopwatch_host.bench.pico import uf2

        uf2.find()
    except ImportError as error:
        return f"no emulated Pico: {error}"
    except NoBoard as error:
        return f"no emulated Pico: {error}"
    return ""


@pytest.fixture(scope="session")
def described(request: pytest.FixtureRequest) -> bench_file.BenchFile:
    """What bench.toml says."""
    return bench_file.load(Path(request.config.getoption("--bench", str(HERE / "bench.toml"))))


@pytest.fixture
def bench(target: str, described: bench_file.BenchFile, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """The bench, nothing powered yet."""
    if target == "pico" and no_pico():
        pytest.skip(no_pico())
    try:
        made = make(target, described)
    except NoBoard as error:
        pytest.fail(str(error), pytrace=False)
    with made:
        request.node.stash[TRACE] = made
        yield made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """What the bench has no hands for is a skip, and a board that is not there a failure in one sentence."""
    try:
        return (yield)
    except NotHere as error:
        pytest.skip(str(error))
    except NoBoard as error:
        pytest.fail(str(error), pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    bench = item.stash.get(TRACE, None)
    if report.when == "call" and bench is not None:
        item.user_properties += [("bench", bench.bench_id), ("firmware", bench.trace.firmware)]
        # An attribute of plain data survives the way from a parallel worker.
        report.hil = {"bench_id": bench.bench_id, "trace": bench.trace.as_json()}  # type: ignore[attr-defined]
    return report


def pytest_runtest_logreport(report: Any) -> None:
    if hasattr(report, "hil"):
        _collected.append(report)


_collected: list[Any] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write the page, where one was asked for."""
    path = terminalreporter.config.getoption("--page", None)
    if not path or not _collected:
        return
    shown = [page.shown(report.nodeid, report.outcome, _reason(report), report.hil) for report in _collected]
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(page.html(shown), encoding="utf-8")
    terminalreporter.line(f"\nplots of {len(shown)} procedures: {path}")


def _reason(report: Any) -> str:
    if report.skipped:
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message if crash else report.longrepr or "")
