"""Setting one tensor of a backend against the reference's, entry by entry.

Nothing is averaged, masked or broadcast: a wrong shape, a wrong dtype, NaN or infinity is a failure of its own.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from netparity.network.contract import Array, DType
from netparity.verdict.bounds import Bound, flush
from netparity.verdict.findings import Measurement, Status


def malformed(name: str, actual: Array | None, shape: tuple[int, ...], dtype: str) -> Measurement | None:
    """The failure of a tensor that is missing, or has the wrong shape, dtype or numbers that are not finite."""
    if fault := _wrong_kind(name, actual, shape, dtype):
        return fault
    assert actual is not None
    return None if np.isfinite(actual).all() else _not_finite(name, actual)


def measure_bound(name: str, actual: Array | None, desired: Array, bound: Bound, dtype: DType) -> Measurement:
    """Against a rounding bound for each entry: beyond the probable one ``suspect``, beyond the certain one ``fail``."""
    measured = _measure(name, actual, desired, bound.probable, dtype)
    if measured.status is Status.PASS or measured.message:
        return measured
    assert actual is not None
    certain = (np.abs(actual - desired) > bound.certain).any()
    return measured if certain else replace(measured, status=Status.SUSPECT)


def measure_limit(name: str, actual: Array | None, desired: Array, limit: float, dtype: str) -> Measurement:
    """Against one limit for all entries."""
    return _measure(name, actual, desired, np.float64(limit), dtype)


def measure_equal(name: str, actual: Array | None, desired: Array, dtype: DType) -> Measurement:
    """Bit for bit, but for the sign of zero and for subnormal numbers, which frameworks flush to zero."""
    if fault := malformed(name, actual, desired.shape, dtype):
        return fault
    assert actual is not None
    if np.array_equal(actual, desired):
        return Measurement(name, Status.PASS, 0.0)
    return _measure(name, flush(actual, dtype), flush(desired, dtype), np.float64(0), dtype)


def _measure(name: str, actual: Array | None, desired: Array, limit: Array | np.float64, dtype: str) -> Measurement:
    if fault := _wrong_kind(name, actual, desired.shape, dtype):
        return fault
    assert actual is not None
    error = np.empty(desired.shape)
    with np.errstate(invalid="ignore", over="ignore"):
        np.abs(np.subtract(actual, desired, out=error), out=error)
        # Where nothing is allowed, 0 / 0 would be NaN and hide every other entry.
        share = error / np.maximum(limit, np.finfo(np.float64).smallest_subnormal) if np.ndim(limit) else error
    worst = int(np.argmax(share))  # NaN counts as the largest
    where = tuple(int(axis) for axis in np.unravel_index(worst, error.shape))
    largest, allowed = float(error[where]), float(np.broadcast_to(limit, error.shape)[where])
    if not np.isfinite(largest):
        return _not_finite(name, actual)
    beyond = float((error > limit).mean()) if largest > allowed else 0.0
    return Measurement(
        name,
        Status.FAIL if beyond else Status.PASS,
        0.0 if largest == 0 else largest / allowed if allowed else float("inf"),
        largest,
        allowed,
        where,
        float(actual[where]),
        float(desired[where]),
        beyond,
    )


def _wrong_kind(name: str, actual: Array | None, shape: tuple[int, ...], dtype: str) -> Measurement | None:
    if actual is None:
        fault = "is missing"
    elif actual.shape != shape:
        fault = f"has shape {actual.shape}, expected {shape}"
    elif actual.dtype != dtype:
        fault = f"has dtype {actual.dtype}, expected {dtype}"
    else:
        return None
    return Measurement(name, Status.FAIL, float("inf"), beyond=1.0, message=fault)


def _not_finite(name: str, actual: Array) -> Measurement:
    wrong = ~np.isfinite(actual)
    where = tuple(np.argwhere(wrong)[0].tolist())
    fault = f"holds {actual[where]} at {where} ({wrong.mean():.2%} of its entries are not finite)"
    return Measurement(name, Status.FAIL, float("inf"), index=where, beyond=float(wrong.mean()), message=fault)
