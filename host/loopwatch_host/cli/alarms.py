"""`loopwatch alarms`: what stands on a board, and what a person orders about it; who did so is kept in the log.

The board is the one on --port (found by its USB ids when left out), or a virtual one with --target, which is brought to
--at in a scenario first.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import typer
from rich.table import Table

from loopwatch import alarms as board_alarms
from loopwatch import modes

from .. import ports
from ..bench.runner import give_commands, make_target
from ..bench.scenario import load_scenario
from ..bench.world import World
from ..client import Client, Subscription
from ..errors import CommandFailed, UsageError
from ..messages import NE107_NAMES, Record, alarm_change
from ..order_book import OrderBook, this_person
from ..store import FIELDS, Log, default_path
from . import output

VIRTUAL_SPEED = 20.0
LOOK_EVERY_S = 0.5
GRACE_S = 30
NAMES = tuple(str(row[0]) for row in board_alarms.TABLE)

app = typer.Typer(help="What stands on a board, and orders about it.", no_args_is_help=True)

PORT = typer.Option(None, help="Serial port of the board; found by its USB ids when left out.")
TARGET = typer.Option(None, help="A virtual board instead: vm or pico.")
SCENARIO = typer.Option("quiet", help="With --target: its scenario, by name or file.")
AT = typer.Option(30.0, "--at", min=1.0, help="With --target: seconds of the scenario before the order.")
SEED = typer.Option(None, min=0, help="With --target: seed of everything random.")
DB = typer.Option(None, help="The log in which the order is kept; the user's by default.")
BY = typer.Option(None, "--by", help="Who gives the order; your account's name by default.")
JSON = typer.Option(False, "--json", help="One JSON document.")


@dataclass
class Desk:
    """A board within reach. speed: its seconds in one of ours."""

    client: Client
    heard: Subscription
    speed: float

    def ask(self, command: str) -> str:
        """The board's answer; CommandFailed when it refuses."""
        return self.client.command(command, timeout_s=10.0)

    def wait(self, board_s: float) -> None:
        """Let this time pass on the board."""
        time.sleep(board_s / self.speed)


@contextmanager
def _desk(port: str | None, target: str | None, scenario: str, at_s: float, seed: int | None) -> Iterator[Desk]:
    if port is not None and target is not None:
        raise UsageError("--port and --target exclude each other: a real board or a virtual one")
    with ExitStack() as opened:
        if target is None:
            client = Client(port or ports.the_board().device)
            heard = client.subscribe()
            opened.enter_context(client)
            yield Desk(client, heard, 1.0)
            return
        world = World(load_scenario(scenario), seed)
        scratch = Path(opened.enter_context(TemporaryDirectory(prefix="loopwatch-alarms-")))
        board = opened.enter_context(make_target(target, world, scratch))
        client = Client(board.port, greet=False)
        heard = client.subscribe()
        opened.enter_context(client)
        give_commands(world, board, client)
        board.advance_to(at_s)
        board.pace(VIRTUAL_SPEED)
        opened.callback(board.pause)
        yield Desk(client, heard, VIRTUAL_SPEED)


def _known(name: str) -> str:
    name = name.lower()
    if name != "all" and name not in NAMES:
        raise UsageError(f"no alarm {name!r}: the alarms are {', '.join(NAMES)}")
    return name


@app.command("list")
def list_alarms(
    port: str | None = PORT,
    target: str | None = TARGET,
    scenario: str = SCENARIO,
    at_s: float = AT,
    seed: int | None = SEED,
    everything: bool = typer.Option(False, "--all", help="Those that are normal too."),
    as_json: bool = JSON,
) -> None:
    """Show the alarms that are not normal, the first out, and the board's mode."""
    with _desk(port, target, scenario, at_s, seed) as desk:
        answer = _standing(desk, everything)
    if as_json:
        output.document(answer)
        return
    console = output.answers()
    if not answer["alarms"]:
        console.print("no alarm", style="green")
    else:
        shown = Table(box=None, header_style="bold")
        for column in ("alarm", "state", "priority", "value", "shelved for", ""):
            shown.add_column(column)
        for row in answer["alarms"]:
            first = "first out" if row["name"] == answer["first_out"] else ""
            words = [first, "stale" if row["stale"] else "", "true" if row["active"] else ""]
            shelf = f"{row['shelf_s']} s" if row["shelf_s"] else ""
            value = f"{row['value']} {row['unit']}" if row["unit"] else ""
            shown.add_row(row["name"], row["state"], str(row["priority"]), value, shelf, ", ".join(filter(None, words)))
        console.print(shown)
    left = f", {answer['mode_left_s']} s left" if answer["mode_left_s"] else ""
    armed = "trip armed" if answer["armed"] else "watching only: the trip is not armed"
    console.print(f"{answer['mode'].replace('_', ' ')}{left}; {armed}", style="dim")


