"""The kernels of faults and limits as machine code on the emulated board: they judge as plain Python does."""

from __future__ import annotations

from array import array
from pathlib import Path

import numpy as np

from loopwatch import plausible
from loopwatch_host import firmware_build, firmware_constants
from loopwatch_host.bench.pico import flash_image
from loopwatch_host.bench.pico.machine import Machine
from loopwatch_host.bench.pico.repl import Repl

FIRMWARE = Path(plausible.__file__).parents[1]
SECONDS_N = 60

# One second of all kernels, written so that board and laptop run the same text.
PROGRAM = """
ts = array("i", bytes(4 * plausible.T_STATE_N))
tp = array("i", (1000, 700, 150))
ps = array("i", bytes(4 * plausible.P_STATE_N))
pp = array("i", (70000, 15, 62500, 62500, 12237))
used = array("i", bytes(24))
used_status = bytearray(6)
told = bytearray(6)
value = array("i", bytes(4 * plausible.QUANTITY_N))
rows = bytes((0, 0, 0, 1, 1, 1, 2, 3, 1))
bounds = array("i", (120000, 125000, 190000, 180000, 9000, 6000))
conditions = bytearray(3)
def second(seen, status, raw, wobble):
    bits = plausible.pressures(ps, pp, seen, status, raw, wobble, told)
    bits |= plausible.thermometers(ts, tp, seen, status, told)
    plausible.crossed(ts, seen, status, told, 1)
    packed = plausible.believe(bits, seen, status, told, used, used_status)
    known = plausible.quantities(used, used_status, wobble[1], value)
    changed = plausible.beyond(rows, 3, bounds, value, known, bytes((0, 1, 0)), conditions)
    out = [bits, packed, known, changed]
    for part in (ts, ps, used, used_status, told, value, conditions):
        out += list(part)
    return out
"""


def seconds() -> list[tuple[list[int], list[int], list[int], list[int]]]:
    """Calm, a jump alone, a common scale, below the weather, exchanged, stuck, noisy, a probe that falls out, gaps."""
    rng = np.random.default_rng(11)
    made = []
    for n in range(SECONDS_N):
        p = 150_000 + int(rng.normal(0, 100))
        seen = [p, p + 35_000, 36_000 + 20 * n, 34_000 - 30 * n, 31_000, 5_000]
        raw, wobble, status = [int(rng.integers(15_000, 17_000)), 19_000], [1_500, 1_800], [0] * 6
        if 8 <= n < 12:
            seen[0] -= 20_000
        elif 16 <= n < 20:
            seen[:2] = [(seen[0] - 62_500) // 2, (seen[1] - 62_500) // 2]
        elif 24 <= n < 32:
            seen[:2] = [0, 0]
        elif 36 <= n < 40:
            seen[:2] = [seen[1], seen[0]]
        elif 44 <= n < 56:
            wobble[0] = 90_000
            seen[4] -= 900 * (n - 43)
        status[int(rng.integers(2, 6))] = int(rng.choice([0, 0, 0, 1, 5, 8]))
        made.append((seen, status, raw, wobble))
    return made


def test_machine_code_on_the_board_judges_as_plain_python_does(micropython_flash: bytes) -> None:
    path = "loopwatch/plausible.py"
    files = {
        "loopwatch/plausible.mpy": firmware_build.compile_module(FIRMWARE / path, path, firmware_build.EMIT[path]),
        "loopwatch/__init__.py": b"",
        "loopwatch/port.py": (FIRMWARE / "loopwatch" / "port.py").read_bytes(),
    }
    repl = Repl(Machine(bytes(flash_image.with_files(micropython_flash, files))))
    repl.exec(firmware_constants.program("from array import array\nfrom loopwatch import plausible\n" + PROGRAM))
    here: dict = {"array": array, "plausible": plausible}
    exec(PROGRAM, here)
    told = set()
    for seen, status, raw, wobble in seconds():
        expected = here["second"](array("i", seen), bytearray(status), array("i", raw), array("i", wobble))
        answer = repl.exec(
            f"print(*second(array('i', {seen}), bytearray({status}), array('i', {raw}), array('i', {wobble})))"
        )
        assert [int(word) for word in answer.split()] == expected
        told |= set(here["told"])
    assert told >= {0, 11, 12, 13, 14}, "the seconds were to make each check speak"
