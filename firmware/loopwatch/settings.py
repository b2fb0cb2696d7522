"""Where the configuration is kept on the board: two records in the folder config, see pair.

A board with an empty folder runs on the safe defaults and is well. Where records are there and none can be used, or
only the older one, the configuration in force says so in its fault.
"""

from . import config
from .pair import NAMES, Pair, magic, sealed

FOLDER = "config"
KIND = "C"


def first_file(content: bytes) -> tuple:
    """Path and bytes of the file by which a board begins with this configuration, for who makes a board's flash."""
    return FOLDER + "/" + NAMES[0], sealed(magic(KIND), 1, content)


class Settings:
    """The two records."""

    def __init__(self) -> None:
        self._pair = Pair(FOLDER, KIND)

    def load(self) -> config.Config:
        """Read the records; returns the configuration in force, with its fault. Never raises."""
        pair = self._pair
        found = pair.load(config.decode)
        bad_n = pair.damaged_n + len(pair.refusals)
        if found is None:
            found = config.Config()
            fault_n = config.FAULT_DEFAULTS
            means = "safe defaults are in force: push the configuration again"
        else:
            fault_n = config.FAULT_ONE
            means = "the other record is in force: push the configuration again"
        if bad_n:
            found.fault_n = fault_n
            why = pair.refusals[0] if pair.refusals else "damaged"
            found.fault = "{} of 2 records cannot be used ({}); {}".format(bad_n, why, means)
        return found

    def save(self, content: bytes) -> config.Config:
        """Put the configuration of these bytes in force from the next start on.

        Raises ValueError when it is none, with nothing written, and OSError when the flash does not take it.
        """
        checked = config.decode(content)
        self._pair.load(config.decode)
        self._pair.save(checked.content())
        return checked
