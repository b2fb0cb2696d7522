"""The firmware with a fault planted in it: three seconds after power-on it waits for what never comes, once."""

from loopwatch.boards import pico
from loopwatch.port import sleep_ms, ticks_ms

HANGS_AT_MS = 3_000

Healthy = pico.Board


class Hanging(Healthy):
    """Its watch ends in a wait without an end, unless the watchdog has restarted the board before."""

    def feed(self) -> None:
        """Feed the watchdog as ever, until the fault."""
        while ticks_ms() >= HANGS_AT_MS and self.reset_cause_n != pico.RESET_WATCHDOG:
            sleep_ms(50)
        Healthy.feed(self)


pico.Board = Hanging  # type: ignore[misc]  # before launch, which takes memory in its own order

from loopwatch import launch  # noqa: E402

launch.run()
