"""loopwatch: a board that watches a coolant loop and says when it leaks."""

VERSION = (0, 1, 0)
