"""The bench's chips as the firmware on the emulated board meets them: bytes, pins, time and refusals."""

from itertools import pairwise

import pytest

from loopwatch_host.bench.bus import Bus, Chip
from loopwatch_host.bench.chips.tmp117 import TMP117
from loopwatch_host.bench.pico.machine import Machine
from loopwatch_host.bench.pico.repl import BoardError, Repl

# UM10204: eight bits and an acknowledge. MicroPython's nearest clock to 400 kHz is 399361 Hz.
BYTE_US = 9 / 0.399361
CONTROLLER = "from machine import I2C, Pin\ni2c = I2C(0, sda=Pin(4), scl=Pin(5), freq=400000)"
BIT_BANGED = "from machine import SoftI2C, Pin\ni2c = SoftI2C(sda=Pin(4), scl=Pin(5), freq=100000)"


class Recorder(Chip):
    """A memory that keeps what it is sent and when, and refuses the bytes it is told to refuse."""

    def __init__(self) -> None:
        self.log: list[tuple[str, int, int]] = []
        self.refused: set[int] = set()
        self.answers = [0xA5, 0x01, 0x80, 0x7E]

    def start(self, reading: bool, t_us: int) -> bool:
        self.log.append(("R" if reading else "W", 0, t_us))
        return True

    def write_byte(self, byte: int, t_us: int) -> bool:
        self.log.append(("w", byte, t_us))
        return byte not in self.refused

    def read_byte(self, t_us: int) -> int:
        n = sum(kind == "r" for kind, _, _ in self.log)
        self.log.append(("r", self.answers[n % 4], t_us))
        return self.answers[n % 4]

    def stop(self, t_us: int) -> None:
        self.log.append(("P", 0, t_us))

    def power_cycle(self, t_us: int) -> None:
        self.log.clear()

    @property
    def seen(self) -> str:
        """The transfers without their times."""
        return " ".join(kind if kind in "RWP" else f"{kind}{byte:02x}" for kind, byte, _ in self.log)


class Bench:
    """A board whose bus has a recorder at 0x20 and a TMP117 at 0x49."""

    def __init__(self, flash: bytes, setup: str) -> None:
        self.bus = Bus()
        self.recorder = Recorder()
        self.bus.add(0x20, self.recorder)
        self.bus.add(0x49, TMP117(lambda from_us, to_us: 24.5))
        self.machine = Machine(flash, self.bus)
        self.repl = Repl(self.machine)
        self.repl.exec(setup)


@pytest.fixture(params=[CONTROLLER, BIT_BANGED], ids=["controller", "bit_banged"])
def bench(request: pytest.FixtureRequest, micropython_flash: bytes) -> Bench:
    return Bench(micropython_flash, request.param)


@pytest.fixture
def fast_bench(micropython_flash: bytes) -> Bench:
    return Bench(micropython_flash, CONTROLLER)


def test_a_scan_finds_the_chips(bench: Bench) -> None:
    assert bench.repl.exec("print(i2c.scan())") == "[32, 73]\n"


def test_a_chip_sees_the_same_transfer_from_controller_and_pins(bench: Bench) -> None:
    assert bench.repl.exec("i2c.writeto(0x20, b'\\x01\\xfe')\nprint(i2c.readfrom(0x20, 4))") == "b'\\xa5\\x01\\x80~'\n"
    assert bench.recorder.seen == "W w01 wfe P R ra5 r01 r80 r7e P"


def test_a_register_is_read_with_a_repeated_start(bench: Bench) -> None:
    assert bench.repl.exec("print(i2c.readfrom_mem(0x20, 7, 2))") == "b'\\xa5\\x01'\n"
    assert bench.recorder.seen == "W w07 R ra5 r01 P"


def test_a_thermometer_is_read_as_a_driver_reads_it(bench: Bench) -> None:
    bench.machine.run_until(bench.machine.now_us + 1_100_000)
    program = "word = bytearray(2)\ni2c.readfrom_mem_into(0x49, 0, word)\nprint(word[0] << 8 | word[1])"
    assert int(bench.repl.exec(program)) == round(24.5 / 0.0078125)  # datasheet SNOSD82D, 7.8125 m°C a step


