"""The bench on paper against the pin map, the firmware and itself: circuit, simulation, wiring, bill, loop, documents.

What is checked here is what is kept in hardware/: no tool is needed to read it. That it is what the tools would make
today is checked where they are installed.
"""

import ast
import csv
import importlib.util
import itertools
import math
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from loopwatch import alarms, journal, outputs, sampler, scaling
from loopwatch.config import Config
from loopwatch.drivers import ads1115
from loopwatch.sample import CHANNELS, GOOD, OPEN, REFERENCE, SHORT, STATUS_NAMES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
HARDWARE = ROOT / "hardware"
MAP: dict[str, Any] = tomllib.loads((HARDWARE / "pinmap.toml").read_text(encoding="utf-8"))
BOARD_FILE = ROOT / "firmware" / "loopwatch" / "boards" / "pico.py"

Row = dict[str, str]


def table(path: str) -> list[Row]:
    """The lines of a CSV file below hardware/."""
    with (HARDWARE / path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


NETS = table("circuit/nets.csv")
NET_OF = {(row["reference"], row["pin"]): row["net"] for row in NETS}
NET_OF_NAME = {(row["reference"], row["name"]): row["net"] for row in NETS}
PARTS = {row["reference"]: row for row in table("circuit/parts.csv")}


def on(net: str) -> set[str]:
    """The references on a net."""
    return {row["reference"] for row in NETS if row["net"] == net}


def far_end(part: str, net: str) -> str:
    """The net at the other end of a part with two pins."""
    ends = {row["net"] for row in NETS if row["reference"] == part}
    assert len(ends) == 2 and net in ends, part
    return (ends - {net}).pop()


def gpio_rows() -> dict[str, dict[str, int]]:
    """Everything on the Pico's edge that has a GPIO."""
    rows = {"sda": MAP["i2c"]["sda"], "scl": MAP["i2c"]["scl"], **MAP["outputs"], **MAP["inputs"]}
    return {name: row for name, row in rows.items() if "pin" in row}


def test_the_electrical_rules_found_nothing():
    assert (
        HARDWARE / "circuit" / "erc.txt"
    ).read_text() == "ERC INFO: No errors or warnings found while running ERC.\n"


def test_every_gpio_of_the_map_stands_on_its_pin_of_the_circuit():
    for name, row in gpio_rows().items():
        net = name.upper() if name in ("sda", "scl") else f"GP{row['gpio']}"
        assert NET_OF["U1", str(row["pin"])] == net, name
        assert NET_OF_NAME["U1", f"GP{row['gpio']}"] == net, name
        assert len(on(net)) > 1, f"{name} goes nowhere"
    used = {row["name"] for row in NETS if row["reference"] == "U1" and row["name"].startswith("GP")}
    assert used == {f"GP{row['gpio']}" for row in gpio_rows().values()}


def test_supplies_come_from_the_pins_of_the_map():
    power = MAP["power"]
    places = (("usb_5v", "VBUS"), ("logic_3v3", "+3V3"), ("ground", "GND"))
    assert all(NET_OF["U1", str(power[name]["pin"])] == net for name, net in places)
    # Sensors and outputs hang on VBUS through fuses of their own.
    for fuse, net, milliampere in (("F1", "+5V_SENS", "sensors_5v_ma"), ("F2", "+5V_OUT", "outputs_5v_ma")):
        assert far_end(fuse, "VBUS") == net
        assert PARTS[fuse]["value"] == f"PTC {MAP['fuses'][milliampere]} mA"


def test_every_analog_channel_of_the_sampler_comes_from_its_sensor_through_an_equal_divider():
    divider = MAP["divider"]
    values = {"top": f"{divider['top_ohm'] // 1000}k", "bottom": f"{divider['bottom_ohm'] // 1000}k"}
    sources = {"p_static_pa": ("BP1", "J1"), "p_pump_pa": ("BP2", "J2"), "rail_mv": ("F1", "D4")}
    for _, analog_input, channel in sampler.PLAN:
        pin = f"AIN{analog_input}"
        assert NET_OF_NAME["U2", pin] == pin
        resistors = {ref for ref in on(pin) if ref.startswith("R")}
        (bottom,) = (ref for ref in resistors if far_end(ref, pin) == "GND")
        (top,) = resistors - {bottom}
        (filter_c,) = (ref for ref in on(pin) if ref.startswith("C"))
        assert (PARTS[top]["value"], PARTS[bottom]["value"]) == (values["top"], values["bottom"])
        assert PARTS[filter_c]["value"] == f"{divider['filter_nf'] // 1000}u"
        assert far_end(filter_c, pin) == "GND"
        assert set(sources[CHANNELS[channel]]) <= on(far_end(top, pin)), CHANNELS[channel]
    # The rail is measured where the transducers take it.
    assert NET_OF_NAME["BP1", "supply"] == NET_OF_NAME["BP2", "supply"] == far_end("R5", "AIN2") == "+5V_SENS"


def test_every_chip_is_strapped_to_the_address_at_which_the_sampler_asks_it():
    # TMP117 datasheet SNOSD82, "Serial Bus Address"; ADS1115 datasheet SBAS444, "I2C Address Selection".
    tmp117 = {"GND": 0x48, "+3V3_HEADS": 0x49, "SDA": 0x4A, "SCL": 0x4B}
    asked = {CHANNELS[channel]: address for address, channel, _ in sampler.THERMOMETERS}
    for name, cable in MAP["cables"].items():
        if name.startswith("t_"):
            chip = cable["device"]
            assert tmp117[NET_OF_NAME[chip, "ADD0"]] == asked[f"{name}_mdegc"], name
            assert PARTS[chip]["value"] == f"TMP117 0x{asked[f'{name}_mdegc']:02X}"
            assert (NET_OF_NAME[chip, "SDA"], NET_OF_NAME[chip, "SCL"]) == ("SDA", "SCL")
    ads = {"GND": 0x48, "+3V3": 0x49, "SDA": 0x4A, "SCL": 0x4B}
    assert ads[NET_OF_NAME["U2", "ADDR"]] == MAP["chips"]["ads1115"]["address"]


@pytest.mark.parametrize(("output", "device"), [("horn", "LS1"), ("lamp_alarm", "LED1"), ("lamp_fault", "LED2")])
def test_every_driver_switches_what_its_gpio_is_named_for(output, device):
    net = f"GP{MAP['outputs'][output]['gpio']}"
    (name,) = (row["name"] for row in NETS if row["net"] == net and row["reference"] == "U6")
    low = NET_OF_NAME["U6", name.replace("IN", "OUT")]
    series = [ref for ref in on(low) if ref.startswith("R")]
    if series:
        low = far_end(series[0], low)
    assert device in on(low)
    assert "+5V_OUT" in {row["net"] for row in NETS if row["reference"] == device}


def test_buttons_pull_their_gpio_to_ground():
    for name, button in (("ack", "S1"), ("boot_escape", "S2")):
        (series,) = (ref for ref in on(f"GP{MAP['inputs'][name]['gpio']}") if ref.startswith("R"))
        assert far_end(button, far_end(series, f"GP{MAP['inputs'][name]['gpio']}")) == "GND"


def test_the_interlock_reaches_the_relay_only_through_the_jumper():
    gpio = f"GP{MAP['outputs']['interlock']['gpio']}"
    pump_in = far_end("R9", gpio)
    assert NET_OF_NAME["JP1", "STATIC"] == pump_in
    assert NET_OF_NAME["JP1", "PUMPED"] == NET_OF_NAME["D5", "K2"]
    assert far_end("C10", pump_in) == NET_OF_NAME["D5", "K1A2"]
    assert NET_OF_NAME["JP1", "GATE"] == NET_OF_NAME["Q1", "G"]
    assert far_end("R11", NET_OF_NAME["Q1", "G"]) == "GND", "an open jumper drops the relay"
    assert NET_OF_NAME["Q1", "D"] == NET_OF_NAME["K1", "COIL-"]


def test_the_relay_has_the_pins_of_its_maker():
    # Omron G5LE datasheet, "Terminal Arrangement": common 1, coil 2 and 5, normally open 3, normally closed 4.
    assert {row["pin"] for row in NETS if row["reference"] == "K1" and row["name"].startswith("COIL")} == {"2", "5"}
    assert [NET_OF["K1", pin] for pin in "134"] == ["RELAY_COM", "RELAY_NO", "RELAY_NC"]


JUMPER = {"static": 0, "pumped": 1}


def test_the_jumper_sits_where_the_setting_of_the_guides_needs_it():
    mode = MAP["interlock_pump"]["mode"]
    assert PARTS["JP1"]["value"] == mode
    flat = [text for sheet in drawn_texts() for text in sheet]
    assert mode in flat and "1-2 static, 2-3 pumped" in flat
    for page in ("guides/bring-up.md", "guides/commissioning.md"):
        told = re.findall(r"--set interlock_toggled=(\d)", (HARDWARE / page).read_text(encoding="utf-8"))
        assert told == [str(JUMPER[mode])], page
    for page in ("README.md", "guides/bring-up.md"):
        text = re.sub(r"[\s*]+", " ", (HARDWARE / page).read_text(encoding="utf-8"))
        place = {"static": "1-2 (static)", "pumped": "2-3 (pumped)"}[mode]
        assert re.search(rf"JP1 (sits )?at {re.escape(place)}", text), page


class Pins:
    """Takes what the firmware drives, one list an output."""

    def __init__(self) -> None:
        self.driven: dict[str, list[bool]] = {}

    def __getattr__(self, name: str) -> Any:
        return self.driven.setdefault(name, []).append


@pytest.mark.parametrize("toggled", [0, 1])
def test_the_firmware_drives_the_jumpers_place_that_its_setting_says_and_its_default_is_the_safe_one(toggled):
    pins = Pins()
    driver = outputs.Outputs(pins, Config(interlock_toggled=toggled))
    clear = alarms.Alarms(journal.Journal())
    for cycle in range(20):
        driver.drive(clear, 100 * cycle)
    levels = pins.driven["interlock"]
    if toggled == JUMPER["pumped"]:
        assert len(levels) == 20 and all(a != b for a, b in itertools.pairwise(levels))
    else:
        assert set(levels) == {True}
    # A level lets a pumped relay go, edges on a static one make it chatter: without a configuration it is a level.
    assert Config().interlock_toggled == JUMPER["static"]


def test_the_board_file_gives_the_interlocks_pin_just_what_it_is_told():
    tree = ast.parse(BOARD_FILE.read_text(encoding="utf-8"))
    (method,) = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "interlock")
    assert [ast.unparse(node) for node in method.body[1:]] == ["self._interlock.value(on)"]


