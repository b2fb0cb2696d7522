"""Power cuts while the board writes its journal, its configuration, the alarms' states and a black box.

One run on the emulated board gives all the moments: a cut is its flash at that moment. What the board had said was kept
by then must be there, and nothing that was never written; and MicroPython must start from it with the same files.
"""

from __future__ import annotations

import base64
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import loopwatch
from loopwatch.blackbox import BLOCK_SAMPLES_N, POST_N, Blackbox
from loopwatch.config import FAULT_NONE, Config
from loopwatch.journal import ALARM, Journal
from loopwatch.logbook import Logbook
from loopwatch.settings import Settings
from loopwatch.states import States
from loopwatch.wire import Record
from loopwatch_host.bench.pico import flash_image
from loopwatch_host.bench.pico.flash_image import BLOCK_N, BLOCKS_N, FILES_OFFSET
from loopwatch_host.bench.pico.machine import Machine
from loopwatch_host.bench.pico.repl import Repl
from loopwatch_host.blackbox import parse
from loopwatch_host.board_config import PIECE_N, crc_text
from loopwatch_host.firmware_build import board_files

SEED = 20221215
ALL_N = 200
TRIED_N = int(os.environ.get("LOOPWATCH_POWER_CUTS", "40"))
LOOK_US = 50
# Each changes the flash some nine times.
ROUNDS_N = 14 if TRIED_N <= 100 else 28
BEFORE_N = 110
GAS_UL = 100_000
BOOT_LIMIT_US = 3_000_000

PREPARE = """
from loopwatch.journal import Journal
from loopwatch.memory import Memory
from loopwatch.config import Config
from loopwatch.settings import Settings
from loopwatch.sample import Sample
book = Journal()
memory = Memory(book)
memory.load()
settings = Settings()
sample = Sample()
def live(n):
    for i in range(n):
        sample.t_ms += 100
        memory.blackbox.add(sample, 0)
live({})
""".replace("{}", str(BEFORE_N))

# What is written is worked out from the numbers alone, so that a test can tell what was never written.
WRITE = f"""
blocks = 0
memory.blackbox.trigger(2, 1, 1, 1, sample.t_ms)
for i in range(1, {ROUNDS_N} + 1):
    for j in range(2):
        book.add({ALARM}, i, j, 1, 1000 * i + j, i)
    memory.begin(i)
    print('journal', book.kept_seq)
    if i % 2 == 0:
        settings.save(Config(gas_ul={GAS_UL} + i).content())
        print('config', i)
    else:
        memory.states.put((i, -i, 5 * i), 3)
        memory.states.save()
        print('states', i)
    live(16)
    if memory.blackbox.write_piece(sample.t_ms):
        blocks += 1
        print('box', blocks)
print('end', 0)
"""

OLD = Config(gas_ul=GAS_UL)
NEW = Config(gas_ul=2 * GAS_UL)


def _push() -> list[str]:
    """What a laptop sends to put NEW in force."""
    content = NEW.content()
    pieces = range(0, len(content), PIECE_N)
    data = [f"CONF:DATA {at},{base64.b64encode(content[at : at + PIECE_N]).decode()}" for at in pieces]
    return [f"CONF:BEG {len(content)}", *data, f"CONF:COMM {crc_text(NEW)}"]


# A board in safe mode, of which nothing but its flash matters, and a laptop that pushes a configuration to it.
PREPARE_SAFE = f"""
import gc
gc.threshold(16384)
from loopwatch.config import Config
from loopwatch.settings import Settings
Settings().save(Config(gas_ul={GAS_UL}).content())
from loopwatch.safe_mode import SafeMode
class Console:
    typed = b''
    def write_packet(self, buffer, start, n):
        return True
    def read_byte(self):
        if not self.typed:
            return -1
        byte = self.typed[0]
        self.typed = self.typed[1:]
        return byte
class Board:
    id = bytes(range(8))
    reset_cause_n = 3
    console = Console()
    resets_n = 0
    def safe(self):
        pass
    def led(self, on):
        pass
    def feed(self):
        pass
    def reset(self):
        self.resets_n += 1
board = Board()
mode = SafeMode(board, 'three crashes in a row')
lines = {_push()!r}
"""
PUSH = """
mode.start(0)
now_ms = 0
while board.resets_n == 0 and now_ms < 60000:
    if lines and not board.console.typed:
        board.console.typed = ('@1 ' + lines.pop(0) + chr(10)).encode()
    mode.step(now_ms)
    now_ms += 20
print('reset', board.resets_n)
for i in range(100):
    now_ms += 20
    mode.step(now_ms)
print('end', 0)
"""

