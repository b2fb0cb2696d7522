"""`loopwatch alarms` against a virtual board: what a person sees, what a program reads, and the exit codes."""

import json
import sys

import pytest

from loopwatch import alarms
from loopwatch_host import cli

LEAKING = ("--target", "vm", "--scenario", "pinhole", "--seed", "3")


@pytest.fixture
def loopwatch(monkeypatch, capsys):
    """Run a command line; returns exit code, stdout, stderr."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["loopwatch", *words])
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def test_the_list_tells_what_stands_which_was_first_and_the_mode(loopwatch):
    code, out, _ = loopwatch("alarms", "list", *LEAKING, "--at", "80", "--json")
    answer = json.loads(out)
    states = {row["name"]: row for row in answer["alarms"]}
    assert code == 0
    assert (states["leak"]["state"], states["leak"]["active"], states["leak"]["unit"]) == ("UNACK", True, "rate_ul_h")
    # 27 mL/min at first, in µL/h
    assert states["leak"]["value"] == pytest.approx(27_000 * 60, rel=0.5)
    assert answer["first_out"] == "leak"
    assert (answer["mode"], answer["armed"]) == ("watching", True)


def test_every_alarm_is_listed_when_all_are_wanted(loopwatch):
    code, out, _ = loopwatch("alarms", "list", "--target", "vm", "--at", "3", "--all", "--json")
    assert code == 0
    assert {row["name"] for row in json.loads(out)["alarms"]} == {row[0] for row in alarms.TABLE}


def test_who_acknowledged_what_and_when_is_kept_and_so_is_what_was_refused(loopwatch, tmp_path):
    db = str(tmp_path / "log.db")
    code, out, _ = loopwatch("alarms", "ack", "leak", *LEAKING, "--at", "80", "--db", db, "--by", "Ada", "--json")
    assert code == 0
    assert {key: json.loads(out)[key] for key in ("who", "what", "name", "outcome")} == {
        "who": "Ada", "what": "ack", "name": "leak", "outcome": "OK"
    }  # fmt: skip
    code, out, err = loopwatch("alarms", "reset", "leak", *LEAKING, "--at", "80", "--db", db, "--by", "Ben")
    assert (code, out) == (1, "")
    assert "leak is UNACK and not LATCH" in err
    code, out, _ = loopwatch("alarms", "history", "--db", db, "--json")
    told = [(row["who"], row["what"], row["name"]) for row in json.loads(out)["history"]]
    assert told == [("Ada", "ack", "leak"), ("Ben", "reset", "leak")]


def test_the_proof_test_passes_on_a_board_that_can_see(loopwatch, tmp_path):
    code, out, _ = loopwatch("alarms", "test", "--target", "vm", "--db", str(tmp_path / "log.db"), "--json")
    answer = json.loads(out)
    assert (code, answer["passed"], answer["result"]) == (0, True, "passed")
    assert all(answer["steps"].values())
    assert 0 < answer["test_s"] < 20


def test_the_proof_test_is_refused_where_a_leak_stands(loopwatch, tmp_path):
    code, _, err = loopwatch("alarms", "test", *LEAKING, "--at", "80", "--db", str(tmp_path / "log.db"))
    assert code == 1
    assert "a leak stands or is suspected" in err


def test_a_shelf_a_mode_and_out_of_service_are_ordered_in_the_units_people_use(loopwatch, tmp_path):
    here = ("--target", "vm", "--at", "2", "--db", str(tmp_path / "log.db"), "--json")
    for words, what, argument in (
        (("shelve", "pump_stopped", "20min"), "shelve", "1200"),
        (("mode", "service", "2h"), "mode service", "7200"),
        (("out-of-service", "pressure_low"), "out-of-service", None),
    ):
        code, out, _ = loopwatch("alarms", *words, *here)
        kept = json.loads(out)
        assert (code, kept["what"], kept["argument"], kept["outcome"]) == (0, what, argument, "OK")


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (("ack", "nonsense"), 2, "no alarm 'nonsense'"),
        (("shelve", "leak", "soon"), 2, "no duration"),
        (("mode", "sleep"), 2, "no mode 'sleep'"),
        (("mode", "service"), 2, "needs a time"),
        (("list", "--port", "/dev/null", "--target", "vm"), 2, "exclude each other"),
        (("list", "--port", "/dev/does-not-exist"), 3, "/dev/does-not-exist"),
        (("history", "--db", "/tmp/does-not-exist.db"), 1, "no log"),
    ],
)
def test_what_cannot_be_done_is_said_with_its_exit_code(loopwatch, words, code, reason):
    got, _, err = loopwatch("alarms", *words)
    assert got == code
    assert reason in err
