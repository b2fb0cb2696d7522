"""A loop's log as the desk reads it: CSV or Parquet in, the channels second by second out.

Columns are those of the sample CSV: t_ms and the channels that are fitted, in their units; a column without any value
is a channel that is not fitted. At 1 Hz a row is a second; faster logs are brought to seconds as the board does it (of
ten pressures the middle six, of temperatures the latest). Whatever can't be meant is refused with the file, the line
and what to do; LogError.

Nobody knows what happened in a time without a row: one longer than LONGEST_GAP_S parts the log, and nothing that is
made from it goes across.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from pathlib import Path
from typing import TextIO

import numpy as np
import numpy.typing as npt

from loopwatch.sample import CHANNELS, P_PUMP, P_STATIC, T_DOME, T_RADIATOR, T_SOURCE

from ..errors import UsageError
from .fit import ABSENT, SKIP_S, Ints, Spans

BLOCK_N = 200_000
TICKS_MS = 2**30
LONGEST_GAP_S = 600
OWN_START_MS = 1_000  # a log whose times begin before this counts from its own first row
HOLD_S = 60  # a channel without a value keeps its last one for so long
LEAST_PA, MOST_PA = 20_000, 2_000_000
LEAST_MDEGC, MOST_MDEGC = -60_000, 180_000

Floats = npt.NDArray[np.float64]


class LogError(UsageError):
    """A log that can't be used; the message says which, why, and what to do."""


@dataclass(frozen=True)
class Log:
    """Seconds of a loop. x: int32, columns as sample.CHANNELS; second: of each row, from the log's start, rising.

    channels: the columns of p_pump, t_source, t_radiator, t_dome, ABSENT where the log has none. filled_n: values
    that were missing and are the last one before. anew_n: files that count their time anew, so that nobody knows how
    long after the one before they begin.
    """

    x: Ints
    second: npt.NDArray[np.int64]
    channels: tuple[int, int, int, int]
    filled_n: int
    anew_n: int = 0

    @property
    def parts(self) -> Spans:
        """The rows of each part, (first, one beyond the last)."""
        edges = [0, *(np.flatnonzero(np.diff(self.second) - 1 > LONGEST_GAP_S) + 1).tolist(), len(self.second)]
        return list(pairwise(edges))

    def length_s(self, part: tuple[int, int]) -> int:
        """From a part's first row to its last."""
        return int(self.second[part[1] - 1] - self.second[part[0]] + 1)

    @property
    def days(self) -> float:
        """Of all parts together. Every part but the first counts without the hours in which its lags fill."""
        parts = self.parts
        return float(sum(map(self.length_s, parts)) - SKIP_S * (len(parts) - 1)) / 86_400

    def gaps_s(self) -> list[tuple[int, int]]:
        """(second, length) of every gap."""
        steps = np.diff(self.second)
        return [(int(self.second[i]) + 1, int(steps[i]) - 1) for i in np.flatnonzero(steps > 1)]

    def of(self, parts: Spans) -> Log:
        """These parts alone, their seconds as they were; filled_n is still the whole's."""
        if parts == self.parts:
            return self
        rows = np.concatenate([np.arange(*part) for part in parts])
        return replace(self, x=self.x[rows], second=self.second[rows])


def read(paths: list[Path]) -> Log:
    """The log of one loop from one or more files, in the order given."""
    if not paths:
        raise LogError("no log given: name at least one .csv or .parquet file")
    parts = [_fitted(path, *_table(path)) for path in paths]
    names = parts[0][0]
    for path, (other, _) in zip(paths, parts, strict=True):
        if other != names:
            raise LogError(
                f"{path}: has values of {', '.join(other)}, the first log of {', '.join(names)}: give logs alike"
            )
    t_ms, anew_n = _joined(paths, [rows[:, 0] for _, rows in parts])
    log = _seconds(paths[0], names, t_ms, np.concatenate([rows for _, rows in parts]))
    return replace(log, anew_n=anew_n)


def _joined(paths: list[Path], of_files: list[Floats]) -> tuple[Floats, int]:
    """The times of all files as one, and how many files count theirs anew: those begin a part of their own."""
    found: list[Floats] = []
    anew_n = 0
    for i, path in enumerate(paths):
        t_ms = _rising(path, of_files[i])
        if found and t_ms[0] <= found[-1][-1]:
            if t_ms[0] >= OWN_START_MS:
                raise LogError(f"{path}: begins before {paths[i - 1]} ends: give the logs in the order of their time")
            t_ms = t_ms - t_ms[0] + found[-1][-1] + 1000 * (LONGEST_GAP_S + 2)
            anew_n += 1
        found.append(t_ms)
    return np.concatenate(found), anew_n


def of_table(path: Path, names: list[str], rows: Floats) -> Log:
    """The log of a table that is in memory already, columns names, nan for no value; path names it in errors."""
    names, rows = _fitted(path, names, rows)
    return _seconds(path, names, _rising(path, rows[:, 0]), rows)


