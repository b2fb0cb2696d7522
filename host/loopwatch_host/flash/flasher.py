"""`loopwatch flash` without the person: look at the board, decide, change it.

Progress is told by the step's name, with how far it has come. What is returned is what happened, for people and for
--json. Restarting and waiting for the board is arrival's.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import loopwatch

from .. import firmware_build
from ..bench.vm.target import boot_scripts
from ..stream import HOST_VERSION
from . import board, plan, transfer
from .board import Contents, Facts
from .plan import Plan
from .prompt import FlashError, Prompt
from .transfer import Progress


@dataclass(frozen=True)
class Found:
    """A board as it was met."""

    facts: Facts
    contents: Contents


@dataclass
class Report:
    """What was done, or with dry_run what would have been."""

    firmware: str
    dry_run: bool = False
    rolled_back: bool = False
    slot: str = ""
    sent: list[str] = field(default_factory=list)
    sent_bytes_n: int = 0
    copied: list[str] = field(default_factory=list)
    kept_n: int = 0
    removed: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    switched: bool = False
    config_erased: bool = False

    def document(self) -> dict[str, Any]:
        """As --json prints it."""
        return dict(vars(self))


def build(architecture: str = firmware_build.PICO) -> dict[str, bytes]:
    """The firmware of this installation as the files of a board. Raises FlashError with the compiler's words."""
    package = Path(loopwatch.__file__).resolve().parent
    try:
        return firmware_build.board_files(package, boot_scripts(None), architecture=architecture)
    except ValueError as error:
        raise FlashError(str(error)) from None


def look(prompt: Prompt) -> Found:
    """Ask the board what it is and has. Raises NoBoard when the firmware cannot run on it."""
    facts = board.facts(prompt)
    return Found(facts, board.contents(prompt))


def decide(prompt: Prompt, found: Found, firmware: dict[str, bytes]) -> Plan:
    """Hash on the board what may be right already, and plan the rest. Raises FlashError when there is no room."""
    paths = plan.worth_hashing(firmware, found.contents)
    contents = replace(found.contents, digests=dict(board.digests(prompt, paths)))
    decided = plan.make(firmware, contents)
    plan.check_room(decided, contents, found.facts)
    return decided


def reported(decided: Plan) -> Report:
    """A plan in the words of the report."""
    return Report(
        firmware=HOST_VERSION,
        slot=decided.slot,
        sent=sorted(decided.send),
        sent_bytes_n=decided.send_n,
        copied=sorted(decided.copy),
        kept_n=len(decided.keep),
        removed=[*decided.remove[1:], *decided.stale],
        scripts=sorted(decided.scripts),
        switched=decided.switch is not None,
    )


def flash(prompt: Prompt, firmware: dict[str, bytes], progress: Progress) -> Report:
    """Put this firmware on the board; the next start is with it."""
    found = look(prompt)
    decided = decide(prompt, found, firmware)
    transfer.carry_out(prompt, decided, HOST_VERSION, progress)
    return reported(decided)