# On an address that nobody acknowledges the controller's driver gives EIO, the bit-banged one ENODEV.
NOBODY = "EIO|ENODEV"


def test_a_deaf_chip_is_an_error_and_the_next_transfer_is_clean(bench: Bench) -> None:
    for program in ("i2c.writeto(0x20, b'ab')", "i2c.readfrom(0x20, 2)", "i2c.readfrom_mem(0x20, 1, 2)"):
        bench.bus.nack(0x20)
        with pytest.raises(BoardError, match=NOBODY):
            bench.repl.exec(program)
        bench.bus.heal(0x20)
        bench.recorder.log.clear()
        assert bench.repl.exec("print(i2c.writeto(0x20, b'\\x55'))") == "1\n"
        assert bench.recorder.seen == "W w55 P"


def test_nobody_at_an_address_is_an_eio_and_the_next_transfer_is_clean(fast_bench: Bench) -> None:
    for program in ("i2c.writeto(0x33, b'ab')", "i2c.readfrom(0x33, 2)"):
        with pytest.raises(BoardError, match="EIO"):
            fast_bench.repl.exec(program)
        assert fast_bench.repl.exec("print(len(i2c.readfrom(0x20, 2)))") == "2\n"


@pytest.mark.parametrize("acked_n", [0, 1, 2])
def test_a_refused_byte_ends_the_write_and_those_before_are_counted(bench: Bench, acked_n: int) -> None:
    data = [0x11, 0x22, 0x33]
    bench.recorder.refused = {data[acked_n]}
    # MicroPython's manual, I2C.writeto: "returns the number of ACKs that were received".
    assert bench.repl.exec(f"print(i2c.writeto(0x20, bytes({data})))") == f"{acked_n}\n"
    assert bench.recorder.seen == "W " + " ".join(f"w{byte:02x}" for byte in data[: acked_n + 1]) + " P"
    bench.recorder.log.clear()
    assert bench.repl.exec("print(i2c.writeto(0x20, b'\\x44'))") == "1\n"
    assert bench.recorder.seen == "W w44 P"


def test_a_byte_takes_nine_bit_times(fast_bench: Bench) -> None:
    fast_bench.repl.exec("data = bytes(12)\ni2c.readfrom(0x20, 12)\ni2c.writeto(0x20, data)")
    for kind in "rw":
        times_us = [t_us for was, _, t_us in fast_bench.recorder.log if was == kind]
        between_us = [later - earlier for earlier, later in pairwise(times_us)]
        assert len(between_us) == 11
        # The SDK gives the next command only after it has seen the last byte: some microseconds a byte more.
        assert all(BYTE_US - 1 <= gap <= BYTE_US + 8 for gap in between_us), between_us


def test_the_clock_is_what_the_firmware_asks_for(micropython_flash: bytes) -> None:
    slow = Bench(micropython_flash, CONTROLLER.replace("400000", "100000"))
    slow.repl.exec("i2c.readfrom(0x20, 3)")
    times_us = [t_us for kind, _, t_us in slow.recorder.log if kind == "r"]
    assert times_us[2] - times_us[1] == pytest.approx(90, abs=8)


def test_a_bus_held_low_times_out_and_works_again_when_it_is_free(fast_bench: Bench) -> None:
    fast_bench.bus.stuck = True
    began_us = fast_bench.machine.now_us
    with pytest.raises(BoardError, match="ETIMEDOUT|EIO"):
        fast_bench.repl.exec("i2c.readfrom(0x20, 1)", limit_us=3_000_000)
    assert fast_bench.machine.now_us - began_us >= 50_000  # machine.I2C(timeout=50000)
    fast_bench.bus.stuck = False
    assert fast_bench.repl.exec("print(len(i2c.readfrom(0x20, 2)))") == "2\n"
