"""The contract between the comparer and a framework: NumPy arrays in, NumPy arrays out, NCHW at the border.

A backend is found by name through the entry-point group ``googlenet_parity.backends``; the entry point names a
class that is called without arguments. Importing the module that holds it imports the framework.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from googlenet_np.errors import OptionError

__all__ = ["DTYPES", "Backend", "BuiltModel", "DType", "Gradients", "LayerGradients", "check_dtype"]

Array = npt.NDArray[Any]
DType = Literal["float32", "float64"]
DTYPES: tuple[DType, ...] = ("float32", "float64")


class Gradients(NamedTuple):
    """What one forward and backward pass gives.

    Attributes:
        loss: Cross-entropy of the softmax of the logits, mean over the batch, in nats.
        weights: Gradient by every parameter, under canonical names, in canonical order and layout.
        images: Gradient by the images, (N, C, H, W).
    """

    loss: float
    weights: dict[str, Array]
    images: Array


class LayerGradients(NamedTuple):
    """What the backward pass of one layer gives.

    Attributes:
        weights: ``{"weight": …, "bias": …}`` in canonical layout; empty for a layer without parameters.
        inputs: Gradient by the layer's input, in the input's shape.
    """

    weights: dict[str, Array]
    inputs: Array


@runtime_checkable
class BuiltModel(Protocol):
    """A network with its weights in place, in one dtype. Every array is NCHW, (N, C) behind the global pool.

    Arrays that come back belong to the caller: contiguous, in the model's dtype, changed by nobody afterwards.
    """

    def activations(self, images: Array) -> dict[str, Array]:
        """Every named activation of one forward pass over ``images`` (N, C, H, W), in canonical order."""
        ...

    def layer(self, name: str, inputs: Array) -> Array:
        """The output of one named layer, its ReLU included, on ``inputs`` that the caller chose.

        A block's name takes the block's input and gives its concatenated output.
        """
        ...

    def gradients(self, images: Array, labels: Array) -> Gradients:
        """Mean cross-entropy of ``images`` (N, C, H, W) and ``labels`` (N,) integer, and all its gradients."""
        ...

    def layer_gradients(self, name: str, inputs: Array, cotangent: Array) -> LayerGradients:
        """Gradients of ``sum(layer(name, inputs) * cotangent)``; ``cotangent`` has the layer output's shape."""
        ...

    def predict(self, images: Array) -> Array:
        """Logits (N, num_classes) of ``images`` (N, C, H, W), by the fastest path that the framework has."""
        ...

    def export_weights(self) -> dict[str, Array]:
        """The model's weights as canonical copies, in the model's dtype."""
        ...


@runtime_checkable
class Backend(Protocol):
    """A framework, as the comparer sees it."""

    name: str

    def versions(self) -> dict[str, str]:
        """The framework's own version first, then those of the libraries that decide its numbers."""
        ...

    def build(self, weights: Mapping[str, Array], dtype: DType) -> BuiltModel:
        """A model of ``dtype`` with these canonical weights; channels and classes follow from their shapes."""
        ...


def check_dtype(dtype: str) -> DType:
    """``dtype`` itself. Raises :class:`~googlenet_np.errors.OptionError` unless it is one of :data:`DTYPES`."""
    for known in DTYPES:
        if dtype == known:
            return known
    raise OptionError(
        f"The dtype is {np.dtype(dtype).name if isinstance(dtype, type) else dtype!r}; "
        f"expected one of {', '.join(DTYPES)}."
    )
