"""Setting one tensor of a backend against the reference's, entry by entry.

Nothing is averaged, masked or broadcast: a wrong shape, a wrong dtype, NaN or infinity is a failure of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from googlenet_np.backend import DType
from googlenet_parity.bounds import Bound, flush
from googlenet_parity.verdict import Measurement, Status

__all__ = ["malformed", "measure_bound", "measure_equal", "measure_limit"]

Array = npt.NDArray[Any]


def malformed(name: str, actual: Array | None, shape: tuple[int, ...], dtype: str) -> Measurement | None:
    """The failure of a tensor that is missing, or has the wrong shape, dtype or numbers that are not finite."""
    if actual is None:
        fault = "is missing"
    elif actual.shape != shape:
        fault = f"has shape {actual.shape}, expected {shape}"
    elif actual.dtype != dtype:
        fault = f"has dtype {actual.dtype}, expected {dtype}"
    elif not (finite := np.isfinite(actual)).all():
        where = tuple(int(axis) for axis in np.argwhere(~finite)[0])
        fault = f"holds {actual[where]} at {where} ({1 - finite.mean():.2%} of its entries are not finite)"
    else:
        return None
    return Measurement(name, Status.FAIL, float("inf"), beyond=1.0, message=fault)


def measure_bound(name: str, actual: Array | None, desired: Array, bound: Bound, dtype: DType) -> Measurement:
    """Against a rounding bound for each entry: beyond the probable one ``suspect``, beyond the certain one ``fail``."""
    if fault := malformed(name, actual, desired.shape, dtype):
        return fault
    assert actual is not None
    error = np.abs(actual - desired)
    measured = _measurement(name, Status.PASS, actual, desired, error, bound.probable)
    if measured.share <= 1:
        return measured
    return replace(measured, status=Status.FAIL if (error > bound.certain).any() else Status.SUSPECT)


def measure_equal(name: str, actual: Array | None, desired: Array, dtype: DType) -> Measurement:
    """Bit for bit, but for the sign of zero and for subnormal numbers, which frameworks flush to zero."""
    if fault := malformed(name, actual, desired.shape, dtype):
        return fault
    assert actual is not None
    differs = flush(actual, dtype) != flush(desired, dtype)
    if not differs.any():
        return Measurement(name, Status.PASS, 0.0)
    error = np.abs(actual.astype(np.float64) - desired)
    place = np.unravel_index(int(np.argmax(np.where(differs, error, -1))), error.shape)
    where = tuple(int(axis) for axis in place)
    return Measurement(
        name,
        Status.FAIL,
        float("inf"),
        error=float(error[where]),
        index=where,
        actual=float(actual[where]),
        desired=float(desired[where]),
        beyond=float(differs.mean()),
    )


def measure_limit(
    name: str, actual: Array | None, desired: Array, limit: float, dtype: str, *, status: Status = Status.FAIL
) -> Measurement:
    """Against one limit for all entries; beyond it the tensor has ``status``."""
    if fault := malformed(name, actual, desired.shape, dtype):
        return fault
    assert actual is not None
    error = np.abs(actual - desired)
    measured = _measurement(name, Status.PASS, actual, desired, error, np.asarray(limit))
    return measured if measured.share <= 1 else replace(measured, status=status)


def _measurement(name: str, status: Status, actual: Array, desired: Array, error: Array, limit: Array) -> Measurement:
    with np.errstate(divide="ignore", invalid="ignore"):
        share = error / limit
    share = np.where(error == 0, 0.0, share)  # where nothing is allowed, no error still is within
    place = np.unravel_index(int(np.argmax(share)), error.shape)
    where = tuple(int(axis) for axis in place)
    return Measurement(
        name,
        status,
        float(share[where]),
        float(error[where]),
        float(np.broadcast_to(limit, error.shape)[where]),
        where,
        float(actual[where]),
        float(desired[where]),
        float((error > limit).mean()),
    )
