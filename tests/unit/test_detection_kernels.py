"""The detector's kernels: one source, the same to the bit in every engine, always inside ±2**30."""

import subprocess
import sys
from array import array
from pathlib import Path

import numpy as np
import pytest
from kernel_vectors import STOOD_S, run
from strict_int import StrictInt

from loopwatch import bank, residual
from loopwatch_host import twin
from loopwatch_host.commission import fit, thresholds

FIRMWARE = Path(residual.__file__).parents[1]
MICROPYTHON = Path(sys.executable).with_name("micropython")
EXTREMES = (-(2**31), -(2**30), -1_000_000, -256_000, 0, 1, 500_000, 2_000_000, 2**30, 2**31 - 1)


def parameters(rng):
    """Parameters as commissioning makes them, for any loop, with weights as large as it allows."""
    shape = fit.Shape(
        gas_ul=int(np.exp(rng.uniform(np.log(5_000), np.log(4_000_000)))),
        p0_pa=int(rng.uniform(60_000, 1_800_000)),
        head_pa=float(rng.choice([0.0, rng.uniform(600, 250_000)])),
        gas_c=float(rng.uniform(-20, 90)),
        curve_k=float(rng.choice(fit.CURVES_K)),
        gas_tau_s=float(rng.choice(fit.GAS_TAUS_S)),
        standing_flow_q8=int(rng.choice(fit.STANDING_FLOWS_Q8)),
    )
    weights = rng.normal(0, 10 ** rng.uniform(-3, 2.3), residual.FEATURE_N)
    swing_ul = float(rng.choice([0.0, np.exp(rng.uniform(np.log(10), np.log(500_000)))]))
    r_params = fit.parameters(shape, fit.Fit(weights, float(rng.normal(0, 1e5)), swing_ul))
    low = rng.integers(-5_000, 5_000, 3)
    r_params[residual.REACH_LOW : residual.REACH_GAIN] = [*low, *(low + rng.integers(0, 2_000, 3))]
    r_params[residual.REACH_GAIN :] = [rng.integers(0, 2**14), rng.integers(0, 60), rng.integers(0, 2**14)]
    b_params = thresholds.unlimited(shape.gas_ul)
    b_params[bank.HOLD_WEIGHTS : bank.GROUPS] = rng.integers(0, 16_384, bank.GROUP_N * bank.HOLD_N)
    b_params[bank.LIMITS : bank.LIMITS + bank.MEMBER_N] = rng.integers(1, 2**22, bank.MEMBER_N)
    return r_params, b_params


def lively(rng, n):
    """Channels of a loop whose pump and load change, with noise; Pa and m°C."""
    x = np.zeros((n, 6), np.int32)
    warm = 8_000 * np.sin(np.arange(n) / 90 + rng.uniform(0, 6))
    on = np.sin(np.arange(n) / 40) > -0.7
    x[:, 0] = 150_000 + warm * 2 + rng.normal(0, 90, n) - np.arange(n) * rng.uniform(0, 60)
    x[:, 1] = x[:, 0] + on * rng.uniform(8_000, 60_000) + rng.normal(0, 90, n)
    for i in range(2, 5):
        x[:, i] = 30_000 + warm / (i - 1) + rng.normal(0, 5, n)
    return x


def wild(rng, n):
    """Any numbers at all, jumping between the ends of int32."""
    x = rng.integers(-2_000_000, 2_000_000, (n, 6)).astype(np.int64)
    extreme = rng.random((n, 6)) < 0.4
    x[extreme] = rng.choice(EXTREMES, int(extreme.sum()))
    held = rng.random(n) < 0.6
    for i in range(1, n):
        if held[i]:
            x[i] = x[i - 1]
    return np.clip(x, -(2**28), 2**28).astype(np.int32)


def vectors(kind, seed, n=400):
    rng = np.random.default_rng([seed, len(kind)])
    return {"lively": lively, "wild": wild}[kind](rng, n), *parameters(rng)


