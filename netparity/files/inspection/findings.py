"""What an inspection finds: each tensor of the file, what there is to say of it, and what is wrong."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from netparity.files.hashing import array_sha256
from netparity.files.tensors import ForeignTensor
from netparity.system.text import printable


@dataclass(frozen=True)
class TensorRow:
    """One tensor of a file.

    Attributes:
        name, shape: In the file.
        canonical: Its canonical name; empty for one that has none.
        dtype: In the file, or what it is if it is no array.
        sha256: The hash of the array in canonical layout, or as it is if it has no canonical name; empty if it is no
            array.
        problem: What is wrong with it; empty if nothing is.
    """

    name: str
    canonical: str
    shape: tuple[int, ...]
    dtype: str
    sha256: str
    problem: str = ""


@dataclass(frozen=True)
class Inspection:
    """What was found.

    Attributes:
        path: The file.
        size: Bytes.
        format: Whose file it is.
        kind: What it holds: weights, a training's checkpoint, a trace, or tensors that are none of these.
        facts: What there is to say of it, as headings and texts.
        tensors: In canonical order; those that have no place there come last, by name.
        network: The name of the network that it should be of.
        sha256: The hash of the whole weights set, as traces have it; empty where there is none.
        header: As the file has it, for those of this project's own files.
        problems: Sentences; empty for a sound file.
    """

    path: str
    size: int
    format: str
    kind: str
    facts: Mapping[str, str]
    tensors: tuple[TensorRow, ...]
    network: str
    sha256: str = ""
    header: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 for a sound file, 1 where something is wrong."""
        return 1 if self.problems else 0


def tensor_row(name: str, tensor: Any, canonical: str = "", array: Any = None, problem: str = "") -> TensorRow:
    """The row of one tensor: as the file has it, and as an array in canonical layout, where that is known."""
    if isinstance(tensor, ForeignTensor):
        return TensorRow(name, canonical, tensor.shape, tensor.kind, "", problem)
    if not isinstance(tensor, np.ndarray):
        return TensorRow(name, canonical, (), type(tensor).__name__, "", problem)
    # The bytes of an array of objects are addresses in memory.
    digest = "" if tensor.dtype.hasobject else array_sha256(tensor if array is None else array)
    return TensorRow(name, canonical, tensor.shape, tensor.dtype.name, digest, problem)


def totals(rows: Iterable[TensorRow]) -> dict[str, str]:
    """The dtypes of all tensors, how many there are, and how many numbers they have."""
    rows = list(rows)
    dtypes = sorted({row.dtype for row in rows})
    return {
        "dtype": ", ".join(map(printable, dtypes)) or "none",
        "tensors": f"{len(rows)}, of {sum(math.prod(row.shape) for row in rows):,} numbers",
    }


def listed(what: str, names: list[str]) -> str:
    """A sentence about tensors by their names; ``what`` is what they are: missing, unexpected."""
    are = "tensor is" if len(names) == 1 else "tensors are"
    return f"{len(names)} {are} {what}: {', '.join(map(printable, names))}."


def table(entries: Any) -> str:
    """A table of a header, in a line."""
    if not isinstance(entries, Mapping):
        return "not said"
    lists = {key: "/".join(map(str, value)) if isinstance(value, list) else value for key, value in entries.items()}
    return ", ".join(f"{printable(key)} {printable(value)}" for key, value in lists.items())
