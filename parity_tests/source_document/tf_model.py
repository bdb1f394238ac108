"""The Keras network of the source document, in its own module tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy.typing as npt
import tensorflow as tf

from netparity.network import layout

__all__ = ["document", "fill", "logits"]

Array = npt.NDArray[Any]


class Inception(tf.keras.Model):  # type: ignore[misc]
    """Its layers are ``p1_1`` … ``p4_2``; Keras counts them in a file."""

    def __init__(self, c1: int, c2: tuple[int, int], c3: tuple[int, int], c4: int) -> None:
        super().__init__()
        self.p1_1 = _conv2d(c1, 1)
        self.p2_1 = _conv2d(c2[0], 1)
        self.p2_2 = _conv2d(c2[1], 3)
        self.p3_1 = _conv2d(c3[0], 1)
        self.p3_2 = _conv2d(c3[1], 5)
        self.p4_1 = tf.keras.layers.MaxPool2D(3, 1, padding="same")
        self.p4_2 = _conv2d(c4, 1)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        p1 = self.p1_1(x)
        p2 = self.p2_2(self.p2_1(x))
        p3 = self.p3_2(self.p3_1(x))
        p4 = self.p4_2(self.p4_1(x))
        return tf.keras.layers.Concatenate()([p1, p2, p3, p4])


def document(num_classes: int, in_channels: int, dtype: str) -> tf.keras.Model:
    """``Sequential`` of five ``Sequential`` and a dense layer, called once."""
    with _default_dtype(dtype):
        stages = (
            (_conv2d(64, 7, strides=2), _pool()),
            (_conv2d(64, 1), _conv2d(192, 3), _pool()),
            (Inception(64, (96, 128), (16, 32), 32), Inception(128, (128, 192), (32, 96), 64), _pool()),
            (
                Inception(192, (96, 208), (16, 48), 64),
                Inception(160, (112, 224), (24, 64), 64),
                Inception(128, (128, 256), (24, 64), 64),
                Inception(112, (144, 288), (32, 64), 64),
                Inception(256, (160, 320), (32, 128), 128),
                _pool(),
            ),
            (
                Inception(256, (160, 320), (32, 128), 128),
                Inception(384, (192, 384), (48, 128), 128),
                tf.keras.layers.GlobalAvgPool2D(),
                tf.keras.layers.Flatten(),
            ),
        )
        rows = [tf.keras.Sequential(list(stage)) for stage in stages]
        net = tf.keras.Sequential([*rows, tf.keras.layers.Dense(num_classes)])
        net(tf.zeros((2, 33, 65, in_channels), dtype))
    return net


def fill(net: tf.keras.Model, weights: Mapping[str, Array]) -> None:
    """Writes canonical weights in, in Keras' order, which is that of construction and canonical order too."""
    net.set_weights([_to_keras(array) for array in weights.values()])


def logits(net: tf.keras.Model, images: Array) -> Array:
    """(N, C, H, W) to (N, num_classes)."""
    with _default_dtype(images.dtype.name):  # the blocks make a Concatenate at each call
        outputs: Array = net(tf.constant(layout.nchw_to_nhwc(images))).numpy()
    return outputs


@contextmanager
def _default_dtype(dtype: str) -> Iterator[None]:
    policy, floatx = tf.keras.mixed_precision.global_policy(), tf.keras.backend.floatx()
    tf.keras.mixed_precision.set_global_policy(dtype)  # of the layers
    tf.keras.backend.set_floatx(dtype)  # of what Sequential hands from one to the next
    try:
        yield
    finally:
        tf.keras.backend.set_floatx(floatx)
        tf.keras.mixed_precision.set_global_policy(policy)


def _to_keras(array: Array) -> Array:
    match array.ndim:
        case 4:
            return layout.oihw_to_hwio(array)
        case 2:
            return layout.out_in_to_in_out(array)
    return array


def _conv2d(channels: int, kernel_size: int, **options: Any) -> tf.keras.layers.Layer:
    return tf.keras.layers.Conv2D(channels, kernel_size, padding="same", activation="relu", **options)


def _pool() -> tf.keras.layers.Layer:
    return tf.keras.layers.MaxPool2D(pool_size=3, strides=2, padding="same")
