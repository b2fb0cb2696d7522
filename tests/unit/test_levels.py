"""The levels at which an inventory alarms: a sudden loss just beyond one is an alarm of the board's own kernels."""

import base64
import struct
from array import array

import pytest
from commissioned_words import words

from loopwatch import bank, burst, commissioned, evidence, guard, residual
from loopwatch.config import Config
from loopwatch.config_desk import ConfigDesk
from loopwatch.detector import Detector
from loopwatch.settings import Settings
from loopwatch.telemetry import BASELINE_SETTLED, COMMISSIONED, WIDE_LIMITS
from loopwatch_host.commission import thresholds
from loopwatch_host.desk.levels import LEAK, READY_S, RUPTURE, SEEP, Levels
from loopwatch_host.messages import Record
from loopwatch_host.store import FIELDS

LONG_S = 4_000


def _record(name: str, **values: int | None) -> Record:
    return Record(name, 1, 1, 1000, 0.0, {**dict.fromkeys(FIELDS[name], 0), **values})


def _told(config: Config) -> Levels:
    """Levels that have asked a board with this configuration for all they want."""
    levels, board = Levels(), ConfigDesk(config, Settings(), lambda: False)
    (read,) = (row[1] for row in board.rows() if row[0] == "CONFigure:READ?")
    decision = _record("decision", state_bits=COMMISSIONED)
    asked_n = 0
    while question := levels.question(decision):
        levels.answer(read(question.removeprefix("CONF:READ? ")))
        asked_n += 1
        assert asked_n < 10
    return levels


def _wide_leaks(lost_ul: float, noise_ul: int = 0, before: list[int] | None = None) -> tuple[bool, bool]:
    """Whether the wide limits alarm for a leak and for a rupture after a sudden loss."""
    board = Detector()
    for second in range(400):
        board.step(noise_ul if second % 2 else -noise_ul)
    leak = rupture = False
    for second in range(3600):
        board.step(-round(lost_ul) + (noise_ul if second % 2 else -noise_ul))
        permille = board.evidence_permille
        rupture = rupture or permille[0] >= 1000
        leak = leak or permille[1] >= 1000 or permille[2] >= 1000
    return leak, rupture


@pytest.mark.parametrize("class_n", [LEAK, RUPTURE])
def test_a_sudden_loss_just_beyond_a_level_alarms_the_wide_limits_and_one_just_short_of_it_does_not(
    class_n: int,
) -> None:
    decision = _record("decision", state_bits=BASELINE_SETTLED | WIDE_LIMITS)
    lost_ul = Levels().missing_ul(decision, None, None, None)[class_n]
    assert lost_ul is not None
    assert _wide_leaks(1.01 * lost_ul + 2)[class_n - LEAK]
    assert not _wide_leaks(0.99 * lost_ul - 2)[class_n - LEAK]


def test_a_noisy_signal_moves_the_levels_of_the_wide_limits_away() -> None:
    quiet, noisy = (
        Levels().missing_ul(_record("decision", state_bits=BASELINE_SETTLED, noise_ul=noise_ul), None, None, None)
        for noise_ul in (0, 200)
    )
    assert noisy[RUPTURE] is not None and quiet[RUPTURE] is not None
    # 22 times the noise is the least threshold, and the fast member allows 200 µL in the second of the loss.
    assert noisy[RUPTURE] == pytest.approx(22 * 200 + 200, rel=0.01)
    assert quiet[RUPTURE] == pytest.approx(2_000 + 200, rel=0.01)


def test_seeps_have_no_level_before_commissioning_and_nothing_has_one_before_the_baseline() -> None:
    known = Levels().missing_ul(
        _record("decision", state_bits=BASELINE_SETTLED, evidence_seep_permille=None), None, None, None
    )
    assert known[SEEP] is None
    assert Levels().missing_ul(_record("decision", state_bits=0), None, None, None) == (None, None, None)


def _limited(limit_ul: float, allowance_ml_h: float, shift: int, member: int) -> array:
    """A bank in which one member can alarm."""
    params = thresholds.unlimited(150_000)
    params[bank.LIMITS + member] = round(limit_ul * 2**14)
    params[bank.ALLOWANCES + member] = thresholds.allowance_acc(allowance_ml_h)
    params[bank.LEVEL_SHIFTS + member] = shift
    params[bank.AGE_GAIN] = 1
    return array("i", [int(word) for word in params])


