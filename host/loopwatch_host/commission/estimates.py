"""Settings of the estimate of a leak: how far a leak-free residual strays in a given time, from the log.

estimate's interval is the stray that 95 of 100 leak-free spans keep within, times MARGIN: an onset is no random moment
but the one from which the bank saw the most go, which is when the residual stood high.
"""

from __future__ import annotations

import numpy as np

from loopwatch import estimate

from .fit import Ints

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
