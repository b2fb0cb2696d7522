"""Commands: SCPI's short and long forms, and an error for everything that is refused."""

import pytest

from loopwatch import scpi


@pytest.fixture
def commands():
    return scpi.Commands(
        (
            ("*IDN?", lambda: "me", 0, ""),
            ("ALARm:ACKnowledge", lambda name: None, 1, ""),
        )
    )


@pytest.mark.parametrize("header", ["SYST:ERR?", "SYSTEM:ERROR?", ":SYST:ERROR?"])
def test_a_keyword_is_taken_short_or_long(header):
    assert scpi.matches("SYSTem:ERRor?", header)


@pytest.mark.parametrize("header", ["SYSTE:ERR?", "SYST:ERR", "SYST", "ERR?", "SYST:ERR:X?", ""])
def test_anything_between_is_not(header):
    assert not scpi.matches("SYSTem:ERRor?", header)


def test_a_command_is_run_in_any_case_and_may_have_no_reply(commands):
    assert commands.execute(" *idn? ") == "me"
    assert commands.execute("alar:ack leak") is None
    assert commands.execute("") is None
    assert commands.bad_n == 0


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("FOO:BAR 1", '-113,"Undefined header; FOO:BAR"'),
        ("ALAR:ACK", '-109,"Missing parameter; ALARm:ACKnowledge"'),
        ("ALAR:ACK leak, blind", '-108,"Parameter not allowed; ALARm:ACKnowledge"'),
    ],
)
def test_what_is_refused_is_told_once(commands, line, error):
    assert commands.execute(line) is None
    assert commands.next_error() == error
    assert commands.next_error() == '0,"No error"'


def test_the_error_queue_says_when_it_overflowed(commands):
    for _ in range(scpi.ERROR_QUEUE_N + 3):
        commands.execute("FOO")
    errors = [commands.next_error() for _ in range(scpi.ERROR_QUEUE_N)]
    assert errors[0].startswith("-113")
    assert errors[-1] == '-350,"Queue overflow"'
    assert commands.bad_n == scpi.ERROR_QUEUE_N + 3
