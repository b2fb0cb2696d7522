"""The pictures in README, drawn from the running program: `python -m loopwatch_host.pictures FOLDER`."""

import io
import re
import sys
from contextlib import ExitStack
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI

from .bench.runner import consume, step_words
from .bench.scenario import load_scenario
from .bench.vm import VmTarget
from .bench.world import World
from .client import Client
from .monitor import LineView

SHOWN_FROM_S = 36.0
SHOWN_TO_S = 66.0
WIDTH_N = 168

# The picture names no font to be fetched: the reader's own monospace will do.
SVG_FORMAT = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


def monitor_svg(scenario: str = "demo") -> str:
    """The line view of a scenario around its leak, as a drawing of a terminal."""
    console = Console(file=io.StringIO(), width=WIDTH_N, force_terminal=True, color_system="truecolor", record=True)
    script = load_scenario(scenario)
    world = World(script)
    to_come = list(script.events)
    with ExitStack() as opened:
        target = opened.enter_context(VmTarget(world))
        client = Client(target.port, greet=False)
        heard = client.subscribe()
        opened.enter_context(client)
        view = LineView(console, board_time=True)
        end_s = 0.0
        while end_s < SHOWN_TO_S:
            end_s += 0.5
            target.advance_to(end_s)
            consume(client, target)
            while to_come and to_come[0].at_s <= end_s:
                view.narrate(step_words(to_come.pop(0)))
            for message in heard.drain():
                view.show(message)
            if end_s == SHOWN_FROM_S:
                console.export_text(clear=True)
    return console.export_svg(title="make run", theme=MONOKAI, code_format=SVG_FORMAT)


def main() -> None:
    """Draw every picture into the folder named on the command line."""
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    (folder / "monitor.svg").write_text(monitor_svg(), encoding="utf-8")


if __name__ == "__main__":
    main()
