"""The firmware's named numbers and words, put where they are used, and what nobody on the board uses left out.

mpy-cross folds `NAME = const(...)` inside a module only, and keeps every name without an underscore, since another
module may want it: each costs the board a word of text, an entry in a table of names, and a look-up whenever it is
used. Here the number, or the text of `NAME = "..."`, takes the name's place in every module, and definition and import
go; so does the import of what only annotations name, and what `if MICROPYTHON` has for the laptop. Lines stay where
they are, so that tracebacks tell the truth. Whoever needs a number by its name on a running board asks the laptop's
copy.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import loopwatch

Constant = int | str


def folded(text: str, source: Path) -> str:
    """The module's text with every constant of it, and of the modules it imports, as a number or a literal text.

    source: where the module lies or would lie, for its imports. Raises ValueError when a constant's name means
    something else somewhere in the module, since then the text could not be told apart.
    """
    tree = ast.parse(text)
    own = _numbers(tree, source)
    numbers = dict(own)
    modules: dict[str, dict[str, Constant]] = {}
    for statement, module in _imports(tree, source):
        for alias in statement.names:
            name = alias.asname or alias.name
            if (child := _file(module / alias.name)) is not None:
                modules[name] = constants(child)
            elif (there := _file(module)) is not None and alias.name in constants(there):
                numbers[name] = constants(there)[alias.name]
    _check_names(tree, source, {*numbers, *modules})
    edits: list[tuple[ast.stmt | ast.expr, str]]
    edits = [(node, "") for node in tree.body if _defined(node) in own]
    unseen = {id(node) for part in [*_annotations(tree), *(node for node, _ in edits)] for node in ast.walk(part)}
    used = set()
    for node in ast.walk(tree):
        if id(node) in unseen or not isinstance(node, ast.Attribute | ast.Name):
            continue
        number = None
        if isinstance(node, ast.Name):
            number = numbers.get(node.id)
            if number is None:
                used.add(node.id)
        elif isinstance(node.value, ast.Name):
            number = modules.get(node.value.id, {}).get(node.attr)
            if number is not None:
                unseen.add(id(node.value))
        if number is not None:
            edits.append((node, f"({number})" if isinstance(number, int) and number < 0 else repr(number)))
    for statement, _ in _imports(tree, source):
        kept = [ast.unparse(alias) for alias in statement.names if (alias.asname or alias.name) in used]
        if len(kept) < len(statement.names):
            dots = "." * statement.level + (statement.module or "")
            edits.append((statement, f"from {dots} import {', '.join(kept)}" if kept else ""))
    return replaced(text, edits)


def used(text: str, source: Path) -> str:
    """The module's text without the functions, classes and tables that no module of its package refers to.

    Those are the laptop's: it decodes what the board encodes, and has words for the board's numbers.
    """
    package = source.parent
    while (package.parent / "__init__.py").is_file():
        package = package.parent
    unused = _unused(package)
    edits: list[tuple[ast.stmt | ast.expr, str]]
    edits = []
    for node in ast.parse(text).body:
        if (source, _named(node)) in unused:
            edits.append((node, ""))
        elif isinstance(node, ast.If) and ast.unparse(node).startswith("if MICROPYTHON:\n"):
            edits += [(other, "" if i else "pass") for i, other in enumerate(node.orelse)]
    return replaced(text, edits)


@functools.cache
def _unused(package: Path) -> set[tuple[Path, str]]:
    """Module and name of all that this folder's modules, and the scripts beside the folder, never refer to."""
    modules = [*package.rglob("*.py"), *package.parent.glob("*.py")]
    trees = {module: ast.parse(module.read_text(encoding="utf-8")) for module in modules}
    unused: set[tuple[Path, str]] = set()
    before_n = -1
    while len(unused) > before_n:
        before_n = len(unused)
        named: set[str] = set()
        for module, tree in trees.items():
            for statement in tree.body:
                if (module, _named(statement)) not in unused:
                    # Referring to itself is no use.
                    named |= _references(statement) - {_named(statement)}
        for module in package.rglob("*.py"):
            names = {_named(statement) for statement in trees[module].body} - {""}
            unused |= {(module, name) for name in names - named}
    return unused


