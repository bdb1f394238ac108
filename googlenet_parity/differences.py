"""The known ways in which one layer comes out differently from one framework to another, or by mistake.

Each is a layer worked out by the reference with one thing changed: how it pads, how it reads its kernel, in what
precision it computes. :mod:`googlenet_parity.diagnosis` asks which of them gives a backend's numbers.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from googlenet_np import operations as op
from googlenet_np.architecture import GOOGLENET, Conv2d, Dense, GlobalAvgPool2d, Layer, MaxPool2d
from googlenet_np.backend import DType
from googlenet_np.layout import nchw_to_nhwc, nhwc_to_nchw, oihw_to_hwio, out_in_to_in_out
from googlenet_parity.precisions import PRECISIONS, SINGLE, Precision

__all__ = ["Variant", "as_is", "low_precision", "reordered_branches", "variants"]

Array = npt.NDArray[Any]
Pads = tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Variant:
    """One layer with one thing changed.

    Attributes:
        name: What is changed, in words.
        x: What the layer is fed, (N, C, H, W), or (N, C) for a dense layer.
        weight: OIHW or (out, in); None for a layer without weights.
        bias: (O,), or None.
        kernel_size, stride: Of a convolution or a pool.
        pads: Before and after, for height and for width.
        kind: ``conv``, ``dense``, ``max-pool`` (border minus infinity), ``zero-max-pool`` (border zero),
            ``avg-pool`` (over a window, its padding not counted), ``padded-avg-pool`` (counted), ``global-avg-pool``
            or ``global-max-pool``.
        relu: ``after`` the bias, ``before`` the bias, or ``none``.
        finish: What is done to the output in the end.
        precision: The coarser format in which the layer computes, if it does: sums are rounded to it.
    """

    name: str
    x: Array
    weight: Array | None = None
    bias: Array | None = None
    kernel_size: int = 1
    stride: int = 1
    pads: Pads = ((0, 0), (0, 0))
    kind: str = "conv"
    relu: str = "none"
    finish: Callable[[Array], Array] | None = None
    precision: Precision | None = None

    def output(self) -> Array:
        """The changed layer's output, in float64."""
        z = self._sum(self.x, self.weight)
        if self.relu == "before":
            z = op.relu(z)
        if self.bias is not None:
            z = z + _per_channel(self.bias, z)
        if self.relu == "after":
            z = op.relu(z)
        return z if self.finish is None else self.finish(z)

    def magnitude(self) -> Array:
        """|W| ∗ |x| + |b| of the changed layer, or zero if it rounds nothing."""
        if self.kind.endswith("max-pool"):
            return np.zeros(1)
        z = self._sum(np.abs(self.x), None if self.weight is None else np.abs(self.weight))
        if self.bias is not None:
            z = z + _per_channel(np.abs(self.bias), z)
        return z if self.finish is None else self.finish(z)

    @property
    def length(self) -> int:
        """The most terms in one sum, the bias counted as one; of an average, its division."""
        if self.weight is not None:
            return self.weight[0].size + 1
        if self.kind == "global-avg-pool":
            return math.prod(self.x.shape[2:]) + 1
        return self.kernel_size**2 + 1

    def samples(self, chosen: slice) -> Variant:
        """The same for some samples of the batch."""
        return replace(self, x=self.x[chosen])

    def _sum(self, x: Array, weight: Array | None) -> Array:
        if self.kind == "dense":
            assert weight is not None
            return op.dense(x, weight, np.zeros(len(weight)))
        if self.kind == "global-avg-pool":
            return op.global_avg_pool2d(x)
        if self.kind == "global-max-pool":
            maximum: Array = np.max(x, axis=(2, 3))
            return maximum
        border = -np.inf if self.kind == "max-pool" else 0.0
        padded = np.pad(x, ((0, 0), (0, 0), *self.pads), constant_values=border)
        if self.kind == "conv":
            assert weight is not None
            return op.conv2d(padded, weight, None, stride=self.stride)
        if self.kind.endswith("max-pool"):
            return op.max_pool2d(padded, kernel_size=self.kernel_size, stride=self.stride, padding=0)
        return self._average(x, padded)

    def _average(self, x: Array, padded: Array) -> Array:
        ones = np.ones((1, 1, self.kernel_size, self.kernel_size))

        def totals(channels: Array) -> Array:
            single = channels.reshape(-1, 1, *channels.shape[2:])
            return op.conv2d(single, ones, None, stride=self.stride)

        sums = totals(padded)
        sums = sums.reshape(*x.shape[:2], *sums.shape[2:])
        if self.kind == "padded-avg-pool":
            return sums / self.kernel_size**2
        return sums / totals(np.pad(np.ones((1, 1, *x.shape[2:])), ((0, 0), (0, 0), *self.pads)))


