"""The configuration on the flash: old or new at any cut of power, whole or refused, older layouts understood."""

import struct
import zlib
from pathlib import Path

import pytest
from commissioned_words import words
from cut_power import FOR_EVER, power

from loopwatch import config, pair, settings
from loopwatch.config import TABLE, Config, decode
from loopwatch.settings import Settings
from loopwatch_host.flash import board

WORDS = words()
OLD = Config(gas_ul=100_000)
NEW = Config(WORDS, gas_ul=160_000, commissioned=1)


def kept(folder: Path) -> tuple[int, int]:
    """Gas volume of the configuration that a start from this folder takes, and its fault."""
    with power(folder, FOR_EVER):
        found = Settings().load()
    return found.gas_ul, found.fault_n


@pytest.fixture
def pushed(tmp_path: Path) -> Path:
    """A board's file system on which OLD is in force."""
    with power(tmp_path, FOR_EVER):
        Settings().save(OLD.content())
    return tmp_path


def test_a_new_board_runs_on_the_safe_defaults_and_has_no_fault(tmp_path: Path) -> None:
    assert kept(tmp_path) == (next(row[1] for row in TABLE if row[0] == "gas_ul"), config.FAULT_NONE)
    assert list(tmp_path.iterdir()) == []


def test_what_was_saved_is_in_force_after_a_restart_word_for_word(pushed: Path) -> None:
    with power(pushed, FOR_EVER):
        Settings().save(NEW.content())
        found = Settings().load()
    assert [*found.residual, *found.bank, *found.burst, *found.estimate] == WORDS
    assert found.content() == NEW.content()
    assert found.fault == ""


@pytest.mark.parametrize("rest", range(4))
def test_a_cut_at_any_byte_of_a_push_leaves_the_old_or_the_new_one(tmp_path: Path, rest: int) -> None:
    outcomes = []
    for lasts_n in range(rest, 1_300, 4):
        folder = tmp_path / str(lasts_n)
        folder.mkdir()
        with power(folder, FOR_EVER):
            Settings().save(OLD.content())
        done = False
        with power(folder, lasts_n, pair):
            Settings().save(NEW.content())
            done = True
        gas_ul, fault_n = kept(folder)
        outcomes.append((gas_ul, fault_n))
        assert gas_ul in (OLD.gas_ul, NEW.gas_ul)
        assert not done or (gas_ul, fault_n) == (NEW.gas_ul, config.FAULT_NONE)
        # The next push heals whatever the cut has left.
        with power(folder, FOR_EVER):
            Settings().save(NEW.content())
        assert kept(folder) == (NEW.gas_ul, config.FAULT_NONE)
    assert outcomes == sorted(outcomes, key=lambda each: each[0]), "old, then new"
    assert {gas_ul for gas_ul, _ in outcomes} == {OLD.gas_ul, NEW.gas_ul}


@pytest.mark.parametrize("share", range(4))
def test_a_byte_changed_anywhere_in_the_record_in_force_brings_back_the_other_one(tmp_path: Path, share: int) -> None:
    with power(tmp_path, FOR_EVER):
        Settings().save(OLD.content())
        Settings().save(NEW.content())
    path = tmp_path / "config" / "b"
    whole = path.read_bytes()
    for at in range(share, len(whole), 4):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        assert kept(tmp_path) == (OLD.gas_ul, config.FAULT_ONE), at
    path.write_bytes(whole)
    assert kept(tmp_path) == (NEW.gas_ul, config.FAULT_NONE)


def test_without_a_usable_record_the_defaults_are_in_force_and_the_fault_says_why_and_what_to_do(pushed: Path) -> None:
    with power(pushed, FOR_EVER):
        Settings().save(NEW.content())
    for name in pair.NAMES:
        (pushed / "config" / name).write_bytes(b"nonsense")
    with power(pushed, FOR_EVER):
        found = Settings().load()
    assert found.content() == Config().content()
    assert found.fault_n == config.FAULT_DEFAULTS
    assert found.fault == (
        "2 of 2 records cannot be used (damaged); safe defaults are in force: push the configuration again"
    )


def test_a_record_of_a_later_layout_is_left_for_the_one_before_it_and_named(pushed: Path) -> None:
    later = struct.pack("<3i", 99, 1, 7)
    with power(pushed, FOR_EVER):
        record = pair.Pair(settings.FOLDER, settings.KIND)
        record.load(decode)
        record.save(later)
        found = Settings().load()
    assert found.gas_ul == OLD.gas_ul
    assert "layout 99: this firmware knows 1 to 3" in found.fault


def test_a_record_of_layout_1_is_understood_and_wants_commissioning_anew(tmp_path: Path) -> None:
    # As the firmware before words wrote it: layout, number, and the fifteen scalars.
    values = [row[1] for row in TABLE[:15]]
    values[9], values[14] = 123_000, 1
    content = struct.pack("<17i", 1, 15, *values)
    head = b"LWC\0" + struct.pack("<2I", 3, len(content))
    data = head + content + struct.pack("<I", zlib.crc32(head + content))
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "a").write_bytes(data)
    with power(tmp_path, FOR_EVER):
        found = Settings().load()
        assert (found.gas_ul, found.commissioned, found.fault) == (123_000, 0, "")
        Settings().save(NEW.content())
    assert kept(tmp_path) == (NEW.gas_ul, config.FAULT_NONE)


def test_a_flash_that_takes_nothing_is_told_and_the_old_one_stays(pushed: Path) -> None:
    (pushed / "config" / "b").mkdir()
    with power(pushed, FOR_EVER), pytest.raises(IsADirectoryError):
        Settings().save(NEW.content())
    (pushed / "config" / "b").rmdir()
    assert kept(pushed) == (OLD.gas_ul, config.FAULT_NONE)


def test_nothing_is_written_of_a_configuration_that_cannot_be(pushed: Path) -> None:
    before = {path: path.read_bytes() for path in pushed.rglob("*") if path.is_file()}
    content = bytearray(NEW.content())
    struct.pack_into("<i", content, 8, 5)
    with power(pushed, FOR_EVER), pytest.raises(ValueError, match="period_ms=5: must be 100 to 1000"):
        Settings().save(bytes(content))
    assert {path: path.read_bytes() for path in pushed.rglob("*") if path.is_file()} == before


def test_what_the_flasher_erases_is_where_the_settings_are() -> None:
    assert board.SETTINGS == settings.FOLDER


def test_the_file_that_a_board_is_made_with_is_one_that_it_could_have_written(tmp_path: Path) -> None:
    path, data = settings.first_file(NEW.content())
    with power(tmp_path, FOR_EVER):
        Settings().save(NEW.content())
    assert (tmp_path / path).read_bytes() == data
