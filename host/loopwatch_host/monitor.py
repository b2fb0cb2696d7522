"""The line view: one line a second for a person at the bench, and a line more for whatever must not be missed.

Pressures in bar, temperatures in °C, what is missing of the coolant in mL, evidence, and the alarms that stand. A
channel without a value shows why in words, never a number. Colours are rich's (none when it is no terminal, or with
NO_COLOR), and nothing is told by colour alone.
"""

import time
from collections.abc import Callable

from rich.console import Console
from rich.text import Text as Styled

from loopwatch import guard, sample
from loopwatch.alarms import ADVISORY
from loopwatch.telemetry import BASELINE_SETTLED, BLIND

from .desk import notes
from .desk.notes import Note, notes_of
from .desk.words import clock_words
from .messages import (
    NE107_NAMES,
    Connected,
    Disconnected,
    Message,
    Record,
    Started,
    channel_status,
    priority_of,
    standing_alarms,
)

URGENT_STYLE = "bold white on red"
FAULT_STYLE = "bold yellow"
FAINT_STYLE = "dim"
GRADE_STYLES = {
    notes.PLAIN: "",
    notes.FAINT: FAINT_STYLE,
    notes.GOOD: "green",
    notes.ADVICE: "cyan",
    notes.FAULT: FAULT_STYLE,
    notes.HIGH: "bold red",
    notes.URGENT: URGENT_STYLE,
    notes.BENCH: "magenta",
}

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
CLASSES = guard.CLASS_NAMES


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
        elif isinstance(message, Connected):
            self._connected = True
            self._heard_s = self._clock_s()
        elif isinstance(message, Disconnected):
            self._connected = False
        elif isinstance(message, Started):
            self._mean = self._decision = None
            self._heard_to_ms = 0
        for note in notes_of(message, self._decision):
            if note.is_alarm:
                self.alarm_lines.append(f"{self._stamp(note.at_s)}  {note.text}")
            self._print_note(note)

    def narrate(self, text: str) -> None:
        """Print what the virtual bench does to the loop."""
        self._print_note(Note(time.time(), f"BENCH  {text}", notes.BENCH))

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
        self._print_note(Note(time.time(), words, notes.FAULT))

    def _show_record(self, record: Record) -> None:
        self._heard_to_ms = max(self._heard_to_ms, record.t_ms)
        if record.name == "mean":
            self._mean = record
        elif record.name == "decision":
            self._decision = record
        elif record.name == "heartbeat":
            self._show_second(record)

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
        permille = [(decision.values[f"evidence_{name}_permille"] or 0, name) for name in CLASSES]
        most, name = max(permille, key=lambda entry: entry[0])
        line.append(f"  {EVIDENCE_LABELS[self._narrow]} ", FAINT_STYLE)
        style = "" if most < 500 else FAULT_STYLE if most < 1000 else URGENT_STYLE
        line.append(f"{most / 10:3.0f} %" + ("" if self._narrow or most < 100 else f" {name}"), style)

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

    def _print_note(self, note: Note) -> None:
        line = Styled(f"{self._stamp(note.at_s)}  ")
        line.append(note.text, GRADE_STYLES[note.grade])
        self._print(line)

    def _stamp(self, at_s: float) -> str:
        if not self._board_time:
            return time.strftime("%H:%M:%S", time.localtime(at_s))
        return clock_words(self._heard_to_ms / 1000)

    def _print(self, line: Styled) -> None:
        self._console.print(line, soft_wrap=True, highlight=False)
