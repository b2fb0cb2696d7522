"""The ring of raw lines: what came is what is kept, it turns in time, and it never grows beyond its limits."""

import gzip
import os
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pty_board import PtyBoard

from loopwatch_host.client import Client
from loopwatch_host.store import capture
from loopwatch_host.store.capture import Capture, Limits

NOW_S = 1_700_000_000.0


def _texts(folder: Path, *bounds: float) -> list[str]:
    return [text for _, text in capture.lines(folder, *bounds)]


@given(cuts=st.lists(st.integers(0, 2000), max_size=8))
@settings(max_examples=40, deadline=None)
def test_lines_are_kept_as_they_came_however_the_bytes_are_cut(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("raw")
    sent = [f"$S,{n},{n * 100},150000*00C0FFEE" for n in range(60)]
    data = "".join(line + "\r\n" for line in sent).encode()
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    with Capture(folder, "/dev/ttyACM0") as raw:
        for begin, end in pairwise(edges):
            raw.take(data[begin:end], NOW_S)
    assert _texts(folder) == sent


def test_a_full_file_is_packed_and_the_next_begins(tmp_path: Path) -> None:
    with Capture(tmp_path, "ttyACM0", Limits(file_bytes=10_000)) as raw:
        for n in range(1000):
            raw.take(b"line %d of the board\n" % n, NOW_S + n)
    names = [path.name for path in capture.files(tmp_path)]
    assert len(names) >= 3
    assert all(name.endswith(".log.gz") for name in names[:-1])
    assert names[-1].endswith("-ttyACM0.log")
    with gzip.open(tmp_path / names[0]) as file:
        assert len(file.read()) <= 10_000
    assert _texts(tmp_path) == [f"line {n} of the board" for n in range(1000)]
    assert _texts(tmp_path, NOW_S + 500, NOW_S + 502) == [f"line {n} of the board" for n in (500, 501, 502)]


def test_a_file_that_is_old_makes_room_for_the_next_and_one_of_many_days_goes(tmp_path: Path) -> None:
    with Capture(tmp_path, "ttyACM0", Limits(file_hours=24, days=10)) as raw:
        for day in range(3):
            raw.take(b"day %d\n" % day, NOW_S + day * 86_400)
        assert len(capture.files(tmp_path)) == 3
        for path in capture.files(tmp_path)[:2]:
            os.utime(path, (NOW_S, NOW_S))
        raw.take(b"much later\n", NOW_S + 11 * 86_400)
    assert _texts(tmp_path) == ["day 2", "much later"]


def test_the_whole_ring_stays_below_its_total_and_loses_the_oldest(tmp_path: Path) -> None:
    limits = Limits(file_bytes=20_000, total_bytes=60_000)
    rng_lines = [os.urandom(40).hex() for _ in range(4000)]  # hardly packs
    with Capture(tmp_path, "ttyACM0", limits) as raw:
        for n, line in enumerate(rng_lines):
            raw.take(line.encode() + b"\n", NOW_S + n)
            total_n = sum(path.stat().st_size for path in capture.files(tmp_path)) if n % 500 == 0 else 0
            assert total_n <= limits.total_bytes + limits.file_bytes
    kept = _texts(tmp_path)
    assert 300 < len(kept) < 2000
    assert kept == rng_lines[-len(kept) :]


def test_a_line_cut_by_a_kill_is_left_out_and_a_left_file_is_packed_later(tmp_path: Path) -> None:
    left = tmp_path / "20231114-221320Z-ttyACM0.log"
    left.write_bytes(b"%.3f whole\n%.3f cut in the mid" % (NOW_S, NOW_S))
    os.utime(left, (NOW_S, NOW_S))
    Capture(tmp_path, "ttyACM0").close()
    assert [path.name for path in capture.files(tmp_path)] == [left.name + ".gz"]
    assert _texts(tmp_path) == ["whole"]


def test_a_disk_that_fails_ends_the_capture_with_a_sentence_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "raw").write_text("a file where the folder should be")
    raw = Capture(tmp_path / "raw", "ttyACM0")
    raw.take(b"a line\n", NOW_S)
    raw.take(b"another\n", NOW_S)
    raw.close()
    assert "raw lines are no longer kept" in raw.error
    assert "records and alarms are kept apart" in raw.error


def test_what_a_client_hears_is_captured_with_the_time_it_came(tmp_path: Path) -> None:
    folder = tmp_path / "raw"
    begun_s = time.time()
    with PtyBoard(tmp_path) as board, Capture(folder, board.port) as raw:
        client = Client(board.port, greet=False, capture=raw.take)
        heard = client.subscribe()
        with client:
            board.boot()
            board.send(b"a line for people\n$S,damaged*00000000\n")
            board.sample(1, 100)
            while getattr(heard.get(30.0), "name", "") != "sample":
                pass
    got = list(capture.lines(folder))
    assert [text.partition(",")[0] for _, text in got] == ["$B", "a line for people", "$S", "$S"]
    assert got[2][1] == "$S,damaged*00000000"
    assert all(begun_s - 1 <= at_s <= time.time() for at_s, _ in got)
