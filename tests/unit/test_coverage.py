"""How often intervals hold the truth: counted right, and leaks tried are the ones that were meant."""

import json
import subprocess
import sys

import numpy as np
import pytest

from loopwatch import bank, estimate, residual
from loopwatch_host.commission import estimates, thresholds
from loopwatch_host.evaluate import coverage


def told(rate_ml_h, moment, lost_ul, dry_s, rate_ul_h, told_ul, told_s):
    """A row of tried(): the truth, then value, least and most of rate, loss and time to go."""
    return [rate_ml_h, moment, lost_ul, dry_s, *rate_ul_h, *told_ul, *told_s]


def test_the_table_counts_the_intervals_that_hold_the_truth():
    forever_s = estimate.FOREVER_S
    found = np.array(
        [
            told(10, 1, 500, 9_000, (12_000, 10_000, 20_000), (400, 300, 499), (8_000, 7_000, forever_s)),
            told(10, 1, 500, 9_000, (8_000, 6_000, 9_999), (600, 500, 700), (8_000, 7_000, 8_998)),
            told(10, 1, 500, 9_000, (11_000, 9_000, 12_000), (500, 501, 600), (9_100, 9_001, 9_200)),
            told(10, 1, 500, 9_000, (9_000, 8_000, 11_000), (550, 450, 600), (9_100, 8_000, 9_000)),
            told(60, 3, 2_000, 50, (66_000, 30_000, 90_000), (2_200, 1_000, 4_000), (50, 40, 60)),
        ],
        float,
    )
    rows = {(row["rate_ml_h"], row["delays"]): row for row in coverage.table(found)["rates"]}
    assert len(rows) == len(coverage.RATES_ML_H) * len(coverage.MOMENTS)
    row = rows[10, 1]
    assert (row["n"], row["rate_covered"], row["lost_covered"], row["dry_covered"]) == (4, 0.75, 0.5, 0.5)
    assert [row["rate_told"], row["rate_least"], row["rate_most"]] == pytest.approx([1.0, 0.85, 1.15])
    row = rows[60, 3]
    assert [row["n"], row["rate_told"], row["lost_told"], row["lost_most"]] == pytest.approx([1, 1.1, 1.1, 2.0])
    assert (rows[1, 1]["n"], rows[1, 1]["rate_covered"]) == (0, None)


def test_leaks_tried_alarm_when_the_ramp_has_gone_through_the_limit_and_are_told_of_at_each_moment():
    out = np.zeros((40_000, residual.OUT_N), np.int32)
    params = thresholds.unlimited(150_000)
    member = 4  # 24 mL/h, alone
    params[bank.LIMITS + member] = 400 << 14
    cases = list(estimates.tried(out, params, [22_000, 30_000], ((60.0, 3_600), (25.0, 600)), (1.0, 3.0)))
    shift = int(params[bank.LEVEL_SHIFTS + member])
    delay_s = thresholds.ramp_delay_s(60 / 3.6, 24 / 3.6, 400, shift)
    # That of 25 mL/h takes hours.
    assert [(case.rate_ml_h, case.moment) for case in cases] == [(60.0, 1.0), (60.0, 3.0)] * 2
    for case in cases:
        assert case.after_s == pytest.approx(delay_s * case.moment, rel=0.05)
        assert case.picked[bank.PICKED_ALLOWANCE] == thresholds.allowance_acc(24.0)
        assert case.picked[bank.PICKED_FALL_UL] == pytest.approx(60 / 3.6 * (case.after_s - 2**shift), rel=0.1)


def test_the_command_tells_the_coverage_of_a_loop():
    words = "--estimates --part train --from-seed 1003 --loops 1 --days 4.3 --log-days 1.2 --onsets 4 --json"
    command = [sys.executable, "-c", "from loopwatch_host.cli import main; main()", "evaluate", *words.split()]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert answer.returncode == 0, answer.stderr
    document = json.loads(answer.stdout)
    assert (document["part"], document["loops"]) == ("train", 1)
    for row in document["rates"]:
        if row["rate_ml_h"] >= 60:
            assert row["n"] == 4
            assert row["rate_least"] < row["rate_told"] < row["rate_most"]
            assert 0 <= row["rate_covered"] <= 1
            assert 0.3 < row["rate_told"] < 3
            assert 0.3 < row["lost_told"] < 3
