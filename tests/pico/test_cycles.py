"""Cycles counted around a function on the emulated core."""

from loopwatch_host.bench.pico import cycles
from loopwatch_host.bench.pico.machine import Machine
from loopwatch_host.bench.pico.repl import Repl

# ARMv6-M: subs is 1 cycle, a taken branch 2 on the Cortex-M0+ (technical reference manual, table 3-1).
# asm_thumb of MicroPython adds a frame; the difference of two loop lengths is the loop alone.
LOOP = """
@micropython.asm_thumb
def spin(r0):
    label(AGAIN)
    sub(r0, r0, 1)
    cmp(r0, 0)
    bne(AGAIN)
"""
LOOP_CYCLES_N = 1 + 1 + 2


def test_cycles_of_a_known_loop_are_counted(repl: Repl, machine: Machine) -> None:
    short = cycles.count(repl, machine, "spin(100)", LOOP)
    long = cycles.count(repl, machine, "spin(1100)", LOOP)
    assert long[0] - short[0] == 1000 * LOOP_CYCLES_N


def test_a_count_repeats_exactly_and_an_empty_statement_costs_nothing(repl: Repl, machine: Machine) -> None:
    counts = cycles.count(repl, machine, "x = a * b", "a = 123\nb = 456", runs=5)
    assert len(counts) == 5
    assert len(set(counts)) == 1
    assert cycles.count(repl, machine, "pass") == [0, 0, 0]


def test_sleeping_is_not_counted(repl: Repl, machine: Machine) -> None:
    counts = cycles.count(repl, machine, "time.sleep_ms(50)", "import time")
    assert all(cycles.microseconds(n) < 5_000 for n in counts)


def test_cycles_are_eight_nanoseconds(repl: Repl, machine: Machine) -> None:
    repl.exec(LOOP)
    program = "import time\nt = time.ticks_us()\nspin(100000)\nprint(time.ticks_diff(time.ticks_us(), t))"
    took_us = int(repl.exec(program, limit_us=1_000_000))
    assert abs(took_us - cycles.microseconds(100_000 * LOOP_CYCLES_N)) < 100
