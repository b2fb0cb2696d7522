"""`loopwatch commission`, `replay` and `evaluate`: the detector's settings from a loop's log, tried on logs and loops.

The compiler of the twin takes a second to load, so the rooms that need it are imported where they are used.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.table import Table

from ..desk.words import duration_words
from ..errors import StoreError, UsageError
from . import output
from .moments import seconds_from

if TYPE_CHECKING:
    from ..commission.record import Commissioned
    from ..commission.recorded import Recorded
    from ..evaluate.campaign import Plan


DEFAULT_VOLUME_ML = 2000.0
EARLIEST_S = 1e9  # of 2001: what is less is no wall time


class Part(str, Enum):
    """Which part of the family of loops."""

    TRAIN = "train"
    HELD_OUT = "held-out"


def commission(
    paths: list[Path] | None = typer.Argument(
        None,
        metavar="[LOG...]",
        help="Leak-free logs of one loop, .csv or .parquet, in order; with --live the .csv to fill.",
    ),
    to: Path = typer.Option(Path("loop.toml"), "-o", "--output", help="The settings to write."),
    alarms_per_year: float = typer.Option(
        1.0, "--false-alarms-per-year", min=0.01, max=50.0, help="The false-alarm budget."
    ),
    volume_ml: float | None = typer.Option(
        None, min=100.0, max=20_000.0, help="Coolant in the loop; that of --board when not given, else 2000."
    ),
    gas_ml: float | None = typer.Option(
        None, min=5.0, max=4_000.0, help="Gas in the vessel, when it is known; that of --board when not given."
    ),
    withdrawn_ml: float | None = typer.Option(
        None, min=0.5, max=200.0, help="Coolant taken out by a syringe during the log: makes the millilitres absolute."
    ),
    withdrawn_at: float | None = typer.Option(
        None, "--withdrawn-at", min=0.0, help="When, in seconds from the log's start."
    ),
    board: Path | None = typer.Option(
        None,
        "--board",
        help="The board's present settings (`loopwatch config pull`, or what commission wrote before): calibration,"
        " limits and outputs stay as they are there, and what changes is said; without it they are those of a board"
        " as delivered.",
    ),
    recorded: bool = typer.Option(
        False, "--recorded", help="Instead of LOG what `loopwatch monitor` has kept of the board, as leak-free time."
    ),
    from_text: str | None = typer.Option(
        None,
        "--from",
        help="With --recorded: not before this date and time; by itself 30 days back, or up to 120 while fewer than 10"
        " days of log come together.",
    ),
    to_text: str | None = typer.Option(None, "--to", help="With --recorded: not after this date and time."),
    session: int | None = typer.Option(
        None, min=1, help="With --recorded: the board of this session; the latest by default."
    ),
    db: Path | None = typer.Option(None, help="With --recorded: the log to read; the user's by default."),
    tight: bool = typer.Option(
        False,
        "--tight",
        help="With --recorded: you have looked, and no coolant went when the board raised a leak; that time is learnt"
        " from too.",
    ),
    live: bool = typer.Option(
        False, "--live", help="Take the log from a board first; given again with the same LOG it goes on."
    ),
    target: str = typer.Option("serial", help="With --live: serial, serial:PORT, vm or pico."),
    days: float = typer.Option(14.0, min=1.0, max=60.0, help="With --live: how much to log."),
    scenario: str = typer.Option("quiet", help="With --live on vm and pico: the loop's scenario."),
    seed: int = typer.Option(1, min=0, help="With --live on vm and pico: seed of everything random."),
    as_json: bool = typer.Option(False, "--json", help="One JSON document."),
) -> None:
    """Find a loop's settings in its own leak-free log, and say which leak will be seen in what time.

    As leak-free time accumulates, again with more of it: --recorded takes what `loopwatch monitor` has kept, --board
    says what changes against the settings in force.
    """
    from ..commission import changes, checks, record, report
    from ..commission import commission as desk
    from ..commission import log as logs

    if (withdrawn_ml is None) != (withdrawn_at is None):
        raise UsageError("--withdrawn-ml and --withdrawn-at go together: give how much was taken out and when")
    withdrawal = None
    if withdrawn_ml is not None and withdrawn_at is not None:
        withdrawal = desk.Withdrawal(withdrawn_ml, withdrawn_at)
    if recorded and (live or paths):
        raise UsageError("--recorded takes what `loopwatch monitor` has kept: leave LOG and --live out")
    if not recorded and (from_text, to_text, session, db, tight) != (None, None, None, None, False):
        raise UsageError("--from, --to, --session, --db and --tight choose from what was recorded: add --recorded")
    kept = record.load_config(board) if board else None
    before = record.load(board) if board and kept and kept.commissioned else None
    volume_ml, gas_ml = _volumes(volume_ml, gas_ml, before)
    log, taken = None, None
    if live:
        from .live import logged

        if paths is None or len(paths) != 1:
            raise UsageError("--live fills one log: name one .csv file")
        log = logged(paths[0], target, scenario, seed, days)
    if recorded:
        taken = _recorded(db, session, from_text, to_text, tight)
        log = taken.log
    with output.progress("commissioning") as progress:
        log = log or logs.read(paths or [])
        try:
            work = desk.worked(log, volume_ml, gas_ml, alarms_per_year, progress, withdrawal)
        except checks.Refusal as refusal:
            if taken is None or not taken.left_out_days:
                raise
            raise checks.Refusal(f"{refusal} ({'; '.join(_of_record(taken))})") from None
    if kept is not None:
        work = replace(work, made=record.on_board(work.made, kept))
    if taken is not None:
        work = replace(work, made=replace(work.made, caveats=[*work.made.caveats, *_of_record(taken)]))
    made = work.made
    changed = changes.of(before, made) if before else None
    page = to.with_suffix(".html")
    _write(to, record.to_toml(made))
    _write(page, report.html(work, to.name))
    remember_made(made, db)
    if as_json:
        output.document(
            {
                "config": str(to),
                "report": str(page),
                "crc": f"{made.crc:08X}",
                "days": made.days,
                "samples": len(log.x),
                "raw_rms_ul": made.raw_rms_ul,
                "residual_rms_ul": made.residual_rms_ul,
                "caveats": made.caveats,
                "members": made.members(),
                "detectability": made.curve,
                "changes": changed,
                "recorded": None if taken is None else _record_document(taken),
            }
        )
        return
    _say_commissioned(to, made)
    if changed is not None:
        _say_changed(changed, str(board))
    output.answers().print(f"with pictures: {page}")
    if recorded:
        output.answers().print(f"in force on the board by: loopwatch config push {to}", markup=False)


def _volumes(volume_ml: float | None, gas_ml: float | None, before: Commissioned | None) -> tuple[float, float | None]:
    """Coolant and gas as given, else as the settings before have them; a gas volume that was a guess stays one."""
    from ..commission.commission import DEFAULT_GAS_PART

    if before is None:
        return volume_ml or DEFAULT_VOLUME_ML, gas_ml
    guessed = abs(before.gas_ml - DEFAULT_GAS_PART * before.liquid_ml) < 0.1
    return volume_ml or before.liquid_ml, gas_ml or (None if guessed else before.gas_ml)


def _recorded(
    db: Path | None, session: int | None, from_text: str | None, to_text: str | None, tight: bool
) -> Recorded:
    """What was kept of the board; says what of it is taken."""
    from ..commission import recorded as room
    from ..store import default_path

    moments_s = []
    for text in (from_text, to_text):
        moment_s = seconds_from(text, 0.0)
        if moment_s is not None and moment_s < EARLIEST_S:
            raise UsageError(f"{text!r} is no moment here: give a date and time as 2026-11-22T10:15")
        moments_s.append(moment_s)
    from_s, to_s = moments_s
    taken = room.read(db or default_path(), session, from_s, to_s, tight)
    parts = "" if taken.parts_n == 1 else f" in {taken.parts_n} parts"
    output.notes().print(
        f"board {taken.board_id}: {taken.kept_days:.1f} days{parts} kept, from {_local(taken.begun_s)} on", markup=False
    )
    return taken


def _of_record(taken: Recorded) -> list[str]:
    """What the record says that its owner must weigh."""
    if not taken.leaks_s:
        return []
    times = "once" if len(taken.leaks_s) == 1 else f"{len(taken.leaks_s)} times"
    raised = f"the board raised a leak {times} in this time, first at {_local(taken.leaks_s[0])}"
    if taken.left_out_days:
        left_out = f"left out are the 12 h before it and the time until it was reset, {taken.left_out_days:.1f} days"
        vouched = "if no coolant went, --tight takes them too, and then such an alarm comes less easily"
        return [f"{raised}: {left_out} in all; {vouched}"]
    return [f"{raised}: that no coolant went is its owner's word; if some did, commission again without --tight"]


def _record_document(taken: Recorded) -> dict[str, Any]:
    return {
        "board_id": taken.board_id,
        "begun_s": taken.begun_s,
        "kept_days": taken.kept_days,
        "parts": taken.parts_n,
        "leaks_s": taken.leaks_s,
        "left_out_days": taken.left_out_days,
    }


def _local(at_s: float) -> str:
    return datetime.fromtimestamp(at_s).strftime("%Y-%m-%d %H:%M")


def remember_made(made: Commissioned, db: Path | None = None) -> None:
    """Tell the log from how many days these settings come, for who asks later whether there is enough for new ones."""
    from ..store import default_path
    from ..store import made as kept

    try:
        kept.remember(db or default_path(), f"{made.crc:08X}", made.days)
    except StoreError as error:
        output.notes().print(f"not kept from how much log these settings come: {error}", markup=False)


def _write(path: Path, text: str) -> None:
    """Put the text there whole or not at all."""
    try:
        part = path.with_name(path.name + ".part")
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}): choose another -o") from None


def replay(
    path: Path = typer.Argument(metavar="LOG", help="A log, .csv or .parquet."),
    config: Path = typer.Option(..., "--config", help="Settings that commission wrote."),
    as_json: bool = typer.Option(False, "--json", help="One JSON document."),
) -> None:
    """Run the board's detector over a log."""
    from ..commission import commission as desk
    from ..commission import log as logs
    from ..commission import record

    made = record.load(config)
    answer = desk.replayed(logs.read([path]), made)
    if as_json:
        output.document({"log": str(path), "config": str(config), "crc": f"{made.crc:08X}", **answer})
        return
    console = output.answers()
    console.print(
        f"{path}: {answer['samples']} seconds in {duration_words(answer['duration_s'])}, {answer['gaps']} gaps,"
        f" most evidence {answer['max_evidence'] / 10:.0f} % of a limit"
    )
    for alarm in answer["alarms"]:
        console.print(f"  {alarm['t_s']:9d} s  {alarm['name']}  {alarm['state']}", style="bold red")
    if not answer["alarms"]:
        console.print("no leak", style="green")
    apart = answer["standstill"]
    if apart is not None and apart["drifts"]:
        console.print(
            f"while the pump stood p_pump has moved by {apart['change_pa'] / 100:+.0f} mbar against p_static in"
            f" {apart['stops']} stops: one of the two drifts, and what is told as a seep, or hidden, may be that:"
            " calibrate both (hardware/guides), then commission again",
            style="yellow",
        )