def _standing(desk: Desk, everything: bool) -> dict[str, Any]:
    digits = desk.ask("ALAR:STAT?")
    rows = []
    for index, digit in enumerate(digits):
        if (digit == "0" and not everything) or index >= len(NAMES):
            continue
        state, active, value, shelf_s, stale = desk.ask(f"ALAR:DET? {NAMES[index]}").split(",")
        row = board_alarms.TABLE[index]
        rows.append(
            {"name": row[0], "state": state, "priority": row[1], "active": active == "1", "value": int(value),
             "unit": row[6], "shelf_s": int(shelf_s), "stale": stale == "1"}
        )  # fmt: skip
    mode, left_s, armed = desk.ask("MODE?").split(",")
    return {
        "alarms": sorted(rows, key=lambda row: (row["state"] == "NORM", row["priority"])),
        "first_out": desk.ask("ALAR:FIRS?") or None,
        "mode": mode,
        "mode_left_s": int(left_s),
        "armed": armed == "ARMED",
    }


def _order(
    desk: Desk, db: Path | None, by: str | None, what: str, name: str | None, command: str, argument: str | None = None
) -> dict[str, Any]:
    """Give an order and keep it, refused or not; CommandFailed is raised after it is kept."""
    who = by or this_person()
    refused: CommandFailed | None = None
    try:
        outcome = desk.ask(command)
    except CommandFailed as error:
        refused, outcome = error, str(error)
    board_id = desk.client.stream.board_id or None
    with OrderBook(db or default_path()) as book:
        kept = book.add(who, what, name, outcome, board_id, argument)
    if refused:
        raise refused
    return kept


def _tell(kept: dict[str, Any], words: str, as_json: bool) -> None:
    if as_json:
        output.document({**kept, "at_s": round(kept["at_s"], 3)})
    else:
        output.answers().print(f"{words}, by {kept['who']}", markup=False)


@app.command("ack")
def acknowledge(
    name: str = typer.Argument(..., help="The alarm, or all."),
    by: str | None = BY,
    port: str | None = PORT,
    target: str | None = TARGET,
    scenario: str = SCENARIO,
    at_s: float = AT,
    seed: int | None = SEED,
    db: Path | None = DB,
    as_json: bool = JSON,
) -> None:
    """Say that a person has seen an alarm: horn silent, alarm still standing."""
    name = _known(name)
    with _desk(port, target, scenario, at_s, seed) as desk:
        kept = _order(desk, db, by, "ack", name, f"ALAR:ACK {name}")
    _tell(kept, f"{name} acknowledged", as_json)


@app.command("reset")
def reset(
    name: str = typer.Argument(..., help="The latched alarm."),
    by: str | None = BY,
    port: str | None = PORT,
    target: str | None = TARGET,
    scenario: str = SCENARIO,
    at_s: float = AT,
    seed: int | None = SEED,
    db: Path | None = DB,
    as_json: bool = JSON,
) -> None:
    """End a latched alarm; the board refuses while its condition is true or unknown."""
    name = _known(name)
    with _desk(port, target, scenario, at_s, seed) as desk:
        kept = _order(desk, db, by, "reset", name, f"ALAR:RES {name}")
    _tell(kept, f"{name} reset", as_json)


@app.command("shelve")
def shelve(
    name: str = typer.Argument(..., help="The alarm."),
    duration: str = typer.Argument(..., help="For how long: 90s, 20min, 8h; a day at most."),
    by: str | None = BY,
    port: str | None = PORT,
    target: str | None = TARGET,
    scenario: str = SCENARIO,
    at_s: float = AT,
    seed: int | None = SEED,
    db: Path | None = DB,
    as_json: bool = JSON,
) -> None:
    """Do not be told of an alarm for a time. It is still judged and logged, and still trips what it trips."""
    name, for_s = _known(name), seconds_of(duration)
    with _desk(port, target, scenario, at_s, seed) as desk:
        kept = _order(desk, db, by, "shelve", name, f"ALAR:SHEL {name},{for_s}", str(for_s))
    _tell(kept, f"{name} shelved for {for_s} s", as_json)


