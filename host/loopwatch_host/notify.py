"""Alarms sent to wherever a person wants them (desktop, phone, mail, chat) through apprise, and not too many of them.

    what happens                                          what is sent
    an alarm is raised (priority 1 to 3)                  a notification at once
    an urgent one stays unacknowledged                    again after REPEAT_S, REPEATS_N times and no more
    an alarm ends, or is acknowledged                     nothing; its repeats end
    more than MOST_N in WINDOW_S                          one that says so; then nothing until the window has room
    the board's proof test                                marked as a test, not repeated
    the board is gone for LOST_S                          one notification, and one when it is back

Sending may take long, so a thread does it: nothing here waits for the network. What could not be sent is counted.
"""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import apprise

from loopwatch import alarms

from .errors import UsageError
from .messages import Connected, Disconnected, Message, Record, alarm_change, standing_alarms

REPEAT_S = 300.0
REPEATS_N = 3
MOST_N = 10
WINDOW_S = 600.0
LOST_S = 30.0
CLOSE_S = 5.0

KINDS = {1: apprise.NotifyType.FAILURE, 2: apprise.NotifyType.WARNING, 3: apprise.NotifyType.WARNING}


@dataclass
class _Raised:
    """An alarm that nobody has acknowledged; times of clock_s."""

    priority_n: int
    words: str
    due_s: float
    left_n: int


class Notifier:
    """Sends to urls what take() hears. Call tick() at least every second. UsageError when an url is none of apprise's.

    sent_n, failed_n: notifications that left, and that could not.
    """

    def __init__(self, urls: Iterable[str], clock_s: Callable[[], float] = time.monotonic) -> None:
        self.sent_n = 0
        self.failed_n = 0
        self._sender = apprise.Apprise()
        for url in (word for text in urls for word in text.split()):
            if not self._sender.add(url):
                scheme = url.split(":")[0]
                raise UsageError(f"cannot notify by {scheme}://…: apprise knows no such service, or the rest is wrong")
        self._clock_s = clock_s
        self._raised: dict[str, _Raised] = {}
        self._sent_s: deque[float] = deque()
        self._proving = False
        self._lost_s: float | None = None
        self._said_lost = False
        self._waiting: queue.SimpleQueue[tuple[str, str, apprise.NotifyType] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._send, name="loopwatch-notify", daemon=True)
        self._thread.start()

    def take(self, message: Message) -> None:
        """Hear one message of the client."""
        if isinstance(message, Disconnected):
            self._lost_s = self._clock_s()
        elif isinstance(message, Connected):
            if self._said_lost:
                self._offer("loopwatch: the board is back", "It watches the loop again.", apprise.NotifyType.SUCCESS)
            self._lost_s, self._said_lost = None, False
        elif isinstance(message, Record):
            self._take_record(message)

    def tick(self) -> None:
        """Send what is due by now."""
        now_s = self._clock_s()
        for name, raised in self._raised.items():
            if raised.left_n and now_s >= raised.due_s:
                raised.left_n -= 1
                raised.due_s = now_s + REPEAT_S
                self._offer(f"loopwatch: {name} still not acknowledged", raised.words, KINDS[raised.priority_n])
        if self._lost_s is not None and not self._said_lost and now_s - self._lost_s >= LOST_S:
            self._said_lost = True
            words = "The laptop does not hear it. Its own alarm, lamps and interlock go on if it has power."
            self._offer("loopwatch: the board is gone", words, apprise.NotifyType.WARNING)

    def close(self) -> None:
        """Send what waits, within CLOSE_S."""
        self._waiting.put(None)
        self._thread.join(CLOSE_S)

    def _take_record(self, record: Record) -> None:
        if record.name == "heartbeat":
            self._proving = "simulation" in standing_alarms(record.values["alarm_bits"] or 0)
            return
        change = alarm_change(record)
        if change is None:
            return
        if change.name == "simulation":
            self._proving = change.state == "UNACK"
        if change.state != "UNACK":
            self._raised.pop(change.name, None)
            return
        kind = KINDS.get(change.priority_n)
        if kind is None:
            return
        mark = "TEST " if self._proving or change.name == "simulation" else ""
        index = alarms.index_of(change.name)
        unit = alarms.TABLE[index][6] if index >= 0 else ""
        words = f"priority {change.priority_n}" + (f", {change.value} {unit}" if unit else "")
        repeats_n = REPEATS_N if change.priority_n == alarms.URGENT and not mark else 0
        self._raised[change.name] = _Raised(change.priority_n, words, self._clock_s() + REPEAT_S, repeats_n)
        self._offer(f"loopwatch: {mark}{change.name}", words, kind)

    def _offer(self, title: str, body: str, kind: apprise.NotifyType) -> None:
        """Queue a notification unless the window is full; the one that fills it says so."""
        now_s = self._clock_s()
        while self._sent_s and now_s - self._sent_s[0] >= WINDOW_S:
            self._sent_s.popleft()
        if len(self._sent_s) > MOST_N:
            return
        if len(self._sent_s) == MOST_N:
            title = "loopwatch: many alarms"
            body = f"More than {MOST_N} in {WINDOW_S / 60:.0f} minutes: look at the board. The rest is left out."
        self._sent_s.append(now_s)
        self._waiting.put((title, body, kind))

    def _send(self) -> None:
        while (item := self._waiting.get()) is not None:
            title, body, kind = item
            if self._sender.notify(title=title, body=body, notify_type=kind):
                self.sent_n += 1
            else:
                self.failed_n += 1
