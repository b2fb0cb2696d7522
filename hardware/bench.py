"""The pin map as the drawings use it: the one table, read once, and the names that are derived from it.

Units as in pinmap.toml. Needs nothing but Python.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOM = Path(__file__).resolve().parent
MAP: dict[str, Any] = tomllib.loads((ROOM / "pinmap.toml").read_text(encoding="utf-8"))

# The places of the three dividers, in the order of the converter's inputs: (channel, cable's signal net, references).
ANALOG = (
    ("p_static_pa", "SIG_P_STATIC", ("R1", "R2", "C1", "D1")),
    ("p_pump_pa", "SIG_P_PUMP", ("R3", "R4", "C2", "D2")),
    ("rail_mv", "+5V_SENS", ("R5", "R6", "C3", "D3")),
)


def ohm_text(ohm: int) -> str:
    """A resistance as it is printed on a bag of resistors: 330, 1k, 1k5, 100k."""
    if ohm < 1000:
        return str(ohm)
    whole, rest = divmod(ohm, 1000)
    return f"{whole}k{str(rest).rstrip('0')}" if rest else f"{whole}k"


def farad_text(nf: int) -> str:
    """A capacitance of so many nanofarad: 100n, 1u, 10u."""
    return f"{nf // 1000}u" if nf >= 1000 and nf % 1000 == 0 else f"{nf}n"


def analog_input(channel: str) -> int:
    """The converter's input of a channel."""
    return next(int(row["input"]) for row in MAP["channels"] if row["name"] == channel)


def divider_ratio() -> float:
    """What is left of a signal behind its divider, the converter's load not counted."""
    divider = MAP["divider"]
    return float(divider["bottom_ohm"] / (divider["top_ohm"] + divider["bottom_ohm"]))


def pico_pin(name: str) -> int:
    """The edge pin of an output, input or bus line of the map."""
    rows = {"sda": MAP["i2c"]["sda"], "scl": MAP["i2c"]["scl"], **MAP["outputs"], **MAP["inputs"]}
    return int(rows[name]["pin"])
