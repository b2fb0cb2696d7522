"""Faults on the real MicroPython: those in which bus, timeouts and power have a part, and one of each other kind.

All injections, alone and with a leak, are in tests/unit/test_faults.py.
"""

import json

import pytest
from injections import AT_S, BY_NAME, Injection

from loopwatch_host.bench.runner import run_scenario

END_S = 55
LEAKS = {"leak", "leak_seep", "leak_rupture"}
HERE = (
    "bus_held_by_a_chip",
    "bus_held_low",
    "converter_loses_power",
    "converter_never_ready",
    "converter_off_the_bus",
    "p_static_jumps_down",
    "p_static_stuck",
    "probe_of_the_dome_falls_out",
    "rail_sags_to_3_5_v",
    "t_dome_never_ready",
)


def scenario_text(fault: Injection) -> str:
    """The injection as a scenario file; JSON's scalars and lists are TOML's too."""
    lines = [f'name = "{fault.name}"', 'title = "an injected fault; no leak"', f"duration_s = {END_S}"]
    lines += ["[board]", *(f"{key} = {value}" for key, value in fault.config.items())]
    for event in fault.events:
        lines += ["[[event]]", f"at_s = {AT_S}", *(f"{key} = {json.dumps(value)}" for key, value in event.items())]
    return "\n".join(lines)


@pytest.mark.parametrize("name", HERE)
def test_a_fault_raises_its_own_alarms_and_no_leak_and_makes_no_sample_late(name, tmp_path):
    fault = BY_NAME[name]
    path = tmp_path / "fault.toml"
    path.write_text(scenario_text(fault))
    result = run_scenario(path, seed=3)
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
