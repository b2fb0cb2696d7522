"""The log on the laptop: what boards said, kept in one SQLite file that survives whatever happens to this program.

An event is on the disk before add() returns; everything else follows in batches of at most FLUSH_S.
Columns are those of records.KINDS, in their units; a value that the board did not have is NULL. `t_ms` counts from the
board's start, `at_s` is wall time in seconds since 1970. A session is one run of this program; a boot is one start of
a board, and keeps its records once, however many sessions heard them. Beside the records stand their least, mean and
greatest values per minute and per hour (rollup), and what is old goes by the table in keep. Raw lines go to files of
their own (capture). Errors are errors.StoreError.
"""

from .keep import KEEP, Keep
from .log import Log, Row
from .schema import FIELDS, TABLES, default_path
from .writer import FLUSH_S, Store

__all__ = ["FIELDS", "FLUSH_S", "KEEP", "TABLES", "Keep", "Log", "Row", "Store", "default_path"]
