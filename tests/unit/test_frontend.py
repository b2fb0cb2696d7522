"""From the loop to the converter's pin and the thermometer: scale, noise, pickup, and faults of the wire."""

import math
from dataclasses import replace

import numpy as np
import pytest

from loopwatch_host.bench.frontend import (
    Burst,
    Disturbed,
    Normals,
    Pickup,
    PressureLine,
    PressureSensor,
    Rail,
    RailLine,
    TemperatureLine,
    TemperatureSensor,
    Wander,
    generator,
)

QUIET_RAIL = Rail(noise_v=0, wander_v=0)
QUIET = PressureSensor(noise_pa=0, wander_pa=0, drift_pa_sqrt_year=0, tempco_pa_k=0)
PAIR_US = 15_625.0  # two conversions at 128 SPS


def line(
    pressure_pa: float = 150_000.0, spec: PressureSensor = QUIET, rail: Rail = QUIET_RAIL, seed: int = 1
) -> PressureLine:
    """One transducer on a rail of its own, at a constant pressure."""
    return PressureLine("p_static", spec, RailLine(rail, seed), lambda from_us, to_us: pressure_pa, seed)


@pytest.mark.parametrize(("pressure_pa", "volts"), [(0, 0.3), (150_000, 1.02), (500_000, 2.7)])
def test_a_pressure_becomes_its_share_of_the_divided_rail(pressure_pa: float, volts: float):
    # FIELD section 4: 0.5 to 4.5 V over 5 bar, and 4.5 V becomes 2.70 V behind 10k/15k.
    assert line(pressure_pa).pin_mean_v(0, 7812) == pytest.approx(volts)


def test_the_signal_follows_the_rail():
    assert line(rail=replace(QUIET_RAIL, volts=4.6)).pin_mean_v(0, 7812) == pytest.approx(1.02 * 4.6 / 5)


def test_a_transducer_clips_where_its_amplifier_ends():
    low, high = line(-80_000).pin_mean_v(0, 7812), line(900_000).pin_mean_v(0, 7812)
    # Out of its signal band, but no wire fault (FIELD section 1: 4 % and 96 %).
    assert 0.04 < low / 3.0 < 0.10
    assert 0.90 < high / 3.0 < 0.96


def test_faults_of_the_wire_read_as_the_divider_makes_them():
    sensor = line()
    for fault, volts in (("open", 0.0), ("short_to_ground", 0.0), ("short_to_rail", 3.0)):
        sensor.fault = fault
        assert sensor.pin_mean_v(0, 7812) == volts
    sensor.heal()
    assert sensor.pin_mean_v(0, 7812) == pytest.approx(1.02)


def test_a_channel_without_a_sensor_reads_open_and_cannot_be_healed():
    sensor = line(spec=replace(QUIET, fitted=False))
    sensor.heal()
    assert sensor.pin_mean_v(0, 7812) == 0


def test_offset_and_temperature_shift_the_reading():
    sensor = line(spec=replace(QUIET, offset_pa=300, tempco_pa_k=50))
    sensor.body_c = 35
    assert (sensor.pin_mean_v(0, 7812) - 1.02) * 500_000 / 2.4 == pytest.approx(300 + 10 * 50)


def test_a_sample_of_two_conversions_has_the_noise_of_the_datasheet_and_a_longer_mean_less():
    # DETECTION: 2.5 mbar rms per 10 Hz sample; white noise goes with the root of the averaging time.
    sensor = line(spec=replace(QUIET, noise_pa=250))
    for window_us, rms_pa in ((PAIR_US, 250), (PAIR_US / 2, 250 * math.sqrt(2)), (PAIR_US * 9, 250 / 3)):
        volts = [sensor.pin_mean_v(n * 1e5, n * 1e5 + window_us) for n in range(20_000)]
        assert np.std(volts) * 500_000 / 2.4 == pytest.approx(rms_pa, rel=0.02)
        assert np.mean(volts) == pytest.approx(1.02, abs=0.0001)


def test_noise_is_white():
    sensor = line(spec=replace(QUIET, noise_pa=250))
    volts = np.array([sensor.pin_mean_v(n * 1e5, n * 1e5 + PAIR_US) for n in range(20_000)])
    volts -= volts.mean()
    for lag in (1, 2, 10):
        assert abs(np.mean(volts[lag:] * volts[:-lag]) / np.var(volts)) < 0.03


def test_channels_have_their_own_noise_and_a_seed_its_own():
    def course(name: str, seed: int) -> list[float]:
        return generator(seed, name).standard_normal(5).tolist()

    assert course("p_static", 1) == course("p_static", 1)
    assert course("p_static", 1) != course("p_pump", 1)
    assert course("p_static", 1) != course("p_static", 2)


@pytest.mark.parametrize("window_us", [1_163.0, 7_812.5, 20_000.0, 125_000.0])
@pytest.mark.parametrize("hertz", [49.5, 50.0, 60.5])
def test_pickup_averages_as_its_integral_does(window_us: float, hertz: float):
    pickup = Pickup(5.0, hertz, phase_rad=0.7)
    for from_us in (0.0, 3_333.0, 1e9):
        t_us = from_us + (np.arange(20_000) + 0.5) / 20_000 * window_us
        summed = np.mean(5.0 * np.sin(2e-6 * np.pi * hertz * t_us + 0.7))
        assert pickup.mean(from_us, from_us + window_us) == pytest.approx(summed, abs=1e-4)


