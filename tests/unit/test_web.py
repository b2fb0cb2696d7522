"""The web page as programs meet it: what is served, who may act, and what the log gives to a chart."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from web_page import COMMAND, Served

from loopwatch_host.desk import history
from loopwatch_host.messages import Identified, Record, Started
from loopwatch_host.order_book import OrderBook, this_person
from loopwatch_host.store import FIELDS, Log, Store
from loopwatch_host.web.server import PAGE

BOARD_ID = "e6614104032d5a2b"
NOW_S = 1_700_000_000.0


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The page of a demo, faster than life."""
    with Served(tmp_path_factory.mktemp("web")) as made:
        yield made


def test_the_page_names_no_address_beyond_its_own_server() -> None:
    # The name of SVG's vocabulary is no address that anything is loaded from.
    texts = {path.name: path.read_text().replace("http://www.w3.org/2000/svg", "") for path in PAGE.iterdir()}
    assert {"index.html", "main.js", "page.css"} <= set(texts)
    assert not [name for name, text in texts.items() if "//" in text.replace("// ", "")]


def test_the_page_and_uplot_are_served_with_a_policy_that_forbids_foreign_content(served: Served) -> None:
    status, headers, body = served.ask("/")
    assert status == 200
    assert "default-src 'self'" in headers["content-security-policy"]
    assert b'id="setup"' in body
    status, headers, body = served.ask("/page/uplot.js")
    assert status == 200
    assert headers["content-type"].startswith("text/javascript")
    assert b"uPlot" in body[:200]


@pytest.mark.parametrize("path", ["/page/index.html", "/page/..%2Fserver.py", "/etc/passwd", "/api/nosuch"])
def test_nothing_else_is_served(served: Served, path: str) -> None:
    assert served.ask(path)[0] == 404


def test_a_request_under_a_foreign_name_is_refused(served: Served) -> None:
    status, _, body = served.ask("/", headers={"Host": f"evil.example:{served.port}"})
    assert status == 403
    assert BOARD_ID.encode() not in body


ORDERS = ["/api/acknowledge", "/api/reset", "/api/shelve", "/api/unshelve"]


@pytest.mark.parametrize("path", ORDERS)
def test_a_post_without_the_token_is_refused(served: Served, path: str) -> None:
    assert served.ask(path, {"alarm": "leak"})[0] == 403
    assert served.ask(path, {"alarm": "leak"}, headers={"X-Loopwatch-Token": "guess"})[0] == 403
    assert served.ask(f"{path}?token={served.token()}", {"alarm": "leak"})[0] == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1", "http://localhost:1"])
def test_a_post_from_another_origin_is_refused_even_with_the_token(served: Served, origin: str) -> None:
    headers = {"X-Loopwatch-Token": served.token(), "Origin": origin}
    assert served.ask("/api/acknowledge", {"alarm": "not_commissioned"}, headers=headers)[0] == 403


@pytest.mark.parametrize("path", ORDERS)
def test_nothing_is_changed_by_looking(served: Served, path: str) -> None:
    assert served.ask(path, headers={"X-Loopwatch-Token": served.token()})[0] == 405


def test_an_order_of_the_page_reaches_the_board_and_its_refusal_comes_back(served: Served) -> None:
    headers = {"X-Loopwatch-Token": served.token(), "Origin": f"http://{served.host}"}
    served.until_alarm("not_commissioned", "UNACK")
    assert served.ask("/api/acknowledge", {"alarm": "not_commissioned"}, headers=headers)[0] == 200
    served.until_alarm("not_commissioned", "ACKED")
    status, _, body = served.ask("/api/acknowledge", {"alarm": "not_commissioned"}, headers=headers)
    assert status == 409
    assert "nothing to acknowledge" in json.loads(body)["error"]


