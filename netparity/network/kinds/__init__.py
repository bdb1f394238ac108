"""The kinds of layers, each in a file of its own; the known mistakes, which several share, stand in ``mistakes.py``.

A kind's file has one frozen dataclass: its numbers, output shape, parameters, forward and backward pass, how far
rounding can take its results, its kinks, which of the known mistakes it can have, and its words. To add a kind, add a
file and its name to the list.
"""

from __future__ import annotations

from netparity.network.kinds.base import Kinks as Kinks
from netparity.network.kinds.base import Layer as Layer
from netparity.network.kinds.base import Shape as Shape
from netparity.network.kinds.concat import Concat as Concat
from netparity.network.kinds.convolution import Conv2d as Conv2d
from netparity.network.kinds.dense import Dense as Dense
from netparity.network.kinds.global_avg_pool import GlobalAvgPool2d as GlobalAvgPool2d
from netparity.network.kinds.max_pool import MaxPool2d as MaxPool2d
