"""Where words go: answers to stdout, the rest to stderr.

Lines are never wrapped: a terminal does that itself, and a file wants them whole. Colours follow the
terminal and NO_COLOR.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

FILE_WIDTH_N = 200
PROGRESS_AFTER_S = 2.0
PROGRESS_EVERY_S = 10.0


def answers() -> Console:
    """The console for what was asked for."""
    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else FILE_WIDTH_N)


def notes() -> Console:
    """The console for everything else."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def has_screen() -> bool:
    """Whether a person sits at a terminal that a dashboard can be drawn on."""
    return os.environ.get("TERM") != "dumb" and all(f.isatty() for f in (sys.stdin, sys.stdout, sys.stderr))


def document(content: Any) -> None:
    """Print the one JSON document of --json."""
    print(json.dumps(content, indent=2, ensure_ascii=False))


def error(text: str, exit_code: int, as_json: bool) -> None:
    """Say what went wrong; a program that asked for JSON gets it as a document too."""
    notes().print(f"loopwatch: {text}", style="bold red", markup=False)
    if as_json:
        document({"error": text, "exit_code": exit_code})


@contextmanager
def progress(what: str) -> Iterator[Callable[[float, float], None]]:
    """Show how far something has come once it has taken PROGRESS_AFTER_S: call the result with (done, of)."""
    begun_s = time.monotonic()
    if sys.stderr.isatty():
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TimeRemainingColumn(),
        )
        bar = Progress(*columns, console=notes(), transient=True)
        task = bar.add_task(what, total=None)

        def show(done: float, of: float) -> None:
            if time.monotonic() - begun_s > PROGRESS_AFTER_S:
                bar.start()
            bar.update(task, completed=done, total=of)

        try:
            yield show
        finally:
            bar.stop()
        return

    said_s = begun_s + PROGRESS_AFTER_S - PROGRESS_EVERY_S

    def say(done: float, of: float) -> None:
        nonlocal said_s
        if time.monotonic() - said_s > PROGRESS_EVERY_S:
            said_s = time.monotonic()
            print(f"{what}: {done:.0f} of {of:.0f} s", file=sys.stderr)

    yield say
