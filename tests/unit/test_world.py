"""The world as a board meets it: over the bus and the pins, on one clock, the same for the same seed."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loopwatch_host.bench.scenario import (
    Ambient,
    Leak,
    LeakStop,
    PickupEvent,
    Scenario,
    ScenarioError,
    SensorFault,
    SensorHeal,
    load_scenario,
)
from loopwatch_host.bench.world import World

QUIET_SENSORS: dict[str, Any] = {
    "p_static": {"noise_pa": 0, "wander_pa": 0, "drift_pa_sqrt_year": 0, "tempco_pa_k": 0},
    "p_pump": {"noise_pa": 0, "wander_pa": 0, "drift_pa_sqrt_year": 0, "tempco_pa_k": 0},
    "t_source": {"noise_mdegc": 0},
    "t_radiator": {"noise_mdegc": 0},
    "t_dome": {"noise_mdegc": 0},
    "rail": {"noise_v": 0, "wander_v": 0},
    "adc_rate_error": 0,
}
S = 1_000_000
SAMPLE_US = 100_000
CONVERSION_US = 9_000


def scenario(*events: dict[str, Any], quiet: bool = True, **rest: Any) -> Scenario:
    """A scenario of these events, with silent sensors unless told otherwise."""
    sensors = QUIET_SENSORS if quiet else {}
    data = {"name": "test", "title": "a test", "duration_s": 3600, "sensors": sensors, **rest}
    return Scenario.model_validate({**data, "event": events})


def convert(world: World, place: int, t_us: int) -> int | None:
    """A single conversion of an input at 128 SPS, read 9 ms later; None when the chip does not answer."""
    acked, _ = world.bus.write(0x48, bytes((1, 0xC3 | place << 4, 0x83)), t_us)
    data, _ = world.bus.write_then_read(0x48, b"\x00", 2, t_us + CONVERSION_US)
    return int.from_bytes(data, "big", signed=True) if acked and data is not None else None


def pressure_pa(world: World, place: int, t_us: int) -> float:
    """A pressure as its channel's voltage over the rail's says it."""
    raw, rail = convert(world, place, t_us), convert(world, 2, t_us + 10_000)
    assert raw is not None
    assert rail is not None
    return (raw / rail - 0.1) / 0.8 * 500_000


def celsius(world: World, address: int, t_us: int) -> float | None:
    """A thermometer's result."""
    data, _ = world.bus.write_then_read(address, b"\x00", 2, t_us)
    return None if data is None else int.from_bytes(data, "big", signed=True) / 128


def test_the_sensors_show_what_the_loop_does():
    world = World(scenario())
    assert pressure_pa(world, 0, 60 * S) == pytest.approx(150_000, abs=60)
    assert pressure_pa(world, 1, 61 * S) == pytest.approx(185_000, abs=60)
    for name, address in (("t_source", 0x49), ("t_radiator", 0x4A), ("t_dome", 0x4B)):
        assert celsius(world, address, 62 * S) == pytest.approx(world.truth.temperatures_c[name], abs=0.006)
    assert world.truth.temperatures_c["t_radiator"] == pytest.approx(22 + 150 / 12, abs=0.01)


def test_a_leak_begins_at_its_moment_and_the_truth_counts_it_alone():
    world = World(scenario({"at_s": 10, "do": "leak", "rate_ml_h": 3600}, {"at_s": 20, "do": "leak_stop"}))
    world.advance(10 * S - 1)
    assert (world.truth.onset_s, world.truth.lost_ml) == (None, 0)
    world.advance(15 * S)
    assert world.truth.onset_s == 10
    assert world.truth.leak_rate_ml_h == pytest.approx(3600)
    world.advance(60 * S)
    assert world.truth.lost_ml == pytest.approx(10, rel=1e-6)
    assert world.truth.leak_rate_ml_h == 0


def test_withdrawn_and_refilled_coolant_is_no_leak():
    world = World(
        scenario(
            {"at_s": 1, "do": "withdraw", "volume_ml": 20, "over_s": 5},
            {"at_s": 4, "do": "refill", "volume_ml": 50, "over_s": 5},
        )
    )
    begin_ml = world.truth.liquid_ml
    world.advance(30 * S)
    assert world.truth.liquid_ml - begin_ml == pytest.approx(30, abs=0.01)
    assert (world.truth.lost_ml, world.truth.onset_s) == (0, None)
    settled_ml = world.truth.liquid_ml
    world.advance(40 * S)
    assert world.truth.liquid_ml == pytest.approx(settled_ml, abs=1e-3), "pouring has ended"