def as_is(layer: Layer, weights: Mapping[str, Array], x: Array) -> Variant:
    """The layer as it should be.

    Args:
        layer: Any but a concatenation.
        weights: The canonical set, float64.
        x: What the layer is fed, float64.
    """
    weight, bias = weights.get(f"{layer.name}.weight"), weights.get(f"{layer.name}.bias")
    match layer:
        case Conv2d(kernel_size=kernel_size, stride=stride, padding=padding):
            pads = ((padding, padding), (padding, padding))
            return Variant("as it should be", x, weight, bias, kernel_size, stride, pads, "conv", "after")
        case MaxPool2d(kernel_size=kernel_size, stride=stride, padding=padding):
            pads = ((padding, padding), (padding, padding))
            return Variant("as it should be", x, None, None, kernel_size, stride, pads, "max-pool")
        case GlobalAvgPool2d():
            return Variant("as it should be", x, kind="global-avg-pool")
        case Dense():
            return Variant("as it should be", x, weight, bias, kind="dense")
    raise TypeError(f"{layer.name} has no variants.")


def variants(layer: Layer, weights: Mapping[str, Array], x: Array) -> Iterator[Variant]:
    """The layer with each of the known differences, one at a time, the commonest first."""
    base = as_is(layer, weights, x)
    if base.kind in ("conv", "max-pool"):
        yield from _padding(base)
    if base.kind == "conv":
        yield from _kernel(base)
    if base.weight is not None:
        yield from _weights(layer, base, weights)
    if base.bias is not None:
        yield from _bias_and_relu(base)
    if base.kind in ("max-pool", "global-avg-pool"):
        yield from _pooling(base)
    if x.ndim == 4:
        yield from _layout(base)


def low_precision(base: Variant, dtype: DType) -> Iterator[Variant]:
    """The layer with its operands rounded to a coarser format than ``dtype`` first, its output rounded to it or not."""
    if base.weight is None:
        return
    for precision in PRECISIONS if dtype == "float32" else (SINGLE, *PRECISIONS):
        rounded = precision.rounded
        coarse = replace(base, x=rounded(base.x), weight=rounded(base.weight))
        if precision.stored:
            bias = None if base.bias is None else rounded(base.bias)
            yield replace(coarse, name=f"computed in {precision.name}", bias=bias, precision=precision)
            yield replace(coarse, name=f"weights and inputs rounded to {precision.name}", bias=bias)
            yield replace(base, name=f"weights rounded to {precision.name}", weight=coarse.weight, bias=bias)
        yield replace(coarse, name=f"products of operands rounded to {precision.name}")


def reordered_branches(branches: Sequence[Array]) -> Iterator[tuple[str, Array]]:
    """A block's output with its branches concatenated in every other order."""
    for order in itertools.permutations(range(len(branches))):
        if order != tuple(range(len(branches))):
            words = ", ".join(f"branch {number + 1}" for number in order)
            yield (
                f"branches concatenated in another order ({words})",
                np.concatenate([branches[number] for number in order], axis=1),
            )


def _apart(pads: Pads, others: Pads) -> str:
    """The first axis on which they differ: of an odd and an even side, one alone is padded asymmetrically."""
    return next(f"{one} instead of {other}" for one, other in zip(pads, others, strict=True) if one != other)


def _padding(base: Variant) -> Iterator[Variant]:
    (before, after), _ = base.pads
    same = _same_pads(base)
    if same != base.pads:
        yield replace(base, name=f"asymmetric padding as of 'same', {_apart(same, base.pads)}", pads=same)
    flipped = (same[0][::-1], same[1][::-1])
    if flipped not in (same, base.pads):
        yield replace(base, name=f"asymmetric padding, {_apart(flipped, base.pads)}", pads=flipped)
    for change, words in ((-1, "less"), (1, "more")):
        # An image smaller than the window gives no output, which a framework refuses.
        if before + change >= 0 and min(base.x.shape[2:]) + before + after + 2 * change >= base.kernel_size:
            pads = ((before + change, after + change),) * 2
            yield replace(base, name=f"padding one {words}, {before + change} instead of {before}", pads=pads)
    if base.stride > 1:
        # Ceil mode keeps a last window that begins inside the image, padded at its end.
        room = [(n + before + after - base.kernel_size) % base.stride for n in base.x.shape[2:]]
        height, width = ((before, after + (base.stride - left if left else 0)) for left in room)
        pads = (height, width)
        if pads != base.pads:
            yield replace(base, name="ceil mode: output size rounded up", pads=pads)
    for stride in {1, 2} - {base.stride}:
        yield replace(base, name=f"stride {stride} instead of {base.stride}: on the wrong layer", stride=stride)


