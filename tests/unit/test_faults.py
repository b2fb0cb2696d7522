"""Faults are not leaks: every fault of the bench, alone and while a real leak begins, on the whole firmware."""

import pytest
from firmware_on_bench import Bench
from injections import AT_S, BY_NAME, INJECTIONS, Injection

HEAL_S = 60.0
END_S = 100.0
# 27 mL/min at first, as in scenario pinhole: seen in 8 s when nothing is in the way.
LEAK = {"do": "leak", "hole_mm": 0.3}
LEAKS = {"leak", "leak_seep", "leak_rupture"}
ALWAYS = {"not_commissioned"}


def bench(fault: Injection, *more: tuple[float, dict], healed: bool = True) -> Bench:
    events = [(AT_S, event) for event in fault.events] + [(HEAL_S, event) for event in fault.healed if healed]
    return Bench(*events, *more, settings=fault.settings, **fault.config)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_fault_raises_its_own_alarms_and_no_leak(name):
    fault = BY_NAME[name]
    raised = set(bench(fault).run(END_S if fault.name != "t_dome_stuck" else 800).raised()) - ALWAYS
    assert not raised & LEAKS
    assert raised >= fault.alarms
    if not fault.blind:
        assert "blind" not in raised


@pytest.mark.parametrize("name", BY_NAME)
def test_a_leak_that_is_suspected_when_a_fault_comes_is_still_found_or_the_board_says_that_it_is_blind(name):
    # Evidence has begun to grow and has not reached its threshold: the leak is three seconds old.
    board = bench(BY_NAME[name], (AT_S - 3, LEAK), healed=False).run(AT_S + 45)
    raised = board.raised()
    assert "leak" in raised or board.state("blind") in ("UNACK", "ACKED"), raised


@pytest.mark.parametrize("name", [each.name for each in INJECTIONS if each.healed])
def test_the_evidence_counts_on_when_the_fault_has_gone(name):
    # A slower leak, 12 mL/min: without the fault it takes 15 s.
    board = bench(BY_NAME[name], (AT_S - 8, {"do": "leak", "hole_mm": 0.2})).run(HEAL_S + 40)
    assert "leak" in board.raised()


@pytest.mark.parametrize("name", BY_NAME)
def test_a_leak_alarm_that_stands_is_not_cleared_by_a_fault(name):
    fault = BY_NAME[name]
    late = [(AT_S + 25, event) for event in fault.events]
    board = Bench((AT_S, LEAK), *late, settings=fault.settings, **fault.config).run(AT_S + 60)
    assert board.state("leak") == "UNACK"
    assert board.app.alarms.active(0)
    assert board.pin("interlock") == 0


def test_a_chip_that_holds_the_bus_is_clocked_free_within_two_seconds():
    board = bench(BY_NAME["bus_held_by_a_chip"]).run(AT_S + 2.5)
    assert not board.world.bus.stuck
    assert board.run(AT_S + 20).state("blind") == "NORM"
    assert board.records("sample")[-1].values["status_bits"] == 0


def test_a_sensor_that_is_missing_from_the_start_is_told():
    board = Bench((0, {"do": "sensor_fault", "channel": "t_radiator", "kind": "nack"})).run(5)
    assert "sensor_fault_t_radiator" in board.raised()


def test_pressures_exchanged_at_the_start_are_told_and_the_loop_is_guarded_all_the_same():
    board = Bench((0, {"do": "exchange", "channels": ("p_static", "p_pump")}), (60, LEAK)).run(59)
    assert set(board.raised()) - ALWAYS == {"sensor_fault_p_pump"}
    assert "leak" in board.run(90).raised()


def test_thermometers_exchanged_at_the_start_are_told_within_three_minutes():
    # 1200 W into 2 L/min of 30 % glycol (3.9 kJ/L K): the source is 9 K above the radiator. In a cold room.
    cold = ("start.load_w=1200", "start.ambient_c=-30")
    board = Bench((0, {"do": "exchange", "channels": ("t_source", "t_radiator")}), settings=cold)
    raised = set(board.run(180).raised()) - ALWAYS
    assert raised == {"sensor_fault_t_source", "sensor_fault_t_radiator"}


@pytest.mark.parametrize("hole_mm", [0.8, 3, 10])
def test_a_burst_is_a_leak_however_big_it_is(hole_mm):
    board = Bench((AT_S, {"do": "leak", "hole_mm": hole_mm})).run(AT_S + 8)
    assert {"leak", "leak_rupture"} <= set(board.raised())
    assert not any("fault" in name for name in board.raised())


def test_a_pump_that_stops_and_starts_and_changes_its_speed_is_no_fault():
    speeds = [(30 + 20 * i, {"do": "pump", "speed": speed}) for i, speed in enumerate((0, 1, 0.6, 1, 0.8, 0, 1))]
    assert set(Bench(*speeds).run(200).raised()) == ALWAYS
