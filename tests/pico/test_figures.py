"""What the firmware may cost on the board: the budgets of memory and time, on the emulated core."""

from itertools import pairwise

import pytest

from loopwatch import wire
from loopwatch_host import benchmark
from loopwatch_host.bench.pico import figures
from loopwatch_host.bench.pico.machine import Machine
from loopwatch_host.bench.pico.target import TICK_US, firmware_flash
from loopwatch_host.bench.scenario import load_scenario
from loopwatch_host.bench.world import World

pytestmark = pytest.mark.timeout(400)  # busy code is emulated some 60 times slower than it runs

DEAF_FROM_US = 1_500_000
DEAF_UNTIL_US = 5_500_000  # the queue is full after a second and a half
END_US = 7_000_000


@pytest.fixture(scope="module")
def flash() -> bytearray:
    return firmware_flash()


@pytest.fixture(scope="module")
def board(flash: bytearray) -> figures.BoardFigures:
    return figures.measure(flash, World(load_scenario("quiet")), World(load_scenario("quiet")))


# Missed since alarms, memory and the commissioned detector are on the board together; README says by how much.
MISSED = ("heap_free_bytes",)
# Not strict: the step and the jitter lie so near their limits that the alignment of the code decides.
missed = pytest.mark.xfail(reason="the budget is missed with everything on the board, see README", strict=False)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=missed if name in MISSED else ())
        for section, name in benchmark.BUDGETS
        if section == "board"
    ],
)
def test_the_board_keeps_its_budget(board: figures.BoardFigures, name: str) -> None:
    figure, budget = getattr(board, name), benchmark.BUDGETS["board", name]
    assert budget.met(figure), f"{name} is {figure}, must be {budget}"


@missed
def test_a_conversion_begins_within_two_milliseconds_of_its_moment(board: figures.BoardFigures) -> None:
    # The clock has whole milliseconds; the bus takes 0.1 ms for the command.
    assert board.jitter_p99_us <= 2_000
    assert board.jitter_max_us <= 5_000, "beyond that the board calls it late"


def test_a_laptop_that_does_not_read_and_reads_again_makes_no_sample_late(flash: bytearray) -> None:
    world = World(load_scenario("quiet"))
    machine = Machine(flash, world.bus)
    machine.every(TICK_US, world.advance)
    decoder = wire.Decoder()
    heard: list[wire.Message] = []
    machine.host.on_data = lambda data, t_us: heard.extend(m for m in decoder.feed(data) if isinstance(m, wire.Message))
    machine.run_until(DEAF_FROM_US)
    machine.host.reading = False
    machine.run_until(DEAF_UNTIL_US)
    machine.host.reading = True
    machine.run_until(END_US)
    samples = [m for m in heard if m.name == "sample"]
    lost_n = sum(b.seq - a.seq - 1 for a, b in pairwise(samples))
    heartbeat = [m for m in heard if m.name == "heartbeat"][-1].values
    assert samples[-1].t_ms * 1000 > END_US - 300_000
    assert {(m.t_ms - samples[0].t_ms) % 100 for m in samples} == {0}
    assert lost_n > 10
    assert heartbeat["dropped_n"] >= lost_n
    assert samples[-1].values["late_n"] == heartbeat["late_n"] == 0
    assert decoder.bad_n == 0