def _kernel(base: Variant) -> Iterator[Variant]:
    assert base.weight is not None
    size = base.kernel_size
    if size == 1:
        return
    yield replace(base, name="kernel transposed in height and width", weight=base.weight.swapaxes(2, 3))
    yield replace(base, name="kernel flipped: true convolution", weight=base.weight[:, :, ::-1, ::-1])
    if size == 5:
        inner = base.weight[:, :, 1:-1, 1:-1]
        height, width = ((before - 1, after - 1) for before, after in base.pads)
        pads = (height, width)
        yield replace(base, name="3×3 kernel in the 5×5 branch", weight=inner, kernel_size=3, pads=pads)


def _weights(layer: Layer, base: Variant, weights: Mapping[str, Array]) -> Iterator[Variant]:
    weight = base.weight
    assert weight is not None
    out, into, *kernel = weight.shape
    if into > 1:
        name = "input channels reversed" + (" (BGR for RGB)" if into == 3 else "")
        yield replace(base, name=name, weight=weight[:, ::-1])
    if out == into:
        yield replace(base, name="(out, in) swapped", weight=weight.swapaxes(0, 1))
    layout, memory = ("HWIO", oihw_to_hwio(weight)) if kernel else ("(in, out)", out_in_to_in_out(weight))
    yield replace(base, name=f"weight: {layout} memory read as it stands", weight=memory.reshape(weight.shape))
    for other in GOOGLENET.weighted:
        foreign = weights[f"{other.name}.weight"]
        if other.name != layer.name and foreign.ndim == weight.ndim and foreign.shape[1:] == weight.shape[1:]:
            bias = weights[f"{other.name}.bias"]
            yield replace(base, name=f"weights of {other.name}", weight=foreign, bias=bias)
            if foreign.shape == weight.shape:
                yield replace(base, name=f"kernel of {other.name}", weight=foreign)


def _bias_and_relu(base: Variant) -> Iterator[Variant]:
    assert base.bias is not None
    yield replace(base, name="bias missing", bias=None)
    yield replace(base, name="bias added twice", bias=2 * base.bias)
    if base.relu == "after":
        yield replace(base, name="ReLU missing", relu="none")
        yield replace(base, name="ReLU before the bias", relu="before")
    else:
        yield replace(base, name="a ReLU too many", relu="after")


def _pooling(base: Variant) -> Iterator[Variant]:
    if base.kind == "global-avg-pool":
        yield replace(base, name="maximum instead of average", kind="global-max-pool")
        height, width = base.x.shape[2:]
        for border in (1, 2):
            counted = (height + 2 * border) * (width + 2 * border) / (height * width)
            yield replace(base, name=f"average counting a padding of {border}", x=base.x / counted)
        return
    yield replace(base, name="average instead of maximum", kind="avg-pool")
    yield replace(base, name="average instead of maximum, counting padding", kind="padded-avg-pool")
    yield replace(base, name="border padded with zero instead of minus infinity", kind="zero-max-pool")


def _layout(base: Variant) -> Iterator[Variant]:
    n, c, h, w = base.x.shape
    if c > 1 and h * w > 1:
        misread = np.ascontiguousarray(nchw_to_nhwc(base.x)).reshape(n, c, h, w)
        yield replace(base, name="input: NHWC memory read as NCHW", x=misread)
        misread = nhwc_to_nchw(base.x.reshape(n, h, w, c))
        yield replace(base, name="input: NCHW memory read as NHWC", x=misread)
    if h > 1 or w > 1:
        yield replace(base, name="input: height and width swapped", x=base.x.swapaxes(2, 3))

    def output_misread(z: Array) -> Array:
        return np.ascontiguousarray(nchw_to_nhwc(z)).reshape(z.shape)

    def input_order(z: Array) -> Array:
        return nhwc_to_nchw(z.reshape(len(z), *z.shape[2:], z.shape[1]))

    if base.kind in ("conv", "max-pool"):
        yield replace(base, name="output: NHWC memory read as NCHW", finish=output_misread)
        yield replace(base, name="output: NCHW memory read as NHWC", finish=input_order)


def _same_pads(base: Variant) -> Pads:
    """What ``padding='same'`` pads: as much as gives ceil(n / stride), the odd pixel at the end."""
    pads = []
    for n in base.x.shape[2:]:
        total = max((-(-n // base.stride) - 1) * base.stride + base.kernel_size - n, 0)
        pads.append((total // 2, total - total // 2))
    return pads[0], pads[1]


def _per_channel(bias: Array, z: Array) -> Array:
    return bias.reshape(-1, *(1,) * (z.ndim - 2))
