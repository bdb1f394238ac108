"""Named arrays in safetensors files, with one JSON header that says what they are."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from googlenet_np.errors import FileError
from googlenet_np.files import atomic_write, read_file

__all__ = ["FORMAT_VERSION", "load_tensors", "save_tensors"]

Array = npt.NDArray[Any]

FORMAT_VERSION = 1
"""Of all these files: what a newer one holds is not known here."""

PREFIX = "googlenet-parity "


def save_tensors(
    path: str | os.PathLike[str], kind: str, tensors: Mapping[str, Array], header: Mapping[str, Any]
) -> None:
    """Writes a file atomically: a reader sees the old file or the new one. The same content gives the same bytes.

    Args:
        path: Written beside, and renamed.
        kind: What the file is: ``weights``, ``checkpoint``, …
        tensors: Arrays of any dtype that NumPy and safetensors share.
        header: What JSON can hold.

    Raises:
        FileError: The file cannot be written; what was at ``path`` stays.
    """
    from safetensors.numpy import save

    contiguous = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    text = json.dumps({"format_version": FORMAT_VERSION, **header})
    with atomic_write(path) as file:
        # One key: safetensors writes several in any order.
        file.write(save(contiguous, {PREFIX + kind: text}))


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
        kind, header = _header(content)
    except (SafetensorError, KeyError, ValueError, TypeError, AttributeError, OverflowError, MemoryError) as error:
        # Beyond its own exception, safetensors lets through what NumPy raises on dtypes that NumPy lacks.
        raise FileError(f"{os.fspath(path)!r} is not a safetensors file of NumPy dtypes: {error}.") from None
    version = header.pop("format_version", FORMAT_VERSION)
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise FileError(
            f"{os.fspath(path)!r} has format version {version!r}; this program reads up to {FORMAT_VERSION}. "
            f"Install a newer googlenet-parity to read it."
        )
    return tensors, kind, header


def _header(content: bytes) -> tuple[str | None, dict[str, Any]]:
    (length,) = struct.unpack_from("<Q", content)
    metadata = json.loads(content[8 : 8 + length]).get("__metadata__") or {}
    for key, text in metadata.items():
        if key.startswith(PREFIX):
            header = json.loads(text)
            if not isinstance(header, dict):
                raise ValueError(f"its header {key!r} is no JSON object")
            return key.removeprefix(PREFIX), header
    return None, {}
