"""Convolution with bias and ReLU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from netparity.network import operations as op
from netparity.network.contract import Array
from netparity.network.kinds import mistakes
from netparity.network.kinds.base import Kinks, Parameters, Shape, Weighted, window_words
from netparity.network.kinds.mistakes import Variant


@dataclass(frozen=True)
class Conv2d(Weighted):
    """Convolution with square kernel, bias and ReLU. Kernel layout OIHW; padding is the same on all four sides."""

    out_channels: int
    kernel_size: int
    stride: int = 1
    padding: int = 0

    kind: ClassVar[str] = "conv"
    activated: ClassVar[bool] = True

    def output_shape(self, inputs: Sequence[Shape], num_classes: int) -> Shape:
        return (self.out_channels, *op.output_size(inputs[0][1:], self.kernel_size, self.stride, self.padding))

    def parameter_shapes(self, input_shape: Shape, output_shape: Shape) -> dict[str, Shape]:
        kernel = (self.out_channels, input_shape[0], self.kernel_size, self.kernel_size)
        return {"weight": kernel, "bias": (self.out_channels,)}

    def forward(self, inputs: Sequence[Array], parameters: Parameters) -> Array:
        return op.conv2d(inputs[0], parameters["weight"], parameters["bias"], stride=self.stride, padding=self.padding)

    def gradients(self, x: Array, weight: Array, cotangent: Array) -> tuple[Array, Array, Array]:
        return op.conv2d_backward(x, weight, cotangent, stride=self.stride, padding=self.padding)

    def sum_length(self, input_shape: Shape) -> int:
        return input_shape[0] * self.kernel_size**2 + 1

    def undecided(self, before: Array, x: Array, error: float, input_error: float, *, after_a_pool: bool) -> Kinks:
        return Kinks(signs=int(np.count_nonzero(np.abs(before) <= error)), entries=before.size)

    def right(self, x: Array, parameters: Parameters) -> Variant:
        weight, bias = parameters["weight"], parameters["bias"]
        pads = mistakes.even_pads(self.padding)
        return Variant(x, mistakes.CONVOLUTION, weight, bias, self.kernel_size, self.stride, pads, relu="after")

    def mistakes(self, right: Variant, others: Mapping[str, tuple[Array, Array]]) -> Iterator[Variant]:
        yield from mistakes.wrong_padding(right)
        yield from mistakes.wrong_kernel(right)
        yield from mistakes.wrong_weights(right, self.name, others)
        yield from mistakes.wrong_bias_and_relu(right)
        yield from mistakes.wrong_input_layout(right)
        yield from mistakes.wrong_output_layout(right)

    @property
    def words(self) -> str:
        return window_words(self.kind, self.kernel_size, self.stride)

    def label(self, output_shape: Shape) -> str:
        return f"{self.kernel_size}×{self.kernel_size}, {output_shape[0]}"
