"""A flash that takes as long as its datasheet allows: samples are late and counted, and nothing else happens.

Winbond W25Q16JV, 9.6: erasing a sector of 4 KB takes 45 ms, 400 at most. Here every single write waits that long, where
a real one has to erase for one in five of the journal's and each of the black box's.
"""

import builtins
from itertools import pairwise
from typing import Any

import pytest
from firmware_on_bench import Bench, Board

from loopwatch import blackbox, logbook, pair
from loopwatch.app import WATCHDOG_MS

LEAK_S = 30.0
UNTIL_S = 100.0


class Slow:
    """Files of one board whose flash has to be erased for each write."""

    def __init__(self, erase_ms: int) -> None:
        self.written_n = 0
        self.board: Board | None = None
        self._erase_us = erase_ms * 1000

    def open(self, path: str, mode: str = "r") -> Any:
        file = builtins.open(path, mode)  # noqa: SIM115 - handed on
        if ("w" in mode or "a" in mode) and self.board:
            self.written_n += 1
            clock = self.board.i2c
            clock.wait_until(clock.t_us + self._erase_us)
        return file


@pytest.mark.parametrize("erase_ms", [45, 400])
def test_samples_wait_for_the_flash_and_are_counted_and_the_interlock_and_the_watchdog_are_safe(erase_ms, monkeypatch):
    slow = Slow(erase_ms)
    for module in (blackbox, logbook, pair):
        monkeypatch.setattr(module, "open", slow.open, raising=False)
    board = Bench((LEAK_S, {"do": "leak", "hole_mm": 0.3}))
    slow.board = board.board
    fed_us: list[int] = []
    monkeypatch.setattr(board.board, "feed", lambda: fed_us.append(board.board.i2c.t_us))
    board.run(UNTIL_S)
    assert slow.written_n > 12, "journal, states and a box of 60 s"
    raised = board.raised()
    assert set(raised) == {"not_commissioned", "leak", "leak_rupture"}
    # The interlock falls in the very cycle of the alarm, before anything of it is written.
    dropped_s = min(at_us for at_us, gpio, level in board.world.pins if gpio == 10 and not level and at_us > 1e6) / 1e6
    assert dropped_s - raised["leak"] < 0.2
    assert max(later - earlier for earlier, later in pairwise(fed_us)) < (WATCHDOG_MS / 2) * 1000
    late_n = board.records("heartbeat")[-1].values["late_n"]
    missing_n = UNTIL_S * 10 - len(board.records("sample"))
    most_n = slow.written_n * -(-erase_ms // 100)
    assert missing_n - 5 <= late_n <= most_n
    assert (late_n == 0) == (erase_ms < 60)


def test_commands_without_end_do_not_keep_an_alarm_from_the_flash():
    board = Bench((LEAK_S, {"do": "leak", "hole_mm": 0.8}))
    board.run(LEAK_S - 2)
    while "leak" not in board.raised():
        assert board.now_s < UNTIL_S
        board.board.console.typed += b"@7 *IDN?\n" * 3
        board.run(board.now_s + 0.2)
    alarm_seq = board.app.journal.seq
    for _ in range(20):
        board.board.console.typed += b"@7 *IDN?\n" * 3
        board.run(board.now_s + 0.2)
    assert board.app.journal.kept_seq >= alarm_seq
