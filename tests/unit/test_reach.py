"""How far a log reaches, and what the board makes of a loop that goes beyond it."""

from array import array
from pathlib import Path

import numpy as np
import pytest

from loopwatch import bank, estimate, evidence, residual, sample
from loopwatch.commissioned import Commissioned
from loopwatch.config import Config
from loopwatch.inventory import NO_INPUT
from loopwatch_host import twin
from loopwatch_host.commission import bursts, fit, reach, thresholds
from loopwatch_host.evaluate import trial

HOUR_S = 3600
HEAD_PA = 35_000
SHAPE = fit.Shape(150_000, 150_000, float(HEAD_PA), 30.0, curve_k=0.0)


def loop(hours, swing_c=5.0, stop_s=900, stop_at_s=8 * HOUR_S):
    """Seconds of a loop whose three temperatures swing about 30 °C every two hours, and whose pump stops once."""
    t_s = np.arange(round(hours * HOUR_S))
    x = np.zeros((len(t_s), 6), np.int32)
    x[:, 0] = 150_000
    x[:, 1] = 150_000 + HEAD_PA * ((t_s < stop_at_s) | (t_s >= stop_at_s + stop_s))
    for role, part in enumerate((1.0, 0.8, 0.5)):
        x[:, 2 + role] = 30_000 + 1000 * part * swing_c * np.sin(2 * np.pi * t_s / (2 * HOUR_S))
    return x


def reached(*parts):
    """Parameters for a loop of these logs."""
    params = fit.parameters(SHAPE, fit.Fit(np.zeros(residual.FEATURE_N), 0.0))
    reach.put(params, list(parts))
    return params


def beyond(params, x):
    """The drive at every second of x, from cold."""
    out = np.zeros((len(x), residual.OUT_N), np.int32)
    twin.residuals(twin.residual_state(), params, x, out)
    return out[:, residual.DRIVE_BEYOND]


def test_nothing_of_the_log_itself_is_beyond_it():
    assert beyond(reached(loop(12)), loop(12)).max() == 0


def test_a_twentieth_of_the_range_more_is_not_beyond_and_two_fifths_after_that_quarter_evidence():
    params = reached(loop(12))
    # A swing of 5 K is a range of 10 K in the source, 7.67 K in the mean of the three.
    x = loop(1, swing_c=0.0)
    x[:, 2] = round(1000 * (35 + 0.45))
    assert beyond(params, x).max() == 0
    x[:, 2] = round(1000 * (35 + 0.5 + 4 * 0.767))
    # The log's own average over a minute was some millikelvin less than its peak.
    assert beyond(params, x).max() == pytest.approx(4096, rel=0.03)


def test_colder_than_the_log_is_beyond_it_as_warmer_is():
    params = reached(loop(12))
    colder, warmer = loop(1, swing_c=0.0), loop(1, swing_c=0.0)
    colder[:, 3] -= 9_000
    warmer[:, 3] += 9_000
    assert beyond(params, colder)[-1] == pytest.approx(beyond(params, warmer)[-1], rel=0.02)
    assert beyond(params, colder)[-1] > 4_000


def test_it_ends_at_an_eighth_and_is_held_for_hours():
    x = loop(10, swing_c=0.0)
    x[:HOUR_S, 2:5] = 90_000
    drive = beyond(reached(loop(12)), x)
    assert drive.max() == residual.BEYOND_MAX
    assert (1 + drive.max() / 4096) ** 2 == pytest.approx(8, rel=0.01)
    # The peak is held with 2**13 s, so after that it is down to 1/e.
    left = drive[HOUR_S + 2**13] / residual.BEYOND_MAX
    assert left == pytest.approx(np.exp(-1), rel=0.05)


def test_a_stop_of_the_pump_is_beyond_when_it_lasts_longer_than_any_of_the_log():
    params = reached(loop(12, stop_s=3_000))
    x = loop(4, swing_c=0.0, stop_at_s=600, stop_s=3 * HOUR_S)
    drive = beyond(params, x)
    stopped_s = np.arange(len(x)) - 600
    assert drive[stopped_s < 3_200].max() == 0
    # Four thirds of the longest more than 1.1 of it.
    assert drive[600 + round(2.42 * 3_000)] == pytest.approx(4096, rel=0.05)
    assert beyond(params, loop(2, swing_c=0.0, stop_at_s=600, stop_s=3_000)).max() == 0


