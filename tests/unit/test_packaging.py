"""What a user installs: the wheel with the firmware inside, and make's own set-up."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from loopwatch import VERSION

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    done = subprocess.run(command, cwd=ROOT / "host", capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def copies_of(room: Path, suffix: str) -> dict[str, bytes]:
    """The files with this suffix below room, by their path from there."""
    return {path.relative_to(room).as_posix(): path.read_bytes() for path in room.rglob(f"*{suffix}")}


def test_the_wheel_has_the_whole_firmware_package_unchanged(wheel: zipfile.ZipFile):
    source = copies_of(ROOT / "firmware" / "loopwatch", ".py")
    assert "wire.py" in source
    packed = {
        name.removeprefix("loopwatch/"): wheel.read(name) for name in wheel.namelist() if name.startswith("loopwatch/")
    }
    assert packed == source


def test_the_wheel_has_the_boot_script_as_data_for_the_board(wheel: zipfile.ZipFile):
    assert wheel.read("loopwatch_host/board/main.py") == (ROOT / "firmware" / "main.py").read_bytes()
    assert "main.py" not in wheel.namelist()


def test_the_wheel_has_the_laptops_modules_and_their_data(wheel: zipfile.ZipFile):
    room = ROOT / "host" / "loopwatch_host"
    wanted = copies_of(room, ".py") | copies_of(room, ".toml")
    assert wanted
    assert not [name for name in wanted if f"loopwatch_host/{name}" not in wheel.namelist()]


def test_board_and_laptop_have_one_version(wheel: zipfile.ZipFile):
    version = ".".join(str(part) for part in VERSION)
    metadata = wheel.read(f"loopwatch_host-{version}.dist-info/METADATA").decode()
    assert f"\nVersion: {version}\n" in metadata


def make_in(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run our Makefile where nothing has been set up yet."""
    (folder / "host").mkdir()
    for name in ("Makefile", "host/requirements.txt", "host/pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
    # These tests may themselves run under make: nothing of that call is to reach this one.
    clean = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}}
    return subprocess.run(["make", *arguments], cwd=folder, env=clean, capture_output=True, text=True, timeout=60)


def test_make_alone_lists_the_targets_and_sets_nothing_up(tmp_path: Path):
    done = make_in(tmp_path)
    assert done.returncode == 0
    assert [line.split()[:2] for line in done.stdout.splitlines()][:2] == [["make", "help"], ["make", "run"]]
    assert not (tmp_path / ".venv").exists()


def test_make_names_the_python_that_is_missing(tmp_path: Path):
    done = make_in(tmp_path, "test", "PYTHON=python-that-is-not-here")
    assert done.returncode != 0
    assert "loopwatch needs Python 3.10 or newer; python-that-is-not-here is not there" in done.stdout
    assert not (tmp_path / ".venv").exists()


def test_make_says_how_to_get_venv_where_python_comes_without(tmp_path: Path):
    # Debian's python3 without python3-venv: an interpreter that cannot import ensurepip.
    bare = tmp_path / "barepython"
    bare.write_text(f'#!/bin/sh\ncase "$*" in *ensurepip*) exit 1;; esac\nexec "{sys.executable}" "$@"\n')
    bare.chmod(0o755)
    done = make_in(tmp_path, "run", f"PYTHON={bare}")
    assert done.returncode != 0
    assert "apt install python3-venv" in done.stdout
    assert not (tmp_path / ".venv").exists()
