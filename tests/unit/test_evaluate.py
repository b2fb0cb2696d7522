"""Campaigns: the fast plant is the bench's plant, the bound is the paper's, a campaign goes on where it stopped."""

import json
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from loopwatch import bank, residual
from loopwatch_host import twin
from loopwatch_host.bench import plant
from loopwatch_host.commission import fit, thresholds
from loopwatch_host.evaluate import bound, campaign, family, gaussian, integers, journey, peers, trial
from loopwatch_host.evaluate.poisson import poisson_interval

SMALL = campaign.Plan(days=6.0, onset_n=2, log_days=2.5)


@pytest.mark.parametrize("seed", [1_003, 1_009])
def test_the_compiled_plant_is_the_benchs_plant(seed):
    member = family.drawn(seed)
    way = journey.drawn(member, 0.02)
    way.added[:] = 0
    way.inputs[900:, 1] = 0.0
    way.inputs[400:, 0] = 300.0
    x = journey.log(journey.begun(member, way), way, 0, len(way.inputs))
    load, speed, ambient = (float(value) for value in way.inputs[0])
    loop_run = plant.Plant(member.loop, load, speed, ambient)
    for second, (load, speed, ambient) in enumerate(way.inputs.tolist()):
        loop_run.inputs[:3] = [load, speed, ambient]
        pressures = []
        for _ in range(10):
            loop_run.step()
            pressures.append(loop_run.p_static_pa)
        body_pa = member.sensors.tempco_pa_k * (loop_run.dome_c - 25)
        assert x[second, 0] == pytest.approx(np.mean(pressures) + body_pa, abs=0.6)


def test_a_thermometer_lags_by_its_time_constant_and_reports_its_steps():
    member = family.default(3)
    way = journey.drawn(member, 0.02)
    way.added[:] = 0
    way.inputs[:, 1] = 0.0  # standing coolant keeps its temperature
    run = journey.begun(member, way)
    start_mdegc = 1000 * run.pockets[0]
    run.state[[plant.BLOCK_C, plant.SOURCE_C]] += 10
    x = journey.log(run, way, 0, 1)
    assert x[0, 2] - start_mdegc == pytest.approx(10_000 * -math.expm1(-1 / 12), rel=0.05)
    assert all(value == round(round(value / 7.8125) * 7.8125) for value in x[:, 2].tolist())


def test_the_same_seed_makes_the_same_loop_and_no_seed_is_in_both_parts():
    assert family.drawn(1_000_000) == family.drawn(1_000_000)
    assert family.drawn(1_000_000) != family.drawn(1_000_001)
    assert not set(family.TRAIN) & set(family.HELD_OUT)


def test_the_bound_is_that_of_the_detection_notes():
    # Independent prototype: 94.8 min at 1 mL/h and 107 s at 10 mL/h, one false alarm a year.
    for ml_h, expected_s in ((1.0, 94.8 * 60), (10.0, 107.0)):
        assert bound.delay_s(ml_h / 3.6, 81.0, 22.0, 365 * 86_400) == pytest.approx(expected_s, rel=0.01)


def test_the_reference_loops_ratio_is_to_the_bound_of_the_detection_notes():
    # Section 3, "bound, three sensors"; its three and one second are whole samples.
    for ml_h, expected_s, within in ((1.0, 54 * 60, 0.03), (10.0, 78.0, 0.02), (60.0, 15.0, 0.02), (600.0, 3.0, 0.2)):
        row: dict[str, Any] = {"leak": f"{ml_h:g} mL/h", "mean_pump_on_s": 2 * expected_s}
        campaign._put_ratio(row, 1.0)
        assert row["bound_s"] == pytest.approx(expected_s, rel=within)
        assert row["ratio"] * row["bound_s"] == pytest.approx(2 * expected_s)
    hole: dict[str, Any] = {"leak": "0.8 mm", "mean_pump_on_s": 1.0}
    campaign._put_ratio(hole, 1.0)
    assert hole["ratio"] is None


def test_the_interval_of_a_count_is_garwoods():
    # Tables of the exact Poisson interval: 0 -> 3.69, 1 -> 0.0253..5.57, 10 -> 4.80..18.39.
    for count, low, high in ((0, 0.0, 3.689), (1, 0.0253, 5.572), (10, 4.795, 18.390)):
        assert poisson_interval(count) == pytest.approx((low, high), rel=2e-3)