def test_where_a_loop_stays_it_is_no_longer_beyond_after_two_days():
    x = loop(60, swing_c=0.0, stop_at_s=10**9)
    x[:, 2] += 8_000
    drive = beyond(reached(loop(12)), x)
    # 2.5 K are left of 8 - 5 - 0.5 at first; what is left of them falls with 2**16 s.
    assert drive[60] == pytest.approx(2.5 / (4 * 0.767) * 4096, rel=0.05)
    assert drive[2**16] == pytest.approx(2.5 / (4 * 0.767) * 4096 / np.e, rel=0.1)
    assert drive[-1] < 600


def test_a_log_of_ten_days_is_taken_at_its_word_and_shorter_ones_half_or_a_quarter_as_much():
    long, short, day = fit.parameters(SHAPE), fit.parameters(SHAPE), fit.parameters(SHAPE)
    part = loop(48, stop_s=5_000)
    reach.put(long, [part] * 5)
    reach.put(short, [part] * 2)
    reach.put(day, [part])
    for place in (residual.REACH_GAIN, residual.REACH_OFF_GAIN):
        assert long[place] == pytest.approx(2 * short[place], abs=1)
        assert long[place] == pytest.approx(4 * day[place], abs=2)


def test_a_log_in_parts_reaches_as_far_as_all_of_them():
    cool, warm = loop(10, swing_c=1.0), loop(10, swing_c=5.0)
    assert reached(cool, warm).tolist() == reached(warm, cool).tolist()
    assert beyond(reached(cool, warm), warm).max() == 0
    assert beyond(reached(cool), warm).max() > 4096


@pytest.mark.parametrize("member", range(bank.MEMBER_N))
def test_patient_members_need_eight_times_the_loss_there_and_fast_ones_the_same(member):
    params = thresholds.unlimited(150_000)
    scores = []
    for drive in (0, residual.BEYOND_MAX):
        row, state = np.zeros(residual.OUT_N, np.int32), twin.bank_state()
        row[residual.DRIVE_BEYOND] = drive
        for _ in range(bank.SETTLED_S):
            twin.scale(state, params, row)
            twin.judge(state, params, row[0])
        # So much at once that no allowance matters.
        row[0] -= 1_500
        for _ in range(2):
            twin.scale(state, params, row)
            twin.judge(state, params, row[0])
        scores.append(int(state[bank.SCORES + member]))
    group = thresholds.MEMBERS[member][2]
    allowed = 2 * thresholds.allowance_acc(thresholds.MEMBERS[member][0])
    expected = 1 if group == 0 else 8
    assert (scores[0] + allowed) / (scores[1] + allowed) == pytest.approx(expected, rel=0.07)


@pytest.mark.parametrize(("warmer_c", "says"), [(0.0, False), (0.5 + 0.8, False), (0.5 + 1.8, True)])
def test_the_board_says_when_slow_leaks_count_half_or_less(warmer_c, says):
    parts = reached(loop(12)), thresholds.unlimited(150_000), bursts.parameters(SHAPE, 250.0, 2.0, 0.0)
    words = [*np.concatenate(parts).tolist(), *[0] * estimate.PARAM_N]
    board, mean = Commissioned(Config(words, commissioned=1)), sample.Sample()
    mean.values[:] = array("i", loop(0.01, swing_c=0.0)[0].tolist())
    mean.values[sample.T_SOURCE] += round(1000 * (5 + warmer_c))
    mean.status[:] = array("i", [sample.GOOD] * sample.CHANNEL_N)
    assert board.step(mean) != NO_INPUT
    assert (board.permille[evidence.BEYOND] >= evidence.HALVED_Q12) == says


@pytest.mark.parametrize("warmer_c", [0, 20])
def test_campaigns_ask_the_burst_path_as_little_as_the_board_does(warmer_c):
    x = loop(1, swing_c=0.0, stop_at_s=600, stop_s=900)
    x[:, 2] += 1000 * warmer_c
    found = np.zeros(len(x), np.int32)
    trial.stirred(twin.residual_state(), reached(loop(12)), x, HEAD_PA // 4, found)
    asked_not = np.flatnonzero(found)
    # From the second of the start on, and the head's average takes some to know that it has been.
    assert (asked_not[0] == 1_500 and 60 <= len(asked_not) <= 64) if warmer_c else len(asked_not) == 0


def test_the_places_that_the_bank_reads_are_residuals():
    text = Path(bank.__file__).read_text(encoding="utf-8")
    assert f"_DRIVE_BEYOND = const({residual.DRIVE_BEYOND})" in text