def test_a_level_does_not_hold_the_relay_on_the_charge_pump():
    rows = {row["case"]: row for row in table("frontend/interlock.csv")}
    assert float(rows["high from the start"]["out_after_ms"]) <= MAP["interlock_pump"]["drop_out_most_ms"]


def test_the_edges_of_the_firmware_come_as_often_as_the_charge_pump_needs_them():
    pump = MAP["interlock_pump"]
    assert Config().period_ms <= pump["edge_most_ms"]
    # The sampler's dither moves a sample within its period.
    assert pump["late_most_ms"] >= sampler.DITHER_N + sampler.SHIFT_MS
    rows = {row["case"]: row for row in table("frontend/interlock.csv")}
    late = rows["one sample late"]
    assert int(late["edge_ms"]) == pump["edge_most_ms"]
    deck = (HARDWARE / "frontend" / "decks" / "interlock_one_sample_late.cir").read_text()
    moments = [float(t_s) for t_s, _ in re.findall(r"(\d\.\d+) (\S+)", deck.split("PWL(0 0")[1].split(")")[0])]
    gaps_ms = [1000 * (b - a) for a, b in itertools.pairwise(moments[::2])]
    assert max(gaps_ms) == pytest.approx(pump["edge_most_ms"] + pump["late_most_ms"])


