"""The cables: a harness drawing by WireViz, and a wire list that needs no tool to be read or made.

Both come from the cables of pinmap.toml. wires.csv has one line a wire: where it begins and ends, its net, colour,
cross-section, length, and which wire it is twisted with.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import MAP

# Colours by what a wire carries: (IEC 60757 code, word). A second ground is black with white.
COLOURS = {"supply": ("RD", "red"), "ground": ("BK", "black"), "ground 2": ("WH", "white"), "signal": ("BU", "blue")}
BUS_COLOURS = {"SDA": ("BU", "blue"), "SCL": ("YE", "yellow")}
OTHERS = (("GN", "green"), ("GY", "grey"), ("VT", "violet"), ("BN", "brown"), ("OG", "orange"), ("PK", "pink"))
# The pump's circuit carries up to 3 A; JST's PH contact SPH-002T takes 0.05 to 0.22 mm2 (AWG 30 to 24).
SECTION_MM2 = {"interlock": 0.75, "t_source": 0.14, "t_radiator": 0.14, "t_dome": 0.14}
USUAL_MM2 = 0.25


def wires() -> list[dict[str, Any]]:
    """Every wire of every cable, in the order of the map."""
    rows = []
    for name, cable in MAP["cables"].items():
        others = list(OTHERS)
        grounds_n = 0
        partner = {a: b for pair in cable["pairs"] for a, b in (pair, pair[::-1])}
        for n, (net, far) in enumerate(zip(cable["pins"], cable["far"], strict=True), 1):
            if net == "GND":
                grounds_n += 1
                code, word = COLOURS["ground" if grounds_n == 1 else "ground 2"]
            elif net.startswith("+"):
                code, word = COLOURS["supply"]
            elif net in BUS_COLOURS:
                code, word = BUS_COLOURS[net]
            elif net.startswith("SIG_"):
                code, word = COLOURS["signal"]
            else:
                code, word = others.pop(0)
            rows.append(
                {
                    "cable": name,
                    "from": cable["connector"],
                    "pin": n,
                    "net": net,
                    "to": cable["device"],
                    "terminal": far,
                    "colour": word,
                    "code": code,
                    "mm2": SECTION_MM2.get(name, USUAL_MM2),
                    "length_m": cable["length_m"],
                    "twisted_with_pin": partner.get(n, ""),
                    "screen": "to GND at the board only" if cable["screened"] else "none",
                }
            )
    return rows


def harness() -> dict[str, Any]:
    """The same for WireViz."""
    connectors: dict[str, Any] = {}
    cables: dict[str, Any] = {}
    connections = []
    rows = wires()
    for name, cable in MAP["cables"].items():
        part = [row for row in rows if row["cable"] == name]
        pins = list(range(1, len(part) + 1))
        near, far = cable["connector"], f"{cable['device']} {name}"
        connectors[near] = {"type": cable["kind"], "subtype": "on the board", "pinlabels": list(cable["pins"])}
        connectors[far] = {"type": _far_type(name), "pinlabels": [row["terminal"] for row in part]}
        cables[f"W {name}"] = {
            "gauge": f"{part[0]['mm2']} mm2",
            "length": cable["length_m"],
            "colors": [row["code"] for row in part],
            "shield": bool(cable["screened"]),
            "notes": _pairs(cable),
        }
        connections.append([{near: pins}, {f"W {name}": pins}, {far: pins}])
        if cable["screened"]:
            ground = cable["pins"].index("GND") + 1
            connections.append([{near: ground}, {f"W {name}": "s"}])
    return {
        "options": {"fontname": "sans-serif", "bgcolor": "WH"},
        "connectors": connectors,
        "cables": cables,
        "connections": connections,
    }


def _far_type(name: str) -> str:
    if name.startswith("p_"):
        return "transducer, 0.5-4.5 V ratiometric"
    if name.startswith("t_"):
        return f"TMP117 0x{MAP['chips']['tmp117_' + name[2:]]['address']:02X}"
    return {"interlock": "pump and valve", "signals": "panel", "rope": "water-sensing rope"}[name]


def _pairs(cable: dict[str, Any]) -> str:
    pairs = " and ".join("+".join(str(n) for n in pair) for pair in cable["pairs"])
    return (f"twisted: {pairs}; " if pairs else "") + f"at most {cable['most_m']:g} m"


def generate_list(into: Path) -> None:
    """wires.csv; needs nothing but Python."""
    into.mkdir(parents=True, exist_ok=True)
    rows = wires()
    with (into / "wires.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def generate_drawing(into: Path) -> None:
    """harness.yml and harness.svg; needs WireViz and graphviz."""
    import yaml

    into.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(harness(), sort_keys=False, allow_unicode=True, width=110)
    (into / "harness.yml").write_text(text, encoding="utf-8")
    with tempfile.TemporaryDirectory() as place:
        Path(place, "harness.yml").write_text(text, encoding="utf-8")
        command = [str(Path(sys.executable).with_name("wireviz")), "-f", "s", "harness.yml"]
        subprocess.run(command, cwd=place, check=True, capture_output=True, timeout=120)
        svg = Path(place, "harness.svg").read_text(encoding="utf-8")
    (into / "harness.svg").write_text(svg, encoding="utf-8")