KEPT = ("journal", "config", "states", "boxes")

# Runs at every start, and says which files MicroPython finds: not those of the firmware, which take long to print.
MAIN = b"""
import os
for folder in os.listdir():
    if folder in ('journal', 'config', 'states', 'boxes'):
        for name, _, _, size in os.ilistdir(folder):
            print('file', folder + '/' + name, size)
print('started')
"""

# The run that is cut is busy code, which is emulated slowly; then there is a start for each cut.
pytestmark = pytest.mark.timeout(400 + 20 * TRIED_N)


@dataclass(frozen=True)
class Cut:
    """A moment: the blocks of the file system that differ from those before the run, and what had been said by then."""

    blocks: dict[int, bytes]
    said: dict[str, int]


class Run:
    """The run that is cut, and its flash at the moments of a seeded draw, in the order of the draw."""

    def __init__(self, micropython_flash: bytes, prepare: str, write: str, tried_n: int) -> None:
        package = Path(loopwatch.__file__).resolve().parent
        files = {**board_files(package, []), "main.py": MAIN}
        machine = Machine(flash_image.with_files(micropython_flash, files))
        repl = Repl(machine)
        repl.exec(prepare, limit_us=20_000_000)
        self.before = machine.flash()
        taken: list[tuple[dict[int, bytes], int]] = []
        blocks: dict[int, bytes] = {}
        begun_n = len(repl.console)

        def look(t_us: int) -> None:
            nonlocal blocks
            flash = memoryview(machine.flash())
            now = {}
            for i in range(BLOCKS_N):
                at = FILES_OFFSET + i * BLOCK_N
                if flash[at : at + BLOCK_N] != self.before[at : at + BLOCK_N]:
                    now[i] = bytes(flash[at : at + BLOCK_N])
            if now != blocks:
                blocks = now
                taken.append((now, len(repl.console)))

        end = machine.every(LOOK_US, look)
        repl.exec(write, limit_us=60_000_000)
        end()
        printed = bytes(repl.console[begun_n:])
        self.moments_n = len(taken)
        drawn = random.Random(SEED).sample(range(len(taken)), min(tried_n, len(taken)))
        self.cuts = [Cut(taken[i][0], _said(printed[: taken[i][1] - begun_n])) for i in drawn]

    def flash(self, cut: Cut) -> bytearray:
        """The flash that a cut leaves."""
        flash = bytearray(self.before)
        for i, block in cut.blocks.items():
            at = FILES_OFFSET + i * BLOCK_N
            flash[at : at + BLOCK_N] = block
        return flash


def _said(printed: bytes) -> dict[str, int]:
    """The latest of each kind that the board had said was kept, as far as the whole line had come."""
    said = {"journal": 0, "config": 0, "states": 0, "box": 0, "reset": 0}
    for line in printed.decode().split("\n")[:-1]:
        words = line.removeprefix("OK").split()
        if len(words) == 2 and words[0] in said:
            said[words[0]] = int(words[1])
    return said


@pytest.fixture(scope="module")
def run(micropython_flash: bytes) -> Run:
    return Run(micropython_flash, PREPARE, WRITE, TRIED_N)


@contextmanager
def in_folder(folder: Path, files: dict[str, bytes]) -> Iterator[None]:
    """These files in this folder, which is the current one meanwhile."""
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield


def check_memory(said: dict[str, int]) -> None:
    """What the files in the current folder give is what was said, or what was under way, and nothing else."""
    book = Journal()
    Logbook(book).load()
    assert (book.damaged_n, book.fault_n) == (0, 0)
    assert said["journal"] <= book.seq <= said["journal"] + 2
    record = Record("E")
    for seq in range(book.oldest_seq(), book.seq + 1):
        book.load(seq, record)
        i, j = (seq + 1) // 2, (seq + 1) % 2
        assert (record.t_ms, *record.values) == (i, ALARM, i, j, 1, 1000 * i + j, 1)
    assert book.oldest_seq() == 1

    found = Settings().load()
    assert found.fault_n == FAULT_NONE
    gas_ul = {n: GAS_UL + n if n else Config().gas_ul for n in (said["config"], said["config"] + 2)}
    assert found.gas_ul in gas_ul.values()

    words = States().load()
    known = [None if i < 1 else [i, -i, 5 * i] for i in (said["states"], said["states"] + 2 - (said["states"] == 0))]
    assert (words if words is None else list(words)) in known

    box = Blackbox()
    box.load()
    data = box.read(1, 0, 1 << 20) if box.boxes() else b""
    assert bool(data) or said["box"] == 0
    if data:
        parsed = parse(data)
        most_n = BEFORE_N + POST_N
        assert min(said["box"] * BLOCK_SAMPLES_N, most_n) <= len(parsed.samples)
        assert len(parsed.samples) <= min((said["box"] + 1) * BLOCK_SAMPLES_N, most_n)
        assert parsed.complete == (len(parsed.samples) == most_n)
        assert [each.t_ms for each in parsed.samples] == list(range(100, 100 * len(parsed.samples) + 1, 100))


