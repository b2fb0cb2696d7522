"""What the log costs on this laptop: how fast it is written, and how fast a day of a board at 10 Hz opens."""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..desk import history
from ..messages import Record, Started
from .importing import Session, write
from .schema import FIELDS
from .writer import Store

DAY_S = 86_400
WRITTEN_N = 20_000
BEGUN_S = 1_700_000_000.0
BOARD_ID = "e661000000000000"
POINTS_N = 1500


@dataclass(frozen=True)
class StoreFigures:
    """CPU seconds of a chart over a day, an hour and ten minutes of it; records a CPU second; MB of the day."""

    day_opens_s: float
    hour_opens_s: float
    ten_minutes_open_s: float
    store_records_per_s: float
    day_mb: float


def measure() -> StoreFigures:
    """Write and read logs in a folder of their own; takes about ten seconds."""
    with tempfile.TemporaryDirectory(prefix="loopwatch-bench-") as folder:
        day = Path(folder) / "day.db"
        boot = dict.fromkeys(("board_id", "firmware", "protocol_n", "reset_cause_n", "config_crc", "not_monitoring_n"))
        boots = {1: {**boot, "board_id": BOARD_ID, "started_s": BEGUN_S, "heard": 1}}
        tables = {"sample": _rows("sample", 100), "mean": _rows("mean", 1000), "decision": _rows("decision", 1000)}
        write(day, Session("bench", BEGUN_S, None, boots, []), tables)
        opens_s = []
        for span_s in (DAY_S, 3600, 600):
            begun_s = time.process_time()
            read = history.read(day, BOARD_ID, BEGUN_S + DAY_S - span_s, BEGUN_S + DAY_S, POINTS_N)
            opens_s.append(round(time.process_time() - begun_s, 4))
            assert len(read["measured"]["t"]) > 100
        rate = _written_per_s(Path(folder) / "written.db")
        return StoreFigures(opens_s[0], opens_s[1], opens_s[2], rate, round(day.stat().st_size / 1e6, 1))


def _rows(name: str, every_ms: int) -> Iterator[tuple[Any, ...]]:
    """A day of one kind, with values of a length that real ones have."""
    fields = len(FIELDS[name])
    for n in range(DAY_S * 1000 // every_ms):
        t_ms = every_ms * n
        yield (t_ms, BEGUN_S + t_ms / 1000, t_ms, 1, n, *(150_000 + n % 97 for _ in range(fields)))


def _written_per_s(path: Path) -> float:
    values: dict[str, int | None] = dict.fromkeys(FIELDS["sample"], 150_000)
    begun_s = time.process_time()
    with Store(path, "bench", BEGUN_S) as kept:
        kept.add(Started(1, None, BEGUN_S))
        for n in range(WRITTEN_N):
            kept.add(Record("sample", n, 1, 100 * n, BEGUN_S + n / 10, values))
    return round(WRITTEN_N / (time.process_time() - begun_s))
