"""Modes and outputs of the whole firmware: inhibits that end by themselves, the proof test, what the pins do."""

import itertools

import pytest
from firmware_on_bench import GPIO, Bench

from loopwatch import alarms, modes, telemetry
from loopwatch.journal import MODE, MODE_BASELINE
from loopwatch_host.bench.scenario import Refill

LEAK = {"do": "leak", "hole_mm": 0.3}
BURST = {"do": "leak", "hole_mm": 0.8}


def state_bits(board: Bench) -> int:
    return board.records("decision")[-1].values["state_bits"]


def ne107(board: Bench) -> int:
    return board.records("heartbeat")[-1].values["ne107_n"]


def baselines(board: Bench) -> int:
    return sum(m.values["event_n"] == MODE and m.values["subject_n"] == MODE_BASELINE for m in board.records("event"))


def test_the_start_up_inhibit_counts_down_and_what_is_true_at_its_end_is_raised_then():
    board = Bench((0, {"do": "pump", "speed": 0}), start_s=40, pump_expected=1).run(35)
    assert board.state("pump_stopped") == "SUPPR"
    mode, left_s, armed = board.ask("MODE?").split(",")
    assert (mode, armed) == ("start_up", "ARMED")
    assert 4 <= int(left_s) <= 6
    assert state_bits(board) & telemetry.START_UP
    assert ne107(board) == 3
    board.run(43)
    assert board.state("pump_stopped") == "UNACK"
    assert not state_bits(board) & telemetry.START_UP


def test_a_leak_is_guarded_during_start_up():
    assert "leak" in Bench((30, LEAK), start_s=600).run(60).raised()


@pytest.mark.parametrize("event", [{"do": "withdraw", "volume_ml": 8, "over_s": 40}, {"do": "refill", "volume_ml": 20}])
def test_service_lets_coolant_be_drawn_or_filled_and_ends_with_a_new_baseline(event):
    board = Bench((40, event)).run(35)
    assert board.ask("MODE:SERV 60") == "OK"
    board.run(90)
    assert board.state("leak") == "SUPPR"
    assert state_bits(board) & telemetry.IN_SERVICE
    assert (ne107(board), board.pin("interlock"), board.pin("lamp_fault")) == (3, 1, 1)
    board.run(130)
    assert set(board.raised()) == {"not_commissioned"}
    assert board.ask("MODE?") == "watching,0,ARMED"
    assert baselines(board) == 1
    assert abs(board.records("decision")[-1].values["residual_ul"]) < 1_500


def test_after_service_a_leak_is_found_from_the_new_baseline():
    board = Bench((40, {"do": "withdraw", "volume_ml": 20, "over_s": 10}), (120, LEAK)).run(35)
    board.ask("MODE:SERV 3600")
    board.run(80)
    assert board.ask("MODE:END") == "OK"
    assert "leak" in board.run(140).raised()


def test_drawing_as_much_without_service_is_a_leak():
    # What service suppresses is there to be suppressed.
    assert "leak" in Bench((40, {"do": "withdraw", "volume_ml": 8, "over_s": 40})).run(90).raised()


def test_a_rupture_and_a_high_pressure_are_alarms_in_service_too():
    board = Bench((60, BURST)).run(35)
    board.ask("MODE:SERV 600")
    board.run(75)
    assert board.state("leak") == "SUPPR"
    assert board.state("leak_rupture") == "UNACK"
    assert board.pin("interlock") == 0
    high = Bench(pressure_high_pa=170_000).run(1)
    high.ask("MODE:SERV 600")
    assert high.run(10).state("pressure_high") == "UNACK"
    assert high.pin("interlock") == 0


def test_a_refill_that_nobody_announced_is_told_and_followed_by_a_new_baseline():
    board = Bench((60, {"do": "refill", "volume_ml": 40, "over_s": 10})).run(75)
    assert "inventory_gain" in board.raised()
    board.run(300)
    assert baselines(board) == 1
    assert not any("leak" in name for name in board.raised())


