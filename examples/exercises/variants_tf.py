"""Variants of GoogLeNet in TensorFlow, to be read beside ``variants_torch.py`` and ``variants_mx.py``."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import numpy.typing as npt
import tensorflow as tf
from variants_np import EPSILON

from googlenet_tf import GoogLeNet, Inception
from googlenet_tf import layers as nn
from googlenet_tf.weights import keras_array
from netparity import nchw_to_nhwc

__all__ = [
    "FactorizedInception",
    "ResidualInception",
    "batch_norm",
    "factorized",
    "outputs",
    "residual",
    "small",
    "smoothed_cross_entropy",
    "with_weights",
]

Array = npt.NDArray[Any]


class FactorizedInception(Inception):
    """An Inception block whose 5x5 convolution is two of 3x3, to be made in the scope of a model."""

    def __init__(self, c1: int, c2: tuple[int, int], c3: tuple[int, int], c4: int, **kwargs: Any) -> None:
        super().__init__(c1, c2, c3, c4, **kwargs)
        self.p3_2.kernel_size = (3, 3)  # it has no weights yet; a layer that is exchanged, Keras 3 would keep as well
        with self.layer_scope():
            self.p3_3 = nn.Conv2D(c3[1], kernel_size=3, in_channels=c3[1], padding=1, activation="relu")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        p1 = self.p1_1(x)
        p2 = self.p2_2(self.p2_1(x))
        p3 = self.p3_3(self.p3_2(self.p3_1(x)))
        p4 = self.p4_2(self.p4_1(x))
        return tf.concat((p1, p2, p3, p4), axis=-1)


class ResidualInception(Inception):
    """An Inception block that adds what it finds to its input, to be made in the scope of a model."""

    def __init__(self, c1: int, c2: tuple[int, int], c3: tuple[int, int], c4: int, **kwargs: Any) -> None:
        super().__init__(c1, c2, c3, c4, **kwargs)
        channels = c1 + c2[1] + c3[1] + c4
        with self.layer_scope():
            self.project = nn.Conv2D(channels, kernel_size=1, in_channels=channels)
            self.skip = (
                tf.keras.layers.Identity(dtype=self.dtype_policy)  # without it, float64 would be rounded to float32
                if channels == self.in_channels
                else nn.Conv2D(channels, kernel_size=1, in_channels=self.in_channels)
            )

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(self.project(super().call(x)) + self.skip(x))


class NormReLU(tf.keras.layers.Layer):
    """Batch normalisation, then ReLU: in the place where a convolution has its ReLU."""

    def __init__(self, channels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.norm = tf.keras.layers.BatchNormalization(epsilon=EPSILON, momentum=0.9, dtype=self.dtype_policy)
        self.norm.build((None, None, None, channels))

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(self.norm(x))


class Network(nn.Model):
    """GoogLeNet's stages in a row, where some are others than GoogLeNet has."""

    def __init__(self, *, in_channels: int, dtype: str, **stages: tf.keras.layers.Layer) -> None:
        super().__init__(dtype=dtype)
        with self.layer_scope():
            for name, stage in stages.items():
                setattr(self, name, stage)
        self.row = tuple(stages.values())

    def call(self, x: tf.Tensor) -> tf.Tensor:
        for stage in self.row:
            x = stage(x)
        return x


def factorized(num_classes: int = 10, in_channels: int = 1, dtype: str = "float32") -> Network:
    """GoogLeNet of ``FactorizedInception`` blocks."""
    return _with_blocks(FactorizedInception, num_classes, in_channels, dtype)


def residual(num_classes: int = 10, in_channels: int = 1, dtype: str = "float32") -> Network:
    """GoogLeNet of ``ResidualInception`` blocks."""
    return _with_blocks(ResidualInception, num_classes, in_channels, dtype)


