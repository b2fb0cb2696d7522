"""The line view: one line a second for a person at the bench, and a line more for whatever must not be missed.

Pressures in bar, temperatures in °C, what is missing of the coolant in mL, evidence, and the alarms that stand. A
channel without a value shows why in words, never a number. Colours are rich's (none when it is no terminal, or with
NO_COLOR), and nothing is told by colour alone.
"""

import time
from collections.abc import Callable

from rich.console import Console
from rich.text import Text as Styled

from loopwatch import detector, sample
from loopwatch.alarms import ADVISORY
from loopwatch.telemetry import BASELINE_SETTLED, BLIND

from .messages import (
    NE107_NAMES,
    RESET_CAUSES,
    AlarmChange,
    Connected,
    Disconnected,
    Gap,
    Identified,
    Message,
    Mismatch,
    Record,
    Started,
    Text,
    alarm_change,
    channel_status,
    event_words,
    is_leak,
    priority_of,
    standing_alarms,
)

URGENT_STYLE = "bold white on red"
FAULT_STYLE = "bold yellow"
FAINT_STYLE = "dim"
BENCH_STYLE = "magenta"
PRIORITY_STYLES = {1: URGENT_STYLE, 2: "bold red", 3: "bold yellow", 4: "cyan"}

ALARM_WORDS = {"ACKED": "ACKNOWLEDGED", "RTNUN": "RETURNED", "LATCH": "LATCHED", "NORM": "NORMAL"}

STALE_AFTER_S = 2.0
STALE_EVERY_S = 10.0

# Place in sample.CHANNELS, label on a wide and on a narrow terminal, divisor to the unit shown, unit, decimals, width.
COLUMNS = (
    (sample.P_STATIC, ("static", "stat"), 100_000, "bar", 3, 9),
    (sample.P_PUMP, ("pump", "pump"), 100_000, "bar", 3, 9),
    (sample.T_SOURCE, ("source", "src"), 1_000, "°C", 2, 8),
    (sample.T_RADIATOR, ("radiator", "rad"), 1_000, "°C", 2, 8),
    (sample.T_DOME, ("dome", "dome"), 1_000, "°C", 2, 8),
)
RESIDUAL_LABELS = ("residual", "res")
EVIDENCE_LABELS = ("evidence", "evid")
RESIDUAL_WIDTH_N = 9
WIDE_N = 150
MEMBERS = tuple(member[0] for member in detector.MEMBERS)


def duration_words(seconds: float) -> str:
    """A duration as people say it: `40 s`, `1 min 25 s`, `3 h 10 min`."""
    whole_s = round(seconds)
    if whole_s < 60:
        return f"{whole_s} s"
    if whole_s < 3600:
        return f"{whole_s // 60} min {whole_s % 60} s"
    return f"{whole_s // 3600} h {whole_s % 3600 // 60} min"


def rate_words(rate_ul_min: int) -> str:
    """A leak rate in the unit that suits its size: mL/min from 1 mL/min on, else mL/h."""
    if abs(rate_ul_min) >= 1000:
        return f"{rate_ul_min / 1000:.1f} mL/min"
    return f"{rate_ul_min * 60 / 1000:.1f} mL/h"


def leak_words(decision: Record | None) -> str:
    """What a decision record says of a leak: rate, volume lost, time left; what it does not know is left out."""
    if decision is None:
        return ""
    words = []
    rate_ul_min, lost_ul = decision.values["rate_ul_min"], decision.values["lost_ul"]
    time_left_s = decision.values["time_left_s"]
    if rate_ul_min is not None:
        words.append(f"rate {rate_words(rate_ul_min)}")
    if lost_ul is not None:
        words.append(f"lost {lost_ul / 1000:.1f} mL")
    if time_left_s is not None:
        words.append(f"time left {duration_words(time_left_s)}")
    return "  ".join(words)