def _table(path: Path) -> tuple[list[str], Floats]:
    """Names of the known columns, t_ms first, and their numbers; nan where a cell is empty."""
    if path.suffix == ".parquet":
        return _parquet(path)
    if path.suffix != ".csv":
        raise LogError(f"{path}: is neither .csv nor .parquet: a log is told by its suffix")
    try:
        with path.open(encoding="utf-8-sig") as file:
            return _csv(path, file)
    except OSError as error:
        raise LogError(f"{path}: cannot be read ({error.strerror}): check the path of the log") from None
    except UnicodeDecodeError:
        raise LogError(f"{path}: is not text: a .csv log is a table with a header line") from None


def _fitted(path: Path, names: list[str], rows: Floats) -> tuple[list[str], Floats]:
    """The table without the columns that have no value at all: those channels are not fitted."""
    empty = [bool(np.isnan(rows[:, column]).all()) for column in range(len(names))]
    if not any(empty[1:]):
        return names, rows
    told = [name for name, nothing in zip(names, empty, strict=True) if nothing]
    left = [i for i, nothing in enumerate(empty) if not nothing or i == 0]
    names = [names[i] for i in left]
    _check_watchable(path, names, f" ({', '.join(told)}: no value in any row)")
    return names, rows[:, left]


def _known(path: Path, header: list[str]) -> list[str]:
    if "t_ms" not in header:
        raise LogError(
            f"{path}: has no column t_ms but {', '.join(header[:8]) or 'nothing'}: the first line names columns"
        )
    names = ["t_ms", *[name for name in CHANNELS if name in header]]
    if len(set(header)) < len(header):
        raise LogError(f"{path}: names a column twice: every column needs a name of its own")
    _check_watchable(path, names)
    return names


def _check_watchable(path: Path, names: list[str], why: str = "") -> None:
    """Refuse a log that lacks the channels without which nothing can be watched."""
    if CHANNELS[P_STATIC] not in names:
        raise LogError(f"{path}: has no p_static_pa{why}: without the vessel's pressure there is nothing to watch")
    if not any(CHANNELS[c] in names for c in (T_SOURCE, T_RADIATOR, T_DOME)):
        raise LogError(
            f"{path}: has no temperature{why}: one of t_source_mdegc, t_radiator_mdegc, t_dome_mdegc is needed"
        )


def _csv(path: Path, file: TextIO) -> tuple[list[str], Floats]:
    header = [name.strip() for name in file.readline().rstrip("\r\n").split(",")]
    if header == [""]:
        raise LogError(f"{path}: is empty: a log is a header line and a row a second")
    names = _known(path, header)
    places = [header.index(name) for name in names]
    blocks = list(_blocks(path, file, len(header), places))
    if not blocks:
        raise LogError(f"{path}: has a header and no rows: nothing was logged")
    return names, np.concatenate(blocks)


def _blocks(path: Path, file: TextIO, column_n: int, places: list[int]) -> Iterator[Floats]:
    line_n = 1
    while lines := list(islice(file, BLOCK_N)):
        try:
            block = np.loadtxt([_filled(line) for line in lines], delimiter=",", ndmin=2, comments=None)
            if block.shape[1] != column_n:
                raise ValueError
        except ValueError:
            _say_where(path, lines, line_n, column_n)
        yield block[:, places]
        line_n += len(lines)


def _filled(line: str) -> str:
    """The line with nan in its empty cells."""
    line = line.rstrip("\r\n")
    if ",," in line or line.startswith(",") or line.endswith(",") or ", " in line:
        return ",".join(cell.strip() or "nan" for cell in line.split(","))
    return line


def _say_where(path: Path, lines: list[str], line_n: int, column_n: int) -> None:
    for i, line in enumerate(lines, line_n + 1):
        cells = line.rstrip("\r\n").split(",")
        if len(cells) != column_n:
            raise LogError(
                f"{path} line {i}: has {len(cells)} cells, the header {column_n}: the line is cut or damaged"
            )
        for cell in cells:
            try:
                float(cell.strip() or "nan")
            except ValueError:
                raise LogError(f"{path} line {i}: {cell.strip()!r} is not a number") from None
    raise LogError(f"{path}: cannot be read as a table of numbers")


def _parquet(path: Path) -> tuple[list[str], Floats]:
    # A tenth of a second that only Parquet costs.
    import pyarrow.parquet as parquet

    try:
        table = parquet.read_table(path)
    except (OSError, ValueError) as error:
        raise LogError(f"{path}: is not a Parquet file that can be read ({error})") from None
    names = _known(path, table.column_names)
    columns = [table.column(name).to_numpy(zero_copy_only=False).astype(np.float64) for name in names]
    if not len(columns[0]):
        raise LogError(f"{path}: has no rows: nothing was logged")
    return names, np.column_stack(columns)


