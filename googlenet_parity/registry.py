"""Which backends there are: those that installed packages register, and those that a caller names by their module."""

from __future__ import annotations

from importlib.metadata import entry_points

from googlenet_np.errors import OptionError

__all__ = ["GROUP", "find_backend", "registered_backends"]

GROUP = "googlenet_parity.backends"
"""The entry-point group; an entry point names a class (or function) that gives a backend when called."""

FIRST = ("torch", "tf", "mx")
"""The order in which people name them; others follow, sorted."""


def registered_backends() -> dict[str, str]:
    """Name to ``module:attribute`` of every registered backend; nothing is imported."""
    found: dict[str, str] = {}
    for entry in entry_points(group=GROUP):
        found.setdefault(entry.name, entry.value)  # of two under one name, the first on the path, as in imports
    order = [name for name in FIRST if name in found] + sorted(set(found) - set(FIRST))
    return {name: found[name] for name in order}


def find_backend(name: str) -> tuple[str, str]:
    """The name and ``module:attribute`` of a backend that a caller asks for.

    Args:
        name: A registered name, or ``module:attribute``, or ``name=module:attribute``.

    Raises:
        OptionError: Nothing is registered under that name.
    """
    label, _, target = name.rpartition("=")
    if ":" in target:
        return label or target.replace(":", ".").replace("/", "."), target
    known = registered_backends()
    if name not in known:
        names = ", ".join(known) or "none"
        raise OptionError(f"There is no backend {name!r}; registered are: {names}. Or give its module:attribute.")
    return name, known[name]
