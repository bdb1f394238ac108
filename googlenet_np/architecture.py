"""The network as data: every layer of GoogLeNet, in canonical order, with its numbers.

The channel numbers follow the source document (Dive into Deep Learning, "Networks with Parallel Concatenations"), which
follows Table 1 of Szegedy et al., *Going Deeper with Convolutions*, arXiv 1409.4842. They stand once more in each
framework's ``model.py``, on purpose: a slip in one shared table would be invisible to every comparison.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Concatenate, ParamSpec, TypeVar

from netparity.network.kinds import Concat, Conv2d, Dense, GlobalAvgPool2d, Layer, MaxPool2d
from netparity.network.network import IMAGES, Network

P = ParamSpec("P")
T = TypeVar("T")


def _inception(name: str, before: str, c1: int, c2: tuple[int, int], c3: tuple[int, int], c4: int) -> tuple[Layer, ...]:
    """The layers of one Inception block; ``c1`` … ``c4`` are its branches' output channels (Figure 2b)."""
    p1_1, p2_1, p2_2, p3_1, p3_2, p4_1, p4_2 = (
        f"{name}.{layer}" for layer in ("p1_1", "p2_1", "p2_2", "p3_1", "p3_2", "p4_1", "p4_2")
    )
    return (
        Conv2d(p1_1, (before,), c1, kernel_size=1),
        Conv2d(p2_1, (before,), c2[0], kernel_size=1),
        Conv2d(p2_2, (p2_1,), c2[1], kernel_size=3, padding=1),
        Conv2d(p3_1, (before,), c3[0], kernel_size=1),
        Conv2d(p3_2, (p3_1,), c3[1], kernel_size=5, padding=2),
        MaxPool2d(p4_1, (before,), kernel_size=3, stride=1, padding=1),
        Conv2d(p4_2, (p4_1,), c4, kernel_size=1),
        Concat(name, (p1_1, p2_2, p3_2, p4_2)),
    )


GOOGLENET = Network(
    "GoogLeNet",
    (
        Conv2d("b1.conv", (IMAGES,), 64, kernel_size=7, stride=2, padding=3),
        MaxPool2d("b1.pool", ("b1.conv",), kernel_size=3, stride=2, padding=1),
        Conv2d("b2.conv1", ("b1.pool",), 64, kernel_size=1),
        Conv2d("b2.conv2", ("b2.conv1",), 192, kernel_size=3, padding=1),
        MaxPool2d("b2.pool", ("b2.conv2",), kernel_size=3, stride=2, padding=1),
        *_inception("b3.inception_3a", "b2.pool", 64, (96, 128), (16, 32), 32),
        *_inception("b3.inception_3b", "b3.inception_3a", 128, (128, 192), (32, 96), 64),
        MaxPool2d("b3.pool", ("b3.inception_3b",), kernel_size=3, stride=2, padding=1),
        *_inception("b4.inception_4a", "b3.pool", 192, (96, 208), (16, 48), 64),
        *_inception("b4.inception_4b", "b4.inception_4a", 160, (112, 224), (24, 64), 64),
        *_inception("b4.inception_4c", "b4.inception_4b", 128, (128, 256), (24, 64), 64),
        *_inception("b4.inception_4d", "b4.inception_4c", 112, (144, 288), (32, 64), 64),
        *_inception("b4.inception_4e", "b4.inception_4d", 256, (160, 320), (32, 128), 128),
        MaxPool2d("b4.pool", ("b4.inception_4e",), kernel_size=3, stride=2, padding=1),
        *_inception("b5.inception_5a", "b4.pool", 256, (160, 320), (32, 128), 128),
        *_inception("b5.inception_5b", "b5.inception_5a", 384, (192, 384), (48, 128), 128),
        GlobalAvgPool2d("b5.pool", ("b5.inception_5b",)),
        Dense("fc", ("b5.pool",)),
    ),
)
"""GoogLeNet as the source document defines it: no auxiliary heads, no dropout, no local response normalisation."""


def on_googlenet(function: Callable[Concatenate[Network, P], T], module: str, name: str = "") -> Callable[P, T]:
    """A function of the engine without its first argument, the network, which is GoogLeNet.

    Args:
        function: The engine's.
        module: The name of the module that the new one is in, under the same name or ``name``.
    """

    @wraps(function)
    def bound(*args: P.args, **kwargs: P.kwargs) -> T:
        return function(GOOGLENET, *args, **kwargs)

    first, *others = signature(function).parameters.values()
    bound.__signature__ = signature(function).replace(parameters=others)  # type: ignore[attr-defined]
    bound.__annotations__ = {key: kind for key, kind in function.__annotations__.items() if key != first.name}
    bound.__doc__ = re.sub(rf"(?m)^ +{first.name}: .*\n|(?<=^        ){first.name}, ", "", function.__doc__ or "")
    bound.__module__, bound.__name__ = module, name or function.__name__
    bound.__qualname__ = bound.__name__
    return bound


layer_table = on_googlenet(Network.table, __name__, "layer_table")
