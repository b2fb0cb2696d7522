"""`loopwatch flash`: the firmware of this installation on a board, old or new at any moment, never a mix."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from .. import ports
from ..bench.pico import uf2
from ..errors import UsageError
from ..firmware_build import PICO
from ..flash import arrival, board, bootsel, flasher, image, transfer
from ..flash.prompt import Prompt, SerialPrompt
from ..stream import HOST_VERSION
from . import output

INSTALLED_TIMEOUT_S = 30.0
PROVEN = PICO  # what the emulated board runs; there is none of a Pico 2


def flash(
    port: str | None = typer.Option(None, help="Serial port of the board; found by its USB ids when left out."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would be done; the board is restarted."),
    rollback: bool = typer.Option(False, "--rollback", help="Go back to the firmware that was on the board before."),
    erase_config: bool = typer.Option(False, "--erase-config", help="Also forget the settings on the board."),
    uf2_file: Path | None = typer.Option(
        None,
        "--uf2",
        help="For a board in BOOTSEL mode: this MicroPython instead of the pinned one; a Pico 2 needs it.",
    ),
    wait_s: float = typer.Option(
        arrival.BACK_TIMEOUT_S, "--wait", min=1.0, help="Seconds to wait for the board after its restart."
    ),
    yes: bool = typer.Option(False, "--yes", "-y", help="Ask nothing: replace another program, write to the drive."),
    as_json: bool = typer.Option(False, "--json", help="One JSON document, at the end."),
) -> None:
    """Put the firmware on a Raspberry Pi Pico, and MicroPython first if it is in BOOTSEL mode."""
    say = output.notes().print
    if port is not None and uf2_file is not None:
        raise UsageError("--uf2 is for a board in BOOTSEL mode, which has no port: leave one of --uf2 and --port out")
    device = port or _device(uf2_file, yes)
    serial_number = ports.serial_number_of(device)
    with SerialPrompt(device) as prompt:
        found = flasher.look(prompt)
        say(
            f"{device}: {found.facts.machine}, MicroPython {found.facts.micropython}{_older(found.facts)},"
            f" {_running(found.contents)}",
            markup=False,
        )
        if found.facts.architecture != PROVEN:
            say(f"note: loopwatch has never been run on an {found.facts.chip}: watch it before you trust it")
        report = _change(prompt, found, dry_run, rollback, erase_config, yes)
    document: dict[str, Any] = {
        "port": device,
        "machine": found.facts.machine,
        "micropython": found.facts.micropython,
        **report.document(),
    }
    if not dry_run:
        say("restarted; waiting for the board")
        back = arrival.wait(device, serial_number, None if rollback else HOST_VERSION, wait_s)
        document["firmware"] = back.firmware
        say(f"firmware {back.firmware} runs and samples", markup=False)
    if as_json:
        output.document(document)


def _device(uf2_file: Path | None, yes: bool) -> str:
    """Port of the board to flash; one in BOOTSEL mode is given MicroPython first."""
    found = bootsel.drives()
    boards = [each for each in ports.found() if each.is_board]
    if found and (uf2_file is not None or not boards):
        return _install(bootsel.the_drive(found, uf2_file is not None), uf2_file, yes)
    if not found and not boards and bootsel.plugged_in():
        raise bootsel.no_drive()
    if uf2_file is not None:
        raise UsageError("--uf2 is for a board in BOOTSEL mode, and there is none: hold BOOTSEL while plugging it in")
    if len(boards) > 1 and sys.stdin.isatty():
        return _chosen(boards)
    return ports.the_board().device


def _chosen(boards: list[ports.Port]) -> str:
    for i, each in enumerate(boards, 1):
        output.notes().print(f"{i}  {each.device}  {each.serial_number}  {each.product}", markup=False)
    return boards[_number(len(boards)) - 1].device


def _number(most: int) -> int:
    while True:
        answer = typer.prompt(f"Which of them, 1 to {most}", err=True)
        if answer.isdecimal() and 1 <= int(answer) <= most:
            return int(answer)


def _install(drive: bootsel.Drive, uf2_file: Path | None, yes: bool) -> str:
    """Write MicroPython, the pinned one or this, to a board in BOOTSEL mode; returns its port once it is there."""
    what = f"MicroPython {uf2.MICROPYTHON_VERSION}"
    if uf2_file is not None:
        image.check(uf2_file, drive.board_id)
        what = f"{uf2_file.name}, whose SHA-256 {uf2.sha256_of(uf2_file)} nobody but you has compared"
    _agree(f"{drive.chip} in BOOTSEL mode on {drive.folder}: install {what}", yes)
    with _steps() as step:
        chosen = uf2_file or uf2.find(lambda done, of: step("fetching MicroPython", done, of))
        image.check(chosen, drive.board_id)
        bootsel.install(drive, chosen, lambda done, of: step("installing MicroPython", done, of))
    return arrival.new_port(INSTALLED_TIMEOUT_S).device


def _change(
    prompt: Prompt, found: flasher.Found, dry_run: bool, rollback: bool, erase_config: bool, yes: bool
) -> flasher.Report:
    """Do what was asked for, or with dry_run only find out what that is."""
    say = output.notes().print
    if rollback:
        report = flasher.Report("", rolled_back=True, switched=True, slot=board.spare_slot(found.contents))
        if not dry_run:
            transfer.roll_back(prompt, found.contents)
        say(f"back to the firmware in slot {report.slot}")
    else:
        if found.contents.runs_something_else():
            _agree("the board runs another program (its main.py is not loopwatch's), which would be replaced", yes)
        firmware = flasher.build(found.facts.architecture)
        plan = flasher.decide(prompt, found, firmware)
        report = flasher.reported(plan)
        say(_plan_words(report, plan.changes), markup=False)
        if not dry_run:
            with _steps() as step:
                transfer.carry_out(prompt, plan, HOST_VERSION, step)
    if erase_config:
        if not dry_run:
            board.drop(prompt, board.SETTINGS)
        say("settings erased: the board begins with the safe ones")
    return replace(report, dry_run=dry_run, config_erased=erase_config)


def _agree(what: str, yes: bool) -> None:
    """Go on only when a person, or --yes, says so. Raises UsageError."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{what}: say --yes if that is what you want")
    if not typer.confirm(f"{what}. Go on", err=True):
        raise UsageError("nothing was changed")