def test_load_pump_and_room_follow_the_script():
    world = World(
        scenario(
            {"at_s": 1, "do": "load", "load_w": 300},
            {"at_s": 2, "do": "pump", "speed": 0.6},
            {"at_s": 10, "do": "ambient", "ambient_c": 32, "over_s": 100},
        )
    )
    world.advance(3 * S)
    assert world.plant.inputs[:3] == [300, 0.6, 22]
    assert world.truth.p_pump_pa - world.truth.p_static_pa == pytest.approx(35_000 * 0.36)
    world.advance(60 * S)
    assert world.plant.inputs[2] == pytest.approx(27, abs=0.02)
    world.advance(500 * S)
    assert world.plant.inputs[2] == 32


def test_an_ambient_event_takes_a_wandering_room_along_without_a_jump():
    room = {"diurnal_k": 20, "season_k": 0}
    event = {"at_s": 3000, "do": "ambient", "ambient_c": 23, "over_s": 100}
    moved, left_alone = World(scenario(event, room=room)), World(scenario(room=room))
    differences = []
    for t_s in (2999, 3001, 3050, 3200):
        for world in (moved, left_alone):
            world.advance(t_s * S)
        differences.append(moved.plant.inputs[2] - left_alone.plant.inputs[2])
    assert abs(left_alone.plant.inputs[2] - 22) > 1
    assert differences == pytest.approx([0, 0.01, 0.5, 1], abs=0.002)


def run_a_board(world: World, until_us: int, cut: Callable[[World, int, int], None]) -> list[int | None]:
    """What a board reads that samples all inputs at 10 Hz; cut(world, from_us, to_us) advances in between."""
    read: list[int | None] = []
    t_us = 0
    while t_us < until_us:
        for place in range(3):
            read.append(convert(world, place, t_us + place * 20_000))
        for address in (0x49, 0x4A, 0x4B):
            data, _ = world.bus.write_then_read(address, b"\x00", 2, t_us + 70_000)
            read.append(int.from_bytes(data, "big") if data is not None else None)
        cut(world, t_us + 71_000, t_us + SAMPLE_US)
        t_us += SAMPLE_US
    return read


def leap(world: World, from_us: int, to_us: int) -> None:
    """Leave it all to the bus."""


def crawl(world: World, from_us: int, to_us: int) -> None:
    """Small uneven pieces."""
    for t_us in range(from_us, to_us, 1_777):
        world.advance(t_us)


def busy_scenario() -> Scenario:
    """Something of everything within twenty seconds."""
    return scenario(
        {"at_s": 2, "do": "leak", "hole_mm": 0.3},
        {"at_s": 3, "do": "pickup", "channel": "p_static", "amplitude_pa": 500},
        {"at_s": 4, "do": "sensor_fault", "channel": "p_pump", "kind": "spike", "size_pa": 20_000},
        {"at_s": 5, "do": "sensor_fault", "channel": "t_dome", "kind": "nack"},
        {"at_s": 7, "do": "sensor_heal", "channel": "t_dome"},
        {"at_s": 8, "do": "emi", "channel": "p_static", "noise_pa": 5000, "for_s": 2},
        {"at_s": 9, "do": "sensor_fault", "channel": "p_static", "kind": "never_ready"},
        {"at_s": 11, "do": "sensor_heal", "channel": "p_static"},
        {"at_s": 12, "do": "refill", "volume_ml": 5, "over_s": 3},
        {"at_s": 16, "do": "power_cut", "off_s": 1},
        quiet=False,
        duty={"load_every_s": 5, "speed_every_s": 7, "off_every_s": 9, "off_s": 2},
        room={"wander_tau_s": 60},
    )


def test_a_seed_gives_the_same_run_however_time_is_cut():
    runs = [run_a_board(World(busy_scenario(), seed=5), 20 * S, cut) for cut in (leap, crawl, leap)]
    assert runs[0] == runs[1] == runs[2]
    assert run_a_board(World(busy_scenario(), seed=6), 20 * S, leap) != runs[0]


def test_the_scenarios_own_seed_is_the_default():
    own = World(scenario(quiet=False, seed=7))
    assert run_a_board(own, S, leap) == run_a_board(World(scenario(quiet=False), seed=7), S, leap)


def test_going_back_in_time_changes_nothing():
    world = World(scenario({"at_s": 1, "do": "leak", "hole_mm": 0.3}))
    world.advance(10 * S)
    lost_ml = world.truth.lost_ml
    world.advance(2 * S)
    assert world.truth.lost_ml == lost_ml


