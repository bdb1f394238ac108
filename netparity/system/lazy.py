"""Public names of a package that are imported when they are first asked for."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any


def lazy(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """What a package binds to its ``__getattr__`` and ``__dir__`` (PEP 562).

    The names are those that the package's ``if TYPE_CHECKING:`` imports, so that they stand there alone; they are its
    ``__all__``, too, unless it has one.

    Args:
        package: The package's ``__name__``.
        file: Its ``__file__``.
    """
    blocks = [block for block in ast.parse(Path(file).read_bytes()).body if isinstance(block, ast.If)]
    imports = [line for block in blocks for line in block.body if isinstance(line, ast.ImportFrom)]
    modules = {found.name: str(line.module) for line in imports for found in line.names}

    def get(name: str) -> Any:
        if name == "__all__":
            return sorted(modules)
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name, obj=sys.modules[package])
        found = getattr(import_module(modules[name]), name)
        setattr(sys.modules[package], name, found)
        return found

    def listed() -> list[str]:
        return sorted({*vars(sys.modules[package]), *modules})

    return get, listed
