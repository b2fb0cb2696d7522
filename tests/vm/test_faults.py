"""Faults on the real MicroPython: every injection, alone, on a board as it is delivered.

With a leak at the same time, and on a commissioned board, they are in tests/unit/test_faults.py.
"""

import json

import pytest
from injections import AT_S, BY_NAME, Injection

from loopwatch_host.bench.runner import run_scenario

AFTER_S = 25
LONG_S = {"t_dome_stuck": 700}  # still for ten minutes while the others move
LEAKS = {"leak", "leak_seep", "leak_rupture"}


def scenario_text(fault: Injection) -> str:
    """The injection as a scenario file; JSON's scalars and lists are TOML's too."""
    duration_s = AT_S + LONG_S.get(fault.name, AFTER_S)
    lines = [f'name = "{fault.name}"', 'title = "an injected fault; no leak"', f"duration_s = {duration_s}"]
    lines += ["[board]", *(f"{key} = {value}" for key, value in fault.config.items())]
    for event in fault.events:
        lines += ["[[event]]", f"at_s = {AT_S}", *(f"{key} = {json.dumps(value)}" for key, value in event.items())]
    return "\n".join(lines)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_fault_raises_its_own_alarms_and_no_leak_and_makes_no_sample_late(name, tmp_path):
    fault = BY_NAME[name]
    path = tmp_path / "fault.toml"
    path.write_text(scenario_text(fault))
    result = run_scenario(path, seed=3, settings=fault.settings)
    raised = {alarm.name for alarm in result.alarms if alarm.state == "UNACK"}
    assert raised >= fault.alarms
    assert not raised & LEAKS
    assert ("blind" in raised) == fault.blind
    assert (result.bad_lines, result.late, result.gaps) == (0, 0, {})


def test_what_one_leak_brings_is_acknowledged_by_one_order(tmp_path):
    # The classes of a leak are one matter for a person: scenario pinhole raises two of them.
    path = tmp_path / "ack.toml"
    path.write_text(
        'name = "ack"\ntitle = "a leak that a person has seen"\nduration_s = 85\n'
        '[[event]]\nat_s = 60\ndo = "leak"\nhole_mm = 0.3\n'
        '[[event]]\nat_s = 80\ndo = "command"\ntext = "ALAR:ACK leak"\n'
    )
    result = run_scenario(path, seed=3)
    acked = {alarm.name for alarm in result.alarms if alarm.state == "ACKED"}
    assert acked == {alarm.name for alarm in result.alarms if alarm.state == "UNACK"} & LEAKS
    assert len(acked) == 2
