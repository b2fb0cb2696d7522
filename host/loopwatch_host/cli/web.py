"""`loopwatch web`: the page of one board, real or virtual, for browsers on this machine."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import typer

from .. import ports
from ..bench.runner import VIRTUAL_KINDS
from ..bench.scenario import load_scenario
from ..desk.loop import Loop
from ..desk.orders import Orders
from ..errors import UsageError
from ..order_book import OrderBook
from ..store import default_path
from . import keeping, output
from .sitting import Sitting, at_bench, at_board
from .watch import View, until_ended

PORT = 8765


def web(
    targets: list[str] = typer.Option(
        [], "--target", help="vm, pico, serial or serial:PORT; several times for boards side by side."
    ),
    scenario: str | None = typer.Option(None, help="For vm and pico: a built-in scenario, or a file; demo by default."),
    port: int = typer.Option(PORT, min=0, max=65535, help="Port of the page; 0 takes a free one."),
    host: str = typer.Option("127.0.0.1", help="Address to listen on; any but this machine's needs --allow-network."),
    allow_network: bool = typer.Option(
        False, "--allow-network", help="Serve other machines too: whoever has the printed address can acknowledge."
    ),
    for_s: float | None = typer.Option(None, "--for", min=0.1, help="Stop after so many seconds."),
    speed: float = typer.Option(1.0, min=1.0, max=100.0, help="For vm and pico: the loop's seconds in one second."),
    seed: int | None = typer.Option(None, min=0, help="For vm and pico: seed of everything random."),
    db: Path | None = typer.Option(None, help="The log to write; the user's by default."),
    keep_days: float | None = keeping.KEEP_DAYS,
    keep_size_mb: float | None = keeping.KEEP_SIZE,
    raw_file_mb: float | None = keeping.RAW_FILE_SIZE,
    raw_file_hours: float | None = keeping.RAW_FILE_HOURS,
    as_json: bool = typer.Option(False, "--json", help="Say the address as one JSON document, as soon as it answers."),
) -> None:
    """Show a board, or several side by side, as a web page, until --for or Ctrl-C; it needs no network."""
    # Loading the server takes half a second, which no other command should pay.
    from ..web.feed import Feed
    from ..web.guard import Guard, is_loopback
    from ..web.server import Board, listen, make_app, serve

    if not is_loopback(host) and not allow_network:
        raise UsageError(
            f"{host} can be reached by other machines: add --allow-network if that is wanted; they then need the"
            " printed address with its token"
        )
    kept = keeping.given(keep_days, keep_size_mb, raw_file_mb, raw_file_hours)
    guard = Guard(host)
    kinds = targets or ["vm" if scenario else "serial"]
    real = [kind for kind in kinds if kind not in VIRTUAL_KINDS]
    if len(set(real)) < len(real) or (len(real) > 1 and "serial" in real):
        raise UsageError("every board needs a --target of its own: name each port, as serial:/dev/ttyACM0")
    feeds = [Feed(Loop(board_time=speed != 1.0)) for _ in kinds]
    with ExitStack() as opened:
        listening = opened.enter_context(listen(host, port))
        seeds = [None if seed is None and len(kinds) == 1 else (seed or 1) + i for i in range(len(kinds))]
        sittings = [
            opened.enter_context(_sitting(kind, scenario, speed, each, _log_of(db, kind, place), feed, for_s, kept))
            for place, (kind, each, feed) in enumerate(zip(kinds, seeds, feeds, strict=True), 1)
        ]
        ended = opened.enter_context(until_ended())
        address = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}/"
        shown = address if guard.local else f"{address}?token={guard.token}"
        if as_json:
            # One line, at once: a script waits for it.
            ids = [sitting.store.session_id for sitting in sittings]
            said = {"url": shown, "port": listening.getsockname()[1], "db": str(sittings[0].store.path)}
            print(json.dumps({**said, "session": ids[0], "sessions": ids}), flush=True)
        else:
            output.answers().print(f"open {shown} in a browser; Ctrl-C ends it", markup=False)
        books = [opened.enter_context(OrderBook(sitting.store.path)) for sitting in sittings]
        orders = [
            Orders(sitting.client, feed.loop, book) for sitting, feed, book in zip(sittings, feeds, books, strict=True)
        ]

        def step() -> bool:
            for sitting, feed, order in zip(sittings, feeds, orders, strict=True):
                sitting.step()
                feed.loop.bad_n = sitting.client.bad_n
                order.tick()
            return not ended() and not any(sitting.over for sitting in sittings)

        boards = [
            Board(kind, feed, sitting.store.path, order)
            for kind, feed, sitting, order in zip(kinds, feeds, sittings, orders, strict=True)
        ]
        asyncio.run(serve(make_app(boards, guard), feeds, listening, step))
        for sitting in sittings:
            sitting.end()
            sitting.watch.summary(sitting.client, output.notes() if as_json else output.answers())


def _log_of(db: Path | None, kind: str, place: int) -> Path | None:
    """The log of the board at this place: virtual boards have all the same id, so each has a log of its own."""
    if place == 1 or kind not in VIRTUAL_KINDS:
        return db
    path = db or default_path()
    return path.with_name(f"{path.stem}-{place}{path.suffix}")


def _sitting(
    kind: str, scenario: str | None, speed: float, seed: int | None, db: Path | None, view: View,
    for_s: float | None, kept: Mapping[str, float],
) -> AbstractContextManager[Sitting]:  # fmt: skip
    if kind == "serial" or kind.startswith("serial:"):
        if scenario:
            raise UsageError("a scenario is for a virtual board: --target vm or pico")
        return at_board(kind.partition(":")[2] or ports.the_board().device, db, view, for_s, kept)
    return at_bench(load_scenario(scenario or "demo"), kind, seed, speed, db, view, for_s, kept)
