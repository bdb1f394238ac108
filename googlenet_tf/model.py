"""GoogLeNet in TensorFlow, to be read beside its siblings ``googlenet_torch/model.py`` and ``googlenet_mx/model.py``.

Source: Dive into Deep Learning, "Networks with Parallel Concatenations (GoogLeNet)", which simplifies
Szegedy et al., *Going Deeper with Convolutions*, arXiv 1409.4842, Table 1.
Shapes are N x H x W x C, for one-channel images of 96 x 96 pixels.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import tensorflow as tf

Shape = tuple[int | None, ...]


@tf.keras.utils.register_keras_serializable("googlenet_tf")
class Inception(tf.keras.Model):
    """Four parallel branches over one input, concatenated over the channels (paper, Figure 2b).

    Args:
        c1: Output channels of branch 1, a 1x1 convolution.
        c2: Branch 2: channels of the 1x1 reduction and of the 3x3 convolution.
        c3: Branch 3: channels of the 1x1 reduction and of the 5x5 convolution.
        c4: Branch 4: channels of the 1x1 convolution behind the max-pool.
        in_channels: Channels of the input; None infers them at the first call.
        kwargs: What every Keras model takes: ``name``, ``dtype``, ``trainable``.
    """

    def __init__(
        self,
        c1: int,
        c2: tuple[int, int],
        c3: tuple[int, int],
        c4: int,
        *,
        in_channels: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        options = _options(self)
        conv2d = partial(tf.keras.layers.Conv2D, padding="same", activation="relu", **options)
        # Branch 1: 1x1 convolution
        self.p1_1 = conv2d(c1, kernel_size=1, name="p1_1")
        # Branch 2: 1x1 convolution, then 3x3
        self.p2_1 = conv2d(c2[0], kernel_size=1, name="p2_1")
        self.p2_2 = conv2d(c2[1], kernel_size=3, name="p2_2")
        # Branch 3: 1x1 convolution, then 5x5
        self.p3_1 = conv2d(c3[0], kernel_size=1, name="p3_1")
        self.p3_2 = conv2d(c3[1], kernel_size=5, name="p3_2")
        # Branch 4: 3x3 max-pool, then 1x1 convolution
        self.p4_1 = tf.keras.layers.MaxPool2D(pool_size=3, strides=1, padding="same", name="p4_1", **options)
        self.p4_2 = conv2d(c4, kernel_size=1, name="p4_2")
        self.in_channels = in_channels
        if in_channels is not None:
            self.build((None, None, None, in_channels))

    def build(self, input_shape: Shape) -> None:
        """Creates the weights for inputs of shape (N, H, W, in_channels)."""
        self.in_channels = input_shape[-1]
        for branch in ((self.p1_1,), (self.p2_1, self.p2_2), (self.p3_1, self.p3_2), (self.p4_1, self.p4_2)):
            _build_in_order(branch, input_shape)
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """(N, H, W, in_channels) to (N, H, W, c1 + c2[1] + c3[1] + c4)."""
        p1 = self.p1_1(x)  # N x H x W x c1
        p2 = self.p2_2(self.p2_1(x))  # N x H x W x c2[1]
        p3 = self.p3_2(self.p3_1(x))  # N x H x W x c3[1]
        p4 = self.p4_2(self.p4_1(x))  # N x H x W x c4
        return tf.concat((p1, p2, p3, p4), axis=-1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The output's shape, as Keras asks for it: (N, H, W, c1 + c2[1] + c3[1] + c4)."""
        return (*input_shape[:-1], sum(last.filters for last in (self.p1_1, self.p2_2, self.p3_2, self.p4_2)))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, from which Keras makes the block again when it loads a file."""
        return {
            "c1": self.p1_1.filters,
            "c2": (self.p2_1.filters, self.p2_2.filters),
            "c3": (self.p3_1.filters, self.p3_2.filters),
            "c4": self.p4_2.filters,
            "in_channels": self.in_channels,
            **_config(self),
        }


@tf.keras.utils.register_keras_serializable("googlenet_tf")
class GoogLeNet(tf.keras.Model):
    """The whole network: a stem (b1, b2), nine Inception blocks (b3, b4, b5) and a head (the rest of b5, fc).

    Args:
        num_classes: Logits.
        in_channels: Channels of the images; None infers them at the first call.
        padding: ``"symmetric"`` pads the stride-2 layers alike on all four sides, as PyTorch and MXNet do; ``"same"``
            leaves them to Keras, as the source does: on even sizes that pads one less before than after.
        kwargs: What every Keras model takes: ``name``, ``dtype``, ``trainable``.
    """

    def __init__(
        self, num_classes: int = 10, in_channels: int | None = 1, padding: str = "symmetric", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if num_classes < 1 or (in_channels is not None and in_channels < 1):
            raise ValueError(f"num_classes={num_classes}, in_channels={in_channels}; expected 1 or more of each.")
        if padding not in ("symmetric", "same"):
            raise ValueError(f"padding={padding!r}; expected 'symmetric' or 'same'.")
        self.in_channels = in_channels
        self.padding = padding
        options = _options(self)
        strided, max_pool = {
            "symmetric": (SymmetricConv2D, SymmetricMaxPool2D),
            "same": (tf.keras.layers.Conv2D, tf.keras.layers.MaxPool2D),
        }[padding]
        strided_conv2d = partial(strided, padding="same", activation="relu", **options)
        # At stride 1, "same" is symmetric by itself.
        conv2d = partial(tf.keras.layers.Conv2D, padding="same", activation="relu", **options)
        max_pool2d = partial(max_pool, padding="same", **options)
        inception = partial(Inception, dtype=self.dtype_policy)
        stage = partial(Stage, dtype=self.dtype_policy)
        self.b1 = stage(
            strided_conv2d(64, kernel_size=7, strides=2, name="conv"),  # N x 48 x 48 x 64
            max_pool2d(pool_size=3, strides=2, name="pool"),  # N x 24 x 24 x 64
            name="b1",
        )
        self.b2 = stage(
            conv2d(64, kernel_size=1, name="conv1"),  # N x 24 x 24 x 64
            conv2d(192, kernel_size=3, name="conv2"),  # N x 24 x 24 x 192
            max_pool2d(pool_size=3, strides=2, name="pool"),  # N x 12 x 12 x 192
            name="b2",
        )
        self.b3 = stage(
            inception(64, (96, 128), (16, 32), 32, name="inception_3a"),  # N x 12 x 12 x 256
            inception(128, (128, 192), (32, 96), 64, name="inception_3b"),  # N x 12 x 12 x 480
            max_pool2d(pool_size=3, strides=2, name="pool"),  # N x 6 x 6 x 480
            name="b3",
        )
        self.b4 = stage(
            inception(192, (96, 208), (16, 48), 64, name="inception_4a"),  # N x 6 x 6 x 512
            inception(160, (112, 224), (24, 64), 64, name="inception_4b"),  # N x 6 x 6 x 512
            inception(128, (128, 256), (24, 64), 64, name="inception_4c"),  # N x 6 x 6 x 512
            inception(112, (144, 288), (32, 64), 64, name="inception_4d"),  # N x 6 x 6 x 528
            inception(256, (160, 320), (32, 128), 128, name="inception_4e"),  # N x 6 x 6 x 832
            max_pool2d(pool_size=3, strides=2, name="pool"),  # N x 3 x 3 x 832
            name="b4",
        )
        self.b5 = stage(
            inception(256, (160, 320), (32, 128), 128, name="inception_5a"),  # N x 3 x 3 x 832
            inception(384, (192, 384), (48, 128), 128, name="inception_5b"),  # N x 3 x 3 x 1024
            tf.keras.layers.GlobalAvgPool2D(name="pool", **options),  # N x 1024
            name="b5",
        )
        self.fc = tf.keras.layers.Dense(num_classes, dtype=self.dtype_policy, name="fc")  # N x num_classes
        if in_channels is not None:
            self.build((None, None, None, in_channels))

    def build(self, input_shape: Shape) -> None:
        """Creates the weights for images of shape (N, H, W, in_channels)."""
        self.in_channels = input_shape[-1]
        _build_in_order((self.b1, self.b2, self.b3, self.b4, self.b5, self.fc), (None, None, None, self.in_channels))
        self.built = True

    def features(self, x: tf.Tensor) -> tf.Tensor:
        """Stem and body: images (N, H, W, in_channels) to one vector (N, 1024) each."""
        return self.b5(self.b4(self.b3(self.b2(self.b1(x)))))

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Images (N, H, W, in_channels) to logits (N, num_classes)."""
        return self.fc(self.features(x))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, from which Keras makes the network again when it loads a file."""
        return {
            "num_classes": self.fc.units,
            "in_channels": self.in_channels,
            "padding": self.padding,
            **_config(self),
        }


class Stage(tf.keras.layers.Layer):
    """Named layers in a row, each an attribute. Not ``Sequential``: in Keras 2 that one rounds float64 to float32."""

    def __init__(self, *layers: tf.keras.layers.Layer, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.row = layers
        for layer in layers:
            setattr(self, layer.name, layer)

    def build(self, input_shape: Shape) -> None:
        _build_in_order(self.row, input_shape)
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        for layer in self.row:
            x = layer(x)
        return x

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        for layer in self.row:
            input_shape = layer.compute_output_shape(input_shape)
        return input_shape


class SymmetricConv2D(tf.keras.layers.Conv2D):
    """A convolution padded by half its kernel on all four sides, at stride 2 as well."""

    def convolution_op(self, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        # conv2d can pad by itself, but then oneDNN has no part in its backward pass.
        x = tf.pad(x, on_four_sides(self.kernel_size))
        return tf.nn.conv2d(x, kernel, self.strides, padding="VALID")


class SymmetricMaxPool2D(tf.keras.layers.MaxPool2D):
    """A max-pool padded by half its window on all four sides, with minus infinity."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        # Likewise max_pool2d, and under XLA (compile(jit_compile=True)) it cannot.
        x = tf.pad(x, on_four_sides(self.pool_size), constant_values=float("-inf"))
        return tf.nn.max_pool2d(x, self.pool_size, self.strides, padding="VALID")


def on_four_sides(window: tuple[int, int]) -> list[tuple[int, int]]:
    """Half a window before and after height and width, none for N and C."""
    height, width = (size // 2 for size in window)
    return [(0, 0), (height, height), (width, width), (0, 0)]


def _build_in_order(layers: Iterable[tf.keras.layers.Layer], shape: Shape) -> None:
    """Builds each layer for what the one before it gives; one that has its weights keeps them."""
    for layer in layers:
        if not layer.built:
            layer.build(shape)
        shape = layer.compute_output_shape(shape)


def _options(model: tf.keras.Model) -> dict[str, Any]:
    """What a model hands down to its layers."""
    return {"data_format": "channels_last", "dtype": model.dtype_policy}


def _config(model: tf.keras.Model) -> dict[str, Any]:
    """What ``get_config`` says for every model; the one that Keras 2 inherits says nothing."""
    return {"name": model.name, "dtype": model.dtype_policy.name, "trainable": model.trainable}
