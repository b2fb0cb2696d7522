"""The leak test: its arithmetic against the gas law, its phases, and its promise on loops not chosen on."""

import json
import math
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pty_board import PtyBoard
from test_cli import COMMAND, _environment, _loopwatch

from loopwatch import sample
from loopwatch_host.commission import commission
from loopwatch_host.commission import log as logs
from loopwatch_host.evaluate import family, journey
from loopwatch_host.leaktest import campaign
from loopwatch_host.leaktest.estimate import estimate
from loopwatch_host.leaktest.gauge import Gauge
from loopwatch_host.leaktest.procedure import DONE, MEASURING, Plan, Procedure

QUICK = Plan(stabilise_least_s=300, stabilise_most_s=600, early_s=900, test_s=900, most_s=1800)


def _rows(n: int, ml_h: float, gauge: Gauge, warming_k_h: float = 0.0, noise_pa: float = 80.0) -> np.ndarray:
    """A loop at 1.5 bar and 25 °C by the ideal gas law, written out: V = V0 + q·t − V_L·β·ΔT, P V / T constant."""
    rng = np.random.default_rng(5)
    t_h = np.arange(n) / 3600
    warmer_k = warming_k_h * t_h
    free_ml = ml_h * t_h - gauge.liquid_ml * 4.2e-4 * warmer_k
    pressure_pa = np.full(n, 150_000.0)
    for _ in range(30):
        # The hoses give way to the pressure: a fixed point.
        volume_ml = gauge.gas_ml + free_ml + gauge.hose_ml_bar * (pressure_pa - 150_000) / 1e5
        pressure_pa = 150_000 * gauge.gas_ml / volume_ml * (298.15 + warmer_k) / 298.15
    rows = np.full((n, 6), np.nan)
    rows[:, 0] = pressure_pa + noise_pa * rng.standard_normal(n)
    rows[:, 1] = rows[:, 0] + 35_000
    rows[:, 2:5] = (25_000 + 1000 * warmer_k)[:, None] + 4 * rng.standard_normal((n, 3))
    return rows


@pytest.mark.parametrize("ml_h", [0.0, 2.0, 10.0, 60.0, -3.0])
def test_the_rate_is_that_of_the_gas_law(ml_h: float) -> None:
    gauge = Gauge(gas_error=0.0)
    found = estimate(_rows(2400, ml_h, gauge), gauge, 1.0, (150_000.0, 25.0))
    assert found is not None
    assert found.rate_ml_h == pytest.approx(ml_h, abs=0.1)
    assert found.interval[0] < ml_h < found.interval[1]


def test_warmth_is_taken_out_and_makes_the_interval_wider() -> None:
    gauge = Gauge(gas_error=0.0)
    still = estimate(_rows(2400, 2.0, gauge), gauge, 1.0, (150_000.0, 25.0))
    warming = estimate(_rows(2400, 2.0, gauge, warming_k_h=0.5), gauge, 1.0, (150_000.0, 25.0))
    assert still is not None and warming is not None
    # Half a kelvin an hour is 0.42 mL/h by the liquid alone.
    assert warming.rate_ml_h == pytest.approx(2.0, abs=0.15)
    assert warming.drift_ml_h == pytest.approx(-0.42, abs=0.1)
    assert warming.sd_ml_h > 1.3 * still.sd_ml_h


def test_an_unsure_gas_volume_makes_the_interval_wider_in_proportion_to_the_rate() -> None:
    halves = []
    for ml_h in (10.0, 60.0):
        sure, unsure = Gauge(gas_error=0.0), Gauge(gas_error=0.1)
        found = estimate(_rows(1200, ml_h, sure), unsure, 1.0, (150_000.0, 25.0))
        assert found is not None
        halves.append((found.interval[1] - found.interval[0]) / 2)
    assert halves[1] == pytest.approx(1.96 * 6.0, rel=0.05)
    assert halves[0] == pytest.approx(1.96 * 1.0, rel=0.15)


