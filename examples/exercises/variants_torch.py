"""Variants of GoogLeNet in PyTorch, to be read beside ``variants_tf.py`` and ``variants_mx.py``."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from variants_np import EPSILON

from googlenet_torch import GoogLeNet, Inception

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
        self.p3_2 = nn.Conv2d(c3[0], c3[1], kernel_size=3, padding=1)
        self.p3_3 = nn.Conv2d(c3[1], c3[1], kernel_size=3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        p1 = F.relu(self.p1_1(x))
        p2 = F.relu(self.p2_2(F.relu(self.p2_1(x))))
        p3 = F.relu(self.p3_3(F.relu(self.p3_2(F.relu(self.p3_1(x))))))
        p4 = F.relu(self.p4_2(self.p4_1(x)))
        return torch.cat((p1, p2, p3, p4), dim=1)


class ResidualInception(Inception):
    """An Inception block that adds what it finds to its input."""

    def __init__(self, c1: int, c2: tuple[int, int], c3: tuple[int, int], c4: int, *, in_channels: int) -> None:
        super().__init__(c1, c2, c3, c4, in_channels=in_channels)
        channels = c1 + c2[1] + c3[1] + c4
        self.project = nn.Conv2d(channels, channels, kernel_size=1)
        self.skip = nn.Identity() if channels == in_channels else nn.Conv2d(in_channels, channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.project(super().forward(x)) + self.skip(x))


def factorized(num_classes: int = 10, in_channels: int = 1) -> GoogLeNet:
    """GoogLeNet of ``FactorizedInception`` blocks."""
    return _with_blocks(FactorizedInception, GoogLeNet(num_classes, in_channels))


def residual(num_classes: int = 10, in_channels: int = 1) -> GoogLeNet:
    """GoogLeNet of ``ResidualInception`` blocks."""
    return _with_blocks(ResidualInception, GoogLeNet(num_classes, in_channels))


def batch_norm(num_classes: int = 10, in_channels: int = 1) -> GoogLeNet:
    """GoogLeNet with batch normalisation after each convolution. ReLU is applied in ``forward``, so it comes after."""
    model = GoogLeNet(num_classes, in_channels)
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.Conv2d):
                norm = nn.BatchNorm2d(layer.out_channels, eps=EPSILON, momentum=0.1)
                setattr(parent, name, nn.Sequential(OrderedDict(conv=layer, norm=norm)))
    return model


def small(num_classes: int = 10, in_channels: int = 1) -> GoogLeNet:
    """GoogLeNet for 28 x 28: the first stage keeps the image's size."""
    model = GoogLeNet(num_classes, in_channels)
    conv = nn.Conv2d(in_channels, 64, kernel_size=3, padding=1)
    model.b1 = nn.Sequential(OrderedDict(conv=conv, relu=nn.ReLU()))
    return model


def smoothed_cross_entropy(logits: Tensor, labels: Tensor, label_smoothing: float) -> Tensor:
    """The batch's mean. PyTorch's loss can smooth labels by itself."""
    return F.cross_entropy(logits, labels, label_smoothing=label_smoothing)


def _with_blocks(block: Callable[..., Inception], model: GoogLeNet) -> GoogLeNet:
    for stage in (model.b3, model.b4, model.b5):
        for name, layer in list(stage.named_children()):
            if isinstance(layer, Inception):
                c2 = (layer.p2_1.out_channels, layer.p2_2.out_channels)
                c3 = (layer.p3_1.out_channels, layer.p3_2.out_channels)
                c1, c4, in_channels = layer.p1_1.out_channels, layer.p4_2.out_channels, layer.p1_1.in_channels
                setattr(stage, name, block(c1, c2, c3, c4, in_channels=in_channels))
    return model


# For the comparison: NumPy arrays in and out, N x C x H x W.

NORM = {"gamma": "weight", "beta": "bias", "mean": "running_mean", "variance": "running_var"}


def with_weights(variant: str, weights: Mapping[str, Array]) -> GoogLeNet:
    """The variant of that name, in the dtype of its weights, which ``variants_np.init_weights`` makes."""
    model: GoogLeNet = globals()[variant](len(weights["fc.bias"]), weights["b1.conv.weight"].shape[1])
    state = {_own_name(name, weights): torch.from_numpy(array.copy()) for name, array in weights.items()}
    counts = {name: count for name, count in model.state_dict().items() if name.endswith("num_batches_tracked")}
    model.to(state["fc.bias"].dtype).load_state_dict({**state, **counts})
    return model


def outputs(model: GoogLeNet, images: Array, *, training: bool = False) -> Array:
    """Logits (N, num_classes)."""
    with torch.no_grad():
        logits: Array = model.train(training)(torch.from_numpy(images)).numpy()
    return logits


def _own_name(name: str, weights: Mapping[str, Array]) -> str:
    layer, _, kind = name.rpartition(".")
    if kind in NORM:
        return f"{layer}.norm.{NORM[kind]}"
    return f"{layer}.conv.{kind}" if f"{layer}.gamma" in weights else name