def test_wires_fit_the_contacts_of_their_connectors():
    # JST PH catalogue: contact SPH-002T for AWG 30 to 24, 0.05 to 0.22 mm2.
    for wire in table("wiring/wires.csv"):
        if MAP["cables"][wire["cable"]]["kind"].startswith("JST PH"):
            assert 0.05 <= float(wire["mm2"]) <= 0.22, wire


def test_the_bus_rises_in_time_and_can_be_pulled_low():
    # I2C-bus specification UM10204, section 7.1: R < 300 ns / (0.8473 C) at 400 kHz; R > (3.3 - 0.4) V / 3 mA.
    bus = MAP["bus"]
    metres = sum(cable["most_m"] for cable in MAP["cables"].values() if "SDA" in cable["pins"])
    farad = (bus["board_pf"] + bus["cable_pf_m"] * metres) * 1e-12
    assert 2.9 / 3e-3 < bus["pull_up_ohm"] < 300e-9 / (0.8473 * farad)


def test_the_netlist_says_what_the_table_says():
    text = (HARDWARE / "circuit" / "loopwatch.net").read_text(encoding="utf-8")
    found = set()
    for block in re.split(r"\(net\n", text)[1:]:
        (name,) = re.findall(r'^\s*\(code \d+\)\s*\(name "([^"]+)"\)', block)
        found |= {(name, *pair) for pair in re.findall(r'\(ref "([^"]+)"\)\s*\(pin "([^"]+)"\)', block)}
    assert found == {(row["net"], row["reference"], row["pin"]) for row in NETS}


def drawn_texts() -> list[list[str]]:
    """The texts of each sheet, in the order in which they were drawn."""
    sheets = sorted((HARDWARE / "circuit").glob("schematic-*.svg"))
    assert len(sheets) == 3
    texts = []
    for sheet in sheets:
        svg = sheet.read_text(encoding="utf-8")
        texts.append([re.sub(r"<[^>]*>", "", text).strip() for text in re.findall(r"<text.*?</text>", svg, re.DOTALL)])
    return texts


def test_the_drawing_has_every_part_with_its_value_and_no_other():
    texts = drawn_texts()
    flat = [text for sheet in texts for text in sheet]
    words = Counter(word for text in flat for word in re.findall(r"\b[A-Z]{1,3}\d{1,2}\b", text))
    references = set(PARTS)
    drawn = {word for word in words if re.fullmatch(r"(U|R|C|D|F|Q|K|J|JP|LS|LED|S|BP|M|G)\d{1,2}", word)}
    assert drawn - {"M12"} == references
    for sheet in texts:
        for reference, value in itertools.pairwise(sheet):
            if re.fullmatch(r"[RCFD]\d+", reference):
                assert value == PARTS[reference]["value"], reference
    for chip in ("U2", "U3", "U4", "U5"):
        assert any(text.startswith(PARTS[chip]["value"]) for text in flat), chip


def test_the_drawing_has_every_pin_of_the_pico_at_its_number():
    sheet = drawn_texts()[0]
    pairs = set(itertools.pairwise(sheet))
    for name, row in gpio_rows().items():
        assert (f"GP{row['gpio']}", str(row["pin"])) in pairs, name
    flat = " ".join(drawn_texts()[2])
    for name in ("interlock", "horn", "lamp_alarm", "lamp_fault", "ack", "boot_escape"):
        assert f"Pico pin {gpio_rows()[name]['pin']}" in flat, name


