"""The estimate of a leak: rate, loss and time to go, with intervals that hold what they promise, in every engine."""

import subprocess
import sys
from array import array
from pathlib import Path

import numpy as np
import pytest
from strict_int import StrictInt

from loopwatch import bank, estimate, residual
from loopwatch_host import twin
from loopwatch_host.commission import estimates, thresholds

FIRMWARE = Path(residual.__file__).parents[1]
MICROPYTHON = Path(sys.executable).with_name("micropython")
WHITE_UL, WALK_UL = 80.0, 4.7  # of a second; DETECTION section 3
HOUR_S = 3600


def noise(rng, n):
    """A residual without a leak, µL: white noise and a random walk, as DETECTION section 3 has it."""
    return np.cumsum(rng.normal(0, WALK_UL, n)) + rng.normal(0, WHITE_UL, n)


@pytest.fixture(scope="module")
def settings():
    rng = np.random.default_rng(1)
    out = np.zeros((2 * 86_400, residual.OUT_N), np.int32)
    out[:, 0] = np.round(noise(rng, len(out)))
    params = thresholds.made(out, 150_000, 2.0, thresholds.Rule(scheduled=False))
    return params, estimates.parameters(out, params, 500.0)


@twin.compiled
def told(state, params, e_params, r, at, out):
    """Run the bank over r and leave the estimate of second `at`, or of the first alarm when at is 0; the second."""
    row = np.zeros(residual.OUT_N, np.int32)
    picked = np.zeros(bank.PICKED_N, np.int32)
    for i in range(len(r)):
        row[0] = r[i]
        twin.scale(state, params, row)
        alarms = twin.judge(state, params, row[0])
        if (at == 0 and alarms != 0) or (at > 0 and i == at):
            if twin.pick(state, params, picked) < 0:
                return -1
            twin.estimated(picked, e_params, out)
            return i
    return -1


@pytest.mark.parametrize("ml_h", [3.0, 10.0, 60.0, 600.0])
@pytest.mark.parametrize("later", [1, 3])
def test_nineteen_of_twenty_intervals_hold_the_rate_at_the_alarm_and_later(ml_h, later, settings):
    rng = np.random.default_rng([int(ml_h), later])
    params, e_params = settings
    held, rates, lost_held = [], [], []
    start = 6 * HOUR_S + 600
    for _ in range(100):
        n = start + int(min(6 * HOUR_S, 12 * HOUR_S / ml_h) * later)
        clean = noise(rng, n)
        clean[start:] -= ml_h / 3.6 * np.arange(1, n - start + 1)
        r = np.round(clean).astype(np.int32)
        out = np.zeros(estimate.OUT_N, np.int32)
        at = told(twin.bank_state(), params, e_params, r, 0, out)
        if at >= start and later > 1:
            at = told(twin.bank_state(), params, e_params, r, min(start + (at - start + 1) * later, n - 1), out)
        if at < start:
            continue
        low, high = out[estimate.RATE_UL_H + 1], out[estimate.RATE_UL_H + 2]
        held.append(low <= 1000 * ml_h <= high)
        rates.append(out[estimate.RATE_UL_H] / (1000 * ml_h))
        lost_ul = ml_h / 3.6 * (at - start + 1)
        lost_held.append(out[estimate.LOST_UL + 1] <= lost_ul <= out[estimate.LOST_UL + 2])
    assert len(held) >= 95
    assert np.mean(held) >= 0.93
    assert np.mean(lost_held) >= 0.9
    assert np.median(rates) == pytest.approx(1.0, abs=0.3 / later)


def by_equations(age_s, fall_ul, n, k_ul_s, scale, reserve_ul):
    """(rate µL/h, lost µL, s to go) by the module's equations in float64."""
    lag_s = 2**n - 1
    reached = 1 - (1 - 2.0**-n) ** age_s
    rate = (fall_ul - lag_s * k_ul_s / scale * reached) / (age_s - lag_s * reached - 0.25)
    lost = fall_ul + lag_s * rate * reached + rate / 2
    return rate * 3600, lost, (reserve_ul - lost) / rate


@pytest.mark.parametrize(
    ("age_s", "fall_ul", "n", "ml_h", "scale_q10"),
    [(7_200, 2_000, 9, 0.7, 1024), (400, 1_300, 5, 5.0, 700), (60, 900, 3, 24.0, 1024), (4, 6_500, 0, 1800.0, 1024)],
)
def test_rate_loss_and_time_to_go_are_those_of_the_equations(age_s, fall_ul, n, ml_h, scale_q10):
    params, out = np.zeros(estimate.PARAM_N, np.int32), np.zeros(estimate.OUT_N, np.int32)
    params[estimate.RESERVE_UL] = 400_000
    picked = np.array([age_s, fall_ul, n, thresholds.allowance_acc(ml_h), scale_q10, 0, 0], np.int32)
    twin.estimated(picked, params, out)
    rate, lost, left_s = by_equations(age_s, fall_ul, n, ml_h / 3.6, scale_q10 / 1024, 400_000)
    assert out[estimate.RATE_UL_H] == pytest.approx(rate, rel=0.02)
    assert out[estimate.LOST_UL] == pytest.approx(lost, rel=0.02)
    assert out[estimate.DRY_S] == pytest.approx(left_s, rel=0.03)


