"""Whether the loop leaks, by all that the board knows of it: the commissioned detector, and the wide limits.

    numbers of this loop     lags filled, every channel there     who judges
    none                     -                                    wide limits
    there                    no                                   both, the commissioned one as far as it can
    there                    yes                                  the commissioned one
    there                    yes, p_static noisier than they are  wide limits, on the commissioned one's residual

The wide limits are inventory and detector with safe settings: blunt, but right on loops that nobody has seen. A leak is
what either of them says. Its class goes by the member that saw it, and rises with the rate.
"""

from array import array

from . import evidence
from .config import Config
from .detector import Detector
from .inventory import NO_INPUT, VALID, Inventory
from .port import const
from .sample import P_STATIC, Sample, usable

NO_LEAK = const(0)
SEEP = const(1)
LEAK = const(2)
RUPTURE = const(3)
CLASS_N = const(3)
CLASS_NAMES = ("seep", "leak", "rupture")

# From these rates on, µL/h: 1 mL/min empties a bench's reserve in an hour, 30 mL/min (a 0.3 mm hole) in a minute.
LEAK_FROM_UL_H = const(60_000)
RUPTURE_FROM_UL_H = const(1_800_000)
RATE_MAX_UL_H = const(99_999_999)

LOST_MAX_UL = const(1 << 20)

_WOBBLE_MAX_PA = const((1 << 17) - 1)
_HALF_PERMILLE = const(500)
_TELLING_PERMILLE = const(300)  # below it evidence comes and goes by itself, and there is no leak to tell of