def test_an_alarm_is_shelved_from_the_page_for_its_time_and_who_did_it_is_kept(served: Served) -> None:
    headers = {"X-Loopwatch-Token": served.token(), "Origin": f"http://{served.host}"}
    name = {"alarm": "pump_cavitating"}
    assert served.ask("/api/shelve", {**name, "seconds": 3600}, headers=headers)[0] == 200
    served.until_alarm("pump_cavitating", "SHELVED")
    # How long it stays there the board is asked for, a moment later.
    end_s = time.monotonic() + 30
    while (left_s := served.alarm("pump_cavitating")["shelf_s"]) is None:
        assert time.monotonic() < end_s
    assert 3000 < left_s <= 3600
    assert served.ask("/api/unshelve", name, headers=headers)[0] == 200
    served.until_alarm("pump_cavitating", None)
    assert served.ask("/api/unshelve", name, headers=headers)[0] == 409
    status, _, body = served.ask("/api/shelve", {"alarm": "blind", "seconds": 60}, headers=headers)
    assert status == 409
    assert "must stay in sight" in json.loads(body)["error"]
    with OrderBook(served.folder / "log.db") as book:
        while len(kept := [row for row in book.between(0, 1e18) if row["what"].endswith("shelve")]) < 4:
            assert time.monotonic() < end_s
    assert [(row["what"], row["name"], row["argument"]) for row in kept] == [
        ("shelve", "pump_cavitating", "3600"),
        ("unshelve", "pump_cavitating", None),
        ("unshelve", "pump_cavitating", None),
        ("shelve", "blind", "60"),
    ]
    assert kept[0]["outcome"] == "OK" and "refused" in kept[3]["outcome"]
    assert all(row["who"] == f"{this_person()} (page)" for row in kept)
    assert all(abs(row["at_s"] - time.time()) < 60 for row in kept)


@pytest.mark.parametrize("seconds", [None, 0, -5, 86_401, 10.5, "60", True])
def test_a_time_that_nothing_can_be_shelved_for_is_refused(served: Served, seconds: object) -> None:
    body = {"alarm": "pump_cavitating", "seconds": seconds}
    assert served.ask("/api/shelve", body, headers={"X-Loopwatch-Token": served.token()})[0] == 400


@pytest.mark.parametrize(("body", "status"), [({"alarm": "nosuch"}, 404), ({"alarm": 3}, 404), ({}, 400), ([], 400)])
def test_an_order_that_names_no_alarm_is_refused(served: Served, body: object, status: int) -> None:
    assert served.ask("/api/acknowledge", body, headers={"X-Loopwatch-Token": served.token()})[0] == status


@pytest.mark.parametrize("query", ["from=x", "from=5&to=4", "from=nan", "from=-inf", "points=many"])
def test_a_senseless_piece_of_the_past_is_refused(served: Served, query: str) -> None:
    assert served.ask(f"/api/history?{query}")[0] == 400


def _loopwatch_web(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60)


def test_other_machines_are_served_only_when_that_is_said() -> None:
    done = _loopwatch_web("--target", "vm", "--host", "0.0.0.0")
    assert done.returncode == 2
    assert "--allow-network" in done.stderr


def test_a_port_that_is_taken_is_a_sentence(served: Served, tmp_path: Path) -> None:
    done = _loopwatch_web("--target", "vm", "--port", str(served.port), "--db", str(tmp_path / "log.db"))
    assert done.returncode == 2
    assert "cannot listen on 127.0.0.1" in done.stderr
    assert "Traceback" not in done.stderr


def test_over_a_network_nothing_is_shown_without_the_token(tmp_path: Path) -> None:
    with Served(tmp_path, "--host", "0.0.0.0", "--allow-network") as served:
        token = served.address.partition("token=")[2]
        assert len(token) >= 32
        for path in ("/", "/page/main.js", "/api/stream", "/api/history"):
            assert served.ask(path)[0] == 401
        status, headers, _ = served.ask(f"/?token={token}")
        assert status == 303
        cookie = headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert served.ask("/", headers={"Cookie": cookie.partition(";")[0]})[0] == 200
        assert served.ask("/api/acknowledge", {"alarm": "leak"}, headers={"Cookie": cookie.partition(";")[0]})[0] == 403


