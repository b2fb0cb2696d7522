"""The circuit as a technician reads it: three sheets (SVG), parts by reference and value, nets by name.

Values, pins and addresses are the map's and the circuit's own; a test holds every reference and value on the sheets
against the netlist. A net's name in a flag means: joined to every flag of that name, on all sheets.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import schemdraw
import schemdraw.elements as elm
from bench import ANALOG, MAP, analog_input, farad_text, ohm_text, pico_pin

from .circuit import PICO_EDGE

schemdraw.use("svg")
schemdraw.svgconfig.text = "text"

SIZE = 10
SMALL = 8
# Where ADD0 of a TMP117 goes, with the number of that pin.
STRAPS = {"V+": "V+ (5)", "SDA": "SDA (6)", "SCL": "SCL (1)"}


class Sheet:
    """A drawing with a title; parts are placed by their coordinates."""

    def __init__(self, title: str, at: tuple[float, float]) -> None:
        self.drawing = schemdraw.Drawing(show=False, fontsize=SIZE, font="sans-serif", unit=2.2, inches_per_unit=0.42)
        self.drawing.config(bgcolor="white", margin=0.4)
        self.text(title, at, 14)

    def add(self, element):
        """Place an element."""
        return self.drawing.add(element)

    def text(
        self, text: str, at: tuple[float, float], size: float = SMALL, align: Any = "left", color: str = "black"
    ) -> None:
        """A line of text that begins, ends or has its middle at a point."""
        # The library sets labels a little up and to the right of their point.
        label = elm.Label().at((at[0] - 0.1, at[1] - 0.15)).theta(0)
        self.add(label.label(text, "center", ofst=0, halign=align, valign="center", fontsize=size, color=color))

    def flag(self, net: str, at: tuple[float, float], way: str = "right") -> None:
        """A net's name at a point, on a short wire that leaves it to the left or right."""
        tip = (at[0] + (0.6 if way == "right" else -0.6), at[1])
        self.add(elm.Line().at(at).to(tip))
        side = "left" if way == "right" else "right"
        shift = 0.12 if way == "right" else -0.12
        self.text(net, (tip[0] + shift, tip[1]), 9, side, "navy")

    def wire(self, *points: tuple[float, float]) -> None:
        """Straight wires from point to point."""
        for begin, end in itertools.pairwise(points):
            self.add(elm.Line().at(begin).to(end))

    def dot(self, *points: tuple[float, float]) -> None:
        """Joints."""
        for point in points:
            self.add(elm.Dot(radius=0.06).at(point))

    def ground(self, at: tuple[float, float]) -> None:
        """Ground at a point."""
        self.add(elm.Ground().at(at).theta(0))

    def supply(self, net: str, at: tuple[float, float]) -> None:
        """A supply's name above a point."""
        self.add(elm.Vdd().at(at).theta(0).label(net, fontsize=9, color="firebrick"))

    def part(self, element, ref: str, value: str, begin, end, side: str = "top", **how):
        """A part between two points with reference and value beside it, each a text of its own."""
        placed = self.add(element.at(begin).to(end))
        x, y = (begin[0] + end[0]) / 2, (begin[1] + end[1]) / 2
        across = begin[1] == end[1]
        dx, dy = how.get("shift", (0, 0.5) if across else (0.4, 0.16))
        if side == "left":
            dx = -dx
        align = "center" if across else ("right" if side == "left" else "left")
        for text, lower in ((ref, 0.0), (value, 0.34)):
            # Of a part that lies flat the value stands below it.
            y_text = y + dy - (2 * dy if across and lower else lower)
            self.text(text, (x + dx, y_text), SMALL, align)
        return placed

    def box(self, ref: str, value: str, corner, size, left=(), right=()) -> dict[str, tuple[float, float]]:
        """A chip or connector; left and right: (name inside, number outside) from the top. Returns where pins are."""
        x, y = corner
        width, height = size
        self.add(elm.Rect(corner1=(0, 0), corner2=(width, -height), fill="#f7f4ea").at(corner).theta(0))
        self.text(ref, (x + 0.05, y + 0.32), SIZE)
        self.text(value, (x + 0.05, y - height - 0.3))
        places = {}
        for rows, edge, way in ((left, x, -1), (right, x + width, 1)):
            for i, (name, number) in enumerate(rows):
                at_y = y - (i + 0.5) * height / len(rows)
                self.add(elm.Line().at((edge, at_y)).to((edge + 0.7 * way, at_y)))
                inner, outer = ("left", "right") if way < 0 else ("right", "left")
                self.text(name, (edge - 0.12 * way, at_y), 9, inner)
                if number:
                    place = (edge + (0.1 if way > 0 else -0.1), at_y + 0.2)
                    self.text(str(number), place, 7, outer)
                places[f"{name}#{number}"] = places[name] = (edge + 0.7 * way, at_y)
        return places

    def save(self, path: Path, right: float) -> None:
        """Write it down, with room for texts as far as right."""
        self.add(elm.Line().at((right, 0)).to((right, 0.01)).color("white"))
        self.drawing.save(str(path))