def test_every_wire_joins_what_the_circuit_joins():
    wires = table("wiring/wires.csv")
    assert len(wires) == sum(len(cable["pins"]) for cable in MAP["cables"].values())
    drawing = (HARDWARE / "wiring" / "harness.svg").read_text(encoding="utf-8")
    for wire in wires:
        near = NET_OF[wire["from"], wire["pin"]]
        assert near == wire["net"] == MAP["cables"][wire["cable"]]["pins"][int(wire["pin"]) - 1]
        if wire["to"][:2] in ("BP", "U3", "U4", "U5"):
            assert NET_OF_NAME[wire["to"], wire["terminal"]] == near, wire
        assert f"{wire['from']}:{wire['pin']}:{near}" in drawing
        assert float(wire["length_m"]) <= MAP["cables"][wire["cable"]]["most_m"]
    for row in wires:
        if row["twisted_with_pin"]:
            (other,) = (w for w in wires if w["cable"] == row["cable"] and w["pin"] == row["twisted_with_pin"])
            assert other["twisted_with_pin"] == row["pin"]
            assert {"SDA", "SCL"} != {row["net"], other["net"]}, "clock and data must not talk to each other"


FAULTS = {row["case"]: row for row in table("frontend/faults.csv")}


def codes(row: Row) -> tuple[int, int]:
    """Codes of signal and rail for a line of faults.csv: 125 uV a step."""
    return round(int(row["signal_pin_uv"]) / 125), round(int(row["rail_pin_uv"]) / 125)


@pytest.mark.parametrize(
    "case",
    [
        "signal_open",
        "supply_open",
        "cable_off",
        "short_to_ground",
        "short_to_5v",
        "reversed_blocked",
        "reversed_diodes",
        "supply_short",
        "rail_low_25",
    ],
)
def test_every_fault_of_the_front_end_falls_where_the_firmware_calls_it_one(case):
    signal_raw, rail_raw = codes(FAULTS[case])
    ratio = signal_raw / rail_raw
    rail_v = rail_raw * 125e-6 / 0.6
    assert ratio < 0.04 or ratio > 0.96 or not 4.0 <= rail_v <= 6.0
    rail = scaling.rail_status(rail_raw)
    status = scaling.pressure_status(2 * signal_raw, rail_raw) if rail == GOOD else REFERENCE
    assert status in (OPEN, SHORT, REFERENCE)
    assert FAULTS[case]["pressure_status"] == STATUS_NAMES[status]
    assert FAULTS[case]["verdict"] == "holds"


@pytest.mark.parametrize(
    ("case", "true_pa"),
    [("good_300_mbar", 30_000), ("good_1500_mbar", 150_000), ("rail_low_10", 150_000), ("rail_high_10", 150_000)],
)
def test_a_sound_front_end_reads_right_on_any_rail_that_usb_may_have(case, true_pa):
    signal_raw, rail_raw = codes(FAULTS[case])
    assert scaling.rail_status(rail_raw) == GOOD
    assert scaling.pressure_status(2 * signal_raw, rail_raw) == GOOD
    read_pa = scaling.pressure_pa(2 * signal_raw, rail_raw, Config().p_static_span_pa)
    # 100 ohm of a transducer's output into 25k take 0.4 % of its signal, which is 0.1 of the rail at 0 Pa.
    assert read_pa == pytest.approx(true_pa - 0.004 * (true_pa + 62_500), abs=150)


CHECKS = {row["what"]: row for row in table("frontend/checks.csv")}


def test_every_check_of_the_simulation_held():
    assert len(CHECKS) > 25
    for row in CHECKS.values():
        assert float(row["least"]) <= float(row["value"]) <= float(row["most"]), row
        assert row["verdict"] == "holds"


def test_corner_and_settling_are_those_of_the_resistors_and_the_capacitor():
    divider = MAP["divider"]
    conductance = 1 / (divider["top_ohm"] + 100) + 1 / divider["bottom_ohm"] + 1 / 6e6 + 1 / 15e6
    tau_s = divider["filter_nf"] * 1e-9 / conductance
    assert float(CHECKS["corner"]["value"]) == pytest.approx(1 / (2 * math.pi * tau_s), rel=0.015)
    settled_ms = float(CHECKS["settling to 0.10% of a whole step"]["value"])
    assert settled_ms == pytest.approx(1000 * tau_s * math.log(1000), rel=0.02)


def test_pickup_behind_filter_and_sampler_stays_below_what_is_allowed():
    rows = table("frontend/mains.csv")
    assert {round(float(row["hz"]) / 10) * 10 for row in rows} == {50, 60}
    for row in rows:
        # A single pole at 26.6 Hz, from the amplitude of 5 mbar to rms.
        gain = 1 / math.hypot(1, float(row["hz"]) / 26.6)
        assert float(row["after_filter_mbar_rms"]) == pytest.approx(5 * gain / math.sqrt(2), rel=0.02)
        assert float(row["at_1_hz_mbar_rms"]) < 0.3


