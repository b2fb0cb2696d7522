"""Reports: one page each, whole without a network, with figures that are those of the log."""

import csv
import json
import re
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cut_power import FOR_EVER, power
from test_blackbox import Board
from test_cli import _loopwatch
from test_store import BOARD_ID, NOW_S, _boot, _record

from loopwatch import alarms, sample
from loopwatch_host import blackbox
from loopwatch_host.commission import commission, record
from loopwatch_host.commission import log as logs
from loopwatch_host.errors import LoopwatchError
from loopwatch_host.evaluate import family, journey
from loopwatch_host.messages import Identified
from loopwatch_host.report import chart, curves, page
from loopwatch_host.store import Log, Store

LEAK = alarms.index_of("leak")


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five minutes of a loop that leaks from 120 s on, alarms at 150 s, is acknowledged at 200 s; 20 s are missing."""
    path = tmp_path_factory.mktemp("report") / "log.db"
    with Store(path, "a bench <&>", NOW_S) as kept:
        kept.add(_boot())
        for n in range(3000):
            t_ms = 100 * n
            if not 2500 <= n < 2700:
                values: dict[str, Any] = {
                    "p_static_pa": 150_000 - max(0, n - 1200) * 4,
                    "p_pump_pa": 185_000,
                    "t_dome_mdegc": None,
                }
                kept.add(_record("sample", n, t_ms, t_source_mdegc=30_000, t_radiator_mdegc=28_000, **values))
            if n % 10 == 0:
                lost = max(0, n - 1200) * 3
                kept.add(_record("decision", n // 10, t_ms, residual_ul=-lost, rate_ul_h=108_000 if n > 1300 else None))
            if n in (1500, 2000):
                state = 1 if n == 1500 else 2
                kept.add(
                    _record("event", n // 500, t_ms, event_n=1, subject_n=LEAK, state_n=state, priority_n=1, value=5)
                )
    return path


class Page(HTMLParser):
    """What a page holds: text, and whatever it would load."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.words: list[str] = []
        self.loads: list[str] = []
        self.tags: list[str] = []
        self.source = path.read_text()
        self.feed(self.source)

    @property
    def text(self) -> str:
        """All words."""
        return " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag and what it would load."""
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]

    def handle_data(self, data: str) -> None:
        """Note text."""
        self.words.append(data)


def _page(*arguments: object) -> Page:
    done = _loopwatch("report", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    path = Path(said["report"])
    assert path.stat().st_size == said["bytes"] <= 2 * 1024 * 1024
    assert page.file_hash(path) == said["sha256"]
    return Page(path)


def _pictures(shown: Page) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(text) for text in re.findall(r"<svg.*?</svg>", shown.source, re.DOTALL)]


def test_a_page_of_a_run_tells_its_alarms_gaps_and_origin_and_loads_nothing(db: Path, tmp_path: Path) -> None:
    shown = _page("run", "--db", db, "-o", tmp_path / "run.html")
    assert "A leak was reported" in shown.text
    assert "leak UNACK 1 150.0 s" in shown.text
    assert "leak ACKED 1 200.0 s" in shown.text
    assert "a bench <&>" in shown.text
    assert BOARD_ID in shown.text
    assert "firmware 0.1.0" in shown.text
    assert shown.loads == []
    assert not {"script", "link", "img", "iframe"} & set(shown.tags)
    assert "url(" not in shown.source


def test_a_gap_in_the_record_is_a_gap_in_the_curve(db: Path, tmp_path: Path) -> None:
    (picture,) = _pictures(_page("run", "--db", db, "-o", tmp_path / "run.html"))
    lines = picture.findall(".//{*}polyline")
    blue = [line for line in lines if line.get("stroke") == chart.BLUE]
    # The vessel's pressure in two pieces, the inventory in one.
    assert len(blue) == 3
    ends = [float(line.get("points", "").split()[-1].split(",")[0]) for line in blue]
    begins = [float(line.get("points", "").split()[0].split(",")[0]) for line in blue]
    scale = (chart.WIDTH - chart.RIGHT - chart.LEFT) / 299.9
    assert (begins[1] - ends[0]) / scale == pytest.approx(20, abs=0.5)


