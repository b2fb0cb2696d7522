"""What the board does when its firmware cannot watch: outputs safe, and an answer for the laptop.

The boot record says why nothing is monitored, a heartbeat comes once a second, every command is answered as far
as it can be without sensors, and SYST:ERR? tells what happened. The sensor bus is not touched. The fault lamp is
lit, the interlock dropped, the LED blinks slowly. It ends with Ctrl-C only.
"""

from . import alarms, scpi
from .alarm_desk import AlarmDesk
from .back_room import BackRoom
from .desk import Desk
from .journal import MODE, MODE_STOPPED, Journal
from .link import Link
from .memory import Memory
from .port import collect, const, mem_free, sleep_ms, ticks_add, ticks_diff, ticks_ms
from .sample import Sample
from .settings import Settings
from .telemetry import Telemetry

# not_monitoring_n of the boot record.
CRASHED = const(1)

PASS_MS = const(20)
LED_ON_MS = const(1_000)
LED_PERIOD_MS = const(2_000)
NE107_FAILURE = const(4)


class NoSampler:
    """Stands where the sampler would: no sample was ever taken."""

    late_n = 0
    bus_error_n = 0

    def __init__(self) -> None:
        self.sample = Sample()
        self.sample.seq = -1


class SafeMode:
    """Answers the laptop. board: see boards.pico.Board. why: the sentence that a person gets."""

    def __init__(self, board, why: str) -> None:
        self._board = board
        self._why = why
        self._sampler = NoSampler()
        self._journal = Journal()
        self._memory = Memory(self._journal)
        self._alarms = alarms.Alarms(self._journal)
        self._link = Link(board.console)
        self._telemetry = Telemetry(self._link, self._journal)
        self._config = Settings().load()
        self._back_room = BackRoom(self._config, lambda: False, self._memory.blackbox)
        orders = AlarmDesk(self._alarms)
        rows = self._back_room.rows
        self._desk = Desk(board.id, self._sampler, orders, self._journal, self._telemetry, self._config, rows)
        self._uptime_s = 0
        self._second_due_ms = 0
        self._overlong_n = 0

    def start(self, now_ms: int) -> None:
        """Say who this is and that nobody watches."""
        self._board.safe()
        self._memory.load()
        self._journal.add(MODE, MODE_STOPPED, 0, alarms.URGENT, CRASHED, now_ms)
        self._memory.begin(now_ms)
        self._telemetry.boot(self._board, self._config, now_ms, CRASHED)
        self._telemetry.text("loopwatch: safe mode, nothing is monitored: " + self._why)
        self._desk.note(scpi.SYSTEM_ERROR, self._why)
        self._second_due_ms = ticks_add(now_ms, 1_000)

    def run(self) -> None:
        """Answer until Ctrl-C, which passes through."""
        self.start(ticks_ms())
        while True:
            self.step(ticks_ms())
            sleep_ms(PASS_MS)

    def step(self, now_ms: int) -> None:
        """Do what is due at now_ms."""
        if ticks_diff(now_ms, self._second_due_ms) >= 0:
            self._second_due_ms = ticks_add(self._second_due_ms, 1_000)
            self._uptime_s += 1
            self._memory.use_quiet_slot(now_ms)
            collect()
            self._alarms.update(alarms.BLIND, alarms.TRUE, 0, now_ms)
            self._telemetry.heartbeat(
                self._uptime_s,
                self._sampler,
                self._desk.bad_n(),
                mem_free(),
                NE107_FAILURE,
                self._alarms.alarm_bits,
                now_ms,
            )
        self._board.led(now_ms % LED_PERIOD_MS < LED_ON_MS)
        if self._link.poll_command():
            self._desk.answer(self._link.command, self._link.command_n, now_ms)
        if self._link.overlong_n != self._overlong_n:
            self._overlong_n = self._link.overlong_n
            self._desk.overrun()
        self._telemetry.events()
        self._link.pump()
        self._board.feed()
        if self._back_room.restart_wanted and not self._link.waiting_n:
            self._board.reset()
