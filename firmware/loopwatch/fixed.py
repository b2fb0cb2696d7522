"""Arithmetic in the board's small integers: everything stays inside +-2**30.

No function here allocates. The budget of bits is the caller's to keep where it is stated: this becomes machine
code on the board, as kernels does, and beyond 32 bits its results would be cut.
"""

from .port import ptr32


def clamp(value: int, least: int, most: int) -> int:
    """The value, limited to least..most."""
    if value < least:
        return least
    if value > most:
        return most
    return value


def ema(acc: int, x: int, fraction_bits: int, shift: int) -> int:
    """Move an average towards x by 1/2**shift; acc is the average times 2**fraction_bits.

    |x| * 2**fraction_bits must stay inside 29 bits.
    """
    return acc + (((x << fraction_bits) - acc) >> shift)


def quotient_q20(numerator: int, denominator: int) -> int:
    """numerator / denominator times 2**20, rounded down, by long division ten bits at a time.

    The denominator is positive and below 2**20; a quotient beyond +-511 is limited to it.
    """
    whole = numerator // denominator
    if whole > 511:
        whole = 511
    elif whole < -511:
        whole = -511
    rest = numerator - whole * denominator
    if rest < 0:
        rest = 0
    elif rest >= denominator:
        rest = denominator - 1
    rest <<= 10  # 20b + 10b = 30b
    middle = rest // denominator
    rest = (rest - middle * denominator) << 10
    return (whole << 20) + (middle << 10) + rest // denominator


def scaled(value: int, numerator: int, denominator: int) -> int:
    """value * numerator / denominator, rounded to nearest once; the product itself would need 39 bits.

    0 <= value < 2**21, |numerator| < 2**18, 0 < denominator < 2**18, |result| < 2**29.
    """
    upper = numerator * (value >> 11)  # 18b + 10b = 28b
    whole = upper // denominator
    rest = upper - whole * denominator  # 0 to denominator - 1: 18b
    # 18b + 11b and 18b + 11b: their sum and half the denominator stay below 2**30.
    lower = (rest << 11) + numerator * (value & 2047) + (denominator >> 1)
    return (whole << 11) + lower // denominator


def median(a: int, b: int, c: int) -> int:
    """The middle one of three."""
    if a > b:
        a, b = b, a
    if c <= a:
        return a
    return c if c < b else b


def trimmed_mean(values: ptr32, n: int, drop_n: int) -> int:
    """Mean of values[0:n], which ascend, without the drop_n lowest and drop_n highest, rounded to nearest.

    More than 2 * drop_n values, whose sum stays inside 2**30.
    """
    total = 0
    for i in range(drop_n, n - drop_n):
        total += values[i]
    kept_n = n - 2 * drop_n
    return (total + (kept_n >> 1)) // kept_n


def next_random(state: int) -> int:
    """The state after this one, of 65536 in no visible order; states are 1 to 65536.

    A multiplicative generator (Lehmer): 75 is a primitive root of the prime 65537.
    """
    return state * 75 % 65_537  # 17b + 7b = 24b
