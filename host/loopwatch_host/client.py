"""The laptop's end of the cable: one board on one serial port, heard by a thread of its own.

Listeners get typed messages (messages.py) in the order of the wire. A lost link is a message, not an exception: the
client looks for the same board, waiting longer each time, under whatever name its port then has.
Every read and write has a timeout. Missing events are asked for again until they are here. Opening raises
errors.NoBoard, commands raise errors.CommandFailed.
"""

import queue
import random
import threading
import time
from collections.abc import Callable, Iterable
from types import TracebackType

import serial

from . import ports
from .errors import CommandFailed, NoBoard, Refused, UsageError
from .messages import Connected, Disconnected, Identified, Message, Record, Started
from .stream import Stream

COMMAND_TIMEOUT_S = 2.0
COMMAND_MAX_N = 80  # the board takes lines of 96 bytes, tag included
STALE_AFTER_S = 2.0
BACKOFF_LEAST_S = 0.25
BACKOFF_MOST_S = 5.0
IDENTIFY_TRIES_N = 3


class Pending:
    """A command that was sent; wait() for its answer."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._done = threading.Event()
        self._reply: str | None = None
        self._failure = ""

    @property
    def done(self) -> bool:
        """Whether the board has answered, or the link has gone."""
        return self._done.is_set()

    @property
    def reply(self) -> str | None:
        """The answer's text as it came, also a refusal; None while there is none."""
        return self._reply

    def wait(self, timeout_s: float = COMMAND_TIMEOUT_S) -> str:
        """The reply's text. Raises CommandFailed when it is a refusal or does not come."""
        if not self._done.wait(timeout_s):
            raise CommandFailed(
                f"no answer to {self.text} in {timeout_s:g} s (is the board busy, or is another program at its"
                " prompt?): try again, or unplug the board and plug it in"
            )
        if self._reply is None:
            raise CommandFailed(f"no answer to {self.text}: {self._failure}")
        if self._reply.startswith("!"):
            raise Refused(f"the board refused {self.text}: {self._reply[1:]}")
        return self._reply

    def answer(self, reply: str) -> None:
        """Hand over the board's answer."""
        self._reply = reply
        self._done.set()

    def fail(self, why: str) -> None:
        """No answer will come."""
        self._failure = why
        self._done.set()