def test_topping_up_a_loop_that_was_leaking_does_not_forget_the_leak():
    # 3 mL/min: the wide limits' slowest member takes minutes. Somebody tops up when its evidence is at two thirds.
    board = Bench((20, {"do": "leak", "rate_ml_h": 180}))
    while board.app.guard.evidence_permille[1] < 650:
        board.run(board.now_s + 1)
    assert not any("leak" in name for name in board.raised())
    board.world.do(Refill(do="refill", at_s=0, volume_ml=40))
    assert "leak" in board.run(board.now_s + 600).raised()
    assert baselines(board) == 0


def test_the_board_that_only_watches_tells_a_leak_and_lets_the_pump_run_until_it_is_armed():
    board = Bench((30, {"do": "leak", "hole_mm": 0.2}), watch_only=1).run(60)
    assert board.state("leak") == "UNACK"
    assert board.pin("interlock") == 1
    assert state_bits(board) & telemetry.WATCH_ONLY
    board.ask("MODE:ARM")
    assert board.pin("interlock") == 0


def test_the_proof_test_goes_the_whole_way_flagged_as_a_test_and_leaves_the_evidence_clean():
    board = Bench().run(40)
    assert board.ask("MODE:TEST") == "OK"
    board.run(42)
    assert board.state("simulation") == "UNACK"
    assert (ne107(board), state_bits(board) & telemetry.PROOF_TEST) == (3, telemetry.PROOF_TEST)
    board.run(70)
    result, took_s = board.ask("MODE:TEST?").split(",")
    assert result == "passed"
    assert 0 < int(took_s) < 20
    assert (board.pin("interlock"), board.pin("lamp_alarm")) == (0, 1)
    assert [level for _, gpio, level in board.world.pins if gpio == GPIO["horn"]] == [0, 1, 0]
    assert board.ask("ALAR:ACK leak") == "OK"
    board.run(90)
    assert board.ask("ALAR:RES leak") == "OK"
    board.ask("ALAR:ACK simulation")
    board.run(120)
    assert board.ask("ALAR:LIST?") == "not_commissioned=UNACK"
    assert board.pin("interlock") == 1


def test_a_leak_is_found_after_a_proof_test():
    board = Bench((110, LEAK)).run(40)
    board.ask("MODE:TEST")
    board.run(70)
    board.ask("ALAR:ACK ALL")
    board.run(90)
    board.ask("ALAR:RES leak")
    assert board.state("leak") == "NORM"
    assert board.run(130).state("leak") == "UNACK"


