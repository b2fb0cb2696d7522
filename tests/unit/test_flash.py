"""What `loopwatch flash` decides without a board: the plan, the BOOTSEL drive, and its sentences."""

import struct
import subprocess
import sys
from pathlib import Path

import pytest
from pty_board import PtyBoard

from loopwatch_host.errors import NoBoard, UsageError
from loopwatch_host.flash import board, bootsel, flasher, image, plan, prompt
from loopwatch_host.flash.board import Contents, Facts, Pointer
from loopwatch_host.flash.prompt import FlashError, SerialPrompt

COMMAND = [sys.executable, "-c", "from loopwatch_host.cli import main; main()"]

FIRMWARE = {
    "main.py": b"main",
    "boot.py": b"boot",
    "loopwatch/app.mpy": b"new app",
    "loopwatch/wire.mpy": b"wire",
}

# The text files of the two boot ROMs: RP2040 datasheet 2.8.4, RP2350 datasheet 5.5.
INFO_PICO = "UF2 Bootloader v3.0\nModel: Raspberry Pi RP2\nBoard-ID: RPI-RP2\n"
INFO_PICO_2 = "UF2 Bootloader v1.0\nModel: Raspberry Pi RP2350\nBoard-ID: RP2350\n"


def contents(pointer: Pointer, files: dict[str, bytes]) -> Contents:
    """A board with these files."""
    sizes_n = {path: len(data) for path, data in files.items()}
    return Contents(pointer, sizes_n, {path: plan.digest(data) for path, data in files.items()})


def slot(name: str, whole: bool = True, **changed: bytes) -> dict[str, bytes]:
    """The files of a slot with FIRMWARE in it, some changed (by module name)."""
    files = {f"{name}/{path}": data for path, data in FIRMWARE.items() if "/" in path}
    files |= {f"{name}/loopwatch/{module}.mpy": data for module, data in changed.items()}
    return files | ({f"{name}/complete": b"0"} if whole else {})


SCRIPTS = {path: data for path, data in FIRMWARE.items() if "/" not in path}


def test_a_blank_board_gets_everything_into_slot_a():
    made = plan.make(FIRMWARE, contents(Pointer(), {}))
    assert (made.slot, made.park, made.switch) == ("a", None, Pointer("a", "trial"))
    assert set(made.send) | set(made.scripts) == set(FIRMWARE)


def test_the_slot_in_force_is_not_touched_and_gives_what_is_the_same():
    made = plan.make(FIRMWARE, contents(Pointer("a"), SCRIPTS | slot("a", app=b"old app")))
    assert (made.slot, made.park, made.switch) == ("b", None, Pointer("b", "trial"))
    assert made.send == {"loopwatch/app.mpy": b"new app"}
    assert made.copy == {"loopwatch/wire.mpy": "a/loopwatch/wire.mpy"}
    assert made.scripts == {}


def test_a_file_of_the_same_size_and_other_content_is_sent():
    made = plan.make(FIRMWARE, contents(Pointer("a"), SCRIPTS | slot("a") | slot("b", wire=b"eriw", app=b"o")))
    assert not made.changes, "slot a has it all already"
    made = plan.make(FIRMWARE, contents(Pointer("a"), SCRIPTS | slot("a", app=b"o") | slot("b", wire=b"eriw")))
    assert made.keep == ("loopwatch/app.mpy",)
    assert made.copy == {"loopwatch/wire.mpy": "a/loopwatch/wire.mpy"}


def test_the_mark_of_a_whole_slot_is_removed_first_and_then_what_is_no_longer_in_the_firmware():
    made = plan.make(FIRMWARE, contents(Pointer("a"), SCRIPTS | slot("a", app=b"o") | slot("b", gone=b"x", app=b"y")))
    assert made.remove == ("b/complete", "b/loopwatch/gone.mpy")


