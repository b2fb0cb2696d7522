"""The command line in this process, where the kernels that it needs have been compiled already."""

from __future__ import annotations

import contextlib
import io
import sys
from dataclasses import dataclass
from unittest import mock

from loopwatch_host.cli import main


@dataclass(frozen=True)
class Answer:
    """What a command has said, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


def loopwatch(*words: object) -> Answer:
    """Run `loopwatch words`."""
    out, err = io.StringIO(), io.StringIO()
    code: object = None
    argv = mock.patch.object(sys, "argv", ["loopwatch", *map(str, words)])
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), argv:
        try:
            main()
        except SystemExit as end:
            code = end.code
    return Answer(code if isinstance(code, int) else 0 if code is None else 1, out.getvalue(), err.getvalue())