def test_a_ten_hertz_sample_of_two_conversions_has_2_5_mbar_of_noise():
    world = World(scenario(sensors={**QUIET_SENSORS, "p_static": {"wander_pa": 0, "tempco_pa_k": 0}}))
    pairs = []
    for n in range(4000):
        first, second = (convert(world, 0, n * SAMPLE_US + place * 10_000) for place in range(2))
        assert first is not None
        assert second is not None
        pairs.append((first + second) / 2)
    # 125 µV steps; 0.6 · 4 V for 500 kPa.
    assert np.std(pairs) * 125e-6 / 2.4 * 500_000 == pytest.approx(250, rel=0.05)


def test_a_conversion_sees_the_pressure_in_the_middle_of_its_window():
    world = World(scenario({"at_s": 0, "do": "leak", "rate_ml_h": 200_000}))
    course = [convert(world, 0, S + n * 10_000) for n in range(200)]
    steps = np.diff(np.array(course, float))
    # 556 mL/min press the loop down evenly: no jumps where one step of the plant meets the next.
    assert steps.max() <= 0
    assert steps.min() > 2.5 * steps.mean()


def test_pickup_reaches_the_converter_as_a_boxcar_leaves_it():
    world = World(scenario({"at_s": 0, "do": "pickup", "channel": "p_static", "amplitude_pa": 500}))
    read = np.array([convert(world, 0, S + n * 100_100) for n in range(400)], float) * 125e-6 / 2.4 * 500_000
    # sinc of 50 Hz over 7.8125 ms is 0.769.
    assert (read.max() - read.min()) / 2 == pytest.approx(500 * 0.769, rel=0.02)
    world.do(PickupEvent(at_s=0, do="pickup", channel="p_static", amplitude_pa=0))
    still = [convert(world, 0, 60 * S + n * 100_100) for n in range(50)]
    assert max(still) - min(still) <= 1  # type: ignore[operator, type-var]


def test_pickup_in_volts_is_volts_on_the_transducers_wire():
    world = World(scenario({"at_s": 0, "do": "pickup", "channel": "p_static", "amplitude_v": 0.1, "frequency_hz": 10}))
    read = np.array([convert(world, 0, S + n * 13_000) for n in range(400)], float) * 125e-6
    # 0.1 V behind the divider of 0.6; 10 Hz over 7.8125 ms keeps 0.990 of itself.
    assert (read.max() - read.min()) / 2 == pytest.approx(0.1 * 0.6 * 0.990, rel=0.01)


@pytest.mark.parametrize(
    ("fault", "volts"),
    [({"kind": "open"}, 0.0), ({"kind": "short"}, 0.0), ({"kind": "short", "to": "rail"}, 3.0)],
)
def test_a_broken_or_shorted_wire_reads_what_the_divider_gives_and_heals(fault: dict[str, str], volts: float):
    world = World(
        scenario(
            {"at_s": 1, "do": "sensor_fault", "channel": "p_static", **fault},
            {"at_s": 2, "do": "sensor_heal", "channel": "p_static"},
        )
    )
    assert [convert(world, 0, int(t_s * S)) for t_s in (0.5, 1.5, 2.5)] == [8160, round(volts * 8000), 8160]


def test_a_chip_that_does_not_answer_takes_its_channels_with_it():
    world = World(
        scenario(
            {"at_s": 1, "do": "sensor_fault", "channel": "p_static", "kind": "nack"},
            {"at_s": 1, "do": "sensor_fault", "channel": "t_dome", "kind": "nack"},
            {"at_s": 2, "do": "sensor_heal", "channel": "p_static"},
            {"at_s": 2, "do": "sensor_heal", "channel": "t_dome"},
        )
    )
    assert convert(world, 1, 1_500_000) is None
    assert celsius(world, 0x4B, 1_600_000) is None
    assert celsius(world, 0x49, 1_600_000) is not None
    assert convert(world, 1, 2_500_000) is not None
    assert celsius(world, 0x4B, 2_600_000) is not None


def test_power_up_values_are_those_of_the_chips():
    world = World(
        scenario(
            {"at_s": 5, "do": "sensor_fault", "channel": "p_static", "kind": "power_up"},
            {"at_s": 5, "do": "sensor_fault", "channel": "t_dome", "kind": "power_up"},
            {"at_s": 5, "do": "sensor_fault", "channel": "t_source", "kind": "power_cycle"},
        )
    )
    assert convert(world, 0, 5_010_000) == 0
    assert celsius(world, 0x4B, 5_050_000) == -256
    assert celsius(world, 0x49, 5_050_000) == -256
    assert celsius(world, 0x4B, 9 * S) == -256
    assert celsius(world, 0x49, 9 * S) == pytest.approx(35.66, abs=0.05)