def evaluate(
    config: Path | None = typer.Option(None, help="Judge these settings by their own detectability curve."),
    gaussian: bool = typer.Option(False, "--gaussian", help="The pure noise model, beside the theoretical bound."),
    integers: bool = typer.Option(
        False, "--integers", help="The board's arithmetic beside float64: delays, residual, largest intermediate."
    ),
    estimates: bool = typer.Option(
        False, "--estimates", help="How often the intervals of rate, loss and time to go hold the truth."
    ),
    part: Part = typer.Option(Part.HELD_OUT, help="Which part of the family of loops."),
    loops: int = typer.Option(60, min=1, max=10_000, help="Loops to try."),
    from_seed: int | None = typer.Option(None, help="The first loop's seed; the part's first one when not given."),
    days: float = typer.Option(138.0, min=4.0, max=800.0, help="Days of each loop, commissioning included."),
    log_days: float = typer.Option(14.0, min=1.0, max=60.0, help="Days of the commissioning log."),
    onsets: int = typer.Option(24, min=0, max=1_000, help="Random moments in each loop from which leaks are tried."),
    unseen: bool = typer.Option(False, "--unseen", help="With events of kinds that no commissioning log met."),
    reference: bool = typer.Option(
        False, "--reference", help="The reference loop with other duty, weather and noise, beside its bound."
    ),
    peers: bool = typer.Option(False, "--peers", help="Also pressure switch, dP/dt and EWMA."),
    folder: Path = typer.Option(Path("campaign"), help="Where finished loops are kept; started again it goes on."),
    workers: int = typer.Option(0, min=0, help="Processes; 0 is one per core."),
    dask: str | None = typer.Option(None, metavar="ADDRESS", help="Compute on the Dask cluster of this scheduler."),
    as_json: bool = typer.Option(False, "--json", help="One JSON document."),
) -> None:
    """Measure the detector: delays, losses and false alarms on loops that it has never met."""
    if gaussian:
        answer = _gaussian()
    elif integers:
        answer = _integers(_seeds(part, from_seed, loops), days, log_days, onsets)
    elif estimates:
        answer = {"part": part.value, **_estimates(_seeds(part, from_seed, loops), days, log_days, onsets)}
    elif config is not None:
        from ..commission import record

        answer = {"config": str(config), "rates": record.load(config).curve}
    else:
        seeds = _seeds(part, from_seed, loops)
        if days < log_days + 3:
            raise UsageError(f"--days {days:g}: must be at least three more than --log-days {log_days:g}")
        from ..evaluate import campaign

        events = "unseen" if unseen else "usual"
        plan = campaign.Plan(days, onsets, log_days, reference, events, peers=peers)
        answer = {"part": part.value, **_campaign(seeds, plan, folder, workers, dask)}
    if as_json:
        output.document(answer)
        return
    _say_evaluated(answer)


