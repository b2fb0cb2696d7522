"""The guard of a commissioned loop: the twin's evidence to the bit, and what it does while its numbers mean nothing."""

from array import array

import numpy as np
import pytest
from commissioned_loop import words_of
from commissioned_words import words
from firmware_on_bench import Bench

from loopwatch import bank, commissioned, evidence, guard, residual, sample
from loopwatch.config import Config
from loopwatch.guard import Guard
from loopwatch.inventory import NO_INPUT, SETTLING, VALID
from loopwatch.memory import LEARNT_FOLDER, LEARNT_KIND, LEARNT_N
from loopwatch.states import States
from loopwatch_host import twin
from loopwatch_host.bench import plant
from loopwatch_host.commission import thresholds
from loopwatch_host.evaluate import family, journey

DAY_S = 86_400
START_S = 3 * DAY_S
LEAK_M3_S = 3
PRESSURE_RMS_PA = 250  # of a 10 Hz sample, DETECTION section 1


def channels(seed: int, days: float, leak_s: int | None = None, ml_h: float = 0.0) -> twin.Ints:
    """Seconds of the reference loop, with a leak from leak_s on."""
    member = family.default(seed)
    way = journey.drawn(member, days)
    run = journey.begun(member, way)
    if leak_s is None:
        return journey.log(run, way, 0, len(way.inputs))
    before = journey.log(run, way, 0, leak_s)
    run.inputs[LEAK_M3_S] = ml_h * 1e-6 / 3600
    return np.concatenate([before, journey.log(run, way, leak_s, len(way.inputs))])


@pytest.fixture(scope="module")
def config(commissioned: Config) -> Config:
    """The words alone: everything else as delivered."""
    return Config(words_of(commissioned), commissioned=1)


@pytest.fixture(scope="module")
def quiet() -> twin.Ints:
    return channels(5, 3.4)[START_S:]


@pytest.fixture(scope="module")
def leaking() -> twin.Ints:
    """120 mL/h from three hours after the guard's start on."""
    return channels(5, 3.3, START_S + 10_800, 120.0)[START_S:]


class Board:
    """A guard and the second's mean that it is given."""

    def __init__(self, config: Config) -> None:
        self.guard = Guard(config)
        self.mean = sample.Sample()
        for channel in range(sample.CHANNEL_N):
            self.mean.status[channel] = sample.GOOD

    @property
    def fine(self) -> commissioned.Commissioned:
        assert self.guard.fine is not None
        return self.guard.fine

    def second(self, row: twin.Ints) -> int:
        for channel in range(sample.CHANNEL_N):
            if sample.usable(self.mean.status[channel]):
                self.mean.values[channel] = int(row[channel])
        return self.guard.step(self.mean)

    def seconds(self, rows: twin.Ints) -> int:
        """Returns the first second with a leak, or -1."""
        for i, row in enumerate(rows):
            self.second(row)
            if self.guard.class_n != guard.NO_LEAK:
                return i
        return -1


def test_the_constants_that_evidence_repeats_are_those_of_bank():
    assert evidence.PLACES == evidence.BANK_PLACES + evidence.BURST_PLACES
    assert evidence.NEVER == thresholds.NEVER
    assert evidence.OUT_N > evidence.BURST > evidence.MOST >= bank.MEMBER_N
    assert evidence.MEMBER_N == commissioned.MEMBER_N == bank.MEMBER_N


def test_the_board_judges_as_the_twin_once_its_members_are_released(config, quiet):
    board = Board(config)
    r_state, b_state, out = twin.residual_state(), twin.bank_state(), np.zeros(residual.OUT_N, np.int32)
    params = np.array(config.residual, np.int32), np.array(config.bank, np.int32)
    for i, row in enumerate(quiet[:2_400]):
        board.second(row)
        twin.take(r_state, params[0], row)
        twin.gas(r_state, params[0], row)
        twin.weigh(r_state, params[0], out)
        twin.scale(b_state, params[1], out)
        twin.judge(b_state, params[1], out[0])
        assert board.guard.residual_ul == out[0]
        if i == 1_799:
            b_state[:] = board.fine._bank
    fast = [i for i in range(bank.MEMBER_N) if config.bank[bank.GROUPS + i] <= 1]
    assert len(fast) == 6
    got, expected = np.array(board.fine._bank), np.array(b_state)
    for place in (bank.LEVELS, bank.SCORES, bank.AGES_S, bank.ONSETS_UL):
        assert got[place : place + 12][fast].tolist() == expected[place : place + 12][fast].tolist()


