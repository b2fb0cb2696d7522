"""A recorded log played into the bench: its columns stand in for what the sensors would meet.

A row holds until the next row's time. Nothing is smoothed, resampled or made up: an empty cell keeps the value
before it, after the last row the last one stays. Values are in the sensors' own units, Pa absolute and °C,
after the scale and offset that the scenario gives for each column.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

from ..errors import UsageError

Name = TypeVar("Name", bound=str)


class RecordingError(UsageError):
    """A log that cannot be played; the message says which file and why."""


class ColumnMap(Protocol):
    """Which column a channel comes from: value = cell · scale + offset."""

    @property
    def column(self) -> str:
        """Name in the header line."""

    @property
    def scale(self) -> float:
        """Sensor's unit per unit of the cell."""

    @property
    def offset(self) -> float:
        """Added after scaling, in the sensor's unit."""


class Recording:
    """A log in memory: `at(t_s)` gives the channels' values, t_s from its first row and never going back.

    path: a text table with a header line. time_column: seconds times time_scale_s, or ISO dates.
    columns: by channel. RecordingError when the file, a column or a number is missing, or time runs backwards.
    """

    def __init__(
        self,
        path: Path,
        columns: Mapping[Name, ColumnMap],
        time_column: str,
        separator: str = ",",
        time_scale_s: float = 1.0,
    ) -> None:
        self._times_s: list[float] = []
        self._rows: list[dict[str, float]] = []
        self._place = 0
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                self._load(path, csv.DictReader(file, delimiter=separator), columns, time_column, time_scale_s)
        except OSError as error:
            raise RecordingError(
                f"{path}: cannot be read ({error.strerror}): check the path of the recording"
            ) from None
        except UnicodeDecodeError:
            raise RecordingError(f"{path}: is not text: a recording is a table with a header line") from None
        if not self._rows:
            raise RecordingError(f"{path}: has no rows to play")

    @property
    def duration_s(self) -> float:
        """From the first row to the last."""
        return self._times_s[-1]

    @property
    def row_n(self) -> int:
        """Rows in the log."""
        return len(self._rows)

    def at(self, t_s: float) -> dict[str, float]:
        """Channel values of the row in force at t_s."""
        last = len(self._times_s) - 1
        while self._place < last and self._times_s[self._place + 1] <= t_s:
            self._place += 1
        return self._rows[self._place]

    def _load(
        self,
        path: Path,
        reader: csv.DictReader[str],
        columns: Mapping[Name, ColumnMap],
        time_column: str,
        time_scale_s: float,
    ) -> None:
        known = reader.fieldnames or []
        for column in (time_column, *(source.column for source in columns.values())):
            if column not in known:
                raise RecordingError(f"{path}: has no column {column!r}: it has {', '.join(known) or 'none'}")
        start_s: float | None = None
        values: dict[str, float] = {}
        for row in reader:
            where = f"{path} line {reader.line_num}"
            t_s = _time_s(row[time_column], time_scale_s, where)
            values = {
                channel: _value(row[source.column], source, values.get(channel), f"{where}, {source.column}")
                for channel, source in columns.items()
            }
            if start_s is None:
                start_s = t_s
            if self._times_s and t_s - start_s < self._times_s[-1]:
                raise RecordingError(f"{where}: its time is before the line above: sort the recording by time")
            self._times_s.append(t_s - start_s)
            self._rows.append(values)


def _time_s(cell: str | None, scale_s: float, where: str) -> float:
    try:
        return float(cell or "") * scale_s
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(cell or "").timestamp()
    except ValueError:
        raise RecordingError(f"{where}: {cell!r} is neither a number nor an ISO date and time") from None


def _value(cell: str | None, source: ColumnMap, before: float | None, where: str) -> float:
    try:
        value = float(cell) if cell else math.nan
    except ValueError:
        raise RecordingError(f"{where}: {cell!r} is not a number") from None
    if math.isfinite(value):
        return value * source.scale + source.offset
    if before is None:
        raise RecordingError(f"{where}: is empty in the first row, so that there is nothing to begin with")
    return before
