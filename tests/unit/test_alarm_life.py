"""The whole life of alarms against a model of the ISA-18.2 diagram that shares nothing with the firmware's.

The model is the standard's own picture (ANSI/ISA-18.2-2016, alarm state transition diagram) as a dictionary from
(state, what happens) to state, with latching, covers, delays in seconds and restarts around it.
"""

from array import array
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from loopwatch import alarms
from loopwatch.journal import CAPACITY_N, Journal
from loopwatch.wire import Record

STEP_MS = 100

DIAGRAM = {
    ("NORM", "occurs"): "UNACK",
    ("UNACK", "acknowledge"): "ACKED",
    ("UNACK", "returns"): "RTNUN",
    ("ACKED", "re-alarm"): "UNACK",
    ("ACKED", "returns"): "NORM",
    ("RTNUN", "occurs"): "UNACK",
    ("RTNUN", "acknowledge"): "NORM",
}
# A latching alarm goes to LATCH wherever the plain one would be normal again without anybody's reset.
LATCHING = DIAGRAM | {
    ("ACKED", "returns"): "LATCH",
    ("RTNUN", "acknowledge"): "LATCH",
    ("LATCH", "occurs"): "UNACK",
    ("LATCH", "reset"): "NORM",
}


@dataclass
class Model:
    """One alarm as a person would follow it with a stopwatch."""

    index: int
    latches: bool
    trips: bool
    on_s: float
    off_s: float
    again_s: int
    may_cover: bool
    in_start: bool
    in_service: bool
    told: bool | None = None
    differs_s: float | None = None
    in_alarm: bool = False
    shown: str = "NORM"
    covers: set = field(default_factory=set)
    owed: bool = False
    shelf_s: int = 0
    acked_s: int = 0
    changes: int = 0

    def happens(self, what: str) -> bool:
        after = (LATCHING if self.latches else DIAGRAM).get((self.shown, what))
        if self.covers or after is None:
            return False
        self._show(after)
        return True

    def hears(self, now_s: float) -> None:
        """The condition as told, held against the delays."""
        if self.told is None or self.told == self.in_alarm:
            self.differs_s = None
            return
        if self.differs_s is None:
            self.differs_s = now_s
        delay_s = self.on_s if self.told else self.off_s
        if now_s - self.differs_s >= delay_s - 1e-9:
            self.differs_s = None
            self.in_alarm = self.told
            if self.covers:
                self._cover_shown()
            else:
                self.happens("occurs" if self.in_alarm else "returns")

    def cover(self, what: str, on: bool) -> None:
        (self.covers.add if on else self.covers.discard)(what)
        if self.covers:
            self._cover_shown()
        else:
            self._show("UNACK" if self.in_alarm else "RTNUN" if self.owed else "NORM")

    def second(self) -> None:
        if self.shelf_s:
            self.shelf_s -= 1
            if not self.shelf_s:
                self.cover("shelf", False)
        elif self.shown == "ACKED" and self.again_s:
            self.acked_s += 1
            if self.acked_s >= self.again_s:
                self.happens("re-alarm")

    def restart(self) -> None:
        self.told = self.differs_s = None
        self.acked_s = 0
        if "design" in self.covers:
            self.cover("design", False)

    @property
    def holds_pump(self) -> bool:
        standing = self.shown in ("UNACK", "ACKED", "RTNUN", "LATCH")
        return self.trips and (standing or (self.shown == "SHELVED" and (self.in_alarm or self.owed)))

    def _cover_shown(self) -> None:
        shown = "OOSRV" if "out" in self.covers else "SUPPR" if "design" in self.covers else "SHELVED"
        if shown == "SHELVED" and self.in_alarm and self.latches:
            self.owed = True
        self._show(shown)

    def _show(self, shown: str) -> None:
        self.shown = shown
        self.changes += 1
        if shown == "UNACK":
            self.owed = self.latches
        elif shown == "NORM":
            self.owed = False
        elif shown == "ACKED":
            self.acked_s = 0


# name, latches, drops the interlock, on, off, re-alarm in s, may be shelved, suppressed in start-up, in service:
# written down from what people were told about these alarms, not read from the table.
ALARMS = {
    "leak": (True, True, 0, 10, 3600, True, False, True),
    "leak_rupture": (True, True, 0, 10, 600, False, False, False),
    "blind": (False, True, 3, 3, 3600, False, False, False),
    "pressure_low": (False, False, 3, 10, 3600, True, True, True),
    "sensor_fault_t_dome": (False, False, 1, 3, 86400, True, False, False),
}
# Two alarms a run, one of them most of the time: what happens to the same alarm again and again is its life.
WHICH = st.sampled_from([0, 0, 0, 0, 1])
STEPS = st.sampled_from([1, 5, 9, 10, 11, 29, 30, 31, 32, 99, 100, 101, 102, 130])


