"""`loopwatch config` and `loopwatch blackbox` against a virtual board that runs by the wall clock."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from asked_board import world_of
from commissioned_words import words

from loopwatch.config import Config
from loopwatch_host.bench.vm import VmTarget
from loopwatch_host.board_config import crc_text
from loopwatch_host.commission import record

COMMAND = [sys.executable, "-c", "from loopwatch_host.cli import main; main()"]
NEW = Config(words(), reserve_ul=33_000, commissioned=1)

pytestmark = pytest.mark.timeout(240)  # commands in processes of their own, on a machine that may be busy


def loopwatch(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *(str(each) for each in arguments)],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


@pytest.fixture
def port() -> Iterator[str]:
    with VmTarget(world_of("quiet")) as target:
        target.advance_to(1)
        target.pace(2.0)
        yield target.port


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "loop.toml"
    path.write_text(record.board_toml(NEW), encoding="utf-8")
    return path


def test_a_configuration_goes_to_a_board_and_comes_back_the_same(port: str, file: Path, tmp_path: Path) -> None:
    apart = loopwatch("config", "diff", file, "--port", port, "--json")
    assert apart.returncode == 1, apart.stderr
    told = json.loads(apart.stdout)
    assert not told["same"]
    assert {"name": "reserve_ul", "a": 33_000, "b": 40_000} in told["differences"]

    pushed = loopwatch("config", "push", file, "--port", port, "--json")
    assert pushed.returncode == 0, pushed.stderr
    assert json.loads(pushed.stdout) == {
        "file": str(file),
        "crc": crc_text(NEW),
        "before_crc": crc_text(Config()),
        "changed": True,
    }
    back = tmp_path / "back.toml"
    assert loopwatch("config", "pull", "-o", back, "--port", port).returncode == 0
    assert record.load_config(back).content() == NEW.content()
    assert loopwatch("config", "diff", back, "--port", port).returncode == 0
    again = loopwatch("config", "push", back, "--port", port)
    assert again.stdout.strip().endswith(f"configuration {crc_text(NEW)} was in force already")
    shown = loopwatch("config", "show", "--port", port, "--json")
    document = json.loads(shown.stdout)
    assert (document["crc"], document["board"]["reserve_ul"], document["fault"]) == (crc_text(NEW), 33_000, None)
    assert document["words"]["bank"] == list(NEW.bank)

    boxes = loopwatch("blackbox", "list", "--port", port, "--json")
    assert json.loads(boxes.stdout) == {"boxes": []}
    missing = loopwatch("blackbox", "fetch", 3, "-o", tmp_path / "box.csv", "--port", port)
    assert missing.returncode == 1
    assert "no box 3" in missing.stderr


def test_a_file_is_shown_and_compared_without_a_board(file: Path, tmp_path: Path) -> None:
    shown = loopwatch("config", "show", file)
    assert shown.returncode == 0
    assert f"configuration {crc_text(NEW)}, with a commissioned detector" in shown.stdout
    other = tmp_path / "other.toml"
    other.write_text(record.board_toml(Config(words(8), commissioned=1)), encoding="utf-8")
    apart = loopwatch("config", "diff", file, other)
    assert apart.returncode == 1
    assert "words more (--json has them all)" in apart.stdout
    assert loopwatch("config", "diff", file, file).returncode == 0


@pytest.mark.parametrize(
    ("find", "put", "says"),
    [
        ("reserve_ul = 33000", "reserve_ul = 33001", "its numbers give CRC"),
        ("reserve_ul = 33000", "reserve_ul = 5", "reserve_ul=5: must be 1000 to 2000000"),
        ("reserve_ul = 33000", "reserve_ml = 33", "reserve_ml: not in"),
        ("reserve_ul = 33000", "reserve_ul = 33.5", "[board] holds something else than whole numbers"),
    ],
)
def test_a_file_that_was_changed_is_refused_with_the_reason(file: Path, find: str, put: str, says: str) -> None:
    file.write_text(file.read_text().replace(find, put))
    done = loopwatch("config", "show", file)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("what", ["show", "push"])
def test_a_period_between_whose_edges_the_relay_drops_out_is_refused_before_anything_is_sent(
    file: Path, what: str
) -> None:
    text = file.read_text().replace("interlock_toggled = 0", "interlock_toggled = 1")
    file.write_text(text.replace("period_ms = 100", "period_ms = 200").replace(crc_text(NEW), ""))
    done = loopwatch("config", what, file)
    assert done.returncode == 2
    assert "period_ms=200: the relay drops; 100, or interlock_toggled=0" in done.stderr


def test_a_change_that_is_meant_is_taken_with_an_empty_crc(file: Path) -> None:
    text = file.read_text().replace("reserve_ul = 33000", "reserve_ul = 34000")
    file.write_text(text.replace(f'crc = "{crc_text(NEW)}"', 'crc = ""'))
    done = loopwatch("config", "show", file, "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["board"]["reserve_ul"] == 34_000


@pytest.mark.parametrize("what", [("show",), ("push", "FILE"), ("pull", "-o", "x.toml"), ("diff", "FILE")])
def test_without_a_board_every_command_says_so_and_ends_with_3(what: tuple[str, ...], file: Path) -> None:
    arguments = [str(file) if word == "FILE" else word for word in what]
    done = loopwatch("config", *arguments, "--port", "/dev/no-such-port")
    assert done.returncode == 3
    assert "no-such-port" in done.stderr
