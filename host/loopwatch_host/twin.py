"""The board's detector on the laptop: its kernels compiled by numba, and whole logs run through them.

The source is the firmware's own (`loopwatch.residual`, `bank`, `estimate`, `burst`), so a log replayed here gives what
the board gives, to the bit. Arrays are int32; x has a row a second, columns as sample.CHANNELS.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt
from numba.core.compiler import Compiler

from loopwatch import bank, burst, estimate, residual

# At its third level LLVM spreads the features' sums over so many registers that a sample costs a tenth more.
numba.config.OPT = type(numba.config.OPT)(2)

Ints = npt.NDArray[np.int32]
Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """The function made machine code by numba on its first call."""
    return cast("Function", numba.njit(error_model="numpy")(function))


class _Apart(Compiler):  # type: ignore[misc]  # numba has no types
    """Compiles a function whose arrays never share memory, so that it may take several of their items at once."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.state.flags.noalias = True


def _kernel(function: Callable[..., int]) -> Any:
    """A kernel made machine code, put where it is called: a call hands over some twenty words for its arrays."""
    return numba.njit(error_model="numpy", forceinline=True, pipeline_class=_Apart)(function)


take = _kernel(residual.take)
gas = _kernel(residual.gas)
weigh = _kernel(residual.weigh)
scale = _kernel(bank.scale)
judge = _kernel(bank.judge)
pick = _kernel(bank.pick)
estimated = _kernel(estimate.estimate)
burst_step = _kernel(burst.step)

_SCORES, _MEMBER_N, _OUT_N, _FEATURE_N = bank.SCORES, bank.MEMBER_N, residual.OUT_N, residual.FEATURE_N


def residual_state() -> Ints:
    """Memory of the residual's kernel, not started."""
    return np.zeros(residual.STATE_N, np.int32)


def bank_state() -> Ints:
    """Memory of the bank's kernel, not started."""
    return np.zeros(bank.STATE_N, np.int32)


@compiled
def features(state: Ints, params: Ints, x: Ints, first: int, every: int, out: Ints, gain_ul: Ints) -> int:
    """Run over x and keep every n-th second's features and gas gain from row `first` on; returns how many."""
    kept = 0
    for i in range(x.shape[0]):
        take(state, params, x[i])
        gas(state, params, x[i])
        if i >= first and (i - first) % every == 0:
            for j in range(_FEATURE_N):
                out[kept, j] = state[j] >> 13
            gain_ul[kept] = state[residual.GAIN_UL]
            kept += 1
    return kept


@compiled
def residuals(state: Ints, params: Ints, x: Ints, out: Ints) -> None:
    """The residual and the drives of every second of x, into out (n × OUT_N)."""
    for i in range(x.shape[0]):
        take(state, params, x[i])
        gas(state, params, x[i])
        weigh(state, params, out[i])


@compiled
def scores(state: Ints, params: Ints, out: Ints, most: Ints) -> None:
    """Run the bank over residual's outputs and keep each member's largest score."""
    for i in range(out.shape[0]):
        scale(state, params, out[i])
        judge(state, params, out[i, 0])
        for j in range(_MEMBER_N):
            most[j] = max(most[j], state[_SCORES + j])


@compiled
def replay(
    residual_at: Ints,
    residual_params: Ints,
    bank_at: Ints,
    bank_params: Ints,
    x: Ints,
    at_s: Ints,
    which: Ints,
    most: Ints,
) -> int:
    """Watch a log: rows and bits of the alarms into at_s and which, largest scores into most; returns their number.

    After an alarm every score starts from zero, as after a person's reset.
    """
    out = np.zeros(_OUT_N, np.int32)
    alarm_n = 0
    for i in range(x.shape[0]):
        take(residual_at, residual_params, x[i])
        gas(residual_at, residual_params, x[i])
        weigh(residual_at, residual_params, out)
        scale(bank_at, bank_params, out)
        alarms = judge(bank_at, bank_params, out[0])
        for j in range(_MEMBER_N):
            most[j] = max(most[j], bank_at[_SCORES + j])
        if alarms != 0:
            if alarm_n < at_s.shape[0]:
                at_s[alarm_n] = i
                which[alarm_n] = alarms
            alarm_n += 1
            for j in range(_MEMBER_N):
                bank_at[_SCORES + j] = 0
    return alarm_n


@compiled
def holds(state: Ints, params: Ints, out: Ints, every: int, kept: Ints) -> int:
    """Run the bank's scaling over residual's outputs and keep every n-th second's peak holds, in drive units."""
    n = 0
    for i in range(out.shape[0]):
        scale(state, params, out[i])
        if i % every == 0:
            for j in range(bank.HOLD_N):
                kept[n, j] = state[bank.HOLDS_ACC + j] >> residual.DRIVE_SHIFT
            n += 1
    return n
