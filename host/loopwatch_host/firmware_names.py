"""The firmware's private names, made the same few words in all of it: each new word costs the board 20 bytes of heap.

MicroPython keeps the text of every attribute, function and argument that it has met, once, in tables that double when
they are full. Nobody else names what a class or a module keeps for itself, nor an argument that must be given: the
third private name of one class may be that of another. What has a name of its own keeps it, and lines stay where
they are, so that a traceback tells module, line and public function. Local variables have no name on the board.
"""

from __future__ import annotations

import ast
import string
from collections.abc import Iterator
from typing import NamedTuple

_LETTERS = string.ascii_lowercase
_WORDS = tuple("_" + first + second for first in ("", *_LETTERS) for second in _LETTERS)


class _Edit(NamedTuple):
    """A name in one line, from this byte on, and what stands there instead."""

    line: int
    column: int
    old: str
    new: str


def shared(text: str) -> str:
    """The module's text with private names and required arguments called _a, _b, _c: by module, class and function.

    Arguments with a default keep their names, by which people give them. Raises ValueError when a class or module
    touches what is private to another one, which is called otherwise then.
    """
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute) and _private(node.attr) and not _is_own(node):
            raise ValueError(f"line {node.lineno}: {ast.unparse(node)} is private to somebody else")
        if isinstance(node, ast.alias) and _private(node.name):
            raise ValueError(f"line {node.lineno}: {node.name} is private to the module it is imported from")
    # One after the other: an argument must not be called what the module's own things are called by then.
    for renamed in (_globals, _members, _arguments):
        text = _edited(text, set(renamed(ast.parse(text))))
    return text


def _edited(text: str, edits: set[_Edit]) -> str:
    lines = [line.encode() for line in text.splitlines(keepends=True)]
    for edit in sorted(edits, reverse=True):
        line = lines[edit.line - 1]
        assert line[edit.column :].startswith(edit.old.encode()), f"{edit} does not stand in {line!r}"
        lines[edit.line - 1] = line[: edit.column] + edit.new.encode() + line[edit.column + len(edit.old) :]
    return b"".join(lines).decode()


def _globals(tree: ast.Module) -> Iterator[_Edit]:
    """The module's own functions and tables, but not what a function has under the same name, or declares global."""
    names = [name for statement in tree.body for name in _defined(statement) if _private(name)]
    inner = {
        name
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        for name in _bound(node)
    }
    renamed = _renamed([name for name in names if name not in inner], inner)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in renamed:
            yield _Edit(node.lineno, node.col_offset, node.id, renamed[node.id])
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef) and statement.name in renamed:
            yield _of_function(statement, renamed)


def _members(tree: ast.Module) -> Iterator[_Edit]:
    """Private methods and what instances keep for themselves; tables in a class's body stay."""
    for owner in tree.body:
        if not isinstance(owner, ast.ClassDef):
            continue
        functions = [node for node in owner.body if isinstance(node, ast.FunctionDef)]
        kept = {name for statement in owner.body if statement not in functions for name in _defined(statement)}
        methods = [node for node in functions if _private(node.name)]
        attributes = [node for node in ast.walk(owner) if isinstance(node, ast.Attribute) and _private(node.attr)]
        used = [node.attr for node in attributes] + [node.name for node in methods]
        renamed = _renamed([name for name in used if name not in kept], kept)
        for node in attributes:
            if node.attr in renamed:
                assert node.end_lineno is not None
                assert node.end_col_offset is not None
                yield _Edit(node.end_lineno, node.end_col_offset - len(node.attr), node.attr, renamed[node.attr])
        for method in methods:
            yield _of_function(method, renamed)


def _arguments(tree: ast.Module) -> Iterator[_Edit]:
    """Arguments that must be given; those of an inner function, and what it calls the same, stay."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    statements = tree.body + [statement for owner in classes for statement in owner.body]
    for function in [node for node in statements if isinstance(node, ast.FunctionDef)]:
        given = function.args.args[: len(function.args.args) - len(function.args.defaults)]
        inner = {node.arg for node in ast.walk(function) if isinstance(node, ast.arg) and node not in given}
        taken = inner | {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
        renamed = _renamed([each.arg for each in given if each.arg != "self" and each.arg not in inner], taken)
        for node in ast.walk(function):
            if isinstance(node, ast.Name) and node.id in renamed:
                yield _Edit(node.lineno, node.col_offset, node.id, renamed[node.id])
            elif isinstance(node, ast.arg) and node in given and node.arg in renamed:
                yield _Edit(node.lineno, node.col_offset, node.arg, renamed[node.arg])


def _of_function(function: ast.FunctionDef, renamed: dict[str, str]) -> _Edit:
    return _Edit(function.lineno, function.col_offset + len("def "), function.name, renamed[function.name])


def _defined(statement: ast.stmt) -> Iterator[str]:
    """The names that this statement of a module or class defines."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        yield statement.name
    else:
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id


def _bound(node: ast.AST) -> Iterator[str]:
    """The names that this node gives a meaning inside a function, or declares."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.Global):
        yield from node.names


def _renamed(names: list[str], taken: set[str]) -> dict[str, str]:
    """By name, in the order in which they first come: the words, without what is taken."""
    free = (word for word in _WORDS if word not in taken)
    return {name: next(free) for name in dict.fromkeys(names)}


def _private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _is_own(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id in ("self", "sys")
