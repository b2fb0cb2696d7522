"""The log on the laptop: what is acknowledged is on the disk, whatever happens to the program."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from loopwatch import records
from loopwatch_host import store
from loopwatch_host.errors import StoreError
from loopwatch_host.messages import Disconnected, Earlier, Gap, Identified, Record, Started
from loopwatch_host.store import Log, Store, schema

NOW_S = 1_700_000_000.0
BOARD_ID = "e661a4d417123456"


def _record(name: str, seq: int, t_ms: int, epoch_n: int = 1, started_s: float = NOW_S, **values: int | None) -> Record:
    fields = next(kind[3] for kind in records.KINDS if kind[1] == name)
    return Record(name, seq, epoch_n, t_ms, started_s + t_ms / 1000, {**{field[0]: 0 for field in fields}, **values})


def _boot(epoch_n: int = 1, started_s: float = NOW_S) -> Started:
    words = {"board_id_w0": 0xE661, "board_id_w1": 0xA4D4, "board_id_w2": 0x1712, "board_id_w3": 0x3456}
    boot = _record("boot", 0, 0, epoch_n, started_s, protocol_n=1, reset_cause_n=1, fw_minor_n=1, **words)
    return Started(epoch_n, boot, started_s)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "log.db"


def test_samples_come_back_as_they_were_and_nothing_where_there_was_no_value(path: Path) -> None:
    with Store(path, "test") as kept:
        kept.add(_boot())
        kept.add(_record("sample", 1, 100, p_static_pa=151_234, t_dome_mdegc=None, status_bits=3 << 16))
        kept.add(_record("sample", 2, 200, p_static_pa=-5))
    with Log(path) as log:
        rows = list(log.records("sample", 1))
    assert [(row["t_ms"], row["p_static_pa"], row["t_dome_mdegc"]) for row in rows] == [
        (100, 151_234, None),
        (200, -5, 0),
    ]


def test_an_event_is_readable_by_others_as_soon_as_it_was_added(path: Path) -> None:
    with Store(path, "test") as kept:
        kept.add(_boot())
        kept.add(_record("event", 1, 100, event_n=1, subject_n=0, state_n=1, priority_n=1, value=27_000))
        with Log(path) as log:
            assert [row["value"] for row in log.records("event", 1)] == [27_000]


def test_samples_reach_the_disk_within_a_batch_time(path: Path) -> None:
    with Store(path, "test") as kept:
        kept.add(_boot())
        kept.add(_record("sample", 1, 100))
        end_s = time.monotonic() + store.FLUSH_S + 0.5
        with Log(path) as log:
            while not list(log.records("sample", 1)):
                assert time.monotonic() < end_s
                kept.tick()
                time.sleep(0.05)


WRITER = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from test_store import _boot, _record
from loopwatch_host.store import Store
kept = Store(Path(sys.argv[1]), "killed")
kept.add(_boot())
n = 0
while True:
    n += 1
    kept.add(_record("sample", n, n * 100))
    if n % 7 == 0:
        kept.add(_record("event", n // 7, n * 100, event_n=1))
        print(n // 7, flush=True)
"""


@pytest.mark.parametrize("acknowledged_n", [1, 20, 57])
def test_a_killed_program_loses_no_event_that_it_acknowledged(path: Path, acknowledged_n: int) -> None:
    script = WRITER.format(path=[str(Path(__file__).parent), *sys.path])
    writer = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    acknowledged = [int(writer.stdout.readline()) for _ in range(acknowledged_n)]
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    with Log(path) as log:
        seqs = [row["seq"] for row in log.records("event", 1)]
        samples = [row["seq"] for row in log.records("sample", 1)]
    assert seqs == list(range(1, len(seqs) + 1))
    assert len(seqs) >= acknowledged[-1]
    # An event takes the samples before it along.
    assert samples == list(range(1, len(samples) + 1))
    assert len(samples) >= 7 * len(seqs)
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()


def test_a_session_can_be_written_while_another_program_reads_and_writes(path: Path) -> None:
    with Store(path, "one") as one, Store(path, "two") as two:
        one.add(_boot())
        two.add(_boot(started_s=NOW_S + 1000))
        for n in range(1, 50):
            one.add(_record("event", n, n * 10))
            two.add(_record("event", n, n * 10, started_s=NOW_S + 1000))
    with Log(path) as log:
        assert [(row["source"], row["events"]) for row in log.sessions()] == [("one", 49), ("two", 49)]


