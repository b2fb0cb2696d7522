"""The board's black boxes on the laptop: fetched in pieces, checked block by block, kept as a table of samples.

A box is every sample from a minute before an alarm to half a minute after it (see loopwatch.blackbox). One that the
power has cut is whole up to the cut and says so; a block that is missing or damaged inside is refused. Whoever watches
a board fetches them by itself (box_keeper): then store.Log.boxes() lists them, and kept() reads one.
"""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar, cast

from loopwatch.blackbox import BLOCK_N, HEAD_N, SAMPLE_N, TIME_MASK
from loopwatch.sample import CHANNEL_N, CHANNELS, STATUS_BITS, STATUS_MASK, usable

from .board_config import TRIES_N, Ask, persistent
from .errors import CommandFailed
from .messages import alarm_name
from .store import Log

_HEAD = struct.Struct("<2sBB5IBBH")
_VERSION_N = 1

Told = TypeVar("Told")
# Yields commands and takes the board's replies, so that it may be held at once or over many passes.
Dialogue = Generator[str, str, Told]
Event = tuple[int, int, int]


class BoxError(CommandFailed):
    """A black box that cannot be had, or is not whole inside."""


@dataclass(frozen=True)
class Sample:
    """One sample: board time, a value per channel of sample.CHANNELS or None, and the statuses."""

    t_ms: int
    values: tuple[int | None, ...]
    status_bits: int


@dataclass(frozen=True)
class Box:
    """A box. t_ms of the event and of the samples count from the start of the board that run_n numbers.

    complete: the board has written all of it; else the power went, or it is still being written.
    """

    box_n: int
    run_n: int
    event_seq: int
    event_ms: int
    alarm: str
    samples: tuple[Sample, ...]
    complete: bool

    @property
    def words(self) -> str:
        """What it holds, for people."""
        before_s = (self.event_ms - self.samples[0].t_ms) / 1000
        after_s = (self.samples[-1].t_ms - self.event_ms) / 1000
        cut = "" if self.complete else "; the power has cut it"
        return (
            f"black box {self.box_n}: {len(self.samples)} samples, from {before_s:.1f} s before {self.alarm} to"
            f" {after_s:.1f} s after it{cut}"
        )

    def rows(self) -> list[list[int | str]]:
        """Columns t_ms, the channels, status_bits; empty where a channel had no value."""
        return [
            [each.t_ms, *("" if value is None else value for value in each.values), each.status_bits]
            for each in self.samples
        ]


COLUMNS = ("t_ms", *CHANNELS, "status_bits")


def numbers(ask: Ask) -> list[int]:
    """Which boxes the board has, oldest first."""
    return hold(ask, listing())


def fetch(ask: Ask, box_n: int) -> Box:
    """Fetch one box whole. Raises BoxError, also when it has nothing that can be used."""

    def whole() -> Dialogue[Box]:
        size_n, writing = yield from sizing(box_n)
        box = yield from reading(box_n, size_n, bytearray())
        if writing and box.complete:
            raise BoxError(f"box {box_n} was begun anew while it was read: try again")
        return box

    return hold(ask, whole())


def hold(ask: Ask, dialogue: Dialogue[Told]) -> Told:
    """Hold a dialogue with a board that answers at once."""
    try:
        command = next(dialogue)
        while True:
            command = dialogue.send(persistent(ask, command))
    except StopIteration as end:
        return cast(Told, end.value)


def listing() -> Dialogue[list[int]]:
    """Ask for the numbers of the boxes."""
    text = yield "BLAC:LIST?"
    return [int(word) for word in text.split()] if text != "OK" else []


def sizing(box_n: int) -> Dialogue[tuple[int, bool]]:
    """Ask for the bytes of a box, and whether it is being written."""
    size_n, writing = (yield f"BLAC:SIZE? {box_n}").split(",")
    return int(size_n), writing == "1"


def beginning(box_n: int) -> Dialogue[Event]:
    """Ask for the event that a box is about, without the rest. Raises BoxError."""
    piece = yield from _piece(box_n, 0)
    if len(piece) < HEAD_N:
        raise BoxError("it has no whole block: the power went before its first one was written")
    return event_of(piece)


def event_of(data: bytes | bytearray) -> Event:
    """(run_n, event_seq, event_ms) of a box from its first bytes, which tell boxes of one number apart."""
    head = _HEAD.unpack_from(data)
    return head[4], head[5], head[6]


