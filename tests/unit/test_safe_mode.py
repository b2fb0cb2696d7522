"""Safe mode while the power goes: at any byte that it writes, the configuration is the old or the new one, whole."""

import base64
from pathlib import Path

from cut_power import FOR_EVER, power
from firmware_on_bench import Console

from loopwatch import blackbox, crash, logbook, pair
from loopwatch.config import FAULT_NONE, Config
from loopwatch.journal import Journal
from loopwatch.logbook import Logbook
from loopwatch.safe_mode import SafeMode
from loopwatch.settings import Settings
from loopwatch_host.board_config import PIECE_N, crc_text

OLD = Config(gas_ul=100_000)
NEW = Config(gas_ul=160_000)
SECONDS_N = 4


class Board:
    """What safe mode touches of a board."""

    id = bytes(range(8))
    reset_cause_n = 3

    def __init__(self) -> None:
        self.console = Console()
        self.resets_n = 0

    def safe(self) -> None:
        """Outputs are not what this is about."""

    def led(self, on: bool) -> None:
        """Nor is the LED."""

    def feed(self) -> None:
        """Nor the watchdog."""

    def reset(self) -> None:
        self.resets_n += 1


def pushed_to(board: Board) -> None:
    """Safe mode starts, a configuration is pushed to it, and it runs on for some seconds."""
    mode = SafeMode(board, "three crashes in a row")
    mode.start(0)
    content = NEW.content()
    lines = [f"CONF:BEG {len(content)}"]
    for at in range(0, len(content), PIECE_N):
        lines.append(f"CONF:DATA {at},{base64.b64encode(content[at : at + PIECE_N]).decode()}")
    lines.append(f"CONF:COMM {crc_text(NEW)}")
    for now_ms in range(0, 1_000 * SECONDS_N, 20):
        if lines and not board.console.typed:
            board.console.typed += f"@1 {lines.pop(0)}\n".encode()
        mode.step(now_ms)


def test_a_cut_at_any_moment_of_a_push_in_safe_mode_leaves_the_old_or_the_new_configuration(tmp_path: Path) -> None:
    modules = (pair, logbook, blackbox, crash)
    folder = tmp_path / "whole"
    folder.mkdir()
    with power(folder, FOR_EVER):
        Settings().save(OLD.content())
    with power(folder, FOR_EVER, *modules) as supply:
        board = Board()
        pushed_to(board)
    assert board.resets_n
    outcomes = []
    for lasts_n in range(supply.spent_n + 1):
        folder = tmp_path / str(lasts_n)
        folder.mkdir()
        with power(folder, FOR_EVER):
            Settings().save(OLD.content())
        with power(folder, lasts_n, *modules):
            pushed_to(Board())
        with power(folder, FOR_EVER):
            found = Settings().load()
            book = Journal()
            Logbook(book).load()
        assert found.fault_n == FAULT_NONE or found.gas_ul == OLD.gas_ul
        assert book.damaged_n <= 1, "the entry that was cut, and no other"
        outcomes.append(found.gas_ul)
    # Old up to one moment, new from then on.
    turn = outcomes.index(NEW.gas_ul)
    assert turn > 0
    assert set(outcomes[:turn]) == {OLD.gas_ul}
    assert set(outcomes[turn:]) == {NEW.gas_ul}
