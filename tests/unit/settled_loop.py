"""A commissioned board on the reference loop, after six hours of watching it: once for a run of tests.

Everything is run, ten samples a second through registers, drivers and kernels, which takes a minute.
"""

from __future__ import annotations

import fcntl
import pickle
from functools import cache

import commissioned_loop
from firmware_on_bench import Bench

from loopwatch import bank
from loopwatch.config import Config

CALM_S = 100  # after all groups of the bank judge


@cache
def bench(config: Config, seed: int) -> Bench:
    """The board, to be copied. The first process of a run makes it for all; config is that of commissioned_loop."""
    made = commissioned_loop.shared_folder() / f"settled_loop_{seed}"
    with made.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            board = Bench(commissioned=config, seed=seed).run(bank.SETTLED_S + CALM_S).forget()
            made.write_bytes(pickle.dumps(board.packed()))
    return Bench.unpacked(pickle.loads(made.read_bytes()))