def _gpio(row: dict) -> tuple[str, int]:
    return f"GP{row['gpio']}", row["pin"]


def board_sheet(path: Path) -> None:
    """The Pico with its nets, fuses and supplies, the bus and the three thermometers."""
    sheet = Sheet("loopwatch 1/3: board, supplies, bus", (-2.0, 3.4))
    power, i2c, outputs, inputs = MAP["power"], MAP["i2c"], MAP["outputs"], MAP["inputs"]
    left = [
        (f"GP{i2c['sda']['gpio']}", i2c["sda"]["pin"]),
        (f"GP{i2c['scl']['gpio']}", i2c["scl"]["pin"]),
        *(_gpio(outputs[name]) for name in ("interlock", "horn", "lamp_alarm", "lamp_fault")),
        *(_gpio(inputs[name]) for name in ("ack", "boot_escape")),
    ]
    right = [("VBUS", power["usb_5v"]["pin"]), ("3V3", power["logic_3v3"]["pin"]), ("GND", power["ground"]["pin"])]
    pins = sheet.box("U1", "Raspberry Pi Pico (USB: 5 V, laptop)", (3, 1), (3.4, 7.2), left, right)
    nets = ("SDA", "SCL", *(name for name, _ in left[2:]))
    uses = ("bus, data", "bus, clock", "interlock", "horn", "red lamp", "yellow lamp", "acknowledge", "boot escape")
    for (name, _), net, use in zip(left, nets, uses, strict=True):
        sheet.flag(net, pins[name], "left")
        sheet.text(use, (pins[name][0] - 1.9, pins[name][1]), 7, "right")
    sheet.ground(pins["GND"])
    grounds = ", ".join(str(n) for n, name in enumerate(PICO_EDGE, 1) if name.endswith("GND"))
    sheet.text(f"ground: pins {grounds}", (3.05, -7.0), 7)
    vbus, logic = pins["VBUS"], pins["3V3"]
    fuses = MAP["fuses"]
    sheet.wire(vbus, (8.6, vbus[1]))
    sheet.dot((8.6, vbus[1]))
    sheet.wire((8.6, vbus[1]), (8.6, vbus[1] + 2.2), (9, vbus[1] + 2.2))
    for ref, key, y, net, bulk in (
        ("F2", "outputs_5v_ma", vbus[1] + 2.2, "+5V_OUT", (("C5", "100u"),)),
        ("F1", "sensors_5v_ma", vbus[1], "+5V_SENS", (("C4", "10u"), ("D4", "SMAJ5.0A"))),
        ("F3", "heads_3v3_ma", logic[1] - 0.6, "+3V3_HEADS", (("C8", "10u"),)),
    ):
        if ref != "F3":
            sheet.wire((8.6, y), (9, y))
        else:
            sheet.wire(logic, (7.6, logic[1]), (7.6, y), (9.6, y))
            sheet.dot((7.6, logic[1]))
        begin = 9.6 if ref == "F3" else 9.0
        sheet.part(elm.Fuse(), ref, f"PTC {fuses[key]} mA", (begin, y), (11, y), shift=(0, 0.5))
        x = 11.6
        sheet.wire((11, y), (11.6 + 2.2 * len(bulk), y))
        for part, value in bulk:
            element = elm.Zener().reverse() if part.startswith("D") else elm.Capacitor()
            sheet.dot((x, y))
            sheet.part(element, part, value, (x, y), (x, y - 0.9))
            sheet.ground((x, y - 0.9))
            x += 2.2
        sheet.flag(net, (11.6 + 2.2 * len(bulk), y))
    sheet.supply("+3V3", (7.6, logic[1] + 0.0))
    y = logic[1] - 0.6
    sheet.dot((7.9, y))
    sheet.part(elm.Capacitor(), "C6", "10u", (7.9, y), (7.9, y - 0.9))
    sheet.ground((7.9, y - 0.9))
    for i, (ref, line) in enumerate((("R7", "SDA"), ("R8", "SCL"))):
        x = 15.2 + 2.6 * i
        sheet.supply("+3V3", (x, -4.6))
        sheet.part(elm.ResistorIEC(), ref, ohm_text(MAP["bus"]["pull_up_ohm"]), (x, -4.6), (x, -6.1))
        sheet.flag(line, (x, -6.1))
    for i, (ref, name, connector, bypass) in enumerate(
        (("U3", "source", "J3", "C14"), ("U4", "radiator", "J4", "C15"), ("U5", "dome", "J5", "C16"))
    ):
        chip = MAP["chips"][f"tmp117_{name}"]
        cable = MAP["cables"][f"t_{name}"]
        x, y = -1.4 + 8.4 * i, -8.6
        rows = [(net, n) for n, net in enumerate(cable["pins"], 1)]
        near = sheet.box(connector, cable["kind"], (x - 0.6, y), (2.4, 3.0), [], rows)
        far = sheet.box(
            ref,
            f"TMP117 0x{chip['address']:02X} t_{name}",
            (x + 3.4, y),
            (1.9, 3.0),
            [("V+", 5), ("SCL", 1), ("GND", 2), ("SDA", 6)],
            [("ADD0", 4)],
        )
        for (net, n), pin in zip(rows, ("V+", "SCL", "GND", "SDA"), strict=True):
            sheet.wire(near[f"{net}#{n}"], far[pin])
        sheet.flag(STRAPS[chip["strap"]], (far["ADD0"][0] - 0.2, far["ADD0"][1]))
        sheet.text(f"{bypass} 100n from V+ to GND at the chip", (x + 3.5, y - 3.75), 7)
    sheet.save(path, 24.5)


