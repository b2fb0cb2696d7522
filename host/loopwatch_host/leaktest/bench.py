"""A loop under test, second by second: at a real board, or a virtual one with a leak of a known rate.

The board's own seconds (`mean` records) are what is judged. Nothing is commanded: ending a test at any moment leaves
board and loop as they were.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from loopwatch import sample, wire

from .. import ports
from ..bench.plant import LoopParams, RoomParams
from ..bench.runner import consume, make_target
from ..bench.scenario import Leak, Load, Scenario, load_scenario
from ..bench.target import VirtualTarget
from ..bench.world import World
from ..client import Client, Subscription
from ..hil.page import git_sha
from ..messages import Connected, Disconnected, Identified, Message, Record
from ..stream import HOST_VERSION
from .procedure import Procedure, as_json

STEP_S = 10.0
SILENT_S = 60.0
SETTLE_S = 30.0  # a virtual board has started by then


class Loop(Protocol):
    """Where the seconds come from. lost: why no more will come, empty while they do."""

    lost: str
    board_id: str
    firmware: str

    def seconds(self) -> Iterator[list[float]]:
        """The seconds that have come since the last call; a real board is waited for, a little."""


class _Listening:
    """Turns a client's messages into rows, a row without values for every second that is missing."""

    def __init__(self, heard: Subscription) -> None:
        self.lost = ""
        self.board_id = self.firmware = ""
        self._heard = heard
        self._latest_ms: int | None = None

    def rows(self, messages: list[Message]) -> Iterator[list[float]]:
        """What the messages make of seconds."""
        for message in messages:
            if isinstance(message, Identified):
                self.board_id, self.firmware = message.board_id, message.firmware
            elif isinstance(message, Disconnected):
                self.lost = f"the board is gone: {message.reason}"
            elif isinstance(message, Connected):
                self.lost = ""
            elif isinstance(message, Record) and message.name == "mean":
                if self._latest_ms is not None:
                    missing_n = round((message.t_ms - self._latest_ms) / 1000) - 1
                    for _ in range(min(max(missing_n, 0), 600)):
                        yield [math.nan] * sample.CHANNEL_N
                self._latest_ms = message.t_ms
                yield [
                    math.nan if (value := message.values[name]) is None else float(value) for name in sample.CHANNELS
                ]


class _Real(_Listening):
    """A board on a cable."""

    def __init__(self, heard: Subscription) -> None:
        super().__init__(heard)
        self._came_s = time.monotonic()

    def seconds(self) -> Iterator[list[float]]:
        """Wait a little, then give what has come."""
        message = self._heard.get(0.2)
        for row in self.rows([*([message] if message else []), *self._heard.drain()]):
            self._came_s = time.monotonic()
            yield row
        if time.monotonic() - self._came_s > SILENT_S:
            self.lost = f"no second came from the board for {SILENT_S:g} s: is it monitoring, or at its prompt?"


class _Virtual(_Listening):
    """A virtual board, run as fast as it goes."""

    def __init__(self, heard: Subscription, target: VirtualTarget, client: Client) -> None:
        super().__init__(heard)
        self._target = target
        self._client = client

    def seconds(self) -> Iterator[list[float]]:
        """Run on by STEP_S, then give what has come."""
        self._target.advance_to(self._target.now_s + STEP_S)
        consume(self._client, self._target)
        yield from self.rows(self._heard.drain())


@contextmanager
def at_port(port: str) -> Iterator[Loop]:
    """A real board, found by its USB ids when port is empty. Raises NoBoard."""
    client = Client(port or ports.the_board().device)
    heard = client.subscribe()
    with client:
        yield _Real(heard)


@contextmanager
def virtual(kind: str, scenario: str | None, leak_ml_h: float, seed: int) -> Iterator[Loop]:
    """A virtual board on a loop that leaks from the filling on; without a scenario the reference loop in a room.

    The load changes 15 s after power-on, as it may before a test, and is then left alone. Raises NoBoard and
    ScenarioError.
    """
    world = World(_script(scenario, leak_ml_h), seed)
    with ExitStack() as opened:
        scratch = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="loopwatch-leaktest-")))
        target = opened.enter_context(make_target(kind, world, scratch))
        client = Client(target.port, greet=False)
        heard = client.subscribe()
        opened.enter_context(client)
        target.advance_to(SETTLE_S)
        consume(client, target)
        loop = _Virtual(heard, target, client)
        for _ in loop.rows(heard.drain()):
            pass  # what came before the filling
        yield loop


def _script(name: str | None, leak_ml_h: float) -> Scenario:
    script = load_scenario(name or "quiet")
    events = [] if name is None else [event for event in script.events if event.at_s < SETTLE_S]
    if name is None:
        events.append(Load(do="load", at_s=15.0, load_w=180.0))
    if leak_ml_h > 0:
        events.append(Leak(do="leak", at_s=SETTLE_S, rate_ml_h=leak_ml_h))
    room = RoomParams() if name is None else script.room
    loop = LoopParams() if name is None else script.loop
    changed = {"loop": loop, "room": room, "duty": None, "events": tuple(events)}
    return script.model_copy(update=changed)


def document(
    procedure: Procedure, loop: Loop, target: str, leak_ml_h: float | None, seed: int | None, config: Path | None
) -> dict[str, Any]:
    """The document of --json; `blocks` (t_s, mL gained, of it by warmth) is for the report's picture."""
    result = procedure.result
    assert result is not None
    found = result.estimate
    protocol = wire.protocol_crc()
    rows = procedure.rows()
    return {
        "target": target,
        "seed": seed,
        "leak_ml_h": leak_ml_h,
        **as_json(result, procedure.plan),
        "limit_pa_s": None
        if found is None
        else round(procedure.gauge.pa_s_of(procedure.plan.limit_ml_h, found.p_pa), 6),
        "rate_pa_s": None if found is None else round(procedure.gauge.pa_s_of(found.rate_ml_h, found.p_pa), 6),
        "liquid_ml": procedure.gauge.liquid_ml,
        "gas_ml": procedure.gauge.gas_ml,
        "gas_error": procedure.gauge.gas_error,
        "config": None if config is None else str(config),
        "board_id": loop.board_id,
        "firmware": loop.firmware,
        "loopwatch": HOST_VERSION,
        "protocol": f"{wire.PROTOCOL_N} ({protocol.hi << 16 | protocol.lo:08X})",
        "git": git_sha(),
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "curves": _thinned_curves(rows),
        "blocks": [] if found is None else [[round(value, 4) for value in block] for block in found.blocks],
    }


def _thinned_curves(rows: Any) -> list[list[float | None]]:
    """(t_s, p_static mbar, three temperatures °C), every tenth second, for the picture."""
    curves = []
    thermometers = (sample.T_SOURCE, sample.T_RADIATOR, sample.T_DOME)
    for i in range(0, len(rows), 10):
        shown = [float(rows[i][sample.P_STATIC]) / 100, *(float(rows[i][c]) / 1000 for c in thermometers)]
        curves.append([float(i), *(None if math.isnan(each) else round(each, 3) for each in shown)])
    return curves
