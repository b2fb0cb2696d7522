"""The inventory model of one loop, fitted to its own leak-free log.

The board's kernel computes the features; here their weights are found by ridge regression against the gas that the
pressure shows, with a line in time that takes up permeation and is dropped. What is not linear in a weight (the
coolant's curve, the gas's exchange with its wall, the flow while the pump stands) is searched, by the residual of
weights fitted on other parts of the log than they are scored on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from loopwatch import residual

from .. import twin

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]

SKIP_S = 6 * 3600  # the slowest lags fill
EVERY_S = 10
ZERO_C_K = 273.15
ABSENT = -1

CURVES_K = (0.0, 0.0025, 0.004, 0.0055, 0.0075, 0.0105, 0.0145, 0.0185, 0.024, 0.03)
REFERENCE_C = 25.0
MOST_FEATURE_K = 65_535 / 512  # a warmth with its curve ends here on the board, and the residual with it
WARMER_PART = 0.4  # of the log's own range: so much warmer the loop may get before that
STANDING_FLOWS_Q8 = (0, 2, 5, 9, 13)
GAS_TAUS_S = (20.0, 30.0, 40.0, 55.0, 80.0)
SWING_MEAN_S = 2**14  # as the kernel's
LEAST_SWING_UL = 500.0


@dataclass(frozen=True)
class Shape:
    """What the weights are fitted for: the figures that are not linear in a weight.

    gas_ul: volume at p0_pa, as far as the user knows it; it scales the millilitres. channels: places of p_pump and the
    three temperatures among the columns of the log, ABSENT where there is none.
    """

    gas_ul: int
    p0_pa: int
    head_pa: float
    gas_c: float
    curve_k: float = 0.0055
    gas_tau_s: float = 40.0
    standing_flow_q8: int = 5
    channels: tuple[int, int, int, int] = (1, 2, 3, 4)


@dataclass(frozen=True)
class Fit:
    """Weights for a Shape; µL per feature unit, float.

    swing_ul: rms of the modelled liquid about its mean of some hours; 0 holds the model's scale where it is.
    """

    weights: Floats
    c0_ul: float
    swing_ul: float = 0.0


def shape_of(x: Ints, gas_ul: int, channels: tuple[int, int, int, int] = (1, 2, 3, 4)) -> Shape:
    """The figures that a log shows at once: middle pressure and gas temperature, head of the running pump."""
    head_pa = 0.0
    if channels[0] != ABSENT:
        head_pa = float(np.percentile(np.maximum(x[:, channels[0]] - x[:, 0], 0), 95))
    dome = fitted_roles(channels)[2]
    return Shape(gas_ul, int(np.median(x[:, 0])), head_pa, float(np.median(x[:, dome])) / 1000, channels=channels)


def fitted_roles(channels: tuple[int, int, int, int]) -> tuple[int, int, int]:
    """Which column serves as source, radiator and dome: the nearest fitted one stands in for an absent one."""
    _, source, radiator, dome = channels
    have = [c for c in (radiator, dome, source) if c != ABSENT]
    first = have[0]
    return (
        source if source != ABSENT else first,
        radiator if radiator != ABSENT else first,
        dome if dome != ABSENT else first,
    )


def parameters(shape: Shape, fit: Fit | None = None) -> Ints:
    """The residual kernel's parameters; without a fit the weights are zero."""
    p = np.zeros(residual.PARAM_N, np.int32)
    # Steps as fine as leave a pressure room to double.
    p_shift = max(0, shape.p0_pa.bit_length() - 18)
    p0 = shape.p0_pa >> p_shift
    gas_shift = max(0, shape.gas_ul.bit_length() - 15)
    gas_k = shape.gas_c + ZERO_C_K
    has_pump = shape.channels[0] != ABSENT and shape.head_pa > 0
    p[residual.P_PUMP_CHANNEL] = shape.channels[0] if has_pump else 0
    p[residual.ROLE_CHANNELS : residual.ROLE_CHANNELS + 3] = fitted_roles(shape.channels)
    p[residual.P_SHIFT] = p_shift
    p[residual.P0] = p0
    p[residual.P_LEAST] = p0 // 4 + 1
    p[residual.GAS] = shape.gas_ul >> gas_shift
    p[residual.GAS_SHIFT] = gas_shift
    p[residual.GAS_FOLLOW_Q8] = max(1, round(256 / (1.4 * shape.gas_tau_s)))
    p[residual.ADIABATIC_ACC] = min(round(0.4 / 1.4 * gas_k / p0 * 512 * 8192), 16_383)
    p[residual.GAS_T0] = round((shape.gas_c - 25) * 512)
    p[residual.INVERSE_T0] = round(2**30 / (512 * gas_k))
    p[residual.CURVE_Q11] = round(shape.curve_k * 65_536)
    # Without p_pump the pump counts as running at its reference.
    head_pa = shape.head_pa if has_pump else 4096.0
    p[residual.HEAD_BIAS_PA] = 0 if has_pump else 4096
    head_shift = max(0, math.floor(math.log2(2047 * head_pa / 4096)))
    p[residual.HEAD_GAIN] = round(4096 / head_pa * 2**head_shift)
    p[residual.HEAD_SHIFT] = head_shift
    p[residual.OFF_BELOW] = round(0.08 * 4096)
    p[residual.STANDING_FLOW_Q8] = shape.standing_flow_q8
    p[residual.DOME_GAIN_Q8] = 312
    for i, (role, shift) in enumerate(residual.AVERAGES):
        p[residual.ROLES_OF + i] = role
        p[residual.SHIFTS + i] = shift
    if fit is not None:
        put_weights(p, fit)
    return p


