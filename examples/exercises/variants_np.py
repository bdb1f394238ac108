"""Variants of GoogLeNet as tables, and the float64 reference that their three implementations are compared with.

Each table is GoogLeNet's own with some layers exchanged. The implementations, to be read side by side, are
``variants_torch.py``, ``variants_tf.py`` and ``variants_mx.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from googlenet_np.architecture import GOOGLENET, IMAGES, Architecture, Concat, Conv2d, Layer
from googlenet_np.reference import activate, before_activation

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
    "Variant",
    "forward",
    "init_weights",
]

Array = npt.NDArray[Any]

EPSILON = 1e-5
"""Added to the variance in batch normalisation. PyTorch's and MXNet's default; Keras' is 1e-3."""


@dataclass(frozen=True)
class NormConv2d(Conv2d):
    """A convolution with batch normalisation between it and its ReLU (Ioffe & Szegedy, arXiv 1502.03167).

    It has four more tensors: ``gamma`` and ``beta``, which are trained, and ``mean`` and ``variance``, which are
    kept from training for inference.
    """


@dataclass(frozen=True)
class LinearConv2d(Conv2d):
    """A convolution without ReLU."""


@dataclass(frozen=True)
class Residual(Conv2d):
    """A convolution of the first of its inputs, to which the second is added; then ReLU."""


class Variant(Architecture):
    """A network of the layers above and of GoogLeNet's."""

    def parameter_shapes(self, in_channels: int = 1, num_classes: int = 10) -> dict[str, tuple[int, ...]]:
        """As of every architecture, with what batch normalisation has."""
        shapes = {}
        for name, shape in super().parameter_shapes(in_channels, num_classes).items():
            shapes[name] = shape
            layer, _, kind = name.rpartition(".")
            if kind == "bias" and isinstance(self[layer], NormConv2d):
                shapes.update({f"{layer}.{own}": shape for own in ("gamma", "beta", "mean", "variance")})
        return shapes


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
    """For 28 x 28: the first stage neither strides nor pools; the blocks see 14, 7 and 4 pixels a side, not 4, 2, 1."""
    for layer in GOOGLENET:
        if layer.name == "b1.conv":
            yield Conv2d("b1.conv", (IMAGES,), 64, kernel_size=3, padding=1)
        elif layer.name != "b1.pool":
            yield replace(layer, inputs=tuple("b1.conv" if name == "b1.pool" else name for name in layer.inputs))


BATCH_NORM = Variant("GoogLeNet with batch normalisation", tuple(_batch_norm()))
FACTORIZED = Variant("GoogLeNet with two 3x3 for each 5x5", tuple(_factorized()))
RESIDUAL = Variant("GoogLeNet with residual connections", tuple(_residual()))
SMALL = Variant("GoogLeNet for 28x28", tuple(_small()))
VARIANTS = {"batch_norm": BATCH_NORM, "factorized": FACTORIZED, "residual": RESIDUAL, "small": SMALL}
"""Under the names of the functions that make them in each framework."""


def init_weights(variant: Architecture, seed: int, *, in_channels: int = 1, num_classes: int = 10) -> dict[str, Array]:
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
    variant: Architecture, weights: Mapping[str, Array], images: Array, *, training: bool = False
) -> dict[str, Array]:
    """Every named activation.

    Args:
        variant: The network.
        weights: As of :func:`init_weights`.
        images: (N, C, H, W), float64.
        training: Whether batch normalisation takes mean and variance from this batch, and not from ``weights``.
    """
    activations = {IMAGES: images}
    for layer in variant:
        inputs = [activations[name] for name in layer.inputs]
        y = before_activation(layer, inputs, weights)
        match layer:
            case NormConv2d():
                y = _normalized(y, layer.name, weights, training)
            case Residual():
                y = y + inputs[1]
        activations[layer.name] = y if isinstance(layer, LinearConv2d) else activate(layer, y)
    return activations


def _normalized(y: Array, name: str, weights: Mapping[str, Array], training: bool) -> Array:
    gamma, beta, mean, variance = (weights[f"{name}.{kind}"] for kind in ("gamma", "beta", "mean", "variance"))
    if training:
        mean, variance = y.mean(axis=(0, 2, 3)), y.var(axis=(0, 2, 3))
    scale = gamma / np.sqrt(variance + EPSILON)
    return (y - mean[:, None, None]) * scale[:, None, None] + beta[:, None, None]