def test_a_whole_period_of_mains_leaves_nothing():
    assert Pickup(500.0, 50.0).mean(123_456, 123_456 + 20_000) == pytest.approx(0, abs=1e-6)


def test_pickup_on_the_wire_is_in_pascals_of_the_channel():
    sensor = line()
    sensor.disturbed.pickup = [Pickup(500.0, 50.0)]
    readings = [sensor.pin_mean_v(n * 777, n * 777 + 10) for n in range(2000)]
    assert (max(readings) - min(readings)) / 2 * 500_000 / 2.4 == pytest.approx(500, rel=0.01)


def test_a_spike_counts_by_its_share_of_the_window():
    disturbed = Disturbed(0.0, Normals(generator(1, "x")))
    disturbed.bursts = [Burst(1000, 2000, size=800)]
    assert disturbed.mean(0, 4000) == pytest.approx(200)
    assert disturbed.mean(1500, 5500) == pytest.approx(100)
    assert disturbed.mean(1200, 1400) == pytest.approx(800)
    assert disturbed.mean(3000, 4000) == 0
    disturbed.forget(2500)
    assert disturbed.mean(0, 4000) == 0


def test_a_burst_adds_noise_while_it_lasts():
    disturbed = Disturbed(0.0, Normals(generator(1, "x")))
    disturbed.bursts = [Burst(0, 1e9, noise_rms=1000)]
    assert np.std([disturbed.mean(t, t + PAIR_US) for t in range(0, 10**8, 10**4)]) == pytest.approx(1000, rel=0.03)
    assert disturbed.mean(2e9, 2e9 + PAIR_US) == 0


def test_wander_keeps_its_rms_and_drift_grows_with_the_root_of_time():
    wander = Wander(15.0, 900.0, 0.0, Normals(generator(1, "wander")))
    values = []
    for _ in range(400_000):
        wander.step()
        values.append(wander.value)
    assert np.std(values) == pytest.approx(15, rel=0.15)
    ends = []
    for seed in range(300):
        walk = Wander(0.0, 900.0, 1000.0, Normals(generator(seed, "walk")))
        for _ in range(1000):
            walk.step()
        ends.append(walk.value)
    assert np.std(ends) == pytest.approx(1000 * math.sqrt(1000 / (365 * 86400)), rel=0.12)


def test_a_dead_transducer_holds_its_voltage_until_healed():
    pressure_pa = [150_000.0]
    sensor = PressureLine("p_static", QUIET, RailLine(QUIET_RAIL, 1), lambda from_us, to_us: pressure_pa[0], 1)
    sensor.hold(0, 100_000)
    pressure_pa[0] = 100_000
    assert sensor.pin_mean_v(200_000, 207_812) == pytest.approx(1.02)
    sensor.heal()
    assert sensor.pin_mean_v(300_000, 307_812) == pytest.approx(0.78)


def test_the_rail_is_seen_through_the_same_divider():
    rail = RailLine(QUIET_RAIL, 1)
    assert rail.pin_mean_v(0, 7812) == pytest.approx(3.0)
    rail.set_volts = 4.5
    assert rail.pin_mean_v(0, 7812) == pytest.approx(2.7)
    rail.fault = "open"
    assert rail.pin_mean_v(0, 7812) == 0
    rail.heal()
    assert rail.pin_mean_v(0, 7812) == pytest.approx(2.7)


def test_the_rails_wander_moves_signal_and_reference_alike():
    rail = RailLine(Rail(noise_v=0, wander_v=0.05), 1)
    sensor = PressureLine("p_static", QUIET, rail, lambda from_us, to_us: 150_000.0, 1)
    seen = set()
    for _ in range(50):
        rail.wander.step()
        seen.add(round(rail.pin_mean_v(0, 7812), 4))
        assert sensor.pin_mean_v(0, 7812) / rail.pin_mean_v(0, 7812) == pytest.approx(0.34)
    assert len(seen) > 20


def test_a_thermometer_follows_with_its_pockets_lag():
    pocket = TemperatureLine("t_source", TemperatureSensor(noise_mdegc=0), 20.0, 0.1, 1)
    for _ in range(120):
        pocket.step(30.0)
    assert pocket.mean_c(0, 1) == pytest.approx(30 - 10 / math.e, abs=1e-6)


def test_a_thermometers_results_scatter_by_four_millikelvin():
    pocket = TemperatureLine("t_source", TemperatureSensor(offset_mdegc=100), 20.0, 0.1, 1)
    results = [pocket.mean_c(0, 1) for _ in range(20_000)]
    assert np.std(results) == pytest.approx(0.004, rel=0.02)
    assert np.mean(results) == pytest.approx(20.1, abs=1e-4)


def test_impossible_sensors_are_refused_by_the_name_of_their_figure():
    with pytest.raises(ValueError, match="span_pa"):
        PressureSensor(span_pa=0)
    with pytest.raises(ValueError, match="noise_pa"):
        PressureSensor(noise_pa=-1)
    with pytest.raises(ValueError, match="lag_s"):
        TemperatureSensor(lag_s=0)
    with pytest.raises(ValueError, match="wander_tau_s"):
        Rail(wander_tau_s=0)
