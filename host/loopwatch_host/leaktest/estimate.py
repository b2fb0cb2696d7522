"""The leak rate in a stretch of pressures and temperatures, and how sure it is.

    z = V·((P0/P)·(Tg/Tg0) − 1) + C·(P0 − P)         what the gas has gained, mL
    z = a + q·t − B·ΔT − D·ΔTd + slow + white         and what of it is a leak

Generalised least squares on means of BLOCK_S. a and q are free; B (expansion of the liquid, at the three thermometers)
and D (error of the gas temperature, of the transducer's own warmth, and of the lags between a thermometer and what it
speaks for) have the priors of gauge and of the data sheets, so that a test whose temperatures do not move is not asked
for them, and one whose temperatures do move either learns them or says so in its interval. The slow part is what a
transducer does by itself: a wander of some size and time constant, which no test of an hour can tell from a leak that
comes and goes, and a drift. Its size and time constant are not assumed but integrated over, with priors as wide as
sensors differ; the interval is that of the mixture. White noise is measured from the blocks' own scatter.

Sources: pressure wander, drift and warmth as stated for the reference transducer (DETECTION section 1); method
Rasmussen & Williams, Gaussian Processes for Machine Learning, section 2.7 (explicit basis functions).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwatch.sample import P_STATIC, T_DOME, T_RADIATOR, T_SOURCE

from .gauge import EXPANSION_K, EXPANSION_SD_K, ZERO_C_K, Gauge

Floats = npt.NDArray[np.float64]

BLOCK_S = 60
LAG_S = 40.0  # of the gas behind its wall; between 20 and 80 s in the field
LAG_ERROR = 1.0  # how far a lag may be off, as a part of itself: a loop's flow is known to a factor of two
LEAST_BLOCKS_N = 6

# The transducer's slow deviation, rms of 5 bar full scale, Pa: about a factor of two either way.
WANDER_PA, WANDER_FACTORS = 15.0, (0.35, 0.5, 0.71, 1.0, 1.41, 2.0, 2.8)
WANDER_TAUS_S = (300.0, 900.0, 2700.0)
DRIFT_PA_SQRT_YEAR = 1500.0
YEAR_S = 365 * 86_400.0
WARMTH_PA_K = 80.0
# The gas is not as warm as the wall above it where the thermometer sits.
GAS_WARMTH_ERROR = 0.2
# What a commissioned model leaves of the temperatures' effect.
COMMISSIONED = 0.3
# How much of the liquid each thermometer speaks for: parts and their error, source and radiator side.
PART_SOURCE, PART_SD = 0.15, 0.07


@dataclass(frozen=True)
class Estimate:
    """A leak rate, mL/h; positive is a loss. interval holds the truth in 95 of 100 tests, sd is the posterior's.

    above: the probability that the rate is above limit_ml_h. seconds: how long the stretch was. p_pa: mean pressure.
    drift_ml_h: what the temperatures alone would have made of it, taken out. blocks: (t_s, mL gained, of it by warmth).
    """

    rate_ml_h: float
    sd_ml_h: float
    interval: tuple[float, float]
    above: float
    seconds: int
    p_pa: float
    drift_ml_h: float
    blocks: list[tuple[float, float, float]]


def estimate(
    x: Floats,
    gauge: Gauge,
    limit_ml_h: float,
    filled: tuple[float, float],
    first: int = 0,
    residual_ml: Floats | None = None,
) -> Estimate | None:
    """The rate from row `first` on, in rows of one second, columns as sample.CHANNELS (Pa, m°C), nan without a value.

    The rows before let the lags fill. filled: (Pa, °C of the gas) when gauge.gas_ml was in the vessel. residual_ml:
    what the gas has gained by a commissioned model, which has taken the temperatures out but for a part. None with
    fewer than LEAST_BLOCKS_N blocks.
    """
    n = (len(x) - first) // BLOCK_S
    if n < LEAST_BLOCKS_N:
        return None
    kept = slice(first, first + n * BLOCK_S)
    gained_ml, warm = _gained(x, gauge, filled)
    if residual_ml is not None:
        gained_ml = residual_ml
    z_ml = _blocks(gained_ml[kept, None])[:, 0]
    p_pa = float(np.nanmean(x[kept, P_STATIC]))
    t_h = (np.arange(len(z_ml)) + 0.5) * BLOCK_S / 3600
    basis = np.column_stack([np.ones_like(t_h), t_h])
    features, means, sds = _warmth(_blocks(warm[kept]), gauge, p_pa)
    if residual_ml is not None:
        means, sds = np.zeros_like(means), sds * COMMISSIONED
    centred = z_ml - features @ means
    ml_pa = (gauge.gas_ml + gauge.hose_ml_bar * p_pa / 1e5) / p_pa
    white_ml = _white(centred)
    mixture = _mixture(centred, basis, features * sds, t_h, white_ml, ml_pa)
    weights, rates, sds_ml_h, fits = mixture
    rate = float(weights @ rates)
    # Volumes that are off scale everything: an error that grows with the rate.
    scale = gauge.gas_error * abs(rate)
    spread = np.hypot(sds_ml_h, scale)
    sd = math.sqrt(float(weights @ (spread**2 + (rates - rate) ** 2)))
    interval = (_quantile(weights, rates, spread, 0.025), _quantile(weights, rates, spread, 0.975))
    above = 1 - _below(limit_ml_h, weights, rates, spread)
    warmth_ml = features @ (means + sds * fits)
    slope = float(np.polyfit(t_h, warmth_ml, 1)[0])
    blocks = [
        (float(t * 3600), float(z), float(w))
        for t, z, w in zip(t_h, z_ml - z_ml[0], warmth_ml - warmth_ml[0], strict=True)
    ]
    return Estimate(rate, sd, interval, above, n * BLOCK_S, p_pa, slope, blocks)


def _gained(x: Floats, gauge: Gauge, filled: tuple[float, float]) -> tuple[Floats, Floats]:
    """What the gas has gained since it was filled, mL, and the temperatures that say what of it is warmth, °C.

    Columns: source, radiator behind the tank's lag, dome, and what radiator and dome have yet to pass on.
    """
    source, radiator, dome = (x[:, channel] / 1000 for channel in (T_SOURCE, T_RADIATOR, T_DOME))
    means = [each for each in (dome, radiator, source) if np.isfinite(each).any()]
    # A thermometer that is absent is stood in for by the next one.
    source, radiator, dome = (
        _filled_in(each if np.isfinite(each).any() else means[0]) for each in (source, radiator, dome)
    )
    gas_c = _lagged(dome, LAG_S)
    tank_c = _lagged(radiator, gauge.tank_lag_s)
    filled_pa, filled_c = filled
    pressure = _filled_in(x[:, P_STATIC])
    z_ml = gauge.gas_ml * (filled_pa / pressure * (gas_c + ZERO_C_K) / (filled_c + ZERO_C_K) - 1)
    z_ml += gauge.hose_ml_bar * (filled_pa - pressure) / 1e5
    return z_ml, np.column_stack([source, tank_c, dome, radiator - tank_c, dome - gas_c])


def _warmth(warm: Floats, gauge: Gauge, p_pa: float) -> tuple[Floats, Floats, Floats]:
    """What the temperatures do to z, mL a unit, with prior means and standard deviations of their factors."""
    delta = warm - warm[0]
    per_k = gauge.liquid_ml * EXPANSION_K
    source, rest = PART_SOURCE * delta[:, 0], (1 - PART_SOURCE) * delta[:, 1]
    ml_pa = (gauge.gas_ml + gauge.hose_ml_bar * p_pa / 1e5) / p_pa
    gas_ml_k = gauge.gas_ml / (ZERO_C_K + 25)
    features = np.column_stack([-(source + rest), delta[:, 1] - delta[:, 0], delta[:, 2], delta[:, 3], delta[:, 4]])
    means = np.array([per_k, 0.0, 0.0, 0.0, 0.0])
    sds = np.array(
        [
            gauge.liquid_ml * EXPANSION_SD_K,
            per_k * PART_SD,
            math.hypot(gas_ml_k * GAS_WARMTH_ERROR, WARMTH_PA_K * ml_pa),
            per_k * LAG_ERROR,
            gas_ml_k * LAG_ERROR,
        ]
    )
    return features, means, sds


def _white(z_ml: Floats) -> float:
    """Scatter of a block that its neighbours know nothing of, mL: from second differences, whose variance is 6 σ²."""
    return max(float(np.sqrt(np.mean(np.diff(z_ml, 2) ** 2) / 6)), 1e-5) if len(z_ml) > 3 else 1e-3


def _mixture(
    y: Floats, basis: Floats, soft: Floats, t_h: Floats, white_ml: float, ml_pa: float
) -> tuple[Floats, Floats, Floats, Floats]:
    """Over sizes and time constants of the wander: weights, rates, their sd, and the mean factors of soft."""
    apart_s = np.abs(t_h[:, None] - t_h[None, :]) * 3600
    since_s = np.minimum(t_h[:, None], t_h[None, :]) * 3600
    fixed = white_ml**2 * np.eye(len(y)) + soft @ soft.T
    fixed += (DRIFT_PA_SQRT_YEAR * ml_pa) ** 2 / YEAR_S * since_s
    logs, rates, sds, fits = [], [], [], []
    for tau_s in WANDER_TAUS_S:
        shape = np.exp(-apart_s / tau_s)
        for factor in WANDER_FACTORS:
            cov = fixed + (factor * WANDER_PA * ml_pa) ** 2 * shape
            root = np.linalg.cholesky(cov)
            by = np.linalg.solve(root, np.column_stack([basis, y, soft]))
            b, v, s = by[:, :2], by[:, 2], by[:, 3:]
            normal = b.T @ b
            found = np.linalg.solve(normal, b.T @ v)
            left = v - b @ found
            log = -np.log(np.diag(root)).sum() - 0.5 * np.linalg.slogdet(normal)[1] - 0.5 * left @ left
            # A log-normal prior of the size, a factor of two wide.
            logs.append(float(log) - 0.5 * (math.log(factor) / math.log(2)) ** 2)
            rates.append(float(found[1]))
            sds.append(float(np.sqrt(np.linalg.inv(normal)[1, 1])))
            fits.append(s.T @ left)
    weights = np.exp(np.array(logs) - max(logs))
    weights /= weights.sum()
    return weights, np.array(rates), np.array(sds), weights @ np.array(fits)


def _below(rate: float, weights: Floats, rates: Floats, sds: Floats) -> float:
    """The mixture's distribution function."""
    z = (rate - rates) / (sds * math.sqrt(2))
    return float(sum(w * 0.5 * math.erfc(-each) for w, each in zip(weights, z, strict=True)))


