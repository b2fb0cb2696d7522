"""What the board tells: the firmware's state, copied into records and queued as lines.

Samples, means, decisions and heartbeats are given up when nobody reads (the link counts them); events
wait in the journal until they fit. Nothing here blocks; everything but boot() and reply() allocates nothing.
"""

from . import VERSION
from .evidence import BURST, MEMBER_N
from .guard import CLASS_N, Guard
from .journal import Journal
from .kernels import copy_usable
from .link import PACKET_N, Link
from .port import const
from .sample import CHANNEL_N, SPEC_HIGH, Sample
from .wire import LINE_MAX_N, PROTOCOL_N, SEQ_MASK, Encoder, Record, protocol_crc

# state_bits of a decision record.
PUMP_RUNNING = const(1)
BASELINE_SETTLED = const(2)
COMMISSIONED = const(4)
BLIND = const(8)
WIDE_LIMITS = const(16)
START_UP = const(32)
IN_SERVICE = const(64)
PROOF_TEST = const(128)
WATCH_ONLY = const(256)
DEGRADED = const(512)
BEYOND_LOG = const(1024)

COUNT_MAX_N = const(9_999_999)  # counts stop here, so that a line stays inside its limit

# Fields of a decision that have no value without a residual, and without a rate.
_NO_RESIDUAL_ABSENT = const(0b101_1111_1111)
_NO_RATE_ABSENT = const(0b001_0111_0000)
_RATE_INTERVAL_ABSENT = const(0b110_0000)


