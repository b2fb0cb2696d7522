"""A loop's weeks: its duty and room drawn ahead, the plant compiled, and what the sensors report each second.

The plant steps at 10 Hz, the source of `bench.plant` compiled as it stands; a second's pressure is the mean of its ten
steps, as the board's second. Noise is drawn ahead too: a leak tried from some second on meets the very same weather,
load and noise as the leak-free run.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from loopwatch import burst

from .. import twin
from ..bench import plant
from .family import Member, SensorParams, UseParams

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]

STEPS_PER_S = 10
DAY_S = 86_400
YEAR_S = 365.0 * DAY_S

plant_step: Any = plant.compiled(twin.compiled)

_SPEED, _LOAD, _AMBIENT = plant.PUMP_SPEED, plant.LOAD_W, plant.AMBIENT_C
_PRESSURE, _SOURCE, _RADIATOR, _TANK = plant.PRESSURE_PA, plant.SOURCE_C, plant.RADIATOR_C, plant.TANK_C
_HEAD, _DOME = plant.P_HEAD_PA, plant.P_DOME_AMBIENT
_STEP_MDEGC = 7.8125
_BURST_SCORES, _BURST_MEMBER_N = burst.SCORES, burst.MEMBER_N


@dataclass
class Journey:
    """n seconds of one loop: inputs of the plant and additions of the sensors, a row a second.

    inputs: load W, pump speed, ambient °C. added: Pa on both pressures, m°C on the three temperatures.
    """

    inputs: Singles
    added: Singles


def changes(rng: np.random.Generator, n: int, every_s: float) -> list[int]:
    """Seconds at which something changes, half to one and a half intervals apart."""
    at: list[int] = []
    t = 0.0
    while True:
        t += every_s * float(rng.uniform(0.5, 1.5))
        if t >= n:
            return at
        at.append(int(t))


def held(n: int, at: list[int], values: list[float]) -> Singles:
    """The first value until at[0], the second until at[1], and so on to n."""
    return np.repeat(np.array(values, np.float32), np.diff([0, *at, n]))


def smoothed(rng: np.random.Generator, n: int, rms: float, tau_s: float, every_s: int) -> Singles:
    """A slow Gaussian deviation (first-order Markov), drawn every every_s and run straight between."""
    knots = n // every_s + 2
    keep = math.exp(-every_s / tau_s)
    kicks = rng.standard_normal(knots) * rms * math.sqrt(1 - keep * keep)
    kicks[0] = rms * rng.standard_normal()
    values = np.empty(knots)
    value = 0.0
    for i in range(knots):
        value = keep * value + kicks[i]
        values[i] = value
    return np.interp(np.arange(n), np.arange(knots) * every_s, values).astype(np.float32)


def used(use: UseParams, rng: np.random.Generator, n: int) -> Singles:
    """Load, speed and ambient of n seconds."""
    inputs = np.empty((n, 3), np.float32)
    at = changes(rng, n, use.load_every_s)
    load = held(n, at, [150.0 * use.load_scale, *(float(rng.choice(plant.LOADS_W)) * use.load_scale for _ in at)])
    at = changes(rng, n, use.speed_every_s)
    speed = held(n, at, [1.0, *(float(rng.choice(plant.SPEEDS)) for _ in at)])
    t_s = np.arange(n)
    hour = (9.0 + t_s / 3600) % 24
    night = (hour < 7.0) | (hour >= 22.0)
    load[night] = plant.STANDBY_W * use.load_scale
    for begins in changes(rng, n, use.off_every_s + use.off_s):
        off = slice(begins, begins + int(use.off_s * rng.uniform(0.5, 1.5)))
        speed[off] = 0.0
        load[off] = plant.STANDBY_W * use.load_scale
    inputs[:, 0] = load
    inputs[:, 1] = speed
    inputs[:, 2] = (
        use.ambient_c
        + use.diurnal_k * np.cos(2 * np.pi * (hour - plant.WARMEST_H) / 24)
        + use.season_k * np.sin(2 * np.pi * t_s / YEAR_S)
        + smoothed(rng, n, use.wander_k, 7200.0, 60)
    )
    return inputs


def sensed(sensors: SensorParams, rng: np.random.Generator, n: int) -> Singles:
    """What the sensors add in n seconds."""
    added = np.empty((n, 5), np.float32)
    for i in range(2):
        walk = np.cumsum(rng.standard_normal(n // 60 + 2)) * sensors.drift_pa_sqrt_year * math.sqrt(60 / YEAR_S)
        added[:, i] = rng.standard_normal(n, np.float32) * sensors.noise_pa
        added[:, i] += smoothed(rng, n, sensors.wander_pa, sensors.wander_tau_s, 10)
        added[:, i] += np.interp(np.arange(n), np.arange(len(walk)) * 60, walk)
    for i in range(2, 5):
        added[:, i] = rng.standard_normal(n, np.float32) * sensors.noise_mdegc
    return added


def drawn(member: Member, days: float) -> Journey:
    """The loop's first days."""
    n = int(days * DAY_S)
    return Journey(
        used(member.use, np.random.default_rng([member.seed, 2]), n),
        sensed(member.sensors, np.random.default_rng([member.seed, 3]), n),
    )