def test_in_gaussian_noise_the_bank_is_near_the_bound():
    p = gaussian.parameters()
    most = np.zeros((60, bank.MEMBER_N), np.int32)
    gaussian.daily_most(p, 1, 60, gaussian.WHITE_UL, math.sqrt(gaussian.WALK_UL2_S), most)
    # Sixty days can't be stretched to a year: limits for one alarm in ten days, against the bound for that.
    p = gaussian.limited(p, most, 36.5, np.full(bank.MEMBER_N, 1 / bank.MEMBER_N))
    alarms = gaussian.joint_alarms(p, 2, 200, gaussian.WHITE_UL, math.sqrt(gaussian.WALK_UL2_S))
    assert 3 <= alarms <= 34  # 20 if no two members ever alarmed together, plus three standard deviations
    lines = {line.rate_ml_h: line for line in gaussian.table(p, 60, 3, arl_s=10 * 86_400)}
    for ml_h in (10.0, 30.0, 60.0, 180.0):
        assert 0.85 < lines[ml_h].ratio < 1.3


def test_a_peer_acts_on_what_its_name_says():
    state, statistic = np.zeros(peers.STATE_N), np.zeros(3)
    for second in range(4_000):
        peers.step(state, 150_000.0 - 0.5 * second, -0.2 * second, statistic)
    assert statistic[1] == pytest.approx(0.5 * 600, rel=0.01)  # Pa in ten minutes
    assert statistic[0] == pytest.approx(150_000 - 0.5 * 4_000, abs=20)
    # A ramp's averages trail it by their time constants, once settled: here the day's has only begun.
    short, long = (0.2 * tau * math.expm1(-4_000 / tau) + 0.2 * 4_000 for tau in (600, 86_400))
    assert statistic[2] == pytest.approx(short - long, rel=0.02)


def test_a_peers_limit_is_what_its_log_says_of_the_budget_and_an_alarm_that_stands_counts_once():
    worst = np.random.default_rng(3).exponential(40.0, 60 * 24)
    for alarms_per_year in (1.0, 12.0):
        # P(an hour's worst > h) = exp(-h / 40), 8760 hours a year.
        expected = 40.0 * math.log(8_760 / alarms_per_year)
        found = np.mean([peers.tail(part, alarms_per_year) for part in np.split(worst, 4)])
        assert found == pytest.approx(expected, rel=0.15)
    assert peers.tail(np.array([1.0, 1.0, 9.0]), 1e6) == 9.0

    pressures = np.full(20_000, 150_000.0)
    pressures[2_000:4_000] = pressures[5_000:5_100] = pressures[12_000:13_000] = 140_000.0
    x = np.zeros((len(pressures), 6), np.int32)
    x[:, 0], x[:, 2:5] = pressures, 25_000
    params = fit.parameters(fit.shape_of(x, 150_000))
    counts, quiet_s = np.zeros(3, np.int32), np.full(3, trial.PEER_QUIET_S, np.int32)
    limit = np.array([145_000.0, np.inf, np.inf])
    trial.follow(np.zeros(peers.STATE_N), x, twin.residual_state(), params, limit, quiet_s, counts)
    assert counts.tolist() == [2, 0, 0]


def test_a_campaign_goes_on_where_it_stopped_and_refuses_another_plan(tmp_path):
    seeds = [1_000, 1_001]
    seen = []
    first = campaign.run(tmp_path, seeds[:1], SMALL, campaign.here(1), lambda done, of: None)
    both = campaign.run(tmp_path, seeds, SMALL, campaign.here(1), lambda done, of: seen.append((done, of)))
    assert seen == [(1, 2), (2, 2)]
    assert both[0] == json.loads(json.dumps(first[0]))
    table = campaign.table(both, 1.0)
    assert table["loops"] == 2
    assert [row["onsets"] for row in table["rates"]] == [4] * len(trial.leaks())
    assert table["false_alarms"]["years"] == pytest.approx(2 * 3.5 / 365)
    with pytest.raises(ValueError, match="another plan"):
        campaign.run(tmp_path, seeds, campaign.Plan(days=7.0), campaign.here(1), lambda done, of: None)


