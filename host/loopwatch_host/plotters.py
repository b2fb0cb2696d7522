"""A board's records as the lines that serial plotters draw: Teleplot's and those of the Arduino IDE.

Teleplot (github.com/nesnes/teleplot, "Telemetry format"): `>name:milliseconds:value§unit`, a figure a line. Arduino's
serial plotter (arduino-ide documentation, "Using the Serial Plotter Tool"): `name:value,name:value`, a moment a line.
A figure without a value is left out, and what the detector makes of a second comes with that second.
"""

from collections.abc import Callable
from enum import Enum

from loopwatch import guard

from .desk.channels import MEASURED, RESIDUAL, Figure
from .messages import Message, Record

# The board's thousandths of a threshold, in per cent as on the other screens.
EVIDENCE = tuple(Figure(f"evidence_{name}_permille", name, name, "%", 10, 1) for name in guard.CLASS_NAMES)
FIGURES = {"sample": MEASURED, "decision": (RESIDUAL, *EVIDENCE)}


class Plotter(str, Enum):
    """Whose lines are written."""

    TELEPLOT = "teleplot"
    ARDUINO = "arduino"


class PlotterView:
    """Hands on a line, without its newline, for each figure or moment. alarm_lines: none, a plotter knows no alarms."""

    def __init__(self, plotter: Plotter, write: Callable[[str], None]) -> None:
        self.alarm_lines: list[str] = []
        self._plotter = plotter
        self._write = write

    def show(self, message: Message) -> None:
        """Write the figures of a sample or a decision."""
        if not isinstance(message, Record) or message.name not in FIGURES:
            return
        read = [(figure, figure.scaled(message.values[figure.field])) for figure in FIGURES[message.name]]
        there = [(figure, value) for figure, value in read if value is not None]
        if self._plotter is Plotter.ARDUINO:
            if there:
                self._write(",".join(f"{figure.label}:{value:.{figure.decimals}f}" for figure, value in there))
            return
        for figure, value in there:
            words = f"{value:.{figure.decimals}f}"
            self._write(f">{figure.label}:{round(1000 * message.at_s)}:{words}§{figure.unit}")

    def narrate(self, text: str) -> None:
        """Nothing: there are only figures."""

    def tick(self) -> None:
        """Nothing: who does not draw shows that nothing comes."""