class Guard:
    """Evidence of a leak, a second at a time.

    residual_ul, pump_on: see inventory. noise_ul, noisy: see detector. class_n: the leak's class, NO_LEAK without one.
    evidence_permille: per class, 1000 is the threshold, -1 while nobody watches for it.
    rate_ul_h, lost_ul: since the evidence began; 0 without. rate_low_ul_h, rate_high_ul_h: its 95 % interval, 0 while
    it is not known. wide: the wide limits judge. fine: the commissioned detector, None without numbers. injected_ul:
    what a proof test takes out of the residual. wobble_pa: how far p_static's samples went to and fro in the second.
    """

    def __init__(self, config: Config) -> None:
        self.residual_ul = 0
        self.pump_on = True
        self.noise_ul = 0
        self.noisy = False
        self.class_n = NO_LEAK
        self.evidence_permille = array("i", [-1] * CLASS_N)
        self.rate_ul_h = 0
        self.rate_low_ul_h = 0
        self.rate_high_ul_h = 0
        self.lost_ul = 0
        self.wide = True
        self.injected_ul = 0
        self.wobble_pa = 0
        self.fine = _commissioned(config) if config.commissioned else None
        self._inventory = Inventory(config)
        self._detector = Detector()
        self._gas_ml = config.gas_ul >> 10
        self._wide_valid = False
        self._on_fine = False

    def restart(self) -> None:
        """Forget all evidence: a person has dealt with the leak."""
        self._detector.restart()
        if self.fine is not None:
            self.fine.restart()
        self._forget()

    def rebaseline(self) -> None:
        """Coolant was filled in or drawn by people: the inventory is what it is now, and there is no evidence."""
        self._inventory.rebaseline()
        self.restart()

    def doubt(self) -> None:
        """What the burst path has felt in this second was not the loop."""
        if self.fine is not None:
            self.fine.forget_burst()

    def sample(self, latest: Sample) -> bool:
        """Take a sample, ten times a second; returns True when the class has changed by it."""
        if self.fine is None or not self.fine.sample(latest) or not self.fine.bursting:
            return False
        before_n, self.class_n = self.class_n, RUPTURE
        return before_n != RUPTURE

    def step(self, mean: Sample) -> int:
        """Take one second's mean; returns NO_INPUT, SETTLING or VALID, see inventory."""
        fine = self.fine
        outcome = NO_INPUT
        if fine is not None:
            fine.injected_ul = self.injected_ul
            fine.wobble_pa = self.wobble_pa
            outcome = fine.step(mean)
            self.wide = fine.wide
        rough = fine is not None and fine.rough
        if (self._wide_valid and not self.wide) or rough != self._on_fine:
            # The wide limits begin from what is then.
            self._on_fine = rough
            self._wide_valid = False
            self._inventory.rebaseline()
            self._detector.restart()
        if self.wide and outcome != VALID:
            outcome = self._step_wide(mean)
        elif self.wide:
            self._step_wide(mean)
        self._weigh_up()
        return outcome

    def _step_wide(self, mean: Sample) -> int:
        if self._on_fine:
            # A baseline of their own would take until the loop has emptied through a hole.
            outcome = VALID if usable(mean.status[P_STATIC]) else NO_INPUT
        else:
            outcome = self._inventory.step(mean)
        self._wide_valid = outcome == VALID
        if self._wide_valid:
            self._judge_wide(mean.values[P_STATIC])
        return outcome

    def _judge_wide(self, p_pa: int) -> None:
        # Their mean has a third of the samples' noise, and white noise goes seven rms to and fro: 17b + 11b = 28b
        noise_ul = min(self.wobble_pa, _WOBBLE_MAX_PA) * self._gas_ml // (21 * max(1, p_pa >> 10))
        detector = self._detector
        detector.hear(min(noise_ul, LOST_MAX_UL))
        if self.fine is not None and self._on_fine:
            detector.step(self.fine.residual_ul)
        else:
            detector.step(self._inventory.residual_ul - self.injected_ul)
        self.noise_ul = detector.noise_ul
        self.noisy = detector.noisy

    def _weigh_up(self) -> None:
        fine, wide = self.fine, self._detector
        class_n = NO_LEAK
        rate_ul_h = low_ul_h = high_ul_h = lost_ul = 0
        watching = 0
        permille = wide.evidence_permille
        if self._wide_valid:
            watching = evidence.WIDE
            rate_ul_h = min(wide.rate_ul_min, RATE_MAX_UL_H // 60) * 60  # 27b
            lost_ul = wide.lost_ul
            if wide.leaking:
                class_n = LEAK
        if fine is None:
            self.residual_ul = self._inventory.residual_ul - self.injected_ul
            self.pump_on = self._inventory.pump_on
        else:
            watching |= evidence.FINE
            permille = fine.permille
            self.residual_ul = fine.residual_ul
            self.pump_on = fine.pump_on
            if fine.alarm_bits & ~evidence.SEEP_BITS:
                class_n = LEAK
            elif fine.alarm_bits and class_n == NO_LEAK:
                class_n = SEEP
            if rate_ul_h == 0 or fine.most_permille > 1000:
                if fine.most_permille > _TELLING_PERMILLE and fine.estimate():
                    rate_ul_h = min(fine.rate_ul_h, RATE_MAX_UL_H)
                    low_ul_h = min(fine.rate_low_ul_h, RATE_MAX_UL_H)
                    high_ul_h = min(fine.rate_high_ul_h, RATE_MAX_UL_H)
                    lost_ul = min(fine.lost_ul, LOST_MAX_UL)
        most = evidence.classes(permille, wide.evidence_permille, evidence.SEEP_BITS, watching, self.evidence_permille)
        standing = self.class_n != NO_LEAK and most > _HALF_PERMILLE
        if standing or class_n != NO_LEAK:
            if rate_ul_h >= LEAK_FROM_UL_H:
                class_n = LEAK
            if rate_ul_h >= RUPTURE_FROM_UL_H or (fine is not None and fine.bursting):
                class_n = RUPTURE
            # What has been called a rupture is one until the evidence is gone.
            if standing and class_n < self.class_n:
                class_n = self.class_n
        self.class_n = class_n
        self.rate_ul_h = rate_ul_h
        self.rate_low_ul_h = low_ul_h
        self.rate_high_ul_h = high_ul_h
        self.lost_ul = lost_ul

    def _forget(self) -> None:
        self.class_n = NO_LEAK
        self.rate_ul_h = 0
        self.rate_low_ul_h = 0
        self.rate_high_ul_h = 0
        self.lost_ul = 0
        for i in range(CLASS_N):
            self.evidence_permille[i] = -1


def _commissioned(config: Config):
    """The commissioned detector; its code takes 24 KB, which a board that is not commissioned does not spend."""
    from .commissioned import Commissioned

    return Commissioned(config)
