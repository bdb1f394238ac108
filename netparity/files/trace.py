"""Traces: what one backend gave in one run, in a file that NumPy alone reads back, one tensor at a time.

A trace is a safetensors file whose header says what ran, where, and on what; its tensors are named
``activations/b1.conv`` …, ``gradients/b1.conv.weight`` …, ``gradients/images``, ``loss``, ``logits`` (of the fast path)
and ``predictions``. Tensors are written as they come and mapped when they are read, so neither side ever needs more
memory than the largest of them. A golden is a trace that has a sample of each (:mod:`netparity.files.golden`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from netparity.files.golden import SUMMARIES, check_samples, condense
from netparity.files.tensors import ForeignTensor, header_number, map_tensors, save_tensors
from netparity.network.contract import Array
from netparity.network.errors import FileError
from netparity.network.network import Network
from netparity.network.registered import default_name, default_network
from netparity.network.settings import CaseSettings

KIND = "trace"
ACTIVATIONS, GRADIENTS = "activations/", "gradients/"

DTYPES = ("float32", "float64", "int64")


@dataclass(frozen=True)
class Trace:
    """One backend's numbers in one run.

    Attributes:
        header: ``backend``, ``dtype``, ``versions``, ``environment``, ``settings`` (:class:`CaseSettings` as JSON),
            ``sha256`` (of ``weights``, ``images`` and ``labels``), ``allowed`` (how far rounding may take each tensor
            from the exact one), and ``local`` (each layer alone: the share of its rounding bound that it used).
            A golden's has ``summaries``, too: the whole of which each tensor is a sample.
        tensors: By name, read-only.
    """

    header: Mapping[str, Any]
    tensors: Mapping[str, Array]

    @property
    def label(self) -> str:
        """The backend and the version of its framework."""
        version = next(iter(self.header["versions"].values()), "")
        return f"{self.header['backend']} {version}".strip()

    @property
    def settings(self) -> CaseSettings:
        """What was run."""
        return CaseSettings.from_json(self.header["settings"])

    @property
    def sampled(self) -> bool:
        """Whether it is a golden, whose tensors are samples of the backend's."""
        return SUMMARIES in self.header

    def condensed(self) -> Trace:
        """The golden of this trace; of a golden, itself."""
        return self if self.sampled else Trace(*condense(self.header, self.tensors))

    def under(self, prefix: str) -> dict[str, Array]:
        """The tensors whose name begins with ``prefix``, without it."""
        return {name.removeprefix(prefix): array for name, array in self.tensors.items() if name.startswith(prefix)}


def write_trace(path: str | os.PathLike[str], header: Mapping[str, Any], tensors: Mapping[str, Array]) -> None:
    """Writes a trace atomically; the same content gives the same bytes.

    Args:
        path: The file; it is written beside, and renamed.
        header: As in :class:`Trace`; what JSON can hold.
        tensors: float32, float64 or int64; each is read once, and none is held.

    Raises:
        FileError: The file cannot be written; what was at ``path`` stays.
    """
    save_tensors(path, KIND, tensors, header)


def open_trace(path: str | os.PathLike[str], network: Network | None = None) -> Trace:
    """Maps a trace; nothing but its header is read yet.

    Args:
        path: The file.
        network: The network whose layers the trace must have. None stands for the default network, unless the header
            names another one: then only whoever has that network can say which layers there should be.

    Raises:
        FileError: No such file, not a whole trace, one of a newer format version, or one whose header does not fit
            its content.
    """
    tensors, kind, header = map_tensors(path)
    if kind != KIND:
        raise FileError(f"{os.fspath(path)!r} is no trace; it is {f'a file of {kind}' if kind else 'another file'}.")
    try:
        arrays = dict(_arrays(tensors))
        _check_header(header)
        if known := network or _network_of(header["settings"].get("network", "")):
            _check_names(arrays, known)
        if SUMMARIES in header:
            check_samples(header, arrays)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        words = f"its header has no {error}" if isinstance(error, KeyError) else error
        raise FileError(f"{os.fspath(path)!r} is a damaged trace: {words}.") from None
    return Trace(header, arrays)


def _arrays(tensors: Mapping[str, Array | ForeignTensor]) -> Iterator[tuple[str, Array]]:
    for name, tensor in tensors.items():
        if isinstance(tensor, ForeignTensor) or tensor.dtype.name not in DTYPES:
            raise ValueError(f"{name!r} is of none of the dtypes {', '.join(DTYPES)}")
        yield name, tensor


def _check_header(header: Mapping[str, Any]) -> None:
    for key in ("backend", "dtype"):
        if not isinstance(header[key], str):
            raise ValueError(f"the header's {key} is {header[key]!r}")
    for key in ("versions", "environment", "settings", "sha256", "allowed", "local"):
        if not isinstance(header[key], dict):
            raise ValueError(f"the header's {key} is no table")
    CaseSettings.from_json(header["settings"])
    for key in ("allowed", "local"):
        for name, number in header[key].items():
            if header_number(what := f"header's {key} of {name!r}", number) < 0:
                raise ValueError(f"the {what} is {number!r}")


def _network_of(name: str) -> Network | None:
    """The default network, if it has this name or if headers named no network yet; None for another one, or none."""
    default = default_network().network if default_name() else None
    return default if default and name in ("", default.name) else None


def _check_names(names: Mapping[str, Any], network: Network) -> None:
    given = {name.removeprefix(ACTIVATIONS) for name in names if name.startswith(ACTIVATIONS)}
    parts = []
    if missing := sorted(set(network.names) - given):
        parts.append(f"{len(missing)} missing: {', '.join(missing)}")
    if unexpected := sorted(given - set(network.names)):
        parts.append(f"{len(unexpected)} unexpected: {', '.join(map(repr, unexpected))}")
    if parts:
        raise ValueError(f"its layers are not those of {network.name}; {'; '.join(parts)}")
