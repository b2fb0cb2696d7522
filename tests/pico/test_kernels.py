"""The machine code of the innermost loops gives on the board what its plain source gives here, on the same vectors."""

from array import array
from pathlib import Path
from typing import Any

import pytest

import loopwatch
from loopwatch import fixed, kernels, wire
from loopwatch_host.bench.pico import flash_image
from loopwatch_host.bench.pico.machine import Machine
from loopwatch_host.bench.pico.repl import Repl
from loopwatch_host.firmware_build import board_files

EDGES = (0, 1, -1, 9, 10, -10, 99_999, -100_000, 2**29, -(2**29), 2**30 - 1, -(2**30), 151_234, -273_150)

KERNELS = f"""
out = []
table = wire._CRC_TABLE
line = bytearray(range(256))
crc = array("H", bytes(4))
values = array("i", {list(EDGES)})
for absent in (0, 0b10101010101010, 0x3fff):
    n = kernels.put_record(line, 83, 2**30 - 1, 0, values, {len(EDGES)}, absent)
    out.append(bytes(line[:n]))
    out.append(kernels.crc32(line, 1, n, table, crc))
    n = kernels.put_end(line, n, crc)
    out.append(bytes(line[:n]))
ring = bytearray(64)
for at in (0, 40, 63):
    out.append(kernels.copy_into_ring(ring, 64, at, line, 30))
    out.append(bytes(ring))
fields = array("i", bytes(4 * {len(EDGES)}))
status = bytes((i * 7) % 11 for i in range({len(EDGES)}))
out.append(kernels.copy_usable(fields, values, status, {len(EDGES)}, 2))
out.append(list(fields))
out.append(kernels.pack(bytes((15, 0, 9, 3, 1, 8)), 6, 4))
samples = bytearray(60)
book = array("i", [0, 1, 3, 1, 2, 1, 0, 0])
for first in range(0, 8):
    channels = array("i", [values[first + i] for i in range(5)] + [first * 900])
    out.append(kernels.keep_sample(samples, 60, book, first * 123_456_789, channels, first * 2_000_003))
    out.append(bytes(samples))
    out.append(list(book))
out.append(kernels.copy_from_ring(line, 7, samples, 60, 50, 30))
out.append(bytes(line))
kernels.sort(values, {len(EDGES)})
out.append(list(values))
"""

FIXED = f"""
out = []
edges = {list(EDGES)}
for a in edges:
    out.append(fixed.clamp(a, -1000, 70_000))
    out.append(fixed.next_random(a & 0xffff))
    for b in edges:
        out.append(fixed.median(a, b, 5))
        out.append(fixed.ema(a, b >> 15, 14, 5))
        d = (abs(b) >> 10) + 1
        if d < 2**20:
            out.append(fixed.quotient_q20(a, d))
        if d < 2**18:
            # The result has to stay below 2**29.
            out.append(fixed.scaled(abs(a) & 0x1fffff, max(-2 * d, min(2 * d, a >> 13)), d))
ascending = array("i", sorted(e // 64 for e in edges))
for n in range(5, {len(EDGES)}):
    out.append(fixed.trimmed_mean(ascending, n, 2))
"""


@pytest.fixture(scope="module")
def firmware_repl(micropython_flash: bytes) -> Repl:
    """The REPL of a board that has the firmware's modules and runs none of them."""
    files = board_files(Path(loopwatch.__file__).parent, [], named=True)
    return Repl(Machine(flash_image.with_files(micropython_flash, files)))


@pytest.mark.parametrize("program", [KERNELS, FIXED], ids=["kernels", "fixed"])
def test_machine_code_and_plain_source_agree(program: str, firmware_repl: Repl) -> None:
    here: dict[str, Any] = {"kernels": kernels, "fixed": fixed, "wire": wire, "array": array}
    exec(program, here)
    head = "from array import array\nfrom loopwatch import fixed, kernels, wire\n"
    there = firmware_repl.exec(head + program + "for item in out: print(item)\n", limit_us=10_000_000)
    assert there.splitlines() == [str(item) for item in here["out"]]
