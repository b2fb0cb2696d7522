"""How sure a count of rare events makes one of their rate."""

from __future__ import annotations

import math


def poisson_interval(count: int) -> tuple[float, float]:
    """The exact (Garwood) 95 % interval of a mean of which count events were seen, by bisection."""

    def at_most(n: int, mean: float) -> float:
        return sum(math.exp(i * math.log(mean) - mean - math.lgamma(i + 1)) for i in range(n + 1))

    def solved(target: float, n: int) -> float:
        low, high = 1e-9, 10.0 * n + 20
        for _ in range(200):
            middle = (low + high) / 2
            low, high = (middle, high) if at_most(n, middle) > target else (low, middle)
        return (low + high) / 2

    return (0.0 if count == 0 else solved(0.975, count - 1), solved(0.025, count))
