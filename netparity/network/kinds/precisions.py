"""Number formats coarser than float32, in which hardware and libraries compute without being asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from netparity.network.contract import Array


@dataclass(frozen=True)
class Precision:
    """A number format.

    Attributes:
        name: As people call it.
        stored: Whether tensors are kept in it; otherwise it is only what a product's operands are rounded to.
        unit_roundoff: The largest relative error of rounding to it.
        smallest: The spacing of its smallest numbers.
        rounded: Rounds an array to it; the result is float64.
    """

    name: str
    stored: bool
    unit_roundoff: float
    smallest: float
    rounded: Callable[[Array], Array]


def _significand(bits: int, *, truncate: bool = False) -> Callable[[Array], Array]:
    """Rounds to float32's exponents and ``bits`` bits of significand, to nearest even or toward zero."""
    drop = 24 - bits

    def rounded(array: Array) -> Array:
        integers = np.ascontiguousarray(array, np.float32).view(np.uint32)
        if not truncate:
            half = np.uint32((1 << (drop - 1)) - 1)
            integers = integers + half + ((integers >> np.uint32(drop)) & np.uint32(1))
        kept = integers & ~np.uint32((1 << drop) - 1)
        return kept.view(np.float32).astype(np.float64)

    return rounded


def _half(array: Array) -> Array:
    with np.errstate(over="ignore"):
        return array.astype(np.float16).astype(np.float64)


SINGLE = Precision("float32", True, 2.0**-24, 2.0**-149, lambda array: array.astype(np.float32).astype(np.float64))
"""Coarser than float64 alone."""

PRECISIONS = (
    Precision("bfloat16", True, 2.0**-8, 2.0**-133, _significand(8)),
    Precision("float16", True, 2.0**-11, 2.0**-24, _half),
    Precision("TF32", False, 2.0**-11, 2.0**-136, _significand(11)),
    Precision("TF32, truncated", False, 2.0**-10, 2.0**-136, _significand(11, truncate=True)),
    Precision("bfloat16, truncated", False, 2.0**-7, 2.0**-133, _significand(8, truncate=True)),
)
