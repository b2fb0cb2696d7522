"""The pty in front of a virtual board: what pyserial, mpremote and `cat` open like a USB port.

Nothing here blocks. Bytes pass unchanged in both directions; line settings, DTR and RTS mean nothing, as on a
board whose USB port ignores them. While nobody has the port open there is nobody to take bytes:
ask `opened` before writing.
"""

from __future__ import annotations

import os
import select
import time
import tty

READ_N = 4096


class PtyLink:
    """A new pseudo-terminal; `port` is the path that a client opens. OSError when the system has none left."""

    def __init__(self) -> None:
        self._master_fd, slave_fd = os.openpty()
        tty.setraw(slave_fd)
        os.set_blocking(self._master_fd, False)
        self.port = os.ttyname(slave_fd)
        # Once opened and closed again, a pty tells by POLLHUP that nobody has it open.
        os.close(slave_fd)
        self._poll = select.poll()
        self._poll.register(self._master_fd, select.POLLIN | select.POLLOUT)

    @property
    def opened(self) -> bool:
        """Whether some client has the port open."""
        return not self._events() & select.POLLHUP

    def write(self, data: bytes | bytearray) -> int:
        """Hand bytes to the client; returns how many the pty took, fewer when the client is slow to read."""
        if not data:
            return 0
        try:
            return os.write(self._master_fd, data)
        except BlockingIOError:
            return 0

    def read(self) -> bytes:
        """Bytes the client has sent since, b"" when there are none."""
        received = b""
        while self._events() & select.POLLIN:
            try:
                block = os.read(self._master_fd, READ_N)
            except (BlockingIOError, OSError):  # a client that closes meanwhile reads as EIO
                break
            if not block:
                break
            received += block
        return received

    def wait_writable(self, timeout_s: float) -> bool:
        """Wait on the wall clock until the pty takes bytes again or the client leaves; False at the timeout."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            events = self._events()
            if events & (select.POLLOUT | select.POLLHUP):
                return True
            if time.monotonic() >= deadline_s:
                return False
            # poll() would return at once for input that nobody wants now.
            time.sleep(0.0005)

    def close(self) -> None:
        """Remove the port; a client that still has it open sees it vanish."""
        if self._master_fd >= 0:
            os.close(self._master_fd)
            self._master_fd = -1

    def _events(self) -> int:
        if self._master_fd < 0:
            return select.POLLHUP
        for _, events in self._poll.poll(0):
            return events
        return 0
