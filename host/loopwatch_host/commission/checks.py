"""What makes a log unfit to commission from, each as one sentence: too short, stuck, too quiet, leaking, refilled.

A leak or a refill is sought in the cross-validated residual with its line in time: what falls for hours is coolant.
"""

from __future__ import annotations

import numpy as np

from loopwatch.sample import CHANNELS, P_STATIC

from ..errors import LoopwatchError
from . import fit, thresholds
from .fit import ABSENT, Floats, Ints
from .log import Log

LEAST_DAYS = 0.9
LONGEST_GAP_S = 600
LEAST_WARMING_K = 1.5
STUCK_PRESSURE_S = 900
STUCK_TEMPERATURE_S = 12 * 3600
LOSS_ML_H = 0.1
ASYMMETRY = 2.5
SAID_BELOW_C = 105.0  # few loops get warmer
HOUR_N = 3600 // fit.EVERY_S


class Refusal(LoopwatchError):
    """The log can't be commissioned from; the message says why and what to do."""


def before(log: Log) -> list[str]:
    """Refuse what can be seen in the channels alone; returns caveats."""
    if log.days < LEAST_DAYS:
        raise Refusal(f"the log is {24 * log.days:.1f} h long, a day is needed: log on, at best for 14 days")
    for second, length in log.gaps_s():
        if length > LONGEST_GAP_S:
            raise Refusal(
                f"the log lacks {length / 60:.0f} min from hour {second / 3600:.1f} on: give a log without gaps over "
                f"{LONGEST_GAP_S // 60} min"
            )
    for column in (P_STATIC, *(c for c in log.channels if c != ABSENT)):
        limit_s = STUCK_PRESSURE_S if CHANNELS[column].endswith("_pa") else STUCK_TEMPERATURE_S
        same_s, at = longest_run(log.x[:, column])
        if same_s >= limit_s:
            raise Refusal(
                f"{CHANNELS[column]} does not move for {same_s / 60:.0f} min from hour {log.second[at] / 3600:.1f} on: "
                "the sensor is stuck or was copied from elsewhere; mend it and log again"
            )
    temperatures = [c for c in log.channels[1:] if c != ABSENT]
    warming_k = max(float(np.ptp(np.percentile(log.x[:, c], [1, 99]))) for c in temperatures) / 1000
    if warming_k < LEAST_WARMING_K:
        raise Refusal(
            f"the temperatures move by {warming_k:.1f} K only: the fit can't tell warming from loss; log through "
            f"changes of load, {LEAST_WARMING_K} K at least"
        )
    return _caveats(log)


def _caveats(log: Log) -> list[str]:
    said = [
        "the budget of false alarms was judged on simulated loops only: events of a kind that neither they nor this log"
        " met may alarm"
    ]
    pump, source, radiator, dome = log.channels
    for column, name in ((source, "t_source_mdegc"), (radiator, "t_radiator_mdegc"), (dome, "t_dome_mdegc")):
        if column == ABSENT:
            said.append(f"{name} is not fitted: the residual is less well explained, the limits are wider")
    if pump == ABSENT:
        said.append("p_pump_pa is not fitted: starts and stops of the pump are not known and widen the limits")
    else:
        stops = pump_stops(log.x, pump)
        if stops == 0:
            said.append("the pump never stopped in the log: a stop may cause an alarm until it has been seen")
    least_ml_h = thresholds.advisory_ml_h(log.days)
    if least_ml_h:
        some_days, all_days = thresholds.RULES_FROM_DAYS
        sooner = f"with {some_days:g} days of log, which narrow the limits, and " if log.days < some_days else ""
        said.append(
            f"the log is {log.days:.1f} days long: leaks of {least_ml_h:g} mL/h and less are advisory, that is the"
            f" inventory shows them and no alarm comes. Commission again {sooner}with {all_days:g}, after which all"
            " alarm: --recorded takes what `loopwatch monitor` has kept"
        )
    if log.filled_n:
        said.append(f"{log.filled_n} missing values were taken to be the last ones before")
    return said


def after(folds: fit.Folds, litres: float) -> None:
    """Refuse a log whose residual falls or jumps as only coolant can make it."""
    hours = hourly(folds)
    if len(hours) < 8:
        return
    scale_ml = max(0.15 * litres, 0.15, 6 * float(np.median(np.abs(np.diff(hours)))) / 1000)
    jump = np.diff(hours) / 1000
    up = int(np.argmax(jump))
    if jump[up] > max(2 * scale_ml, ASYMMETRY * -jump.min()):
        raise Refusal(
            f"about {jump[up]:.1f} mL come in near hour {up + 1 + fit.SKIP_S / 3600:.0f}: a refill or a bleed; "
            "give the part of the log before it or after it"
        )
    span = min(12, len(hours) - 1)
    fall = (hours[:-span] - hours[span:]) / 1000
    at = int(np.argmax(fall))
    rate_ml_h = fall[at] / span
    # A model that explains badly strays to both sides; coolant only goes.
    if fall[at] > max(scale_ml, LOSS_ML_H * span, ASYMMETRY * -fall.min()):
        raise Refusal(
            f"{fall[at]:.1f} mL go in {span} h from hour {at + fit.SKIP_S / 3600:.0f} on, {rate_ml_h:.2f} mL/h: "
            "the loop leaks in its log; mend it, or give a part of the log in which it is tight"
        )
    slope_ml_h = -float(np.polyfit(np.arange(len(hours)), hours, 1)[0]) / 1000
    if slope_ml_h > max(LOSS_ML_H, 0.05 * litres):
        raise Refusal(
            f"the loop loses {slope_ml_h:.2f} mL/h all through its log: permeation takes "
            f"{max(LOSS_ML_H, 0.05 * litres):.2f} at most; find the leak first"
        )


def of_fit(shape: fit.Shape) -> list[str]:
    """Caveats of what the fit found."""
    ends_c = fit.warmest_c(shape.curve_k)
    if ends_c >= SAID_BELOW_C:
        return []
    return [
        f"above {ends_c:.0f} °C at a thermometer the board cannot follow this coolant's expansion: what the loop does"
        " there alarms"
    ]


def hourly(folds: fit.Folds) -> Floats:
    """Hourly medians of the cross-validated residual, the fits' line in time left in, µL."""
    r = folds.residual_ul()
    n = len(r) // HOUR_N
    return np.median(r[: n * HOUR_N].reshape(n, HOUR_N), axis=1)


def longest_run(column: Ints) -> tuple[int, int]:
    """(length, place) of the longest run of one value."""
    edges = np.flatnonzero(np.diff(column)) + 1
    bounds = np.concatenate(([0], edges, [len(column)]))
    runs = np.diff(bounds)
    at = int(np.argmax(runs))
    return int(runs[at]), int(bounds[at])


def pump_stops(x: Ints, pump: int) -> int:
    """How often the pump stops in the log."""
    head = x[:, pump].astype(np.float64) - x[:, P_STATIC]
    off = head < 0.08 * np.percentile(head, 95)
    return int((np.diff(off.astype(np.int8)) == 1).sum())
