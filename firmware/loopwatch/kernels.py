"""The innermost loops over bytes and samples: digits, check sum, copying.

Every function takes buffers and integers, allocates nothing and leaves room to the caller: nothing
checks the ends of a buffer here. One source for all: plain Python on the laptop and the MicroPython VM, machine code
on the board (loopwatch_host.firmware_build), where the interpreter would take 15 times as long.

So it keeps to what both do alike. Annotations are those of viper: ptr8, ptr16 and ptr32 for items of 8, 16 and 32 bits,
int for numbers, a result always. Values stay inside 32 bits; constants are folded; nothing of ours is called.
"""

from .port import const, ptr8, ptr16, ptr32

_MINUS = const(45)
_COMMA = const(44)
_DOLLAR = const(36)
_STAR = const(42)
_ZERO = const(48)
_NEWLINE = const(10)
_A_LESS_TEN = const(55)
_DIGITS_MAX_N = const(10)


def put_record(line: ptr8, letter: int, seq: int, t_ms: int, values: ptr32, field_n: int, absent: int) -> int:
    """Write `$S,seq,t_ms` and the fields after it, each with its comma; returns the length.

    A field whose bit in absent is set stays empty. Values from -2**31 + 1 on; 10 bytes beyond the end are scratch.
    """
    line[0] = _DOLLAR
    line[1] = letter
    n = 2
    for i in range(-2, field_n):
        line[n] = _COMMA
        n += 1
        if i == -2:
            value = seq
        elif i == -1:
            value = t_ms
        elif absent >> i & 1:
            continue
        else:
            value = values[i]
        if value < 0:
            line[n] = _MINUS
            n += 1
            value = -value
        # The digits come last first: from the end of the scratch downwards, then to where they belong.
        end = n + _DIGITS_MAX_N
        at = end
        while True:
            quotient = value // 10
            at -= 1
            line[at] = _ZERO + value - quotient * 10
            value = quotient
            if value == 0:
                break
        while at < end:
            line[n] = line[at]
            n += 1
            at += 1
    return n


def put_end(line: ptr8, n: int, crc: ptr16) -> int:
    """End a record of n bytes: `*`, the eight digits of the CRC (upper and lower half), newline; returns the length."""
    line[n] = _STAR
    n += 1
    for i in range(8):
        digit = crc[i >> 2] >> (12 - ((i & 3) << 2)) & 15
        line[n] = digit + (_ZERO if digit < 10 else _A_LESS_TEN)
        n += 1
    line[n] = _NEWLINE
    return n + 1


def crc32(data: ptr8, start: int, stop: int, table: ptr16, crc: ptr16) -> int:
    """CRC-32 (IEEE 802.3) of data[start:stop] into crc, as upper and lower half; returns the lower.

    table: of every byte the upper, then the lower halves. Halves, because a 32-bit value does not fit the
    board's 31-bit small integers.
    """
    hi = 0xFFFF
    lo = 0xFFFF
    for at in range(start, stop):
        byte = (lo ^ data[at]) & 255
        lo = ((lo >> 8) | ((hi & 255) << 8)) ^ table[256 + byte]  # 16b
        hi = (hi >> 8) ^ table[byte]
    crc[0] = hi ^ 0xFFFF
    lo ^= 0xFFFF
    crc[1] = lo
    return lo


def copy_into_ring(ring: ptr8, ring_n: int, at: int, line: ptr8, n: int) -> int:
    """Copy line[0:n] into the ring from `at` on, n <= ring_n; returns the place after it."""
    for i in range(n):
        ring[at] = line[i]
        at += 1
        if at == ring_n:
            at = 0
    return at


def copy_usable(fields: ptr32, values: ptr32, status: ptr8, n: int, usable_max: int) -> int:
    """Copy the n channels' values that have one; returns a bit for each that has none.

    A status up to usable_max has a value.
    """
    absent = 0
    for i in range(n):
        if status[i] <= usable_max:
            fields[i] = values[i]
        else:
            absent |= 1 << i
    return absent


def pack(codes: ptr8, n: int, code_bits: int) -> int:
    """n codes of code_bits in one integer, the first one lowest; 30 bits at most."""
    bits = 0
    for i in range(n):
        bits |= codes[i] << (i * code_bits)
    return bits


def keep_sample(ring: ptr8, ring_n: int, book: ptr32, t_ms: int, values: ptr32, status_bits: int) -> int:
    """Write a sample's 20 bytes into the ring where book says, and keep the book (see blackbox).

    Five words of 32 bits, the lowest byte first, fields from the lowest bit on: t_ms 19, rail 13; p_static 24, status
    8; p_pump 24, status 8 more; t_source 18, t_radiator 14; t_radiator 4 more, t_dome 18, status 8 more, t_ms 2 more.
    Pressures and temperatures are two's complement, temperatures beyond ±131.071 °C stay there.
    Returns the place of the next sample.
    """
    at = book[0]
    for i in range(5):
        if i == 0:
            word = (t_ms & 524_287) | (values[5] & 8_191) << 19
        elif i < 3:
            word = (values[i - 1] & 16_777_215) | (status_bits >> ((i - 1) << 3) & 255) << 24
        else:
            value = values[3]
            if value > 131_071:
                value = 131_071
            if value < -131_071:
                value = -131_071
            if i == 3:
                other = values[2]
            else:
                other = values[4]
            if other > 131_071:
                other = 131_071
            if other < -131_071:
                other = -131_071
            if i == 3:
                word = (other & 262_143) | (value & 16_383) << 18
            else:
                word = (value >> 14 & 15) | (other & 262_143) << 4 | (status_bits >> 16 & 255) << 22
                word = word | (t_ms >> 19 & 3) << 30
        ring[at] = word & 255
        ring[at + 1] = word >> 8 & 255
        ring[at + 2] = word >> 16 & 255
        ring[at + 3] = word >> 24 & 255
        at += 4
    if at == ring_n:
        at = 0
    book[0] = at
    if book[1] < book[2]:
        book[1] += 1
    if book[3]:
        if book[4]:
            book[4] -= 1
            book[5] += 1
        else:
            book[6] += 1
        if (book[5] + book[6]) * 20 > ring_n:
            book[5] -= 1
            book[7] += 1
    return at


def copy_from_ring(block: ptr8, to: int, ring: ptr8, ring_n: int, at: int, n: int) -> int:
    """Copy n bytes of the ring from `at` on into block[to:to+n]; returns the place in the ring after them."""
    for i in range(n):
        block[to + i] = ring[at]
        at += 1
        if at == ring_n:
            at = 0
    return at


def sort(values: ptr32, n: int) -> int:
    """Put values[0:n] in ascending order; returns n."""
    for i in range(1, n):
        value = values[i]
        at = i
        while at > 0 and values[at - 1] > value:
            values[at] = values[at - 1]
            at -= 1
        values[at] = value
    return n


def wobble(values: ptr32, n: int) -> int:
    """How far values[0:n] go to and fro: all their steps, less the distance from the lowest to the highest.

    0 of a ramp or a single step; of white noise seven times its rms when n is 10.
    """
    low = values[0]
    high = low
    total = 0
    for i in range(1, n):
        value = values[i]
        step = value - values[i - 1]
        total += step if step > 0 else -step
        if value < low:
            low = value
        if value > high:
            high = value
    return total - (high - low)
