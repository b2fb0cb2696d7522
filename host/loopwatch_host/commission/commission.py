"""From a loop's log to its settings: check, fit, set limits, say what will be seen and what won't."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from loopwatch import bank, residual
from loopwatch.sample import CHANNELS, P_STATIC

from .. import twin
from . import bursts, calibration, checks, estimates, fit, reach, standstill, thresholds
from .fit import Floats, Ints
from .log import Log, LogError
from .record import Commissioned
from .scalars import scalars

CURVE_ML_H = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0, 1800.0, 6000.0)
CURVE_ONSETS_N = 60
CURVE_LONGEST_S = 12 * 3600
DEFAULT_GAS_PART = 0.075

_OUT_N = residual.OUT_N


@dataclass(frozen=True)
class Withdrawal:
    """Coolant that a person took out of the loop while it was logged: ml, at_s from the log's start."""

    ml: float
    at_s: float


@dataclass(frozen=True)
class Work:
    """What commissioning found on its way: the log it went by, the fit, and the validated output of every second."""

    log: Log
    shape: fit.Shape
    folds: fit.Folds
    out: Ints
    made: Commissioned


def commissioned(
    log: Log,
    liquid_ml: float,
    gas_ml: float | None = None,
    alarms_per_year: float = 1.0,
    progress: Callable[[float, float], None] = lambda done, of: None,
    withdrawal: Withdrawal | None = None,
) -> Commissioned:
    """The settings for the loop of this log; checks.Refusal when the log can't support any. As worked()."""
    return worked(log, liquid_ml, gas_ml, alarms_per_year, progress, withdrawal).made


def worked(
    log: Log,
    liquid_ml: float,
    gas_ml: float | None = None,
    alarms_per_year: float = 1.0,
    progress: Callable[[float, float], None] = lambda done, of: None,
    withdrawal: Withdrawal | None = None,
) -> Work:
    """The settings for the loop of this log with all that led to them; checks.Refusal when it can't support any.

    gas_ml: the gas in the vessel as far as it is known; without it 7.5 % of the liquid, and millilitres are as
    uncertain as that guess. A withdrawal makes them absolute: the fit goes by the log before it.
    """
    said = []
    whole, of = log, 4
    if withdrawal is not None:
        of = 8
        log = calibration.before(log, withdrawal.at_s)
        guess_ml = gas_ml or DEFAULT_GAS_PART * liquid_ml
        first = _worked(log, liquid_ml, guess_ml, alarms_per_year, lambda done, _: progress(done, of))
        found = calibration.found(whole, first.made, first.out, withdrawal.ml, withdrawal.at_s)
        gas_ml = guess_ml * found.factor
        said.append(
            f"the millilitres are calibrated by {withdrawal.ml:g} mL taken out, to {100 * found.uncertain:.0f} %: the"
            f" gas acts as {gas_ml:.0f} mL, the give of hoses included"
        )
    elif gas_ml is None:
        gas_ml = DEFAULT_GAS_PART * liquid_ml
        said.append(
            f"the gas volume was not given: {gas_ml:.0f} mL are assumed, and every millilitre scales with it, by a"
            " factor of two either way; take out 5 or 10 mL by a syringe and give --withdrawn-ml and --withdrawn-at"
        )
    else:
        said.append(
            "every millilitre is as sure as the gas volume that was given, and hoses that give take a few percent; a"
            " syringe makes it sure: --withdrawn-ml and --withdrawn-at"
        )
    work = _worked(log, liquid_ml, gas_ml, alarms_per_year, lambda done, _: progress(of - 4 + done, of))
    return replace(work, made=replace(work.made, caveats=[*work.made.caveats, *said]))


def _worked(
    log: Log, liquid_ml: float, gas_ml: float, alarms_per_year: float, progress: Callable[[float, float], None]
) -> Work:
    caveats = checks.before(log)
    progress(0, 4)
    litres = liquid_ml / 1000
    gas_ul = min(max(round(gas_ml * 1000), 5_000), 4_000_000)
    shape, folds = fit.searched(log.x, fit.shape_of(log.x, gas_ul, log.channels))
    progress(2, 4)
    checks.after(folds, litres)
    caveats += checks.of_fit(shape)
    out = thresholds.validated(log.x, shape, folds)
    rule = thresholds.rule_for(log.days, alarms_per_year)
    bank_params = thresholds.made(out, gas_ul, litres, rule)
    progress(3, 4)
    residual_params = fit.parameters(shape, folds.whole)
    reach.put(residual_params, [log.x])
    seed = zlib.crc32(residual_params.tobytes())
    curve = detectability(out, bank_params, seed)
    raw_ul = raw_rms_ul(log.x, shape)
    board = scalars(shape, residual_params, liquid_ml)
    progress(4, 4)
    made = Commissioned(
        residual_params,
        bank_params,
        bursts.parameters(shape, bursts.white_pa(log.x), litres, bursts.hose_part(log.x, shape), log.x),
        estimates.parameters(out, bank_params, board["reserve_ul"] / 1000),
        liquid_ml,
        gas_ul / 1000,
        log.days,
        alarms_per_year,
        hourly_rms_ul(out[:: fit.EVERY_S, 0].astype(np.float64)),
        raw_ul,
        caveats,
        curve,
        board,
    )
    return Work(log, shape, folds, out, made)


