"""The inventory model of one loop, fitted to its own leak-free log.

The board's kernel computes the features; here their weights are found by ridge regression against the gas that the
pressure shows, with a line in time that takes up permeation and is dropped. What is not linear in a weight (the
coolant's curve, the gas's exchange with its wall, the flow while the pump stands) is searched, by the residual of
weights fitted on other stretches of the log than they are scored on.

A log may have parts, with a gap between them in which anything may have happened, a refill too: in each the lags fill
anew, and each has a level of its own beside the weights, which all share. The board gets the last one's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from loopwatch import residual

from .. import twin

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]
Spans = list[tuple[int, int]]  # of rows: the first, and one beyond the last

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
OFF_PART = 0.08  # of the running pump's head; below it the pump stands
SLOWEST_PART = 0.15  # a pump at two fifths of its speed
STANDING_MIN = 10
LEAST_HEAD_PA = 500.0  # what moves less is noise


@dataclass(frozen=True)
class Shape:
    """What the weights are fitted for: the figures that are not linear in a weight.

    gas_ul: volume at p0_pa, as far as the user knows it; it scales the millilitres. head_pa, head_zero_pa: see head_of.
    channels: places of p_pump and the three temperatures among the columns of the log, ABSENT where there is none.
    """

    gas_ul: int
    p0_pa: int
    head_pa: float
    gas_c: float
    curve_k: float = 0.0055
    gas_tau_s: float = 40.0
    standing_flow_q8: int = 5
    channels: tuple[int, int, int, int] = (1, 2, 3, 4)
    head_zero_pa: float = 0.0


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
    head_pa, zero_pa = head_of(x, channels[0])
    dome = fitted_roles(channels)[2]
    gas_c = float(np.median(x[:, dome])) / 1000
    return Shape(gas_ul, int(np.median(x[:, 0])), head_pa, gas_c, channels=channels, head_zero_pa=zero_pa)


def head_of(x: Ints, pump: int) -> tuple[float, float]:
    """The head of the running pump, Pa, and what both pressures show apart while it stands; zeros without p_pump.

    The latter is the height between the transducers and what they are wrong by, a kilopascal each is usual. The lowest
    ten minutes of a log tell it, if they are near enough to none to be no slow pump's; else it is taken for none. A log
    whose pump never runs has no head.
    """
    if pump == ABSENT:
        return 0.0, 0.0
    apart_pa = (x[:, pump] - x[:, 0]).astype(np.float64)
    minutes_pa = np.sort(np.median(apart_pa[: len(apart_pa) // 60 * 60].reshape(-1, 60), 1))
    most_pa = float(np.percentile(apart_pa, 95))
    zero_pa = 0.0
    if len(minutes_pa) > STANDING_MIN:
        least_pa = float(minutes_pa[STANDING_MIN - 1])
        span_pa = most_pa - least_pa
        if least_pa < SLOWEST_PART * span_pa:
            zero_pa = float(np.median(minutes_pa[minutes_pa < least_pa + OFF_PART * span_pa]))
    head_pa = most_pa - zero_pa
    return (head_pa, zero_pa) if head_pa > LEAST_HEAD_PA else (0.0, 0.0)


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
    p[residual.HEAD_BIAS_PA] = -round(shape.head_zero_pa) if has_pump else 4096
    head_shift = max(0, math.floor(math.log2(2047 * head_pa / 4096)))
    p[residual.HEAD_GAIN] = round(4096 / head_pa * 2**head_shift)
    p[residual.HEAD_SHIFT] = head_shift
    p[residual.OFF_BELOW] = round(OFF_PART * 4096)
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


def features(x: Ints, shape: Shape, parts: Spans | None = None) -> tuple[Floats, Floats]:
    """Features and gas gain (µL) every EVERY_S seconds of each part after its SKIP_S."""
    parts = parts or [(0, len(x))]
    places = kept(parts, EVERY_S)
    n = places[-1][1]
    out = np.zeros((n, residual.FEATURE_N), np.int32)
    gain_ul = np.zeros(n, np.int32)
    p = parameters(shape)
    for (first, last), (a, b) in zip(parts, places, strict=True):
        twin.features(twin.residual_state(), p, x[first:last], SKIP_S, EVERY_S, out[a:b], gain_ul[a:b])
    return out.astype(np.float64), gain_ul.astype(np.float64)


def kept(parts: Spans, every_s: int = 1) -> Spans:
    """Where the parts' rows are when each has lost its first SKIP_S and of the others each every_s-th stays."""
    counts = [max(0, (last - first - SKIP_S + every_s - 1) // every_s) for first, last in parts]
    return list(pairwise(np.cumsum([0, *counts]).tolist()))


def used_days(parts: Spans) -> float:
    """Days in the rows of parts; every part but the first counts without its SKIP_S."""
    return (sum(last - first for first, last in parts) - SKIP_S * (len(parts) - 1)) / 86_400


@dataclass(frozen=True)
class Piece:
    """Rows of features in one fold and one part, and the fit that has not seen them.

    begins: whether it is a part's first one. Pieces of a part follow each other without a jump.
    """

    first: int
    last: int
    fit: Fit
    begins: bool


class Folds:
    """Ridge fits of one log that leave out one of its contiguous stretches each; `whole` leaves out none.

    parts: the rows of f in each part of the log; each has a constant and all have one line in time.
    """

    def __init__(self, f: Floats, gain_ul: Floats, fold_n: int, ridge: float, parts: Spans | None = None) -> None:
        n = len(f)
        self.edges = np.linspace(0, n, fold_n + 1).astype(int)
        self.parts = parts or [(0, n)]
        z = np.empty((n, f.shape[1] + 2))
        self._mean = f.mean(0)
        self._scale = f.std(0) + 1e-9
        z[:, :-2] = (f - self._mean) / self._scale
        for a, b in self.parts:
            # As steep in every part, and through its middle.
            z[a:b, -2] = np.linspace(-1.7, 1.7, b - a) * ((b - a) / n)
        z[:, -1] = 1.0
        sums = [self._summed(z, gain_ul, a, b) for a, b in pairwise(self.edges.tolist())]
        gram, side = np.sum([g for g, _ in sums], axis=0), np.sum([s for _, s in sums], axis=0)
        self._ridge = ridge
        self._f, self._gain_ul = f, gain_ul
        self.whole, _ = self._solved(gram, side)
        solved = [self._solved(gram - g, side - s) for g, s in sums]
        self.fits = [fit for fit, _ in solved]
        self._levels_ul = [levels_ul for _, levels_ul in solved]

    def _summed(self, z: Floats, gain_ul: Floats, first: int, last: int) -> tuple[Floats, Floats]:
        """Gram matrix and right side of some rows, with a constant for every part."""
        shared_n = z.shape[1] - 1
        gram = np.zeros((shared_n + len(self.parts), shared_n + len(self.parts)))
        side = np.zeros(len(gram))
        for k, (a, b) in enumerate(self.parts):
            rows = slice(max(a, first), min(b, last))
            if rows.start < rows.stop:
                places = [*range(shared_n), shared_n + k]
                gram[np.ix_(places, places)] += z[rows].T @ z[rows]
                side[places] += z[rows].T @ gain_ul[rows]
        return gram, side

    def _solved(self, gram: Floats, side: Floats) -> tuple[Fit, list[float]]:
        """A fit with the last part's level, and the levels of all parts, nan where the rows had none of it."""
        part_n = len(self.parts)
        counts = np.diag(gram)[-part_n:]
        # A level that no row determines stays at zero.
        free = [1.0] * (len(gram) - part_n) + [0.0 if count > 0 else 1.0 for count in counts]
        gram = gram + self._ridge * counts.sum() * np.diag(free)
        beta = np.linalg.solve(gram, side)
        weights = beta[: len(self._mean)] / self._scale
        levels_ul = np.where(counts > 0, beta[-part_n:] - self._mean @ weights, np.nan).tolist()
        begins = np.array([a for a, _ in self.parts])
        return Fit(weights, levels_ul[-1], swing_ul(self._f @ weights, begins)), levels_ul

    def pieces(self) -> list[Piece]:
        """The log fold by fold and part by part: each part's first piece on its level, the others joined to it."""
        found: list[Piece] = []
        for k, (a, b) in enumerate(self.parts):
            for fit, levels_ul, (first, last) in zip(
                self.fits, self._levels_ul, pairwise(self.edges.tolist()), strict=True
            ):
                first, last = max(a, first), min(b, last)
                if first >= last:
                    continue
                begins = first == a
                if begins:
                    c0_ul = levels_ul[k]
                    if math.isnan(c0_ul):
                        c0_ul = float(np.mean(self._gain_ul[first:last] - self._f[first:last] @ fit.weights))
                else:
                    near = self._f[max(a, first - 30) : min(b, first + 30)].mean(0)
                    before = found[-1].fit
                    c0_ul = before.c0_ul + float(near @ (before.weights - fit.weights))
                found.append(Piece(first, last, replace(fit, c0_ul=c0_ul), begins))
        return found

    def residual_ul(self) -> Floats:
        """The residual of every row, by the fit that has not seen it."""
        r = np.empty(len(self._f))
        for piece in self.pieces():
            rows = slice(piece.first, piece.last)
            r[rows] = self._f[rows] @ piece.fit.weights + piece.fit.c0_ul - self._gain_ul[rows]
        return r


@twin.compiled
def swing_ul(liquid_ul: Floats, begins: npt.NDArray[np.int64]) -> float:
    """rms of a row every EVERY_S seconds about its exponential mean, which starts anew at the rows `begins`."""
    mean, total, part = liquid_ul[0], 0.0, 0
    for i in range(len(liquid_ul)):
        value = liquid_ul[i]
        if part < len(begins) and i == begins[part]:
            mean = value
            part += 1
        mean += (value - mean) * (EVERY_S / SWING_MEAN_S)
        total += (value - mean) ** 2
    return float(math.sqrt(total / len(liquid_ul)))


def changes_ul(r_ul: Floats, minutes: int, parts: Spans | None = None) -> Floats:
    """By how much the minute means of a residual every EVERY_S seconds change over so many minutes of each part."""
    found = []
    for a, b in parts or [(0, len(r_ul))]:
        means = r_ul[a : a + (b - a) // 6 * 6].reshape(-1, 6).mean(1)
        found.append(means[minutes:] - means[:-minutes])
    return np.concatenate(found)


def unrest(r_ul: Floats, parts: Spans | None = None) -> float:
    """How restless a residual is: mean log of typical and of rare changes over 5 min and 1 h, after 1 min means."""
    total = 0.0
    for minutes in (5, 60):
        change = np.abs(changes_ul(r_ul, minutes, parts))
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


def folds_of(x: Ints, shape: Shape, parts: Spans | None = None) -> Folds:
    """The fits of a log, a row a second, and of its parts."""
    parts = parts or [(0, len(x))]
    days = used_days(parts)
    return Folds(*features(x, shape, parts), fold_n_of(days), ridge_of(days), kept(parts, EVERY_S))


def searched(x: Ints, start: Shape, parts: Spans | None = None) -> tuple[Shape, Folds]:
    """The shape with the quietest cross-validated residual, one figure after the other, and its folds."""
    scores: dict[Shape, float] = {}

    def score(shape: Shape) -> float:
        if shape not in scores:
            folds = folds_of(x, shape, parts)
            scores[shape] = unrest(folds.residual_ul(), folds.parts)
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
    return best, folds_of(x, best, parts)
