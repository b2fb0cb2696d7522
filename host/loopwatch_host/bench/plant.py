"""The coolant loop's physics: liquid, gas in the vessel, heat, hoses, and where it leaks.

`step` is a pure function on float sequences of fixed layout (STATE, PARAMS, INPUTS), SI units inside, no
object and no allocation, so that one source runs here on lists and can be compiled for campaigns. Around
it, `LoopParams` holds a loop's figures in the units of the bench and `Plant` one loop under way.

Liquid in four places (source fluid, radiator fluid, tank and lines, and the metal of the source block),
a gas that takes up every change of volume: fast changes are adiabatic, slow ones isothermal with the dome's wall.
What the equations leave out: flow and pressure waves, gas in the lines, a pump that runs dry.
"""

from __future__ import annotations

import math
from collections.abc import Callable, MutableSequence, Sequence
from dataclasses import asdict, dataclass, replace
from types import FunctionType
from typing import Any, ClassVar

import numpy as np

STEP_S = 0.1
GAS_CONSTANT_J_MOL_K = 8.314462618
ZERO_C_K = 273.15

# Places in the state. Temperatures of liquid and metal in °C, of the gas in K.
(
    LIQUID_KG,
    BLOCK_C,
    SOURCE_C,
    RADIATOR_C,
    TANK_C,
    GAS_K,
    GAS_MOL,
    DISSOLVED_MOL,
    GAS_M3,
    PRESSURE_PA,
    LEAK_M3_S,
    LOST_M3,
    PERMEATED_M3,
) = range(13)
STATE_N = 13

# Places in the inputs.
(LOAD_W, PUMP_SPEED, AMBIENT_C, LEAK_RATE_M3_S, HOLE_M2, HOLE_AT_DISCHARGE, FILL_M3_S) = range(7)
INPUT_N = 7

# Places in the parameters, SI units.
(
    P_VESSEL_M3,
    P_WALL_K,
    P_HOSE_M3_PA,
    P_DISCHARGE_M3_PA,
    P_START_PA,
    P_ATMOSPHERE_PA,
    P_HEAD_PA,
    P_FLOW_M3_S,
    P_THERMOSIPHON,
    P_UA_W_K,
    P_BLOCK_J_K,
    P_BLOCK_W_K,
    P_GAS_TAU_S,
    P_DOME_AMBIENT,
    P_PERMEATION_M3_S,
    P_PERMEATION_K,
    P_DISCHARGE_COEFFICIENT,
    P_HEAT_J_KG_K,
    P_RHO_KG_M3,
    P_RHO_LINEAR_K,
    P_RHO_SQUARE_K2,
    P_HENRY_MOL_M3_PA,
    P_DISSOLVE_TAU_S,
    P_SOURCE_PART,
    P_RADIATOR_PART,
) = range(25)
PARAM_N = 25

REFERENCE_C = 25.0


