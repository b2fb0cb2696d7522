"""A sitting shown on the whole terminal."""

import os
import threading
from collections.abc import Callable

from ..desk.loop import Loop
from ..desk.orders import Orders
from ..order_book import OrderBook
from .sitting import Sitting

PARTING_S = 3.0
LOOK_EVERY_S = 0.2


def show_dashboard(sitting: Sitting, loop: Loop, title: str, ended: Callable[[], bool]) -> None:
    """Let a person watch until q or the end of the sitting; raises what its steps raise."""
    with OrderBook(sitting.store.path) as book:
        _show(sitting, loop, title, ended, Orders(sitting.client, loop, book))


def _show(sitting: Sitting, loop: Loop, title: str, ended: Callable[[], bool], orders: Orders) -> None:
    # Loading textual takes half a second, which no other command should pay.
    from ..dashboard.app import Dashboard

    def step() -> bool:
        sitting.step()
        loop.bad_n = sitting.client.bad_n
        orders.tick()
        return not ended() and not sitting.over

    dashboard = Dashboard(loop, title, step, orders, sitting.store.path)
    left = threading.Event()
    threading.Thread(target=_leave_a_dead_terminal, args=(ended, left), daemon=True).start()
    try:
        dashboard.run()
    finally:
        left.set()
    if dashboard.failure:
        raise dashboard.failure


def _leave_a_dead_terminal(ended: Callable[[], bool], left: threading.Event) -> None:
    """End the program when the screen does not close in PARTING_S after somebody has ended it.

    A terminal that was closed blocks for ever whoever draws on it. Events are on the disk already, and samples up to
    the last second.
    """
    while not left.wait(LOOK_EVERY_S):
        if ended() and not left.wait(PARTING_S):
            os._exit(0)
