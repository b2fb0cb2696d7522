"""A virtual board with the laptop's client at its port, in virtual time: what a test asks it answers, step by step."""

from __future__ import annotations

import time
from typing import Any, TypeVar

from loopwatch_host.bench import scenario
from loopwatch_host.bench.target import VirtualTarget
from loopwatch_host.bench.world import World
from loopwatch_host.client import Client
from loopwatch_host.messages import Record, Started

Kind = TypeVar("Kind")
HEARD_S = 20.0
ANSWER_S = 4.0


def world_of(name: str, seed: int = 5) -> World:
    """The world of a built-in scenario."""
    return World(scenario.load_scenario(name), seed)


class AskedBoard:
    """A started target and its client; close() ends both."""

    def __init__(self, target: VirtualTarget, world: World) -> None:
        self.target = target
        self.world = world
        self.messages: list[Any] = []
        target.start()
        self.client = Client(target.port, greet=False)
        self._heard = self.client.subscribe()
        self.client.open()

    def close(self) -> None:
        """End the client and the board."""
        self.client.close()
        self.target.stop()

    def advance(self, by_s: float) -> None:
        """Let the board live, and hear all that it says."""
        self.target.advance_to(self.target.now_s + by_s)
        end_s = time.monotonic() + HEARD_S
        while self.client.received_n < self.target.delivered_n:
            assert time.monotonic() < end_s, "the client did not hear all that the board said"
            time.sleep(0.005)
        self.messages += self._heard.drain()

    def ask(self, command: str) -> str:
        """As Client.command, in virtual time."""
        line, pending = self.client.tag(command)
        self.target.send(line)
        end_s = self.target.now_s + ANSWER_S
        while not pending.done and self.target.now_s < end_s:
            self.advance(0.02)
        return pending.wait(0)

    def of(self, kind: type[Kind]) -> list[Kind]:
        """Messages of one kind so far."""
        return [message for message in self.messages if isinstance(message, kind)]

    def records(self, name: str) -> list[Record]:
        """Records of one kind so far."""
        return [record for record in self.of(Record) if record.name == name]

    def boots(self) -> list[dict[str, int | None]]:
        """What the boot records said."""
        return [message.boot.values for message in self.of(Started) if message.boot]
