"""Commissioning from a log with gaps, as of a laptop that sleeps at night: every part counts, nothing goes across."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from test_commission import FILL_M3_S, LEAK_M3_S, as_log, channels, write

from loopwatch import bank, burst
from loopwatch_host.commission import bursts, calibration, checks, commission, fit, log, report, thresholds

HOUR_S = 3_600
GAPS_H = ((18, 22), (37, 41))
DAYS = 2.5
TOP_UP = [(20 * HOUR_S, FILL_M3_S, 0.5e-6), (20 * HOUR_S + 20, FILL_M3_S, 0.0)]  # 10 mL, while nobody logs


def with_gaps(x, gaps_h=GAPS_H):
    """The log of these seconds that lacks some hours."""
    rows = np.arange(len(x))
    there = np.all([(rows < first * HOUR_S) | (rows >= last * HOUR_S) for first, last in gaps_h], axis=0)
    return replace(as_log(x[there]), second=rows[there])


@pytest.fixture(scope="module")
def loop_x():
    return channels(DAYS, events=TOP_UP)


@pytest.fixture(scope="module")
def parted(loop_x):
    return with_gaps(loop_x)


@pytest.fixture(scope="module")
def work(parted):
    return commission.worked(parted, 2000, 150)


def test_every_part_counts_and_all_but_one_without_the_hours_in_which_its_lags_fill(work, parted):
    assert [parted.length_s(part) for part in parted.parts] == [18 * HOUR_S, 15 * HOUR_S, 19 * HOUR_S]
    assert work.made.days == pytest.approx((18 + 15 + 19 - 2 * 6) / 24)
    assert len(work.out) == (12 + 9 + 13) * HOUR_S
    assert any("3 parts of 52 h together" in text and "1.7 days in all" in text for text in work.made.caveats)


def test_coolant_that_was_topped_up_while_nobody_logged_disturbs_neither_fit_nor_limits(work):
    # The same hours without the top-up, whose 10 mL would be a hundred times the residual.
    plain = commission.worked(with_gaps(channels(DAYS)), 2000, 150)
    # With more coolant the next of the curves may fit best; a jump would be all there is.
    assert work.made.residual_rms_ul < 2 * plain.made.residual_rms_ul < 10_000 / 50
    ours, theirs = (each.made.bank[bank.LIMITS : bank.LIMITS + thresholds.LEVEL_FIRST] for each in (work, plain))
    alarming = theirs != thresholds.NEVER
    assert alarming.any()
    assert ours[alarming] == pytest.approx(theirs[alarming], rel=0.35)
    # Where one part is laid to the next the residual goes on as quietly as anywhere.
    r_ul = work.out[:, 0]
    step_ul = np.abs(np.diff(r_ul))
    for end in (12 * HOUR_S, 21 * HOUR_S):
        assert step_ul[end - 1] < 8 * np.median(step_ul)
        level_ul = r_ul[end : end + 30].mean() - r_ul[end - 30 : end].mean()
        assert abs(level_ul) < 1


def test_the_weights_are_those_of_least_squares_with_a_level_for_each_part(work, parted):
    f, gain_ul = fit.features(parted.x, work.shape, parted.parts)
    places = fit.kept(parted.parts, fit.EVERY_S)
    assert [b - a for a, b in places] == [12 * 360, 9 * 360, 13 * 360]
    n, features_n = f.shape
    columns = np.zeros((n, features_n + 1 + len(places)))
    columns[:, :features_n] = (f - f.mean(0)) / f.std(0)
    for k, (a, b) in enumerate(places):
        t = np.arange(b - a) - (b - a - 1) / 2
        columns[a:b, features_n] = 2 * 1.7 * t / n
        columns[a:b, features_n + 1 + k] = 1.0
    # A ridge as rows: the square of a standardised weight, so many times.
    ridge = fit.ridge_of(work.made.days) * n
    shrinking = np.sqrt(ridge) * np.eye(features_n + 1, columns.shape[1])
    beta, *_ = np.linalg.lstsq(np.vstack([columns, shrinking]), np.append(gain_ul, np.zeros(features_n + 1)))
    weights = beta[:features_n] / f.std(0)
    ours = work.folds.whole
    assert f @ ours.weights == pytest.approx(f @ weights, abs=25)
    # The board's level is the last part's: that is how much is in the loop now.
    last = slice(*places[-1])
    assert np.mean(f[last] @ ours.weights + ours.c0_ul - gain_ul[last]) == pytest.approx(0, abs=1)


def test_folds_go_on_from_part_to_part_and_no_fold_has_seen_what_it_is_scored_on(work):
    pieces = work.folds.pieces()
    assert [piece.first for piece in pieces[1:]] == [piece.last for piece in pieces[:-1]]
    assert {piece.first for piece in pieces if piece.begins} == {a for a, _ in work.folds.parts}
    edges = {a for a, _ in work.folds.parts} | set(work.folds.edges[:-1].tolist())
    assert {piece.first for piece in pieces} == edges
    for before, piece in pairwise(pieces):
        assert piece.begins == (piece.first in {a for a, _ in work.folds.parts})
        assert piece.begins or not np.array_equal(before.fit.weights, piece.fit.weights)


def test_a_part_that_leaks_is_left_out_and_said_and_a_log_that_leaks_everywhere_is_refused(loop_x):
    # 3 mL/h in the last part alone.
    leaking = with_gaps(channels(DAYS, events=[*TOP_UP, (41 * HOUR_S, LEAK_M3_S, 3e-6 / 3600)]))
    kept = commission.worked(leaking, 2000, 150)
    assert [kept.log.length_s(part) for part in kept.log.parts] == [18 * HOUR_S, 15 * HOUR_S]
    said = [text for text in kept.made.caveats if text.startswith("left out: the 19.0 h from hour 41.0 on")]
    assert len(said) == 1
    assert "the loop leaks in its log" in said[0]
    assert np.array_equal(kept.made.words, commission.worked(kept.log, 2000, 150).made.words)
    with pytest.raises(checks.Refusal, match="leak"):
        commission.worked(with_gaps(channels(DAYS, events=[(60, LEAK_M3_S, 1e-6 / 3600)])), 2000, 150)


def test_a_stuck_sensor_costs_its_part_and_not_the_log(parted):
    x = parted.x.copy()
    first, _ = parted.parts[1]
    x[first + 100 : first + 2_000, 0] = x[first, 0]
    kept = commission.worked(replace(parted, x=x), 2000, 150)
    assert len(kept.log.parts) == 2
    assert any("p_static_pa does not move" in text and "left out" in text for text in kept.made.caveats)


def test_parts_of_too_few_hours_are_left_out_and_a_log_of_nothing_else_is_refused(loop_x):
    gaps_h = ((20, 22), (26, 27), (33, 36))
    kept, said = checks.usable(with_gaps(loop_x, gaps_h))
    assert [kept.length_s(part) for part in kept.parts] == [20 * HOUR_S, 24 * HOUR_S]
    assert "left out: 2 parts shorter than 7 h, 10.0 h together" in said
    often_h = tuple((hour - 0.5, hour) for hour in range(6, 60, 6))
    with pytest.raises(checks.Refusal, match=r"10 parts .* longest of 6\.0 h, and comes to 0\.0 h: a day is needed"):
        checks.usable(with_gaps(loop_x, often_h))
    # 16 + 10 h without six of them.
    with pytest.raises(checks.Refusal, match=r"comes to 20\.0 h"):
        checks.usable(with_gaps(loop_x[: 30 * HOUR_S], ((16, 20),)))


def test_a_pressure_that_fell_while_nobody_logged_is_no_burst_and_no_step_of_the_pump(parted):
    shape = fit.shape_of(parted.x, 150_000)
    x = parted.x.copy()
    first, _ = parted.parts[1]
    # Cold and with the pump at rest, from the second part's first second on, for five minutes.
    x[first:, 0] -= 9_000
    x[first : first + 300, 1] = x[first : first + 300, 0]
    apart = bursts.hose_part(x[:first], shape)
    limits = slice(burst.LIMITS, burst.LIMITS + burst.MEMBER_N)
    plain = bursts.parameters(shape, 250.0, 2.0, apart, parted.x, parted.parts)[limits].tolist()
    assert bursts.parameters(shape, 250.0, 2.0, apart, x, parted.parts)[limits].tolist() == plain
    assert max(bursts.parameters(shape, 250.0, 2.0, apart, x)[limits]) > max(plain), "what it would be as one log"
    assert bursts.hose_part(x[: first + 200], shape, [(0, first), (first, first + 200)]) == pytest.approx(apart)


def test_the_curve_and_the_report_show_the_log_with_its_gaps(work):
    assert [row["onsets"] for row in work.made.curve] == [commission.CURVE_ONSETS_N] * len(commission.CURVE_ML_H)
    seen = {row["rate_ml_h"]: row["missed"] for row in work.made.curve}
    assert seen[600.0] == 0
    page = report.html(work, "loop.toml")
    assert page.count("gas law alone</text>") == 1
    # Three parts of either line, then of the compensated one alone; half seen, 95 % seen and the bound.
    assert page.count("<polyline") == 12
    assert "The others are not shown: they need 42 h" in page
    assert dict(report.without(work))["with all that is fitted"] == work.made.residual_rms_ul


def test_replay_begins_anew_behind_a_gap(work, parted):
    answer = commission.replayed(parted, work.made)
    assert (answer["alarms"], answer["gaps"], answer["samples"]) == ([], 2, len(parted.x))
    first, _ = parted.parts[2]
    x = parted.x.copy()
    # A hole of a litre a minute, long after the gap.
    x[first + 10 * HOUR_S :, 0] -= 10_000
    alarm = commission.replayed(replace(parted, x=x), work.made)["alarms"][0]
    assert alarm["t_s"] - int(parted.second[first]) == pytest.approx(10 * HOUR_S, abs=20)


def test_several_files_with_a_gap_between_them_are_parts_and_those_that_count_anew_come_in_their_order(
    parted, tmp_path
):
    times_ms = [1000 * parted.second[first:last] for first, last in parted.parts]
    paths = [tmp_path / f"day{i}.csv" for i in range(3)]
    for path, (first, last), t_ms in zip(paths, parted.parts, times_ms, strict=True):
        write(path, parted.x[first:last], t_ms=t_ms)
    whole = log.read(paths)
    assert (whole.parts, whole.anew_n) == (parted.parts, 0)
    assert np.array_equal(whole.second, parted.second)
    for path, (first, last), t_ms in zip(paths, parted.parts, times_ms, strict=True):
        write(path, parted.x[first:last], t_ms=t_ms - t_ms[0])
    anew = log.read(paths)
    assert (anew.parts, anew.anew_n) == (parted.parts, 2)
    assert any("count their time anew" in text for text in checks.of_parts(anew))
    assert anew.days == parted.days
    write(paths[1], parted.x[: 8 * HOUR_S], t_ms=1000 * np.arange(8 * HOUR_S) + 5_000_000)
    with pytest.raises(log.LogError, match=r"day1\.csv: begins before .*day0\.csv ends"):
        log.read(paths)


def test_a_withdrawal_is_read_inside_its_part_and_not_soon_after_a_gap(parted):
    at_s = 41 * HOUR_S + 3 * HOUR_S
    with pytest.raises(checks.Refusal, match="a gap less than 7 h before the withdrawal"):
        calibration.before(parted, at_s)
    with pytest.raises(checks.Refusal, match="ends too soon after the withdrawal"):
        calibration.before(parted, 37 * HOUR_S - 300)
    kept = calibration.before(parted, 50 * HOUR_S)
    assert (len(kept.parts), int(kept.second[-1])) == (3, 50 * HOUR_S - calibration.APART_S - 1)


def test_ten_millilitres_taken_out_of_a_log_with_gaps_find_the_gas_volume():
    at_s = 52 * HOUR_S
    events = [*TOP_UP, (at_s, LEAK_M3_S, 10e-6 / 60), (at_s + 60, LEAK_M3_S, 0.0)]
    x = channels(53 / 24, events=events)
    made = commission.commissioned(with_gaps(x), 2000, 80, withdrawal=commission.Withdrawal(10.0, at_s))
    # 150 mL at the start less the 10 of the top-up, which the gas takes in, and the give of hoses: 2 mL/bar.
    assert made.gas_ml == pytest.approx(150 - 10 + 2 * 1.5, rel=0.12)
