"""Scenarios run and judged on the vm target, through the client."""

import math
from pathlib import Path
from textwrap import dedent

import pytest
from pty_board import PtyBoard

from loopwatch_host.bench.runner import ScenarioResult, Truth, run_scenario
from loopwatch_host.bench.scenario import ScenarioError
from loopwatch_host.errors import NoBoard, UsageError


def _file(directory: Path, text: str) -> Path:
    path = directory / "given.toml"
    path.write_text('name = "given"\ntitle = "written by a test"\n' + dedent(text))
    return path


@pytest.fixture(scope="module")
def pinhole() -> ScenarioResult:
    return run_scenario("pinhole", seed=3, settings=["duration_s=90"])


def test_a_pinhole_is_detected_within_thirty_seconds(pinhole: ScenarioResult) -> None:
    assert pinhole.met
    assert pinhole.onset_s == 60
    assert pinhole.delay_s is not None and 0 < pinhole.delay_s <= 30


def test_the_loss_at_the_alarm_is_what_an_orifice_lets_through_in_that_time(pinhole: ScenarioResult) -> None:
    # q = C_d A sqrt(2 dP / rho): 0.3 mm, 0.5 bar gauge, 30 % glycol (DETECTION section 1).
    flow_ml_s = 0.62 * math.pi / 4 * 0.3e-3**2 * math.sqrt(2 * 50_000 / 1020) * 1e6
    assert pinhole.delay_s is not None
    assert pinhole.lost_ml == pytest.approx(flow_ml_s * pinhole.delay_s, rel=0.1)


def test_every_sample_of_a_run_is_accounted_for(pinhole: ScenarioResult) -> None:
    assert 898 <= pinhole.samples <= 900
    assert (pinhole.gaps, pinhole.bad_lines, pinhole.late, pinhole.resets) == ({}, 0, 0, [])


def test_the_same_seed_gives_the_same_document_but_for_wall_time(pinhole: ScenarioResult) -> None:
    again = run_scenario("pinhole", seed=3, settings=["duration_s=90"])
    assert again.as_json() | {"wall_s": 0} == pinhole.as_json() | {"wall_s": 0}


def test_another_seed_gives_another_run(pinhole: ScenarioResult) -> None:
    other = run_scenario("pinhole", seed=4, settings=["duration_s=90"])
    assert other.lost_ml != pinhole.lost_ml


def test_an_expectation_that_is_not_met_is_a_sentence() -> None:
    result = run_scenario("pinhole", settings=["duration_s=75", "expect.detect_within_s=0.5", "expect.lost_max_ml=0.1"])
    assert not result.met
    assert any("not within 0.5 s" in missed for missed in result.missed_expectations)
    assert any("not at most 0.1" in missed for missed in result.missed_expectations)


def test_a_leak_alarm_without_a_leak_counts_as_false(tmp_path: Path) -> None:
    path = _file(
        tmp_path,
        """
        duration_s = 90
        [[event]]
        at_s = 50
        do = "withdraw"
        volume_ml = 20
        [expect]
        no_leak = true
        """,
    )
    result = run_scenario(path)
    assert (result.onset_s, result.detected, result.delay_s) == (None, False, None)
    assert result.false_alarms == 1
    assert result.missed_expectations == ["1 leak alarms without a leak"]


def test_commands_of_a_scenario_are_sent_at_their_time_and_answered(tmp_path: Path) -> None:
    path = _file(
        tmp_path,
        """
        duration_s = 6
        [[event]]
        at_s = 2
        do = "command"
        text = "*IDN?"
        [[event]]
        at_s = 3
        do = "command"
        text = "ALAR:ACK not_commissioned"
        [[event]]
        at_s = 4
        do = "command"
        text = "NONSENSE"
        """,
    )
    result = run_scenario(path)
    replies = [command["reply"] or "" for command in result.commands]
    assert replies[0].startswith("loopwatch,") and replies[0].endswith(",0.1.0")
    assert replies[2].startswith("!-113")
    acked = [alarm.t_s for alarm in result.alarms if alarm.state == "ACKED"]
    # The board looks for commands at least every 20 ms.
    assert acked == [pytest.approx(3.0, abs=0.05)]


