"""What every board has to show on every bench: it boots, sees leaks and only leaks, and takes care of itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopwatch_host.bench.runner import BOARD_ID
from loopwatch_host.hil.bench import Bench, VirtualBench, make
from loopwatch_host.hil.bench_file import BenchFile

LOOP = Path(__file__).with_name("loop.toml")
SMALL_LOOP = Path(__file__).with_name("small_loop.toml")
PLANTED_HANG = Path(__file__).with_name("planted_hang.py")

SETTLED_WITHIN_S = 20.0  # 16 s of baseline, and the start
WATCHDOG_S = 2.0
HANGS_AT_S = 3.0  # planted_hang.py
BOOT_WITHIN_S = 2.0
PERIOD_S = 0.1

pytestmark = pytest.mark.timeout(600)  # busy code is emulated some 60 times slower than it runs


def virtual(bench: Bench) -> VirtualBench:
    """The bench, where the procedure needs one that is simulated."""
    if not isinstance(bench, VirtualBench):
        pytest.skip("needs a virtual bench, whose clock and pins can be looked at")
    return bench


def settle(bench: Bench) -> None:
    """Wait until the board has its baseline."""
    settled = bench.wait_for(lambda: bench.heard.settled, SETTLED_WITHIN_S)
    heard = bench.heard
    assert settled, f"no baseline; {len(heard.boots)} boot records, lost {heard.lost_n}, last {heard.latest}"


def leak_delay_s(bench: Bench, within_s: float) -> float:
    """From the leak's onset to the alarm; a leak that is not seen within so long fails."""
    assert bench.wait_for(lambda: bench.heard.first_s("leak"), within_s), f"no leak alarm within {within_s:g} s"
    alarm_s, onset_s = bench.heard.first_s("leak"), bench.onset_s
    assert alarm_s is not None and onset_s is not None
    assert alarm_s > onset_s, "a leak alarm before the leak"
    return alarm_s - onset_s


@pytest.mark.also_on_pico
def test_a_board_boots_says_who_it_is_and_measures(bench: Bench) -> None:
    bench.power_on(LOOP)
    assert bench.wait_for(lambda: bench.trace.samples, BOOT_WITHIN_S), "no sample after power-on"
    bench.advance(1.0)
    product, board, board_id, version = bench.command("*IDN?").split(",")
    assert (product, board) == ("loopwatch", "pico")
    assert board_id == bench.client.stream.board_id
    assert version == bench.client.stream.firmware
    assert bench.command("*TST?") == "0", "every fitted sensor answers"
    p_static_pa, p_pump_pa = (int(word) for word in bench.command("MEAS:PRES?").split(","))
    assert 50_000 < p_static_pa < p_pump_pa < 500_000
    if isinstance(bench, VirtualBench):
        assert bytes.fromhex(board_id) == BOARD_ID
        assert p_static_pa == pytest.approx(bench.world.truth.p_static_pa, abs=2_000)
    assert bench.client.bad_n == 0


def test_a_quiet_loop_raises_nothing_and_every_sample_comes_in_time(bench: Bench) -> None:
    bench.power_on(LOOP)
    settle(bench)
    bench.advance(5.0 if bench.target == "pico" else 60.0)
    assert bench.heard.raised() <= {"not_commissioned"}
    assert bench.heard.lost_n == {}
    assert bench.heard.value("sample", "late_n") == 0
    times_s = [t_s for t_s, _, _ in bench.trace.samples]
    assert len(times_s) == pytest.approx((times_s[-1] - times_s[0]) / PERIOD_S + 1, abs=1)


def test_a_pinhole_is_seen_and_acknowledged_from_the_laptop(bench: Bench) -> None:
    bench.power_on(LOOP)
    settle(bench)
    bench.do("leak", hole_mm=0.3)
    assert leak_delay_s(bench, 15.0) <= 12.0
    if isinstance(bench, VirtualBench):
        assert pin(bench, INTERLOCK) == 0, "the interlock drops with the alarm"
        assert pin(bench, HORN) == 1
    assert bench.command("ALAR:ACK leak") == "OK"
    assert bench.wait_for(lambda: bench.heard.state("leak") == "ACKED", 1.0), "no event of the acknowledgement"
    if isinstance(bench, VirtualBench):
        bench.advance(2 * PERIOD_S)
        assert (pin(bench, HORN), pin(bench, INTERLOCK)) == (0, 0), "acknowledging silences and does not reset"
    assert "leak=ACKED" in bench.command("ALAR:LIST?")


def test_a_burst_is_seen_within_seconds(bench: Bench) -> None:
    bench.power_on(LOOP)
    settle(bench)
    bench.do("leak", hole_mm=0.8)
    assert leak_delay_s(bench, 6.0) <= 5.0


def test_a_slow_leak_shows_in_seconds_where_the_loop_is_small(bench: Bench) -> None:
    bench.power_on(SMALL_LOOP)
    settle(bench)
    bench.do("leak", rate_ml_h=150.0)
    assert leak_delay_s(bench, 15.0) <= 12.0