def test_a_stuck_sensor_keeps_its_value_while_the_loop_moves_on():
    world = World(scenario({"at_s": 5, "do": "leak", "hole_mm": 0.8}, {"at_s": 5, "do": "load", "load_w": 300}))
    world.advance(3 * S)
    for channel in ("p_static", "t_source"):
        world.do(SensorFault.model_validate({"at_s": 0, "do": "sensor_fault", "channel": channel, "kind": "stuck"}))
    assert convert(world, 0, 20 * S) == pytest.approx(8160, abs=1)
    world.do(SensorHeal(at_s=0, do="sensor_heal", channel="p_static"))
    healed = convert(world, 0, 21 * S)
    assert healed is not None
    assert healed < 7500
    assert celsius(world, 0x49, 30 * S) == pytest.approx(35.66, abs=0.01)


def test_a_spike_hits_the_conversions_of_its_time_only():
    world = World(
        scenario(
            {"at_s": 1, "do": "sensor_fault", "channel": "p_static", "kind": "spike", "size_pa": 50_000},
        )
    )
    read = [convert(world, 0, 500_000 + n * SAMPLE_US) for n in range(10)]
    assert [raw for raw in read if raw != 8160] == [8160 + 50_000 * 2.4 / 500_000 / 125e-6]


def test_a_rail_that_moves_takes_the_pressures_with_it_and_the_ratio_stays():
    world = World(scenario({"at_s": 1, "do": "rail", "volts": 4.5}))
    assert convert(world, 2, 500_000) == 24_000
    assert convert(world, 2, 1_500_000) == 21_600
    assert pressure_pa(world, 0, 2 * S) == pytest.approx(150_000, abs=60)


def test_a_stuck_bus_is_free_again_after_its_time():
    world = World(scenario({"at_s": 1, "do": "bus_stuck", "for_s": 2}))
    assert convert(world, 0, 1_500_000) is None
    assert convert(world, 0, 3_500_000) is not None


def test_a_channel_that_is_not_fitted_reads_open_or_has_no_chip():
    world = World(scenario(sensors={"p_pump": {"fitted": False}, "t_dome": {"fitted": False}}))
    assert convert(world, 1, S) == 0
    assert celsius(world, 0x4B, S) is None


def test_a_power_cut_silences_the_chips_drops_the_outputs_and_starts_all_afresh():
    world = World(scenario({"at_s": 10, "do": "power_cut", "off_s": 2}))
    world.pin_write(10, 1, S)
    assert celsius(world, 0x49, 9 * S) != -256
    assert convert(world, 0, 11 * S) is None
    assert not world.board_powered
    assert celsius(world, 0x49, 12_050_000) == -256
    assert world.board_powered
    assert world.pins == [(S, 10, 1), (10 * S, 10, 0)]


def test_what_the_boards_runner_must_do_is_told_in_order():
    world = World(
        scenario({"at_s": 30, "do": "power_cut"}, {"at_s": 12.34, "do": "command", "text": "*IDN?"}),
    )
    assert [(t_us, event.do) for t_us, event in world.board_events] == [
        (12_400_000, "command"),
        (30_000_000, "power_cut"),
    ]


