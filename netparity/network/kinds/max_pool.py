"""The max-pool."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from netparity.network import operations as op
from netparity.network.contract import Array
from netparity.network.kinds import mistakes
from netparity.network.kinds.base import Kinks, Layer, Parameters, Shape, Sums, window_words
from netparity.network.kinds.mistakes import Variant


@dataclass(frozen=True)
class MaxPool2d(Layer):
    """Maximum over a square window; the border is padded with minus infinity."""

    kernel_size: int
    stride: int
    padding: int

    kind: ClassVar[str] = "max-pool"
    takes_maxima: ClassVar[bool] = True

    def output_shape(self, inputs: Sequence[Shape], num_classes: int) -> Shape:
        return (inputs[0][0], *op.output_size(inputs[0][1:], self.kernel_size, self.stride, self.padding))

    def forward(self, inputs: Sequence[Array], parameters: Parameters) -> Array:
        return op.max_pool2d(inputs[0], kernel_size=self.kernel_size, stride=self.stride, padding=self.padding)

    def backward(
        self, inputs: Sequence[Array], output: Array, cotangent: Array, parameters: Parameters
    ) -> tuple[list[Array], dict[str, Array]]:
        return [self._routed(inputs[0], output, cotangent)], {}

    def backward_sums(self, x: Array, output: Array, cotangent: Array, parameters: Parameters) -> dict[str, Sums]:
        # A pixel that one window chose gets that window's cotangent and no rounding; only sums of several round.
        several = self._routed(x, output, np.ones_like(cotangent)) > 1
        magnitude = self._routed(x, output, np.abs(cotangent)) * several
        return {"inputs": Sums(self._routed(x, output, cotangent), magnitude, self.kernel_size**2)}

    def undecided(self, before: Array, x: Array, error: float, input_error: float, *, after_a_pool: bool) -> Kinks:
        """How many windows have a largest entry that rounding may decide.

        A window whose maximum is next to zero does not count: its entries' own ReLUs let no gradient through, or are
        counted themselves. Nor do equal entries that are another pool's output: its windows overlap, and what they
        share is one pixel, to which the gradient goes either way.
        """
        size, padding, stride = self.kernel_size, self.padding, self.stride
        padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)), constant_values=-np.inf)
        # NumPy's stubs know no tuple of axes.
        windows = sliding_window_view(padded, (size, size), axis=(2, 3))  # type: ignore[call-overload]
        windows = windows[:, :, ::stride, ::stride]
        largest = self.forward([x], {})
        near = np.zeros(largest.shape, np.int32)
        for tap in np.ndindex(size, size):
            entries = windows[(..., *tap)]
            near += (entries >= largest - 2 * input_error) & ((entries != largest) | (not after_a_pool))
        open_ = (near > (0 if after_a_pool else 1)) & (largest > input_error)
        return Kinks(maxima=int(np.count_nonzero(open_)), entries=largest.size)

    def right(self, x: Array, parameters: Parameters) -> Variant:
        pads = mistakes.even_pads(self.padding)
        return Variant(x, mistakes.MAX_POOL, kernel_size=self.kernel_size, stride=self.stride, pads=pads)

    def mistakes(self, right: Variant, others: Mapping[str, tuple[Array, Array]]) -> Iterator[Variant]:
        yield from mistakes.wrong_padding(right)
        yield from mistakes.wrong_maximum(right)
        yield from mistakes.wrong_input_layout(right)
        yield from mistakes.wrong_output_layout(right)

    @property
    def words(self) -> str:
        return window_words(self.kind, self.kernel_size, self.stride)

    def _routed(self, x: Array, output: Array, cotangent: Array) -> Array:
        return op.max_pool2d_backward(
            x, output, cotangent, kernel_size=self.kernel_size, stride=self.stride, padding=self.padding
        )