def test_the_time_to_go_lies_between_the_earliest_and_the_latest_and_may_be_for_ever():
    params, out = np.zeros(estimate.PARAM_N, np.int32), np.zeros(estimate.OUT_N, np.int32)
    params[estimate.RESERVE_UL] = 300_000
    params[estimate.NOISES_UL : estimate.NOISES_UL + estimate.NOISE_N] = 400
    twin.estimated(np.array([3_600, 5_000, 5, 4_551, 1024, 0, 0], np.int32), params, out)
    dry_s, earliest_s, latest_s = out[estimate.DRY_S : estimate.DRY_S + 3].tolist()
    assert earliest_s < dry_s < latest_s < estimate.FOREVER_S
    assert dry_s == pytest.approx(295_000 / 5.0 * 3.6, rel=0.05)
    twin.estimated(np.array([3_600, 300, 5, 4_551, 1024, 0, 0], np.int32), params, out)
    assert out[estimate.DRY_S + 2] == estimate.FOREVER_S
    params[estimate.RESERVE_UL] = 1_000
    twin.estimated(np.array([3_600, 5_000, 5, 4_551, 1024, 0, 0], np.int32), params, out)
    assert out[estimate.DRY_S] == 0


def level_alone(age_s, fall_ul):
    """A bank at scale 1/2 whose level member of 4.5 h is past its limit, and member 0 at this age and fall is not."""
    params, state = thresholds.unlimited(150_000), twin.bank_state()
    params[bank.LIMITS : bank.LIMITS + bank.MEMBER_N] = 500 << 14
    state[bank.SCALES_Q15 : bank.SCALES_Q15 + bank.GROUP_N] = 1 << 14
    state[bank.SCORES + 10] = 600 << 14
    state[bank.SCORES + 11] = 300 << 14
    state[bank.AGES_S] = age_s
    state[bank.SCORES] = 5 << 14 if age_s else 0
    state[bank.ONSETS_UL] = fall_ul
    # A faster member by chance above zero.
    state[bank.AGES_S + 4] = 3
    state[bank.SCORES + 4] = 1 << 14
    picked = np.zeros(bank.PICKED_N, np.int32)
    assert twin.pick(state, params, picked) == 0
    return picked


def test_what_a_level_member_sees_alone_is_told_by_its_score_and_by_what_the_others_do_not_see():
    params, out = np.zeros(estimate.PARAM_N, np.int32), np.zeros(estimate.OUT_N, np.int32)
    params[estimate.RESERVE_UL] = 400_000
    params[estimate.NOISES_UL : estimate.NOISES_UL + estimate.NOISE_N] = 50
    picked = level_alone(0, 0)
    assert picked[bank.PICKED_ALONE] == 1
    assert picked[bank.PICKED_KEPT_UL] == 1200
    twin.estimated(picked, params, out)
    # 0.7 mL/h for a loop twice as restless, four times that at most.
    assert out[:3].tolist() == pytest.approx([1_400, 0, 5_600], rel=0.002)
    assert out[3:6].tolist() == [1_350, 450, 3_000]
    assert out[8] == estimate.FOREVER_S

    # 3 mL in 6 h by the member that dates: the noise is 100 µL, the level trails by 31 s.
    twin.estimated(level_alone(21_600, 3_000), params, out)
    late_ul = 31 * 0.7 / 3.6 * 2
    expected = [(3_000 - late_ul + noise_ul) / 21_569 * 3600 for noise_ul in (0, -100, 100)]
    assert out[:3].tolist() == pytest.approx(expected, rel=0.01)
    assert out[3:6].tolist() == [1_350, 450, 3_000]


def test_a_level_member_widens_the_loss_that_another_has_forgotten():
    params, out = np.zeros(estimate.PARAM_N, np.int32), np.zeros(estimate.OUT_N, np.int32)
    params[estimate.RESERVE_UL] = 400_000
    twin.estimated(np.array([400, 1_000, 0, 0, 1024, 0, 3_000], np.int32), params, out)
    assert out[3:6].tolist() == pytest.approx([1_001, 1_000, 4_500], abs=1)


