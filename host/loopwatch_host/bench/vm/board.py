"""A virtual board in lock-step: its program, its watchdog and its pins, on virtual time.

The program is always in one of these states:

    state      left by                                      to
    running    its next request, heard                      asking
    running    no request for hang_s                        still (hung)
    asking     the request's time has come                  waiting, or still after the end of main.py
    waiting    the answer's time has come                   running
    any        watchdog, reset, power                       running, from the start

While it runs the bench waits on the wall clock, so virtual time moves only in the other states, from event to event.
Of two events at one moment the program's comes before the watchdog's.
"""

from __future__ import annotations

import errno
from collections.abc import Callable

from ..target import Reset, Surroundings, TargetError
from . import protocol
from .console import Console
from .process import MICROPYTHON_PACKAGE, Process
from .protocol import Request
from .shims import _requests as code

BOOT_US = 15_000  # reset to the first line of main.py, on the emulated Pico
LAST_WORDS_S = 2.0
LOOK_EVERY_US = 1_000
FOR_EVER_US = 1 << 62
MICROPYTHON_MIN = 124  # major * 100 + minor

# RP2040 datasheet 4.7.6, REASON of the watchdog, by target.Reset.cause.
REASONS = {"power": 0, "watchdog": 1, "hang": 1, "software": 2}

SDA_GPIO = 4
SCL_GPIO = 5

CTRL_C = b"\x03"
CTRL_D = b"\x04"

Event = tuple[int, Callable[[], None]]


