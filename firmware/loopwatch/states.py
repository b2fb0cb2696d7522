"""What must be known again after a restart: a few words of one owner, kept twice on the flash, see pair.

Whoever owns the words puts them here whenever they change, which allocates nothing; they are on the flash within two
seconds. What the words mean, and of which version they are, is their owner's business.
"""

from array import array

from .pair import Pair
from .port import const

FOLDER = "states"
KIND = "S"
WORDS_MAX_N = const(120)  # littlefs keeps records up to here inside their folder, and erases little


class States:
    """The words, those of the alarms when nothing is said.

    error_n: writes that failed. dirty: the latest words are not on the flash yet.
    """

    def __init__(self, folder: str = FOLDER, kind: str = KIND, words_max_n: int = WORDS_MAX_N) -> None:
        self.error_n = 0
        self.dirty = False
        self._pair = Pair(folder, kind)
        self._words = array("i", bytes(4 * words_max_n))
        self._n = 0

    def load(self):
        """The words of before the restart, as an int32 array; None when there are none, or none that are whole.

        Never raises. Call it once before save().
        """
        return self._pair.load(_words)

    def put(self, words, n: int) -> None:
        """Have words[0:n] kept, as many as there is room for; the same as before costs nothing. Allocates nothing."""
        same = n == self._n
        for i in range(n):
            if self._words[i] != words[i]:
                same = False
                self._words[i] = words[i]
        if not same:
            self._n = n
            self.dirty = True

    def save(self) -> bool:
        """Write the latest words; returns False, and counts it, when the flash does not take them."""
        try:
            self._pair.save(bytes(self._words[: self._n]))
        except (OSError, MemoryError):
            self.error_n += 1
            return False
        self.dirty = False
        return True


def _words(content: bytes) -> array:
    if len(content) % 4:
        raise ValueError("length {}: not a whole number of words".format(len(content)))
    return array("i", content)
