"""What the board tells: the firmware's state, copied into records and queued as lines.

Samples, means, decisions and heartbeats are given up when nobody reads (the link counts them); events
wait in the journal until they fit. Nothing here blocks; everything but boot() and reply() allocates nothing.
"""

from . import VERSION
from .detector import MEMBER_N, Detector
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

COUNT_MAX_N = const(9_999_999)  # counts stop here, so that a line stays inside its limit

# Fields of a decision that have no value without a residual, and without a rate.
_NO_RESIDUAL_ABSENT = const(0b1_0111_1111)
_NO_RATE_ABSENT = const(0b0_0101_0000)


class Telemetry:
    """One method a kind of record. streaming: whether records are sent at all; events wait meanwhile."""

    def __init__(self, link: Link, journal: Journal) -> None:
        self.streaming = True
        self._link = link
        self._journal = journal
        self._encoder = Encoder()
        self._sample = Record("S")
        self._mean = Record("M")
        self._decision = Record("D")
        self._event = Record("E")
        self._heartbeat = Record("H")

    def boot(self, board, config, now_ms: int, not_monitoring_n: int = 0) -> None:
        """The first line after a start; not_monitoring_n is 0 when the board watches, else why not."""
        record = Record("B")
        record.t_ms = now_ms
        protocol = protocol_crc()
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

    def decision(self, mean: Sample, residual_ul: int, detector: Detector, reserve_ul: int, state_bits: int) -> None:
        """What was made of that second; without BASELINE_SETTLED there is no residual."""
        if not self.streaming:
            return
        record = self._decision
        record.seq = mean.seq
        record.t_ms = mean.t_ms
        values = record.values
        values[0] = residual_ul
        for i in range(MEMBER_N):
            values[1 + i] = detector.evidence_permille[i]
        values[4] = detector.rate_ul_min
        values[5] = detector.lost_ul
        record.absent = 0
        if detector.rate_ul_min > 0:
            left_ul = max(0, reserve_ul - detector.lost_ul)  # 21b
            values[6] = left_ul * 60 // detector.rate_ul_min  # 21b + 6b = 27b
        else:
            record.absent = _NO_RATE_ABSENT
        values[7] = state_bits
        values[8] = detector.noise_ul
        if not state_bits & BASELINE_SETTLED:
            record.absent = _NO_RESIDUAL_ABSENT
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


def _load_channels(record: Record, source: Sample) -> None:
    record.seq = source.seq
    record.t_ms = source.t_ms
    record.absent = copy_usable(record.values, source.values, source.status, CHANNEL_N, SPEC_HIGH)
    record.values[CHANNEL_N] = source.status_bits()