def step(state: MutableSequence[float], params: Sequence[float], inputs: Sequence[float], dt: float) -> None:
    """Move the loop on by dt seconds, in place.

    state, params and inputs are float sequences laid out by the names above; dt of 0.1 s keeps the
    fastest time constant (9 s) explicit. Equations: DETECTION section 1.
    """
    speed = inputs[PUMP_SPEED]
    ambient = inputs[AMBIENT_C]
    block = state[BLOCK_C]
    source = state[SOURCE_C]
    radiator = state[RADIATOR_C]
    tank = state[TANK_C]
    mass = state[LIQUID_KG]
    source_part = params[P_SOURCE_PART]
    radiator_part = params[P_RADIATOR_PART]
    tank_part = 1.0 - source_part - radiator_part
    heat = params[P_HEAT_J_KG_K]
    rho0 = params[P_RHO_KG_M3]
    lin = params[P_RHO_LINEAR_K]
    square = params[P_RHO_SQUARE_K2]

    d = tank - REFERENCE_C
    rho_tank = rho0 * (1.0 - lin * d - square * d * d)
    mean = source_part * source + radiator_part * radiator + tank_part * tank - REFERENCE_C

    # What leaves and enters.
    pressure = state[PRESSURE_PA]
    rise = params[P_HEAD_PA] * speed * speed
    leak = inputs[LEAK_RATE_M3_S]
    over = pressure + inputs[HOLE_AT_DISCHARGE] * rise - params[P_ATMOSPHERE_PA]
    if over > 0.0:
        leak += params[P_DISCHARGE_COEFFICIENT] * inputs[HOLE_M2] * math.sqrt(2.0 * over / rho_tank)
    permeation = params[P_PERMEATION_M3_S] * math.exp(params[P_PERMEATION_K] * mean)
    fill = inputs[FILL_M3_S]
    left = mass / rho_tank / dt + fill - permeation
    if leak > left:
        leak = max(left, 0.0)
    mass = max(mass + rho_tank * (fill - leak - permeation) * dt, 0.0)

    # Heat goes round with the flow; a stopped pump leaves a thermosiphon.
    carried = rho_tank * params[P_FLOW_M3_S] * max(speed, params[P_THERMOSIPHON]) * heat
    into_source = params[P_BLOCK_W_K] * (block - source)
    # A nearly empty loop warms as if it held as much as keeps an explicit step stable (63 g by default).
    most_w_k = carried + params[P_BLOCK_W_K] + params[P_UA_W_K]
    capacity = max(mass * heat, 2.0 * dt * most_w_k / min(source_part, radiator_part, tank_part))
    state[BLOCK_C] = block + dt * (inputs[LOAD_W] - into_source) / params[P_BLOCK_J_K]
    state[SOURCE_C] = source + dt * (into_source + carried * (tank - source)) / (source_part * capacity)
    state[RADIATOR_C] = radiator + dt * (carried * (source - radiator) - params[P_UA_W_K] * (radiator - ambient)) / (
        radiator_part * capacity
    )
    state[TANK_C] = tank + dt * carried * (radiator - tank) / (tank_part * capacity)

    # Gas that dissolves or comes out (Henry); off when the coefficient is zero.
    moles = state[GAS_MOL]
    liquid = liquid_m3(mass, state, params)
    if params[P_HENRY_MOL_M3_PA] > 0.0:
        moving = params[P_HENRY_MOL_M3_PA] * pressure * liquid - state[DISSOLVED_MOL]
        moving *= dt / params[P_DISSOLVE_TAU_S]
        state[DISSOLVED_MOL] += moving
        moles -= moving

    # The gas: volume at its old temperature, adiabatic change with the volume, then towards the dome's wall.
    gas_k = state[GAS_K]
    gas = state[GAS_M3]
    room = room_m3(liquid, mean, speed, params)
    hose = params[P_HOSE_M3_PA]
    changed = room + hose * pressure_of(room, moles, gas_k, hose)
    gas_k -= 0.4 * gas_k * (changed - gas) / gas
    wall_k = dome_c(tank, ambient, params) + ZERO_C_K
    gas_k += dt * (wall_k - gas_k) / params[P_GAS_TAU_S]
    pressure = pressure_of(room, moles, gas_k, hose)

    state[LIQUID_KG] = mass
    state[GAS_K] = gas_k
    state[GAS_MOL] = moles
    state[GAS_M3] = room + hose * pressure
    state[PRESSURE_PA] = pressure
    state[LEAK_M3_S] = leak
    state[LOST_M3] += leak * dt
    state[PERMEATED_M3] += permeation * dt


def density_kg_m3(t_c: float, params: Sequence[float]) -> float:
    """Density of the coolant at t_c."""
    d = t_c - REFERENCE_C
    return params[P_RHO_KG_M3] * (1.0 - params[P_RHO_LINEAR_K] * d - params[P_RHO_SQUARE_K2] * d * d)


def liquid_m3(mass_kg: float, state: Sequence[float], params: Sequence[float]) -> float:
    """Volume of the liquid in its three places at their temperatures."""
    source_part = params[P_SOURCE_PART]
    radiator_part = params[P_RADIATOR_PART]
    return mass_kg * (
        source_part / density_kg_m3(state[SOURCE_C], params)
        + radiator_part / density_kg_m3(state[RADIATOR_C], params)
        + (1.0 - source_part - radiator_part) / density_kg_m3(state[TANK_C], params)
    )


def room_m3(liquid: float, mean_k: float, speed: float, params: Sequence[float]) -> float:
    """Gas volume less the part of the hoses that gives way to the pressure itself.

    mean_k: the liquid's mean temperature above REFERENCE_C.
    """
    return (
        params[P_VESSEL_M3] * (1.0 + params[P_WALL_K] * mean_k)
        - params[P_HOSE_M3_PA] * params[P_START_PA]
        + params[P_DISCHARGE_M3_PA] * params[P_HEAD_PA] * speed * speed
        - liquid
    )