def test_the_interlock_drops_out_in_time_wherever_its_pin_is_stuck():
    rows = {row["case"]: row for row in table("frontend/interlock.csv")}
    stuck = ("stuck high", "stuck low", "pin released", "high from the start", "supply lost")
    for case in stuck:
        assert 0 < float(rows[case]["out_after_ms"]) <= MAP["interlock_pump"]["drop_out_most_ms"], case
    held = [row for row in rows.values() if not row["out_after_ms"]]
    assert max(int(row["edge_ms"]) for row in held) == MAP["interlock_pump"]["edge_most_ms"]
    # IRLML6244 datasheet: VGS(th) 1.1 V at most; Omron G5LE-1 DC5 operates from 3.75 V.
    assert all(float(row["least_gate_v"]) > 1.1 and float(row["coil_v"]) > 3.75 for row in held)


def test_the_drop_out_is_that_of_reservoir_and_bleed():
    pump = MAP["interlock_pump"]
    ohm = 1.01 / (1 / pump["bleed_ohm"] + 1 / pump["gate_ohm"])
    tau_s = 1.2 * pump["reservoir_nf"] * 1e-9 * ohm
    rows = {row["case"]: row for row in table("frontend/interlock.csv")}
    # From 2.8 V, 3.4 V less two Schottky diodes, to the threshold of 0.5 V; then the coil's current has to end.
    low_ms = 1000 * tau_s * math.log(2.8 / 0.5)
    assert float(rows["stuck low"]["out_after_ms"]) == pytest.approx(low_ms, rel=0.06)
    # Stuck high, the coupling capacitor feeds the reservoir: both have to empty.
    both = 1 + pump["coupling_nf"] / pump["reservoir_nf"]
    assert float(rows["stuck high"]["out_after_ms"]) == pytest.approx(both * low_ms, rel=0.06)


def test_the_simulated_circuits_have_the_values_of_the_map():
    divider, pump = MAP["divider"], MAP["interlock_pump"]
    decks = HARDWARE / "frontend" / "decks"
    for path in decks.glob("fault_*.cir"):
        text = path.read_text()
        assert f"Rtop signal pin {divider['top_ohm']}\nRbottom pin 0 {divider['bottom_ohm']}\n" in text
        assert f"Cfilter pin 0 {divider['filter_nf']}n\n" in text
    assert len(list(decks.glob("fault_*.cir"))) == len(FAULTS)
    text = (decks / "interlock_stuck_high.cir").read_text()
    scaled = {"Rseries": pump["series_ohm"], "Rbleed": pump["bleed_ohm"], "Rgate": pump["gate_ohm"]}
    for name, ohm in scaled.items():
        (value,) = re.findall(rf"^{name} \w+ \w+ (\S+)$", text, re.MULTILINE)
        assert float(value) == pytest.approx(1.01 * ohm)
    for name, nf in {"Ccoupling": pump["coupling_nf"], "Creservoir": pump["reservoir_nf"]}.items():
        (value,) = re.findall(rf"^{name} \w+ \w+ (\S+)n$", text, re.MULTILINE)
        assert float(value) == pytest.approx(1.2 * nf)


ROPE = table("frontend/rope.csv")


def rope_mv(end_ohm: float, scale: float, volts: float) -> float:
    """The rope's input by Kirchhoff: resistors off by scale (and the pull-up by its inverse), the converter's load."""
    rope = MAP["rope"]
    low = 1 / (1 / (rope["series_ohm"] * scale + end_ohm) + 1 / 6e6 + 1 / 15e6)
    return 1000 * volts * low / (low + rope["pull_up_ohm"] / scale)


def test_the_rope_tells_dry_wet_and_broken_apart_with_every_tolerance():
    rope = MAP["rope"]
    assert rope["wet_most_mv"] < rope["dry_least_mv"] < rope["dry_most_mv"] < rope["broken_least_mv"]
    bands = {
        "wet": (0, rope["wet_most_mv"]),
        "dry": (rope["dry_least_mv"], rope["dry_most_mv"]),
        "broken": (rope["broken_least_mv"], 3_400),
    }
    assert {row["band"] for row in ROPE} == set(bands)
    for row in ROPE:
        least, most = bands[row["band"]]
        assert least <= int(row["low_mv"]) <= int(row["high_mv"]) <= most, row
    shown = {row["case"]: row for row in ROPE}
    for name, volts, scale in (("low_mv", 3.2, 0.99), ("high_mv", 3.4, 1.01)):
        end = rope["end_ohm"] * scale
        wet = 1 / (1 / end + 1 / rope["wet_ohm"])
        assert int(shown["dry"][name]) == pytest.approx(rope_mv(end, scale, volts), abs=2)
        assert int(shown["wet: the most resistance that counts"][name]) == pytest.approx(
            rope_mv(wet, scale, volts), abs=2
        )
        assert int(shown["wire broken"][name]) == pytest.approx(rope_mv(1e9, scale, volts), abs=2)