class Kept:
    """A log that a test writes, one sample every 100 ms."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._store = Store(path, "test", NOW_S)
        self._store.add(Started(1, None, NOW_S))
        self._store.add(Identified(BOARD_ID, "0.1.0", 1, NOW_S))
        self._row("sample", 0, p_static_pa=150_000)
        self._store.add(Identified(BOARD_ID, "0.1.0", 1, NOW_S))

    def samples(self, from_n: int, to_n: int, p_static_pa: int | None = 150_000) -> None:
        """Samples numbered from_n to to_n - 1."""
        for seq in range(from_n, to_n):
            self._row("sample", seq, p_static_pa=p_static_pa)

    def read(self, from_s: float, to_s: float, points_n: int) -> history.Columns:
        """The measured columns between two times after the start."""
        self._store.flush()
        return history.read(self.path, BOARD_ID, NOW_S + from_s, NOW_S + to_s, points_n)["measured"]

    def close(self) -> None:
        """Close the log."""
        self._store.close()

    def _row(self, name: str, seq: int, **values: int | None) -> None:
        given: dict[str, int | None] = {**dict.fromkeys(FIELDS[name], 0), **values}
        self._store.add(Record(name, seq, 1, 100 * seq, NOW_S + seq / 10, given))


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    """An empty log."""
    made = Kept(tmp_path / "log.db")
    yield made
    made.close()


def test_the_past_is_thinned_without_losing_its_extremes(kept: Kept) -> None:
    kept.samples(1, 3000)
    kept.samples(3000, 3001, 171_234)
    kept.samples(3001, 6000)
    columns = kept.read(0, 600, 200)
    assert 150 <= len(columns["t"]) <= 202
    assert columns["t"] == sorted(columns["t"])
    assert columns["p_static_pa"].count(171_234) == 1
    assert min(columns["p_static_pa"]) == 150_000


def test_a_short_piece_of_the_past_is_complete(kept: Kept) -> None:
    kept.samples(1, 1000)
    columns = kept.read(20.05, 24.95, 1500)
    assert columns["t"] == pytest.approx([NOW_S + n / 10 for n in range(201, 250)])


def test_a_gap_of_the_past_stays_open(kept: Kept) -> None:
    kept.samples(1, 300)
    kept.samples(900, 1200)
    columns = kept.read(0, 120, 400)
    empty = [at_s for at_s, value in zip(columns["t"], columns["p_static_pa"], strict=True) if value is None]
    assert len(empty) == 1
    assert NOW_S + 30 < empty[0] < NOW_S + 90


def test_a_time_without_values_has_none(kept: Kept) -> None:
    kept.samples(1, 300, None)
    assert set(kept.read(0.05, 29, 100)["p_static_pa"]) == {None}


def test_the_past_of_another_board_is_not_shown(kept: Kept) -> None:
    kept.samples(1, 300)
    kept.read(0, 30, 100)
    other = history.read(kept.path, "0123456789abcdef", NOW_S, NOW_S + 30, 100)
    assert other["measured"]["t"] == []


def test_the_command_loads_the_server_only_when_it_is_asked_for() -> None:
    script = "import sys, loopwatch_host.cli; sys.exit(any(m in sys.modules for m in ('textual', 'uvicorn')))"
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 0


def test_a_script_gets_the_address_as_one_document_as_soon_as_the_page_answers(tmp_path: Path) -> None:
    arguments = ["--target", "vm", "--port", "0", "--db", str(tmp_path / "log.db"), "--for", "2", "--json"]
    page = subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert page.stdout is not None and page.stderr is not None
    said = json.loads(page.stdout.readline())
    with socket.create_connection(("127.0.0.1", said["port"]), timeout=30):
        pass
    rest, errors = page.communicate(timeout=60)
    assert said["url"] == f"http://127.0.0.1:{said['port']}/"
    assert (said["session"], said["db"]) == (1, str(tmp_path / "log.db"))
    # One document and nothing else; what people want to know at the end goes to the other side.
    assert rest == ""
    assert "kept in" in errors
    assert page.returncode == 0


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The page of two virtual boards, side by side."""
    with Served(tmp_path_factory.mktemp("two"), "--target", "vm") as made:
        yield made


def test_several_boards_stand_side_by_side_each_on_a_page_of_its_own(two: Served) -> None:
    status, headers, body = two.ask("/")
    assert status == 200
    assert body.count(b"<iframe") == 2
    assert "frame-ancestors 'self'" in headers["content-security-policy"]
    for n in (1, 2):
        status, _, page = two.ask(f"/b/{n}/")
        assert status == 200
        assert b'id="setup"' in page
        assert two.ask(f"/b/{n}/api/history?from=0&to=10&points=10")[0] == 200
        assert two.ask(f"/b/{n}/api/acknowledge", {"alarm": "leak"})[0] == 403
    assert two.ask("/b/3/")[0] == 404
    assert two.ask("/api/history")[0] == 404


def test_two_boards_are_kept_apart(two: Served) -> None:
    folder = two.folder
    end_s = time.monotonic() + 30
    while not (folder / "log-2.db").exists():
        assert time.monotonic() < end_s
        time.sleep(0.2)
    for name, source in (("log.db", "vm demo seed 1"), ("log-2.db", "vm demo seed 2")):
        with Log(folder / name) as log:
            assert [session["source"] for session in log.sessions()] == [source]


@pytest.mark.parametrize("ports", [["serial:/dev/a", "serial:/dev/a"], ["serial", "serial:/dev/a"]])
def test_one_port_for_two_boards_is_refused(ports: list[str]) -> None:
    arguments = [word for port in ports for word in ("--target", port)]
    done = subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 2
    assert "a --target of its own" in done.stderr