def _plan_words(report: flasher.Report, changes: bool) -> str:
    if not changes:
        return f"firmware {report.firmware} is on the board already, nothing to send"
    words = [f"firmware {report.firmware} into slot {report.slot}: {len(report.sent)} files to send"]
    words.append(f"{report.sent_bytes_n / 1024:.1f} KB")
    words += [f"{len(report.copied)} copied on the board"] if report.copied else []
    words += [f"{report.kept_n} there already"] if report.kept_n else []
    words += [f"{len(report.removed)} removed"] if report.removed else []
    return ", ".join(words)


def _older(facts: board.Facts) -> str:
    pinned = tuple(int(part) for part in uf2.MICROPYTHON_VERSION.split("."))
    if facts.version == pinned:
        return ""
    return f" (tested with {uf2.MICROPYTHON_VERSION})"


def _running(contents: board.Contents) -> str:
    pointer = contents.pointer
    if pointer.name:
        return f"loopwatch in slot {pointer}"
    return "another program" if contents.runs_something_else() else "no loopwatch in a slot"


@contextmanager
def _steps() -> Iterator[transfer.Progress]:
    """Show each step with how far it has come: a bar on a terminal, else a line when a step begins."""
    if not sys.stderr.isatty():
        begun: set[str] = set()

        def line(what: str, done: int, of: int) -> None:
            if what not in begun:
                begun.add(what)
                output.notes().print(what)

        yield line
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"))
    with Progress(*columns, console=output.notes(), transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: int, of: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what)
            bar.update(tasks[what], completed=done, total=of or None)

        yield show
