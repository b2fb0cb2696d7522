"""The black boxes in a log, as faces show them: which there are, and the lines of one around its alarm.

Times are seconds from the alarm, negative before it. Where samples are missing, or a channel had no value, the line is
open.
"""

from dataclasses import dataclass
from pathlib import Path

from loopwatch.sample import CHANNELS

from .. import blackbox
from ..store import Log, Row
from .channels import Figure
from .history import Columns
from .trace import Run

BEFORE_S, AFTER_S = 60.0, 30.0  # what a whole box reaches over at 10 Hz
GAP_PERIODS = 2.5


@dataclass(frozen=True)
class Lines:
    """What a box holds. columns: `t` and the channels in the units of the wire, None where a line is open."""

    box: blackbox.Box
    columns: Columns

    @property
    def from_s(self) -> float:
        """Where a chart begins: what a whole box reaches over, and more when this one does."""
        return float(min(-BEFORE_S, self.columns["t"][0]))

    @property
    def to_s(self) -> float:
        """Where it ends."""
        return float(max(AFTER_S, self.columns["t"][-1]))

    def runs(self, figure: Figure) -> list[Run]:
        """The unbroken pieces of a figure's line, in its unit."""
        runs: list[Run] = []
        broken = True
        for at_s, value in zip(self.columns["t"], self.columns[figure.field], strict=True):
            if value is None:
                broken = True
                continue
            if broken:
                runs.append(([], []))
                broken = False
            runs[-1][0].append(at_s)
            runs[-1][1].append(value / figure.divisor)
        return runs


def kept(log: Path, board_id: str) -> list[Row]:
    """The boxes of a board, latest first, see Log.boxes(); none of a board that is not known yet. Raises StoreError."""
    if not board_id:
        return []
    with Log(log) as opened:
        return opened.boxes(board_id)


def lines(log: Path, box_id: int) -> Lines:
    """One box. Raises StoreError, blackbox.BoxError."""
    return lines_of(blackbox.kept(log, box_id))


def lines_of(box: blackbox.Box) -> Lines:
    """The lines of a box; a step longer than GAP_PERIODS of its usual one leaves them open."""
    gap_ms = GAP_PERIODS * (blackbox.period_ms(box.samples) or 0)
    columns: Columns = {name: [] for name in ("t", *CHANNELS)}
    before_ms: int | None = None
    for sample in box.samples:
        if before_ms is not None and sample.t_ms - before_ms > gap_ms:
            columns["t"].append(((before_ms + sample.t_ms) / 2 - box.event_ms) / 1000)
            for name in CHANNELS:
                columns[name].append(None)
        columns["t"].append((sample.t_ms - box.event_ms) / 1000)
        for name, value in zip(CHANNELS, sample.values, strict=True):
            columns[name].append(value)
        before_ms = sample.t_ms
    return Lines(box, columns)