def test_a_limit_in_pascal_a_second_is_the_same_limit() -> None:
    gauge = Gauge(2000, 150, 0.0)
    # dP/dt of an isothermal 150 mL at 1.5 bar with 2 mL/bar of hose: P·q / (V + C·P).
    assert gauge.pa_s_of(10.0, 150_000) == pytest.approx(150_000 * (10 / 3600) / (150 + 2 * 1.5))
    assert gauge.ml_h_of(gauge.pa_s_of(7.0, 150_000), 150_000) == pytest.approx(7.0)


def test_a_loop_is_judged_by_a_limit_in_pascal_a_second_at_the_pressure_it_was_filled_to() -> None:
    # 2 mL/h at 1.5 bar in 150 mL and 2 mL/bar: 0.545 Pa/s.
    rows = _rows(4000, 2.0, Gauge())
    verdicts = {}
    for limit_pa_s in (0.2, 1.2):
        procedure = _through(rows, replace(QUICK, limit_pa_s=limit_pa_s))
        assert procedure.result is not None
        verdicts[limit_pa_s] = procedure.result.verdict
        assert procedure.plan.limit_ml_h == pytest.approx(limit_pa_s / 0.545 * 2, rel=0.01)
    assert verdicts == {0.2: "leaking", 1.2: "tight"}


def _through(rows: np.ndarray, plan: Plan = QUICK, gauge: Gauge | None = None) -> Procedure:
    procedure = Procedure(plan, gauge or Gauge())
    for row in rows.tolist():
        procedure.take(row)
    return procedure


def test_the_phases_follow_each_other_and_a_tight_loop_is_tight() -> None:
    procedure = _through(_rows(4000, 0.0, Gauge()))
    assert procedure.phase == DONE
    assert procedure.result is not None
    assert procedure.result.verdict == "tight"
    assert [phase for phase, _, _ in procedure.result.phases] == ["fill", "stabilise", "test"]


def test_temperatures_that_move_are_waited_for() -> None:
    rows = _rows(4000, 0.0, Gauge())
    drifting = 3000 * np.exp(-np.arange(4000) / 250)  # slower than 1.5 K/h from about 840 s on
    rows[:, 2:5] += drifting[:, None]
    procedure = _through(rows, Plan(stabilise_least_s=300, stabilise_most_s=3000))
    assert procedure.result is not None
    (begun,) = [begun for phase, begun, _ in procedure.result.phases if phase == MEASURING]
    assert 700 < begun < 1300


def test_a_gross_leak_ends_the_test_early() -> None:
    procedure = _through(_rows(4000, 100.0, Gauge()), Plan())
    assert procedure.result is not None
    assert procedure.result.verdict == "leaking"
    assert procedure.result.phases[-1][2] < 900


def test_a_pump_that_changes_begins_the_test_anew_and_is_told() -> None:
    rows = _rows(6000, 0.0, Gauge())
    rows[1000:, 1] -= 10_000
    procedure = _through(rows)
    assert procedure.result is not None
    assert procedure.result.verdict == "tight"
    assert ["the pump's speed changed" in note for note in procedure.result.notes] == [True]
    assert procedure.result.phases[-1][1] >= 1000 + QUICK.stabilise_least_s


def test_a_loop_that_is_filled_again_and_again_makes_the_test_void() -> None:
    rows = _rows(8000, 0.0, Gauge())
    for at in range(700, 8000, 700):
        rows[at:, :2] += 4_000
    procedure = _through(rows)
    assert procedure.result is not None
    assert procedure.result.verdict == "void"
    assert "leave the loop alone" in procedure.result.why


def test_a_sensor_without_a_value_is_no_result() -> None:
    rows = _rows(3000, 0.0, Gauge())
    rows[:, 0] = np.nan
    procedure = _through(rows)
    assert procedure.result is not None
    assert procedure.result.verdict == "void"
    assert "mend its sensor" in procedure.result.why


def test_a_rate_at_the_limit_is_undecided_and_never_tight() -> None:
    procedure = _through(_rows(4000, 1.0, Gauge()))
    assert procedure.result is not None
    assert procedure.result.verdict == "undecided"


