"""The circuit as code: every part and every net of the board and of what hangs on its cables.

Pins, addresses, values and cables come from pinmap.toml; what is written here is which terminal joins which. generate()
leaves a netlist (loopwatch.net, for a board layout program), the same as tables (nets.csv, parts.csv) and what the
electrical rules said (erc.txt); it raises RuntimeError when they found anything.
"""

from __future__ import annotations

import builtins
import contextlib
import csv
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import bench
from bench import MAP, farad_text, ohm_text

# A technician's board has through-hole parts and chips on adapters; footprints are those of the surface-mount form.
FOOTPRINTS = {
    "R": "Resistor_SMD:R_0805_2012Metric",
    "C": "Capacitor_SMD:C_1206_3216Metric",
    "CP": "Capacitor_THT:CP_Radial_D6.3mm_P2.50mm",
    "F": "Fuse:Fuse_BelFuse_0ZRE0005FF_L8.3mm_W3.8mm",
    "D2": "Package_TO_SOT_SMD:SOT-23",
    "Q": "Package_TO_SOT_SMD:SOT-23",
    "K": "Relay_THT:Relay_SPDT_Omron-G5LE-1",
    "SMAJ5.0A": "Diode_SMD:D_SMA",
    "1N4148": "Diode_THT:D_DO-35_SOD27_P7.62mm_Horizontal",
}

# Raspberry Pi Pico datasheet, figure 2; all names but those that the map uses stay unconnected.
PICO_EDGE = (
    "GP0 GP1 GND GP2 GP3 GP4 GP5 GND GP6 GP7 GP8 GP9 GND GP10 GP11 GP12 GP13 GND GP14 GP15 "
    "GP16 GP17 GND GP18 GP19 GP20 GP21 GND GP22 RUN GP26 GP27 AGND GP28 ADC_VREF 3V3 3V3_EN GND VSYS VBUS"
).split()

# (pin, name, kind): ADS1115 datasheet SBAS444, "Pin Configuration and Functions", VSSOP-10.
ADS1115 = (
    (1, "ADDR", "INPUT"),
    (2, "ALERT", "OPENCOLL"),
    (3, "GND", "PWRIN"),
    (4, "AIN0", "INPUT"),
    (5, "AIN1", "INPUT"),
    (6, "AIN2", "INPUT"),
    (7, "AIN3", "INPUT"),
    (8, "VDD", "PWRIN"),
    (9, "SDA", "BIDIR"),
    (10, "SCL", "INPUT"),
)
# TMP117 datasheet SNOSD82, "Pin Configuration and Functions", WSON-6.
TMP117 = (
    (1, "SCL", "INPUT"),
    (2, "GND", "PWRIN"),
    (3, "ALERT", "OPENCOLL"),
    (4, "ADD0", "INPUT"),
    (5, "V+", "PWRIN"),
    (6, "SDA", "BIDIR"),
)
# ULN2003A datasheet SLRS027, "Pin Configuration and Functions".
ULN2003A = (
    *((n, f"IN{n}", "INPUT") for n in range(1, 8)),
    (8, "GND", "PWRIN"),
    (9, "COM", "PASSIVE"),
    *((17 - n, f"OUT{n}", "OPENCOLL") for n in range(1, 8)),
)
PINS = {
    "two": ((1, "1", "PASSIVE"), (2, "2", "PASSIVE")),
    "diode": ((1, "K", "PASSIVE"), (2, "A", "PASSIVE")),
    "series_diodes": ((1, "A1", "PASSIVE"), (2, "K2", "PASSIVE"), (3, "K1A2", "PASSIVE")),
    "nmos": ((1, "G", "INPUT"), (2, "S", "PASSIVE"), (3, "D", "PASSIVE")),
    # Omron G5LE, terminal arrangement: the coil between 2 and 5, without polarity.
    "relay": (
        (1, "COM", "PASSIVE"),
        (2, "COIL+", "PASSIVE"),
        (3, "NO", "PASSIVE"),
        (4, "NC", "PASSIVE"),
        (5, "COIL-", "PASSIVE"),
    ),
    "jumper": ((1, "STATIC", "PASSIVE"), (2, "GATE", "PASSIVE"), (3, "PUMPED", "PASSIVE")),
    "transducer": ((1, "supply", "PWRIN"), (2, "ground", "PWRIN"), (3, "output", "OUTPUT")),
}


