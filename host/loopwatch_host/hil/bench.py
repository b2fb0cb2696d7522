"""A bench with a board on it, the same for a procedure whether the board is emulated or real.

A procedure powers it on, lets time pass, makes things happen and looks at what the client has heard. A
VirtualBench moves virtual time and changes the simulated loop; a SerialBench waits and asks people, relays and hubs.
What a bench cannot do raises hands.NotHere, which is a reason to leave the procedure out and no failure. Times in
seconds, see trace.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from pydantic import TypeAdapter

from loopwatch.config import Config

from .. import ports
from ..bench.runner import make_target, starts_s, step_words
from ..bench.scenario import Event, Leak, Scenario, SensorFault, SensorHeal, load_scenario
from ..bench.target import VirtualTarget
from ..bench.world import World
from ..client import Client, Subscription
from ..errors import CommandFailed, LoopwatchError
from ..messages import Record
from . import bench_file, hands
from .cable import Cable
from .hands import NotHere
from .trace import Listener, Trace

STEP_S = 0.5  # of virtual time; what a board says in it fits into a pty's buffer
LOOK_EVERY_S = 0.1
REPLY_WITHIN_S = 3.0
WALL_TIMEOUT_S = 20.0

_EVENT: TypeAdapter[Event] = TypeAdapter(Event)


class Bench(ABC):
    """One bench for one procedure; a context manager that leaves nothing behind.

    trace and heard tell what was seen so far. onset_s: when the leak began, None before.
    """

    target = ""
    client: Client

    def __init__(self, bench_id: str) -> None:
        self.bench_id = bench_id
        self.trace = Trace(target=self.target)
        self.heard = Listener(self.trace, self._start_of)
        self.onset_s: float | None = None
        self._open = contextlib.ExitStack()
        self._queue: Subscription | None = None

    def __enter__(self) -> Bench:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    @abstractmethod
    def power_on(
        self, scenario: Path, settings: Sequence[str] = (), *, seed: int | None = None, program: Path | None = None
    ) -> None:
        """Put the board on the scenario's loop. program: what it runs instead of its firmware."""

    @property
    @abstractmethod
    def now_s(self) -> float:
        """The bench's clock."""

    @abstractmethod
    def advance(self, seconds: float) -> None:
        """Let time pass, and hear what the board says meanwhile."""

    @abstractmethod
    def _make(self, event: Any) -> None:
        """Make an event of the loop or its sensors happen now."""

    @abstractmethod
    def unplug_cable(self) -> None:
        """Pull the laptop's cable."""

    @abstractmethod
    def plug_cable(self) -> None:
        """Put it back, and wait until the client has the board again."""

    @abstractmethod
    def stop_reading(self) -> None:
        """The laptop no longer reads what the board sends; the cable stays."""

    @abstractmethod
    def read_again(self) -> None:
        """It reads again."""

    @abstractmethod
    def cut_power(self, off_s: float) -> None:
        """The board loses its supply for so long."""

    @abstractmethod
    def _start_of(self, start_n: int, record: Record) -> float:
        """When the board's n-th start had t_ms = 0, see trace.Listener."""

    def do(self, what: str, **how: object) -> None:
        """Make an event of bench.scenario happen now, e.g. do("leak", hole_mm=0.3)."""
        event = _EVENT.validate_python({"do": what, "at_s": self.now_s, **how})
        self._note(step_words(event))
        self._make(event)

    def wait_for(self, fact: Callable[[], Any], within_s: float) -> bool:
        """Let time pass until fact() holds; False when it does not within so long."""
        end_s = self.now_s + within_s
        while not fact():
            if self.now_s >= end_s - 1e-6:
                return False
            self.advance(min(LOOK_EVERY_S, end_s - self.now_s))
        return True

    def command(self, text: str) -> str:
        """The board's reply to a command through the client. Raises CommandFailed when it refuses or is silent."""
        self._note(text)
        pending = self.client.post(text)
        self.wait_for(lambda: pending.done, REPLY_WITHIN_S)
        return pending.wait(0.0) if pending.done else _silent(text)

    def _note(self, words: str) -> None:
        self.trace.deeds.append((round(self.now_s, 3), words))

    def _hear(self) -> None:
        if self._queue is not None:
            self.heard.take(self._queue.drain())


