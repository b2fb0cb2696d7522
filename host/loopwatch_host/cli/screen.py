"""A sitting shown on the whole terminal."""

from collections.abc import Callable

from ..desk.loop import Loop
from ..desk.orders import Orders
from .sitting import Sitting


def show_dashboard(sitting: Sitting, loop: Loop, title: str, ended: Callable[[], bool]) -> None:
    """Let a person watch until q or the end of the sitting; raises what its steps raise."""
    # Loading textual takes half a second, which no other command should pay.
    from ..dashboard.app import Dashboard

    orders = Orders(sitting.client, loop)

    def step() -> bool:
        sitting.step()
        loop.bad_n = sitting.client.bad_n
        orders.tick()
        return not ended() and not sitting.over

    dashboard = Dashboard(loop, title, step, orders.acknowledge, orders.reset)
    dashboard.run()
    if dashboard.failure:
        raise dashboard.failure