def test_the_command_goes_on_from_a_seed_and_refuses_one_of_the_other_part(tmp_path):
    def evaluate(*words):
        command = [sys.executable, "-c", "from loopwatch_host.cli import main; main()", "evaluate", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)

    plan = campaign.Plan(days=6.0, onset_n=0, log_days=2.5)
    campaign.run(tmp_path / "kept", [1_000_007], plan, campaign.here(1), lambda done, of: None)
    known = ("--days", "6", "--log-days", "2.5", "--onsets", "0", "--folder", "kept", "--loops", "1", "--json")
    answer = evaluate("--part", "train", "--from-seed", "1000007", *known)
    assert answer.returncode != 0
    assert "not all train" in json.loads(answer.stdout)["error"]
    answer = evaluate("--from-seed", "1000007", *known)
    assert answer.returncode == 0, answer.stderr
    told = json.loads(answer.stdout)
    assert (told["part"], told["loops"], told["rates"]) == ("held-out", 1, [])


def test_a_leak_tried_meets_the_weather_of_the_leak_free_run():
    outcome = trial.Trial(family.drawn(1_002), 5.0, 2.5, thresholds.rule_for(2.5), with_peers=True).run(2)
    assert set(outcome.delays) == {name for name, *_ in trial.leaks()}
    slow, fast = (np.nanmean([row[0] for row in outcome.delays[name]]) for name in ("60 mL/h", "6000 mL/h"))
    assert fast < slow
    assert outcome.peers[peers.NAMES[0]]["6000 mL/h"][0] > 1
    for delay_s, lost_ml, *_ in outcome.delays["600 mL/h"]:
        assert lost_ml == pytest.approx(600 * delay_s / 3600, rel=0.02)


def test_the_tables_fit_the_layout_of_the_kernels_memory():
    # Twelve holds, four groups: the layout that commissioning and the kernel share.
    assert len(bank.HOLDS) == bank.HOLD_N
    assert len(thresholds.MEMBERS) == bank.MEMBER_N
    assert len(residual.AVERAGES) == residual.AVERAGE_N
    assert residual.AVERAGE_N + residual.TANK_N == residual.FEATURE_N


def summed(values: list[int]) -> int:
    """A kernel's like for the test below."""
    total = 0
    for i in range(len(values)):
        total = total + (values[i] << 4) - 7
    return total >> 3


def test_the_largest_intermediate_is_noted_wherever_it_stands():
    peak = np.zeros(1, np.int64)
    values = np.array([3, 100, -90], np.int32)
    assert integers.noted(summed)(values, peak) == summed(values.tolist())
    # By hand: 48, 41, then 1600, 1641, 1634, then -1440 and down to 187.
    assert peak[0] == 1641


def test_a_delay_counts_as_within_a_second_or_a_percent_of_a_slow_one_and_one_seen_alone_does_not():
    made = {"peak_part": 0.5, "scores_apart": [0.003, -0.004], "residual_rms_ul": 0.1, "residual_max_ul": 1.0}
    made["flow_apart_percent"] = -0.1
    one = {**made, "delays": {"10 mL/h": [(11, 10), (12, 10), (505, 500), (506, 500), (0, 90), (0, 0)]}}
    two = {**made, "delays": {"10 mL/h": [(100, 100)]}}
    answer = integers.table([one, two])
    (row,) = answer["rates"]
    # By hand: 12 is two seconds off, 506 more than a percent, and nobody saw the last of the first loop.
    assert (row["onsets"], row["within"], row["differ"], row["seen_by_one_only"]) == (7, 4, 5, 1)
    assert (answer["onsets"], answer["within"], answer["most_apart_s"]) == (7, 4, 6)
    assert answer["score_rms_part"] == pytest.approx(12.5e-6**0.5)
    assert answer["score_most_part"] == pytest.approx(0.004)


def test_the_boards_integers_see_what_float64_sees_and_stay_inside():
    found = [integers.compared(family.drawn(seed), 1.8, 1.2, 4) for seed in (1_003, 1_005)]
    answer = integers.table(found)
    assert 0.1 < answer["peak_part"] < 1
    # A fraction cut where a score adds it up makes 1 to 3 µL of it, in a mean that is floored 30 to 500.
    assert answer["residual_rms_ul"] < 0.5
    assert answer["residual_max_ul"] < 4
    assert 0 < answer["score_rms_part"] < 0.002
    assert answer["within"] == answer["onsets"] == 40
    assert answer["most_apart_s"] <= 10
    assert 0 < abs(answer["flow_apart_percent"]) < 0.5
    for row in answer["rates"]:
        assert row["onsets"] == 8
        assert row["seen_by_one_only"] == 0
        # A second, or a percent of a slow one.
        assert row["within"] == 8
        assert row["mean_board_s"] == pytest.approx(row["mean_float_s"], rel=0.003, abs=0.3)
