"""MicroPython's `select` as on the rp2 port, for a console that is a USB cable on virtual time.

Readiness to read is that of the process's own stdin, which the bench fills at moments of virtual
time. Readiness to write is the bench's word, because the cable's buffer is there. Timeouts are virtual.
ipoll() allocates nothing.
"""

import uselect
from _lockstep import bench
from _requests import CALL_US, FLAG_NARROW, FLAG_WRITABLE, POLL, WANTS_INPUT, WANTS_OUTPUT

POLLIN = uselect.POLLIN
POLLOUT = uselect.POLLOUT
POLLERR = uselect.POLLERR
POLLHUP = uselect.POLLHUP

_STDOUT_FD = 1


class poll:
    """Waits for the console's streams; register() sys.stdin, sys.stdout or their buffers."""

    def __init__(self) -> None:
        self._real = uselect.poll()
        self._outputs = []
        self._wants = 0
        self._shown_writable = True

    def register(self, stream, eventmask: int = POLLIN | POLLOUT) -> None:
        """Watch a stream for events."""
        is_output = stream.fileno() == _STDOUT_FD
        # rp2 has one console behind both names; here each stream has its own direction.
        eventmask &= POLLOUT if is_output else POLLIN
        self._real.register(stream, eventmask)
        if is_output:
            self._outputs.append((stream, eventmask))
            self._shown_writable = True
        self._wants |= (WANTS_INPUT if eventmask & POLLIN else 0) | (WANTS_OUTPUT if eventmask & POLLOUT else 0)

    def unregister(self, stream) -> None:
        """Watch it no longer."""
        self._real.unregister(stream)
        self._outputs = [entry for entry in self._outputs if entry[0] is not stream]

    def modify(self, stream, eventmask: int) -> None:
        """Watch a registered stream for other events."""
        self.unregister(stream)
        self.register(stream, eventmask)

    def poll(self, timeout: int = -1) -> list:
        """Wait up to timeout ms (for ever if negative); returns [(stream, events)]."""
        self._wait(timeout)
        return self._real.poll(0)

    def ipoll(self, timeout: int = -1, flags: int = 0):
        """As poll(), as an iterator that gives the same tuple object each time."""
        self._wait(timeout)
        return self._real.ipoll(0, flags)

    def _wait(self, timeout_ms: int) -> None:
        if timeout_ms and not self._ready():
            self._ask(-1 if timeout_ms < 0 else timeout_ms * 1_000)
        elif bench.flags & FLAG_NARROW:
            self._ask(CALL_US)
        else:
            bench.call()
        writable = bench.flags & FLAG_WRITABLE != 0
        if writable != self._shown_writable:
            self._show(writable)

    def _show(self, writable: bool) -> None:
        self._shown_writable = writable
        for stream, eventmask in self._outputs:
            self._real.modify(stream, eventmask if writable else 0)

    def _ask(self, timeout_us: int) -> None:
        bench.post(POLL, timeout_us, self._wants)
        bench.answer()

    def _ready(self) -> bool:
        for _ in self._real.ipoll(0):
            return True
        return False
