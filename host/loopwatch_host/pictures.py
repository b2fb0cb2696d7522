"""The pictures in README, drawn from the running program: `python -m loopwatch_host.pictures FOLDER [NAME…]`.

Each state is reached by the unchanged firmware on the virtual bench; the dashboard and the page then show it as they
would on a desk. Needs Chromium, which turns both into PNG.
"""

import asyncio
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from .bench.runner import consume, step_words
from .bench.scenario import load_scenario
from .bench.vm import VmTarget
from .bench.world import World
from .box_keeper import BoxKeeper
from .browser import Browser
from .client import Client
from .dashboard.app import Dashboard
from .desk.loop import Loop
from .desk.orders import Orders
from .errors import LoopwatchError
from .messages import Disconnected, Message, Record
from .store import Store
from .web.feed import Feed
from .web.guard import Guard
from .web.server import Board, listen, make_app, serve

BEGUN_S = 1_790_000_000.0  # the same time of day in every drawing
STEP_S = 0.5
QUICK_STEP_S = 0.1  # a black box is fetched with one question a step
BOX_TIMEOUT_S = 150.0
SILENT_S = 12.0
DISCONNECT_TIMEOUT_S = 10.0

TERMINAL_SIZE = (150, 42)
NARROW_SIZE = (64, 28)
TERMINAL_WIDTH_PX = 1400
DESK_PX = (1360, 800)
PHONE_PX = (390, 844)
LOADED = "loopwatch.charts.coarse.length + loopwatch.charts.past.decided.t.length > 20"


@dataclass(frozen=True)
class State:
    """A state of the loop worth a picture: a scenario at a moment, and whether the cable is pulled then."""

    name: str
    scenario: str
    at_s: float
    unplugged: bool = False
    with_box: bool = False  # it goes on until the alarm's black box has come


STATES = (
    State("normal", "demo", 38.5),
    State("leak", "demo", 75.5),
    State("fault", "shorted", 78.5),
    State("disconnected", "demo", 38.5, unplugged=True),
    State("box", "demo", 75.5, with_box=True),
)


class Stage:
    """A virtual board brought to a state, with everything that it has said until then."""

    def __init__(self, folder: Path, state: State) -> None:
        self.log = folder / f"{state.name}.db"
        self._passed_s = 0.0
        self.loop = Loop(board_time=True, clock_s=lambda: self._passed_s)
        self.feed = Feed(self.loop, wall_s=lambda: BEGUN_S + self._passed_s)
        script = load_scenario(state.scenario)
        self.title = f"{script.name}: {script.title}"
        to_come = list(script.events)
        with ExitStack() as opened:
            store = opened.enter_context(Store(self.log, "pictures"))
            target = opened.enter_context(VmTarget(World(script)))
            client = Client(target.port, greet=False)
            self.hands = Orders(client, self.loop)
            keeper = BoxKeeper(client, store)
            heard = client.subscribe()
            opened.enter_context(client)
            while self._passed_s < state.at_s or (state.with_box and not self.loop.box_n):
                self._passed_s = round(self._passed_s + (QUICK_STEP_S if state.with_box else STEP_S), 3)
                if self._passed_s > state.at_s + BOX_TIMEOUT_S:
                    raise LoopwatchError(f"no black box came by {self._passed_s:g} s of {state.scenario}")
                target.advance_to(self._passed_s)
                consume(client, target)
                while to_come and to_come[0].at_s <= self._passed_s:
                    self.feed.narrate(step_words(to_come.pop(0)))
                for message in heard.drain():
                    self._take(message, store)
                    keeper.take(message)
                self.hands.tick()
                for news in keeper.tick():
                    self._take(news, store)
            if state.unplugged:
                target.stop()
                last = heard.get(DISCONNECT_TIMEOUT_S)
                while last and not isinstance(last, Disconnected):
                    last = heard.get(DISCONNECT_TIMEOUT_S)
                if last is None:
                    raise LoopwatchError("the client did not notice that the board is gone")
                self._take(last, store)
                self._passed_s += SILENT_S

    def _take(self, message: Message, store: Store) -> None:
        """The board was hurried; its messages are dated as if it had not been."""
        passed_s = message.t_ms / 1000 if isinstance(message, Record) else self._passed_s
        dated = replace(message, at_s=BEGUN_S + passed_s)
        store.add(dated)
        self.feed.show(dated)


