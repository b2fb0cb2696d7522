"""The bench's end of the lock-step stream: bytes to requests, answers to bytes.

The codes are those of shims/_requests.py, which the board reads too.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from .shims import _requests as code

_REQUEST = struct.Struct(f"<{code.REQUEST_WORDS_N}q")
_ANSWER = struct.Struct(f"<{code.ANSWER_WORDS_N}q")


class Request(NamedTuple):
    """One request: its code, the board's time in µs since its reset, four arguments, the bytes that followed."""

    code: int
    t_us: int
    a: int
    b: int
    c: int
    d: int
    data: bytes

    @property
    def posted(self) -> bool:
        """Whether the board went on without an answer."""
        return self.code >= code.POSTED


class Requests:
    """Makes requests of a stream that comes in pieces of any size."""

    def __init__(self) -> None:
        self._stream = bytearray()

    def feed(self, piece: bytes) -> list[Request]:
        """Take received bytes; returns the requests that they complete."""
        stream = self._stream
        stream += piece
        done = []
        at = 0
        while len(stream) - at >= _REQUEST.size:
            words = _REQUEST.unpack_from(stream, at)
            end = at + _REQUEST.size
            data_n = words[3] if words[0] == code.I2C_WRITE else 0
            if len(stream) - end < data_n:
                break
            at = end + data_n
            name, t_us, a, b, c, d = words
            done.append(Request(name, t_us, a, b, c, d, bytes(stream[end:at])))
        del stream[:at]
        return done


def answer(now_us: int, flags: int, result: int, data: bytes = b"") -> bytes:
    """The answer to a request, with the bytes that follow it."""
    return _ANSWER.pack(now_us, flags, result) + data
