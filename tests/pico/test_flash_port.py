"""`loopwatch flash --port` on the emulated board behind a pty, through mpremote's library, with the whole firmware."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from loopwatch_host.bench.pico import flash_image
from loopwatch_host.bench.pico.target import PicoTarget
from loopwatch_host.bench.scenario import load_scenario
from loopwatch_host.bench.world import World
from loopwatch_host.stream import HOST_VERSION

COMMAND = [sys.executable, "-c", "from loopwatch_host.cli import main; main()", "flash"]

# Busy code is emulated some 60 times slower than it runs, and slower still on a machine that has more to do: the limits
# are for what hangs.
WAIT_S = "600"
pytestmark = pytest.mark.timeout(1_800)


def flash(target: PicoTarget, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "--port", target.port, "--wait", WAIT_S, *arguments],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def test_a_blank_board_is_flashed_through_its_port_and_samples(micropython_flash: bytes) -> None:
    with PicoTarget(World(load_scenario("quiet")), flash=micropython_flash) as target:
        target.pace()
        done = flash(target, "--json")
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout)
        assert document["micropython"] == "1.26.1"
        assert document["firmware"] == HOST_VERSION
        assert document["slot"] == "a"
        # Ctrl-C at a board that watches: no watchdog bites while it is looked at, and it is restarted.
        again = flash(target, "--dry-run")
        assert again.returncode == 0, again.stderr
        assert "nothing to send" in again.stderr
        target.pause()
        assert [reset.cause for reset in target.resets] == ["software"] * 2
        assert flash_image.read_files(target.flash())["slot"] == b"a trial"