class Board:
    """The circuit while it is being drawn: parts by reference, nets by name."""

    def __init__(self, skidl) -> None:
        self._skidl = skidl
        self._nets: dict[str, object] = {}
        self.parts: dict[str, tuple[str, str, str]] = {}
        for name in ("GND", "VBUS", "+3V3", "+5V_SENS", "+5V_OUT", "+3V3_HEADS"):
            self.net(name).drive = skidl.POWER

    def net(self, name: str):
        """The net of this name, made at first use."""
        if name not in self._nets:
            self._nets[name] = self._skidl.Net(name)
        return self._nets[name]

    def add(self, ref: str, kind: str, value: str, pins, joined: dict[str, str], footprint: str = "") -> None:
        """Place a part and join its pins, by name, to nets; pins that are left out stay open, on purpose."""
        skidl = self._skidl
        footprint = footprint or FOOTPRINTS.get(value, FOOTPRINTS.get(kind, ""))
        template = skidl.Part(
            name=kind,
            tool=skidl.SKIDL,
            dest=skidl.TEMPLATE,
            ref_prefix=re.sub(r"\d", "", ref),
            pins=[skidl.Pin(num=n, name=name, func=getattr(skidl.Pin.types, how)) for n, name, how in pins],
        )
        part = template(ref=ref, value=value, footprint=footprint, tag=ref)
        for number, name, _ in pins:
            wire = joined.get(f"{name}#{number}", joined.get(name))
            if wire is None:
                part[number] += builtins.NC
            else:
                self.net(wire).__iadd__(part[number])
        self.parts[ref] = (kind, value, footprint)

    def two(self, ref: str, value: str, first: str, second: str, kind: str = "") -> None:
        """A part with two terminals, the first net at pin 1."""
        kind = kind or ref[0]
        self.add(ref, kind, value, PINS["two"], {"1": first, "2": second})

    def diode(self, ref: str, value: str, anode: str, cathode: str) -> None:
        """A diode, which conducts from anode to cathode."""
        self.add(ref, "D", value, PINS["diode"], {"A": anode, "K": cathode})


def draw_pico(board: Board) -> None:
    """The Pico, with the map's pins on nets named after their GPIO."""
    power = MAP["power"]
    joined = {f"GND#{n}": "GND" for n, name in enumerate(PICO_EDGE, 1) if name in ("GND",)}
    joined["AGND"] = "GND"
    joined[f"VBUS#{power['usb_5v']['pin']}"] = "VBUS"
    joined[f"3V3#{power['logic_3v3']['pin']}"] = "+3V3"
    for line in ("sda", "scl"):
        joined[f"GP{MAP['i2c'][line]['gpio']}#{bench.pico_pin(line)}"] = line.upper()
    for rows in (MAP["outputs"], MAP["inputs"]):
        for row in rows.values():
            if "pin" in row:
                joined[f"GP{row['gpio']}#{row['pin']}"] = f"GP{row['gpio']}"
    pins = [(n, name, "PASSIVE" if name[0] not in "G" else "BIDIR") for n, name in enumerate(PICO_EDGE, 1)]
    pins = [(n, name, "PWRIN" if name.endswith("GND") else kind) for n, name, kind in pins]
    board.add("U1", "Pico", "Raspberry Pi Pico", pins, joined, "Module:RaspberryPi_Pico_Common_THT")


def draw_supplies(board: Board) -> None:
    """Fuses, bulk capacitors and what takes surges on the cables' supply."""
    fuses = MAP["fuses"]
    board.two("F1", f"PTC {fuses['sensors_5v_ma']} mA", "VBUS", "+5V_SENS")
    board.two("F2", f"PTC {fuses['outputs_5v_ma']} mA", "VBUS", "+5V_OUT")
    board.two("F3", f"PTC {fuses['heads_3v3_ma']} mA", "+3V3", "+3V3_HEADS")
    board.two("C4", "10u", "+5V_SENS", "GND")
    board.two("C5", "100u", "+5V_OUT", "GND", "CP")
    board.two("C6", "10u", "+3V3", "GND")
    board.diode("D4", "SMAJ5.0A", "GND", "+5V_SENS")


