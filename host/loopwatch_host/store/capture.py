"""The raw lines of the cable, kept as they came in a ring of files: for whoever doubts what was made of them.

A file holds one line of the cable per line, behind its wall time in seconds since 1970. The newest file of a source is
plain and on the disk within FLUSH_S; when it is full or old the next begins and it is packed with gzip. What is over
the total, or older than its days, goes, oldest first. A disk that fails ends the capture, never the monitoring:
`error` then says why.
"""

import gzip
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

FLUSH_S = 1.0
PLAIN, PACKED = ".log", ".log.gz"
LINE_MAX_N = 4096  # what has no newline by then is no line: it is kept in pieces


@dataclass(frozen=True)
class Limits:
    """When the ring turns: a file's bytes and hours, all files' bytes (packed) and days.

    The defaults hold about a month of a board at 10 Hz: 90 MB a day of lines, about 15 MB packed.
    """

    file_bytes: int = 16_000_000
    file_hours: float = 24.0
    total_bytes: int = 500_000_000
    days: float = 30.0


LIMITS = Limits()


def folder_of(log: Path) -> Path:
    """Where the raw lines of a log's boards are kept: beside it."""
    return log.with_name(log.stem + "-raw")


class Capture:
    """The ring being written for one source. Context manager; one thread at a time."""

    def __init__(self, folder: Path, source: str, limits: Limits = LIMITS) -> None:
        """folder is made when it is missing; source names the files, e.g. a port."""
        self.folder = folder
        self.error = ""
        self._source = re.sub(r"[^A-Za-z0-9]+", "-", source).strip("-") or "board"
        self._limits = limits
        self._file: IO[bytes] | None = None
        self._path = folder
        self._written_n = 0
        self._begun_s = self._flushed_s = 0.0
        self._rest = b""
        self._stamp, self._part_n = "", 0
        self._guard(self._tidy_left)

    def __enter__(self) -> "Capture":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def take(self, data: bytes, at_s: float) -> None:
        """Keep received bytes; at_s is when they came."""
        if not self.error:
            self._guard(lambda: self._take(data, at_s))

    def close(self) -> None:
        """Put the last of it on the disk; safe to call twice."""
        if self._file is not None:
            file, self._file = self._file, None
            self._guard(file.close)

    def _take(self, data: bytes, at_s: float) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LINE_MAX_N:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._write(b"%.3f %s\n" % (at_s, line.rstrip(b"\r").replace(b"\r", b"")), at_s)
        if self._file is not None and not 0 <= at_s - self._flushed_s < FLUSH_S:
            self._flushed_s = at_s
            self._file.flush()

    def _write(self, line: bytes, at_s: float) -> None:
        limits = self._limits
        old = not 0 <= at_s - self._begun_s < limits.file_hours * 3600
        if self._file is None or old or self._written_n + len(line) > limits.file_bytes:
            self._turn(at_s)
        assert self._file is not None
        self._file.write(line)
        self._written_n += len(line)

    def _turn(self, at_s: float) -> None:
        """Close and pack the file, begin the next, drop what is too much."""
        if self._file is not None:
            self._file.close()
            pack(self._path)
        self.folder.mkdir(parents=True, exist_ok=True)
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(at_s))
        # A name that has been dropped is not used again: names tell the order.
        self._part_n = self._part_n + 1 if stamp == self._stamp else 1
        self._stamp = stamp
        self._path = self._named()
        while self._path.exists() or self._path.with_name(self._path.name + ".gz").exists():
            self._part_n += 1
            self._path = self._named()
        self._file = self._path.open("wb")
        self._written_n, self._begun_s = 0, at_s
        drop(self.folder, self._limits, at_s, spare=self._path)

    def _named(self) -> Path:
        part = f"-{self._part_n:03}" if self._part_n > 1 else ""
        return self.folder / f"{self._stamp}Z-{self._source}{part}{PLAIN}"

    def _tidy_left(self) -> None:
        """Pack what a program that was killed left plain; another program's file under way is younger than an hour."""
        for path in self.folder.glob(f"*-{self._source}*{PLAIN}"):
            if time.time() - path.stat().st_mtime > 3600:
                pack(path)

    def _guard(self, action: object) -> None:
        assert callable(action)
        try:
            action()
        except OSError as error:
            self.error = (
                f"raw lines are no longer kept in {self.folder} ({error.strerror or error}): is the disk full? records"
                " and alarms are kept apart from them"
            )


def pack(path: Path) -> None:
    """Compress a file in place of the plain one; whole or not at all."""
    part = path.with_name(path.name + ".part")
    with path.open("rb") as plain, gzip.open(part, "wb", compresslevel=6) as packed:
        shutil.copyfileobj(plain, packed)
    os.replace(part, path.with_name(path.name + ".gz"))
    path.unlink()


def drop(folder: Path, limits: Limits, now_s: float, spare: Path | None = None) -> None:
    """Remove the oldest files that are over the days or over the total; spare is never touched."""
    total_n = 0
    for path in reversed(files(folder)):
        size_n, changed_s = path.stat().st_size, path.stat().st_mtime
        total_n += size_n
        if path != spare and (total_n > limits.total_bytes or now_s - changed_s > limits.days * 86_400):
            path.unlink()


def files(folder: Path) -> list[Path]:
    """Every file of the ring, oldest first."""
    found = [path for path in folder.glob("*") if path.name.endswith((PLAIN, PACKED))]
    # Without the suffix, or the first file of a second would come after its later parts.
    return sorted(found, key=lambda path: path.name.removesuffix(".gz").removesuffix(PLAIN))


def lines(folder: Path, from_s: float = 0.0, to_s: float = 1e18) -> Iterator[tuple[float, str]]:
    """(wall time, line) of everything kept between two wall times; a line cut by a kill is left out."""
    for path in files(folder):
        with gzip.open(path, "rb") if path.name.endswith(PACKED) else path.open("rb") as file:
            for line in file:
                stamp, _, text = line.partition(b" ")
                if line.endswith(b"\n") and from_s <= float(stamp) <= to_s:
                    yield float(stamp), text[:-1].decode("utf-8", "replace")
