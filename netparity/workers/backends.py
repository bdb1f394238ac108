"""Which backends there are: those that installed packages register, and those that a caller names by their module.

A package registers a backend by an entry point in the group ``netparity.backends``. Its name is ``network:framework``,
or ``framework`` alone, which means the default network; its object is a class (or function) that gives a backend when
called. Whoever asks for ``framework`` means the default network's backend, whatever else is installed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.metadata import entry_points
from importlib.util import find_spec

from netparity.network.contract import Backend
from netparity.network.errors import NetparityError, OptionError
from netparity.network.frameworks import FRAMEWORKS
from netparity.network.registered import BACKEND_GROUP, default_name
from netparity.system.stderr import quiet
from netparity.system.text import in_one_line
from netparity.workers.interpreters import find_interpreter


class MissingModuleError(OptionError):
    """A backend cannot be made, since a module that it needs is not installed."""


@dataclass(frozen=True)
class Subject:
    """A backend to be judged.

    Attributes:
        name: What reports call it.
        target: Its ``module:attribute``.
        required: Whether a missing framework is an error; otherwise the backend is skipped.
        python: The interpreter that runs it; None for this one.
    """

    name: str
    target: str
    required: bool = False
    python: str | None = None


def registered_backends() -> dict[str, str]:
    """Framework to ``module:attribute`` of the default network's registered backends; nothing is imported.

    Those of known frameworks come first, in their own order.
    """
    found = _full_names()
    prefix = f"{default_name()}:"
    short = {name.removeprefix(prefix): target for name, target in found.items() if name.startswith(prefix)}
    known = [name for name in FRAMEWORKS if name in short]
    return {name: short[name] for name in [*known, *sorted(short.keys() - known)]}


def _full_names() -> dict[str, str]:
    """``network:framework`` of every registered backend to its ``module:attribute``."""
    found: dict[str, str] = {}
    for entry in entry_points(group=BACKEND_GROUP):
        name = entry.name if ":" in entry.name else f"{default_name()}:{entry.name}"
        found.setdefault(name, entry.value)  # of two under one name, the first on the path, as in imports
    return found


def find_backend(name: str) -> tuple[str, str]:
    """The name and ``module:attribute`` of a backend that a caller asks for.

    Args:
        name: A registered name (``framework``, of the default network, or ``network:framework``), or
            ``module:attribute``, or ``name=module:attribute``.

    Returns:
        As its name, ``framework`` for a backend of the default network, however it was asked for.

    Raises:
        OptionError: Nothing is registered under that name.
    """
    known = registered_backends()
    short = name.removeprefix(f"{default_name()}:")
    if target := known.get(short):
        return short, target
    if target := _full_names().get(name):
        return name, target
    label, _, target = name.rpartition("=")
    if ":" in target:
        return label or target.replace(":", ".").replace("/", "."), target
    names = ", ".join(known) or "none"
    raise OptionError(f"There is no backend {name!r}; registered are: {names}. Or give its module:attribute.")


def find_maker(backend: object) -> tuple[str, str]:
    """The name and ``module:attribute`` of a backend that another process is to find.

    Args:
        backend: A name, as :func:`find_backend` takes it; or a class or a function at the top of a module.

    Raises:
        OptionError: There is none, or it cannot be found from another process.
    """
    if not isinstance(backend, str):
        module, name = getattr(backend, "__module__", None), getattr(backend, "__qualname__", None)
        if not module or not name or "." in name or module == "__main__":
            raise OptionError(
                f"The backend is {backend!r}. It runs in a process of its own, which finds it by its name: expected a "
                f"class or a function at the top of a module that can be imported, or such a name."
            )
        backend = f"{module}:{name}"
    label, target = find_backend(backend)
    module = target.partition(":")[0]
    if not _exists(module):
        raise OptionError(f"There is no module {module!r}, in which the backend {label!r} should be.")
    return label, target


def choose(named: Sequence[str], interpreters: Sequence[str] = ()) -> list[Subject]:
    """The backends that a caller asks for; all that are registered for the default network, if none is named.

    Args:
        named: As :func:`find_backend` takes them.
        interpreters: ``NAME=PATH`` runs that backend in another interpreter; ``NAME=BACKEND:PATH`` runs a backend once
            more, under another name. What is asked for in this way counts as named.

    Raises:
        OptionError: A backend, or an interpreter, that is not there.
    """
    subjects = {name: Subject(name, target, required=True) for name, target in map(find_backend, named)}
    if not named:
        subjects = {name: Subject(name, target) for name, target in registered_backends().items()}
    for interpreter in interpreters:
        label, _, rest = interpreter.partition("=")
        backend, _, path = rest.rpartition(":")
        if not label or not path:
            raise OptionError(f"--python is {interpreter!r}; expected NAME=PATH or NAME=BACKEND:PATH.")
        again = label in subjects and not backend
        target = subjects[label].target if again else find_backend(backend or label)[1]
        subjects[label] = Subject(label, target, required=True, python=find_interpreter(path))
    return list(subjects.values())


def make_backend(name: str, target: str) -> Backend:
    """The backend at ``module:attribute``, in this process.

    Raises:
        MissingModuleError: A module that it needs is not installed.
        OptionError: Its module has no such attribute, or making it fails.
    """
    module, _, attribute = target.partition(":")
    try:
        with quiet(NetparityError):
            make = getattr(import_module(module), attribute, None)
            if make is None:
                raise OptionError(f"The module {module!r} has no {attribute!r} to make the backend {name} with.")
            made: Backend = make()
    except NetparityError:
        raise
    except ModuleNotFoundError as error:
        raise MissingModuleError(f"{name} needs the Python module {error.name!r}, which is not installed.") from None
    except Exception as error:
        raise OptionError(f"{name} cannot be made: {in_one_line(f'{type(error).__name__}: {error}')}.") from error
    return made


def _exists(module: str) -> bool:
    """Whether there is a module of that name, found without importing one, which may take a framework along."""
    top, *inner = module.split(".")
    spec = sys.modules[top].__spec__ if top in sys.modules else find_spec(top)
    for part in inner:
        if spec is None or spec.submodule_search_locations is None:
            return False
        spec = PathFinder.find_spec(f"{spec.name}.{part}", spec.submodule_search_locations)
    return spec is not None
