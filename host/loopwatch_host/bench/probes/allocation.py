"""A MicroPython program: how many bytes of heap the watch takes in steady state.

Runs the whole firmware, without its own garbage collection, and prints one line
`allocated <bytes> in <cycles>`: 10 Hz cycles with the means, decisions, heartbeats and lines that go with them.
"""

import gc

from loopwatch import app
from loopwatch.boards.pico import Board
from loopwatch.config import Config
from loopwatch.port import sleep_ms, ticks_diff, ticks_ms

WARM_UP_N = 300
CYCLE_N = 100


def run(watch, cycle_n: int) -> None:
    """Run whole cycles as App.run does."""
    last_seq = watch.sampler.sample.seq
    done_n = 0
    while done_n < cycle_n:
        due_ms = watch.step(ticks_ms())
        wait_ms = ticks_diff(due_ms, ticks_ms())
        if wait_ms > 0:
            sleep_ms(wait_ms)
        if watch.sampler.sample.seq != last_seq:
            last_seq = watch.sampler.sample.seq
            done_n += 1


def measure() -> int:
    """Bytes taken by CYCLE_N cycles; nothing is freed meanwhile."""
    watch = app.App(Board(), Config())
    watch.start(ticks_ms())
    run(watch, WARM_UP_N)
    gc.collect()
    gc.disable()
    before_n = gc.mem_alloc()
    run(watch, CYCLE_N)
    after_n = gc.mem_alloc()
    gc.enable()
    return after_n - before_n


# The firmware's own collection would hide what was taken.
app.collect = lambda: None
print("allocated", measure(), "in", CYCLE_N)
