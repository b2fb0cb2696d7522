"""The watch itself: one loop from register to alarm, a sample every 100 ms.

Each pass does what is due, hands the port what it takes, and sleeps until the next deadline. Nothing
blocks, the path of a sample allocates nothing, and the watchdog is fed only after a cycle in which
every stage has run. Time is an argument everywhere below run().
"""

from . import alarms, sample
from .back_room import BackRoom
from .config import Config
from .desk import Desk
from .detector import Detector
from .inventory import NO_INPUT, VALID, Inventory
from .journal import MODE, MODE_MONITORING, MODE_STOPPED, Journal
from .link import Link
from .memory import Memory
from .outputs import Outputs
from .port import collect, const, mem_free, sleep_ms, ticks_add, ticks_diff, ticks_ms
from .sampler import MEAN_DONE, Sampler
from .telemetry import BASELINE_SETTLED, BLIND, COMMISSIONED, PUMP_RUNNING, Telemetry
from .wire import SEQ_MASK

WATCHDOG_MS = const(2_000)
FIRST_MS = const(100)  # from start to the first deadline: saying hello takes 40 ms and must not make it late
IDLE_MS = const(20)  # longest sleep, so that commands are answered at once
UNSERVED_MS = const(15)  # between two samples the laptop is served only in a pass when that long has gone by
TIDY_N = const(600)  # samples after which the heap is collected even if nothing is known to have used it
QUIET_N = const(5)  # the tenth of the second in which there is time for it
GOODBYE_MS = const(200)
HEALTHY_S = const(60)

NE107_GOOD = const(0)
NE107_MAINTENANCE = const(1)
NE107_OUT_OF_SPECIFICATION = const(2)
NE107_FUNCTION_CHECK = const(3)
NE107_FAILURE = const(4)


