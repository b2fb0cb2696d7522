"""Where the firmware's functions have their variables: on the stack, as far as they run every second or sample.

A function in bytecode whose frame is larger than STACK_N takes it from the heap at each call and gives it back, which
no measurement of the heap before and after shows, and which costs a search for room each time.
"""

from pathlib import Path

import pytest

import loopwatch
from loopwatch_host.bench.pico import flash_image
from loopwatch_host.bench.pico.machine import Machine
from loopwatch_host.bench.pico.repl import Repl
from loopwatch_host.firmware_build import board_files

# MicroPython 1.26, py/objfun.c: VM_MAX_STATE_ON_STACK.
STACK_N = 11 * 4
TRY_N = 3 * 4

# What runs when something happens: a start, an alarm's change, a command, a write to the flash.
RARE = {
    "": "_number decode last loading_failed protocol_crc read",
    "AlarmDesk": "*",
    "Alarms": "__init__ _enter _happen _restore acknowledge load_words suppress",
    "App": "__init__ _judge_sensors run",
    "Blackbox": "_fill read trigger write_piece",
    "Board": "free_bus",
    "Commands": "*",
    "Config": "*",
    "Crashes": "*",
    "Desk": "*",
    "Encoder": "reply",
    "Faults": "__init__ rebaseline",
    "Journal": "add",
    "Limits": "__init__",
    "Logbook": "*",
    "Memory": "_look_for_alarms",
    "Modes": "_enter",
    "Pair": "*",
    "Record": "__init__",
    "Sampler": "__init__",
    "Slots": "*",
    "Telemetry": "boot",
}

# Prints, for every function of bytecode in the firmware: class or nothing, name, address of its code.
PROGRAM = """
import gc, machine, sys
gc.threshold(16384)
import loopwatch.app, loopwatch.boards.pico, loopwatch.commissioned, loopwatch.slots
told = set()
def bytecode():
    pass
def tell(owner, names):
    for name in names:
        item = names[name]
        if type(item) is type(bytecode):
            if machine.mem32[id(item)] == machine.mem32[id(bytecode)]:
                print(owner or '-', name, machine.mem32[id(item) + 12] & 0xffffffff)
        elif type(item) is type and item.__name__ not in told:
            told.add(item.__name__)
            tell(item.__name__, item.__dict__)
for name in sys.modules:
    if name.startswith("loopwatch."):
        tell('', sys.modules[name].__dict__)
"""


def frame_n(code: bytes) -> int:
    """Bytes of a function's frame, from the head of its bytecode (py/bc.h: MP_BC_PRELUDE_SIG_DECODE)."""
    states_n, tries_n, at = code[0] >> 3 & 15, code[0] >> 2 & 1, 0
    while code[at] & 0x80:
        more = code[at + 1]
        states_n |= (more & 0x30) << (2 * at)
        tries_n |= (more & 2) << at
        at += 1
    return (states_n + 1) * 4 + tries_n * TRY_N


@pytest.fixture(scope="module")
def frames(micropython_flash: bytes) -> dict[tuple[str, str], int]:
    files = board_files(Path(loopwatch.__file__).parent, [], named=True)
    machine = Machine(flash_image.with_files(micropython_flash, files))
    repl = Repl(machine)
    rows = [line.split() for line in repl.exec(PROGRAM, limit_us=60_000_000).splitlines()]
    return {(owner.strip("-"), name): frame_n(machine.memory(int(address), 8)) for owner, name, address in rows}


def test_what_runs_every_second_has_its_frame_on_the_stack(frames: dict[tuple[str, str], int]) -> None:
    often = {
        f"{owner}.{name}": n
        for (owner, name), n in frames.items()
        if n > STACK_N and name not in RARE.get(owner, "").split() and RARE.get(owner) != "*"
    }
    assert not often, "make them smaller, or machine code (firmware_build.NATIVE)"


def test_a_frame_is_read_as_the_board_reads_it(frames: dict[tuple[str, str], int]) -> None:
    # Desk.__init__ keeps some twenty things at once, Link.room_for_urgent two arguments and a sum.
    assert frames["Desk", "__init__"] > STACK_N
    assert 0 < frames["Link", "room_for_urgent"] <= 8 * 4
