"""The CUSUM members against the textbook recursion in float64."""

import numpy as np
import pytest
from strict_int import StrictInt

from loopwatch.detector import MEMBERS, Detector


def reference(residual_ul):
    """Largest S/h of each member per second, in float64 (DETECTION's recursion, written apart)."""
    steps = np.abs(np.diff(residual_ul, 2, prepend=[residual_ul[0]] * 2)) / 2
    noise = [0.0]
    for i, step in enumerate(steps, 1):
        noise.append(noise[-1] + (step - noise[-1]) / min(i, 64))
    evidence = []
    for _, n, k, h_least in MEMBERS:
        level = residual_ul[0]
        score = 0.0
        row = []
        for r, noise_ul in zip(residual_ul, noise[1:], strict=True):
            h = max(h_least, 22 * noise_ul)
            step = (r - level) / 2**n
            level += step
            score = min(max(0.0, score - step - k), 4 * h)
            row.append(1000 * score / h)
        evidence.append(row)
    return np.array(evidence).T


def test_the_evidence_is_that_of_the_float64_recursion():
    rng = np.random.default_rng(3)
    residual_ul = np.cumsum(rng.normal(0, 120, 3_000))
    residual_ul[1_000:] -= 30 * np.arange(2_000)
    expected = reference(np.round(residual_ul))
    detector = Detector()
    for second, r in enumerate(residual_ul):
        detector.step(round(r))
        assert np.array(detector.evidence_permille) == pytest.approx(expected[second], abs=12)
    assert expected.max() > 1_000


@pytest.mark.parametrize("rate_ul_s", [60, 400, 3_000])
def test_a_steady_leak_is_found_and_its_rate_and_loss_are_told(rate_ul_s):
    detector = Detector()
    for _ in range(300):
        detector.step(0)
    assert not detector.leaking
    lost_ul = 0
    seconds = 0
    while not detector.leaking:
        seconds += 1
        lost_ul += rate_ul_s
        detector.step(-lost_ul)
        assert seconds < 400
    assert detector.lost_ul == pytest.approx(lost_ul, rel=0.05)
    assert detector.rate_ul_min == pytest.approx(rate_ul_s * 60, rel=0.15)


def test_a_coarse_signal_that_jumps_by_itself_is_no_leak_and_is_said_to_hide_leaks():
    rng = np.random.default_rng(4)
    detector = Detector()
    for level in rng.choice([-2, -1, -1, 0, 0, 0, 0, 1, 1, 2], 5_000):
        detector.step(30_000 * int(level))
        assert not detector.leaking
    assert detector.noisy


def test_a_loss_far_beyond_the_noise_is_a_leak_all_the_same():
    rng = np.random.default_rng(5)
    detector = Detector()
    for _ in range(500):
        detector.step(int(rng.normal(0, 2_000)))
        assert not detector.leaking
    assert detector.noisy
    for second in range(60):
        detector.step(int(rng.normal(0, 2_000)) - 3_000 * second)
    assert detector.leaking


def test_the_noise_of_a_good_transducer_hides_nothing():
    rng = np.random.default_rng(6)
    detector = Detector()
    for _ in range(500):
        detector.step(int(rng.normal(0, 90)))
    assert not detector.noisy
    assert detector.noise_ul == pytest.approx(90, rel=0.2)


def test_a_steady_leak_does_not_count_as_noise():
    detector = Detector()
    for second in range(300):
        detector.step(-450 * second)
    assert detector.noise_ul < 10


def test_a_gain_of_coolant_is_no_leak():
    detector = Detector()
    for second in range(2_000):
        detector.step(1_000 * second)
        assert not detector.leaking


def test_evidence_comes_down_again_when_the_loss_has_stopped_and_not_before():
    detector = Detector()
    for second in range(600):
        detector.step(-1_000 * second)
    assert detector.leaking
    for _ in range(5_000):
        detector.step(-600_000)
    assert not detector.leaking
    assert detector.rate_ul_min == 0


def test_a_restart_takes_the_present_level_as_normal():
    detector = Detector()
    for second in range(100):
        detector.step(-1_000 * second)
    detector.restart()
    detector.step(-100_000)
    assert not detector.leaking
    assert list(detector.evidence_permille) == [0] * len(MEMBERS)


def test_nothing_leaves_the_boards_small_integers_whatever_the_residual():
    rng = np.random.default_rng(2)
    detector = Detector()
    for memory in ("_state", "_params", "evidence_permille"):
        setattr(detector, memory, [StrictInt(value) for value in getattr(detector, memory)])
    for magnitude in (10, 10_000, 2**22, 2**29):
        for _ in range(500):
            detector.step(StrictInt(int(rng.integers(-magnitude, magnitude))))
