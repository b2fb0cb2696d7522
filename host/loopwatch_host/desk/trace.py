"""The last hour as a strip chart keeps it: one row a second, gaps left open.

A value that was not there and a second that never came both end the line. Times are seconds on the loop's own time
line (loop.Loop.now_s). Memory is bounded by capacity_n rows.
"""

from collections import deque
from collections.abc import Sequence

GAP_S = 2.5  # rows come every second; later than that, one is missing

Run = tuple[list[float], list[float]]


class Trace:
    """Columns of values over time, the oldest given up when full."""

    def __init__(self, column_n: int, capacity_n: int) -> None:
        self._rows: deque[tuple[float, tuple[float | None, ...]]] = deque(maxlen=capacity_n)
        self._column_n = column_n

    def add(self, at_s: float, values: Sequence[float | None]) -> None:
        """Append a row; None is a value that was not there. A time before the last row's is not taken."""
        if not self._rows or at_s > self._rows[-1][0]:
            self._rows.append((at_s, tuple(values)))

    def __len__(self) -> int:
        return len(self._rows)

    def runs(self, column: int, from_s: float, to_s: float) -> list[Run]:
        """The unbroken pieces of one column between two times, each as times and values."""
        runs: list[Run] = []
        previous_s: float | None = None
        for at_s, values in self._rows:
            if not from_s <= at_s <= to_s:
                continue
            value = values[column]
            if value is None:
                previous_s = None
                continue
            if previous_s is None or at_s - previous_s > GAP_S:
                runs.append(([], []))
            runs[-1][0].append(at_s)
            runs[-1][1].append(value)
            previous_s = at_s
        return runs
