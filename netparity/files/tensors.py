"""Named arrays in safetensors files, with one JSON header that says what they are."""

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

from netparity.files.disk import atomic_write, read_file
from netparity.network.contract import Array
from netparity.network.errors import FileError
from netparity.system.text import printable

FORMAT_VERSION = 1
"""The version of all these files; what a newer one holds is not known here."""

PREFIX = "netparity "
"""Before the kind of a file in the key of its header. Older files have another program's name there."""

LARGEST_HEADER = 100_000_000
"""Bytes of a header, as in safetensors' own readers."""

DTYPES = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "BOOL": "|b1"}
DTYPES |= {f"{kind}{8 * size}": f"<{kind.lower()}{size}" for kind in "IU" for size in (1, 2, 4, 8)}
"""What safetensors and NumPy call the same dtypes; safetensors has others that NumPy lacks."""


@dataclass(frozen=True)
class ForeignTensor:
    """A tensor of a file that NumPy has no array for: bfloat16, sparse, without data.

    Attributes:
        kind: What it is, as its file or its framework says it.
        shape: Its shape.
    """

    kind: str
    shape: tuple[int, ...]


def save_tensors(
    path: str | os.PathLike[str],
    kind: str,
    tensors: Mapping[str, Array],
    header: Mapping[str, Any],
    *,
    allow_nan: bool = False,
) -> None:
    """Writes a file atomically: a reader sees the old file or the new one. The same content gives the same bytes.

    Args:
        path: The file; it is written beside, and renamed.
        kind: What the file is: ``weights``, ``checkpoint``, …
        tensors: Arrays of any dtype in :data:`DTYPES`; each is read once, and none is held.
        header: What JSON can hold.
        allow_nan: Whether the header may hold NaN and infinity, which Python's JSON can.

    Raises:
        FileError: The file cannot be written; what was at ``path`` stays.
    """
    codes = {np.dtype(code): name for name, code in DTYPES.items()}
    entries: dict[str, Any] = {}
    end = 0
    for name, array in tensors.items():
        start, end = end, end + array.nbytes
        entries[name] = {"dtype": codes[array.dtype], "shape": list(array.shape), "data_offsets": [start, end]}
    text = json.dumps({"format_version": FORMAT_VERSION, **header}, allow_nan=allow_nan)
    head = json.dumps({"__metadata__": {PREFIX + kind: text}, **entries}).encode()
    head += b" " * (-len(head) % 8)
    with atomic_write(path) as file:
        file.write(struct.pack("<Q", len(head)) + head)
        for array in tensors.values():
            file.write(np.ascontiguousarray(array).data)


def load_tensors(path: str | os.PathLike[str]) -> tuple[dict[str, Array], str | None, dict[str, Any]]:
    """Reads any safetensors file.

    Returns:
        The arrays; what the file says it is, None for a file of another program's; and its header, without the
        format version.

    Raises:
        FileError: No such file, not a whole safetensors file, or one of a newer format version.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    content = read_file(path)
    try:
        tensors = load(content)
        (length,) = struct.unpack_from("<Q", content)
        kind, header = _header(json.loads(content[8 : 8 + length]).get("__metadata__") or {})
    except (SafetensorError, KeyError, ValueError, TypeError, AttributeError, OverflowError, MemoryError) as error:
        # Beyond its own exception, safetensors lets through what NumPy raises on dtypes that NumPy lacks.
        raise FileError(f"{os.fspath(path)!r} is not a safetensors file of NumPy dtypes: {error}.") from None
    _check_version(path, header)
    return tensors, kind, header


def map_tensors(path: str | os.PathLike[str]) -> tuple[dict[str, Array | ForeignTensor], str | None, dict[str, Any]]:
    """Maps any safetensors file; nothing but its header is read yet, and NumPy alone is needed.

    Returns:
        The arrays, read-only, in the order of the file; and the rest as in :func:`load_tensors`.

    Raises:
        FileError: As in :func:`load_tensors`; and where the header does not fit the content.
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
        kind, header = _header(entries.pop("__metadata__", None) or {})
        _check_version(path, header)
        places = list(_places(entries, size - 8 - length))
        tensors = {name: _map(Path(path), 8 + length, *place) for name, place in places}
    except FileError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, OverflowError, OSError) as error:
        words = f"its header has no {error}" if isinstance(error, KeyError) else error
        raise FileError(f"{where} is a safetensors file that is damaged or cut short: {words}.") from None
    return tensors, kind, header


Place = tuple[str, tuple[int, ...], int]


def _places(entries: Mapping[str, Any], size: int) -> Iterator[tuple[str, Place]]:
    """Where each tensor lies; together they must fill the file."""
    end = 0
    for name, entry in sorted(entries.items(), key=lambda item: item[1]["data_offsets"]):
        dtype, shape = str(entry["dtype"]), tuple(entry["shape"])
        start, stop = entry["data_offsets"]
        if not all(type(number) is int and number >= 0 for number in (*shape, start, stop)):
            raise ValueError(f"{name!r} has no whole numbers for its shape and place")
        length = math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize if dtype in DTYPES else stop - start
        if start != end or stop - start != length:
            raise ValueError(f"{name!r} of shape {shape} does not fit its place, bytes {start} to {stop}")
        end = stop
        yield name, (dtype, shape, start)
    if end != size:
        raise ValueError(f"its tensors take {end} bytes, and the file has {size} for them")


def _map(path: Path, base: int, dtype: str, shape: tuple[int, ...], start: int) -> Array | ForeignTensor:
    if dtype not in DTYPES:
        return ForeignTensor(dtype, shape)
    if 0 in shape:
        return np.empty(shape, DTYPES[dtype])
    return np.memmap(path, DTYPES[dtype], "r", base + start, shape).view(np.ndarray)


def header_number(name: str, value: Any) -> float:
    """A number of a header; a :class:`ValueError` names one that is something else, or not finite."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"the {name} is {value!r}")
    return float(value)


def _check_version(path: str | os.PathLike[str], header: dict[str, Any]) -> None:
    """Takes the version out of the header, unless it is a newer one."""
    version = header.pop("format_version", FORMAT_VERSION)
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise FileError(
            f"{os.fspath(path)!r} has format version {version!r}; this program reads up to {FORMAT_VERSION}. "
            f"Install a newer version to read it."
        )


def _header(metadata: Mapping[str, str]) -> tuple[str | None, dict[str, Any]]:
    """What the file says it is, and its header: under one key, the program's name and the kind."""
    for key, text in metadata.items():
        _, space, kind = key.partition(" ")
        if not space or not text.startswith('{"format_version"'):
            continue  # another program's
        header = json.loads(text)
        if not isinstance(header, dict):
            raise ValueError(f"its header {key!r} is no JSON object")
        return printable(kind), header
    return None, {}
