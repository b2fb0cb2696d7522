"""The board's scalars as far as a loop's log and its owner tell them (loopwatch.config.TABLE)."""

from __future__ import annotations

import numpy as np

from loopwatch import config, residual, sample

from .fit import ABSENT, Ints, Shape

# Without better knowledge the pump draws gas when a fiftieth of the coolant is gone: 40 mL of the reference loop's 2 L.
RESERVE_PART = 0.02
# A pump that gives a quarter of its usual head runs.
PUMP_ON_PART = 0.25
# Outside of these the fit's weights say nothing of the coolant: water 200, glycol and oil up to 1000 ppm/K.
EXPANSION_PPM_K = (100, 1_200)

_DEFAULTS = {row[0]: row[1] for row in config.TABLE}
_LIMITS = {row[0]: (row[2], row[3]) for row in config.TABLE}
_HEAD_ROLE = 3


def scalars(shape: Shape, residual_params: Ints, liquid_ml: float) -> dict[str, int]:
    """Rows of config.TABLE for a commissioned loop; those that no log can tell (spans, offsets) stay the default."""
    fitted_bits = 1 << sample.P_STATIC | 1 << sample.RAIL
    for channel in shape.channels:
        if channel != ABSENT:
            fitted_bits |= 1 << channel
    told = {
        "fitted_bits": fitted_bits,
        "gas_ul": shape.gas_ul,
        "liquid_ul": round(liquid_ml * 1000),
        "reserve_ul": round(liquid_ml * 1000 * RESERVE_PART),
        "expansion_ppm_k": expansion_ppm_k(residual_params, liquid_ml),
        "commissioned": 1,
    }
    if shape.channels[0] != ABSENT and shape.head_pa > 0:
        told["pump_on_pa"] = pump_on_pa(shape)
    return {name: min(max(value, _LIMITS[name][0]), _LIMITS[name][1]) for name, value in told.items()}


def pump_on_pa(shape: Shape) -> int:
    """What p_pump shows above p_static of a pump that runs, at least."""
    return round(shape.head_zero_pa + shape.head_pa * PUMP_ON_PART)


def expansion_ppm_k(params: Ints, liquid_ml: float) -> int:
    """What the fit makes of the whole loop one kelvin warmer: all temperature features rise by 512."""
    weights = params[residual.WEIGHTS : residual.WEIGHTS + residual.FEATURE_N].astype(np.float64)
    weights /= 2.0 ** int(params[residual.SUM_SHIFT])
    thermal = [i for i, (role, _) in enumerate(residual.AVERAGES) if role != _HEAD_ROLE]
    thermal += range(residual.AVERAGE_N, residual.FEATURE_N)
    # A warmer liquid fills more of the vessel, which the fit takes off again.
    ppm_k = -float(weights[thermal].sum()) * 512 / liquid_ml * 1000
    least, most = EXPANSION_PPM_K
    return round(ppm_k) if least <= ppm_k <= most else _DEFAULTS["expansion_ppm_k"]
