"""The dashboard itself: charts on one side, alarms and figures on the other, keys at the bottom.

One thread does it all: every STEP_S the step that takes and keeps what the board says, then the drawing, when there is
something new to see and DRAW_LEAST_S after the last one at the earliest. Sizes: everything from 100 columns on,
one chart at a time on a narrower or lower terminal, usable from 60 columns and 20 lines.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import Container
from textual.events import Resize
from textual.widgets import Footer

from ..desk.channels import CHARTS
from ..desk.loop import AlarmRow, Loop
from ..desk.orders import Hands
from .boxes import Boxes
from .help import Help
from .panels import Alarms, Evidence, Figures, Health, Notes, Status
from .plots import CHART_LINES_N, StripChart
from .shelf import Shelf
from .style import THEME

STEP_S = 0.05
DRAW_LEAST_S = 0.1
SPANS_S = (120.0, 600.0, 3600.0)
NARROW_N = 100
TWO_COLUMNS_N = 150
SHORT_N = 34


class Dashboard(App[None]):
    """Shows a loop until q, or until step() says that it is over.

    step takes what has come and returns False when it is over; what it raises ends the dashboard and is in `failure`.
    hands carry what a person tells the board; log is the file that it is kept in.
    """

    CSS_PATH = Path(__file__).parent / "dashboard.tcss"
    TITLE = "loopwatch"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (NARROW_N, "-normal"), (TWO_COLUMNS_N, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (SHORT_N, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar = [
        Binding("a", "acknowledge", "acknowledge"),
        Binding("r", "reset", "reset"),
        Binding("s", "shelve", "shelve"),
        Binding("u", "unshelve", "unshelve", show=False),
        Binding("question_mark", "help", "help", key_display="?"),
        Binding("q", "quit", "quit"),
        Binding("b", "boxes", "boxes"),
        Binding("p", "next_chart", "chart"),
        Binding("plus,equals_sign", "span(-1)", "span", key_display="+ -"),
        Binding("minus", "span(1)", show=False),
        Binding("ctrl+c", "quit", show=False, priority=True),
    ]

    def __init__(
        self,
        loop: Loop,
        title: str,
        step: Callable[[], bool],
        hands: Hands,
        log: Path,
    ) -> None:
        super().__init__()
        self.failure: BaseException | None = None
        self.loop = loop
        self._source = title
        self._step = step
        self._hands = hands
        self._kept_in = log
        self._drawn: tuple[object, ...] = ()
        self._drawn_s = 0.0
        self._span_n = 0
        self._first_chart_n = 0

    def compose(self) -> ComposeResult:
        """Build the screen."""
        yield Status(id="status")
        with Container(id="body"):
            with Container(id="charts"):
                for chart in CHARTS:
                    yield StripChart(chart)
            with Container(id="side"):
                yield Alarms()
                yield Figures(id="figures")
                yield Evidence(id="evidence")
                yield Health(id="health")
                yield Notes(id="notes")
        yield Footer()

    def on_mount(self) -> None:
        """Name the panels and start the clocks."""
        self.register_theme(THEME)
        self.theme = THEME.name
        titles = {"alarms": "alarms", "figures": "now", "evidence": "evidence of a leak", "health": "board and link"}
        for name, title in (titles | {"notes": "what happened"}).items():
            self.query_one(f"#{name}").border_title = title
        self.query_one(Alarms).focus()
        self._arrange()
        self.set_interval(STEP_S, self._take)

    def on_resize(self, event: Resize) -> None:
        """Show as many charts as fit."""
        self._arrange()

    def draw(self) -> None:
        """Draw everything anew from the loop."""
        self._drawn, self._drawn_s = self._news(), time.monotonic()
        self.query_one(Status).draw(self.loop, self._source)
        self.query_one(Alarms).draw(self.loop)
        self.query_one(Figures).draw(self.loop)
        self.query_one(Evidence).draw(self.loop)
        self.query_one(Health).draw(self.loop)
        self.query_one(Notes).draw(self.loop)
        for chart in self.query(StripChart):
            if chart.display:
                chart.draw(self.loop, SPANS_S[self._span_n])

    def action_acknowledge(self) -> None:
        """A person has seen the chosen alarm."""
        row = self._chosen()
        if row and row.acknowledgeable:
            self._hands.acknowledge(row.name)
            self.query_one(Alarms).dealt_with()
        elif row:
            self.notify(f"{row.title}: {row.words}; nothing to acknowledge", timeout=4)

    def action_reset(self) -> None:
        """A person ends the chosen alarm."""
        row = self._chosen()
        if row and row.resettable:
            self._hands.reset(row.name)
            self.query_one(Alarms).dealt_with()
        elif row:
            words = "acknowledge it first" if row.acknowledgeable else "a reset works once its cause is gone"
            self.notify(f"{row.title}: {row.words}; {words}", timeout=4)

    def action_shelve(self) -> None:
        """Ask for how long the chosen alarm is to be left alone."""
        row = self._chosen()
        if row is None:
            return
        if not (row.shelvable or row.unshelvable):
            words = "is covered already" if row.covered else "must stay in sight"
            self.notify(f"{row.title} {words}; nothing to shelve", timeout=4)
            return

        def chosen(for_s: int | None) -> None:
            if for_s:
                self._hands.shelve(row.name, for_s)
                self.query_one(Alarms).dealt_with()

        self.push_screen(Shelf(row), chosen)

    def action_unshelve(self) -> None:
        """Take the chosen alarm from the shelf."""
        row = self._chosen()
        if row and row.unshelvable:
            self._hands.unshelve(row.name)
            self.query_one(Alarms).dealt_with()
        elif row:
            self.notify(f"{row.title} is not shelved", timeout=4)

    def action_next_chart(self) -> None:
        """Begin with the next chart."""
        self._first_chart_n = (self._first_chart_n + 1) % len(CHARTS)
        self._arrange()

    def action_span(self, by: int) -> None:
        """Show a shorter or longer time."""
        self._span_n = max(0, min(len(SPANS_S) - 1, self._span_n + by))
        self.draw()

    def action_boxes(self) -> None:
        """Show the black boxes."""
        self.push_screen(Boxes(self.loop, self._source, self._kept_in))

    def action_help(self) -> None:
        """Show the keys."""
        self.push_screen(Help())

    def _chosen(self) -> AlarmRow | None:
        row = self.query_one(Alarms).chosen
        if row is None:
            self.notify("no alarms", timeout=4)
        return row

    def _take(self) -> None:
        try:
            goes_on = self._step()
        except Exception as error:
            self.failure = error
            goes_on = False
        if not goes_on:
            self.exit()
        elif self._news() != self._drawn and time.monotonic() - self._drawn_s >= DRAW_LEAST_S:
            self.draw()

    def _news(self) -> tuple[object, ...]:
        """What a drawing depends on; it changes every second at least, as charts move on and ages grow."""
        loop = self.loop
        return int(loop.now_s), loop.decision, loop.heartbeat, loop.note_n, loop.stale, loop.alarm_rows()

    def _arrange(self) -> None:
        """Show the charts that fit, from the first one that a person chose."""
        width_n, height_n = self.size
        columns_n = 2 if width_n >= TWO_COLUMNS_N else 1
        rows_n = max(1, (height_n - 3) // CHART_LINES_N) if width_n >= NARROW_N else 1
        charts = list(self.query(StripChart))
        ordered_n = [(place - self._first_chart_n) % len(charts) for place in range(len(charts))]
        for chart, order_n in zip(charts, ordered_n, strict=True):
            chart.display = order_n < rows_n * columns_n
        if charts:
            self.call_after_refresh(self.draw)
