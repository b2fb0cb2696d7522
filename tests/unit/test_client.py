"""The client against a board on a real pty, through real pyserial."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from pty_board import PtyBoard

from loopwatch import wire
from loopwatch_host import messages
from loopwatch_host.client import Client, Subscription
from loopwatch_host.errors import CommandFailed, NoBoard, UsageError
from loopwatch_host.messages import (
    Connected,
    Disconnected,
    Earlier,
    Gap,
    Identified,
    Message,
    Mismatch,
    Record,
    Started,
    Text,
)

Kind = TypeVar("Kind")
WAIT_S = 10.0


class Heard:
    """Everything a subscription has heard so far."""

    def __init__(self, subscription: Subscription) -> None:
        self.all: list[Message] = []
        self._subscription = subscription

    def until(self, met: Callable[[], bool]) -> None:
        """Listen until the condition is met; fails after WAIT_S."""
        end_s = time.monotonic() + WAIT_S
        while not met():
            assert time.monotonic() < end_s, f"not heard in {WAIT_S} s; heard {self.all[-20:]}"
            message = self._subscription.get(0.05)
            if message is not None:
                self.all.append(message)

    def of(self, kind: type[Kind]) -> list[Kind]:
        """What was heard of one kind."""
        return [message for message in self.all if isinstance(message, kind)]

    def records(self, name: str) -> list[Record]:
        """Records of one kind of records.KINDS."""
        return [record for record in self.of(Record) if record.name == name]

    def until_records(self, name: str, n: int) -> list[Record]:
        """Listen until n records of a kind are here."""
        self.until(lambda: len(self.records(name)) >= n)
        return self.records(name)


@pytest.fixture
def board(tmp_path: Path) -> Iterator[PtyBoard]:
    with PtyBoard(tmp_path) as board:
        yield board


@pytest.fixture
def client(board: PtyBoard) -> Iterator[Client]:
    client = Client(board.port)
    yield client
    client.close()


@pytest.fixture
def heard(client: Client) -> Heard:
    heard = Heard(client.subscribe())
    client.open()
    return heard


def test_a_sample_arrives_with_its_fields_and_its_time(board: PtyBoard, heard: Heard) -> None:
    board.boot()
    before_s = time.time()
    board.sample(1, 100, p_static_pa=151_234, t_dome_mdegc=None)
    (record,) = heard.until_records("sample", 1)
    assert (record.values["p_static_pa"], record.values["t_dome_mdegc"]) == (151_234, None)
    assert (record.seq, record.t_ms, record.epoch_n) == (1, 100, 1)
    # The boot line fixed board time 0, so 100 ms on the board are at most 100 ms ahead of now.
    assert before_s - 0.5 < record.at_s < time.time() + 0.1


@pytest.fixture
def quiet(board: PtyBoard) -> Iterator[tuple[Client, Heard]]:
    """A client that only listens, so that nothing but what a test sends is on the wire."""
    client = Client(board.port, greet=False)
    heard = Heard(client.subscribe())
    with client:
        yield client, heard


def test_a_line_in_pieces_is_one_record(board: PtyBoard, quiet: tuple[Client, Heard]) -> None:
    _, heard = quiet
    line = board.record("S", 7, 700, p_static_pa=99)
    for i in range(len(line)):
        board.send(line[i : i + 1])
    assert heard.until_records("sample", 1)[0].values["p_static_pa"] == 99


def test_a_damaged_line_is_counted_and_the_next_one_read(board: PtyBoard, client: Client, heard: Heard) -> None:
    board.sample(1, 100)
    board.send(board.record("S", 2, 200).replace(b"$S,2,2", b"$S,2,9"))
    board.sample(3, 300)
    assert [record.seq for record in heard.until_records("sample", 2)] == [1, 3]
    assert client.bad_n == 1
    assert [(gap.name, gap.after_seq, gap.lost_n) for gap in heard.of(Gap)] == [("sample", 1, 1)]


def test_gaps_are_counted_for_each_kind_and_across_the_wrap(board: PtyBoard, client: Client, heard: Heard) -> None:
    board.sample(2**30 - 2, 100)
    board.heartbeat(5, 110)
    board.sample(3, 600)
    board.heartbeat(6, 1110)
    heard.until_records("heartbeat", 2)
    assert [(gap.name, gap.after_seq, gap.lost_n) for gap in heard.of(Gap)] == [("sample", 2**30 - 2, 4)]
    assert client.lost_n["sample"] == 4 and client.lost_n["heartbeat"] == 0


def test_a_boot_record_starts_the_counts_over_without_a_gap(board: PtyBoard, heard: Heard) -> None:
    board.boot()
    board.sample(900, 90_000)
    board.boot()
    board.sample(1, 100)
    records = heard.until_records("sample", 2)
    assert [(record.epoch_n, record.t_ms) for record in records] == [(1, 90_000), (2, 100)]
    assert heard.of(Gap) == [] and len(heard.of(Started)) == 2


def test_a_restart_whose_boot_record_was_lost_is_noticed_by_its_clock(board: PtyBoard, heard: Heard) -> None:
    board.sample(900, 90_000)
    board.sample(3, 300)
    assert [record.epoch_n for record in heard.until_records("sample", 2)] == [1, 2]


def test_an_event_missing_between_two_others_is_asked_for_and_comes(board: PtyBoard, heard: Heard) -> None:
    board.boot()
    board.event(1, 10, event_n=1, state_n=1)
    board.event(2, 20, event_n=1, state_n=1, value=4711, lost=True)
    board.event(3, 30, event_n=1, state_n=2)
    events = heard.until_records("event", 3)
    assert [event.seq for event in events] == [1, 3, 2]
    assert events[2].values["value"] == 4711 and events[2].t_ms == 20
    assert "EVEN:RES? 1" in board.commands[-1]


def test_a_lost_last_event_is_asked_for_after_two_heartbeats(board: PtyBoard, heard: Heard) -> None:
    board.boot()
    board.event(1, 10, event_n=1, lost=True)
    board.heartbeat(1, 1000)
    board.heartbeat(2, 2000)
    assert heard.until_records("event", 1)[0].t_ms == 10


def test_events_of_before_joining_are_fetched(board: PtyBoard, heard: Heard) -> None:
    for seq in (1, 2, 3):
        board.event(seq, seq * 1000, event_n=1, subject_n=0, state_n=1, lost=True)
    board.heartbeat(60, 60_000)
    board.heartbeat(61, 61_000)
    assert [event.seq for event in heard.until_records("event", 3)] == [1, 2, 3]


def test_an_event_sent_twice_is_heard_once(board: PtyBoard, heard: Heard) -> None:
    board.boot()
    for seq in (1, 1, 2, 1):
        board.event(seq, 10, event_n=1)
    board.sample(1, 100)
    heard.until_records("sample", 1)
    assert [event.seq for event in heard.records("event")] == [1, 2]


def test_events_that_the_board_no_longer_has_are_a_gap(board: PtyBoard, heard: Heard) -> None:
    board.boot()
    board.event(1, 10)
    board.event(2, 20, lost=True)
    board.event(3, 30, lost=True)
    board.kept_after = 3
    board.event(4, 40)
    heard.until(lambda: bool(heard.of(Gap)))
    assert [(gap.name, gap.after_seq, gap.lost_n) for gap in heard.of(Gap)] == [("event", 1, 2)]


def test_a_board_that_never_answers_is_not_asked_for_ever(board: PtyBoard, client: Client, heard: Heard) -> None:
    board.mute = True
    board.boot()
    board.event(1, 10, lost=True)
    for second in range(1, 21):
        board.heartbeat(second, second * 1000, event_seq=1)
        heard.until_records("heartbeat", second)
    assert [(gap.name, gap.after_seq, gap.lost_n) for gap in heard.of(Gap)] == [("event", 0, 1)]
    assert client.lost_n["event"] == 1

    def tries_n() -> int:
        return sum("EVEN:RES?" in command for command in board.commands)

    heard.until(lambda: tries_n() >= 5)  # the far end reads in its own time
    assert tries_n() == 5


def test_a_command_is_answered_while_samples_stream(board: PtyBoard, client: Client, heard: Heard) -> None:
    board.boot()
    for seq in range(50):
        board.sample(seq, seq * 100)
    assert client.command("ALAR:ACK leak") == "OK"
    assert any(command.endswith(" ALAR:ACK leak") for command in board.commands)
    heard.until_records("sample", 50)
    assert heard.of(Gap) == []


def test_a_refused_command_says_what_the_board_said(board: PtyBoard, client: Client, heard: Heard) -> None:
    with pytest.raises(CommandFailed, match="refused FOO: -113.*Undefined header"):
        client.command("FOO")


def test_a_command_without_answer_ends_after_its_time(board: PtyBoard, client: Client, heard: Heard) -> None:
    board.mute = True
    begun_s = time.monotonic()
    with pytest.raises(CommandFailed, match=r"no answer to \*TST\? in 0.3 s"):
        client.command("*TST?", timeout_s=0.3)
    assert time.monotonic() - begun_s < 2


@pytest.mark.parametrize("text", ["STR ON\nSTR OFF", "STR \x03", "grüß", "X" * 81])
def test_what_is_not_one_line_of_text_is_not_sent(board: PtyBoard, client: Client, heard: Heard, text: str) -> None:
    with pytest.raises(UsageError):
        client.command(text)


def test_a_board_already_running_is_asked_who_it_is(board: PtyBoard, heard: Heard) -> None:
    board.sample(5, 500)
    heard.until(lambda: bool(heard.of(Identified)))
    (who,) = heard.of(Identified)
    assert (who.board_id, who.firmware) == ("e661a4d417123456", "0.1.0")


def test_a_client_that_only_listens_sends_nothing(board: PtyBoard, quiet: tuple[Client, Heard]) -> None:
    _, heard = quiet
    board.boot()
    board.sample(1, 100)
    heard.until_records("sample", 1)
    assert board.commands == []


def test_another_protocol_is_named_with_both_versions_and_the_remedy(board: PtyBoard, heard: Heard) -> None:
    board.firmware = "0.2.0"
    board.boot(protocol_n=wire.PROTOCOL_N + 1, crc=(0xDEAD, 0xBEEF))
    board.sample(1, 100)
    heard.until_records("sample", 1)
    (mismatch,) = heard.of(Mismatch)
    assert f"firmware 0.2.0 with protocol {wire.PROTOCOL_N + 1} (DEADBEEF)" in mismatch.text
    assert f"protocol {wire.PROTOCOL_N} (" in mismatch.text and "`loopwatch flash`" in mismatch.text


def test_the_same_protocol_is_no_mismatch(board: PtyBoard, heard: Heard) -> None:
    board.boot()
    board.sample(1, 100)
    heard.until_records("sample", 1)
    assert heard.of(Mismatch) == []


def test_a_vanished_board_is_one_message_and_its_return_another(board: PtyBoard, client: Client, heard: Heard) -> None:
    board.boot()
    board.sample(1, 100)
    heard.until_records("sample", 1)
    board.hang_up()
    heard.until(lambda: bool(heard.of(Disconnected)))
    assert not client.connected
    with pytest.raises(CommandFailed, match="not connected"):
        client.command("*IDN?")
    time.sleep(0.6)
    board.plug_in()
    heard.until(lambda: len(heard.of(Connected)) == 2)
    board.boot()
    board.sample(1, 100)
    assert heard.until_records("sample", 2)[1].epoch_n == 2
    assert len(heard.of(Disconnected)) == 1 and heard.of(Gap) == []


def test_the_same_board_is_found_under_a_new_port_name(board: PtyBoard, tmp_path: Path) -> None:
    moved = str(tmp_path / "elsewhere")
    client = Client(board.port, find=lambda device, serial_number: moved if Path(moved).exists() else None)
    heard = Heard(client.subscribe())
    with client:
        board.boot()
        heard.until(lambda: bool(heard.of(Identified)))
        board.hang_up()
        heard.until(lambda: bool(heard.of(Disconnected)))
        board.plug_in(moved)
        heard.until(lambda: len(heard.of(Connected)) == 2)
        assert client.port == moved
        board.sample(1, 100)
        heard.until_records("sample", 1)


def test_another_board_on_the_same_port_is_refused(board: PtyBoard, heard: Heard) -> None:
    board.boot()
    heard.until(lambda: bool(heard.of(Identified)))
    board.hang_up()
    board.board_id = 0x1111222233334444
    board.plug_in()
    heard.until(lambda: len(heard.of(Disconnected)) == 2)
    assert "another board (1111222233334444)" in heard.of(Disconnected)[1].reason


def test_a_command_under_way_when_the_board_vanishes_fails_at_once(
    board: PtyBoard, client: Client, heard: Heard
) -> None:
    board.mute = True
    pending = client.post("*TST?")
    board.hang_up()
    with pytest.raises(CommandFailed, match="disconnected"):
        pending.wait(5.0)


def test_the_port_is_held_by_one_client_alone(board: PtyBoard, client: Client, heard: Heard) -> None:
    with pytest.raises(NoBoard, match="is busy"):
        Client(board.port).open()
    client.close()
    with Client(board.port):
        pass


def test_a_sample_grows_old(board: PtyBoard, client: Client, heard: Heard) -> None:
    assert client.sample_age_s() is None and client.stale
    board.sample(1, 100)
    heard.until_records("sample", 1)
    age_s = client.sample_age_s()
    assert age_s is not None and age_s < 1.0 and not client.stale
    time.sleep(2.1)
    assert client.stale


def test_a_traceback_is_passed_on_as_text(board: PtyBoard, heard: Heard) -> None:
    board.send(b"Traceback (most recent call last):\r\nMemoryError: \r\nMicroPython v1.26.1\r\n>>> \r\n")
    heard.until(lambda: len(heard.of(Text)) == 4)
    assert heard.of(Text)[0].text == "Traceback (most recent call last):"


def test_every_byte_is_consumed_and_counted(board: PtyBoard, quiet: tuple[Client, Heard]) -> None:
    client, heard = quiet
    lines = [board.record("S", seq, seq * 100, p_static_pa=100_000 + seq) for seq in range(2000)]
    for line in lines:
        board.send(line)
    heard.until(lambda: client.received_n == sum(len(line) for line in lines))
    values = [record.values["p_static_pa"] for record in heard.until_records("sample", 2000)]
    assert values == [100_000 + seq for seq in range(2000)] and client.bad_n == 0


def test_a_channel_without_value_never_reads_good(board: PtyBoard, heard: Heard) -> None:
    board.sample(1, 100, p_static_pa=None, status_bits=0)
    board.sample(2, 200, p_static_pa=None, status_bits=8)
    absent, broken = heard.until_records("sample", 2)
    assert messages.channel_status(absent, 0) == "no_value"
    assert messages.channel_status(broken, 0) == "open"
    assert messages.channel_status(broken, 1) == "good"


@pytest.fixture
def numbered(board: PtyBoard) -> PtyBoard:
    """A board whose journal goes on from start to start; this is its seventh, and five events are from before."""
    board.run_n = 6
    for seq in range(1, 6):
        board.event(seq, 1_000 * seq, lost=True, subject_n=seq)
    return board


def test_events_of_before_the_laptop_came_are_history_told_apart_from_live_ones(
    numbered: PtyBoard, client: Client, heard: Heard
) -> None:
    numbered.boot()
    numbered.event(6, 10)
    numbered.heartbeat(1, 1_000)
    numbered.heartbeat(2, 2_000)
    heard.until(lambda: len(heard.of(Earlier)) == 5)
    assert [message.record.seq for message in heard.of(Earlier)] == [1, 2, 3, 4, 5]
    assert {message.record.epoch_n for message in heard.of(Earlier)} == {0}
    assert [record.seq for record in heard.records("event")] == [6]
    assert heard.of(Gap) == []


def test_history_that_the_board_no_longer_has_is_not_a_loss(numbered: PtyBoard, client: Client, heard: Heard) -> None:
    numbered.kept_after = 3
    numbered.boot()
    numbered.heartbeat(1, 1_000)
    numbered.heartbeat(2, 2_000)
    heard.until(lambda: len(heard.of(Earlier)) == 2)
    numbered.heartbeat(3, 3_000)
    heard.until_records("heartbeat", 3)
    assert heard.of(Gap) == []


def test_an_event_that_the_power_took_with_it_is_sent_after_the_restart_once(
    board: PtyBoard, client: Client, heard: Heard
) -> None:
    board.run_n = 1
    board.boot()
    board.event(1, 100)
    board.event(2, 60_000, lost=True, subject_n=9)
    board.boot()
    board.event(3, 10)
    board.heartbeat(1, 1_000)
    board.heartbeat(2, 2_000)
    heard.until(lambda: bool(heard.of(Earlier)))
    (late,) = heard.of(Earlier)
    assert (late.record.seq, late.record.epoch_n, late.record.t_ms) == (2, 1, 60_000)
    assert [record.seq for record in heard.records("event")] == [1, 3]
    board.heartbeat(3, 3_000)
    heard.until_records("heartbeat", 3)
    assert len(heard.of(Earlier)) == 1


def test_a_number_that_comes_again_after_a_cut_is_another_event(board: PtyBoard, client: Client, heard: Heard) -> None:
    board.run_n = 1
    board.boot()
    board.event(1, 100)
    board.event(2, 200)
    # The second one was sent, and the power went before it was on the flash.
    del board.events[2]
    board.boot()
    board.event(2, 10, subject_n=7)
    records = heard.until_records("event", 3)
    assert [(record.seq, record.epoch_n, record.values["subject_n"]) for record in records] == [
        (1, 1, 0),
        (2, 1, 0),
        (2, 2, 7),
    ]


def test_a_start_whose_first_line_was_missed_keeps_what_was_heard(
    board: PtyBoard, client: Client, heard: Heard
) -> None:
    board.run_n = 1
    board.boot()
    board.event(1, 100)
    board.sample(1, 100_000)
    heard.until_records("sample", 1)
    board.boot(heard=False)
    board.sample(0, 100)
    heard.until(lambda: any("SYST:RUN?" in command for command in board.commands[2:]))
    board.event(2, 200)
    board.heartbeat(1, 1_000)
    board.heartbeat(2, 2_000)
    heard.until_records("heartbeat", 2)
    assert [(record.seq, record.epoch_n) for record in heard.records("event")] == [(1, 1), (2, 2)]
    assert heard.of(Earlier) == [] and heard.of(Gap) == []
