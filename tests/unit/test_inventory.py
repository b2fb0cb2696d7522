"""The inventory residual against the same equations in float64."""

import math

import numpy as np
import pytest
from strict_int import StrictInt

from loopwatch import sample
from loopwatch.config import Config
from loopwatch.fixed import quotient_q20
from loopwatch.inventory import NO_INPUT, SETTLE_N, SETTLING, VALID, Inventory


def mean_of(p_static_pa, t_mdegc=25_000, p_pump_pa=None, t_dome_mdegc=None, number=int):
    mean = sample.Sample()
    values = [0] * sample.CHANNEL_N
    values[sample.P_STATIC] = number(round(p_static_pa))
    values[sample.P_PUMP] = number(round(p_static_pa + 35_000 if p_pump_pa is None else p_pump_pa))
    for channel in (sample.T_SOURCE, sample.T_RADIATOR, sample.T_DOME):
        values[channel] = number(round(t_mdegc))
    if t_dome_mdegc is not None:
        values[sample.T_DOME] = number(round(t_dome_mdegc))
    mean.values = values  # type: ignore[assignment]  # a list keeps the numbers' own type, an array would not
    for channel in range(sample.CHANNEL_N):
        mean.status[channel] = sample.GOOD
    return mean


def settled(config, p_pa=150_000, t_mdegc=25_000, number=int):
    inventory = Inventory(config)
    for _ in range(SETTLE_N):
        assert inventory.step(mean_of(p_pa, t_mdegc, number=number)) == SETTLING
    return inventory


@pytest.mark.parametrize("gas_ul", [5_000, 50_000, 150_000, 750_000, 2_000_000])
@pytest.mark.parametrize("p_pa", [60_000, 120_000, 149_000, 151_000, 190_000, 400_000])
def test_at_one_temperature_it_is_boyles_law(gas_ul, p_pa):
    inventory = settled(Config(gas_ul=gas_ul))
    assert inventory.step(mean_of(p_pa)) == VALID
    expected_ul = -min(gas_ul * (150_000 / p_pa - 1), 3 * gas_ul)
    # One pressure step is 3.125 Pa; the gas is a 15-bit number.
    assert inventory.residual_ul == pytest.approx(expected_ul, rel=2e-4, abs=gas_ul * 150_000 / p_pa**2 * 3.2 + 2)


def test_heating_gas_and_liquid_at_constant_pressure_is_gas_law_and_expansion():
    config = Config()
    inventory = settled(config)
    for _ in range(2_000):
        inventory.step(mean_of(150_000, 35_000))
    gas_ul = config.gas_ul * 10 / 298.15
    liquid_ul = config.liquid_ul * config.expansion_ppm_k * 1e-6 * 10
    assert inventory.residual_ul == pytest.approx(-gas_ul - liquid_ul, rel=2e-3)


def test_a_sealed_loop_that_loses_nothing_has_no_residual():
    """Warm a loop whose gas obeys the gas law and whose liquid expands as configured: P from the float64 model."""
    config = Config()
    inventory = settled(config)
    worst_ul = 0.0
    for second in range(6_000):
        warming_k = 12 * math.sin(second / 6_000 * 2 * math.pi)
        gas_ul = config.gas_ul - config.liquid_ul * config.expansion_ppm_k * 1e-6 * warming_k
        p_pa = 150_000 * (298.15 + warming_k) / 298.15 * config.gas_ul / gas_ul
        inventory.step(mean_of(p_pa, 25_000 + 1000 * warming_k))
        worst_ul = max(worst_ul, abs(inventory.residual_ul))
    # The lags that a real loop has and this one has not cost up to 12 K * 2 pi / 6000 s * 64 s = 0.8 K of liquid.
    assert worst_ul < 1.0 * config.liquid_ul * config.expansion_ppm_k * 1e-6


def test_one_millilitre_lost_reads_one_millilitre():
    config = Config()
    inventory = settled(config)
    p_pa = 150_000 * config.gas_ul / (config.gas_ul + 1_000)
    inventory.step(mean_of(p_pa))
    assert inventory.residual_ul == pytest.approx(-1_000, abs=4)


def test_without_static_pressure_there_is_no_residual_and_the_baseline_is_kept():
    inventory = settled(Config())
    blind = mean_of(150_000)
    blind.status[sample.P_STATIC] = sample.NO_ANSWER
    before_ul = inventory.residual_ul
    assert inventory.step(blind) == NO_INPUT
    assert inventory.residual_ul == before_ul
    assert inventory.step(mean_of(150_000)) == VALID


def test_a_temperature_that_fails_holds_its_last_value():
    inventory = settled(Config())
    failed = mean_of(150_000, t_dome_mdegc=-256_000)
    failed.status[sample.T_DOME] = sample.NO_ANSWER
    for _ in range(100):
        inventory.step(failed)
    assert abs(inventory.residual_ul) <= 2


def test_a_pump_is_seen_by_its_head():
    inventory = settled(Config())
    inventory.step(mean_of(150_000, p_pump_pa=151_000))
    assert not inventory.pump_on
    inventory.step(mean_of(150_000, p_pump_pa=185_000))
    assert inventory.pump_on


def test_nothing_leaves_the_boards_small_integers_whatever_the_sensors_say():
    rng = np.random.default_rng(1)
    for _ in range(60):
        given = {"gas_ul": int(rng.integers(5_000, 2_000_000)), "liquid_ul": int(rng.integers(100_000, 20_000_000))}
        given["expansion_ppm_k"] = int(rng.integers(0, 1_500))
        config = Config(**{name: StrictInt(value) for name, value in given.items()})
        inventory = settled(config, rng.integers(0, 2_000_000), rng.integers(-50_000, 150_000), StrictInt)
        for _ in range(60):
            inventory.step(
                mean_of(rng.integers(-200_000, 2_000_000), rng.integers(-256_000, 256_000), number=StrictInt)
            )


@pytest.mark.parametrize("denominator", [1, 7, 2_048, 48_000, 1_048_575])
def test_a_quotient_is_rounded_down_to_20_bits(denominator):
    for numerator in (-1_048_575, -5_000, -1, 0, 1, 333, 48_000, 1_048_575):
        exact = math.floor(numerator * 2**20 / denominator)
        if abs(numerator // denominator) <= 510:
            assert quotient_q20(StrictInt(numerator), StrictInt(denominator)) == exact