def test_gaps_and_lost_links_are_kept_with_their_reason(path: Path) -> None:
    with Store(path, "test") as kept:
        kept.add(_boot())
        kept.add(Gap("sample", 41, 3, 1, 4500, NOW_S + 4.5))
        kept.add(Disconnected("the board on /dev/ttyACM0 is gone", NOW_S + 9))
    with Log(path) as log:
        gaps = [(gap["name"], gap["after_seq"], gap["lost_n"], gap["reason"]) for gap in log.gaps(1)]
    assert gaps == [("sample", 41, 3, None), ("link", None, None, "the board on /dev/ttyACM0 is gone")]


def test_a_board_start_seen_by_two_sessions_keeps_each_event_once(path: Path) -> None:
    with Store(path, "first") as kept:
        kept.add(_boot())
        kept.add(_record("event", 1, 1000, value=11))
    # Joined an hour later: no boot record, the clocks 0.2 s apart by drift, the identity after the first record.
    drift_s = 0.2
    with Store(path, "second") as kept:
        kept.add(Started(1, None, NOW_S + 3600))
        kept.add(_record("heartbeat", 3600, 3_600_000, started_s=NOW_S + drift_s))
        kept.add(_record("sample", 36_000, 3_600_000, started_s=NOW_S + drift_s))
        kept.add(Identified(BOARD_ID, "0.1.0", 1, NOW_S + 3600.5))
        kept.add(_record("event", 1, 1000, started_s=NOW_S + drift_s, value=11))
        kept.add(_record("event", 2, 3_600_900, started_s=NOW_S + drift_s, value=22))
    with Log(path) as log:
        assert [row["value"] for row in log.records("event", 1)] == [11]
        assert [row["value"] for row in log.records("event", 2)] == [22]
        assert [row["seq"] for row in log.records("sample", 2)] == [36_000]
        assert [boot["board_id"] for boot in log.boots(2)] == [BOARD_ID]


def test_another_start_of_the_same_board_keeps_its_events_apart(path: Path) -> None:
    with Store(path, "test") as kept:
        kept.add(_boot())
        kept.add(_record("event", 1, 1000, value=11))
        kept.add(_boot(epoch_n=2, started_s=NOW_S + 60))
        kept.add(_record("event", 1, 1000, epoch_n=2, started_s=NOW_S + 60, value=22))
    with Log(path) as log:
        rows = list(log.records("event", 1))
    # Time goes on through the second start, which began 60 s after the first.
    assert [(row["value"], row["t_ms"], row["board_ms"]) for row in rows] == [(11, 1000, 1000), (22, 61_000, 1000)]


def test_a_range_counts_from_the_sessions_first_record(path: Path) -> None:
    with Store(path, "test") as kept:
        kept.add(_boot())
        for n in range(100):
            kept.add(_record("sample", n, 5000 + n * 100))
    with Log(path) as log:
        assert [row["seq"] for row in log.records("sample", 1, from_s=2.0, to_s=2.2)] == [20, 21, 22]
        assert [row["seq"] for row in log.records("sample", 1, limit_n=2)] == [0, 1]


def test_a_log_of_an_older_wire_table_gains_its_new_columns(path: Path) -> None:
    with Store(path, "old") as kept:
        kept.add(_boot())
        kept.add(_record("sample", 1, 100))
    db = sqlite3.connect(path)
    db.execute("ALTER TABLE samples DROP COLUMN late_n")
    db.commit()
    db.close()
    with Store(path, "new") as kept:
        kept.add(_boot(started_s=NOW_S + 100))
        kept.add(_record("sample", 2, 200, started_s=NOW_S + 100, late_n=7))
    with Log(path) as log:
        assert [row["late_n"] for row in [*log.records("sample", 1), *log.records("sample", 2)]] == [None, 7]


