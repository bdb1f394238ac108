"""Small traces for the tests of what is kept and compared; the fixtures that record them are in ``compare``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from netparity.files.trace import Trace

__all__ = ["CASE", "NUMPY", "WRONG", "with_change"]

NUMPY = "numpy=parity_tests.support.numpy_backend:Backend"
WRONG = "wrong=parity_tests.support.misbehaving:ShiftsOneLayer"
CASE = ("--seed", 3, "--image-size", 19, 33, "--batch-size", 3)


def with_change(trace: Trace, name: str, change: Callable[[npt.NDArray[Any]], None]) -> Trace:
    """The trace with one of its tensors changed in place."""
    array = np.array(trace.tensors[name])
    change(array)
    return replace(trace, tensors={**trace.tensors, name: array})
