"""Ten times a second: conversions by deadlines, and a sample of units and statuses made of them.

step() does what is due and returns; it never waits and, while the chips answer, allocates nothing.
Deadlines advance from the deadline. Pressures are ratiometric to the measured 5 V rail; what the
chips do wrong becomes a status and never a number.

Why pairs: 9 ms is about half a period of 50 and of 60 Hz mains, so pickup nearly cancels in the sum of two
conversions that far apart. What is left nearly cancels in two cycles that start so far apart, and a start
at random every other cycle keeps the last of it from beating slowly.
"""

from array import array

from .config import Config
from .drivers import ads1115, tmp117
from .fixed import median, next_random
from .port import const, ticks_add, ticks_diff
from .sample import (
    ABSENT,
    CHANNEL_N,
    GOOD,
    NO_ANSWER,
    P_PUMP,
    P_STATIC,
    RAIL,
    REFERENCE,
    SHORT,
    SPEC_HIGH,
    STALE,
    T_DOME,
    T_RADIATOR,
    T_SOURCE,
    TIMEOUT,
    Sample,
    usable,
)
from .scaling import (
    RAIL_NOMINAL_RAW,
    pressure_pa,
    pressure_status,
    rail_mv,
    rail_status,
    temperature_mdegc,
    temperature_status,
)
from .second import Second
from .wire import SEQ_MASK

# What step() returns, added up.
SAMPLE_DONE = const(1)
MEAN_DONE = const(2)

# (ms after the cycle's start, input of the converter, channel): the conversions of one cycle.
PLAN = (
    (0, 0, P_STATIC),
    (9, 0, P_STATIC),
    (18, 1, P_PUMP),
    (27, 1, P_PUMP),
    (36, 2, RAIL),
)
# A cycle starts 0 to 10 ms after its deadline, and the next one as long and SHIFT_MS after its own.
DITHER_N = const(11)
SHIFT_MS = const(9)
CONVERSION_MS = const(9)  # ads1115.SLOWEST_CONVERSION_US, rounded up
GIVE_UP_MS = const(14)  # after a conversion's start
RAIL_KEPT_N = const(2)  # cycles for which a measured rail serves when it can't be measured anew
LATE_MS = const(5)

# (address, channel, tenth of the second in which it is asked)
THERMOMETERS = (
    (0x49, T_SOURCE, 1),
    (0x4A, T_RADIATOR, 4),
    (0x4B, T_DOME, 7),
)
STALE_MS = const(3_000)

_COUNT_MAX_N = const((1 << 30) - 1)


class Thermometer:
    """A TMP117 and what is known of it.

    started: it took its settings. wanted: a reading is due. heard_ms: when it last gave one, or was started.
    """

    def __init__(self, chip: tmp117.TMP117, channel: int, turn: int, offset_mdegc: int) -> None:
        self.chip = chip
        self.channel = channel
        self.turn = turn
        self.offset_mdegc = offset_mdegc
        self.started = False
        self.wanted = True
        self.heard_ms = 0