def surprise(way: Journey, member: Member, first: int) -> None:
    """Events of kinds that no log before second `first` has met, changed in place.

    Every few days one of: the load at 1.8 times its largest for hours, the pump off for 8 to 24 h, a heat wave of 8 K
    over three days, the pump switched off and on ten times in half an hour.
    """
    rng = np.random.default_rng([member.seed, 5])
    n = len(way.inputs)
    at = first + int(rng.uniform(1, 3) * DAY_S)
    largest_w = max(plant.LOADS_W) * member.use.load_scale
    while at < n - 4 * DAY_S:
        kind = int(rng.integers(4))
        if kind == 0:
            hours = slice(at, at + int(rng.uniform(1, 6) * 3600))
            way.inputs[hours, 0] = 1.8 * largest_w
            way.inputs[hours, 1] = np.maximum(way.inputs[hours, 1], 0.6)
        elif kind == 1:
            hours = slice(at, at + int(rng.uniform(8, 24) * 3600))
            way.inputs[hours, 0] = plant.STANDBY_W * member.use.load_scale
            way.inputs[hours, 1] = 0.0
        elif kind == 2:
            wave = np.sin(np.linspace(0, np.pi, 3 * DAY_S)) ** 2
            way.inputs[at : at + 3 * DAY_S, 2] += (8.0 * wave).astype(np.float32)
        else:
            for turn in range(10):
                way.inputs[at + 180 * turn : at + 180 * turn + 60, 1] = 0.0
        at += int(rng.uniform(2, 6) * DAY_S)


class Run(NamedTuple):
    """A loop under way.

    state, params, inputs: of the plant's step. pockets: of the thermometers, °C. sensor: constants.
    """

    state: Floats
    params: Floats
    inputs: Floats
    pockets: Floats
    sensor: Floats

    def leaking(self, rate_m3_s: float, hole_m2: float) -> Run:
        """The same moment with a leak from now on, to be run on apart."""
        apart = Run(self.state.copy(), self.params, self.inputs.copy(), self.pockets.copy(), self.sensor)
        apart.inputs[plant.LEAK_RATE_M3_S], apart.inputs[plant.HOLE_M2] = rate_m3_s, hole_m2
        return apart

    @property
    def lost_ml(self) -> float:
        """Leaked so far."""
        return float(self.state[plant.LOST_M3]) * 1e6


class Bursts(NamedTuple):
    """The burst path under way: memory and parameters of its kernel, a sample's channels, rms noise of one in Pa.

    Without noise nobody listens.
    """

    state: Ints
    params: Ints
    tenth: Ints
    noise_pa: Floats

    def copy(self) -> Bursts:
        """The same moment, to be run on apart."""
        return Bursts(self.state.copy(), self.params, self.tenth.copy(), self.noise_pa)


def listening(params: Ints, noise_pa: float) -> Bursts:
    """The burst path with these parameters, not started; noise_pa: rms of a 10 Hz sample."""
    return Bursts(np.zeros(burst.STATE_N, np.int32), params, np.zeros(6, np.int32), np.array([noise_pa]))