def terminal_svg(stage: Stage, size: tuple[int, int], *keys: str) -> str:
    """The dashboard on a terminal of so many columns and lines after these keys, as a drawing that fetches no font."""

    async def drawn() -> str:
        dashboard = Dashboard(stage.loop, stage.title, lambda: True, stage.hands, stage.log)
        async with dashboard.run_test(size=size) as pilot:
            await pilot.pause()
            dashboard.draw()
            await pilot.press(*keys)
            await pilot.pause()
            return dashboard.export_screenshot(title="loopwatch run")

    return re.sub(r"@font-face \{.*?\}\s*", "", asyncio.run(drawn()), flags=re.DOTALL)


def terminal_png(browser: Browser, folder: Path, svg: str, width_px: int) -> bytes:
    """A drawing of a terminal as PNG."""
    box = re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)[0]
    height_px = round(width_px * float(box[1]) / float(box[0]))
    page_file = folder / "terminal.html"
    page_file.write_text(f"<style>body {{ margin: 0 }} svg {{ width: {width_px}px }}</style>{svg}", encoding="utf-8")
    with closing(browser.page()) as page:
        page.size(width_px, height_px)
        page.open(page_file.as_uri())
        return page.png()


@contextmanager
def served(board: Board) -> Iterator[str]:
    """The page of a board that nothing more comes from; gives its address."""
    ended = threading.Event()
    guard = Guard("127.0.0.1")
    with listen("127.0.0.1", 0) as listening:
        serving = serve(make_app([board], guard), [board.feed], listening, lambda: not ended.is_set())
        thread = threading.Thread(target=asyncio.run, args=(serving,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        finally:
            ended.set()
            thread.join()


def page_png(
    browser: Browser, address: str, size_px: tuple[int, int], scheme: str, scale: float = 1.0, click: str = ""
) -> bytes:
    """The page in a window of this size, after a click on what the selector finds."""
    with closing(browser.page()) as page:
        page.size(*size_px, scale, mobile=size_px == PHONE_PX)
        page.prefer(scheme)
        page.open(address)
        page.wait(LOADED, 20.0)
        drawn_n = page.evaluate("loopwatch.charts.drawN")
        page.wait(f"loopwatch.charts.drawN > {drawn_n} + 3", 20.0)
        if click:
            page.wait(f"document.querySelector('{click}')", 20.0)
            page.evaluate(f"document.querySelector('{click}').click()")
            page.wait("document.querySelectorAll('#box-charts canvas').length > 2", 20.0)
        return page.png()


def pictures(browser: Browser, folder: Path, state: State) -> dict[str, Callable[[], bytes]]:
    """Every picture of a state by its file's name, to be drawn when asked for."""
    stage = Stage(folder, state)

    def page(size_px: tuple[int, int], scheme: str, scale: float = 1.0, click: str = "") -> bytes:
        with served(Board("bench", stage.feed, stage.log, stage.hands)) as address:
            return page_png(browser, address, size_px, scheme, scale, click)

    def terminal(size: tuple[int, int], width_px: int, *keys: str) -> bytes:
        return terminal_png(browser, folder, terminal_svg(stage, size, *keys), width_px)

    if state.with_box:
        return {
            "terminal-box.png": lambda: terminal(TERMINAL_SIZE, TERMINAL_WIDTH_PX, "b"),
            "web-box.png": lambda: page(DESK_PX, "dark", click="[data-box]"),
        }
    named: dict[str, Callable[[], bytes]] = {
        f"terminal-{state.name}.png": lambda: terminal(TERMINAL_SIZE, TERMINAL_WIDTH_PX),
        f"web-{state.name}.png": lambda: page(DESK_PX, "dark"),
    }
    if state.name == "leak":
        named["terminal-narrow.png"] = lambda: terminal(NARROW_SIZE, 640)
        named["web-light.png"] = lambda: page(DESK_PX, "light")
        named["web-phone.png"] = lambda: page(PHONE_PX, "light", scale=1.5)
    return named


def main() -> None:
    """Draw every picture, or those named, into the folder named on the command line."""
    into, wanted = Path(sys.argv[1]), sys.argv[2:]
    into.mkdir(exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="loopwatch-pictures-") as scratch, Browser() as browser:
            for state in STATES:
                for name, drawn in pictures(browser, Path(scratch), state).items():
                    if not wanted or name in wanted:
                        (into / name).write_bytes(drawn())
                        print(into / name)
    except LoopwatchError as error:
        sys.exit(f"pictures: {error}")


if __name__ == "__main__":
    main()
