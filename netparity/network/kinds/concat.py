"""Concatenation over the channel axis."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from netparity.network.contract import Array
from netparity.network.kinds.base import Layer, Parameters, Shape


@dataclass(frozen=True)
class Concat(Layer):
    """Concatenation over the channel axis.

    Under a block's own name it is the block's output; :func:`~netparity.network.network.block_names` has the rule.
    """

    kind: ClassVar[str] = "concat"
    joins: ClassVar[bool] = True

    def output_shape(self, inputs: Sequence[Shape], num_classes: int) -> Shape:
        return (sum(shape[0] for shape in inputs), *inputs[0][1:])

    def forward(self, inputs: Sequence[Array], parameters: Parameters) -> Array:
        return np.concatenate(inputs, axis=1)

    def backward(
        self, inputs: Sequence[Array], output: Array, cotangent: Array, parameters: Parameters
    ) -> tuple[list[Array], dict[str, Array]]:
        ends = np.cumsum([x.shape[1] for x in inputs])[:-1]
        return list(np.split(cotangent, ends, axis=1)), {}

    def reordered(self, branches: Sequence[Array]) -> Iterator[tuple[str, Array]]:
        """The branches concatenated in every other order, each in words and as an array."""
        for order in itertools.permutations(range(len(branches))):
            if order != tuple(range(len(branches))):
                words = ", ".join(f"branch {number + 1}" for number in order)
                yield (
                    f"branches concatenated in another order ({words})",
                    self.forward([branches[number] for number in order], {}),
                )

    def label(self, output_shape: Shape) -> str:
        return f"concatenation, {output_shape[0]}"
