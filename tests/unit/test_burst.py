"""The 10 Hz burst path: a hole at once, a pump's start never, the same to the bit in every engine."""

import numpy as np
import numpy.typing as npt
import pytest
from strict_int import StrictInt

from loopwatch import burst
from loopwatch_host import twin
from loopwatch_host.bench import plant
from loopwatch_host.commission import bursts, fit

NOISE_PA = 250.0
SHAPE = fit.Shape(gas_ul=150_000, p0_pa=150_000, head_pa=35_000, gas_c=30)
# By hand: 1 mL/bar of discharge hose against 150 mL of gas, adiabatic at 1.5 bar, and 2 mL/bar of other hoses.
HOSE = 1.0 / (150 / (1.4 * 1.5) + 2.0)


def samples(loop_run, rng, n):
    """n samples, 10 Hz, of a plant under way with noise on both pressures."""
    rows = np.zeros((n, 6), np.int32)
    for i in range(n):
        loop_run.step()
        rows[i, 0] = round(loop_run.p_static_pa + rng.normal(0, NOISE_PA))
        rows[i, 1] = round(loop_run.p_pump_pa + rng.normal(0, NOISE_PA))
    return rows


def first_alarm_s(rows, params, state):
    for i, row in enumerate(rows):
        if twin.burst_step(state, params, row):
            return (i + 1) / 10
    return None


@pytest.mark.parametrize(("hole_mm", "within_s"), [(0.8, 1.0), (1.5, 0.4)])
def test_a_hole_is_seen_within_a_second_wherever_in_the_second_it_opens(hole_mm, within_s):
    rng = np.random.default_rng(4)
    params = bursts.parameters(SHAPE, NOISE_PA, 2.0, HOSE)
    delays = []
    for _ in range(20):
        loop_run, state = plant.Plant(plant.LoopParams()), np.zeros(burst.STATE_N, np.int32)
        assert first_alarm_s(samples(loop_run, rng, int(rng.integers(80, 120))), params, state) is None
        loop_run.leak(hole_mm=hole_mm)
        delays.append(first_alarm_s(samples(loop_run, rng, 50), params, state))
    assert all(delays)
    assert np.percentile(delays, 95) <= within_s


def test_starts_and_stops_of_the_pump_and_load_steps_are_no_burst():
    rng = np.random.default_rng(5)
    params = bursts.parameters(SHAPE, NOISE_PA, 2.0, HOSE)
    loop_run, state = plant.Plant(plant.LoopParams()), np.zeros(burst.STATE_N, np.int32)
    for turn in range(30):
        loop_run.inputs[plant.PUMP_SPEED] = (0.0, 1.0, 0.6)[turn % 3]
        loop_run.inputs[plant.LOAD_W] = (300.0, 40.0)[turn % 2]
        assert first_alarm_s(samples(loop_run, rng, 300), params, state) is None


@pytest.mark.parametrize("seed", range(6))
def test_the_burst_kernel_stays_inside_small_integers_and_its_twin_agrees(seed):
    rng = np.random.default_rng(seed)
    params = bursts.parameters(SHAPE, NOISE_PA * (seed + 1), 2.0 * (seed + 1), seed / 6)
    rows = rng.integers(-(2**28), 2**28, (400, 6)).astype(np.int32)
    rows[::2] = rows[1::2] % 2_000_000
    state = np.zeros(burst.STATE_N, np.int32)
    strict: list[int] = [StrictInt(0)] * burst.STATE_N
    strict_params: list[int] = [StrictInt(v) for v in params.tolist()]
    for row in rows:
        alarms = burst.step(strict, strict_params, [StrictInt(v) for v in row.tolist()])
        assert alarms == twin.burst_step(state, params, row)
        assert strict == state.tolist()
    assert strict[burst.SCORES] > 0 or max(strict[burst.SCORES :]) > 0


@pytest.mark.parametrize("high", [True, False], ids=["up", "down"])
def test_a_spike_is_no_burst_whatever_its_size_however_often_it_comes(high):
    params = bursts.parameters(SHAPE, NOISE_PA, 2.0, HOSE)
    rows = np.full((400, 6), 150_000, np.int32)
    rows[:, 1] = 185_000
    rows[100, 0] += 1_000_000 if high else -140_000
    rows[200::20, 0] += 1_000_000 if high else -140_000
    assert first_alarm_s(rows, params, np.zeros(burst.STATE_N, np.int32)) is None
    rows[300:, 0] = 140_000  # 10 mL at once
    assert first_alarm_s(rows, params, np.zeros(burst.STATE_N, np.int32)) == pytest.approx(30.3)


def test_the_limit_is_what_the_tail_of_the_noise_passes_as_seldom_as_was_said():
    rng = np.random.default_rng(7)
    most = rng.exponential(1_000.0, 20_000)
    # An exponential is known: one block in n passes 1000 ln n.
    once_in_n = 365 * 24 * 36 / bursts.ALARMS_PER_YEAR  # blocks of 100 s
    assert bursts.tail(most) == pytest.approx(1_000 * np.log(once_in_n), rel=0.05)


def test_noise_is_measured_in_the_log_robustly():
    rng = np.random.default_rng(6)
    x = np.zeros((20_000, 6), np.int32)
    # A second is the mean of ten samples without the four outer ones.
    draws = np.sort(rng.normal(0, NOISE_PA, (len(x), 10)), axis=1)[:, 2:8].mean(1)
    x[:, 0] = np.round(150_000 + 3_000 * np.sin(np.arange(len(x)) / 700) + draws)
    assert bursts.white_pa(x) == pytest.approx(NOISE_PA, rel=0.05)


