"""The panels beside the charts: what the board is, figures, evidence, alarms, and what happened.

Each is drawn anew from the desk's picture of the loop; none remembers anything but where a person has put the cursor.
"""

from rich.table import Table
from rich.text import Text
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from ..desk.loop import AlarmRow, Loop, Reading
from ..desk.words import age_words, duration_words
from .style import FAINT, FAULT, GOOD, GRADE_STYLES, PRIORITY_STYLES, STATE_STYLES, URGENT

BAR_N = 20
TWO_COLUMNS_N = 54  # of a panel that is wide enough for figures side by side
STATES_N = 48  # of a list of alarms that has room for the name of a state beside its words
EVIDENCE_FULL = 1.25  # a bar's end, in thresholds


def _lines(lines: list[Text]) -> Text:
    """Lines under each other, each cut where the panel ends."""
    return Text("\n", no_wrap=True, overflow="ellipsis").join(lines)


class Status(Static):
    """Two lines across the top: the one sentence that matters most, and who says it."""

    def draw(self, loop: Loop, title: str) -> None:
        """Draw the loop's state."""
        grade, words = loop.verdict()
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(f" {words} ", {"urgent": URGENT, "fault": f"{FAULT} reverse", "good": f"{GOOD} reverse"}[grade])
        line.append(f"  {loop.commissioning()}", FAINT if loop.commissioning() == "commissioned" else "")
        line.append(f"  {loop.pump()}" + (f"  {loop.mode}" if loop.mode else ""), FAINT)
        who = f"board {loop.board_id[-8:]}, firmware {loop.firmware}" if loop.board_id else "board not identified yet"
        second = Text(f" {title}  {who}", FAINT, no_wrap=True, overflow="ellipsis")
        self.update(_lines([line, second]))