def _references(statement: ast.stmt) -> set[str]:
    found = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.alias):
            found.add(node.name)
    return found


def _named(node: ast.stmt) -> str:
    """The name of the function, class or table that this statement makes, or nothing."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return node.name
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return ""


def program(text: str) -> str:
    """A program for the prompt of a board that has the firmware, with the firmware's constants as numbers."""
    return folded(text, Path(loopwatch.__file__).parent / "program.py")


@functools.cache
def constants(source: Path) -> dict[str, Constant]:
    """The numbers that this module defines by const(), and its texts, by name."""
    return _numbers(ast.parse(source.read_text(encoding="utf-8")), source)


def _numbers(tree: ast.Module, source: Path) -> dict[str, Constant]:
    known: dict[str, object] = {}
    for statement, module in _imports(tree, source):
        there = _file(module)
        for alias in statement.names:
            if there is not None and alias.name in constants(there):
                known[alias.asname or alias.name] = constants(there)[alias.name]
            elif (child := _file(module / alias.name)) is not None:
                known[alias.asname or alias.name] = _Numbers(constants(child))
    own = {}
    for node in tree.body:
        name = _defined(node)
        if name:
            assert isinstance(node, ast.Assign)
            value = node.value.args[0] if isinstance(node.value, ast.Call) else node.value
            expression = compile(ast.Expression(value), str(source), "eval")
            known[name] = own[name] = eval(expression, {"__builtins__": {}}, known)
    return own


class _Numbers:
    """A module's constants as its attributes."""

    def __init__(self, numbers: dict[str, Constant]) -> None:
        self.__dict__.update(numbers)


def _defined(node: ast.stmt) -> str:
    """The name that this statement defines as a constant, a number by const() or a text, or nothing."""
    if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
        return ""
    value = node.value
    is_number = isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "const"
    is_text = isinstance(value, ast.Constant) and isinstance(value.value, str)
    return node.targets[0].id if is_number or is_text else ""


def _annotations(tree: ast.Module) -> Iterator[ast.expr]:
    """What MicroPython does not evaluate."""
    for node in ast.walk(tree):
        annotation = getattr(node, "annotation", None) or getattr(node, "returns", None)
        if annotation is not None:
            yield annotation


def _imports(tree: ast.Module, source: Path) -> Iterator[tuple[ast.ImportFrom, Path]]:
    """The imports from the module's own package, each with the path, less its suffix, of what it imports from."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom):
            continue
        names = node.module.split(".") if node.module else []
        if node.level:
            yield node, source.parents[node.level - 1].joinpath(*names)
        elif names[0] == source.parent.name:
            yield node, source.parent.joinpath(*names[1:])


def _file(module: Path) -> Path | None:
    file = module.with_name(module.name + ".py")
    return file if file.is_file() else None


def _check_names(tree: ast.Module, source: Path, names: set[str]) -> None:
    """Refuse a module in which one of these names is also that of an argument, a local or an attribute's owner."""
    for node in ast.walk(tree):
        other = ""
        if isinstance(node, ast.arg):
            other = node.arg
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            other = node.id
        if other in names and not any(_defined(statement) == other for statement in tree.body):
            raise ValueError(f"{source.name}: {other} is a constant or a module, and something else as well")


def replaced(text: str, edits: list[tuple[ast.stmt | ast.expr, str]]) -> str:
    """The text with each node's source replaced, and with as many lines as before."""
    lines = [line.encode() for line in text.splitlines(keepends=True)]
    for node, new in sorted(edits, key=lambda edit: (edit[0].lineno, edit[0].col_offset), reverse=True):
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        head = lines[first][: node.col_offset]
        tail = lines[last][node.end_col_offset :]
        lines[first] = head + new.encode() + b"\n" * (last - first) + tail
        lines[first + 1 : last + 1] = []
    return b"".join(lines).decode()