def test_the_proof_test_is_refused_while_a_leak_stands_and_fails_where_nothing_can_be_seen():
    board = Bench((30, LEAK)).run(60)
    assert "a leak stands or is suspected" in board.ask("MODE:TEST")
    deaf = Bench((30, {"do": "sensor_fault", "channel": "p_static", "kind": "open"})).run(40)
    assert deaf.ask("MODE:TEST") == "OK"
    deaf.run(40 + modes.TEST_S + 3)
    assert deaf.ask("MODE:TEST?") == f"failed,{modes.TEST_S}"


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("MODE:SERV 14401", "1 to 14400"),
        ("MODE:SERV 0", "1 to 14400"),
        ("MODE:STAR soon", "soon"),
        ("ALAR:SHEL leak_rupture,60", "must stay in sight"),
        ("ALAR:SHEL blind,60", "must stay in sight"),
        ("ALAR:SHEL leak,90000", "1 to 86400"),
        ("ALAR:UNSH leak", "is not shelved"),
        ("ALAR:OUT simulation", "must stay in sight"),
        ("ALAR:BACK leak", "is in service"),
        ("ALAR:RES leak", "is NORM and not LATCH"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused_with_the_reason(command, reason):
    answer = Bench().run(1).ask(command)
    assert answer.startswith("!")
    assert reason in answer


def test_orders_about_one_alarm_are_answered_and_seen():
    board = Bench((1, {"do": "sensor_fault", "channel": "t_dome", "kind": "nack"})).run(5)
    assert board.ask("ALAR:FIRS?") == "sensor_fault_t_dome"
    assert board.ask("ALAR:DET? sensor_fault_t_dome") == "UNACK,1,6,0,0"
    assert board.ask("ALAR:SHEL sensor_fault_t_dome,600") == "OK"
    board.run(8)
    assert board.ask("ALAR:DET? sensor_fault_t_dome").startswith("SHELVED,1,6,59")
    states = board.ask("ALAR:STAT?")
    assert len(states) == alarms.ALARM_N
    assert states[alarms.index_of("sensor_fault_t_dome")] == str(alarms.SHELVED)
    assert board.ask("ALAR:UNSH sensor_fault_t_dome") == "OK"
    assert board.ask("ALAR:OUT sensor_fault_t_dome") == "OK"
    assert board.ask("ALAR:LIST?") == "sensor_fault_t_dome=OOSRV not_commissioned=UNACK"
    assert board.ask("ALAR:BACK sensor_fault_t_dome") == "OK"
    assert board.ask("ALAR:ACK ALL") == "OK"
    assert "UNACK" not in board.ask("ALAR:LIST?")


def test_a_list_too_long_for_a_line_says_how_many_are_missing():
    dead = [(1, {"do": "sensor_fault", "channel": name, "kind": "nack"}) for name in ("p_static", "t_source", "t_dome")]
    words = Bench(*dead).run(8).ask("ALAR:LIST?").split()
    assert len(words) - 1 + int(words[-1]) == 7


def test_the_horn_is_silenced_without_an_acknowledgement_and_sounds_again_for_what_comes_after():
    board = Bench((30, {"do": "leak", "hole_mm": 0.2}), (60, BURST)).run(55)
    assert board.pin("horn") == 1
    board.ask("ALAR:SIL")
    assert (board.pin("horn"), board.state("leak"), board.pin("lamp_alarm")) == (0, "UNACK", 1)
    board.run(75)
    assert board.state("leak_rupture") == "UNACK"
    assert board.pin("horn") == 1
    board.ask("ALAR:ACK leak")
    assert (board.pin("horn"), board.pin("lamp_alarm")) == (0, 1)


def test_the_button_silences_the_horn_and_acknowledges():
    board = Bench((30, LEAK), (60, {"do": "press"})).run(59)
    assert (board.pin("horn"), board.pin("lamp_alarm"), board.pin("interlock")) == (1, 1, 0)
    board.run(61)
    assert board.state("leak") == "ACKED"
    assert (board.pin("horn"), board.pin("lamp_alarm"), board.pin("interlock")) == (0, 1, 0)


def edges_s(board: Bench, from_s: float) -> list[float]:
    moved = [(t_us / 1e6, level) for t_us, gpio, level in board.world.pins if gpio == GPIO["interlock"]]
    return [
        t_s for (t_s, level), (_, before) in zip(moved[1:], moved, strict=False) if t_s > from_s and level != before
    ]


def test_the_toggled_interlock_has_an_edge_with_every_sample_while_clear_and_none_with_a_leak():
    board = Bench((30, LEAK), interlock_toggled=1).run(60)
    tripped_s = board.raised()["leak"]
    moved_s = edges_s(board, 1.0)
    gaps_s = [b - a for a, b in itertools.pairwise(moved_s)]
    # hardware/frontend/interlock.csv: in with an edge every 100 ms. Its dither moves a sample by up to 20 ms.
    assert max(gaps_s) < 0.125
    assert sum(gaps_s) / len(gaps_s) == pytest.approx(0.1, rel=0.01)
    assert tripped_s - 0.2 < moved_s[-1] < tripped_s + 0.2
    assert board.pin("interlock") == 0


def test_the_static_interlock_does_not_move_while_clear():
    assert len(edges_s(Bench().run(30), 0.0)) == 1


def test_a_restart_by_the_watchdog_is_told_and_ends_after_a_healthy_minute():
    board = Bench(reset_cause_n=3).run(5)
    assert board.state("restarted") == "UNACK"
    board.ask("ALAR:ACK restarted")
    board.run(65)
    assert board.state("restarted") == "NORM"


def test_a_board_that_is_well_and_not_commissioned_says_that_it_wants_maintenance():
    board = Bench().run(30)
    assert (ne107(board), board.pin("lamp_fault"), board.pin("interlock")) == (1, 0, 1)
