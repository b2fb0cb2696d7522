"""The two firmwares on the board, in the folders a and b, and the file that says which one is in force.

`slot` holds a letter and at most one word:

    a            this firmware has been healthy
    a trial      it is new: after three crashes in a row the other one is taken back
    a returned   the other one was new and never healthy

A slot is whole when the file `complete` is in its folder; whoever changes a slot removes that first and writes it last.
The pointer changes by os.rename, which littlefs does whole or not at all. main.py reads the same file, and does
not use this module: it must be able to do without a firmware that is broken.
"""

import os

FILE = "slot"
NEW_FILE = "slot.new"
NAMES = ("a", "b")
COMPLETE = "complete"

HEALTHY = ""
TRIAL = "trial"
RETURNED = "returned"


class Slots:
    """The pointer as it was at the start. name: a, b, or nothing for a board that has no slots."""

    def __init__(self) -> None:
        self.name = ""
        self.state = HEALTHY
        try:
            with open(FILE) as file:
                words = file.read().split()
        except OSError:
            return
        if words:
            self.name = words[0]
            self.state = words[1] if len(words) > 1 else HEALTHY

    def confirm(self) -> None:
        """The firmware on trial is healthy: it stays."""
        if self.state == TRIAL:
            self._point(self.name, HEALTHY)

    def give_back(self) -> bool:
        """Put the other firmware in force if this one is on trial and the other is whole; else return False."""
        if self.state != TRIAL:
            return False
        other = NAMES[1 - NAMES.index(self.name)]
        try:
            os.stat(other + "/" + COMPLETE)
        except OSError:
            return False
        self._point(other, RETURNED)
        return True

    def _point(self, name: str, state: str) -> None:
        with open(NEW_FILE, "w") as file:
            file.write(name + " " + state if state else name)
        os.rename(NEW_FILE, FILE)
        self.name = name
        self.state = state
