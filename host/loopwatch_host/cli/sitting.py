"""A sitting in front of a board, real or virtual: the same steps under every face.

step() takes what has come, keeps it on the disk, shows it, and for a virtual board does what the scenario's script
asks of the bench. It does not wait, so a face may call it from its own loop; `over` says that the time is up.
"""

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ..adviser import Adviser
from ..bench.runner import Observed, PowerSwitch, Truth, consume, give_commands, make_target, starts_s, step_words
from ..bench.scenario import Scenario
from ..bench.target import VirtualTarget
from ..bench.world import World
from ..box_keeper import BoxKeeper
from ..client import Client
from ..messages import is_leak
from ..store import Store, default_path, made
from ..store.capture import Capture, folder_of
from ..store.retention import remember, settled
from . import output
from .watch import View, Watch

NOTHING_SET: Mapping[str, float] = {}


class Sitting:
    """A board being watched. Errors of the disk and of the virtual bench come out of step()."""

    def __init__(self, client: Client, store: Store, watch: Watch, for_s: float | None) -> None:
        self.client = client
        self.store = store
        self.watch = watch
        self._for_s = for_s
        self._begun_s = time.monotonic()

    @property
    def passed_s(self) -> float:
        """How long it has lasted, on the clock that --for is about."""
        return time.monotonic() - self._begun_s

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return self._for_s is not None and self.passed_s >= self._for_s

    def step(self, timeout_s: float = 0.0) -> None:
        """Take what has come, waiting at most timeout_s for it."""
        self.watch.step(timeout_s)

    def end(self) -> None:
        """Take the last of it and put everything on the disk."""
        self.watch.step(0.0)
        self.store.flush()

    def report(self) -> dict[str, Any]:
        """What was seen, as the document of --json."""
        return {"port": self.client.port, **self.watch.report(self.client)}


class VirtualSitting(Sitting):
    """A virtual board being watched, and its bench: times are the loop's."""

    def __init__(
        self, client: Client, store: Store, watch: Watch, for_s: float | None, world: World, target: VirtualTarget,
        kind: str, view: View | None,
    ) -> None:  # fmt: skip
        super().__init__(client, store, watch, for_s)
        self._world = world
        self._target = target
        self._kind = kind
        self._view = view
        self._truth = Truth()
        self._power = PowerSwitch(world, target)
        self._to_come = sorted(world.scenario.events, key=lambda event: event.at_s)

    @property
    def seed(self) -> int:
        """What everything random on the bench comes from."""
        return self._world.seed

    @property
    def passed_s(self) -> float:
        """The loop's time since power-on."""
        return self._target.now_s

    def step(self, timeout_s: float = 0.0) -> None:
        """Do what the script has due, then take what has come."""
        self._target.check_pace()
        while self._view and self._to_come and self._to_come[0].at_s <= self._target.now_s:
            self._view.narrate(step_words(self._to_come.pop(0)))
        self._power.act(self._target.now_s)
        super().step(timeout_s)
        self._truth.note(self._target.now_s, self._world.truth.lost_ml)

    def end(self) -> None:
        """Stop the board's clock, then take the last of it."""
        self._target.pause()
        consume(self.client, self._target)
        super().end()

    def report(self) -> dict[str, Any]:
        """What was seen and what the bench knows of it, as the document of --json."""
        report = self.watch.report(self.client)
        alarms_s = [alarm["t_s"] for alarm in report["alarms"] if is_leak(alarm["name"]) and alarm["state"] == "UNACK"]
        onset_s = self._world.truth.onset_s
        seen_s = None if onset_s is None else next((t_s for t_s in alarms_s if t_s >= onset_s), None)
        lost_ml = self._truth.lost_ml(self._target.now_s if seen_s is None else seen_s)
        return {
            "scenario": self._world.scenario.name,
            "target": self._kind,
            "seed": self._world.seed,
            "onset_s": onset_s,
            "detected": seen_s is not None,
            "delay_s": None if seen_s is None or onset_s is None else round(seen_s - onset_s, 3),
            "lost_ml": None if onset_s is None else round(lost_ml, 3),
            "virtual_s": round(self._target.now_s, 3),
            **report,
        }


@contextmanager
def at_board(
    port: str, db: Path | None, view: View | None, for_s: float | None = None, kept: Mapping[str, float] = NOTHING_SET
) -> Iterator[Sitting]:
    """Watch the board behind a port; one that goes away is waited for. kept: how long what is kept, see retention."""
    log = db or default_path()
    retention = settled(log, kept)
    advised = made.any_in(log)
    with ExitStack() as opened:
        raw = opened.enter_context(Capture(folder_of(log), port, retention.limits))
        client = Client(port, capture=raw.take)
        heard = client.subscribe()
        # The port first: without a board no session is begun.
        opened.enter_context(client)
        store = opened.enter_context(Store(log, port, keep=retention.keep))
        remember(log, kept)
        watch = Watch(heard, store, view, Observed(lambda: [0.0]))
        watch.boxes = BoxKeeper(client, store)
        watch.adviser = Adviser(client, log) if advised else None
        yield Sitting(client, store, watch, for_s)
        if raw.error:
            output.notes().print(raw.error, style="yellow", markup=False)


@contextmanager
def at_bench(
    script: Scenario, kind: str, seed: int | None, speed: float, db: Path | None, view: View | None,
    for_s: float | None = None, kept: Mapping[str, float] = NOTHING_SET,
) -> Iterator[VirtualSitting]:  # fmt: skip
    """Watch a virtual board of this kind (vm, pico) in a scenario's world, paced to speed seconds in one second."""
    world = World(script, seed)
    log = db or default_path()
    retention = settled(log, kept)
    with ExitStack() as opened:
        scratch = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="loopwatch-run-")))
        virtual = opened.enter_context(make_target(kind, world, scratch))
        source = f"{kind} {script.name} seed {world.seed}"
        store = opened.enter_context(Store(log, source, keep=retention.keep))
        remember(log, kept)
        client = Client(virtual.port, greet=False)
        watch = Watch(client.subscribe(), store, view, Observed(lambda: starts_s(virtual)))
        watch.boxes = BoxKeeper(client, store)
        opened.enter_context(client)
        give_commands(world, virtual, client)
        sitting = VirtualSitting(client, store, watch, for_s, world, virtual, kind, view)
        virtual.pace(speed)
        yield sitting
