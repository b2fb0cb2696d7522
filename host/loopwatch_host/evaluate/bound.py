"""How soon any detector could see a leak: the clairvoyant bound of DETECTION section 3.

White noise and a random walk, a ramp of known slope from a known onset: the innovations of the steady Kalman filter
carry all there is to know. I(t) is their cumulative Kullback-Leibler information; a test that raises one false alarm
in ARL seconds needs I(D) = H - 1 with e^H - H - 1 = ARL / (D / (H - 1)).
"""

from __future__ import annotations

import math


def delay_s(rate_ul_s: float, white_ul: float, walk_ul2_s: float, arl_s: float) -> float:
    """Least mean delay for a ramp of rate_ul_s at one sample a second, straight between samples and at least one.

    white_ul: rms of a sample. walk_ul2_s: variance that the random walk gains in a second.
    """
    predicted = (walk_ul2_s + math.sqrt(walk_ul2_s**2 + 4 * walk_ul2_s * white_ul**2)) / 2
    variance = predicted + white_ul**2
    gain = predicted / variance
    information, mean_ul, t_s = 0.0, 0.0, 0
    while True:
        t_s += 1
        mean_ul = (1 - gain) * mean_ul + rate_ul_s
        step = mean_ul**2 / (2 * variance)
        need = _need(t_s, arl_s)
        if information + step >= need:
            return max(1.0, t_s - 1 + (need - information) / step)
        information += step


def _need(delay: float, arl_s: float) -> float:
    """H - 1 for this delay, by iteration."""
    h = 10.0
    for _ in range(50):
        h = math.log(max(arl_s * (h - 1) / delay + h + 1, math.e**1.01))
    return h - 1
