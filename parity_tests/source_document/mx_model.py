"""The Gluon network of the source document, in its own module tree."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import mxnet as mx
import numpy.typing as npt
from mxnet.gluon import nn

import googlenet_mx  # noqa: F401 -- first, as it makes "import mxnet" work

__all__ = ["document", "fill", "logits", "save"]

Array = npt.NDArray[Any]


class Inception(nn.Block):  # type: ignore[misc]
    """Its layers are ``p1_1`` … ``p4_2``."""

    def __init__(self, c1: int, c2: tuple[int, int], c3: tuple[int, int], c4: int) -> None:
        super().__init__()
        self.p1_1 = _conv2d(c1, 1)
        self.p2_1 = _conv2d(c2[0], 1)
        self.p2_2 = _conv2d(c2[1], 3, padding=1)
        self.p3_1 = _conv2d(c3[0], 1)
        self.p3_2 = _conv2d(c3[1], 5, padding=2)
        self.p4_1 = nn.MaxPool2D(pool_size=3, strides=1, padding=1)
        self.p4_2 = _conv2d(c4, 1)

    def forward(self, x: Any) -> Any:
        p1 = self.p1_1(x)
        p2 = self.p2_2(self.p2_1(x))
        p3 = self.p3_2(self.p3_1(x))
        p4 = self.p4_2(self.p4_1(x))
        return mx.np.concatenate((p1, p2, p3, p4), axis=1)


def document(num_classes: int) -> nn.Sequential:
    """``Sequential`` of five ``Sequential`` and a dense layer."""
    with _np_semantics():  # which layers ask for when they are made
        return _sequential(
            _sequential(_conv2d(64, 7, strides=2, padding=3), _pool()),
            _sequential(_conv2d(64, 1), _conv2d(192, 3, padding=1), _pool()),
            _sequential(Inception(64, (96, 128), (16, 32), 32), Inception(128, (128, 192), (32, 96), 64), _pool()),
            _sequential(
                Inception(192, (96, 208), (16, 48), 64),
                Inception(160, (112, 224), (24, 64), 64),
                Inception(128, (128, 256), (24, 64), 64),
                Inception(112, (144, 288), (32, 64), 64),
                Inception(256, (160, 320), (32, 128), 128),
                _pool(),
            ),
            _sequential(
                Inception(256, (160, 320), (32, 128), 128),
                Inception(384, (192, 384), (48, 128), 128),
                nn.GlobalAvgPool2D(),
            ),
            nn.Dense(num_classes),
        )


def fill(net: nn.Sequential, weights: Mapping[str, Array]) -> None:
    """Writes canonical weights in, layer by layer in the order of construction, which is canonical order too."""
    dtype = weights["fc.bias"].dtype
    with _np_semantics():
        net.initialize()
        net(mx.np.zeros((2, weights["b1.conv.weight"].shape[1], 33, 65)))
        net.cast(dtype)
        for parameter, array in zip(net.collect_params().values(), weights.values(), strict=True):
            parameter.set_data(mx.np.array(array, dtype=dtype))


def logits(net: nn.Sequential, images: Array) -> Array:
    """(N, C, H, W) to (N, num_classes)."""
    with _np_semantics():
        outputs: Array = net(mx.np.array(images, dtype=images.dtype)).asnumpy()
    return outputs


def save(net: nn.Sequential, path: os.PathLike[str], *, np_semantics: bool) -> None:
    """By ``save_parameters``, under ``npx.set_np()`` as the document does, or outside it."""
    if np_semantics:
        with _np_semantics():
            net.save_parameters(str(path))
    else:
        arrays = {key: value.data().asnumpy() for key, value in net._collect_params_with_prefix().items()}
        mx.nd.save(str(path), {key: mx.nd.array(array, dtype=array.dtype) for key, array in arrays.items()})


@contextmanager
def _np_semantics() -> Iterator[None]:
    """``npx.set_np()`` for as long as it is needed."""
    with mx.util.np_shape(True), mx.util.np_array(True):
        yield


def _sequential(*layers: nn.Block) -> nn.Sequential:
    row = nn.Sequential()
    row.add(*layers)
    return row


def _conv2d(channels: int, kernel_size: int, **options: int) -> nn.Conv2D:
    return nn.Conv2D(channels, kernel_size, activation="relu", **options)


def _pool() -> nn.MaxPool2D:
    return nn.MaxPool2D(pool_size=3, strides=2, padding=1)
