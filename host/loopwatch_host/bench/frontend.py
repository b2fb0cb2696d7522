"""Between the loop and the chips: transducers, the 5 V rail, dividers, thermometers in pockets, what disturbs them.

A pressure becomes the mean voltage that the converter's pin has over a conversion: transducer (ratiometric to the
rail), noise of its averaging time, slow wander and drift, pickup averaged over the window in closed form, spikes by
their share of it, faults of the wire, divider. A temperature becomes what a thermometer in its pocket has.

White noise is given as rms in an average over NOISE_WINDOW_US and shrinks with the root of the averaging
time. All randomness comes from one generator per channel, made from (seed, channel name) and drawn in
blocks, so that one channel's history does not depend on which others are read.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

# A 10 Hz sample is the mean of two conversions at 128 SPS, which makes 15.6 ms of averaging: a noise of
# "2.5 mbar rms per 10 Hz sample" is meant for that.
NOISE_WINDOW_US = 2e6 / 128

DIVIDER = 0.6  # 10k over 15k
RATIO_ZERO = 0.1  # of the rail at 0 Pa absolute
RATIO_SPAN = 0.8  # more of it at full span
RATIO_MIN, RATIO_MAX = 0.05, 0.95  # where a transducer's amplifier stops, outside its band and short of a wire fault
REFERENCE_C = 25.0

YEAR_S = 365 * 86400.0
WANDER_TAU_S = 900.0
SLOW_EVERY_S = 1.0

OPEN, SHORT_TO_GROUND, SHORT_TO_RAIL = "open", "short_to_ground", "short_to_rail"
WIRE_FAULTS = (OPEN, SHORT_TO_GROUND, SHORT_TO_RAIL)


def generator(seed: int, name: str) -> np.random.Generator:
    """The generator of one channel: the same for the same seed and name on every machine."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


class Normals:
    """Standard normal numbers, one at a time, drawn in blocks."""

    BLOCK_N = 1024

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._block: list[float] = []

    def next(self) -> float:
        """The next number."""
        if not self._block:
            self._block = self._rng.standard_normal(self.BLOCK_N).tolist()
        return self._block.pop()


@dataclass(frozen=True)
class PressureSensor:
    """A ratiometric transducer, absolute or sealed: 10 % of the rail at 0 Pa, 90 % at span_pa."""

    fitted: bool = True
    span_pa: float = 500_000.0
    noise_pa: float = 250.0  # rms in a 10 Hz sample, see NOISE_WINDOW_US
    wander_pa: float = 15.0
    drift_pa_sqrt_year: float = 1000.0
    tempco_pa_k: float = 50.0
    offset_pa: float = 0.0

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        if not self.span_pa > 0:
            raise ValueError(f"span_pa = {self.span_pa}: must be above zero")
        _not_negative(self, "noise_pa", "wander_pa", "drift_pa_sqrt_year")


@dataclass(frozen=True)
class TemperatureSensor:
    """A TMP117 in a pocket: it follows the temperature with a lag, its results scatter by noise_mdegc rms."""

    fitted: bool = True
    noise_mdegc: float = 4.0
    lag_s: float = 12.0
    offset_mdegc: float = 0.0

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        if not self.lag_s > 0:
            raise ValueError(f"lag_s = {self.lag_s}: must be above zero")
        _not_negative(self, "noise_mdegc")


@dataclass(frozen=True)
class Rail:
    """The 5 V from USB that supplies the transducers; noise as for PressureSensor, wander common to all it supplies.

    fitted: whether the converter measures it.
    """

    fitted: bool = True
    volts: float = 5.0
    noise_v: float = 0.0005
    wander_v: float = 0.01
    wander_tau_s: float = 60.0

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        if not self.wander_tau_s > 0:
            raise ValueError(f"wander_tau_s = {self.wander_tau_s}: must be above zero")
        _not_negative(self, "volts", "noise_v", "wander_v")


