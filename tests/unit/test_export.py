"""Sessions as files for elsewhere: nothing is lost on the way out and back, and memory does not grow with the log."""

import csv
import json
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cli import _loopwatch
from test_store import BOARD_ID, NOW_S, _boot, _record

from loopwatch.config import Config
from loopwatch_host import export, support
from loopwatch_host.commission import log as logs
from loopwatch_host.commission import record
from loopwatch_host.errors import NoBoard, UsageError
from loopwatch_host.messages import Disconnected, Gap, Identified
from loopwatch_host.order_book import OrderBook
from loopwatch_host.store import FIELDS, TABLES, Log, Store

VALUES = st.none() | st.integers(-(2**31), 2**31 - 1)


@st.composite
def messages(draw: st.DrawFn) -> list[Any]:
    """What a session may hear: starts, records of every kind with and without values, gaps, a lost link."""
    heard: list[Any] = []
    for epoch_n in range(1, draw(st.integers(1, 3)) + 1):
        started_s = NOW_S + 10_000 * epoch_n + draw(st.floats(0, 1))
        heard.append(_boot(epoch_n, started_s))
        t_ms = 0
        for n in range(draw(st.integers(0, 12))):
            name = draw(st.sampled_from(sorted(TABLES)))
            t_ms += draw(st.integers(1, 10_000))
            values = {field: draw(VALUES) for field in FIELDS[name]}
            heard.append(_record(name, n, t_ms, epoch_n, started_s, **values))
        if draw(st.booleans()):
            heard.append(Gap("sample", draw(st.integers(0, 2**30)), 3, epoch_n, t_ms, started_s + t_ms / 1000))
    if draw(st.booleans()):
        heard.append(Disconnected(draw(st.text(max_size=20).filter(str.isprintable)), NOW_S + 50_000))
    return heard


def _dump(path: Path, session_id: int) -> dict[str, Any]:
    """Everything of a session, with its starts numbered in time instead of by the log's ids."""
    with Log(path) as log:
        session = log.session(session_id)
        boots = log.boots(session_id)
        number = {boot["id"]: i for i, boot in enumerate(boots)} | {None: None}
        records = {
            name: [{**row, "boot_id": number[row["boot_id"]]} for row in log.records(name, session_id)]
            for name in TABLES
        }
        gaps = [{**gap, "boot_id": number[gap["boot_id"]]} for gap in log.gaps(session_id)]
    for boot in boots:
        del boot["id"]
    del session["id"]
    return {"session": session, "boots": boots, "records": records, "gaps": gaps}


@given(heard=messages())
@settings(max_examples=20, deadline=None)
def test_a_session_that_goes_out_and_comes_back_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, heard: list[Any]
) -> None:
    folder = tmp_path_factory.mktemp("trip")
    with Store(folder / "here.db", "somewhere", NOW_S) as kept:
        for message in heard:
            kept.add(message)
    # The other log has something already, so that no number can be the same by luck.
    with Store(folder / "there.db", "other", NOW_S) as kept:
        kept.add(_boot())
        kept.add(_record("sample", 1, 100))
    for suffix in (".csv", ".parquet"):
        with Log(folder / "here.db") as log:
            export.export_session(log, 1, folder / f"out{suffix[1:]}", suffix)
        session_id, _ = export.import_back(folder / f"out{suffix[1:]}", folder / "there.db")
        assert _dump(folder / "there.db", session_id) == _dump(folder / "here.db", 1)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_alone_comes_back_with_its_records_and_times(tmp_path: Path, suffix: str) -> None:
    db = _written(tmp_path)
    with Log(db) as log:
        export.export_table(log, "mean", 1, tmp_path / f"means{suffix}")
    session_id, counts = export.import_back(tmp_path / f"means{suffix}", db)
    assert counts == {"mean": 200}
    assert _dump(db, session_id)["records"]["mean"] == _dump(db, 1)["records"]["mean"]


