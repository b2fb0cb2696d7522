"""What the board remembers, on the real MicroPython: configuration, journal and black box through restarts."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from asked_board import AskedBoard, world_of
from commissioned_words import words

from loopwatch import alarms, journal, safe_mode
from loopwatch.config import TABLE, Config
from loopwatch_host import blackbox, board_config
from loopwatch_host.bench.vm import VmTarget
from loopwatch_host.commission import record
from loopwatch_host.errors import CommandFailed, Refused
from loopwatch_host.messages import Earlier
from loopwatch_host.stream import Stream

NEW = Config(words(), gas_ul=160_000, t_dome_offset_mdegc=-120, commissioned=1)

Make = Callable[..., AskedBoard]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    opened: list[AskedBoard] = []
    flash = tmp_path / "flash"
    flash.mkdir()

    def make(name: str = "quiet") -> AskedBoard:
        world = world_of(name)
        opened.append(AskedBoard(VmTarget(world, flash_dir=flash), world))
        opened[-1].advance(1.5)
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def push(board: AskedBoard, of: Config, force: bool = False) -> board_config.Pushed:
    return board_config.push(board.ask, of, force, pause=board.advance)


def test_a_configuration_is_pushed_taken_up_by_a_restart_and_pulled_as_it_was(make: Make, tmp_path: Path) -> None:
    board = make()
    before = board_config.pull(board.ask)
    assert before.content() == Config().content()
    pushed = push(board, NEW)
    assert pushed.changed
    assert [reset.cause for reset in board.target.resets] == ["software"]
    board.advance(3)
    boot = board.boots()[-1]
    assert f"{boot['config_crc_hi']:04X}{boot['config_crc_lo']:04X}" == pushed.crc == board_config.crc_text(NEW)
    assert boot["not_monitoring_n"] == 0
    assert board.records("sample")[-1].seq > 5, "and it samples on it"
    assert "not_commissioned=UNACK" not in board.ask("ALAR:LIST?")
    pulled = board_config.pull(board.ask)
    path = tmp_path / "pulled.toml"
    path.write_text(record.board_toml(pulled), encoding="utf-8")
    again = record.load_config(path)
    assert board_config.differences(again, NEW) == []
    assert not push(board, again).changed
    assert len(board.target.resets) == 1


def test_the_outputs_are_safe_and_the_laptop_is_told_before_the_restart(make: Make) -> None:
    board = make()
    board.advance(5)
    interlock = 10  # hardware/pinmap.toml
    world = board.world
    assert [level for _, gpio, level in world.pins if gpio == interlock][-1] == 1
    pins_n = len(world.pins)
    push(board, NEW)
    assert next(level for _, gpio, level in world.pins[pins_n:] if gpio == interlock) == 0
    stops = [e.values["subject_n"] for e in board.records("event") if e.values["event_n"] == journal.MODE]
    assert stops == [journal.MODE_MONITORING, journal.MODE_STOPPED, journal.MODE_MONITORING]


def test_what_is_damaged_or_nonsense_is_refused_by_name_and_nothing_changes(make: Make) -> None:
    board = make()
    content = bytearray(NEW.content())
    content[8:12] = (5).to_bytes(4, "little")

    def send(data: bytes) -> None:
        board.ask(f"CONF:BEG {len(data)}")
        for at in range(0, len(data), 48):
            board.ask(f"CONF:DATA {at},{base64.b64encode(data[at : at + 48]).decode()}")

    send(bytes(content))
    crc = f"{zlib.crc32(content):08X}"
    with pytest.raises(Refused, match="period_ms=5: must be 100 to 1000"):
        board.ask(f"CONF:COMM {crc}")
    content[8:12] = (200).to_bytes(4, "little")
    toggled = 4 * (2 + [row[0] for row in TABLE].index("interlock_toggled"))
    content[toggled : toggled + 4] = (1).to_bytes(4, "little")
    send(bytes(content))
    with pytest.raises(Refused, match="period_ms=200: the relay drops; 100, or interlock_toggled=0"):
        board.ask(f"CONF:COMM {zlib.crc32(content):08X}")
    send(NEW.content())
    with pytest.raises(Refused, match="CRC of what came is " + board_config.crc_text(NEW)):
        board.ask("CONF:COMM 12345678")
    board.ask("CONF:BEG 100")
    with pytest.raises(Refused, match="byte 0 is next"):
        board.ask("CONF:DATA 48,AAAA")
    with pytest.raises(Refused, match="byte 0 has not come"):
        board.ask("CONF:COMM 12345678")
    board.ask("CONF:ABOR")
    with pytest.raises(Refused, match="CONF:BEG first"):
        board.ask("CONF:DATA 0,AAAA")
    with pytest.raises(Refused, match="1 to 2048 bytes"):
        board.ask("CONF:BEG 100000")
    board.advance(3)
    assert board.target.resets == []
    assert board_config.pull(board.ask).content() == Config().content()


def test_a_push_that_breaks_off_leaves_the_old_one_and_the_next_begins_anew(make: Make) -> None:
    board = make()
    board.ask("CONF:BEG 980")
    board.ask("CONF:DATA 0,AAAAAAAA")
    assert push(board, NEW).changed
    assert board_config.pull(board.ask).content() == NEW.content()


def test_a_reply_that_is_lost_is_asked_for_again(make: Make) -> None:
    board = make()
    lost: list[str] = []

    def bad_cable(command: str) -> str:
        answer = board.ask(command)
        if len(lost) < 8 and command.split()[0] not in lost and not command.startswith("CONF:DATA 48"):
            lost.append(command.split()[0])
            raise CommandFailed(f"no answer to {command}")
        return answer

    assert board_config.push(bad_cable, NEW, pause=board.advance).changed
    assert "CONF:COMM" in lost and "CONF:DATA" in lost
    assert board_config.pull(bad_cable).content() == NEW.content()


def test_while_a_leak_stands_a_push_is_refused_unless_it_is_forced(make: Make) -> None:
    board = make("pinhole")
    board.advance(80)
    assert "leak=UNACK" in board.ask("ALAR:LIST?")
    with pytest.raises(Refused, match="a leak alarm stands"):
        push(board, NEW)
    assert board.target.resets == []
    assert push(board, NEW, force=True).changed


def test_records_that_cannot_be_used_are_told_and_a_push_mends_it(make: Make, tmp_path: Path) -> None:
    folder = tmp_path / "flash" / "config"
    folder.mkdir()
    (folder / "a").write_bytes(b"nonsense")
    board = make()
    assert board.ask("CONF:FAUL?").startswith("1 of 2 records cannot be used (damaged); safe defaults")
    assert board_config.pull(board.ask).content() == Config().content()
    assert push(board, Config()).changed, "though it is what is in force"
    assert board.ask("CONF:FAUL?") == ""


def test_events_go_on_through_a_power_cut_and_those_before_it_can_be_had(make: Make) -> None:
    board = make("pinhole")
    board.advance(75)
    latest = board.records("heartbeat")[-1].values["event_seq"] or 0
    events = {record.seq: record.values for record in board.records("event")}
    assert any(values["subject_n"] == alarms.LEAK and values["event_n"] == journal.ALARM for values in events.values())
    board.advance(3)
    board.target.power_cycle()
    board.advance(3)
    first, second = board.boots()
    assert (first["run_n"], first["before_seq"]) == (1, 0)
    assert (second["run_n"], second["before_seq"]) == (2, latest)
    fresh = [record for record in board.records("event") if record.epoch_n == 2]
    assert fresh[0].seq == latest + 1
    assert board.of(Earlier) == [], "they had been heard"
    # A laptop that knows nothing of it asks for all there is.
    board.client.stream = Stream()
    board.advance(1)
    board.messages.clear()
    run_n, before_seq = board.ask("SYST:RUN?").split(",")
    board.client.stream.number_run(int(run_n), int(before_seq))
    board.ask("EVEN:RES? 0")
    board.advance(1)
    earlier = [message.record for message in board.of(Earlier)]
    assert {record.seq: record.values for record in earlier} == events
    assert {record.values["run_n"] for record in earlier} == {1}
    assert [record.seq for record in board.records("event")] == list(range(latest + 1, latest + 1 + len(fresh)))


def test_an_alarm_is_on_the_flash_within_two_seconds(make: Make, tmp_path: Path) -> None:
    board = make("pinhole")
    flash = tmp_path / "flash" / "journal" / "tail"

    def raised() -> bool:
        return any(e.values["subject_n"] == alarms.LEAK and e.values["event_n"] == 1 for e in board.records("event"))

    while not raised():
        before_n = flash.stat().st_size
        board.advance(0.1)
        assert board.target.now_s < 100
    limit_s = board.target.now_s + 2
    while flash.stat().st_size == before_n:
        board.advance(0.1)
        assert board.target.now_s < limit_s


def test_a_leaks_black_box_is_fetched_without_a_gap(make: Make, tmp_path: Path) -> None:
    board = make("pinhole")
    board.advance(120)
    assert blackbox.numbers(board.ask) == [1]
    box = blackbox.fetch(board.ask, 1)
    assert (box.alarm, box.complete, box.run_n) == ("leak", True, 1)
    event = next(e for e in board.records("event") if e.seq == box.event_seq)
    assert (event.values["subject_n"], event.t_ms) == (alarms.LEAK, box.event_ms)
    told = {record.t_ms: record.values for record in board.records("sample")}
    assert [sample.t_ms for sample in box.samples] == list(range(box.samples[0].t_ms, box.samples[-1].t_ms + 1, 100))
    assert box.samples[0].t_ms <= box.event_ms - 59_500
    assert box.samples[-1].t_ms >= box.event_ms + 29_800
    names = blackbox.COLUMNS[1:]
    for sample in box.samples:
        assert [*sample.values, sample.status_bits] == [told[sample.t_ms][name] for name in names]
    assert board.records("sample")[-1].values["late_n"] == 0


def test_a_box_that_the_power_has_cut_says_so_and_one_with_a_hole_is_refused(make: Make, tmp_path: Path) -> None:
    board = make("pinhole")
    while not (tmp_path / "flash" / "boxes" / "1").exists():
        board.advance(1)
    board.advance(8)
    board.target.power_cycle()
    board.advance(2)
    box = blackbox.fetch(board.ask, 1)
    assert not box.complete
    assert 200 <= len(box.samples) <= 500
    with pytest.raises(Refused, match="no box 7"):
        blackbox.fetch(board.ask, 7)
    path = tmp_path / "flash" / "boxes" / "1"
    data = bytearray(path.read_bytes())
    data[1_500] ^= 1
    path.write_bytes(data)
    with pytest.raises(blackbox.BoxError, match="block 1 of . of the box is damaged"):
        blackbox.fetch(board.ask, 1)


def test_a_board_in_safe_mode_takes_a_configuration_too(make: Make, tmp_path: Path) -> None:
    board = make()
    (tmp_path / "flash" / "crash_n").write_text("3")
    push(board, NEW)
    board.advance(2)
    assert board.boots()[-1]["not_monitoring_n"] == safe_mode.CRASHED
    assert push(board, Config(gas_ul=90_000)).changed
    board.advance(2)
    assert board_config.pull(board.ask).gas_ul == 90_000
    runs = [boot["run_n"] or 0 for boot in board.boots()]
    assert runs == sorted(set(runs)), "a start in safe mode has its own number"