def unheard() -> Bursts:
    """No burst path."""
    return listening(np.zeros(burst.PARAM_N, np.int32), 0.0)


@twin.compiled
def seeded(seed: int) -> None:
    """Begin the noise of the 10 Hz samples."""
    np.random.seed(seed)


def begun(member: Member, journey: Journey) -> Run:
    """The loop settled at the journey's start."""
    load, speed, ambient = (float(value) for value in journey.inputs[0])
    state, params = plant.settled(member.loop, load, speed, ambient)
    dome = plant.dome_c(state[plant.TANK_C], ambient, params)
    pockets = np.array([state[plant.SOURCE_C], state[plant.RADIATOR_C], dome])
    sensor = np.array([member.sensors.tempco_pa_k, -math.expm1(-1 / member.sensors.lag_s)])
    return Run(np.array(state), np.array(params), np.zeros(plant.INPUT_N), pockets, sensor)


@twin.compiled
def second(run: Run, given: Singles, added: Singles, x: Ints, bursts: Bursts) -> int:
    """Move a loop on by a second and report its channels into x (Pa, Pa, m°C × 3).

    Returns the first tenth in which the burst path alarms, 0 when none does. Its ten samples see their own noise.
    """
    state, params, inputs, pockets, sensor = run
    burst_at, burst_params, tenth, noise_pa = bursts
    inputs[_LOAD] = given[0]
    inputs[_SPEED] = given[1]
    inputs[_AMBIENT] = given[2]
    dome = state[_TANK] + params[_DOME] * (given[2] - state[_TANK])
    body = sensor[0] * (dome - 25.0)
    rise = params[_HEAD] * given[1] * given[1]
    pressure = 0.0
    burst = 0
    for i in range(STEPS_PER_S):
        plant_step(state, params, inputs, 0.1)
        pressure += state[_PRESSURE]
        if noise_pa[0] > 0:
            tenth[0] = round(state[_PRESSURE] + body + noise_pa[0] * np.random.standard_normal())
            tenth[1] = round(state[_PRESSURE] + body + rise + noise_pa[0] * np.random.standard_normal())
            if twin.burst_step(burst_at, burst_params, tenth) != 0 and burst == 0:
                burst = i + 1
    pressure /= STEPS_PER_S
    dome = state[_TANK] + params[_DOME] * (given[2] - state[_TANK])
    pockets[0] += sensor[1] * (state[_SOURCE] - pockets[0])
    pockets[1] += sensor[1] * (state[_RADIATOR] - pockets[1])
    pockets[2] += sensor[1] * (dome - pockets[2])
    body = sensor[0] * (dome - 25.0)
    x[0] = round(pressure + body + added[0])
    x[1] = round(pressure + rise + body + added[1])
    for i in range(3):
        steps = round((pockets[i] * 1000 + added[2 + i]) / _STEP_MDEGC)
        x[2 + i] = round(steps * _STEP_MDEGC)
    return burst


@twin.compiled
def seconds(run: Run, given: Singles, added: Singles, x: Ints, bursts: Bursts, at_s: Ints) -> int:
    """Move a loop on by as many seconds as given has rows; rows of bursts' alarms into at_s, returns their number."""
    n = 0
    for i in range(given.shape[0]):
        if second(run, given[i], added[i], x[i], bursts) != 0:
            if n < at_s.shape[0]:
                at_s[n] = i
            n += 1
            bursts.state[_BURST_SCORES : _BURST_SCORES + _BURST_MEMBER_N] = 0
    return n


def log(run: Run, journey: Journey, first: int, last: int) -> Ints:
    """The channels of the journey's seconds first to last, and the loop moved on; nobody listens for bursts."""
    return watched(run, journey, first, last, unheard())[0]


def watched(run: Run, journey: Journey, first: int, last: int, bursts: Bursts) -> tuple[Ints, list[int]]:
    """The same with the burst path listening: the channels, and the rows in which it alarmed."""
    x, at_s = np.zeros((last - first, 6), np.int32), np.zeros(10_000, np.int32)
    n = seconds(run, journey.inputs[first:last], journey.added[first:last], x, bursts, at_s)
    return x, at_s[: min(n, len(at_s))].tolist()