def _gaussian() -> dict[str, Any]:
    from ..evaluate import gaussian

    with output.progress("gaussian") as progress:
        return gaussian.evaluated(progress)


def _seeds(part: Part, first: int | None, loops: int) -> list[int]:
    """The loops to try; UsageError when they are not of that part."""
    from ..evaluate import family

    of = family.TRAIN if part is Part.TRAIN else family.HELD_OUT
    first = of.start if first is None else first
    if first not in of or first + loops - 1 not in of:
        raise UsageError(
            f"--from-seed {first}: {loops} loops from it on are not all {part.value}, whose seeds are {of.start} to"
            f" {of.stop - 1}"
        )
    return list(range(first, first + loops))


def _integers(seeds: list[int], days: float, log_days: float, onsets: int) -> dict[str, Any]:
    if days < log_days + 1:
        raise UsageError(f"--days {days:g}: must be at least one more than --log-days {log_days:g}")
    from ..evaluate import family, integers

    found = []
    with output.progress(f"{len(seeds)} loops, integers") as progress:
        for i, seed in enumerate(seeds):
            found.append(integers.compared(family.drawn(seed), days, log_days, onsets))
            progress(i + 1, len(seeds))
    return integers.table(found)


def _estimates(seeds: list[int], days: float, log_days: float, onsets: int) -> dict[str, Any]:
    if days < log_days + 3:
        raise UsageError(f"--days {days:g}: must be at least three more than --log-days {log_days:g}")
    from ..evaluate import coverage

    with output.progress(f"{len(seeds)} loops, estimates") as progress:
        return coverage.evaluated(seeds, days, log_days, onsets, progress)


