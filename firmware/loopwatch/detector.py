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

from . import cusum
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
_SUDDEN = const(4)  # three times the mean second's noise comes by chance, too


class Detector:
    """Evidence of a leak from one residual a second.

    evidence_permille: int32 per member of MEMBERS, 1000 is the threshold.
    leaking: evidence reached the threshold and has not fallen below half of it since.
    noise_ul: rms of the residual's white noise. noisy: it hides leaks that members would see.
    rate_ul_min, lost_ul: since the change point of the member with most evidence; 0 without evidence.
    """

    def __init__(self) -> None:
        self.evidence_permille = array("i", bytes(4 * MEMBER_N))
        self._state = array("i", bytes(4 * cusum.STATE_N))
        shifts, allowances_ul_s, limits_ul = zip(*(row[1:] for row in MEMBERS))
        self._params = array("i", shifts + allowances_ul_s + limits_ul + (NOISE_FACTOR,))
        self.restart()

    def restart(self) -> None:
        """Forget all evidence; the next residual is the new level."""
        self.leaking = False
        self.noisy = False
        self.noise_ul = 0
        self.rate_ul_min = 0
        self.lost_ul = 0
        for i in range(cusum.STATE_N):
            self._state[i] = 0
        for i in range(MEMBER_N):
            self.evidence_permille[i] = 0

    def hear(self, noise_ul: int) -> None:
        """The samples of the second to come are that noisy: thresholds follow at once if it is far more than before.

        Not while a leak stands, which nothing but the inventory clears.
        """
        state = self._state
        if not self.leaking and noise_ul > _SUDDEN * (state[cusum.NOISE_ACC] >> 8):
            state[cusum.NOISE_ACC] = noise_ul << 8  # 20b + 8b

    def step(self, residual_ul: int) -> None:
        """Take the residual of one second."""
        state = self._state
        most = cusum.judge(state, self._params, residual_ul, self.evidence_permille)
        self.noise_ul = state[cusum.NOISE_ACC] >> 8
        self.noisy = self.noise_ul * NOISE_FACTOR > 2 * MEMBERS[0][3]
        evidence = self.evidence_permille[most]
        self.leaking = evidence >= 1000 or (self.leaking and evidence > 500)
        age_s = state[cusum.AGES_S + most]
        if age_s == 0:
            self.lost_ul = 0
            self.rate_ul_min = 0
            return
        self.lost_ul = max(0, state[cusum.ONSETS_UL + most] - state[cusum.PREVIOUS_UL])  # 21b
        self.rate_ul_min = self.lost_ul * 60 // age_s  # 21b + 6b = 27b
