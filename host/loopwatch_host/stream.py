"""One board's stream of records: its starts, its gaps, its clock, and the events still owed.

Fed with received bytes and their arrival time, it returns messages in the order of the wire. Nothing here
opens a port or reads a clock. Every kind of record counts its own `seq`, so a gap says what is missing. Samples are
gone when they are gone; events are not: they stay owed until they were sent again, or the board
says that it no longer has them.
"""

from loopwatch import VERSION, wire

from . import messages
from .clock import BoardClock
from .messages import Earlier, Gap, Identified, Mismatch, Record, Started, Text

BACKWARDS_MS = 2_000  # board time that falls back by more than any two records overlap: it started anew
LATE_MS = 3_000  # after a reconnection the port's buffers are empty, so a lag this large is another start
RESEND_TRIES_N = 5

HOST_VERSION = ".".join(str(part) for part in VERSION)


class EventLedger:
    """Which events of a board have been heard, and which are owed.

    The board numbers them from 1, on through its starts. heard_to is the last one before which none is missing.
    """

    def __init__(self) -> None:
        self.heard_to = 0
        self.announced = 0
        self._beyond: set[int] = set()
        self._history_to = 0

    def go_on(self, before_seq: int) -> None:
        """A new start, before which the board knows of events up to before_seq.

        What it has not kept of the start before, its numbers come again. What this laptop never listened to is history.
        """
        if self.heard_to == 0:
            self._history_to = before_seq
        self.heard_to = min(self.heard_to, before_seq)
        self.announced = before_seq
        self._beyond = {each for each in self._beyond if each <= before_seq}

    def take(self, seq: int) -> bool:
        """Note an event; returns False when it had been heard before."""
        if seq <= self.heard_to or seq in self._beyond:
            return False
        self._beyond.add(seq)
        self._close_up()
        return True

    def owed(self) -> bool:
        """Whether an event that the board has announced, or sent a later one than, is missing."""
        return bool(self._beyond) or self.announced > self.heard_to

    def give_up_to(self, seq: int) -> int:
        """Stop waiting for events up to seq; returns how many of them, history apart, were never heard."""
        beyond = {each for each in self._beyond if each > seq}
        after = max(self.heard_to, self._history_to)
        heard_n = len([each for each in self._beyond if after < each <= seq])
        lost_n = max(0, seq - after - heard_n)
        self.heard_to = max(self.heard_to, seq)
        self._beyond = beyond
        self._close_up()
        return lost_n

    def first_beyond(self) -> int:
        """The event up to which nothing can be had any more once resending has failed."""
        return min(self._beyond) - 1 if self._beyond else self.announced

    def _close_up(self) -> None:
        while self.heard_to + 1 in self._beyond:
            self.heard_to += 1
            self._beyond.discard(self.heard_to)


