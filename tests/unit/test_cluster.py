"""A campaign on a Dask cluster: the same trials as here, and a cluster that can't compute them is refused by name."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import LocalCluster

import loopwatch
from loopwatch import bank
from loopwatch_host.evaluate import campaign, cluster

PLAN = campaign.Plan(days=5.0, onset_n=1, log_days=1.5)
SEEDS = [1_020, 1_021]
FIRMWARE = Path(bank.__file__).parent

# A worker's process that stands for a machine without loopwatch.
STRANGER = """
import sys
sys.modules["loopwatch_host"] = None
from distributed.cli.dask_worker import main
main([sys.argv[1], "--no-nanny", "--no-dashboard", "--nthreads", "1", "--local-directory", sys.argv[2]])
"""


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    folder = str(tmp_path_factory.mktemp("dask"))
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=folder) as local:
        yield local


def _evaluate(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from loopwatch_host.cli import main; main()", "evaluate", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=400)


def test_a_campaign_on_two_workers_is_the_campaign_here(two_workers: LocalCluster, tmp_path: Path) -> None:
    loops = ("--part", "train", "--from-seed", SEEDS[0], "--loops", len(SEEDS))
    plan = ("--days", 5, "--log-days", 1.5, "--onsets", 1)
    answer = _evaluate(*loops, *plan, "--dask", two_workers.scheduler_address, "--folder", tmp_path / "there", "--json")
    assert answer.returncode == 0, answer.stderr
    results = campaign.run(tmp_path / "here", SEEDS, PLAN, campaign.here(1), lambda done, of: None)
    assert json.loads(answer.stdout)["rates"] == campaign.table(results, 1.0)["rates"]
    for seed in SEEDS:
        one, other = (json.loads((tmp_path / where / f"{seed}.json").read_text()) for where in ("here", "there"))
        assert one == other


def test_a_worker_without_loopwatch_is_named(tmp_path: Path) -> None:
    with LocalCluster(n_workers=0, dashboard_address=None, local_directory=str(tmp_path)) as local:
        with pytest.raises(cluster.ClusterError, match="has no workers: start some by"):
            list(cluster.there(local.scheduler_address)(SEEDS, PLAN))
        stranger = subprocess.Popen(
            [sys.executable, "-c", STRANGER, local.scheduler_address, str(tmp_path)], stderr=subprocess.DEVNULL
        )
        try:
            with cluster._connected(local.scheduler_address) as client:
                client.wait_for_workers(1, timeout=120)
            with pytest.raises(cluster.ClusterError, match="tcp://.* has no loopwatch .*install it where"):
                list(cluster.there(local.scheduler_address)(SEEDS, PLAN))
        finally:
            stranger.terminate()
            stranger.wait()


def test_nobody_at_the_address_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_S", 2)
    with pytest.raises(cluster.ClusterError, match="no Dask scheduler answers at tcp://127.0.0.1:9"):
        list(cluster.there("tcp://127.0.0.1:9")(SEEDS, PLAN))


def test_the_code_that_a_trial_depends_on_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = cluster.code_id()
    assert before == cluster.code_id()
    package = tmp_path / "loopwatch"
    package.mkdir()
    for path in FIRMWARE.glob("*.py"):
        (package / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(loopwatch, "__file__", str(package / "__init__.py"))
    assert cluster.code_id() == before
    with (package / "bank.py").open("a") as file:
        file.write("# other\n")
    assert cluster.code_id() != before
