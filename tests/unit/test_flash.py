"""What `loopwatch flash` decides without a board: the plan, the BOOTSEL drive, and its sentences."""

import subprocess
import sys
from pathlib import Path

import pytest
from pty_board import PtyBoard

from loopwatch_host.errors import NoBoard
from loopwatch_host.flash import bootsel, flasher, plan, prompt
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


def test_a_pico_2_is_named_and_nothing_is_written(tmp_path: Path):
    found = bootsel.drives([drive(tmp_path / "two", INFO_PICO_2)])
    with pytest.raises(NoBoard, match=r"is a Raspberry Pi Pico 2 \(RP2350\).*nothing was written"):
        bootsel.the_drive(found)
    assert [path.name for path in (tmp_path / "two").iterdir()] == [bootsel.INFO]


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
