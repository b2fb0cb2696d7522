"""Lines for serial plotters, written as their documentation has them."""

import pytest

from loopwatch_host.messages import Connected, Record
from loopwatch_host.plotters import Plotter, PlotterView

SAMPLE = {
    "p_static_pa": 151_300,
    "p_pump_pa": 186_250,
    "t_source_mdegc": 24_812,
    "t_radiator_mdegc": -1_500,
    "t_dome_mdegc": None,
    "rail_mv": 5_021,
    "status_bits": 0,
    "late_n": 0,
}
DECISION = {
    "residual_ul": -1_234,
    "evidence_seep_permille": None,
    "evidence_leak_permille": 456,
    "evidence_rupture_permille": 1_500,
    "rate_ul_h": 3,
}


@pytest.fixture
def lines() -> list[str]:
    return []


def record(name: str, values: dict[str, int | None]) -> Record:
    return Record(name, seq=1, epoch_n=1, t_ms=2_000, at_s=1_627_551_892.4371, values=values)


def test_teleplot_gets_every_figure_with_its_moment_and_unit(lines: list[str]) -> None:
    view = PlotterView(Plotter.TELEPLOT, lines.append)
    view.show(record("sample", SAMPLE))
    view.show(record("decision", DECISION))
    assert lines == [
        ">static:1627551892437:1.5130§bar",
        ">pump:1627551892437:1.8625§bar",
        ">source:1627551892437:24.81§°C",
        ">radiator:1627551892437:-1.50§°C",
        ">inventory:1627551892437:-1.23§mL",
        ">leak:1627551892437:45.6§%",
        ">rupture:1627551892437:150.0§%",
    ]


def test_the_arduino_plotter_gets_a_line_a_moment(lines: list[str]) -> None:
    view = PlotterView(Plotter.ARDUINO, lines.append)
    view.show(record("sample", SAMPLE))
    view.show(record("decision", DECISION))
    assert lines == [
        "static:1.5130,pump:1.8625,source:24.81,radiator:-1.50",
        "inventory:-1.23,leak:45.6,rupture:150.0",
    ]


@pytest.mark.parametrize("plotter", Plotter)
def test_what_has_no_figures_is_not_written(plotter: Plotter, lines: list[str]) -> None:
    view = PlotterView(plotter, lines.append)
    view.show(Connected("port", 0.0))
    view.show(record("heartbeat", {"uptime_s": 3}))
    view.show(record("sample", dict.fromkeys(SAMPLE)))
    view.narrate("a leak begins")
    view.tick()
    assert lines == []