def pressure_of(room: float, moles: float, gas_k: float, hose_m3_pa: float) -> float:
    """P of P·(room + hose·P) = n·R·T, in the form that also holds for hard hoses."""
    energy = moles * GAS_CONSTANT_J_MOL_K * gas_k
    return 2.0 * energy / (room + math.sqrt(room * room + 4.0 * hose_m3_pa * energy))


def dome_c(tank_c: float, ambient_c: float, params: Sequence[float]) -> float:
    """Temperature of the dome's wall, between tank and room."""
    return tank_c + params[P_DOME_AMBIENT] * (ambient_c - tank_c)


def compiled(jit: Callable[[Any], Any]) -> Any:
    """`step` made by jit (numba.njit, say) from this very source; that one takes float64 arrays."""
    names: dict[str, Any] = dict(globals())
    for function in (density_kg_m3, liquid_m3, room_m3, pressure_of, dome_c, step):
        names[function.__name__] = jit(FunctionType(function.__code__, names, function.__name__))
    return names["step"]


MAY_BE_ZERO = frozenset(
    (
        "hose_ml_bar",
        "discharge_ml_bar",
        "wall_ppm_k",
        "head_pa",
        "thermosiphon",
        "dome_ambient",
        "permeation_ml_h",
        "permeation_k",
        "rho_linear_k",
        "rho_square_k2",
        "henry_mol_m3_pa",
    )
)


@dataclass(frozen=True)
class LoopParams:
    """One loop's figures, DETECTION section 1 unless said otherwise; ValueError names an impossible one.

    liquid_ml, gas_ml and pressure_pa (absolute) are those at the start, with the loop warm and its pump running.
    """

    liquid_ml: float = 2000.0
    gas_ml: float = 150.0
    pressure_pa: float = 150_000.0
    atmosphere_pa: float = 100_000.0
    hose_ml_bar: float = 2.0
    discharge_ml_bar: float = 1.0
    wall_ppm_k: float = 50.0
    head_pa: float = 35_000.0
    flow_ml_min: float = 2000.0
    thermosiphon: float = 0.02  # of full flow while the pump stands; ours: without it a stopped loop boils
    ua_w_k: float = 12.0
    block_j_k: float = 600.0
    block_w_k: float = 40.0
    gas_tau_s: float = 40.0
    dome_ambient: float = 0.3
    permeation_ml_h: float = 0.01
    permeation_k: float = 0.03
    discharge_coefficient: float = 0.62
    heat_j_kg_k: float = 3800.0  # 30 % propylene glycol; ours
    rho_kg_m3: float = 1022.0
    rho_linear_k: float = 4.3e-4
    rho_square_k2: float = 2.2e-6
    henry_mol_m3_pa: float = 0.0  # 6.5e-6 for nitrogen in water; 0 leaves dissolution out
    dissolve_tau_s: float = 20_000.0
    source_part: float = 0.15
    radiator_part: float = 0.15

    # Scenario files name these fields; one that is not here is refused.
    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not math.isfinite(value) or value < 0 or (value == 0 and name not in MAY_BE_ZERO):
                raise ValueError(f"{name} = {value}: must be {'zero or more' if name in MAY_BE_ZERO else 'above zero'}")
        if self.source_part + self.radiator_part >= 1:
            raise ValueError("source_part and radiator_part together must be less than the whole liquid")

    def array(self, vessel_m3: float = math.nan) -> list[float]:
        """The parameters of `step`, SI units, in the order of its names."""
        return [
            vessel_m3,
            self.wall_ppm_k * 1e-6,
            self.hose_ml_bar * 1e-11,
            self.discharge_ml_bar * 1e-11,
            self.pressure_pa,
            self.atmosphere_pa,
            self.head_pa,
            self.flow_ml_min * 1e-6 / 60,
            self.thermosiphon,
            self.ua_w_k,
            self.block_j_k,
            self.block_w_k,
            self.gas_tau_s,
            self.dome_ambient,
            self.permeation_ml_h * 1e-6 / 3600,
            self.permeation_k,
            self.discharge_coefficient,
            self.heat_j_kg_k,
            self.rho_kg_m3,
            self.rho_linear_k,
            self.rho_square_k2,
            self.henry_mol_m3_pa,
            self.dissolve_tau_s,
            self.source_part,
            self.radiator_part,
        ]


