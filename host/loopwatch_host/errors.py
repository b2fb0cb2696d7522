"""What can go wrong between a person, the laptop and the board, each as one clear sentence.

A message says what happened, what it likely means and what to do; `exit_code` is that of the
command that stops because of it (DESIGN §10: 1 the thing asked about failed, 2 usage, 3 no board or target).
"""


class LoopwatchError(Exception):
    """Something to tell a person; str() of it is the whole sentence."""

    exit_code = 1


class UsageError(LoopwatchError):
    """The command cannot be carried out as it was given."""

    exit_code = 2


class NoBoard(LoopwatchError):
    """There is no board, or no target, to work with."""

    exit_code = 3


class CommandFailed(LoopwatchError):
    """The board refused a command, or did not answer it in time."""


class Refused(CommandFailed):
    """The board has heard a command and refuses it, so that asking again is of no use."""


class StoreError(LoopwatchError):
    """The log on this laptop cannot be read or written."""
