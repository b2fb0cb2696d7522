"""A USB cable between a virtual board and the laptop that can be pulled out and put back.

The laptop opens `port`, a link that vanishes with the cable as /dev/ttyACM0 does, and comes back on another pty.
Nothing moves by itself: carry() brings over what has been written on either side, so that a run depends on its seed
alone. Times are wall seconds.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
import tty
from pathlib import Path

READ_N = 4096
TAKE_TIMEOUT_S = 10.0


class Cable:
    """The cable from a board's pty, board_port, to a new port in folder.

    carried_n: bytes given to the laptop. lines_n: lines that the laptop has written.
    """

    def __init__(self, board_port: str, folder: Path) -> None:
        self.port = str(folder / "board")
        self.carried_n = 0
        self.lines_n = 0
        self._board_fd = os.open(board_port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self._laptop_fd = self._device_fd = -1

    def plug(self) -> None:
        """Put it in: the port is there."""
        self._laptop_fd, self._device_fd = os.openpty()
        tty.setraw(self._device_fd)
        os.symlink(os.ttyname(self._device_fd), self.port)

    def unplug(self) -> None:
        """Pull it out: the port is gone, for whoever has it open too."""
        Path(self.port).unlink(missing_ok=True)
        for fd in (self._device_fd, self._laptop_fd):
            if fd >= 0:
                os.close(fd)
        self._laptop_fd = self._device_fd = -1

    def close(self) -> None:
        """Leave nothing behind."""
        self.unplug()
        os.close(self._board_fd)

    def carry(self, from_board_n: int) -> None:
        """Bring over all that the laptop wrote, and from_board_n bytes of the board. Raises TimeoutError."""
        if self._laptop_fd >= 0:
            while select.select([self._laptop_fd], [], [], 0)[0]:
                data = os.read(self._laptop_fd, READ_N)
                self.lines_n += data.count(b"\n")
                os.write(self._board_fd, data)
        while from_board_n:
            data = self._read_board(from_board_n)
            from_board_n -= len(data)
            if self._laptop_fd >= 0:
                os.write(self._laptop_fd, data)
                self.carried_n += len(data)

    def _read_board(self, most_n: int) -> bytes:
        end_s = time.monotonic() + TAKE_TIMEOUT_S
        while time.monotonic() < end_s:
            with contextlib.suppress(BlockingIOError):
                return os.read(self._board_fd, min(most_n, READ_N))
            time.sleep(0.001)
        raise TimeoutError(f"the board's pty holds {most_n} bytes fewer than the board has sent")
