"""What makes a log unfit to commission from, each as one sentence: too short, stuck, too quiet, leaking, refilled.

A leak or a refill is sought in the cross-validated residual with its line in time: what falls for hours is coolant.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from loopwatch.sample import CHANNELS, P_STATIC

from ..errors import LoopwatchError
from . import fit, thresholds
from .fit import ABSENT, Floats, Ints, Spans
from .log import LONGEST_GAP_S, Log

LEAST_DAYS = 0.9
LEAST_PART_S = fit.SKIP_S + 3600  # of a log with gaps
LEAST_WARMING_K = 1.5
STUCK_PRESSURE_S = 900
STUCK_TEMPERATURE_S = 12 * 3600
LOSS_ML_H = 0.1
ASYMMETRY = 2.5
SAID_BELOW_C = 105.0  # few loops get warmer
HOUR_N = 3600 // fit.EVERY_S


class Refusal(LoopwatchError):
    """The log can't be commissioned from; the message says why and what to do."""


class PartRefusal(Refusal):
    """One part of the log can't be commissioned from, the place in Log.parts; the others may do."""

    def __init__(self, text: str, part: int) -> None:
        super().__init__(text)
        self.part = part


def counted_s(lengths_s: Sequence[float]) -> float:
    """What parts of these lengths come to: those that are long enough, all but one without their skip."""
    long_enough = [length_s for length_s in lengths_s if length_s >= LEAST_PART_S]
    if not long_enough:
        return max(lengths_s, default=0.0)
    return sum(long_enough) - fit.SKIP_S * (len(long_enough) - 1)


def usable(log: Log) -> tuple[Log, list[str]]:
    """The parts of a log that are long enough, and what to know of them; Refusal when they are no day together."""
    parts = log.parts
    long_enough = [part for part in parts if log.length_s(part) >= LEAST_PART_S]
    if len(parts) == 1:
        if log.days < LEAST_DAYS:
            raise Refusal(f"the log is {24 * log.days:.1f} h long, a day is needed: log on, at best for 14 days")
        return log, []
    spent_h, least_h = fit.SKIP_S / 3600, LEAST_PART_S / 3600
    lengths_h = [log.length_s(part) / 3600 for part in parts]
    rest = log.of(long_enough) if long_enough else None
    if rest is None or rest.days < LEAST_DAYS:
        raise Refusal(
            f"the log has {len(parts)} parts with gaps of more than {LONGEST_GAP_S // 60} min between them, the longest"
            f" of {max(lengths_h):.1f} h, and comes to {24 * rest.days if rest else 0:.1f} h: a day is needed, to which"
            f" parts of {least_h:.0f} h or more count, all but one without the {spent_h:.0f} h in which their lags"
            " fill; log on, through the nights if you can"
        )
    said = []
    short_h = [hours for hours in lengths_h if hours < least_h]
    if short_h:
        few = "one part" if len(short_h) == 1 else f"{len(short_h)} parts"
        said.append(f"left out: {few} shorter than {least_h:.0f} h, {sum(short_h):.1f} h together")
    return rest, said


def of_parts(log: Log) -> list[str]:
    """What to know of a log with gaps."""
    parts = log.parts
    if len(parts) == 1:
        return []
    said = [
        f"the log has {len(parts)} parts of {sum(map(log.length_s, parts)) / 3600:.0f} h together, with gaps between"
        f" them: all but one count without the {fit.SKIP_S / 3600:.0f} h in which their lags fill, {log.days:.1f} days"
        " in all; what the loop does when nobody logs is not in it"
    ]
    if log.anew_n:
        said.append(
            "files after the first count their time anew: they are taken in the order given, each as begun at some time"
            " after the one before it"
        )
    return said


def left_out(log: Log, refusal: PartRefusal) -> tuple[Log, str]:
    """The log without the part that was refused, and that this is so; raises the refusal when no day is left."""
    parts = log.parts
    rest = [part for k, part in enumerate(parts) if k != refusal.part]
    smaller = log.of(rest) if rest else None
    if smaller is None or smaller.days < LEAST_DAYS:
        raise refusal
    part = parts[refusal.part]
    hour, long_h = log.second[part[0]] / 3600, log.length_s(part) / 3600
    return smaller, f"left out: the {long_h:.1f} h from hour {hour:.1f} on, for {refusal}"