def analog_sheet(path: Path) -> None:
    """Both transducers and the rail through their dividers to the converter; the rope."""
    sheet = Sheet("loopwatch 2/3: analog inputs", (-2.3, 2.6))
    divider = MAP["divider"]
    chip = MAP["chips"]["ads1115"]
    connectors = {"p_static_pa": "p_static", "p_pump_pa": "p_pump"}
    left = [(f"AIN{n}", 4 + n) for n in range(4)]
    adc = sheet.box(
        "U2",
        f"ADS1115 0x{chip['address']:02X}",
        (15.4, 1.0),
        (2.6, 16.8),
        left,
        [("VDD", 8), ("SDA", 9), ("SCL", 10), ("ADDR", 1), ("GND", 3)],
    )
    for net, name in (("+3V3", "VDD"), ("SDA", "SDA"), ("SCL", "SCL"), (chip["strap"], "ADDR"), ("GND", "GND")):
        sheet.flag(net, adc[name])
    sheet.text("C7 100n from VDD to GND at the chip", (15.4, -16.6), 7)
    for channel, signal, (top, bottom, filter_c, clamp) in ANALOG:
        pin = adc[f"AIN{analog_input(channel)}"]
        y = pin[1]
        if channel in connectors:
            cable = MAP["cables"][connectors[channel]]
            rows = [(net, n) for n, net in enumerate(cable["pins"], 1)]
            words = f"{cable['kind']}: {cable['device']} transducer 0.5-4.5 V"
            box = sheet.box(cable["connector"], words, (-2.3, y + 1.2), (3.0, 2.4), [], rows)
            sheet.wire(box[signal], (3.6, box[signal][1]), (3.6, y), (4.6, y))
            for net, n in rows:
                if net != signal:
                    sheet.flag(net, box[f"{net}#{n}"])
        else:
            sheet.flag(signal, (4.6, y), "left")
        _divider(sheet, (4.6, y), pin, (top, bottom, filter_c, clamp), divider, channel)
    _rope(sheet, adc[f"AIN{MAP['rope']['input']}"])
    sheet.save(path, 20.8)


