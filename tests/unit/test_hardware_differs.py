"""That the bench on paper cannot differ in silence: one thing is changed in a copy, and the tests must fail there.

A copy has hardware/, the firmware, the host's package and these tests. A change is (file, what stands there, what it is
made); it says where a person could slip. Each takes some three seconds, so by default one of each place is made, all
with LOOPWATCH_HARDWARE_CHANGES=all, as `make hardware` does.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = ("test_hardware.py", "test_pinmap.py")
# What builds things anew would notice as well, and takes longer.
WITHOUT_TOOLS = "not today and not tool and not sheet_with and not calibrated_board"

BOARD = "firmware/loopwatch/boards/pico.py"
SAMPLER = "firmware/loopwatch/sampler.py"

CHANGES = {
    # the one truth, which all the others then differ from
    "pin in the map": (
        "hardware/pinmap.toml",
        r"interlock = \{ gpio = 10, pin = 14",
        "interlock = { gpio = 9, pin = 12",
    ),
    "address in the map": ("hardware/pinmap.toml", r"address = 0x49\nstrap = \"V\+\"", 'address = 0x48\nstrap = "GND"'),
    "channel in the map": ("hardware/pinmap.toml", r"(?<=chip = \"ads1115\"\n)input = 1\n", "input = 3\n"),
    "divider in the map": ("hardware/pinmap.toml", r"bottom_ohm = 15_000", "bottom_ohm = 16_000"),
    "scale in the map": ("hardware/pinmap.toml", r"span_permille = 900", "span_permille = 800"),
    "jumper in the map": ("hardware/pinmap.toml", r'mode = "pumped"', 'mode = "static"'),
    "time in the map": ("hardware/pinmap.toml", r"drop_out_most_ms = \d_\d+", "drop_out_most_ms = 1_000"),
    # the firmware
    "pin in the board file": (BOARD, r"_HORN = const\(11\)", "_HORN = const(14)"),
    "bus in the board file": (BOARD, r"_I2C_SDA = const\(4\)", "_I2C_SDA = const(8)"),
    "clock in the board file": (BOARD, r"const\(400_000\)", "const(100_000)"),
    "level in the board file": (BOARD, r"self\._interlock\.value\(on\)", "self._interlock.value(not on)"),
    "input in the sampler": (SAMPLER, r"\(\d+, 2, RAIL\)", "(72, 3, RAIL)"),
    "address in the sampler": (SAMPLER, r"0x4A", "0x4C"),
    "address in the driver": ("firmware/loopwatch/drivers/ads1115.py", r"0x48", "0x49"),
    "scale in the firmware": (
        "firmware/loopwatch/drivers/ads1115.py",
        r"(?m)^STEP_UV = const\(125\)",
        "STEP_UV = const(62)",
    ),
    "span in the firmware": ("firmware/loopwatch/config.py", r'"p_pump_span_pa", 500_000', '"p_pump_span_pa", 600_000'),
    # the circuit
    "net in the circuit": ("hardware/circuit/nets.csv", r"AIN0,U2,4,AIN0", "AIN1,U2,4,AIN0"),
    "address in the circuit": ("hardware/circuit/parts.csv", r"TMP117 0x4A", "TMP117 0x49"),
    "value in the circuit": ("hardware/circuit/parts.csv", r"R4,R,15k", "R4,R,10k"),
    "pin in the netlist": ("hardware/circuit/loopwatch.net", r'\(name "GP12"\)', '(name "GP13")'),
    "value in the drawing": ("hardware/circuit/schematic-2-analog.svg", r"(?s)(?<=>)15k(?=<)", "16k"),
    "pin in the drawing": ("hardware/circuit/schematic-1-board.svg", r"(?<=>)16(?=<)", "19"),
    "value in the simulation": (
        "hardware/frontend/decks/fault_cable_off.cir",
        r"Rbottom pin 0 15000",
        "Rbottom pin 0 10000",
    ),
    # the harness
    "wire in the list": ("hardware/wiring/wires.csv", r"J1,3,SIG_P_STATIC", "J1,3,SIG_P_PUMP"),
    "wire in the drawing": ("hardware/wiring/harness.svg", r"J4:2:SCL", "J4:2:SDA"),
    # the documents
    "pin in a document": ("hardware/README.md", r"GP11 \(pin 15\)", "GP11 (pin 16)"),
    "address in a document": ("hardware/README.md", r"`t_source_mdegc` \(0x49\)", "`t_source_mdegc` (0x4A)"),
    "channel in a document": ("hardware/README.md", r"`p_pump_pa` \(AIN1\)", "`p_pump_pa` (AIN2)"),
    "divider in a document": ("hardware/README.md", r"10k/15k", "10k/16k"),
    "time in a document": ("hardware/README.md", r"2\.5 s stuck high", "1.5 s stuck high"),
    "jumper in a guide": ("hardware/guides/bring-up.md", r"interlock_toggled=1", "interlock_toggled=0"),
    # the virtual bench
    "address on the bench": ("host/loopwatch_host/bench/world.py", r"(?m)^ADC_ADDRESS = 0x48", "ADC_ADDRESS = 0x4B"),
    "divider on the bench": ("host/loopwatch_host/bench/frontend.py", r"(?m)^DIVIDER = .*$", "DIVIDER = 0.5"),
}

USUAL = (
    "pin in the map",
    "pin in the board file",
    "address in the sampler",
    "scale in the firmware",
    "net in the circuit",
    "value in the drawing",
    "wire in the list",
    "pin in a document",
    "address on the bench",
)
CHOSEN = tuple(CHANGES) if os.environ.get("LOOPWATCH_HARDWARE_CHANGES") == "all" else USUAL


def run_of(copy: Path) -> subprocess.CompletedProcess[str]:
    """Run the tests of a copy until the first that fails."""
    paths = [str(copy / "tests" / "unit" / name) for name in TESTS]
    options = ["-q", "-x", "-p", "no:cacheprovider", "-c", str(copy / "tests" / "pytest.ini"), "-k", WITHOUT_TOOLS]
    places = [str(copy / "firmware"), str(copy / "host")]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, *paths],
        cwd=copy,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places), "PYTHONDONTWRITEBYTECODE": "1"},
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of what the tests of the bench read."""
    nothing = shutil.ignore_patterns("__pycache__")
    for folder in ("hardware", "firmware"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=nothing)
    (tmp_path / "tests" / "unit").mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "pytest.ini", tmp_path / "tests")
    for name in TESTS:
        shutil.copy(ROOT / "tests" / "unit" / name, tmp_path / "tests" / "unit")
    shutil.copytree(ROOT / "host" / "loopwatch_host", tmp_path / "host" / "loopwatch_host", ignore=nothing)
    return tmp_path


def test_a_copy_as_it_is_passes(copy: Path):
    done = run_of(copy)
    assert done.returncode == 0, done.stdout[-2000:]


@pytest.mark.parametrize("what", CHOSEN)
def test_one_thing_that_differs_fails(what: str, copy: Path):
    name, stands, becomes = CHANGES[what]
    path = copy / name
    text = path.read_text(encoding="utf-8")
    changed, n = re.subn(stands, lambda _: becomes, text, count=1)
    assert n == 1, f"{name} has no {stands} any more: say what to change instead"
    path.write_text(changed, encoding="utf-8")
    done = run_of(copy)
    assert done.returncode == 1, f"nothing noticed it: {done.stdout[-500:]}{done.stderr[-500:]}"
    # A failure of a test, not of its import.
    assert re.search(r"(?m)^FAILED .*::test_", done.stdout), done.stdout[-1000:]
