"""Waiting until a flashed board is back and watches: heard through the same client that every command uses."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from .. import ports
from ..client import Client, Subscription
from ..errors import NoBoard
from ..messages import Identified, Message, Record, Started, Text, boot_firmware
from .prompt import FlashError

BACK_TIMEOUT_S = 45.0
LOOK_AGAIN_S = 0.1


@dataclass
class Arrival:
    """What the board has said of itself so far."""

    firmware: str = ""
    reset_cause_n: int | None = None
    not_monitoring_n: int = 0
    sampling: bool = False
    last_text: str = ""

    def take(self, message: Message) -> None:
        """Note a message of the client."""
        if isinstance(message, Started) and message.boot:
            self.firmware = boot_firmware(message.boot)
            self.reset_cause_n = message.boot.values["reset_cause_n"]
            self.not_monitoring_n = message.boot.values["not_monitoring_n"] or 0
        elif isinstance(message, Identified):
            self.firmware = message.firmware
        elif isinstance(message, Record) and message.name == "sample":
            self.sampling = True
        elif isinstance(message, Text) and message.text.strip():
            self.last_text = message.text.strip()


def wait(port: str, serial_number: str, firmware: str | None, timeout_s: float = BACK_TIMEOUT_S) -> Arrival:
    """Wait until the board at port samples, with this version of the firmware unless None.

    Raises FlashError, NoBoard.
    """
    end_s = time.monotonic() + timeout_s
    arrival = Arrival()
    client = _reopened(port, serial_number, end_s)
    heard = client.subscribe()
    with client:
        for message in _until(heard, end_s):
            arrival.take(message)
            if arrival.not_monitoring_n and arrival.last_text:
                raise FlashError(f"the board is back and does not monitor: {arrival.last_text}")
            if arrival.sampling and arrival.firmware:
                break
    if firmware and arrival.firmware and arrival.firmware != firmware:
        raise FlashError(
            f"the board is back with firmware {arrival.firmware} and not {firmware}: the new one did not start"
            f" ({arrival.last_text or 'it said nothing'})"
        )
    if not arrival.sampling:
        said = f"it said: {arrival.last_text}" if arrival.last_text else "nothing came"
        raise FlashError(
            f"the board did not come back within {timeout_s:.0f} s ({said}): the new firmware is on it and is on trial;"
            " watch it with `loopwatch monitor`, or go back with `loopwatch flash --rollback`"
        )
    return arrival


def new_port(timeout_s: float) -> ports.Port:
    """Wait for a board that MicroPython has just been installed on. Raises NoBoard."""
    end_s = time.monotonic() + timeout_s
    while True:
        try:
            return ports.the_board()
        except NoBoard:
            if time.monotonic() > end_s:
                raise
        time.sleep(LOOK_AGAIN_S)


def _reopened(port: str, serial_number: str, end_s: float) -> Client:
    """A client on the board's port, which vanishes while the board restarts and may come back under another name."""
    while True:
        device = ports.find_again(port, serial_number)
        try:
            if device is not None:
                ports.open_serial(device).close()
                return Client(device)
        except NoBoard:
            if time.monotonic() > end_s:
                raise
        if time.monotonic() > end_s:
            raise NoBoard(f"the board on {port} did not come back after its restart: unplug it and plug it in")
        time.sleep(LOOK_AGAIN_S)


def _until(heard: Subscription, end_s: float) -> Iterator[Message]:
    while time.monotonic() < end_s:
        message = heard.get(LOOK_AGAIN_S)
        if message is not None:
            yield message