def _campaign(seeds: list[int], plan: Plan, folder: Path, workers: int, dask: str | None) -> dict[str, Any]:
    from ..evaluate import campaign, cluster

    computed = cluster.there(dask) if dask else campaign.here(workers or os.cpu_count() or 1)
    with output.progress(f"{len(seeds)} loops") as progress:
        results = campaign.run(folder, seeds, plan, computed, progress)
    return campaign.table(results, 1.0)


def _say_commissioned(to: Path, made: Commissioned) -> None:
    console = output.answers()
    console.print(
        f"{to}: {made.days:.1f} days; the residual moves {made.residual_rms_ul:.0f} µL rms in an hour,"
        f" pressure alone {made.raw_rms_ul:.0f} µL"
    )
    table = Table(box=None, header_style="bold")
    for title in ("leak", "half seen in", "95 % seen in", "lost by then", "not seen"):
        table.add_column(title, justify="right")
    for row in made.curve:
        times = [duration_words(row[key]) if row[key] is not None else "-" for key in ("p50_s", "p95_s")]
        lost = "-" if row["p95_lost_ml"] is None else f"{row['p95_lost_ml']:.2f} mL"
        table.add_row(f"{row['rate_ml_h']:g} mL/h", *times, lost, f"{row['missed']} of {row['onsets']}")
    console.print(table)
    for caveat in made.caveats:
        console.print(f"note: {caveat}", style="yellow")


