"""The question for how long an alarm is to be shelved."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from ..desk.loop import AlarmRow
from ..desk.shelf import SPANS_S
from ..desk.words import duration_words

WORDS = (
    "Nobody is told of it for so long. The board judges and logs it all the same, and trips what it trips. It comes"
    " back by itself; u takes it back before."
)


class Shelf(ModalScreen[int | None]):
    """Choose a time; gives its seconds, None when somebody has thought better of it."""

    BINDINGS: ClassVar = [
        Binding("escape,q", "dismiss", "leave it"),
        *(Binding(str(n), f"choose({for_s})", show=False) for n, for_s in enumerate(SPANS_S, 1)),
    ]

    def __init__(self, row: AlarmRow) -> None:
        super().__init__()
        self._row = row

    def compose(self) -> ComposeResult:
        """Build the screen."""
        with VerticalScroll(id="shelf") as place:
            place.border_title = f"shelve {self._row.title}"
            yield Static(WORDS)
            spans = [Option(f"{n}  {duration_words(for_s)}", str(for_s)) for n, for_s in enumerate(SPANS_S, 1)]
            yield OptionList(*spans, id="spans")

    def on_mount(self) -> None:
        """The times take the keys."""
        self.query_one(OptionList).focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """A time was chosen with the cursor."""
        self.dismiss(int(str(event.option.id)))

    def action_choose(self, for_s: int) -> None:
        """A time was chosen by its number."""
        self.dismiss(for_s)