def test_what_the_discharge_hose_takes_is_found_in_the_starts_of_a_log():
    rng = np.random.default_rng(8)
    loop_run, x = plant.Plant(plant.LoopParams()), np.zeros((3_600, 6), np.int32)
    for second in range(len(x)):
        loop_run.inputs[plant.PUMP_SPEED] = (0.0, 1.0, 0.6)[second // 200 % 3]
        for _ in range(10):
            loop_run.step()
        x[second, 0] = round(loop_run.p_static_pa + rng.normal(0, NOISE_PA / 3))
        x[second, 1] = round(loop_run.p_pump_pa + rng.normal(0, NOISE_PA / 3))
    # In three seconds coolant of other warmth begins to move as well: a tenth of a millilitre here.
    assert bursts.hose_part(x, SHAPE) == pytest.approx(HOSE, rel=0.3)
    x[:, 1] = x[:, 0] + 30_000  # a pump that never changes says nothing
    assert bursts.hose_part(x, SHAPE) == 0.0


def test_what_the_loops_own_log_does_is_no_burst_and_one_faulty_second_does_not_end_the_watch():
    quiet = np.tile(np.array([150_000, 185_000, 30_000, 28_000, 27_000, 5_000], np.int32), (3_600, 1))
    plain = bursts.parameters(SHAPE, NOISE_PA, 2.0, HOSE)
    limits = slice(burst.LIMITS, burst.LIMITS + burst.MEMBER_N)
    assert bursts.parameters(SHAPE, NOISE_PA, 2.0, HOSE, quiet)[limits].tolist() == plain[limits].tolist()
    # A start that lets 2 mL of the coolant shrink within two seconds: what the limits are raised to passes it by.
    pa_per_ml = 1.4 * SHAPE.p0_pa / (SHAPE.gas_ul / 1000)
    shrunk = quiet.copy()
    shrunk[1_000:, :2] -= np.minimum(np.arange(2_600) * pa_per_ml, 2 * pa_per_ml).astype(np.int32)[:, None]
    raised = bursts.parameters(SHAPE, NOISE_PA, 2.0, HOSE, shrunk)
    assert bursts_of(plain, shrunk)
    assert not bursts_of(raised, shrunk)
    broken = quiet.copy()
    broken[2_000, 0] = 0
    floor = 64 * pa_per_ml * bursts.FLOOR_ML_L * 2.0
    most = bursts.parameters(SHAPE, NOISE_PA, 2.0, HOSE, broken)[limits]
    assert most.max() <= max(round(bursts.LOG_MOST * floor), plain[limits].max())


@pytest.mark.parametrize("falls_at_tenth", [0, 3, 7])
@pytest.mark.parametrize("tau_s", [1.0, 1.3, 3.0])
def test_what_a_log_says_of_a_fall_by_its_seconds_is_no_less_than_the_samples_did(tau_s, falls_at_tenth):
    # Hot water that stood shrinks with some such time constant when the pump starts.
    t_s = (np.arange(600) - 300 - falls_at_tenth) / 10
    tenths = np.full((600, 6), 150_000, np.int32)
    tenths[:, :2] -= np.round(4_500 * -np.expm1(-np.maximum(t_s, 0) / tau_s)).astype(np.int32)[:, None]
    params = bursts.parameters(SHAPE, NOISE_PA, 0.5, 0.0)
    state, most, by_log = (np.zeros(n, np.int32) for n in (burst.STATE_N, burst.MEMBER_N, burst.MEMBER_N))
    for row in tenths:
        twin.burst_step(state, params, row)
        np.maximum(most, state[burst.SCORES : burst.SCORES + burst.MEMBER_N], out=most)
    bursts._log_most(params, tenths.reshape(60, 10, 6).mean(1).round().astype(np.int32), by_log)
    limits = params[burst.LIMITS : burst.LIMITS + burst.MEMBER_N]
    assert (most > limits).any()
    assert (bursts.LOG_PART * by_log >= most)[most > limits].all()


def bursts_of(params: npt.NDArray[np.int32], x: npt.NDArray[np.int32]) -> bool:
    """Whether the kernel calls a burst in seconds joined by straight lines."""
    state = np.zeros(burst.STATE_N, np.int32)
    tenths = np.stack([np.interp(np.arange(10 * len(x)) / 10, np.arange(len(x)), x[:, i]) for i in range(6)], 1)
    return any(twin.burst_step(state, params, row) for row in tenths.round().astype(np.int32))


def test_what_a_start_puts_into_the_hose_is_no_fall_in_any_sample():
    # p_pump = p_static + head, and the vessel falls by a twentieth of the head; both from one sample on.
    params = bursts.parameters(SHAPE, NOISE_PA, 2.0, 0.05)
    rows = np.full((400, 6), 150_000, np.int32)
    rows[200:, 1] += 60_000
    rows[200:, :2] -= 3_000
    state, most = np.zeros(burst.STATE_N, np.int32), 0
    for row in rows:
        twin.burst_step(state, params, row)
        most = max(most, *state[burst.SCORES : burst.SCORES + burst.MEMBER_N].tolist())
    assert most < 64 * 20, "Pa in 1/64: rounding of the hose's figure"
