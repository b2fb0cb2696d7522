"""What the firmware and the bench cost, measured in one run on this machine.

Ratios and counts rather than times where it can be had: virtual seconds a wall second, bytes a cycle. The result names
the machine and the date; DESIGN's budgets stand beside the figures that have one.
"""

import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import serial

from .bench import probes
from .bench.pico import figures, uf2
from .bench.pico.target import firmware_flash
from .bench.runner import run_scenario
from .bench.scenario import load_scenario
from .bench.target import TargetError, VirtualTarget
from .bench.vm import VmTarget
from .bench.world import World
from .store import figures as store_figures
from .stream import HOST_VERSION

SPEED_SCENARIO = "demo"
SPEED_RUN_N = 3
PROBE_SCENARIO = "quiet"
PROBE_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Budget:
    """A figure's limit: at least or at most."""

    limit: float
    at_least: bool

    def met(self, figure: float) -> bool:
        """Whether the figure keeps it."""
        return figure >= self.limit if self.at_least else figure <= self.limit

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}"


# Section and name of a figure, and its budget (DESIGN, section 11).
BUDGETS = {
    ("vm", "speed_ratio"): Budget(20, at_least=True),
    ("vm", "alloc_bytes_per_sample"): Budget(0, at_least=False),
    ("board", "alloc_bytes_per_sample"): Budget(0, at_least=False),
    ("board", "sample_cpu_us"): Budget(5_000, at_least=False),
    ("board", "detector_step_us"): Budget(1_000, at_least=False),
    ("board", "heap_free_bytes"): Budget(100 * 1024, at_least=True),
    ("board", "boot_to_sample_ms"): Budget(2_000, at_least=False),
    ("board", "alarm_latency_ms"): Budget(200, at_least=False),
    ("board", "late_n"): Budget(0, at_least=False),
    ("twin", "samples_per_s"): Budget(10_000_000, at_least=True),
    ("host", "day_opens_s"): Budget(1, at_least=False),
}

# Figures shown without a budget: what they mean is in bench.pico.figures.
UNBOUND = (
    ("board", "sample_bus_us"),
    ("board", "sample_cpu_commissioned_us"),
    ("board", "heap_free_commissioned_bytes"),
    ("board", "jitter_p50_us"),
    ("board", "jitter_p99_us"),
    ("board", "jitter_max_us"),
    ("host", "hour_opens_s"),
    ("host", "ten_minutes_open_s"),
    ("host", "store_records_per_s"),
    ("host", "day_mb"),
)


def measure(progress: Callable[[float, float], None] | None = None) -> dict[str, Any]:
    """Run every measurement; returns the document of `loopwatch bench --json`.

    progress(done, of) is called in steps. Raises NoBoard without MicroPython, TargetError when a run breaks off.
    Where MicroPython's image for the Pico is not to be had, `board` is {"skipped": why}.
    """
    steps_n = SPEED_RUN_N + 4

    def done(step: int) -> None:
        if progress:
            progress(step, steps_n)

    done(0)
    ratios = []
    for run in range(SPEED_RUN_N):
        result = run_scenario(SPEED_SCENARIO, "vm")
        ratios.append(result.virtual_s / result.wall_s)
        done(run + 1)
    allocated = allocated_bytes_per_sample()
    done(SPEED_RUN_N + 1)
    board = board_figures()
    done(SPEED_RUN_N + 2)
    # The compiler takes a second to load, which only this command pays.
    from .evaluate import speed

    twin = asdict(speed.measure())
    done(steps_n - 1)
    host = asdict(store_figures.measure())
    done(steps_n)
    return {
        "version": HOST_VERSION,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "cores": os.cpu_count(),
            "python": platform.python_version(),
        },
        "vm": {"speed_ratio": round(statistics.median(ratios), 1), "alloc_bytes_per_sample": allocated},
        "board": board,
        "twin": twin,
        "host": host,
        "budgets": {f"{section} {name}": str(budget) for (section, name), budget in BUDGETS.items()},
    }


def board_figures() -> dict[str, Any]:
    """The firmware on the emulated Pico, or why it could not be had."""
    try:
        flash = firmware_flash()
    except uf2.Uf2Unavailable as error:
        return {"skipped": str(error)}
    return asdict(figures.measure(flash, lambda: World(load_scenario(PROBE_SCENARIO))))


def allocated_bytes_per_sample() -> float:
    """Heap bytes that the whole firmware takes per 10 Hz sample in steady state, on the real VM."""
    main = Path(probes.__file__).with_name("allocation.py")
    with VmTarget(World(load_scenario(PROBE_SCENARIO)), main=main) as target:
        words = probe_line(target, "allocated").split()
    return int(words[1]) / int(words[3])


def probe_line(target: VirtualTarget, word: str) -> str:
    """The first line beginning with word that a probe prints on the target. Raises TargetError without one."""
    got = bytearray()
    wall_end_s = time.monotonic() + PROBE_TIMEOUT_S
    with serial.Serial(target.port, timeout=0.5) as port:
        while target.now_s < PROBE_TIMEOUT_S and time.monotonic() < wall_end_s:
            target.advance_to(target.now_s + 1)
            while len(got) < target.delivered_n and time.monotonic() < wall_end_s:
                got += port.read(target.delivered_n - len(got))
            for line in got.decode(errors="replace").splitlines()[:-1]:
                if line.startswith(word):
                    return line
    raise TargetError(f"the probe printed no line {word!r}; last came: {bytes(got[-200:]).decode(errors='replace')}")