def draw_analog(board: Board) -> None:
    """The converter and its three equal dividers; the lower leg is the pull-down that makes a broken wire read low."""
    divider = MAP["divider"]
    chip = MAP["chips"]["ads1115"]
    joined = {"ADDR": {"GND": "GND", "VDD": "+3V3"}.get(chip["strap"], chip["strap"]), "GND": "GND", "VDD": "+3V3"}
    joined |= {"SDA": "SDA", "SCL": "SCL"}
    for channel, signal, (top, bottom, filter_c, clamp) in bench.ANALOG:
        pin = f"AIN{bench.analog_input(channel)}"
        joined[pin] = pin
        board.two(top, ohm_text(divider["top_ohm"]), signal, pin)
        board.two(bottom, ohm_text(divider["bottom_ohm"]), pin, "GND")
        board.two(filter_c, farad_text(divider["filter_nf"]), pin, "GND")
        board.add(clamp, "D2", "BAV199", PINS["series_diodes"], {"A1": "GND", "K2": "+3V3", "K1A2": pin})
    rope = MAP["rope"]
    pin = f"AIN{rope['input']}"
    joined[pin] = pin
    board.two("R16", ohm_text(rope["pull_up_ohm"]), "+3V3", pin)
    board.two("R17", ohm_text(rope["series_ohm"]), "ROPE", pin)
    board.two("C9", farad_text(rope["filter_nf"]), pin, "GND")
    board.add("U2", "ADS1115", f"ADS1115 0x{chip['address']:02X}", ADS1115, joined)
    board.two("C7", "100n", "+3V3", "GND")


def draw_bus(board: Board) -> None:
    """Pull-ups, and the three thermometers at the far ends of their cables."""
    for ref, line in (("R7", "SDA"), ("R8", "SCL")):
        board.two(ref, ohm_text(MAP["bus"]["pull_up_ohm"]), "+3V3", line)
    board.two("C8", "10u", "+3V3_HEADS", "GND")
    for ref, name, bypass in (("U3", "source", "C14"), ("U4", "radiator", "C15"), ("U5", "dome", "C16")):
        chip = MAP["chips"][f"tmp117_{name}"]
        strap = {"V+": "+3V3_HEADS"}.get(chip["strap"], chip["strap"])
        joined = {"SCL": "SCL", "SDA": "SDA", "GND": "GND", "V+": "+3V3_HEADS", "ADD0": strap}
        board.add(ref, "TMP117", f"TMP117 0x{chip['address']:02X}", TMP117, joined)
        board.two(bypass, "100n", "+3V3_HEADS", "GND")


def draw_interlock(board: Board) -> None:
    """From GP10 by edges (pumped) or level (static) to the relay's coil."""
    pump = MAP["interlock_pump"]
    board.two("R9", ohm_text(pump["series_ohm"]), f"GP{MAP['outputs']['interlock']['gpio']}", "PUMP_IN")
    board.two("C10", farad_text(pump["coupling_nf"]), "PUMP_IN", "PUMP_MID")
    board.add("D5", "D2", "BAT54S", PINS["series_diodes"], {"A1": "GND", "K2": "PUMP_OUT", "K1A2": "PUMP_MID"})
    board.two("C11", farad_text(pump["reservoir_nf"]), "PUMP_OUT", "GND")
    board.two("R10", ohm_text(pump["bleed_ohm"]), "PUMP_OUT", "GND")
    board.add("JP1", "JP", pump["mode"], PINS["jumper"], {"STATIC": "PUMP_IN", "GATE": "GATE", "PUMPED": "PUMP_OUT"})
    board.two("R11", ohm_text(pump["gate_ohm"]), "GATE", "GND")
    board.add("Q1", "Q", "IRLML6244", PINS["nmos"], {"G": "GATE", "S": "GND", "D": "COIL_LOW"})
    board.diode("D6", "1N4148", "COIL_LOW", "+5V_OUT")
    coil = {"COIL+": "+5V_OUT", "COIL-": "COIL_LOW", "COM": "RELAY_COM", "NO": "RELAY_NO", "NC": "RELAY_NC"}
    board.add("K1", "K", "G5LE-1 DC5", PINS["relay"], coil)


def draw_panel(board: Board) -> None:
    """Horn, lamps and buttons."""
    outputs = MAP["outputs"]
    joined = {"GND": "GND", "COM": "+5V_OUT", **{f"IN{n}": "GND" for n in range(4, 8)}}
    for n, (name, low) in enumerate((("horn", "HORN_LOW"), ("lamp_alarm", "LAMP_A"), ("lamp_fault", "LAMP_F")), 1):
        joined[f"IN{n}"] = f"GP{outputs[name]['gpio']}"
        joined[f"OUT{n}"] = low
    board.add("U6", "ULN2003A", "ULN2003A", ULN2003A, joined, "Package_DIP:DIP-16_W7.62mm")
    board.two("R12", "150", "LAMP_ALARM_LOW", "LAMP_A")
    board.two("R13", "150", "LAMP_FAULT_LOW", "LAMP_F")
    board.two("LS1", "horn 5 V", "+5V_OUT", "HORN_LOW", "LS")
    board.diode("LED1", "red", "+5V_OUT", "LAMP_ALARM_LOW")
    board.diode("LED2", "yellow", "+5V_OUT", "LAMP_FAULT_LOW")
    inputs = MAP["inputs"]
    for ref, series, filter_c, name, far in (
        ("S1", "R14", "C12", "ack", "ACK_BUTTON"),
        ("S2", "R15", "C13", "boot_escape", "ESCAPE_BUTTON"),
    ):
        pin = f"GP{inputs[name]['gpio']}"
        board.two(series, "1k", pin, far)
        board.two(filter_c, "100n", pin, "GND")
        board.two(ref, name, far, "GND", "S")


