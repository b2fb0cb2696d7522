"""`loopwatch doctor`: is the board well, and if not, what to do."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import typer

from .. import doctor as examination
from .. import ports
from ..bench.runner import make_target
from ..bench.scenario import load_scenario
from ..bench.world import World
from ..client import Client
from ..doctor import Facts, Finding, Level, default_crc
from ..errors import NoBoard, StoreError, UsageError
from ..store import default_path
from . import output

VIRTUAL_SCENARIO = "quiet"
SLOW_PATIENCE = 15.0  # an emulated board may need a minute to boot
STYLES = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "bold red"}


def doctor(
    port: str | None = typer.Option(None, help="Port of the board; found by its USB id by default."),
    target: str = typer.Option("serial", help="serial, serial:PORT, or a virtual board: vm, pico."),
    watch_s: float = typer.Option(5.0, "--for", min=1.0, help="Listen for so many seconds."),
    db: Path | None = typer.Option(None, help="The log that `loopwatch monitor` keeps; the user's by default."),
    as_json: bool = typer.Option(False, "--json", help="One JSON document."),
) -> None:
    """Examine a board; exit code 1 when something failed, 3 when there is no board."""
    kind, _, named = target.partition(":")
    if kind == "serial":
        findings, facts, exit_code = _real(port or named, watch_s, as_json)
        findings += _commissioning(facts, db or default_path())
    elif port:
        raise UsageError(f"--port names a real board and --target {target} is a virtual one: give one of them")
    else:
        facts = _virtual(target, watch_s)
        findings, exit_code = examination.judge(facts), 0
    if any(finding.level is Level.FAIL for finding in findings):
        exit_code = exit_code or 1
    if as_json:
        rows = [{**vars(finding), "level": finding.level.value} for finding in findings]
        output.document({"port": facts.port, "board_id": facts.board_id, "exit_code": exit_code, "findings": rows})
    else:
        _say(findings)
    raise typer.Exit(exit_code)


def _real(named: str, watch_s: float, as_json: bool) -> tuple[list[Finding], Facts, int]:
    """Findings of a real board, those of its port before; exit code 3 when it can't be reached."""
    boards = [found for found in ports.found() if found.is_board]
    listed = ", ".join(f"{board.device} ({board.serial_number or 'no serial number'})" for board in boards)
    facts = Facts(port=named)
    try:
        device = named or ports.the_board().device
        findings = [
            Finding("ports", Level.OK, listed or f"{device}, which is none that its USB id tells to be a board")
        ]
        client = Client(device)
        heard = client.subscribe()
        client.open()
    except NoBoard as error:
        what, _, todo = str(error).rpartition(": ")
        return [Finding("ports", Level.FAIL, what or str(error), todo)], facts, error.exit_code
    findings.append(Finding("permission", Level.OK, f"{device} opens for this program alone"))
    try:
        facts = examination.observe(client, heard, watch_s, tell=None if as_json else _note)
    finally:
        client.close()
    return findings + examination.judge(facts), facts, 0


def _commissioning(facts: Facts, log: Path) -> list[Finding]:
    """Whether what was kept of the board is enough for settings that see more than those in force."""
    crc = (facts.replies.get("CONF:CRC?") or "!").strip()
    if crc.startswith("!") or not facts.board_id or crc == default_crc():
        return []
    from ..commission import accumulated

    try:
        advice = accumulated.advice(log, facts.board_id, crc)
    except StoreError as error:
        return [Finding("commissioning", Level.WARN, "the log cannot be read", str(error))]
    if advice is None:
        text = "not known from how much log its settings were made: not by this laptop, or before it kept that"
        return [Finding("commissioning", Level.OK, text)]
    if not advice:
        return [Finding("commissioning", Level.OK, "the log holds no more than its settings were made from")]
    return [Finding("commissioning", Level.WARN, advice, accumulated.COMMANDS)]


def _virtual(kind: str, watch_s: float) -> Facts:
    with _paced(kind) as port, ExitStack() as opened:
        client = Client(port)
        heard = client.subscribe()
        opened.enter_context(client)
        facts = examination.observe(client, heard, watch_s, patience=SLOW_PATIENCE)
        facts.drift_ppm, facts.clock_note = None, "a virtual board keeps this laptop's time"
        return facts


@contextmanager
def _paced(kind: str) -> Iterator[str]:
    """The port of a virtual board that runs as fast as the wall clock, where this machine is fast enough."""
    world = World(load_scenario(VIRTUAL_SCENARIO))
    with ExitStack() as opened:
        scratch = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="loopwatch-doctor-")))
        target = opened.enter_context(make_target(kind, world, scratch))
        target.pace()
        yield target.port


def _note(text: str) -> None:
    output.notes().print(text, style="dim")


def _say(findings: list[Finding]) -> None:
    console = output.answers()
    width_n = max(len(finding.name) for finding in findings)
    for finding in findings:
        style = STYLES[finding.level]
        console.print(
            f"[{style}]{finding.level.value:4}[/]  {finding.name:{width_n}}  ", end="", soft_wrap=True, markup=True
        )
        console.print(finding.text, markup=False)
        if finding.advice:
            console.print(f"{'':{width_n + 8}}{finding.advice}", markup=False, style="dim")
