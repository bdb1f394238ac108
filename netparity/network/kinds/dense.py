"""The fully connected layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from netparity.network import operations as op
from netparity.network.contract import Array
from netparity.network.kinds import mistakes
from netparity.network.kinds.base import Layer, Parameters, Shape, Sums
from netparity.network.kinds.mistakes import Variant


@dataclass(frozen=True)
class Dense(Layer):
    """Fully connected layer to ``num_classes`` logits, with bias and without ReLU. Weight layout (out, in)."""

    kind: ClassVar[str] = "dense"
    parameters: ClassVar[tuple[str, ...]] = ("weight", "bias")
    rank: ClassVar[int] = 2

    def output_shape(self, inputs: Sequence[Shape], num_classes: int) -> Shape:
        return (num_classes,)

    def parameter_shapes(self, input_shape: Shape, output_shape: Shape) -> dict[str, Shape]:
        return {"weight": (output_shape[0], input_shape[0]), "bias": (output_shape[0],)}

    def forward(self, inputs: Sequence[Array], parameters: Parameters) -> Array:
        return op.dense(inputs[0], parameters["weight"], parameters["bias"])

    def backward(
        self, inputs: Sequence[Array], output: Array, cotangent: Array, parameters: Parameters
    ) -> tuple[list[Array], dict[str, Array]]:
        weight, bias, x = op.dense_backward(inputs[0], parameters["weight"], cotangent)
        return [x], {"weight": weight, "bias": bias}

    def sum_length(self, input_shape: Shape) -> int:
        return input_shape[0] + 1

    def backward_sums(self, x: Array, before: Array, cotangent: Array, parameters: Parameters) -> dict[str, Sums]:
        weight = parameters["weight"]
        gradients = op.dense_backward(x, weight, cotangent)
        magnitudes = op.dense_backward(np.abs(x), np.abs(weight), np.abs(cotangent))
        lengths = (len(cotangent), len(cotangent), len(weight))
        names = ("weight", "bias", "inputs")
        return dict(zip(names, map(Sums, gradients, magnitudes, lengths), strict=True))

    def right(self, x: Array, parameters: Parameters) -> Variant:
        return Variant("as it should be", x, mistakes.PRODUCT, parameters["weight"], parameters["bias"])

    def mistakes(self, right: Variant, others: Mapping[str, tuple[Array, Array]]) -> Iterator[Variant]:
        yield from mistakes.wrong_weights(right, self.name, others)
        yield from mistakes.wrong_bias_and_relu(right)

    def label(self, output_shape: Shape) -> str:
        return f"dense, {output_shape[0]}"