class Life(RuleBasedStateMachine):
    """Conditions, people, modes, time and restarts in any order."""

    @initialize(names=st.permutations(sorted(ALARMS)))
    def begin(self, names: list[str]) -> None:
        self.names = names
        self.journal = Journal()
        self.engine = alarms.Alarms(self.journal)
        self.models = {name: Model(alarms.index_of(name), *facts) for name, facts in ALARMS.items()}
        self.now_ms = (1 << 30) - 5_000  # the board's clock wraps soon
        self.step_n = 0
        self.mode = ""

    @property
    def now_s(self) -> float:
        return self.step_n * STEP_MS / 1000

    def at(self) -> int:
        return self.now_ms & ((1 << 30) - 1)

    @rule(which=WHICH, told=st.sampled_from([True, True, False, False, None]), steps=STEPS)
    def condition(self, which: int, told: bool | None, steps: int) -> None:
        self.tell(which, told, steps)

    def tell(self, which: int, told: bool | None, steps: int) -> None:
        """An alarm's condition for so many samples; the others' stay what they were."""
        self.models[self.names[which]].told = told
        for _ in range(steps):
            for model in self.models.values():
                model.hears(self.now_s)
                word = alarms.UNKNOWN if model.told is None else alarms.TRUE if model.told else alarms.FALSE
                self.engine.update(model.index, word, 5, self.at())
            self.now_ms += STEP_MS
            self.step_n += 1

    @rule(which=WHICH)
    def it_occurs(self, which: int) -> None:
        """Long enough for every on-delay here."""
        self.tell(which, True, 31)

    @rule(which=WHICH)
    def it_returns(self, which: int) -> None:
        """Long enough for every off-delay here."""
        self.tell(which, False, 101)

    @rule(seconds=st.sampled_from([1, 30, 700, 4000]))
    def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            self.engine.tick(self.at())
            for model in self.models.values():
                model.second()

    @rule(which=WHICH)
    def acknowledge(self, which: int) -> None:
        name = self.names[which]
        expected = self.models[name].happens("acknowledge")
        assert self.engine.acknowledge(self.models[name].index, self.at()) == expected

    @rule()
    def press_the_button(self) -> None:
        self.engine.acknowledge_all(self.at())
        for model in self.models.values():
            model.happens("acknowledge")

    @rule(which=WHICH)
    def reset(self, which: int) -> None:
        name = self.names[which]
        model = self.models[name]
        expected = model.told is False and model.happens("reset")
        assert self.engine.reset(model.index, self.at()) == expected

    @rule(which=WHICH, for_s=st.integers(0, 900))
    def shelve(self, which: int, for_s: int) -> None:
        name = self.names[which]
        model = self.models[name]
        allowed = model.may_cover and for_s > 0
        assert self.engine.shelve(model.index, for_s, self.at()) == allowed
        if allowed:
            model.shelf_s = for_s
            model.cover("shelf", True)

    @rule(which=WHICH)
    def unshelve(self, which: int) -> None:
        name = self.names[which]
        model = self.models[name]
        assert self.engine.unshelve(model.index, self.at()) == ("shelf" in model.covers)
        if "shelf" in model.covers:
            model.shelf_s = 0
            model.cover("shelf", False)

    @rule(which=WHICH, out=st.booleans())
    def service_of_the_alarm(self, which: int, out: bool) -> None:
        name = self.names[which]
        model = self.models[name]
        expected = ("out" in model.covers) != out and (model.may_cover or not out)
        assert self.engine.set_out_of_service(model.index, out, self.at()) == expected
        if expected:
            model.cover("out", out)

    @rule(mode=st.sampled_from(["start", "service"]))
    def mode_begins_or_ends(self, mode: str) -> None:
        if self.mode not in ("", mode):
            return
        on = self.mode == ""
        self.mode = mode if on else ""
        self.engine.suppress(alarms.IN_START if mode == "start" else alarms.IN_SERVICE, on, self.at())
        for model in self.models.values():
            if model.in_start if mode == "start" else model.in_service:
                model.cover("design", on)

    @rule(which=WHICH)
    def a_new_baseline(self, which: int) -> None:
        """What was judged by the old one is gone, if the alarm is covered; else a person has to deal with it."""
        name = self.names[which]
        model = self.models[name]
        self.engine.forget(model.index)
        if model.covers:
            model.in_alarm = False
            model.told = model.differs_s = None

    @rule()
    def restart(self) -> None:
        words = array("i", bytes(4 * alarms.WORD_N))
        n = self.engine.save_words(words)
        self.journal = Journal()
        self.engine = alarms.Alarms(self.journal)
        assert self.engine.load_words(words, n, self.at())
        self.mode = ""
        for model in self.models.values():
            model.restart()

    @invariant()
    def agrees(self) -> None:
        for name, model in self.models.items():
            assert alarms.STATE_NAMES[self.engine.state[model.index]] == model.shown, name
            assert self.engine.active(model.index) == model.in_alarm, name
            assert self.engine.shelf_s(model.index) == model.shelf_s, name
        assert self.engine.tripped == any(model.holds_pump for model in self.models.values())
        for model in self.models.values():
            assert self.engine.alarm_bits >> model.index & 1 == (model.shown != "NORM")
            assert self.engine.unack_bits >> model.index & 1 == (model.shown == "UNACK")

    @invariant()
    def the_journal_ends_where_the_states_are(self) -> None:
        record = Record("E")
        seen = {}
        for seq in range(self.journal.oldest_seq(), self.journal.seq + 1):
            self.journal.load(seq, record)
            seen[record.values[1]] = record.values[2]
        for model in self.models.values():
            if model.index in seen or self.journal.seq < CAPACITY_N:
                assert alarms.STATE_NAMES[seen.get(model.index, alarms.NORM)] == model.shown


Life.TestCase.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
TestLife = Life.TestCase