def test_a_slot_on_trial_gives_way_to_the_whole_one_before_it_is_written():
    board = SCRIPTS | slot("a", app=b"healthy") | slot("b", app=b"trial")
    made = plan.make(FIRMWARE, contents(Pointer("b", "trial"), board))
    assert (made.slot, made.park, made.switch) == ("b", Pointer("a"), Pointer("b", "trial"))


def test_a_slot_on_trial_that_is_alone_stays_and_the_other_one_is_written():
    made = plan.make(FIRMWARE, contents(Pointer("a", "trial"), SCRIPTS | slot("a", app=b"trial")))
    assert (made.slot, made.park) == ("b", None)


def test_a_slot_that_was_left_half_written_is_completed():
    half = {"b/loopwatch/wire.mpy": b"wire"}
    made = plan.make(FIRMWARE, contents(Pointer("a"), SCRIPTS | slot("a", app=b"old") | half))
    assert made.keep == ("loopwatch/wire.mpy",)
    assert list(made.send) == ["loopwatch/app.mpy"]


def test_room_is_counted_in_blocks_of_the_file_system():
    facts = Facts("rp2", "micropython", (1, 26, 1), "Raspberry Pi Pico with RP2040", 6, 4096, 11)
    made = plan.make(FIRMWARE, contents(Pointer(), {}))
    # Four files of a block each and eight blocks to spare are twelve: one too many.
    with pytest.raises(FlashError, match="48 KB are needed and 44 KB are free"):
        plan.check_room(made, contents(Pointer(), {}), facts)


def test_another_program_is_told_from_loopwatch():
    assert contents(Pointer(), {"main.py": b"blink"}).runs_something_else()
    assert not contents(Pointer(), {}).runs_something_else()
    assert not contents(Pointer(), {"main.py": b"x", "loopwatch/app.py": b""}).runs_something_else()
    assert not contents(Pointer("a"), {"main.py": b"x"}).runs_something_else()


def test_the_firmware_of_this_checkout_compiles_to_what_a_board_starts():
    files = flasher.build()
    assert {"main.py", "boot.py", "loopwatch/launch.mpy", "loopwatch/boards/pico.mpy"} <= set(files)
    assert files["loopwatch/launch.mpy"][:2] == b"M\x06", "an .mpy file of version 6"


def drive(folder: Path, info: str) -> Path:
    folder.mkdir()
    (folder / bootsel.INFO).write_text(info)
    return folder


def test_a_drive_of_a_board_in_bootsel_mode_is_told_by_its_text_file(tmp_path: Path):
    (tmp_path / "music").mkdir()
    folders = [tmp_path / "music", drive(tmp_path / "pico", INFO_PICO), tmp_path / "not there"]
    (found,) = bootsel.drives(folders)
    assert bootsel.the_drive([found]).folder == tmp_path / "pico"


def test_a_pico_2_wants_an_image_from_its_owner_and_nothing_is_written(tmp_path: Path):
    found = bootsel.drives([drive(tmp_path / "two", INFO_PICO_2)])
    with pytest.raises(NoBoard, match=r"is a Raspberry Pi Pico 2 \(RP2350\).*--uf2.*nothing was written"):
        bootsel.the_drive(found)
    assert [path.name for path in (tmp_path / "two").iterdir()] == [bootsel.INFO]
    assert bootsel.the_drive(found, image_given=True).chip == "Raspberry Pi Pico 2 (RP2350)"


def test_another_board_with_a_uf2_drive_is_named_whatever_image_is_given(tmp_path: Path):
    found = bootsel.drives([drive(tmp_path / "other", "UF2 Bootloader v1.23\nBoard-ID: SAMD21G18A-Feather-v0\n")])
    for given in (False, True):
        with pytest.raises(NoBoard, match="is a SAMD21G18A-Feather-v0.*nothing was written"):
            bootsel.the_drive(found, given)


# github.com/microsoft/uf2, utils/uf2families.json: RP2040, RP2XXX_ABSOLUTE, RP2350_ARM_S, RP2350_RISCV.
RP2040, ABSOLUTE, RP2350, RP2350_RISC_V = 0xE48BFF56, 0xE48BFF57, 0xE48BFF59, 0xE48BFF5A
BLOCKS_N = 5


