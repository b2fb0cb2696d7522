"""Starts the real recorder, `loopwatch monitor`, as often as asked, without paying for Python's start each time.

Reads lines from stdin; each makes it fork a child that runs the command with the given arguments, and answers with the
child's process id. The imports are done once, before any thread exists; everything else is as in a fresh process.
"""

import os
import sys

from loopwatch_host import cli
from loopwatch_host.cli import sitting, watch  # noqa: F401  (what the command imports when it runs)


def _run(arguments: list[str]) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(null, number)
    sys.argv = ["loopwatch", *arguments]
    try:
        cli.main()
    except SystemExit as ended:
        os._exit(int(ended.code or 0))
    os._exit(0)


for line in sys.stdin:
    child = os.fork()
    if child == 0:
        _run(line.split())
    print(child, flush=True)
    os.waitpid(child, 0)
    print("gone", flush=True)