def test_after_a_start_the_wide_limits_stand_in_until_the_lags_have_filled(config, quiet):
    board = Board(config)
    outcomes = [board.second(row) for row in quiet[:30]]
    assert outcomes[0] == SETTLING
    assert outcomes[-1] == VALID
    assert board.guard.wide
    assert board.guard.evidence_permille[0] >= 0
    assert board.seconds(quiet[30:1_790]) == -1
    assert board.guard.wide
    assert board.seconds(quiet[1_790:1_801]) == -1
    assert not board.guard.wide


def test_a_quiet_morning_gives_no_leak(config, quiet):
    board = Board(config)
    assert board.seconds(quiet) == -1
    assert max(board.guard.evidence_permille) < 1_000


def test_two_millilitres_a_minute_is_seen_within_minutes_with_its_rate_and_loss(config, leaking):
    board = Board(config)
    seen_s = board.seconds(leaking)
    assert 10_800 < seen_s < 10_800 + 180
    board.seconds(leaking[seen_s + 1 : seen_s + 2])
    for row in leaking[seen_s + 1 : 10_800 + 900]:
        board.second(row)
    assert board.guard.class_n == guard.LEAK
    # 15 min at 120 mL/h are 30 mL; the millilitres are good to some percent (test_commission).
    assert board.guard.lost_ul == pytest.approx(30_000, rel=0.2)
    assert board.guard.rate_ul_h == pytest.approx(120_000, rel=0.2)
    board.guard.restart()
    assert board.guard.class_n == guard.NO_LEAK
    assert board.seconds(leaking[10_800 + 900 :]) > 0, "it still leaks"


@pytest.mark.parametrize("channel", [sample.T_DOME, sample.T_RADIATOR, sample.P_PUMP])
def test_a_channel_that_goes_and_comes_back_is_no_leak(config, quiet, channel):
    board = Board(config)
    assert board.seconds(quiet[:3_600]) == -1
    board.mean.status[channel] = sample.NO_ANSWER
    assert board.seconds(quiet[3_600:7_200]) == -1
    assert board.guard.wide
    board.mean.status[channel] = sample.GOOD
    assert board.seconds(quiet[7_200:18_000]) == -1
    assert not board.guard.wide


def test_evidence_waits_while_a_channel_is_missing(config, leaking):
    board = Board(config)
    for row in leaking[:10_812]:
        board.second(row)
    before = max(board.guard.evidence_permille)
    assert 200 < before < 1_000
    board.mean.status[sample.T_DOME] = sample.NO_ANSWER
    for _ in range(30):
        assert board.second(leaking[10_812]) == VALID
    assert board.fine.most_permille == pytest.approx(before, abs=1)


def test_coolant_that_goes_while_the_pressure_is_not_measured_is_seen_afterwards(config, leaking):
    board = Board(config)
    assert board.seconds(leaking[:10_700]) == -1
    board.mean.status[sample.P_STATIC] = sample.NO_ANSWER
    assert {board.second(row) for row in leaking[10_700:11_400]} == {NO_INPUT}
    assert board.guard.class_n == guard.NO_LEAK
    board.mean.status[sample.P_STATIC] = sample.GOOD
    assert 0 <= board.seconds(leaking[11_400:]) < 5


def test_a_channel_that_is_missing_from_the_start_leaves_the_wide_limits(config, quiet):
    board = Board(config)
    board.mean.status[sample.T_DOME] = sample.NO_ANSWER
    assert board.seconds(quiet[:120]) == -1
    assert board.second(quiet[120]) == VALID
    assert board.guard.wide


