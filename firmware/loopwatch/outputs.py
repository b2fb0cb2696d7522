"""What the bench sees and hears without a laptop: LED, lamps, horn, interlock, and the acknowledge button.

All follow from the states of the alarms, every cycle anew, so no output can be left behind by a missed change. The
pins are written when one of them changes, which the LED does each second.
"""

from . import alarms

# LED (period_ms, on_ms): what a person sees from across the bench.
LED_WATCHING = (1_000, 50)
LED_FAULT = (1_000, 500)
LED_LEAK = (200, 100)

_NOT_A_FAULT_BITS = 1 << alarms.LEAK | 1 << alarms.NOT_COMMISSIONED


class Outputs:
    """Drives the pins of a board (see boards.pico.Board) from the alarms."""

    def __init__(self, board) -> None:
        self._board = board
        self._was_pressed = False
        self._shown = -1

    def drive(self, states: alarms.Alarms, now_ms: int) -> None:
        """Set every output. The interlock is energised only while no tripping alarm stands."""
        leak = states.state[alarms.LEAK]
        fault = states.alarm_bits & ~_NOT_A_FAULT_BITS != 0
        pattern = LED_LEAK if leak != alarms.NORM else LED_FAULT if fault else LED_WATCHING
        lit = now_ms % pattern[0] < pattern[1]
        shown = leak << 3 | states.tripped << 2 | fault << 1 | lit
        if shown == self._shown:
            return
        self._shown = shown
        board = self._board
        board.led(lit)
        board.lamp_alarm(leak != alarms.NORM)
        board.lamp_fault(fault)
        board.horn(leak == alarms.UNACK)
        board.interlock(not states.tripped)

    def take_button(self, states: alarms.Alarms, now_ms: int) -> None:
        """Acknowledge everything once for each press."""
        pressed = self._board.ack_pressed()
        if pressed and not self._was_pressed:
            states.acknowledge_all(now_ms)
        self._was_pressed = pressed
