"""What the bench sees and hears without a laptop: LED, lamps, horn, interlock, and the acknowledge button.

All follow from the states of the alarms, every cycle anew, so no output can be left behind by a missed change. The
pins are written when one of them changes, which the LED does each second; a toggled interlock changes every cycle.

    output       on while
    interlock    no tripping alarm stands, and this code runs: as a level, or as an edge every cycle (hardware/README)
    red lamp     a leak stands
    yellow lamp  a fault, a limit or an alarm under a cover stands: whatever is not as it should be
    horn         an urgent alarm is not acknowledged, and the horn was not silenced since
"""

from . import alarms
from .config import Config
from .port import const

# LED (period_ms, on_ms): what a person sees from across the bench.
LED_WATCHING = (1_000, 50)
LED_FAULT = (1_000, 500)
LED_LEAK = (200, 100)

# A blind board says so by lamp and interlock; the horn is for what is known to happen to the loop.
_HORN_BITS = alarms.LEAK_BITS | 1 << alarms.PRESSURE_HIGH
_NEVER = const(-1)


class Outputs:
    """Drives the pins of a board (see boards.pico.Board) from the alarms."""

    def __init__(self, board, config: Config | None = None) -> None:
        self._board = board
        self._toggled = config is not None and config.interlock_toggled != 0
        self._edge = 0
        self._was_pressed = False
        self._silenced_bits = 0
        self._judged_n = _NEVER
        self._leak = False
        self._fault = False
        self._horn = False
        self._pattern = LED_WATCHING
        self._lit: bool | None = None

    def drive(self, states: alarms.Alarms, now_ms: int) -> None:
        """Set every output. The interlock is energised only while no tripping alarm stands."""
        if states.changed_n != self._judged_n:
            self._judge(states)
        pattern = self._pattern
        lit = now_ms % pattern[0] < pattern[1]
        if self._toggled:
            self._edge ^= 1
        elif lit == self._lit:
            return
        self._lit = lit
        board = self._board
        board.led(lit)
        board.lamp_alarm(self._leak)
        board.lamp_fault(self._fault)
        board.horn(self._horn)
        board.interlock(not states.tripped and (not self._toggled or self._edge != 0))

    def _judge(self, states: alarms.Alarms) -> None:
        """What follows from the states as they are now; the pins follow in the same cycle."""
        self._judged_n = states.changed_n
        self._leak = states.standing_bits & alarms.LEAK_BITS != 0
        self._fault = states.alarm_bits & ~alarms.NO_FAULT_BITS != 0
        # What is no longer waiting for a person may sound again when it comes again.
        self._silenced_bits &= states.unack_bits
        self._horn = states.unack_bits & _HORN_BITS & ~self._silenced_bits != 0
        self._pattern = LED_LEAK if self._leak else LED_FAULT if self._fault else LED_WATCHING
        self._lit = None

    def silence(self, states: alarms.Alarms) -> None:
        """The horn falls silent until another alarm comes; nothing is acknowledged by that."""
        self._silenced_bits = states.unack_bits
        self._judged_n = _NEVER

    def take_button(self, states: alarms.Alarms, now_ms: int) -> None:
        """Acknowledge everything once for each press."""
        pressed = self._board.ack_pressed()
        if pressed and not self._was_pressed:
            states.acknowledge_all(now_ms)
        self._was_pressed = pressed
