"""Traces: what one backend gave in one run, in a file that NumPy alone reads back, one tensor at a time.

A trace is a safetensors file whose header says what ran, where, and on what; its tensors are named
``activations/b1.conv`` …, ``gradients/b1.conv.weight`` …, ``gradients/images``, ``loss``, ``logits`` (of the fast path)
and ``predictions``. Tensors are written as they come and mapped when they are read, so neither side ever needs more
memory than the largest of them.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from googlenet_np.architecture import GOOGLENET
from googlenet_np.errors import FileError
from googlenet_np.files import atomic_write
from googlenet_np.tensor_files import FORMAT_VERSION, PREFIX

__all__ = ["ACTIVATIONS", "GRADIENTS", "Trace", "open_trace", "write_trace"]

Array = npt.NDArray[Any]

KIND = "trace"
ACTIVATIONS, GRADIENTS = "activations/", "gradients/"

DTYPES = {"F32": "<f4", "F64": "<f8", "I64": "<i8"}
"""Of the tensors, as safetensors and as NumPy call them."""

LARGEST_HEADER = 100_000_000
"""Bytes, as safetensors' own readers have it."""

TEXTS = ("backend", "dtype")
TABLES = ("versions", "environment", "settings", "sha256", "allowed", "local")


@dataclass(frozen=True)
class Trace:
    """One backend's numbers in one run.

    Attributes:
        header: ``backend``, ``dtype``, ``versions``, ``environment``, ``settings``, ``sha256`` (of ``weights``,
            ``images`` and ``labels``), ``allowed`` (how far rounding may take each tensor from the exact one), and
            ``local`` (each layer alone: the share of its rounding bound that it used).
        tensors: By name, read-only.
    """

    header: Mapping[str, Any]
    tensors: Mapping[str, Array]

    @property
    def label(self) -> str:
        """The backend and the version of its framework."""
        version = next(iter(self.header["versions"].values()), "")
        return f"{self.header['backend']} {version}".strip()

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
    where = repr(os.fspath(path))
    try:
        size = Path(path).stat().st_size
        with Path(path).open("rb") as file:
            length = int.from_bytes(file.read(8), "little") if size >= 8 else 0
            if not 0 < length <= min(size - 8, LARGEST_HEADER):
                raise FileError(f"{where} is not a safetensors file, or was cut short in its header.")
            content = file.read(length)
    except OSError as error:
        raise FileError(f"Cannot read {where}: {error.strerror or error}.") from None
    try:
        entries = json.loads(content)
        metadata = entries.pop("__metadata__", None) or {}
        if PREFIX + KIND not in metadata:
            kinds = [key.removeprefix(PREFIX) for key in metadata if key.startswith(PREFIX)]
            raise FileError(f"{where} is no trace; it is {f'a file of {kinds[0]}' if kinds else 'another file'}.")
        header = json.loads(metadata[PREFIX + KIND])
        version = header.pop("format_version")
        if not isinstance(version, int) or version > FORMAT_VERSION:
            raise FileError(
                f"{where} has format version {version!r}; this program reads up to {FORMAT_VERSION}. "
                f"Install a newer googlenet-parity to read it."
            )
        places = dict(_places(entries, size - 8 - length))
        _check_header(header)
        _check_names(places)
    except FileError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise FileError(f"{where} is a damaged trace: {_words(error)}.") from None
    tensors = {name: _map(Path(path), 8 + length, *place) for name, place in places.items()}
    return Trace(header, tensors)


Place = tuple[np.dtype[Any], tuple[int, ...], int]


def _places(entries: Mapping[str, Any], size: int) -> Iterator[tuple[str, Place]]:
    """Where each tensor lies; together they must fill the file."""
    end = 0
    for name, entry in sorted(entries.items(), key=lambda item: item[1]["data_offsets"]):
        dtype, shape = np.dtype(DTYPES[entry["dtype"]]), tuple(entry["shape"])
        start, stop = entry["data_offsets"]
        if not all(type(number) is int and number >= 0 for number in (*shape, start, stop)):
            raise ValueError(f"{name!r} has no whole numbers for its shape and place")
        if start != end or stop - start != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"{name!r} of shape {shape} does not fit its place, bytes {start} to {stop}")
        end = stop
        yield name, (dtype, shape, start)
    if end != size:
        raise ValueError(f"its tensors take {end} bytes, and the file has {size} for them")


def _check_header(header: Mapping[str, Any]) -> None:
    for key in TEXTS:
        if not isinstance(header[key], str):
            raise ValueError(f"the header's {key} is {header[key]!r}")
    for key in TABLES:
        if not isinstance(header[key], dict):
            raise ValueError(f"the header's {key} is no table")
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


def _map(path: Path, base: int, dtype: np.dtype[Any], shape: tuple[int, ...], start: int) -> Array:
    if 0 in shape:
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, "r", base + start, shape).view(np.ndarray)


def _words(error: Exception) -> str:
    return f"its header has no {error}" if isinstance(error, KeyError) else str(error)
