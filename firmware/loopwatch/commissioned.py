"""The guard of a loop that has been commissioned: residual, bank and burst with the numbers found in its own log.

What its numbers do not cover is held, not guessed. After a start the lagged temperatures know nothing of the hours
before, so slow members wait until the lags that they live on have filled. While a thermometer or p_pump is missing
its last value stands in and the whole bank keeps its evidence as it is; when the channel is back and the lags have
filled again, it goes on from where it was. Meanwhile `wide` asks for the wide limits of a board that nobody has
commissioned (see guard).

Without p_static there is nothing to judge: levels and evidence wait, and what has gone meanwhile is seen afterwards.
It is the same while p_static is noisier than the limits were made for (interference), but that the wide limits, which
follow the noise, judge the residual from the first such second on (`rough`). A leak is smooth, interference goes to and
fro: the burst path counts no fall that is not three times as deep as the steps that went up shortly before, less what
its limits are made for. Nor does it judge for a minute after a start of the pump while the loop is beyond its log: what
stood and has grown hotter than ever shrinks as fast as a burst when it meets the rest, and the bank, which knows the
temperatures, is as good a second later. step() and sample() allocate nothing.
"""

from array import array

from . import bank, burst, estimate, evidence, plausible, residual
from .config import Config
from .fixed import clamp
from .inventory import NO_INPUT, SETTLING, VALID
from .port import const
from .sample import CHANNEL_N, P_STATIC, SPEC_HIGH, Sample, usable

MEMBER_N = const(12)  # bank.MEMBER_N
LEARNT_FROM = const(2)  # before it the CRC of the configuration, see App

# After this many seconds with every channel the groups of bank may judge: 4, 32, 128 and 1024 s are what they average
# over, and the slowest lags (2**12 s in the dome) reach the slowest members only.
_READY_S = (16, 1_800, 7_200, 21_600)
_GROUP_N = const(4)
_ALL_GROUPS_BITS = const(0b1111)
_BACK_S = const(1_800)  # a channel has come back: most of the lags have filled
_AGE_MAX_S = const(1 << 24)
_STIRRED_S = const(60)

_JUMP_PA = const(8_000)  # between two samples: fifteen times what a hole of 0.8 mm does
_ROUGH_LEAST_PA = const(2_000)
_ROUGH_S = const(10)
_WOBBLE_MAX_PA = const((1 << 17) - 1)
_NOISE_MAX_UL = const((1 << 14) - 1)


