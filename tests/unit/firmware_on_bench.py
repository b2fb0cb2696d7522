"""The whole firmware in this process, in the world of a scenario: its own App, drivers and chips, on virtual time.

What the board file does with pins and USB is done here with the world's pins and a list of lines, so that hundreds of
seconds pass in one. The unchanged firmware on MicroPython is the vm target's (tests/vm).
"""

import contextlib
import copy
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commissioned_loop import words_of
from i2c_on_bench import I2C
from pydantic import TypeAdapter

from loopwatch import alarms, bank, wire
from loopwatch.app import App
from loopwatch.config import TABLE, Config
from loopwatch_host.bench.scenario import Event, load_scenario
from loopwatch_host.bench.world import SCL_GPIO, World

GPIO = {"led": 25, "interlock": 10, "horn": 11, "lamp_alarm": 12, "lamp_fault": 13}
ACK_GPIO = 15


@dataclass
class Console:
    """The cable: what the board sends, and what the laptop types."""

    sent: bytearray = field(default_factory=bytearray)
    typed: bytearray = field(default_factory=bytearray)

    def write_packet(self, buffer: bytearray, start: int, n: int) -> bool:
        self.sent += buffer[start : start + n]
        return True

    def read_byte(self) -> int:
        return self.typed.pop(0) if self.typed else -1


class Board:
    """What boards.pico.Board is to the firmware, on the bench's pins."""

    id = bytes(range(8))

    def __init__(self, world: World, reset_cause_n: int = 1) -> None:
        self.world = world
        self.i2c = I2C(world.bus)
        self.console = Console()
        self.reset_cause_n = reset_cause_n
        self.fed_n = 0
        for name in GPIO:
            self._drive(name, False)

    def _drive(self, name: str, on: bool) -> None:
        self.world.pin_write(GPIO[name], int(on), self.i2c.t_us)

    def led(self, on: bool) -> None:
        self._drive("led", on)

    def interlock(self, on: bool) -> None:
        self._drive("interlock", on)

    def horn(self, on: bool) -> None:
        self._drive("horn", on)

    def lamp_alarm(self, on: bool) -> None:
        self._drive("lamp_alarm", on)

    def lamp_fault(self, on: bool) -> None:
        self._drive("lamp_fault", on)

    def ack_pressed(self) -> bool:
        return not self.world.pin_read(ACK_GPIO, self.i2c.t_us)

    def free_bus(self) -> None:
        for _ in range(9):
            self.world.pin_write(SCL_GPIO, 0, self.i2c.t_us)
            self.world.pin_write(SCL_GPIO, 1, self.i2c.t_us)

    def start_watchdog(self, timeout_ms: int) -> None:
        pass

    def feed(self) -> None:
        self.fed_n += 1


