"""The USB console of a virtual board, between its program and the pty: who reads, what is buffered, what is lost.

As rp2 does it: a laptop that reads gets everything at once. One that does not lets FIFO_N bytes pile up; what is
written beyond costs the board STALL_US and more, and is lost. With no cable, or nobody at the other end, bytes go
nowhere and cost nothing. Every byte is counted: delivered_n, discarded_n (nobody there), lost_n (nobody read).
"""

from __future__ import annotations

import time
from collections import deque

from ..pty_link import PtyLink
from ..target import Surroundings, TargetError

FIFO_N = 256  # CFG_TUD_CDC_TX_BUFSIZE of the rp2 port
PACKET_N = 64
# A write that does not fit waits 500 ms, sends what does, and waits 500 ms more for the rest; later ones wait once.
STALL_US = 1_000_000
STALL_MORE_US = 500_000
CLIENT_TIMEOUT_S = 30.0
HEAR_EVERY_US = 10_000


class Console:
    """Output is taken at, and input given at, moments of virtual time in µs."""

    def __init__(self, world: Surroundings, pty: PtyLink) -> None:
        self.delivered_n = 0
        self.discarded_n = 0
        self.lost_n = 0
        self.patient = True
        self._world = world
        self._pty = pty
        self._fifo = bytearray()
        self._incoming: deque[tuple[int, bytes]] = deque()
        self._heard_us = -HEAR_EVERY_US

    def take(self, data: bytes) -> int:
        """Take what the board wrote; returns for how long that stalled it, in µs."""
        fifo = self._fifo
        fifo += data
        if not fifo:
            return 0
        if not self._connected():
            self.discarded_n += len(fifo)
            fifo.clear()
            return 0
        if self._world.link_reading:
            self._hand_over()
        excess_n = len(fifo) - FIFO_N
        if excess_n <= 0:
            return 0
        del fifo[FIFO_N:]
        self.lost_n += excess_n
        return STALL_US + (excess_n - 1) // PACKET_N * STALL_MORE_US

    @property
    def writable(self) -> bool:
        """Whether the board may write at least one byte without waiting."""
        return len(self._fifo) < FIFO_N

    @property
    def narrow(self) -> bool:
        """Whether the next bytes may not all find room."""
        return bool(self._fifo) or not self._world.link_reading or not self.patient

    def reset(self) -> None:
        """The board restarted: what it had not sent is gone."""
        self.discarded_n += len(self._fifo)
        self._fifo.clear()

    def expect(self, t_us: int, data: bytes) -> None:
        """Have bytes from the laptop arrive at t_us."""
        self._incoming.append((t_us, data))
        self._incoming = deque(sorted(self._incoming, key=lambda entry: entry[0]))

    def hear(self, now_us: int) -> None:
        """Take what clients have typed into the pty; it arrives now."""
        self._heard_us = now_us
        data = self._pty.read()
        if data:
            self.expect(now_us, data)

    def hear_now_and_then(self, now_us: int) -> None:
        """hear(), if the last time is a while ago."""
        if now_us - self._heard_us >= HEAR_EVERY_US:
            self.hear(now_us)

    def next_input_us(self) -> int | None:
        """When the next bytes from the laptop arrive."""
        return self._incoming[0][0] if self._incoming else None

    def arrived(self, now_us: int) -> bytes:
        """Bytes from the laptop that have arrived by now and were not asked for before; none without a cable."""
        data = b""
        while self._incoming and self._incoming[0][0] <= now_us:
            data += self._incoming.popleft()[1]
        return data if self._world.link_connected else b""

    def _connected(self) -> bool:
        return self._world.link_connected and self._pty.opened

    def _hand_over(self) -> None:
        fifo = self._fifo
        deadline_s = time.monotonic() + CLIENT_TIMEOUT_S
        while fifo:
            taken_n = self._pty.write(fifo)
            self.delivered_n += taken_n
            del fifo[:taken_n]
            if not fifo or not self.patient:
                return
            if not taken_n:
                self._pty.wait_writable(0.05)
                if not self._pty.opened:
                    self.discarded_n += len(fifo)
                    fifo.clear()
                if time.monotonic() > deadline_s:
                    raise TargetError(
                        f"the program that has {self._pty.port} open has not read from it for "
                        f"{CLIENT_TIMEOUT_S:.0f} s: end it, or let it read, so that the board can go on"
                    )