def test_a_page_of_an_alarm_tells_what_the_board_knew_and_what_people_did(db: Path, tmp_path: Path) -> None:
    shown = _page("alarm", "--db", db, "-o", tmp_path / "alarm.html")
    assert "Alarm: leak" in shown.text
    assert "1.8 mL/min" in shown.text
    assert "acknowledged after 50 s" in shown.text
    assert "event number 3 of the board, at 150.0 s" in shown.text


def test_a_black_box_is_drawn_on_the_boards_clock_with_its_hash(db: Path, tmp_path: Path) -> None:
    box = tmp_path / "box.csv"
    with box.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["t_ms", *sample.CHANNELS])
        for n in range(600):
            writer.writerow([120_000 + 100 * n, 150_000 - 3 * n, 185_000, 30_000, 28_000, "", 5000])
    shown = _page("alarm", "--db", db, "--blackbox", box, "-o", tmp_path / "alarm.html")
    assert "600 samples kept on the board. Time counts from the alarm" in shown.text
    assert page.file_hash(box) in shown.text
    assert len(_pictures(shown)) == 2


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run", "--session", 9], 1, "has no session 9"),
        (["alarm", "--seq", 99], 1, "no alarm's event number 99"),
        (["alarm", "--blackbox", "nosuch.csv"], 2, "cannot be read"),
        (["run", "-o", "no/folder/run.html"], 2, "is the folder there"),
    ],
)
def test_what_cannot_be_reported_is_refused_with_a_sentence(
    db: Path, arguments: list[object], code: int, words: str
) -> None:
    done = _loopwatch("report", *arguments, "--db", db)
    assert done.returncode == code
    assert words in done.stderr


RESULT = {
    "target": "vm", "seed": 3, "leak_ml_h": 2.0, "verdict": "leaking", "limit_ml_h": 1.0, "rate_ml_h": 2.13,
    "interval_ml_h": [1.73, 2.56], "sd_ml_h": 0.2, "above_limit": 0.9999, "seconds": 900, "p_static_pa": 139_000.0,
    "temperature_ml_h": 0.86, "phases": [{"phase": "fill", "from_s": 0, "to_s": 60}, {"phase": "test", "from_s": 60,
    "to_s": 960}], "notes": ["a remark"], "why": "", "limit_pa_s": 0.236, "rate_pa_s": 0.5031, "liquid_ml": 2000.0,
    "gas_ml": 150.0, "gas_error": 0.05, "config": None, "board_id": BOARD_ID, "firmware": "0.1.0", "loopwatch": "0.1.0",
    "protocol": "1 (00000000)", "git": "abc", "date": "2026-11-22", "curves": [[10.0 * i, 1400 - i, 25.0, 24.0, None]
    for i in range(96)], "blocks": [[30.0 + 60 * i, 0.04 * i, 0.01 * i] for i in range(15)],
}  # fmt: skip


def test_a_page_of_a_leak_test_has_the_rate_with_its_interval_and_two_pictures(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(json.dumps(RESULT))
    shown = _page("leaktest", tmp_path / "result.json")
    assert "The loop leaks" in shown.text
    assert "2.13 mL/h (95 % interval 1.73 to 2.56 mL/h), above the limit of 1 mL/h" in shown.text
    assert "0.5031 Pa/s" in shown.text
    assert len(_pictures(shown)) == 2
    assert (tmp_path / "result.html").exists()


def test_a_result_without_a_rate_is_a_page_too(tmp_path: Path) -> None:
    without = {key: value for key, value in RESULT.items() if key not in ("rate_ml_h", "interval_ml_h")}
    void = {**without, "verdict": "void", "why": "the pump's speed changed, again and again", "blocks": []}
    (tmp_path / "result.json").write_text(json.dumps(void))
    assert "No result" in _page("leaktest", tmp_path / "result.json").text


def test_a_page_of_a_commissioning_shows_the_curve_and_the_hash_of_the_settings(tmp_path: Path) -> None:
    member = family.default(1234)
    way = journey.drawn(member, 1.2)
    x = journey.log(journey.begun(member, way), way, 0, int(1.2 * 86_400))
    made = commission.commissioned(logs.Log(x, np.arange(len(x)), (1, 2, 3, 4), 0), 2000, 150)
    (tmp_path / "loop.toml").write_text(record.to_toml(made))
    shown = _page("commission", tmp_path / "loop.toml")
    assert f"{made.crc:08X}" in shown.text
    assert page.file_hash(tmp_path / "loop.toml") in shown.text
    for row in made.curve:
        assert f"{row['rate_ml_h']:g} mL/h" in shown.text
    (picture,) = _pictures(shown)
    dots = picture.findall(".//{*}circle")
    assert len(dots) == sum(bool(row[key]) for row in made.curve for key in ("p50_s", "p95_s"))


def test_a_report_that_would_be_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LoopwatchError, match="take a shorter time"):
        page.write("x" * (page.SIZE_MAX_N + 1), tmp_path / "big.html")
    assert not (tmp_path / "big.html").exists()