class Subscription:
    """A listener's own queue of messages, unbounded: nothing is dropped on this side of the cable."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Message] = queue.SimpleQueue()

    def put(self, message: Message) -> None:
        """Append a message; never waits."""
        self._queue.put(message)

    def get(self, timeout_s: float) -> Message | None:
        """The next message, or None when none came in time."""
        try:
            return self._queue.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def drain(self) -> list[Message]:
        """All messages that are here now."""
        taken = []
        while not self._queue.empty():
            taken.append(self._queue.get_nowait())
        return taken


class Client:
    """Talks with the board behind port.

    greet: ask a board for its identity and its stream on connecting; without it the client only listens until
    told otherwise, and a virtual board's run depends on nothing but its seed.
    find: where the board is now, or None, called with the last port name and the USB serial number.
    capture: takes all bytes as they come, with their wall time, before anything is made of them.
    """

    def __init__(
        self,
        port: str,
        *,
        greet: bool = True,
        find: Callable[[str, str], str | None] = ports.find_again,
        capture: Callable[[bytes, float], None] | None = None,
    ) -> None:
        self.port = port
        self.received_n = 0
        self.stream = Stream()
        self._greet = greet
        self._find = find
        self._capture = capture
        self._usb_serial_number = ""
        self._serial: serial.Serial | None = None
        self._subscriptions: tuple[Subscription, ...] = ()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="loopwatch-client", daemon=True)
        self._write_lock = threading.Lock()
        self._pending: dict[int, Pending] = {}
        # A late answer to another program's command must not be taken for ours. A virtual run is the same every time.
        self._command_n = random.randrange(1_000_000) if greet else 0
        self._identity: Pending | None = None
        self._identify_tries_n = 0
        self._resend: Pending | None = None
        self._run_n: Pending | None = None
        self._backoff_s = BACKOFF_LEAST_S
        self._last_sample_s: float | None = None

    def __enter__(self) -> "Client":
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> None:
        """Take the port for this program alone and start listening. Raises NoBoard."""
        self._serial = ports.open_serial(self.port)
        self._usb_serial_number = ports.serial_number_of(self.port)
        self._publish([Connected(self.port, time.time())])
        self._thread.start()

    def close(self) -> None:
        """Stop listening and give the port back; safe to call twice."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)

    def subscribe(self) -> Subscription:
        """A new listener; it hears what comes from now on, so subscribe before open()."""
        subscription = Subscription()
        self._subscriptions += (subscription,)
        return subscription

    @property
    def connected(self) -> bool:
        """Whether the port is open; see stale for whether anything comes."""
        return self._serial is not None

    @property
    def bad_n(self) -> int:
        """Lines that arrived damaged and were given up."""
        return self.stream.bad_n

    @property
    def lost_n(self) -> dict[str, int]:
        """Records that never arrived, by kind."""
        return dict(self.stream.lost_n)

    def sample_age_s(self) -> float | None:
        """Seconds since the last sample arrived; None before the first."""
        return None if self._last_sample_s is None else time.monotonic() - self._last_sample_s

    @property
    def stale(self) -> bool:
        """Whether what was last shown is too old to be believed."""
        age_s = self.sample_age_s()
        return age_s is None or age_s > STALE_AFTER_S

    def command(self, text: str, timeout_s: float = COMMAND_TIMEOUT_S) -> str:
        """Send an SCPI command and wait for its reply (`OK` for one without). Raises CommandFailed, UsageError."""
        return self.post(text).wait(timeout_s)

    def post(self, text: str) -> Pending:
        """Send an SCPI command, tagged so that its reply finds the way back, without waiting for it."""
        line, pending = self.tag(text)
        with self._write_lock:
            port = self._serial
            if port is None:
                raise CommandFailed(f"cannot send {text}: the board is not connected")
            try:
                port.write(line)
            except (serial.SerialException, OSError) as error:
                raise CommandFailed(
                    f"cannot send {text}: the board takes nothing ({error}): unplug it and plug it in"
                ) from None
        return pending

    def tag(self, text: str) -> tuple[bytes, Pending]:
        """The line to send for a command, and its answer to come, for whoever brings it to the board another way."""
        if not text.isascii() or not text.isprintable() or len(text) > COMMAND_MAX_N:
            raise UsageError(f"{text[:40]!r} is no command: one line of at most {COMMAND_MAX_N} ASCII characters")
        pending = Pending(text)
        with self._write_lock:
            self._command_n = (self._command_n + 1) % 1_000_000
            self._pending[self._command_n] = pending
            return f"@{self._command_n} {text}\n".encode(), pending

    def _run(self) -> None:
        while not self._stop.is_set():
            reason = self._listen()
            if reason:
                self._publish([Disconnected(reason, time.time())])
                self._reconnect()

    def _listen(self) -> str:
        """Hear the open port until it fails or close() is called; returns why it failed."""
        port = self._serial
        assert port is not None
        reason = ""
        try:
            self._say_hello()
            while not self._stop.is_set() and not reason:
                data = port.read(1)
                if data:
                    data += port.read(port.in_waiting)
                    reason = self._take(data)
        except (serial.SerialException, OSError):
            reason = f"the board on {self.port} is gone (unplugged, restarting, or without power): waiting for it"
        with self._write_lock:
            self._serial = None
            waiting, self._pending = self._pending, {}
        for pending in waiting.values():
            pending.fail("the board was disconnected")
        port.close()
        return reason

    def _say_hello(self) -> None:
        self._identity = self._resend = self._run_n = None
        self._identify_tries_n = 0
        if self._greet:
            self._identity = self._ask("*IDN?")
            self._run_n = self._ask("SYST:RUN?")
            self._ask("STR ON")

    def _take(self, data: bytes) -> str:
        """Hand received bytes on; returns why the board cannot be kept, if so."""
        now_s = time.time()
        if self._capture:
            self._capture(data, now_s)
        known_id = self.stream.board_id
        heard = self.stream.feed(data, now_s)
        for reply_id, text in self.stream.replies:
            pending = self._pending.pop(reply_id, None)
            if pending:
                pending.answer(text)
                heard += self._own_reply(pending, text, now_s)
        self.stream.replies.clear()
        if any(isinstance(message, Record) and message.name == "sample" for message in heard):
            self._last_sample_s = time.monotonic()
        if any(isinstance(message, Record) and message.name == "heartbeat" for message in heard):
            self._ask_again()
        if self._greet and any(isinstance(message, Started) and message.boot is None for message in heard):
            self._run_n = self._ask("SYST:RUN?")
        self._ask_for_events()
        self._publish(heard)
        self.received_n += len(data)
        if known_id and any(isinstance(message, Identified) and message.board_id != known_id for message in heard):
            other_id, self.stream.board_id = self.stream.board_id, known_id
            self._backoff_s = BACKOFF_MOST_S
            return f"another board ({other_id}) answers on {self.port}: waiting for {known_id}"
        return ""

    def _own_reply(self, pending: Pending, text: str, now_s: float) -> list[Message]:
        if pending is self._identity:
            words = [word.strip() for word in text.split(",")]
            return self.stream.identify(words[2], words[3], now_s) if len(words) == 4 else []
        if pending is self._resend:
            self._resend = None
            return self.stream.resend_answered(int(text), now_s) if text.isdecimal() else []
        if pending is self._run_n:
            self._run_n = None
            words = text.split(",")
            if len(words) == 2 and all(word.isdecimal() for word in words):
                self.stream.number_run(int(words[0]), int(words[1]))
        return []

    def _ask_again(self) -> None:
        """A board that was busy starting may have missed the first question."""
        if self._greet and not self.stream.board_id and self._identify_tries_n < IDENTIFY_TRIES_N:
            self._identify_tries_n += 1
            self._identity = self._ask("*IDN?")

    def _ask_for_events(self) -> None:
        # Events of a board that has not said who it is are nobody's until it does, and once more those of the board.
        if self._greet and not self.stream.board_id and self._identify_tries_n < IDENTIFY_TRIES_N:
            return
        after = self.stream.resend_from()
        if after is not None:
            self._resend = self._ask(f"EVEN:RES? {after}")

    def _ask(self, text: str) -> Pending | None:
        """Post a question of the client's own; one that cannot be sent is asked again with a later heartbeat."""
        try:
            return self.post(text)
        except CommandFailed:
            return None

    def _reconnect(self) -> None:
        """Wait for the same board, a little longer each time; returns with the port open, or when closing."""
        wait_s, self._backoff_s = self._backoff_s, BACKOFF_LEAST_S
        while not self._stop.wait(wait_s):
            wait_s = min(2 * wait_s, BACKOFF_MOST_S)
            device = self._find(self.port, self._usb_serial_number)
            if device is None:
                continue
            try:
                self._serial = ports.open_serial(device)
            except NoBoard:
                continue
            self.port = device
            self.stream.reconnected()
            self._publish([Connected(device, time.time())])
            return

    def _publish(self, heard: Iterable[Message]) -> None:
        for message in heard:
            for subscription in self._subscriptions:
                subscription.put(message)