def compiled(x, r_params, b_params):
    """The same as kernel_vectors.run, by the compiled twin."""
    r_state, b_state = twin.residual_state(), twin.bank_state()
    b_state[bank.STARTED] = bank.SETTLED_S
    out = np.zeros(residual.OUT_N, np.int32)
    results = []
    for i, row in enumerate(x):
        twin.take(r_state, r_params, row)
        twin.gas(r_state, r_params, row)
        results.append(twin.weigh(r_state, r_params, out))
        twin.scale(b_state, b_params, out)
        results.append(twin.judge(b_state, b_params, out[0]))
        if i % 16 == 15:
            results += [*out.tolist(), *r_state.tolist(), *b_state.tolist()]
            r_state[residual.OFF_S] = STOOD_S
    return results


def plain(x, r_params, b_params, number=int):
    rows = [[number(v) for v in row] for row in x.tolist()]
    return run(rows, [number(v) for v in r_params.tolist()], [number(v) for v in b_params.tolist()], number)


@pytest.mark.parametrize("kind", ["lively", "wild"])
@pytest.mark.parametrize("seed", range(12))
def test_no_value_leaves_the_boards_small_integers_and_the_twin_agrees_to_the_bit(kind, seed):
    x, r_params, b_params = vectors(kind, seed)
    assert plain(x, r_params, b_params, StrictInt) == compiled(x, r_params, b_params)


def test_the_vectors_let_the_pump_stand_long_enough_to_find_the_heads_zero():
    place = 2 * 16 + residual.OUT_N + residual.HEAD_ZERO_ACC  # of the first state
    every = 2 * 16 + residual.OUT_N + residual.STATE_N + bank.STATE_N
    for kind in ("lively", "wild"):
        found = [compiled(*vectors(kind, seed))[place::every] for seed in range(12)]
        assert sum(any(zeros) for zeros in found) >= 4


@pytest.mark.parametrize("sign", [-1, 1])
def test_the_largest_liquid_at_the_largest_scale_stays_inside_small_integers(sign):
    nothing = fit.Fit(np.zeros(residual.FEATURE_N), 0.0)
    params, state = fit.parameters(fit.Shape(150_000, 150_000, 35_000.0, 30.0), nothing), twin.residual_state()
    params[residual.C0_SUM], params[residual.SUM_SHIFT] = sign * (2**30 - 1), 0
    state[residual.SCALE_ACC] = -residual.SCALE_MAX_ACC
    words: list[int] = [StrictInt(v) for v in params.tolist()]
    out: list[int] = [StrictInt(0)] * residual.OUT_N
    residual_ul = residual.weigh([StrictInt(v) for v in state.tolist()], words, out)
    # Half of the liquid more than itself, held to a litre.
    assert residual_ul == sign * 2**20


ON_MICROPYTHON = """
import sys
sys.path[:0] = {paths!r}
from array import array
from kernel_vectors import run
def ints(file, n):
    block = array("i", bytes(4 * n))
    file.readinto(block)
    return block
with open({given!r}, "rb") as file:
    n = ints(file, 1)[0]
    x = [ints(file, 6) for _ in range(n)]
    r_params = ints(file, {r_n})
    b_params = ints(file, {b_n})
for value in run(x, r_params, b_params):
    print(value)
"""


@pytest.mark.parametrize("kind", ["lively", "wild"])
@pytest.mark.parametrize("seed", range(3))
def test_micropython_agrees_with_the_twin_to_the_bit(kind, seed, tmp_path):
    x, r_params, b_params = vectors(kind, seed)
    given = tmp_path / "vectors"
    given.write_bytes(array("i", [len(x)]).tobytes() + x.tobytes() + r_params.tobytes() + b_params.tobytes())
    paths = [str(FIRMWARE), str(Path(__file__).parent)]
    script = ON_MICROPYTHON.format(paths=paths, given=str(given), r_n=residual.PARAM_N, b_n=bank.PARAM_N)
    answer = subprocess.run([str(MICROPYTHON), "-c", script], capture_output=True, text=True, timeout=60)
    assert answer.returncode == 0, answer.stderr
    assert [int(line) for line in answer.stdout.split()] == compiled(x, r_params, b_params)


