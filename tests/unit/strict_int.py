"""An integer that refuses to leave the board's small integers, ±2**30.

Beyond them MicroPython on the board makes a long integer: right in value, but allocated, in the path of a
sample. Fed with StrictInt, the firmware's arithmetic fails here where it would allocate there. What a
calculation makes of a StrictInt is one again; array and bytearray give plain integers back.
"""

import operator
from collections.abc import Callable

LEAST = -(1 << 30)
MOST = (1 << 30) - 1


class OutOfSmallInt(ArithmeticError):
    """A result that the board would have to allocate."""


class StrictInt(int):
    """An int from LEAST to MOST whose arithmetic gives StrictInt or raises OutOfSmallInt; true division is refused."""

    def __new__(cls, value: int = 0) -> "StrictInt":
        made = super().__new__(cls, value)
        if not LEAST <= made <= MOST:
            raise OutOfSmallInt(f"{int(made)} is beyond ±2**30")
        return made


def _binary(operate: Callable[[int, int], int], swapped: bool) -> Callable[[StrictInt, object], object]:
    def result(self: StrictInt, other: object) -> object:
        if not isinstance(other, int):
            return NotImplemented
        left, right = (other, self) if swapped else (self, other)
        return StrictInt(operate(int(left), int(right)))

    return result


def _unary(operate: Callable[[int], int]) -> Callable[[StrictInt], StrictInt]:
    return lambda self: StrictInt(operate(int(self)))


def _refuse(self: StrictInt, other: object) -> object:
    raise OutOfSmallInt("true division makes a float: use //")


for _name in ("add", "sub", "mul", "floordiv", "mod", "lshift", "rshift", "and_", "or_", "xor", "pow"):
    _operator = getattr(operator, _name)
    setattr(StrictInt, f"__{_name.rstrip('_')}__", _binary(_operator, False))
    setattr(StrictInt, f"__r{_name.rstrip('_')}__", _binary(_operator, True))
for _name in ("neg", "pos", "abs", "invert"):
    setattr(StrictInt, f"__{_name}__", _unary(getattr(operator, _name)))
for _name in ("__truediv__", "__rtruediv__"):
    setattr(StrictInt, _name, _refuse)
