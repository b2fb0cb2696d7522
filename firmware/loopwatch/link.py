"""The cable to the laptop: whole lines queued, sent as the port takes them, never waited for.

Nothing here blocks. When the queue is full a line is given up and counted; the last RESERVE_N bytes
are kept for what must not wait behind samples (events, heartbeats, replies). offer() and pump()
allocate nothing.

Bytes go in whole packets, the last one filled up with carriage returns: the port tells only whether it has any room,
not how much, but where everything comes in packets there is room for a packet or none (see boards.pico.Console).
"""

from .kernels import copy_into_ring
from .port import const

QUEUE_N = const(2048)
RESERVE_N = const(512)
PACKET_N = const(64)  # of USB at full speed
PUMP_MAX_N = const(4)  # packets a pass: what piled up while nobody read must not make the next sample late
COMMAND_MAX_N = const(96)

_NEWLINE = const(10)
_RETURN = const(13)
_FILLER = bytearray(b"\r" * PACKET_N)


class Link:
    """Bytes out by a bounded queue, command lines in. console: see boards.pico.Console.

    waiting_n: bytes queued that the port has not taken yet. dropped_n: lines given up. overlong_n: commands too long.
    """

    def __init__(self, console) -> None:
        self.dropped_n = 0
        self.overlong_n = 0
        self.waiting_n = 0
        self.command = bytearray(COMMAND_MAX_N)
        self.command_n = 0
        self._console = console
        self._queue = bytearray(QUEUE_N)
        self._head = 0
        self._incoming = bytearray(COMMAND_MAX_N)
        self._incoming_n = 0
        self._overlong = False

    def offer(self, line: bytearray, n: int, urgent: bool) -> bool:
        """Queue line[0:n] whole; returns False, and counts it as dropped, when there is no room."""
        if self.waiting_n + n > (QUEUE_N if urgent else QUEUE_N - RESERVE_N):
            self.dropped_n += 1
            return False
        copy_into_ring(self._queue, QUEUE_N, (self._head + self.waiting_n) % QUEUE_N, line, n)
        self.waiting_n += n
        return True

    def room_for_urgent(self, n: int) -> bool:
        """Whether an urgent line of n bytes would be taken now."""
        return self.waiting_n + n <= QUEUE_N

    def pump(self) -> None:
        """Give the port what it takes at once, PUMP_MAX_N packets at most."""
        for _ in range(PUMP_MAX_N):
            waiting_n = self.waiting_n
            if waiting_n == 0:
                return
            if waiting_n < PACKET_N:
                copy_into_ring(self._queue, QUEUE_N, self._head + waiting_n, _FILLER, PACKET_N - waiting_n)
                waiting_n = self.waiting_n = PACKET_N
            if not self._console.write_packet(self._queue, self._head, PACKET_N):
                return
            self._head = (self._head + PACKET_N) % QUEUE_N
            self.waiting_n = waiting_n - PACKET_N

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
