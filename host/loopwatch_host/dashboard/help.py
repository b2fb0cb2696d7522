"""The help screen: keys, and what the signs and states mean."""

from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from ..desk.loop import STATE_MARKS, STATE_WORDS

KEYS = (
    ("a", "acknowledge the alarm under the cursor: a person has seen it"),
    ("r", "reset it: ends a latched alarm whose cause is gone"),
    ("s", "shelve it: nobody is told for a time; it is still judged and logged, and trips what it trips"),
    ("u", "take it from the shelf"),
    ("↑ ↓", "move the cursor in the list of alarms"),
    ("b", "black boxes: every sample from a minute before an alarm to half a minute after it"),
    ("p", "next chart, where they do not all fit"),
    ("+ -", "shorter or longer charts: 2 min, 10 min, 1 h"),
    ("?", "this help"),
    ("q", "leave; the board guards on"),
)


class Help(ModalScreen[None]):
    """Keys and signs; any of its keys closes it."""

    BINDINGS: ClassVar = [Binding("escape,question_mark,q,enter", "dismiss", "close")]

    def compose(self) -> ComposeResult:
        """Build the screen."""
        with VerticalScroll(id="help"):
            yield Static(_help())


def _help() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column()
    for key, words in KEYS:
        grid.add_row(Text(key, "bold"), words)
    grid.add_row("", "")
    for state, mark in STATE_MARKS.items():
        grid.add_row(Text(f"{mark} {state}", "bold"), STATE_WORDS[state])
    grid.add_row("", "")
    grid.add_row(Text("( ) old", "bold"), "the board is silent: this is how it was")
    grid.add_row(Text("│", "bold"), "a detector's threshold: evidence beyond it is a leak alarm")
    grid.add_row(
        Text("╌ leak", "bold"), "in the inventory's chart: so much lost at once is that alarm, on a loop at rest"
    )
    return grid
