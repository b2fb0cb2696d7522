"""What the firmware costs on the board: time, memory and start, measured on the emulated core.

Cycle counts, so they repeat exactly and do not depend on the machine they are taken on. A real board is slower by
the cache misses of its flash, which the emulator does not have.

CPU of a sample is all that the core does in a second of steady stream, asleep or not: every pass of the main loop,
sending, USB, the second's mean, decision and heartbeat, divided by the samples of a second. Left out, and
told beside it, is the time in which a byte of a transfer is on the I2C bus: the port's driver waits for it in
a loop, so those cycles would be the same for any firmware that asks the chips the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from loopwatch import journal, residual, sample, sampler, settings, wire
from loopwatch.config import Config
from loopwatch_host import firmware_constants
from loopwatch_host.bench.bus import BITS_PER_BYTE, Bus
from loopwatch_host.bench.target import Surroundings, TargetError

from . import cycles, flash_image
from .machine import Machine
from .repl import Repl
from .target import TICK_US

_BOOT_LIMIT_US = 5_000_000
_SETTLE_N = 30  # samples, so that what is done once after the start, as writing to the flash, is over
_STEADY_S = 2
_ALARM_LIMIT_US = 3_000_000
THERMOMETER_ADDRESS = 0x49  # of t_source
_ADC_ADDRESS = 0x48
# Passes of the main loop, some 9 a sample: the first second's once-only work, then a whole second and more.
_WARM_PASSES_N = 110
_COUNTED_PASSES_N = 100
_SETTLED_N = 20  # seconds after which there is a baseline

# The firmware beside the REPL: as main.py makes it, stepped by hand, its watchdog off.
_BY_HAND = """
import gc
from array import array
from loopwatch.launch import LOADING_N
from loopwatch.ring import RING_N
ring = bytearray(RING_N)
gc.threshold(LOADING_N)
from loopwatch.app import App
from loopwatch.boards.pico import Board
from loopwatch.config import Config
from loopwatch.port import sleep_ms, ticks_diff, ticks_ms
board = Board()
app = App(board, Config(), None, ring)
gc.threshold(-1)
app.start(ticks_ms())
board.stop_watchdog()
grown = array("i", bytes(4 * {warm}))
def passes(n):
    for i in range(n):
        before = gc.mem_alloc()
        due_ms = app.step(ticks_ms())
        grown[i] = gc.mem_alloc() - before
        wait_ms = ticks_diff(due_ms, ticks_ms())
        if wait_ms > 0:
            sleep_ms(wait_ms)
passes({warm})
gc.collect()
first = app.sampler.sample.seq
for i in range({warm}):
    grown[i] = 0
passes({counted})
samples = app.sampler.sample.seq - first
"""

_GUARD = """
from loopwatch.guard import Guard
for channel in range(6):
    app.sampler.mean.status[channel] = 0
app.sampler.mean.values[0] = 150_000
guard = Guard({config})
for _ in range({settled}):
    guard.step(app.sampler.mean)