def uf2_block(family: int, n: int, of: int = BLOCKS_N, flags: int = 0x2000) -> bytes:
    """A block of the format's description: magics, flags, address, size, number, of, family, payload, last magic."""
    head = struct.pack("<8I", 0x0A324655, 0x9E5D5157, flags, 0x1000_0000 + 256 * n, 256, n, of, family)
    return (head + bytes(256)).ljust(508, b"\0") + struct.pack("<I", 0x0AB16F30)


def uf2_file(folder: Path, *blocks: bytes) -> Path:
    """A file of these blocks."""
    path = folder / "image.uf2"
    path.write_bytes(b"".join(blocks))
    return path


def whole(family: int) -> list[bytes]:
    """All blocks of an image."""
    return [uf2_block(family, n) for n in range(BLOCKS_N)]


def test_an_image_goes_only_to_the_board_whose_family_it_names(tmp_path: Path):
    path = uf2_file(tmp_path, *whole(RP2040))
    image.check(path, "RPI-RP2")
    with pytest.raises(UsageError, match="is an image for RP2040, the board is one for RP2350"):
        image.check(path, "RP2350")
    # As picotool makes them for the RP2350: one block ahead that names no chip, and announces two.
    path = uf2_file(tmp_path, uf2_block(ABSOLUTE, 0, of=2), *whole(RP2350))
    image.check(path, "RP2350")
    with pytest.raises(UsageError, match="is an image for RP2350, the board is one for RP2040"):
        image.check(path, "RPI-RP2")
    with pytest.raises(UsageError, match="is an image for RP2350 as RISC-V"):
        image.check(uf2_file(tmp_path, *whole(RP2350_RISC_V)), "RP2350")
    with pytest.raises(UsageError, match="is an image for RP2040, RP2350"):
        image.check(uf2_file(tmp_path, *whole(RP2040), *whole(RP2350)), "RP2350")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a UF2 file"),
        (b"".join(whole(RP2350))[:-1], "not a UF2 file, or the download was cut"),
        (b"".join(whole(RP2350)[:-1]), "has 4 of 5 blocks"),
        (b"".join(whole(RP2350)[1:]), "has 4 of 5 blocks"),
        (b"<html>".ljust(512), "no UF2 block at byte 0"),
        (uf2_block(RP2350, 0, 1, flags=0), "does not say for which chip"),
        (uf2_block(ABSOLUTE, 0, of=2), "is an image for no chip"),
    ],
)
def test_a_file_that_is_no_whole_image_is_refused_with_the_reason(data: bytes, words: str, tmp_path: Path):
    with pytest.raises(UsageError, match=words):
        image.check(uf2_file(tmp_path, data), "RP2350")


def test_an_image_that_is_not_there_is_said_so(tmp_path: Path):
    with pytest.raises(UsageError, match=r"cannot be read \(No such file"):
        image.check(tmp_path / "no.uf2", "RP2350")


class Recorded:
    """A board's prompt that answers with what such a board once printed."""

    def __init__(self, printed: str) -> None:
        self._printed = printed

    def run(self, program: str) -> str:
        """Only the question for its facts prints anything."""
        return self._printed if "sys.implementation" in program else ""


def recorded(machine: str, mpy: int, version: str = "(1, 28, 0)") -> Recorded:
    """platform, implementation's name, version, _machine, _mpy, block, free blocks."""
    return Recorded(f"('rp2', 'micropython', {version}, '{machine}', {mpy}, 4096, 800)\n")


def test_the_firmware_is_compiled_for_what_the_boards_micropython_runs():
    # sys.implementation of MicroPython 1.28 on both boards, as printed there.
    pico = board.facts(recorded("Raspberry Pi Pico with RP2040", 4870))
    assert (pico.chip, pico.architecture) == ("RP2040", "armv6m")
    pico_2 = board.facts(recorded("Raspberry Pi Pico2 with RP2350", 7942))
    assert (pico_2.chip, pico_2.architecture) == ("RP2350", "armv7emsp")


