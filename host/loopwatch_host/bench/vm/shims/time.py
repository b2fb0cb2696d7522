"""MicroPython's `time` as on the rp2 port, on the bench's virtual clock.

It stands before the built-in module on the path. ticks_* count from the board's reset and
wrap at 2**30; reading them costs a little virtual time (_requests.CALL_US). The clock of day starts where that of
a board without a battery starts. ticks_* and sleep_* allocate nothing.
"""

import utime
from _lockstep import bench

_TICKS_MASK = (1 << 30) - 1
_TICKS_HALF = 1 << 29
_START_S = 1_609_459_200  # 2021-01-01, the rp2 port's time after power-on


def ticks_ms() -> int:
    """Milliseconds on the wrapping counter."""
    return (bench.call() // 1_000) & _TICKS_MASK


def ticks_us() -> int:
    """Microseconds on the wrapping counter."""
    return bench.call() & _TICKS_MASK


def ticks_cpu() -> int:
    """The rp2 port's finest counter is in microseconds too."""
    return bench.call() & _TICKS_MASK


def ticks_add(ticks: int, delta: int) -> int:
    """Return the tick that is delta after ticks."""
    return (ticks + delta) & _TICKS_MASK


def ticks_diff(later: int, earlier: int) -> int:
    """Ticks from earlier to later, right while they are within half the counter."""
    return ((later - earlier + _TICKS_HALF) & _TICKS_MASK) - _TICKS_HALF


def sleep(delay_s: float) -> None:
    """Wait."""
    bench.sleep(int(delay_s * 1_000_000))


def sleep_ms(delay_ms: int) -> None:
    """Wait."""
    bench.sleep(delay_ms * 1_000)


def sleep_us(delay_us: int) -> None:
    """Wait."""
    bench.sleep(delay_us)


def time() -> int:
    """Seconds since 1970 by the board's clock of day."""
    return _START_S + bench.call() // 1_000_000


def time_ns() -> int:
    """The same in nanoseconds."""
    return _START_S * 1_000_000_000 + bench.call() * 1_000


def gmtime(time_s=None) -> tuple:
    """Year, month, day, hour, minute, second, weekday, day of the year."""
    return utime.gmtime(time() if time_s is None else time_s)[:8]


localtime = gmtime  # a board knows no time zone
mktime = utime.mktime  # the bench runs the process in UTC
