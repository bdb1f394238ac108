"""What the backward pass of one layer alone must give, and how far rounding may take it.

End to end, float32 gradients cannot be judged: one activation in a few million lands on the other side of its ReLU's
kink, and every gradient before it jumps. So each layer is fed the reference's own input and a cotangent that is zero
wherever rounding may decide the ReLU's sign. What is left is sums of products, and they have bounds.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from netparity.network.contract import Array, DType
from netparity.network.kinds import Layer
from netparity.verdict.bounds import Bound
from netparity.verdict.ground_truth import GRADIENT_SAMPLES, GroundTruth


@dataclass(frozen=True)
class LayerGradientTruth:
    """The backward pass of one layer.

    Attributes:
        inputs: What the layer is fed, in the working precision.
        cotangent: The gradient by its output that it is given, in the working precision.
        gradients: ``weight``, ``bias`` (of a layer that has them) and ``inputs``: what it must give, and its bound.
        undecided: How many entries of the output have a sign that rounding may decide; their cotangent is zero.
    """

    inputs: Array
    cotangent: Array
    gradients: dict[str, tuple[Array, Bound]]
    undecided: int


def layer_gradient_truth(truth: GroundTruth, layer: Layer, dtype: DType) -> LayerGradientTruth:
    """The backward pass of one layer, in float64.

    The cotangent is drawn from a normal distribution, seeded by the layer's name: whatever the loss may be, it has
    both signs, so that roundings stay independent, and it is nowhere too small to show a fault.
    """
    inputs = truth.inputs(layer, dtype)[:GRADIENT_SAMPLES]
    shape = (len(inputs), *truth.shapes[layer.name])
    cotangent = np.random.default_rng(zlib.crc32(layer.name.encode())).standard_normal(shape, np.float32).astype(dtype)
    local = truth.local(layer, dtype)
    undecided = 0
    if layer.activated:
        assert local.bound is not None
        open_ = np.abs(local.before) <= local.bound.certain[:GRADIENT_SAMPLES]
        undecided = int(np.count_nonzero(open_))
        cotangent[open_] = 0
    exact = inputs.astype(np.float64), cotangent.astype(np.float64)
    weights = {key: truth.exact_weights[f"{layer.name}.{key}"] for key in layer.parameters}
    largest = max(float(np.abs(array).max()) for array in (*exact, weights.get("weight", np.zeros(1))))
    gradients = {}
    for key, sums in layer.backward_sums(exact[0], local.before, exact[1], weights).items():
        magnitude = np.ascontiguousarray(sums.magnitude)
        bound = Bound.of_sums(magnitude, sums.length, dtype, truth.confidence(dtype), largest)
        gradients[key] = np.ascontiguousarray(sums.values), bound
    return LayerGradientTruth(inputs, cotangent, gradients, undecided)