def put_weights(p: Ints, fit: Fit) -> None:
    """Write a fit into parameters, as finely as 2**30 allows for any features."""
    size = float(np.abs(fit.weights).sum()) * 65_536 + abs(fit.c0_ul)
    shift = math.floor(math.log2((2**30 - 2**21) / max(size, 1e-3)))
    shift = min(max(shift, 0), 20)
    weights = np.round(fit.weights * 2**shift).astype(np.int64)
    if np.abs(weights).sum() * 65_536 + abs(fit.c0_ul) * 2**shift >= 2**30:
        raise ValueError("the weights of the fit are too large for the board: the log determines them badly")
    p[residual.SUM_SHIFT] = shift
    p[residual.C0_SUM] = round(fit.c0_ul * 2**shift)
    p[residual.WEIGHTS : residual.WEIGHTS + residual.FEATURE_N] = weights
    p[residual.SWING_SHIFT] = 6
    if fit.swing_ul > 0:
        swing_ul = max(fit.swing_ul, LEAST_SWING_UL)
        p[residual.SWING_SHIFT] = math.floor(math.log2(1023 * swing_ul / 64))
        p[residual.SWING_GAIN] = round(64 / swing_ul * 2 ** int(p[residual.SWING_SHIFT]))


def features(x: Ints, shape: Shape) -> tuple[Floats, Floats]:
    """Features and gas gain (µL) every EVERY_S seconds after SKIP_S."""
    n = max(0, (len(x) - SKIP_S + EVERY_S - 1) // EVERY_S)
    out = np.zeros((n, residual.FEATURE_N), np.int32)
    gain_ul = np.zeros(n, np.int32)
    twin.features(twin.residual_state(), parameters(shape), x, SKIP_S, EVERY_S, out, gain_ul)
    return out.astype(np.float64), gain_ul.astype(np.float64)


class Folds:
    """Ridge fits of one log that leave out one of its contiguous parts each; `whole` leaves out none."""

    def __init__(self, f: Floats, gain_ul: Floats, fold_n: int, ridge: float) -> None:
        n = len(f)
        self.edges = np.linspace(0, n, fold_n + 1).astype(int)
        z = np.empty((n, f.shape[1] + 2))
        self._mean = f.mean(0)
        self._scale = f.std(0) + 1e-9
        z[:, :-2] = (f - self._mean) / self._scale
        z[:, -2] = np.linspace(-1.7, 1.7, n)
        z[:, -1] = 1.0
        parts = [slice(a, b) for a, b in zip(self.edges, self.edges[1:], strict=False)]
        grams = [z[part].T @ z[part] for part in parts]
        sides = [z[part].T @ gain_ul[part] for part in parts]
        gram, side = np.sum(grams, axis=0), np.sum(sides, axis=0)
        self._ridge = ridge
        self._f, self._gain_ul = f, gain_ul
        self.whole = self._solved(gram, side)
        self.fits = [self._solved(gram - g, side - s) for g, s in zip(grams, sides, strict=True)]

    def _solved(self, gram: Floats, side: Floats) -> Fit:
        gram = gram + self._ridge * gram[-1, -1] * np.diag([1.0] * (len(gram) - 1) + [0.0])
        beta = np.linalg.solve(gram, side)
        weights = beta[:-2] / self._scale
        c0_ul = float(beta[-1] - self._mean @ weights)
        return Fit(weights, c0_ul, swing_ul(self._f @ weights))

    def joined(self) -> list[Fit]:
        """The folds' fits with their constants moved so that each begins where the one before it ends."""
        fits = [self.fits[0]]
        for edge, fit in zip(self.edges[1:-1], self.fits[1:], strict=True):
            near = self._f[max(0, edge - 30) : edge + 30].mean(0)
            before = fits[-1]
            c0_ul = before.c0_ul + float(near @ (before.weights - fit.weights))
            fits.append(replace(fit, c0_ul=c0_ul))
        return fits

    def residual_ul(self) -> Floats:
        """The residual of every row, by the fit that has not seen it."""
        r = np.empty(len(self._f))
        for fit, a, b in zip(self.joined(), self.edges, self.edges[1:], strict=False):
            r[a:b] = self._f[a:b] @ fit.weights + fit.c0_ul - self._gain_ul[a:b]
        return r


@twin.compiled
def swing_ul(liquid_ul: Floats) -> float:
    """rms of a row every EVERY_S seconds about its exponential mean."""
    mean, total = liquid_ul[0], 0.0
    for value in liquid_ul:
        mean += (value - mean) * (EVERY_S / SWING_MEAN_S)
        total += (value - mean) ** 2
    return float(math.sqrt(total / len(liquid_ul)))


def unrest(r_ul: Floats) -> float:
    """How restless a residual is: mean log of typical and of rare changes over 5 min and 1 h, after 1 min means."""
    means = r_ul[: len(r_ul) // 6 * 6].reshape(-1, 6).mean(1)
    total = 0.0
    for minutes in (5, 60):
        change = np.abs(means[minutes:] - means[:-minutes])
        total += math.log(float(np.sqrt((change**2).mean())) + 1) + math.log(float(np.percentile(change, 99.9)) + 1)
    return total / 4


def fold_n_of(days: float) -> int:
    """Parts of the cross-validation."""
    return 7 if days >= 10 else 6 if days >= 2.5 else 4


def ridge_of(days: float) -> float:
    """Ridge in standardised units."""
    return 1e-5 if days >= 10 else 1e-4


def warmest_c(curve_k: float) -> float:
    """Up to which temperature the board can follow a coolant of this curve: t + curve t² above REFERENCE_C ends."""
    if curve_k <= 0:
        return REFERENCE_C + MOST_FEATURE_K
    return REFERENCE_C + (math.sqrt(1 + 4 * curve_k * MOST_FEATURE_K) - 1) / (2 * curve_k)


def curves_for(x: Ints, shape: Shape) -> tuple[float, ...]:
    """The curves that the board can follow through this log and to WARMER_PART of its range beyond.

    A steeper one explains a hot log better, and on the first hotter day what it cannot follow looks like a leak.
    """
    read_c = x[:, list(fitted_roles(shape.channels))] / 1000
    most_c, least_c = float(read_c.max()), float(read_c.min())
    needed_c = most_c + WARMER_PART * (most_c - least_c)
    return tuple(curve_k for curve_k in CURVES_K if warmest_c(curve_k) >= needed_c) or CURVES_K[:1]


def searched(x: Ints, start: Shape) -> tuple[Shape, Folds]:
    """The shape with the quietest cross-validated residual, one figure after the other, and its folds."""
    days = len(x) / 86_400
    scores: dict[Shape, float] = {}

    def folds_of(shape: Shape) -> Folds:
        return Folds(*features(x, shape), fold_n_of(days), ridge_of(days))

    def score(shape: Shape) -> float:
        if shape not in scores:
            scores[shape] = unrest(folds_of(shape).residual_ul())
        return scores[shape]

    curves_k = curves_for(x, start)
    best = start
    for _ in range(2):
        before = best
        best = min((replace(best, curve_k=v) for v in curves_k), key=score)
        if start.head_pa > 0:
            best = min((replace(best, standing_flow_q8=v) for v in STANDING_FLOWS_Q8), key=score)
        best = min((replace(best, gas_tau_s=v) for v in GAS_TAUS_S), key=score)
        if best == before:
            break
    return best, folds_of(best)
