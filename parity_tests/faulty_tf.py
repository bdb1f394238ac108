"""Faults made in TensorFlow, each in the way in which they are made by mistake."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from googlenet_np.backend import DType, LayerGradients
from googlenet_np.weights import weights_like
from googlenet_tf import backend
from googlenet_tf.model import GoogLeNet
from googlenet_tf.weights import import_weights, named_layer

Array = npt.NDArray[Any]
Weights = Mapping[str, Array]

TRANSPOSED = "b3.inception_3b.p2_2.weight"
"""A kernel that is read as WHIO."""


class SamePadding(backend.Backend):
    """The source document's own: ``padding="same"`` at stride 2."""

    def __init__(self) -> None:
        super().__init__(padding="same")


class BiasDropped(backend.Backend):
    """A layer has a bias and does not use it."""

    def build(self, weights: Weights, dtype: DType) -> backend.BuiltModel:
        built = super().build(weights, dtype)
        named_layer(built.model, "b4.inception_4d.p1_1").use_bias = False
        return built


class MisreadImages(backend.Backend):
    """NCHW memory is taken for NHWC wherever an array comes in."""

    def build(self, weights: Weights, dtype: DType) -> backend.BuiltModel:
        return _Misreading(super().build(weights, dtype).model)


class MixedFloat16(backend.Backend):
    """Keras' policy ``mixed_float16``, with its results cast back to float32."""

    def build(self, weights: Weights, dtype: DType) -> backend.BuiltModel:
        if dtype == "float64":
            return super().build(weights, dtype)
        in_channels, num_classes = weights_like(weights)
        model = GoogLeNet(num_classes, in_channels, dtype="mixed_float16")
        import_weights(model, weights)
        return _CastBack(model)


class KernelTransposed(backend.Backend):
    """One kernel goes in with height and width swapped, and comes out so that nobody notices."""

    def build(self, weights: Weights, dtype: DType) -> backend.BuiltModel:
        return _TransposedBack(super().build(_transposed(weights), dtype).model)


class _Misreading(backend.BuiltModel):
    def _to_nhwc(self, array: Array) -> tf.Tensor:
        if array.ndim == 4:
            n, c, h, w = array.shape
            array = np.ascontiguousarray(array).reshape(n, h, w, c)
        return tf.convert_to_tensor(array, self.model.compute_dtype)


class _CastBack(backend.BuiltModel):
    def activations(self, images: Array) -> dict[str, Array]:
        return {name: array.astype(np.float32) for name, array in super().activations(images).items()}

    def layer(self, name: str, inputs: Array) -> Array:
        return super().layer(name, inputs).astype(np.float32)

    def layer_gradients(self, name: str, inputs: Array, cotangent: Array) -> LayerGradients:
        weights, by_inputs = super().layer_gradients(name, inputs, cotangent)
        return LayerGradients(
            {key: array.astype(np.float32) for key, array in weights.items()}, by_inputs.astype(np.float32)
        )

    def predict(self, images: Array) -> Array:
        return super().predict(images).astype(np.float32)


class _TransposedBack(backend.BuiltModel):
    def export_weights(self) -> dict[str, Array]:
        return _transposed(super().export_weights())


def _transposed(weights: Weights) -> dict[str, Array]:
    return {**weights, TRANSPOSED: np.ascontiguousarray(weights[TRANSPOSED].swapaxes(2, 3))}
