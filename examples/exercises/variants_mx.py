"""Variants of GoogLeNet in MXNet Gluon, to be read beside ``variants_torch.py`` and ``variants_tf.py``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any

import numpy.typing as npt

from googlenet_mx import GoogLeNet, Inception  # isort: skip -- first, as "import mxnet" needs it
import mxnet as mx
from mxnet import autograd
from mxnet.gluon import loss, nn
from mxnet.gluon.contrib.nn import Identity
from variants_np import EPSILON

from googlenet_np import GOOGLENET

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
    """An Inception block whose 5x5 convolution is two of 3x3."""

    def __init__(self, c1: int, c2: tuple[int, int], c3: tuple[int, int], c4: int, *, in_channels: int) -> None:
        super().__init__(c1, c2, c3, c4, in_channels=in_channels)
        with self.name_scope():
            self.p3_2 = nn.Conv2D(c3[1], kernel_size=3, padding=1, activation="relu", in_channels=c3[0])
            self.p3_3 = nn.Conv2D(c3[1], kernel_size=3, padding=1, activation="relu", in_channels=c3[1])

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        p1 = self.p1_1(x)
        p2 = self.p2_2(self.p2_1(x))
        p3 = self.p3_3(self.p3_2(self.p3_1(x)))
        p4 = self.p4_2(self.p4_1(x))
        return F.concat(p1, p2, p3, p4, dim=1)


class ResidualInception(Inception):
    """An Inception block that adds what it finds to its input."""

    def __init__(self, c1: int, c2: tuple[int, int], c3: tuple[int, int], c4: int, *, in_channels: int) -> None:
        super().__init__(c1, c2, c3, c4, in_channels=in_channels)
        channels = c1 + c2[1] + c3[1] + c4
        with self.name_scope():
            self.project = nn.Conv2D(channels, kernel_size=1, in_channels=channels)
            same = channels == in_channels
            self.skip = Identity() if same else nn.Conv2D(channels, kernel_size=1, in_channels=in_channels)

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return F.relu(self.project(super().hybrid_forward(F, x)) + self.skip(x))


class NormReLU(nn.Activation):
    """Batch normalisation, then ReLU: in the place where a convolution has its ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__("relu")
        with self.name_scope():
            self.norm = nn.BatchNorm(epsilon=EPSILON, momentum=0.9, in_channels=channels)

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return F.relu(self.norm(x))


def factorized(num_classes: int = 10, in_channels: int = 1) -> GoogLeNet:
    """GoogLeNet of ``FactorizedInception`` blocks."""
    return _with_blocks(FactorizedInception, GoogLeNet(num_classes, in_channels))


def residual(num_classes: int = 10, in_channels: int = 1) -> GoogLeNet:
    """GoogLeNet of ``ResidualInception`` blocks."""
    return _with_blocks(ResidualInception, GoogLeNet(num_classes, in_channels))


def batch_norm(num_classes: int = 10, in_channels: int = 1) -> GoogLeNet:
    """GoogLeNet with batch normalisation after each convolution. ReLU is a part of the convolution, so it moves."""
    model = GoogLeNet(num_classes, in_channels)

    def change(layer: Any) -> None:
        if isinstance(layer, nn.Conv2D):
            layer.act = NormReLU(layer.weight.shape[0])

    return model.apply(change)


def small(num_classes: int = 10, in_channels: int = 1) -> GoogLeNet:
    """GoogLeNet for 28 x 28: the first stage keeps the image's size."""
    model = GoogLeNet(num_classes, in_channels)
    with model.name_scope():
        model.b1 = nn.HybridSequential()
        model.b1.conv = nn.Conv2D(64, kernel_size=3, padding=1, activation="relu", in_channels=in_channels)
    return model


def smoothed_cross_entropy(logits: Any, labels: Any, label_smoothing: float) -> Any:
    """The batch's mean. Gluon's loss is one number per image, and smooths no labels: they are made smooth before."""
    classes = logits.shape[1]
    targets = labels.one_hot(classes).astype(logits.dtype) * (1 - label_smoothing) + label_smoothing / classes
    return loss.SoftmaxCrossEntropyLoss(sparse_label=False)(logits, targets).mean()


def _with_blocks(block: Callable[..., Inception], model: GoogLeNet) -> GoogLeNet:
    for name in (layer.name for layer in GOOGLENET if layer.joins):
        stage, layer = getattr(model, name.split(".")[0]), attrgetter(name)(model)
        (c1, in_channels), (c4, _) = layer.p1_1.weight.shape[:2], layer.p4_2.weight.shape[:2]
        c2 = (layer.p2_1.weight.shape[0], layer.p2_2.weight.shape[0])
        c3 = (layer.p3_1.weight.shape[0], layer.p3_2.weight.shape[0])
        with stage.name_scope():
            setattr(stage, name.split(".")[1], block(c1, c2, c3, c4, in_channels=in_channels))
    return model


# For the comparison: NumPy arrays in and out, N x C x H x W.

NORM = {"gamma": "gamma", "beta": "beta", "mean": "running_mean", "variance": "running_var"}


def with_weights(variant: str, weights: Mapping[str, Array]) -> GoogLeNet:
    """The variant of that name, in the dtype of its weights, which ``variants_np.init_weights`` makes."""
    dtype = weights["fc.bias"].dtype
    model: GoogLeNet = globals()[variant](len(weights["fc.bias"]), weights["b1.conv.weight"].shape[1])
    if len(model.collect_params().keys()) != len(weights):
        raise ValueError(f"{len(weights)} tensors for {len(model.collect_params().keys())} parameters.")
    model.initialize()
    model.cast(dtype)
    for name, array in weights.items():
        attrgetter(_own_name(name))(model).set_data(mx.nd.array(array, dtype=dtype))
    return model


def outputs(model: GoogLeNet, images: Array, *, training: bool = False) -> Array:
    """Logits (N, num_classes)."""
    with autograd.train_mode() if training else autograd.predict_mode():
        logits = model(mx.nd.array(images, dtype=images.dtype))
    array: Array = logits.asnumpy()
    return array


def _own_name(name: str) -> str:
    layer, _, kind = name.rpartition(".")
    return f"{layer}.act.norm.{NORM[kind]}" if kind in NORM else name
