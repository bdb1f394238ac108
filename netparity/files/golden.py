"""What a golden keeps of a trace: little enough for a repository, enough to tell a changed number as what it is.

Of each tensor a golden has the dtype, the shape and the SHA-256 of all bits; 64 entries, spread over all of it; and its
smallest, its largest and its mean number. Logits, loss and predictions, and whatever else is small, it has whole. The
trace's header stays: versions, environment, hashes, and how far rounding may take each tensor.

- The hash sees every change of every bit.
- Each kept entry is judged by the bound of its tensor. So are the three numbers of the whole: none of them can move
  further than the farthest entry does, and every entry has a part in the mean.
- What is none of the kept entries, nor an extreme, and too small a part to move the mean beyond the bound, may be wrong
  by more than rounding and be taken for it. Its layer's hash says that bits changed, the layers after it have kept
  entries of their own, and the logits are whole: a fault of a layer moves those. A golden is not the float64 reference,
  which judges every entry.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from netparity.files.hashing import array_sha256
from netparity.files.tensors import header_number
from netparity.network.contract import Array

SUMMARIES = "summaries"
"""The key of a golden's header under which it has what it knows of each tensor as a whole."""

ENTRIES = 64
"""How many entries are kept of a tensor that is too large to be kept whole."""

WHOLE = ("logits", "loss", "predictions")
"""Tensors that are kept whole however large they are."""

STATISTICS = ("smallest", "largest", "mean")


def places(name: str, size: int) -> Array:
    """Which entries of a tensor a golden keeps, as places in C order; the same ones in every golden.

    One is drawn from each of 64 stretches of equal length, so that they are spread over all images and channels. The
    draw is seeded by the tensor's name, with PCG64's raw stream, which is the same in every NumPy.

    Args:
        name: The tensor's name in the trace.
        size: The number of its entries, more than 64.
    """
    ends = np.arange(ENTRIES + 1, dtype=np.uint64) * np.uint64(size) // np.uint64(ENTRIES)
    drawn = np.random.PCG64(zlib.crc32(name.encode())).random_raw(ENTRIES)
    return (ends[:-1] + drawn % (ends[1:] - ends[:-1])).astype(np.int64)


def kept_shape(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of what a golden keeps of a tensor: its own, if it is kept whole."""
    return shape if name in WHOLE or math.prod(shape) <= ENTRIES else (ENTRIES,)


def condense(header: Mapping[str, Any], tensors: Mapping[str, Array]) -> tuple[dict[str, Any], dict[str, Array]]:
    """The header and the tensors of a golden, from those of a trace; each tensor is read once, and none is held."""
    summaries: dict[str, dict[str, Any]] = {}
    kept = {}
    for name, array in tensors.items():
        summaries[name] = {"dtype": array.dtype.name, "shape": list(array.shape), "sha256": array_sha256(array)}
        if kept_shape(name, array.shape) == array.shape:
            kept[name] = np.array(array)
        else:
            kept[name] = array.reshape(-1)[places(name, array.size)]
            summaries[name] |= _statistics(array)
    return {**header, SUMMARIES: summaries}, kept


def check_samples(header: Mapping[str, Any], tensors: Mapping[str, Array]) -> None:
    """Raises unless a golden's tensors are what its header says of them.

    Raises:
        ValueError, KeyError, TypeError: With what is wrong.
    """
    summaries = header[SUMMARIES]
    if summaries.keys() != tensors.keys():
        odd = sorted(summaries.keys() ^ tensors.keys())
        raise ValueError(f"it has either the numbers or the summary of {', '.join(map(repr, odd))}, and not both")
    for name, summary in summaries.items():
        shape, array = tuple(summary["shape"]), tensors[name]
        if not all(type(axis) is int and axis >= 0 for axis in shape):
            raise ValueError(f"the shape of {name!r} is {shape}")
        expected = kept_shape(name, shape)
        if (array.shape, array.dtype.name) != (expected, summary["dtype"]):
            raise ValueError(
                f"of {name!r}, {summary['dtype']} of shape {shape}, it should keep {expected} numbers, "
                f"and it has {array.dtype} of shape {array.shape}"
            )
        whole = expected == shape
        if whole and array_sha256(array) != summary["sha256"]:
            raise ValueError(f"the numbers of {name!r} have not the hash that its header says")
        for word in () if whole else STATISTICS:
            if (number := summary[word]) is not None:
                header_number(f"{word} number of {name!r}", number)


def _statistics(array: Array) -> dict[str, float | None]:
    """Three numbers that every entry has a part in; None for those that are not finite, which JSON lacks."""
    with np.errstate(all="ignore"):
        numbers = (float(array.min()), float(array.max()), float(array.mean(dtype=np.float64)))
    return {word: number if math.isfinite(number) else None for word, number in zip(STATISTICS, numbers, strict=True)}
