"""Settings of the estimate of a leak: how far a leak-free residual strays in a given time, from the log.

estimate's interval is the stray that 95 of 100 leak-free spans keep within, times MARGIN: an onset is no random moment
but the one from which the bank saw the most go, which is when the residual stood high.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from loopwatch import bank, estimate, residual

from .. import twin
from .fit import Floats, Ints

_OUT_N, _SCORES, _MEMBER_N = residual.OUT_N, bank.SCORES, bank.MEMBER_N

MARGIN = 1.0
PERCENTILE = 95.0
LEAST_SPANS_N = 20  # of a span that the log holds fewer of, the next shorter one's stray is taken and grows as a walk's


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


def parameters(residual_ul: Ints, reserve_ml: float) -> Ints:
    """The estimate kernel's parameters; reserve_ml: what can go before the pump loses suction."""
    p = np.zeros(estimate.PARAM_N, np.int32)
    p[estimate.RESERVE_UL] = min(round(1000 * reserve_ml), 2**28 - 1)
    strays = strays_ul(residual_ul)
    p[estimate.NOISES_UL : estimate.NOISES_UL + estimate.NOISE_N] = [min(round(MARGIN * s), 2**19 - 1) for s in strays]
    return p


class Case(NamedTuple):
    """A leak under way, as the bank saw it: its rate, its alarm's delays since the onset, seconds since the onset.

    picked: what bank.pick() left.
    """

    rate_ml_h: float
    moment: float
    after_s: int
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
    state: Ints, params: Ints, out: Ints, limit_s: int, rate_ul_s: float, moments: Floats, after_s: Ints, picked: Ints
) -> int:
    """A leak from the first row on: at each moment, in delays of the alarm, the second and what pick() leaves.

    Returns how many moments came; none when there is no alarm within limit_s.
    """
    row = np.zeros(_OUT_N, np.int32)
    delay_s, n = 0, 0
    for i in range(out.shape[0]):
        row[:] = out[i]
        row[0] -= round(rate_ul_s * (i + 1))
        twin.scale(state, params, row)
        if twin.judge(state, params, row[0]) != 0 and delay_s == 0:
            delay_s = i + 1
        if delay_s == 0 and i >= limit_s:
            return 0
        while delay_s > 0 and i + 1 >= delay_s * moments[n]:
            after_s[n] = i + 1
            if twin.pick(state, params, picked[n]) < 0:
                after_s[n] = 0
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

    rates_ml_h: with the seconds after which one is missed. moments: rising, in delays of the alarm; those beyond the
    end of out are left out.
    """
    state, at = twin.bank_state(), 0
    times = np.array(moments)
    for onset in onsets:
        _clean(state, bank_params, out[at:onset])
        at = onset
        for ml_h, limit_s in rates_ml_h:
            after_s, picked = np.zeros(len(times), np.int32), np.zeros((len(times), bank.PICKED_N), np.int32)
            n = _leaking(state.copy(), bank_params, out[onset:], limit_s, ml_h / 3.6, times, after_s, picked)
            for i in range(n):
                if after_s[i]:
                    yield Case(ml_h, moments[i], int(after_s[i]), picked[i])
