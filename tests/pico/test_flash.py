"""`loopwatch flash` on the emulated board, in virtual time: small firmwares that tell which one they are.

A power cut is a new board from a copy of the flash at that moment, so one update gives all the moments at once. A
killed flasher leaves the board powered, with what it was doing in its memory: for each kill the process forks, and
one of both ends the update there, while the other goes on. LOOPWATCH_KILLS says how many of these, since each takes
seconds.
"""

from __future__ import annotations

import hashlib
import os
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from virtual_prompt import VirtualPrompt

import loopwatch
from loopwatch import slots
from loopwatch_host.bench.pico import flash_image
from loopwatch_host.bench.pico.machine import Machine
from loopwatch_host.bench.pico.repl import Repl
from loopwatch_host.flash import board, flasher, transfer
from loopwatch_host.flash.board import Pointer
from loopwatch_host.flash.prompt import FlashError

SCRIPTS = Path(loopwatch.__file__).resolve().parents[1]
BOOT_LIMIT_US = 3_000_000
POINTS_N = 50
SHARDS_N = 2
LOOK_US = 700

# Where a flasher dies: between two programs, with half of one sent, or with one sent and its answer not awaited.
ENDS = ("between", "half sent", "unheard")
KILLS_ALL_N = 50
KILLS_N = int(os.environ.get("LOOPWATCH_KILLS", "3"))
LEFT_ALONE_US = 20_000
AT_ONCE_N = os.cpu_count() or 1

# What main.py was before there were slots, in short.
OLD_MAIN = b"from loopwatch.app import start\nstart()\n"

pytestmark = pytest.mark.timeout(400 + 60 * KILLS_N)


def firmware(word: str) -> dict[str, bytes]:
    """A firmware of two parts that tells the words of both when it runs; a part in between takes several pieces."""
    return {
        "main.py": (SCRIPTS / "main.py").read_bytes(),
        "boot.py": (SCRIPTS / "boot.py").read_bytes(),
        "loopwatch/__init__.py": b"",
        "loopwatch/first.py": f"WORD = {word!r}\n".encode(),
        "loopwatch/same.bin": b"the same in all versions\n" * 10,
        "loopwatch/deep/table.bin": word.encode() * 600,
        "loopwatch/launch.py": (
            b"from .first import WORD\n"
            b"def run():\n"
            b"    with open(__file__.rsplit('/', 1)[0] + '/deep/table.bin') as file:\n"
            b"        table = file.read()\n"
            b"    print('runs', WORD, table == WORD * 600)\n"
        ),
    }


def quiet(what: str, done: int, of: int) -> None:
    """Nobody watches the progress."""


def flashed(flash: bytes, files: dict[str, bytes]) -> bytes:
    """The flash of a board after this firmware was put on it."""
    machine = Machine(flash)
    flasher.flash(VirtualPrompt(machine), files, quiet)
    return machine.flash()


def booted(flash: bytes) -> tuple[Machine, str]:
    """A board that has started from this flash, and which firmware it said it runs, or what it said instead."""
    machine = Machine(flash)
    repl = Repl(machine)
    repl.wait(lambda: b">>>" in repl.console, BOOT_LIMIT_US, "the start")
    said = bytes(repl.console).decode(errors="replace")
    words = next((line.split() for line in said.splitlines() if line.startswith("runs ")), None)
    return machine, words[1] if words and words[2] == "True" else said


@pytest.fixture(scope="module")
def old_board(micropython_flash: bytes) -> bytes:
    """A board on which the old firmware was put, and was healthy."""
    machine = Machine(micropython_flash)
    prompt = VirtualPrompt(machine)
    flasher.flash(prompt, firmware("old"), quiet)
    board.point(prompt, Pointer("a"))
    return machine.flash()


