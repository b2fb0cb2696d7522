"""What a millilitre is in this loop: the residual's fall when a known volume is taken out by a syringe.

The gas law turns pressures into parts of the gas volume, so a wrong gas volume scales every millilitre. A withdrawal
of 5 or 10 mL within a minute or two sets the scale; what hoses and vessel give way by is in it, as it is in a leak.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from loopwatch import residual

from .. import twin
from . import estimates
from .checks import LEAST_PART_S, Refusal
from .fit import Ints
from .log import Log
from .record import Commissioned

APART_S = 120  # the time that was told may be wrong by so much, and taking out lasts
BEFORE_S = 900
SETTLED_S = 600  # the gas has its wall's temperature again
AFTER_S = 840
SPAN_LOG2 = 11
LEAST, MOST = 0.2, 5.0


@dataclass(frozen=True)
class Calibration:
    """factor: by which the gas volume was wrong. uncertain: the 95 % interval's half-width, a part of it."""

    factor: float
    uncertain: float


def before(log: Log, at_s: float) -> Log:
    """The log up to the withdrawal; Refusal when its part does not go on for long enough behind or before."""
    if not log.second[0] + APART_S < log.second[0] + at_s < log.second[-1]:
        raise Refusal(
            f"the withdrawal at {at_s:g} s lies outside the log of {log.second[-1] - log.second[0] + 1} s: give the"
            " seconds from its start"
        )
    first, last = _around(log, at_s)
    if log.second[last - 1] - log.second[0] < at_s + SETTLED_S + AFTER_S // 2:
        raise Refusal(
            f"the log ends too soon after the withdrawal: log on for {(SETTLED_S + AFTER_S) // 60} min, then end it"
        )
    if first and at_s - (log.second[first] - log.second[0]) < LEAST_PART_S:
        raise Refusal(
            f"the log has a gap less than {LEAST_PART_S / 3600:.0f} h before the withdrawal, which the millilitres need"
            " to be read by: log for longer, then take out again"
        )
    n = int(np.searchsorted(log.second - log.second[0], at_s - APART_S))
    return replace(log, x=log.x[:n], second=log.second[:n])


def _around(log: Log, at_s: float) -> tuple[int, int]:
    """The rows of the part in which a second lies, or of the last one that began before it."""
    return next(part for part in reversed(log.parts) if log.second[part[0]] - log.second[0] <= at_s)


def found(whole: Log, made: Commissioned, validated: Ints, withdrawn_ml: float, at_s: float) -> Calibration:
    """The calibration by the settings made of the log before the withdrawal; Refusal when it shows none.

    validated: output of the residual kernel in that part of the log, for how far it strays by itself.
    """
    first, last = _around(whole, at_s)
    x, t_s = whole.x[first:last], whole.second[first:last] - whole.second[0]
    # A gap in the part leaves at least something of either: it is of ten minutes at most.
    early = (t_s >= at_s - BEFORE_S) & (t_s < at_s - APART_S)
    late = (t_s >= at_s + SETTLED_S) & (t_s < at_s + SETTLED_S + AFTER_S)
    out = np.zeros((len(x), residual.OUT_N), np.int32)
    twin.residuals(twin.residual_state(), made.residual, x, out)
    fall_ml = float(np.median(out[early, 0]) - np.median(out[late, 0])) / 1000
    stray_ml = estimates.strays_ul(validated[:, 0])[SPAN_LOG2] / 1000
    if fall_ml < 2 * stray_ml:
        raise Refusal(
            f"{withdrawn_ml:g} mL were taken out at {at_s:g} s, but the residual falls by {fall_ml:.2f} mL, within the"
            f" {stray_ml:.2f} mL that it strays by itself: check the time and the sign, or take out more"
        )
    factor = withdrawn_ml / fall_ml
    if not LEAST < factor < MOST:
        raise Refusal(
            f"{withdrawn_ml:g} mL taken out show as {fall_ml:.1f} mL: the gas volume given ({made.gas_ml:.0f} mL) would"
            " be wrong by more than a factor of five; check both"
        )
    return Calibration(factor, stray_ml / fall_ml)
