"""The bring-up guide against the doctor it quotes: each line that a person is told to expect is one that it prints."""

import re

import pytest
from guides import GUIDES, blocks

from loopwatch import sample
from loopwatch_host.doctor import Facts, judge
from loopwatch_host.messages import Record

BLOCKS = blocks((GUIDES / "bring-up.md").read_text(encoding="utf-8"), "")
LINES = [line for block in BLOCKS for line in block.splitlines()]
CHANNELS = {name.rpartition("_")[0]: i for i, name in enumerate(sample.CHANNELS)}


def told(status: dict[int, int], values: dict[str, int | None]) -> dict[str, tuple[str, str]]:
    """What the doctor says of a board whose channels have these statuses and values: level and text by name."""
    bits = sum(code << (channel * sample.STATUS_BITS) for channel, code in status.items())
    fields: dict[str, int | None] = dict.fromkeys(sample.CHANNELS)
    fields |= values | {"status_bits": bits, "late_n": 0}
    record = Record("sample", 1, 0, 1_000, 1.0, fields)
    beat = Record("heartbeat", 1, 0, 1_000, 1.0, {"bus_error_n": 0, "late_n": 0, "heap_free_n": 60_000})
    rail_mv = values.get("rail_mv")
    facts = Facts(
        replies={"*IDN?": "loopwatch,pico,e6614104032d5a2b,0.1.0"},
        sample=record,
        heartbeat=Record("heartbeat", 1, 0, 1_000, 1.0, beat.values | {"alarm_bits": 0, "ne107_n": 0, "dropped_n": 0}),
        rails_mv=[] if rail_mv is None else [rail_mv],
    )
    return {finding.name: (finding.level.value, finding.text) for finding in judge(facts)}


def test_the_guide_shows_lines_in_every_measuring_step():
    assert len(BLOCKS) >= 6
    assert len(LINES) >= 15


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("fail")])
def test_a_failure_that_the_guide_shows_is_said_so_by_the_doctor(line):
    _, name, words = re.split(r"\s{2,}", line)
    if name == "rail":
        said = told({sample.RAIL: sample.NO_ANSWER}, {})
    else:
        said = told({CHANNELS[name]: sample.STATUS_NAMES.index(words.replace(" ", "_"))}, {"rail_mv": 5_000})
    assert said[name] == ("fail", words)


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("ok")])
def test_a_sound_line_that_the_guide_shows_is_said_so_by_the_doctor(line):
    _, name, *words = re.split(r"\s{2,}", line)
    values: dict[str, int | None] = {"rail_mv": 5_000}
    if name in CHANNELS and name != "rail":
        unit_n = 100 if name.startswith("p_") else 1_000
        values[sample.CHANNELS[CHANNELS[name]]] = round(float(words[0].split()[0]) * unit_n)
    said = told({}, values)
    if name in ("firmware", "protocol"):
        assert name in said
        return
    level, text = said[name]
    assert level == "ok"
    if name == "rail":
        # The guide gives the range in which the doctor is content.
        for edge_mv in (float(words[0].split()[0]) * 1000, float(words[0].split()[2]) * 1000):
            assert told({}, {"rail_mv": round(edge_mv)})["rail"][0] == "ok"
    else:
        assert text.startswith(words[0])