def _written(folder: Path, seconds_n: int = 200) -> Path:
    """A quiet loop, a second a record, with a thermometer that is absent and another that fails for a while."""
    rng = np.random.default_rng(1)
    with Store(folder / "log.db", "test", NOW_S) as kept:
        kept.add(_boot())
        kept.add(Identified(BOARD_ID, "0.1.0", 1, NOW_S))
        for n in range(seconds_n):
            values: dict[str, Any] = {
                "p_static_pa": 150_000 + int(rng.integers(-200, 200)),
                "p_pump_pa": 185_000,
                "t_source_mdegc": 30_000 + n % 7,
                "t_radiator_mdegc": None if n in (50, 51) else 27_000,
                "t_dome_mdegc": None,
            }
            kept.add(_record("mean", n, 1000 * n, **values))
            if n % 50 == 0:
                kept.add(_record("event", n // 50 + 1, 1000 * n, event_n=1, state_n=1, priority_n=1, value=5))
    return folder / "log.db"


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_an_exported_table_is_a_log_that_commissioning_reads(tmp_path: Path, suffix: str) -> None:
    db = _written(tmp_path)
    done = _loopwatch("export", tmp_path / f"m{suffix}", "--what", "means", "--db", db, "--json")
    assert done.returncode == 0, done.stderr
    (file,) = json.loads(done.stdout)["files"]
    assert file["rows"] == 200
    log = logs.read([Path(file["file"])])
    with Log(db) as kept:
        expected = [row["p_static_pa"] for row in kept.records("mean", 1)]
    assert log.x[:, 0].tolist() == expected
    assert log.filled_n == 2  # two seconds of the radiator; the dome has no column
    assert log.channels[3] == -1


def test_a_value_that_was_not_there_is_an_empty_cell_and_a_null_and_an_absent_channel_no_column(tmp_path: Path) -> None:
    db = _written(tmp_path)
    with Log(db) as log:
        export.export_table(log, "mean", 1, tmp_path / "m.csv")
        export.export_table(log, "mean", 1, tmp_path / "m.parquet")
    rows = list(csv.DictReader((tmp_path / "m.csv").open()))
    assert list(rows[0])[:4] == ["t_ms", "p_static_pa", "p_pump_pa", "t_source_mdegc"]
    assert "t_dome_mdegc" not in rows[0]
    assert rows[50]["t_radiator_mdegc"] == ""
    table = pyarrow.parquet.read_table(tmp_path / "m.parquet")
    assert "t_dome_mdegc" not in table.column_names
    assert table.column("t_radiator_mdegc").null_count == 2


def test_a_range_is_given_in_seconds_or_as_a_date(tmp_path: Path) -> None:
    db = _written(tmp_path)

    def rows(*bounds: str) -> int:
        done = _loopwatch("export", tmp_path / "m.csv", "--what", "means", "--db", db, "--json", *bounds, TZ="UTC")
        assert done.returncode == 0, done.stderr
        return int(json.loads(done.stdout)["files"][0]["rows"])

    assert rows("--from", "10", "--to", "19") == 10
    # NOW_S is 2023-11-14 22:13:20 UTC.
    assert rows("--from", "2023-11-14T22:13:30", "--to", "2023-11-14T22:13:39") == 10


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["out.txt", "--what", "means"], "ends in .csv or .parquet"),
        (["out.csv", "--what", "all"], "is one table"),
        (["out.csv", "--from", "yesterday"], "is no moment"),
        (["no/folder/out.csv"], "is the folder there"),
    ],
)
def test_what_cannot_be_exported_is_refused_with_a_sentence(tmp_path: Path, arguments: list[str], words: str) -> None:
    db = _written(tmp_path, 5)
    done = _loopwatch("export", str(tmp_path / arguments[0]), *arguments[1:], "--db", db)
    assert done.returncode == 2
    assert words in done.stderr
    assert [path.name for path in tmp_path.iterdir() if path.suffix in (".part", ".csv")] == []


