"""The firmware with a fault planted in it: a second and a half after power-on it waits for what never comes, once."""

from loopwatch import app, launch
from loopwatch.boards.pico import RESET_WATCHDOG
from loopwatch.port import sleep_ms

HANGS_AT_MS = 1_500

Watch = app.App


class Hanging(Watch):
    """Its watch ends in a wait without an end, unless the watchdog has restarted the board before."""

    def step(self, now_ms: int) -> int:
        """Watch as ever, until the fault."""
        while now_ms >= HANGS_AT_MS and self._board.reset_cause_n != RESET_WATCHDOG:
            sleep_ms(50)
        return Watch.step(self, now_ms)


app.App = Hanging  # type: ignore[misc]  # what launch.run() starts
launch.run()
