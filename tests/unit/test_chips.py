"""The chip models against their datasheets: registers, timing, results, and their faults on demand."""

from collections.abc import Callable
from functools import partial

import pytest

from loopwatch_host.bench.bus import Bus
from loopwatch_host.bench.chips import ADS1115, TMP117

ADC, THERMOMETER = 0x48, 0x49
CONVERSION, CONFIG, LO_THRESH, HI_THRESH = range(4)

# SBAS444D table "Config Register Field Descriptions": AIN0 to ground, ±4.096 V, single-shot, 128 SPS, comparator off.
START_AIN0 = 0xC383
PERIOD_128_US = 1e6 / 128

# The same table, PGA and DR from 000b on.
FULL_SCALES_V = (6.144, 4.096, 2.048, 1.024, 0.512, 0.256, 0.256, 0.256)
RATES_SPS = (8, 16, 32, 64, 128, 250, 475, 860)


def adc(volts: float | Callable[[int, float, float], float] = 1.0, rate_error: float = 0.0) -> tuple[ADS1115, Bus]:
    """A converter alone on a bus, its inputs a constant or a function of (input, from_us, to_us)."""
    chip = ADS1115(volts if callable(volts) else lambda place, from_us, to_us: volts, rate_error)
    bus = Bus()
    bus.add(ADC, chip)
    return chip, bus


def thermometer(celsius: float | Callable[[float, float], float] = 25.0, rate_error: float = 0.0) -> tuple[TMP117, Bus]:
    """A thermometer alone on a bus."""
    chip = TMP117(celsius if callable(celsius) else lambda from_us, to_us: celsius, rate_error)
    bus = Bus()
    bus.add(THERMOMETER, chip)
    return chip, bus


def write(bus: Bus, address: int, register: int, word: int, t_us: int = 0) -> int:
    """Write a register; returns when the transfer is over."""
    acked, took_us = bus.write(address, bytes((register, word >> 8, word & 255)), t_us)
    assert acked
    return t_us + took_us


def read(bus: Bus, address: int, register: int, t_us: int = 0) -> int:
    """A register's 16 bits."""
    data, _ = bus.write_then_read(address, bytes((register,)), 2, t_us)
    assert data is not None
    return int.from_bytes(data, "big")


def converted(bus: Bus, word: int, after_us: int = 200_000) -> int:
    """The signed result of a single conversion with this Config."""
    write(bus, ADC, CONFIG, word)
    raw = read(bus, ADC, CONVERSION, after_us)
    return raw - 0x10000 if raw & 0x8000 else raw


def test_the_converter_has_its_reset_values_after_power_on():
    # SBAS444D section 9.6: 0000h, 8583h, 8000h, 7FFFh.
    _, bus = adc()
    assert [read(bus, ADC, register) for register in range(4)] == [0x0000, 0x8583, 0x8000, 0x7FFF]


def test_the_converter_shows_busy_during_a_conversion_and_idle_after():
    _, bus = adc()
    end_us = write(bus, ADC, CONFIG, START_AIN0) + 25 + PERIOD_128_US
    assert read(bus, ADC, CONFIG, int(end_us) - 200) == 0x4383
    assert read(bus, ADC, CONVERSION, int(end_us) - 200) == 0
    assert read(bus, ADC, CONFIG, int(end_us) + 10) == 0xC383
    assert read(bus, ADC, CONVERSION, int(end_us) + 10) == 8000  # 1 V of 125 µV steps


@pytest.mark.parametrize(("code", "sps"), list(enumerate(RATES_SPS)))
@pytest.mark.parametrize("rate_error", [-0.1, 0.0, 0.07])
def test_a_conversion_takes_one_period_of_the_chips_own_data_rate(code: int, sps: int, rate_error: float):
    windows: list[tuple[float, float]] = []

    def volts(place: int, from_us: float, to_us: float) -> float:
        windows.append((from_us, to_us))
        return 0.0

    _, bus = adc(volts, rate_error)
    written_us = write(bus, ADC, CONFIG, START_AIN0 & ~0xE0 | code << 5)
    read(bus, ADC, CONVERSION, 400_000)
    ((from_us, to_us),) = windows
    assert to_us - from_us == pytest.approx(1e6 / sps / (1 + rate_error))
    assert from_us == pytest.approx(written_us + 25, abs=4)  # the stop bit and rounding lie between