def test_the_documents_say_the_ropes_levels_and_that_nobody_reads_it_yet():
    assert MAP["rope"]["input"] not in {analog_input for _, analog_input, _ in sampler.PLAN}
    for page in ("README.md", "guides/wiring.md"):
        text = re.sub(r"[\s*]+", " ", (HARDWARE / page).read_text(encoding="utf-8"))
        assert "firmware does not read it yet" in text, page
    text = re.sub(r"\s+", " ", (HARDWARE / "README.md").read_text(encoding="utf-8"))
    said = re.search(r"([\d.]+) to ([\d.]+) V dry, below ([\d.]+) V .*?, above ([\d.]+) V broken", text)
    assert said is not None
    dry_least, dry_most, wet_most, broken_least = map(float, said.groups())
    by_band = {band: [row for row in ROPE if row["band"] == band] for band in ("dry", "wet", "broken")}
    assert round(min(int(row["low_mv"]) for row in by_band["dry"]) / 1000, 1) == dry_least
    assert round(max(int(row["high_mv"]) for row in by_band["dry"]) / 1000, 1) == dry_most
    assert max(int(row["high_mv"]) for row in by_band["wet"]) / 1000 < wet_most
    assert min(int(row["low_mv"]) for row in by_band["broken"]) / 1000 > broken_least


BILL = table("bom/parts.csv")
CHECKED = {"datasheet", "distributor page", "part lists", "by description", "not checked"}


def test_the_bill_says_of_every_line_how_it_was_checked_and_whence_its_price():
    for row in BILL:
        assert row["checked"] in CHECKED, row["item"]
        assert (row["checked"] == "by description") == (row["maker"] == "by description"), row["item"]
        assert row["check_note"] or row["checked"] == "by description", row["item"]
        assert re.search(r"\b(estimate )?20\d\d\b|undated", row["price_basis"]), row["item"]


def test_the_bill_buys_every_part_of_the_circuit_once():
    bought = [reference for row in BILL for reference in row["references"].split()]
    assert sorted(bought) == sorted(PARTS)
    for row in BILL:
        references = row["references"].split()
        assert not references or len(references) == int(row["qty_full"]), row["item"]


def test_the_bill_is_complete_and_its_sums_are_right():
    for row in BILL:
        assert all(row[name] for name in ("group", "item", "maker", "part_number")), row
        assert float(row["price_eur"]) > 0
        assert int(row["qty_minimal"]) <= int(row["qty_full"])
        assert re.fullmatch(r"(https://[\w./-]+)?", row["datasheet"])
        assert row["maker"] == "by description" or row["datasheet"], row["item"]
        # What touches the coolant says of what it is made.
        assert (
            row["group"] != "loop"
            or row["references"] == "G1"
            or row["wetted"]
            or row["coolant_note"]
            or "plate" in row["item"]
        )
    totals = {row["group"]: row for row in table("bom/totals.csv")}
    for kit in ("minimal", "full"):
        euro = sum(float(row["price_eur"]) * int(row[f"qty_{kit}"]) for row in BILL)
        assert float(totals["total"][f"{kit}_eur"]) == pytest.approx(euro, abs=0.01)
        assert euro <= float(totals["at most"][f"{kit}_eur"])


def test_the_parts_of_the_bill_are_those_of_the_circuit():
    names = {"U2": "ADS1115", "Q1": "IRLML6244", "K1": "G5LE-1 DC5", "D4": "SMAJ5.0A", "D5": "BAT54S", "D1": "BAV199"}
    for reference, name in names.items():
        assert name in PARTS[reference]["value"]
        (row,) = (row for row in BILL if reference in row["references"].split())
        assert name in row["part_number"] + row["alternates"]
    for reference, part in PARTS.items():
        if re.fullmatch(r"[RC]\d+", reference):
            (row,) = (row for row in BILL if reference in row["references"].split())
            assert row["item"].split()[0] == part["value"], reference


def test_the_uncertainty_budget_adds_up_and_its_slopes_are_those_of_the_gas_law():
    rows = table("loop/budget.csv")
    terms, standard, expanded = rows[:-2], rows[-2], rows[-1]
    for column in ("hour_ml", "month_ml", "absolute_ml", "calibrated_ml"):
        root = math.sqrt(sum(float(row[column]) ** 2 for row in terms))
        assert float(standard[column]) == pytest.approx(root, abs=0.003)
        assert float(expanded[column]) == pytest.approx(2 * root, abs=0.01)
    slopes = {row["what"]: float(row["ml_per_unit"]) for row in terms}
    config = Config()
    # V = n R T / P at 1.5 bar and 25 degrees; 2 mL/bar of hose.
    assert slopes["transducer, drift"] == pytest.approx(config.gas_ul / 1e3 / 1500 + 0.002, rel=1e-3)
    assert slopes["dome's thermometer"] == pytest.approx(config.gas_ul / 1e3 / 298.15, rel=1e-3)
    assert slopes["coolant's thermometers"] == pytest.approx(config.liquid_ul * config.expansion_ppm_k * 1e-9, rel=1e-3)