def _quantile(weights: Floats, rates: Floats, sds: Floats, share: float) -> float:
    """Where the mixture's distribution function is share, by halving."""
    low, high = float((rates - 8 * sds).min()), float((rates + 8 * sds).max())
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _below(middle, weights, rates, sds) < share else (low, middle)
    return (low + high) / 2


def _blocks(rows: Floats) -> Floats:
    """Means of BLOCK_S rows without their lowest and highest tenth, so that a spike does not count."""
    cut = np.sort(rows.reshape(-1, BLOCK_S, rows.shape[1]), axis=1)
    drop = BLOCK_S // 10
    means: Floats = np.nanmean(cut[:, drop : BLOCK_S - drop], axis=1)
    return means


def _lagged(values: Floats, tau_s: float) -> Floats:
    """A first-order lag, begun at the mean of the first block; a missing value keeps the last."""
    known = _filled_in(values)
    if tau_s <= 0 or not len(known):
        return known
    out = np.empty_like(known)
    share = -math.expm1(-1 / tau_s)
    acc = float(known[:BLOCK_S].mean())
    for i, value in enumerate(known.tolist()):
        acc += share * (value - acc)
        out[i] = acc
    return out


def _filled_in(values: Floats) -> Floats:
    """Missing values as the last one before, or the first there is; zeros when there is none at all."""
    known = np.isfinite(values)
    if not known.any():
        return np.zeros_like(values)
    last = np.maximum.accumulate(np.where(known, np.arange(len(values)), -1))
    last[last < 0] = int(np.argmax(known))
    filled: Floats = values[last]
    return filled


def as_json(each: Estimate) -> dict[str, Any]:
    """The figures for a program; the blocks are the picture's."""
    return {
        "rate_ml_h": round(each.rate_ml_h, 4),
        "interval_ml_h": [round(value, 4) for value in each.interval],
        "sd_ml_h": round(each.sd_ml_h, 4),
        "above_limit": round(each.above, 4),
        "seconds": each.seconds,
        "p_static_pa": round(each.p_pa, 1),
        "temperature_ml_h": round(each.drift_ml_h, 4),
    }