def fallen(rng, n):
    """A residual with noise and wander that falls from its middle on, µL."""
    r = np.cumsum(rng.normal(0, 4, n)) + rng.normal(0, 60, n)
    r[n // 2 :] -= 3.0 * np.arange(n - n // 2)
    return np.round(r).astype(np.int32)


def float_scores(r, drives, b_params):
    """Every member's score each second in float64: DETECTION sections 3, 7 and 8, written apart."""
    rows, groups = [], range(bank.GROUP_N)
    level, score = np.full(bank.MEMBER_N, float(r[0])), np.zeros(bank.MEMBER_N)
    held, slow = np.zeros(bank.HOLD_N), float(r[0])
    gas_ul = 2**24 / b_params[bank.AGE_GAIN]
    weights = b_params[bank.HOLD_WEIGHTS : bank.GROUPS].reshape(bank.GROUP_N, bank.HOLD_N) / 65_536
    n, m, k, which = (
        b_params[at : at + bank.MEMBER_N].astype(float)
        for at in (bank.LEVEL_SHIFTS, bank.LEAK_SHIFTS, bank.ALLOWANCES, bank.GROUPS)
    )
    for value, moving in zip(r.astype(float), drives.astype(float), strict=True):
        slow += (value - slow) / 2**14
        age = min(max(1.0, (gas_ul - slow) / gas_ul), 2.83) ** 2
        for i, (drive, shift) in enumerate(bank.HOLDS):
            held[i] = max(held[i] * (1 - 2.0**-shift), moving[drive] / 2**17)
        v = [min((1 + float(weights[g] @ held)) ** 2, 8.0) for g in groups]
        beyond = (1 + moving[residual.DRIVE_BEYOND] / 4096) ** 2
        v = [each * far for each, far in zip(v, (1, beyond, beyond, beyond), strict=True)]
        e = (value - level) / 2**n
        level += e
        divisor = np.array([age * v[int(g)] for g in which])
        score = np.maximum(0.0, score * (1 - 2.0**-m) - e / divisor - k / 2**14)
        rows.append(score.copy())
    return np.array(rows)


@pytest.mark.parametrize("seed", range(4))
def test_the_banks_scores_are_those_of_the_float64_recursion(seed):
    rng = np.random.default_rng([seed, 9])
    b_params = thresholds.unlimited(150_000)
    b_params[bank.HOLD_WEIGHTS : bank.GROUPS] = rng.integers(0, 60, bank.GROUP_N * bank.HOLD_N)
    out = np.zeros((4_000, residual.OUT_N), np.int32)
    out[:, 0] = fallen(rng, len(out))
    out[1:, 1:7] = (300 << 17) * (rng.random((len(out) - 1, 6)) < 0.002)
    out[2_000:, residual.DRIVE_BEYOND] = np.linspace(0, residual.BEYOND_MAX, 2_000)
    expected = float_scores(out[:, 0], out, b_params)
    state = twin.bank_state()
    for _ in range(bank.SETTLED_S):  # nothing counts before
        twin.scale(state, b_params, out[0])
        twin.judge(state, b_params, out[0, 0])
    got = []
    for row in out:
        twin.scale(state, b_params, row)
        twin.judge(state, b_params, row[0])
        got.append(state[bank.SCORES : bank.SCORES + bank.MEMBER_N] / 2**14)
    assert expected.max() > 500
    assert np.array(got) == pytest.approx(expected, rel=0.003, abs=1)


@pytest.mark.parametrize("gas_ul", [40_000, 150_000, 800_000])
@pytest.mark.parametrize("p_pa", [100_000, 140_000, 160_000, 220_000])
def test_the_gas_kernel_is_the_ideal_gas_law(gas_ul, p_pa):
    shape = fit.Shape(gas_ul, 150_000, 35_000.0, 30.0)
    params, state = fit.parameters(shape), twin.residual_state()
    x = np.array([p_pa, p_pa + 35_000, 30_000, 30_000, 36_000, 0], np.int32)
    for _ in range(3):
        twin.take(state, params, x)
        gain_ul = twin.gas(state, params, x)
    expected_ul = gas_ul * (150_000 / p_pa * (273.15 + 36) / (273.15 + 30) - 1)
    assert gain_ul == pytest.approx(expected_ul, rel=1e-3, abs=gas_ul * 3e-5 + 2)


@pytest.mark.parametrize("p_pa", [150_000, 105_000])
def test_a_gas_pressed_at_once_is_adiabatic_and_then_takes_the_walls_temperature(p_pa):
    shape = fit.Shape(150_000, 150_000, 35_000.0, 30.0, gas_tau_s=40.0)
    params, state = fit.parameters(shape), twin.residual_state()
    x = np.array([p_pa, p_pa + 35_000, 30_000, 30_000, 30_000, 0], np.int32)
    for _ in range(5):
        twin.take(state, params, x)
        before_ul = twin.gas(state, params, x)
    x[0] = p_pa * 11 // 10
    twin.take(state, params, x)
    at_once_ul = twin.gas(state, params, x) - before_ul
    for _ in range(600):
        twin.take(state, params, x)
        later_ul = twin.gas(state, params, x) - before_ul
    # P V**1.4 and P V constant; the observer is linear in dP, which costs a percent of a tenth.
    gas_ul = 150_000 * 150_000 / p_pa
    assert at_once_ul == pytest.approx(gas_ul * (1.1 ** (-1 / 1.4) - 1), rel=0.04)
    assert later_ul == pytest.approx(gas_ul * (1 / 1.1 - 1), rel=0.01)


def swinging(days, part, lost_ul):
    """Seconds of a loop of 150 mL gas at 1.5 bar whose liquid takes `part` of what dome_model() says, and a loss.

    The dome swings by 6 K daily and 2 K in 3 h; lost_ul of every second. Written by the gas law, without noise.
    """
    t_s = np.arange(int(days * 86_400))
    dome_k = 6 * np.sin(t_s * 2 * np.pi / 86_400) + 2 * np.sin(t_s * 2 * np.pi / 10_800)
    gain = (-part * 900.0 * dome_k + lost_ul) / 150_000
    x = np.zeros((len(t_s), 6), np.int32)
    x[:, 0] = np.round(150_000 * (1 + dome_k / 303.15) / (1 + gain))
    x[:, 1] = x[:, 0] + 35_000
    x[:, 2:5] = np.round(30_000 + 1000 * dome_k)[:, None]
    return x


def dome_model():
    """Parameters of a loop whose liquid expands by 900 µL/K of the dome, as it is this second; gas follows at once."""
    shape = fit.Shape(150_000, 150_000, 35_000.0, 30.0, curve_k=0.0, gas_tau_s=1.0)
    weights = np.zeros(residual.FEATURE_N)
    weights[residual.DOME_0] = -900 / 512
    return fit.parameters(shape, fit.Fit(weights, 900.0 * 5, 900 * np.hypot(6, 2) / np.sqrt(2)))


def test_a_liquid_that_expands_less_than_at_commissioning_is_followed_within_weeks():
    params, state = dome_model(), twin.residual_state()
    x = swinging(25, 0.88, 0.0)
    out = np.zeros((len(x), residual.OUT_N), np.int32)
    twin.residuals(state, params, x, out)
    swings = out[:, 0].reshape(25, -1).std(1)
    # 12 % of 900 µL/K times rms 4.5 K are 480 µL; a time constant of six days leaves a fiftieth after 24.
    assert swings[0] == pytest.approx(480, rel=0.2)
    assert swings[-1] < 0.15 * swings[0]
    assert state[residual.SCALE_ACC] / 2**29 == pytest.approx(0.12, abs=0.015)


def drifted(days, apart_pa, stop_s=1_800):
    """The dome's loop with its pump stopped twice a day for stop_s, p_pump drifting off by apart_pa at the end."""
    x = swinging(days, 1.0, 0.0)
    standing = np.arange(len(x)) % 43_200 >= 43_200 - stop_s
    x[standing, 1] -= 35_000
    x[:, 1] += np.round(np.linspace(0, apart_pa, len(x))).astype(np.int32)
    return x, standing


@pytest.mark.parametrize("apart_pa", [6_000, -6_000])
def test_pressure_transducers_that_drift_apart_hide_no_stop_of_the_pump_and_no_running_one(apart_pa):
    params, state = dome_model(), twin.residual_state()
    x, standing = drifted(30, apart_pa)
    assert params[residual.OFF_BELOW] / 4096 * 35_000 < abs(apart_pa)  # what tells a stop from a run
    off, out = np.zeros(len(x), bool), np.zeros(residual.OUT_N, np.int32)
    for i, row in enumerate(x):
        off[i] = twin.take(state, params, row)
        twin.weigh(state, params, out)
    # The head is averaged over seconds, and a filling hose looks like a stop for some.
    assert np.abs(off.astype(int) - standing).reshape(-1, 43_200).sum(1).max() <= 12
    assert state[residual.HEAD_ZERO_ACC] / 4096 == pytest.approx(apart_pa, abs=500)


@pytest.mark.parametrize("head_pa", [5_000, 35_000])
def test_a_pump_that_runs_is_seen_to_run_whatever_a_dead_transducer_showed_before(head_pa):
    params = fit.parameters(fit.Shape(150_000, 150_000, float(head_pa), 30.0))
    state, out = twin.residual_state(), np.zeros(residual.OUT_N, np.int32)
    row = np.array([150_000, 150_000 + head_pa, 30_000, 30_000, 30_000, 0], np.int32)
    for p_pump_pa in (150_000 + round(0.07 * head_pa), 100_000):
        dead = row.copy()
        dead[1] = p_pump_pa
        for _ in range(20_000):
            twin.take(state, params, dead)
            twin.weigh(state, params, out)
        assert abs(state[residual.HEAD_ZERO_ACC]) / 4096 <= 0.2501 * head_pa
    for _ in range(10):
        off = twin.take(state, params, row)
    assert off == 0
    state[residual.HEAD_ZERO_ACC] = round(0.25 * head_pa) << 12
    slow = row.copy()
    slow[1] = 150_000 + round(0.36 * head_pa)
    for _ in range(60):
        off = twin.take(state, params, slow)
    assert off == 0


@pytest.mark.parametrize("hours", [2, 24])
def test_what_is_lost_is_not_taken_for_expansion_that_changed(hours):
    params, state = dome_model(), twin.residual_state()
    t_s = np.arange(8 * 86_400)
    x = swinging(8, 1.0, np.clip(t_s - 6 * 86_400, 0, hours * 3600) / (hours * 3600) * 5_000)
    out = np.zeros((len(x), residual.OUT_N), np.int32)
    twin.residuals(state, params, x, out)
    over = 6 * 86_400 + hours * 3600
    # The same phase of the day and of the load before and after.
    assert out[over - 86_400 * (over // 86_400 - 5), 0] - out[over, 0] == pytest.approx(5_000, rel=0.05)


def test_nothing_counts_as_evidence_while_the_lags_fill():
    params, state = thresholds.unlimited(150_000), twin.bank_state()
    row = np.zeros(residual.OUT_N, np.int32)
    first: dict[int, int] = {}
    for second in range(1, 30_000):
        # 900 mL/h for a quarter of an hour, then 72: each group's first member answers to it.
        row[0] = -250 * min(second, 1_000) - 20 * max(second - 1_000, 0)
        twin.scale(state, params, row)
        twin.judge(state, params, row[0])
        for i, (_, _, group, _) in enumerate(thresholds.MEMBERS):
            if state[bank.SCORES + i] > 0:
                first.setdefault(group, second)
    assert first == {0: 100, 1: 600, 2: 3_600, 3: 21_600}


def test_the_flow_clock_stands_while_the_pump_does_and_runs_with_the_root_of_its_head():
    shape = fit.Shape(150_000, 150_000, 36_000.0, 30.0, standing_flow_q8=0)
    params = fit.parameters(shape)
    tank = residual.AVERAGE_N + 4  # time constant 64 s of full flow

    def share_after(head_pa, seconds):
        state = twin.residual_state()
        x = np.array([150_000, 150_000 + head_pa, 25_000, 25_000, 25_000, 0], np.int32)
        for _ in range(40):
            twin.take(state, params, x)
        x[3] = 35_000
        for _ in range(seconds):
            off = twin.take(state, params, x)
        return off, state[tank] / state[residual.RADIATOR_0]

    for head_pa, speed in ((36_000, 1.0), (9_000, 0.5)):
        off, share = share_after(head_pa, 60)
        assert not off
        assert share == pytest.approx(1 - (1 - 1 / 64) ** (60 * speed), abs=0.02)
    assert share_after(1_000, 60) == (1, 0.0)


def test_while_the_pump_stands_the_tanks_observers_go_with_the_dome():
    params = fit.parameters(fit.Shape(150_000, 150_000, 36_000.0, 30.0, standing_flow_q8=0))
    state = twin.residual_state()
    x = np.array([150_000, 150_000, 25_000, 25_000, 25_000, 0], np.int32)
    for _ in range(40):
        twin.take(state, params, x)
    x[4] = 26_000
    for _ in range(400):
        twin.take(state, params, x)
    assert state[residual.AVERAGE_N] / 2**13 / 512 == pytest.approx(312 / 256, rel=0.03)