def test_the_noise_needed_is_what_brings_the_intervals_end_to_the_truth():
    # No lag: 1000 µL in 400 s, between 400.5 and 399 s; twice the noise for a loop twice as restless.
    picked = np.array([[400, 1_000, 0, 0, 1024, 0, 0], [400, 1_000, 0, 0, 512, 0, 0]] * 2, np.int32)
    needed = np.zeros(4)
    estimates._needed_ul(picked, 3600 * np.array([4.0, 4.0, 1.5, 1.5]), needed)
    expected = [399 * 4.0 - 1_000, (399 * 4.0 - 1_000) / 2, 1_000 - 400.5 * 1.5, (1_000 - 400.5 * 1.5) / 2]
    assert needed.tolist() == pytest.approx(expected, abs=1)


def test_a_log_too_short_for_leaks_keeps_the_stray_of_its_residual_and_doubts_it(settings):
    rng = np.random.default_rng(5)
    out = np.zeros((3_000, residual.OUT_N), np.int32)
    out[:, 0] = np.round(noise(rng, len(out)))
    strays = estimates.strays_ul(out[:, 0])
    expected = [round(strays[0]), *(round(3 * stray) for stray in strays[1:])]
    assert estimates.parameters(out, settings[0], 500.0)[estimate.NOISES_UL :].tolist() == expected


def test_a_longer_span_strays_no_less_and_a_walks_stray_grows_with_its_root():
    rng = np.random.default_rng(3)
    strays = estimates.strays_ul(np.round(np.cumsum(rng.normal(0, 10, 400_000))).astype(np.int32))
    assert strays == sorted(strays)
    # 1.96 sigma of a walk; means over an eighth at both ends take a twelfth of the variance off.
    for i in (8, 11):
        assert strays[i] == pytest.approx(1.96 * 10 * np.sqrt(2**i * (1 - 1 / 12)), rel=0.1)


def picks(rng, count):
    """Whatever pick() can leave, and parameters."""
    rows = []
    for _ in range(count):
        rows.append(
            [
                int(2 ** rng.uniform(0, 24)) if rng.random() < 0.9 else 0,
                int(rng.integers(-(2**21), 2**21)) if rng.random() < 0.5 else int(2 ** rng.uniform(0, 20)),
                int(rng.integers(0, 10)),
                int(2 ** rng.uniform(0, 27)),
                int(rng.integers(0, 1025)),
                int(rng.integers(2)),
                int(2 ** rng.uniform(0, 26)) if rng.random() < 0.5 else 0,
            ]
        )
    return rows


def settings_of(rng):
    strays = np.sort(2 ** rng.uniform(0, 21, estimate.NOISE_N)).astype(int)
    return [int(2 ** rng.uniform(4, 30)), *strays.tolist()]


@pytest.mark.parametrize("seed", range(6))
def test_the_estimate_stays_inside_small_integers_and_its_twin_agrees(seed):
    rng = np.random.default_rng(seed)
    params = settings_of(rng)
    for picked in picks(rng, 150):
        strict: list[int] = [StrictInt(0)] * estimate.OUT_N
        estimate.estimate([StrictInt(v) for v in picked], [StrictInt(v) for v in params], strict)
        out = np.zeros(estimate.OUT_N, np.int32)
        twin.estimated(np.array(picked, np.int32), np.array(params, np.int32), out)
        assert strict == out.tolist()


def test_micropython_estimates_the_same_to_the_bit():
    rng = np.random.default_rng(11)
    params, rows = settings_of(rng), picks(rng, 60)
    script = (
        f"import sys\nsys.path[:0] = [{str(FIRMWARE)!r}]\nfrom array import array\nfrom loopwatch import estimate\n"
        f"out = array('i', bytes({4 * estimate.OUT_N}))\nparams = array('i', {params})\n"
        f"for picked in {rows}:\n    estimate.estimate(array('i', picked), params, out)\n    print(*out)\n"
    )
    answer = subprocess.run([str(MICROPYTHON), "-c", script], capture_output=True, text=True, timeout=60)
    assert answer.returncode == 0, answer.stderr
    expected = []
    for picked in rows:
        out = array("i", bytes(4 * estimate.OUT_N))
        estimate.estimate(picked, params, out)
        expected.append(out.tolist())
    assert [[int(v) for v in line.split()] for line in answer.stdout.splitlines()] == expected


def test_the_bank_hands_over_what_the_estimate_takes():
    names = ("AGE_S", "FALL_UL", "LEVEL_SHIFT", "ALLOWANCE", "SCALE_Q10", "ALONE", "KEPT_UL")
    assert [getattr(bank, f"PICKED_{name}") for name in names] == [getattr(estimate, name) for name in names]
    assert bank.PICKED_N == estimate.PICKED_N == len(names)
    # pick() relies on it.
    allowances = [ml_h for ml_h, *_ in thresholds.MEMBERS if ml_h]
    assert allowances == sorted(allowances)
