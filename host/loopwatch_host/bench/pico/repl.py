"""MicroPython's raw REPL on an emulated board, in virtual time.

exec() sends a program over the USB console and lets the board live until it has ended. No thread, no wall
clock: a time limit is virtual too. The protocol is that of MicroPython's reference manual, "The MicroPython
Interactive Interpreter Mode", raw mode.
"""

from __future__ import annotations

from collections.abc import Callable

from .machine import Machine

_INTERRUPT = b"\r\x03\x03"
_RAW = b"\r\x01"
_END = b"\x04"
_PROMPT = b"raw REPL; CTRL-B to exit\r\n>"
_STEP_US = 500
_BOOT_US = 3_000_000


class BoardError(Exception):
    """The program ended with this traceback on the board."""


class Repl:
    """The console of a machine, taken over; everything it prints is also kept in `console`.

    Takes the machine's host.on_data for itself.
    """

    def __init__(self, machine: Machine) -> None:
        self.console = bytearray()
        self._machine = machine
        self._fresh = bytearray()
        self._raw = False
        machine.host.on_data = self._received

    @property
    def now_us(self) -> int:
        """Time of the bench's clock."""
        return self._machine.now_us

    def wait(self, until: Callable[[], bool], limit_us: int, about: str = "the board") -> None:
        """Let the board live until the condition holds; TimeoutError after limit_us of virtual time."""
        end_us = self._machine.now_us + limit_us
        while not until():
            if self._machine.now_us >= end_us:
                tail = bytes(self.console[-200:])
                raise TimeoutError(f"{about}: nothing within {limit_us} us of virtual time; the console ends {tail!r}")
            self._machine.run_until(min(end_us, self._machine.now_us + _STEP_US))

    def wait_for(self, text: bytes, limit_us: int) -> bytes:
        """Let the board live until it has printed this; returns what came up to its end."""
        self.wait(lambda: text in self._fresh, limit_us, f"waiting for {text!r}")
        at = self._fresh.index(text) + len(text)
        answer = bytes(self._fresh[:at])
        del self._fresh[:at]
        return answer

    def enter(self) -> None:
        """Interrupt what runs and enter the raw REPL."""
        self.wait(lambda: self._machine.host.configured, _BOOT_US, "USB")
        self._fresh.clear()
        self._machine.host.send(_INTERRUPT + _RAW)
        self.wait_for(_PROMPT, _BOOT_US)
        self._raw = True

    def exec(self, program: str, limit_us: int = 2_000_000) -> str:
        """Run a program and return what it printed; BoardError with the traceback, TimeoutError after limit_us."""
        if not self._raw:
            self.enter()
        self.start(program)
        printed = self.wait_for(_END, limit_us)[:-1]
        error = self.wait_for(_END, limit_us)[:-1]
        self.wait_for(b">", limit_us)
        if error:
            raise BoardError(error.decode(errors="replace"))
        return printed.decode(errors="replace").replace("\r\n", "\n")

    def start(self, program: str, limit_us: int = 2_000_000) -> None:
        """Send a program and return when it has begun to run."""
        if not self._raw:
            self.enter()
        # An end mark alone would be a soft reset.
        self._machine.host.send((program or "pass").encode() + _END)
        self.wait_for(b"OK", limit_us)

    def left(self) -> None:
        """The board has been reset: the next exec() enters the raw REPL anew."""
        self._raw = False
        self._fresh.clear()

    def _received(self, data: bytes, t_us: int) -> None:
        self.console += data
        self._fresh += data
