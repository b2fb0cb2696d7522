"""A board that nobody has commissioned: quiet on loops of many kinds, awake to a hole.

The loops are drawn from the ranges of the detection notes, with duty cycles
three to eight times as lively as the reference's. Sensors are ideal but for noise, steps and lag.
"""

from typing import Any

import numpy as np
import pytest

from loopwatch import sample
from loopwatch.config import Config
from loopwatch.detector import Detector
from loopwatch.inventory import VALID, Inventory
from loopwatch_host.bench import plant

LAG_PER_STEP = plant.STEP_S / 12  # the probes' pockets
NOISE_1HZ_PA = 90  # 2.5 mbar rms at 10 Hz


def drawn_loop(seed: int) -> plant.LoopParams:
    rng = np.random.default_rng(1000 + seed)
    liquid_ml = float(np.exp(rng.uniform(np.log(400), np.log(8_000))))
    return plant.LoopParams(
        liquid_ml=liquid_ml,
        gas_ml=float(np.exp(rng.uniform(np.log(40), np.log(800)))),
        pressure_pa=rng.uniform(125e3, 220e3),
        hose_ml_bar=2 * rng.uniform(0.3, 3) * liquid_ml / 2_000,
        discharge_ml_bar=rng.uniform(0.3, 3) * liquid_ml / 2_000,
        flow_ml_min=rng.uniform(1_000, 4_000),
    )


def probe_places_c(loop_run: plant.Plant) -> tuple[float, float, float]:
    return loop_run.state[plant.SOURCE_C], loop_run.state[plant.RADIATOR_C], loop_run.dome_c


def watch(loop: plant.LoopParams, seed: int, hours: float, leak_s: float = float("inf"), **leak: Any):
    """Run the loop and yield (t_s, detector) each second of valid residual."""
    rng = np.random.default_rng(seed)
    loop_run = plant.Plant(loop)
    lively = plant.DutyParams(load_every_s=1_200, off_every_s=5_400, off_s=600)
    duty = plant.Duty(lively, rng, load_w=150, pump_speed=1)
    inventory = Inventory(Config())
    detector = Detector()
    mean = sample.Sample()
    for channel in range(sample.CHANNEL_N):
        mean.status[channel] = sample.GOOD
    probes_c = list(probe_places_c(loop_run))
    for i in range(int(hours * 3600 / plant.STEP_S)):
        t_s = i * plant.STEP_S
        duty.apply(t_s, loop_run.inputs)
        if t_s >= leak_s:
            loop_run.leak(**leak)
        loop_run.step()
        now_c = probe_places_c(loop_run)
        for j in range(3):
            probes_c[j] += LAG_PER_STEP * (now_c[j] - probes_c[j])
        if i % 10 != 9:
            continue
        noise_pa = rng.normal(0, NOISE_1HZ_PA, 2)
        mean.values[sample.P_STATIC] = round(loop_run.p_static_pa + noise_pa[0])
        mean.values[sample.P_PUMP] = round(loop_run.p_pump_pa + noise_pa[1])
        for j in range(3):
            steps = round((probes_c[j] + rng.normal(0, 0.004)) / 0.0078125)
            mean.values[sample.T_SOURCE + j] = round(steps * 7.8125)
        if inventory.step(mean) == VALID:
            detector.step(inventory.residual_ul)
            yield t_s, detector


@pytest.mark.parametrize("seed", range(8))
def test_leak_free_loops_of_many_kinds_stay_well_below_the_threshold(seed):
    most = max(max(detector.evidence_permille) for _, detector in watch(drawn_loop(seed), seed, 3.0))
    assert 0 < most < 600


@pytest.mark.parametrize(
    ("hole_mm", "within_s"), [(0.3, 20), (0.8, 4)], ids=["a pinhole in 20 s", "a broken fitting in 4 s"]
)
def test_a_hole_in_the_reference_loop_is_seen(hole_mm, within_s):
    onset_s = 300.0
    loop = plant.with_gauge(plant.LoopParams(), 50_000)
    seen = [t_s for t_s, d in watch(loop, 1, 0.1, onset_s, hole_mm=hole_mm) if d.leaking]
    assert onset_s < seen[0] <= onset_s + within_s


def test_three_millilitres_a_minute_are_seen_within_ten_minutes():
    seen = [t_s for t_s, d in watch(plant.LoopParams(), 2, 0.3, 300.0, rate_ml_h=180) if d.leaking]
    assert 300 < seen[0] <= 900