@app.command("unshelve")
def unshelve(
    name: str = typer.Argument(..., help="The alarm."),
    by: str | None = BY,
    port: str | None = PORT,
    target: str | None = TARGET,
    scenario: str = SCENARIO,
    at_s: float = AT,
    seed: int | None = SEED,
    db: Path | None = DB,
    as_json: bool = JSON,
) -> None:
    """Be told of a shelved alarm again."""
    name = _known(name)
    with _desk(port, target, scenario, at_s, seed) as desk:
        kept = _order(desk, db, by, "unshelve", name, f"ALAR:UNSH {name}")
    _tell(kept, f"{name} unshelved", as_json)


@app.command("out-of-service")
def out_of_service(
    name: str = typer.Argument(..., help="The alarm."),
    end: bool = typer.Option(False, "--end", help="Put it back into service."),
    by: str | None = BY,
    port: str | None = PORT,
    target: str | None = TARGET,
    scenario: str = SCENARIO,
    at_s: float = AT,
    seed: int | None = SEED,
    db: Path | None = DB,
    as_json: bool = JSON,
) -> None:
    """Take an alarm out of service, without a time limit, or put it back."""
    name = _known(name)
    what, command = ("back-in-service", "BACK") if end else ("out-of-service", "OUT")
    with _desk(port, target, scenario, at_s, seed) as desk:
        kept = _order(desk, db, by, what, name, f"ALAR:{command} {name}")
    _tell(kept, f"{name} {what.replace('-', ' ')}", as_json)


MODE_COMMANDS = {
    "service": "MODE:SERV",
    "start-up": "MODE:STAR",
    "end": "MODE:END",
    "arm": "MODE:ARM",
    "watch": "MODE:WATC",
}


@app.command("mode")
def mode(
    wanted: str = typer.Argument(..., help="service, start-up, end, arm or watch (do not trip)."),
    duration: str | None = typer.Argument(None, help="Of service or start-up: 90s, 20min, 2h."),
    by: str | None = BY,
    port: str | None = PORT,
    target: str | None = TARGET,
    scenario: str = SCENARIO,
    at_s: float = AT,
    seed: int | None = SEED,
    db: Path | None = DB,
    as_json: bool = JSON,
) -> None:
    """Tell the board what you do with the loop: refill or bleed it (service), start it, or arm the trip."""
    if wanted not in MODE_COMMANDS:
        raise UsageError(f"no mode {wanted!r}: one of {', '.join(MODE_COMMANDS)}")
    timed = wanted in ("service", "start-up")
    if timed != (duration is not None):
        raise UsageError(f"{wanted} needs a time, such as 20min" if timed else f"{wanted} takes no time")
    argument = str(seconds_of(duration)) if duration else None
    command = f"{MODE_COMMANDS[wanted]} {argument}" if argument else MODE_COMMANDS[wanted]
    with _desk(port, target, scenario, at_s, seed) as desk:
        kept = _order(desk, db, by, f"mode {wanted}", None, command, argument)
    _tell(kept, f"mode {wanted}{f' for {argument} s' if argument else ''}", as_json)


@app.command("test")
def proof_test(
    by: str | None = BY,
    port: str | None = PORT,
    target: str | None = TARGET,
    scenario: str = SCENARIO,
    at_s: float = AT,
    seed: int | None = SEED,
    db: Path | None = DB,
    as_json: bool = JSON,
) -> None:
    """Prove the way from the residual to the laptop with a simulated leak. The interlock drops: the pump stops.

    The board takes coolant out of its residual, in numbers only, until its leak alarm comes, and is flagged as in
    function check meanwhile. Afterwards the alarms of the test are acknowledged and reset. Exit code 1 when it fails.
    """
    with _desk(port, target, scenario, at_s, seed) as desk, output.progress("proof test") as progress:
        answer = _prove(desk, db, by, progress)
    if as_json:
        output.document(answer)
    else:
        console = output.answers()
        for step, done in answer["steps"].items():
            console.print(f"{'PASS' if done else 'FAIL'}  {step}", style="green" if done else "bold red")
        console.print(f"proof test {'passed' if answer['passed'] else 'FAILED'} after {answer['test_s']} s")
    if not answer["passed"]:
        raise typer.Exit(1)