@pytest.fixture(scope="module")
def update(old_board: bytes) -> tuple[list[bytes], int]:
    """The flash at POINTS_N moments, evenly spread, of an update, and at its end; and how many programs it took."""
    machine = Machine(old_board)
    prompt = VirtualPrompt(machine)
    taken: list[bytes] = []
    end = machine.every(LOOK_US, lambda t_us: taken.append(machine.flash()))
    flasher.flash(prompt, firmware("new"), quiet)
    end()
    spread = [taken[i * len(taken) // POINTS_N] for i in range(POINTS_N)]
    return [*spread, machine.flash()], prompt.programs_n


def test_a_blank_board_is_flashed_and_starts_the_firmware(micropython_flash: bytes) -> None:
    machine, runs = booted(flashed(micropython_flash, firmware("first")))
    assert runs == "first"
    files = flash_image.read_files(machine.flash())
    assert files[slots.FILE] == b"a trial"
    assert {path.removeprefix("a/"): data for path, data in files.items() if path.startswith("a/loopwatch")} == {
        path: data for path, data in firmware("first").items() if "/" in path
    }


def test_an_update_sends_only_what_changed_and_leaves_the_old_one_whole(old_board: bytes) -> None:
    machine = Machine(old_board)
    report = flasher.flash(VirtualPrompt(machine), firmware("new"), quiet)
    assert report.sent == ["loopwatch/deep/table.bin", "loopwatch/first.py"]
    assert report.copied == ["loopwatch/__init__.py", "loopwatch/launch.py", "loopwatch/same.bin"]
    assert report.scripts == []
    before, after = flash_image.read_files(old_board), flash_image.read_files(machine.flash())
    assert {path: data for path, data in after.items() if path.startswith("a/")} == {
        path: data for path, data in before.items() if path.startswith("a/")
    }
    assert booted(machine.flash())[1] == "new"


def test_what_is_on_the_board_already_is_not_sent_again(old_board: bytes) -> None:
    machine = Machine(old_board)
    report = flasher.flash(VirtualPrompt(machine), firmware("old"), quiet)
    assert (report.sent, report.copied, report.scripts, report.switched) == ([], [], [], False)
    assert flash_image.read_files(machine.flash()) == flash_image.read_files(old_board)


@pytest.mark.parametrize("shard", range(SHARDS_N))
def test_a_power_cut_at_any_of_fifty_moments_leaves_old_or_new_and_the_next_flash_heals(
    update: tuple[list[bytes], int], shard: int
) -> None:
    moments, _ = update
    wanted = flash_image.read_files(moments[-1])
    pointers = [flash_image.read_files(flash)[slots.FILE] for flash in moments]
    assert pointers == sorted(pointers), "the old one is in force, then the new one"
    assert set(pointers) == {b"a", b"b trial"}
    # Moments between two changes of the flash are one and the same start.
    starts = {
        hashlib.sha256(flash).digest(): (flash, pointer) for flash, pointer in zip(moments, pointers, strict=True)
    }
    assert len(starts) >= 10
    for flash, pointer in list(starts.values())[shard::SHARDS_N]:
        machine, runs = booted(flash)
        assert runs == {b"a": "old", b"b trial": "new"}[pointer]
        flasher.flash(VirtualPrompt(machine), firmware("new"), quiet)
        assert flash_image.read_files(machine.flash()) == wanted


def end_here(machine: Machine, program: str, how: str) -> None:
    """The flasher dies with this program in its hands; the board, still powered, goes on for a while."""
    if how == "half sent":
        machine.host.send(program[: len(program) // 2].encode())
    elif how == "unheard":
        machine.host.send(program.encode() + b"\x04")
    machine.run_until(machine.now_us + LEFT_ALONE_US)


def killed_and_healed(machine: Machine, program: str, how: str, wanted: dict[str, bytes], left: Path) -> None:
    """End the update here, leave the flash of that moment in a file, flash the board anew. AssertionError if ill."""
    end_here(machine, program, how)
    left.write_bytes(machine.flash())
    flasher.flash(VirtualPrompt(machine), firmware("new"), quiet)
    assert flash_image.read_files(machine.flash()) == wanted


def test_a_flasher_that_is_killed_leaves_old_or_new_and_the_next_flash_heals(
    update: tuple[list[bytes], int], old_board: bytes, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    moments, programs_n = update
    wanted = flash_image.read_files(moments[-1])
    every = [(n, how) for n in range(programs_n) for how in ENDS]
    assert len(every) >= KILLS_ALL_N
    points = {every[(2 * i + 1) * len(every) // (2 * KILLS_N)] for i in range(KILLS_N)}
    machine = Machine(old_board)
    children: list[int] = []

    def fork(n: int, program: str) -> None:
        for how in ENDS:
            if (n, how) not in points:
                continue
            if len(children) >= AT_ONCE_N:
                os.waitpid(children.pop(0), 0)
            child = os.fork()
            if not child:
                try:
                    killed_and_healed(machine, program, how, wanted, tmp_path / f"{n} {how}.flash")
                    os._exit(0)
                except BaseException:
                    (tmp_path / f"{n} {how}.txt").write_text(traceback.format_exc())
                finally:
                    os._exit(1)
            children.append(child)

    flasher.flash(VirtualPrompt(machine, before=fork), firmware("new"), quiet)
    for child in children:
        os.waitpid(child, 0)
    ill = {path.stem: path.read_text() for path in tmp_path.glob("*.txt")}
    assert not ill, "\n".join(f"killed at program {where}: {words}" for where, words in ill.items())
    left = [path.read_bytes() for path in sorted(tmp_path.glob("*.flash"))]
    assert len(left) == len(points) == KILLS_N
    # Where the flash is the same, so is the start.
    starts = {hashlib.sha256(flash).digest(): flash for flash in left}
    runs = [booted(flash)[1] for flash in starts.values()]
    assert set(runs) <= {"old", "new"}
    if KILLS_N >= KILLS_ALL_N:
        assert set(runs) == {"old", "new"}
    record_property(
        "table",
        f"A flasher was killed at {KILLS_N} of {len(every)} points; {len(starts)} different flashes were left, of which"
        f" {runs.count('old')} started the old firmware and {runs.count('new')} the new one; the next flash healed all."
        f"\nLOOPWATCH_KILLS={KILLS_ALL_N} tries {KILLS_ALL_N}.",
    )


def test_going_back_starts_the_firmware_before_and_going_back_again_the_newer_one(old_board: bytes) -> None:
    flash = flashed(old_board, firmware("new"))
    for expected in ("old", "new"):
        machine = Machine(flash)
        prompt = VirtualPrompt(machine)
        transfer.roll_back(prompt, flasher.look(prompt).contents)
        flash = machine.flash()
        assert booted(flash)[1] == expected


def test_there_is_nothing_to_go_back_to_on_a_board_flashed_once(old_board: bytes) -> None:
    prompt = VirtualPrompt(Machine(old_board))
    with pytest.raises(FlashError, match="no earlier firmware"):
        transfer.roll_back(prompt, flasher.look(prompt).contents)


def test_a_firmware_on_trial_is_replaced_in_its_slot_and_the_healthy_one_is_kept(old_board: bytes) -> None:
    flash = flashed(flashed(old_board, firmware("new")), firmware("newer"))
    files = flash_image.read_files(flash)
    assert files[slots.FILE] == b"b trial"
    assert files["a/loopwatch/first.py"] == b"WORD = 'old'\n"
    assert booted(flash)[1] == "newer"


def test_a_board_from_before_there_were_slots_changes_over_at_once(micropython_flash: bytes) -> None:
    before = {
        "main.py": OLD_MAIN,
        "loopwatch/app.py": b"def start():\n    print('runs before True')\n",
        "loopwatch/first.py": b"WORD = 'before'\n",
    }
    machine = Machine(flash_image.with_files(micropython_flash, before))
    taken: list[bytes] = []
    prompt = VirtualPrompt(machine, before=lambda n, program: taken.append(machine.flash()))
    flasher.flash(prompt, firmware("new"), quiet)
    taken.append(machine.flash())
    distinct = [flash for i, flash in enumerate(taken) if i == 0 or flash != taken[i - 1]]
    runs = [booted(flash)[1] for flash in distinct]
    assert runs == sorted(runs), "before, then new"
    assert set(runs) == {"before", "new"}
    assert not [path for path in flash_image.read_files(machine.flash()) if path.startswith("loopwatch/")]


def test_a_file_that_is_damaged_on_the_board_is_found_and_sent_again(old_board: bytes) -> None:
    machine = Machine(old_board)
    prompt = VirtualPrompt(machine)
    prompt.run("f = open('a/loopwatch/first.py', 'w'); f.write(\"WORD = 'odd'\\n\"); f.close()")
    report = flasher.flash(prompt, firmware("old"), quiet)
    assert report.sent == ["loopwatch/first.py"]
    assert booted(machine.flash())[1] == "old"


def test_a_full_board_says_so_and_keeps_its_firmware(old_board: bytes) -> None:
    machine = Machine(old_board)
    prompt = VirtualPrompt(machine)
    large = firmware("new") | {"loopwatch/large.bin": b"x" * (flash_image.BLOCKS_N * flash_image.BLOCK_N)}
    with pytest.raises(
        FlashError, match=r"not enough room on the board: 1\d\d\d KB are needed and 1\d\d\d KB are free"
    ):
        flasher.flash(prompt, large, quiet)
    assert flash_image.read_files(machine.flash()) == flash_image.read_files(old_board)


@pytest.mark.parametrize("name", ["boot.py", "main.py"])
def test_other_programs_scripts_are_replaced(micropython_flash: bytes, name: str) -> None:
    flash = flash_image.with_files(micropython_flash, {name: b"import micropython\nmicropython.kbd_intr(3)\n"})
    machine = Machine(flash)
    prompt = VirtualPrompt(machine)
    assert flasher.look(prompt).contents.runs_something_else() == (name == "main.py")
    flasher.flash(prompt, firmware("new"), quiet)
    assert flash_image.read_files(machine.flash())[name] == firmware("new")[name]


@pytest.fixture
def prompt_of(micropython_flash: bytes) -> Callable[[], VirtualPrompt]:
    return lambda: VirtualPrompt(Machine(micropython_flash))


def test_the_board_says_what_it_is(prompt_of: Callable[[], VirtualPrompt]) -> None:
    facts = flasher.look(prompt_of()).facts
    assert facts.micropython == "1.26.1"
    assert facts.machine == "Raspberry Pi Pico with RP2040"
    assert (facts.chip, facts.architecture) == ("RP2040", "armv6m")
    assert facts.block_n == flash_image.BLOCK_N
    assert 0 < facts.free_blocks_n < flash_image.BLOCKS_N
