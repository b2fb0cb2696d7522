"""A campaign: many loops tried, each kept in a file of its own as soon as it is done, and the tables made of them.

Started again with the same folder it goes on where it stopped; a file of other settings is refused.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..commission import thresholds
from . import bound, family, trial
from .poisson import poisson_interval

FLOWING_ML = 0.05

# The noise whose bound is the row "bound, three sensors" of DETECTION section 3, for the reference loop: 55 min, 78 s,
# 15 s, 2.5 s, 1 s at 1 mL/h to 100 mL/min.
REFERENCE_WHITE_UL = 81.0
REFERENCE_WALK_UL2_S = 12.0


@dataclass(frozen=True)
class Plan:
    """What is done with every loop.

    reference: all are the reference loop of DETECTION section 1, each with its own duty, weather and noise. events:
    "usual", or "unseen" for kinds that the commissioning log never met.
    """

    days: float = 138.0
    onset_n: int = 24
    log_days: float = 14.0
    reference: bool = False
    events: str = "usual"
    channels: tuple[int, int, int, int] = (1, 2, 3, 4)
    peers: bool = False


# Gives the trials of these seeds as they are done, in any order.
Computed = Callable[[list[int], Plan], Iterator[dict[str, Any]]]


def one(seed: int, plan: Plan) -> dict[str, Any]:
    """The trial of one loop, as JSON."""
    member = family.default(seed) if plan.reference else family.drawn(seed)
    rule = thresholds.rule_for(plan.log_days)
    each = trial.Trial(member, plan.days, plan.log_days, rule, plan.channels, plan.events, plan.peers)
    outcome = each.run(plan.onset_n)
    return {"plan": _plain(asdict(plan)), **_plain(asdict(outcome))}


def done(folder: Path, seeds: list[int], plan: Plan) -> Iterator[dict[str, Any]]:
    """The loops that stand in the folder already."""
    for seed in seeds:
        path = folder / f"{seed}.json"
        if path.exists():
            kept = json.loads(path.read_text(encoding="utf-8"))
            if kept["plan"] != _plain(asdict(plan)):
                raise ValueError(f"{path}: was made by another plan: use another folder")
            yield kept


def here(workers: int) -> Computed:
    """Trials on this many processes of this machine."""

    def computed(seeds: list[int], plan: Plan) -> Iterator[dict[str, Any]]:
        with ProcessPoolExecutor(max_workers=workers) as pool:
            for future in as_completed([pool.submit(one, seed, plan) for seed in seeds]):
                yield future.result()

    return computed


def run(
    folder: Path, seeds: list[int], plan: Plan, computed: Computed, progress: Callable[[int, int], None]
) -> list[dict[str, Any]]:
    """All loops' trials, those that the folder lacks as they come from computed, in any order."""
    folder.mkdir(parents=True, exist_ok=True)
    results = {kept["seed"]: kept for kept in done(folder, seeds, plan)}
    progress(len(results), len(seeds))
    missing = [seed for seed in seeds if seed not in results]
    for result in computed(missing, plan) if missing else ():
        part = folder / f"{result['seed']}.part"
        part.write_text(json.dumps(result), encoding="utf-8")
        part.replace(folder / f"{result['seed']}.json")
        results[result["seed"]] = result
        progress(len(results), len(seeds))
    return [results[seed] for seed in seeds]


def table(results: list[dict[str, Any]], budget: float) -> dict[str, Any]:
    """Delays by leak and the false alarms with their interval."""
    rates = []
    for name in results[0]["delays"]:
        tried = [row for result in results for row in result["delays"][name]]
        # A hole in a loop that is below the room's pressure lets nothing out: there is no leak to miss.
        rows = [row for row in tried if row[0] is not None or row[1] >= FLOWING_ML]
        delay = np.array([math.nan if row[0] is None else row[0] for row in rows])
        seen = np.isfinite(delay)
        off = np.array([row[2] for row in rows]) == 1
        lost = np.array([row[1] for row in rows])
        rates.append(
            {
                "leak": name,
                "onsets": len(rows),
                "not_flowing": len(tried) - len(rows),
                "missed": int((~seen).sum()),
                "mean_s": _mean(delay[seen]),
                "median_s": float(np.median(delay[seen])) if seen.any() else None,
                "p95_s": float(np.percentile(delay[seen], 95)) if seen.any() else None,
                "lost_ml": _mean(lost[seen]),
                "lost_p95_ml": float(np.percentile(lost[seen], 95)) if seen.any() else None,
                "mean_pump_on_s": _mean(delay[seen & ~off]),
                "mean_pump_off_s": _mean(delay[seen & off]),
                "onsets_pump_off": int(off.sum()),
            }
        )
        if results[0]["plan"]["reference"]:
            _put_ratio(rates[-1], budget)
    years = sum(result["days"] for result in results) / 365
    return {
        "loops": len(results),
        "rates": rates,
        "peers": _peers(results, budget),
        "false_alarms": _false_alarms({r["seed"]: len(r["alarms"]) for r in results}, years, budget),
    }


def _put_ratio(row: dict[str, Any], budget: float) -> None:
    """The reference loop's bound in a table's row, and the mean delay with the pump running over it."""
    row["bound_s"] = row["ratio"] = None
    if row["leak"].endswith(" mL/h"):
        rate_ul_s = float(row["leak"].split()[0]) / 3.6
        row["bound_s"] = bound.delay_s(rate_ul_s, REFERENCE_WHITE_UL, REFERENCE_WALK_UL2_S, 365 * 86_400 / budget)
        if row["mean_pump_on_s"] is not None:
            row["ratio"] = row["mean_pump_on_s"] / row["bound_s"]


def _peers(results: list[dict[str, Any]], budget: float) -> dict[str, dict[str, Any]]:
    """Of every peer its delays by leak, and the false alarms that it gave in the same time."""
    tables: dict[str, dict[str, Any]] = {}
    years = sum(result["days"] for result in results) / 365
    for peer in results[0].get("peer_alarms", {}):
        rates = []
        for leak in results[0]["peers"].get(peer, {}):
            rows = [row for result in results for row in result["peers"][peer][leak]]
            delay = np.array([math.nan if row is None else row for row in rows])
            # What lets nothing out, as in the detector's own row.
            flowing = np.array(
                [row[0] is not None or row[1] >= FLOWING_ML for result in results for row in result["delays"][leak]]
            )
            delay = delay[flowing | np.isfinite(delay)]
            seen = np.isfinite(delay)
            rates.append(
                {
                    "leak": leak,
                    "onsets": len(delay),
                    "missed": int((~seen).sum()),
                    "mean_s": _mean(delay[seen]),
                    "median_s": float(np.median(delay[seen])) if seen.any() else None,
                    "p95_s": float(np.percentile(delay[seen], 95)) if seen.any() else None,
                }
            )
        given = {result["seed"]: result["peer_alarms"][peer] for result in results}
        tables[peer] = {"rates": rates, "false_alarms": _false_alarms(given, years, budget)}
    return tables


def _false_alarms(by_loop: dict[int, int], years: float, budget: float) -> dict[str, Any]:
    count = sum(by_loop.values())
    return {
        "count": count,
        "years": years,
        "per_year": count / years,
        "per_year_ci95": [bound / years for bound in poisson_interval(count)],
        "budget": budget,
        "loops": {str(seed): n for seed, n in by_loop.items() if n},
    }


def _mean(values: Any) -> float | None:
    return float(values.mean()) if len(values) else None


def _plain(value: Any) -> Any:
    """JSON has no nan and no tuples."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
