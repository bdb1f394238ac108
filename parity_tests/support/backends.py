"""Which backends a test run has, needs, or does without.

The rule is that of einops: a backend that the run asks for, in the environment variable ``NETPARITY_BACKENDS``, and
that cannot be imported is a failure; one that is not asked for and not installed is a skip that names it. So a run
that was meant to judge three frameworks cannot pass by judging two. A framework that is installed and broken is
never a skip.
"""

from __future__ import annotations

import os
import re
from importlib import import_module, metadata
from importlib.util import find_spec
from typing import Any

import pytest

from netparity.network.contract import Backend

__all__ = ["BACKENDS", "VARIABLE", "framework", "installed_versions", "late", "load", "package", "require", "required"]

FRAMEWORKS = {"torch": "torch", "tf": "tensorflow", "mx": "mxnet"}
"""Backend to the module of its framework."""

BACKENDS = tuple(FRAMEWORKS)
VARIABLE = "NETPARITY_BACKENDS"


def required() -> tuple[str, ...]:
    """The backends that ``NETPARITY_BACKENDS`` names, separated by commas or spaces.

    Raises:
        pytest.UsageError: It names something that is no backend.
    """
    names = tuple(re.findall(r"[^\s,]+", os.environ.get(VARIABLE, "")))
    if unknown := sorted(set(names) - set(BACKENDS)):
        raise pytest.UsageError(f"{VARIABLE} names {', '.join(unknown)}; expected some of {', '.join(BACKENDS)}.")
    return names


def require(name: str) -> None:
    """For the top of a module that tests one framework: skips the module, or fails, where that framework is missing.

    It stands before the import of the framework, and imports nothing itself.
    """
    framework = FRAMEWORKS[name]
    if find_spec(framework) is not None:
        return
    if name in required():
        pytest.fail(f"{VARIABLE} names the backend {name!r}, and {framework} is not installed.", pytrace=False)
    pytest.skip(f"backend {name!r}: {framework} is not installed", allow_module_level=True)


def load(name: str) -> Backend:
    """The backend of that name, its framework imported; or a skip or a failure, as :func:`require` decides."""
    require(name)
    try:
        module = import_module(f"googlenet_{name}.backend")
    except ImportError as error:
        pytest.fail(f"The backend {name!r} is installed and cannot be imported: {error}.", pytrace=False)
    backend: Backend = module.Backend()
    return backend


def package(name: str) -> Any:
    """``googlenet_torch``, ``googlenet_tf`` or ``googlenet_mx``; or a skip or a failure, as :func:`require` decides."""
    require(name)
    return import_module(f"googlenet_{name}")


def framework(name: str) -> Any:
    """The framework itself; or a skip or a failure, as :func:`require` decides."""
    package(name)  # that of MXNet makes MXNet importable
    return import_module(FRAMEWORKS[name])


class Late:
    """Something of a module that is imported when it is first used.

    Of names that begin with ``_``, only ``__version__`` is passed on: pytest asks whatever stands in a test module for
    others of them when it collects the tests.
    """

    def __init__(self, module: str, name: str | None) -> None:
        self._module, self._name = module, name

    def _found(self) -> Any:
        if self._module == FRAMEWORKS["mx"]:
            import_module("googlenet_mx")  # makes MXNet importable
        module = import_module(self._module)
        return module if self._name is None else getattr(module, self._name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") and name != "__version__":
            raise AttributeError(name)
        return getattr(self._found(), name)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._found()(*arguments, **options)


def late(module: str, name: str | None = None) -> Any:
    """A module, or a class or function of one, for the top of a test module: collecting the tests does not import it.

    A framework takes seconds to import, in every process of a run, and most processes run no test of most of them.
    It can be called and asked for attributes. For ``isinstance``, a base class or ``monkeypatch``, import it in the
    test itself.
    """
    return Late(module, name)


def installed_versions() -> dict[str, str]:
    """NumPy and the installed frameworks, each under its distribution's name, without importing one of them."""
    owners = metadata.packages_distributions()
    distributions = sorted({owner for module in ("numpy", *FRAMEWORKS.values()) for owner in owners.get(module, ())})
    return {distribution: metadata.version(distribution) for distribution in distributions}
