"""The command as people and scripts meet it: what it prints where, and how it ends."""

import csv
import io
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pty_board import PtyBoard
from rich.console import Console

from loopwatch import VERSION, alarms, records, wire
from loopwatch_host.desk.words import duration_words, rate_words
from loopwatch_host.messages import Connected, Disconnected, Gap, Record, Started
from loopwatch_host.monitor import LineView
from loopwatch_host.store import Store

COMMAND = [sys.executable, "-c", "from loopwatch_host.cli import main; main()"]
NOW_S = 1_700_000_000.0


def _environment(**extra: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    return {**kept, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1", **extra}


def _loopwatch(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *(str(each) for each in arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        env=_environment(**environment),
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """The demo, faster than life, until after its leak."""
    db = tmp_path_factory.mktemp("demo") / "log.db"
    return _loopwatch("run", "--for", 70, "--speed", 15, "--no-ui", "--db", db), db


def test_the_version_names_the_tool_and_the_protocol() -> None:
    done = _loopwatch("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("loopwatch {}.{}.{}, protocol {} (".format(*VERSION, wire.PROTOCOL_N))


def test_run_prints_a_line_a_second_and_the_leak_alarm_with_its_figures(
    demo: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    done, _ = demo
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert 68 <= sum(" bar " in line for line in lines) <= 71
    (alarm,) = [line for line in lines if line[:2] == "00" and "ALARM  leak  UNACK" in line]
    assert all(word in alarm for word in ("rate ", " mL/min", "lost ", " mL", "time left "))
    assert "Traceback" not in done.stderr


def test_what_is_printed_into_a_file_has_no_colours_and_unbroken_lines(
    demo: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    done, _ = demo
    assert "\x1b" not in done.stdout
    assert all("static" in line and "residual" in line for line in done.stdout.splitlines() if " bar " in line)


def test_a_run_is_kept_and_its_events_can_be_read(demo: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    _, db = demo
    (session,) = json.loads(_loopwatch("log", "--json", "--db", db).stdout)["sessions"]
    assert session["source"] == "vm demo seed 1"
    assert 690 <= session["samples"] <= 720
    events = json.loads(_loopwatch("log", "events", "--json", "--db", db).stdout)["events"]
    assert ("leak", "UNACK") in [(event["name"], event["state"]) for event in events]


def test_a_value_that_was_not_measured_is_an_empty_field_in_csv(tmp_path: Path) -> None:
    db = tmp_path / "log.db"
    values: dict[str, int | None] = dict.fromkeys((field[0] for field in records.KINDS[1][3]), 7)
    with Store(db, "test") as kept:
        kept.add(Started(1, None, NOW_S))
        kept.add(Record("sample", 0, 1, 100, NOW_S, {**values, "t_dome_mdegc": None}))
    (row,) = csv.DictReader(io.StringIO(_loopwatch("log", "--csv", "--db", db).stdout))
    assert (row["t_ms"], row["t_radiator_mdegc"], row["t_dome_mdegc"]) == ("100", "7", "")


def test_samples_come_as_csv_with_t_ms_first(demo: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    _, db = demo
    rows = list(csv.DictReader(io.StringIO(_loopwatch("log", "--csv", "--db", db).stdout)))
    header = "t_ms p_static_pa p_pump_pa t_source_mdegc t_radiator_mdegc t_dome_mdegc rail_mv".split()
    assert list(rows[0]) == header
    times_ms = [int(row["t_ms"]) for row in rows]
    assert times_ms == sorted(times_ms)
    assert int(rows[100]["p_static_pa"]) == pytest.approx(150_000, abs=3_000)


def test_a_range_of_samples_can_be_asked_for(demo: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    _, db = demo
    some = json.loads(_loopwatch("log", "samples", "--limit", 5, "--json", "--db", db).stdout)["samples"]
    assert [row["t_ms"] - some[0]["t_ms"] for row in some] == [0, 100, 200, 300, 400]


def test_a_reader_that_has_enough_ends_the_output_quietly(
    demo: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    _, db = demo
    command = " ".join(f"'{part}'" for part in [*COMMAND, "log", "--csv", "--db", str(db)])
    done = subprocess.run(
        ["sh", "-c", f"{command} | head -2"], capture_output=True, text=True, timeout=60, env=_environment()
    )
    assert len(done.stdout.splitlines()) == 2
    assert done.stderr == ""


def test_run_as_json_is_one_document_and_nothing_else(tmp_path: Path) -> None:
    done = _loopwatch("run", "--for", 5, "--speed", 10, "--json", "--db", tmp_path / "log.db")
    document = json.loads(done.stdout)
    assert done.returncode == 0
    assert document["scenario"] == "demo"
    assert document["session"] == 1
    assert 48 <= document["samples"] <= 60


def test_scenarios_are_listed_for_people_and_for_programs() -> None:
    named = {row["name"] for row in json.loads(_loopwatch("scenario", "list", "--json").stdout)["scenarios"]}
    listed = _loopwatch("scenario", "list").stdout
    assert {"demo", "pinhole", "quiet"} <= named
    assert all(name in listed for name in named)


def test_a_scenario_that_is_not_met_ends_with_one_and_says_what_was_missed() -> None:
    shown = ("--set", "duration_s=70", "--set", "expect.detect_within_s=0.5")
    done = _loopwatch("scenario", "run", "pinhole", "--json", *shown)
    document = json.loads(done.stdout)
    assert done.returncode == 1
    assert document["detected"]
    assert len(document["missed_expectations"]) == 1
    contract = "scenario target seed onset_s detected delay_s lost_ml alarms false_alarms missed_expectations virtual_s"
    assert {*contract.split(), "wall_s"} <= set(document)
    assert all(set(alarm) == {"t_s", "name", "state", "priority"} for alarm in document["alarms"])


@pytest.mark.parametrize(
    ("arguments", "exit_code", "sentence"),
    [
        (("scenario", "run", "nosuch"), 2, "no scenario 'nosuch'"),
        (("scenario", "run", "pinhole", "--set", "loop.nosuch=1"), 2, "loop.nosuch"),
        (("scenario", "run", "pinhole", "--target", "z80"), 2, "no target 'z80'"),
        (("scenario", "run", "pinhole", "--seed", "-1"), 2, "--seed"),
        (("frobnicate",), 2, "frobnicate"),
        (("monitor", "--port", "/dev/ttyNOSUCH"), 3, "no board on /dev/ttyNOSUCH"),
        (("scenario", "run", "pinhole", "--target", "serial:/dev/ttyNOSUCH"), 3, "no board on"),
        (("log", "--db", "/nosuch/log.db"), 1, "no log at /nosuch/log.db"),
    ],
)
def test_a_mistake_is_a_sentence_on_stderr_and_an_exit_code(
    arguments: tuple[str, ...], exit_code: int, sentence: str
) -> None:
    done = _loopwatch(*arguments)
    assert done.returncode == exit_code
    assert sentence in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_an_error_in_json_is_a_document_too() -> None:
    done = _loopwatch("monitor", "--port", "/dev/ttyNOSUCH", "--json")
    assert json.loads(done.stdout)["exit_code"] == done.returncode == 3
    done = _loopwatch("log", "--csv", "--json")
    assert json.loads(done.stdout)["exit_code"] == done.returncode == 2


class Monitor:
    """`loopwatch monitor` under way, its output read as it comes."""

    def __init__(self, board: PtyBoard, db: Path, *options: str, **environment: str) -> None:
        arguments = ["monitor", "--port", board.port, "--db", str(db), *options]
        self._output = db.with_suffix(".txt").open("w+")
        self.process = subprocess.Popen(
            [*COMMAND, *arguments], stdout=self._output, stderr=subprocess.STDOUT, env=_environment(**environment)
        )

    def text(self) -> str:
        """All that was printed so far."""
        return Path(self._output.name).read_text()

    def until(self, word: str, times: int = 1, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Wait until a word was printed so many times."""
        end_s = time.monotonic() + 20
        while self.text().count(word) < times:
            assert time.monotonic() < end_s, f"{word!r} not in {self.text()}"
            assert self.process.poll() is None, self.text()
            meanwhile()
            time.sleep(0.05)

    def end(self, number: int) -> int:
        """Send a signal; returns the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(20)
        self._output.close()
        return code


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_monitor_goes_through_a_lost_board_and_ends_cleanly(tmp_path: Path, number: int) -> None:
    with PtyBoard(tmp_path) as board:
        monitor = Monitor(board, tmp_path / "log.db")
        monitor.until("CONNECTED")
        board.boot()
        board.sample(1, 100)
        board.event(1, 150, event_n=1, subject_n=alarms.LEAK, state_n=alarms.UNACK, priority_n=1)
        monitor.until("ALARM  leak  UNACK  priority 1")
        board.hang_up()
        monitor.until("DISCONNECTED")
        board.plug_in()
        monitor.until(" CONNECTED", times=2)
        board.boot()
        board.sample(5, 500)
        board.sample(9, 900)
        monitor.until("GAP  3 sample records")
        assert monitor.end(number) == 0
        assert "3 samples in" in monitor.text()
        assert "3 records lost" in monitor.text()
        assert "Traceback" not in monitor.text()
    events = json.loads(_loopwatch("log", "events", "--json", "--db", tmp_path / "log.db").stdout)["events"]
    assert [event["what"] for event in events] == ["leak UNACK"]


def test_monitor_writes_nothing_but_a_plotters_lines_when_asked_for_them(tmp_path: Path) -> None:
    with PtyBoard(tmp_path) as board:
        monitor = Monitor(board, tmp_path / "log.db", "--plot", "arduino")
        board.boot()
        seqs = itertools.count(1)
        monitor.until("static:", meanwhile=lambda: board.sample(seq := next(seqs), 100 * seq))
        assert monitor.end(signal.SIGINT) == 0
        lines = monitor.text().splitlines()
        assert lines
        assert all(re.fullmatch(r"static:\d\.\d{4}(,\w+:-?[\d.]+)*", line) for line in lines), lines
    done = _loopwatch("monitor", "--plot", "teleplot", "--json", "--port", "/dev/ttyNOSUCH")
    assert done.returncode == 2
    assert "give one of them" in done.stderr


def test_colours_are_shown_when_wanted_and_never_with_no_color(tmp_path: Path) -> None:
    for name, coloured in (("FORCE_COLOR", True), ("NO_COLOR", False)):
        with PtyBoard(tmp_path) as board:
            monitor = Monitor(board, tmp_path / f"{name}.db", **{name: "1", "TERM": "xterm-256color"})
            monitor.until("CONNECTED")
            board.boot()
            board.event(1, 150, event_n=1, subject_n=alarms.LEAK, state_n=alarms.UNACK, priority_n=1)
            monitor.until("leak  UNACK")
            assert monitor.end(signal.SIGINT) == 0
            assert ("\x1b[1;37;41m" in monitor.text()) == coloured


class View:
    """A line view whose lines can be read, and whose clock a test moves."""

    def __init__(self, width: int = 200) -> None:
        self.now_s = 0.0
        self._file = io.StringIO()
        self.view = LineView(Console(file=self._file, width=width), clock_s=lambda: self.now_s)

    def show(self, kind: str, t_ms: int, **values: int | None) -> None:
        """Show one record."""
        fields = next(row[3] for row in records.KINDS if row[1] == kind)
        given = {**{field[0]: 0 for field in fields}, **values}
        self.view.show(Record(kind, 1, 1, t_ms, NOW_S + t_ms / 1000, given))

    @property
    def last(self) -> str:
        """The latest line."""
        return self._file.getvalue().splitlines()[-1]

    @property
    def lines(self) -> list[str]:
        """All lines."""
        return self._file.getvalue().splitlines()


def test_a_channel_without_value_shows_its_fault_in_words() -> None:
    shown = View()
    shown.show("mean", 1000, p_static_pa=None, t_dome_mdegc=None, t_source_mdegc=24_812, status_bits=8 | 6 << 16)
    shown.show("heartbeat", 1000, ne107_n=2)
    assert "static      open" in shown.last
    assert "dome no answer" in shown.last
    assert "source 24.81 °C" in shown.last
    assert "out of specification" in shown.last


def test_a_value_outside_its_band_is_shown_with_a_word_beside_it() -> None:
    shown = View()
    shown.show("mean", 1000, p_static_pa=151_234, status_bits=2)
    shown.show("heartbeat", 1000)
    assert "static 1.512 bar spec high" in shown.last


def test_a_mean_that_stopped_coming_is_stale_and_no_number() -> None:
    shown = View()
    shown.show("mean", 1000, p_static_pa=151_234)
    shown.show("heartbeat", 9000)
    assert "static     stale" in shown.last
    assert "1.51" not in shown.last


def test_silence_is_said_once_and_again_every_ten_seconds() -> None:
    shown = View()
    shown.show("mean", 1000)
    shown.show("heartbeat", 1000)
    for tenth in range(250):
        shown.now_s = tenth / 10
        shown.view.tick()
    assert [line.split("  ")[1] for line in shown.lines[1:]] == ["STALE", "STALE", "STALE"]
    assert "for 2 s" in shown.lines[1]


def test_a_lost_link_is_said_once() -> None:
    shown = View()
    shown.view.show(Connected("/dev/ttyACM0", NOW_S))
    shown.view.show(Disconnected("the board on /dev/ttyACM0 is gone", NOW_S))
    shown.now_s = 60.0
    shown.view.tick()
    assert len(shown.lines) == 2
    assert "DISCONNECTED  the board on /dev/ttyACM0 is gone" in shown.last


def test_gaps_and_unheard_restarts_are_said() -> None:
    shown = View()
    shown.view.show(Gap("sample", 10, 42, 1, 1000, NOW_S))
    assert "42 sample records did not arrive" in shown.last
    shown.view.show(Started(2, None, NOW_S))
    assert "RESTARTED" in shown.last


def test_standing_alarms_are_named_and_advice_is_not_called_an_alarm() -> None:
    shown = View()
    shown.show("heartbeat", 1000, alarm_bits=1 << alarms.NOT_COMMISSIONED)
    assert shown.last.endswith("not commissioned")
    assert "ALARM" not in shown.last
    shown.show("heartbeat", 2000, alarm_bits=1 << alarms.NOT_COMMISSIONED | 1 << alarms.LEAK)
    assert "ALARM leak" in shown.last


def test_a_leak_alarm_before_any_decision_claims_no_rate() -> None:
    shown = View()
    shown.show("event", 1000, event_n=1, subject_n=alarms.LEAK, state_n=alarms.UNACK, priority_n=1)
    assert shown.last.endswith("ALARM  leak  UNACK  priority 1")


def test_a_leak_alarm_has_the_decisions_figures_in_units_for_people() -> None:
    shown = View()
    shown.show("decision", 1000, residual_ul=-2100, rate_ul_h=1_638_000, lost_ul=2_140, time_left_s=85)
    shown.show("event", 1000, event_n=1, subject_n=alarms.LEAK, state_n=alarms.UNACK, priority_n=1)
    assert shown.last.endswith("rate 27.3 mL/min  lost 2.1 mL  time left 1 min 25 s")


def test_an_unknown_residual_is_a_word() -> None:
    shown = View()
    shown.show("decision", 1000, residual_ul=None, state_bits=8)
    shown.show("heartbeat", 1000)
    assert "residual     blind" in shown.last


def test_a_line_fits_a_terminal_of_120_columns() -> None:
    shown = View(width=120)
    shown.show("mean", 1000, p_static_pa=150_000, p_pump_pa=185_000)
    shown.show("decision", 1000, residual_ul=-12_340, state_bits=2, evidence_leak_permille=990)
    shown.show("heartbeat", 1000)
    assert len(shown.last) <= 120


@pytest.mark.parametrize(
    ("rate_ul_h", "words"),
    [(10_000, "10.0 mL/h"), (59_940, "59.9 mL/h"), (60_000, "1.0 mL/min"), (11_040_000, "184.0 mL/min")],
)
def test_a_rate_is_told_in_the_unit_of_its_size(rate_ul_h: int, words: str) -> None:
    assert rate_words(rate_ul_h) == words


@pytest.mark.parametrize(("seconds", "words"), [(40, "40 s"), (85, "1 min 25 s"), (11_400, "3 h 10 min")])
def test_a_duration_is_told_as_people_say_it(seconds: float, words: str) -> None:
    assert duration_words(seconds) == words


def test_the_log_is_asked_by_event_and_by_time(demo: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    _, db = demo

    def asked(*arguments: object) -> list[dict[str, object]]:
        done = _loopwatch("log", *arguments, "--json", "--db", db)
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout)[str(arguments[0])])

    (leak,) = asked("events", "--alarm", "leak", "--state", "UNACK")
    # The demo runs 15 times as fast as its clock: 0.2 s of the wall are 3 of the board.
    near = asked("samples", "--around", "leak", "--window", 0.2)
    assert [row["t_ms"] for row in near] == sorted(row["t_ms"] for row in near)  # type: ignore[type-var]
    assert abs(near[0]["at_s"] - leak["at_s"] + 0.2) < 0.05  # type: ignore[operator]
    assert asked("samples", "--around", leak["seq"], "--window", 0.2) == near
    assert asked("events", "--all", "--alarm", "leak", "--from", "2001-01-01")[0]["session"] == 1
    assert asked("events", "--all", "--to", "2001-01-01") == []
    assert asked("heartbeats", "--limit", 3)[0]["uptime_s"] is not None
    (minute, *_) = asked("minutes")
    assert minute["p_static_pa_least"] <= minute["p_static_pa_mean"] <= minute["p_static_pa_most"]  # type: ignore[operator]
    assert 590 <= minute["count_n"] <= 600  # type: ignore[operator]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["samples", "--alarm", "leak"], "choose among events"),
        (["samples", "--around", "leak", "--from", "3"], "two ranges"),
        (["samples", "--around", "flood"], "no event flood"),
        (["samples", "--from", "noon"], "is no moment"),
    ],
)
def test_a_question_to_the_log_that_makes_no_sense_is_refused(
    demo: tuple[subprocess.CompletedProcess[str], Path], arguments: list[str], words: str
) -> None:
    done = _loopwatch("log", *arguments, "--db", demo[1])
    assert done.returncode in (1, 2)
    assert words in done.stderr