def test_an_ended_test_judges_nothing() -> None:
    procedure = _through(_rows(500, 60.0, Gauge()))
    procedure.abort("ended by hand")
    assert procedure.result is not None
    assert (procedure.result.verdict, procedure.result.estimate) == ("aborted", None)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("of_family", [False, True])
def test_calibrated_leaks_are_judged_right_on_loops_that_nothing_was_chosen_on(
    of_family: bool, record_property: Callable[[str, object], None]
) -> None:
    n = 12
    rows = campaign.campaign(campaign.held_out(n), Plan(), of_family)
    record_property("table", "\n".join(json.dumps(row) for row in rows))
    # 100 seeds each are `loopwatch leaktest --campaign 100`; of 12, one wrong in each rate is still in the promise.
    assert all(row["right"] >= n - 1 for row in rows)
    # 90 of 100: fewer than 8 of 12 has a chance of 1 in 250 a rate.
    assert all(row["covered"] >= 8 for row in rows)
    assert sum(row["covered"] for row in rows) >= 0.8 * 4 * n


def test_more_noise_than_the_prior_knows_shows_in_the_interval() -> None:
    member = family.default(campaign.held_out(1)[0])
    x, gas_ml = campaign.seconds_of(member, 0.0, 3600)
    gauge = campaign.known(member, gas_ml)
    filled = float(x[:60, 0].mean()), float(x[:60, 4].mean()) / 1000
    calm = estimate(x, gauge, 1.0, filled, 1200)
    rough = x.copy()
    walk = np.cumsum(np.random.default_rng(3).standard_normal(len(x))) * 3.0
    rough[:, 0] += walk - walk[0]
    wild = estimate(rough, gauge, 1.0, filled, 1200)
    assert calm is not None and wild is not None
    assert wild.sd_ml_h > 1.5 * calm.sd_ml_h


@pytest.mark.timeout(400)
def test_a_virtual_board_with_a_leak_is_found_leaking_and_the_figures_hold_together(tmp_path: Path) -> None:
    arguments = ["--target", "vm", "--leak-ml-h", "60", "--seed", "2", "--json", "--samples", str(tmp_path / "s.csv")]
    done = subprocess.run(
        [*COMMAND, "leaktest", *arguments], capture_output=True, text=True, timeout=380, env=_environment()
    )
    assert done.returncode == 1, done.stderr
    said = json.loads(done.stdout)
    assert said["verdict"] == "leaking"
    assert said["interval_ml_h"][0] <= 60 <= said["interval_ml_h"][1]
    assert said["firmware"] and said["board_id"]
    # The same seconds judged again give the same.
    table = np.genfromtxt(tmp_path / "s.csv", delimiter=",", names=True)
    rows = np.column_stack([table[name] for name in (table.dtype.names or ())[1:]])
    procedure = _through(rows, Plan(), Gauge())
    assert procedure.result is not None and procedure.result.estimate is not None
    assert math.isclose(procedure.result.estimate.rate_ml_h, said["rate_ml_h"], rel_tol=0.01)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--target", "vm", "--limit-ml-h", 1, "--limit-pa-s", 0.1], 2, "the same limit twice"),
        (["--target", "serial:/dev/nosuch", "--leak-ml-h", 5], 2, "virtual target only"),
        (["--target", "serial:/dev/nosuch", "--yes"], 3, "/dev/nosuch"),
        (["--target", "vm", "--config", "nosuch.toml"], 2, "cannot be read"),
        (["--target", "moon", "--yes"], 2, "no target"),
    ],
)
def test_what_cannot_be_tested_is_refused_with_a_sentence(arguments: list[object], code: int, words: str) -> None:
    done = _loopwatch("leaktest", *arguments)
    assert done.returncode == code, done.stderr
    assert words in done.stderr