@pytest.mark.parametrize(("code", "full_scale_v"), list(enumerate(FULL_SCALES_V)))
def test_each_gain_has_its_full_scale_and_clips_there(code: int, full_scale_v: float):
    config = START_AIN0 & ~0x0E00 | code << 9
    assert converted(adc(0.2)[1], config) == round(0.2 / full_scale_v * 32768)
    assert converted(adc(7.0)[1], config) == 32767
    assert converted(adc(-7.0)[1], config) == -32768


def test_every_multiplexer_setting_takes_the_difference_of_its_two_inputs():
    # SBAS444D table "Config Register Field Descriptions", MUX; one volt, a half, a quarter, an eighth on AIN0 to AIN3.
    levels_v = (1.0, 0.5, 0.25, 0.125)
    wanted_v = (0.5, 0.875, 0.375, 0.125, 1.0, 0.5, 0.25, 0.125)
    for code, volts in enumerate(wanted_v):
        _, bus = adc(lambda place, from_us, to_us: levels_v[place])
        assert converted(bus, START_AIN0 & ~0x7000 | code << 12) == volts * 8000


def test_results_are_rounded_to_the_nearest_step():
    assert converted(adc(100.4 * 125e-6)[1], START_AIN0) == 100
    assert converted(adc(100.6 * 125e-6)[1], START_AIN0) == 101
    assert converted(adc(-100.6 * 125e-6)[1], START_AIN0) == -101


def test_a_conversion_is_the_mean_over_its_window():
    # A ramp of 0.1 V/ms: its mean is its value in the middle of the window.
    _, bus = adc(lambda place, from_us, to_us: 1e-4 * (from_us + to_us) / 2)
    written_us = write(bus, ADC, CONFIG, START_AIN0)
    middle_us = written_us + 25 + PERIOD_128_US / 2
    assert read(bus, ADC, CONVERSION, 50_000) == pytest.approx(1e-4 * middle_us / 125e-6, abs=5)


def test_a_start_during_a_conversion_changes_neither_its_end_nor_its_input():
    # Section 9.6.3, OS: no effect when a conversion is ongoing.
    _, bus = adc(lambda place, from_us, to_us: (1.0, 2.0, 0.0, 0.0)[place])
    end_us = write(bus, ADC, CONFIG, START_AIN0) + 25 + PERIOD_128_US
    write(bus, ADC, CONFIG, 0xD383, 4000)
    assert read(bus, ADC, CONVERSION, int(end_us) + 10) == 8000
    assert read(bus, ADC, CONFIG, int(end_us) + 10) & 0x8000
    assert read(bus, ADC, CONVERSION, 30_000) == 8000


def test_a_configuration_without_the_start_bit_starts_nothing_in_single_shot_mode():
    _, bus = adc()
    write(bus, ADC, CONFIG, START_AIN0 & 0x7FFF)
    assert read(bus, ADC, CONFIG, 1000) == 0xC383
    assert read(bus, ADC, CONVERSION, 50_000) == 0


def test_continuous_mode_gives_a_new_result_every_period_and_always_reads_busy():
    _, bus = adc(lambda place, from_us, to_us: to_us * 1e-6)
    written_us = write(bus, ADC, CONFIG, 0x4283)
    for n in (1, 2, 10):
        end_us = written_us + 25 + n * PERIOD_128_US
        assert read(bus, ADC, CONVERSION, int(end_us) + 100) == pytest.approx(end_us * 1e-6 / 125e-6, abs=1)
        assert not read(bus, ADC, CONFIG, int(end_us) + 100) & 0x8000


def test_in_continuous_mode_new_settings_hold_from_the_next_conversion_on():
    # Section 9.4.2.2.
    _, bus = adc(lambda place, from_us, to_us: (1.0, 2.0, 0.0, 0.0)[place])
    written_us = write(bus, ADC, CONFIG, 0x4283)
    write(bus, ADC, CONFIG, 0x5283, 2000)
    first_end_us = written_us + 25 + PERIOD_128_US
    assert read(bus, ADC, CONVERSION, int(first_end_us) + 100) == 8000
    assert read(bus, ADC, CONVERSION, int(first_end_us + PERIOD_128_US) + 100) == 16000


def test_continuous_mode_ends_with_the_conversion_under_way():
    _, bus = adc(lambda place, from_us, to_us: to_us * 1e-6)
    written_us = write(bus, ADC, CONFIG, 0x4283)
    write(bus, ADC, CONFIG, 0x4383, 2000)
    end_us = written_us + 25 + PERIOD_128_US
    assert read(bus, ADC, CONFIG, 100_000) == 0xC383
    assert read(bus, ADC, CONVERSION, 100_000) == pytest.approx(end_us * 1e-6 / 125e-6, abs=1)


