"""The PyTorch networks of the source document and of the study note, in their own module trees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Note", "document", "fill", "logits"]

Array = npt.NDArray[Any]

BLOCKS = (
    ((64, (96, 128), (16, 32), 32), (128, (128, 192), (32, 96), 64)),
    (
        (192, (96, 208), (16, 48), 64),
        (160, (112, 224), (24, 64), 64),
        (128, (128, 256), (24, 64), 64),
        (112, (144, 288), (32, 64), 64),
        (256, (160, 320), (32, 128), 128),
    ),
    ((256, (160, 320), (32, 128), 128), (384, (192, 384), (48, 128), 128)),
)


class Inception(nn.Module):
    """Its layers are ``p1_1`` … ``p4_2``, or ``b1_1`` … ``b4_2`` in the note."""

    def __init__(self, c1: int, c2: tuple[int, int], c3: tuple[int, int], c4: int, letter: str) -> None:
        super().__init__()
        self.letter = letter
        layers = {
            "1_1": nn.LazyConv2d(c1, kernel_size=1),
            "2_1": nn.LazyConv2d(c2[0], kernel_size=1),
            "2_2": nn.LazyConv2d(c2[1], kernel_size=3, padding=1),
            "3_1": nn.LazyConv2d(c3[0], kernel_size=1),
            "3_2": nn.LazyConv2d(c3[1], kernel_size=5, padding=2),
            "4_1": nn.MaxPool2d(kernel_size=3, stride=1, padding=1),
            "4_2": nn.LazyConv2d(c4, kernel_size=1),
        }
        for name, layer in layers.items():
            setattr(self, letter + name, layer)

    def forward(self, x: Tensor) -> Tensor:
        def layer(name: str, x: Tensor) -> Tensor:
            y: Tensor = getattr(self, self.letter + name)(x)
            return y

        p1 = F.relu(layer("1_1", x))
        p2 = F.relu(layer("2_2", F.relu(layer("2_1", x))))
        p3 = F.relu(layer("3_2", F.relu(layer("3_1", x))))
        p4 = F.relu(layer("4_2", layer("4_1", x)))
        return torch.cat((p1, p2, p3, p4), dim=1)


def document(num_classes: int, letter: str = "p") -> nn.Sequential:
    """``Sequential`` of five ``Sequential`` and a dense layer."""
    b3, b4, b5 = (tuple(Inception(*channels, letter) for channels in stage) for stage in BLOCKS)
    return nn.Sequential(
        nn.Sequential(nn.LazyConv2d(64, kernel_size=7, stride=2, padding=3), nn.ReLU(), _pool()),
        nn.Sequential(
            nn.LazyConv2d(64, kernel_size=1),
            nn.ReLU(),
            nn.LazyConv2d(192, kernel_size=3, padding=1),
            nn.ReLU(),
            _pool(),
        ),
        nn.Sequential(*b3, _pool()),
        nn.Sequential(*b4, _pool()),
        nn.Sequential(*b5, nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten()),
        nn.LazyLinear(num_classes),
    )


class Note(nn.Module):
    """The study note's: the same behind ``net``, and ``b`` for ``p``."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.net = document(num_classes, "b")

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.net(x)
        return y


def fill(net: nn.Module, weights: Mapping[str, Array]) -> None:
    """Writes canonical weights in, layer by layer in the order of construction, which is canonical order too."""
    dtype = torch.from_numpy(weights["fc.bias"]).dtype
    with torch.no_grad():
        net(torch.zeros(2, weights["b1.conv.weight"].shape[1], 33, 65))
        net.to(dtype)
        for tensor, array in zip(net.parameters(), weights.values(), strict=True):
            tensor.copy_(torch.from_numpy(np.array(array)))


def logits(net: nn.Module, images: Array) -> Array:
    """(N, C, H, W) to (N, num_classes)."""
    with torch.no_grad():
        outputs: Array = net(torch.from_numpy(images)).numpy()
    return outputs


def _pool() -> nn.Module:
    return nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
