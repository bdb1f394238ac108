"""Faults made in TensorFlow, each in the way in which they are made by mistake."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from googlenet_np.weights import weights_like
from googlenet_tf import backend
from googlenet_tf.model import GoogLeNet
from googlenet_tf.training import Training
from googlenet_tf.weights import import_weights, named_layer
from netparity.network.contract import DType, Gradients, Hyperparameters, LayerGradients
from netparity.network.layout import nhwc_to_nchw

Array = npt.NDArray[Any]
Weights = Mapping[str, Array]


class SamePadding(backend.Backend):
    """The source document's own: ``padding="same"`` at stride 2."""

    def __init__(self) -> None:
        super().__init__(padding="same")


class BiasDropped(backend.Backend):
    """A layer has a bias and does not use it."""

    def build(self, weights: Weights, dtype: DType) -> backend.TFModel:
        model = _model(weights, dtype)
        named_layer(model, "b4.inception_4d.p1_1").use_bias = False
        return backend.TFModel(model)


class MisreadImages(backend.Backend):
    """What comes in is NCHW, and its memory is taken for NHWC."""

    def build(self, weights: Weights, dtype: DType) -> backend.TFModel:
        return _Misreading(_model(weights, dtype))


class MixedFloat16(backend.Backend):
    """Keras' policy ``mixed_float16``, with its results cast back to float32."""

    def build(self, weights: Weights, dtype: DType) -> backend.TFModel:
        if dtype == "float64":
            return super().build(weights, dtype)
        return _CastBack(_model(weights, "mixed_float16"))


class DecoupledWeightDecay(backend.Backend):
    """The optimiser is Keras' own, with its own ``weight_decay``."""

    def build(self, weights: Weights, dtype: DType) -> backend.TFModel:
        return _DecoupledWeightDecay(_model(weights, dtype))


class _DecoupledWeightDecay(backend.TFModel):
    def training(self, hyperparameters: Hyperparameters) -> Training:
        training = super().training(hyperparameters)
        training.optimizer.l2 = 0.0
        training.optimizer.weight_decay = hyperparameters.weight_decay
        return training


class _Misreading(backend.TFModel):
    def activations(self, images: Array) -> dict[str, Array]:
        return super().activations(_misread(images))

    def layer(self, name: str, inputs: Array) -> Array:
        return super().layer(name, _misread(inputs))

    def gradients(self, images: Array, labels: Array) -> Gradients:
        return super().gradients(_misread(images), labels)

    def layer_gradients(self, name: str, inputs: Array, cotangent: Array) -> LayerGradients:
        return super().layer_gradients(name, _misread(inputs), cotangent)

    def predict(self, images: Array) -> Array:
        return super().predict(_misread(images))


class _CastBack(backend.TFModel):
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


def _misread(array: Array) -> Array:
    if array.ndim == 2:
        return array
    n, c, h, w = array.shape
    return nhwc_to_nchw(np.ascontiguousarray(array).reshape(n, h, w, c))


def _model(weights: Weights, policy: str) -> GoogLeNet:
    in_channels, num_classes = weights_like(weights)
    model = GoogLeNet(num_classes, in_channels, dtype=policy)
    import_weights(model, weights)
    return model
