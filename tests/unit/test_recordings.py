"""Recorded logs of a real bench through inventory and detector: ugly signals, and nothing is invented.

The pressure there has steps of 0.33 bar and shows none of its leaks, so an alarm on it would be false.
"""

import csv
from array import array
from pathlib import Path

import pytest

from loopwatch import sample
from loopwatch.config import Config
from loopwatch.detector import Detector
from loopwatch.faults import Faults
from loopwatch.inventory import VALID, Inventory

RECORDINGS = Path(__file__).parents[3] / "shared" / "data" / "skab"
NAMES = ("anomaly-free/anomaly-free", "other/1", "other/3", "other/11", "valve1/0", "valve1/1", "valve2/0")


@pytest.mark.parametrize("name", NAMES)
def test_a_pressure_of_a_few_coarse_levels_gives_no_leak_no_fault_and_is_called_noisy(name):
    path = RECORDINGS / f"{name}.csv"
    if not path.is_file():
        pytest.skip("the recorded logs of SKAB are not beside this checkout (../shared/data/skab)")
    inventory, detector, mean = Inventory(Config()), Detector(), sample.Sample()
    faults = Faults(Config(fitted_bits=1 << sample.P_STATIC | 1 << sample.T_SOURCE | 1 << sample.T_RADIATOR))
    raw, wobble = array("i", [0, 0]), array("i", [0, 0])
    for channel in range(sample.CHANNEL_N):
        mean.status[channel] = sample.GOOD
    mean.status[sample.P_PUMP] = mean.status[sample.T_DOME] = mean.status[sample.RAIL] = sample.ABSENT
    noisy_n = valid_n = 0
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter=";"):
            mean.values[sample.P_STATIC] = round(float(row["Pressure"]) * 1e5) + 101_325
            mean.values[sample.T_SOURCE] = round(float(row["Temperature"]) * 1000)
            mean.values[sample.T_RADIATOR] = round(float(row["Thermocouple"]) * 1000)
            # The log has seconds alone: the signal below its steps is taken to live.
            raw[0] += 50
            faults.judge(mean, raw, wobble)
            assert not any(faults.told)
            if inventory.step(mean) == VALID:
                detector.step(inventory.residual_ul)
                assert not detector.leaking
                valid_n += 1
                noisy_n += detector.noisy
    assert valid_n > 700
    assert noisy_n > 0.99 * valid_n