@pytest.mark.timeout(400)
def test_a_commissioned_model_takes_the_warmth_out_and_the_interval_is_narrower() -> None:
    member = family.default(2103)
    way = journey.drawn(member, 1.5)
    log_x = journey.log(journey.begun(member, way), way, 0, int(1.5 * journey.DAY_S))
    made = commission.commissioned(logs.Log(log_x, np.arange(len(log_x)), (1, 2, 3, 4), 0), 2000, 150)
    x, gas_ml = campaign.seconds_of(member, 2.0, 9000)
    halves = []
    for config in (None, made):
        procedure = Procedure(Plan(), campaign.known(member, gas_ml), config)
        for row in x.tolist():
            procedure.take(row)
        assert procedure.result is not None and procedure.result.estimate is not None
        assert procedure.result.verdict == "leaking"
        low, high = procedure.result.estimate.interval
        assert low < 2.0 < high
        halves.append((high - low) / 2)
    assert halves[1] < 0.9 * halves[0]


def test_ctrl_c_ends_a_test_at_once_and_judges_nothing(tmp_path: Path) -> None:
    arguments = ["leaktest", "--target", "vm", "--leak-ml-h", "60", "--json", "--report", str(tmp_path / "test.html")]
    test = subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=_environment()
    )
    assert test.stderr is not None
    while "leak test:" not in test.stderr.readline():
        assert test.poll() is None
    test.send_signal(signal.SIGINT)
    said, _ = test.communicate(timeout=60)
    document = json.loads(said)
    assert test.returncode == 1
    assert (document["verdict"], "rate_ml_h" in document) == ("aborted", False)
    assert "as they were" in document["why"]
    assert "Ended before its time" in (tmp_path / "test.html").read_text()


def _at_pty(board: PtyBoard, *arguments: str) -> subprocess.Popen[str]:
    """The command in front of a board on a pty, heard of by the board: it has been asked who it is."""
    test = subprocess.Popen(
        [*COMMAND, "leaktest", "--target", f"serial:{board.port}", "--yes", "--json", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=_environment(),
    )  # fmt: skip
    end_s = time.monotonic() + 60
    while not any("*IDN?" in command for command in board.commands):
        assert time.monotonic() < end_s and test.poll() is None
        time.sleep(0.05)
    return test


def _send_seconds(board: PtyBoard, rows: np.ndarray, ended: Callable[[], bool]) -> None:
    """Seconds of a loop as a board's mean records, as fast as the cable takes them."""
    for n, row in enumerate(rows.tolist()):
        if ended():
            return
        names = dict(zip(sample.CHANNELS, row, strict=True))
        values = {name: None if math.isnan(value) else round(value) for name, value in names.items()}
        board.send(board.record("M", n, 1000 * n, **values))


def test_a_board_on_a_cable_is_tested_by_its_own_seconds_and_gets_no_order(tmp_path: Path) -> None:
    with PtyBoard(tmp_path) as board:
        board.boot()
        test = _at_pty(board)
        sender = threading.Thread(
            target=_send_seconds, args=(board, _rows(6000, 10.0, Gauge()), lambda: test.poll() is not None), daemon=True
        )
        sender.start()
        said, errors = test.communicate(timeout=60)
        # What is not read any more would hold the sender for ever.
        board.hang_up()
        assert test.returncode == 1, errors
        document = json.loads(said)
        assert document["verdict"] == "leaking"
        assert document["interval_ml_h"][0] < 10 < document["interval_ml_h"][1]
        assert document["board_id"] == f"{board.board_id:016x}"
        assert {command.split(" ", 1)[1] for command in board.commands} == {"*IDN?", "STR ON", "SYST:RUN?"}


def test_a_board_that_is_unplugged_ends_the_test_with_a_sentence(tmp_path: Path) -> None:
    with PtyBoard(tmp_path) as board:
        board.boot()
        test = _at_pty(board)
        _send_seconds(board, _rows(200, 0.0, Gauge()), lambda: False)
        time.sleep(0.5)
        board.hang_up()
        said, _ = test.communicate(timeout=60)
    document = json.loads(said)
    assert (test.returncode, document["verdict"]) == (1, "aborted")
    assert "the board is gone" in document["why"]
