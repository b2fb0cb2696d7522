"""Black boxes brought home by whoever watches: each once, whole or refused, through a link that comes and goes."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cut_power import FOR_EVER, power
from pty_board import BOARD_ID, PtyBoard
from test_blackbox import Board

from loopwatch.blackbox import BLOCK_N
from loopwatch.config_desk import READ_N
from loopwatch_host import blackbox
from loopwatch_host.box_keeper import AGAIN_MS, FINISHED_MS, BoxKeeper
from loopwatch_host.client import Client
from loopwatch_host.messages import BlackBox, Message, Record
from loopwatch_host.store import Log, Row, Store

WAIT_S = 20.0


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A box as the firmware writes it: of run 3, about event 9 at 6 s, soon after the start."""
    folder = tmp_path_factory.mktemp("flash")
    with power(folder, FOR_EVER):
        board = Board(folder)
        board.live(60)
        board.alarm()
        board.live(400)
        return board.box.read(1, 0, 10**6)


class Desk:
    """A laptop that watches a board: client, log and keeper, as cli.watch has them."""

    def __init__(self, board: PtyBoard, path: Path) -> None:
        self.said: list[str] = []
        self.heard: list[Message] = []
        self.t_ms = 0
        self._board = board
        self.client = Client(board.port)
        self._queue = self.client.subscribe()
        self.store = Store(path, "test")
        self.keeper = BoxKeeper(self.client, self.store)
        self.client.open()

    def close(self) -> None:
        self.client.close()
        self.store.close()

    def until(self, met: Callable[[], object], samples: bool = True) -> None:
        """Let the board sample, and the desk hear it, until the condition is met."""
        end_s = time.monotonic() + WAIT_S
        while not met():
            assert time.monotonic() < end_s, (
                f"not met in {WAIT_S} s; said {self.said}, asked {self._board.commands[-9:]}"
            )
            if samples:
                self.live()
            self.hear()
            time.sleep(0.002)

    def live(self, t_ms: int | None = None) -> None:
        """A sample, and the heartbeat of its second."""
        self.t_ms = self.t_ms + 100 if t_ms is None else t_ms
        self._board.sample(self.t_ms // 100, self.t_ms)
        if self.t_ms % 1_000 == 0:
            self._board.heartbeat(self.t_ms // 1_000, self.t_ms)

    def hear(self) -> None:
        for message in self._queue.drain():
            self.heard.append(message)
            self.store.add(message)
            self.keeper.take(message)
        self.said += [news.text for news in self.keeper.tick()]

    def asked(self, what: str) -> list[str]:
        return [command.partition(" ")[2] for command in self._board.commands if what in command]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
def board(tmp_path: Path) -> Iterator[PtyBoard]:
    with PtyBoard(tmp_path) as board:
        yield board


@pytest.fixture
def desk(board: PtyBoard, path: Path) -> Iterator[Desk]:
    desk = Desk(board, path)
    yield desk
    desk.close()


def raise_leak(board: PtyBoard, t_ms: int) -> None:
    """The event that the box is about."""
    board.event(9, t_ms, event_n=1, subject_n=0, state_n=1, priority_n=1)


def kept(path: Path) -> list[Row]:
    with Log(path) as log:
        return log.boxes(f"{BOARD_ID:016x}")


def test_the_boxes_that_a_board_has_when_it_is_connected_are_kept_byte_for_byte(
    board: PtyBoard, desk: Desk, path: Path, box: bytes
) -> None:
    board.boxes = {4: box}
    board.boot()
    desk.until(lambda: desk.said)
    assert desk.said == ["KEPT  black box 1: 360 samples, from 6.0 s before leak to 29.9 s after it"]
    (row,) = kept(path)
    assert (row["run_n"], row["event_seq"], row["event_ms"], row["alarm"], row["complete"]) == (3, 9, 6_000, "leak", 1)
    with Log(path) as log:
        assert log.box_content(row["id"]) == box
    assert blackbox.kept(path, row["id"]) == blackbox.parse(box)


def test_a_box_is_fetched_after_its_alarm_when_it_is_finished_and_not_before(
    board: PtyBoard, desk: Desk, path: Path, box: bytes
) -> None:
    board.boot()
    desk.until(lambda: desk.asked("BLAC:LIST?"))
    asked_n = len(desk.asked("BLAC:"))
    raise_leak(board, desk.t_ms)
    alarm_ms = desk.t_ms
    board.boxes, board.writing = {1: box[:BLOCK_N]}, {1}
    desk.until(lambda: desk.t_ms >= alarm_ms + FINISHED_MS - 1_000)
    assert len(desk.asked("BLAC:")) == asked_n
    desk.until(lambda: desk.asked("BLAC:SIZE? 1"))
    board.boxes, board.writing = {1: box}, set()
    looked_ms = desk.t_ms
    desk.until(lambda: desk.said)
    assert desk.t_ms >= looked_ms + AGAIN_MS - 1_000
    assert [row["box_n"] for row in kept(path)] == [1]


def test_a_link_that_goes_in_the_middle_of_a_box_costs_none_of_what_has_come(
    board: PtyBoard, desk: Desk, path: Path, box: bytes
) -> None:
    board.boxes = {1: box}
    board.boot()
    desk.until(lambda: len(desk.asked("BLAC:READ?")) > 60)
    board.hang_up()
    desk.until(lambda: not desk.client.connected, samples=False)
    read_n = len(desk.asked("BLAC:READ?"))
    board.plug_in()
    desk.until(lambda: desk.client.connected, samples=False)
    desk.until(lambda: desk.said)
    pieces_n = -(-len(box) // READ_N)
    # The first piece is asked for again, to know that it is the same box, and what was on its way at the cut.
    assert read_n > 60
    assert pieces_n < len(desk.asked("BLAC:READ?")) <= pieces_n + 4
    assert blackbox.kept(path, kept(path)[0]["id"]).complete


def test_what_the_log_has_is_not_fetched_again_by_this_or_a_later_sitting(
    board: PtyBoard, desk: Desk, path: Path, box: bytes
) -> None:
    board.boxes = {1: box}
    board.boot()
    desk.until(lambda: desk.said)
    read_n = len(desk.asked("BLAC:READ?"))
    board.boot()
    desk.t_ms = 0
    desk.until(lambda: len(desk.asked("BLAC:LIST?")) == 2 and desk.t_ms > 2_000)
    desk.close()
    later = Desk(board, path)
    later.until(lambda: len(later.asked("BLAC:LIST?")) == 3 and later.t_ms > 3_000)
    assert later.said == []
    # Each look reads a box's beginning, to know which one it is.
    assert len(later.asked("BLAC:READ?")) == read_n + 2
    assert len(kept(path)) == 1
    later.close()


def test_a_box_with_a_damaged_block_is_refused_once_and_the_next_one_is_kept(
    board: PtyBoard, desk: Desk, path: Path, box: bytes
) -> None:
    damaged = bytearray(box)
    damaged[5 * BLOCK_N + 40] ^= 1
    gap = box[: 3 * BLOCK_N] + box[4 * BLOCK_N :]
    board.boxes = {1: bytes(damaged), 2: gap, 3: box}
    board.boot()
    desk.until(lambda: len(desk.said) == 3)
    assert desk.said[0].startswith("REFUSED  black box 1: block 5 of 8 of the box is damaged")
    assert desk.said[1].startswith("REFUSED  black box 2: block 3 of the box is missing, 4 is in its place")
    assert [row["box_n"] for row in kept(path)] == [1], "the number inside the box"
    raise_leak(board, desk.t_ms)
    desk.until(lambda: len(desk.asked("BLAC:LIST?")) == 2)
    desk.until(lambda: desk.asked("BLAC:LIST?") and not desk.keeper.busy)
    assert len(desk.said) == 3


def test_a_box_that_the_power_has_cut_is_kept_up_to_the_cut_and_says_so(
    board: PtyBoard, desk: Desk, path: Path, box: bytes
) -> None:
    board.boxes = {1: box[: 3 * BLOCK_N + 500]}
    board.boot()
    desk.until(lambda: desk.said)
    assert desk.said[0].endswith("; the power has cut it")
    (row,) = kept(path)
    assert (row["complete"], row["sample_n"]) == (0, 3 * 48)


def test_no_more_than_one_question_is_asked_for_each_record_of_the_board(
    board: PtyBoard, desk: Desk, box: bytes
) -> None:
    board.boxes = {1: box}
    board.boot()
    desk.until(lambda: desk.said)
    record_n = sum(isinstance(message, Record) for message in desk.heard)
    assert len(desk.asked("BLAC:")) <= record_n
    assert all(isinstance(message, BlackBox) is False for message in desk.heard)


def test_a_firmware_without_black_boxes_is_left_in_peace(board: PtyBoard, desk: Desk) -> None:
    board.boxes = None
    board.boot()
    desk.until(lambda: desk.t_ms > 20_000)
    assert len(desk.asked("BLAC:")) == 1
    assert desk.said == []


def test_the_time_of_a_box_is_that_of_its_event_in_the_log(board: PtyBoard, desk: Desk, path: Path, box: bytes) -> None:
    board.run_n = 2
    board.boot()
    desk.until(lambda: desk.t_ms >= 1_000)
    raise_leak(board, 6_000)
    board.boxes = {1: box}
    desk.t_ms = 38_000
    desk.until(lambda: desk.said)
    with Log(path) as log:
        (event,) = log.records("event", 1)
        assert log.boxes()[0]["at_s"] == event["at_s"]
