"""The fully connected layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from netparity.network import operations as op
from netparity.network.contract import Array
from netparity.network.kinds import mistakes
from netparity.network.kinds.base import Parameters, Shape, Weighted
from netparity.network.kinds.mistakes import Variant


@dataclass(frozen=True)
class Dense(Weighted):
    """Fully connected layer to ``num_classes`` logits, with bias and without ReLU. Weight layout (out, in)."""

    kind: ClassVar[str] = "dense"
    rank: ClassVar[int] = 2

    def output_shape(self, inputs: Sequence[Shape], num_classes: int) -> Shape:
        return (num_classes,)

    def parameter_shapes(self, input_shape: Shape, output_shape: Shape) -> dict[str, Shape]:
        return {"weight": (output_shape[0], input_shape[0]), "bias": (output_shape[0],)}

    def forward(self, inputs: Sequence[Array], parameters: Parameters) -> Array:
        return op.dense(inputs[0], parameters["weight"], parameters["bias"])

    def gradients(self, x: Array, weight: Array, cotangent: Array) -> tuple[Array, Array, Array]:
        return op.dense_backward(x, weight, cotangent)

    def sum_length(self, input_shape: Shape) -> int:
        return input_shape[0] + 1

    def right(self, x: Array, parameters: Parameters) -> Variant:
        return Variant(x, mistakes.PRODUCT, parameters["weight"], parameters["bias"])

    def mistakes(self, right: Variant, others: Mapping[str, tuple[Array, Array]]) -> Iterator[Variant]:
        yield from mistakes.wrong_weights(right, self.name, others)
        yield from mistakes.wrong_bias_and_relu(right)

    def label(self, output_shape: Shape) -> str:
        return f"dense, {output_shape[0]}"
