"""The two pressures while the pump stands: a sensor that drifts shows, coolant that goes does not."""

from __future__ import annotations

import numpy as np
import pytest

from loopwatch_host.bench import plant
from loopwatch_host.commission import fit, log, standstill
from loopwatch_host.evaluate import family, journey

DAYS = 3
PUMP_ON_PA = 8_000


def run(leak_ml_h: float = 0.0, seed: int = 77) -> np.ndarray:
    """Seconds of the reference loop, leaking from the second day on."""
    member = family.default(seed)
    way = journey.drawn(member, DAYS)
    loop_run = journey.begun(member, way)
    first = journey.log(loop_run, way, 0, journey.DAY_S)
    loop_run.inputs[plant.LEAK_RATE_M3_S] = leak_ml_h * 1e-6 / 3600
    return np.concatenate([first, journey.log(loop_run, way, journey.DAY_S, len(way.inputs))])


@pytest.fixture(scope="module")
def quiet() -> np.ndarray:
    return run()


def compared(x: np.ndarray, pump: int = 1) -> standstill.Standstill | None:
    return standstill.compared(log.Log(x, np.arange(len(x)), (pump, 2, 3, 4), 0), PUMP_ON_PA)


def test_two_good_sensors_stay_together_and_a_leak_does_not_part_them(quiet):
    for x in (quiet, run(leak_ml_h=0.5)):
        found = compared(x)
        assert found is not None and found.stops_n > 3
        # Each walks by 1 kPa a year: in three days by 0.13 kPa together.
        assert abs(found.change_pa) < 400
        assert not found.drifts


@pytest.mark.parametrize("channel", [0, 1])
def test_a_sensor_that_drifts_shows_by_what_it_drifts_between_the_first_and_the_last_stop(quiet, channel):
    # 2 kPa a day of 150 kPa over 150 mL are 2 mL a day: a seep of 0.08 mL/h, or one hidden.
    x = quiet.copy()
    ramp_pa = -2_000 * np.arange(len(x)) / journey.DAY_S
    x[:, channel] += np.round(ramp_pa).astype(np.int32)
    found, before = compared(x), compared(quiet)
    assert found is not None and before is not None
    stood = np.flatnonzero(quiet[:, 1] - quiet[:, 0] < PUMP_ON_PA)
    expected_pa = (ramp_pa[stood[-1]] - ramp_pa[stood[0]]) * (1 if channel else -1)
    assert found.change_pa - before.change_pa == pytest.approx(expected_pa, abs=150)
    assert found.drifts


def test_without_p_pump_or_without_stops_there_is_nothing_to_say(quiet):
    assert compared(quiet, fit.ABSENT) is None
    runs = quiet.copy()
    runs[:, 1] = runs[:, 0] + 35_000
    assert compared(runs) is None
