"""`loopwatch web`: the page of one board, real or virtual, for browsers on this machine."""

import asyncio
import json
from contextlib import AbstractContextManager
from pathlib import Path

import typer

from .. import ports
from ..bench.scenario import load_scenario
from ..desk.loop import Loop
from ..desk.orders import Orders
from ..errors import UsageError
from . import output
from .sitting import Sitting, at_bench, at_board
from .watch import View, until_ended

PORT = 8765


def web(
    target: str | None = typer.Option(None, help="vm, pico, serial or serial:PORT; serial unless a scenario is named."),
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
    as_json: bool = typer.Option(False, "--json", help="Say the address as one JSON document, as soon as it answers."),
) -> None:
    """Show a board as a web page, until --for or Ctrl-C; nothing is loaded from the network."""
    # Loading the server takes half a second, which no other command should pay.
    from ..web.feed import Feed
    from ..web.guard import Guard, is_loopback
    from ..web.server import listen, make_app, serve

    if not is_loopback(host) and not allow_network:
        raise UsageError(
            f"{host} can be reached by other machines: add --allow-network if that is wanted; they then need the"
            " printed address with its token"
        )
    feed = Feed(Loop(board_time=speed != 1.0))
    guard = Guard(host)
    with (
        listen(host, port) as listening,
        _sitting(target, scenario, speed, seed, db, feed, for_s) as sitting,
        until_ended() as ended,
    ):
        address = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}/"
        shown = address if guard.local else f"{address}?token={guard.token}"
        if as_json:
            # One line, at once: a script waits for it.
            said = {"url": shown, "port": listening.getsockname()[1], "db": str(sitting.store.path)}
            print(json.dumps({**said, "session": sitting.store.session_id}), flush=True)
        else:
            output.answers().print(f"open {shown} in a browser; Ctrl-C ends it", markup=False)
        orders = Orders(sitting.client, feed.loop)

        def step() -> bool:
            sitting.step()
            feed.loop.bad_n = sitting.client.bad_n
            orders.tick()
            return not ended() and not sitting.over

        app = make_app(feed, guard, sitting.store.path, orders.acknowledge, orders.reset)
        asyncio.run(serve(app, feed, listening, step))
        sitting.end()
        sitting.watch.summary(sitting.client, output.notes() if as_json else output.answers())


def _sitting(
    target: str | None, scenario: str | None, speed: float, seed: int | None, db: Path | None, view: View,
    for_s: float | None,
) -> AbstractContextManager[Sitting]:  # fmt: skip
    kind = target or ("vm" if scenario else "serial")
    if kind == "serial" or kind.startswith("serial:"):
        if scenario:
            raise UsageError("a scenario is for a virtual board: --target vm or pico")
        return at_board(kind.partition(":")[2] or ports.the_board().device, db, view, for_s)
    return at_bench(load_scenario(scenario or "demo"), kind, seed, speed, db, view, for_s)
