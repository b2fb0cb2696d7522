"""One channel's second: the samples of it, and their mean that single spikes do not reach.

Nothing is allocated after __init__.
"""

from array import array

from .fixed import trimmed_mean
from .kernels import sort, wobble
from .sample import GOOD, SPEC_HIGH, SPEC_LOW, STALE, Sample


class Second:
    """The usable samples of a channel since the last close(). expected_n: samples in a whole second.

    wobble: how far the usable samples of the second that was closed last went to and fro; 0 when it made no mean.

    A fifth is dropped at either end (at least one when three are expected), and six tenths must be usable: of
    ten samples the mean is that of the middle six, and fewer than six make none.
    """

    def __init__(self, channel: int, expected_n: int) -> None:
        self.channel = channel
        self.wobble = 0
        self._drop_n = max(expected_n // 5, 1 if expected_n >= 3 else 0)
        self._least_n = max((6 * expected_n + 9) // 10, 2 * self._drop_n + 1)
        # A period that does not divide the second fits once more into some seconds than into others.
        self._values = array("i", bytes(4 * (expected_n + 1)))
        self._usable_n = 0
        self._low_n = 0
        self._high_n = 0
        self._worst = GOOD

    def add(self, sample: Sample) -> None:
        """Take the channel of this sample."""
        channel = self.channel
        status = sample.status[channel]
        if status > SPEC_HIGH:
            self._worst = max(self._worst, status)
            return
        self._values[self._usable_n] = sample.values[channel]
        self._usable_n += 1
        if status == SPEC_LOW:
            self._low_n += 1
        elif status == SPEC_HIGH:
            self._high_n += 1

    def close(self, mean: Sample) -> int:
        """Set the channel of mean, a value or the worst status of the second, and begin anew.

        Returns how many samples were usable.
        """
        usable_n = self._usable_n
        mean.status[self.channel] = self._status()
        self.wobble = 0
        if usable_n >= self._least_n:
            self.wobble = wobble(self._values, usable_n)
            sort(self._values, usable_n)
            # 10 values of 22b: 26b
            mean.values[self.channel] = trimmed_mean(self._values, usable_n, self._drop_n)
        self._usable_n = 0
        self._low_n = 0
        self._high_n = 0
        self._worst = GOOD
        return usable_n

    def _status(self) -> int:
        if self._usable_n < self._least_n:
            # Where nothing was wrong with what there is, the rest was never taken: the sampler left periods out.
            return STALE if self._worst == GOOD else self._worst
        # Out of band is what was kept, not what was dropped.
        if self._high_n > self._drop_n:
            return SPEC_HIGH
        return SPEC_LOW if self._low_n > self._drop_n else GOOD
