"""What the board remembers, and when it writes it: the journal, the alarms' states, what was learnt, the black box.

One thing in each quiet slot, that is once a second: what is urgent first. So nothing here is in the way of a sample,
and an alarm that is raised is on the flash within two seconds.
"""

from . import journal as events
from .blackbox import Blackbox
from .journal import Journal
from .logbook import Logbook
from .port import const, ticks_diff
from .sample import Sample
from .states import States

RAISED = const(1)  # alarms.UNACK
RETRY_MS = const(60_000)

LEARNT_FOLDER = "learnt"
LEARNT_KIND = "L"
LEARNT_N = const(4)  # see App


class Memory:
    """The board's files about what happened. Call load() before anything is added to the journal.

    states: the alarms' words. learnt: the detector's; whoever uses them loads them. ring: the black box's, see there.
    """

    def __init__(self, journal: Journal, ring: bytearray | None = None) -> None:
        self.states = States()
        self.learnt = States(LEARNT_FOLDER, LEARNT_KIND, LEARNT_N)
        self.blackbox = Blackbox(ring)
        self._journal = journal
        self._logbook = Logbook(journal)
        self._boxed_seq = 0
        self._failed = False
        self._failed_ms = 0

    def load(self):
        """Read the flash; returns the alarms' words of before the restart (see states), or None. Never raises."""
        self._logbook.load()
        self.blackbox.load()
        self._boxed_seq = self._journal.seq
        return self.states.load()

    def begin(self, now_ms: int) -> None:
        """Put the first event of this start on the flash, so that its run_n never comes again."""
        self._logbook.sync(now_ms)

    def sample(self, sample: Sample, status_bits: int) -> None:
        """Take a sample, and whatever alarm it has raised; allocates nothing while nothing happens."""
        self.blackbox.add(sample, status_bits)
        if self._boxed_seq != self._journal.seq:
            self._look_for_alarms()

    def use_quiet_slot(self, now_ms: int) -> bool:
        """Do one thing that is due; returns whether anything was written, which leaves garbage on the heap."""
        if self._logbook.due(now_ms):
            self._logbook.sync(now_ms)
            return True
        states = self.states if self.states.dirty else self.learnt
        if states.dirty and not (self._failed and ticks_diff(now_ms, self._failed_ms) < RETRY_MS):
            self._failed = not states.save()
            self._failed_ms = now_ms
            return True
        return self.blackbox.write_piece(now_ms)

    def end(self, now_ms: int) -> None:
        """The board is about to stop: write what waits."""
        if self._journal.kept_seq != self._journal.seq:
            self._logbook.sync(now_ms)
        if self.states.dirty:
            self.states.save()
        if self.learnt.dirty:
            self.learnt.save()

    def _look_for_alarms(self) -> None:
        journal = self._journal
        for seq in range(max(self._boxed_seq + 1, journal.oldest_seq()), journal.seq + 1):
            priority = journal.word(seq, 4)
            raised = journal.word(seq, 1) == events.ALARM and journal.word(seq, 3) == RAISED
            if raised and priority <= events.SOON_PRIORITY:
                event_ms = journal.word(seq, 0)
                self.blackbox.trigger(journal.word(seq, 2), priority, seq, journal.run_n, event_ms)
        self._boxed_seq = journal.seq