def _divider(sheet: Sheet, begin, pin, refs, divider, channel: str) -> None:
    """One divider with filter and clamp, from the signal to the converter's pin."""
    top, bottom, filter_c, clamp = refs
    y = begin[1]
    sheet.part(elm.ResistorIEC(), top, ohm_text(divider["top_ohm"]), begin, (6.8, y), shift=(0, 0.52))
    sheet.wire((6.8, y), pin)
    sheet.dot((7.6, y), (9.6, y), (12.0, y))
    sheet.part(elm.ResistorIEC(), bottom, ohm_text(divider["bottom_ohm"]), (7.6, y), (7.6, y - 1.3))
    sheet.ground((7.6, y - 1.3))
    sheet.part(elm.Capacitor(), filter_c, farad_text(divider["filter_nf"]), (9.6, y), (9.6, y - 1.3))
    sheet.ground((9.6, y - 1.3))
    sheet.add(elm.Diode().at((12.0, y - 1.2)).to((12.0, y)))
    sheet.ground((12.0, y - 1.2))
    sheet.add(elm.Diode().at((12.0, y)).to((12.0, y + 1.1)))
    sheet.supply("+3V3", (12.0, y + 1.1))
    sheet.text(clamp, (12.4, y - 0.45))
    sheet.text("BAV199", (12.4, y - 0.8))
    sheet.text(channel, (13.0, y + 0.25), 7)


def _rope(sheet: Sheet, pin) -> None:
    """The optional rope input."""
    rope = MAP["rope"]
    cable = MAP["cables"]["rope"]
    y = pin[1]
    rows = [(net, n) for n, net in enumerate(cable["pins"], 1)]
    words = f"rope, optional; R18 {ohm_text(rope['end_ohm'])} at its far end"
    box = sheet.box(cable["connector"], words, (-2.3, y + 0.7), (3.0, 1.4), [], rows)
    sheet.wire(box["ROPE"], (3.6, box["ROPE"][1]), (3.6, y), (4.6, y))
    sheet.flag("GND", box["GND"])
    sheet.part(elm.ResistorIEC(), "R17", ohm_text(rope["series_ohm"]), (4.6, y), (6.8, y), shift=(0, 0.52))
    sheet.wire((6.8, y), pin)
    sheet.dot((8.6, y), (10.6, y))
    sheet.supply("+3V3", (8.6, y + 1.25))
    sheet.part(elm.ResistorIEC(), "R16", ohm_text(rope["pull_up_ohm"]), (8.6, y + 1.25), (8.6, y))
    sheet.part(elm.Capacitor(), "C9", farad_text(rope["filter_nf"]), (10.6, y), (10.6, y - 1.3))
    sheet.ground((10.6, y - 1.3))


