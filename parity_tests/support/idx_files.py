"""IDX files as test data."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["FILES", "idx", "write_files"]

Array = npt.NDArray[Any]


def idx(array: Array) -> bytes:
    """The IDX file of an array of bytes."""
    return b"\0\0\x08" + struct.pack(f">B{array.ndim}I", array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def _files() -> dict[str, bytes]:
    random = np.random.default_rng(0)
    files = {}
    for split, count in (("train", 13), ("t10k", 7)):
        files[f"{split}-images-idx3-ubyte"] = idx(random.integers(0, 256, (count, 28, 28)))
        files[f"{split}-labels-idx1-ubyte"] = idx(random.integers(0, 10, count))
    return files


FILES = _files()
"""Unpacked files of Fashion-MNIST's names and form: 13 images to train on, 7 to test with."""


def write_files(folder: Path, *names: str, packed: bool = False) -> Path:
    """Writes some of :data:`FILES`, or all of them, into a folder, which is made and given back."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or FILES:
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(FILES[name]))
        else:
            (folder / name).write_bytes(FILES[name])
    return folder
