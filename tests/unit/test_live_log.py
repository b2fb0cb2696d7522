"""A commissioning log taken from a board: whole rows, holes as holes, taken up again where it stopped."""

import os

import pytest

from loopwatch_host.commission import log
from loopwatch_host.commission.live import COLUMNS, HEADER, LiveLog
from loopwatch_host.errors import UsageError
from loopwatch_host.messages import Disconnected, Record

BEGUN_S = 1_790_000_000.0


def mean(second: float, p_static_pa: int | None = 150_000, **channels: int | None) -> Record:
    values = {"p_static_pa": p_static_pa, "p_pump_pa": 185_000, **dict.fromkeys(COLUMNS[2:], 25_000), **channels}
    return Record("mean", 0, 1, 0, BEGUN_S + second, values)


def test_each_mean_with_a_pressure_becomes_a_row_and_the_rest_is_left_out(tmp_path):
    path = tmp_path / "loop.csv"
    with LiveLog(path) as live:
        for message in (mean(0), Disconnected("gone", 0.0), mean(1, None), mean(2, t_dome_mdegc=None), mean(2.0004)):
            live.take(message)
        assert (live.seconds_n, live.logged_s) == (2, 2.0)
    assert path.read_text().splitlines() == [
        HEADER,
        "0,150000,185000,25000,25000,25000",
        "2000,150000,185000,25000,25000,",
    ]


def test_what_was_logged_is_a_log_that_commission_reads_with_its_hole(tmp_path):
    path = tmp_path / "loop.csv"
    with LiveLog(path) as live:
        for second in (*range(100), *range(400, 500)):
            live.take(mean(second, 150_000 + second))
    read = log.read([path])
    assert read.gaps_s() == [(100, 300)]
    assert read.x[150, 0] == 150_450


def test_a_log_goes_on_after_a_crash_and_its_cut_line_is_dropped(tmp_path):
    path = tmp_path / "loop.csv"
    with LiveLog(path) as live:
        for second in range(10):
            live.take(mean(second))
    with path.open("a") as file:
        file.write("10000,1500")
    os.utime(path, (BEGUN_S + 9, BEGUN_S + 9))
    with LiveLog(path) as live:
        assert live.seconds_n == 10
        live.take(mean(3_600))
        assert live.logged_s == pytest.approx(3_600, abs=0.01)
    assert log.read([path]).gaps_s() == [(10, 3_590)]


def test_a_file_of_another_kind_is_not_touched(tmp_path):
    path = tmp_path / "notes.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(UsageError, match="choose another"):
        LiveLog(path)
    assert path.read_text() == "a,b\n1,2\n"