class Commissioned:
    """Evidence of a leak from the kernels, of a configuration that has numbers for them.

    residual_ul, pump_on, noise_ul as in inventory and detector. alarm_bits: members of bank above their limits.
    permille: see evidence: by member, who has most, of the burst path, and how far the loop is beyond its log.
    most_permille: that of a member. bursting: the pressure falls as only a rupture makes it.
    wobble_pa: how far p_static's samples went to and fro in the second that step() takes.
    wide: the wide limits are needed as well. rough: because of noise alone, so the residual is as good as ever.
    whole_s: how long every channel has been there.
    """

    def __init__(self, config: Config) -> None:
        self.residual_ul = 0
        self.pump_on = True
        self.alarm_bits = 0
        self.permille = array("i", bytes(4 * evidence.OUT_N))
        self.most_permille = 0
        self.bursting = False
        self.wide = True
        self.rough = False
        self._params = config.residual
        self._bank_params = config.bank
        self._burst_params = config.burst
        self._state = array("i", bytes(4 * residual.STATE_N))
        self._bank = array("i", bytes(4 * bank.STATE_N))
        self._burst = array("i", bytes(4 * burst.STATE_N))
        self._out = array("i", bytes(4 * residual.OUT_N))
        self._picked = array("i", bytes(4 * estimate.PICKED_N))
        self._stray = array("i", config.estimate)
        self._stray[estimate.RESERVE_UL] = config.reserve_ul
        self._told = array("i", bytes(4 * estimate.OUT_N))
        self.rate_ul_h = 0
        self.rate_low_ul_h = 0
        self.rate_high_ul_h = 0
        self.lost_ul = 0
        self._x = array("i", bytes(4 * CHANNEL_N))
        self._needed = 1 << P_STATIC | 1 << self._params[residual.P_PUMP_CHANNEL]
        for role in range(3):
            self._needed |= 1 << self._params[residual.ROLE_CHANNELS + role]
        self._members = [0] * _GROUP_N
        for i in range(MEMBER_N):
            self._members[self._bank_params[bank.GROUPS + i]] |= 1 << i
        self.whole_s = 0
        self.injected_ul = 0
        self.wobble_pa = 0
        self._noise_ul = min(config.estimate[estimate.NOISES_UL], _NOISE_MAX_UL)
        self._gas_ml = max(1, config.gas_ul >> 10)
        self._rough_s = 0
        self._rise_pa = 0
        self._started = False
        self._missing = False
        self._last_ul = 0
        self._pump_on_pa = config.pump_on_pa
        self._stirred_s = 0

    def learnt(self, words) -> None:
        """Put what takes days to be found into words from LEARNT_FROM on: residual's scale, and the head's zero."""
        words[LEARNT_FROM] = self._state[residual.SCALE_ACC]
        words[LEARNT_FROM + 1] = self._state[residual.HEAD_ZERO_ACC]

    def relearn(self, words) -> None:
        """Go on from such words, of before a restart; before the first step()."""
        scale_acc = clamp(words[LEARNT_FROM], -residual.SCALE_MAX_ACC, residual.SCALE_MAX_ACC)
        zero_acc = clamp(words[LEARNT_FROM + 1], -residual.HEAD_ZERO_MAX_ACC, residual.HEAD_ZERO_MAX_ACC)
        self._state[residual.SCALE_ACC] = scale_acc
        self._state[residual.HEAD_ZERO_ACC] = zero_acc

    def restart(self) -> None:
        """Forget all evidence: a person has dealt with it. The present residual is every member's level."""
        evidence.hold(self._bank, self._bank_params, self.residual_ul, _ALL_GROUPS_BITS)
        for i in range(burst.MEMBER_N):
            self._burst[burst.SCORES + i] = 0
        self.alarm_bits = 0
        self.most_permille = 0
        self.bursting = False
        self._bank[bank.AGE_ACC] = self.residual_ul << 8  # 20b + 8b = 28b

    def forget_burst(self) -> None:
        """What the burst path has felt was not the loop: it begins anew."""
        for i in range(burst.STATE_N):
            self._burst[i] = 0
        self.bursting = False

    def sample(self, latest: Sample) -> bool:
        """Take a sample for the burst path; returns whether bursting has changed."""
        status = latest.status
        if not usable(status[P_STATIC]):
            self._burst[burst.BEFORE_N] = 0
            return False
        p = latest.values[P_STATIC]
        rise_pa = self._rise_pa
        rise_pa -= rise_pa >> 5  # it fades within three seconds
        if self._burst[burst.BEFORE_N]:
            step_pa = p - self._burst[burst.BEFORE_PA + 1]
            if step_pa < -_JUMP_PA:
                step_pa = -step_pa  # that of a fault: until the second has been judged, which is 12 samples at most
            if step_pa > rise_pa:
                rise_pa = step_pa
        self._rise_pa = rise_pa
        x = self._x
        x[P_STATIC] = p
        pump = self._burst_params[burst.P_PUMP_CHANNEL]
        if usable(status[pump]):
            x[pump] = latest.values[pump]
        bursting = burst.step(self._burst, self._burst_params, x) != 0 and self._smooth() and not self._stirred()
        changed = bursting != self.bursting
        self.bursting = bursting
        return changed

    def step(self, mean: Sample) -> int:
        """Take one second's mean; returns NO_INPUT, SETTLING or VALID as inventory does."""
        status = mean.status
        self.permille[evidence.BURST] = evidence.burst_permille(self._burst, self._burst_params)
        if not usable(status[P_STATIC]):
            return NO_INPUT
        if evidence.missing(status, self._needed, SPEC_HIGH):
            if not self._started:
                return SETTLING
            # The lags go on with the last value; the bank waits with all its evidence.
            self._missing = True
            self.whole_s = 0
            self.wide = True
            self.rough = False
            self._feel(mean)
            return VALID
        self._started = True
        self._feel(mean)
        self.whole_s = min(self.whole_s + 1, _AGE_MAX_S)
        if self._missing:
            if self.whole_s < _BACK_S:
                return VALID
            self._missing = False
            evidence.move(self._bank, clamp(self.residual_ul - self._last_ul, -(1 << 20), 1 << 20))
            self.whole_s = _AGE_MAX_S
        self._last_ul = self.residual_ul
        rough = self._is_rough(mean.values[P_STATIC])
        self.rough = rough and self.whole_s >= _READY_S[1]
        if rough:
            self.wide = True
            return VALID if self.whole_s >= _READY_S[0] else SETTLING
        bank.scale(self._bank, self._bank_params, self._out)
        self.permille[evidence.BEYOND] = self._out[residual.DRIVE_BEYOND]
        self.alarm_bits = bank.judge(self._bank, self._bank_params, self.residual_ul)
        held = self._held_groups()
        if held:
            evidence.hold(self._bank, self._bank_params, self.residual_ul, held)
            for group in range(_GROUP_N):
                if held >> group & 1:
                    self.alarm_bits &= ~self._members[group]
        self.wide = held & 0b0010 != 0
        self.most_permille = evidence.weigh_up(self._bank, self._bank_params, self.permille)
        return VALID if self.whole_s >= _READY_S[0] else SETTLING

    def estimate(self) -> bool:
        """Set rate_ul_h, its least and most, and lost_ul of the leak there is evidence of; False without any."""
        if bank.pick(self._bank, self._bank_params, self._picked) < 0:
            return False
        told = self._told
        estimate.estimate(self._picked, self._stray, told)
        self.rate_ul_h = told[estimate.RATE_UL_H]
        self.rate_low_ul_h = told[estimate.RATE_UL_H + 1]
        self.rate_high_ul_h = told[estimate.RATE_UL_H + 2]
        self.lost_ul = told[estimate.LOST_UL]
        return True

    def _feel(self, mean: Sample) -> None:
        state = self._state
        stood = state[residual.OFF]
        self.pump_on = residual.take(state, self._params, mean.values) == 0
        residual.gas(state, self._params, mean.values)
        self.residual_ul = residual.weigh(state, self._params, self._out) - self.injected_ul
        if stood and self.pump_on and self._out[residual.DRIVE_BEYOND] > evidence.HALVED_Q12:
            self._stirred_s = _STIRRED_S
        elif self._stirred_s:
            self._stirred_s -= 1

    def _stirred(self) -> bool:
        """Whether the pump has just started while the loop is beyond its log."""
        if self._stirred_s:
            return True
        x = self._x
        head_pa = x[self._burst_params[burst.P_PUMP_CHANNEL]] - x[P_STATIC]
        starts = self._state[residual.OFF] != 0 and head_pa > self._pump_on_pa
        return starts and self._out[residual.DRIVE_BEYOND] > evidence.HALVED_Q12

    def _smooth(self) -> bool:
        """Whether what the burst path adds up is deeper than what goes to and fro, beyond what its limits are made for.

        White noise hardly ever falls three of its own largest steps deep, whatever its strength.
        """
        depth_pa = 0
        for i in range(burst.MEMBER_N):
            score = self._burst[burst.SCORES + i]  # of 1/64 Pa
            limit = self._burst_params[burst.LIMITS + i]
            if score > limit:
                depth_pa = max(depth_pa, (score >> 6) + (limit >> 6))
        return depth_pa > 3 * self._rise_pa

    def _is_rough(self, p_pa: int) -> bool:
        """Whether p_static is noisier than the bank's limits are for, or was within _ROUGH_S.

        By a second that is so twice over, or two within _ROUGH_S: a quiet loop's is so by chance now and then.
        """
        wobble_pa = min(self.wobble_pa, _WOBBLE_MAX_PA)
        # 17b + 11b = 28b; 5b + 14b + 11b = 30b
        times_n = wobble_pa * self._gas_ml // (plausible.ROUGH_RATIO * self._noise_ul * (p_pa >> 10) + 1)
        if times_n and wobble_pa > _ROUGH_LEAST_PA:
            self._rough_s = min(self._rough_s + min(times_n, 2) * _ROUGH_S, 2 * _ROUGH_S)
        elif self._rough_s:
            self._rough_s -= 1
        return self._rough_s > _ROUGH_S

    def _held_groups(self) -> int:
        held = 0
        if self.whole_s < _READY_S[3]:
            for group in range(_GROUP_N):
                if self.whole_s < _READY_S[group]:
                    held |= 1 << group
        return held
