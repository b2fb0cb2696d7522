"""Board time to wall time."""

import random

import pytest

from loopwatch_host.clock import BoardClock, unwrap

WRAP_MS = 2**30


def test_time_goes_on_where_the_counter_wraps() -> None:
    clock = BoardClock()
    clock.observe(clock.board_ms(WRAP_MS - 50, 100.0), 100.0)
    assert clock.board_ms(50, 100.1) == WRAP_MS + 50


def test_a_record_sent_again_from_before_the_wrap_keeps_its_old_time() -> None:
    clock = BoardClock()
    clock.observe(clock.board_ms(WRAP_MS - 1000, 100.0), 100.0)
    clock.observe(clock.board_ms(1000, 102.0), 102.0)
    assert clock.board_ms(WRAP_MS - 500, 102.1) == WRAP_MS - 500


def test_a_laptop_asleep_for_three_wraps_still_knows_the_boards_time() -> None:
    clock = BoardClock()
    clock.observe(clock.board_ms(1000, 0.0), 0.0)
    away_ms = 3 * WRAP_MS + 123_456
    assert clock.board_ms((1000 + away_ms) % WRAP_MS, away_ms / 1000) == 1000 + away_ms


@pytest.mark.parametrize("near_ms", [0, 5, WRAP_MS - 1, WRAP_MS, 7 * WRAP_MS + WRAP_MS // 2])
def test_unwrapping_gives_the_nearest_time_with_the_same_remainder(near_ms: int) -> None:
    rng = random.Random(near_ms)
    for _ in range(200):
        t_ms = rng.randrange(WRAP_MS)
        candidates = [t_ms + turn * WRAP_MS for turn in range(-2, 11)]
        nearest_ms = min(abs(each - near_ms) for each in candidates)
        got = unwrap(t_ms, near_ms)
        assert got % WRAP_MS == t_ms and abs(got - near_ms) == nearest_ms


def test_wall_time_follows_the_least_delayed_line_while_delays_vary_by_half_a_second() -> None:
    rng = random.Random(1)
    clock = BoardClock()
    started_s = 1_700_000_000.0
    for i in range(600):
        delay_s = 0.002 + (rng.random() ** 3) * 0.5
        clock.observe(i * 100, started_s + i * 0.1 + delay_s)
        if i > 100:
            assert clock.wall_s(i * 100) - (started_s + i * 0.1) == pytest.approx(0.002, abs=0.01)


def test_a_crystal_a_hundred_ppm_slow_is_followed_for_a_day() -> None:
    clock = BoardClock()
    for second in range(0, 86_400, 5):
        clock.observe(int(second * 1000 * (1 - 100e-6)), 50.0 + second)
    board_ms = int(86_395 * 1000 * (1 - 100e-6))
    # The minimum over at most one minute lags a drift of 100 us/s by at most 6 ms.
    assert clock.wall_s(board_ms) - (50.0 + 86_395) == pytest.approx(0, abs=0.0075)


@pytest.mark.parametrize("step_s", [3600.0, -3600.0])
def test_a_laptop_clock_that_is_set_is_believed_again_within_two_windows(step_s: float) -> None:
    clock = BoardClock()
    for second in range(200):
        clock.observe(second * 1000, 1e9 + second)
    for second in range(200, 275):
        clock.observe(second * 1000, 1e9 + second + step_s)
    assert clock.wall_s(274_000) == pytest.approx(1e9 + 274 + step_s, abs=0.01)
