"""The options that say how long a log keeps what, for every command that writes one."""

import typer

from ..store.retention import Retention

_DEFAULT = Retention()


def _default(value: float) -> str:
    return f"{value:g}, or what was set for this log before"


KEEP_DAYS = typer.Option(
    None,
    "--keep-days",
    min=1.0,
    help="Days for which the log keeps every sample and raw line; means of a second stay 800 days, minutes, hours,"
    " alarms and black boxes for ever. The log remembers it.",
    show_default=_default(_DEFAULT.keep_days),
)
KEEP_SIZE = typer.Option(
    None,
    "--keep-size",
    min=2.0,
    help="MB of all raw lines of the cable together, packed; the oldest go first.",
    show_default=_default(_DEFAULT.raw_total_mb),
)
RAW_FILE_SIZE = typer.Option(
    None,
    "--raw-file-size",
    min=1.0,
    help="MB of one file of raw lines, then the next begins.",
    show_default=_default(_DEFAULT.raw_file_mb),
)
RAW_FILE_HOURS = typer.Option(
    None,
    "--raw-file-hours",
    min=0.1,
    help="Hours after which the next file of raw lines begins.",
    show_default=_default(_DEFAULT.raw_file_hours),
)


def given(
    keep_days: float | None,
    keep_size_mb: float | None = None,
    raw_file_mb: float | None = None,
    raw_file_hours: float | None = None,
) -> dict[str, float]:
    """What somebody has asked for, by the names of Retention."""
    asked = {
        "keep_days": keep_days,
        "raw_total_mb": keep_size_mb,
        "raw_file_mb": raw_file_mb,
        "raw_file_hours": raw_file_hours,
    }
    return {name: value for name, value in asked.items() if value is not None}