class Figures(Static):
    """Every measured figure, the inventory, and what is known of a leak."""

    def draw(self, loop: Loop) -> None:
        """Draw the figures of the latest second."""
        rows = [("inventory", _aged(Text(loop.residual_words(), "bold"), loop))]
        for label, figure in (loop.nearest_level(), *loop.leak_figures()):
            rows.append((label, Text(figure, FAINT) if figure == "–" else _aged(Text(figure, "bold"), loop)))
        rows += [_reading(reading, loop) for reading in loop.readings()] or [("measured", Text("starting", FAULT))]
        pairs_n = 2 if self.size.width >= TWO_COLUMNS_N else 1
        high_n = -(-len(rows) // pairs_n)
        grid = Table.grid(padding=(0, 1), expand=True)
        for _ in range(pairs_n):
            grid.add_column(no_wrap=True)
            grid.add_column(justify="right", no_wrap=True, ratio=1)
        for place in range(high_n):
            grid.add_row(*(cell for row in rows[place::high_n] for cell in row))
        self.update(grid)


def _reading(reading: Reading, loop: Loop) -> tuple[str, Text]:
    label = f"{reading.figure.label} ({reading.figure.mark})"
    if reading.value is None or reading.status == "stale":
        return label, Text(reading.status, FAINT if reading.status == "absent" else FAULT)
    words = _aged(Text(reading.figure.words(reading.value)), loop)
    if reading.status != "good":
        words.append(f" {reading.status}", FAULT)
    return label, words


def _aged(words: Text, loop: Loop) -> Text:
    """A figure that is old stands in brackets, grey, with the word for it."""
    return Text(f"({words.plain}) old", FAINT) if loop.stale else words


class Evidence(Static):
    """A bar for each class of leak; the mark is its threshold."""

    def draw(self, loop: Loop) -> None:
        """Draw the evidence of the latest second."""
        lines = []
        for name, part in loop.evidence():
            line = Text(f"{name:<8}", no_wrap=True, overflow="crop")
            if part is None or loop.stale:
                unsure = loop.stale or loop.decided("residual_ul") is None
                words = "old" if part is not None else loop.unwatched_words()
                lines.append(line.append(words, FAULT if unsure else FAINT))
                continue
            style = URGENT.split(" on ")[-1] if part >= 1 else "#e69f00" if part >= 0.5 else GOOD
            line.append_text(bar(part, style))
            line.append(f" {part * 100:4.0f} %", "bold" if part >= 1 else "")
            lines.append(line.append(" over" if part >= 1 else "", "bold"))
        self.update(_lines(lines))


def bar(part: float, style: str, width_n: int = BAR_N) -> Text:
    """A bar of part over EVIDENCE_FULL with its threshold marked at 1."""
    at_n = round(width_n / EVIDENCE_FULL)
    filled_n = min(width_n, round(part * at_n))
    drawn = Text()
    for place in range(width_n + 1):
        if place == at_n:
            drawn.append("┃" if filled_n > at_n else "│")
        else:
            inside = place < filled_n if place < at_n else place - 1 < filled_n
            drawn.append("█" if inside else "·", style if inside else FAINT)
    return drawn


class Alarms(OptionList):
    """The alarms that are not normal; keys act on the one under the cursor.

    The cursor stands on the alarm that wants a person most until somebody moves it; then it stays on its alarm until
    that was dealt with.
    """

    def __init__(self) -> None:
        super().__init__(id="alarms", markup=False)
        self._rows: list[AlarmRow] = []
        self._drawn: list[Text] = []
        self._moved = False

    @property
    def chosen(self) -> AlarmRow | None:
        """The alarm under the cursor, else the one that wants a person most."""
        if self.highlighted is not None and self.highlighted < len(self._rows):
            return self._rows[self.highlighted]
        return self._rows[0] if self._rows else None

    def action_cursor_down(self) -> None:
        """Move the cursor to the next alarm."""
        self._moved = True
        super().action_cursor_down()

    def action_cursor_up(self) -> None:
        """Move the cursor to the alarm before."""
        self._moved = True
        super().action_cursor_up()

    def dealt_with(self) -> None:
        """The chosen alarm needs the cursor no longer."""
        self._moved = False

    def draw(self, loop: Loop) -> None:
        """Draw the list."""
        chosen = self.chosen if self._moved else None
        self._rows = loop.alarm_rows()
        drawn = [_alarm_line(row, loop, self.size.width) for row in self._rows] or [Text("no alarms", FAINT)]
        if drawn == self._drawn:
            return
        self._drawn = drawn
        self.clear_options()
        self.add_options([Option(line, disabled=not self._rows) for line in drawn])
        names = [row.name for row in self._rows]
        if names:
            self.highlighted = names.index(chosen.name) if chosen and chosen.name in names else 0


def _alarm_line(row: AlarmRow, loop: Loop, width_n: int) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
    style = PRIORITY_STYLES.get(row.priority_n, FAULT) if row.acknowledgeable else STATE_STYLES.get(row.state, "")
    line.append(f" {row.mark} {row.title} ", style)
    if width_n >= STATES_N or row.covered:
        line.append(f" {row.state or '?'}", "bold" if row.acknowledgeable else "")
    if not row.covered:
        line.append(f" {row.words}", STATE_STYLES.get(row.state, ""))
    if row.shelf_end_s is not None:
        line.append(f" {duration_words(max(0.0, row.shelf_end_s - loop.now_s))} left")
    if row.value_words:
        line.append(f"  {row.value_words}")
    if row.since_s is not None:
        line.append(f"  {age_words(max(0.0, loop.now_s - row.since_s))}", FAINT)
    return line


class Health(Static):
    """How well the board and the way to it are: NE 107, age, and every count of what went wrong."""

    def draw(self, loop: Loop) -> None:
        """Draw the latest counts."""
        age_s = loop.age_s
        ne107 = loop.ne107()
        age = "no sample yet" if age_s is None else f"sample {age_s:.1f} s old"
        text = Text(no_wrap=False)
        text.append(f"{loop.port} " if loop.connected else "disconnected ", "" if loop.connected else FAULT)
        text.append(age, FAULT if loop.stale else "")
        text.append("\nNE 107 ")
        text.append(ne107, GOOD if ne107 == "good" else FAULT)
        counts = [(label, count) for label, count in loop.counts() if count]
        words = ", ".join(f"{label} {count}" for label, count in counts) or "nothing lost, late or damaged"
        text.append(f"\n{words}", FAULT if counts else FAINT)
        self.update(text)


class Notes(Static):
    """The latest occurrences, the newest at the bottom."""

    def draw(self, loop: Loop) -> None:
        """Draw as many as fit."""
        shown = list(loop.notes)[-max(1, self.size.height) :]
        lines = []
        for stamp, note in shown:
            line = Text(f"{stamp} ", FAINT, no_wrap=True, overflow="ellipsis")
            lines.append(line.append(note.text, GRADE_STYLES[note.grade]))
        self.update(_lines(lines))
