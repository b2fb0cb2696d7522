"""Commands from the laptop, IEEE 488.2 and SCPI-1999 in manner.

A bare line (`*IDN?`) is answered by a bare line and mutes the stream until `STR ON`, so that
replies never interleave with records. A tagged line (`@7 *IDN?`) is answered by
a checksummed record `$R,7,...` and leaves the stream alone. A keyword may be written short or long
(`SYST` or `SYSTEM`), in any case. What is refused goes to the error queue of SYST:ERR?.

Not on the sample's path: commands allocate.
"""

from .port import const

NO_ERROR = const(0)
INVALID_CHARACTER = const(-101)
PARAMETER_NOT_ALLOWED = const(-108)
MISSING_PARAMETER = const(-109)
UNDEFINED_HEADER = const(-113)
EXECUTION_ERROR = const(-200)
DATA_OUT_OF_RANGE = const(-222)
ILLEGAL_PARAMETER = const(-224)
SYSTEM_ERROR = const(-310)
QUEUE_OVERFLOW = const(-350)
INPUT_OVERRUN = const(-363)

# SCPI-1999 volume 2, chapter 21.8.
ERROR_TEXT = {
    NO_ERROR: "No error",
    INVALID_CHARACTER: "Invalid character",
    PARAMETER_NOT_ALLOWED: "Parameter not allowed",
    MISSING_PARAMETER: "Missing parameter",
    UNDEFINED_HEADER: "Undefined header",
    EXECUTION_ERROR: "Execution error",
    DATA_OUT_OF_RANGE: "Data out of range",
    ILLEGAL_PARAMETER: "Illegal parameter value",
    SYSTEM_ERROR: "System error",
    QUEUE_OVERFLOW: "Queue overflow",
    INPUT_OVERRUN: "Input buffer overrun",
}

ERROR_QUEUE_N = const(8)


class ScpiError(Exception):
    """A command was refused: a code of ERROR_TEXT and what it was about."""

    def __init__(self, code: int, about: str = "") -> None:
        super().__init__(code, about)
        self.code = code
        self.about = about


def _matches(pattern: str, word: str) -> bool:
    """Whether a keyword is the pattern's short form (its capitals) or its long form."""
    short = "".join(letter for letter in pattern if not letter.islower())
    return word == short or word == pattern.upper()


def matches(pattern: str, header: str) -> bool:
    """Whether an upper-case command header stands for the pattern, e.g. "SYSTem:ERRor?"."""
    if pattern.endswith("?") != header.endswith("?"):
        return False
    patterns = pattern.rstrip("?").split(":")
    words = header.rstrip("?").lstrip(":").split(":")
    if len(patterns) != len(words):
        return False
    for i in range(len(words)):
        if not _matches(patterns[i], words[i]):
            return False
    return True


def _error_text(code: int, about: str) -> str:
    text = ERROR_TEXT[code]
    return '{},"{}"'.format(code, text + "; " + about if about else text)


class Commands:
    """A table of commands and the error queue.

    table: (pattern, handler, number of arguments, help) rows; a handler takes
    that many strings and returns the reply's text, or None for a command without reply. more: called once, when
    a command is not in the table, for the rows that are seldom needed.
    """

    def __init__(self, table, more=None) -> None:
        self.bad_n = 0
        self._table = table
        self._more = more
        self._errors: list = []

    def execute(self, line: str):
        """Run one command; returns its reply or None. What is refused goes to the error queue."""
        try:
            return self._run(line.strip())
        except ScpiError as error:
            self.refuse(error.code, error.about)
            return None

    def refuse(self, code: int, about: str) -> None:
        """Put an error into the queue; the last place tells of an overflow."""
        self.bad_n += 1
        self.note(code, about)

    def note(self, code: int, about: str) -> None:
        """Put an error into the queue that no command has caused."""
        if len(self._errors) < ERROR_QUEUE_N:
            self._errors.append((code, about))
        else:
            self._errors[-1] = (QUEUE_OVERFLOW, "")

    def next_error(self) -> str:
        """Take the oldest error out of the queue, in the form of SYSTem:ERRor?."""
        return _error_text(*self._errors.pop(0)) if self._errors else _error_text(NO_ERROR, "")

    def take_latest_error(self) -> str:
        """Take the newest error out of the queue: a tagged command is told at once."""
        return _error_text(*self._errors.pop())

    def clear(self) -> None:
        """Forget all errors (*CLS)."""
        self._errors = []

    def help(self) -> str:
        """The patterns, separated by spaces."""
        self._load_more()
        return " ".join(row[0] for row in self._table)

    def _run(self, line: str):
        words = line.split(None, 1)
        if not words:
            return None
        header = words[0].upper()
        arguments = [word.strip() for word in words[1].split(",")] if len(words) > 1 else []
        row = self._row(header)
        if row is None:
            self._load_more()
            row = self._row(header)
        if row is None:
            raise ScpiError(UNDEFINED_HEADER, words[0][:24])
        pattern, handler, argument_n, _ = row
        if len(arguments) < argument_n:
            raise ScpiError(MISSING_PARAMETER, pattern)
        if len(arguments) > argument_n:
            raise ScpiError(PARAMETER_NOT_ALLOWED, pattern)
        return handler(*arguments)

    def _row(self, header: str):
        for row in self._table:
            if matches(row[0], header):
                return row
        return None

    def _load_more(self) -> None:
        more = self._more
        self._more = None
        if more is not None:
            self._table = self._table + more()