def test_migrations_run_in_order_and_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(path, "version 1").close()
    ran: list[int] = []

    def add_table(db: sqlite3.Connection) -> None:
        ran.append(db.execute("PRAGMA user_version").fetchone()[0])
        db.execute("CREATE TABLE notes (text TEXT)")

    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, add_table))
    Store(path, "version 2").close()
    Store(path, "version 2 again").close()
    assert ran == [len(schema.MIGRATIONS) - 1]
    with Log(path) as log:
        assert len(log.sessions()) == 3


def test_a_log_of_a_newer_version_is_left_alone(path: Path) -> None:
    Store(path, "test").close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(StoreError, match=f"schema 99.*knows up to {len(schema.MIGRATIONS)}"):
        Store(path, "test")
    with pytest.raises(StoreError, match="schema 99"):
        Log(path)


def test_a_file_that_is_no_log_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear reader, this is not a database at all. " * 40)
    with pytest.raises(StoreError, match="is no log of loopwatch"):
        Store(path, "test")
    with pytest.raises(StoreError, match="no log at"):
        Log(tmp_path / "absent.db")


def test_a_path_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot use the log"):
        Store(tmp_path / "file" / "log.db", "test")


def test_the_default_log_is_where_the_system_keeps_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert store.default_path() == tmp_path / "loopwatch" / "log.db"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert store.default_path() == tmp_path / ".local/share/loopwatch/log.db"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert store.default_path() == tmp_path / "Library/Application Support/loopwatch/log.db"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "Local"))
    assert store.default_path() == tmp_path / "Local" / "loopwatch" / "log.db"


def test_a_log_from_before_runs_were_numbered_is_brought_up(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as before:
        before.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])
        Store(path, "old").close()
    with Store(path, "new") as kept:
        kept.add(_boot())
        kept.add(_record("event", 1, 100, run_n=4))
    with Log(path) as log:
        assert [row["run_n"] for row in log.records("event", 2)] == [4]


def _earlier(seq: int, t_ms: int, run_n: int, at_s: float = NOW_S) -> Earlier:
    record = _record("event", seq, t_ms, epoch_n=0, run_n=run_n, subject_n=seq)
    return Earlier(Record("event", seq, 0, t_ms, at_s, record.values), BOARD_ID, at_s)


def _boot_of(run_n: int, started_s: float) -> Started:
    started = _boot(started_s=started_s)
    assert started.boot
    started.boot.values["run_n"] = run_n
    return started


def test_an_event_that_came_after_a_restart_joins_the_run_that_another_session_watched(path: Path) -> None:
    with Store(path, "first") as kept:
        kept.add(_boot_of(7, NOW_S))
        kept.add(_record("event", 20, 5_000, run_n=7))
    with Store(path, "second") as kept:
        kept.add(_boot_of(8, NOW_S + 100))
        for _ in range(2):
            kept.add(_earlier(20, 5_000, 7, NOW_S + 100))
            kept.add(_earlier(21, 9_000, 7, NOW_S + 100))
        kept.add(_record("event", 22, 50, started_s=NOW_S + 100, run_n=8))
    db = sqlite3.connect(path)
    rows = db.execute("SELECT run_n, seq, t_ms, at_s FROM events ORDER BY seq").fetchall()
    assert rows == [(7, 20, 5_000, NOW_S + 5), (7, 21, 9_000, NOW_S + 9), (8, 22, 50, NOW_S + 100.05)]
    assert db.execute("SELECT count(*) FROM boots").fetchone() == (2,)


def test_events_of_a_run_that_nobody_watched_are_kept_at_the_latest_time_they_can_have(path: Path) -> None:
    with Store(path, "test") as kept:
        kept.add(_boot_of(8, NOW_S))
        kept.add(_record("sample", 0, 100))
        kept.add(_earlier(3, 60_000, 6))
        kept.add(_earlier(4, 70_000, 6))
        kept.add(_record("event", 5, 200, run_n=8))
    with Log(path) as log:
        events = [(row["seq"], row["run_n"], row["at_s"]) for row in log.records("event", 1)]
        assert events == [(3, 6, NOW_S), (4, 6, NOW_S), (5, 8, NOW_S + 0.2)]
        # The time line is still that of the run that was watched.
        assert [row["t_ms"] for row in log.records("event", 1)][-1] == 200
        assert [row["t_ms"] for row in log.records("sample", 1)] == [100]