def test_times_after_a_power_cut_count_from_the_first_power_on(tmp_path: Path) -> None:
    path = _file(
        tmp_path,
        """
        duration_s = 12
        [[event]]
        at_s = 5
        do = "power_cut"
        off_s = 2
        """,
    )
    result = run_scenario(path)
    starts_s = [alarm.t_s for alarm in result.alarms if alarm.name == "not_commissioned"]
    # A board says that it is not commissioned with its first breath: 15 ms, and main.py's 100 ms for Ctrl-C.
    assert starts_s == [pytest.approx(0.115, abs=0.02), pytest.approx(7.115, abs=0.02)]
    assert [reset["t_s"] for reset in result.resets] == [pytest.approx(7.0, abs=0.001)]
    # Ten seconds under power, less two starts of 0.2 s each.
    assert result.samples == pytest.approx(96, abs=1)


def test_a_laptop_that_reads_late_loses_samples_but_no_alarm_and_no_alarms_time(tmp_path: Path) -> None:
    path = _file(
        tmp_path,
        """
        duration_s = 100
        [[event]]
        at_s = 50
        do = "host_stops_reading"
        [[event]]
        at_s = 52
        do = "leak"
        hole_mm = 0.8
        [[event]]
        at_s = 90
        do = "host_reads"
        [expect]
        detect_within_s = 10
        late_max_n = 0
        """,
    )
    result = run_scenario(path)
    assert result.missed_expectations == []
    assert result.gaps["sample"] > 300
    assert result.delay_s is not None and result.delay_s < 10
    again = run_scenario(path)
    assert again.as_json() | {"wall_s": 0} == result.as_json() | {"wall_s": 0}


def test_a_sensor_that_is_not_fitted_is_told_to_the_board(tmp_path: Path) -> None:
    path = _file(tmp_path, "duration_s = 8\n[sensors.t_dome]\nfitted = false\n")
    assert "sensor_fault_t_dome" not in run_scenario(path).faults


def test_a_fault_is_reported_and_is_no_leak() -> None:
    result = run_scenario("unplugged", settings=["duration_s=110", 'expect.alarms=["sensor_fault_t_dome"]'])
    assert result.met
    assert result.faults == ["sensor_fault_t_dome"]
    assert result.false_alarms == 0


def test_what_cannot_be_run_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="no scenario 'nosuch'"):
        run_scenario("nosuch")
    with pytest.raises(UsageError, match="no target 'z80'"):
        run_scenario("quiet", "z80")
    with pytest.raises(NoBoard, match="no board on"):
        run_scenario("quiet", f"serial:{tmp_path}/ttyACM0")
    with pytest.raises(UsageError, match="recording"):
        run_scenario("skab", "serial", settings=["recording=x.csv"])


def test_on_a_real_port_the_person_is_told_and_the_board_is_judged(tmp_path: Path) -> None:
    path = _file(
        tmp_path,
        """
        duration_s = 1.5
        [[event]]
        at_s = 0.5
        do = "leak"
        hole_mm = 0.3
        [[event]]
        at_s = 0.7
        do = "command"
        text = "ALAR:ACK leak"
        [expect]
        detect_within_s = 5
        """,
    )
    told: list[str] = []

    with PtyBoard(tmp_path) as board:

        def leak(sentence: str) -> None:
            told.append(sentence)
            board.event(1, 60_600, event_n=1, subject_n=0, state_n=1, priority_n=1)

        def breathe(now_s: float, _: float) -> None:
            board.sample(round(now_s * 1000), 60_000 + round(now_s * 1000))

        result = run_scenario(path, f"serial:{board.port}", progress=breathe, tell=leak)
        sent = [command.partition(" ")[2] for command in board.commands]
    assert told == ["0.5 s: now leak: hole_mm 0.3, point static"]
    assert "ALAR:ACK leak" in sent
    assert result.detected
    assert result.delay_s == pytest.approx(0.1, abs=0.15)
    assert result.lost_ml is None
    assert result.target == f"serial:{board.port}"


def test_the_loss_between_two_moments_is_on_a_straight_line() -> None:
    truth = Truth()
    truth.note(1.0, 0.0)
    truth.note(2.0, 4.0)
    assert [truth.lost_ml(t_s) for t_s in (0.5, 1.0, 1.25, 2.0, 3.0)] == [0.0, 0.0, 1.0, 4.0, 4.0]