def settled(loop: LoopParams, load_w: float, pump_speed: float, ambient_c: float) -> tuple[list[float], list[float]]:
    """A loop that has run like this for long; returns (state, params) for `step`.

    Pressure, gas and liquid volumes are the loop's; the vessel is as large as they need.
    """
    params = loop.array()
    state = [0.0] * STATE_N
    carried = loop.rho_kg_m3 * params[P_FLOW_M3_S] * max(pump_speed, loop.thermosiphon, 1e-3) * loop.heat_j_kg_k
    state[RADIATOR_C] = state[TANK_C] = ambient_c + load_w / loop.ua_w_k
    state[SOURCE_C] = state[RADIATOR_C] + load_w / carried
    state[BLOCK_C] = state[SOURCE_C] + load_w / loop.block_w_k
    liquid = loop.liquid_ml * 1e-6
    state[LIQUID_KG] = liquid / liquid_m3(1.0, state, params)
    state[GAS_K] = dome_c(state[TANK_C], ambient_c, params) + ZERO_C_K
    state[GAS_M3] = loop.gas_ml * 1e-6
    state[PRESSURE_PA] = loop.pressure_pa
    state[GAS_MOL] = loop.pressure_pa * state[GAS_M3] / (GAS_CONSTANT_J_MOL_K * state[GAS_K])
    state[DISSOLVED_MOL] = loop.henry_mol_m3_pa * loop.pressure_pa * liquid

    tank_part = 1.0 - loop.source_part - loop.radiator_part
    mean_k = (
        loop.source_part * state[SOURCE_C] + loop.radiator_part * state[RADIATOR_C] + tank_part * state[TANK_C]
    ) - REFERENCE_C
    stretch = params[P_DISCHARGE_M3_PA] * loop.head_pa * pump_speed * pump_speed
    params[P_VESSEL_M3] = (liquid + state[GAS_M3] - stretch) / (1.0 + params[P_WALL_K] * mean_k)
    return state, params


def hole_m2(hole_mm: float) -> float:
    """Area of a round hole by its diameter."""
    return math.pi / 4 * (hole_mm * 1e-3) ** 2


class Plant:
    """One loop under way: settled at its start, then moved by step() under `inputs`.

    Readings are properties in the units of the bench; `state`, `params` and `inputs` are those of the function `step`.
    """

    def __init__(
        self, loop: LoopParams, load_w: float = 150.0, pump_speed: float = 1.0, ambient_c: float = 22.0
    ) -> None:
        self.state, self.params = settled(loop, load_w, pump_speed, ambient_c)
        self.inputs = [load_w, pump_speed, ambient_c, 0.0, 0.0, 0.0, 0.0]

    def step(self) -> None:
        """Move on by STEP_S."""
        step(self.state, self.params, self.inputs, STEP_S)

    def leak(self, rate_ml_h: float = 0.0, hole_mm: float = 0.0, at_discharge: bool = False) -> None:
        """Open a leak of a fixed rate, or a hole whose flow follows the pressure; both zero closes it."""
        self.inputs[LEAK_RATE_M3_S] = rate_ml_h * 1e-6 / 3600
        self.inputs[HOLE_M2] = hole_m2(hole_mm)
        self.inputs[HOLE_AT_DISCHARGE] = float(at_discharge)

    @property
    def p_static_pa(self) -> float:
        """Absolute pressure at the vessel."""
        return self.state[PRESSURE_PA]

    @property
    def p_pump_pa(self) -> float:
        """Absolute pressure at the pump's discharge."""
        speed = self.inputs[PUMP_SPEED]
        return self.state[PRESSURE_PA] + self.params[P_HEAD_PA] * speed * speed

    @property
    def dome_c(self) -> float:
        """Temperature of the dome's wall, where t_dome sits."""
        return dome_c(self.state[TANK_C], self.inputs[AMBIENT_C], self.params)

    @property
    def liquid_ml(self) -> float:
        """Volume of the liquid now."""
        return liquid_m3(self.state[LIQUID_KG], self.state, self.params) * 1e6

    @property
    def gas_ml(self) -> float:
        """Volume of the gas now."""
        return self.state[GAS_M3] * 1e6

    @property
    def lost_ml(self) -> float:
        """Leaked since the start; permeation is not a leak and not in it."""
        return self.state[LOST_M3] * 1e6

    @property
    def leak_rate_ml_h(self) -> float:
        """Flow through the leak during the latest step."""
        return self.state[LEAK_M3_S] * 3600e6


LOADS_W = (40.0, 100.0, 150.0, 220.0, 300.0)
SPEEDS = (0.6, 0.8, 1.0)
STANDBY_W = 40.0
WARMEST_H = 15.0
YEAR_H = 365 * 24.0


