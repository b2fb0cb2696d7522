"""The flash as bytes: MicroPython below, files above, both as the board itself sees them."""

from pathlib import Path

import pytest

from loopwatch_host import firmware_build
from loopwatch_host.bench.pico import flash_image, uf2
from loopwatch_host.bench.pico.machine import Machine
from loopwatch_host.bench.pico.repl import Repl
from loopwatch_host.errors import UsageError
from loopwatch_host.flash import image


def test_the_pinned_image_is_one_for_the_pico_and_no_other() -> None:
    image.check(uf2.find(), "RPI-RP2")
    with pytest.raises(UsageError, match="is an image for RP2040, the board is one for RP2350"):
        image.check(uf2.find(), "RP2350")


def test_files_written_here_are_read_on_the_board_and_back(micropython_flash: bytes) -> None:
    files = {"a.txt": b"one", "deep/er/b.bin": bytes(range(256)) * 40, "empty": b""}
    machine = Machine(flash_image.with_files(micropython_flash, files))
    repl = Repl(machine)
    assert repl.exec(
        "import os\nprint(sorted(os.listdir()), open('deep/er/b.bin', 'rb').read() == bytes(range(256)) * 40)"
    ) == ("['a.txt', 'deep', 'empty'] True\n")
    assert flash_image.read_files(machine.flash()) == files


def test_the_file_system_is_as_large_as_micropythons_own(micropython_flash: bytes) -> None:
    ours = Repl(Machine(flash_image.with_files(micropython_flash, {})))
    boards_own = Repl(Machine(micropython_flash))
    question = "import os\nprint(os.statvfs('/')[:3], rp2.Flash().ioctl(4, 0))"
    answer = ours.exec("import rp2\n" + question)
    assert answer == boards_own.exec("import rp2\n" + question)
    assert str(flash_image.BLOCKS_N) in answer


def test_the_boards_own_files_are_read_here(repl: Repl, machine: Machine) -> None:
    repl.exec("import os\nos.mkdir('d')\nwith open('d/x', 'w') as f:\n    f.write('from the board')")
    assert flash_image.read_files(machine.flash())["d/x"] == b"from the board"


def test_a_compiled_module_runs_on_the_board(micropython_flash: bytes, tmp_path: Path) -> None:
    source = tmp_path / "sums.py"
    source.write_text("def total(n: int) -> int:\n    t = 0\n    for i in range(n):\n        t += i\n    return t\n")
    for emit in ("bytecode", "native", "viper"):
        files = {"sums.mpy": firmware_build.compile_module(source, "sums.py", emit)}
        repl = Repl(Machine(flash_image.with_files(micropython_flash, files)))
        assert repl.exec("import sums\nprint(sums.total(10))") == "45\n"


def test_a_module_that_does_not_compile_is_named(tmp_path: Path) -> None:
    source = tmp_path / "broken.py"
    source.write_text("def f(:\n")
    with pytest.raises(ValueError, match="(?s)broken.py.*SyntaxError"):
        firmware_build.compile_module(source, "broken.py")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda data: data[:-1], "not a UF2 file"),
        (lambda data: b"", "not a UF2 file"),
        (lambda data: data[:512] + b"\0" + data[513:], "no UF2 block at byte 512"),
        (lambda data: data[:12] + (0x1020_0000).to_bytes(4, "little") + data[16:], "another chip or layout"),
    ],
)
def test_a_file_that_is_no_image_for_this_board_is_refused(damage, words: str, tmp_path: Path) -> None:
    path = tmp_path / "image.uf2"
    path.write_bytes(damage(uf2.find().read_bytes()))
    with pytest.raises(ValueError, match=words):
        flash_image.blank(path)