def _rising(path: Path, t_ms: Floats) -> Floats:
    """The times without the wraps of the board's counter; they must rise."""
    if not np.isfinite(t_ms).all():
        line = int(np.flatnonzero(~np.isfinite(t_ms))[0]) + 2
        raise LogError(f"{path} line {line}: has no time: every row needs its t_ms")
    steps = np.diff(t_ms)
    wraps = steps < -TICKS_MS / 2
    t_ms = t_ms + np.concatenate(([0.0], np.cumsum(wraps))) * TICKS_MS
    back = np.flatnonzero(np.diff(t_ms) <= 0)
    if len(back):
        raise LogError(f"{path} line {int(back[0]) + 3}: its time is not after the line above: sort the log by t_ms")
    if len(t_ms) > 10:
        middle_ms = float(np.median(np.diff(t_ms)))
        if middle_ms < 15 or middle_ms > 1_500:
            raise LogError(
                f"{path}: rows are {middle_ms:g} ms apart by t_ms: it must be milliseconds, and 1 to 50 rows a second"
            )
    return t_ms


def _seconds(path: Path, names: list[str], t_ms: Floats, rows: Floats) -> Log:
    """Bring the rows to seconds, hold what is missing for a short while, and check the units."""
    of_row = np.round((t_ms - t_ms[0]) / 1000 - (0.0 if np.median(np.diff(t_ms)) > 500 else 0.4999)).astype(np.int64)
    second, begins = np.unique(of_row, return_index=True)
    per_second = np.diff(np.append(begins, len(of_row)))
    x = np.zeros((len(second), len(CHANNELS)))
    for column, name in enumerate(names[1:], 1):
        values = rows[:, column]
        place = CHANNELS.index(name)
        if per_second.max() == 1:
            x[:, place] = values
        elif name.endswith("_mdegc"):
            x[:, place] = values[begins + per_second - 1]
        else:
            x[:, place] = _trimmed(values, begins, per_second)
    kept, filled_n = np.ones(len(second), bool), 0
    for name in names[1:]:
        place = CHANNELS.index(name)
        filled_n += _hold(x[:, place], second, kept)
    share = 1 - kept.mean()
    if share > 0.02:
        raise LogError(
            f"{path}: {100 * share:.0f} % of its seconds lack a value for longer than {HOLD_S} s: mend the sensor"
        )
    x, second = x[kept], second[kept]
    for name in names[1:]:
        _check_unit(path, name, x[:, CHANNELS.index(name)])
    have = {name: CHANNELS.index(name) for name in names[1:]}
    wanted = [CHANNELS[c] for c in (P_PUMP, T_SOURCE, T_RADIATOR, T_DOME)]
    pump, source, radiator, dome = (have.get(name, ABSENT) for name in wanted)
    return Log(np.round(x).astype(np.int32), second, (pump, source, radiator, dome), filled_n)


def _trimmed(values: Floats, begins: npt.NDArray[np.int64], per_second: npt.NDArray[np.int64]) -> Floats:
    """Per second the mean without a fifth of its values at either end."""
    means = np.empty(len(begins))
    for n in np.unique(per_second):
        which = np.flatnonzero(per_second == n)
        block = np.sort(values[begins[which][:, None] + np.arange(n)], axis=1)
        drop = max(int(n) // 5, 1 if n >= 3 else 0)
        means[which] = block[:, drop : n - drop].mean(1)
    return means


def _hold(column: Floats, second: npt.NDArray[np.int64], kept: npt.NDArray[np.bool_]) -> int:
    """Put the last value where there is none, for up to HOLD_S; returns how many, and clears kept beyond."""
    missing = ~np.isfinite(column)
    if not missing.any():
        return 0
    last = np.maximum.accumulate(np.where(missing, -1, np.arange(len(column))))
    kept &= (last >= 0) & (second - second[np.maximum(last, 0)] <= HOLD_S)
    column[missing] = column[np.maximum(last, 0)][missing]
    column[~np.isfinite(column)] = 0.0
    return int(missing.sum())


def _check_unit(path: Path, name: str, column: Floats) -> None:
    middle = float(np.median(column)) if len(column) else math.nan
    if name.endswith("_pa"):
        low, high, unit = LEAST_PA, MOST_PA, "Pa absolute"
        guess = next(
            (g for g, k in (("bar", 1e5), ("psi", 6895), ("kPa", 1e3), ("mbar", 100)) if low <= middle * k <= 5e5), None
        )
        if middle >= low:
            guess = None
    elif name.endswith("_mdegc"):
        low, high, unit = LEAST_MDEGC, MOST_MDEGC, "thousandths of a °C"
        guess = "°C" if float(np.ptp(column)) < 150 and abs(middle) < 150 and middle != 0 else None
    else:
        return
    if guess or not low <= middle <= high:
        hint = f"it looks like {guess}" if guess else f"a loop has {low} to {high}"
        raise LogError(f"{path}: {name} is about {middle:g}, but it must be {unit}; {hint}: convert the column")
