"""The innermost loops, against what Python itself makes of the same; test_wire has the CRC against zlib."""

from array import array

from hypothesis import given
from hypothesis import strategies as st

from loopwatch import kernels

INT32 = st.integers(-(2**31) + 1, 2**31 - 1)


@given(st.lists(st.none() | INT32, max_size=15), st.integers(0, 2**30 - 1), st.integers(0, 2**30 - 1))
def test_numbers_are_written_as_python_writes_them(fields, seq, t_ms):
    line = bytearray(240)
    values = array("i", [0 if value is None else value for value in fields])
    absent = sum(1 << i for i, value in enumerate(fields) if value is None)
    n = kernels.put_record(line, ord("S"), seq, t_ms, values, len(fields), absent)
    words = ["$S", str(seq), str(t_ms)] + ["" if value is None else str(value) for value in fields]
    assert line[:n].decode() == ",".join(words)


@given(st.integers(0, 2**32 - 1), st.integers(1, 100))
def test_a_line_ends_with_its_check_sum_in_hexadecimal(crc, n):
    line = bytearray(b"x" * 120)
    end = kernels.put_end(line, n, array("H", [crc >> 16, crc & 0xFFFF]))
    assert bytes(line[:end]) == b"x" * n + b"*%08X\n" % crc


@given(st.binary(max_size=64), st.integers(0, 63))
def test_what_goes_into_a_ring_continues_at_its_beginning(line, at):
    ring = bytearray(64)
    end = kernels.copy_into_ring(ring, 64, at, bytearray(line), len(line))
    assert end == (at + len(line)) % 64
    assert bytes(ring[(at + i) % 64] for i in range(len(line))) == line


@given(st.lists(st.tuples(INT32, st.integers(0, 10)), min_size=1, max_size=6))
def test_only_values_of_usable_status_are_copied_and_the_others_are_told(channels):
    kept = array("i", [7] * len(channels))
    values, status = array("i", [c[0] for c in channels]), bytearray(c[1] for c in channels)
    absent = kernels.copy_usable(kept, values, status, len(channels), 2)
    assert list(kept) == [value if code <= 2 else 7 for value, code in channels]
    assert [absent >> i & 1 for i in range(len(channels))] == [int(code > 2) for _, code in channels]


@given(st.lists(st.integers(0, 15), max_size=7))
def test_codes_are_packed_with_the_first_one_lowest(codes):
    assert kernels.pack(bytearray(codes), len(codes), 4) == int("".join(f"{c:x}" for c in reversed(codes)) or "0", 16)


@given(st.lists(INT32, max_size=11))
def test_sorting_is_that_of_python(values):
    made = array("i", values)
    kernels.sort(made, len(values))
    assert list(made) == sorted(values)
