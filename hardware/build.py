"""Draws, simulates and computes everything of the bench from pinmap.toml: `make hardware`.

    python hardware/build.py [--into FOLDER] [ROOM ...]

Rooms without tools: wires, bom, loop. The others need SKiDL, schemdraw, WireViz, matplotlib (host/requirements-
hardware.txt) and the programs ngspice and dot. Exit code 1 and one line when a tool is missing or a check fails.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

ROOM = Path(__file__).resolve().parent
PACKAGES = {"ngspice": "ngspice", "dot": "graphviz"}


def circuit(into: Path) -> None:
    """Netlist and tables, electrical rules."""
    from circuit import circuit

    circuit.generate(into / "circuit")


def schematic(into: Path) -> None:
    """The three sheets."""
    from circuit import schematic

    schematic.generate(into / "circuit")


def frontend(into: Path) -> None:
    """ngspice, its checks and plots."""
    from frontend import plots, spice

    plots.generate(spice.generate(into / "frontend"), into / "frontend")


def wires(into: Path) -> None:
    """The wire list."""
    from wiring import harness

    harness.generate_list(into / "wiring")


def harness(into: Path) -> None:
    """The harness drawing."""
    from wiring import harness

    harness.generate_drawing(into / "wiring")


def bom(into: Path) -> None:
    """Sums of the bill of materials."""
    from bom import bom

    bom.generate(into / "bom", ROOM / "circuit" / "parts.csv")


def loop(into: Path) -> None:
    """The drawing of the loop and the uncertainty budget."""
    from loop import budget, drawing

    drawing.generate(into / "loop")
    budget.generate(into / "loop")


# (room, what it needs of Python, of the system), in the order in which one builds on another.
ROOMS: tuple[tuple[Callable[[Path], None], tuple[str, ...], tuple[str, ...]], ...] = (
    (circuit, ("skidl",), ()),
    (schematic, ("schemdraw",), ()),
    (wires, (), ()),
    (harness, ("wireviz",), ("dot",)),
    (frontend, ("matplotlib",), ("ngspice",)),
    (bom, (), ()),
    (loop, (), ()),
)


def missing(rooms: list[str]) -> str:
    """What has to be installed first, as one sentence; empty when nothing has."""
    chosen = [row for row in ROOMS if row[0].__name__ in rooms]
    modules = [name for _, names, _ in chosen for name in names if importlib.util.find_spec(name) is None]
    programs = [PACKAGES[name] for _, _, names in chosen for name in names if shutil.which(name) is None]
    said = []
    if modules:
        said.append(f"{', '.join(modules)} not installed: `make hardware` installs them")
    if programs:
        said.append(f"{', '.join(programs)} not installed: sudo apt install {' '.join(programs)}")
    return "; ".join(said)


def main() -> int:
    """The command line."""
    names = [row[0].__name__ for row in ROOMS]
    parser = argparse.ArgumentParser(description="Draw, simulate and check the bench.")
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=f"only these of: {', '.join(names)}")
    parser.add_argument("--into", type=Path, default=ROOM, help="folder for what is made (default: hardware/)")
    given = parser.parse_args()
    rooms = given.rooms or names
    unknown = set(rooms) - set(names)
    if unknown:
        parser.error(f"no room {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    lacking = missing(rooms)
    if lacking:
        print(lacking, file=sys.stderr)
        return 1
    for room, _, _ in ROOMS:
        if room.__name__ in rooms:
            try:
                room(given.into)
            except RuntimeError as error:
                print(error, file=sys.stderr)
                return 1
            print(f"{room.__name__}: {(room.__doc__ or '').rstrip('.')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
