"""Variants of GoogLeNet as tables, and the float64 reference that their three implementations are compared with.

Each table is GoogLeNet's own with some layers exchanged, some of them for kinds that are defined here: they have a
forward pass and no backward pass. The implementations, to be read side by side, are
``variants_torch.py``, ``variants_tf.py`` and ``variants_mx.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from googlenet_np import GOOGLENET
from netparity import IMAGES, Concat, Conv2d, Layer, Network, before_activation

__all__ = [
    "BATCH_NORM",
    "EPSILON",
    "FACTORIZED",
    "RESIDUAL",
    "SMALL",
    "VARIANTS",
    "LinearConv2d",
    "NormConv2d",
    "Residual",
    "forward",
    "init_weights",
]

Array = npt.NDArray[Any]
Shape = tuple[int, ...]

EPSILON = 1e-5
"""Added to the variance in batch normalisation. PyTorch's and MXNet's default; Keras' is 1e-3."""


@dataclass(frozen=True)
class NormConv2d(Conv2d):
    """A convolution with batch normalisation between it and its ReLU (Ioffe & Szegedy, arXiv 1502.03167).

    It has four more tensors: ``gamma`` and ``beta``, which are trained, and ``mean`` and ``variance``, which are
    kept from training for inference.

    Attributes:
        training: Whether mean and variance are those of the batch, and not those that were kept.
    """

    training: bool = False

    parameters: ClassVar[tuple[str, ...]] = ("weight", "bias", "gamma", "beta", "mean", "variance")

    def parameter_shapes(self, input_shape: Shape, output_shape: Shape) -> dict[str, Shape]:
        """Those of a convolution and of batch normalisation, which has one number per channel."""
        shapes = super().parameter_shapes(input_shape, output_shape)
        return {name: shapes.get(name, shapes["bias"]) for name in self.parameters}

    def forward(self, inputs: Sequence[Array], parameters: Mapping[str, Array]) -> Array:
        """The convolution, normalised."""
        y = super().forward(inputs, parameters)
        gamma, beta, mean, variance = (parameters[name] for name in self.parameters[2:])
        if self.training:
            mean, variance = y.mean(axis=(0, 2, 3)), y.var(axis=(0, 2, 3))
        scale = gamma / np.sqrt(variance + EPSILON)
        return (y - mean[:, None, None]) * scale[:, None, None] + beta[:, None, None]


@dataclass(frozen=True)
class LinearConv2d(Conv2d):
    """A convolution without ReLU."""

    activated: ClassVar[bool] = False

    def activate(self, output: Array) -> Array:
        """``output`` itself."""
        return output


@dataclass(frozen=True)
class Residual(Conv2d):
    """A convolution of the first of its inputs, to which the second is added; then ReLU."""

    def forward(self, inputs: Sequence[Array], parameters: Mapping[str, Array]) -> Array:
        """Convolution and sum."""
        return super().forward(inputs[:1], parameters) + inputs[1]


def _batch_norm() -> Iterator[Layer]:
    for layer in GOOGLENET:
        yield NormConv2d(**vars(layer)) if isinstance(layer, Conv2d) else layer


def _factorized() -> Iterator[Layer]:
    """Two 3x3 convolutions see as far as one 5x5, for 18 weights instead of 25 (arXiv 1512.00567, Figure 5)."""
    for layer in GOOGLENET:
        if layer.name.endswith(".p3_2") and isinstance(layer, Conv2d):
            further = layer.name.replace("p3_2", "p3_3")
            yield replace(layer, kernel_size=3, padding=1)
            yield replace(layer, name=further, inputs=(layer.name,), kernel_size=3, padding=1)
        elif isinstance(layer, Concat):
            yield replace(layer, inputs=tuple(name.replace("p3_2", "p3_3") for name in layer.inputs))
        else:
            yield layer


def _residual() -> Iterator[Layer]:
    """What a block finds is added to what it was given (arXiv 1602.07261).

    The concatenation goes through a convolution without ReLU first: a sum of ReLUs could only ever grow. Where the
    number of channels changes, the input goes through one too, so that both fit.
    """
    channels = GOOGLENET.output_shapes()
    for layer in GOOGLENET:
        # The layer that ends a block is now ".project".
        moved = replace(layer, inputs=tuple(f"{name}.project" if _is_block(name) else name for name in layer.inputs))
        if not isinstance(layer, Concat):
            yield moved
            continue
        name, out = layer.name, channels[layer.name][0]
        (given,) = GOOGLENET[f"{name}.p1_1"].inputs
        before = f"{given}.project" if _is_block(given) else given
        yield replace(moved, name=f"{name}.concat")
        if channels[given][0] != out:
            yield LinearConv2d(f"{name}.skip", (before,), out, kernel_size=1)
            before = f"{name}.skip"
        yield Residual(f"{name}.project", (f"{name}.concat", before), out, kernel_size=1)


def _is_block(name: str) -> bool:
    return name != IMAGES and isinstance(GOOGLENET[name], Concat)


def _small() -> Iterator[Layer]:
    """The first stage neither strides nor pools: of 28 x 28, the blocks see 14, 7 and 4 pixels a side, not 4, 2, 1."""
    for layer in GOOGLENET:
        if layer.name == "b1.conv":
            yield Conv2d("b1.conv", (IMAGES,), 64, kernel_size=3, padding=1)
        elif layer.name != "b1.pool":
            yield replace(layer, inputs=tuple("b1.conv" if name == "b1.pool" else name for name in layer.inputs))


BATCH_NORM = Network("GoogLeNet with batch normalisation", tuple(_batch_norm()))
FACTORIZED = Network("GoogLeNet with two 3x3 for each 5x5", tuple(_factorized()))
RESIDUAL = Network("GoogLeNet with residual connections", tuple(_residual()))
SMALL = Network("GoogLeNet for 28x28", tuple(_small()))
VARIANTS = {"batch_norm": BATCH_NORM, "factorized": FACTORIZED, "residual": RESIDUAL, "small": SMALL}
"""The variants by the names of the functions that make them in each framework."""


def init_weights(variant: Network, seed: int, *, in_channels: int = 1, num_classes: int = 10) -> dict[str, Array]:
    """Seeded float64 weights for a comparison: nothing in them is zero or one, or a mistake with it would not show."""
    random = np.random.default_rng(seed)
    weights = {}
    for name, shape in variant.parameter_shapes(in_channels, num_classes).items():
        kind = name.rpartition(".")[2]
        if kind == "weight":
            limit = np.sqrt(6 / np.prod(shape[1:]))  # keeps the size of what passes through convolution and ReLU
            weights[name] = random.uniform(-limit, limit, shape)
        else:
            low, high = {"gamma": (0.5, 1.5), "variance": (0.5, 1.5)}.get(kind, (-0.2, 0.2))
            weights[name] = random.uniform(low, high, shape)
    return weights


def forward(
    variant: Network, weights: Mapping[str, Array], images: Array, *, training: bool = False
) -> dict[str, Array]:
    """Every named activation.

    Args:
        variant: The network.
        weights: Such as :func:`init_weights` gives.
        images: (N, C, H, W), float64.
        training: Whether batch normalisation takes mean and variance from this batch, and not from ``weights``.
    """
    activations = {IMAGES: images}
    for kept in variant:
        layer = replace(kept, training=True) if training and isinstance(kept, NormConv2d) else kept
        inputs = [activations[name] for name in layer.inputs]
        activations[layer.name] = layer.activate(before_activation(layer, inputs, weights))
    return activations
