"""Mains pickup, through the bench's converter, the driver, the sampler and its mean of a second.

5 mbar (peak) on both pressures at 50 and 60 Hz and half a hertz off them. The converter averages over its
window; its clock, and with it the window, is off by up to 10 % (SBAS444D, data rate). What counts is
the rms of what is left in the 1 Hz pressures in the worst of several starting phases.
"""

import numpy as np
import pytest
from i2c_on_bench import I2C, Board

from loopwatch import sample
from loopwatch.config import Config
from loopwatch.sampler import Sampler
from loopwatch_host.bench import chips
from loopwatch_host.bench.bus import Bus
from loopwatch_host.bench.frontend import Pickup

AMPLITUDE_PA = 500.0
ALLOWED_RMS_PA = 30.0
FREQUENCIES_HZ = (49.5, 50.0, 50.5, 59.5, 60.0, 60.5)
RATE_ERRORS = (-0.10, -0.05, 0.0, 0.05, 0.10)
PHASES_RAD = (0.0, 0.8, 1.6, 2.4)
LEVELS_PA = (150_000.0, 185_000.0)
SPAN_PA = 500_000.0
RAIL_PIN_V = 3.0
MEANS_N = 40


def pin_v(pressure_pa: float) -> float:
    """The transducer, 10 to 90 % of the rail, behind the divider that the rail has too."""
    return RAIL_PIN_V * (0.1 + 0.8 * pressure_pa / SPAN_PA)


def converter(frequency_hz: float, phase_rad: float, rate_error: float) -> chips.ADS1115:
    """The chip with pickup on both pressures, a quarter of a period apart, and a clean rail."""
    pickups = [Pickup(AMPLITUDE_PA, frequency_hz, phase_rad + quarter) for quarter in (0.0, np.pi / 2)]

    def volts(pin: int, from_us: float, to_us: float) -> float:
        return RAIL_PIN_V if pin == 2 else pin_v(LEVELS_PA[pin] + pickups[pin].mean(from_us, to_us))

    return chips.ADS1115(volts, rate_error)


def left_pa(frequency_hz: float, rate_error: float, delay_us: int = 0) -> float:
    """Rms of the 1 Hz pressures around their levels: the worse of the two, in the worst of the starting phases."""
    worst_pa = 0.0
    for seed, phase_rad in enumerate(PHASES_RAD):
        bus = Bus()
        bus.add(0x48, converter(frequency_hz, phase_rad, rate_error))
        i2c = I2C(bus)
        sampler = Sampler(i2c, Config(fitted_bits=0b100011), seed)
        board = Board(sampler, i2c, delay_us)
        made = []
        for _ in range(MEANS_N):
            board.next_mean()
            made.append([sampler.mean.values[channel] for channel in (sample.P_STATIC, sample.P_PUMP)])
        rms_pa = np.sqrt(np.mean((np.array(made) - LEVELS_PA) ** 2, axis=0))
        worst_pa = max(worst_pa, float(rms_pa.max()))
    return worst_pa


def left_of_one_conversion_pa(frequency_hz: float, rate_error: float) -> float:
    """The same for one conversion every 100 ms, averaged over ten: from the chip alone, worst of the phases."""
    worst_pa = 0.0
    for phase_rad in PHASES_RAD:
        bus = Bus()
        bus.add(0x48, converter(frequency_hz, phase_rad, rate_error))
        raw = []
        for t_us in range(0, MEANS_N * 1_000_000, 100_000):
            bus.write(0x48, b"\x01\xc3\x83", t_us)
            word, _ = bus.write_then_read(0x48, b"\x00", 2, t_us + 20_000)
            assert word is not None
            raw.append(int.from_bytes(word, "big", signed=True))
        volts = np.array(raw).reshape(MEANS_N, 10).mean(axis=1) * 4.096 / 32768
        error_pa = (volts / RAIL_PIN_V - 0.1) / 0.8 * SPAN_PA - LEVELS_PA[0]
        worst_pa = max(worst_pa, float(np.sqrt(np.mean(error_pa**2))))
    return worst_pa


def table(title: str, rows: np.ndarray) -> str:
    """Rows of millibars under the converter's rate errors."""
    lines = [title, "    Hz |" + "".join(f"{100 * error:+7.0f} %" for error in RATE_ERRORS)]
    for frequency_hz, row in zip(FREQUENCIES_HZ, rows, strict=True):
        lines.append(f"  {frequency_hz:4.1f} |" + "".join(f"{pascal / 100:9.3f}" for pascal in row))
    return "\n".join(lines)


@pytest.mark.parametrize("delay_us", [0, 900], ids=["on the tick", "0.9 ms after it"])
def test_five_millibars_of_mains_leave_less_than_a_third_of_one_in_the_mean(delay_us, record_property):
    rows = np.array([[left_pa(f, error, delay_us) for error in RATE_ERRORS] for f in FREQUENCIES_HZ])
    title = "mbar rms left at 1 Hz of 5 mbar (peak) of pickup, by the converter's rate error"
    record_property("table", table(f"{title}; called {delay_us} us after each tick", rows))
    assert rows.max() <= ALLOWED_RMS_PA
    # Were there nothing left at all, the pickup would not have reached the converter.
    assert rows.max() > 1.0


def test_one_conversion_every_100_ms_would_not_do(record_property):
    rows = np.array([[left_of_one_conversion_pa(f, error) for error in RATE_ERRORS] for f in FREQUENCIES_HZ])
    record_property("table", table("mbar rms left at 1 Hz by one conversion every 100 ms, from the chip alone", rows))
    for frequency_hz in (50.0, 60.0):
        assert rows[FREQUENCIES_HZ.index(frequency_hz)].min() > 5 * ALLOWED_RMS_PA
    assert rows.max() > 10 * ALLOWED_RMS_PA
