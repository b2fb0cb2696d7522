"""The board's integers against float64 on whole journeys: differences of residual and delay, largest intermediate.

The intermediates are those of the kernels' own source, with every operation of it noted on its way.
"""

from __future__ import annotations

import ast
import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from loopwatch import bank, residual

from .. import twin
from ..commission import fit, thresholds
from . import exact, family, journey
from .journey import DAY_S, Floats, Ints

RATES_ML_H = ((1.0, 2 * DAY_S), (10.0, 12 * 3600), (60.0, 7200), (600.0, 1800), (6000.0, 300))


@twin.compiled
def _note(peak: Any, value: int) -> int:
    if abs(value) > peak[0]:
        peak[0] = abs(value)
    return value


class _Noted(ast.NodeTransformer):
    """Every binary operation's value handed to _note, and `peak` as the functions' last argument."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """Its value goes through _note."""
        self.generic_visit(node)
        return ast.Call(ast.Name("_note", ast.Load()), [ast.Name("peak", ast.Load()), node], [])

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """The body noted, `peak` behind the arguments, no annotations."""
        node.body = [self.visit(statement) for statement in node.body]
        node.args.args.append(ast.arg("peak"))
        for each in node.args.args:
            each.annotation = None
        node.returns = None
        return node


def noted(function: Callable[..., int]) -> Any:
    """A kernel's function compiled with a last argument: int64[1], the largest magnitude of any operation so far."""
    tree = _Noted().visit(ast.parse(inspect.getsource(function)))
    names = {**function.__globals__, "_note": _note}
    exec(compile(ast.fix_missing_locations(tree), str(inspect.getsourcefile(function)), "exec"), names)
    return twin.compiled(names[function.__name__])


_take, _gas, _weigh = noted(residual.take), noted(residual.gas), noted(residual.weigh)
_scale, _judge = noted(bank.scale), noted(bank.judge)
_OUT_N, _PART, _SCORES = residual.OUT_N, residual.RESIDUAL_PART_Q8, bank.SCORES
_GAIN, _GAIN_PART, _HEAD = residual.GAIN_UL, residual.GAIN_PART_Q8, residual.HEAD_2


@twin.compiled
def _both(
    rs: Ints, bs: Ints, fr: Floats, fb: Floats, rp: Ints, bp: Ints, x: Ints, rate: float, peak: Any, found: Floats
) -> None:
    """Run both over x with a leak of rate µL/s added.

    found: alarm second of either (0 none), sum of squares and max of |dr|, flow of either while the pump runs.
    """
    out, drives = np.zeros(_OUT_N, np.int32), np.zeros(_OUT_N)
    found[:] = 0
    for i in range(x.shape[0]):
        lost_ul = rate * (i + 1)
        _take(rs, rp, x[i], peak)
        _gas(rs, rp, x[i], peak)
        rs[_GAIN] += math.floor(lost_ul)
        rs[_GAIN_PART] += math.floor(256 * (lost_ul - math.floor(lost_ul)))
        r_ul = _weigh(rs, rp, out, peak)
        _scale(bs, bp, out, peak)
        if _judge(bs, bp, r_ul, peak) != 0:
            if found[0] == 0:
                found[0] = i + 1
            if rate == 0:
                bs[_SCORES : _SCORES + bank.MEMBER_N] = 0
        head = rs[_HEAD] >> 13
        f = exact.weighed(fr, rp, x[i], lost_ul, head, drives)
        if rs[residual.OFF] == 0:
            found[4] += math.floor(256 * exact.flow(head)) / 256
            found[5] += exact.flow(fr[_HEAD])
        if exact.judged(fb, bp, f, drives) != 0:
            if found[1] == 0:
                found[1] = i + 1
            if rate == 0:
                fb[exact.BANK_N - bank.MEMBER_N :] = 0
        apart_ul = abs(r_ul + out[_PART] / 256 - f)
        found[2] += apart_ul**2
        found[3] = max(found[3], apart_ul)
        if rate > 0 and found[0] > 0 and found[1] > 0:
            return


