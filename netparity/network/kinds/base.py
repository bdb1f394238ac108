"""What every kind of layer can say of itself.

Dimension letters, used throughout: N batch, C channels, H height, W width, O output channels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from netparity.network import operations as op
from netparity.network.contract import Array
from netparity.network.kinds.mistakes import Variant

Shape = tuple[int, ...]
Parameters = Mapping[str, Array]
"""A layer's own arrays by their short names, ``weight`` and ``bias``."""


class Sums(NamedTuple):
    """Results that are sums of products.

    Attributes:
        values: The results.
        magnitude: For each entry, the sum of the absolute values of its products: what its rounding is a share of.
        length: The most terms in one sum, its bias counted as one.
    """

    values: Array
    magnitude: Array
    length: int


class Kinks(NamedTuple):
    """Undecided kinks of a forward pass: places where rounding may decide which way a gradient goes.

    Attributes:
        signs: ReLU inputs whose sign rounding may decide.
        maxima: Max-pool windows in which rounding may decide which entry is the largest.
        entries: All ReLU inputs and all windows.
    """

    signs: int = 0
    maxima: int = 0
    entries: int = 0


@dataclass(frozen=True)
class Layer:
    """One named step: it reads the named activations ``inputs`` and gives the activation ``name``.

    Shapes are those for one image, (C, H, W) or (C,); the arrays ``parameters`` are the layer's own.
    """

    name: str
    inputs: tuple[str, ...]

    kind: ClassVar[str] = ""
    """The kind's name in tables and messages."""
    parameters: ClassVar[tuple[str, ...]] = ()
    """The short names of its parameters."""
    rank: ClassVar[int] = 4
    """How many axes its input has, the batch included."""
    joins: ClassVar[bool] = False
    """Whether it only puts other layers' outputs together. Such a layer is judged against those very outputs."""
    activated: ClassVar[bool] = False
    """Whether a ReLU follows within the layer."""
    takes_maxima: ClassVar[bool] = False
    """Whether it is a max-pool: entries of its output may be one and the same entry of its input."""

    def output_shape(self, inputs: Sequence[Shape], num_classes: int) -> Shape:
        """The output's shape, from those of the inputs."""
        raise NotImplementedError

    def parameter_shapes(self, input_shape: Shape, output_shape: Shape) -> dict[str, Shape]:
        """The shape of each parameter: kernels OIHW, dense (out, in)."""
        return {}

    def forward(self, inputs: Sequence[Array], parameters: Parameters) -> Array:
        """The output before the ReLU: a new array, NCHW by its axes, its memory order left open."""
        raise NotImplementedError

    def activate(self, output: Array) -> Array:
        """``output`` after the layer's ReLU, in place; unchanged for a layer without one."""
        return op.relu(output) if self.activated else output

    def backward(
        self, inputs: Sequence[Array], output: Array, cotangent: Array, parameters: Parameters
    ) -> tuple[list[Array], dict[str, Array]]:
        """Gradients by each input and by each parameter.

        Args:
            inputs: What the layer read.
            output: What it gave; of a layer with a ReLU, before or after it.
            cotangent: The gradient by its output, after the ReLU.
            parameters: Its own.
        """
        raise NotImplementedError

    def sum_length(self, input_shape: Shape) -> int:
        """How many terms an output entry sums, products and a bias; 0 for a layer without rounding."""
        return 0

    def backward_sums(self, x: Array, output: Array, cotangent: Array, parameters: Parameters) -> dict[str, Sums]:
        """The gradients by ``weight`` and ``bias`` (of a layer that has them) and by ``inputs``, as sums of products.

        Arguments are those of :meth:`backward`, for a layer with one input, ``x``.
        """
        return {}

    def undecided(self, before: Array, x: Array, error: float, input_error: float, *, after_a_pool: bool) -> Kinks:
        """How many of its kinks rounding may decide.

        Args:
            before: The output before the ReLU.
            x: What the layer read.
            error: How far rounding may take an entry of ``before``.
            input_error: How far it may take an entry of ``x``.
            after_a_pool: Whether the layer reads a max-pool.
        """
        return Kinks()

    def right(self, x: Array, parameters: Parameters) -> Variant:
        """The layer as it should be on ``x``, float64 like the parameters; its mistakes are made from it."""
        raise NotImplementedError

    def mistakes(self, right: Variant, others: Mapping[str, tuple[Array, Array]]) -> Iterator[Variant]:
        """The layer with each of the known mistakes, one at a time, the commonest first.

        Args:
            right: What :meth:`right` gave.
            others: Kernel and bias of every layer of the network that has these two and no others, by name.
        """
        yield from ()

    def reordered(self, branches: Sequence[Array]) -> Iterator[tuple[str, Array]]:
        """The outputs that a layer joins, joined wrongly: each mistake in words and as an array."""
        yield from ()

    @property
    def words(self) -> str:
        """What it does, in a few words."""
        return self.kind

    def label(self, output_shape: Shape) -> str:
        """What it does, in as few characters as a drawing has room for."""
        return self.kind


def window_words(kind: str, kernel_size: int, stride: int) -> str:
    """What a layer with a window does, in a few words, such as ``conv 3×3 / 2``."""
    return f"{kind} {kernel_size}×{kernel_size}" + (f" / {stride}" if stride > 1 else "")


class Weighted(Layer):
    """A layer whose output is sums of products of its one input and a ``weight``, each plus a ``bias``."""

    parameters: ClassVar[tuple[str, ...]] = ("weight", "bias")

    def gradients(self, x: Array, weight: Array, cotangent: Array) -> tuple[Array, Array, Array]:
        """Gradients by the weight, the bias and the input, from the cotangent before the ReLU."""
        raise NotImplementedError

    def backward(
        self, inputs: Sequence[Array], output: Array, cotangent: Array, parameters: Parameters
    ) -> tuple[list[Array], dict[str, Array]]:
        weight, bias, x = self.gradients(inputs[0], parameters["weight"], self._passed(output, cotangent))
        return [x], {"weight": weight, "bias": bias}

    def backward_sums(self, x: Array, output: Array, cotangent: Array, parameters: Parameters) -> dict[str, Sums]:
        passed, weight = self._passed(output, cotangent), parameters["weight"]
        gradients = self.gradients(x, weight, passed)
        magnitudes = self.gradients(np.abs(x), np.abs(weight), np.abs(passed))
        positions = cotangent.size // cotangent.shape[1]
        lengths = (positions, positions, weight[:, 0].size)
        return dict(zip(("weight", "bias", "inputs"), map(Sums, gradients, magnitudes, lengths), strict=True))

    def _passed(self, output: Array, cotangent: Array) -> Array:
        return op.relu_backward(output, cotangent) if self.activated else cotangent
