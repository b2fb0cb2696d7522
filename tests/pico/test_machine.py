"""The board as a whole: boot, console, pins, watchdog, resets, power, and that it repeats exactly."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from loopwatch_host.bench.pico import flash_image, uf2
from loopwatch_host.bench.pico.machine import POWER_ON, SOFTWARE, WATCHDOG, Machine
from loopwatch_host.bench.pico.repl import BoardError, Repl

FlashWith = Callable[..., bytearray]

# machine.reset_cause() of the rp2 port: PWRON_RESET and WDT_RESET; machine.reset() is a watchdog reset too.
PWRON_RESET = 1
WDT_RESET = 3


def test_micropython_of_the_pinned_version_boots_and_answers(repl: Repl) -> None:
    assert repl.exec("print(6 * 7)") == "42\n"
    version = ".".join(repl.exec("import sys; print(*sys.implementation.version[:3])").split())
    assert version == uf2.MICROPYTHON_VERSION
    assert repl.exec("print(sys.platform)") == "rp2\n"


def test_small_integers_are_31_bits_as_on_the_board(repl: Repl) -> None:
    setup = (
        "import gc\ndef grown(a, b):\n    n = gc.mem_alloc()\n    a * b\n    return gc.mem_alloc() - n\ngrown(1, 1)\n"
    )
    assert repl.exec(setup + "print(grown(32767, 32767), grown(32768, 32768) > 0)") == "0 True\n"


def test_an_error_on_the_board_comes_with_its_traceback(repl: Repl) -> None:
    with pytest.raises(BoardError, match="ZeroDivisionError"):
        repl.exec("1 // 0")


def test_a_program_that_does_not_end_is_given_up_after_its_virtual_time(repl: Repl) -> None:
    repl.enter()
    began_us = repl.now_us
    with pytest.raises(TimeoutError):
        repl.exec("import time\ntime.sleep(5)", limit_us=300_000)
    assert 300_000 <= repl.now_us - began_us < 400_000


def test_time_on_the_board_is_the_time_of_the_bench(repl: Repl, machine: Machine) -> None:
    rises_us: list[int] = []
    repl.exec("from machine import Pin\nimport time\np = Pin(10, Pin.OUT, value=0)")
    machine.on_pin = lambda gpio, level, t_us: rises_us.append(t_us) if level else None
    repl.exec("for _ in range(3):\n    p(1)\n    time.sleep_ms(50)\n    p(0)\n    time.sleep_ms(50)")
    periods_us = [later - earlier for earlier, later in pairwise(rises_us)]
    assert len(periods_us) == 2
    assert all(100_000 <= period < 100_400 for period in periods_us)


def test_outputs_are_seen_and_inputs_are_driven(repl: Repl, machine: Machine) -> None:
    changes: list[tuple[int, int]] = []
    machine.on_pin = lambda gpio, level, t_us: changes.append((gpio, level))
    repl.exec(
        "from machine import Pin\nlamp = Pin(12, Pin.OUT)\nbutton = Pin(15, Pin.IN, Pin.PULL_UP)\nlamp(1)\nlamp(0)"
    )
    assert changes == [(12, 1), (12, 0)]
    levels = []
    for level in (None, 0, 1, None):
        machine.drive(15, level)
        levels.append(int(repl.exec("print(button())")))
    assert levels == [1, 0, 1, 1]


def test_a_reset_lets_go_of_every_output(repl: Repl, machine: Machine) -> None:
    repl.exec("from machine import Pin\nPin(10, Pin.OUT, value=1)")
    changes: list[tuple[int, int]] = []
    machine.on_pin = lambda gpio, level, t_us: changes.append((gpio, level))
    machine.press_reset()
    assert changes == [(10, 0)]
    assert machine.level(10) == 0


def test_the_watchdog_restarts_a_stuck_board_in_its_time_and_files_persist(flash_with: FlashWith) -> None:
    machine = Machine(flash_with(main="import machine\nprint('cause', machine.reset_cause())"))
    repl = Repl(machine)
    resets: list[tuple[int, int]] = []
    machine.on_reset = lambda cause, t_us: resets.append((cause, t_us))
    repl.exec("with open('kept.txt', 'w') as f:\n    f.write('before')")
    repl.start("import machine, time\nmachine.WDT(timeout=200)\ntime.sleep(9)")
    began_us = machine.now_us
    machine.run_until(began_us + 300_000)
    assert [cause for cause, _ in resets] == [WATCHDOG]
    assert 200_000 <= resets[0][1] - began_us < 210_000

    repl.left()
    assert repl.exec("print(machine.reset_cause(), open('kept.txt').read())") == f"{WDT_RESET} before\n"
    assert b"cause %d" % WDT_RESET in repl.console, "main.py has run again"
    machine.run_until(machine.now_us + 500_000)
    assert len(resets) == 1, "the watchdog is off after the reset until the firmware starts it"


def test_a_reset_by_software_is_told_from_the_watchdogs(repl: Repl, machine: Machine) -> None:
    causes: list[int] = []
    machine.on_reset = lambda cause, t_us: causes.append(cause)
    repl.start("import machine\nmachine.reset()")
    machine.run_until(machine.now_us + 20_000)
    assert causes == [SOFTWARE]
    repl.left()
    assert repl.exec("import machine; print(machine.reset_cause())") == f"{WDT_RESET}\n"


def test_the_reset_button_is_a_power_on_to_the_firmware(repl: Repl, machine: Machine) -> None:
    causes: list[int] = []
    machine.on_reset = lambda cause, t_us: causes.append(cause)
    repl.exec("x = 1")
    machine.press_reset()
    repl.left()
    assert repl.exec("import machine; print(machine.reset_cause(), 'x' in globals())") == f"{PWRON_RESET} False\n"
    assert causes == [POWER_ON]


@pytest.mark.parametrize("cut_after_us", [3_000, 11_000, 26_000, 60_000])
def test_after_a_power_cut_the_flash_holds_what_was_synced(flash_with: FlashWith, cut_after_us: int) -> None:
    first = Machine(flash_with(old="kept = 1"))
    repl = Repl(first)
    repl.exec("with open('done.txt', 'w') as f:\n    f.write('whole')")
    repl.start("while True:\n    with open('busy.txt', 'w') as f:\n        f.write('x' * 3000)")
    first.run_until(first.now_us + cut_after_us)

    second = Machine(first.flash(), start_us=first.now_us)
    answer = Repl(second).exec("import old, machine\nprint(open('done.txt').read(), old.kept, machine.reset_cause())")
    assert answer == f"whole 1 {PWRON_RESET}\n"
    files = flash_image.read_files(second.flash())
    assert files["done.txt"] == b"whole"
    assert len(files.get("busy.txt", b"")) in (0, 3000)


def test_two_runs_are_the_same_to_the_cycle(flash_with: FlashWith) -> None:
    program = "import time\nn = 0\nwhile True:\n    n += 1\n    print(n, time.ticks_us())\n    time.sleep_ms(10)"
    flash = flash_with(main=program)

    def run(step_us: int) -> tuple[int, bytes]:
        machine = Machine(flash)
        repl = Repl(machine)
        for t_us in range(step_us, 400_001, step_us):
            machine.run_until(t_us)
        return machine.cycles_n, bytes(repl.console)

    whole = run(400_000)
    assert run(400_000) == whole
    assert run(1_000) == whole, "cutting the time into steps changes nothing"
    assert whole[1].count(b"\n") > 20


def test_every_board_has_the_id_it_was_given(micropython_flash: bytes) -> None:
    board_id = bytes(range(0x10, 0x18))
    repl = Repl(Machine(micropython_flash, board_id=board_id))
    assert repl.exec("import machine; print(machine.unique_id().hex())") == board_id.hex() + "\n"
