"""Limits: what is told to the alarms for which seconds, and which class a leak is of."""

import pytest

from loopwatch import alarms, guard, limits, sample
from loopwatch.alarms import NORM, UNACK
from loopwatch.config import TABLE as SETTINGS
from loopwatch.config import Config
from loopwatch.journal import Journal

CALM = {"p_static_pa": 150_000, "p_pump_pa": 185_000, "t_source_mdegc": 26_000, "t_radiator_mdegc": 25_000,
        "t_dome_mdegc": 24_000, "rail_mv": 5_000}  # fmt: skip


class Loop:
    """A board's limits, told a second at a time."""

    def __init__(self, **settings: int) -> None:
        self.states = alarms.Alarms(Journal())
        self.limits = limits.Limits(Config(**settings))
        self.now_ms = 0

    def seconds(self, n: int, without=(), wobble_pa=800, residual_ul=0, settled=True, **values) -> None:
        mean = sample.Sample()
        for i, name in enumerate(sample.CHANNELS):
            mean.values[i] = values.get(name, CALM[name])
            mean.status[i] = sample.OPEN if name in without else sample.GOOD
        for _ in range(n):
            self.limits.judge(self.states, mean, wobble_pa, residual_ul, settled, self.now_ms)
            self.now_ms += 1_000

    def standing(self) -> set[str]:
        return {alarms.TABLE[i][0] for i in range(alarms.ALARM_N) if self.states.state[i] != NORM}


def test_the_first_settings_raise_nothing_on_loops_of_many_kinds():
    for p_pa, head_pa, t_mdegc in ((60_000, 0, -20_000), (101_000, 200_000, 20_000), (400_000, 40_000, 85_000)):
        loop = Loop()
        loop.seconds(120, p_static_pa=p_pa, p_pump_pa=p_pa + head_pa, t_source_mdegc=t_mdegc, wobble_pa=15_000)
        assert loop.standing() == set()


# Trip and clear by hand: a deadband of 5 kPa, 10 kPa, 3 K, 3 K, 1 kPa, 5 kPa behind the setting.
@pytest.mark.parametrize(
    ("name", "settings", "beyond", "between", "back"),
    [
        ("pressure_low", {"pressure_low_pa": 120_000}, {"p_static_pa": 119_999}, {"p_static_pa": 124_999},
         {"p_static_pa": 125_001}),
        ("pressure_high", {"pressure_high_pa": 250_000}, {"p_static_pa": 250_001}, {"p_static_pa": 240_001},
         {"p_static_pa": 239_999}),
        ("pressure_high", {"pressure_high_pa": 250_000}, {"p_pump_pa": 250_001}, {"p_pump_pa": 240_001},
         {"p_pump_pa": 239_999}),
        ("temperature_high", {"temperature_high_mdegc": 60_000}, {"t_dome_mdegc": 60_001}, {"t_dome_mdegc": 57_001},
         {"t_dome_mdegc": 56_999}),
        ("temperature_difference", {"temperature_difference_mdegc": 20_000}, {"t_source_mdegc": 45_001},
         {"t_source_mdegc": 42_001}, {"t_source_mdegc": 41_999}),
        ("pump_stopped", {"pump_expected": 1}, {"p_pump_pa": 157_999}, {"p_pump_pa": 158_999}, {"p_pump_pa": 159_001}),
        ("pump_cavitating", {}, {"wobble_pa": 25_001}, {"wobble_pa": 20_001}, {"wobble_pa": 19_999}),
    ],
)  # fmt: skip
def test_a_limit_trips_beyond_its_setting_and_clears_only_behind_its_deadband(name, settings, beyond, between, back):
    loop = Loop(**settings)
    index = alarms.index_of(name)
    loop.seconds(60, **between)
    assert loop.standing() == set()
    loop.seconds(60, **beyond)
    assert loop.standing() == {name}
    loop.seconds(60, **between)
    assert loop.states.active(index)
    loop.seconds(60, **back)
    assert not loop.states.active(index)


def test_a_limit_without_its_sensor_neither_trips_nor_clears():
    loop = Loop(pressure_low_pa=120_000, temperature_difference_mdegc=20_000)
    gone = ("p_static_pa", "t_radiator_mdegc")
    loop.seconds(60, without=gone, p_static_pa=0, t_source_mdegc=80_000)
    assert loop.standing() == set()
    loop.seconds(60, p_static_pa=0)
    assert loop.standing() == {"pressure_low"}
    loop.seconds(60, without=gone)
    assert loop.states.active(alarms.PRESSURE_LOW)


def test_a_pressure_too_high_is_seen_by_the_pressure_sensor_that_is_left():
    for gone in ("p_static_pa", "p_pump_pa"):
        loop = Loop(pressure_high_pa=250_000)
        loop.seconds(5, without=(gone,), p_static_pa=260_000, p_pump_pa=300_000)
        assert loop.standing() == {"pressure_high"}


def test_a_pump_that_may_stand_is_no_alarm():
    loop = Loop()
    loop.seconds(60, p_pump_pa=150_000)
    assert loop.standing() == set()


def test_a_refill_is_a_gain_and_a_slow_rise_is_none():
    slow, refilled = Loop(), Loop()
    for second in range(600):
        # 100 uL/s: an EMA of 64 s lags a ramp by 64 times its slope, 6.4 mL, inside 30 mL.
        slow.seconds(1, residual_ul=100 * second)
        refilled.seconds(1, residual_ul=50_000 if second >= 60 else 0)
        if second == 70:
            assert refilled.standing() == {"inventory_gain"}
    assert slow.standing() == set()
    assert not refilled.states.active(alarms.INVENTORY_GAIN)


def test_a_rupture_leaves_less_than_90_s_of_the_reserve_and_a_seep_more_than_half_an_hour():
    setting = {row[0]: row[1] for row in SETTINGS}
    assert setting["reserve_ul"] / guard.RUPTURE_FROM_UL_H * 3_600 < 90
    assert setting["reserve_ul"] / guard.LEAK_FROM_UL_H * 60 > 30


def test_a_leak_that_grows_is_raised_in_each_class_and_only_its_end_clears_them():
    states = alarms.Alarms(Journal())
    leaks = (alarms.LEAK_SEEP, alarms.LEAK, alarms.LEAK_RUPTURE)
    now_ms = 0
    for class_n, raised in ((1, (1, 0, 0)), (2, (1, 1, 0)), (3, (1, 1, 1)), (2, (1, 1, 1)), (1, (1, 1, 1))):
        for _ in range(30):
            limits.judge_leak(states, class_n, 500, now_ms)
            now_ms += 1_000
        assert [states.state[alarm] for alarm in leaks] == [UNACK if up else NORM for up in raised]
    for _ in range(11):
        limits.judge_leak(states, guard.NO_LEAK, 0, now_ms)
        now_ms += 1_000
    assert not any(states.active(alarm) for alarm in leaks)


def test_every_setting_of_a_limit_is_a_setting_and_every_limit_an_alarm():
    settings = {row[0] for row in SETTINGS}
    assert {row[3] for row in limits.TABLE} <= settings
    assert len({row[0] for row in limits.TABLE}) == limits.LIMIT_N