def reading(box_n: int, size_n: int, data: bytearray) -> Dialogue[Box]:
    """Ask for a box of this size; what of it is in data already is not asked for again. Raises BoxError.

    data is filled as pieces come, so that a dialogue that was broken off can be begun anew where it ended.
    """
    while len(data) < size_n:
        data += yield from _piece(box_n, len(data), size_n)
    for _ in range(TRIES_N):
        bad = _first_bad(data)
        if bad is None or bad == len(data) // BLOCK_N:
            break
        # Damaged on the way it cannot be; perhaps it was read while it was being written.
        at = bad * BLOCK_N
        again = bytearray()
        while len(again) < BLOCK_N:
            again += yield from _piece(box_n, at + len(again), at + BLOCK_N)
        data[at : at + BLOCK_N] = again
    return parse(bytes(data))


def kept(path: Path, box_id: int) -> Box:
    """The box with this `id` of Log.boxes() in the log at path. Raises StoreError."""
    with Log(path) as log:
        return parse(log.box_content(box_id))


def parse(data: bytes) -> Box:
    """A box from its bytes. Raises BoxError for a block inside that is damaged or missing."""
    whole_n = len(data) // BLOCK_N
    heads: list[tuple[Any, ...]] = []
    samples: list[Sample] = []
    for i in range(whole_n):
        block = data[i * BLOCK_N : (i + 1) * BLOCK_N]
        if not _whole(block):
            if i == whole_n - 1:
                break  # the power went while it was written
            raise BoxError(f"block {i} of {whole_n} of the box is damaged on the board: what it held is gone")
        head = _HEAD.unpack_from(block)
        if head[1] != _VERSION_N:
            raise BoxError(f"the box has version {head[1]}, this loopwatch reads {_VERSION_N}: update loopwatch")
        if head[9] != i or (heads and head[3:7] != heads[0][3:7]):
            raise BoxError(f"block {i} of the box is missing, {head[9]} is in its place")
        heads.append(head)
        near_ms = head[7]
        for j in range(head[10]):
            samples.append(_sample(block, HEAD_N + j * SAMPLE_N, near_ms))
            near_ms = samples[-1].t_ms
    if not samples:
        raise BoxError("the box has no whole block: the power went before its first one was written")
    _, _, last, box_n, run_n, event_seq, event_ms, _, alarm, _, _ = heads[-1]
    complete = bool(last) and len(data) == len(heads) * BLOCK_N
    return Box(box_n, run_n, event_seq, event_ms, alarm_name(alarm), tuple(samples), complete)


def period_ms(samples: Sequence[Sample]) -> int | None:
    """The shortest time between two samples; None without two."""
    steps_ms = [later.t_ms - earlier.t_ms for earlier, later in pairwise(samples)]
    return min(steps_ms, default=None)


def _piece(box_n: int, at: int, end: int | None = None) -> Dialogue[bytes]:
    """Ask for the bytes from at on, at most up to end; there is one at least."""
    text = yield f"BLAC:READ? {box_n},{at}"
    try:
        piece = base64.b64decode("" if text == "OK" else text, validate=True)
    except binascii.Error:
        raise BoxError(f"the board sent {text[:40]!r}, which is no base64: try again") from None
    if not piece:
        raise BoxError(f"box {box_n} ended at byte {at}{'' if end is None else f' of {end}'}: try again")
    return piece if end is None else piece[: end - at]


def _whole(block: bytes | bytearray) -> bool:
    return block[:2] == b"LB" and zlib.crc32(block[:-4]) == int.from_bytes(block[-4:], "little")


def _first_bad(data: bytes | bytearray) -> int | None:
    return next((i for i in range(len(data) // BLOCK_N) if not _whole(data[i * BLOCK_N : (i + 1) * BLOCK_N])), None)


def _sample(block: bytes, at: int, near_ms: int) -> Sample:
    """One sample by the layout of loopwatch.kernels.keep_sample; its time is the next after near_ms."""
    w = struct.unpack_from("<5I", block, at)
    t_ms = near_ms + ((w[0] & 0x7FFFF | w[4] >> 30 << 19) - near_ms & TIME_MASK)
    radiator = w[3] >> 18 | (w[4] & 15) << 14
    fields = ((w[1], 24), (w[2], 24), (w[3], 18), (radiator, 18), (w[4] >> 4, 18))
    values = [_signed(value, bits_n) for value, bits_n in fields]
    values.append(w[0] >> 19)
    bits = w[1] >> 24 | w[2] >> 24 << 8 | (w[4] >> 22 & 255) << 16
    statuses = [bits >> (STATUS_BITS * i) & STATUS_MASK for i in range(CHANNEL_N)]
    told = tuple(value if usable(status) else None for value, status in zip(values, statuses, strict=True))
    return Sample(t_ms, told, bits)


def _signed(value: int, bits_n: int) -> int:
    value &= (1 << bits_n) - 1
    return value - (1 << bits_n) if value >> (bits_n - 1) else value
