"""How the figures of a loop are written for people: label, unit and digits of everything that has a line in a chart."""

from dataclasses import dataclass

from loopwatch import sample


@dataclass(frozen=True)
class Figure:
    """One figure: its field of records.KINDS, its label and mark, and what turns its integer into the unit shown."""

    field: str
    label: str
    mark: str
    unit: str
    divisor: int
    decimals: int

    def scaled(self, value: int | None) -> float | None:
        """The value in the unit shown; None stays None."""
        return None if value is None else value / self.divisor

    def words(self, value: float) -> str:
        """A value in the unit shown, as text with its unit."""
        return f"{value:.{self.decimals}f} {self.unit}"


P_STATIC = Figure(sample.CHANNELS[sample.P_STATIC], "static", "s", "bar", 100_000, 4)
P_PUMP = Figure(sample.CHANNELS[sample.P_PUMP], "pump", "p", "bar", 100_000, 4)
T_SOURCE = Figure(sample.CHANNELS[sample.T_SOURCE], "source", "S", "°C", 1_000, 2)
T_RADIATOR = Figure(sample.CHANNELS[sample.T_RADIATOR], "radiator", "R", "°C", 1_000, 2)
T_DOME = Figure(sample.CHANNELS[sample.T_DOME], "dome", "D", "°C", 1_000, 2)
RESIDUAL = Figure("residual_ul", "inventory", "i", "mL", 1_000, 2)

MEASURED = (P_STATIC, P_PUMP, T_SOURCE, T_RADIATOR, T_DOME)


@dataclass(frozen=True)
class Chart:
    """One strip chart: what it is called, and the figures in it, all of one unit."""

    name: str
    title: str
    figures: tuple[Figure, ...]


CHARTS = (
    Chart("static", "static pressure", (P_STATIC,)),
    Chart("residual", "coolant inventory", (RESIDUAL,)),
    Chart("temperature", "temperatures", (T_SOURCE, T_RADIATOR, T_DOME)),
    Chart("pump", "pump pressure", (P_PUMP,)),
)
