"""The drivers on their bytes, written out from the datasheets, and on the bench's register-level chips."""

import pytest
from i2c_on_bench import I2C

from loopwatch.drivers import ads1115, tmp117
from loopwatch_host.bench import chips
from loopwatch_host.bench.bus import Bus, Chip


class Scripted(Chip):
    """A chip that notes what is written and answers reads with the words it was given, upper byte first."""

    def __init__(self, *words: int) -> None:
        self.written: list[bytes] = []
        self._answer = [byte for word in words for byte in (word >> 8, word & 255)]
        self._writing = bytearray()

    def start(self, reading: bool, t_us: int) -> bool:
        self._flush()
        return True

    def write_byte(self, byte: int, t_us: int) -> bool:
        self._writing.append(byte)
        return True

    def read_byte(self, t_us: int) -> int:
        return self._answer.pop(0)

    def stop(self, t_us: int) -> None:
        self._flush()

    def _flush(self) -> None:
        if self._writing:
            self.written.append(bytes(self._writing))
        self._writing = bytearray()


def bus_with(address: int, chip: Chip) -> I2C:
    bus = Bus()
    bus.add(address, chip)
    return I2C(bus)


# SBAS444D 9.6.3: OS 1, MUX 100 to 111 (AINx to ground), PGA 001 (4.096 V), MODE 1; DR 100 (128 SPS), COMP_QUE 11.
@pytest.mark.parametrize(("mux_input", "config"), [(0, 0xC383), (1, 0xD383), (2, 0xE383), (3, 0xF383)])
def test_starting_a_conversion_writes_the_config_word_of_the_datasheet(mux_input, config):
    chip = Scripted()
    ads1115.ADS1115(bus_with(0x48, chip)).start(mux_input)
    assert chip.written == [bytes([0x01, config >> 8, config & 255])]


@pytest.mark.parametrize(
    ("config", "is_ready"),
    [
        (0xC383, True),
        (0x4383, False),  # OS 0: converting
        (0x8583, False),  # what a chip shows after its supply dipped
        (0xD383, False),  # another input than the one asked for
    ],
)
def test_a_conversion_is_ready_when_the_chip_says_so_with_its_settings_intact(config, is_ready):
    chip = Scripted(config)
    adc = ads1115.ADS1115(bus_with(0x48, chip))
    adc.start(0)
    assert adc.ready() is is_ready
    assert chip.written[1:] == [], "the pointer stands on the register since start()"


# SBAS444D 9.5.4, ideal output codes.
@pytest.mark.parametrize(("word", "raw"), [(0x7FFF, 32767), (0x0001, 1), (0, 0), (0xFFFF, -1), (0x8000, -32768)])
def test_a_result_of_the_converter_is_twos_complement(word, raw):
    chip = Scripted(word)
    assert ads1115.ADS1115(bus_with(0x48, chip)).read_raw() == raw
    assert chip.written == [b"\x00"]


@pytest.mark.parametrize("rate_error", [-0.1, 0.0, 0.1])
@pytest.mark.parametrize(("volts", "raw"), [(2.7, 21600), (0.000125, 1), (-0.05, -400), (4.2, 32767)])
def test_a_voltage_comes_back_in_steps_of_125_microvolts(rate_error, volts, raw):
    i2c = bus_with(0x48, chips.ADS1115(lambda pin, from_us, to_us: volts if pin == 2 else 0.0, rate_error))
    adc = ads1115.ADS1115(i2c)
    adc.start(2)
    assert not adc.ready()
    i2c.wait_until(i2c.t_us + ads1115.SLOWEST_CONVERSION_US)
    assert adc.ready()
    assert adc.read_raw() == raw


def test_a_converter_that_lost_its_supply_is_not_ready_with_its_zero():
    chip = chips.ADS1115(lambda pin, from_us, to_us: 2.0)
    i2c = bus_with(0x48, chip)
    adc = ads1115.ADS1115(i2c)
    adc.start(0)
    chip.power_cycle(i2c.t_us)
    i2c.wait_until(1_000_000)
    assert adc.read_raw() == 0
    assert not adc.ready()


def test_a_converter_that_never_finishes_is_never_ready():
    chip = chips.ADS1115(lambda pin, from_us, to_us: 2.0)
    chip.fail("never_ready", 0)
    i2c = bus_with(0x48, chip)
    adc = ads1115.ADS1115(i2c)
    adc.start(0)
    i2c.wait_until(10_000_000)
    assert not adc.ready()


# SNOSD82D 7.6, Configuration: MOD 00 (continuous), CONV 011 (500 ms), AVG 01 (8 conversions), no alerts.
def test_starting_the_thermometer_writes_the_configuration_of_the_datasheet():
    chip = Scripted()
    tmp117.TMP117(bus_with(0x49, chip), 0x49).start()
    assert chip.written == [bytes([0x01, 0b0000_0001, 0b1010_0000])]


@pytest.mark.parametrize(
    ("configuration", "is_ready"), [(0x21A0, True), (0x01A0, False), (0xE1A0, True), (0x0220, False)]
)
def test_a_reading_is_ready_when_the_data_ready_bit_says_so(configuration, is_ready):
    chip = Scripted(configuration)
    assert tmp117.TMP117(bus_with(0x49, chip), 0x49).ready() is is_ready
    assert chip.written == [b"\x01"]


# SNOSD82D 7.3.3, table of results: -256, -25, -0.0078125, 0, 25, 100 °C.
@pytest.mark.parametrize(
    ("word", "raw"),
    [(0x8000, tmp117.RAW_POWER_UP), (0xF380, -25 * 128), (0xFFFF, -1), (0, 0), (0x0C80, 25 * 128), (0x3200, 100 * 128)],
)
def test_a_reading_of_the_thermometer_is_twos_complement(word, raw):
    chip = Scripted(word)
    assert tmp117.TMP117(bus_with(0x49, chip), 0x49).read_raw() == raw
    assert chip.written == [b"\x00"]


@pytest.mark.parametrize("rate_error", [-0.08, 0.0, 0.12])
def test_a_temperature_comes_once_a_conversion_and_first_the_power_up_value(rate_error):
    i2c = bus_with(0x4A, chips.TMP117(lambda from_us, to_us: 23.5, rate_error))
    thermometer = tmp117.TMP117(i2c, 0x4A)
    thermometer.start()
    assert not thermometer.ready()
    assert thermometer.read_raw() == tmp117.RAW_POWER_UP
    i2c.wait_until(i2c.t_us + 140_000)
    assert thermometer.ready()
    assert thermometer.read_raw() == 23.5 * 128
    assert not thermometer.ready()
    i2c.wait_until(i2c.t_us + 560_000)
    assert thermometer.ready()


def test_what_nobody_acknowledges_raises():
    i2c = I2C(Bus())
    adc = ads1115.ADS1115(i2c)
    thermometer = tmp117.TMP117(i2c, 0x49)
    for call in (
        lambda: adc.start(0),
        adc.ready,
        adc.read_raw,
        thermometer.start,
        thermometer.ready,
        thermometer.read_raw,
    ):
        with pytest.raises(OSError, match="5"):
            call()