def _not_negative(spec: object, *names: str) -> None:
    for name in names:
        if not getattr(spec, name) >= 0:
            raise ValueError(f"{name} = {getattr(spec, name)}: must be zero or more")


class Wander:
    """A slow Gaussian deviation of given rms and time constant, plus a random walk; moved every SLOW_EVERY_S."""

    def __init__(self, rms: float, tau_s: float, walk_sqrt_year: float, normals: Normals) -> None:
        self._normals = normals
        self._keep = math.exp(-SLOW_EVERY_S / tau_s)
        self._kick = rms * math.sqrt(1 - self._keep * self._keep)
        self._walk_kick = walk_sqrt_year * math.sqrt(SLOW_EVERY_S / YEAR_S)
        self._deviation = rms * normals.next()
        self._walk = 0.0
        self.value = self._deviation

    def step(self) -> None:
        """Move on by SLOW_EVERY_S."""
        self._deviation = self._keep * self._deviation + self._kick * self._normals.next()
        self._walk += self._walk_kick * self._normals.next()
        self.value = self._deviation + self._walk


@dataclass(frozen=True)
class Pickup:
    """Mains on a wire: a sine as it reaches the converter, in the unit of the channel; amplitude is its peak."""

    amplitude: float
    frequency_hz: float
    phase_rad: float = 0.0

    def mean(self, from_us: float, to_us: float) -> float:
        """Its average over a window: the integral of the sine over the window's length."""
        w = 2e-6 * math.pi * self.frequency_hz
        return (
            self.amplitude
            * (math.cos(w * from_us + self.phase_rad) - math.cos(w * to_us + self.phase_rad))
            / (w * (to_us - from_us))
        )


@dataclass(frozen=True)
class Burst:
    """A disturbance of limited time: `size` added, and white noise of noise_rms (see NOISE_WINDOW_US)."""

    from_us: float
    to_us: float
    size: float = 0.0
    noise_rms: float = 0.0

    def share(self, from_us: float, to_us: float) -> float:
        """How much of a window it covers, 0 to 1."""
        return max(0.0, min(to_us, self.to_us) - max(from_us, self.from_us)) / (to_us - from_us)


class Disturbed:
    """What is added to a signal on its way: white noise, pickup, spikes and bursts."""

    def __init__(self, noise_rms: float, normals: Normals) -> None:
        self._noise_rms = noise_rms
        self._normals = normals
        self.pickup: list[Pickup] = []
        self.bursts: list[Burst] = []

    def mean(self, from_us: float, to_us: float) -> float:
        """The average of it all over a window."""
        scale = math.sqrt(NOISE_WINDOW_US / (to_us - from_us))
        added = self._noise_rms * scale * self._normals.next()
        for pickup in self.pickup:
            added += pickup.mean(from_us, to_us)
        for burst in self.bursts:
            share = burst.share(from_us, to_us)
            if share > 0.0:
                # Noise over a part of the window: its variance, not its rms, goes with the part.
                noise = burst.noise_rms * scale * math.sqrt(share) * self._normals.next() if burst.noise_rms else 0.0
                added += share * burst.size + noise
        return added

    def forget(self, before_us: float) -> None:
        """Drop bursts that ended before this time."""
        if self.bursts:
            self.bursts = [burst for burst in self.bursts if burst.to_us >= before_us]


class RailLine:
    """The 5 V rail under way: `set_volts` moves it for all that hang on it.

    fault: None, or OPEN or SHORT_TO_GROUND of the wire from the rail to the converter alone.
    """

    def __init__(self, spec: Rail, seed: int) -> None:
        self.set_volts = spec.volts
        self.fault: str | None = None
        self.wander = Wander(spec.wander_v, spec.wander_tau_s, 0.0, Normals(generator(seed, "rail slow")))
        self.disturbed = Disturbed(spec.noise_v, Normals(generator(seed, "rail")))

    @property
    def volts(self) -> float:
        """Now, without its noise."""
        return max(0.0, self.set_volts + self.wander.value) if self.set_volts > 0 else 0.0

    def pin_mean_v(self, from_us: float, to_us: float) -> float:
        """What the converter's pin has behind the divider, mean over the window."""
        if self.fault is not None:
            return 0.0
        return DIVIDER * max(0.0, self.volts + self.disturbed.mean(from_us, to_us))

    def heal(self) -> None:
        """End the wire's fault."""
        self.fault = None