class Bench:
    """A scenario, its world and the firmware in it. events: (seconds, {do=..., ...}) on top of a quiet loop."""

    def __init__(
        self,
        *events: tuple[float, dict[str, Any]],
        seed: int = 3,
        settings: tuple[str, ...] = (),
        reset_cause_n: int = 1,
        commissioned: Config | None = None,
        **config: int,
    ) -> None:
        """commissioned: on this configuration instead of the one of a board as delivered."""
        scenario = load_scenario("pinhole", settings)
        script = [{"at_s": at_s, **event} for at_s, event in events]
        data = scenario.model_dump(by_alias=True, exclude={"events", "expect"}) | {"event": script}
        self.world = World(type(scenario).model_validate(data), seed)
        self.board = Board(self.world, reset_cause_n)
        given = self.world.scenario.board_config() | config
        self._flash = tempfile.TemporaryDirectory(prefix="loopwatch-flash-")
        words: list[int] = []
        if commissioned:
            words = words_of(commissioned)
            given = {row[0]: getattr(commissioned, row[0]) for row in TABLE} | given
        with self.on_flash():
            self.app = App(self.board, Config(words, **given))
        self.decoder = wire.Decoder()
        self.messages: list[Any] = []
        self._taken_n = 0
        self.begun_s = 0.0
        with self.on_flash():
            self.app.start(0)

    @contextlib.contextmanager
    def on_flash(self) -> Iterator[None]:
        """The firmware's files are where it runs: its own empty flash."""
        before = os.getcwd()
        os.chdir(self._flash.name)
        try:
            yield
        finally:
            os.chdir(before)

    def settle(self) -> "Bench":
        """Let a commissioned board be as after hours of this loop at rest, in an instant.

        Its averages began where the loop rests, so that time would not change them; what is left to do is to count.
        Against a board that has really run for six hours: tests/unit/test_faults.py.
        """
        fine = self.app.guard.fine
        assert fine is not None
        fine.whole_s = fine._bank[bank.STARTED] = bank.SETTLED_S
        return self

    def copy(self) -> "Bench":
        """Another one that goes on from here, with a flash of its own; begun_s is now."""
        flash = tempfile.TemporaryDirectory(prefix="loopwatch-flash-")
        shutil.copytree(self._flash.name, flash.name, dirs_exist_ok=True)
        other = copy.deepcopy(self, {id(self._flash): flash})
        other.begun_s = self.now_s
        return other

    def packed(self) -> tuple["Bench", dict[str, bytes]]:
        """What another process makes the same bench of: it, and the files on its flash."""
        folder = Path(self._flash.name)
        files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        return self, files

    @staticmethod
    def unpacked(packed: tuple["Bench", dict[str, bytes]]) -> "Bench":
        """The bench of packed(), with a flash of its own."""
        board, files = packed
        board._flash = tempfile.TemporaryDirectory(prefix="loopwatch-flash-")
        for path, data in files.items():
            place = Path(board._flash.name) / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        return board

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_flash"}

    def __deepcopy__(self, memo: dict[int, Any]) -> "Bench":
        other = object.__new__(Bench)
        memo[id(self)] = other
        vars(other).update({name: copy.deepcopy(value, memo) for name, value in vars(self).items()})
        return other

    def forget(self) -> "Bench":
        """Nothing has been sent yet, nor any pin driven but to what it is now."""
        self.messages.clear()
        self.board.console.sent.clear()
        self._taken_n = 0
        self.world.pins[:] = {gpio: (t_us, gpio, level) for t_us, gpio, level in self.world.pins}.values()
        return self

    def run_on(self, for_s: float) -> "Bench":
        """As run(), until so long after begun_s."""
        return self.run(self.begun_s + for_s)

    def happen(self, *events: tuple[float, dict[str, Any]]) -> "Bench":
        """Let each event happen that many seconds from now."""
        began_s = self.now_s
        for at_s, event in sorted(events, key=lambda timed: timed[0]):
            self.run(began_s + at_s)
            self.world.do(TypeAdapter(Event).validate_python({"at_s": 0, **event}))
        return self

    @property
    def now_s(self) -> float:
        return self.board.i2c.t_us / 1e6

    def run(self, until_s: float) -> "Bench":
        """Let the firmware do what is due until then."""
        clock = self.board.i2c
        with self.on_flash():
            while clock.t_us < until_s * 1e6:
                due_ms = self.app.step(clock.t_us // 1000)
                clock.wait_until(max(due_ms * 1000, clock.t_us + 300))
        self.messages += self.decoder.feed(bytes(self.board.console.sent[self._taken_n :]))
        self._taken_n = len(self.board.console.sent)
        return self

    def ask(self, command: str) -> str:
        """The board's answer to a tagged command."""
        self.board.console.typed += f"@7 {command}\n".encode()
        seen_n = len(self.messages)
        self.run(self.now_s + 0.3)
        return next(m.text for m in self.messages[seen_n:] if isinstance(m, wire.Message) and m.name == "reply")

    def records(self, name: str) -> list[wire.Message]:
        return [m for m in self.messages if isinstance(m, wire.Message) and m.name == name]

    def changes(self) -> list[tuple[float, str, str]]:
        """Every change of an alarm: when, which, to what."""
        return [
            (m.t_ms / 1000, str(alarms.TABLE[m.values["subject_n"]][0]), alarms.STATE_NAMES[m.values["state_n"]])
            for m in self.records("event")
            if m.values["event_n"] == 1
        ]

    def raised(self) -> dict[str, float]:
        """The alarms that were raised, and when first."""
        return {name: t_s for t_s, name, state in reversed(self.changes()) if state == "UNACK"}

    def state(self, name: str) -> str:
        return alarms.STATE_NAMES[self.app.alarms.state[alarms.index_of(name)]]

    def pin(self, name: str) -> int:
        return [level for _, gpio, level in self.world.pins if gpio == GPIO[name]][-1]