def outputs_sheet(path: Path) -> None:
    """The interlock with its charge pump, horn, lamps and buttons."""
    sheet = Sheet("loopwatch 3/3: interlock, horn, lamps, buttons", (-1.0, 4.4))
    pump = MAP["interlock_pump"]
    gpio = f"GP{MAP['outputs']['interlock']['gpio']}"
    sheet.flag(gpio, (1.0, 0), "left")
    sheet.text(f"Pico pin {pico_pin('interlock')}", (-1.0, 0.45), 7)
    sheet.part(elm.ResistorIEC(), "R9", ohm_text(pump["series_ohm"]), (1.0, 0), (3.0, 0), shift=(0, 0.52))
    sheet.dot((3.6, 0))
    sheet.wire((3.0, 0), (3.6, 0))
    sheet.part(elm.Capacitor(), "C10", farad_text(pump["coupling_nf"]), (3.6, 0), (5.4, 0), shift=(0, 0.55))
    sheet.dot((6.0, 0), (8.6, 0), (10.4, 0))
    sheet.wire((5.4, 0), (6.0, 0))
    sheet.add(elm.Schottky().at((6.0, -1.6)).to((6.0, 0)))
    sheet.ground((6.0, -1.6))
    sheet.add(elm.Schottky().at((6.0, 0)).to((8.2, 0)))
    sheet.wire((8.2, 0), (11.6, 0))
    sheet.text("D5", (6.45, -0.75))
    sheet.text("BAT54S", (6.45, -1.09))
    for ref, value, x, element in (
        ("C11", farad_text(pump["reservoir_nf"]), 8.6, elm.Capacitor()),
        ("R10", ohm_text(pump["bleed_ohm"]), 10.4, elm.ResistorIEC()),
    ):
        sheet.part(element, ref, value, (x, 0), (x, -1.6))
        sheet.ground((x, -1.6))
    sheet.wire((3.6, 0), (3.6, 2.0), (11.6, 2.0))
    sheet.add(elm.Rect(corner1=(0, 0), corner2=(0.9, -2.8), fill="#f7f4ea").at((11.6, 2.4)).theta(0))
    sheet.text("JP1", (11.7, 2.65), SIZE)
    for text, y in (("1", 2.0), ("2", 1.0), ("3", 0.0)):
        sheet.text(text, (11.7, y))
    # The jumper as it sits.
    middle = {"static": 1.5, "pumped": 0.5}[pump["mode"]]
    sheet.add(elm.Rect(corner1=(-0.16, 0.8), corner2=(0.16, -0.8), fill="#b0b0b0").at((12.25, middle)).theta(0))
    sheet.text(pump["mode"], (11.6, -0.85))
    sheet.text("1-2 static, 2-3 pumped", (11.6, -1.4), 7)
    sheet.wire((12.5, 1.0), (13.6, 1.0))
    sheet.dot((13.6, 1.0))
    sheet.part(elm.ResistorIEC(), "R11", ohm_text(pump["gate_ohm"]), (13.6, 1.0), (13.6, -0.6))
    sheet.ground((13.6, -0.6))
    fet = sheet.add(elm.NFet(bulk=False).at((16.6, 1.75)).theta(0).reverse().anchor("drain"))
    sheet.wire((13.6, 1.0), (13.6, fet.gate[1]), fet.gate)
    sheet.ground(fet.source)
    sheet.text("Q1", (16.8, 1.2))
    sheet.text("IRLML6244", (16.8, 0.86))
    low = fet.drain
    sheet.wire(low, (low[0], 2.0))
    sheet.dot((low[0], 2.0))
    sheet.wire((low[0], 2.0), (low[0], 2.3))
    sheet.add(elm.Rect(corner1=(-0.5, 0), corner2=(0.5, 1.0), fill="#f7f4ea").at((low[0], 2.3)).theta(0))
    sheet.text("K1", (low[0] - 0.25, 2.8), SIZE)
    sheet.text("5", (low[0] + 0.12, 2.15), 7)
    sheet.text("2", (low[0] + 0.12, 3.45), 7)
    sheet.wire((low[0], 3.3), (low[0], 3.8))
    sheet.dot((low[0], 3.6))
    sheet.supply("+5V_OUT", (low[0], 3.8))
    sheet.wire((low[0], 2.0), (low[0] - 1.6, 2.0))
    sheet.part(elm.Diode(), "D6", "1N4148", (low[0] - 1.6, 2.0), (low[0] - 1.6, 3.6), side="left")
    sheet.wire((low[0] - 1.6, 3.6), (low[0], 3.6))
    cable = MAP["cables"]["interlock"]
    box = sheet.box(
        cable["connector"],
        "G5LE-1 DC5: in only while healthy",
        (21.0, 3.4),
        (3.4, 2.4),
        [("COM", ""), ("NO", ""), ("NC", "")],
        [("RELAY_COM", 1), ("RELAY_NO", 2), ("RELAY_NC", 3)],
    )
    # The contact as it rests, on its normally closed side.
    com, no, nc = (box[name] for name in ("COM", "NO", "NC"))
    sheet.text("K1 contact,", (com[0] - 1.9, com[1] + 0.75), 7)
    sheet.text("at rest", (com[0] - 1.9, com[1] + 0.45), 7)
    sheet.wire((com[0] - 2.0, com[1]), com)
    sheet.wire((com[0] - 2.0, com[1]), (com[0] - 2.0, nc[1]), (com[0] - 1.5, nc[1]))
    sheet.wire((com[0] - 1.5, nc[1]), (com[0] - 0.75, nc[1]))
    sheet.wire((com[0] - 0.6, nc[1]), nc)
    sheet.dot((com[0] - 1.5, nc[1]), (com[0] - 0.6, nc[1]), (com[0] - 0.6, no[1]))
    sheet.wire((com[0] - 0.6, no[1]), no)
    for text, at in (("1", com), ("3", no), ("4", nc)):
        sheet.text(text, (at[0] - 0.3, at[1] + 0.2), 7, "center")
    sheet.text("G1 supply of the pump +", (25.3, box["RELAY_COM"][1]))
    sheet.text("M1 pump and valve +", (25.3, box["RELAY_NO"][1]))
    sheet.text("leave open", (25.3, box["RELAY_NC"][1]))
    _panel(sheet)
    sheet.save(path, 29.2)


