"""The cable to the laptop: whole lines queued, sent as the port takes them, never waited for.

Nothing here blocks. When the queue is full a line is given up and counted; the last RESERVE_N bytes
are kept for what must not wait behind samples (events, heartbeats, replies). offer() and pump()
allocate nothing.
"""

from .port import const

QUEUE_N = const(2048)
RESERVE_N = const(512)
BLOCK_N = const(64)  # one USB full-speed packet
COMMAND_MAX_N = const(96)

_NEWLINE = const(10)
_RETURN = const(13)


class Link:
    """Bytes out by a bounded queue, command lines in. console: see boards.pico.Console."""

    def __init__(self, console) -> None:
        self.dropped_n = 0
        self.overlong_n = 0
        self.command = bytearray(COMMAND_MAX_N)
        self.command_n = 0
        self._console = console
        self._queue = bytearray(QUEUE_N)
        self._head = 0
        self._used_n = 0
        self._incoming = bytearray(COMMAND_MAX_N)
        self._incoming_n = 0
        self._overlong = False

    def offer(self, line: bytearray, n: int, urgent: bool) -> bool:
        """Queue line[0:n] whole; returns False, and counts it as dropped, when there is no room."""
        if self._used_n + n > (QUEUE_N if urgent else QUEUE_N - RESERVE_N):
            self.dropped_n += 1
            return False
        queue = self._queue
        at = (self._head + self._used_n) % QUEUE_N
        for i in range(n):
            queue[at] = line[i]
            at += 1
            if at == QUEUE_N:
                at = 0
        self._used_n += n
        return True

    def room_for_urgent(self, n: int) -> bool:
        """Whether an urgent line of n bytes would be taken now."""
        return self._used_n + n <= QUEUE_N

    def pump(self) -> None:
        """Give the port what it takes at once."""
        while self._used_n:
            n = min(self._used_n, BLOCK_N, QUEUE_N - self._head)
            written_n = self._console.write_some(self._queue, self._head, n)
            self._head = (self._head + written_n) % QUEUE_N
            self._used_n -= written_n
            if written_n < n:
                return

    def drained(self) -> bool:
        """Whether everything queued has been given to the port."""
        return self._used_n == 0

    def poll_command(self) -> bool:
        """Take what has arrived; True when command[0:command_n] is a whole line, to be used before the next call.

        A line longer than COMMAND_MAX_N is given up and counted in overlong_n.
        """
        while True:
            byte = self._console.read_byte()
            if byte < 0:
                return False
            if byte == _NEWLINE or byte == _RETURN:
                n = self._incoming_n
                overlong = self._overlong
                self._incoming_n = 0
                self._overlong = False
                if overlong:
                    self.overlong_n += 1
                elif n:
                    for i in range(n):
                        self.command[i] = self._incoming[i]
                    self.command_n = n
                    return True
            elif self._incoming_n == COMMAND_MAX_N:
                self._overlong = True
            else:
                self._incoming[self._incoming_n] = byte
                self._incoming_n += 1
