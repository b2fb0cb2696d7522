"""The watch itself: one loop from register to alarm, a sample every 100 ms.

Each pass does what is due, hands the port what it takes, and sleeps until the next deadline. Nothing
blocks, the path of a sample allocates nothing, and the watchdog is fed only after a cycle in which
every stage has run. Time is an argument everywhere below run().
"""

from array import array

from . import alarms, evidence, limits, modes, sample
from .alarm_desk import AlarmDesk
from .back_room import BackRoom
from .config import FAULT_NONE, Config
from .crash import Crashes
from .desk import Desk
from .faults import Faults, bus_is_dead
from .guard import NO_LEAK, RUPTURE, Guard
from .inventory import NO_INPUT, VALID
from .journal import MODE, MODE_BASELINE, MODE_STOPPED, Journal
from .link import Link
from .memory import LEARNT_N, Memory
from .outputs import Outputs
from .port import collect, const, mem_free, sleep_ms, ticks_add, ticks_diff, ticks_ms
from .sampler import MEAN_DONE, Sampler
from .telemetry import (
    BASELINE_SETTLED,
    BEYOND_LOG,
    BLIND,
    COMMISSIONED,
    DEGRADED,
    IN_SERVICE,
    PROOF_TEST,
    PUMP_RUNNING,
    START_UP,
    WATCH_ONLY,
    WIDE_LIMITS,
    Telemetry,
)
from .wire import SEQ_MASK

WATCHDOG_MS = const(2_000)
FIRST_MS = const(100)  # from start to the first deadline: saying hello takes 40 ms and must not make it late
IDLE_MS = const(40)  # sleep while the sampler needs nothing, so that commands are answered at once
TALKING_MS = const(20)  # the same in the second after a command: where one came, a thousand pieces may follow
SOON_MS = const(10)  # what the sampler needs so soon after that is waited for: a pass less
EARLY_MS = const(5)  # the laptop is served so long before that, in a pass that the sampler wants in any case
TIDY_N = const(600)  # samples after which the heap is collected
TIDY_TURN_N = const(20)  # every other second, so that commands without end do not keep the flash from being written
USES_N = const(8)  # commands and writes to the flash after which it is collected before
QUIET_N = const(6)  # the tenth in which there is time for it: an even cycle begins early, the next one late (sampler)
GOODBYE_MS = const(200)
HEALTHY_S = const(60)
DAY_S = const(86_400)
HALF_PERMILLE = const(500)
FADE_PERMILLE_S = const(5)
RESET_WATCHDOG = const(3)  # boards.pico.RESET_WATCHDOG, as the boot record has it
_MODE_BITS = (0, START_UP, IN_SERVICE, PROOF_TEST)  # by modes.NAMES

NE107_GOOD = const(0)
NE107_MAINTENANCE = const(1)
NE107_OUT_OF_SPECIFICATION = const(2)
NE107_FUNCTION_CHECK = const(3)
NE107_FAILURE = const(4)

# What makes the board itself, or what it measures, less than it should be; limits and leaks do not.
_OUT_OF_SPECIFICATION_BITS = 0b111111 << alarms.SENSOR_FAULT | 1 << alarms.SIGNAL_NOISY | 1 << alarms.COMMON_MODE_FAULT
_MAINTENANCE_BITS = 1 << alarms.NOT_COMMISSIONED | 1 << alarms.CONFIG_FAULT | 1 << alarms.JOURNAL_FAULT
_MAINTENANCE_BITS |= 1 << alarms.RESTARTED


