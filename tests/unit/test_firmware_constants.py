"""Constants put where they are used, private names shared: the text that is compiled for the board."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import loopwatch
from loopwatch_host import firmware_constants, firmware_names

FIRMWARE = Path(loopwatch.__file__).parent
MODULES = sorted(FIRMWARE.rglob("*.py"))

CHIP = """from .port import const
FIRST = const(3)  # a register
BELOW = const(-FIRST)
BOTH = const(1 << FIRST | 1)
ROWS = (FIRST, BELOW)
"""
USER = """from . import chip
from .chip import (
    BOTH,
    ROWS,
)
from .kind import Kind
def use(kind: Kind, at=chip.FIRST):
    return ROWS[0] + BOTH - chip.BELOW + kind.FIRST
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    (tmp_path / "port.py").write_text("def const(value):\n    return value\n")
    (tmp_path / "kind.py").write_text("class Kind:\n    FIRST = 100\n")
    (tmp_path / "chip.py").write_text(CHIP)
    (tmp_path / "user.py").write_text(USER)
    return tmp_path


def test_a_constant_is_a_number_where_it_is_used_and_nothing_else(package: Path) -> None:
    folded = firmware_constants.folded(CHIP, package / "chip.py")
    assert folded == "\n  # a register\n\n\nROWS = (3, (-3))\n"


def test_what_another_module_means_by_a_name_comes_with_it(package: Path) -> None:
    folded = firmware_constants.folded(USER, package / "user.py")
    assert "return ROWS[0] + 9 - (-3) + kind.FIRST" in folded
    assert "at=3" in folded
    assert "from .chip import ROWS" in folded


def test_an_import_for_annotations_alone_goes(package: Path) -> None:
    folded = firmware_constants.folded(USER, package / "user.py")
    assert "import Kind" not in folded
    assert "import chip" not in folded


def test_a_name_that_is_something_else_as_well_is_refused(package: Path) -> None:
    text = "from .chip import BOTH\ndef use(BOTH):\n    return BOTH\n"
    (package / "other.py").write_text(text)
    with pytest.raises(ValueError, match="BOTH"):
        firmware_constants.folded(text, package / "other.py")


@pytest.mark.parametrize("module", MODULES, ids=[path.relative_to(FIRMWARE).as_posix() for path in MODULES])
def test_lines_stay_where_a_traceback_says_they_are(module: Path) -> None:
    text = module.read_text(encoding="utf-8")
    folded = firmware_constants.folded(text, module)
    shared = firmware_names.shared(folded)
    assert folded.count("\n") == shared.count("\n") == text.count("\n")
    for line, kept, last in zip(text.splitlines(), folded.splitlines(), shared.splitlines(), strict=True):
        if line.lstrip().startswith(("def ", "class ")):
            assert kept.split("(")[0] == line.split("(")[0]
            assert last.split()[0] == line.split()[0]
            assert line.split()[1].startswith("_") or last.split("(")[0] == line.split("(")[0]


class _NoAnnotations(ast.NodeTransformer):
    """MicroPython does not evaluate them, and what they alone name is not imported any more."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.returns = None
        self.generic_visit(node)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        return ast.Assign([node.target], node.value, lineno=node.lineno) if node.value else ast.Pass()


def _fold_into(folder: Path) -> None:
    for module in MODULES:
        copy = folder / "loopwatch" / module.relative_to(FIRMWARE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        folded = firmware_constants.folded(module.read_text(encoding="utf-8"), module)
        tree = ast.parse(firmware_names.shared(folded))
        copy.write_text(ast.unparse(_NoAnnotations().visit(tree)), encoding="utf-8")


def test_no_module_of_the_firmware_lacks_a_name(tmp_path: Path) -> None:
    _fold_into(tmp_path)
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F821", "--output-format", "concise"]
    found = subprocess.run([*ruff, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_firmware_folded_and_with_shared_names_decides_as_it_did(tmp_path: Path) -> None:
    program = """
import sys
from array import array
from loopwatch import alarms, limits, wire
from loopwatch.config import Config
from loopwatch.guard import Guard
from loopwatch.sample import Sample
guard, mean = Guard(Config()), Sample()
for channel in range(6):
    mean.status[channel] = 0
for second in range(400):
    mean.values[0] = 150_000 - 200 * max(0, second - 100)
    mean.values[1] = mean.values[0] + 30_000
    guard.step(mean)
    if second % 10 == 0:
        print(second, guard.class_n, list(guard.evidence_permille), guard.rate_ul_h, guard.lost_ul)
print(limits.TABLE, alarms.TABLE, wire.protocol_crc().lo)
"""
    _fold_into(tmp_path)
    said = []
    for at in (FIRMWARE.parent, tmp_path):
        run = subprocess.run([sys.executable, "-S", "-c", program], cwd=at, capture_output=True, text=True, timeout=60)
        assert not run.returncode, run.stderr
        said.append(run.stdout)
    assert said[0] == said[1]
    assert " 2 [" in said[0], "a leak was seen"
