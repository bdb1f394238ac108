"""What a call of a backend comes to: a reply, or an error with a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from netparity.network.contract import Array
from netparity.system.text import in_one_line, printable


class BackendError(Exception):
    """A backend raised, died, or ran out of time; the message is a sentence with its last words."""


class MissingBackendError(BackendError):
    """The framework that a backend needs is not installed."""


class AbilityError(BackendError):
    """A backend says that it cannot do what it was asked for (it raised :class:`NotImplementedError`)."""


@dataclass(frozen=True)
class Reply:
    """What a call gave: plain values, and read-only arrays."""

    values: dict[str, Any]
    arrays: dict[str, Array]


class CalledBackend(Protocol):
    """A backend that answers calls, wherever it runs.

    Attributes:
        label: Its name in messages.
        loaded: The answer to the first call, ``load``.
    """

    label: str
    loaded: Future[Reply]

    @property
    def seconds(self) -> float:
        """How long it has been at work."""
        ...

    def call(self, method: str, arrays: Mapping[str, Array] | None = None, **values: Any) -> Future[Reply]:
        """Asks for ``method``; the future gives its :class:`Reply` or raises :class:`BackendError`."""
        ...


def describe_error(error: BaseException) -> dict[str, Any]:
    """What a backend raised, as JSON can hold it."""
    return {
        "error": f"{type(error).__name__}: {error}",
        "missing_module": error.name if isinstance(error, ModuleNotFoundError) else None,
        "unable": isinstance(error, NotImplementedError),
    }


def reply_error(label: str, reply: Mapping[str, Any], place: str = "") -> BackendError:
    """The error that stands for what :func:`describe_error` gave; it ends with the place of what is not installed."""
    if reply["missing_module"]:
        missing = printable(reply["missing_module"])
        return MissingBackendError(f"{label} needs the Python module {missing!r}, which is not installed{place}.")
    kind = AbilityError if reply["unable"] else BackendError
    return kind(f"{label} raised {in_one_line(reply['error'])}.")