@dataclass(frozen=True)
class DutyParams:
    """How a loop is used through day and night, DETECTION section 1; hours of the day are those of the room."""

    start_h: float = 9.0
    day_from_h: float = 7.0
    day_to_h: float = 22.0
    load_every_s: float = 3600.0
    speed_every_s: float = 5400.0
    off_every_s: float = 43_200.0
    off_s: float = 1800.0

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        _above_zero(self, "load_every_s", "speed_every_s", "off_every_s", "off_s")


class Duty:
    """Load and pump speed of a loop in use, drawn from one generator.

    Loads change at about their interval by day and rest at standby by night; the pump's speed changes, and now and then
    the pump stands still with the load at standby. Intervals vary from half to one and a half of their mean.
    """

    def __init__(self, params: DutyParams, rng: np.random.Generator, load_w: float, pump_speed: float) -> None:
        self._params = params
        self._rng = rng
        self._load_w = load_w
        self._speed = pump_speed
        self._load_due_s = self._interval(params.load_every_s)
        self._speed_due_s = self._interval(params.speed_every_s)
        self._off_due_s = self._interval(params.off_every_s)
        self._on_due_s = 0.0

    def apply(self, t_s: float, inputs: MutableSequence[float]) -> None:
        """Set load and pump speed in the plant's inputs for t_s; t_s must not go back."""
        if t_s >= self._load_due_s:
            self._load_due_s += self._interval(self._params.load_every_s)
            self._load_w = float(self._rng.choice(LOADS_W))
        if t_s >= self._speed_due_s:
            self._speed_due_s += self._interval(self._params.speed_every_s)
            self._speed = float(self._rng.choice(SPEEDS))
        if t_s >= self._off_due_s:
            self._on_due_s = t_s + self._params.off_s
            self._off_due_s += self._interval(self._params.off_every_s) + self._params.off_s
        off = t_s < self._on_due_s
        inputs[PUMP_SPEED] = 0.0 if off else self._speed
        inputs[LOAD_W] = STANDBY_W if off or not self._is_day(t_s) else self._load_w

    def _interval(self, mean_s: float) -> float:
        return float(self._rng.uniform(0.5, 1.5)) * mean_s

    def _is_day(self, t_s: float) -> bool:
        hour = (self._params.start_h + t_s / 3600) % 24
        return self._params.day_from_h <= hour < self._params.day_to_h


@dataclass(frozen=True)
class RoomParams:
    """How the room's temperature moves around its mean, DETECTION section 1."""

    start_h: float = 9.0
    diurnal_k: float = 2.5
    wander_k: float = 0.6
    wander_tau_s: float = 7200.0
    season_k: float = 3.0

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        _above_zero(self, "wander_tau_s")


class Room:
    """The room's deviation from its mean temperature: day and night, wander, season; zero at the start."""

    EVERY_S = 10.0

    def __init__(self, params: RoomParams, rng: np.random.Generator) -> None:
        self._params = params
        self._rng = rng
        self._keep = math.exp(-self.EVERY_S / params.wander_tau_s)
        self._kick_k = params.wander_k * math.sqrt(1 - self._keep * self._keep)
        self._wander_k = 0.0
        self._due_s = self.EVERY_S
        self._start_k = self._cycles_k(0.0)
        self._deviation_k = 0.0

    def deviation_k(self, t_s: float) -> float:
        """The deviation at t_s, which must not go back; it moves every EVERY_S."""
        while self._due_s <= t_s:
            self._wander_k = self._keep * self._wander_k + self._kick_k * float(self._rng.standard_normal())
            self._deviation_k = self._cycles_k(self._due_s) - self._start_k + self._wander_k
            self._due_s += self.EVERY_S
        return self._deviation_k

    def _cycles_k(self, t_s: float) -> float:
        hours = self._params.start_h + t_s / 3600
        diurnal = self._params.diurnal_k * math.cos(2 * math.pi * (hours - WARMEST_H) / 24)
        return diurnal + self._params.season_k * math.sin(2 * math.pi * hours / YEAR_H)


def _above_zero(params: object, *names: str) -> None:
    for name in names:
        if not getattr(params, name) > 0:
            raise ValueError(f"{name} = {getattr(params, name)}: must be above zero")


def with_gauge(loop: LoopParams, gauge_pa: float) -> LoopParams:
    """The same loop filled to a gauge pressure."""
    return replace(loop, pressure_pa=loop.atmosphere_pa + gauge_pa)