def test_the_laptop_reads_and_is_plugged_as_the_script_says():
    names = ("host_stops_reading", "host_unplugs", "host_reads", "host_plugs")
    world = World(scenario(*({"at_s": 1 + n, "do": name} for n, name in enumerate(names))))
    course = []
    for t_s in range(5):
        world.advance(t_s * S + S // 2)
        course.append((world.link_reading, world.link_connected))
    assert course == [(True, True), (False, True), (False, False), (True, False), (True, True)]


def test_pins_note_changes_and_inputs_come_from_outside():
    world = World(scenario({"at_s": 1, "do": "press", "for_s": 0.5}))
    for t_us, value in ((10, 0), (20, 1), (30, 1), (40, 0)):
        world.pin_write(11, value, t_us)
    assert world.pins == [(10, 11, 0), (20, 11, 1), (40, 11, 0)]
    assert world.pin_read(11, 50) == 0
    assert [world.pin_read(15, int(t_s * S)) for t_s in (0.5, 1.2, 1.6)] == [1, 0, 1]


def test_events_of_one_moment_keep_the_order_of_the_file():
    world = World(scenario({"at_s": 1, "do": "load", "load_w": 50}, {"at_s": 1, "do": "load", "load_w": 60}))
    world.advance(2 * S)
    assert world.plant.inputs[0] == 60


def test_an_event_can_be_made_to_happen_now():
    world = World(scenario())
    world.advance(4_050_000)
    world.do(Leak(at_s=0, do="leak", rate_ml_h=60))
    world.advance(10 * S)
    assert world.truth.onset_s == 4.1
    world.do(LeakStop(at_s=0, do="leak_stop"))
    world.do(Ambient(at_s=0, do="ambient", ambient_c=30))
    world.advance(11 * S)
    assert world.truth.leak_rate_ml_h == 0
    assert world.plant.inputs[2] == 30


RECORDED = "t;bar;fluid\n0;0.5;20\n2;0.3;21\n4;-1.9;22\n6;9;23\n"


def recorded(path: Path, rows: str = RECORDED) -> Scenario:
    """A scenario that plays these rows: relative bar to p_static, °C to t_radiator."""
    path.write_text(rows, encoding="utf-8")
    columns = {"p_static": {"column": "bar", "scale": 1e5, "offset": 1e5}, "t_radiator": {"column": "fluid"}}
    recording = {"path": path, "separator": ";", "time_column": "t", "time_scale_s": 1, "columns": columns}
    return scenario(recording=recording, duration_s=None)


def test_a_recording_stands_in_for_the_loop_and_clips_as_a_transducer_does(tmp_path: Path):
    world = World(recorded(tmp_path / "log.csv"))
    assert (world.duration_s, world.recording_row_n) == (6, 4)
    read = [convert(world, 0, int(t_s * S)) for t_s in (1.0, 1.95, 2.05, 5, 7)]
    # 150 and 130 kPa; below zero and above span the amplifier stops at 5 % and 95 % of the rail.
    assert read == [8160, 8160, 7392, 1200, 22_800]
    assert celsius(world, 0x4A, 60 * S) == pytest.approx(23, abs=0.1)
    assert pressure_pa(world, 1, 61 * S) == pytest.approx(185_000, abs=100), "p_pump has no column: the loop's own"


def test_a_scenario_that_needs_a_recording_says_how_to_name_one(tmp_path: Path):
    with pytest.raises(ScenarioError, match="--set recording=PATH"):
        World(load_scenario("skab"))
    with pytest.raises(ScenarioError, match=r"skab: .*nowhere.csv: cannot be read"):
        World(load_scenario("skab", [f"recording={tmp_path / 'nowhere.csv'}"]))


def skab_like(bars: Sequence[float]) -> str:
    """A log in the form of the SKAB bench's files."""
    head = "datetime;Accelerometer1RMS;Pressure;Temperature;Thermocouple;Voltage\n"
    rows = [f"2020-03-01 15:44:{n:02d};0.08;{bar};92.25;22.25;209.6" for n, bar in enumerate(bars)]
    return head + "\n".join(rows) + "\n"


def test_a_log_of_the_skab_bench_plays_through_the_chips(tmp_path: Path):
    bars = (0.054711, -0.273216, 0.382638, 0.054711)
    path = tmp_path / "1.csv"
    path.write_text(skab_like(bars), encoding="utf-8")
    world = World(load_scenario("skab", [f"recording={path}"]))
    assert world.duration_s == 3
    read = [pressure_pa(world, 0, n * S + S // 2) for n in range(4)]
    assert read == pytest.approx([101_325 + bar * 1e5 for bar in bars], abs=2500)
    assert celsius(world, 0x49, 3_900_000) == pytest.approx(92.25, abs=0.1)
    assert celsius(world, 0x4B, 3_900_000) is None, "no such sensor there"


@pytest.mark.parametrize("name", ["pinhole", "burst", "demo"])
def test_the_holes_of_the_scenarios_lose_what_an_orifice_lets_through(name: str):
    world = World(load_scenario(name))
    (leak,) = (event for event in world.scenario.events if isinstance(event, Leak))
    assert leak.hole_mm is not None
    world.advance(int((leak.at_s + 1) * S))
    # C_d A sqrt(2 ΔP / ρ) at 0.5 bar, 1018 kg/m³.
    orifice_ml_s = 0.62 * np.pi / 4 * leak.hole_mm**2 * np.sqrt(2 * 50_000 / 1018) * 1e-6 * 1e6
    assert world.truth.lost_ml == pytest.approx(orifice_ml_s * 1.0, rel=0.15)


def test_a_minute_of_the_world_at_ten_samples_a_second_costs_little():
    # 20 times real time is asked of the whole vm target; the world may take a twentieth of that.
    world = World(scenario(quiet=False))
    began_s = time.process_time()
    run_a_board(world, 60 * S, leap)
    assert time.process_time() - began_s < 60 / 20 / 5