def _say_changed(changed: dict[str, Any], board: str) -> None:
    from ..commission import changes

    console = output.answers()
    console.print(f"against {board}, from {changed['days_before']:.1f} days of log:", markup=False)
    table = Table(box=None, header_style="bold")
    for title in ("leak", "95 % seen in before", "now"):
        table.add_column(title, justify="right")
    for row in changed["curve"]:
        times = [duration_words(row[key]) if row[key] is not None else "-" for key in ("p95_before_s", "p95_s")]
        table.add_row(f"{row['rate_ml_h']:g} mL/h", *times)
    if changed["curve"]:
        console.print(table)
    for text in changes.words(changed):
        console.print(text)


def _say_evaluated(answer: dict[str, Any]) -> None:
    console = output.answers()
    console.print(_rates(answer["rates"]))
    if "peak_part" in answer:
        console.print(
            f"{answer['within']} of {answer['onsets']} delays within 1 s or 1 % of float64's, at most"
            f" {answer['most_apart_s']} s apart; largest intermediate {answer['peak_part']:.3f} of 2**30;"
            f" at an alarm the scores differ by {100 * answer['score_rms_part']:.3f} % of the limit rms,"
            f" {100 * answer['score_most_part']:.2f} % at most; residuals by {answer['residual_rms_ul']:.2f} µL rms,"
            f" {answer['residual_max_ul']:.1f} µL at most; flow by {answer['flow_apart_percent']:.2f} %"
        )
    if "false_alarms" in answer:
        console.print("false alarms: " + json.dumps(answer["false_alarms"]))
    for peer, judged in answer.get("peers", {}).items():
        console.print(f"\n{peer}, its limits for the same budget from the same logs:")
        console.print(_rates(judged["rates"]))
        console.print("false alarms: " + json.dumps(judged["false_alarms"]))


def _rates(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=None, header_style="bold")
    # A campaign without onsets has no delays to show.
    keys = [key for row in rows[:1] for key in row if not isinstance(row[key], list)]
    for key in keys:
        table.add_column(key, justify="right")
    for row in rows:
        table.add_row(*(f"{row[key]:.3g}" if isinstance(row[key], float) else str(row[key]) for key in keys))
    return table
