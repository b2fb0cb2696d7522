"""The bench's suite itself: it fails when it should, says why, and its page shows what happened."""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
import sys
import tty
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from loopwatch_host.errors import UsageError
from loopwatch_host.hil import bench_file, hands, page, plot
from loopwatch_host.hil.trace import AlarmAt, Trace

SUITE = Path(__file__).resolve().parents[1] / "hil"
SVG = "{http://www.w3.org/2000/svg}"

WRONG = '''
"""Expects what does not happen."""
from pathlib import Path

LOOP = Path("{suite}") / "loop.toml"

def test_a_loop_that_is_tight_leaks_at_once(bench):
    bench.power_on(LOOP)
    bench.advance(2.0)
    assert "leak" in bench.heard.raised(), "no leak, as was to be expected"

def test_something_is_asked_that_a_bench_without_a_valve_cannot_do(bench):
    from loopwatch_host.hil.hands import NotHere
    raise NotHere("no leak valve on this bench")
'''


def _pytest(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([*sys.path, str(cwd)])
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *(str(each) for each in arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=100, cwd=cwd, env={**os.environ, "PYTHONPATH": paths}
    )


def test_a_wrong_expectation_fails_and_page_and_junit_say_so(tmp_path: Path) -> None:
    shutil.copy(SUITE / "conftest.py", tmp_path)
    (tmp_path / "test_wrong.py").write_text(WRONG.format(suite=SUITE))
    html, junit = tmp_path / "out" / "page.html", tmp_path / "out.xml"
    options = ("--target=vm", f"--bench={SUITE / 'bench.toml'}", f"--page={html}", f"--junitxml={junit}")
    done = _pytest(tmp_path / "test_wrong.py", *options, cwd=tmp_path)
    assert done.returncode == 1, done.stdout
    assert "1 failed, 1 skipped" in done.stdout
    shown = html.read_text()
    assert "1 FAILED, 1 left out" in shown
    assert "no leak, as was to be expected" in shown
    assert "no leak valve on this bench" in shown
    cases = ElementTree.parse(junit).getroot().findall(".//testcase")
    assert [len(case.findall("failure")) for case in cases] == [1, 0]
    properties = {each.get("name"): each.get("value") for each in cases[0].findall(".//property")}
    assert properties == {"bench": "virtual", "firmware": "0.1.0"}


def test_a_serial_target_without_a_board_fails_and_is_not_skipped(tmp_path: Path) -> None:
    done = _pytest(SUITE, f"--target=serial:{tmp_path}/nothing", cwd=SUITE.parent)
    assert done.returncode == 1, done.stdout
    assert re.search(r"(\d+) failed, 1 skipped", done.stdout), "all but what is for the emulated Pico alone"
    assert f"no board on {tmp_path}/nothing (unplugged, or renamed?)" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.fixture
def trace() -> Trace:
    """Ten seconds with a hole in the samples from 4 to 6 s, and a leak alarm that a person acknowledges."""
    times_s = [n / 10 for n in range(100) if not 40 < n < 60]
    return Trace(
        target="vm",
        firmware="0.1.0",
        board_id="e6614104032d5a2b",
        protocol="1 (00F484E3)",
        samples=[(t_s, 150_000, None if t_s > 8 else 185_000) for t_s in times_s],
        decisions=[(float(n), -200 * n, 100 * n) for n in range(10)],
        alarms=[AlarmAt(7.0, "leak", "UNACK", 1), AlarmAt(8.5, "leak", "ACKED", 1)],
        deeds=[(2.0, "leak: hole_mm 0.3 <&>"), (8.4, "ALAR:ACK leak")],
    )


def test_a_trace_survives_the_way_through_json(trace: Trace) -> None:
    assert Trace.from_json(trace.as_json()) == trace


def test_the_plot_shows_gaps_as_gaps_and_alarms_as_bars_of_their_length(trace: Trace) -> None:
    drawing = ElementTree.fromstring(plot.svg(trace))
    lines = [line.get("points", "").split() for line in drawing.findall(f"{SVG}polyline")]
    # p_static in two pieces, p_pump in two that end at 8 s, residual and evidence in one each.
    assert [len(points) for points in lines] == [41, 40, 41, 21, 10, 10]

    def x(points: list[str], at: int) -> float:
        return float(points[at].split(",")[0])

    per_s = (x(lines[0], 40) - x(lines[0], 0)) / 4.0
    bars = [rect for rect in drawing.findall(f"{SVG}rect") if rect.find(f"{SVG}title") is not None]
    widths = [float(bar.get("width", "0")) / per_s for bar in bars]
    assert widths == pytest.approx([1.5, 9.9 - 8.5], abs=0.02)
    assert "leak UNACK at 7.00 s" in "".join(drawing.itertext())


def test_a_procedure_without_a_record_has_no_plot() -> None:
    assert plot.svg(Trace(target="pico")) == ""


def test_the_page_stands_alone_and_says_on_top_what_was_tested(trace: Trace) -> None:
    shown = page.shown("tests/hil/test_bench.py::test_a_pinhole_is_seen[vm]", "passed", "",
                       {"bench_id": "desk", "trace": trace.as_json()})  # fmt: skip
    text = page.html([shown])
    assert "a pinhole is seen" in text
    head = re.sub(r"<[^>]+>", " ", text[: text.index("<section")])
    for what in ("0.1.0", "1 (00F484E3)", "desk", "vm", "e6614104032d5a2b", page.git_sha()):
        assert what in head
    assert "&lt;&amp;&gt;" in text, "words of a procedure are no markup"
    loads = re.findall(r"(?:src|href)=[\"'](?!#)[^\"']*|url\([^)]*\)|@import", text)
    assert loads == []


def opens_twice_and_fails(drive: bench_file.SerialRelay) -> None:
    with hands.valve(drive, 0.3) as valve:
        valve(True)
        valve(True)
        raise RuntimeError("the procedure failed")


def test_a_relay_on_a_serial_port_opens_the_valve_once_and_closes_it_whatever_happens() -> None:
    relay_fd, port_fd = pty.openpty()
    tty.setraw(port_fd)
    drive = bench_file.SerialRelay(by="serial_relay", port=os.ttyname(port_fd), on_line="ON\n", off_line="OFF\n")
    try:
        with pytest.raises(RuntimeError, match="the procedure failed"):
            opens_twice_and_fails(drive)
        assert os.read(relay_fd, 100) == b"ON\nOFF\n"
    finally:
        os.close(port_fd)
        os.close(relay_fd)


def test_a_bench_without_hands_says_what_is_missing() -> None:
    nobody = bench_file.NoDrive()
    with pytest.raises(hands.NotHere, match="valve"), hands.valve(nobody, 0.3):
        pass
    with pytest.raises(hands.NotHere, match="sensor"):
        hands.sensor(nobody, "t_dome", connected=False)
    with pytest.raises(hands.NotHere, match="uhubctl"):
        hands.power(nobody, on=False)


def test_the_bench_file_of_the_suite_is_read_and_a_wrong_one_is_refused_with_its_key(tmp_path: Path) -> None:
    assert bench_file.load(SUITE / "bench.toml").bench.valve.holes_mm == (0.3, 0.8)
    wrong = tmp_path / "bench.toml"
    wrong.write_text('[bench]\nid = "x"\n[bench.valve]\nholes_inch = [1]\n')
    with pytest.raises(UsageError, match="holes_inch"):
        bench_file.load(wrong)