@contextmanager
def taken_up(flash: bytes | bytearray, folder: Path) -> Iterator[dict[str, bytes]]:
    """What the firmware keeps on this flash, in a new folder that is the current one meanwhile; by its path there."""
    kept = {path: data for path, data in flash_image.read_files(flash).items() if path.split("/")[0] in KEPT}
    folder.mkdir()
    with in_folder(folder, kept):
        yield kept


def test_whatever_the_power_takes_what_was_kept_is_there_and_the_board_starts(
    run: Run, tmp_path: Path, record_property
) -> None:
    started_n = 0
    for n, cut in enumerate(run.cuts):
        flash = run.flash(cut)
        with taken_up(flash, tmp_path / str(n)) as kept:
            check_memory(cut.said)
        machine = Machine(flash)
        repl = Repl(machine)
        told = repl.wait_for(b"started", BOOT_LIMIT_US).decode()
        sizes_n = {line.split()[1]: int(line.split()[2]) for line in told.splitlines() if line.startswith("file")}
        assert sizes_n == {path: len(data) for path, data in kept.items()}
        started_n += 1
    kinds = {kind: len({cut.said[kind] for cut in run.cuts}) for kind in ("journal", "config", "states", "box")}
    assert min(kinds.values()) >= 3, f"cuts all over the run: {kinds}"
    record_property(
        "table",
        f"{started_n} cuts, drawn (seed {SEED}) from {run.moments_n} moments at which the flash had changed; the board"
        f" started after each of them, and nothing kept was lost.\nLOOPWATCH_POWER_CUTS={ALL_N} tries {ALL_N}.",
    )


def test_the_cuts_are_where_something_is_written(run: Run) -> None:
    assert len(run.cuts) == TRIED_N <= run.moments_n, "each another state of the flash"
    assert all(cut.blocks for cut in run.cuts)


def test_the_firmware_on_the_board_takes_up_what_a_cut_has_left(run: Run) -> None:
    cut = run.cuts[0]
    repl = Repl(Machine(run.flash(cut)))
    repl.exec(PREPARE.split("sample = ")[0], limit_us=20_000_000)
    seq, run_n, damaged_n, boxes = repl.exec(
        "print(book.seq, book.run_n, book.damaged_n, len(memory.blackbox.boxes()))"
    ).split()
    assert cut.said["journal"] <= int(seq) <= cut.said["journal"] + 2
    assert (run_n, damaged_n, int(boxes) >= (cut.said["box"] > 0)) == ("2", "0", True)
    repl.exec(f"book.add({ALARM}, 1, 1, 1, 1, 1)\nmemory.begin(1)")
    assert int(repl.exec("print(book.kept_seq)")) == int(seq) + 1


def test_a_cut_during_a_push_in_safe_mode_leaves_the_old_or_the_new_configuration_whole(
    micropython_flash: bytes, tmp_path: Path, record_property
) -> None:
    run = Run(micropython_flash, PREPARE_SAFE, PUSH, TRIED_N)
    outcomes = []
    for n, cut in enumerate(run.cuts):
        flash = run.flash(cut)
        with taken_up(flash, tmp_path / str(n)):
            found = Settings().load()
            book = Journal()
            Logbook(book).load()
        assert found.fault_n == FAULT_NONE
        assert found.content() in (OLD.content(), NEW.content())
        assert not cut.said["reset"] or found.content() == NEW.content()
        assert book.damaged_n == 0
        assert "started" in Repl(Machine(flash)).wait_for(b"started", BOOT_LIMIT_US).decode()
        outcomes.append(found.gas_ul)
    assert set(outcomes) == {OLD.gas_ul, NEW.gas_ul}, "cuts before and after the moment that counts"
    record_property(
        "table",
        f"{len(outcomes)} cuts of {run.moments_n} moments of a push: {outcomes.count(NEW.gas_ul)} were in force",
    )
