"""A loop's log taken from a board while it runs: the seconds that the board's own detector sees, as a CSV file.

The file is the sample CSV that commission reads; its times are milliseconds since its first row. It is on the disk
every FLUSH_S, and goes on when the same file is given again: neither a crash, nor an unplugged cable, nor an evening
away from the bench costs more than what was not measured.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from loopwatch.sample import CHANNELS, RAIL

from ..errors import UsageError
from ..messages import Message, Record

COLUMNS = CHANNELS[:RAIL]
HEADER = ",".join(("t_ms", *COLUMNS))
FLUSH_S = 30.0
LEAST_STEP_MS = 500


class LiveLog:
    """Appends each second's means to a file. Raises UsageError when the file is another kind of table.

    seconds_n: rows in the file. logged_s: from its first row to its last.
    """

    def __init__(self, path: Path, clock_s: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self.seconds_n = 0
        self._clock_s = clock_s
        self._first_at_s: float | None = None
        self._last_ms = -LEAST_STEP_MS
        self._flushed_s = clock_s()
        try:
            self._take_up()
            self._file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{path}: cannot be written ({error.strerror}): choose another --log") from None
        if not self._first_at_s:
            self._file.write(HEADER + "\n")

    def __enter__(self) -> LiveLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def logged_s(self) -> float:
        """From the first row to the last."""
        return max(0, self._last_ms) / 1000

    def take(self, message: Message) -> None:
        """Note a message of the client; only means with a pressure become rows."""
        if not isinstance(message, Record) or message.name != "mean" or message.values[COLUMNS[0]] is None:
            return
        if self._first_at_s is None:
            self._first_at_s = message.at_s
        t_ms = round((message.at_s - self._first_at_s) * 1000)
        # A clock that was set back, or a record sent twice.
        if t_ms < self._last_ms + LEAST_STEP_MS:
            return
        cells = ("" if message.values[name] is None else str(message.values[name]) for name in COLUMNS)
        self._file.write(f"{t_ms},{','.join(cells)}\n")
        self._last_ms = t_ms
        self.seconds_n += 1
        if self._clock_s() - self._flushed_s >= FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Put everything on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._flushed_s = self._clock_s()

    def _take_up(self) -> None:
        """Find where a file from before ends; a last line that was cut is removed."""
        if not self.path.exists() or not self.path.stat().st_size:
            return
        written_at_s = self.path.stat().st_mtime
        with self.path.open("r+b") as file:
            if file.readline().decode("utf-8", "replace").strip() != HEADER:
                raise UsageError(
                    f"{self.path}: is not a log of this kind (its first line is not {HEADER}): choose another"
                )
            end = last = file.tell()
            for line in file:
                if not line.endswith(b"\n"):
                    break
                last, end = end, end + len(line)
                self.seconds_n += 1
            file.truncate(end)
            if not self.seconds_n:
                return
            file.seek(last)
            self._last_ms = int(file.readline().split(b",")[0])
        # The file was changed when its last rows were written: the hole since then stays a hole.
        self._first_at_s = written_at_s - self._last_ms / 1000