def test_repeated_reads_need_no_new_pointer():
    _, bus = adc()
    read(bus, ADC, CONFIG)
    assert bus.read(ADC, 2, 300)[0] == b"\x85\x83"
    assert bus.read(ADC, 2, 600)[0] == b"\x85\x83"


def test_half_a_word_changes_no_register():
    _, bus = adc()
    bus.write(ADC, bytes((HI_THRESH, 0x12)), 0)
    assert read(bus, ADC, HI_THRESH, 300) == 0x7FFF
    write(bus, ADC, HI_THRESH, 0x1234, 600)
    write(bus, ADC, LO_THRESH, 0xFEDC, 900)
    assert (read(bus, ADC, HI_THRESH, 1200), read(bus, ADC, LO_THRESH, 1500)) == (0x1234, 0xFEDC)


def test_the_conversion_register_cannot_be_written():
    _, bus = adc()
    write(bus, ADC, CONVERSION, 0x1234)
    assert read(bus, ADC, CONVERSION, 300) == 0


def test_general_call_reset_works_as_power_on():
    for (_, bus), address, wanted in ((adc(), ADC, 0x8583), (thermometer(), THERMOMETER, 0x0220)):
        write(bus, address, CONFIG, 0x4283)
        assert bus.write(0x00, b"\x06", 1000)[0]
        assert read(bus, address, CONFIG, 1300) == wanted


def test_a_converter_that_lost_its_supply_forgets_the_conversion_under_way():
    chip, bus = adc()
    write(bus, ADC, CONFIG, START_AIN0)
    chip.power_cycle(3000)
    assert read(bus, ADC, CONFIG, 50_000) == 0x8583
    assert read(bus, ADC, CONVERSION, 50_000) == 0


def test_a_converter_that_never_gets_ready_stays_busy_until_healed():
    chip, bus = adc()
    chip.fail("never_ready", 0)
    write(bus, ADC, CONFIG, START_AIN0)
    assert not read(bus, ADC, CONFIG, 10_000_000) & 0x8000
    assert read(bus, ADC, CONVERSION, 10_000_000) == 0
    chip.heal(10_100_000)
    write(bus, ADC, CONFIG, START_AIN0, 10_200_000)
    assert read(bus, ADC, CONVERSION, 10_300_000) == 8000


def test_a_stuck_converter_goes_on_converting_to_the_same_result():
    level_v = [1.0]
    chip, bus = adc(lambda place, from_us, to_us: level_v[0])
    assert converted(bus, START_AIN0, 50_000) == 8000
    chip.fail("stuck", 60_000)
    level_v[0] = 2.0
    write(bus, ADC, CONFIG, START_AIN0, 70_000)
    assert read(bus, ADC, CONFIG, 100_000) == 0xC383
    assert read(bus, ADC, CONVERSION, 100_000) == 8000
    chip.heal(110_000)
    write(bus, ADC, CONFIG, START_AIN0, 120_000)
    assert read(bus, ADC, CONVERSION, 200_000) == 16000


def test_a_converter_that_keeps_losing_its_supply_acknowledges_and_forgets():
    chip, bus = adc()
    chip.fail("power_up", 0)
    write(bus, ADC, CONFIG, START_AIN0, 100)
    assert read(bus, ADC, CONFIG, 50_000) == 0x8583
    assert read(bus, ADC, CONVERSION, 50_000) == 0


def test_a_rate_error_beyond_the_datasheet_is_refused():
    with pytest.raises(ValueError, match="rate_error"):
        adc(rate_error=0.11)
    with pytest.raises(ValueError, match="rate_error"):
        thermometer(rate_error=0.13)


def test_a_fault_that_chips_do_not_have_is_refused():
    with pytest.raises(ValueError, match="'sulking'"):
        adc()[0].fail("sulking", 0)


TEMP_RESULT, THIGH, TLOW, OFFSET, DEVICE_ID = 0, 2, 3, 7, 15
DATA_READY = 0x2000


def test_the_thermometer_has_its_reset_values_after_power_on():
    # SNOSD82D section 7.6, register map.
    _, bus = thermometer()
    registers = {0: 0x8000, 1: 0x0220, 2: 0x6000, 3: 0x8000, 4: 0, 7: 0, 15: 0x0117}
    assert {register: read(bus, THERMOMETER, register) for register in registers} == registers


