"""How many kinks rounding may decide: where ReLU is about to open, and where a pool's two largest are about equal.

Each of them may send a gradient another way. That is why float32 gradients jump, end to end, in any framework.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from googlenet_np import operations as op
from googlenet_np.architecture import GOOGLENET, MaxPool2d

__all__ = ["Kinks", "undecided_maxima", "undecided_signs"]

Array = npt.NDArray[Any]


class Kinks(NamedTuple):
    """Undecided kinks of a forward pass.

    Attributes:
        signs: ReLU inputs whose sign rounding may decide.
        maxima: Max-pool windows in which rounding may decide which entry is the largest.
        entries: All ReLU inputs and all windows.
    """

    signs: int = 0
    maxima: int = 0
    entries: int = 0


def undecided_signs(before: Array, error: float) -> Kinks:
    """Of a layer's ReLU inputs, each of which may be off by ``error``."""
    return Kinks(signs=int(np.count_nonzero(np.abs(before) <= error)), entries=before.size)


def undecided_maxima(layer: MaxPool2d, x: Array, error: float) -> Kinks:
    """Of a pool's windows over ``x`` (N, C, H, W), each entry of which may be off by ``error``.

    A window whose maximum is next to zero does not count: its entries' own ReLUs let no gradient through, or are
    counted themselves. Nor do equal entries that are another pool's output: its windows overlap, and what they share
    is one pixel, to which the gradient goes either way.
    """
    size, padding, stride = layer.kernel_size, layer.padding, layer.stride
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)), constant_values=-np.inf)
    # NumPy's stubs know no tuple of axes.
    windows = sliding_window_view(padded, (size, size), axis=(2, 3))[:, :, ::stride, ::stride]  # type: ignore[call-overload]
    largest = op.max_pool2d(x, kernel_size=size, stride=stride, padding=padding)
    after_a_pool = isinstance(GOOGLENET[layer.inputs[0]], MaxPool2d)
    near = np.zeros(largest.shape, np.int32)
    for tap in np.ndindex(size, size):
        entries = windows[(..., *tap)]
        near += (entries >= largest - 2 * error) & ((entries != largest) | (not after_a_pool))
    undecided = near > (0 if after_a_pool else 1)
    return Kinks(maxima=int(np.count_nonzero(undecided & (largest > error))), entries=largest.size)
