"""A configuration to and from a board over the cable, whole or not at all.

The board is reached by ask(command) -> reply, so that it may be real or virtual; it raises CommandFailed when there is
no answer, Refused when the board refuses.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from loopwatch import parameters
from loopwatch.config import TABLE, Config, decode

from .commission.record import KERNELS, crc_of
from .errors import CommandFailed, Refused

Ask = Callable[[str], str]
Pause = Callable[[float], object]

PIECE_N = 48  # bytes: 64 characters, so that a line stays inside what the board takes
TRIES_N = 3
PAUSE_S = 0.25
RESTART_S = 20.0


@dataclass(frozen=True)
class Pushed:
    """What became of a push. changed is False when the board had this configuration already."""

    crc: str
    before_crc: str
    changed: bool


def crc_text(config: Config) -> str:
    """The CRC as the board writes it."""
    return f"{crc_of(config):08X}"


def persistent(ask: Ask, command: str) -> str:
    """Ask, and again when no answer comes; what the board refuses it would refuse again."""
    for _ in range(TRIES_N - 1):
        try:
            return ask(command)
        except Refused:
            raise
        except CommandFailed:
            continue
    return ask(command)


def pull(ask: Ask) -> Config:
    """The configuration in force on the board. Raises CommandFailed."""
    content = b""
    while True:
        piece = _bytes(persistent(ask, f"CONF:READ? {len(content)}"))
        if not piece:
            break
        content += piece
    told = persistent(ask, "CONF:CRC?").strip()
    try:
        config = decode(content)
    except ValueError as error:
        raise CommandFailed(
            f"the board runs a configuration that this loopwatch cannot read ({error}): is its firmware newer? update"
            " loopwatch, or flash the board"
        ) from None
    if crc_text(config) != told:
        raise CommandFailed(
            f"what came from the board gives CRC {crc_text(config)}, it says {told} (was it pushed to meanwhile?): try"
            " again"
        )
    return config


def push(
    ask: Ask,
    config: Config,
    force: bool = False,
    progress: Callable[[float, float], None] = lambda done, of: None,
    pause: Pause = time.sleep,
) -> Pushed:
    """Put a configuration in force on the board, which restarts; returns when it runs on it.

    force: even while a leak alarm stands. Raises Refused with the field or the reason, CommandFailed when the board
    does not come back with it.
    """
    content, crc = config.content(), crc_text(config)
    before = persistent(ask, "CONF:CRC?").strip()
    if before == crc and not persistent(ask, "CONF:FAUL?").strip():
        return Pushed(crc, before, changed=False)
    persistent(ask, f"CONF:BEG {len(content)}")
    try:
        for at in range(0, len(content), PIECE_N):
            progress(at, len(content))
            persistent(ask, f"CONF:DATA {at},{base64.b64encode(content[at : at + PIECE_N]).decode()}")
    except CommandFailed:
        _abort(ask)
        raise
    try:
        ask(f"CONF:{'FORC' if force else 'COMM'} {crc}")
    except Refused:
        _abort(ask)
        raise
    except CommandFailed:
        pass  # the answer may have been lost: what the board runs on after its restart tells
    progress(len(content), len(content))
    _await(ask, crc, pause)
    return Pushed(crc, before, changed=True)


def _await(ask: Ask, crc: str, pause: Pause) -> None:
    """Wait until the board runs on the configuration of this CRC and samples again."""
    waited_s = 0.0
    told = "no answer"
    while waited_s < RESTART_S:
        pause(PAUSE_S)
        waited_s += PAUSE_S
        try:
            told = ask("CONF:CRC?").strip()
        except CommandFailed:
            continue
        if told == crc:
            return
    raise CommandFailed(
        f"the board has not come back with configuration {crc} within {RESTART_S:.0f} s (last: {told}): `loopwatch"
        " config show` tells what it runs on; if that is the old one, push again"
    )


def _abort(ask: Ask) -> None:
    try:
        ask("CONF:ABOR")
    except CommandFailed:
        return


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode("" if text == "OK" else text, validate=True)
    except binascii.Error as error:
        raise CommandFailed(f"the board sent {text[:40]!r}, which is no base64 ({error}): try again") from None


def fields(config: Config) -> dict[str, int]:
    """Every number of a configuration by its name, e.g. `gas_ul`, `bank.limits[3]`."""
    named = {row[0]: int(getattr(config, row[0])) for row in TABLE}
    words = [*config.residual, *config.bank, *config.burst, *config.estimate]
    if words:
        for name, first, n, _, _ in parameters.BOUNDS:
            for i in range(n):
                named[name if n == 1 else f"{name}[{i}]"] = words[first + i]
    return named


def differences(ours: Config, theirs: Config) -> list[dict[str, Any]]:
    """What differs: name and both values, None where one of them has no words."""
    a, b = fields(ours), fields(theirs)
    names = list(a) + [name for name in b if name not in a]
    return [{"name": name, "a": a.get(name), "b": b.get(name)} for name in names if a.get(name) != b.get(name)]


def document(config: Config) -> dict[str, Any]:
    """A configuration for --json."""
    return {
        "crc": crc_text(config),
        "commissioned": bool(config.commissioned),
        "board": {row[0]: getattr(config, row[0]) for row in TABLE},
        "words": {name: list(getattr(config, name)) for name in KERNELS} if config.commissioned else None,
    }