class App:
    """The firmware's parts, and the order in which a pass goes through them.

    board: see boards.pico.Board. healthy: called once, when it has run for HEALTHY_S; it may write to the flash.
    """

    def __init__(self, board, config: Config, healthy=None, ring: bytearray | None = None) -> None:
        self._board = board
        self._healthy = healthy
        self._config = config
        seed = int.from_bytes(board.id[4:8], "big") & SEQ_MASK
        self.sampler = Sampler(board.i2c, config, seed)
        self.guard = Guard(config)
        self.journal = Journal()
        self.memory = Memory(self.journal, ring)
        self._kept_words = self.memory.load()
        self._learnt = array("i", bytes(4 * LEARNT_N))
        self._learnt_due_s = DAY_S
        self._take_up(self.memory.learnt.load())
        self.faults = Faults(config)
        self.alarms = alarms.Alarms(self.journal, config)
        self.limits = limits.Limits(config)
        self.modes = modes.Modes(self.alarms, self.journal, config)
        self.outputs = Outputs(board, config)
        self.orders = AlarmDesk(self.alarms, self.modes, self.outputs, self._evidence)
        self.link = Link(board.console)
        self.telemetry = Telemetry(self.link, self.journal)
        self.back_room = BackRoom(config, self._leak_stands, self.memory.blackbox)
        self.desk = Desk(board.id, self.sampler, self.orders, self.journal, self.telemetry, config, self.back_room.rows)
        self._alarm_words = array("i", bytes(4 * alarms.WORD_N))
        self._uptime_s = 0
        self._second_due_ms = 0
        self._served_ms = 0
        self._idle_ms = IDLE_MS
        self._overlong_n = 0
        self._judged_bits = -1
        self._told_bits = 0
        self._chores_due = False
        self._settled = False
        self._stale = False
        self._gained = False
        self._refilled = False
        self._recent_permille = 0
        self._heap_uses_n = 0
        self._heap_free_n = 0
        self._over = False

    def start(self, now_ms: int) -> None:
        """Say who this is, and begin at FIRST_MS after now_ms."""
        if self._kept_words is not None:
            self.alarms.load_words(self._kept_words, len(self._kept_words), now_ms)
            self._kept_words = None
        self.modes.start(now_ms)
        self.memory.begin(now_ms)
        self.telemetry.boot(self._board, self._config, now_ms)
        condition = alarms.FALSE if self._config.fault_n == FAULT_NONE else alarms.TRUE
        self.alarms.update(alarms.CONFIG_FAULT, condition, self._config.fault_n, now_ms)
        condition = alarms.FALSE if self._config.commissioned else alarms.TRUE
        self.alarms.update(alarms.NOT_COMMISSIONED, condition, 0, now_ms)
        crashed = self._board.reset_cause_n == RESET_WATCHDOG or Crashes().in_a_row_n > 0
        condition = alarms.TRUE if crashed else alarms.FALSE
        self.alarms.update(alarms.RESTARTED, condition, self._board.reset_cause_n, now_ms)
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
        self._keep_learnt()
        self.memory.end(now_ms)
        end_ms = ticks_add(now_ms, GOODBYE_MS)
        while ticks_diff(end_ms, ticks_ms()) > 0:
            self.telemetry.events()
            self.link.pump()
            if not self.link.waiting_n:
                return
            sleep_ms(5)

    def step(self, now_ms: int) -> int:
        """Do what is due at now_ms; returns when to come again, at most IDLE_MS + SOON_MS later."""
        sampler = self.sampler
        done = sampler.step(now_ms)
        if done:
            if done & MEAN_DONE:
                self._decide(now_ms)
            if self._chores_due and (not done & MEAN_DONE or self._config.period_ms >= 500):
                self._do_chores(now_ms)
            self._end_cycle(now_ms)
        if done or ticks_diff(now_ms, self._served_ms) >= self._idle_ms - EARLY_MS:
            self._serve(now_ms)
        idle_ms = ticks_add(self._served_ms, self._idle_ms)
        return sampler.due_ms if ticks_diff(sampler.due_ms, idle_ms) < SOON_MS else idle_ms

    def _serve(self, now_ms: int) -> None:
        """Give the laptop what it is owed and take what it says."""
        self._served_ms = now_ms
        if ticks_diff(now_ms, self._second_due_ms) >= 0:
            self._second_due_ms = ticks_add(self._second_due_ms, 1_000)
            self._idle_ms = IDLE_MS
            self._uptime_s += 1
            self._chores_due = True
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
        sampler = self.sampler
        mean = sampler.mean
        guard = self.guard
        faults = self.faults
        faults.judge(mean, sampler.pair_raw, sampler.wobble_pa)
        guard.injected_ul = self.modes.injected_ul
        guard.wobble_pa = sampler.wobble_pa[sample.P_STATIC]
        if faults.doubtful:
            guard.doubt()
        outcome = guard.step(faults.mean)
        state_bits = self._state_bits()
        noisy = alarms.UNKNOWN
        self._settled = outcome == VALID
        if outcome == VALID:
            class_n = guard.class_n
            if not self._refilled:
                noisy = alarms.TRUE if guard.noisy else alarms.FALSE
            elif class_n < RUPTURE:
                class_n = NO_LEAK
            limits.judge_leak(self.alarms, class_n, guard.rate_ul_h, now_ms)
            state_bits |= BASELINE_SETTLED
        else:
            limits.leak_unknown(self.alarms, now_ms)
            if outcome == NO_INPUT:
                state_bits |= BLIND
        self.alarms.update(alarms.SIGNAL_NOISY, noisy, guard.noise_ul, now_ms)
        self.telemetry.mean(mean, sampler.mean_used_n)
        self.telemetry.decision(mean, guard, self._config.reserve_ul, state_bits)
        self.telemetry.evidence(mean, guard)

    def _state_bits(self) -> int:
        bits = _MODE_BITS[self.modes.mode]
        if self.guard.pump_on:
            bits |= PUMP_RUNNING
        if self.guard.wide:
            bits |= WIDE_LIMITS
        fine = self.guard.fine
        if fine is not None:
            bits |= COMMISSIONED
            if fine.permille[evidence.BEYOND] >= evidence.HALVED_Q12:
                bits |= BEYOND_LOG
        if not self.alarms.armed:
            bits |= WATCH_ONLY
        return bits | DEGRADED if self.faults.degraded else bits

    def _do_chores(self, now_ms: int) -> None:
        """Once a second, in a cycle that is not busy with the second's mean: what need not be done ten times."""
        self._chores_due = False
        states = self.alarms
        sampler = self.sampler
        states.tick(now_ms)
        self._work(self.modes.tick(now_ms), now_ms)
        wobble_pa = sampler.wobble_pa[sample.P_PUMP]
        # What jumps by itself has gained nothing; one jump is a refill.
        gain_known = self._settled and not states.active(alarms.SIGNAL_NOISY)
        self.limits.judge(states, self.faults.mean, wobble_pa, self.guard.residual_ul, gain_known, now_ms)
        self._follow_refill(now_ms)
        if states.pending_n or self.faults.common_mode != states.active(alarms.COMMON_MODE_FAULT):
            condition = alarms.TRUE if self.faults.common_mode else alarms.FALSE
            states.update(alarms.COMMON_MODE_FAULT, condition, sampler.sample.values[sample.RAIL], now_ms)
        # While a seep stands nobody can say leak, and the other way round; blind is who can say neither.
        if (states.stale(alarms.LEAK) and states.stale(alarms.LEAK_SEEP)) != self._stale:
            self._stale = not self._stale
            self._judged_bits = -1
        if self._uptime_s == HEALTHY_S:
            states.update(alarms.RESTARTED, alarms.FALSE, 0, now_ms)
        if bus_is_dead(sampler.sample):
            self._board.free_bus()
        fault_n = self.journal.fault_n
        states.update(alarms.JOURNAL_FAULT, alarms.TRUE if fault_n else alarms.FALSE, fault_n, now_ms)
        if states.dirty:
            self.memory.states.put(self._alarm_words, states.save_words(self._alarm_words))

    def _follow_refill(self, now_ms: int) -> None:
        """A refill that nobody announced: when it is over there is a new baseline.

        Gas that was compressed cools again, which reads like a leak: until then only a rupture is believed. Not where a
        leak stood or was suspected before: topping up does not end it.
        """
        states = self.alarms
        gains = states.active(alarms.INVENTORY_GAIN)
        # A gain wipes the evidence of a leak out before it is recognised: what it was in the last minute counts.
        self._recent_permille = max(self._evidence(), self._recent_permille - FADE_PERMILLE_S)
        if gains and not self._gained:
            self._gained = True
            self._refilled = not states.alarm_bits & alarms.LEAK_BITS and self._recent_permille < HALF_PERMILLE
        elif not gains and self._gained:
            self._gained = False
            if self._refilled:
                self._refilled = False
                self._work(modes.REBASELINE, now_ms)

    def _work(self, what: int, now_ms: int) -> None:
        if what & modes.REBASELINE:
            self.guard.rebaseline()
            self.faults.rebaseline()
            self.limits.rebaseline()
            self.journal.add(MODE, MODE_BASELINE, 1, alarms.ADVISORY, 0, now_ms)
        elif what & modes.FORGET:
            self.guard.injected_ul = 0
            self.guard.restart()

    def _evidence(self) -> int:
        """The largest evidence of a leak, in thousandths of its threshold."""
        most = 0
        for permille in self.guard.evidence_permille:
            most = max(most, permille)
        return most

    def _end_cycle(self, now_ms: int) -> None:
        latest = self.sampler.sample
        bits = latest.status_bits()
        told_bits = self.faults.told_bits
        if bits != self._judged_bits or told_bits != self._told_bits or self.alarms.pending_n:
            self._judged_bits = bits
            self._told_bits = told_bits
            self._judge_sensors(latest, now_ms)
        if self.guard.fine is not None and self.guard.sample(latest) and not self.faults.doubtful:
            limits.judge_leak(self.alarms, self.guard.class_n, self.guard.rate_ul_h, now_ms)
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
        if seq % TIDY_TURN_N == QUIET_N and (self._heap_uses_n >= USES_N or seq % TIDY_N == QUIET_N):
            self._tidy()
        elif self.memory.use_quiet_slot(self._served_ms):
            self._heap_uses_n += 1
        elif self._healthy is not None and self._uptime_s >= HEALTHY_S:
            self._healthy()
            self._healthy = None
            self._heap_uses_n += 1
        elif self._uptime_s >= self._learnt_due_s:
            self._learnt_due_s += DAY_S
            self._keep_learnt()

    def _take_up(self, kept) -> None:
        """Let the detector go on from what it had learnt, if that was of this configuration."""
        fine = self.guard.fine
        if fine is None:
            return
        crc = self._config.crc()
        self._learnt[0] = crc.hi
        self._learnt[1] = crc.lo
        if kept is not None and len(kept) == LEARNT_N and kept[0] == crc.hi and kept[1] == crc.lo:
            fine.relearn(kept)

    def _keep_learnt(self) -> None:
        """Have what the detector has learnt put on the flash."""
        if self.guard.fine is not None:
            self.guard.fine.learnt(self._learnt)
            self.memory.learnt.put(self._learnt, LEARNT_N)

    def _judge_sensors(self, latest: sample.Sample, now_ms: int) -> None:
        told = self.faults.told
        for channel in range(sample.CHANNEL_N):
            status = latest.status[channel]
            condition = alarms.TRUE if sample.faulty(status) else alarms.FALSE
            if status == sample.STARTING:
                condition = alarms.UNKNOWN
            elif condition == alarms.FALSE and told[channel]:
                condition = alarms.TRUE
                status = told[channel]
            self.alarms.update(alarms.SENSOR_FAULT + channel, condition, status, now_ms)
        guarded = sample.usable(latest.status[sample.P_STATIC]) and not told[sample.P_STATIC]
        blind = alarms.FALSE if guarded and not self._stale else alarms.TRUE
        self.alarms.update(alarms.BLIND, blind, latest.status_bits(), now_ms)

    def _tidy(self) -> None:
        """Collect what commands and writes have left on the heap, and measure it."""
        collect()
        self._heap_free_n = mem_free()
        self._heap_uses_n = 0

    def _answer(self, now_ms: int) -> None:
        self.desk.answer(self.link.command, self.link.command_n, now_ms)
        self._heap_uses_n += 1
        self._idle_ms = TALKING_MS
        self._over = self.back_room.restart_wanted
        orders = self.orders
        if orders.leak_was_reset:
            orders.leak_was_reset = False
            self.guard.restart()
        if orders.work:
            self._work(orders.work, now_ms)
            orders.work = 0

    def _leak_stands(self) -> bool:
        return self.alarms.alarm_bits & alarms.LEAK_BITS != 0

    def _ne107(self) -> int:
        bits = self.alarms.standing_bits
        if bits >> alarms.BLIND & 1:
            return NE107_FAILURE
        if self.modes.mode != modes.WATCHING:
            return NE107_FUNCTION_CHECK
        if bits & _OUT_OF_SPECIFICATION_BITS:
            return NE107_OUT_OF_SPECIFICATION
        return NE107_MAINTENANCE if bits & _MAINTENANCE_BITS else NE107_GOOD
