"""Notifications as they arrive at a server of this test, by apprise's own JSON service."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from loopwatch import alarms, records
from loopwatch_host.errors import UsageError
from loopwatch_host.messages import Connected, Disconnected, Record
from loopwatch_host.notify import MOST_N, REPEAT_S, REPEATS_N, WINDOW_S, Notifier


class Receiver:
    """A web server that keeps what is posted to it, and a clock that the test moves."""

    def __init__(self) -> None:
        self.titles: list[str] = []
        self.bodies: list[str] = []
        self.now_s = 1_000.0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.titles.append(content["title"])
                receiver.bodies.append(content["message"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *words: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()
        self.notifier = Notifier([f"json://127.0.0.1:{self.server.server_port}/"], lambda: self.now_s)

    def alarm(self, name: str, state: int = alarms.UNACK) -> None:
        index = alarms.index_of(name)
        values = {"event_n": 1, "subject_n": index, "state_n": state, "priority_n": alarms.TABLE[index][1], "value": 42}
        self.notifier.take(Record("event", 1, 1, 1_000, 0.0, dict.fromkeys(FIELDS) | values))

    def pass_s(self, seconds: float) -> None:
        for _ in range(round(seconds)):
            self.now_s += 1
            self.notifier.tick()

    def got(self) -> list[str]:
        """The titles of all that was sent so far."""
        self.notifier.close()
        assert not self.notifier.failed_n
        return self.titles


FIELDS = [field[0] for kind in records.KINDS if kind[1] == "event" for field in kind[3]]


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.notifier.close()
    made.server.shutdown()
    made.server.server_close()
    made.thread.join()


def test_an_alarm_is_sent_with_its_figure_and_an_advice_is_not(receiver):
    receiver.alarm("leak")
    receiver.alarm("not_commissioned")
    assert receiver.got() == ["loopwatch: leak"]
    assert receiver.bodies == ["priority 1, 42 rate_ul_h"]


def test_an_urgent_alarm_repeats_a_few_times_until_somebody_has_seen_it(receiver):
    receiver.alarm("leak")
    receiver.alarm("sensor_fault_t_dome")
    receiver.pass_s(REPEAT_S * (REPEATS_N + 3))
    assert receiver.got().count("loopwatch: leak still not acknowledged") == REPEATS_N
    assert receiver.titles.count("loopwatch: sensor_fault_t_dome") == 1
    assert len(receiver.titles) == 2 + REPEATS_N


def test_an_acknowledged_alarm_does_not_repeat(receiver):
    receiver.alarm("leak")
    receiver.pass_s(REPEAT_S - 1)
    receiver.alarm("leak", alarms.ACKED)
    receiver.pass_s(2 * REPEAT_S)
    assert receiver.got() == ["loopwatch: leak"]


def test_a_flood_is_cut_off_with_a_word_and_the_next_hour_is_free_again(receiver):
    for _ in range(30):
        receiver.alarm("sensor_fault_rail")
    receiver.pass_s(WINDOW_S + 1)
    receiver.alarm("leak")
    titles = receiver.got()
    assert titles == ["loopwatch: sensor_fault_rail"] * MOST_N + ["loopwatch: many alarms", "loopwatch: leak"]


def test_a_proof_test_is_marked_and_not_repeated(receiver):
    receiver.alarm("simulation")
    receiver.alarm("leak")
    receiver.pass_s(3 * REPEAT_S)
    assert receiver.got() == ["loopwatch: TEST simulation", "loopwatch: TEST leak"]


def test_a_board_that_is_gone_is_told_once_and_so_is_its_return(receiver):
    receiver.notifier.take(Disconnected("unplugged", 0.0))
    receiver.pass_s(120)
    receiver.notifier.take(Connected("/dev/ttyACM0", 0.0))
    receiver.notifier.take(Disconnected("unplugged", 0.0))
    receiver.pass_s(10)
    receiver.notifier.take(Connected("/dev/ttyACM0", 0.0))
    assert receiver.got() == ["loopwatch: the board is gone", "loopwatch: the board is back"]


def test_an_url_of_no_service_is_refused_without_its_secrets():
    with pytest.raises(UsageError, match="cannot notify by nowhere") as refused:
        Notifier(["nowhere://user:secret@host"])
    assert "secret" not in str(refused.value)


def test_what_cannot_be_sent_is_counted(receiver):
    receiver.server.shutdown()
    receiver.server.server_close()
    receiver.alarm("leak")
    receiver.notifier.close()
    assert (receiver.notifier.sent_n, receiver.notifier.failed_n) == (0, 1)
