"""Settings of the estimate of a leak: how uncertain the fall that it goes by is, from leaks tried on the log.

An alarm is no random moment: it comes when chance has helped the leak, and the onset is dated by the same chance. So
leaks of all rates are taken off the validated log from random moments, and what the bank has picked at the alarm and
later is given to the kernel itself: the noise of an age is the least with which the rate's interval holds the truth in
PART of these cases, and in PART_OF_MEMBER of those of any one member. Ages that no leak came to keep the stray of the
leak-free residual.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from loopwatch import bank, estimate, residual

from .. import twin
from .fit import Floats, Ints

_OUT_N, _SCORES, _MEMBER_N = residual.OUT_N, bank.SCORES, bank.MEMBER_N
_RATE_UL_H, _NOISES_UL, _NOISE_N = estimate.RATE_UL_H, estimate.NOISES_UL, estimate.NOISE_N
_NOISE_LOG2 = 19

PERCENTILE = 95.0
LEAST_SPANS_N = 20  # of a span that the log holds fewer of, the next shorter one's stray is taken and grows as a walk's

# (mL/h, seconds after which a leak counts as missed)
TRIED_ML_H = (
    (0.6, 172_800),
    (1.0, 172_800),
    (1.8, 86_400),
    (3.2, 86_400),
    (5.6, 43_200),
    (10.0, 43_200),
    (18.0, 21_600),
    (32.0, 21_600),
    (60.0, 7_200),
    (110.0, 7_200),
    (200.0, 3_600),
    (350.0, 3_600),
    (600.0, 1_800),
    (1_100.0, 900),
    (2_000.0, 600),
    (3_500.0, 300),
    (6_000.0, 300),
    (12_000.0, 100),
)
TRIED_DELAYS = (1.0, 1.5, 2.0, 3.0, 6.0)
TRIED_ONSETS_N = 100
TRIED_LEAST_S = 3_600  # the last onset lies so far before the log's end
PART, PART_OF_MEMBER = 0.97, 0.93
LEAST_CASES_N, LEAST_CASES_OF_MEMBER_N = 60, 40
LEAST_PART_OF_STRAY = 0.1
# (days, noise multiplied by): a log of less has met too little weather and duty, as for the limits.
SHORT_LOGS = ((2.5, 3.0), (10.0, 1.5))


def strays_ul(residual_ul: Ints) -> list[float]:
    """The PERCENTILE of |change| over 2**i s, of means over an eighth of the span, for each span of the kernel."""
    sums = np.concatenate(([0.0], np.cumsum(residual_ul.astype(np.float64))))
    strays: list[float] = []
    for i in range(estimate.NOISE_N):
        span = 1 << i
        width = max(1, span // 8)
        if strays and len(residual_ul) < LEAST_SPANS_N * span:
            strays.append(strays[-1] * 2**0.5)
            continue
        means = (sums[width:] - sums[:-width])[:: max(1, width // 4)] / width
        step = span // max(1, width // 4)
        changes = np.abs(means[step:] - means[:-step])
        strays.append(max(float(np.percentile(changes, PERCENTILE)), *strays[-1:], 0.0))
    return strays


def parameters(out: Ints, bank_params: Ints, reserve_ml: float) -> Ints:
    """The estimate kernel's parameters.

    out: validated output of residual, a row a second. reserve_ml: what can go before the pump loses suction.
    """
    strays = strays_ul(out[:, 0])
    factor = next((factor for days, factor in SHORT_LOGS if len(out) < days * 86_400), 1.0)
    noises = [factor * noise for noise in noises_ul(out, bank_params, strays)]
    return packed([strays[0], *noises[1:]], reserve_ml)


def packed(noises: list[float], reserve_ml: float) -> Ints:
    """The parameters of these noises, µL."""
    p = np.zeros(estimate.PARAM_N, np.int32)
    p[estimate.RESERVE_UL] = min(round(1000 * reserve_ml), 2**28 - 1)
    p[_NOISES_UL : _NOISES_UL + _NOISE_N] = [min(round(noise), 2**_NOISE_LOG2 - 1) for noise in noises]
    return p


def noises_ul(out: Ints, bank_params: Ints, strays: list[float]) -> list[float]:
    """The noise of each age of the kernel by leaks tried on the log; the stray where there were too few.

    Ages with few cases take those of their neighbours in.
    """
    last = len(out) - TRIED_LEAST_S
    first = min(bank.SETTLED_S, last - 1)
    if last <= 1:
        return strays
    rng = np.random.default_rng(zlib.crc32(bank_params.tobytes()))
    onsets = np.sort(rng.integers(first, last, TRIED_ONSETS_N)).tolist()
    cases = [
        case for case in tried(out, bank_params, onsets, TRIED_ML_H, TRIED_DELAYS) if not case.picked[bank.PICKED_ALONE]
    ]
    if not cases:
        return strays
    picked = np.stack([case.picked for case in cases])
    needed = np.zeros(len(cases))
    _needed_ul(picked, np.array([1000 * case.rate_ml_h for case in cases]), needed)
    place = np.clip(np.ceil(np.log2(np.maximum(picked[:, bank.PICKED_AGE_S], 1))), 1, _NOISE_N - 1)
    noises = []
    for i, stray in enumerate(strays):
        for beside in range(3):
            near = np.abs(place - i) <= beside
            if near.sum() >= LEAST_CASES_N:
                break
        else:
            noises.append(stray)
            continue
        noise = np.quantile(needed[near], PART)
        for allowance in np.unique(picked[near, bank.PICKED_ALLOWANCE]):
            of_member = needed[near & (picked[:, bank.PICKED_ALLOWANCE] == allowance)]
            if len(of_member) >= LEAST_CASES_OF_MEMBER_N:
                noise = max(noise, np.quantile(of_member, PART_OF_MEMBER))
        noises.append(max(float(noise), LEAST_PART_OF_STRAY * stray))
    return noises


@twin.compiled
def _needed_ul(picked: Ints, rates_ul_h: Floats, needed_ul: Floats) -> None:
    """The least noise with which the kernel's interval holds each rate, by halving."""
    params, out = np.zeros(estimate.PARAM_N, np.int32), np.zeros(estimate.OUT_N, np.int32)
    for i in range(picked.shape[0]):
        noise = 0
        for bit in range(_NOISE_LOG2 - 1, -1, -1):
            # The most that does not hold it yet.
            params[_NOISES_UL : _NOISES_UL + _NOISE_N] = noise + (1 << bit) - 1
            twin.estimated(picked[i], params, out)
            if rates_ul_h[i] < out[_RATE_UL_H + 1] or out[_RATE_UL_H + 2] < rates_ul_h[i]:
                noise += 1 << bit
        needed_ul[i] = noise


