"""The loop's physics against DETECTION's numbers, textbook equations, and what must not get lost."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from loopwatch_host.bench import plant
from loopwatch_host.bench.plant import (
    AMBIENT_C,
    FILL_M3_S,
    GAS_K,
    INPUT_N,
    LIQUID_KG,
    LOAD_W,
    PUMP_SPEED,
    SOURCE_C,
    STATE_N,
    STEP_S,
    TANK_C,
    Duty,
    DutyParams,
    LoopParams,
    Plant,
    Room,
    RoomParams,
)

DEFAULT = LoopParams()
# Nothing that warms, cools or seeps: what is left is the leak alone.
COLD = replace(DEFAULT, permeation_ml_h=0.0)


def run(loop: Plant, for_s: float) -> Plant:
    """Move a loop on."""
    for _ in range(round(for_s / STEP_S)):
        loop.step()
    return loop


def glycol_kg_m3(t_c: float) -> float:
    """30 % propylene glycol, DETECTION section 1."""
    d = t_c - 25
    return 1022 * (1 - 4.3e-4 * d - 2.2e-6 * d * d)


def test_a_loop_left_alone_stays_as_it_started():
    loop = run(Plant(COLD), 3600)
    assert loop.p_static_pa == pytest.approx(150_000, abs=1)
    assert loop.liquid_ml == pytest.approx(2000, abs=1e-3)
    assert loop.gas_ml == pytest.approx(150, abs=1e-3)
    assert loop.lost_ml == 0


def test_the_settled_loop_carries_its_heat_to_the_room():
    # 150 W over 12 W/K above 22 °C; 40 W/K from block to fluid; 2 L/min of coolant at 3800 J/(kg K) around.
    state = Plant(DEFAULT, load_w=150, ambient_c=22).state
    assert state[TANK_C] == pytest.approx(22 + 150 / 12)
    assert state[plant.BLOCK_C] - state[SOURCE_C] == pytest.approx(150 / 40)
    assert state[SOURCE_C] - state[TANK_C] == pytest.approx(150 / (2e-3 / 60 * 1022 * 3800), rel=0.01)
    assert state[GAS_K] - 273.15 == pytest.approx(0.7 * 34.5 + 0.3 * 22)


def test_a_millilitre_lost_slowly_costs_9_8_mbar():
    loop = run(Plant(COLD), 10)
    begin_pa = loop.p_static_pa
    loop.leak(rate_ml_h=1)
    run(loop, 3600)
    assert loop.lost_ml == pytest.approx(1.0)
    assert (begin_pa - loop.p_static_pa) / 100 == pytest.approx(9.8, rel=0.02)


def test_a_kelvin_expands_the_liquid_by_0_9_ml_and_the_gas_by_0_5():
    # The loop's working point is 30 °C and above: DETECTION's figures are those of a warm loop.
    loop = Plant(DEFAULT, load_w=120)
    mass_kg, params = loop.state[LIQUID_KG], loop.params
    warm = list(loop.state)
    for place in (SOURCE_C, plant.RADIATOR_C, TANK_C):
        warm[place] += 1
    liquid = plant.liquid_m3(mass_kg, warm, params) - plant.liquid_m3(mass_kg, loop.state, params)
    assert liquid * 1e6 == pytest.approx(0.9, abs=0.06)
    assert loop.gas_ml / loop.state[GAS_K] == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("hole_mm", "ml_min", "after_mbar"),
    [(0.1, 3, (-0.7, -7, -36)), (0.3, 27, (-6.5, -59, -245)), (0.8, 184, (-45, -307, -534))],
)
def test_holes_at_half_a_bar_gauge_act_as_detection_has_them(
    hole_mm: float, ml_min: float, after_mbar: tuple[float, float, float]
):
    # The table's loop was filled cold and stood a little above 0.5 bar when warm: 534 mbar were there to lose.
    loop = Plant(plant.with_gauge(DEFAULT, 53_500))
    begin_pa = loop.p_static_pa
    loop.leak(hole_mm=hole_mm)
    loop.step()
    assert loop.leak_rate_ml_h / 60 == pytest.approx(ml_min, rel=0.05)
    fallen = []
    for until_s, since_s in ((1, STEP_S), (10, 1), (60, 10)):
        run(loop, until_s - since_s)
        fallen.append((loop.p_static_pa - begin_pa) / 100)
    assert fallen == pytest.approx(after_mbar, rel=0.06)


def test_ten_millilitres_an_hour_act_as_detection_has_them():
    loop = Plant(DEFAULT)
    loop.leak(rate_ml_h=10)
    fallen = []
    for for_s in (1, 9, 50, 3540):
        run(loop, for_s)
        fallen.append((loop.p_static_pa - 150_000) / 100)
    assert fallen[:3] == pytest.approx((0, -0.3, -1.7), abs=0.3)
    assert fallen[3] == pytest.approx(-85, rel=0.1)


def test_the_flow_through_a_hole_is_that_of_an_orifice():
    loop = Plant(DEFAULT)
    rho = glycol_kg_m3(loop.state[TANK_C])
    loop.leak(hole_mm=0.5)
    loop.step()
    wanted_m3_s = 0.62 * math.pi * 0.25e-3**2 * math.sqrt(2 * 50_000 / rho)
    assert loop.leak_rate_ml_h == pytest.approx(wanted_m3_s * 3600e6)


def test_a_hole_at_the_static_point_stops_at_zero_gauge_and_at_the_discharge_does_not():
    static, discharge = Plant(COLD), Plant(COLD)
    static.leak(hole_mm=0.8)
    discharge.leak(hole_mm=0.8, at_discharge=True)
    run(static, 1800)
    run(discharge, 1800)
    assert static.p_static_pa == pytest.approx(100_000, abs=50)
    assert static.leak_rate_ml_h < 100
    # Isothermal gas from 1.5 to 1 bar, and hoses of 2 mL/bar: 75 + 1 mL.
    assert static.lost_ml == pytest.approx(76, abs=1)
    assert discharge.p_static_pa == pytest.approx(100_000 - 35_000, abs=600)
    assert discharge.lost_ml > 1.5 * static.lost_ml


def test_a_hole_lets_nothing_in():
    loop = Plant(replace(COLD, pressure_pa=90_000))
    loop.leak(hole_mm=0.8)
    run(loop, 60)
    assert loop.lost_ml == 0


def test_no_more_coolant_leaks_than_there_is():
    loop = Plant(replace(COLD, liquid_ml=50, gas_ml=500, flow_ml_min=100))
    loop.leak(rate_ml_h=100_000)
    run(loop, 10)
    assert loop.lost_ml == pytest.approx(50, rel=0.01)
    assert loop.leak_rate_ml_h == pytest.approx(0, abs=1e-3)
    run(loop, 600)
    assert 20 < loop.state[TANK_C] < 100, "an empty loop stays a loop"


def test_mass_is_conserved_through_leak_refill_heat_and_permeation():
    loop = Plant(replace(DEFAULT, permeation_ml_h=50))
    begin_kg = loop.state[LIQUID_KG]
    balance_kg = 0.0
    for n in range(6000):
        loop.inputs[LOAD_W] = 300 if n < 3000 else 40
        loop.inputs[PUMP_SPEED] = 1 if n < 4500 else 0
        loop.inputs[FILL_M3_S] = 1e-6 if 2000 <= n < 2500 else 0
        loop.leak(hole_mm=0.3 if 1000 <= n < 3500 else 0)
        rho = glycol_kg_m3(loop.state[TANK_C])
        gone_m3 = loop.state[plant.LOST_M3] + loop.state[plant.PERMEATED_M3]
        loop.step()
        gone_m3 = loop.state[plant.LOST_M3] + loop.state[plant.PERMEATED_M3] - gone_m3
        balance_kg += rho * (loop.inputs[FILL_M3_S] * STEP_S - gone_m3)
    assert balance_kg < -0.02, "something happened"
    assert loop.state[LIQUID_KG] - begin_kg == pytest.approx(balance_kg, abs=1e-12)


def test_gas_and_liquid_always_fill_the_vessel_and_the_gas_law_holds():
    loop = Plant(DEFAULT)
    begin_ml = loop.liquid_ml + loop.gas_ml
    loop.inputs[LOAD_W] = 300
    loop.leak(hole_mm=0.2)
    run(loop, 300)
    state = loop.state
    moles = state[plant.GAS_MOL]
    assert state[plant.PRESSURE_PA] * state[plant.GAS_M3] == pytest.approx(moles * 8.314462618 * state[GAS_K])
    # Walls grow by 50 ppm/K, hoses give 2 mL/bar: a few tenths of a millilitre here.
    mean_k = 0.15 * (state[SOURCE_C] - 35.66) + 0.85 * (state[TANK_C] - 34.5)
    given_ml = 2150 * 50e-6 * mean_k + 2e-5 * (loop.p_static_pa - 150_000)
    assert loop.liquid_ml + loop.gas_ml - begin_ml == pytest.approx(given_ml, abs=0.02)


def test_energy_put_in_shows_as_warmth_or_leaves_to_the_room():
    loop = Plant(COLD, load_w=0, ambient_c=22)
    loop.inputs[LOAD_W] = 300
    left_j = 0.0
    for _ in range(6000):
        left_j += 12 * (loop.state[plant.RADIATOR_C] - 22) * STEP_S
        loop.step()
    state = loop.state
    warmth_k = 0.15 * (state[SOURCE_C] + state[plant.RADIATOR_C]) + 0.7 * state[TANK_C] - 22
    kept_j = 600 * (state[plant.BLOCK_C] - 22) + state[LIQUID_KG] * 3800 * warmth_k
    assert left_j + kept_j == pytest.approx(300 * 600, rel=1e-3)


def test_fast_changes_of_volume_are_adiabatic_and_slow_ones_isothermal():
    def answer(over_s: float) -> float:
        loop = Plant(replace(COLD, hose_ml_bar=0))
        loop.inputs[FILL_M3_S] = 2e-6 / over_s
        run(loop, over_s)
        return (loop.p_static_pa / 150_000 - 1) / (2 / 150)

    assert answer(0.1) == pytest.approx(1.4, abs=0.03)
    assert answer(2000) == pytest.approx(1.0, abs=0.03)


def test_the_pump_lifts_its_discharge_by_the_square_of_its_speed():
    loop = Plant(DEFAULT)
    for speed in (1.0, 0.6, 0.0):
        loop.inputs[PUMP_SPEED] = speed
        loop.step()
        assert loop.p_pump_pa - loop.p_static_pa == pytest.approx(35_000 * speed**2)


def test_stopping_the_pump_takes_back_what_the_discharge_hoses_held():
    # 1 mL/bar · 0.35 bar go back into the vessel and press the gas, fast: 1.4 · 0.35/150.
    loop = Plant(DEFAULT)
    loop.inputs[PUMP_SPEED] = 0
    loop.step()
    assert loop.p_static_pa / 150_000 - 1 == pytest.approx(1.4 * 0.35 / 150, rel=0.05)


def test_a_loop_whose_pump_stands_does_not_boil_at_standby():
    loop = Plant(DEFAULT)
    loop.inputs[PUMP_SPEED], loop.inputs[LOAD_W] = 0, 40
    run(loop, 1800)
    assert loop.state[SOURCE_C] < 70


def test_permeation_follows_the_temperature_and_is_no_leak():
    loop = Plant(DEFAULT, load_w=150, ambient_c=22)
    run(loop, 3600)
    mean_c = 0.15 * loop.state[SOURCE_C] + 0.85 * loop.state[TANK_C]
    assert loop.state[plant.PERMEATED_M3] * 1e6 == pytest.approx(0.01 * math.exp(0.03 * (mean_c - 25)), rel=1e-3)
    assert loop.lost_ml == 0


def test_gas_dissolves_under_pressure_and_comes_back_when_it_falls():
    # Henry: 6.5e-6 mol/(m³ Pa) · 2 L · 0.1 bar = 0.13 mmol at equilibrium.
    loop = Plant(replace(COLD, henry_mol_m3_pa=6.5e-6, dissolve_tau_s=100))
    begin_mol = loop.state[plant.GAS_MOL], loop.state[plant.DISSOLVED_MOL]
    loop.inputs[FILL_M3_S] = 1e-6
    run(loop, 10)
    loop.inputs[FILL_M3_S] = 0
    run(loop, 1000)
    moved = loop.state[plant.DISSOLVED_MOL] - begin_mol[1]
    assert moved == pytest.approx(6.5e-6 * 2.01e-3 * loop.p_static_pa - begin_mol[1], rel=1e-3)
    assert moved > 0
    assert loop.state[plant.GAS_MOL] + loop.state[plant.DISSOLVED_MOL] == pytest.approx(sum(begin_mol), rel=1e-12)


def test_half_the_step_gives_the_same_course():
    coarse = Plant(DEFAULT)
    fine = Plant(DEFAULT)
    for loop in (coarse, fine):
        loop.inputs[LOAD_W] = 300
        loop.leak(hole_mm=0.3)
    run(coarse, 120)
    for _ in range(2400):
        plant.step(fine.state, fine.params, fine.inputs, STEP_S / 2)
    assert coarse.p_static_pa == pytest.approx(fine.p_static_pa, abs=30)
    assert coarse.lost_ml == pytest.approx(fine.lost_ml, rel=1e-3)


def arrays_of(loop: Plant) -> tuple[Any, Any, Any]:
    """State, params and inputs as numpy has them; to the type checker an array is no sequence."""
    return np.array(loop.state), np.array(loop.params), np.array(loop.inputs)


def test_the_step_works_on_arrays_as_on_lists():
    loop = Plant(DEFAULT)
    loop.leak(hole_mm=0.3)
    state, params, inputs = arrays_of(loop)
    assert (len(state), len(inputs), len(params)) == (STATE_N, INPUT_N, plant.PARAM_N)
    for _ in range(100):
        plant.step(state, params, inputs, STEP_S)
    assert state.tolist() == run(loop, 10).state


def test_the_same_source_compiles():
    numba = pytest.importorskip("numba", reason="numba is not installed: the loop's step is tested uncompiled only")
    loop = Plant(DEFAULT)
    loop.leak(hole_mm=0.3)
    state, params, inputs = arrays_of(loop)
    step = plant.compiled(numba.njit)
    for _ in range(100):
        step(state, params, inputs, STEP_S)
    assert state == pytest.approx(np.array(run(loop, 10).state), rel=1e-12)


@pytest.mark.parametrize("name", ["liquid_ml", "gas_ml", "gas_tau_s", "flow_ml_min"])
def test_a_loop_that_cannot_be_is_refused_by_the_name_of_its_figure(name: str):
    with pytest.raises(ValueError, match=name):
        replace(DEFAULT, **{name: 0.0})
    with pytest.raises(ValueError, match=name):
        replace(DEFAULT, **{name: math.nan})


def duty_days(seed: int, days: float) -> np.ndarray:
    """Rows of (hour since start, load, speed), one a minute."""
    duty = Duty(DutyParams(), np.random.default_rng(seed), 150.0, 1.0)
    inputs = [0.0] * INPUT_N
    rows = []
    for t_s in range(0, int(days * 86400), 60):
        duty.apply(t_s, inputs)
        rows.append((t_s / 3600, inputs[LOAD_W], inputs[PUMP_SPEED]))
    return np.array(rows)


def test_the_duty_is_that_of_detection():
    rows = duty_days(seed=3, days=30)
    hour, load, speed = rows[:, 0], rows[:, 1], rows[:, 2]
    assert set(load) == {40.0, 100.0, 150.0, 220.0, 300.0}
    assert set(speed) == {0.0, 0.6, 0.8, 1.0}
    night = ((hour + 9) % 24 < 7) | ((hour + 9) % 24 >= 22)
    assert set(load[night]) == {40.0}
    assert set(load[speed == 0]) == {40.0}
    stops = np.count_nonzero((speed[1:] == 0) & (speed[:-1] != 0))
    assert 45 <= stops <= 75, "about every 12 h, 30 days"
    assert np.count_nonzero(speed == 0) / stops == pytest.approx(30, abs=1)


def test_the_duty_is_the_same_for_a_seed_and_differs_between_seeds():
    assert (duty_days(5, 2) == duty_days(5, 2)).all()
    assert not (duty_days(5, 2) == duty_days(6, 2)).all()


def test_the_room_swings_by_day_and_wanders():
    room = Room(RoomParams(season_k=0.0, wander_k=0.0), np.random.default_rng(1))
    by_hour = [room.deviation_k(t_s) for t_s in range(0, 86400, 600)]
    assert max(by_hour) - min(by_hour) == pytest.approx(5.0, abs=0.02)
    assert by_hour[0] == 0
    assert np.argmax(by_hour) == 36, "warmest at three: six hours after nine"
    wandering = Room(RoomParams(diurnal_k=0.0, season_k=0.0), np.random.default_rng(1))
    values = [wandering.deviation_k(t_s) for t_s in range(0, 40 * 86400, 600)]
    assert np.std(values) == pytest.approx(0.6, rel=0.25)


def test_a_colder_room_cools_the_loop():
    loop = Plant(DEFAULT)
    loop.inputs[AMBIENT_C] = 12
    run(loop, 3 * 3600)
    assert loop.state[TANK_C] == pytest.approx(12 + 150 / 12, abs=0.05)