def test_an_unplugged_sensor_is_a_fault_and_no_leak(bench: Bench) -> None:
    bench.power_on(LOOP)
    bench.advance(1.5)
    bench.do("sensor_fault", channel="t_dome", kind="nack")
    assert bench.wait_for(lambda: bench.heard.first_s("sensor_fault_t_dome"), 4.0)
    bench.do("sensor_fault", channel="p_static", kind="nack")
    assert bench.wait_for(lambda: bench.heard.first_s("blind"), 6.0), (
        "without p_static nobody may believe that all is well"
    )
    bench.do("sensor_heal", channel="p_static")
    bench.do("sensor_heal", channel="t_dome")
    assert bench.wait_for(lambda: bench.heard.state("blind") == "RTNUN", 6.0)
    assert bench.wait_for(lambda: bench.heard.state("sensor_fault_t_dome") == "RTNUN", 6.0)
    assert "leak" not in bench.heard.raised()
    assert bench.command("*TST?") == "0"


@pytest.mark.also_on_pico
def test_a_board_that_hangs_is_restarted_by_its_watchdog_and_watches_again(bench: Bench) -> None:
    bench.power_on(LOOP, program=PLANTED_HANG)
    assert bench.wait_for(lambda: len(bench.heard.boots) == 2, HANGS_AT_S + WATCHDOG_S + BOOT_WITHIN_S), "no restart"
    last_s = max(t_s for t_s, _, _ in bench.trace.samples)
    assert bench.heard.boots[0].values["reset_cause_n"] == 1, "power on"
    assert bench.heard.boots[1].values["reset_cause_n"] == 3, "watchdog"
    assert bench.wait_for(lambda: bench.trace.samples[-1][0] > last_s, BOOT_WITHIN_S), "it does not watch again"
    assert bench.trace.samples[-1][0] - last_s <= WATCHDOG_S + BOOT_WITHIN_S
    assert "Hang" in bench.command("SYST:CRASH?")
    assert len(virtual(bench).resets) == 1


def test_a_cable_that_comes_back_finds_the_same_board_which_never_stopped(bench: Bench) -> None:
    bench.power_on(LOOP)
    assert bench.wait_for(lambda: bench.heard.value("heartbeat", "uptime_s"), 2 * BOOT_WITHIN_S), "no heartbeat"
    board_id, uptime_s = bench.client.stream.board_id, bench.heard.value("heartbeat", "uptime_s")
    assert board_id and uptime_s is not None
    bench.unplug_cable()
    assert not bench.client.connected
    bench.advance(1.0)
    bench.plug_cable()
    assert bench.client.connected
    bench.advance(1.5)
    assert bench.client.stream.board_id == board_id
    assert bench.command("*IDN?").split(",")[2] == board_id
    assert (bench.heard.value("heartbeat", "uptime_s") or 0) >= uptime_s + 2
    if isinstance(bench, VirtualBench):
        assert len(bench.heard.boots) == 1
        assert bench.resets == []


def test_a_laptop_that_stops_reading_costs_samples_and_nothing_else(bench: Bench) -> None:
    bench.power_on(LOOP)
    assert bench.wait_for(lambda: bench.heard.latest.get("heartbeat"), 2 * BOOT_WITHIN_S), "no heartbeat"
    assert bench.heard.value("heartbeat", "dropped_n") == 0
    bench.stop_reading()
    bench.advance(2.0)
    bench.do("sensor_fault", channel="t_dome", kind="nack")
    bench.advance(8.0 if bench.target == "pico" else 58.0)
    assert bench.heard.first_s("sensor_fault_t_dome") is None, "nobody has read it yet"
    bench.read_again()
    assert bench.wait_for(lambda: bench.heard.first_s("sensor_fault_t_dome"), 3.0), "the alarm is lost"
    assert bench.wait_for(lambda: (bench.heard.value("heartbeat", "dropped_n") or 0) > 0, 2.0)
    assert bench.heard.value("sample", "late_n") == 0, "sampling kept its deadlines"
    assert bench.heard.lost_n.get("sample", 0) > 0, "and the laptop knows what it missed"
    assert bench.heard.lost_n.get("event", 0) == 0
    bench.do("sensor_heal", channel="t_dome")


def test_a_board_whose_power_was_cut_comes_back_and_watches(bench: Bench) -> None:
    bench.power_on(LOOP)
    bench.advance(1.5)
    bench.cut_power(0.5)
    assert bench.wait_for(lambda: len(bench.heard.boots) == 2, BOOT_WITHIN_S), "no boot record"
    assert bench.heard.boots[1].values["reset_cause_n"] == 1
    before_n = len(bench.trace.samples)
    assert bench.wait_for(lambda: len(bench.trace.samples) > before_n, BOOT_WITHIN_S), "no sample after the cut"


def test_the_emulated_pico_sees_a_pinhole_when_the_vm_does(bench: Bench, described: BenchFile) -> None:
    """The same world and seed, and a vm that begins at the millisecond at which the Pico had booted."""
    if bench.target != "pico":
        pytest.skip("compares the emulated Pico with vm: --target pico")
    delays_s = {}
    boot_ms = 0
    for target in ("pico", "vm"):
        with make(target, described, boot_after_ms=boot_ms) if target == "vm" else virtual(bench) as each:
            each.power_on(LOOP, seed=7)
            each.advance(18.0)
            each.do("leak", hole_mm=0.3)
            delays_s[target] = leak_delay_s(each, 12.0)
            boot_ms = each.heard.boots[0].t_ms
    assert delays_s["pico"] == pytest.approx(delays_s["vm"], abs=PERIOD_S)


INTERLOCK = 10  # hardware/pinmap.toml
HORN = 11


def pin(bench: VirtualBench, gpio: int) -> int:
    """The level that the board last gave an output."""
    return next((value for _, pin, value in reversed(bench.world.pins) if pin == gpio), 0)