class LineView:
    """Prints messages to a console as they come. Call tick() now and then, so that silence is told too.

    board_time: lines begin with the time since the board's start instead of the time of day, for a board whose clock
    does not keep pace with the wall's. alarm_lines: what was printed of alarms, for the summary at the end.
    """

    def __init__(
        self, console: Console, board_time: bool = False, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self.alarm_lines: list[str] = []
        self._console = console
        self._board_time = board_time
        self._narrow = console.width < WIDE_N
        self._heard_to_ms = 0
        self._clock_s = clock_s
        self._mean: Record | None = None
        self._decision: Record | None = None
        self._said_s = -STALE_EVERY_S
        self._heard_s = clock_s()
        self._connected = True

    def show(self, message: Message) -> None:
        """Print what a message has for people."""
        if isinstance(message, Record):
            self._heard_s = self._clock_s()
            self._said_s = -STALE_EVERY_S
            self._show_record(message)
        elif isinstance(message, Gap):
            self._note(message.at_s, f"GAP  {message.lost_n} {message.name} records did not arrive", FAULT_STYLE)
        elif isinstance(message, Connected):
            self._connected = True
            self._heard_s = self._clock_s()
            self._note(message.at_s, f"CONNECTED  {message.port}")
        elif isinstance(message, Disconnected):
            self._connected = False
            self._note(message.at_s, f"DISCONNECTED  {message.reason}", URGENT_STYLE)
        elif isinstance(message, Started):
            self._show_start(message)
        elif isinstance(message, Identified):
            self._note(message.at_s, f"BOARD  {message.board_id}, firmware {message.firmware}")
        elif isinstance(message, Mismatch):
            self._note(message.at_s, f"MISMATCH  {message.text}", FAULT_STYLE)
        elif isinstance(message, Text):
            self._note(message.at_s, f"TEXT  {message.text}", FAINT_STYLE)

    def narrate(self, text: str) -> None:
        """Print what the virtual bench does to the loop."""
        self._note(time.time(), f"BENCH  {text}", BENCH_STYLE)

    def tick(self) -> None:
        """Say that nothing comes, every STALE_EVERY_S while it lasts."""
        now_s = self._clock_s()
        silent_s = now_s - self._heard_s
        if not self._connected or silent_s < STALE_AFTER_S or now_s - self._said_s < STALE_EVERY_S:
            return
        self._said_s = now_s
        words = f"STALE  nothing from the board for {silent_s:.0f} s; what stands above is old"
        if self._mean is None:
            words = f"WAITING  nothing from the board for {silent_s:.0f} s (at its prompt? busy?): plug it in anew"
        self._note(time.time(), words, FAULT_STYLE)

    def _show_record(self, record: Record) -> None:
        self._heard_to_ms = max(self._heard_to_ms, record.t_ms)
        if record.name == "mean":
            self._mean = record
        elif record.name == "decision":
            self._decision = record
        elif record.name == "event":
            self._show_event(record)
        elif record.name == "heartbeat":
            self._show_second(record)

    def _show_start(self, started: Started) -> None:
        self._mean = self._decision = None
        self._heard_to_ms = 0
        if started.boot is None:
            if started.epoch_n > 1:
                words = "RESTARTED  the board has started anew; its first line was not heard"
                self._note(started.at_s, words, FAULT_STYLE)
            return
        cause = RESET_CAUSES.get(started.boot.values["reset_cause_n"] or 0, "unknown cause")
        style = "" if started.boot.values["reset_cause_n"] == 1 else FAULT_STYLE
        self._note(started.at_s, f"STARTED  {cause}", style)
        reason_n = started.boot.values["not_monitoring_n"]
        if reason_n:
            self._note(started.at_s, f"NOT MONITORING  the board says reason {reason_n}", URGENT_STYLE)

    def _show_event(self, event: Record) -> None:
        change = alarm_change(event)
        if change is None:
            self._note(event.at_s, f"EVENT  {event_words(event)}", FAINT_STYLE)
            return
        text = f"{_alarm_word(change)}  {change.name}  {change.state}  priority {change.priority_n}"
        if is_leak(change.name):
            text = f"{text}  {leak_words(self._decision)}".rstrip()
        style = PRIORITY_STYLES.get(change.priority_n, "bold")
        if change.state in ("NORM", "RTNUN", "LATCH"):
            style = "green"
        self.alarm_lines.append(f"{self._stamp(event.at_s)}  {text}")
        self._note(event.at_s, text, style)

    def _show_second(self, heartbeat: Record) -> None:
        line = Styled(self._stamp(heartbeat.at_s))
        mean = self._mean
        old = mean is None or heartbeat.t_ms - mean.t_ms > 3_000
        for channel, labels, divisor, unit, decimals, width_n in COLUMNS:
            line.append(f"  {labels[self._narrow]} ", FAINT_STYLE)
            if mean is None or old:
                line.append(f"{'stale' if mean else 'starting':>{width_n}}", FAULT_STYLE)
                continue
            words = channel_status(mean, channel).replace("_", " ")
            value = mean.values[sample.CHANNELS[channel]]
            if value is None:
                line.append(f"{words:>{width_n}}", FAINT_STYLE if words == "absent" else FAULT_STYLE)
            else:
                line.append(f"{value / divisor:.{decimals}f} {unit}".rjust(width_n))
                if words != "good":
                    line.append(f" {words}", FAULT_STYLE)
        self._append_decision(line)
        self._append_state(line, heartbeat)
        self._print(line)

    def _append_decision(self, line: Styled) -> None:
        decision = self._decision
        line.append(f"  {RESIDUAL_LABELS[self._narrow]} ", FAINT_STYLE)
        residual_ul = decision.values["residual_ul"] if decision else None
        state_bits = (decision.values["state_bits"] or 0) if decision else 0
        if decision is None or residual_ul is None:
            word = "blind" if state_bits & BLIND else "settling" if not state_bits & BASELINE_SETTLED else "none"
            line.append(f"{word:>{RESIDUAL_WIDTH_N}}", FAULT_STYLE)
            return
        line.append(f"{residual_ul / 1000:+.2f} mL".rjust(RESIDUAL_WIDTH_N))
        permille = [(decision.values[f"evidence_{member}_permille"] or 0, member) for member in MEMBERS]
        most, member = max(permille, key=lambda entry: entry[0])
        line.append(f"  {EVIDENCE_LABELS[self._narrow]} ", FAINT_STYLE)
        style = "" if most < 500 else FAULT_STYLE if most < 1000 else URGENT_STYLE
        line.append(f"{most / 10:3.0f} %" + ("" if self._narrow or most < 100 else f" {member}"), style)

    def _append_state(self, line: Styled, heartbeat: Record) -> None:
        standing = standing_alarms(heartbeat.values["alarm_bits"] or 0)
        urgent = [name for name in standing if priority_of(name) < ADVISORY]
        ne107_n = heartbeat.values["ne107_n"] or 0
        if urgent:
            style = URGENT_STYLE if min(priority_of(name) for name in urgent) == 1 else FAULT_STYLE
            line.append("  ")
            line.append(f"ALARM {', '.join(urgent)}", style)
        elif standing:
            line.append(f"  {', '.join(standing).replace('_', ' ')}", FAINT_STYLE)
        else:
            word = NE107_NAMES[ne107_n] if 0 <= ne107_n < len(NE107_NAMES) else f"status {ne107_n}"
            line.append(f"  {word}", "green" if ne107_n == 0 else FAULT_STYLE)
        for field, word in (("late_n", "late"), ("dropped_n", "dropped"), ("bus_error_n", "bus errors")):
            count = heartbeat.values[field]
            if count:
                line.append(f"  {word} {count}", FAINT_STYLE)

    def _note(self, at_s: float, text: str, style: str = "") -> None:
        line = Styled(f"{self._stamp(at_s)}  ")
        line.append(text, style)
        self._print(line)

    def _stamp(self, at_s: float) -> str:
        if not self._board_time:
            return time.strftime("%H:%M:%S", time.localtime(at_s))
        whole_s = self._heard_to_ms // 1000
        return f"{whole_s // 3600:02}:{whole_s // 60 % 60:02}:{whole_s % 60:02}"

    def _print(self, line: Styled) -> None:
        self._console.print(line, soft_wrap=True, highlight=False)


def _alarm_word(change: AlarmChange) -> str:
    return ALARM_WORDS.get(change.state, "ADVICE" if change.priority_n == ADVISORY else "ALARM")
