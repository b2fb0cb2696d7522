"""Whether the loop leaks: three watchers of different patience on the inventory residual.

Each member is a CUSUM on the innovations of a local-level filter,

    L += (r - L) >> n;  S = max(0, S + (L_before - L) - k);  evidence is S / h

and reads "more than h lost beyond an allowance of k". The impatient one needs a big loss quickly, the
patient one integrates a small one. Rate and loss come from the change point: the second at
which S last stood at zero.

A signal that jumps by itself (a coarse or broken transducer, air in the line) is no leak: no threshold
lies below NOISE_FACTOR times the residual's own noise, and `noisy` says when that hides leaks.

Integers within 2**30, states in 1/256 uL; step() allocates nothing. It is called once a second
with a valid residual; seconds without one are not evidence of anything and change nothing.
"""

from array import array

from .fixed import clamp
from .port import const

# (name, n, k in uL/s, h in uL): allowances of 12, 3 and 1 mL/min. Safe for loops that nobody has
# commissioned: at least twice what leak-free loops of many kinds show (tests/unit/test_safe_settings.py).
MEMBERS = (
    ("fast", 0, 200, 2_000),
    ("medium", 2, 50, 1_500),
    ("slow", 5, 16, 15_000),
)
MEMBER_N = len(MEMBERS)

# In a signal of a few coarse levels the fall from the highest to the lowest is up to 18 times its noise.
NOISE_FACTOR = const(22)
_NOISE_SHIFT = const(6)  # about a minute, so that a leak is seen long before it counts as noise

_FRACTION_BITS = const(8)
_RESIDUAL_MAX_UL = const(1 << 20)  # one litre; who has lost that knows
_SCORE_CAP_N = const(4)  # S stops at this many thresholds, so that it can come down again


class Detector:
    """Evidence of a leak from one residual a second.

    evidence_permille: int32 per member of MEMBERS, 1000 is the threshold.
    leaking: evidence reached the threshold and has not fallen below half of it since.
    noise_ul: rms of the residual's white noise. noisy: it hides leaks that members would see.
    rate_ul_min, lost_ul: since the change point of the member with most evidence; 0 without evidence.
    """

    def __init__(self) -> None:
        self.evidence_permille = array("i", bytes(4 * MEMBER_N))
        self.leaking = False
        self.noisy = False
        self.noise_ul = 0
        self.rate_ul_min = 0
        self.lost_ul = 0
        self._noise_acc = 0
        self._noise_n = 0
        self._previous_ul = 0
        self._previous_step_ul = 0
        self._level = array("i", bytes(4 * MEMBER_N))
        self._score = array("i", bytes(4 * MEMBER_N))
        self._age_s = array("i", bytes(4 * MEMBER_N))
        self._onset_ul = array("i", bytes(4 * MEMBER_N))
        self._started = False

    def restart(self) -> None:
        """Forget all evidence; the next residual is the new level."""
        self._started = False
        self.leaking = False
        self.rate_ul_min = 0
        self.lost_ul = 0
        self.noisy = False
        self.noise_ul = 0
        self._noise_acc = 0
        self._noise_n = 0
        for i in range(MEMBER_N):
            self._score[i] = 0
            self._age_s[i] = 0
            self.evidence_permille[i] = 0

    def step(self, residual_ul: int) -> None:
        """Take the residual of one second."""
        residual_ul = clamp(residual_ul, -_RESIDUAL_MAX_UL, _RESIDUAL_MAX_UL)
        residual = residual_ul << _FRACTION_BITS  # 20b + 8b = 28b
        if not self._started:
            self._started = True
            self._previous_ul = residual_ul
            self._previous_step_ul = 0
            for i in range(MEMBER_N):
                self._level[i] = residual
        self._hear_noise(residual_ul)
        most = 0
        for i in range(MEMBER_N):
            self._member(i, residual, residual_ul)
            if self.evidence_permille[i] > self.evidence_permille[most]:
                most = i
        evidence = self.evidence_permille[most]
        self.leaking = evidence >= 1000 or (self.leaking and evidence > 500)
        self._estimate(most, residual_ul)

    def _hear_noise(self, residual_ul: int) -> None:
        """Follow the mean second difference: 1.95 rms of white noise (sqrt(6) sqrt(2 / pi)), 0 of a leak."""
        step_ul = residual_ul - self._previous_ul  # 21b
        change_ul = abs(step_ul - self._previous_step_ul) >> 1  # 22b - 1b = 21b
        self._previous_ul = residual_ul
        self._previous_step_ul = step_ul
        # A plain mean of the first seconds, then a moving one.
        self._noise_n = min(self._noise_n + 1, 1 << _NOISE_SHIFT)
        self._noise_acc += ((change_ul << _FRACTION_BITS) - self._noise_acc) // self._noise_n  # 21b + 8b = 29b
        self.noise_ul = self._noise_acc >> _FRACTION_BITS
        self.noisy = self.noise_ul * NOISE_FACTOR > 2 * MEMBERS[0][3]

    def _member(self, i: int, residual: int, residual_ul: int) -> None:
        _, n, k_ul_s, h_ul = MEMBERS[i]
        innovation = (residual - self._level[i]) >> n  # 28b - 28b = 29b
        self._level[i] += innovation
        h_ul = max(h_ul, self.noise_ul * NOISE_FACTOR)  # 21b + 5b = 26b
        score = self._score[i] - innovation - (k_ul_s << _FRACTION_BITS)
        if score <= 0:
            score = 0
            self._age_s[i] = 0
            self._onset_ul[i] = residual_ul
        else:
            self._age_s[i] = min(self._age_s[i] + 1, 1 << 20)
        # With a score of at most 2**20 uL the thousandfold is inside 2**30.
        self._score[i] = min(score, min(_SCORE_CAP_N * h_ul, _RESIDUAL_MAX_UL) << _FRACTION_BITS)
        self.evidence_permille[i] = (self._score[i] >> _FRACTION_BITS) * 1000 // h_ul

    def _estimate(self, i: int, residual_ul: int) -> None:
        age_s = self._age_s[i]
        if age_s == 0:
            self.lost_ul = 0
            self.rate_ul_min = 0
            return
        self.lost_ul = max(0, self._onset_ul[i] - residual_ul)  # 21b
        self.rate_ul_min = self.lost_ul * 60 // age_s  # 21b + 6b = 27b
