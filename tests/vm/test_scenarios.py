"""Every built-in scenario on the real MicroPython, and recorded logs of a real bench."""

import csv
import json
from pathlib import Path

import pytest

from loopwatch_host.bench.runner import ScenarioResult, run_scenario
from loopwatch_host.bench.scenario import load_scenario, scenario_names

RECORDINGS = Path(__file__).parents[3] / "shared" / "data" / "skab"
# All seven go through inventory and detector in tests/unit/test_recordings.py.
RECORDED = ("other/1", "other/11", "valve1/0")


def raised(result: ScenarioResult) -> set[str]:
    return {alarm.name for alarm in result.alarms if alarm.state == "UNACK"}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", [name for name in scenario_names() if load_scenario(name).duration_s is not None])
def test_a_built_in_scenario_shows_what_it_promises(name):
    result = run_scenario(name)
    assert result.missed_expectations == []
    assert (result.bad_lines, result.late, result.gaps) == (0, 0, {})


def test_a_pinhole_is_seen_within_30_s_and_a_few_millilitres():
    result = run_scenario("pinhole", seed=11)
    assert result.onset_s == 60
    assert result.detected
    assert result.delay_s is not None
    assert result.lost_ml is not None
    assert 0 < result.delay_s <= 30
    # 27 mL/min at the most for as long as it went unseen.
    assert 0 < result.lost_ml <= 27 / 60 * result.delay_s + 0.1
    assert result.false_alarms == 0


def test_the_same_seed_gives_the_same_document_but_for_the_wall_clock():
    def document(seed: int) -> str:
        return json.dumps({**run_scenario("pinhole", seed=seed).as_json(), "wall_s": None})

    assert document(3) == document(3)
    assert document(3) != document(4)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_log_of_a_real_bench_plays_to_its_end_and_nothing_is_invented(name):
    path = RECORDINGS / f"{name}.csv"
    if not path.is_file():
        pytest.skip("the recorded logs of SKAB are not beside this checkout (../shared/data/skab)")
    with path.open(encoding="utf-8") as file:
        rows_n = sum(1 for _ in csv.reader(file, delimiter=";")) - 1
    result = run_scenario("skab", settings=[f"recording.path={path}"])
    # The log's own clock: about a row a second, so ten samples for each.
    assert result.samples == pytest.approx(result.virtual_s * 10, abs=2)
    assert result.virtual_s >= rows_n - 1
    assert (result.bad_lines, result.late, result.gaps) == (0, 0, {})
    assert raised(result) == {"not_commissioned", "signal_noisy"}
    assert result.missed_expectations == []