class VirtualBench(Bench):
    """A bench around the vm or the pico target; deterministic for a seed.

    boot_after_ms: from power-on to the firmware's first record, when that is to be another than the target's own.
    """

    def __init__(self, kind: str, bench_id: str, boot_after_ms: int = 0) -> None:
        self.target = kind
        super().__init__(bench_id)
        self.world: World
        self._boot_after_ms = boot_after_ms
        self._target: VirtualTarget
        self._cable: Cable
        self._carried_n = 0

    def power_on(
        self, scenario: Path, settings: Sequence[str] = (), *, seed: int | None = None, program: Path | None = None
    ) -> None:
        scratch = Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="loopwatch-hil-")))
        self.world = World(load_scenario(scenario, settings), seed)
        if self._boot_after_ms:
            program = _delayed(scratch, self._boot_after_ms)
        self._target = self._open.enter_context(make_target(self.target, self.world, scratch, program))
        self._cable = Cable(self._target.port, scratch)
        self._open.callback(self._cable.close)
        self._cable.plug()
        self.client = Client(self._cable.port)
        self._queue = self.client.subscribe()
        self._open.enter_context(self.client)
        self._await_greeting(0)

    @property
    def now_s(self) -> float:
        return self._target.now_s

    @property
    def resets(self) -> list[str]:
        """Causes of the restarts so far, see target.Reset."""
        return [reset.cause for reset in self._target.resets]

    def advance(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while self.now_s < end_s - 1e-6:
            self._cable.carry(0)
            self._target.advance_to(min(end_s, self.now_s + STEP_S))
            sent_n = self._target.delivered_n - self._carried_n
            self._carried_n += sent_n
            self._cable.carry(sent_n)
            self._await("hears the board", lambda: self.client.received_n >= self._cable.carried_n)
            self._hear()
        if self.onset_s is None:
            self.onset_s = self.world.truth.onset_s

    def _make(self, event: Any) -> None:
        self.world.do(event)

    def unplug_cable(self) -> None:
        self._note("cable out")
        self.world.link_connected = False
        self._cable.unplug()
        self._await("notices that the cable is out", lambda: not self.client.connected)

    def plug_cable(self) -> None:
        self._note("cable in")
        lines_n = self._cable.lines_n
        self.world.link_connected = True
        self._cable.plug()
        self._await("finds the board again", lambda: self.client.connected)
        self._await_greeting(lines_n)

    def stop_reading(self) -> None:
        self._note("laptop stops reading")
        self.world.link_reading = False

    def read_again(self) -> None:
        self._note("laptop reads again")
        self.world.link_reading = True

    def cut_power(self, off_s: float) -> None:
        self._note(f"power off for {off_s:g} s")
        self._target.power_off()
        self.advance(off_s)
        self._target.power_on()

    def _start_of(self, start_n: int, record: Record) -> float:
        known_s = starts_s(self._target)
        return known_s[min(start_n, len(known_s) - 1)]

    def _await_greeting(self, before_n: int) -> None:
        """The client's questions are on their way before time goes on: a run depends on nothing but its seed."""

        def greeted() -> bool:
            self._cable.carry(0)
            return self._cable.lines_n >= before_n + 2

        self._await("greets the board", greeted)

    def _await(self, what: str, fact: Callable[[], bool]) -> None:
        end_s = time.monotonic() + WALL_TIMEOUT_S
        while not fact():
            if time.monotonic() > end_s:
                raise LoopwatchError(f"the bench waited {WALL_TIMEOUT_S:g} s in vain until the client {what}")
            time.sleep(0.001)


class SerialBench(Bench):
    """A bench with a real board on a port, in the loop that bench.toml describes. Time is the wall's."""

    def __init__(self, port: str, described: bench_file.RealBench) -> None:
        self.port = port or ports.the_board().device
        self.target = f"serial:{self.port}"
        super().__init__(described.id)
        self._described = described
        self._begun_s = time.monotonic()
        self._valve: hands.Switch | None = None
        self._faulty: set[str] = set()

    def power_on(
        self, scenario: Path, settings: Sequence[str] = (), *, seed: int | None = None, program: Path | None = None
    ) -> None:
        self._begun_s = time.monotonic()
        self._connect()
        self._open.callback(self._leave)
        if program is not None:
            raise NotHere("a real board is not made to hang by planting a program in it")
        wanted = load_scenario(scenario, settings)
        self._same_loop(wanted)
        ours = Config(**wanted.board_config()).crc()
        theirs = self.command("CONF:CRC?")
        if theirs != f"{ours.hi << 16 | ours.lo:08X}":
            raise NotHere(f"the board's settings ({theirs}) are not those of {wanted.name}")

    @property
    def now_s(self) -> float:
        return time.monotonic() - self._begun_s

    def advance(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            time.sleep(min(0.05, max(0.0, end_s - self.now_s)))
            self._hear()

    def _make(self, event: Any) -> None:
        if isinstance(event, Leak):
            if event.hole_mm not in self._described.valve.holes_mm or event.point != "static":
                raise NotHere(f"the leak valve of this bench has no hole of {event.hole_mm or 0:g} mm (bench.toml)")
            drive = self._described.valve.drive
            self._valve = self._open.enter_context(hands.valve(drive, event.hole_mm or 0.0))
            self._valve(True)
            self.onset_s = self.now_s
        elif isinstance(event, (SensorFault, SensorHeal)):
            broken = isinstance(event, SensorFault)
            if isinstance(event, SensorFault) and event.kind != "nack":
                raise NotHere(f"a sensor of this bench can be unplugged, not made {event.kind}")
            hands.sensor(self._described.sensors, event.channel, connected=not broken)
            (self._faulty.add if broken else self._faulty.discard)(event.channel)
        elif event.do == "leak_stop" and self._valve:
            self._valve(False)
        elif event.do == "press":
            hands.ask("press the acknowledge button")
        else:
            raise NotHere(f"nothing on this bench makes {event.do} happen")

    def unplug_cable(self) -> None:
        self._note("cable out")
        hands.power(self._described.power, False)
        self._until("notice that the cable is out", lambda: not self.client.connected)

    def plug_cable(self) -> None:
        self._note("cable in")
        hands.power(self._described.power, True)
        self._until("find the board again", lambda: self.client.connected)

    def stop_reading(self) -> None:
        self._note("laptop stops reading")
        self.client.close()
        self._silent = ports.open_serial(self.port)

    def read_again(self) -> None:
        self._note("laptop reads again")
        self._silent.close()
        self._connect()

    def cut_power(self, off_s: float) -> None:
        self.unplug_cable()
        self.advance(off_s)
        self.plug_cable()

    def _connect(self) -> None:
        self.client = Client(self.port)
        self._queue = self.client.subscribe()
        self.client.open()

    def _leave(self) -> None:
        """What was unplugged is plugged in again, and the board is no longer in alarm."""
        for channel in sorted(self._faulty):
            hands.sensor(self._described.sensors, channel, connected=True)
        for alarm in self.heard.raised():
            with contextlib.suppress(CommandFailed):
                self.client.command(f"ALAR:ACK {alarm}")
        self.client.close()

    def _same_loop(self, wanted: Scenario) -> None:
        has = self._described.loop
        if (wanted.loop.gas_ml, wanted.loop.liquid_ml) != (has.gas_ml, has.liquid_ml):
            raise NotHere(
                f"{wanted.name} has {wanted.loop.gas_ml:g} mL of gas in {wanted.loop.liquid_ml:g} mL, this bench"
                f" {has.gas_ml:g} in {has.liquid_ml:g} mL (bench.toml)"
            )

    def _start_of(self, start_n: int, record: Record) -> float:
        return self.now_s - record.t_ms / 1000

    def _until(self, what: str, fact: Callable[[], bool]) -> None:
        if not self.wait_for(fact, WALL_TIMEOUT_S):
            raise LoopwatchError(f"waited {WALL_TIMEOUT_S:g} s in vain for the client to {what}")


def make(target: str, described: bench_file.BenchFile, boot_after_ms: int = 0) -> Bench:
    """The bench for `vm`, `pico`, `serial` or `serial:PORT`. Raises NoBoard without a board."""
    kind, _, port = target.partition(":")
    if kind == "serial":
        return SerialBench(port, described.bench)
    return VirtualBench(target, described.virtual_id, boot_after_ms)


def _delayed(scratch: Path, boot_after_ms: int) -> Path:
    """A main.py that starts the firmware so late after power-on, as a board does that needs time to boot."""
    main = scratch / "delayed_main.py"
    main.write_text(
        "from loopwatch import launch\nfrom loopwatch.port import sleep_ms, ticks_ms\n\n"
        f"sleep_ms({boot_after_ms} - ticks_ms())\nlaunch.run()\n",
        encoding="utf-8",
    )
    return main


def _silent(text: str) -> str:
    raise CommandFailed(f"no answer to {text} within {REPLY_WITHIN_S:g} s of the bench's time")