class App:
    """The firmware's parts, and the order in which a pass goes through them.

    board: see boards.pico.Board. healthy: called once, when it has run for HEALTHY_S; it may write to the flash.
    """

    def __init__(self, board, config: Config, healthy=None) -> None:
        self._board = board
        self._healthy = healthy
        self._config = config
        seed = int.from_bytes(board.id[4:8], "big") & SEQ_MASK
        self.sampler = Sampler(board.i2c, config, seed)
        self.inventory = Inventory(config)
        self.detector = Detector()
        self.journal = Journal()
        self.memory = Memory(self.journal)
        self.memory.load()
        self.alarms = alarms.Alarms(self.journal)
        self.outputs = Outputs(board)
        self.link = Link(board.console)
        self.telemetry = Telemetry(self.link, self.journal)
        self.back_room = BackRoom(config, self._leak_stands, self.memory.blackbox)
        self.desk = Desk(board.id, self.sampler, self.alarms, self.journal, self.telemetry, config, self.back_room.rows)
        self._uptime_s = 0
        self._second_due_ms = 0
        self._served_ms = 0
        self._overlong_n = 0
        self._judged_bits = -1
        self._heap_used = True
        self._heap_free_n = 0
        self._over = False

    def start(self, now_ms: int) -> None:
        """Say who this is, and begin at FIRST_MS after now_ms."""
        self.journal.add(MODE, MODE_MONITORING, 1, alarms.ADVISORY, 0, now_ms)
        self.memory.begin(now_ms)
        self.telemetry.boot(self._board, self._config, now_ms)
        condition = alarms.FALSE if self._config.commissioned else alarms.TRUE
        self.alarms.update(alarms.NOT_COMMISSIONED, condition, 0, now_ms)
        self._tidy()
        self._served_ms = now_ms
        self.sampler.start(ticks_add(now_ms, FIRST_MS))
        self._second_due_ms = ticks_add(now_ms, 1_000)
        self._board.start_watchdog(WATCHDOG_MS)

    def run(self) -> bool:
        """Watch until somebody interrupts; on any way out the interlock drops, and the laptop is told.

        A person's Ctrl-C stops the watchdog too, so that the REPL stays; after an error it restarts the board.
        Returns True when a restart is wanted, by a new configuration.
        """
        self.start(ticks_ms())
        try:
            while not self._over:
                due_ms = self.step(ticks_ms())
                wait_ms = ticks_diff(due_ms, ticks_ms())
                if wait_ms > 0:
                    sleep_ms(wait_ms)
        except KeyboardInterrupt:
            self._board.stop_watchdog()
            return False
        finally:
            self.stop(ticks_ms())
        return True

    def stop(self, now_ms: int) -> None:
        """Leave the outputs safe and tell the laptop, within GOODBYE_MS."""
        self._board.safe()
        self.journal.add(MODE, MODE_STOPPED, 0, alarms.URGENT, 0, now_ms)
        self.memory.end(now_ms)
        end_ms = ticks_add(now_ms, GOODBYE_MS)
        while ticks_diff(end_ms, ticks_ms()) > 0:
            self.telemetry.events()
            self.link.pump()
            if not self.link.waiting_n:
                return
            sleep_ms(5)

    def step(self, now_ms: int) -> int:
        """Do what is due at now_ms; returns when to come again, at most IDLE_MS later."""
        sampler = self.sampler
        done = sampler.step(now_ms)
        if done:
            if done & MEAN_DONE:
                self._decide(now_ms)
            self._end_cycle(now_ms)
        if done or ticks_diff(now_ms, self._served_ms) >= UNSERVED_MS:
            self._serve(now_ms)
        idle_ms = ticks_add(self._served_ms, IDLE_MS)
        return sampler.due_ms if ticks_diff(sampler.due_ms, idle_ms) < 0 else idle_ms

    def _serve(self, now_ms: int) -> None:
        """Give the laptop what it is owed and take what it says."""
        self._served_ms = now_ms
        if ticks_diff(now_ms, self._second_due_ms) >= 0:
            self._second_due_ms = ticks_add(self._second_due_ms, 1_000)
            self._uptime_s += 1
            self.telemetry.heartbeat(
                self._uptime_s,
                self.sampler,
                self.desk.bad_n(),
                self._heap_free_n,
                self._ne107(),
                self.alarms.alarm_bits,
                now_ms,
            )
        if self.link.poll_command():
            self._answer(now_ms)
        if self.journal.sent_seq != self.journal.seq:
            self.telemetry.events()
        if self.link.waiting_n:
            self.link.pump()

    def _decide(self, now_ms: int) -> None:
        mean = self.sampler.mean
        detector = self.detector
        outcome = self.inventory.step(mean)
        state_bits = PUMP_RUNNING if self.inventory.pump_on else 0
        if self._config.commissioned:
            state_bits |= COMMISSIONED
        leak = noisy = alarms.UNKNOWN
        if outcome == VALID:
            detector.step(self.inventory.residual_ul)
            leak = alarms.TRUE if detector.leaking else alarms.FALSE
            noisy = alarms.TRUE if detector.noisy else alarms.FALSE
            state_bits |= BASELINE_SETTLED
        elif outcome == NO_INPUT:
            state_bits |= BLIND
        self.alarms.update(alarms.LEAK, leak, detector.rate_ul_min, now_ms)
        self.alarms.update(alarms.SIGNAL_NOISY, noisy, detector.noise_ul, now_ms)
        self.telemetry.mean(mean, self.sampler.mean_used_n)
        self.telemetry.decision(mean, self.inventory.residual_ul, detector, self._config.reserve_ul, state_bits)

    def _end_cycle(self, now_ms: int) -> None:
        latest = self.sampler.sample
        bits = latest.status_bits()
        if bits != self._judged_bits or self.alarms.pending_n:
            self._judged_bits = bits
            self._judge_sensors(latest, now_ms)
        self.memory.sample(latest, bits)
        self.telemetry.sample(latest)
        self.outputs.drive(self.alarms, now_ms)
        self.outputs.take_button(self.alarms, now_ms)
        if self.link.overlong_n != self._overlong_n:
            self._overlong_n = self.link.overlong_n
            self.desk.overrun()
        if latest.seq % 10 == QUIET_N:
            self._use_quiet_slot(latest.seq)
        self._board.feed()

    def _use_quiet_slot(self, seq: int) -> None:
        """What takes long, in a moment where no conversion waits to be read and the second's mean is far."""
        if self.memory.use_quiet_slot(self._served_ms):
            self._heap_used = True
        elif self._heap_used or seq % TIDY_N == TIDY_N - QUIET_N:
            self._tidy()
        elif self._healthy is not None and self._uptime_s >= HEALTHY_S:
            self._healthy()
            self._healthy = None
            self._heap_used = True

    def _judge_sensors(self, latest: sample.Sample, now_ms: int) -> None:
        for channel in range(sample.CHANNEL_N):
            status = latest.status[channel]
            condition = alarms.TRUE if sample.faulty(status) else alarms.FALSE
            if status == sample.STARTING:
                condition = alarms.UNKNOWN
            self.alarms.update(alarms.SENSOR_FAULT + channel, condition, status, now_ms)
        blind = alarms.FALSE if sample.usable(latest.status[sample.P_STATIC]) else alarms.TRUE
        self.alarms.update(alarms.BLIND, blind, latest.status_bits(), now_ms)

    def _tidy(self) -> None:
        """Collect what commands have left on the heap, and measure it; 13 ms."""
        collect()
        self._heap_free_n = mem_free()
        self._heap_used = False

    def _answer(self, now_ms: int) -> None:
        self.desk.answer(self.link.command, self.link.command_n, now_ms)
        self._heap_used = True
        self._over = self.back_room.restart_wanted
        if self.desk.leak_was_reset:
            self.desk.leak_was_reset = False
            self.detector.restart()

    def _leak_stands(self) -> bool:
        return self.alarms.state[alarms.LEAK] != alarms.NORM

    def _ne107(self) -> int:
        bits = self.alarms.alarm_bits
        if bits >> alarms.BLIND & 1:
            return NE107_FAILURE
        if bits >> alarms.SENSOR_FAULT & 0b111111 or bits >> alarms.SIGNAL_NOISY & 1:
            return NE107_OUT_OF_SPECIFICATION
        if bits >> alarms.NOT_COMMISSIONED & 1:
            return NE107_MAINTENANCE
        return NE107_GOOD
