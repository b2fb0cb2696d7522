"""A campaign on other machines: trials computed by the workers of a Dask cluster.

A worker must have this very code, for a trial on other code would be of another detector: it is asked before anything
is computed. Give each worker one thread: a trial keeps one busy (`dask worker ADDRESS --nthreads 1 --nworkers auto`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import loopwatch

from ..errors import LoopwatchError
from . import campaign

if TYPE_CHECKING:
    from distributed import Client

CONNECT_S = 20
ROOMS = ("evaluate", "commission", "bench")
# Taken as text by the worker: a function of ours could not even arrive where loopwatch is not installed.
CODE_ID = "__import__('loopwatch_host.evaluate.cluster', fromlist=['code_id']).code_id()"


class ClusterError(LoopwatchError):
    """The cluster can't be used; the message says why and what to do."""


def code_id() -> str:
    """What a trial depends on, as a hash of its source."""
    host = Path(__file__).parent.parent
    files = [host / "twin.py", *Path(loopwatch.__file__).parent.glob("*.py")]
    for room in ROOMS:
        files += (host / room).glob("*.py")
    found = hashlib.sha256()
    for path in sorted(files, key=lambda path: (path.parent.name, path.name)):
        found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()[:12]


def there(address: str) -> campaign.Computed:
    """Trials on the cluster whose scheduler is at this address."""

    def computed(seeds: list[int], plan: campaign.Plan) -> Iterator[dict[str, Any]]:
        with _connected(address) as client:
            _check(client, address)
            from distributed import as_completed

            futures = client.map(campaign.one, seeds, plan=plan, pure=False)
            for future in as_completed(futures, loop=client.loop):
                yield future.result()

    return computed


def _connected(address: str) -> Client:
    # Half a second that only campaigns on a cluster cost.
    from distributed import Client

    try:
        return Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"no Dask scheduler answers at {address} ({error}): start one by `dask scheduler` and give the address that"
            " it prints"
        ) from None


def _check(client: Client, address: str) -> None:
    """Refuse a cluster without workers, or with one that has other code than this."""
    answers = client.run(eval, CODE_ID, on_error="return")
    if not answers:
        raise ClusterError(
            f"the scheduler at {address} has no workers: start some by `dask worker {address} --nthreads 1` on machines"
            " that have loopwatch"
        )
    for worker, answer in answers.items():
        if isinstance(answer, ImportError):
            raise ClusterError(
                f"the worker {worker} has no loopwatch ({answer}): install it where that worker runs, by `pip install`"
                " of this very version, and start the worker again"
            )
        if isinstance(answer, Exception):
            raise ClusterError(f"the worker {worker} cannot say which loopwatch it has ({answer!r}): start it again")
        if answer != code_id():
            raise ClusterError(
                f"the worker {worker} has another loopwatch ({answer}) than this one ({code_id()}): install this one"
                " there, and start the worker again"
            )