def test_evidence_is_drawn_by_the_class_of_leak(db: Path) -> None:
    with Log(db) as log:
        (evidence,) = [panel for panel in curves.panels(log, 1, 0.0, 120.0) if "evidence" in panel.title]
    assert [curve.name for curve in evidence.curves] == ["seep", "leak", "rupture"]


def test_the_report_of_an_alarm_takes_its_black_box_from_the_log(db: Path, tmp_path: Path) -> None:
    with power(tmp_path, FOR_EVER):
        board = Board(tmp_path)
        board.live(700)
        board.alarm()
        board.live(400)
        content = board.box.read(1, 0, 10**6)
    box, boot = blackbox.parse(content), _boot().boot
    assert boot is not None
    kept = tmp_path / "log.db"
    with Store(kept, "test", NOW_S) as store:
        store.add(replace(_boot(), boot=replace(boot, values={**boot.values, "run_n": box.run_n})))
        store.add(Identified(BOARD_ID, "0.1.0", 1, NOW_S))
        told = {"event_n": 1, "subject_n": LEAK, "state_n": alarms.UNACK, "priority_n": 1, "run_n": box.run_n}
        event = _record("event", box.event_seq, box.event_ms, **told)
        store.add(event)
        store.keep_box(
            board_id=BOARD_ID, box_n=1, run_n=box.run_n, event_seq=box.event_seq, event_ms=box.event_ms,
            alarm=box.alarm, sample_n=len(box.samples), complete=True, fetched_s=event.at_s, content=content,
        )  # fmt: skip
    shown = _page("alarm", "--db", kept, "-o", tmp_path / "alarm.html")
    assert f"{len(box.samples)} samples kept on the board. Time counts from the alarm" in shown.text
    assert "number 1 of the board, in the log" in shown.text


def test_a_week_of_a_session_is_drawn_from_minutes_and_stays_small(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    week_s = 7 * 86_400
    with Store(path, "test", NOW_S) as kept:
        kept.add(_boot())
        for n in range(0, week_s, 20):
            kept.add(_record("sample", n, 1000 * n, p_static_pa=999_999 if n == 300_000 else 150_000))
    shown = _page("run", "--db", path, "-o", tmp_path / "week.html")
    with Log(path) as log:
        assert log.last_s(1) == pytest.approx(NOW_S + week_s - 20)
    (picture,) = _pictures(shown)
    # The one spike is the edge of the band: least and greatest of its minute.
    assert picture.findall(".//{*}polygon")
    assert "10000" in "".join(text.text or "" for text in picture.findall(".//{*}text"))
    assert len(shown.source) < 400_000


def test_thinning_keeps_the_only_spike_of_a_long_curve() -> None:
    points = [(float(n), 1.0) for n in range(100_000)]
    points[54_321] = (54_321.0, 77.0)
    kept = chart._thinned(points, 1000)
    assert len(kept) <= 1002
    assert (54_321.0, 77.0) in kept
    assert kept == sorted(kept)


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no Chromium here: apt install chromium")
def test_a_browser_prints_a_report_as_pages_of_paper_without_a_network(db: Path, tmp_path: Path) -> None:
    _page("run", "--db", db, "-o", tmp_path / "run.html")
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}",
             "--host-resolver-rules=MAP * ~NOTFOUND", "--no-pdf-header-footer",
             f"--print-to-pdf={tmp_path / 'run.pdf'}", (tmp_path / "run.html").as_uri()],
            capture_output=True, timeout=100, check=True,
        )  # fmt: skip
    pdf = (tmp_path / "run.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 3
