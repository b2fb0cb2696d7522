"""The test as a procedure, a second at a time: fill, stabilise, test, result. It only watches; nothing is commanded.

    FILL       a minute of steady readings after filling: the reference.            -> STABILISE
    STABILISE  until no temperature moves by more than STEADY_K_H, at least and
               at most as long as the plan says; a gross leak ends it.              -> MEASURING, DONE
    MEASURING  looked at every LOOK_S from early_s on; ends when it is as good as
               certain on which side of the limit the rate lies, or at most_s.      -> DONE
    any        a change of the pump, a pressure that rises by itself, readings that
               are missing: begins to stabilise anew, RESTARTS_N times, then void.  -> STABILISE, DONE

Verdicts: tight, leaking, undecided (the interval holds the limit), void (the loop was not left alone), aborted.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from loopwatch.sample import P_PUMP, P_STATIC, T_DOME, T_RADIATOR, T_SOURCE

from .estimate import Estimate, Floats, estimate
from .gauge import Gauge

if TYPE_CHECKING:
    from ..commission.record import Commissioned

FILL, STABILISE, MEASURING, DONE = "fill", "stabilise", "test", "done"
TIGHT, LEAKING, UNDECIDED, VOID, ABORTED = "tight", "leaking", "undecided", "void", "aborted"

FILL_S = 60
WINDOW_S = 300
STEADY_K_H = 1.5
LOOK_S = 300
MISSING_S = 30
RISE_PA = 1_500.0
PUMP_PA = 2_000.0
RESTARTS_N = 3
GROSS, GROSS_S = 10.0, 480  # times the limit, and not before
SURE = 0.02
SURE_EARLY = 0.001


@dataclass(frozen=True)
class Plan:
    """How long the phases last, s, and where the limit lies. early_s: the first look at the test.

    limit_pa_s, when given, becomes limit_ml_h with the pressure of the filled loop.
    """

    limit_ml_h: float = 1.0
    limit_pa_s: float | None = None
    stabilise_least_s: int = 600
    stabilise_most_s: int = 3600
    early_s: int = 900
    test_s: int = 2400
    most_s: int = 5400


@dataclass
class Result:
    """What came of a test. phases: (name, begun s, ended s) of the procedure's clock. notes: what was unusual."""

    verdict: str
    estimate: Estimate | None
    phases: list[tuple[str, int, int]]
    notes: list[str] = field(default_factory=list)
    why: str = ""


