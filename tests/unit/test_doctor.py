"""What the doctor finds in a well board, in ill ones, and where there is none."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from pty_board import PtyBoard
from typer.testing import CliRunner

from loopwatch import records, wire
from loopwatch.telemetry import BASELINE_SETTLED, BEYOND_LOG, COMMISSIONED, PUMP_RUNNING
from loopwatch_host.cli import app
from loopwatch_host.doctor import Facts, Finding, Level, drift_ppm, judge
from loopwatch_host.messages import Record

GOOD, NO_ANSWER, SHORT = 0, 6, 9  # sample.STATUS_NAMES
ADDRESS_ADVICE = "hardware/pinmap.toml"


def record(name: str, **values: int | None) -> Record:
    fields = next(kind[3] for kind in records.KINDS if kind[1] == name)
    return Record(name, 1, 1, 5_000, 0.0, {**{field: 0 for field, _ in fields}, **values})


def sample(**values: int | None) -> Record:
    usual = {"p_static_pa": 150_000, "p_pump_pa": 185_000, "rail_mv": 5_000}
    return record("sample", **{**usual, **values})


@pytest.fixture
def well() -> Facts:
    crc = wire.protocol_crc()
    return Facts(
        port="/dev/board",
        board_id="e6614104032d5a2b",
        replies={
            "*IDN?": "loopwatch,pico,e6614104032d5a2b,0.1.0",
            "*TST?": "0",
            "SYST:PROT?": f"{wire.PROTOCOL_N},{crc.hi << 16 | crc.lo:08X}",
            "SYST:FLASH?": "1200000,1441792",
            "SYST:CRASH?": "",
            "SYST:ERR?": '0,"No error"',
            "CONF:CRC?": "01234567",
        },
        sample=sample(),
        heartbeat=record("heartbeat", heap_free_n=120_000),
        sample_n=50,
        rails_mv=[4_990, 5_010],
        drift_ppm=30.0,
        drift_error_ppm=100.0,
    )


def finding(facts: Facts, name: str) -> Finding:
    return next(each for each in judge(facts) if each.name == name)


def asked(facts: Facts, question: str, reply: str | None) -> Facts:
    return replace(facts, replies={**facts.replies, question: reply})


def test_a_well_board_is_well_in_every_line(well: Facts) -> None:
    findings = judge(well)
    assert {each.level for each in findings} == {Level.OK}
    assert not [each.name for each in findings if each.advice], "advice where nothing is wrong"
    names = "firmware protocol monitoring p_static t_dome rail link deadlines clock heap flash configuration last crash"
    assert all(name in " ".join(each.name for each in findings) for name in names.split())


def test_every_complaint_comes_with_what_to_do(well: Facts) -> None:
    ill = Facts(replies={"*IDN?": "acme,scope,1,2"}, heartbeat=record("heartbeat", heap_free_n=1_000, bus_error_n=3))
    complaints = [each for each in judge(ill) if each.level is not Level.OK]
    assert len(complaints) >= 8
    assert not [each.name for each in complaints if not each.advice]


def test_a_port_with_nobody_behind_it_is_one_failure() -> None:
    (only,) = judge(Facts(port="/dev/board", replies={"*IDN?": None}))
    assert only.level is Level.FAIL
    assert "/dev/board" in only.text
    assert "loopwatch flash" in only.advice


def test_other_versions_of_firmware_and_protocol_name_both(well: Facts) -> None:
    other = finding(asked(well, "*IDN?", "loopwatch,pico,e6614104032d5a2b,0.9.3"), "firmware")
    assert other.level is Level.WARN
    assert "0.9.3" in other.text and "0.1.0" in other.text
    protocol = finding(asked(well, "SYST:PROT?", "7,DEADBEEF"), "protocol")
    assert protocol.level is Level.FAIL
    assert "7,DEADBEEF" in protocol.text


def test_a_question_that_an_older_firmware_does_not_know_is_said_so(well: Facts) -> None:
    told = finding(asked(well, "SYST:FLASH?", '!-113,"Undefined header; SYST:FLASH?"'), "flash")
    assert (told.level, told.text) == (Level.WARN, "this firmware does not know SYST:FLASH?")


def test_a_sensor_that_does_not_answer_fails_and_its_neighbours_do_not(well: Facts) -> None:
    deaf = replace(well, sample=sample(t_dome_mdegc=None, status_bits=NO_ANSWER << 16))
    told = finding(deaf, "t_dome")
    assert (told.level, told.text) == (Level.FAIL, "no answer")
    assert ADDRESS_ADVICE in told.advice
    assert finding(deaf, "t_source").level is Level.OK
    shorted = replace(well, sample=sample(p_static_pa=None, status_bits=SHORT))
    assert "divider" in finding(shorted, "p_static").advice


@pytest.mark.parametrize(
    ("rails_mv", "level"),
    [([4_760, 5_240], Level.OK), ([4_700, 5_000], Level.WARN), ([5_000, 5_600], Level.FAIL), ([], Level.FAIL)],
)
def test_the_rail_is_judged_by_its_worst_moment(well: Facts, rails_mv: list[int], level: Level) -> None:
    assert finding(replace(well, rails_mv=rails_mv), "rail").level is level


def test_a_board_that_answers_without_sampling_fails_with_its_own_reason(well: Facts) -> None:
    safe_mode = replace(asked(well, "SYST:ERR?", '-310,"System error; 3 crashes in a row"'), sample=None)
    told = finding(safe_mode, "monitoring")
    assert told.level is Level.FAIL
    assert "3 crashes in a row" in told.text


def test_a_standing_alarm_is_named_and_being_not_commissioned_is_none(well: Facts) -> None:
    leak_and_more = replace(well, heartbeat=record("heartbeat", heap_free_n=120_000, alarm_bits=0b1_0000_0001))
    told = finding(leak_and_more, "monitoring")
    assert (told.level, told.text) == (Level.WARN, "standing alarms: leak")


def test_a_loop_beyond_the_log_of_its_commissioning_is_warned_of(well: Facts) -> None:
    usual = PUMP_RUNNING | BASELINE_SETTLED | COMMISSIONED
    assert finding(replace(well, decision=record("decision", state_bits=usual)), "reach").level is Level.OK
    told = finding(replace(well, decision=record("decision", state_bits=usual | BEYOND_LOG)), "reach")
    assert told.level is Level.WARN
    assert "commission --recorded" in told.advice
    uncommissioned = replace(well, decision=record("decision", state_bits=PUMP_RUNNING | BASELINE_SETTLED))
    assert "reach" not in [each.name for each in judge(uncommissioned)]


def test_a_kept_crash_is_shown(well: Facts) -> None:
    told = finding(asked(well, "SYST:CRASH?", "OSError: [Errno 5] EIO"), "last crash")
    assert (told.level, told.text) == (Level.WARN, "OSError: [Errno 5] EIO")


@pytest.mark.parametrize("ppm", [-20_000.0, -50.0, 0.0, 300.0, 15_000.0])
def test_the_clocks_drift_is_found_within_the_error_that_is_stated(ppm: float) -> None:
    # Lines of 100 ms, each 1 to 12 ms late and by chance of the USB frame now and then only 1 ms.
    lateness_s = [0.001 + 0.011 * (i * 7 % 10) / 10 for i in range(100)]
    arrivals = [(0.1 * i * (1 + ppm / 1e6), 0.1 * i + late_s) for i, late_s in enumerate(lateness_s)]
    found = drift_ppm(arrivals)
    assert found is not None
    assert abs(found[0] - ppm) <= found[1] <= 500


def test_a_few_samples_say_nothing_about_the_clock(well: Facts) -> None:
    assert drift_ppm([(0.1 * i, 0.1 * i) for i in range(9)]) is None
    assert "not compared" in finding(replace(well, drift_ppm=None), "clock").text


@pytest.mark.parametrize(("ppm", "level"), [(250.0, Level.OK), (2_000.0, Level.WARN), (-30_000.0, Level.FAIL)])
def test_a_clock_is_blamed_for_what_the_error_does_not_explain(well: Facts, ppm: float, level: Level) -> None:
    assert finding(replace(well, drift_ppm=ppm), "clock").level is level


def test_a_virtual_board_is_examined_like_a_real_one() -> None:
    done = CliRunner().invoke(app, ["doctor", "--target", "vm", "--for", "1", "--json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert {row["level"] for row in document["findings"]} == {"ok"}
    assert document["board_id"] == "e6614104032d5a2b"
    assert "no_such" not in done.stdout


def test_no_board_is_exit_code_3_with_what_to_do(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["doctor", "--port", str(tmp_path / "nothing"), "--json"])
    assert done.exit_code == 3
    document = json.loads(done.stdout)
    assert [(row["name"], row["level"]) for row in document["findings"]] == [("ports", "fail")]
    assert "loopwatch ports" in document["findings"][0]["advice"]


def test_a_board_with_an_older_firmware_is_examined_as_far_as_it_goes(tmp_path: Path) -> None:
    """A scripted board that knows *IDN? and nothing else of what the doctor asks, and whose dome thermometer is out."""
    with PtyBoard(tmp_path) as board:
        ended = threading.Event()

        def sends() -> None:
            n = 0
            while not ended.wait(0.1):
                board.sample(n, 100 * n, t_dome_mdegc=None, status_bits=NO_ANSWER << 16)
                if n % 10 == 9:
                    board.heartbeat(n // 10, 100 * n, heap_free_n=120_000)
                n += 1

        sender = threading.Thread(target=sends)
        sender.start()
        try:
            done = CliRunner().invoke(app, ["doctor", "--port", board.port, "--for", "1.5", "--json"])
        finally:
            ended.set()
            sender.join()
    assert done.exit_code == 1, done.output
    rows = {row["name"]: row for row in json.loads(done.stdout)["findings"]}
    assert rows["t_dome"]["level"] == "fail"
    assert rows["p_static"]["level"] == "ok"
    assert rows["permission"]["level"] == "ok"
    assert {name for name, row in rows.items() if "does not know" in row["text"]} == {
        "protocol", "flash", "configuration", "last crash",
    }  # fmt: skip
