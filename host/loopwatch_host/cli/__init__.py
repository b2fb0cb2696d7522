"""The command `loopwatch`: what a person, a script or make asks of the laptop.

Answers go to stdout, everything else (progress, errors, a person's errands) to stderr; with --json there is exactly one
JSON document on stdout. Exit codes: 0 done, 1 the thing asked about failed, 2 usage, 3 no board or target.
"""

import os
import sys

import typer

from loopwatch import wire

from ..errors import LoopwatchError
from ..stream import HOST_VERSION
from . import output
from .alarms import app as alarms_app
from .bench import bench
from .blackbox import app as blackbox_app
from .config import app as config_app
from .detection import commission, evaluate, replay
from .doctor import doctor
from .export import bring_in, export
from .flash import flash
from .leaktest import leaktest
from .log import log
from .monitor import monitor
from .ports import list_ports
from .report import app as report_app
from .run import run
from .scenario import app as scenario_app
from .web import web

app = typer.Typer(
    name="loopwatch",
    help="Watch a coolant loop for leaks: live, on record, and on a virtual bench.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        crc = wire.protocol_crc()
        print(f"loopwatch {HOST_VERSION}, protocol {wire.PROTOCOL_N} ({crc.hi << 16 | crc.lo:08X})")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Say versions and leave."),
) -> None:
    """Watch a coolant loop for leaks: live, on record, and on a virtual bench."""


app.command()(run)
app.command()(monitor)
app.command()(web)
app.command()(log)
app.command()(export)
app.command("import")(bring_in)
app.command("ports")(list_ports)
app.command()(leaktest)
app.command()(commission)
app.command()(replay)
app.command()(evaluate)
app.command()(bench)
app.command()(doctor)
app.command()(flash)
app.add_typer(scenario_app, name="scenario")
app.add_typer(alarms_app, name="alarms")
app.add_typer(config_app, name="config")
app.add_typer(blackbox_app, name="blackbox")
app.add_typer(report_app, name="report")


def main() -> None:
    """Run the command line; an error is one sentence on stderr."""
    try:
        app()
    except LoopwatchError as error:
        output.error(str(error), error.exit_code, as_json="--json" in sys.argv)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # `loopwatch log --csv | head`: who reads has enough. Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