def draw_cables(board: Board) -> None:
    """Connectors, transducers, the pump's circuit and the rope."""
    for cable in MAP["cables"].values():
        pins = [(n, str(n), "PASSIVE") for n in range(1, len(cable["pins"]) + 1)]
        board.add(cable["connector"], "J", cable["kind"], pins, {str(n): net for n, net in enumerate(cable["pins"], 1)})
    for name, signal in (("p_static", "SIG_P_STATIC"), ("p_pump", "SIG_P_PUMP")):
        joined = {"supply": "+5V_SENS", "ground": "GND", "output": signal}
        ref = MAP["cables"][name]["device"]
        board.add(ref, "BP", "transducer 0.5-4.5 V", PINS["transducer"], joined)
    board.two("M1", "pump and valve, 12 or 24 V", "RELAY_NO", "PUMP_RETURN", "M")
    board.two("G1", "supply of the pump", "RELAY_COM", "PUMP_RETURN", "G")
    board.two("R18", ohm_text(MAP["rope"]["end_ohm"]), "ROPE", "GND")


def nets_of() -> list[tuple[str, str, str, str]]:
    """(net, reference, pin's number, pin's name), in the order of names."""

    def places(text: str) -> list[object]:
        return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", text)]

    rows = [
        (net.name, pin.part.ref, str(pin.num), str(pin.name))
        for net in builtins.default_circuit.get_nets()
        for pin in net.pins
    ]
    return sorted(rows, key=lambda row: (row[0], str(places(row[1])[0]), places(row[1])[1], int(row[2])))


def write_table(path: Path, header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """A CSV file with a header line."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


DRAWN = (draw_pico, draw_supplies, draw_analog, draw_bus, draw_interlock, draw_panel, draw_cables)


@contextlib.contextmanager
def aside() -> Iterator[Path]:
    """Work in a folder that is thrown away, with nothing said.

    SKiDL writes its notes beside whoever calls it and asks for symbol libraries that are not needed here.
    """
    before = Path.cwd()
    with contextlib.ExitStack() as entered:
        place = Path(entered.enter_context(tempfile.TemporaryDirectory()))
        nowhere = entered.enter_context(open(os.devnull, "w"))
        entered.enter_context(contextlib.redirect_stderr(nowhere))
        entered.enter_context(contextlib.redirect_stdout(nowhere))
        os.chdir(place)
        entered.callback(os.chdir, before)
        yield place


def generate(into: Path) -> None:
    """Draw the circuit, check it, and write it down."""
    into = into.resolve()
    into.mkdir(parents=True, exist_ok=True)
    with aside() as place:
        import skidl

        board = Board(skidl)
        for draw in DRAWN:
            draw(board)
        skidl.ERC()
        counts = (skidl.erc_logger.error.count, skidl.erc_logger.warning.count)
        (said,) = (path.read_text() for path in place.glob("*.erc"))
        netlist = skidl.generate_netlist(tool=skidl.KICAD8)
        rows = nets_of()
    (into / "erc.txt").write_text(said.strip() + "\n", encoding="utf-8")
    (into / "loopwatch.net").write_text(undated(netlist), encoding="utf-8")
    write_table(into / "nets.csv", ("net", "reference", "pin", "name"), rows)
    parts = [(reference, *part) for reference, part in board.parts.items()]
    write_table(into / "parts.csv", ("reference", "kind", "value", "footprint"), parts)
    if any(counts):
        raise RuntimeError(f"electrical rules: {counts[0]} errors, {counts[1]} warnings; see {into / 'erc.txt'}")


def undated(netlist: str) -> str:
    """A netlist without what differs from one day or machine to the next."""
    netlist = re.sub(r'\n *\(date "[^"]*"\)', "", netlist)
    netlist = re.sub(r'\(source "[^"]*"\)', '(source "circuit.py")', netlist)
    netlist = re.sub(r'\n *\(field\n *\(name "SKiDL Line"\)[^\n]*', "", netlist)
    return netlist.strip() + "\n"
