"""The board's MicroPython prompt: a program goes in, what it prints comes back.

SerialPrompt speaks through mpremote's own library. Opening it stops whatever runs on the board (Ctrl-C, then a soft
reset, so that the heap is free); leaving it, also by an error, restarts the chip, so that no board is left idle.
Every wait ends.
"""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Protocol

import serial
from mpremote.transport import TransportError, TransportExecError
from mpremote.transport_serial import SerialTransport

from .. import ports
from ..errors import LoopwatchError, NoBoard

ANSWER_TIMEOUT_S = 60
READ_TIMEOUT_S = 10.0
ENTER_TIMEOUT_S = 10
ENTER_READ_TIMEOUT_S = 0.5
ENTER_TRIES_N = 2
PARTING_S = 0.1  # the last line is read before the port is closed


class FlashError(LoopwatchError):
    """The board could not be flashed; what it ran before is in force unless the sentence says otherwise."""


class Prompt(Protocol):
    """What the rest of this package needs of a board. run() raises FlashError when the program does not end well."""

    def run(self, program: str) -> str:
        """Run a program on the board and return what it printed."""


class SerialPrompt(Prompt):
    """The prompt of the board behind a serial port. Context manager; NoBoard when there is no MicroPython."""

    def __init__(self, port: str) -> None:
        self.port = port
        self._transport: SerialTransport | None = None

    def __enter__(self) -> SerialPrompt:
        # mpremote does not say why a port cannot be opened.
        ports.open_serial(self.port).close()
        try:
            self._transport = SerialTransport(self.port, timeout=ENTER_READ_TIMEOUT_S)
            self._transport.serial.write_timeout = READ_TIMEOUT_S
            self._enter()
            self._transport.serial.timeout = READ_TIMEOUT_S
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        transport = self._transport
        if transport is not None:
            with contextlib.suppress(TransportError, OSError, serial.SerialException):
                transport.exec_raw_no_follow("import machine; machine.reset()")
                time.sleep(PARTING_S)
        self.close()

    def close(self) -> None:
        """Give the port back and leave the board as it is; safe to call twice."""
        transport, self._transport = self._transport, None
        if transport is not None:
            with contextlib.suppress(OSError, serial.SerialException):
                transport.close()

    def run(self, program: str) -> str:
        transport = self._open
        printed = b""
        with self._told_as_errors():
            printed, error = transport.exec_raw(program, timeout=ANSWER_TIMEOUT_S)
            if error:
                raise TransportExecError(printed, error.decode(errors="replace"))
        return bytes(printed).decode(errors="replace").replace("\r\n", "\n")

    @property
    def _open(self) -> SerialTransport:
        if self._transport is None:
            raise FlashError(f"the prompt on {self.port} is closed: open it first")
        return self._transport

    def _enter(self) -> None:
        for last in range(ENTER_TRIES_N):
            try:
                # What a board says that has no such prompt would land on our stdout.
                with contextlib.redirect_stdout(io.StringIO()):
                    self._open.enter_raw_repl(timeout_overall=ENTER_TIMEOUT_S)
                return
            except (TransportError, serial.SerialException, OSError):
                if last == ENTER_TRIES_N - 1:
                    raise NoBoard(
                        f"what is on {self.port} does not answer as MicroPython (another program that ignores Ctrl-C,"
                        " or no MicroPython?): hold BOOTSEL while plugging the board in, then flash again"
                    ) from None

    @contextlib.contextmanager
    def _told_as_errors(self) -> Iterator[None]:
        try:
            yield
        except TransportExecError as error:
            raise FlashError(f"the board stopped with {_last_line(error.error_output)}: flash it again") from None
        except (TransportError, serial.SerialException, OSError) as error:
            raise FlashError(
                f"the board on {self.port} no longer answers ({error}): plug it in again and repeat the command,"
                " it starts with what it ran before"
            ) from None


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "nothing to say"