def _prove(desk: Desk, db: Path | None, by: str | None, progress: Callable[[float, float], None]) -> dict[str, Any]:
    desk.heard.drain()
    _order(desk, db, by, "test", None, "MODE:TEST")
    told: list[Record] = []
    waited_s = 0.0
    result, test_s = "running", "0"
    while result == "running" and waited_s < modes.TEST_S + GRACE_S:
        desk.wait(LOOK_EVERY_S)
        waited_s += LOOK_EVERY_S
        progress(waited_s, modes.TEST_S)
        told += _records(desk)
        result, test_s = desk.ask("MODE:TEST?").split(",")
    desk.wait(1.5)
    told += _records(desk)
    raised = {change.name for record in told if (change := alarm_change(record)) and change.state == "UNACK"}
    flagged = any(
        record.name == "heartbeat" and NE107_NAMES[record.values["ne107_n"] or 0] == "function check" for record in told
    )
    steps = {
        "the board's leak alarm came of the simulated leak": result == "passed",
        "the leak alarm was heard on the laptop": bool(raised & {"leak", "leak_rupture"}),
        "it was flagged as a test": "simulation" in raised and flagged,
        "the alarms of the test are acknowledged and reset": _tidy_up(desk),
    }
    return {"passed": all(steps.values()), "result": result, "test_s": int(test_s), "steps": steps}


def _tidy_up(desk: Desk) -> bool:
    """Acknowledge and reset what the test has raised; whether nothing of it is left."""
    for name in ("leak", "simulation"):
        with suppress(CommandFailed):  # nothing to acknowledge: a person at the button was quicker
            desk.ask(f"ALAR:ACK {name}")
    for _ in range(40):
        desk.wait(LOOK_EVERY_S)
        states = desk.ask("ALAR:STAT?")
        left = [i for i in range(len(states)) if (board_alarms.LEAK_BITS | 1 << board_alarms.SIMULATION) >> i & 1]
        if all(states[i] == "0" for i in left):
            return True
        if states[board_alarms.LEAK] == str(board_alarms.LATCH):
            desk.ask("ALAR:RES leak")
    return False


def _records(desk: Desk) -> list[Record]:
    return [message for message in desk.heard.drain() if isinstance(message, Record)]


@app.command("history")
def history(
    session: int | None = typer.Option(None, min=1, help="Only this session; the whole log by default."),
    limit_n: int = typer.Option(200, "--limit", min=1, help="At most so many, the latest."),
    db: Path | None = typer.Option(None, help="The log to read; the user's by default."),
    as_json: bool = JSON,
) -> None:
    """Show what became of every alarm, and who ordered what."""
    path = db or default_path()
    rows: list[dict[str, Any]] = []
    with Log(path) as kept:
        sessions = kept.sessions()
        if session is not None:
            session = kept.session_id(session)
            sessions = [row for row in sessions if row["id"] == session]
        for one in sessions:
            rows += [past for row in kept.records("event", one["id"]) if (past := _past(row))]
    from_s = sessions[0]["started_s"] if session is not None else 0.0
    to_s = (sessions[0]["ended_s"] or time.time()) if session is not None else time.time()
    with OrderBook(path) as book:
        for order in book.between(from_s, to_s):
            rows.append({key: order[key] for key in ("at_s", "name", "what", "who", "argument", "outcome")})
    rows = sorted(rows, key=lambda row: row["at_s"])[-limit_n:]
    if as_json:
        output.document({"session": session, "history": [{**row, "at_s": round(row["at_s"], 3)} for row in rows]})
        return
    shown = Table(box=None, header_style="bold")
    for column in ("when", "alarm", "what", "who", "outcome"):
        shown.add_column(column)
    for row in rows:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row["at_s"]))
        shown.add_row(when, row["name"] or "", row["what"], row.get("who") or "", row.get("outcome") or "")
    output.answers().print(shown if rows else "nothing has happened")


def _past(row: dict[str, Any]) -> dict[str, Any]:
    record = Record("event", row["seq"], 0, row["board_ms"], row["at_s"], {name: row[name] for name in FIELDS["event"]})
    change = alarm_change(record)
    if change is None:
        return {}
    return {
        "at_s": row["at_s"],
        "name": change.name,
        "what": change.state,
        "priority": change.priority_n,
        "value": change.value,
    }


def seconds_of(text: str) -> int:
    """A duration such as 90, 90s, 20min, 8h in seconds. Raises UsageError."""
    found = re.fullmatch(r"(\d{1,6}) ?(s|min|h)?", text.strip())
    if not found:
        raise UsageError(f"{text!r} is no duration: write 90s, 20min or 8h")
    return int(found[1]) * {"s": 1, "min": 60, "h": 3600}[found[2] or "s"]