def _bank_alarms(params: array, member: int, lost_ul: float, score_ul: float) -> bool:
    state, drives = array("i", bytes(4 * bank.STATE_N)), array("i", bytes(4 * residual.OUT_N))
    bank.scale(state, params, drives)
    for group in range(bank.GROUP_N):
        state[bank.SCALES_Q15 + group] = 32_768  # a loop at rest
    state[bank.SCORES + member] = round(score_ul * 2**14)
    return any(bank.judge(state, params, -round(lost_ul)) >> member & 1 for _ in range(LONG_S))


@pytest.mark.parametrize(
    ("member", "allowance_ml_h", "shift"), [(2, 5.0, 8), (4, 24.0, 6), (6, 110.0, 3), (9, 1800.0, 1), (9, 1800.0, 0)]
)
@pytest.mark.parametrize("part", [0.0, 0.6])
def test_a_sudden_loss_just_beyond_a_level_alarms_the_member_and_one_just_short_of_it_does_not(
    member: int, allowance_ml_h: float, shift: int, part: float
) -> None:
    limit_ul = 900.0
    params = _limited(limit_ul, allowance_ml_h, shift, member)
    given = words()
    given[residual.PARAM_N : residual.PARAM_N + bank.PARAM_N] = list(params)
    levels = _told(Config(given, commissioned=1))
    permille = {f"member_{member}_permille": round(1000 * part)}
    missing = levels.missing_ul(
        _record("decision", state_bits=BASELINE_SETTLED | COMMISSIONED), _record("evidence", **permille), 150_000, 10**6
    )
    lost_ul = missing[SEEP if evidence.SEEP_BITS >> member & 1 else LEAK]
    assert lost_ul is not None
    assert _bank_alarms(params, member, 1.03 * lost_ul, part * limit_ul)
    assert not _bank_alarms(params, member, 0.97 * lost_ul, part * limit_ul)


def test_a_sudden_loss_just_beyond_the_level_of_a_rupture_is_felt_by_the_path_of_10_hz_and_one_just_short_is_not() -> (
    None
):
    given = words()
    config = Config(given, commissioned=1, gas_ul=150_000)
    missing = _told(config).missing_ul(
        _record("decision", state_bits=BASELINE_SETTLED | COMMISSIONED), _record("evidence"), 150_000, 10**6
    )
    lost_ul = missing[RUPTURE]
    assert lost_ul is not None

    def felt(loss_ul: float) -> bool:
        state, x = array("i", bytes(4 * burst.STATE_N)), array("i", [0] * 8)
        alarmed = False
        for sample_n in range(600):
            # The gas takes the room of what is lost at once.
            x[0] = 150_000 if sample_n < 200 else round(150_000 * (1 - loss_ul / 150_000))
            x[config.burst[burst.P_PUMP_CHANNEL]] = x[0]
            alarmed = burst.step(state, config.burst, x) > 0 or alarmed
        return alarmed

    assert felt(1.03 * lost_ul)
    assert not felt(0.97 * lost_ul)


def test_a_member_counts_only_once_its_lags_have_filled() -> None:
    assert READY_S == commissioned._READY_S
    given = words()
    given[residual.PARAM_N : residual.PARAM_N + bank.PARAM_N] = list(_limited(500.0, 2.0, 6, 1))  # of group 3
    levels = _told(Config(given, commissioned=1))
    decision = _record("decision", state_bits=BASELINE_SETTLED | COMMISSIONED)
    assert levels.missing_ul(decision, _record("evidence"), 150_000, 21_599)[SEEP] is None
    assert levels.missing_ul(decision, _record("evidence"), 150_000, 21_600)[SEEP] is not None


def test_evidence_beyond_its_threshold_puts_the_level_above_the_inventory() -> None:
    values = {f"evidence_{guard.CLASS_NAMES[LEAK]}_permille": 2000}
    missing = Levels().missing_ul(_record("decision", state_bits=BASELINE_SETTLED, **values), None, None, None)
    lost_ul = missing[LEAK]
    assert lost_ul is not None and lost_ul < 0


@pytest.mark.parametrize("reply", ["OK", "no base64", base64.b64encode(struct.pack("<15i", 99, *range(14))).decode()])
def test_a_board_that_does_not_tell_its_thresholds_is_not_asked_again_until_it_starts_anew(reply: str) -> None:
    levels = Levels()
    decision = _record("decision", state_bits=BASELINE_SETTLED | COMMISSIONED)
    assert levels.question(decision) == "CONF:READ? 0"
    levels.answer(reply)
    assert levels.question(decision) is None
    assert levels.missing_ul(decision, _record("evidence"), 150_000, 10**6) == (None, None, None)
    levels.forget()
    assert levels.question(decision) == "CONF:READ? 0"


def test_a_board_that_is_not_commissioned_is_not_asked() -> None:
    assert Levels().question(_record("decision", state_bits=BASELINE_SETTLED)) is None
