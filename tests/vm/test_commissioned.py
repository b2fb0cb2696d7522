"""The whole firmware on a loop that it was commissioned on: what it tells, and a rupture by its samples alone."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from asked_board import AskedBoard, world_of

from loopwatch.config import Config
from loopwatch.memory import LEARNT_FOLDER, LEARNT_KIND, LEARNT_N
from loopwatch.settings import Settings
from loopwatch.states import States
from loopwatch.telemetry import COMMISSIONED
from loopwatch_host.bench import scenario
from loopwatch_host.bench.runner import consume
from loopwatch_host.bench.vm import VmTarget
from loopwatch_host.bench.world import World
from loopwatch_host.client import Client
from loopwatch_host.messages import Record, alarm_change

HOLE_FROM_S = 60.0
UNTIL_S = 75.0


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory, commissioned: Config) -> list[Record]:
    """What a board commissioned on three days of the reference loop says until UNTIL_S."""
    flash = tmp_path_factory.mktemp("flash")
    with _inside(flash):
        Settings().save(commissioned.content())
    script = scenario.load_scenario("burst", [f"duration_s={UNTIL_S}"])
    (leak,) = [event for event in script.events if event.do == "leak"]
    assert (leak.at_s, leak.hole_mm) == (HOLE_FROM_S, 0.8)
    with VmTarget(World(script, 5), flash_dir=flash) as target, Client(target.port, greet=False) as client:
        queue = client.subscribe()
        target.advance_to(UNTIL_S)
        consume(client, target)
        return [message for message in queue.drain() if isinstance(message, Record)]


def test_it_says_that_it_is_commissioned_and_how_much_evidence_each_member_has(heard):
    decisions = [record.values for record in heard if record.name == "decision"]
    assert all(values["state_bits"] & COMMISSIONED for values in decisions)
    assert decisions[-1]["evidence_seep_permille"] is not None
    members = [record.values for record in heard if record.name == "evidence"]
    assert len(members) == len(decisions)
    assert members[-1]["burst_permille"] > 1_000


def test_a_rupture_is_told_within_two_seconds_and_nothing_before_it(heard):
    changes = [(record.t_ms / 1000, change) for record in heard if (change := alarm_change(record))]
    raised_s = {change.name: t_s for t_s, change in reversed(changes) if change.state == "UNACK"}
    assert HOLE_FROM_S < raised_s["leak_rupture"] <= HOLE_FROM_S + 2
    assert min(t_s for name, t_s in raised_s.items() if "leak" in name) > HOLE_FROM_S
    assert "not_commissioned" not in raised_s


def _lived(flash: Path, learnt: tuple[int, int, int, int] | None) -> tuple[float, list[int]]:
    """A start with this record of what was learnt, ended at the prompt: the residual after 25 s, and the record then.

    The weather and the noise are the same each time.
    """
    record = States(LEARNT_FOLDER, LEARNT_KIND, LEARNT_N)
    with _inside(flash):
        record.load()
        if learnt is not None:
            record.put(learnt, LEARNT_N)
            assert record.save()
    world = world_of("quiet")
    board = AskedBoard(VmTarget(world, flash_dir=flash), world)
    try:
        board.advance(25)
        residual_ul = board.records("decision")[-1].values["residual_ul"]
        assert residual_ul is not None
        board.target.send(b"\x03")
        board.advance(2)
    finally:
        board.close()
    with _inside(flash):
        return residual_ul, list(record.load())


def test_what_took_days_to_be_learnt_is_there_after_a_restart_with_the_same_configuration_only(commissioned, tmp_path):
    with _inside(tmp_path):
        Settings().save(commissioned.content())
    crc = commissioned.crc()
    learnt_acc = 2**25  # a sixteenth
    fresh_ul, kept = _lived(tmp_path, None)
    assert kept[:2] == [crc.hi, crc.lo]
    most_acc = 25 * 1_024  # what 25 s can learn, by the kernel's clipping
    assert abs(kept[2]) <= most_acc
    less_ul, kept = _lived(tmp_path, (crc.hi, crc.lo, learnt_acc, 0))
    assert abs(kept[2] - learnt_acc) <= most_acc
    more_ul, _ = _lived(tmp_path, (crc.hi, crc.lo, -learnt_acc, 0))
    # residual = (1 - scale) * liquid - gas: the same step up as down.
    assert abs(fresh_ul - less_ul) > 20
    assert more_ul - fresh_ul == pytest.approx(fresh_ul - less_ul, abs=3)
    _, kept = _lived(tmp_path, (crc.hi, crc.lo, 0, 900 << 12))
    assert kept[3] == 900 << 12
    other_ul, kept = _lived(tmp_path, (crc.hi, crc.lo ^ 1, learnt_acc, 900 << 12))
    assert other_ul == pytest.approx(fresh_ul, abs=1)
    assert abs(kept[2]) <= most_acc
    assert kept[3] == 0
