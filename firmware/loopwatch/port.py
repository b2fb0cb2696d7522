"""Which Python this is, answered once.

The only module that asks. Everything else imports from here and is the same
file on the board, on the MicroPython VM and on the laptop.

Times are milliseconds on a counter that wraps at TICKS_PERIOD_MS; compare two
of them with ticks_diff only.
"""

import sys
from array import array

MICROPYTHON = sys.implementation.name == "micropython"

# MicroPython's ticks wrap at 2**30 on every port with 31-bit small integers (12.4 days).
TICKS_PERIOD_MS = 1 << 30

if MICROPYTHON:
    from gc import collect, mem_free
    from gc import threshold as collect_every
    from sys import print_exception
    from time import sleep_ms, ticks_add, ticks_diff, ticks_ms

    from micropython import const

    # Buffers in annotations: the names by which viper knows items of 8, 16 and 32 bits (see kernels).
    ptr8 = bytearray
    ptr16 = array
    ptr32 = array
else:
    import time
    import traceback
    from collections.abc import MutableSequence

    ptr8 = bytearray
    ptr16 = MutableSequence[int]
    ptr32 = MutableSequence[int]

    def const(value: int) -> int:
        """Return the value: on MicroPython the compiler folds it."""
        return value

    def ticks_ms() -> int:
        """Milliseconds on the wrapping counter."""
        return (time.monotonic_ns() // 1_000_000) & (TICKS_PERIOD_MS - 1)

    def ticks_add(ticks: int, delta_ms: int) -> int:
        """Return the tick that is delta_ms after ticks."""
        return (ticks + delta_ms) & (TICKS_PERIOD_MS - 1)

    def ticks_diff(later: int, earlier: int) -> int:
        """Milliseconds from earlier to later, right while they are within 6.2 days."""
        half = TICKS_PERIOD_MS >> 1
        return ((later - earlier + half) & (TICKS_PERIOD_MS - 1)) - half

    def sleep_ms(delay_ms: int) -> None:
        """Wait."""
        time.sleep(max(delay_ms, 0) / 1000)

    def collect() -> None:
        """Nothing: CPython counts references."""

    def collect_every(taken_n: int) -> None:
        """Nothing; on the board: collect whenever so many bytes have been taken, -1 only when there are no more."""

    def mem_free() -> int:
        """Free heap is a notion of the board; the laptop reports 0 bytes."""
        return 0

    def print_exception(error: BaseException, file) -> None:
        """Write an exception with its traceback to a file."""
        traceback.print_exception(error, file=file)
