"""The pin map against the datasheets, and the firmware's constants against the pin map."""

import ast
import sys
from pathlib import Path
from typing import Any

from loopwatch import sampler, scaling
from loopwatch.config import Config
from loopwatch.drivers import ads1115
from loopwatch.sample import CHANNELS
from loopwatch_host.bench import frontend, world

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "host" / "loopwatch_host" / "bench"
BOARD = ast.parse((ROOT / "firmware" / "loopwatch" / "boards" / "pico.py").read_text(encoding="utf-8"))
PINMAP: dict[str, Any] = tomllib.loads((ROOT / "hardware" / "pinmap.toml").read_text(encoding="utf-8"))

# Raspberry Pi Pico datasheet, figure 2: the edge from pin 1 on, ground and supplies by name.
PICO_EDGE = (
    "GP0 GP1 GND GP2 GP3 GP4 GP5 GND GP6 GP7 GP8 GP9 GND GP10 GP11 GP12 GP13 GND GP14 GP15 "
    "GP16 GP17 GND GP18 GP19 GP20 GP21 GND GP22 RUN GP26 GP27 AGND GP28 ADC_VREF 3V3 3V3_EN GND VSYS VBUS"
).split()

# ADS1115 datasheet (SBAS444), "I2C Address Selection", and TMP117 datasheet (SNOSD82), "Serial Bus Address".
STRAPS = {
    "ADS1115": {"GND": 0x48, "VDD": 0x49, "SDA": 0x4A, "SCL": 0x4B},
    "TMP117": {"GND": 0x48, "V+": 0x49, "SDA": 0x4A, "SCL": 0x4B},
}

# ADS1115 datasheet, Config register: what the PGA and DR fields can be set to.
FULL_SCALES_MV = {6_144, 4_096, 2_048, 1_024, 512, 256}
DATA_RATES_SPS = {8, 16, 32, 64, 128, 250, 475, 860}

USB_RAIL_MOST_MV = 5_250  # USB 2.0, section 7.2.2: 5 V +5 %


def connections() -> dict[str, dict[str, int]]:
    """Everything that has a GPIO, by its name."""
    return {
        "sda": PINMAP["i2c"]["sda"],
        "scl": PINMAP["i2c"]["scl"],
        **PINMAP["outputs"],
        **PINMAP["inputs"],
    }


def test_every_gpio_is_used_once_and_stands_where_the_pico_has_it():
    gpios = [row["gpio"] for row in connections().values()]
    assert len(gpios) == len(set(gpios))
    for name, row in connections().items():
        if "pin" in row:
            assert PICO_EDGE[row["pin"] - 1] == f"GP{row['gpio']}", name
        else:
            assert (name, row["gpio"]) == ("led", 25), "the Pico's own LED, datasheet section 2.1"


def test_supplies_come_from_the_right_pins():
    power = PINMAP["power"]
    assert [PICO_EDGE[power[name]["pin"] - 1] for name in ("usb_5v", "logic_3v3", "ground")] == ["VBUS", "3V3", "GND"]


def test_the_bus_pins_are_a_pair_of_the_bus_that_is_named():
    # RP2040 datasheet, section 1.4.3: SDA on even GPIOs, SCL on the next; I2C0 and I2C1 take turns in pairs.
    i2c = PINMAP["i2c"]
    assert i2c["sda"]["gpio"] % 2 == 0
    assert i2c["scl"]["gpio"] == i2c["sda"]["gpio"] + 1
    assert i2c["sda"]["gpio"] // 2 % 2 == i2c["bus_n"]
    assert i2c["clock_hz"] <= 400_000  # fast mode: both parts go that far without extra commands


def test_every_chip_has_the_address_of_its_strap_and_no_two_share_one():
    chips = PINMAP["chips"]
    assert {name: STRAPS[chip["part"]][chip["strap"]] for name, chip in chips.items()} == {
        name: chip["address"] for name, chip in chips.items()
    }
    assert len({chip["address"] for chip in chips.values()}) == len(chips)


def test_the_channels_are_those_of_the_record_in_its_order():
    assert tuple(channel["name"] for channel in PINMAP["channels"]) == CHANNELS


