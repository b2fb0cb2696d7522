"""The cable to the laptop: what a host that does not read, closes its port or is unplugged does to the firmware."""

import pytest

from loopwatch_host.bench.pico.machine import Machine
from loopwatch_host.bench.pico.repl import Repl

PACKET_N = 64  # USB 2.0, 5.8.3: a full-speed bulk packet
QUEUE_N = 256  # MicroPython's transmit queue on the rp2 port, CFG_TUD_CDC_TX_BUFSIZE
GIVE_UP_US = 500_000  # MICROPY_HW_USB_CDC_TX_TIMEOUT

# Writes blocks after a while and keeps how much each took and how long; meanwhile() may change the host.
WRITER = """
import select, sys, time
poll = select.poll()
poll.register(sys.stdout, select.POLLOUT)
took = []
def write(block, times):
    del took[:]
    time.sleep_ms(20)
    for _ in range(times):
        can = len(poll.poll(0))
        began = time.ticks_us()
        n = sys.stdout.buffer.write(block)
        took.append((can, n, time.ticks_diff(time.ticks_us(), began)))
    time.sleep_ms(100)
"""


@pytest.fixture
def writer(repl: Repl) -> Repl:
    repl.exec(WRITER)
    return repl


def unread(repl: Repl, machine: Machine, block_n: int, times: int) -> list[tuple[int, int, int]]:
    """Blocks written to a host that has stopped reading: (ready to poll, bytes taken, µs) of each."""
    repl.start(f"write(b'x' * {block_n}, {times})")
    machine.run_until(machine.now_us + 5_000)
    machine.host.reading = False
    machine.run_until(machine.now_us + 4_000_000)
    machine.host.reading = True
    machine.run_until(machine.now_us + 20_000)
    rows: list[tuple[int, int, int]] = []
    for line in repl.exec("for row in took:\n    print(*row)").split("\n")[:-1]:
        can, n, took_us = (int(word) for word in line.split()[-3:])
        rows.append((can, n, took_us))
    return rows


def test_a_host_that_reads_takes_every_block_at_once(writer: Repl) -> None:
    assert "x" * 20 * PACKET_N in writer.exec(f"write(b'x' * {PACKET_N}, 20)")
    rows = writer.exec("for row in took:\n    print(*row)").split("\n")[:-1]
    assert all(line.startswith(f"1 {PACKET_N} ") and int(line.split()[2]) < 1_000 for line in rows)


def test_a_host_that_stops_reading_blocks_a_write_and_bytes_are_lost(writer: Repl, machine: Machine) -> None:
    rows = unread(writer, machine, PACKET_N, 7)
    full = (QUEUE_N + PACKET_N) // PACKET_N  # the queue, and the packet in the endpoint
    assert [(can, n) for can, n, _ in rows] == [(1, PACKET_N)] * full + [(0, 0)] * (7 - full)
    assert all(took_us < 1_000 for _, _, took_us in rows[:full])
    assert all(took_us == pytest.approx(GIVE_UP_US, rel=0.01) for _, _, took_us in rows[full:])


def test_poll_says_writable_for_one_byte_and_a_longer_write_blocks_a_second(writer: Repl, machine: Machine) -> None:
    """Why the firmware may not trust POLLOUT for a block: 40-byte blocks leave a gap that is too short."""
    rows = unread(writer, machine, 40, 8)
    can, n, took_us = rows[7]
    assert can == 1
    assert n == QUEUE_N % 40  # the first block is in the endpoint, six fill the queue but for 16 bytes
    assert took_us == pytest.approx(2 * GIVE_UP_US, rel=0.01)


def test_blocks_that_divide_the_queue_never_block_when_poll_says_writable(writer: Repl, machine: Machine) -> None:
    rows = unread(writer, machine, 16, 21)
    assert [n for can, n, _ in rows if can] == [16] * (1 + QUEUE_N // 16)  # the endpoint takes the first
    assert all(took_us < 1_000 for can, _, took_us in rows if can)


def test_what_waited_in_the_board_arrives_when_reading_resumes(repl: Repl, machine: Machine) -> None:
    repl.start("import time\ntime.sleep_ms(20)\nfor i in range(10):\n    print(i, '.' * 20)\ntime.sleep_ms(50)")
    machine.run_until(machine.now_us + 5_000)
    machine.host.reading = False
    machine.run_until(machine.now_us + 40_000)
    held_n = len(repl.console)
    machine.host.reading = True
    machine.run_until(machine.now_us + 5_000)
    assert b"".join(b"%d %s\r\n" % (i, b"." * 20) for i in range(10)) in repl.console
    assert len(repl.console) - held_n == 10 * 24


def test_a_pulled_cable_stops_the_console_and_plugging_it_in_brings_it_back(repl: Repl, machine: Machine) -> None:
    repl.start("import time\nn = 0\nwhile n < 40:\n    n += 1\n    time.sleep_ms(50)")
    machine.host.plugged = False
    machine.run_until(machine.now_us + 500_000)
    machine.host.plugged = True
    repl.wait(lambda: machine.host.configured, 500_000, "enumeration")
    repl.left()
    assert 5 <= int(repl.exec("print(n)")) < 40, "the program ran on without the laptop, and Ctrl-C reached it after"


def test_with_the_port_closed_the_board_does_not_wait(writer: Repl, machine: Machine) -> None:
    writer.start(f"write(b'x' * {PACKET_N}, 12)")
    machine.run_until(machine.now_us + 5_000)
    machine.host.open_port(False)
    machine.run_until(machine.now_us + 100_000)
    machine.host.open_port(True)
    machine.run_until(machine.now_us + 20_000)
    rows = writer.exec("for row in took:\n    print(*row)").split("\n")[:-1]
    assert all(int(line.split()[-1]) < 1_000 for line in rows)


def test_more_than_the_boards_buffer_can_be_sent_at_once(repl: Repl) -> None:
    text = "".join(chr(97 + i % 26) for i in range(3_000))
    assert repl.exec(f"x = '{text}'\nprint(len(x), x[-3:])") == f"3000 {text[-3:]}\n"
