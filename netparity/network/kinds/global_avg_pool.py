"""The global average pool."""

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
class GlobalAvgPool2d(Layer):
    """Mean over height and width: (N, C, H, W) to (N, C)."""

    kind: ClassVar[str] = "avg-pool"

    def output_shape(self, inputs: Sequence[Shape], num_classes: int) -> Shape:
        return inputs[0][:1]

    def forward(self, inputs: Sequence[Array], parameters: Parameters) -> Array:
        return op.global_avg_pool2d(inputs[0])

    def backward(
        self, inputs: Sequence[Array], output: Array, cotangent: Array, parameters: Parameters
    ) -> tuple[list[Array], dict[str, Array]]:
        return [op.global_avg_pool2d_backward(inputs[0], cotangent)], {}

    def sum_length(self, input_shape: Shape) -> int:
        # H W terms have H W - 1 additions; the division may be a rounded reciprocal and a product.
        return input_shape[1] * input_shape[2] + 1

    def backward_sums(self, x: Array, output: Array, cotangent: Array, parameters: Parameters) -> dict[str, Sums]:
        gradient = op.global_avg_pool2d_backward(x, cotangent)
        # A division, or a product with a rounded reciprocal.
        return {"inputs": Sums(gradient, np.abs(gradient), 2)}

    def right(self, x: Array, parameters: Parameters) -> Variant:
        return Variant(x, mistakes.GLOBAL_AVERAGE_POOL)

    def mistakes(self, right: Variant, others: Mapping[str, tuple[Array, Array]]) -> Iterator[Variant]:
        yield from mistakes.wrong_average(right)
        yield from mistakes.wrong_input_layout(right)

    def label(self, output_shape: Shape) -> str:
        return "global average pool"
