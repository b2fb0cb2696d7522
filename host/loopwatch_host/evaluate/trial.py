"""One loop of a campaign: commissioned on its first days, then watched, with leaks tried from random moments."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from loopwatch import bank, residual
from loopwatch.evidence import HALVED_Q12

from .. import twin
from ..bench import plant
from ..commission import bursts, fit, reach, scalars, thresholds
from . import journey, peers
from .family import Member
from .journey import DAY_S, Floats, Ints, Run, Singles

# (mL/h, seconds after which a leak counts as missed)
RATES = ((1.0, 2 * DAY_S), (2.0, DAY_S), (10.0, 12 * 3600), (60.0, 2 * 3600), (600.0, 1800), (6000.0, 300))
HOLES = ((0.8, 300),)

PEER_QUIET_S = 3_600
BURST_BIT = 1 << bank.MEMBER_N
STIRRED_S = 60  # as commissioned's

_OUT_N = residual.OUT_N
_LOST = plant.LOST_M3


@dataclass
class Outcome:
    """What a loop's trial gave.

    limits_ml: each member's. alarms: leak-free ones, (second of the watch, bits: the bank's members, then the burst
    path as BURST_BIT). delays: per leak's name, (delay s or
    nan, lost mL, whether the pump stood at the onset, bits). peers: delays of each by leak. peer_alarms: how many
    leak-free ones each gave.
    """

    seed: int
    litres: float
    days: float
    shape: fit.Shape
    limits_ml: list[float]
    alarms: list[tuple[int, int]]
    delays: dict[str, list[tuple[float, float, int, int]]] = field(default_factory=dict)
    peers: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    peer_alarms: dict[str, int] = field(default_factory=dict)
    unrest: float = 0.0


class Watch(NamedTuple):
    """A detector under way: memory and parameters of its kernels."""

    residual_at: Ints
    residual_params: Ints
    bank_at: Ints
    bank_params: Ints
    bursts: journey.Bursts
    pump_on_pa: int

    def copy(self) -> Watch:
        """The same moment, to be run on apart."""
        return self._replace(
            residual_at=self.residual_at.copy(), bank_at=self.bank_at.copy(), bursts=self.bursts.copy()
        )


@twin.compiled
def stirs(residual_at: Ints, params: Ints, x: Ints, pump_on_pa: int) -> bool:
    """Whether in second x the pump starts while the loop is beyond its log (see loopwatch.commissioned)."""
    head_pa = x[params[residual.P_PUMP_CHANNEL]] - x[0]
    starts = residual_at[residual.OFF] != 0 and head_pa > pump_on_pa
    return bool(starts and residual_at[residual.BEYOND_ACC] >> 13 > HALVED_Q12)


@twin.compiled
def stirred(residual_at: Ints, params: Ints, x: Ints, pump_on_pa: int, found: Ints) -> None:
    """1 into found for each second of x in which the burst path is not asked."""
    out = np.zeros(_OUT_N, np.int32)
    left_s = 0
    for i in range(x.shape[0]):
        left_s = STIRRED_S if stirs(residual_at, params, x[i], pump_on_pa) else max(left_s - 1, 0)
        found[i] = min(left_s, 1)
        twin.take(residual_at, params, x[i])
        twin.weigh(residual_at, params, out)


@twin.compiled
def until_alarm(run: Run, given: Singles, added: Singles, watch: Watch) -> tuple[float, int, float]:
    """Run a leaking loop until the bank or the burst path alarms; returns seconds (0 never), alarm bits, m3 lost."""
    residual_at, residual_params, bank_at, bank_params, bursts, pump_on_pa = watch
    x = np.zeros(6, np.int32)
    out = np.zeros(_OUT_N, np.int32)
    lost_at_first = run.state[_LOST]
    left_s = 0
    for i in range(given.shape[0]):
        before = run.state[_LOST] - lost_at_first
        burst = journey.second(run, given[i], added[i], x, bursts)
        lost = run.state[_LOST] - lost_at_first
        left_s = STIRRED_S if stirs(residual_at, residual_params, x, pump_on_pa) else max(left_s - 1, 0)
        if burst != 0 and left_s == 0:
            return i + burst / 10, BURST_BIT, before + (lost - before) * burst / 10
        twin.take(residual_at, residual_params, x)
        twin.gas(residual_at, residual_params, x)
        twin.weigh(residual_at, residual_params, out)
        twin.scale(bank_at, bank_params, out)
        alarms = twin.judge(bank_at, bank_params, out[0])
        if alarms != 0:
            return i + 1.0, alarms, lost
    return 0.0, 0, run.state[_LOST] - lost_at_first


@twin.compiled
def until_peers(
    run: Run, given: Singles, added: Singles, watch: Watch, peer_at: Floats, limit: Floats, out: Floats
) -> None:
    """Run a leaking loop until every peer has alarmed; seconds into out, nan for never."""
    residual_at, residual_params, _, _, bursts, _ = watch
    x, row, statistic = np.zeros(6, np.int32), np.zeros(_OUT_N, np.int32), np.zeros(3)
    out[:] = np.nan
    for i in range(given.shape[0]):
        journey.second(run, given[i], added[i], x, bursts)
        twin.take(residual_at, residual_params, x)
        twin.gas(residual_at, residual_params, x)
        twin.weigh(residual_at, residual_params, row)
        peers.step(peer_at, float(x[0]), float(row[0]), statistic)
        bits = peers.alarms(statistic, limit)
        for j in range(3):
            if (bits >> j) & 1 and np.isnan(out[j]):
                out[j] = i + 1
        if not np.isnan(out).any():
            return


@twin.compiled
def follow(
    peer_at: Floats, x: Ints, residual_at: Ints, residual_params: Ints, limit: Floats, quiet_s: Ints, counts: Ints
) -> None:
    """Let the peers see a leak-free stretch, and count their alarms.

    quiet_s: since when each has none; an alarm within PEER_QUIET_S of another is the same.
    """
    row, statistic = np.zeros(_OUT_N, np.int32), np.zeros(3)
    for i in range(x.shape[0]):
        twin.take(residual_at, residual_params, x[i])
        twin.gas(residual_at, residual_params, x[i])
        twin.weigh(residual_at, residual_params, row)
        peers.step(peer_at, float(x[i, 0]), float(row[0]), statistic)
        bits = peers.alarms(statistic, limit)
        for j in range(3):
            quiet_s[j] += 1
            if (bits >> j) & 1:
                if quiet_s[j] > PEER_QUIET_S:
                    counts[j] += 1
                quiet_s[j] = 0


class Trial:
    """One loop under trial: commissioned on its first log_days when made; run() does the rest.

    events "unseen" adds, after the log, kinds of events that it never met.
    """

    def __init__(
        self,
        member: Member,
        days: float,
        log_days: float,
        rule: thresholds.Rule,
        channels: tuple[int, int, int, int] = (1, 2, 3, 4),
        events: str = "usual",
        with_peers: bool = False,
    ) -> None:
        self._rng = np.random.default_rng([member.seed, 4])
        self._first = int(log_days * DAY_S)
        self._way = journey.drawn(member, days)
        if events == "unseen":
            journey.surprise(self._way, member, self._first)
        self._run = journey.begun(member, self._way)
        self._with_peers = with_peers
        self._peer_at = np.zeros(peers.STATE_N)
        x = journey.log(self._run, self._way, 0, self._first)
        litres = member.loop.liquid_ml / 1000
        # The user knows the gas volume to about 20 %.
        gas_ul = round(member.loop.gas_ml * 1000 * float(np.exp(self._rng.normal(0, 0.2))))
        shape, folds = fit.searched(x, fit.shape_of(x, gas_ul, channels))
        validated = thresholds.validated(x, shape, folds)
        bank_params = thresholds.made(validated, shape.gas_ul, litres, rule)
        residual_params = fit.parameters(shape, folds.whole)
        reach.put(residual_params, [x])
        burst_params = bursts.parameters(shape, bursts.white_pa(x), litres, bursts.hose_part(x, shape), x)
        # A second's noise is that of the middle six of its ten samples.
        noise_pa = member.sensors.noise_pa * math.sqrt(journey.STEPS_PER_S) / bursts.TRIMMED
        listening = journey.listening(burst_params, noise_pa)
        pump_on_pa = scalars.pump_on_pa(shape)
        states = twin.residual_state(), twin.bank_state()
        self._watch = Watch(states[0], residual_params, states[1], bank_params, listening, pump_on_pa)
        limits = bank_params[bank.LIMITS : bank.LIMITS + bank.MEMBER_N]
        limits_ml = [float(limit) / 2**14 / 1000 for limit in limits]
        unrest = fit.unrest(folds.residual_ul())
        self.outcome = Outcome(member.seed, litres, days - log_days, shape, limits_ml, [], unrest=unrest)
        if with_peers:
            self._peer_limits = peers.limits(x[fit.SKIP_S :], np.ascontiguousarray(validated[:, 0]))
            self._peer_quiet_s = np.full(len(peers.NAMES), PEER_QUIET_S, np.int32)
            self._peer_counts = np.zeros(len(peers.NAMES), np.int32)
        # Run in over the log itself, from cold; only what follows counts.
        self._see(x)
        if with_peers:
            self._peer_counts[:] = 0
        journey.seeded(member.seed)

    def run(self, onset_n: int) -> Outcome:
        """Watch the rest of the journey, and from onset_n random seconds of it try every leak."""
        n = len(self._way.inputs)
        onsets = np.sort(self._rng.integers(self._first + 3600, n - 2 * DAY_S, onset_n)).tolist() if onset_n else []
        at = self._first
        for stop in [*onsets, n]:
            x, burst_s = journey.watched(self._run, self._way, at, stop, self._watch.bursts)
            if burst_s:
                burst_s = self._told(x, burst_s)
            alarms = self._see(x) + [(second, BURST_BIT) for second in burst_s]
            self.outcome.alarms += [(at - self._first + second, bits) for second, bits in sorted(alarms)]
            at = stop
            if at < n:
                for name, rate_m3_s, hole_m2, limit_s in leaks():
                    self._try(at, name, rate_m3_s, hole_m2, limit_s)
        if self._with_peers:
            self.outcome.peer_alarms = dict(zip(peers.NAMES, self._peer_counts.tolist(), strict=True))
        return self.outcome

    def _told(self, x: Ints, burst_s: list[int]) -> list[int]:
        """The bursts that a board would tell."""
        found = np.zeros(len(x), np.int32)
        stirred(self._watch.residual_at.copy(), self._watch.residual_params, x, self._watch.pump_on_pa, found)
        return [second for second in burst_s if not found[second]]

    def _see(self, x: Ints) -> list[tuple[int, int]]:
        """Let detector and peers see a leak-free stretch; returns (second, bits) of the alarms in it."""
        if self._with_peers:
            residual_at, residual_params = self._watch.residual_at.copy(), self._watch.residual_params
            counts = self._peer_counts
            follow(self._peer_at, x, residual_at, residual_params, self._peer_limits, self._peer_quiet_s, counts)
        at_s, which = np.zeros(10_000, np.int32), np.zeros(10_000, np.int32)
        most = np.zeros(bank.MEMBER_N, np.int32)
        residual_at, residual_params, bank_at, bank_params, _, _ = self._watch
        count = twin.replay(residual_at, residual_params, bank_at, bank_params, x, at_s, which, most)
        return [(int(at_s[i]), int(which[i])) for i in range(min(count, len(at_s)))]

    def _try(self, at: int, name: str, rate_m3_s: float, hole_m2: float, limit_s: int) -> None:
        given, added = self._way.inputs[at : at + limit_s], self._way.added[at : at + limit_s]
        run = self._run.leaking(rate_m3_s, hole_m2)
        delay_s, bits, lost_m3 = until_alarm(run, given, added, self._watch.copy())
        off = int(self._way.inputs[at, 1] == 0)
        row = (delay_s if delay_s else math.nan, 1e6 * lost_m3, off, int(bits))
        self.outcome.delays.setdefault(name, []).append(row)
        if self._with_peers:
            seen_s = np.zeros(len(peers.NAMES))
            run = self._run.leaking(rate_m3_s, hole_m2)
            until_peers(run, given, added, self._watch.copy(), self._peer_at.copy(), self._peer_limits, seen_s)
            for peer, peer_s in zip(peers.NAMES, seen_s.tolist(), strict=True):
                self.outcome.peers.setdefault(peer, {}).setdefault(name, []).append(peer_s)


def leaks() -> list[tuple[str, float, float, int]]:
    """(name, m3/s, hole m2, limit s) of the leaks tried."""
    rates = [(f"{rate:g} mL/h", rate * 1e-6 / 3600, 0.0, limit) for rate, limit in RATES]
    return rates + [(f"{mm:g} mm", 0.0, plant.hole_m2(mm), limit) for mm, limit in HOLES]