class Telemetry:
    """One method a kind of record.

    streaming: whether records are sent at all; events wait meanwhile. protocol: the CRC of the table of records.
    """

    def __init__(self, link: Link, journal: Journal) -> None:
        self.streaming = True
        self._link = link
        self._journal = journal
        self._encoder = Encoder()
        self._sample = Record("S")
        self._mean = Record("M")
        self._decision = Record("D")
        self._evidence = Record("V")
        self._event = Record("E")
        self._heartbeat = Record("H")
        self._boot = Record("B")
        self.protocol = protocol_crc()

    def boot(self, board, config, now_ms: int, not_monitoring_n: int = 0) -> None:
        """The first line after a start; not_monitoring_n is 0 when the board watches, else why not."""
        record = self._boot
        record.t_ms = now_ms
        protocol = self.protocol
        settings = config.crc()
        values = list(VERSION) + [PROTOCOL_N, protocol.hi, protocol.lo]
        values += [board.id[i] << 8 | board.id[i + 1] for i in range(0, 8, 2)]
        values += [board.reset_cause_n, settings.hi, settings.lo, not_monitoring_n, config.period_ms]
        values += [self._journal.run_n, self._journal.before_seq]
        for i in range(record.field_n):
            record.values[i] = values[i]
        self._offer(record, True)

    def sample(self, sample: Sample) -> None:
        """A sample as it was taken."""
        if self.streaming:
            _load_channels(self._sample, sample)
            self._sample.values[CHANNEL_N + 1] = min(sample.late_n, COUNT_MAX_N)
            self._offer(self._sample, False)

    def mean(self, mean: Sample, used_n: int) -> None:
        """The second that the detector saw."""
        if self.streaming:
            _load_channels(self._mean, mean)
            self._mean.values[CHANNEL_N + 1] = used_n
            self._offer(self._mean, False)

    def decision(self, mean: Sample, guard: Guard, reserve_ul: int, state_bits: int) -> None:
        """What was made of that second; without BASELINE_SETTLED there is no residual."""
        if not self.streaming:
            return
        record = self._decision
        record.seq = mean.seq
        record.t_ms = mean.t_ms
        values = record.values
        absent = 0
        values[0] = guard.residual_ul
        for i in range(CLASS_N):
            values[1 + i] = guard.evidence_permille[i]
            if values[1 + i] < 0:
                absent |= 2 << i
        values[4] = guard.rate_ul_h
        values[5] = guard.rate_low_ul_h
        values[6] = guard.rate_high_ul_h
        values[7] = guard.lost_ul
        if guard.rate_ul_h > 0:
            values[8] = time_left_s(max(0, reserve_ul - guard.lost_ul), guard.rate_ul_h)
            if guard.rate_high_ul_h == 0:
                absent |= _RATE_INTERVAL_ABSENT
        else:
            absent |= _NO_RATE_ABSENT
        values[9] = state_bits
        values[10] = guard.noise_ul
        record.absent = absent if state_bits & BASELINE_SETTLED else _NO_RESIDUAL_ABSENT
        self._offer(record, False)

    def evidence(self, mean: Sample, guard: Guard) -> None:
        """Every member's evidence; nothing from a board that is not commissioned."""
        if not self.streaming or guard.fine is None:
            return
        record = self._evidence
        record.seq = mean.seq
        record.t_ms = mean.t_ms
        for i in range(MEMBER_N):
            record.values[i] = guard.fine.permille[i]
        record.values[MEMBER_N] = guard.fine.permille[BURST]
        self._offer(record, False)

    def heartbeat(
        self, uptime_s: int, sampler, bad_command_n: int, heap_free_n: int, ne107_n: int, alarm_bits: int, now_ms: int
    ) -> None:
        """The counts that tell whether the board is well."""
        if not self.streaming:
            return
        record = self._heartbeat
        record.seq = uptime_s & SEQ_MASK
        record.t_ms = now_ms
        values = record.values
        values[0] = uptime_s
        values[1] = (sampler.sample.seq + 1) & SEQ_MASK
        values[2] = min(sampler.late_n, COUNT_MAX_N)
        values[3] = min(self._link.dropped_n, COUNT_MAX_N)
        values[4] = min(sampler.bus_error_n, COUNT_MAX_N)
        values[5] = min(bad_command_n, COUNT_MAX_N)
        values[6] = heap_free_n
        values[7] = ne107_n
        values[8] = alarm_bits
        values[9] = self._journal.seq
        self._offer(record, True)

    def events(self) -> None:
        """Queue the events not sent yet, as far as there is room."""
        journal = self._journal
        while self.streaming and journal.sent_seq < journal.seq:
            if not self._link.room_for_urgent(LINE_MAX_N):
                return
            seq = max(journal.sent_seq + 1, journal.oldest_seq())
            journal.load(seq, self._event)
            self._offer(self._event, True)
            journal.sent_seq = seq

    def reply(self, reply_id: int, text: str, now_ms: int) -> None:
        """The answer to a tagged command."""
        n = self._encoder.reply(reply_id, now_ms, text)
        self._link.offer(self._encoder.line, n, True)

    def text(self, text: str) -> None:
        """The answer to a bare command: a line that is not a record, and fills its packets by itself."""
        padding = " " * (-(len(text) + 1) % PACKET_N)
        line = bytearray((text + padding + "\n").encode())
        self._link.offer(line, len(line), True)

    def _offer(self, record: Record, urgent: bool) -> None:
        n = self._encoder.record(record)
        self._link.offer(self._encoder.line, n, urgent)


def time_left_s(left_ul: int, rate_ul_h: int) -> int:
    """Seconds that so much lasts at this rate, at most 99 days."""
    if left_ul >= 290_000:
        # 21b and 8b: whole litres at large rates need no more than a promille.
        left_s = (left_ul >> 3) * 3600 // max(1, rate_ul_h >> 3)
    else:
        left_s = left_ul * 3600 // rate_ul_h  # 18b + 12b = 30b
    return min(left_s, 99 * 86_400)


def _load_channels(record: Record, source: Sample) -> None:
    record.seq = source.seq
    record.t_ms = source.t_ms
    record.absent = copy_usable(record.values, source.values, source.status, CHANNEL_N, SPEC_HIGH)
    record.values[CHANNEL_N] = source.status_bits()