class Sampler:
    """Samples, and means of each second, from the chips on i2c (a machine.I2C). seed: of the dither.

    sample, mean: the latest, renewed in place. mean_used_n: samples with a usable p_static in the mean. pair_raw: the
    latest sum of conversions of p_static and p_pump. wobble_pa: how far they went to and fro in the mean. due_ms:
    when step() has something to do. late_n: samples worked on more than LATE_MS after they were due, and those
    left out for it. bus_error_n: transfers that failed.
    """

    def __init__(self, i2c, config: Config, seed: int) -> None:
        self.sample = Sample()
        self.mean = Sample()
        self.mean_used_n = 0
        self.pair_raw = array("i", bytes(4 * 2))
        self.wobble_pa = array("i", bytes(4 * 2))
        self.bus_error_n = 0
        self.late_n = 0
        self.due_ms = 0
        self._config = config
        self._random = seed % 65_536 + 1
        # The cycle: its deadline and dithered start, the place in the plan, what it gathers.
        self._deadline_ms = 0
        self._begin_ms = 0
        self._give_up_ms = 0
        self._at = 0
        self._converting = False
        self._late = False
        self._dither_ms = 0
        self._shifted = True
        self._sum_raw = array("i", bytes(4 * CHANNEL_N))
        self._fault = bytearray(CHANNEL_N)
        self._adc = ads1115.ADS1115(i2c)
        # The rows of PLAN whose channel is fitted, as columns: on the board a row would cost twice the time.
        plan = [row for row in PLAN if config.fitted(row[2])]
        self._plan_n = len(plan)
        self._offsets_ms = bytes(row[0] for row in plan)
        self._inputs = bytes(row[1] for row in plan)
        self._channels = bytes(row[2] for row in plan)
        self._p_static_fitted = config.fitted(P_STATIC)
        self._p_pump_fitted = config.fitted(P_PUMP)
        self._rail_fitted = config.fitted(RAIL)
        self._rails_raw = array("i", bytes(4 * 3))
        self._rail_age_n = RAIL_KEPT_N + 1
        # The second.
        self._per_second_n = 1_000 // config.period_ms
        self._turn = 0
        self._mean_due_ms = 0
        self._seconds = [Second(channel, self._per_second_n) for channel in (P_STATIC, P_PUMP, RAIL)]
        self._seconds = [second for second in self._seconds if config.fitted(second.channel)]
        offsets_mdegc = (config.t_source_offset_mdegc, config.t_radiator_offset_mdegc, config.t_dome_offset_mdegc)
        self._thermometers = []
        for i, (address, channel, tenth) in enumerate(THERMOMETERS):
            if config.fitted(channel):
                chip = tmp117.TMP117(i2c, address)
                turn = tenth * self._per_second_n // 10
                self._thermometers.append(Thermometer(chip, channel, turn, offsets_mdegc[i]))
        for channel in range(CHANNEL_N):
            if not config.fitted(channel):
                self.sample.status[channel] = ABSENT
                self.mean.status[channel] = ABSENT

    def start(self, now_ms: int) -> None:
        """Begin: the first deadline is now_ms."""
        self.sample.seq = SEQ_MASK  # so that the first one is 0
        self.mean.seq = SEQ_MASK
        for thermometer in self._thermometers:
            self._ask(thermometer, now_ms)
        self._mean_due_ms = ticks_add(now_ms, 1_000)
        self._await(now_ms)

    def step(self, now_ms: int) -> int:
        """Do what is due at now_ms; returns SAMPLE_DONE when sample is new, plus MEAN_DONE when mean is."""
        late_ms = ticks_diff(now_ms, self.due_ms)
        if late_ms < 0:
            return 0
        if late_ms >= self._config.period_ms and self._at == 0 and not self._converting:
            late_ms = self._leave_out(late_ms)
        if late_ms > LATE_MS and not self._late:
            self._late = True
            self._count_late(1)
        if self._converting and not self._collect(now_ms):
            return 0
        while self._at < self._plan_n:
            due_ms = ticks_add(self._begin_ms, self._offsets_ms[self._at])
            if ticks_diff(now_ms, due_ms) < 0:
                self.due_ms = due_ms
                return 0
            if self._convert(now_ms):
                return 0
        return self._finish(now_ms)

    def _await(self, deadline_ms: int) -> None:
        """Set out for the cycle of this deadline."""
        self._deadline_ms = deadline_ms
        self._shifted = not self._shifted
        if self._shifted:
            dither_ms = self._dither_ms + SHIFT_MS
        else:
            self._random = next_random(self._random)
            dither_ms = (self._random - 1) * DITHER_N >> 16  # 16b + 4b = 20b
            self._dither_ms = dither_ms
        self._begin_ms = ticks_add(deadline_ms, dither_ms)
        self.due_ms = self._begin_ms
        self._at = 0
        self._late = False
        sums_raw = self._sum_raw
        sums_raw[P_STATIC] = sums_raw[P_PUMP] = sums_raw[RAIL] = 0
        faults = self._fault
        faults[P_STATIC] = faults[P_PUMP] = faults[RAIL] = GOOD

    def _leave_out(self, late_ms: int) -> int:
        """Leave out the whole periods that went by, each counted as late; returns the lateness that remains."""
        missed_n = late_ms // self._config.period_ms
        missed_ms = missed_n * self._config.period_ms  # no more than late_ms
        self._deadline_ms = ticks_add(self._deadline_ms, missed_ms)
        self._begin_ms = ticks_add(self._begin_ms, missed_ms)
        self._count_late(missed_n)
        return late_ms - missed_ms

    def _count_late(self, n: int) -> None:
        self.late_n = min(self.late_n, _COUNT_MAX_N - n) + n

    def _count_bus_error(self) -> None:
        self.bus_error_n = min(self.bus_error_n, _COUNT_MAX_N - 1) + 1

    def _convert(self, now_ms: int) -> bool:
        """Begin the conversion whose turn it is; False when nobody answers and it is the next one's turn."""
        at = self._at
        try:
            self._adc.start(self._inputs[at])
        except OSError:
            self._count_bus_error()
            self._fault[self._channels[at]] = NO_ANSWER
            self._at += 1
            return False
        self._converting = True
        self.due_ms = ticks_add(now_ms, CONVERSION_MS)
        self._give_up_ms = ticks_add(now_ms, GIVE_UP_MS)
        return True

    def _collect(self, now_ms: int) -> bool:
        """Take the result of the conversion under way; False while it is not ready and worth another ms."""
        adc = self._adc
        channel = self._channels[self._at]
        try:
            if adc.ready():
                raw = adc.read_raw()
                self._sum_raw[channel] += raw  # two of 16b: 17b
                if raw == ads1115.RAW_MAX and channel != RAIL:
                    self._fault[channel] = SHORT
            elif ticks_diff(now_ms, self._give_up_ms) < 0:
                self.due_ms = ticks_add(now_ms, 1)
                return False
            else:
                self._abandon()
        except OSError:
            self._count_bus_error()
            self._fault[channel] = NO_ANSWER
        self._converting = False
        self._at += 1
        return True

    def _abandon(self) -> None:
        """Leave the converter alone for the rest of the cycle.

        Asked for another input while it still converts, it would give the old input's result for it.
        """
        for at in range(self._at, self._plan_n):
            self._fault[self._channels[at]] = TIMEOUT
        self._at = self._plan_n - 1

    def _finish(self, now_ms: int) -> int:
        """Make the sample of what the cycle gathered, and the mean when the next deadline ends its second."""
        config = self._config
        sample = self.sample
        rail_raw = self._take_rail()
        if self._p_static_fitted:
            self._take_pressure(P_STATIC, rail_raw, config.p_static_span_pa, config.p_static_offset_pa)
        if self._p_pump_fitted:
            self._take_pressure(P_PUMP, rail_raw, config.p_pump_span_pa, config.p_pump_offset_pa)
        turn = self._turn
        for thermometer in self._thermometers:
            if thermometer.wanted or thermometer.turn == turn:
                thermometer.wanted = True
                self._ask(thermometer, now_ms)
        self._turn = (turn + 1) % self._per_second_n
        sample.seq = (sample.seq + 1) & SEQ_MASK
        sample.t_ms = self._deadline_ms
        sample.late_n = self.late_n
        for second in self._seconds:
            second.add(sample)
        self._await(ticks_add(self._deadline_ms, config.period_ms))
        over_ms = ticks_diff(self._deadline_ms, self._mean_due_ms)
        if over_ms < 0:
            return SAMPLE_DONE
        self._mean_due_ms = ticks_add(self._mean_due_ms, over_ms - over_ms % 1_000 + 1_000)
        self._close_second()
        return SAMPLE_DONE | MEAN_DONE

    def _take_rail(self) -> int:
        """Set the rail's channel; returns the median of its last three readings, or 0 when it is no reference.

        So one wrong reading is ignored, and a rail that did move is believed at its second reading. A board that
        does not measure its rail is taken to have 5 V, and pays with the rail's error in its pressures.
        """
        if not self._rail_fitted:
            return RAIL_NOMINAL_RAW
        rails_raw = self._rails_raw
        fault = self._fault[RAIL]
        if fault == GOOD:
            raw = self._sum_raw[RAIL]
            fresh = self._rail_age_n > RAIL_KEPT_N
            rails_raw[0] = raw if fresh else rails_raw[1]
            rails_raw[1] = raw if fresh else rails_raw[2]
            rails_raw[2] = raw
            self._rail_age_n = 0
        elif self._rail_age_n <= RAIL_KEPT_N:
            self._rail_age_n += 1
        raw = median(rails_raw[0], rails_raw[1], rails_raw[2])
        status = rail_status(raw)
        self.sample.values[RAIL] = rail_mv(raw)
        self.sample.status[RAIL] = fault if fault != GOOD else status
        return raw if status == GOOD and self._rail_age_n <= RAIL_KEPT_N else 0

    def _take_pressure(self, channel: int, rail_raw: int, span_pa: int, offset_pa: int) -> None:
        """Set a pressure's channel from its pair of conversions."""
        status = self._fault[channel]
        if status == GOOD:
            pair_raw = self._sum_raw[channel]
            self.pair_raw[channel] = pair_raw
            status = pressure_status(pair_raw, rail_raw) if rail_raw else REFERENCE
            if status <= SPEC_HIGH:
                # At most 1.075 spans of 2 MPa and the offset: 22b
                self.sample.values[channel] = pressure_pa(pair_raw, rail_raw, span_pa) + offset_pa
        self.sample.status[channel] = status

    def _ask(self, thermometer: Thermometer, now_ms: int) -> None:
        """Set a temperature's channel if its chip has a new reading; start a chip again that failed or fell silent."""
        status = self.sample.status
        channel = thermometer.channel
        try:
            if not thermometer.started:
                thermometer.chip.start()
                thermometer.started = True
                thermometer.heard_ms = now_ms
            elif thermometer.chip.ready():
                raw = thermometer.chip.read_raw()
                if raw != tmp117.RAW_POWER_UP:
                    self.sample.values[channel] = temperature_mdegc(raw) + thermometer.offset_mdegc
                    status[channel] = temperature_status(raw)
                    thermometer.heard_ms = now_ms
                    thermometer.wanted = False
        except OSError:
            self._count_bus_error()
            status[channel] = NO_ANSWER
            thermometer.started = False
        if thermometer.started and ticks_diff(now_ms, thermometer.heard_ms) > STALE_MS:
            # A chip that gave readings has gone stale; one that answers but never gave any has timed out.
            status[channel] = STALE if usable(status[channel]) or status[channel] == STALE else TIMEOUT
            thermometer.started = False

    def _close_second(self) -> None:
        """Make the mean. A temperature's is its latest reading: chip and pocket have averaged it already."""
        mean = self.mean
        sample = self.sample
        mean.seq = (mean.seq + 1) & SEQ_MASK
        mean.t_ms = sample.t_ms
        mean.late_n = sample.late_n
        for second in self._seconds:
            usable_n = second.close(mean)
            channel = second.channel
            if channel == P_STATIC:
                self.mean_used_n = usable_n
            if channel <= P_PUMP:
                self.wobble_pa[channel] = second.wobble
        for thermometer in self._thermometers:
            channel = thermometer.channel
            mean.values[channel] = sample.values[channel]
            mean.status[channel] = sample.status[channel]
