"""The firmware's crashes: how many in a row, and the traceback of the last one.

Kept in two small files that survive a power cut. They are written after a crash, and once more when the firmware
has been healthy again for a minute; a board that runs well never writes them.
"""

import io
import os

from .port import collect, const, print_exception

COUNT_FILE = "crash_n"
TEXT_FILE = "crash.txt"

MANY_N = const(3)  # in a row: the board no longer tries
TEXT_MAX_N = const(2_048)
WORDS_MAX_N = const(80)  # fits into a line with what stands around it


class Crashes:
    """What the files say. in_a_row_n: crashes since the firmware was last healthy."""

    def __init__(self) -> None:
        self.in_a_row_n = 0
        try:
            with open(COUNT_FILE) as file:
                self.in_a_row_n = int(file.read())
        except (OSError, ValueError):  # no file, or one that a person has edited
            pass

    def many(self) -> bool:
        """Whether it has crashed too often to be tried again."""
        return self.in_a_row_n >= MANY_N

    def try_once_more(self) -> None:
        """A person has switched the board off and on: it may try, and one more crash is again too many."""
        self.in_a_row_n = min(self.in_a_row_n, MANY_N - 1)

    def note(self, text: str) -> None:
        """Keep what happened, its last TEXT_MAX_N characters, and count it."""
        self.in_a_row_n += 1
        with open(TEXT_FILE, "w") as file:
            file.write(text[-TEXT_MAX_N:])
        with open(COUNT_FILE, "w") as file:
            file.write(str(self.in_a_row_n))

    def forget(self) -> None:
        """The firmware is healthy: the next crash is the first in a row. The last one's traceback stays."""
        if self.in_a_row_n:
            os.remove(COUNT_FILE)
            self.in_a_row_n = 0


def last() -> str:
    """The traceback of the last crash, "" when there was none."""
    try:
        with open(TEXT_FILE) as file:
            return file.read()
    except OSError:
        return ""


def last_words() -> str:
    """The beginning of its last line, which names the exception."""
    lines = last().strip().split("\n")
    return lines[-1].strip()[:WORDS_MAX_N]


def traceback_of(error: Exception) -> str:
    """The traceback as MicroPython prints it."""
    collect()
    text = io.StringIO()
    print_exception(error, text)
    return text.getvalue()