def test_every_channel_has_an_input_of_its_own():
    chips = PINMAP["chips"]
    used = [(channel["chip"], channel.get("input")) for channel in PINMAP["channels"]]
    assert len(used) == len(set(used))
    for chip, analog_input in used:
        assert (chips[chip]["part"] == "ADS1115") == (analog_input in range(4))


def test_no_input_leaves_the_supply_or_the_range_of_the_converter():
    chip = PINMAP["chips"]["ads1115"]
    assert chip["full_scale_mv"] in FULL_SCALES_MV
    assert chip["data_rate_sps"] in DATA_RATES_SPS
    # The whole rail, as a shorted transducer gives it.
    most_mv = USB_RAIL_MOST_MV * divider_ratio()
    assert most_mv < min(chip["supply_mv"], chip["full_scale_mv"])


def channel_rows(part: str) -> list[dict[str, Any]]:
    """The channels on a kind of chip, each with the chip's address."""
    chips = PINMAP["chips"]
    return [
        {**channel, "address": chips[channel["chip"]]["address"]}
        for channel in PINMAP["channels"]
        if chips[channel["chip"]]["part"] == part
    ]


def divider_ratio() -> float:
    """What is left of a signal behind its divider."""
    divider = PINMAP["divider"]
    return divider["bottom_ohm"] / (divider["top_ohm"] + divider["bottom_ohm"])


def test_the_sampler_reads_every_channel_where_it_is_wired():
    analog = {(row["input"], CHANNELS.index(row["name"])) for row in channel_rows("ADS1115")}
    assert {(analog_input, channel) for _, analog_input, channel in sampler.PLAN} == analog
    digital = {(row["address"], CHANNELS.index(row["name"])) for row in channel_rows("TMP117")}
    assert {(address, channel) for address, channel, _ in sampler.THERMOMETERS} == digital


class WrittenTo:
    """The far end of a bus: keeps what was written last."""

    def writeto(self, address: int, data: bytes) -> None:
        """As machine.I2C."""
        self.address = address
        self.data = bytes(data)


def test_the_driver_sets_the_range_and_finds_the_address_of_the_map():
    chip = PINMAP["chips"]["ads1115"]
    bus = WrittenTo()
    ads1115.ADS1115(bus).start(0)
    assert bus.address == chip["address"]
    assert chip["full_scale_mv"] * 1000 == ads1115.STEP_UV * 2**15
    # Config register, bits 11:9 PGA in falling steps from 001b = 4.096 V, bits 7:5 DR: 100b = 128 SPS.
    assert (chip["full_scale_mv"], bus.data[1] >> 1 & 7) == (4_096, 1)
    assert (chip["data_rate_sps"], bus.data[2] >> 5) == (128, 4)


def test_pressures_and_rail_are_scaled_by_the_divider_and_transducer_of_the_map():
    transducer = PINMAP["transducer"]
    rail_raw = round(5_000 * divider_ratio() * 1000 / ads1115.STEP_UV)
    assert scaling.rail_mv(rail_raw) == 5_000
    for permille, share in ((transducer["zero_permille"], 0), (transducer["span_permille"], 1)):
        pair_raw = 2 * rail_raw * permille // 1000
        assert scaling.pressure_pa(pair_raw, rail_raw, 500_000) == 500_000 * share


def test_the_default_spans_are_those_of_the_transducers_in_the_map():
    spans = {row["name"]: row["span_pa"] for row in PINMAP["channels"] if "span_pa" in row}
    config = Config()
    assert spans == {"p_static_pa": config.p_static_span_pa, "p_pump_pa": config.p_pump_span_pa}


def constants(tree: ast.Module) -> dict[str, int]:
    """The whole numbers that a module names at its top, plain or in const(); the module is not run."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = node.value
            if isinstance(value, ast.Call) and ast.unparse(value.func) == "const":
                value = value.args[0]
            if isinstance(value, ast.Constant) and isinstance(value.value, int):
                found[node.targets[0].id] = value.value
    return found


def calls_in_board(function: str) -> dict[str, ast.Call]:
    """The calls of a function whose results Board keeps, by the name of the attribute."""
    return {
        node.targets[0].attr: node.value
        for node in ast.walk(BOARD)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Attribute)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func) == function
    }


def gpio_of(argument: ast.expr) -> int:
    """The GPIO that the first argument of Pin() means; the Pico's own light goes by name."""
    if isinstance(argument, ast.Constant) and argument.value == "LED":
        return int(PINMAP["outputs"]["led"]["gpio"])
    return constants(BOARD)[ast.unparse(argument)]


