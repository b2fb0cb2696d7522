"""Moments as people name them on the command line: seconds from a session's first record, or a date and time."""

from datetime import datetime

from ..errors import UsageError


def seconds_from(text: str | None, first_s: float | None) -> float | None:
    """Seconds from first_s (wall time): of a number as it stands, of an ISO date and time (local, unless it says
    otherwise) the distance. None for no text. Raises UsageError.
    """
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment_s = datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise UsageError(
            f"{text!r} is no moment: give seconds from the first record, or a date and time as 2026-11-22T10:15"
        ) from None
    return moment_s - (first_s or 0.0)