def test_the_first_result_comes_after_eight_averaged_conversions_then_every_second():
    # Power-up 1.5 ms (7.3.1), 8 · 15.5 ms (7.3.2), cycle 1 s (table "Conversion Cycle Time in CC Mode").
    windows: list[tuple[float, float]] = []

    def celsius(from_us: float, to_us: float) -> float:
        windows.append((from_us, to_us))
        return 25.0

    _, bus = thermometer(celsius)
    assert read(bus, THERMOMETER, TEMP_RESULT, 125_000) == 0x8000
    assert read(bus, THERMOMETER, TEMP_RESULT, 126_000) == 0x0C80
    read(bus, THERMOMETER, TEMP_RESULT, 1_126_000)
    assert windows == [(1_500, 125_500), (1_001_500, 1_125_500)]


@pytest.mark.parametrize(
    ("celsius", "word"),
    [(-25, 0xF380), (-0.125, 0xFFF0), (-0.0078125, 0xFFFF), (0, 0), (0.0078125, 1), (25, 0x0C80), (100, 0x3200)],
)
def test_results_are_coded_as_the_datasheets_table_has_them(celsius: float, word: int):
    # SNOSD82D table 7-1.
    assert read(thermometer(celsius)[1], THERMOMETER, TEMP_RESULT, 200_000) == word


def test_the_thermometer_rounds_to_its_steps_and_clips_at_the_ends():
    assert read(thermometer(25.0036)[1], THERMOMETER, TEMP_RESULT, 200_000) == 0x0C80
    assert read(thermometer(25.0042)[1], THERMOMETER, TEMP_RESULT, 200_000) == 0x0C81
    assert read(thermometer(400)[1], THERMOMETER, TEMP_RESULT, 200_000) == 0x7FFF
    assert read(thermometer(-400)[1], THERMOMETER, TEMP_RESULT, 200_000) == 0x8000


@pytest.mark.parametrize("register", [TEMP_RESULT, CONFIG])
def test_reading_the_result_or_the_configuration_clears_data_ready(register: int):
    _, bus = thermometer()
    assert not read(bus, THERMOMETER, CONFIG, 1000) & DATA_READY
    read(bus, THERMOMETER, DEVICE_ID, 200_000)
    first = read(bus, THERMOMETER, register, 200_000)
    assert register != CONFIG or first & DATA_READY
    assert not read(bus, THERMOMETER, CONFIG, 201_000) & DATA_READY
    assert read(bus, THERMOMETER, CONFIG, 1_200_000) & DATA_READY, "set again by the next conversion"


# SNOSD82D table "Conversion Cycle Time in CC Mode", by CONV and AVG, in ms.
CYCLES_MS = (
    (15.5, 125, 500, 1000),
    (125, 125, 500, 1000),
    (250, 250, 500, 1000),
    (500, 500, 500, 1000),
    (1000, 1000, 1000, 1000),
    (4000, 4000, 4000, 4000),
    (8000, 8000, 8000, 8000),
    (16000, 16000, 16000, 16000),
)


@pytest.mark.parametrize("conv", range(8))
@pytest.mark.parametrize("avg", range(4))
@pytest.mark.parametrize("rate_error", [0.0, -0.1])
def test_the_cycle_is_that_of_the_datasheets_table(conv: int, avg: int, rate_error: float):
    ends_us: list[float] = []

    def celsius(from_us: float, to_us: float) -> float:
        ends_us.append(to_us)
        return 25.0

    chip, bus = thermometer(celsius, rate_error)
    write(bus, THERMOMETER, CONFIG, conv << 7 | avg << 5)
    for t_us in range(0, 40_000_000, 5_000 if conv < 2 else 50_000):
        chip.settle(t_us)
        if len(ends_us) == 3:
            break
    # 8 conversions take 124 ms and 64 take 992, which the table gives as 125 ms and 1 s.
    assert ends_us[2] - ends_us[1] == pytest.approx(CYCLES_MS[conv][avg] * 1e3 / (1 + rate_error))


def test_one_shot_converts_once_and_shuts_down():
    _, bus = thermometer(lambda from_us, to_us: to_us * 1e-6)
    begun_us = write(bus, THERMOMETER, CONFIG, 0x0C20, 10_000)
    assert read(bus, THERMOMETER, CONFIG, 100_000) == 0x0C20
    assert read(bus, THERMOMETER, CONFIG, 140_000) == 0x2420
    wanted = round((begun_us * 1e-6 + 0.124) * 128)
    assert read(bus, THERMOMETER, TEMP_RESULT, 150_000) == wanted
    assert read(bus, THERMOMETER, TEMP_RESULT, 9_000_000) == wanted
    assert not read(bus, THERMOMETER, CONFIG, 9_000_000) & DATA_READY