def test_a_risc_v_micropython_and_another_chip_are_refused_by_name():
    with pytest.raises(NoBoard, match="runs as rv32imc, the firmware for the RP2350 is compiled for armv7emsp"):
        board.facts(recorded("Raspberry Pi Pico2 with RP2350-RISCV", 11 << 10 | 0x306))
    with pytest.raises(NoBoard, match=r"is a Some board with RP9999: the firmware is for .*\(RP2040\) or Pico 2"):
        board.facts(recorded("Some board with RP9999", 4870))


@pytest.mark.parametrize("architecture", ["armv6m", "armv7emsp"])
def test_machine_code_in_the_firmware_names_its_architecture(architecture: str):
    files = flasher.build(architecture)
    # MicroPython's reference, "MicroPython .mpy files": bits 2 to 5 of the third byte; 0 where all is bytecode.
    places = {data[2] >> 2 & 0xF for path, data in files.items() if path.endswith(".mpy")}
    assert places == {0, board.ARCHITECTURES.index(architecture)}
    with_code = {path for path, data in files.items() if path.endswith(".mpy") and data[2] >> 2}
    assert {"loopwatch/bank.mpy", "loopwatch/sampler.mpy"} <= with_code


def test_two_boards_in_bootsel_mode_are_one_too_many(tmp_path: Path):
    found = bootsel.drives([drive(tmp_path / "one", INFO_PICO), drive(tmp_path / "other", INFO_PICO)])
    with pytest.raises(NoBoard, match="2 boards are in BOOTSEL mode"):
        bootsel.the_drive(found)


def test_a_board_in_bootsel_mode_whose_drive_is_not_mounted_is_seen_on_usb(tmp_path: Path):
    device = tmp_path / "1-2"
    device.mkdir()
    (device / "idVendor").write_text("2e8a\n")
    (device / "idProduct").write_text("0005\n")
    assert not bootsel.plugged_in(tmp_path), "MicroPython runs"
    (device / "idProduct").write_text("0003\n")
    assert bootsel.plugged_in(tmp_path)
    assert "not mounted" in str(bootsel.no_drive())


def test_a_drive_that_stays_is_an_error_and_one_that_goes_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bootsel, "GONE_TIMEOUT_S", 0.2)
    image = tmp_path / "micropython.uf2"
    image.write_bytes(b"u" * 200_000)
    (found,) = bootsel.drives([drive(tmp_path / "pico", INFO_PICO)])
    with pytest.raises(FlashError, match="still in BOOTSEL mode"):
        bootsel.install(found, image, lambda done, of: None)
    assert (found.folder / image.name).read_bytes() == image.read_bytes()

    def leaves(done: int, of: int) -> None:
        if done == of:
            (found.folder / bootsel.INFO).unlink()

    bootsel.install(found, image, leaves)


def test_what_does_not_answer_as_micropython_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(prompt, "ENTER_TIMEOUT_S", 1)
    with PtyBoard(tmp_path, mute=True) as board, pytest.raises(NoBoard, match="hold BOOTSEL while plugging"):
        SerialPrompt(board.port).__enter__()


def test_a_port_that_is_not_there_is_exit_code_3():
    done = subprocess.run([*COMMAND, "flash", "--port", "/dev/ttyNOTHING"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 3
    assert "no board on /dev/ttyNOTHING" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--port", "/dev/ttyX", "--uf2", "x.uf2"), "leave one of --uf2 and --port out"),
        (("--uf2", "x.uf2"), "--uf2 is for a board in BOOTSEL mode, and there is none"),
    ],
)
def test_an_image_without_a_board_to_take_it_is_a_usage_error(arguments: tuple[str, ...], words: str):
    done = subprocess.run([*COMMAND, "flash", *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert words in " ".join(done.stderr.split())
