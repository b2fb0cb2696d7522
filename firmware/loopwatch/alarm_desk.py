"""What a person can order of alarms and modes: the rows ALARm and MODE of the desk.

Handlers take strings and return a reply or None; what they refuse raises scpi.ScpiError with the reason.
"""

from . import alarms, modes, scpi
from .port import const

LIST_MAX_N = const(88)  # of a tagged reply's line of 120
ALL = "ALL"
_LEAKS = (alarms.LEAK, alarms.LEAK_SEEP, alarms.LEAK_RUPTURE)


class AlarmDesk:
    """Orders about the alarms of one board. modes and outputs are None where nothing is watched (safe mode).

    leak_was_reset, work: what the rest of the firmware must do for an order; whoever does it clears them. evidence:
    asked for the largest evidence of a leak, in thousandths of its threshold.
    """

    def __init__(self, states: alarms.Alarms, mode=None, outputs=None, evidence=None) -> None:
        self.now_ms = 0
        self.leak_was_reset = False
        self.work = 0
        self._alarms = states
        self._modes = mode
        self._outputs = outputs
        self._evidence = evidence
        self.rows = (
            ("ALARm:LIST?", self._list, 0, "name=STATE of every alarm that is not NORM; +n for those that do not fit"),
            (
                "ALARm:STATe?",
                self._states,
                0,
                "a digit per alarm of the table: place in " + ",".join(alarms.STATE_NAMES),
            ),
            ("ALARm:DETail?", self._detail, 1, "state, active, value, seconds on the shelf, stale"),
            ("ALARm:FIRSt?", self._first, 0, "alarm that stood first of those that stand; empty without one"),
            ("ALARm:ACKnowledge", self._acknowledge, 1, "a person has seen this alarm, or ALL"),
            ("ALARm:RESet", self._reset, 1, "end a latched alarm whose condition is gone"),
            ("ALARm:SHELve", self._shelve, 2, "name, seconds: do not tell people for so long"),
            ("ALARm:UNSHelve", self._unshelve, 1, "tell people again"),
            ("ALARm:OUT", self._out, 1, "out of service until ALARm:BACK"),
            ("ALARm:BACK", self._back, 1, "in service again"),
            ("ALARm:SILence", self._silence, 0, "the horn is silent until another alarm comes"),
            ("MODE?", self._mode, 0, "mode, seconds left, ARMED or WATCH"),
            ("MODE:STARt", self._start_up, 1, "seconds: start-up inhibit"),
            ("MODE:SERVice", self._service, 1, "seconds: the loop is refilled or bled; a new baseline at the end"),
            ("MODE:END", self._end, 0, "end the mode now"),
            ("MODE:ARM", self._arm, 0, "alarms that trip drop the interlock"),
            ("MODE:WATCh", self._watch, 0, "only hard limits drop the interlock"),
            ("MODE:TEST", self._test, 0, "proof test: a simulated leak, the interlock drops"),
            ("MODE:TEST?", self._test_result, 0, "result of the latest proof test, seconds"),
        )

    def _list(self) -> str:
        words = []
        length_n = 0
        left_n = 0
        for i in range(alarms.ALARM_N):
            if self._alarms.state[i] == alarms.NORM:
                continue
            word = alarms.TABLE[i][0] + "=" + alarms.STATE_NAMES[self._alarms.state[i]]
            if left_n or length_n + len(word) > LIST_MAX_N:
                left_n += 1
            else:
                words.append(word)
                length_n += len(word) + 1
        if left_n:
            words.append("+{}".format(left_n))
        return " ".join(words)

    def _states(self) -> str:
        return "".join(str(state) for state in self._alarms.state)

    def _detail(self, name: str) -> str:
        alarm = self._alarm(name)
        states = self._alarms
        return "{},{},{},{},{}".format(
            alarms.STATE_NAMES[states.state[alarm]],
            1 if states.active(alarm) else 0,
            states.value[alarm],
            states.shelf_s(alarm),
            1 if states.stale(alarm) else 0,
        )

    def _first(self) -> str:
        first = self._alarms.first_out
        return "" if first == alarms.NONE else alarms.TABLE[first][0]

    def _acknowledge(self, name: str) -> None:
        if name.upper() == ALL:
            self._alarms.acknowledge_all(self.now_ms)
            return
        done = False
        for alarm in self._one_matter(name):
            done = self._alarms.acknowledge(alarm, self.now_ms) or done
        if not done:
            raise scpi.ScpiError(scpi.EXECUTION_ERROR, name + " has nothing to acknowledge")

    def _reset(self, name: str) -> None:
        alarm = self._alarm(name)
        done = False
        for each in self._one_matter(name):
            done = self._alarms.reset(each, self.now_ms) or done
        if not done:
            state = alarms.STATE_NAMES[self._alarms.state[alarm]]
            why = (
                " is LATCH, and nobody knows that it is gone" if state == "LATCH" else " is " + state + " and not LATCH"
            )
            raise scpi.ScpiError(scpi.EXECUTION_ERROR, name + why)
        self.leak_was_reset = self.leak_was_reset or bool(alarms.LEAK_BITS >> alarm & 1)

    def _shelve(self, name: str, seconds: str) -> None:
        alarm = self._alarm(name)
        for_s = _number(seconds, alarms.SHELF_MAX_S)
        if not self._alarms.shelve(alarm, for_s, self.now_ms):
            raise scpi.ScpiError(scpi.EXECUTION_ERROR, name + " must stay in sight")

    def _unshelve(self, name: str) -> None:
        if not self._alarms.unshelve(self._alarm(name), self.now_ms):
            raise scpi.ScpiError(scpi.EXECUTION_ERROR, name + " is not shelved")

    def _out(self, name: str) -> None:
        alarm = self._alarm(name)
        if not self._alarms.set_out_of_service(alarm, True, self.now_ms):
            why = " is out already" if self._alarms.may_be_covered(alarm) else " must stay in sight"
            raise scpi.ScpiError(scpi.EXECUTION_ERROR, name + why)

    def _back(self, name: str) -> None:
        if not self._alarms.set_out_of_service(self._alarm(name), False, self.now_ms):
            raise scpi.ScpiError(scpi.EXECUTION_ERROR, name + " is in service")

    def _silence(self) -> None:
        if self._outputs is not None:
            self._outputs.silence(self._alarms)

    def _mode(self) -> str:
        mode = self._watched()
        return "{},{},{}".format(modes.NAMES[mode.mode], mode.left_s, "ARMED" if self._alarms.armed else "WATCH")

    def _start_up(self, seconds: str) -> None:
        if not self._watched().ask_start_up(_number(seconds, modes.START_MAX_S), self.now_ms):
            self._refuse_mode()

    def _service(self, seconds: str) -> None:
        if not self._watched().ask_service(_number(seconds, modes.SERVICE_MAX_S), self.now_ms):
            self._refuse_mode()

    def _end(self) -> None:
        self.work |= self._watched().end(self.now_ms)

    def _arm(self) -> None:
        self._watched().arm(True, self.now_ms)

    def _watch(self) -> None:
        self._watched().arm(False, self.now_ms)

    def _test(self) -> None:
        if not self._watched().ask_test(self._evidence(), self.now_ms):
            if self._alarms.alarm_bits & alarms.LEAK_BITS or self._modes.mode == modes.WATCHING:
                raise scpi.ScpiError(scpi.EXECUTION_ERROR, "a leak stands or is suspected")
            self._refuse_mode()

    def _test_result(self) -> str:
        mode = self._watched()
        return "{},{}".format(modes.RESULT_NAMES[mode.test_result], mode.test_s)

    def _watched(self):
        if self._modes is None:
            raise scpi.ScpiError(scpi.EXECUTION_ERROR, "nothing is monitored")
        return self._modes

    def _refuse_mode(self) -> None:
        raise scpi.ScpiError(scpi.EXECUTION_ERROR, "the board is in mode " + modes.NAMES[self._modes.mode])

    def _one_matter(self, name: str):
        """The alarms that one order is about: the classes of a leak are one leak, that one person has looked at."""
        alarm = self._alarm(name)
        return _LEAKS if alarm in _LEAKS else (alarm,)

    def _alarm(self, name: str) -> int:
        index = alarms.index_of(name.lower())
        if index < 0:
            raise scpi.ScpiError(scpi.ILLEGAL_PARAMETER, "no alarm " + name[:24])
        return index


def _number(text: str, most: int) -> int:
    """A whole number from 1 to most."""
    try:
        value = int(text)
    except ValueError:
        raise scpi.ScpiError(scpi.ILLEGAL_PARAMETER, text[:16]) from None
    if not 1 <= value <= most:
        raise scpi.ScpiError(scpi.DATA_OUT_OF_RANGE, "{}: 1 to {}".format(text[:16], most))
    return value
