"""Private names shared between classes: the board's copy does what the source does, with fewer words."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest

import loopwatch
from loopwatch_host import firmware_names

MODULES = sorted(Path(loopwatch.__file__).parent.rglob("*.py"))

TEXT = """
_FACTOR = 3
_SHADOWED = 4
_counted = 0
def _scaled(value):
    return value * _FACTOR
def shadowing(value, _SHADOWED):
    return value + _SHADOWED
def count():
    global _counted
    _counted += 1
    return _counted
class First:
    _table = (1, 2)
    def __init__(self, size, a, step=2):
        self._size = size
        self._inner, self.shown = a, step
    def total(self, offset):
        def add(size):
            return size + self._size + offset
        return add(self._helper(offset)) + self._table[1]
    def _helper(self, offset):
        return _scaled(offset) + self._inner
class Second:
    def __init__(self, length):
        self._length = length
    def total(self):
        return [self._length for _ in range(2)]
"""


def loaded(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(text, "text", "exec"), names)
    return names


def test_what_the_text_does_stays_the_same() -> None:
    before, after = loaded(TEXT), loaded(firmware_names.shared(TEXT))
    for names in (before, after):
        first = names["First"](10, 20, step=5)
        assert first.total(7) == (7 * 3 + 20) + 10 + 7 + 2
        assert first.shown == 5
        assert names["Second"](4).total() == [4, 4]
        assert names["shadowing"](1, 2) == 3
        assert [names["count"](), names["count"]()] == [1, 2]


def test_private_names_of_one_class_are_those_of_another() -> None:
    shared = firmware_names.shared(TEXT)
    words = set(re.findall(r"\w+", shared))
    assert not words & {"_size", "_inner", "_length", "_helper", "_scaled", "_FACTOR", "length"}
    assert loaded(shared)["Second"](4).__dict__.keys() == {"_a"}


def test_names_by_which_others_call_stay() -> None:
    words = set(re.findall(r"\w+", firmware_names.shared(TEXT)))
    assert {"First", "Second", "total", "shown", "step", "self", "_table", "_SHADOWED", "_counted", "add"} <= words


@pytest.mark.parametrize("text", ["def of(it):\n    return it._size\n", "from other import _size\n"])
def test_what_is_private_to_somebody_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="_size"):
        firmware_names.shared(text)


@pytest.mark.parametrize("module", MODULES, ids=[path.stem for path in MODULES])
def test_no_class_of_the_firmware_inherits_private_names(module: Path) -> None:
    # A class and its base would each share out the same few words.
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef):
            assert {ast.unparse(base) for base in node.bases} <= {"Exception"}, f"{node.name} has a base"