def bursting(config: Config, hole_mm: float, at_s: float, for_s: float, spike_pa: int = 0, **loop) -> list[float]:
    """Times at which the 10 Hz path sees a rupture; the pump stops and starts every 5 s meanwhile."""
    board, latest = Board(config), sample.Sample()
    for channel in range(sample.CHANNEL_N):
        latest.status[channel] = sample.GOOD
    run = plant.Plant(plant.with_gauge(plant.LoopParams(**loop), 50_000))
    rng = np.random.default_rng(3)
    seen = []
    for i in range(int(for_s * 10)):
        t_s = i / 10
        run.inputs[plant.PUMP_SPEED] = float(t_s // 5 % 2)
        if hole_mm and t_s >= at_s:
            run.leak(hole_mm=hole_mm)
        run.step()
        noise = rng.normal(0, PRESSURE_RMS_PA, 2)
        latest.values[sample.P_STATIC] = round(run.p_static_pa + noise[0] - (spike_pa if i % 50 == 49 else 0))
        latest.values[sample.P_PUMP] = round(run.p_pump_pa + noise[1])
        if board.guard.sample(latest):
            seen.append(t_s)
    return seen


def test_a_rupture_is_seen_within_two_seconds_by_the_samples_themselves(config):
    (seen_s,) = bursting(config, 0.8, 20.0, 30.0)
    assert 20.0 < seen_s <= 22.0


def test_neither_the_pump_nor_spikes_are_a_rupture(config):
    assert bursting(config, 0.0, 0.0, 60.0, spike_pa=20_000) == []


def falls_at_start(config: Config, warmer_k: int, later_s: int) -> bool:
    """Whether the 10 Hz path bursts when p_static falls by 12 kPa within 3 s, later_s after a stop of 10 min.

    warmer_k: by how much the source has been warmer in the stop than ever in the log; 0 for as warm as usual.
    """
    board, latest = Board(config), sample.Sample()
    for channel in range(sample.CHANNEL_N):
        latest.status[channel] = sample.GOOD
    reach = np.array(config.residual[residual.REACH_LOW : residual.REACH_GAIN]).reshape(2, 3)
    warmth_c = 25 + reach.mean(0) / 512
    if warmer_k:
        warmth_c[0] = 25 + reach[1, 0] / 512 + warmer_k
    row = np.array([150_000, 150_000, *1000 * warmth_c, 5_000]).astype(np.int32)
    latest.values[:] = array("i", row.tolist())
    for _ in range(40):
        board.guard.sample(latest)
    for _ in range(600):
        board.second(row)
    row[1] += 35_000
    for _ in range(later_s):
        board.second(row)
    for tenth in range(30):
        latest.values[sample.P_STATIC] = 150_000 - 400 * tenth
        latest.values[sample.P_PUMP] = latest.values[sample.P_STATIC] + 35_000
        if board.guard.sample(latest):
            return True
        if tenth % 10 == 9:
            row[:2] = latest.values[:2]
            board.second(row)
    return False


@pytest.mark.parametrize(
    ("warmer_k", "later_s", "bursts"), [(0, 0, True), (30, 0, False), (30, 50, False), (30, 65, True)]
)
def test_what_is_hotter_than_ever_in_the_log_is_no_burst_when_the_pump_starts(config, warmer_k, later_s, bursts):
    assert falls_at_start(config, warmer_k, later_s) == bursts


def test_what_the_detector_has_learnt_is_put_on_the_flash_once_a_day():
    bench = Bench(commissioned=Config(words(), commissioned=1))
    fine = bench.app.guard.fine
    assert fine is not None
    bench.app._uptime_s = 86_400 - 10  # a day at 10 Hz takes the laptop an hour

    def kept():
        with bench.on_flash():
            return States(LEARNT_FOLDER, LEARNT_KIND, LEARNT_N).load()

    bench.run(5)
    assert kept() is None
    bench.run(13)
    first = kept()
    assert first is not None
    now = [0] * LEARNT_N
    fine.learnt(now)
    assert first[2] == pytest.approx(now[2], abs=4 * 1_024)
    bench.run(25)
    assert list(kept()) == list(first)
