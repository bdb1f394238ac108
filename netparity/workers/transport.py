"""How arrays and calls travel between the comparer and a worker process.

Calls and replies are lines of JSON over a socket. Arrays lie in files of one shared folder, each written once and
mapped by whoever reads it; a line carries only where they lie. NumPy and the standard library are all it takes, so a
worker may run in another interpreter with another NumPy.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from netparity.network.contract import Array

Place = dict[str, Any]

ALIGNMENT = 64
"""Bytes; the widest vector registers load aligned, as they would from freshly allocated memory."""


class Shelf:
    """An existing folder, which both sides can read, to which this one writes arrays, several to a file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        self._places: dict[int, tuple[Array, Place]] = {}

    def put(self, arrays: Mapping[str, Array]) -> dict[str, Place]:
        """Writes the arrays to one new file; returns where each lies, as plain JSON."""
        path = self._folder / f"{next(self._numbers)}"
        places = {}
        with path.open("wb") as file:
            for name, array in arrays.items():
                file.seek(-file.tell() % ALIGNMENT, os.SEEK_CUR)
                form = {"dtype": array.dtype.str, "shape": list(array.shape)}
                places[name] = {"path": str(path), "offset": file.tell(), **form}
                file.write(np.ascontiguousarray(array).data)
        return places

    def share(self, arrays: Mapping[str, Array]) -> dict[str, Place]:
        """Writes those of the arrays that were not shared before; returns where each lies, as plain JSON.

        The arrays are kept alive and must not change while the shelf is in use.
        """
        new = {name: array for name, array in arrays.items() if id(array) not in self._places}
        if new:
            for name, place in self.put(new).items():
                self._places[id(new[name])] = (new[name], place)
        return {name: self._places[id(array)][1] for name, array in arrays.items()}

    def clear(self) -> None:
        """Removes all that was put here; whoever has mapped an array keeps it."""
        self._places.clear()
        for path in self._folder.iterdir():
            path.unlink()


@contextmanager
def shared_folder() -> Iterator[tuple[Path, Shelf]]:
    """A folder for the workers of one run, and this side's shelf in it; both are removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="netparity-") as name:
        folder = Path(name)
        yield folder, Shelf(Path(tempfile.mkdtemp(dir=folder)))


def read_arrays(places: Mapping[str, Place]) -> dict[str, Array]:
    """Maps arrays that the other side has put on its shelf; they are read-only."""
    return {name: _read(**place) for name, place in places.items()}


def take_arrays(places: Mapping[str, Place]) -> dict[str, Array]:
    """Maps arrays and removes their files: what is mapped stays, and its room is freed with the map."""
    arrays = read_arrays(places)
    for path in {place["path"] for place in places.values()}:
        Path(path).unlink()
    return arrays


def _read(path: str, offset: int, dtype: str, shape: list[int]) -> Array:
    if 0 in shape:
        return np.empty(shape, dtype)
    return np.memmap(path, np.dtype(dtype), "r", offset, tuple(shape)).view(np.ndarray)
