"""The bank of one loop: what its evidence is divided by, and thresholds from a replay of the log.

Everything is made from the cross-validated residual, so that no member is judged on what its model has learnt by heart.
Scheduling: non-negative least squares of the residual's changes on the peak-held drives, per group of members.
Thresholds: inflated replay. Each member runs over the log with its allowance divided by `inflation`; its limit is
`inflation` times its largest score, not below the floors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from loopwatch import bank, residual

from .. import twin
from . import fit
from .fit import Floats, Ints

# (allowance mL/h, what S forgets: 2**m s, group, shifts n to choose from)
MEMBERS = (
    (0.7, 15, 3, (5, 6, 7, 8, 9)),
    (2.0, 15, 3, (4, 5, 6, 7, 8, 9)),
    (5.0, 24, 2, (3, 4, 5, 6, 7, 8)),
    (11.0, 24, 2, (2, 3, 4, 5, 6, 7)),
    (24.0, 24, 1, (2, 3, 4, 5, 6)),
    (50.0, 24, 1, (1, 2, 3, 4, 5, 6)),
    (110.0, 24, 1, (0, 1, 2, 3, 4, 5)),
    (250.0, 24, 1, (0, 1, 2, 3, 4)),
    (600.0, 24, 0, (0, 1, 2, 3)),
    (1800.0, 30, 0, (0, 1)),
    (0.0, 14, 3, (9,)),
    (0.0, 16, 3, (9,)),
)
NEVER = 2**30 - 1
LAID_S = 30  # a part's level at either end, for laying it to the next: more than noise, less than a load's step
GROUP_SPANS_S = (4, 32, 128, 1024)
# How much of the fitted scheduling each group gets: slow members average over what the drives cry out about.
SCHEDULED_PARTS = (1.0, 0.6, 0.4, 0.3)
SLOW_N = 2
MIDDLE_N = 5  # with the slow ones
LEVEL_FIRST = 10
RULES_FROM_DAYS = (2.5, 10.0)  # logs of so many days support more than shorter ones


@dataclass(frozen=True)
class Rule:
    """How thresholds are made: replay inflated by this, floors in mL and mL per litre, members that stay advisory.

    Members of 2 mL/h and less add up hours, of which a log holds few: they and the level members have their own. So
    have those of 5 to 24 mL/h, which add up many minutes, and the first of these has a floor of its own (patient).
    advisory_n: so many of the slowest members, and the level members with them, never alarm.
    """

    inflation: float = 1.4
    middle_inflation: float = 1.3
    slow_inflation: float = 1.9
    level_inflation: float = 1.7
    floor_ml: float = 0.05
    floor_ml_l: float = 0.03
    middle_floor_ml_l: float = 0.03
    patient_floor_ml_l: float = 0.03
    scheduled: bool = True
    advisory_n: int = 0

    def of(self, member: int) -> float:
        """The inflation of a member."""
        if member >= LEVEL_FIRST:
            return self.level_inflation
        if member < SLOW_N:
            return self.slow_inflation
        return self.middle_inflation if member < MIDDLE_N else self.inflation

    def floor_ul(self, member: int, litres: float) -> float:
        """The least limit of a member in a loop of this size."""
        per_litre_ml = self.middle_floor_ml_l if SLOW_N <= member < MIDDLE_N else self.floor_ml_l
        if member == SLOW_N:
            per_litre_ml = self.patient_floor_ml_l
        return 1000 * max(self.floor_ml, per_litre_ml * litres)

    def advisory(self, member: int) -> bool:
        """Whether a member never alarms."""
        return member < self.advisory_n or (self.advisory_n > 0 and member >= LEVEL_FIRST)


def rule_for(days: float, alarms_per_year: float = 1.0) -> Rule:
    """The rule for a log of this length; what short logs can't support is advisory.

    Another budget than one alarm a year moves limits and floors by what the limits' exponential tails make of it, a
    seventh of the limit for each factor of e.
    """
    stretch = max(0.6, 1 - math.log(alarms_per_year) / 7)
    some_days, all_days = RULES_FROM_DAYS
    if days >= all_days:
        rule = Rule()
    elif days >= some_days:
        rule = Rule(
            2.5, 2.5, 2.5, 4.0, floor_ml_l=0.1, middle_floor_ml_l=0.1, patient_floor_ml_l=0.1, advisory_n=SLOW_N
        )
    else:
        # A night and a stop or two of the pump. What goes beyond that, as nearly every day does, counts less (reach).
        # The 5 mL/h member has a floor of its own.
        rule = Rule(
            3.0, 3.0, 6.0, 6.0, floor_ml_l=0.1, middle_floor_ml_l=0.1, patient_floor_ml_l=0.2, advisory_n=SLOW_N
        )
    return replace(
        rule,
        inflation=rule.inflation * stretch,
        middle_inflation=rule.middle_inflation * stretch,
        slow_inflation=rule.slow_inflation * stretch,
        level_inflation=rule.level_inflation * stretch,
        floor_ml=rule.floor_ml * stretch,
        floor_ml_l=rule.floor_ml_l * stretch,
        middle_floor_ml_l=rule.middle_floor_ml_l * stretch,
        patient_floor_ml_l=rule.patient_floor_ml_l * stretch,
    )


def advisory_ml_h(days: float) -> float:
    """Leaks of this rate and less do not alarm after a log of this length; 0 when all do."""
    advisory_n = rule_for(days).advisory_n
    return MEMBERS[advisory_n][0] if advisory_n else 0.0


def allowance_acc(ml_h: float) -> int:
    """Allowance per second in 2**-14 µL."""
    return round(ml_h * 1000 / 3600 * 2**14)


def unlimited(gas_ul: int) -> Ints:
    """The bank's parameters without limits or scheduling; shifts are each member's first choice."""
    p = np.zeros(bank.PARAM_N, np.int32)
    p[bank.AGE_GAIN] = round(2**24 / gas_ul)
    for i, (drive, shift) in enumerate(bank.HOLDS):
        p[bank.HOLD_DRIVES + i] = drive
        p[bank.HOLD_SHIFTS + i] = shift
    for i, (ml_h, leak, group, shifts) in enumerate(MEMBERS):
        p[bank.GROUPS + i] = group
        p[bank.LEVEL_SHIFTS + i] = shifts[0]
        p[bank.LEAK_SHIFTS + i] = leak
        p[bank.ALLOWANCES + i] = allowance_acc(ml_h)
        p[bank.LIMITS + i] = NEVER
    return p


def validated(x: Ints, shape: fit.Shape, folds: fit.Folds, parts: fit.Spans | None = None) -> Ints:
    """Every second's output of the residual kernel after each part's skip, by fits that have not seen that second.

    The parts are laid end to end, each begun at the level at which the one before ended: whoever goes on from it sees
    no jump, and what adds up for hours is not cut short by a gap as it would not be on the board.
    """
    p = fit.parameters(shape)
    out = np.zeros((len(x), residual.OUT_N), np.int32)
    parts = parts or [(0, len(x))]
    laid: list[Ints] = []
    place, begun = 0, 0
    state = twin.residual_state()
    for piece in folds.pieces():
        if piece.begins:
            (begun, last), place = parts[len(laid)], 0
            state = twin.residual_state()
            laid.append(out[begun:last])
        end = place + (piece.last - piece.first) * fit.EVERY_S + (fit.SKIP_S if piece.begins else 0)
        end = min(end, len(laid[-1]))
        fit.put_weights(p, piece.fit)
        twin.residuals(state, p, x[begun + place : begun + end], laid[-1][place:end])
        place = end
    return _end_to_end([rows[fit.SKIP_S :] for rows in laid])


def _end_to_end(parts: list[Ints]) -> Ints:
    """Outputs of the residual kernel as one, each part shifted to begin where the one before it ends."""
    for before, rows in pairwise(parts):
        rows[:, 0] += round(float(before[-LAID_S:, 0].mean() - rows[:LAID_S, 0].mean()))
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def schedule(p: Ints, out: Ints) -> None:
    """Set the hold weights in p."""
    every = 4
    holds = np.zeros((len(out) // every + 1, bank.HOLD_N), np.int32)
    n = twin.holds(twin.bank_state(), p, out, every, holds)
    a = holds[:n].astype(np.float64)
    r = out[:, 0].astype(np.float64)
    for group, span_s in enumerate(GROUP_SPANS_S):
        # Change over the span between short means, so that a slow group does not weigh white noise.
        width = max(1, span_s // 4)
        sums = np.concatenate(([0.0], np.cumsum(r)))
        means = (sums[width:] - sums[:-width]) / width
        ends = np.arange(n) * every
        ok = ends >= span_s + width
        last = ends[ok] - width + 1
        change = np.abs(means[last] - means[last - span_s])
        design = np.column_stack([np.ones(ok.sum()), a[ok]])
        c = nonnegative(design, change)
        if c[0] > 0:
            weights = np.round(256 * 256 * SCHEDULED_PARTS[group] * c[1:] / c[0])
            place = bank.HOLD_WEIGHTS + group * bank.HOLD_N
            p[place : place + bank.HOLD_N] = np.minimum(weights, 16_383)


def nonnegative(a: Floats, b: Floats) -> Floats:
    """Non-negative least squares by coordinate descent on the normal equations."""
    scale = np.sqrt((a**2).mean(0)) + 1e-9
    gram = (a / scale).T @ (a / scale) / len(a)
    side = (a / scale).T @ b / len(a)
    c = np.zeros(a.shape[1])
    for _ in range(2_000):
        before = c.copy()
        for j in range(len(c)):
            # A driver that never moved has no weight.
            c[j] = max(0.0, c[j] + (side[j] - gram[j] @ c) / gram[j, j]) if gram[j, j] > 0 else 0.0
        if np.abs(c - before).max() < 1e-7 * (np.abs(c).max() + 1e-12):
            break
    found: Floats = c / scale
    return found


def limits(p: Ints, out: Ints, litres: float, rule: Rule) -> None:
    """Choose each member's shift and set its limit in p."""
    trial = p.copy()
    for i, member in enumerate(MEMBERS):
        trial[bank.ALLOWANCES + i] = allowance_acc(member[0] / rule.of(i))
    best = [math.inf] * len(MEMBERS)
    for choice in range(max(len(member[3]) for member in MEMBERS)):
        for i, member in enumerate(MEMBERS):
            trial[bank.LEVEL_SHIFTS + i] = member[3][min(choice, len(member[3]) - 1)]
        most = np.zeros(bank.MEMBER_N, np.int32)
        twin.scores(twin.bank_state(), trial, out, most)
        for i, (ml_h, _, _, shifts) in enumerate(MEMBERS):
            n = shifts[min(choice, len(shifts) - 1)]
            ul_s = ml_h * 1000 / 3600
            h_ul = rule.of(i) * most[i] / 2**14
            h_ul = max(h_ul, rule.floor_ul(i, litres), ul_s * 2**n / 2)
            delay_s = ramp_delay_s(2 * ul_s, ul_s, h_ul, n) if ul_s else h_ul
            if delay_s < best[i]:
                best[i] = delay_s
                p[bank.LEVEL_SHIFTS + i] = n
                p[bank.LIMITS + i] = NEVER if rule.advisory(i) or h_ul * 2**14 >= 2**29 - 1 else round(h_ul * 2**14)


def ramp_delay_s(rate_ul_s: float, allowance_ul_s: float, h_ul: float, n: int) -> float:
    """Seconds from the onset of a noiseless leak until its score passes h_ul.

    S(t) = q (t - T (1 - exp(-t / T))) - k t with T = 2**n, solved by Newton from the asymptote.
    """
    lag_s = float(2**n)
    t = h_ul / (rate_ul_s - allowance_ul_s) + rate_ul_s * lag_s / (rate_ul_s - allowance_ul_s)
    for _ in range(20):
        fading = math.exp(-t / lag_s)
        score = rate_ul_s * (t - lag_s * (1 - fading)) - allowance_ul_s * t
        t = max(t - (score - h_ul) / max(rate_ul_s * (1 - fading) - allowance_ul_s, 1e-9), 0.0)
    return t


def made(out: Ints, gas_ul: int, litres: float, rule: Rule) -> Ints:
    """The bank's parameters by the validated() output of a log."""
    p = unlimited(gas_ul)
    if rule.scheduled:
        schedule(p, out)
    limits(p, out, litres, rule)
    return p
