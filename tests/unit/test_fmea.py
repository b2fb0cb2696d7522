"""The table of failure modes: whole, true of the alarms, and every row with a test that there is.

That the tests were run, and passed, is checked at the end of each run that was given their files (tests/conftest.py).
"""

import subprocess
import sys
from collections import Counter

from fmea import COLUMNS, ROOT, from_tests, rows
from injections import BY_NAME

from loopwatch import alarms

INJECTED = ("test_a_fault_raises_its_own_alarms",)


def test_there_are_at_least_forty_failure_modes_each_told_in_every_column():
    found = rows()
    assert len(found) >= 40
    assert [row["mode"] for row in found if not all(row[column] and row[column].strip() for column in COLUMNS)] == []
    assert max(Counter(row["mode"] for row in found).values()) == 1
    assert tuple(found[0]) == COLUMNS


def test_every_alarm_that_is_named_is_one_of_the_board():
    names = {row[0] for row in alarms.TABLE} | {"-"}
    assert not {name for row in rows() for name in row["alarm"].split()} - names


def test_every_row_of_an_injected_fault_names_the_alarms_that_its_test_asks_for():
    injected = {row["test"].partition("[")[2].rstrip("]"): row for row in rows() if INJECTED[0] in row["test"]}
    assert set(injected) == set(BY_NAME), "every injection has its row"
    for name, row in injected.items():
        assert set(row["alarm"].split()) - {"-"} == BY_NAME[name].alarms, name


def test_every_test_that_is_named_exists():
    files = sorted({row["test"].split("::")[0] for row in rows()})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-n", "0", "-p", "no:cacheprovider", *files]
    collected = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=100).stdout
    assert {from_tests(row["test"]) for row in rows()} <= set(collected.splitlines())