def before(log: Log) -> list[str]:
    """Refuse what can be seen in the channels alone; returns caveats."""
    for column in (P_STATIC, *(c for c in log.channels if c != ABSENT)):
        limit_s = STUCK_PRESSURE_S if CHANNELS[column].endswith("_pa") else STUCK_TEMPERATURE_S
        for k, (first, last) in enumerate(log.parts):
            same_s, at = longest_run(log.x[first:last, column])
            if same_s >= limit_s:
                raise PartRefusal(
                    f"{CHANNELS[column]} does not move for {same_s / 60:.0f} min from hour"
                    f" {log.second[first + at] / 3600:.1f} on: "
                    "the sensor is stuck or was copied from elsewhere; mend it and log again",
                    k,
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
        stops = pump_stops(log.x, pump, log.parts)
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


def after(folds: fit.Folds, litres: float, begins_s: Sequence[int] = (0,)) -> None:
    """Refuse a log whose residual falls or jumps as only coolant can make it.

    begins_s: at which second of the log each part begins. A part that does so alone is a PartRefusal, the worst first.
    """
    parts = hourly(folds)
    if sum(len(hours) - 1 for hours in parts) < 7:
        return
    steps = [np.diff(hours) / 1000 for hours in parts]
    every_step = np.concatenate(steps)
    scale_ml = max(0.15 * litres, 0.15, 6 * float(np.median(np.abs(every_step))))
    first_h = [begun_s / 3600 + fit.SKIP_S / 3600 for begun_s in begins_s]
    k = max((k for k in range(len(parts)) if len(steps[k])), key=lambda k: float(steps[k].max()))
    up = int(np.argmax(steps[k]))
    if steps[k][up] > max(2 * scale_ml, ASYMMETRY * -every_step.min()):
        raise PartRefusal(
            f"about {steps[k][up]:.1f} mL come in near hour {up + 1 + first_h[k]:.0f}: a refill or a bleed; "
            "give the part of the log before it or after it",
            k,
        )
    spans = [min(12, len(hours) - 1) for hours in parts]
    falls = [
        (hours[:-span] - hours[span:]) / 1000 if span > 0 else np.empty(0)
        for hours, span in zip(parts, spans, strict=True)
    ]
    least = ASYMMETRY * -float(np.concatenate(falls).min())
    # A model that explains badly strays to both sides; coolant only goes.
    limits_ml = [max(scale_ml, LOSS_ML_H * span, least) for span in spans]
    k = max((k for k in range(len(parts)) if len(falls[k])), key=lambda k: float(falls[k].max()) / limits_ml[k])
    at = int(np.argmax(falls[k]))
    if falls[k][at] > limits_ml[k]:
        raise PartRefusal(
            f"{falls[k][at]:.1f} mL go in {spans[k]} h from hour {at + first_h[k]:.0f} on,"
            f" {falls[k][at] / spans[k]:.2f} mL/h: the loop leaks in its log; mend it, or give a part of the log in"
            " which it is tight",
            k,
        )
    slope_ml_h = -_slope(parts) / 1000
    if slope_ml_h > max(LOSS_ML_H, 0.05 * litres):
        raise Refusal(
            f"the loop loses {slope_ml_h:.2f} mL/h all through its log: permeation takes "
            f"{max(LOSS_ML_H, 0.05 * litres):.2f} at most; find the leak first"
        )


def _slope(parts: list[Floats]) -> float:
    """The slope per place that all parts share, whatever the level of each."""
    across = [np.arange(len(hours)) - (len(hours) - 1) / 2 for hours in parts]
    return float(sum(t @ hours for t, hours in zip(across, parts, strict=True)) / sum(t @ t for t in across))


def of_fit(shape: fit.Shape) -> list[str]:
    """Caveats of what the fit found."""
    ends_c = fit.warmest_c(shape.curve_k)
    if ends_c >= SAID_BELOW_C:
        return []
    return [
        f"above {ends_c:.0f} °C at a thermometer the board cannot follow this coolant's expansion: what the loop does"
        " there alarms"
    ]


def hourly(folds: fit.Folds) -> list[Floats]:
    """Hourly medians of each part's cross-validated residual, the fits' line in time left in, µL."""
    r = folds.residual_ul()
    return [np.median(r[a : a + (b - a) // HOUR_N * HOUR_N].reshape(-1, HOUR_N), axis=1) for a, b in folds.parts]


def longest_run(column: Ints) -> tuple[int, int]:
    """(length, place) of the longest run of one value."""
    edges = np.flatnonzero(np.diff(column)) + 1
    bounds = np.concatenate(([0], edges, [len(column)]))
    runs = np.diff(bounds)
    at = int(np.argmax(runs))
    return int(runs[at]), int(bounds[at])


def pump_stops(x: Ints, pump: int, parts: Spans) -> int:
    """How often the pump stops in the parts of a log."""
    head_pa, zero_pa = fit.head_of(x, pump)
    off = (x[:, pump] - x[:, P_STATIC] - zero_pa < fit.OFF_PART * head_pa).astype(np.int8)
    return sum(int((np.diff(off[first:last]) == 1).sum()) for first, last in parts)
