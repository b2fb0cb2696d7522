"""The black boxes that faces show: every sample in its place around the alarm, gaps open, one by one and as a table."""

import csv
import io
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cut_power import FOR_EVER, power
from test_blackbox import Board
from test_dashboard import Desk, Hand
from textual.pilot import Pilot
from textual.widgets import OptionList

from loopwatch.blackbox import BLOCK_N
from loopwatch_host import blackbox, pictures
from loopwatch_host.dashboard.app import Dashboard
from loopwatch_host.dashboard.boxes import BoxChart
from loopwatch_host.desk import boxes
from loopwatch_host.desk.channels import P_STATIC, T_SOURCE
from loopwatch_host.messages import BlackBox, Identified
from loopwatch_host.store import Store
from loopwatch_host.web.feed import Feed
from loopwatch_host.web.server import Board as Page

BOARD_ID = "e6614104032d5a2b"
ALARM_S = 70


def _content(folder: Path) -> bytes:
    """A box as the firmware writes it, about an alarm at ALARM_S."""
    with power(folder, FOR_EVER):
        board = Board(folder)
        board.live(ALARM_S * 10)
        board.alarm()
        board.live(1000)
        return board.box.read(1, 0, 10**6)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with two boxes of one board; the second is cut after some blocks."""
    folder = tmp_path_factory.mktemp("boxes")
    whole = _content(folder)
    path = folder / "log.db"
    with closing(Store(path, "test")) as store:
        for box_n, content in ((1, whole), (2, whole[: 2 * BLOCK_N])):
            box = blackbox.parse(content)
            store.keep_box(
                board_id=BOARD_ID, box_n=box_n, run_n=box.run_n, event_seq=box.event_seq, event_ms=box.event_ms,
                alarm=box.alarm, sample_n=len(box.samples), complete=box.complete, fetched_s=1000.0 * box_n,
                content=content,
            )  # fmt: skip
    return path


@pytest.fixture
def desk(log: Path) -> Desk:
    """A desk in front of the board whose boxes the log has."""
    made = Desk()
    made.log = log
    made.start()
    made.loop.show(Identified(BOARD_ID, "0.1.0", 1, 0.0))
    made.second()
    return made


def test_a_box_reaches_from_a_minute_before_its_alarm_to_half_a_minute_after_it_sample_by_sample(log: Path) -> None:
    lines = boxes.lines(log, 1)
    ((times_s, values),) = lines.runs(P_STATIC)
    assert lines.from_s == pytest.approx(-60.0, abs=0.1)
    assert lines.to_s == pytest.approx(30.0, abs=0.1)
    assert len(times_s) == len(lines.box.samples) >= 890
    # The board of the test writes n % 1000 into channel 0 of sample n, ten samples a second.
    assert values == pytest.approx([round((at_s + ALARM_S) * 10) % 1000 / P_STATIC.divisor for at_s in times_s])


def test_samples_that_are_missing_in_a_box_leave_its_lines_open(log: Path) -> None:
    whole = boxes.lines(log, 1).box
    samples = tuple(each for each in whole.samples if not -10_000 <= each.t_ms - whole.event_ms < -5_000)
    lines = boxes.lines_of(blackbox.Box(**{**vars(whole), "samples": samples}))
    before, after = lines.runs(T_SOURCE)
    assert before[0][-1] == pytest.approx(-10.1)
    assert after[0][0] == pytest.approx(-5.0)


def test_a_channel_without_a_value_leaves_a_gap_in_its_own_line_only(log: Path) -> None:
    whole = boxes.lines(log, 1).box
    blind = tuple(
        blackbox.Sample(each.t_ms, (None, *each.values[1:]), each.status_bits) if n in (100, 101) else each
        for n, each in enumerate(whole.samples)
    )
    lines = boxes.lines_of(blackbox.Box(**{**vars(whole), "samples": blind}))
    assert [len(times_s) for times_s, _ in lines.runs(P_STATIC)] == [100, len(blind) - 102]
    assert len(lines.runs(T_SOURCE)) == 1


def test_a_board_that_is_not_known_yet_has_no_boxes_and_another_one_neither(log: Path) -> None:
    assert [row["id"] for row in boxes.kept(log, BOARD_ID)] == [2, 1]
    assert boxes.kept(log, "") == boxes.kept(log, "0123456789abcdef") == []


@pytest.mark.parametrize(("size", "charts_n"), [((150, 42), 3), ((60, 24), 1)])
def test_the_key_b_lists_the_boxes_and_draws_the_one_under_the_cursor(
    desk: Desk, size: tuple[int, int], charts_n: int
) -> None:
    async def act(pilot: Pilot[None], app: Dashboard) -> None:
        await pilot.press("b")
        await pilot.pause()
        text = "\n".join("".join(s.text for s in strip) for strip in app.screen._compositor.render_strips())
        assert app.screen.query_one(OptionList).option_count == 2
        assert "cut" in text and "black boxes" in text and "NO ALARM" in text
        await pilot.press("down")
        await pilot.pause()
        text = "\n".join("".join(s.text for s in strip) for strip in app.screen._compositor.render_strips())
        assert "900 samples" in text or "899 samples" in text
        assert "┊" in text and "alarm" in text
        assert sum(chart.display for chart in app.screen.query(BoxChart)) == charts_n
        await pilot.press("b")
        await pilot.pause()
        assert not app.screen.query(BoxChart)

    desk.run(size, act)


def test_a_box_that_comes_while_somebody_looks_appears_in_the_list(desk: Desk, tmp_path: Path, log: Path) -> None:
    desk.log = tmp_path / "log.db"
    Store(desk.log, "test").close()

    async def act(pilot: Pilot[None], app: Dashboard) -> None:
        await pilot.press("b")
        await pilot.pause()
        assert app.screen.query_one(OptionList).option_count == 0
        desk.log.write_bytes(log.read_bytes())
        desk.loop.show(BlackBox("KEPT", True, 0.0))
        while not app.screen.query_one(OptionList).option_count:
            await pilot.pause(0.1)

    desk.run((120, 40), act)


@pytest.fixture
def address(desk: Desk, log: Path) -> Iterator[str]:
    """The page of that board."""
    with pictures.served(Page("test", Feed(desk.loop), log, Hand())) as made:
        yield made


def _get(address: str) -> tuple[str, bytes]:
    with urllib.request.urlopen(address, timeout=20) as answer:
        return str(answer.headers.get("content-disposition")), answer.read()


def test_the_page_lists_the_boxes_and_hands_one_out_as_a_table_of_its_samples(address: str, log: Path) -> None:
    _, listed = _get(f"{address}api/boxes")
    assert b'"alarm":"leak"' in listed
    disposition, table = _get(f"{address}api/boxes/1.csv")
    assert disposition == 'attachment; filename="box-1-leak.csv"'
    rows = list(csv.reader(io.StringIO(table.decode())))
    box = boxes.lines(log, 1).box
    assert tuple(rows[0]) == blackbox.COLUMNS
    assert [int(row[0]) for row in rows[1:]] == [sample.t_ms for sample in box.samples]


@pytest.mark.parametrize("path", ["99.json", "1.xlsx", "x.json"])
def test_a_box_that_is_not_there_is_not_found(address: str, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        _get(f"{address}api/boxes/{path}")