def test_the_drawing_of_the_loop_has_every_sensor():
    svg = (HARDWARE / "loop" / "loop.svg").read_text(encoding="utf-8")
    for channel in MAP["channels"]:
        if channel["name"] != "rail_mv":
            assert f">{channel['name']}<" in svg
            assert f">{channel['what'].replace(chr(39), '&#x27;')}<" in svg or f">{channel['what']}<" in svg


PAGES = sorted(HARDWARE.rglob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_document_names_only_pins_addresses_and_values_of_the_map(page):
    text = page.read_text(encoding="utf-8")
    rows = gpio_rows()
    pins = {str(row["gpio"]): str(row["pin"]) for row in rows.values()}
    assert set(re.findall(r"\bGP(\d+)\b", text)) <= set(pins)
    for gpio, pin in re.findall(r"\bGP(\d+)\s+\(pin (\d+)\)", text):
        assert pins[gpio] == pin, f"GP{gpio} is pin {pins[gpio]}"
    for name, words in (("usb_5v", "VBUS pin"), ("logic_3v3", "3.3 V from pin"), ("ground", "ground pin")):
        assert set(re.findall(rf"{words} (\d+)", text)) <= {str(MAP["power"][name]["pin"])}
    addresses = {f"0x{chip['address']:02X}" for chip in MAP["chips"].values()}
    assert set(re.findall(r"\b0x[0-9A-Fa-f]{2}\b", text)) <= addresses
    wired = {str(row["input"]) for row in MAP["channels"] if "input" in row} | {str(MAP["rope"]["input"])}
    assert set(re.findall(r"\bAIN(\d)\b", text)) <= wired
    for channel, analog_input in re.findall(r"`(\w+)`\s+\(AIN(\d)\)", text):
        assert {row["name"]: row.get("input") for row in MAP["channels"]}[channel] == int(analog_input)
    for channel, address in re.findall(r"`(t_\w+_mdegc)`\s+\((0x..)\)", text):
        chip = next(row["chip"] for row in MAP["channels"] if row["name"] == channel)
        assert f"0x{MAP['chips'][chip]['address']:02X}" == address
    assert set(re.findall(r"\b(\d+k/\d+k)\b", text)) <= {"10k/15k"}
    known = set(CHANNELS) | set(MAP["outputs"]) | set(MAP["inputs"])
    named = set(re.findall(r"`((?:p|t)_\w+_(?:pa|mdegc)|rail_mv)`", text))
    assert {name for name in named if not re.search(r"_(offset|span)_", name)} <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_document_links_to_exists(page):
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in link:
            assert (page.parent / link).exists(), link


def test_the_tables_in_the_documents_are_those_that_were_computed():
    text = (HARDWARE / "README.md").read_text(encoding="utf-8")
    totals = {row["group"]: row for row in table("bom/totals.csv")}
    for kit in ("minimal", "full"):
        assert f"{float(totals['total'][f'{kit}_eur']):.0f} €" in text
    expanded = table("loop/budget.csv")[-1]
    for column in ("hour_ml", "month_ml", "absolute_ml", "calibrated_ml"):
        assert f"{float(expanded[column]):.1f} mL" in text or f"{float(expanded[column]):.2f} mL" in text, column
    rows = {row["case"]: row for row in table("frontend/interlock.csv")}
    for case in ("stuck high", "stuck low"):
        assert f"{float(rows[case]['out_after_ms']) / 1000:.1f} s" in text, case
    pump = MAP["interlock_pump"]
    assert f"at most {pump['drop_out_most_ms'] / 1000:g} s after the last one" in text
    flat = re.sub(r"\s+", " ", text)
    assert f"every {pump['edge_most_ms']} ms, also when one is {pump['late_most_ms']} ms late" in flat
    bring_up = (HARDWARE / "guides" / "bring-up.md").read_text(encoding="utf-8")
    assert f"after {pump['drop_out_most_ms'] / 1000:g} s at the latest" in bring_up


def test_the_figures_in_the_documents_are_those_that_were_simulated():
    text = (HARDWARE / "README.md").read_text(encoding="utf-8")
    assert f"corner lies at {float(CHECKS['corner']['value']):.1f} Hz" in text
    assert f"0.1 % in {float(CHECKS['settling to 0.10% of a whole step']['value']):.0f} ms" in text
    worst = max(float(row["at_1_hz_mbar_rms"]) for row in table("frontend/mains.csv"))
    (said,) = re.findall(r"leave below ([\d.]+) mbar rms at 1 Hz", text)
    assert 0.8 * float(said) < worst < float(said)
    wiring = (HARDWARE / "guides" / "wiring.md").read_text(encoding="utf-8")
    bus = MAP["bus"]
    metres = sum(cable["most_m"] for cable in MAP["cables"].values() if "SDA" in cable["pins"])
    pf = bus["board_pf"] + bus["cable_pf_m"] * metres
    assert f"{pf:.0f} pF" in wiring
    rise_us = 0.8473 * bus["pull_up_ohm"] * pf * 1e-6
    assert f"with {bus['pull_up_ohm'] / 1000:g} kΩ the bus rises in {rise_us:.2f} µs" in re.sub(r"\s+", " ", wiring)
    for cable in ("p_static", "t_source"):
        assert f"at most {MAP['cables'][cable]['most_m']:g} m" in re.sub(r"\s+", " ", wiring).replace("At", "at"), cable


@pytest.mark.parametrize(("slope", "shift_pa"), [(1.02, -3_000), (0.985, 1_500)])
def test_a_calibrated_board_reads_the_truth_between_its_two_points(tmp_path, slope, shift_pa):
    span_pa, rail_raw = 500_000, 24_000

    def shown(true_pa: float, span: int, offset: int) -> int:
        """What the firmware shows of a transducer that is off by slope and shift."""
        seen_pa = (true_pa - shift_pa) / slope
        pair_raw = round(2 * rail_raw * (0.1 + 0.8 * seen_pa / span_pa))
        return scaling.pressure_pa(pair_raw, rail_raw, span) + offset

    sheet = tmp_path / "sheet.csv"
    lines = [f"p_static_pa,{true},{shown(true, span_pa, 0)},{span_pa},0" for true in (101_325, 221_325)]
    sheet.write_text("\n".join(["channel,true_pa,reading_pa,span_pa,offset_pa", *lines]) + "\n")
    command = [sys.executable, str(HARDWARE / "guides" / "calibrate.py"), str(sheet)]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    rows = {name: int(value) for name, value in re.findall(r"(\w+) = (-?\d+)", said)}
    config = Config(**rows)
    for true_pa in (110_000, 150_000, 200_000):
        assert shown(true_pa, config.p_static_span_pa, config.p_static_offset_pa) == pytest.approx(true_pa, abs=30)


def test_a_sheet_with_points_too_close_is_refused_in_one_line(tmp_path):
    sheet = tmp_path / "sheet.csv"
    head = "channel,true_pa,reading_pa,span_pa,offset_pa\n"
    sheet.write_text(head + "p_static_pa,100000,100000,500000,0\np_static_pa,101000,101000,500000,0\n")
    command = [sys.executable, str(HARDWARE / "guides" / "calibrate.py"), str(sheet)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 1
    assert "1000 Pa apart, needs 30000" in done.stderr


def build(room: str, into: Path) -> subprocess.CompletedProcess[str]:
    """Make one room anew, elsewhere."""
    command = [sys.executable, str(HARDWARE / "build.py"), "--into", str(into), room]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)


def same(path: str, into: Path) -> bool:
    """Whether a kept file is what was made just now."""
    return (into / path).read_bytes() == (HARDWARE / path).read_bytes()


@pytest.mark.parametrize(
    ("room", "files"),
    [
        ("wires", ["wiring/wires.csv"]),
        ("bom", ["bom/totals.csv"]),
        ("loop", ["loop/loop.svg", "loop/budget.csv"]),
    ],
)
def test_what_needs_no_tool_is_what_would_be_made_today(room, files, tmp_path):
    done = build(room, tmp_path)
    assert done.returncode == 0, done.stderr
    assert all(same(path, tmp_path) for path in files)


def needs(module: str, *programs: str) -> pytest.MarkDecorator:
    """Skip without a module and programs of `make hardware`."""
    absent = [module] if importlib.util.find_spec(module) is None else []
    absent += [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(absent), reason=f"{', '.join(absent)} not installed; make hardware uses it")


@needs("skidl")
def test_the_kept_netlist_is_what_the_circuit_gives_today(tmp_path):
    done = build("circuit", tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ("nets.csv", "parts.csv", "loopwatch.net", "erc.txt"):
        assert same(f"circuit/{name}", tmp_path), name


@needs("schemdraw")
def test_the_kept_sheets_are_what_the_circuit_gives_today(tmp_path):
    done = build("schematic", tmp_path)
    assert done.returncode == 0, done.stderr
    for path in (HARDWARE / "circuit").glob("schematic-*.svg"):
        assert same(f"circuit/{path.name}", tmp_path), path.name


@needs("matplotlib", "ngspice")
def test_the_simulation_holds_today(tmp_path):
    done = build("frontend", tmp_path)
    assert done.returncode == 0, done.stderr
    kept, made = table("frontend/faults.csv"), tmp_path / "frontend" / "faults.csv"
    with made.open(encoding="utf-8", newline="") as file:
        now = list(csv.DictReader(file))
    assert [(row["case"], row["pressure_status"]) for row in now] == [
        (row["case"], row["pressure_status"]) for row in kept
    ]


@needs("wireviz", "dot")
def test_the_kept_harness_is_what_the_map_gives_today(tmp_path):
    done = build("harness", tmp_path)
    assert done.returncode == 0, done.stderr
    assert same("wiring/harness.yml", tmp_path)


def test_a_missing_tool_is_said_with_what_installs_it(tmp_path):
    command = [sys.executable, str(HARDWARE / "build.py"), "--into", str(tmp_path), "harness", "frontend"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env={"PATH": str(tmp_path)})
    assert done.returncode == 1
    assert "sudo apt install graphviz ngspice" in done.stderr


def test_codes_of_the_table_are_steps_of_the_converter():
    assert ads1115.STEP_UV == 125
    assert MAP["chips"]["ads1115"]["full_scale_mv"] * 1000 == 125 * 2**15