def test_a_damaged_export_is_refused_and_leaves_no_session(tmp_path: Path) -> None:
    db = _written(tmp_path)
    with Log(db) as log:
        export.export_session(log, 1, tmp_path / "out", ".csv")
    with (tmp_path / "out" / "means.csv").open("a") as file:
        file.write("1,2,3\n")
    with pytest.raises(UsageError, match="SHA-256 differs"):
        export.import_back(tmp_path / "out", tmp_path / "new.db")
    with Log(db) as log:
        export.export_table(log, "mean", 1, tmp_path / "m.csv")
    with (tmp_path / "m.csv").open("a") as file:
        file.write("1,2,3\n")
    with pytest.raises(UsageError, match="line 202: is cut or damaged"):
        export.import_back(tmp_path / "m.csv", db)
    with Log(db) as log:
        assert log.session_ids() == [1]


PEAK = """
import sys
from pathlib import Path
from loopwatch_host import export
from loopwatch_host.store import Log
with Log(Path(sys.argv[1])) as log:
    export.export_table(log, "mean", 1, Path(sys.argv[2]))
status = Path("/proc/self/status").read_text()
print(int(status.split("VmHWM:")[1].split()[0]) // 1024)
"""


@pytest.fixture(scope="module")
def short_and_long(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Logs of 8 000 and of 64 000 seconds."""
    return [_written(tmp_path_factory.mktemp(str(seconds_n)), seconds_n) for seconds_n in (8_000, 64_000)]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_memory_does_not_grow_with_what_is_exported(short_and_long: list[Path], suffix: str) -> None:
    peaks_mb = []
    for db in short_and_long:
        done = subprocess.run(
            [sys.executable, "-c", PEAK, db, db.with_name(f"m{suffix}")],
            capture_output=True, text=True, check=True, timeout=60, env={"PYTHONPATH": ":".join(sys.path)},
        )  # fmt: skip
        peaks_mb.append(int(done.stdout))
    # 56 000 rows held as Python objects would be 40 MB more; a month at 1 Hz is 2.6 million rows.
    assert peaks_mb[1] - peaks_mb[0] < 35, peaks_mb
    assert peaks_mb[1] < 400


def test_a_bundle_for_support_has_log_versions_boxes_orders_and_configuration_in_one_file(tmp_path: Path) -> None:
    db = _written(tmp_path)
    with OrderBook(db) as book:
        book.add("jane", "ack", "leak", "OK", None)
    to = tmp_path / "support.zip"
    with Log(db) as log:
        about = support.bundle(log, 1, to, 100.0, None, lambda: record.board_toml(Config()))
        session = log.session(1)
    with zipfile.ZipFile(to) as packed:
        assert packed.testzip() is None
        names = set(packed.namelist())
        assert {"about.json", "all-events.csv", "loop.toml", "orders.csv", "raw.log", "session/means.csv"} <= names
        assert json.loads(packed.read("about.json")) == about
        assert b"jane,ack,leak" in packed.read("orders.csv")
        means = packed.read("session/means.csv").decode().splitlines()[1:]
        (tmp_path / "loop.toml").write_bytes(packed.read("loop.toml"))
    assert 90 <= len(means) <= 101 < session["means"]
    assert record.load_config(tmp_path / "loop.toml").content() == Config().content()
    assert about["packages"]["textual"] == metadata.version("textual")
    assert about["missing"] == {}


def test_a_bundle_without_a_board_says_what_is_missing_and_why(tmp_path: Path) -> None:
    db, to = _written(tmp_path), tmp_path / "support.zip"

    def nobody() -> str:
        raise NoBoard("no board is plugged in")

    with Log(db) as log:
        about = support.bundle(log, 1, to, None, None, nobody)
    assert about["missing"] == {"loop.toml": "no board is plugged in"}
    with zipfile.ZipFile(to) as packed:
        assert "loop.toml" not in packed.namelist()


def test_a_bundle_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    db = _written(tmp_path)
    with Log(db) as log, pytest.raises(UsageError, match="is the folder there"):
        support.bundle(log, 1, tmp_path / "nosuch" / "support.zip", None, None, str)