class Case(NamedTuple):
    """A leak under way, as the bank saw it: its rate, its alarm's delays since the onset, seconds since the onset.

    picked: what bank.pick() left.
    """

    rate_ml_h: float
    moment: float
    after_s: float
    picked: Ints


@twin.compiled
def _clean(state: Ints, params: Ints, out: Ints) -> None:
    """Go on over residual's outputs; an alarm ends as after a person's reset."""
    for i in range(out.shape[0]):
        twin.scale(state, params, out[i])
        if twin.judge(state, params, out[i, 0]) != 0:
            for j in range(_MEMBER_N):
                state[_SCORES + j] = 0


@twin.compiled
def _leaking(
    state: Ints,
    params: Ints,
    out: Ints,
    limit_s: int,
    rate_ul_s: float,
    part_s: float,
    moments: Floats,
    after_s: Floats,
    picked: Ints,
) -> int:
    """A leak from part_s before the end of the first row's second on: a row is the mean of its second.

    At each moment, in delays of the alarm, the seconds since the onset, 0 when pick() has nothing, and what it leaves.
    Returns how many moments came; none when there is no alarm within limit_s.
    """
    row = np.zeros(_OUT_N, np.int32)
    delay_s, n = 0.0, 0
    for i in range(out.shape[0]):
        row[:] = out[i]
        row[0] -= round(rate_ul_s * (i - 0.5 + part_s if i > 0 else part_s * part_s / 2))
        twin.scale(state, params, row)
        if twin.judge(state, params, row[0]) != 0 and delay_s == 0:
            delay_s = i + part_s
        if delay_s == 0 and i >= limit_s:
            return 0
        while delay_s > 0 and i + part_s >= delay_s * moments[n]:
            if twin.pick(state, params, picked[n]) >= 0:
                after_s[n] = i + part_s
            n += 1
            if n == moments.shape[0]:
                return n
    return n


def tried(
    out: Ints,
    bank_params: Ints,
    onsets: list[int],
    rates_ml_h: tuple[tuple[float, int], ...],
    moments: tuple[float, ...],
) -> Iterator[Case]:
    """Leaks taken off the leak-free output of residual from each onset on, ascending, of each rate.

    They begin at random within the onset's second. rates_ml_h: with the seconds after which one is missed. moments:
    rising, in delays of the alarm; those beyond the end of out are left out.
    """
    state, at = twin.bank_state(), 0
    times = np.array(moments)
    rng = np.random.default_rng(onsets)
    for onset in onsets:
        _clean(state, bank_params, out[at:onset])
        at = onset
        for ml_h, limit_s in rates_ml_h:
            after_s, picked = np.zeros(len(times)), np.zeros((len(times), bank.PICKED_N), np.int32)
            part_s = 1 - float(rng.random())
            n = _leaking(state.copy(), bank_params, out[onset:], limit_s, ml_h / 3.6, part_s, times, after_s, picked)
            for i in range(n):
                if after_s[i]:
                    yield Case(ml_h, moments[i], float(after_s[i]), picked[i])