def test_the_board_file_has_every_output_on_its_pin_and_off_at_first():
    pins = {name: call for name, call in calls_in_board("Pin").items() if ast.unparse(call.args[1]) == "Pin.OUT"}
    assert {name.removeprefix("_"): gpio_of(call.args[0]) for name, call in pins.items()} == {
        name: row["gpio"] for name, row in PINMAP["outputs"].items()
    }
    for name, call in pins.items():
        first = {word.arg: ast.unparse(word.value) for word in call.keywords}["value"]
        assert int(first) != PINMAP["outputs"][name.removeprefix("_")]["on"], name


def test_the_board_file_has_the_acknowledge_button_on_its_pin_with_a_pull_up():
    inputs = [call for call in calls_in_board("Pin").values() if ast.unparse(call.args[1]) == "Pin.IN"]
    assert [gpio_of(call.args[0]) for call in inputs] == [PINMAP["inputs"]["ack"]["gpio"]]
    assert ast.unparse(inputs[0].args[2]) == "Pin.PULL_UP"
    assert PINMAP["inputs"]["ack"]["pressed"] == 0


def test_the_board_file_has_the_boot_escape_on_its_pin():
    (function,) = (node for node in BOARD.body if isinstance(node, ast.FunctionDef) and node.name == "escape_held")
    (pin,) = (node for node in ast.walk(function) if isinstance(node, ast.Call) and ast.unparse(node.func) == "Pin")
    assert gpio_of(pin.args[0]) == PINMAP["inputs"]["boot_escape"]["gpio"]
    assert [ast.unparse(word) for word in pin.args[1:]] == ["Pin.IN", "Pin.PULL_UP"]
    assert PINMAP["inputs"]["boot_escape"]["pressed"] == 0


def test_every_cable_goes_to_a_connector_of_its_own_and_names_each_end():
    cables = PINMAP["cables"]
    assert len({cable["connector"] for cable in cables.values()}) == len(cables)
    for name, cable in cables.items():
        assert len(cable["pins"]) == len(cable["far"]), name
        assert 0 < cable["length_m"] <= cable["most_m"], name
        twisted = [pin for pair in cable["pairs"] for pin in pair]
        assert len(twisted) == len(set(twisted)) and set(twisted) <= set(range(1, len(cable["pins"]) + 1)), name
    # Every channel but the rail's has a cable of its name.
    assert {channel.rpartition("_")[0] for channel in CHANNELS if channel != "rail_mv"} <= set(cables)


def test_the_board_file_has_the_bus_of_the_map():
    (call,) = calls_in_board("I2C").values()
    words = {word.arg: word.value for word in call.keywords}
    i2c = PINMAP["i2c"]
    assert ast.literal_eval(call.args[0]) == i2c["bus_n"]
    assert constants(BOARD)[ast.unparse(words["freq"])] == i2c["clock_hz"]
    for name in ("sda", "scl"):
        pin = words[name]
        assert isinstance(pin, ast.Call)
        assert gpio_of(pin.args[0]) == i2c[name]["gpio"]


def test_the_bench_is_wired_as_the_map_says():
    addresses = {row["name"].removesuffix("_mdegc"): row["address"] for row in channel_rows("TMP117")}
    assert addresses == world.TEMPERATURE_ADDRESSES
    assert PINMAP["chips"]["ads1115"]["address"] == world.ADC_ADDRESS
    assert PINMAP["inputs"]["ack"]["gpio"] == world.ACK_GPIO
    assert divider_ratio() == frontend.DIVIDER
    for target in ("vm/board.py", "pico/machine.py"):
        named = constants(ast.parse((BENCH / target).read_text(encoding="utf-8")))
        assert (named["SDA_GPIO"], named["SCL_GPIO"]) == (PINMAP["i2c"]["sda"]["gpio"], PINMAP["i2c"]["scl"]["gpio"])
