"""What goes wrong with the loop itself and is no leak: each limit's own alarm, and no leak, on the whole firmware."""

from typing import Any

import pytest
from firmware_on_bench import Bench

LEAKS = {"leak", "leak_seep", "leak_rupture"}

# Events from 30 s on, settings of the limits as for a default loop at 1.5 bar, 35 °C; what must be raised.
TROUBLES: dict[str, tuple[list[dict[str, Any]], dict[str, Any], set[str]]] = {
    "the_pump_stops": ([{"do": "pump", "speed": 0}], {"pump_expected": 1}, {"pump_stopped"}),
    "the_pump_draws_gas": (
        [{"do": "emi", "channel": "p_pump", "noise_pa": 12_000, "for_s": 60}],
        {},
        {"pump_cavitating"},
    ),
    "the_loop_is_overfilled": (
        [{"do": "refill", "volume_ml": 60, "over_s": 30}],
        {"pressure_high_pa": 210_000},
        {"pressure_high", "inventory_gain"},
    ),
    "the_coolant_boils": ([{"do": "load", "load_w": 3_000}], {"temperature_high_mdegc": 60_000}, {"temperature_high"}),
    "the_flow_stops_under_load": (
        [{"do": "load", "load_w": 600}, {"do": "pump", "speed": 0}],
        {"temperature_difference_mdegc": 15_000},
        {"temperature_difference"},
    ),
    "somebody_tops_up_unannounced": ([{"do": "refill", "volume_ml": 40}], {}, {"inventory_gain"}),
}


def bench(name: str) -> Bench:
    events, config, _ = TROUBLES[name]
    return Bench(*((30, event) for event in events), **config)


@pytest.mark.parametrize("name", TROUBLES)
def test_a_trouble_of_the_loop_raises_its_own_alarm_and_no_leak(name):
    raised = set(bench(name).run(200).raised())
    assert raised == {"not_commissioned"} | TROUBLES[name][2]


def test_a_loop_that_loses_its_pressure_by_a_leak_raises_low_pressure_too():
    board = Bench((30, {"do": "leak", "hole_mm": 0.8}), pressure_low_pa=120_000).run(80)
    assert {"leak", "pressure_low"} <= set(board.raised())


def test_a_high_pressure_drops_the_interlock_and_latches():
    board = bench("the_loop_is_overfilled").run(80)
    assert board.state("pressure_high") == "UNACK"
    assert (board.pin("interlock"), board.pin("horn")) == (0, 1)
    board.ask("ALAR:ACK ALL")
    assert "not LATCH" in board.ask("ALAR:RES pressure_high")
