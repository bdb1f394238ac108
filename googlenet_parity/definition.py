"""The few lines of a backend's own source that make one layer, found by the layer's name.

A framework package here defines its network in a module ``model``: stages are attributes of the network (``self.b3``),
layers and blocks have their names in the statement that makes the stage, as keywords (``conv=…``) or as the argument
``name``, and a block's layers are attributes of the block's class. A module that is built otherwise has no lines here,
which is better than wrong ones.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from googlenet_parity.verdict import SourceLine

__all__ = ["find_lines"]

Node = ast.stmt | ast.expr | ast.keyword

FORWARD = ("forward", "hybrid_forward", "call")
"""What frameworks call the method in which a block's layers are called."""


def find_lines(source: str, layer: str) -> tuple[SourceLine, ...]:
    """The lines that make a layer, marked, and those that one must know to read them; none if it is not found.

    Args:
        source: A module's text.
        layer: The layer's canonical name.
    """
    try:
        return _Finder(source).find(layer)
    except (SyntaxError, RecursionError):
        return ()


class _Finder:
    """Collects the lines of one layer."""

    def __init__(self, source: str) -> None:
        self._text = source.splitlines()
        self._module = ast.parse(source)
        self._shown: dict[int, bool] = {}

    def find(self, layer: str) -> tuple[SourceLine, ...]:
        stage, *inner = layer.split(".")
        for owner, maker, statement in self._attributes(stage):
            made: Node | None = statement if not inner else _named(statement, inner[0])
            if made is None:
                continue
            block = self._class_of(made, maker)
            self._head(owner)
            self._head(statement)
            if block is None:
                self._show(statement)  # whole: a ReLU may stand behind its convolution
            self._show(made, marked=len(inner) < 2)
            if block is None:
                self._helpers(made, maker)
            elif not self._block(block, inner[1:]):
                return ()
            return self._lines()
        return ()

    def _block(self, block: ast.ClassDef, inner: list[str]) -> bool:
        """A layer of a block, or how it joins them; whether there is such a layer."""
        self._head(block)
        if inner:
            made = [(maker, line) for owner, maker, line in self._attributes(inner[0]) if owner is block]
            if not made:
                return False
            for maker, assignment in made:
                self._show(assignment, marked=True)
                self._helpers(assignment, maker)
        for method in (item for item in block.body if isinstance(item, ast.FunctionDef) and item.name in FORWARD):
            self._head(method)
            for line in _statements(method):
                if inner and any(_is_attribute(node, inner[0]) for node in ast.walk(line)):
                    self._show(line, marked=True)
                elif not inner and not _is_docstring(line):
                    self._show(line, marked=isinstance(line, ast.Return))
        return True

    def _attributes(self, name: str) -> Iterator[tuple[ast.ClassDef, ast.FunctionDef, ast.Assign]]:
        """Each ``self.name = …`` of the module, with its class and its method."""
        for owner in self._module.body:
            for method in owner.body if isinstance(owner, ast.ClassDef) else ():
                for line in ast.walk(method) if isinstance(method, ast.FunctionDef) else ():
                    if isinstance(line, ast.Assign) and any(_is_attribute(target, name) for target in line.targets):
                        assert isinstance(owner, ast.ClassDef)
                        assert isinstance(method, ast.FunctionDef)
                        yield owner, method, line

    def _class_of(self, made: Node, maker: ast.FunctionDef) -> ast.ClassDef | None:
        """The module's own class that a block is made from, directly or through a ``partial`` of the same method."""
        classes = {item.name: item for item in self._module.body if isinstance(item, ast.ClassDef)}
        found = _callee(made)
        if found not in classes:
            found = next((_callee(line) for line in _assignments(maker, found)), "")
        return classes.get(found)

    def _helpers(self, made: Node, maker: ast.FunctionDef) -> None:
        """What a layer is made with: names of the same method, and functions of the module."""
        wanted, seen = [_callee(made)], {""}
        while wanted:
            name = wanted.pop()
            if name in seen:
                continue
            seen.add(name)
            for line in _assignments(maker, name):
                self._show(line)
                wanted.append(_callee(line))
            for item in self._module.body:
                if isinstance(item, ast.FunctionDef) and item.name == name:
                    self._show(item)

    def _head(self, node: Node) -> None:
        """The first line alone, for orientation."""
        self._shown.setdefault(node.lineno, False)

    def _show(self, node: Node, *, marked: bool = False) -> None:
        for number in range(node.lineno, (node.end_lineno or node.lineno) + 1):
            self._shown[number] = self._shown.get(number, False) or marked

    def _lines(self) -> tuple[SourceLine, ...]:
        return tuple(SourceLine(number, self._text[number - 1], self._shown[number]) for number in sorted(self._shown))


def _named(statement: Node, name: str) -> Node | None:
    """What a statement makes under a name: ``name=…``, or a call with the argument ``name="…"``."""
    for node in ast.walk(statement):
        if isinstance(node, ast.keyword) and node.arg == name:
            return node
        if isinstance(node, ast.Call):
            names = [keyword.value for keyword in node.keywords if keyword.arg == "name"]
            if any(isinstance(value, ast.Constant) and value.value == name for value in names):
                return node
    return None


def _callee(made: Node) -> str:
    """The plain name that is called to make something, or of which it is a ``partial``; empty if there is none."""
    value = made.value if isinstance(made, (ast.Assign, ast.keyword)) else made
    if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Name):
        return ""
    if value.func.id == "partial" and value.args:
        return value.args[0].id if isinstance(value.args[0], ast.Name) else ""
    return value.func.id


def _assignments(function: ast.FunctionDef, name: str) -> Iterator[ast.Assign]:
    """Where a local name gets its value."""
    for line in ast.walk(function):
        if isinstance(line, ast.Assign):
            names = [node.id for target in line.targets for node in ast.walk(target) if isinstance(node, ast.Name)]
            if name in names and not any(isinstance(target, ast.Attribute) for target in line.targets):
                yield line


def _statements(function: ast.FunctionDef) -> Iterator[ast.stmt]:
    """The simple statements of a function, those inside of others too."""
    for node in ast.walk(function):
        if isinstance(node, ast.stmt) and not hasattr(node, "body"):
            yield node


def _is_attribute(node: ast.AST, name: str) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and node.attr == name
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    )


def _is_docstring(line: ast.stmt) -> bool:
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)
