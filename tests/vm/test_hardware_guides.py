"""Every command that the guides of hardware/ quote, typed at a virtual board: it prints what they show.

The board runs behind a pty, at twice the pace of the wall clock. A user's board is found by its USB id, which a pty has
not: commands that go to a board get its port here. Of a minute of listening a few seconds are enough, and for the day's
log that a guide takes out of the store a day of the simulated loop has to stand in.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import guides
import pytest
from asked_board import world_of
from test_commission import channels, write

from loopwatch.config import Config
from loopwatch_host.bench.vm import VmTarget
from loopwatch_host.board_config import pull
from loopwatch_host.client import Client

HARDWARE = guides.GUIDES.parent
LOOPWATCH = [sys.executable, "-c", "from loopwatch_host.cli import main; main()"]
TO_A_BOARD = ("monitor", "doctor", "alarms", "config pull", "config push", "config show", "config diff")
LISTEN_S = "3"
PACE = 2.0
ENDED_N = {"loopwatch config diff": (0, 1), "loopwatch doctor": (0, 1)}

pytestmark = pytest.mark.timeout(400)  # commands in processes of their own, on a machine that may be busy


@pytest.fixture
def port() -> Iterator[str]:
    with VmTarget(world_of("quiet")) as target:
        target.advance_to(60)
        target.pace(PACE)
        yield target.port


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The project's folder, as far as the guides use it."""
    (tmp_path / "hardware").symlink_to(HARDWARE)
    return tmp_path


def typed(line: str, folder: Path, port: str) -> subprocess.CompletedProcess[str]:
    """Type a command of a guide."""
    words = shlex.split(line)
    if words[0] == "loopwatch":
        if " ".join(words[1:]).startswith(TO_A_BOARD):
            words += ["--port", port]
        if "--for" in words:
            words[words.index("--for") + 1] = LISTEN_S
        words = [*LOOPWATCH, *words[1:]]
    else:
        assert words[0] == "python", line
        words[0] = sys.executable
    data = {"XDG_DATA_HOME": str(folder / "data"), "COLUMNS": "120", "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        words, cwd=folder, capture_output=True, text=True, timeout=200, check=False, env={**os.environ, **data}
    )


def follow(page: str, folder: Path, port: str) -> None:
    """Type a guide from its first command to its last."""
    followed = guides.commands(page)
    assert followed, page
    for command in followed:
        done = typed(command.line, folder, port)
        wanted = next((n for words, n in ENDED_N.items() if command.line.startswith(words)), (0,))
        assert done.returncode in wanted, f"{command.line}: {done.stdout}{done.stderr}"
        assert not guides.missing(command.shown, done.stdout), f"{command.line}: {done.stdout}{done.stderr}"
        if command.line.startswith("loopwatch export day1.csv"):
            write(folder / "day1.csv", channels(1))


def in_force(port: str) -> Config:
    """What the board runs on."""
    with Client(port) as client:
        return pull(lambda text: client.command(text, 10.0))


def test_calibration_as_its_guide_says_ends_with_the_sheets_numbers_on_the_board(folder: Path, port: str) -> None:
    follow("calibration.md", folder, port)
    config = in_force(port)
    # sheets/pressure.csv: 120 000 Pa true between 118 800 Pa read, at a span of 500 000 Pa; 101 300 Pa true at 103 000.
    assert config.p_static_span_pa == round(500_000 * 120_000 / 118_800)
    assert config.p_static_offset_pa == round(101_300 - 103_000 * 120_000 / 118_800)
    offsets = (config.t_source_offset_mdegc, config.t_radiator_offset_mdegc, config.t_dome_offset_mdegc)
    assert offsets == (-62, 39, -23)


def test_the_interlock_as_bring_up_says_ends_with_edges(folder: Path, port: str) -> None:
    assert in_force(port).interlock_toggled == 0
    follow("bring-up.md", folder, port)
    assert in_force(port).interlock_toggled == 1


def test_commissioning_as_its_guide_says_ends_with_a_detector_and_the_calibration(folder: Path, port: str) -> None:
    typed("loopwatch monitor --no-ui --for 60", folder, port)
    follow("commissioning.md", folder, port)
    config = in_force(port)
    assert (config.commissioned, config.interlock_toggled, config.t_source_offset_mdegc) == (1, 1, -62)


def test_every_command_with_options_in_the_running_text_of_the_guides_is_one_that_loopwatch_knows() -> None:
    found = set()
    for page in sorted(HARDWARE.rglob("*.md")):
        found |= set(re.findall(r"`(loopwatch [a-z][^`\n]*)`", page.read_text(encoding="utf-8")))
    assert len(found) >= 6
    for line in sorted(found):
        words = [word for word in shlex.split(line)[1:] if not word.startswith("-")]
        commands = words[: 2 if words[0] in ("config", "alarms", "report") else 1]
        done = subprocess.run(
            [*LOOPWATCH, *commands, "--help"], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, line
