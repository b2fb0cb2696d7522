"""Words as commissioning makes them, for tests that need a commissioned configuration and no log."""

from __future__ import annotations

import numpy as np

from loopwatch import bank, residual
from loopwatch_host.commission import bursts, estimates, fit, thresholds


def words(seed: int = 7, gas_ul: int = 150_000) -> list[int]:
    """Parameters of all kernels for a loop at 1.5 bar; another seed gives other weights and limits."""
    rng = np.random.default_rng(seed)
    shape = fit.Shape(gas_ul=gas_ul, p0_pa=150_000, head_pa=35_000, gas_c=30)
    weights = fit.Fit(rng.normal(0, 1, residual.FEATURE_N), -2_000.0)
    limits = thresholds.unlimited(gas_ul)
    limits[bank.HOLD_WEIGHTS : bank.GROUPS] = rng.integers(0, 16_384, bank.GROUP_N * bank.HOLD_N)
    limits[bank.LIMITS : bank.LIMITS + bank.MEMBER_N] = rng.integers(2**18, 2**29, bank.MEMBER_N)
    parts = fit.parameters(shape, weights), limits, bursts.parameters(shape, 250.0, 2.0, 0.0)
    strays = estimates.strays_ul(np.cumsum(rng.normal(0, 5, 100_000)).astype(np.int32))
    return [int(word) for part in (*parts, estimates.packed(strays, 40.0)) for word in part]
