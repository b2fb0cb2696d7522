"""Core cycles of a piece of firmware, counted on the emulated board.

The program raises a spare pin before what is measured and lowers it after; the core's own cycle counter
is read at both edges. Counts repeat exactly. A cycle is 8 ns at 125 MHz; sleeping is not counted. Flash is as
fast as RAM here, so a real board is slower by its cache misses.
"""

from __future__ import annotations

from .machine import CYCLE_NS, Machine
from .repl import Repl

PROBE_GPIO = 22


class Probe:
    """Cycles between the rising and the falling edge of a pin, in spans_n."""

    def __init__(self, machine: Machine, gpio: int = PROBE_GPIO) -> None:
        self.spans_n: list[int] = []
        self._machine = machine
        self._rose_at: int | None = None
        self._end = machine.watch_pin(gpio, self._edge)

    def close(self) -> None:
        """Stop watching the pin."""
        self._end()

    def _edge(self, level: int) -> None:
        if level:
            self._rose_at = self._machine.cycles_n
        elif self._rose_at is not None:
            self.spans_n.append(self._machine.cycles_n - self._rose_at)
            self._rose_at = None


def count(repl: Repl, machine: Machine, statement: str, setup: str = "", runs: int = 3) -> list[int]:
    """Cycles of one Python statement on the board, run by run, less those of the pin itself.

    The statement runs inside a function, after setup at module level, with the heap collected before.
    """
    repl.exec(setup)
    program = (
        "import gc\nfrom machine import Pin\n"
        f"_probe = Pin({PROBE_GPIO}, Pin.OUT, value=0)\n"
        "def _measured():\n    _probe(1)\n    {}\n    _probe(0)\n"
        f"for _ in range({runs + 1}):\n    gc.collect()\n    _measured()\n"
    )
    probe = Probe(machine)
    try:
        repl.exec(program.format("pass"))
        pin_n = probe.spans_n[-1]
        probe.spans_n.clear()
        repl.exec(program.format(statement), limit_us=60_000_000)
    finally:
        probe.close()
    return [span - pin_n for span in probe.spans_n[1:]]


def microseconds(cycles: int) -> float:
    """How long this many cycles take at 125 MHz."""
    return cycles * CYCLE_NS / 1000
