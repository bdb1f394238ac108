"""What the backward pass of one layer alone must give, and how far rounding may take it.

End to end, float32 gradients cannot be judged: one activation in a few million lands on the other side of its ReLU's
kink, and every gradient before it jumps. So each layer is fed the reference's own input and a cotangent that is zero
wherever rounding may decide the ReLU's sign. What is left is sums of products, and they have bounds.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from googlenet_np import operations as op
from googlenet_np.architecture import Conv2d, Dense, GlobalAvgPool2d, Layer, MaxPool2d
from googlenet_np.backend import DType
from googlenet_parity.bounds import Bound
from googlenet_parity.ground_truth import GRADIENT_SAMPLES, GroundTruth

__all__ = ["LayerGradientTruth", "layer_gradient_truth"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class LayerGradientTruth:
    """The backward pass of one layer.

    Attributes:
        inputs: What the layer is fed, in the working precision.
        cotangent: The gradient by its output that it is given, likewise.
        gradients: ``weight``, ``bias`` (of a layer that has them) and ``inputs``: what it must give, and its bound.
        undecided: How many entries of the output have a sign that rounding may decide; their cotangent is zero.
    """

    inputs: Array
    cotangent: Array
    gradients: dict[str, tuple[Array, Bound]]
    undecided: int


def layer_gradient_truth(truth: GroundTruth, layer: Layer, dtype: DType) -> LayerGradientTruth:
    """Works it out in float64.

    The cotangent is drawn from a normal distribution, seeded by the layer's name: whatever the loss may be, it has
    both signs, so that roundings stay independent, and it is nowhere too small to show a fault.

    Raises:
        TypeError: The layer is a concatenation, whose backward pass computes nothing.
    """
    inputs = truth.inputs(layer, dtype)[:GRADIENT_SAMPLES]
    exact = inputs.astype(np.float64)
    shape = (len(inputs), *truth.shapes[layer.name])
    cotangent = np.random.default_rng(zlib.crc32(layer.name.encode())).standard_normal(shape, np.float32).astype(dtype)
    local = truth.local(layer, dtype)
    output = local.before
    undecided = 0
    if isinstance(layer, Conv2d):
        assert local.bound is not None
        open_ = np.abs(output) <= local.bound.certain[:GRADIENT_SAMPLES]
        undecided = int(np.count_nonzero(open_))
        cotangent[open_] = 0
    gradients = _gradients(truth, layer, exact, output, cotangent.astype(np.float64), dtype)
    return LayerGradientTruth(inputs, cotangent, gradients, undecided)


def _gradients(
    truth: GroundTruth, layer: Layer, x: Array, output: Array, cotangent: Array, dtype: DType
) -> dict[str, tuple[Array, Bound]]:
    weight = truth.exact_weights.get(f"{layer.name}.weight", np.zeros(1))
    positions = cotangent.size // cotangent.shape[1]

    def bounded(gradient: Array, magnitude: Array, length: int) -> tuple[Array, Bound]:
        largest = max(float(np.abs(array).max()) for array in (x, weight, cotangent))
        bound = Bound.of_sums(np.ascontiguousarray(magnitude), length, dtype, truth.confidence(dtype), largest)
        return np.ascontiguousarray(gradient), bound

    match layer:
        case Conv2d(kernel_size=size, stride=stride, padding=padding):
            passed = op.relu_backward(output, cotangent)
            exact = op.conv2d_backward(x, weight, passed, stride=stride, padding=padding)
            magnitudes = op.conv2d_backward(np.abs(x), np.abs(weight), np.abs(passed), stride=stride, padding=padding)
            lengths = (positions, positions, len(weight) * size**2)
        case Dense():
            exact = op.dense_backward(x, weight, cotangent)
            magnitudes = op.dense_backward(np.abs(x), np.abs(weight), np.abs(cotangent))
            lengths = (positions, positions, len(weight))
        case GlobalAvgPool2d():
            gradient = op.global_avg_pool2d_backward(x, cotangent)
            # A division, or a product with a rounded reciprocal.
            return {"inputs": bounded(gradient, np.abs(gradient), 2)}
        case MaxPool2d(kernel_size=size, stride=stride, padding=padding):

            def routed(values: Array) -> Array:
                return op.max_pool2d_backward(x, output, values, kernel_size=size, stride=stride, padding=padding)

            # A pixel that one window chose gets that window's cotangent and no rounding; only sums of several round.
            several = routed(np.ones_like(cotangent)) > 1
            return {"inputs": bounded(routed(cotangent), routed(np.abs(cotangent)) * several, size**2)}
        case _:
            raise TypeError(f"{layer.name} is a concatenation: its backward pass computes nothing.")
    return {
        name: bounded(gradient, magnitude, length)
        for name, gradient, magnitude, length in zip(
            ("weight", "bias", "inputs"), exact, magnitudes, lengths, strict=True
        )
    }
