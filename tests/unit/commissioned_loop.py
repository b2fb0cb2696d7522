"""The configuration that commissioning makes of three quiet days of the reference loop: once for a run of tests."""

from __future__ import annotations

import fcntl
from functools import cache
from pathlib import Path

import numpy as np

from loopwatch.config import Config, decode
from loopwatch_host.commission import commission, log
from loopwatch_host.evaluate import family, journey

DAYS = 3
SEED = 5


_shared: list[Path] = []


def shared_folder() -> Path:
    """The folder that config() was given."""
    return _shared[0]


@cache
def config(shared: Path) -> Config:
    """As it would be on the board. shared: a folder of all processes of the run; the first one makes it for all."""
    _shared.append(shared)
    made = shared / "commissioned_loop"
    with (shared / "commissioned_loop.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            made.write_bytes(_content())
    return decode(made.read_bytes())


def words_of(config: Config) -> list[int]:
    """What Config takes as words."""
    return [int(word) for part in (config.residual, config.bank, config.burst, config.estimate) for word in part]


def _content() -> bytes:
    member = family.default(SEED)
    way = journey.drawn(member, DAYS)
    x = journey.log(journey.begun(member, way), way, 0, len(way.inputs))
    fitted = log.Log(x, np.arange(len(x)), (1, 2, 3, 4), 0)
    return bytes(commission.commissioned(fitted, 2000, 150).config.content())
