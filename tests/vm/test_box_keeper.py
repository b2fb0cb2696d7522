"""A black box of the real firmware, fetched while it samples: what it holds is what the laptop had heard live."""

from pathlib import Path

from asked_board import AskedBoard

from loopwatch.blackbox import POST_N
from loopwatch.sample import CHANNELS
from loopwatch_host import blackbox
from loopwatch_host.bench.scenario import load_scenario
from loopwatch_host.bench.vm import VmTarget
from loopwatch_host.bench.world import World
from loopwatch_host.box_keeper import BoxKeeper
from loopwatch_host.messages import BlackBox
from loopwatch_host.store import Log, Store

LIMIT_S = 90.0


def test_a_box_comes_home_by_itself_whole_and_makes_no_sample_late(tmp_path: Path) -> None:
    path = tmp_path / "wire.toml"
    path.write_text(
        'name = "wire"\ntitle = "a wire breaks"\nduration_s = 90\n'
        '[[event]]\nat_s = 4\ndo = "sensor_fault"\nchannel = "p_static"\nkind = "open"\n'
    )
    world = World(load_scenario(path), 3)
    board = AskedBoard(VmTarget(world), world)
    log = tmp_path / "log.db"
    with Store(log, "test") as store:
        keeper = BoxKeeper(board.client, store)
        said: list[BlackBox] = []
        heard_n = 0
        while not said and board.target.now_s < LIMIT_S:
            board.advance(0.1)
            for message in board.messages[heard_n:]:
                store.add(message)
                keeper.take(message)
            heard_n = len(board.messages)
            said += keeper.tick()
    board.close()
    assert [news.kept for news in said] == [True]
    with Log(log) as kept:
        (row,) = kept.boxes()
        (event, *_) = [each for each in kept.records("event", 1) if each["seq"] == row["event_seq"]]
    box = blackbox.kept(log, row["id"])
    assert box.complete
    assert (box.event_ms, box.alarm) == (event["board_ms"], "sensor_fault_p_static")
    # That the board is blind, two seconds later, has made it longer.
    assert (box.samples[-1].t_ms - box.event_ms) // 100 >= POST_N - 1
    live = {record.t_ms: tuple(record.values[name] for name in CHANNELS) for record in board.records("sample")}
    assert [live[each.t_ms] for each in box.samples] == [each.values for each in box.samples]
    heartbeat = board.records("heartbeat")[-1].values
    assert (heartbeat["late_n"], heartbeat["dropped_n"], board.client.lost_n["sample"]) == (0, 0, 0)