def hourly_rms_ul(r_ul: Floats) -> float:
    """rms change over an hour of a residual every EVERY_S seconds, after means of a minute."""
    means = r_ul[: len(r_ul) // 6 * 6].reshape(-1, 6).mean(1)
    return float(np.sqrt(np.mean((means[60:] - means[:-60]) ** 2)))


def raw_rms_ul(x: Ints, shape: fit.Shape) -> float:
    """The same of the gas law alone at a fixed temperature: what pressure without compensation shows."""
    pressure = x[:: fit.EVERY_S, 0].astype(np.float64)
    return hourly_rms_ul(-shape.gas_ul * (shape.p0_pa / pressure - 1))


@twin.compiled
def _seen_after(state: Ints, params: Ints, out: Ints, first: int, longest: int, rate_ul_s: float) -> int:
    """Seconds until the bank alarms on a leak added to the residual from second `first` on; 0 when it doesn't."""
    row = np.zeros(_OUT_N, np.int32)
    for i in range(min(longest, out.shape[0] - first)):
        row[:] = out[first + i]
        row[0] -= round(rate_ul_s * (i + 1))
        twin.scale(state, params, row)
        if twin.judge(state, params, row[0]) != 0:
            return i + 1
    return 0


@twin.compiled
def _passed(state: Ints, params: Ints, out: Ints) -> None:
    for i in range(out.shape[0]):
        twin.scale(state, params, out[i])
        twin.judge(state, params, out[i, 0])


def detectability(out: Ints, params: Ints, seed: int) -> list[dict[str, Any]]:
    """Delay and loss for each rate of CURVE_ML_H, from leaks added at random moments of the validated log."""
    rng = np.random.default_rng(seed)
    last = len(out) - CURVE_LONGEST_S
    if last <= 1:
        return []
    onsets: npt.NDArray[np.int64] = np.sort(rng.integers(min(bank.SETTLED_S, last - 1), last, CURVE_ONSETS_N))
    delays = np.zeros((len(CURVE_ML_H), len(onsets)))
    state, at = twin.bank_state(), 0
    for j, onset in enumerate(onsets.tolist()):
        _passed(state, params, out[at:onset])
        at = onset
        for i, ml_h in enumerate(CURVE_ML_H):
            delays[i, j] = _seen_after(state.copy(), params, out, onset, CURVE_LONGEST_S, ml_h * 1000 / 3600)
    rows = []
    for ml_h, each in zip(CURVE_ML_H, delays, strict=True):
        seen = each > 0
        # What was not seen counts as later than anything that was.
        ranked = np.where(seen, each, np.inf)
        p50, p95 = (float(np.percentile(ranked, q, method="higher")) for q in (50, 95))
        rows.append(
            {
                "rate_ml_h": ml_h,
                "p50_s": p50 if np.isfinite(p50) else None,
                "p95_s": p95 if np.isfinite(p95) else None,
                "p50_lost_ml": round(p50 * ml_h / 3600, 3) if np.isfinite(p50) else None,
                "p95_lost_ml": round(p95 * ml_h / 3600, 3) if np.isfinite(p95) else None,
                "missed": int((~seen).sum()),
                "onsets": len(each),
            }
        )
    return rows


def replayed(log: Log, made: Commissioned) -> dict[str, Any]:
    """The board's detector on a log: alarms and the most evidence of each member, per mille of its limit.

    Raises LogError when the log lacks a channel that the settings need.
    """
    roles = made.residual[residual.ROLE_CHANNELS : residual.ROLE_CHANNELS + 3].tolist()
    needed = {int(made.residual[residual.P_PUMP_CHANNEL]), *roles} - {P_STATIC, *log.channels}
    if needed:
        names = ", ".join(CHANNELS[column] for column in sorted(needed))
        raise LogError(f"the log has no {names}, which these settings go by: replay a log of the loop they are for")
    at_s, which = np.zeros(100_000, np.int32), np.zeros(100_000, np.int32)
    most = np.zeros(bank.MEMBER_N, np.int32)
    states = twin.residual_state(), twin.bank_state()
    count = twin.replay(states[0], made.residual, states[1], made.bank, log.x, at_s, which, most)
    alarms = []
    for i in range(min(count, len(at_s))):
        by = [j for j in range(bank.MEMBER_N) if which[i] >> j & 1]
        allowances = [thresholds.MEMBERS[j][0] for j in by]
        t_s = int(log.second[at_s[i]] - log.second[0])
        alarms.append({"t_s": t_s, "name": "leak", "state": "UNACK", "priority": 1, "members_ml_h": allowances})
    limits = made.bank[bank.LIMITS : bank.LIMITS + bank.MEMBER_N]
    evidence = [
        round(1000 * int(most[j]) / int(limits[j])) if limits[j] != thresholds.NEVER else None
        for j in range(bank.MEMBER_N)
    ]
    return {
        "samples": len(log.x),
        "duration_s": int(log.second[-1] - log.second[0] + 1),
        "gaps": len(log.gaps_s()),
        "alarms": alarms,
        "alarm_count": count,
        "first_leak_s": alarms[0]["t_s"] if alarms else None,
        "max_evidence": max((e for e in evidence if e is not None), default=0),
        "evidence_permille": evidence,
        "standstill": standstill.document(standstill.compared(log, made.config.pump_on_pa)),
    }
