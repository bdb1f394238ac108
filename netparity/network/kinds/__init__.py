"""The kinds of layers. All that the engine knows of one kind stands in one file here.

Each file has one frozen dataclass: its numbers, output shape, parameters, forward and backward pass, how far rounding
can take its results, its kinks, its known mistakes, and its words. To add a kind, add a file and its name to the list.
"""

from __future__ import annotations

from netparity.network.kinds.base import Kinks, Layer, Parameters, Shape, Sums
from netparity.network.kinds.concat import Concat
from netparity.network.kinds.convolution import Conv2d
from netparity.network.kinds.dense import Dense
from netparity.network.kinds.global_avg_pool import GlobalAvgPool2d
from netparity.network.kinds.max_pool import MaxPool2d

__all__ = [
    "Concat",
    "Conv2d",
    "Dense",
    "GlobalAvgPool2d",
    "Kinks",
    "Layer",
    "MaxPool2d",
    "Parameters",
    "Shape",
    "Sums",
]
