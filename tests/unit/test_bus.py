"""The bench's bus: who answers, how long it takes, and its faults, at both levels."""

import pytest

from loopwatch_host.bench.bus import STUCK_TIMEOUT_US, Bus, Chip

ADDRESS = 0x50


class Memory(Chip):
    """256 bytes behind a pointer, as an EEPROM has; may refuse a byte, and keeps the times it was given."""

    def __init__(self) -> None:
        self.cells = bytearray(range(256))
        self.at = 0
        self.first = True
        self.refuses: int | None = None
        self.times_us: list[int] = []
        self.stops = 0
        self.called: list[int] = []

    def start(self, reading: bool, t_us: int) -> bool:
        self.times_us.append(t_us)
        self.first = not reading
        return True

    def write_byte(self, byte: int, t_us: int) -> bool:
        self.times_us.append(t_us)
        if byte == self.refuses:
            return False
        if self.first:
            self.at = byte
        else:
            self.cells[self.at] = byte
            self.at += 1
        self.first = False
        return True

    def read_byte(self, t_us: int) -> int:
        self.times_us.append(t_us)
        self.at += 1
        return self.cells[self.at - 1]

    def stop(self, t_us: int) -> None:
        self.stops += 1

    def general_call(self, byte: int, t_us: int) -> bool:
        self.called.append(byte)
        return True


@pytest.fixture
def chip() -> Memory:
    return Memory()


@pytest.fixture
def bus(chip: Memory) -> Bus:
    bus = Bus()
    bus.add(ADDRESS, chip)
    return bus


def test_what_is_written_is_read_back_after_a_repeated_start(bus: Bus, chip: Memory):
    assert bus.write(ADDRESS, b"\x10\xaa\xbb", 0)[0]
    assert bus.write_then_read(ADDRESS, b"\x10", 3, 1000)[0] == b"\xaa\xbb\x12"
    assert chip.stops == 2


def test_a_transfer_takes_nine_bits_a_byte_and_one_for_each_start_and_stop(bus: Bus):
    # UM10204: start, address and bytes of 9 bits each, stop. 2.5 µs a bit at 400 kHz.
    assert bus.write(ADDRESS, b"\x10\xaa", 0)[1] == 73  # (1 + 3 * 9 + 1) * 2.5 = 72.5
    assert bus.read(ADDRESS, 2, 0)[1] == 73
    assert bus.write_then_read(ADDRESS, b"\x10", 2, 0)[1] == 120  # (1 + 2 * 9 + 1 + 3 * 9 + 1) * 2.5
    slow = Bus(clock_hz=100_000)
    slow.add(ADDRESS, Memory())
    assert slow.read(ADDRESS, 2, 0)[1] == 290


def test_a_chip_sees_each_byte_when_it_has_passed(bus: Bus, chip: Memory):
    bus.write(ADDRESS, b"\x10\xaa", 5000)
    assert chip.times_us == [5025, 5047, 5070]


def test_an_address_without_a_chip_is_not_acknowledged(bus: Bus):
    acked, took_us = bus.write(0x51, b"\x10\xaa", 0)
    assert not acked
    assert took_us == 28  # it ends after the address: (1 + 9 + 1) * 2.5 = 27.5
    assert bus.read(0x51, 2, 0)[0] is None
    assert bus.write_then_read(0x51, b"\x10", 2, 0)[0] is None


def test_a_transfer_ends_at_the_byte_that_is_refused(bus: Bus, chip: Memory):
    chip.refuses = 0xBB
    acked, took_us = bus.write(ADDRESS, b"\x10\xbb\xcc", 0)
    assert not acked
    assert took_us == 73
    assert chip.cells[0x10:0x12] == b"\x10\x11"


def test_a_silenced_chip_answers_nothing_until_it_is_healed(bus: Bus):
    bus.nack(ADDRESS)
    assert not bus.write(ADDRESS, b"\x10", 0)[0]
    assert bus.read(ADDRESS, 1, 0)[0] is None
    bus.heal(ADDRESS)
    assert bus.read(ADDRESS, 1, 0)[0] is not None


def test_a_stuck_bus_takes_the_timeout_and_gives_nothing(bus: Bus, chip: Memory):
    bus.stuck = True
    assert bus.write(ADDRESS, b"\x10\xaa", 0) == (False, STUCK_TIMEOUT_US)
    assert bus.read(ADDRESS, 2, 0) == (None, STUCK_TIMEOUT_US)
    assert bus.write_then_read(ADDRESS, b"\x10", 2, 0) == (None, STUCK_TIMEOUT_US)
    assert not bus.start(ADDRESS, False, 0)
    assert chip.times_us == []


def test_without_power_no_chip_answers(bus: Bus):
    bus.powered = False
    assert not bus.write(ADDRESS, b"\x10", 0)[0]


def test_single_bytes_reach_the_same_chip_as_whole_transfers(bus: Bus, chip: Memory):
    assert bus.start(ADDRESS, False, 0)
    assert bus.write_byte(0x20, 10)
    assert bus.start(ADDRESS, True, 20)
    assert [bus.read_byte(30), bus.read_byte(40)] == [0x20, 0x21]
    bus.stop(50)
    assert chip.stops == 1
    assert bus.read_byte(60) == 0xFF, "nobody drives the line after the stop"
    assert not bus.write_byte(0, 70)


def test_a_general_call_reaches_every_chip(bus: Bus, chip: Memory):
    other = Memory()
    bus.add(0x51, other)
    assert bus.write(0x00, b"\x06", 0)[0]
    assert chip.called == other.called == [0x06]


def test_the_world_is_told_the_time_of_every_byte_before_the_chip_sees_it():
    told: list[int] = []
    bus = Bus(on_time=told.append)
    chip = Memory()
    bus.add(ADDRESS, chip)
    bus.write_then_read(ADDRESS, b"\x10", 2, 700)
    assert told == [700, *chip.times_us]
    assert told == sorted(told)
    bus.stuck = True
    bus.read(ADDRESS, 2, 9000)
    assert told[-1] == 9000, "else nothing could ever end the fault"


def test_two_chips_cannot_have_one_address(bus: Bus):
    with pytest.raises(ValueError, match="0x50 is taken twice"):
        bus.add(ADDRESS, Memory())
    with pytest.raises(ValueError, match="outside"):
        bus.add(0x78, Memory())