"""


@dataclass(frozen=True)
class BoardFigures:
    """One run's figures; the names are those of DESIGN §10.

    sample_cpu_us, sample_bus_us: see above. detector_step_us: the guard's
    longer step, once a second: with first settings or commissioned. detector_both_us: with
    both, as in the half hour after a start. *_commissioned_*: of a board with numbers for its loop, in that half hour.
    heap_free_bytes: the least that a heartbeat has told. boot_to_sample_ms: power-on to the first line with a pressure.
    alarm_latency_ms: from the pass that decides an alarm to the end of its line on the laptop. jitter_*_us: how long
    after its planned moment a conversion begins on the bus. late_n: samples that the board itself calls late.
    """

    alloc_bytes_per_sample: float
    sample_cpu_us: float
    sample_bus_us: float
    detector_step_us: float
    detector_both_us: float
    heap_free_bytes: int
    boot_to_sample_ms: float
    alarm_latency_ms: float
    jitter_p50_us: float
    jitter_p99_us: float
    jitter_max_us: float
    late_n: int
    sample_cpu_commissioned_us: float
    heap_free_commissioned_bytes: int


def measure(flash: bytes | bytearray, make_world: Callable[[], Surroundings]) -> BoardFigures:
    """Boot this flash and watch it, once more with a commissioned configuration, and step its firmware by hand.

    make_world gives a new world for each. Raises TargetError when the firmware sends no sample, loses one, or raises
    no alarm for a sensor that is gone.
    """
    watched = _Watch(flash, make_world())
    boot_to_sample_ms = watched.boot()
    cpu_us, bus_us = watched.steady()
    alarm_latency_ms = watched.alarm()
    late_us = sorted(watched.conversions_late_us())
    allocated, step_us, both_us = _by_hand(flash, make_world())
    commissioned = _Watch(_with_configuration(flash), make_world())
    commissioned.boot()
    cpu_commissioned_us, _ = commissioned.steady()
    return BoardFigures(
        alloc_bytes_per_sample=allocated,
        sample_cpu_us=round(cpu_us, 1),
        sample_bus_us=round(bus_us, 1),
        detector_step_us=round(step_us, 1),
        detector_both_us=round(both_us, 1),
        heap_free_bytes=min(watched.told("heartbeat", "heap_free_n")),
        boot_to_sample_ms=boot_to_sample_ms,
        alarm_latency_ms=round(alarm_latency_ms, 1),
        jitter_p50_us=late_us[len(late_us) // 2],
        jitter_p99_us=late_us[len(late_us) * 99 // 100],
        jitter_max_us=late_us[-1],
        late_n=max(max(each.told("sample", "late_n")) for each in (watched, commissioned)),
        sample_cpu_commissioned_us=round(cpu_commissioned_us, 1),
        heap_free_commissioned_bytes=min(commissioned.told("heartbeat", "heap_free_n")),
    )


class _HeardBus(Bus):
    """A bus that hands everything on to another one, and knows how long its wires were busy and what was begun when.

    conversions_us: the moments at which the converter got a command.
    """

    def __init__(self, bus: Bus, clock_hz: int = 400_000) -> None:
        super().__init__(clock_hz)
        self.bits_n = 0
        self.conversions_us: list[int] = []
        self._bus = bus
        self._address = 0
        self._written_n = 0

    @property
    def stuck(self) -> bool:
        """Whether the other bus is."""
        return self._bus.stuck

    @stuck.setter
    def stuck(self, stuck: bool) -> None:
        pass  # the other bus's own

    @property
    def busy_us(self) -> float:
        """Time for which bits were on the wires, starts and stops included."""
        return self.bits_n * self._bit_us

    def start(self, address: int, reading: bool, t_us: int) -> bool:
        """A start and the address."""
        self.bits_n += 1 + BITS_PER_BYTE
        self._address = address
        self._written_n = 0
        return self._bus.start(address, reading, t_us)

    def write_byte(self, byte: int, t_us: int) -> bool:
        """A byte from the board."""
        self.bits_n += BITS_PER_BYTE
        self._written_n += 1
        return self._bus.write_byte(byte, t_us)

    def read_byte(self, t_us: int) -> int:
        """A byte for the board."""
        self.bits_n += BITS_PER_BYTE
        return self._bus.read_byte(t_us)

    def stop(self, t_us: int) -> None:
        """A stop; register and word written to the converter begin a conversion."""
        self.bits_n += 1
        if self._address == _ADC_ADDRESS and self._written_n == 3:
            self.conversions_us.append(t_us)
        self._bus.stop(t_us)


class _Watch:
    """A board that runs its own main.py in a world, and what came over its cable when."""

    def __init__(self, flash: bytes | bytearray, world: Surroundings) -> None:
        self._bus = _HeardBus(world.bus)
        self._world = world
        self._machine = _wired(flash, world, self._bus)
        self._arrived: list[tuple[int, wire.Message]] = []
        decoder = wire.Decoder()

        def printed(data: bytes, t_us: int) -> None:
            self._arrived.extend((t_us, item) for item in decoder.feed(data) if isinstance(item, wire.Message))

        self._machine.host.on_data = printed

    def boot(self) -> float:
        """Run until the first sample with a pressure; returns when it came, in ms after power-on."""
        return self._run_until(_has_pressure, _BOOT_LIMIT_US, "sent no sample") / 1000

    def steady(self) -> tuple[float, float]:
        """Run for some whole seconds; returns core time without the bus, and on the bus, in µs a sample."""
        machine = self._machine
        self._run_until(_is_settled, _BOOT_LIMIT_US, "stopped sampling")
        cycles_n, busy_us, from_us = machine.cycles_n, self._bus.busy_us, machine.now_us
        machine.run_until(from_us + _STEADY_S * 1_000_000)
        samples = [m for t_us, m in self._arrived if m.name == "sample" and t_us > from_us]
        if any(later.seq != earlier.seq + 1 for earlier, later in pairwise(samples)):
            raise TargetError("the firmware lost samples while it was measured")
        samples_n = _STEADY_S * 1000 / (samples[-1].t_ms - samples[-2].t_ms)
        bus_us = (self._bus.busy_us - busy_us) / samples_n
        return cycles.microseconds(machine.cycles_n - cycles_n) / samples_n - bus_us, bus_us

    def alarm(self) -> float:
        """Take a thermometer off the bus; returns the ms from the pass that raises its alarm to the line's arrival.

        The board's clock starts with its power, as the bench's does.
        """
        silent_us = self._machine.now_us
        self._world.bus.nack(THERMOMETER_ADDRESS)

        def raised(message: wire.Message) -> bool:
            is_alarm = message.name == "event" and message.values["event_n"] == journal.ALARM
            return is_alarm and message.t_ms * 1000 > silent_us

        arrived_us = self._run_until(raised, _ALARM_LIMIT_US, "raised no alarm for a thermometer that is gone")
        return arrived_us / 1000 - next(message for _, message in self._arrived if raised(message)).t_ms

    def conversions_late_us(self) -> list[int]:
        """How long after its planned moment each conversion began.

        Plans are whole ms on the board's clock and a cycle's dither is its own secret: a cycle is taken to begin in the
        latest whole ms for which none of its conversions is early.
        """
        late_us: list[int] = []
        offsets_us = [row[0] * 1000 for row in sampler.PLAN]
        began_us = self._bus.conversions_us
        for at in range(0, len(began_us) - len(offsets_us) + 1, len(offsets_us)):
            starts_us = [t_us - offset_us for t_us, offset_us in zip(began_us[at:], offsets_us, strict=False)]
            late_us += [start_us - min(starts_us) // 1000 * 1000 for start_us in starts_us]
        return late_us

    def told(self, kind: str, field: str) -> list[int]:
        """The values of one field in all records of a kind."""
        return [m.values[field] for _, m in self._arrived if m.name == kind and m.values[field] is not None]

    def _run_until(self, wanted: Callable[[wire.Message], bool], limit_us: int, complaint: str) -> int:
        """Run until such a message has come; returns when, in µs."""
        end_us = self._machine.now_us + limit_us
        seen_n = len(self._arrived)
        while self._machine.now_us < end_us:
            self._machine.run_until(self._machine.now_us + TICK_US)
            for t_us, message in self._arrived[seen_n:]:
                if wanted(message):
                    return t_us
            seen_n = len(self._arrived)
        raise TargetError(f"the firmware {complaint} within {limit_us / 1e6:.0f} s of virtual time")


def _by_hand(flash: bytes | bytearray, world: Surroundings) -> tuple[float, float, float]:
    """Bytes allocated per sample, µs of the guard's longer step, and µs of both, see BoardFigures."""
    machine = _wired(flash, world, world.bus)
    repl = Repl(machine)
    by_hand = _BY_HAND.format(warm=_WARM_PASSES_N, counted=_COUNTED_PASSES_N)
    repl.exec(firmware_constants.program(by_hand), limit_us=30_000_000)
    # A pass that collected shows less than before; what it allocated cannot be seen, and it is left out.
    answer = repl.exec("print('\\n', sum(n for n in grown if n > 0), samples)").split()
    steps_us = []
    for config, whole_s in (("Config()", 0), (_commissioned(), 1 << 20), (_commissioned(), 0)):
        setup = _GUARD.format(config=config, settled=_SETTLED_N)
        if whole_s:
            setup += f"guard.fine.whole_s = {whole_s}\nguard.step(app.sampler.mean)\n"
        steps_n = cycles.count(repl, machine, "guard.step(app.sampler.mean)", setup)
        steps_us.append(max(cycles.microseconds(n) for n in steps_n))
    return int(answer[-2]) / int(answer[-1]), max(steps_us[:2]), steps_us[2]


