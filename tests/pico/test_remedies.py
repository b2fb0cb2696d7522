"""Every remedy for the emulator is still needed: the board without it shows the defect.

A failure here is good news: the installed rp2040py no longer has that defect. Remove the remedy, its line
in remedies.REMEDIES, and its test here.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

import pytest

from loopwatch_host.bench.bus import Bus
from loopwatch_host.bench.chips.tmp117 import TMP117
from loopwatch_host.bench.pico import remedies
from loopwatch_host.bench.pico.machine import Machine
from loopwatch_host.bench.pico.repl import BoardError, Repl

CONTROLLER = (
    "from machine import I2C, Pin, UART\nimport machine, sys, time\ni2c = I2C(0, sda=Pin(4), scl=Pin(5), freq=400000)\n"
)
SHORT_US = 100_000

Board = tuple[Machine, Repl]


def sleeps_while_waiting(board: Board) -> bool:
    machine, _ = board
    machine.run_until(100_000)
    before_n = machine.cycles_n
    machine.run_until(120_000)
    return machine.cycles_n - before_n < 20_000  # of 2 500 000 when awake


def waits_for_a_host_that_does_not_read(board: Board) -> bool:
    machine, repl = board
    repl.start("import sys, time\ntime.sleep_ms(5)\nfor i in range(50):\n    sys.stdout.write('0123456789')")
    before_n = len(repl.console)
    machine.host.reading = False
    machine.run_until(machine.now_us + SHORT_US)
    return len(repl.console) == before_n


def a_suspend_interrupt_ends(board: Board) -> bool:
    machine, repl = board
    repl.start("import time\ntime.sleep_ms(300)")
    machine.host.plugged = False
    machine.run_until(machine.now_us + 10_000)
    before_n = machine.cycles_n
    machine.run_until(machine.now_us + 2_000)
    return machine.cycles_n - before_n < 100_000  # of 250 000 when the interrupt never ends


def a_full_queue_is_sent_once_the_cable_is_back(board: Board) -> bool:
    machine, repl = board
    repl.start(
        "import select, sys, time\npoll = select.poll()\npoll.register(sys.stdout, select.POLLOUT)\nwhile True:\n"
        "    time.sleep_ms(5)\n    for _ in poll.ipoll(0):\n        sys.stdout.buffer.write(b'waiting ')"
    )
    machine.host.plugged = False
    machine.run_until(machine.now_us + 400_000)
    before_n = len(repl.console)
    machine.host.plugged = True
    machine.run_until(machine.now_us + SHORT_US)
    return len(repl.console) > before_n


def bytes_take_time(board: Board) -> bool:
    _, repl = board
    program = (
        "b = bytearray(20)\nt = time.ticks_us()\ni2c.readfrom_into(0x49, b)\nprint(time.ticks_diff(time.ticks_us(), t))"
    )
    return int(repl.exec(CONTROLLER + program)) >= 21 * 9 / 0.4


def a_refused_address_is_an_eio(board: Board) -> bool:
    _, repl = board
    with pytest.raises(BoardError) as refused:
        repl.exec(CONTROLLER + "i2c.writeto(0x33, b'a')")
    return "EIO" in str(refused.value)


def a_scan_finds_the_chip(board: Board) -> bool:
    _, repl = board
    return repl.exec(CONTROLLER + "print(i2c.scan())") == f"[{0x49}]\n"


def a_uart_can_be_made(board: Board) -> bool:
    _, repl = board
    repl.enter()
    try:
        return "UART" in repl.exec("from machine import UART\nprint(UART(0, 115200))", limit_us=20_000)
    except TimeoutError:
        return False


def a_reset_is_seen_on_the_pins(board: Board) -> bool:
    machine, repl = board
    repl.exec("from machine import Pin\nPin(10, Pin.OUT, value=1)")
    changes: list[tuple[int, int]] = []
    machine.on_pin = lambda gpio, level, t_us: changes.append((gpio, level))
    machine.press_reset()
    machine.run_until(machine.now_us + SHORT_US)
    return changes == [(10, 0)]


def the_board_has_an_id(board: Board) -> bool:
    _, repl = board
    return repl.exec("import machine\nprint(machine.unique_id() != b'\\xff' * 8)") == "True\n"


BEHAVIOUR: dict[str, Callable[[Board], bool]] = {
    "usb_out_waits": sleeps_while_waiting,
    "usb_in_waits": waits_for_a_host_that_does_not_read,
    "usb_suspend_clears": a_suspend_interrupt_ends,
    "usb_frames_start": a_full_queue_is_sent_once_the_cable_is_back,
    "i2c_takes_time": bytes_take_time,
    "i2c_nack_ends": a_refused_address_is_an_eio,
    "i2c_on_pins": a_scan_finds_the_chip,
    "uart_tx_ends": a_uart_can_be_made,
    "pins_tell_reset": a_reset_is_seen_on_the_pins,
    "flash_has_id": the_board_has_an_id,
}


def board_without(flash: bytes, *names: str) -> Board:
    bus = Bus()
    bus.add(0x49, TMP117(lambda from_us, to_us: 20.0))
    machine = Machine(flash, bus, without=names)
    return machine, Repl(machine)


def test_every_remedy_has_its_behaviour_here() -> None:
    assert BEHAVIOUR.keys() == remedies.REMEDIES.keys()


@pytest.mark.parametrize("name", BEHAVIOUR)
def test_with_the_remedy_the_board_behaves(micropython_flash: bytes, name: str) -> None:
    assert BEHAVIOUR[name](board_without(micropython_flash))


@pytest.mark.parametrize("name", BEHAVIOUR)
def test_without_the_remedy_the_defect_is_still_there(micropython_flash: bytes, name: str) -> None:
    behaves = BEHAVIOUR[name](board_without(micropython_flash, name))
    installed = version("rp2040py")
    assert not behaves, (
        f"rp2040py {installed} no longer needs the remedy {name} ({remedies.REMEDIES[name]}, seen in "
        f"{remedies.SEEN_IN}): remove the remedy"
    )


def test_a_remedy_that_does_not_exist_cannot_be_left_out(micropython_flash: bytes) -> None:
    with pytest.raises(ValueError, match="no_such_remedy"):
        Machine(micropython_flash, without=("no_such_remedy",))
