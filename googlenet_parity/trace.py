"""Traces: what one backend gave in one run, in a file that NumPy alone reads back, one tensor at a time.

A trace is a safetensors file whose header says what ran, where, and on what; its tensors are named
``activations/b1.conv`` …, ``gradients/b1.conv.weight`` …, ``gradients/images``, ``loss``, ``logits`` (of the fast path)
and ``predictions``. Tensors are written as they come and mapped when they are read, so neither side ever needs more
memory than the largest of them. A golden is a trace that has a sample of each (:mod:`googlenet_parity.golden`).
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from googlenet_np.architecture import GOOGLENET
from googlenet_np.errors import FileError
from googlenet_np.files import atomic_write
from googlenet_np.tensor_files import FORMAT_VERSION, PREFIX, ForeignTensor, map_tensors
from googlenet_parity.golden import SUMMARIES, check_samples, condense

__all__ = ["ACTIVATIONS", "GRADIENTS", "GRADIENT_IMAGES", "Trace", "open_trace", "write_trace"]

Array = npt.NDArray[Any]

KIND = "trace"
ACTIVATIONS, GRADIENTS = "activations/", "gradients/"
GRADIENT_IMAGES = "gradient_images"
"""Under ``settings``: on how many images, the first, the gradients were taken; all, where it does not say."""

DTYPES = {"F32": "<f4", "F64": "<f8", "I64": "<i8"}
"""Of the tensors, as safetensors and as NumPy call them."""

TEXTS = ("backend", "dtype")
TABLES = ("versions", "environment", "settings", "sha256", "allowed", "local")


@dataclass(frozen=True)
class Trace:
    """One backend's numbers in one run.

    Attributes:
        header: ``backend``, ``dtype``, ``versions``, ``environment``, ``settings``, ``sha256`` (of ``weights``,
            ``images`` and ``labels``), ``allowed`` (how far rounding may take each tensor from the exact one), and
            ``local`` (each layer alone: the share of its rounding bound that it used).
            Of a golden also ``summaries``: the whole of which each tensor is a sample.
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
        path: Written beside, and renamed.
        header: As of :class:`Trace`; what JSON can hold.
        tensors: float32, float64 or int64; each is read once, and none is held.

    Raises:
        FileError: The file cannot be written; what was at ``path`` stays.
    """
    names = {np.dtype(code): name for name, code in DTYPES.items()}
    entries: dict[str, Any] = {}
    end = 0
    for name, array in tensors.items():
        start, end = end, end + array.nbytes
        entries[name] = {"dtype": names[array.dtype], "shape": list(array.shape), "data_offsets": [start, end]}
    text = json.dumps({"format_version": FORMAT_VERSION, **header}, allow_nan=False)
    head = json.dumps({"__metadata__": {PREFIX + KIND: text}, **entries}).encode()
    head += b" " * (-len(head) % 8)
    with atomic_write(path) as file:
        file.write(struct.pack("<Q", len(head)) + head)
        for array in tensors.values():
            file.write(np.ascontiguousarray(array).data)


def open_trace(path: str | os.PathLike[str]) -> Trace:
    """Maps a trace; nothing but its header is read yet.

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
        _check_names(arrays)
        if SUMMARIES in header:
            check_samples(header, arrays)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        words = f"its header has no {error}" if isinstance(error, KeyError) else error
        raise FileError(f"{os.fspath(path)!r} is a damaged trace: {words}.") from None
    return Trace(header, arrays)


def _arrays(tensors: Mapping[str, Array | ForeignTensor]) -> Iterator[tuple[str, Array]]:
    for name, tensor in tensors.items():
        if isinstance(tensor, ForeignTensor) or tensor.dtype.str not in DTYPES.values():
            raise ValueError(f"{name!r} is of none of the dtypes {', '.join(DTYPES)}")
        yield name, tensor


def _check_header(header: Mapping[str, Any]) -> None:
    for key in TEXTS:
        if not isinstance(header[key], str):
            raise ValueError(f"the header's {key} is {header[key]!r}")
    for key in TABLES:
        if not isinstance(header[key], dict):
            raise ValueError(f"the header's {key} is no table")
    backward = header["settings"].get(GRADIENT_IMAGES, 1)
    if isinstance(backward, bool) or not isinstance(backward, int) or backward < 1:
        raise ValueError(f"the header's {GRADIENT_IMAGES} are {backward!r}")
    for key in ("allowed", "local"):
        for name, number in header[key].items():
            if isinstance(number, bool) or not isinstance(number, (int, float)) or not number >= 0:
                raise ValueError(f"the header's {key} of {name!r} is {number!r}")


def _check_names(names: Mapping[str, Any]) -> None:
    given = {name.removeprefix(ACTIVATIONS) for name in names if name.startswith(ACTIVATIONS)}
    parts = []
    if missing := sorted(set(GOOGLENET.names) - given):
        parts.append(f"{len(missing)} missing: {', '.join(missing)}")
    if unexpected := sorted(given - set(GOOGLENET.names)):
        parts.append(f"{len(unexpected)} unexpected: {', '.join(map(repr, unexpected))}")
    if parts:
        raise ValueError(f"its layers are not those of {GOOGLENET.name}; {'; '.join(parts)}")
