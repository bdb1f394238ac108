"""Where in a tensor the error is, height by width and by channel: small enough to be drawn, whatever its size."""

from __future__ import annotations

import numpy as np

from netparity.network.contract import Array, DType
from netparity.verdict.bounds import flush
from netparity.verdict.report import ErrorMap

CELLS = 96
"""The most places in a row or a column; a larger tensor is divided into as many squares."""


def map_errors(
    tensor: str, actual: Array, desired: Array, limit: Array | float | None, dtype: DType, *, channel_axis: int = 1
) -> ErrorMap | None:
    """The largest error at each place and of each channel; None for a tensor that cannot be compared entry by entry.

    What is not finite is infinitely far off.

    Args:
        tensor: The tensor's name.
        actual: The backend's numbers: (N, C, H, W) or (N, C); a gradient by a kernel, OIHW.
        desired: The reference's numbers.
        limit: What is allowed, for each entry or for all; None for a tensor that must agree bit for bit.
        dtype: What the backend computes in.
        channel_axis: 1; of a gradient by a parameter 0.
    """
    if actual.shape != desired.shape or not actual.ndim:
        return None
    with np.errstate(invalid="ignore", over="ignore"):
        if limit is None:
            error = np.abs(flush(actual, dtype) - flush(desired, dtype))
        else:
            error = np.abs(actual - desired) / np.maximum(limit, np.finfo(np.float64).smallest_subnormal)
    error[~np.isfinite(error)] = np.inf
    size, pixels = None, np.empty((0, 0))
    if actual.ndim == 4:
        size = (actual.shape[2], actual.shape[3])
        pixels = _in_squares(error.max(axis=(0, 1)))
    channels = error.max(axis=tuple(axis for axis in range(actual.ndim) if axis != channel_axis))
    rows = tuple(tuple(map(float, row)) for row in pixels)
    return ErrorMap(tensor, limit is not None, size, rows, tuple(map(float, channels)))


def _in_squares(places: Array) -> Array:
    """The largest of each square, of which there are at most :data:`CELLS` in a row."""
    side = -(-max(places.shape) // CELLS)
    for axis, length in enumerate(places.shape):
        places = np.maximum.reduceat(places, np.arange(0, length, side), axis=axis)
    return places
