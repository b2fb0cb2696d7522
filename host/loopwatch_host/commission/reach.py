"""How far a log reaches: the warmth that each thermometer saw, and the longest stop of the pump.

Within it the inventory model has been tried against the loop; beyond it the model guesses, and a wrong guess goes like
a leak. The board's kernel therefore counts the evidence of patient members less, the further beyond the loop is, see
residual.DRIVE_BEYOND.
"""

from __future__ import annotations

import numpy as np

from loopwatch import residual
from loopwatch.sample import CHANNELS

from .. import twin
from .fit import SKIP_S, Ints
from .thresholds import RULES_FROM_DAYS

# A range may be left by this part of it before anything is beyond; after the next tenth evidence counts a quarter. It
# never counts less than an eighth. After shorter logs, beyond which a loop is every day, by more: limits are wider.
MARGIN_PART = 0.05
QUARTERED_BY_PART = 0.1
SHORT_FACTORS = (4.0, 2.0, 1.0)  # by thresholds.RULES_FROM_DAYS
LEAST_RANGE_K = 2.0
# A stop of the pump is beyond when it is longer than the log's longest by this part; a third more makes it a quarter.
MARGIN_OFF_PART = 0.1
QUARTERED_BY_OFF_PART = 0.33
LEAST_OFF_S = 600

_ROLES = (residual.SOURCE_6, residual.RADIATOR_6, residual.DOME_6)
_ONE = 4096
_K = 512


@twin.compiled
def _followed(state: Ints, params: Ints, x: Ints, skip_s: int, low: Ints, high: Ints) -> int:
    """Run over a log from cold; least and most warmth of the roles into low and high, returns the longest stop in s."""
    longest_s, stopped_s = 0, 0
    for i in range(x.shape[0]):
        stopped_s = stopped_s + 1 if twin.take(state, params, x[i]) else 0
        longest_s = max(longest_s, stopped_s)
        if i >= skip_s:
            for role in range(3):
                warmth = state[_ROLES[role]] >> 13
                low[role] = min(low[role], warmth)
                high[role] = max(high[role], warmth)
    return longest_s


def put(params: Ints, parts: list[Ints]) -> None:
    """Set residual's figures of how far these parts of a log reach; each is seconds × channels, longer than SKIP_S."""
    low, high = np.full(3, 2**16, np.int32), np.full(3, -(2**16), np.int32)
    longest_s = LEAST_OFF_S
    for x in parts:
        longest_s = max(longest_s, _followed(twin.residual_state(), params, x, SKIP_S, low, high))
    days = sum(map(len, parts)) / 86_400
    factor = SHORT_FACTORS[sum(days >= from_days for from_days in RULES_FROM_DAYS)]
    span = np.maximum(high - low, round(LEAST_RANGE_K * _K))
    margin = np.round(MARGIN_PART * span).astype(np.int32)
    params[residual.REACH_LOW : residual.REACH_LOW + 3] = np.maximum(low - margin, -65_535)
    params[residual.REACH_HIGH : residual.REACH_HIGH + 3] = np.minimum(high + margin, 65_535)
    params[residual.REACH_GAIN] = min(round(256 * _ONE / (factor * QUARTERED_BY_PART * float(span.mean()))), 2**14 - 1)
    params[residual.REACH_OFF_S] = min(round((1 + MARGIN_OFF_PART) * longest_s), 2**17 - 1)
    gain = 256 * 16 * _ONE / (factor * QUARTERED_BY_OFF_PART * longest_s)
    params[residual.REACH_OFF_GAIN] = min(round(gain), 2**14 - 1)


def words(params: Ints, parts: list[Ints]) -> str:
    """What put() has found in these parts, for people."""
    columns = sorted({int(params[residual.ROLE_CHANNELS + role]) for role in range(3)})
    x = np.concatenate([part[SKIP_S:, columns] for part in parts]) / 1000
    names = [CHANNELS[column].removesuffix("_mdegc") for column in columns]
    met = [f"{name} {low:.0f} to {high:.0f} °C" for name, low, high in zip(names, x.min(0), x.max(0), strict=True)]
    if params[residual.P_PUMP_CHANNEL]:
        met.append(f"stops of the pump of up to {params[residual.REACH_OFF_S] / (1 + MARGIN_OFF_PART) / 60:.0f} min")
    return (
        f"the log has met {', '.join(met)}: beyond that the model guesses, so the evidence of leaks below 10 mL/min"
        " counts less there, an eighth far out, and the board says so; commission again with what it meets"
    )