def _panel(sheet: Sheet) -> None:
    """Horn, lamps and buttons at the panel's connector."""
    outputs, inputs = MAP["outputs"], MAP["inputs"]
    y = -4.0
    rows = [(f"IN{n}", n) for n in (1, 2, 3)]
    driver = sheet.box(
        "U6",
        "ULN2003A",
        (2.4, y),
        (2.6, 4.2),
        rows,
        [(f"OUT{n}", 17 - n) for n in (1, 2, 3)],
    )
    for n, name in enumerate(("horn", "lamp_alarm", "lamp_fault"), 1):
        place = driver[f"IN{n}"]
        sheet.flag(f"GP{outputs[name]['gpio']}", place, "left")
        sheet.text(f"Pico pin {pico_pin(name)}, {name}", (place[0] - 2.4, place[1] + 0.5), 7)
    sheet.text("4, 5, 6, 7, 8 to GND; 9 to +5V_OUT", (2.5, y - 4.85), 7)
    cable = MAP["cables"]["signals"]
    panel = sheet.box(
        cable["connector"],
        cable["kind"],
        (11.0, y + 0.4),
        (5.6, 8.4),
        [(net, n) for n, net in enumerate(cable["pins"], 1)],
        [(far, "") for far in cable["far"]],
    )
    sheet.wire(driver["OUT1"], (7.0, driver["OUT1"][1]), (7.0, panel["HORN_LOW"][1]), panel["HORN_LOW"])
    for n, ref, net, x in ((2, "R12", "LAMP_ALARM_LOW", 7.6), (3, "R13", "LAMP_FAULT_LOW", 8.2)):
        place = driver[f"OUT{n}"]
        sheet.part(elm.ResistorIEC(), ref, "150", place, (place[0] + 1.6, place[1]), shift=(0, 0.52))
        sheet.wire((place[0] + 1.6, place[1]), (x, place[1]), (x, panel[net][1]), panel[net])
    sheet.flag("+5V_OUT", panel["+5V_OUT"], "left")
    for n in (5, 8):
        sheet.flag("GND", panel[f"GND#{n}"], "left")
    for i, (series, filter_c, name, net) in enumerate(
        (("R14", "C12", "ack", "ACK_BUTTON"), ("R15", "C13", "boot_escape", "ESCAPE_BUTTON"))
    ):
        at_y = panel[net][1]
        base = -9.6 - 2.3 * i
        sheet.wire(panel[net], (8.75 - 0.4 * i, at_y), (8.75 - 0.4 * i, base), (8.0, base))
        sheet.part(elm.ResistorIEC(), series, "1k", (6.0, base), (8.0, base), shift=(0, 0.52))
        sheet.wire((3.6, base), (6.0, base))
        sheet.dot((4.6, base))
        sheet.part(elm.Capacitor(), filter_c, "100n", (4.6, base), (4.6, base - 1.0))
        sheet.ground((4.6, base - 1.0))
        sheet.flag(f"GP{inputs[name]['gpio']}", (3.6, base), "left")
        sheet.text(f"Pico pin {pico_pin(name)}, {name}", (0.4, base + 0.4), 7)
    devices = (
        ("LS1", "horn 5 V"),
        ("LED1", "red"),
        ("LED2", "yellow"),
        ("S1", "ack"),
        ("S2", "boot_escape"),
    )
    sheet.text("at the panel:", (18.0, y + 0.2), SIZE)
    joins = ("1 to 2", "1 (anode) to 3", "1 (anode) to 4", "6 to 5", "7 to 5")
    for i, ((ref, value), join) in enumerate(zip(devices, joins, strict=True)):
        sheet.text(ref, (18.0, y - 0.5 - 0.6 * i))
        sheet.text(value, (19.2, y - 0.5 - 0.6 * i))
        sheet.text(f"J7 {join}", (21.6, y - 0.5 - 0.6 * i))


def generate(into: Path) -> None:
    """Draw all sheets."""
    into.mkdir(parents=True, exist_ok=True)
    board_sheet(into / "schematic-1-board.svg")
    analog_sheet(into / "schematic-2-analog.svg")
    outputs_sheet(into / "schematic-3-outputs.svg")
