"""The family of loops that the detector is judged on: every figure of loop, sensors and duty drawn from a stated range.

A loop is its seed. TRAIN and HELD_OUT are disjoint ranges of seeds: settings may be chosen on the first, numbers are
quoted from the second. Ranges are those of DETECTION section 7 or wider.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..bench.plant import LoopParams

TRAIN = range(1_000, 500_000)
HELD_OUT = range(1_000_000, 2_000_000)

# (density kg/m3, linear 1/K, square 1/K2, heat J/kg K) at 25 °C: water, 30 % propylene glycol, 50 % ethylene glycol.
COOLANTS = {
    "water": (997.0, 2.6e-4, 4.8e-6, 4180.0),
    "propylene glycol 30 %": (1022.0, 4.3e-4, 2.2e-6, 3800.0),
    "ethylene glycol 50 %": (1062.0, 5.2e-4, 2.0e-6, 3350.0),
}


@dataclass(frozen=True)
class SensorParams:
    """What the sensors add at 1 Hz: to the pressures noise, wander, drift and warmth; to temperatures noise and lag."""

    noise_pa: float = 250 / math.sqrt(10) * 1.05  # of ten samples the middle six
    wander_pa: float = 15.0
    wander_tau_s: float = 900.0
    drift_pa_sqrt_year: float = 1000.0
    tempco_pa_k: float = 50.0
    noise_mdegc: float = 4.0
    lag_s: float = 12.0


@dataclass(frozen=True)
class UseParams:
    """How the loop is used and where it stands."""

    load_scale: float = 1.0
    load_every_s: float = 3600.0
    speed_every_s: float = 5400.0
    off_every_s: float = 43_200.0
    off_s: float = 1800.0
    ambient_c: float = 22.0
    diurnal_k: float = 2.5
    wander_k: float = 0.6
    season_k: float = 3.0


@dataclass(frozen=True)
class Member:
    """One loop of the family."""

    seed: int
    coolant: str
    loop: LoopParams
    sensors: SensorParams
    use: UseParams


def drawn(seed: int) -> Member:
    """The loop of a seed."""
    rng = np.random.default_rng([seed, 1])

    def log(least: float, most: float) -> float:
        return float(math.exp(rng.uniform(math.log(least), math.log(most))))

    liquid_ml = log(400, 8_000)
    gas_ml = min(max(liquid_ml * log(0.05, 0.2), 40.0), 800.0)
    ua_w_k = log(8, 24)
    coolant = str(rng.choice(list(COOLANTS)))
    density, linear, square, heat = COOLANTS[coolant]
    litres = liquid_ml / 2000
    loop = LoopParams(
        liquid_ml=liquid_ml,
        gas_ml=gas_ml,
        pressure_pa=rng.uniform(125e3, 220e3),
        hose_ml_bar=2 * litres * log(0.3, 3),
        discharge_ml_bar=litres * log(0.3, 3),
        wall_ppm_k=rng.uniform(20, 100),
        head_pa=rng.uniform(20e3, 60e3),
        flow_ml_min=rng.uniform(1_000, 4_000),
        thermosiphon=rng.uniform(0.005, 0.05),
        ua_w_k=ua_w_k,
        block_j_k=log(300, 1_500),
        block_w_k=rng.uniform(25, 60),
        gas_tau_s=log(20, 80),
        dome_ambient=rng.uniform(0.2, 0.45),
        permeation_ml_h=log(0.002, 0.03),
        heat_j_kg_k=heat,
        rho_kg_m3=density,
        rho_linear_k=linear,
        rho_square_k2=square,
        source_part=rng.uniform(0.08, 0.2),
        radiator_part=rng.uniform(0.1, 0.2),
    )
    noise = log(0.5, 2)
    default = SensorParams()
    sensors = SensorParams(
        noise_pa=default.noise_pa * noise,
        wander_pa=15 * noise,
        wander_tau_s=log(300, 3_000),
        drift_pa_sqrt_year=1000 * log(0.5, 2),
        tempco_pa_k=rng.uniform(-80, 80),
        noise_mdegc=4 * log(0.5, 2),
        lag_s=log(6, 20),
    )
    use = UseParams(
        load_scale=ua_w_k / 12 * rng.uniform(0.5, 1.3),
        load_every_s=log(1_800, 7_200),
        speed_every_s=log(2_700, 10_800),
        off_every_s=log(21_600, 86_400),
        off_s=log(600, 5_400),
        ambient_c=rng.uniform(18, 27),
        diurnal_k=rng.uniform(1, 4),
        wander_k=rng.uniform(0.3, 1.0),
        season_k=rng.uniform(0, 5),
    )
    return Member(seed, coolant, loop, sensors, use)


def default(seed: int) -> Member:
    """The reference loop of DETECTION section 1 with this seed's duty and noise."""
    return Member(seed, "propylene glycol 30 %", LoopParams(), SensorParams(), UseParams())