def _commissioned() -> str:
    """Source of a commissioned configuration; how long the kernels take does not depend on its numbers."""
    return f"Config({_words()}, commissioned=1)"


def _with_configuration(flash: bytes | bytearray) -> bytearray:
    """The flash of a board that has been commissioned."""
    path, data = settings.first_file(Config(_words(), commissioned=1).content())
    return flash_image.with_files(flash, {**flash_image.read_files(flash), path: data})


def _words() -> list[int]:
    # The desk's mathematics loads slowly, and only these figures need it.
    from ...commission import bursts, estimates, fit, thresholds

    shape = fit.Shape(gas_ul=150_000, p0_pa=150_000, head_pa=35_000, gas_c=30)
    weights = fit.Fit(np.full(residual.FEATURE_N, 0.5), 0.0)
    stray = estimates.packed(estimates.strays_ul(np.zeros(1_000, np.int32)), 40.0)
    burst_words = bursts.parameters(shape, 250.0, 2.0, 0.0)
    words = fit.parameters(shape, weights), thresholds.unlimited(shape.gas_ul), burst_words, stray
    return list(np.concatenate(words).tolist())


def _wired(flash: bytes | bytearray, world: Surroundings, bus: Bus) -> Machine:
    machine = Machine(flash, bus)
    machine.every(TICK_US, world.advance)
    return machine


def _has_pressure(message: wire.Message) -> bool:
    return message.name == "sample" and message.values[sample.CHANNELS[sample.P_STATIC]] is not None


def _is_settled(message: wire.Message) -> bool:
    return message.name == "sample" and message.seq >= _SETTLE_N
