"""The black boxes on the terminal: which the log has, and the samples around the alarm of the one under the cursor."""

import time
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Container
from textual.events import Resize
from textual.screen import Screen
from textual.widgets import Footer, OptionList, Static
from textual.widgets.option_list import Option
from textual_plotext import PlotextPlot

from ..desk import boxes
from ..desk.channels import CHARTS, MEASURED, Chart
from ..desk.loop import Loop
from ..errors import LoopwatchError
from ..store import Row
from .panels import Status
from .plots import CHART_LINES_N, LEAST_SPAN
from .style import FAINT, FAULT, LEVEL_RGB, LINE_RGB

LOOK_EVERY_S = 0.5
BOX_CHARTS = tuple(chart for chart in CHARTS if set(chart.figures) <= set(MEASURED))
NOTHING = (
    "The log has no black box of this board. It keeps one around every alarm; it comes here by itself, a minute or two"
    " after the alarm."
)


class BoxChart(PlotextPlot):
    """One chart of a box; the upright line is the alarm's moment."""

    def __init__(self, chart: Chart) -> None:
        super().__init__(classes="chart")
        self.chart = chart

    def draw(self, lines: boxes.Lines | None) -> None:
        """Draw a box's lines anew."""
        plt = self.plt
        plt.clear_data()
        self.border_title = f"{self.chart.title} ({self.chart.figures[0].unit})"
        runs_of = [lines.runs(figure) for figure in self.chart.figures] if lines else []
        values = [value for runs in runs_of for _, run in runs for value in run]
        if lines and values:
            low, high = min(values), max(values)
            margin = max(0.0, LEAST_SPAN[self.chart.figures[0].unit] - (high - low)) / 2 + 0.05 * (high - low)
            low, high = low - margin, high + margin
            lines_n = max(2, self.size.height - 3)
            plt.plot([0.0] * lines_n, [low + (high - low) * i / (lines_n - 1) for i in range(lines_n)], marker="┊",
                     color=LEVEL_RGB)  # fmt: skip
            for figure, runs, rgb in zip(self.chart.figures, runs_of, LINE_RGB, strict=False):
                for times_s, run in runs:
                    plt.plot(times_s, run, marker="braille", color=rgb)
                if runs and len(self.chart.figures) > 1:
                    plt.text(figure.mark, runs[-1][0][-1], runs[-1][1][-1], color=rgb)
            plt.ylim(low, high)
            plt.xlim(lines.from_s, lines.to_s)
            ticks_s = [lines.from_s, lines.from_s / 2, 0.0, lines.to_s]
            plt.xticks(ticks_s, [f"{at_s:+.0f} s" if at_s else "alarm" for at_s in ticks_s])
        plt.yfrequency(max(2, min(5, self.size.height // 3)))
        plt.xaxes(True, False)
        plt.yaxes(True, False)
        self.border_subtitle = "" if values or not lines else "no value in this box"
        self.refresh()


class Boxes(Screen[None]):
    """Every kept box of a board, latest first. The loop's verdict stays at the top."""

    BINDINGS: ClassVar = [
        Binding("escape,b,q", "dismiss", "back", key_display="esc"),
        Binding("p", "next_chart", "chart"),
        Binding("up,down", "", "box", show=True),
    ]

    def __init__(self, loop: Loop, title: str, log: Path) -> None:
        super().__init__()
        self._loop = loop
        self._source = title
        self._kept_in = log
        self._rows: list[Row] = []
        self._lines: boxes.Lines | None = None
        self._first_chart_n = 0
        self._box_n = -1

    def compose(self) -> ComposeResult:
        """Build the screen."""
        yield Status(id="status")
        with Container(id="boxes"):
            with Container(id="kept"):
                yield OptionList(id="box-list", markup=False)
                yield Static(id="box-words")
            with Container(id="box-charts"):
                for chart in BOX_CHARTS:
                    yield BoxChart(chart)
        yield Footer()

    def on_mount(self) -> None:
        """Show what there is, and look for more."""
        self.query_one("#kept").border_title = "black boxes"
        self.query_one(OptionList).focus()
        self._look()
        self.set_interval(LOOK_EVERY_S, self._look)

    def on_resize(self, event: Resize) -> None:
        """Show as many charts as fit, once it is known how much room they have."""
        self.call_after_refresh(self._arrange)

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """The cursor is on a box."""
        self._load()

    def action_next_chart(self) -> None:
        """Begin with the next chart."""
        self._first_chart_n = (self._first_chart_n + 1) % len(BOX_CHARTS)
        self._arrange()

    def _look(self) -> None:
        self.query_one(Status).draw(self._loop, self._source)
        if self._loop.box_n == self._box_n:
            return
        self._box_n = self._loop.box_n
        try:
            self._rows = boxes.kept(self._kept_in, self._loop.board_id)
        except LoopwatchError as error:
            self._say(str(error))
            return
        chosen = self.query_one(OptionList)
        chosen.clear_options()
        chosen.add_options([Option(_row_line(row)) for row in self._rows])
        if self._rows:
            chosen.highlighted = 0
        else:
            self.query_one("#box-words", Static).update(Text(NOTHING, FAINT))

    def _load(self) -> None:
        place = self.query_one(OptionList).highlighted
        if place is None or place >= len(self._rows):
            return
        row = self._rows[place]
        try:
            self._lines = boxes.lines(self._kept_in, row["id"])
        except LoopwatchError as error:
            self._lines = None
            self._say(str(error))
        else:
            words = Text(f"{self._lines.box.words}.\n")
            words.append(f"\nloopwatch blackbox save {row['id']} -o box-{row['id']}.csv\nwrites it to a table", FAINT)
            self.query_one("#box-words", Static).update(words)
        self._draw()

    def _say(self, text: str) -> None:
        self.query_one("#box-words", Static).update(Text(text, FAULT))

    def _arrange(self) -> None:
        height_n = self.query_one("#box-charts").size.height or self.size.height
        shown_n = max(1, height_n // CHART_LINES_N)
        for place, chart in enumerate(self.query(BoxChart)):
            chart.display = (place - self._first_chart_n) % len(BOX_CHARTS) < shown_n
        self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        for chart in self.query(BoxChart):
            if chart.display:
                chart.draw(self._lines)


def _row_line(row: Row) -> Text:
    when = (
        f"box {row['box_n']}" if row["at_s"] is None else time.strftime("%m-%d %H:%M:%S", time.localtime(row["at_s"]))
    )
    line = Text(f" {row['alarm'].replace('_', ' ')} ", "bold", no_wrap=True, overflow="ellipsis")
    line.append(f" {when}", FAINT)
    return line if row["complete"] else line.append("  cut", FAULT)