def compared(member: family.Member, days: float, log_days: float, onset_n: int) -> dict[str, Any]:
    """One loop: commissioned on its log, then both arithmetics side by side, leaks added from random moments.

    delays: per mL/h (board s, float64 s) of every onset, 0 for not seen.
    """
    way = journey.drawn(member, days)
    x = journey.log(journey.begun(member, way), way, 0, len(way.inputs))
    first = int(log_days * DAY_S)
    shape, folds = fit.searched(x[:first], fit.shape_of(x[:first], round(member.loop.gas_ml * 1000)))
    rp = fit.parameters(shape, folds.whole)
    out = thresholds.validated(x[:first], shape, folds)
    bp = thresholds.made(out, shape.gas_ul, member.loop.liquid_ml / 1000, thresholds.rule_for(14.0))
    peak, found = np.zeros(1, np.int64), np.zeros(6)
    rs, bs = twin.residual_state(), twin.bank_state()
    fr, fb = exact.memory()
    rng = np.random.default_rng([member.seed, 6])
    onsets = np.sort(rng.integers(first, len(x) - 13 * 3600, onset_n)).tolist()
    delays: dict[str, list[tuple[int, int]]] = {f"{ml_h:g} mL/h": [] for ml_h, _ in RATES_ML_H}
    squares, most, at, flows = 0.0, 0.0, 0, np.zeros(2)
    for stop in [*onsets, len(x)]:
        _both(rs, bs, fr, fb, rp, bp, x[at:stop], 0.0, peak, found)
        squares, most, at, flows = squares + found[2], max(most, found[3]), stop, flows + found[4:]
        for ml_h, limit_s in RATES_ML_H if stop < len(x) else ():
            memory = rs.copy(), bs.copy(), fr.copy(), fb.copy()
            _both(*memory, rp, bp, x[at : at + limit_s], ml_h / 3.6, peak, found)
            delays[f"{ml_h:g} mL/h"].append((int(found[0]), int(found[1])))
    return {
        "seed": member.seed,
        "residual_rms_ul": math.sqrt(squares / len(x)),
        "residual_max_ul": float(most),
        "flow_apart_percent": float(100 * (flows[0] / flows[1] - 1)) if flows[1] > 0 else 0.0,
        "peak_part": float(peak[0]) / 2**30,
        "delays": delays,
    }


def limit_s(delay_s: float) -> float:
    """How far two delays may lie apart: a second, or a percent of a slow one."""
    return max(1.0, 0.01 * delay_s)


def table(found: list[dict[str, Any]]) -> dict[str, Any]:
    """What compared() found of many loops: per rate how far delays lie apart, and the largest of everything.

    beyond: onsets whose two delays lie further apart than limit_s().
    """
    rates = []
    for name in found[0]["delays"]:
        pairs = [pair for each in found for pair in each["delays"][name]]
        both = [(board_s, float_s) for board_s, float_s in pairs if board_s and float_s]
        apart_s = [abs(board_s - float_s) for board_s, float_s in both]
        rates.append(
            {
                "leak": name,
                "onsets": len(pairs),
                "seen_by_one_only": sum(bool(board_s) != bool(float_s) for board_s, float_s in pairs),
                "mean_board_s": float(np.mean([board_s for board_s, _ in both])) if both else None,
                "mean_float_s": float(np.mean([float_s for _, float_s in both])) if both else None,
                "most_apart_s": max(apart_s, default=0),
                "beyond": sum(apart > limit_s(float_s) for apart, (_, float_s) in zip(apart_s, both, strict=True)),
            }
        )
    return {
        "loops": len(found),
        "rates": rates,
        "peak_part": max(each["peak_part"] for each in found),
        "residual_rms_ul": max(each["residual_rms_ul"] for each in found),
        "flow_apart_percent": max((each["flow_apart_percent"] for each in found), key=abs),
        "residual_max_ul": max(each["residual_max_ul"] for each in found),
    }