class Board:
    """Runs what launch() starts. resets and main_end_us tell what became of it."""

    def __init__(
        self, world: Surroundings, console: Console, launch: Callable[[], Process], hang_s: float, board_id: bytes
    ) -> None:
        self.now_us = 0
        self.resets: list[Reset] = []
        self.main_end_us: list[int] = []
        self._world = world
        self._console = console
        self._launch = launch
        self._hang_s = hang_s
        self._board_id = board_id
        self._reason_bits = REASONS["power"]
        self._reset_us = 0
        self._watchdog_timeout_us = 0
        self._watchdog_us: int | None = None
        self._outputs: set[int] = set()
        self._bus_timeout_us = 0
        self._powered = True
        self._power_up()

    def _power_up(self) -> None:
        self._powered = True
        self._process: Process | None = self._launch()
        self._hung = False
        self._asked: list[Request] = []
        self._waiting: Request | None = None
        self._wake_us = 0
        self._result = 0
        self._data = b""
        self._interrupted = False
        self._bus_wired = False

    def stop(self) -> None:
        """End the program."""
        if self._process is not None:
            self._process.stop()
        self._process = None
        self._asked = []
        self._waiting = None

    def restart(self, cause: str) -> None:
        """Reset the board now, see target.Reset; after "soft" only the interpreter starts afresh."""
        self.stop()
        self.resets.append(Reset(self.now_us / 1e6, cause))
        self._console.reset()
        if cause != "soft":
            self._reason_bits = REASONS[cause]
            self._reset_us = self.now_us
            self._let_go()
        self._power_up()

    def power_off(self) -> None:
        """Cut the power; restart("power") gives it back."""
        self.stop()
        self._powered = False
        self._console.reset()
        self._let_go()

    def _let_go(self) -> None:
        """The chip in reset: no watchdog, no pin driven."""
        self._watchdog_us = None
        for gpio in sorted(self._outputs):
            self._world.pin_write(gpio, 0, self.now_us)
        self._outputs.clear()

    def run_to(self, t_us: int) -> None:
        """Run until virtual time t_us, and hand over what was written until then."""
        self._console.hear(self.now_us)
        while True:
            self._listen()
            event_us, happen = min(self._events(), key=lambda event: event[0], default=(FOR_EVER_US, self.stop))
            if event_us > t_us:
                break
            self._pass_to(event_us)
            happen()
        self._pass_to(t_us)
        self._console.take(b"")

    def _pass_to(self, t_us: int) -> None:
        self.now_us = max(self.now_us, t_us)
        self._world.advance(self.now_us)

    def _listen(self) -> None:
        """Wait, while the program runs, for what it asks next."""
        process = self._process
        if process is None or self._asked or self._waiting is not None:
            return
        if not self._hung:
            self._asked = process.requests(self._hang_s)
            self._hung = not self._asked or self._asked[-1].posted
        if self._hung and not self._asked and self._watchdog_us is None:
            words = process.interrupted_output(LAST_WORDS_S).decode("utf-8", "replace").strip()
            raise TargetError(
                f"the firmware hangs at {self.now_us / 1e6:.3f} s: for {self._hang_s:g} s it has neither slept nor "
                "used the bus, the pins or the clock, and no watchdog runs that would restart it. "
                f"Interrupted, it says: {words or 'nothing'}"
            )

    def _events(self) -> list[Event]:
        """What may happen next, and when; first in the list is first to happen among equals."""
        events: list[Event] = []
        waiting = self._waiting
        if self._asked:
            events.append((self._reset_us + self._asked[0].t_us, self._begin))
        if waiting is not None:
            events.append((self._wake_us, self._answer))
            if waiting.code == code.POLL and waiting.b & code.WANTS_OUTPUT:
                events.append((self.now_us + LOOK_EVERY_US, self._look))
        input_us = self._console.next_input_us()
        if input_us is not None and (waiting is not None or self._process is None):
            events.append((input_us, self._take_input))
        if self._watchdog_us is not None:
            events.append((self._watchdog_us, self._bite))
        return events

    def _bite(self) -> None:
        if self._process is not None and self._hung:
            self._console.take(self._process.output())
        self.restart("hang" if self._hung else "watchdog")

    def _begin(self) -> None:
        """The time of the oldest request has come."""
        request = self._asked[0]
        if request.posted:
            del self._asked[0]
            self._do(request)
            return
        assert self._process is not None
        stall_us = self._console.take(self._process.output())
        if stall_us:
            # The write that stalled was before the request, which therefore comes later than the program knows.
            self._asked[0] = request._replace(t_us=self.now_us - self._reset_us + stall_us)
            return
        self._asked = []
        self._console.hear_now_and_then(self.now_us)
        self._waiting = request
        self._wake_us = FOR_EVER_US
        wait_us = self._serve(request)
        if self._waiting is request:
            self._wake_us = min(self._wake_us, self.now_us + wait_us)
            self._take_input()
            if request.code == code.POLL and request.b & code.WANTS_OUTPUT and self._console.writable:
                self._wake_us = min(self._wake_us, self.now_us + code.CALL_US)

    def _do(self, request: Request) -> None:
        """Carry out a posted request."""
        if request.code == code.PIN_WRITE:
            self._world.pin_write(request.a, request.b, self.now_us)
        elif request.code == code.WATCHDOG_FEED:
            if self._watchdog_us is not None:
                self._watchdog_us = self.now_us + self._watchdog_timeout_us
        elif request.code == code.WATCHDOG_START:
            self._watchdog_timeout_us = request.a
            self._watchdog_us = self.now_us + request.a
        elif request.code == code.WATCHDOG_STOP:
            self._watchdog_us = None
        elif request.code == code.I2C_WIRE:
            self._bus_wired = (request.a, request.b) == (SDA_GPIO, SCL_GPIO)
            self._bus_timeout_us = request.d
        elif request.code == code.PIN_MODE:
            if request.b:
                self._outputs.add(request.a)
            elif request.a in self._outputs:
                self._outputs.discard(request.a)
                self._world.pin_write(request.a, 0, self.now_us)

    def _serve(self, request: Request) -> int:
        """Carry out a request that is answered; returns when that is due, in µs from now."""
        self._result = 0
        self._data = b""
        if request.code == code.SLEEP:
            return request.a
        if request.code == code.POLL:
            return request.a if request.a >= 0 else FOR_EVER_US
        if request.code in (code.I2C_WRITE, code.I2C_READ):
            return self._transfer(request)
        if request.code == code.PIN_READ:
            self._result = self._world.pin_read(request.a, self.now_us)
        elif request.code == code.HELLO:
            return self._welcome(request.a)
        elif request.code == code.RESET:
            self.restart("software")
        elif request.code == code.SOFT_RESET:
            self.restart("soft")
        elif request.code == code.END:
            self.main_end_us.append(self.now_us)
            self.stop()
        return 0

    def _welcome(self, version_n: int) -> int:
        if version_n < MICROPYTHON_MIN:
            raise TargetError(
                f"the vm target found MicroPython {version_n // 100}.{version_n % 100}, the firmware needs 1.24 or "
                f"newer: `pip install {MICROPYTHON_PACKAGE}` in loopwatch's environment"
            )
        self._result = self._reason_bits
        self._data = self._board_id
        return BOOT_US

    def _transfer(self, request: Request) -> int:
        """A transfer on the bus; returns how long it takes on the wire, in µs."""
        if not self._bus_wired:
            self._result = errno.EIO
            return code.CALL_US
        bus = self._world.bus
        if bus.stuck:
            self._result = errno.ETIMEDOUT
            return self._bus_timeout_us
        memory = request.c.to_bytes(request.d, "big")
        if request.code == code.I2C_WRITE:
            good, wire_us = bus.write(request.a, memory + request.data, self.now_us)
        else:
            if memory:
                data, wire_us = bus.write_then_read(request.a, memory, request.b, self.now_us)
            else:
                data, wire_us = bus.read(request.a, request.b, self.now_us)
            good = data is not None
            self._data = data or b""
        if not good:
            self._result = errno.EIO
        return wire_us

    def _answer(self) -> None:
        """The time of the answer has come: the program runs on."""
        assert self._process is not None
        assert self._waiting is not None
        flags = code.FLAG_WRITABLE if self._console.writable else 0
        if self._console.narrow:
            flags |= code.FLAG_NARROW
        if self._interrupted and self._waiting.code in (code.SLEEP, code.POLL, code.SYNC):
            self._interrupted = False
            flags |= code.FLAG_INTERRUPT
        self._waiting = None
        self._process.give(b"")
        self._process.answer(protocol.answer(self.now_us - self._reset_us, flags, self._result, self._data))

    def _look(self) -> None:
        """A program that waits to write may find room."""
        self._console.take(b"")
        if self._console.writable:
            self._wake_us = self.now_us

    def _take_input(self) -> None:
        """Give the program what has come from the laptop."""
        data = self._console.arrived(self.now_us)
        if self._process is None:
            if CTRL_D in data and self._powered:
                self.restart("soft")
            return
        if CTRL_C in data:
            # As on rp2, it also clears what was typed before.
            data = data.rpartition(CTRL_C)[2]
            self._interrupted = True
        self._process.give(data)
        waiting = self._waiting
        if waiting is None:
            return
        woken = waiting.code == code.POLL and waiting.b & code.WANTS_INPUT and data
        if woken or (self._interrupted and waiting.code in (code.SLEEP, code.POLL)):
            self._wake_us = min(self._wake_us, self.now_us + code.CALL_US)
