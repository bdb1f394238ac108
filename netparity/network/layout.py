"""Every permutation of axes in the project, as named functions; no other file transposes.

The canonical layouts are NCHW for activations, OIHW for convolution kernels, (out, in) for dense weights.
Each function returns a view; wrap it in :func:`numpy.ascontiguousarray` where memory order matters.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

Scalar = TypeVar("Scalar", bound=np.generic)
Array = npt.NDArray[Scalar]


def nchw_to_nhwc(activation: Array[Scalar]) -> Array[Scalar]:
    """Canonical activations to TensorFlow's: (N, C, H, W) to (N, H, W, C)."""
    return activation.transpose(0, 2, 3, 1)


def nhwc_to_nchw(activation: Array[Scalar]) -> Array[Scalar]:
    """TensorFlow's activations to canonical: (N, H, W, C) to (N, C, H, W)."""
    return activation.transpose(0, 3, 1, 2)


def oihw_to_hwio(kernel: Array[Scalar]) -> Array[Scalar]:
    """Canonical kernel to TensorFlow's: (O, I, H, W) to (H, W, I, O)."""
    return kernel.transpose(2, 3, 1, 0)


def hwio_to_oihw(kernel: Array[Scalar]) -> Array[Scalar]:
    """TensorFlow's kernel to canonical: (H, W, I, O) to (O, I, H, W)."""
    return kernel.transpose(3, 2, 0, 1)


def out_in_to_in_out(weight: Array[Scalar]) -> Array[Scalar]:
    """Canonical dense weight to TensorFlow's: (out, in) to (in, out)."""
    return weight.transpose(1, 0)


def in_out_to_out_in(weight: Array[Scalar]) -> Array[Scalar]:
    """TensorFlow's dense weight to canonical: (in, out) to (out, in)."""
    return weight.transpose(1, 0)


def nchw_to_cnhw(activation: Array[Scalar]) -> Array[Scalar]:
    """Canonical activations to the reference's inner layout, in which one layer is one matrix product."""
    return activation.transpose(1, 0, 2, 3)


def cnhw_to_nchw(activation: Array[Scalar]) -> Array[Scalar]:
    """The reference's inner layout to canonical activations."""
    return activation.transpose(1, 0, 2, 3)