class Procedure:
    """Give it a second's channels at a time until `phase` is DONE; `result` then says what came of it.

    config: the loop's commissioned settings, whose model then takes the temperatures out.
    """

    def __init__(self, plan: Plan, gauge: Gauge, config: Commissioned | None = None) -> None:
        self.plan = plan
        self.gauge = gauge
        self.phase = FILL
        self.result: Result | None = None
        self.latest: Estimate | None = None
        self._config = config
        self._rows: list[list[float]] = []
        self._begun = 0
        self._filled: tuple[float, float] | None = None
        self._phases: list[tuple[str, int, int]] = []
        self._notes: list[str] = []
        self._restarts_n = 0
        self._missing_s = 0

    @property
    def seconds(self) -> int:
        """How long it has run."""
        return len(self._rows)

    @property
    def phase_s(self) -> int:
        """How long the present phase has run."""
        return len(self._rows) - self._begun

    def rows(self) -> Floats:
        """All seconds so far, columns as sample.CHANNELS."""
        return np.array(self._rows, float).reshape(len(self._rows), -1)

    def take(self, row: list[float]) -> None:
        """A second's channels, nan where there is no value."""
        if self.phase == DONE:
            return
        self._rows.append(row)
        self._missing_s = 0 if np.isfinite(row[P_STATIC]) else self._missing_s + 1
        if self.phase == FILL:
            self._fill()
        elif trouble := self._trouble():
            self._again(trouble)
        elif self.phase == STABILISE:
            self._stabilise()
        elif self.phase == MEASURING:
            self._test()

    def abort(self, why: str) -> None:
        """Somebody ended it; nothing is judged."""
        if self.phase != DONE:
            self._done(ABORTED, None, why)

    def _fill(self) -> None:
        if self.phase_s < FILL_S:
            return
        last = self.rows()[-FILL_S:]
        if np.isfinite(last[:, P_STATIC]).mean() < 0.8:
            if self.phase_s >= 10 * FILL_S:
                self._done(VOID, None, "the vessel's pressure has no value: mend its sensor, then test again")
            return
        dome_c = np.nanmean(last[:, T_DOME]) if np.isfinite(last[:, T_DOME]).any() else np.nan
        if not np.isfinite(dome_c):
            dome_c = np.nanmean(last[:, [T_SOURCE, T_RADIATOR]])
        if not np.isfinite(dome_c):
            self._done(VOID, None, "no temperature has a value: mend a thermometer, then test again")
            return
        self._filled = float(np.nanmean(last[:, P_STATIC])), float(dome_c) / 1000
        if self.plan.limit_pa_s is not None:
            limit_ml_h = self.gauge.ml_h_of(self.plan.limit_pa_s, self._filled[0])
            self.plan = replace(self.plan, limit_ml_h=limit_ml_h)
        self._go(STABILISE)

    def _stabilise(self) -> None:
        plan = self.plan
        if self.phase_s % 60 == 0 and self.phase_s >= GROSS_S:
            found = self._estimate(self._begun)
            self.latest = found
            if found and found.interval[0] > GROSS * plan.limit_ml_h and found.above > 1 - SURE_EARLY:
                self._notes.append("so large a leak shows before the temperatures are steady")
                self._done(LEAKING, found, "")
                return
        if self.phase_s < plan.stabilise_least_s:
            return
        moving_k_h = self._moving_k_h()
        if moving_k_h <= STEADY_K_H:
            self._go(MEASURING)
        elif self.phase_s >= plan.stabilise_most_s:
            self._notes.append(f"the temperatures still moved by {moving_k_h:.1f} K/h when the test began")
            self._go(MEASURING)

    def _test(self) -> None:
        plan = self.plan
        if self.phase_s < plan.early_s or (self.phase_s % LOOK_S and self.phase_s < plan.most_s):
            return
        found = self.latest = self._estimate(self._begun)
        if found is None:
            self._done(VOID, None, "too few readings for a result")
            return
        sure = SURE if self.phase_s >= plan.test_s else SURE_EARLY
        if found.above >= 1 - sure:
            self._done(LEAKING, found, "")
        elif found.above <= sure:
            self._done(TIGHT, found, "")
        elif self.phase_s >= plan.most_s:
            why = f"the rate cannot be told from the limit within {plan.most_s // 60} min: test longer, or more quietly"
            self._done(UNDECIDED, found, why)

    def _moving_k_h(self) -> float:
        """The fastest of the temperatures over the last WINDOW_S."""
        rows = self.rows()[-WINDOW_S:]
        half = len(rows) // 2
        moves = []
        for channel in (T_SOURCE, T_RADIATOR, T_DOME):
            column = rows[:, channel] / 1000
            if np.isfinite(column).mean() > 0.5:
                moved_k = np.nanmean(column[half:]) - np.nanmean(column[:half])
                moves.append(abs(float(moved_k)) / (half / 3600))
        return max(moves, default=0.0)

    def _trouble(self) -> str:
        """Why the readings of late can't belong to a loop that is left alone; empty when they can."""
        if self._missing_s >= MISSING_S:
            return f"the pressure had no value for {MISSING_S} s"
        if self.seconds % 10 or self.phase_s < 60:
            return ""
        rows = self._rows
        now = np.array(rows[-20:])
        then = np.array(rows[max(self._begun, len(rows) - 80) :][:20])
        if np.nanmean(now[:, P_STATIC]) - np.nanmean(then[:, P_STATIC]) > RISE_PA:
            return "the pressure rose by itself (was coolant filled in, or the load raised?)"
        head_pa = now[:, P_PUMP] - now[:, P_STATIC], then[:, P_PUMP] - then[:, P_STATIC]
        if all(np.isfinite(each).any() for each in head_pa):
            moved_pa = float(np.nanmean(head_pa[0]) - np.nanmean(head_pa[1]))
            if abs(moved_pa) > PUMP_PA:
                return "the pump's speed changed"
        return ""

    def _again(self, trouble: str) -> None:
        self._restarts_n += 1
        self._notes.append(f"after {self.seconds / 60:.0f} min {trouble}: stabilising began anew")
        if self._restarts_n > RESTARTS_N:
            self._done(VOID, None, f"{trouble}, again and again: leave the loop alone, then test again")
            return
        self._missing_s = 0
        self._phases.append((self.phase, self._begun, self.seconds))
        self._begun, self.phase = self.seconds, FILL if self._filled is None else STABILISE

    def _estimate(self, first: int) -> Estimate | None:
        assert self._filled is not None
        rows = self.rows()
        residual_ml = None if self._config is None else _residual_ml(rows, self._config)
        return estimate(rows, self.gauge, self.plan.limit_ml_h, self._filled, first, residual_ml)

    def _go(self, phase: str) -> None:
        self._phases.append((self.phase, self._begun, self.seconds))
        self._begun, self.phase = self.seconds, phase

    def _done(self, verdict: str, found: Estimate | None, why: str) -> None:
        self._phases.append((self.phase, self._begun, self.seconds))
        self.phase = DONE
        self.result = Result(verdict, found, self._phases, self._notes, why)


def _residual_ml(rows: Floats, config: Commissioned) -> Floats:
    """What the commissioned model says has been gained by the gas, mL: the board's own residual, turned round."""
    from .. import twin

    x = np.round(np.nan_to_num(rows)).astype(np.int32)
    out = np.zeros((len(x), 7), np.int32)
    twin.residuals(twin.residual_state(), config.residual, x, out)
    gained_ml: Floats = -out[:, 0] / 1000.0
    return gained_ml


def as_json(result: Result, plan: Plan) -> dict[str, Any]:
    """The result for a program and for the report."""
    from .estimate import as_json as estimate_json

    found = result.estimate
    return {
        "verdict": result.verdict,
        "limit_ml_h": plan.limit_ml_h,
        **({} if found is None else estimate_json(found)),
        "phases": [{"phase": name, "from_s": begun, "to_s": ended} for name, begun, ended in result.phases],
        "notes": result.notes,
        "why": result.why,
    }
