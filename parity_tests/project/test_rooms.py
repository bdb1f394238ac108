"""The rooms of the engine: who imports whom, how large they are, and which words do not occur in them."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import netparity

ENGINE = Path(netparity.__file__).parent

ROWS = (
    ("cli",),
    ("testing",),
    ("show",),
    ("train", "bench", "compare"),
    ("runs",),
    ("diagnosis",),
    ("verdict",),
    ("workers",),
    ("transfer",),
    ("frameworks",),
    ("files",),
    ("network",),
    ("system",),
)
"""From top to bottom: imports go down only, and rooms in one row do not import each other."""

PUBLIC = ""
"""Stands for the package's own modules: ``netparity``, the list of public names, and ``netparity.__main__``."""

FRAMEWORKS = {"torch", "tensorflow", "keras", "mxnet", "jax", "onnx"}
MOST_MODULES = 15


def module_name(path: Path) -> str:
    parts = path.relative_to(ENGINE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(ENGINE.rglob("*.py"))}
ROOMS = sorted({name.split(".")[1] for name in MODULES if MODULES[name].parent != ENGINE})


def room_of(module: str) -> str:
    """The room that a module is in; :data:`PUBLIC` for the package itself."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in ROOMS else PUBLIC


@functools.cache
def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def imports(node: ast.AST) -> Iterator[str]:
    """What an import names, a module of the engine as such and not as a name in its package."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module is not None:
        for alias in node.names:
            inner = f"{node.module}.{alias.name}"
            yield inner if inner in MODULES else node.module


@functools.cache
def imported(module: str) -> frozenset[str]:
    """What a module imports anywhere in it, in functions and for types too."""
    return frozenset(name for node in ast.walk(tree(module)) for name in imports(node))


@functools.cache
def imported_at_once(module: str) -> frozenset[str]:
    """The engine's modules that are imported with this one: not in functions, nor for types."""
    found: set[str] = set()
    pending: list[ast.AST] = [tree(module)]
    while pending:
        node = pending.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            pending += node.orelse
            continue
        found |= {name for name in imports(node) if name in MODULES}
        pending += ast.iter_child_nodes(node)
    return frozenset(found)


def row_of(room: str) -> int:
    return next(row for row, rooms in enumerate(ROWS) if room in rooms)


def test_every_room_has_its_place() -> None:
    assert set(ROOMS) <= {room for row in ROWS for room in row}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_from_rooms_below(room: str) -> None:
    """Of the package itself, ``netparity``, nothing: whoever is inside says where a thing comes from."""
    wrong = [
        f"{module} imports {name}"
        for module in MODULES
        if room_of(module) == room
        for name in imported(module)
        if name.partition(".")[0] == "netparity"
        and room_of(name) != room
        and (room_of(name) == PUBLIC or row_of(room_of(name)) <= row_of(room))
    ]
    assert wrong == []


def test_the_list_of_public_names_imports_only_what_imports_nothing() -> None:
    assert imported_at_once("netparity") == {"netparity.system.lazy"}
    assert imported_at_once("netparity.system.lazy") == set()


def test_every_public_name_is_what_type_checkers_see() -> None:
    (types,) = (node for node in tree("netparity").body if isinstance(node, ast.If))
    seen = {alias.name: node.module for node in types.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert import_module("netparity").__all__ == sorted(seen)
    for name, module in seen.items():
        assert getattr(netparity, name) is getattr(import_module(str(module)), name)
    assert set(seen) <= set(dir(netparity))
    with pytest.raises(AttributeError, match="module 'netparity' has no attribute 'no_such_name'"):
        getattr(netparity, "no_such_name")  # noqa: B009


@pytest.mark.parametrize("module", MODULES)
def test_no_import_leads_back(module: str) -> None:
    """A module that is being imported is imported by none of those that it needs."""
    reached: set[str] = set()
    pending = set(imported_at_once(module))
    while pending:
        name = pending.pop()
        reached.add(name)
        pending |= imported_at_once(name) - reached
    assert module not in reached


@pytest.mark.parametrize("folder", sorted({path.parent for path in MODULES.values()}), ids=lambda path: path.name)
def test_a_folder_has_one_subject(folder: Path) -> None:
    modules = [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
    assert len(modules) <= MOST_MODULES, modules


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_no_network_and_no_framework(module: str) -> None:
    tops = {name.partition(".")[0] for name in imported(module)}
    assert not {top for top in tops if top.startswith("googlenet")}
    if room_of(module) != "frameworks":
        assert not tops & FRAMEWORKS


SOURCES = sorted(path for kind in ("*.py", "*.j2", "*.css") for path in ENGINE.rglob(kind))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ENGINE).as_posix())
def test_the_engine_knows_no_network_by_name(path: Path) -> None:
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    named = [f"{path.name}:{number}: {line.strip()}" for number, line in lines if re.search("googlenet", line, re.I)]
    assert named == []