def batch_norm(num_classes: int = 10, in_channels: int = 1, dtype: str = "float32") -> GoogLeNet:
    """GoogLeNet with batch normalisation after each convolution. ReLU is a part of the convolution, so it moves."""
    model = GoogLeNet(num_classes, in_channels=None, dtype=dtype)
    layers = [layer for stage in (model.b1, model.b2, model.b3, model.b4, model.b5) for layer in stage.row]
    for block in [layer for layer in layers if isinstance(layer, Inception)]:
        layers += (block.p1_1, block.p2_1, block.p2_2, block.p3_1, block.p3_2, block.p4_2)
    for conv in layers:
        if isinstance(conv, tf.keras.layers.Conv2D):
            conv.activation = NormReLU(conv.filters, dtype=dtype)
    model.build((None, None, None, in_channels))
    return model


def small(num_classes: int = 10, in_channels: int = 1, dtype: str = "float32") -> Network:
    """GoogLeNet for 28 x 28: the first stage keeps the image's size."""
    model = GoogLeNet(num_classes, in_channels=None, dtype=dtype)
    with model.layer_scope():
        b1 = nn.Stage(conv=nn.Conv2D(64, kernel_size=3, in_channels=in_channels, padding=1, activation="relu"))
    stages = {"b1": b1, "b2": model.b2, "b3": model.b3, "b4": model.b4, "b5": model.b5, "fc": model.fc}
    return Network(in_channels=in_channels, dtype=dtype, **stages)


def smoothed_cross_entropy(logits: tf.Tensor, labels: tf.Tensor, label_smoothing: float) -> tf.Tensor:
    """The batch's mean. Keras smooths labels of the loss that takes them one-hot, and of no other."""
    targets = tf.one_hot(labels, logits.shape[1], dtype=logits.dtype)
    losses = tf.keras.losses.categorical_crossentropy(
        targets, logits, from_logits=True, label_smoothing=label_smoothing
    )
    return tf.reduce_mean(losses)


def _with_blocks(block: type[Inception], num_classes: int, in_channels: int, dtype: str) -> Network:
    model = GoogLeNet(num_classes, in_channels=None, dtype=dtype)  # without weights yet, so its layers can move

    def changed(layer: tf.keras.layers.Layer) -> tf.keras.layers.Layer:
        return block.from_config(layer.get_config()) if isinstance(layer, Inception) else layer

    with model.layer_scope():
        b3, b4, b5 = (
            nn.Stage(**{layer.name: changed(layer) for layer in stage.row}) for stage in (model.b3, model.b4, model.b5)
        )
    stages = {"b1": model.b1, "b2": model.b2, "b3": b3, "b4": b4, "b5": b5, "fc": model.fc}
    return Network(in_channels=in_channels, dtype=dtype, **stages)


# For the comparison: NumPy arrays in and out, N x C x H x W.

NAMES = {"weight": "kernel", "bias": "bias"}
NORM = {"gamma": "gamma", "beta": "beta", "mean": "moving_mean", "variance": "moving_variance"}


def with_weights(variant: str, weights: Mapping[str, Array]) -> Any:
    """The variant of that name, in the dtype of its weights, which ``variants_np.init_weights`` makes."""
    dtype = weights["fc.bias"].dtype.name
    model = globals()[variant](len(weights["fc.bias"]), weights["b1.conv.weight"].shape[1], dtype)
    if len(model.weights) != len(weights):
        raise ValueError(f"{len(weights)} tensors for {len(model.weights)} variables.")
    for name, array in weights.items():
        attrgetter(_own_name(name))(model).assign(keras_array(array, dtype))
    return model


def outputs(model: Any, images: Array, *, training: bool = False) -> Array:
    """Logits (N, num_classes)."""
    logits: Array = model(tf.constant(nchw_to_nhwc(images)), training=training).numpy()
    return logits


def _own_name(name: str) -> str:
    layer, _, kind = name.rpartition(".")
    return f"{layer}.activation.norm.{NORM[kind]}" if kind in NORM else f"{layer}.{NAMES[kind]}"