def test_shutdown_stops_converting_and_continuous_takes_it_up_again():
    _, bus = thermometer(lambda from_us, to_us: to_us * 1e-6)
    write(bus, THERMOMETER, CONFIG, 0x0420, 10_000)
    assert read(bus, THERMOMETER, TEMP_RESULT, 5_000_000) == 0x8000
    write(bus, THERMOMETER, CONFIG, 0x0A20, 6_000_000)
    assert read(bus, THERMOMETER, CONFIG, 6_001_000) == 0x0220, "10b reads back as 00b"
    assert read(bus, THERMOMETER, TEMP_RESULT, 6_500_000) == pytest.approx(6.124 * 128, abs=1)


def test_soft_reset_brings_back_the_reset_values():
    _, bus = thermometer()
    write(bus, THERMOMETER, THIGH, 0x1000)
    assert read(bus, THERMOMETER, TEMP_RESULT, 200_000) == 0x0C80
    write(bus, THERMOMETER, CONFIG, 0x0002, 300_000)
    assert read(bus, THERMOMETER, TEMP_RESULT, 310_000) == 0x8000
    assert read(bus, THERMOMETER, THIGH, 310_000) == 0x6000
    assert read(bus, THERMOMETER, CONFIG, 310_000) == 0x0220
    assert read(bus, THERMOMETER, TEMP_RESULT, 500_000) == 0x0C80


def test_result_and_identity_cannot_be_written_but_the_offset_can():
    _, bus = thermometer()
    write(bus, THERMOMETER, TEMP_RESULT, 0x1234)
    write(bus, THERMOMETER, DEVICE_ID, 0x1234, 1000)
    assert (read(bus, THERMOMETER, TEMP_RESULT, 2000), read(bus, THERMOMETER, DEVICE_ID, 2000)) == (0x8000, 0x0117)
    write(bus, THERMOMETER, OFFSET, 0xFF80, 3000)  # -1 °C
    assert read(bus, THERMOMETER, TEMP_RESULT, 200_000) == 24 * 128


def test_alert_flags_compare_with_the_limits_and_are_cleared_by_reading():
    _, bus = thermometer(30.0)
    write(bus, THERMOMETER, THIGH, 29 * 128)
    assert read(bus, THERMOMETER, CONFIG, 200_000) & 0xC000 == 0x8000
    assert read(bus, THERMOMETER, CONFIG, 210_000) & 0xC000 == 0
    write(bus, THERMOMETER, THIGH, 50 * 128, 220_000)
    write(bus, THERMOMETER, TLOW, 40 * 128, 230_000)
    assert read(bus, THERMOMETER, CONFIG, 1_300_000) & 0xC000 == 0x4000


def test_therm_mode_keeps_its_flag_until_below_the_low_limit():
    level_c = [30.0]
    _, bus = thermometer(lambda from_us, to_us: level_c[0])
    write(bus, THERMOMETER, THIGH, 29 * 128)
    write(bus, THERMOMETER, TLOW, 20 * 128, 500)
    write(bus, THERMOMETER, CONFIG, 0x0230, 1000)
    flags = []
    for t_s, next_c in ((0.5, 25.0), (1.5, 19.0), (2.5, 25.0), (3.5, 25.0)):
        flags.append(read(bus, THERMOMETER, CONFIG, int(t_s * 1e6)) & 0xC000)
        level_c[0] = next_c
    assert flags == [0x8000, 0x8000, 0, 0]


def holds(level_c: list[float], from_us: float, to_us: float) -> float:
    """A temperature that the test changes."""
    return level_c[0]


def test_a_thermometer_that_fails_shows_no_new_result():
    for kind, wanted in (("never_ready", 0x0C80), ("stuck", 0x0C80), ("power_up", 0x8000)):
        level_c = [25.0]
        chip, bus = thermometer(partial(holds, level_c))
        read(bus, THERMOMETER, TEMP_RESULT, 200_000)
        level_c[0] = 30.0
        chip.fail(kind, 300_000)
        ready = read(bus, THERMOMETER, CONFIG, 5_000_000) & DATA_READY
        assert bool(ready) == (kind == "stuck")
        assert read(bus, THERMOMETER, TEMP_RESULT, 5_000_000) == wanted
        chip.heal(6_000_000)
        assert read(bus, THERMOMETER, TEMP_RESULT, 8_000_000) == 30 * 128
