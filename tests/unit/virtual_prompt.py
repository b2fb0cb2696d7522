"""The prompt of an emulated board in virtual time: what mpremote does on a port, without a port or a wall clock."""

from __future__ import annotations

from collections.abc import Callable

from loopwatch_host.bench.pico.machine import Machine
from loopwatch_host.bench.pico.repl import BoardError, Repl
from loopwatch_host.flash.prompt import FlashError

_SOFT_RESET = b"\x04"
_RAW_PROMPT = b"raw REPL; CTRL-B to exit\r\n>"
_LIMIT_US = 30_000_000


class VirtualPrompt:
    """A board's prompt; programs_n counts what was run. before is called ahead of each with its number and text."""

    def __init__(self, machine: Machine, before: Callable[[int, str], object] = lambda n, program: None) -> None:
        self.programs_n = 0
        self._machine = machine
        self._before = before
        self._repl = Repl(machine)
        self._repl.enter()
        machine.host.send(_SOFT_RESET)
        self._repl.wait_for(_RAW_PROMPT, _LIMIT_US)

    def run(self, program: str) -> str:
        self._before(self.programs_n, program)
        self.programs_n += 1
        try:
            return self._repl.exec(program, limit_us=_LIMIT_US)
        except BoardError as error:
            raise FlashError(str(error)) from None