class PressureLine:
    """A transducer, its wire and divider. `pressure_pa(from_us, to_us)` is the loop's mean pressure over the window.

    fault: None or one of WIRE_FAULTS. A broken wire reads low, by the divider's lower leg. told_share: what the data
    path gives instead of the signal, as a part of the rail. shift_pa: by how much it reads too high.
    """

    def __init__(
        self,
        name: str,
        spec: PressureSensor,
        rail: RailLine,
        pressure_pa: Callable[[float, float], float],
        seed: int,
    ) -> None:
        slow = Normals(generator(seed, name + " slow"))
        self._spec = spec
        self._rail = rail
        self._pressure_pa = pressure_pa
        self._held_v: float | None = None
        self.fault: str | None = None if spec.fitted else OPEN
        self.told_share: float | None = None
        self.shift_pa = 0.0
        self.body_c = REFERENCE_C
        self.wander = Wander(spec.wander_pa, WANDER_TAU_S, spec.drift_pa_sqrt_year, slow)
        self.disturbed = Disturbed(spec.noise_pa, Normals(generator(seed, name)))

    def pin_mean_v(self, from_us: float, to_us: float) -> float:
        """What the converter's pin has behind the divider, mean over the window."""
        rail_v = self._rail.volts
        if self.told_share is not None:
            return DIVIDER * self._rail.set_volts * self.told_share
        if self.fault == SHORT_TO_RAIL:
            return DIVIDER * rail_v
        if self.fault is not None:
            return 0.0
        if self._held_v is not None:
            return self._held_v
        spec = self._spec
        pressure = self._pressure_pa(from_us, to_us) + spec.offset_pa + self.shift_pa + self.wander.value
        pressure += spec.tempco_pa_k * (self.body_c - REFERENCE_C) + self.disturbed.mean(from_us, to_us)
        ratio = RATIO_ZERO + RATIO_SPAN * pressure / spec.span_pa
        return DIVIDER * rail_v * max(RATIO_MIN, min(RATIO_MAX, ratio))

    def hold(self, from_us: float, to_us: float) -> None:
        """Stick at the voltage of this window: a dead transducer that still drives its wire."""
        self._held_v = self.pin_mean_v(from_us, to_us)

    def heal(self) -> None:
        """End wire faults, sticking and what the data path does."""
        self.fault = None if self._spec.fitted else OPEN
        self._held_v = None
        self.told_share = None
        self.shift_pa = 0.0


class TemperatureLine:
    """A thermometer's pocket: step() lets it follow; mean_c is what the chip converts."""

    def __init__(self, name: str, spec: TemperatureSensor, start_c: float, dt_s: float, seed: int) -> None:
        self._normals = Normals(generator(seed, name))
        self._follow = -math.expm1(-dt_s / spec.lag_s)
        self._noise_c = spec.noise_mdegc * 1e-3
        self._offset_c = spec.offset_mdegc * 1e-3
        self._pocket_c = start_c

    def step(self, t_c: float) -> None:
        """Move on by dt_s with this temperature around the pocket."""
        self._pocket_c += self._follow * (t_c - self._pocket_c)

    def mean_c(self, from_us: float, to_us: float) -> float:
        """One result: the pocket's temperature with the chip's noise; within a window the pocket hardly moves."""
        return self._pocket_c + self._offset_c + self._noise_c * self._normals.next()
