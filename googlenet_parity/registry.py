"""Which backends there are: those that installed packages register, and those that a caller names by their module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points

from googlenet_np.errors import OptionError
from googlenet_parity.interpreters import find_interpreter

__all__ = ["GROUP", "Subject", "choose", "find_backend", "registered_backends"]

GROUP = "googlenet_parity.backends"
"""The entry-point group; an entry point names a class (or function) that gives a backend when called."""

FIRST = ("torch", "tf", "mx")
"""The order in which people name them; others follow, sorted."""


@dataclass(frozen=True)
class Subject:
    """A backend to be judged.

    Attributes:
        name: As it is called in the report.
        target: Its ``module:attribute``.
        required: Whether a missing framework is an error; otherwise the backend is skipped.
        python: The interpreter that runs it; None for this one.
    """

    name: str
    target: str
    required: bool = False
    python: str | None = None


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


def choose(named: Sequence[str], interpreters: Sequence[str] = ()) -> list[Subject]:
    """The backends that a caller asks for; all that are registered, if none is named.

    Args:
        named: As :func:`find_backend` takes them.
        interpreters: ``NAME=PATH`` runs that backend in another interpreter; ``NAME=BACKEND:PATH`` runs a backend once
            more, under another name. What is asked for in this way counts as named.

    Raises:
        OptionError: A backend, or an interpreter, that is not there.
    """
    chosen = dict(find_backend(name) for name in named)
    subjects = {name: Subject(name, target, required=True) for name, target in chosen.items()}
    if not named:
        subjects = {name: Subject(name, target) for name, target in registered_backends().items()}
    for interpreter in interpreters:
        label, _, rest = interpreter.partition("=")
        backend, _, path = rest.rpartition(":")
        if not label or not path:
            raise OptionError(f"--python is {interpreter!r}; expected NAME=PATH or NAME=BACKEND:PATH.")
        if backend or label not in subjects:
            _, target = find_backend(backend or label)
        else:
            target = subjects[label].target
        subjects[label] = Subject(label, target, required=True, python=find_interpreter(path))
    return list(subjects.values())