class Stream:
    """Bytes in, messages out, for one board through all its starts.

    record_n and lost_n count by kind; replies holds answers to tagged commands, to be taken away by the caller.
    """

    def __init__(self) -> None:
        self.record_n = dict.fromkeys(messages.KIND_NAMES, 0)
        self.lost_n = dict.fromkeys(messages.KIND_NAMES, 0)
        self.replies: list[tuple[int, str]] = []
        self.board_id = ""
        self.firmware = ""
        self.epoch_n = 0
        self.clock = BoardClock()
        self._decoder = wire.Decoder()
        self._bad_before_n = 0
        self._last_seq: dict[str, int] = {}
        self._events = EventLedger()
        self._from_boot = False
        self._resend_due = False
        self._resend_tries_n = 0
        self._reconnected = False
        # What the board calls its starts, and which epoch and clock of this connection each was.
        self._run_n = 0
        self._runs: dict[int, tuple[int, BoardClock]] = {}

    @property
    def bad_n(self) -> int:
        """Lines given up because their CRC, numbers or length were wrong."""
        return self._bad_before_n + self._decoder.bad_n

    def reconnected(self) -> None:
        """The port was opened anew: the rest of a line is void, and the board may have started meanwhile."""
        self._bad_before_n = self.bad_n
        self._decoder = wire.Decoder()
        self._reconnected = self.epoch_n > 0

    def feed(self, data: bytes, arrival_s: float) -> list[messages.Message]:
        """Take received bytes; returns what they complete, in order."""
        heard: list[messages.Message] = []
        for item in self._decoder.feed(data):
            if isinstance(item, str):
                heard.append(Text(item, arrival_s))
            elif item.name == "reply":
                self.replies.append((item.seq, item.text))
            elif item.name == "boot":
                heard += self._boot(item, arrival_s)
            else:
                heard += self._record(item, arrival_s)
        return heard

    def identify(self, board_id: str, firmware: str, arrival_s: float) -> list[messages.Message]:
        """Take the answer to *IDN?: who a board is whose boot record was not heard."""
        heard: list[messages.Message] = []
        if self.board_id != board_id or self.firmware != firmware:
            heard.append(Identified(board_id, firmware, self.epoch_n, arrival_s))
            if firmware.split(".")[:2] != HOST_VERSION.split(".")[:2]:
                heard.append(Mismatch(_mismatch(f"firmware {firmware}", "other records"), arrival_s))
        self.board_id = board_id
        self.firmware = firmware
        return heard

    def number_run(self, run_n: int, before_seq: int) -> None:
        """Take the answer to SYST:RUN?: which start of the board this is, whose boot record was not heard."""
        if self._from_boot:
            return
        if run_n != self._run_n:
            self._events.go_on(before_seq)
        self._run_n = run_n
        self._runs[run_n] = (self.epoch_n, self.clock)

    def resend_from(self) -> int | None:
        """The event after which to ask for a resend now (`EVEN:RES? <seq>`), or None; each call is one try."""
        if not self._resend_due or not self._events.owed():
            return None
        self._resend_due = False
        self._resend_tries_n += 1
        return self._events.heard_to

    def resend_answered(self, first_kept_after: int, arrival_s: float) -> list[messages.Message]:
        """The board will send what it has after this event; those before are lost for good."""
        return self._events_lost(first_kept_after, arrival_s)

    def _boot(self, item: wire.Message, arrival_s: float) -> list[messages.Message]:
        heard = self._start(item, arrival_s)
        boot = heard[0].boot if isinstance(heard[0], Started) else None
        if boot is None:
            return heard
        self.record_n["boot"] += 1
        if self.board_id != messages.boot_board_id(boot):
            self._runs.clear()
            self._events = EventLedger()
        self.board_id = messages.boot_board_id(boot)
        self._run_n = boot.values["run_n"] or 0
        self._runs[self._run_n] = (self.epoch_n, self.clock)
        self._events.go_on(boot.values["before_seq"] or 0)
        self.firmware = messages.boot_firmware(boot)
        heard.append(Identified(self.board_id, self.firmware, self.epoch_n, arrival_s))
        ours = wire.protocol_crc()
        protocol_n = boot.values["protocol_n"]
        crc = messages.crc_of(boot, "protocol_crc")
        if (protocol_n, crc) != (wire.PROTOCOL_N, ours.hi << 16 | ours.lo):
            theirs = f"firmware {self.firmware} with protocol {protocol_n} ({crc:08X})"
            mine = f"protocol {wire.PROTOCOL_N} ({ours.hi << 16 | ours.lo:08X})"
            heard.append(Mismatch(_mismatch(theirs, mine), arrival_s))
        return heard

    def _start(self, boot: wire.Message | None, arrival_s: float) -> list[messages.Message]:
        """Begin a new epoch: counts and clock start over, and the events of a board that does not number its starts."""
        self.epoch_n += 1
        self.clock = BoardClock()
        self._last_seq = {}
        if boot is None and not self._run_n:
            self._events = EventLedger()
        self._run_n = 0
        self._from_boot = boot is not None
        self._resend_due = False
        self._resend_tries_n = 0
        self._reconnected = False
        if boot is None:
            return [Started(self.epoch_n, None, arrival_s)]
        self.clock.observe(boot.t_ms, arrival_s)
        return [Started(self.epoch_n, self._timed(boot, boot.t_ms), arrival_s)]

    def _record(self, item: wire.Message, arrival_s: float) -> list[messages.Message]:
        heard: list[messages.Message] = []
        if self.epoch_n == 0 or self._began_anew(item, arrival_s):
            heard += self._start(None, arrival_s)
        run_n = item.values.get("run_n") if item.name == "event" else None
        if run_n and run_n != self._run_n:
            if self._run_n:
                return heard + self._earlier(item, run_n, arrival_s)
            # Nothing was asked yet, so this is of the present start.
            self._run_n = run_n
            self._runs[run_n] = (self.epoch_n, self.clock)
        board_ms = self.clock.board_ms(item.t_ms, arrival_s)
        if item.name == "event":
            if not self._events.take(item.seq):
                return heard
            self._resend_due = self._resend_due or item.seq > self._events.heard_to
            if item.seq <= self._events.heard_to:
                self._resend_tries_n = 0
        else:
            heard += self._gap(item, board_ms)
        # An event may be old, sent again; as the very first record it is fresh, for nothing was asked yet.
        if item.name != "event" or not self.clock.running:
            self.clock.observe(board_ms, arrival_s)
        self.record_n[item.name] += 1
        heard.append(self._timed(item, board_ms))
        if item.name == "heartbeat":
            heard += self._announced(item.values["event_seq"] or 0, arrival_s)
        return heard

    def _earlier(self, item: wire.Message, run_n: int, arrival_s: float) -> list[messages.Message]:
        """An event of another start than the present one, told from a live one so that nobody takes it for news."""
        if not self._events.take(item.seq):
            return []
        self._resend_due = self._resend_due or item.seq > self._events.heard_to
        if item.seq <= self._events.heard_to:
            self._resend_tries_n = 0
        self.record_n[item.name] += 1
        epoch_n, clock = self._runs.get(run_n, (0, self.clock))
        if epoch_n:
            board_ms = clock.board_ms(item.t_ms, clock.wall_s(clock.latest_ms))
            at_s = clock.wall_s(board_ms)
        else:
            board_ms = item.t_ms
            at_s = self.clock.wall_s(0) if self.clock.running else arrival_s
        return [Earlier(Record(item.name, item.seq, epoch_n, board_ms, at_s, item.values), self.board_id, at_s)]

    def _began_anew(self, item: wire.Message, arrival_s: float) -> bool:
        """Whether the board has started since its last record without its boot record being heard."""
        if item.name == "event":
            return False
        board_ms = self.clock.board_ms(item.t_ms, arrival_s)
        reconnected, self._reconnected = self._reconnected, False
        if item.name == "heartbeat" and (item.values["event_seq"] or 0) < self._events.heard_to:
            return True
        return board_ms < self.clock.latest_ms - BACKWARDS_MS or (
            reconnected and self.clock.lag_ms(board_ms, arrival_s) > LATE_MS
        )

    def _gap(self, item: wire.Message, board_ms: int) -> list[messages.Message]:
        last = self._last_seq.get(item.name)
        self._last_seq[item.name] = item.seq
        if last is None:
            return []
        lost_n = (item.seq - last - 1) & wire.SEQ_MASK
        # Half the range or more is a record that came again, not a billion lost.
        if lost_n == 0 or lost_n > wire.SEQ_MASK // 2:
            return []
        self.lost_n[item.name] += lost_n
        at_s = self.clock.wall_s(self.clock.latest_ms)
        return [Gap(item.name, last, lost_n, self.epoch_n, board_ms, at_s)]

    def _announced(self, event_seq: int, arrival_s: float) -> list[messages.Message]:
        """A heartbeat overtakes the events of its own cycle: what is owed since the one before is asked for."""
        events = self._events
        overdue = events.owed()
        events.announced = event_seq
        if not overdue:
            return []
        if self._resend_tries_n >= RESEND_TRIES_N:
            self._resend_tries_n = 0
            return self._events_lost(events.first_beyond(), arrival_s)
        self._resend_due = True
        return []

    def _events_lost(self, up_to: int, arrival_s: float) -> list[messages.Message]:
        after_seq = self._events.heard_to
        lost_n = self._events.give_up_to(up_to)
        # Events of before this laptop joined are history that the board no longer keeps, not a loss.
        if not lost_n or not (self._from_boot or after_seq):
            return []
        self.lost_n["event"] += lost_n
        return [Gap("event", after_seq, lost_n, self.epoch_n, self.clock.latest_ms, arrival_s)]

    def _timed(self, item: wire.Message, board_ms: int) -> Record:
        return Record(item.name, item.seq, self.epoch_n, board_ms, self.clock.wall_s(board_ms), item.values)


def _mismatch(theirs: str, mine: str) -> str:
    return (
        f"the board runs {theirs}, this loopwatch {HOST_VERSION} speaks {mine}: what only one of them knows is left"
        f" out; `loopwatch flash` puts firmware {HOST_VERSION} on the board"
    )
