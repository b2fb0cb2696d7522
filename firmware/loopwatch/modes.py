"""What the operator does with the loop: watch it, start it, work on it, prove the alarm.

A mode other than watching is visible (state_bits of the decision, NE 107 function check) and ends by itself: an
inhibit that somebody forgot must not outlive the day. Hard alarms are suppressed in none. Nothing is
allocated after __init__.
"""

from . import alarms
from .config import Config
from .journal import (
    MODE,
    MODE_ARMED,
    MODE_MONITORING,
    MODE_PROOF_TEST,
    MODE_SERVICE,
    MODE_START_UP,
    MODE_WATCH_ONLY,
    Journal,
)
from .port import const

WATCHING = const(0)
START_UP = const(1)
SERVICE = const(2)
PROOF_TEST = const(3)

NAMES = ("watching", "start_up", "service", "proof_test")
_JOURNAL_MODES = (MODE_MONITORING, MODE_START_UP, MODE_SERVICE, MODE_PROOF_TEST)
_SUPPRESSED = (0, alarms.IN_START, alarms.IN_SERVICE, 0)

_OF_THE_BASELINE = (alarms.LEAK, alarms.LEAK_SEEP, alarms.INVENTORY_GAIN)

START_MAX_S = const(3_600)
SERVICE_MAX_S = const(14_400)
TEST_S = const(180)
# What a proof test takes away in a second: 30 mL/min, the middle class of leak.
TEST_UL_S = const(500)

# Results of a proof test.
NOT_TESTED = const(0)
RUNNING = const(1)
PASSED = const(2)
FAILED = const(3)
RESULT_NAMES = ("none", "running", "passed", "failed")

# What tick() and end() return, added up: what the rest of the firmware must do.
REBASELINE = const(1)
FORGET = const(2)


class Modes:
    """The operator's mode and whether the trip is armed.

    mode          what happens                                       next
    PROOF_TEST    the leak alarm is raised, time is up, or ended     WATCHING, the evidence is forgotten
    SERVICE       time is up, or ended                               WATCHING, a new baseline
    START_UP      time is up, or ended                               WATCHING
    START_UP      service asked for                                  SERVICE
    WATCHING      start-up asked for, or start_s set at a start      START_UP
    WATCHING      service asked for                                  SERVICE
    WATCHING      proof test asked for, no leak stands or is near    PROOF_TEST

    left_s: until the mode ends by itself. injected_ul: what the proof test has taken out of the residual so far.
    test_result: of the latest proof test; test_s: how long it took.
    """

    def __init__(self, states: alarms.Alarms, journal: Journal, config: Config) -> None:
        self.mode = WATCHING
        self.left_s = 0
        self.injected_ul = 0
        self.test_result = NOT_TESTED
        self.test_s = 0
        self._alarms = states
        self._journal = journal
        self._start_s = config.start_s
        states.armed = not config.watch_only

    def start(self, now_ms: int) -> None:
        """The board begins to watch."""
        self._alarms.update(alarms.SIMULATION, alarms.FALSE, 0, now_ms)
        self._enter(START_UP if self._start_s else WATCHING, self._start_s, now_ms)

    def ask_start_up(self, for_s: int, now_ms: int) -> bool:
        """Suppress what is true of every loop that is being started, for so long; False when that cannot be."""
        if self.mode not in (WATCHING, START_UP) or not 0 < for_s <= START_MAX_S:
            return False
        self._enter(START_UP, for_s, now_ms)
        return True

    def ask_service(self, for_s: int, now_ms: int) -> bool:
        """A person opens the loop to refill or bleed it; at the end there is a new baseline. False as above."""
        if self.mode == PROOF_TEST or not 0 < for_s <= SERVICE_MAX_S:
            return False
        self._enter(SERVICE, for_s, now_ms)
        return True

    def ask_test(self, evidence_permille: int, now_ms: int) -> bool:
        """Prove the way from the residual to horn and laptop; False while a leak stands or is being suspected."""
        states = self._alarms
        suspected = evidence_permille > 200 or states.alarm_bits & alarms.LEAK_BITS
        if self.mode != WATCHING or suspected:
            return False
        self.test_result = RUNNING
        self.test_s = 0
        self.injected_ul = 0
        self._enter(PROOF_TEST, TEST_S, now_ms)
        return True

    def end(self, now_ms: int) -> int:
        """End the mode before its time; returns what has to be done, REBASELINE or FORGET."""
        before = self.mode
        if before == WATCHING:
            return 0
        if before == PROOF_TEST:
            if self.test_result == RUNNING:
                self.test_result = FAILED
            self.injected_ul = 0
        if before == SERVICE:
            # What was drawn or filled in is no leak, and no gain, of the loop as it is from now on.
            for alarm in _OF_THE_BASELINE:
                self._alarms.forget(alarm)
        self._enter(WATCHING, 0, now_ms)
        return REBASELINE if before == SERVICE else FORGET if before == PROOF_TEST else 0

    def arm(self, on: bool, now_ms: int) -> None:
        """Whether alarms that trip do so; HARD ones always do."""
        self._alarms.arm(on)
        self._journal.add(MODE, MODE_ARMED if on else MODE_WATCH_ONLY, 1, alarms.ADVISORY, 0, now_ms)

    def tick(self, now_ms: int) -> int:
        """A second has gone by; returns what has to be done, REBASELINE or FORGET."""
        if self.mode == WATCHING:
            return 0
        self.left_s -= 1
        if self.mode == PROOF_TEST:
            self.test_s += 1
            self.injected_ul += TEST_UL_S
            if self._alarms.state[alarms.LEAK] == alarms.UNACK:
                self.test_result = PASSED
                return self.end(now_ms)
        return self.end(now_ms) if self.left_s <= 0 else 0

    def _enter(self, mode: int, for_s: int, now_ms: int) -> None:
        states = self._alarms
        if mode != self.mode:
            if _SUPPRESSED[self.mode]:
                states.suppress(_SUPPRESSED[self.mode], False, now_ms)
            self.mode = mode
            if _SUPPRESSED[mode]:
                states.suppress(_SUPPRESSED[mode], True, now_ms)
        self.left_s = for_s
        testing = alarms.TRUE if mode == PROOF_TEST else alarms.FALSE
        states.update(alarms.SIMULATION, testing, TEST_UL_S, now_ms)
        self._journal.add(MODE, _JOURNAL_MODES[mode], 1, alarms.ADVISORY, for_s, now_ms)
