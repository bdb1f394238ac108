"""The known ways in which one layer comes out differently from one framework to another, or by mistake.

Each is a layer computed by the reference with one thing changed: how it pads, how it reads its kernel, in what
precision it computes. Which of them a kind of layer can have stands with the kind, in :mod:`netparity.network.kinds`;
:mod:`netparity.diagnosis.explain` asks which of them gives a backend's numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from netparity.network import operations as op
from netparity.network.contract import Array, DType
from netparity.network.kinds.precisions import PRECISIONS, SINGLE, Precision
from netparity.network.layout import nchw_to_nhwc, nhwc_to_nchw, oihw_to_hwio, out_in_to_in_out

Pads = tuple[tuple[int, int], ...]
"""Before and after, for height and for width."""


@dataclass(frozen=True)
class Variant:
    """One layer with one thing changed.

    Attributes:
        x: What the layer is fed, (N, C, H, W), or (N, C) for a dense layer.
        operation: What is computed, before bias and ReLU.
        weight: OIHW or (out, in); None for a layer without weights.
        bias: (O,), or None.
        kernel_size, stride: Those of a convolution or a pool; 1 for other layers.
        pads: Before and after, for height and for width.
        relu: ``after`` the bias, ``before`` the bias, or ``none``.
        finish: What is done to the output in the end.
        precision: The coarser format in which the layer computes, if it does: sums are rounded to it.
        name: What is changed, in words; empty for the layer as it should be.
    """

    x: Array
    operation: Operation
    weight: Array | None = None
    bias: Array | None = None
    kernel_size: int = 1
    stride: int = 1
    pads: Pads = ((0, 0), (0, 0))
    relu: str = "none"
    finish: Callable[[Array], Array] | None = None
    precision: Precision | None = None
    name: str = ""

    def output(self) -> Array:
        """The changed layer's output, in float64."""
        z = self.operation.compute(self, self.x, self.weight)
        if self.relu == "before":
            z = op.relu(z)
        if self.bias is not None:
            z = z + _per_channel(self.bias, z)
        if self.relu == "after":
            z = op.relu(z)
        return z if self.finish is None else self.finish(z)

    def magnitude(self) -> Array:
        """|W| ∗ |x| + |b| of the changed layer, or zero if it rounds nothing."""
        if self.operation.exact:
            return np.zeros(1)
        z = self.operation.compute(self, np.abs(self.x), None if self.weight is None else np.abs(self.weight))
        if self.bias is not None:
            z = z + _per_channel(np.abs(self.bias), z)
        return z if self.finish is None else self.finish(z)

    @property
    def length(self) -> int:
        """The most terms in one sum, the bias counted as one; of an average, its division."""
        if self.weight is not None:
            return self.weight[0].size + 1
        window = self.x.shape[2:] if self.operation.over_all else (self.kernel_size, self.kernel_size)
        return math.prod(window) + 1

    def padded(self, x: Array, border: float = 0.0) -> Array:
        """``x`` with a border as wide as :attr:`pads`."""
        return np.pad(x, ((0, 0), (0, 0), *self.pads), constant_values=border)


@dataclass(frozen=True)
class Operation:
    """What a layer computes, before bias and ReLU.

    Attributes:
        compute: From the variant, what it is fed and its kernel, which may be absolute values, to the output.
        exact: Whether nothing is rounded.
        over_all: Whether a pool's window is the whole image.
    """

    compute: Callable[[Variant, Array, Array | None], Array]
    exact: bool = False
    over_all: bool = False


def _convolution(variant: Variant, x: Array, weight: Array | None) -> Array:
    assert weight is not None
    return op.conv2d(variant.padded(x), weight, None, stride=variant.stride)


def _product(variant: Variant, x: Array, weight: Array | None) -> Array:
    assert weight is not None
    return op.dense(x, weight, np.zeros(len(weight)))


def _maximum(variant: Variant, x: Array, border: float) -> Array:
    return op.max_pool2d(variant.padded(x, border), kernel_size=variant.kernel_size, stride=variant.stride, padding=0)


def _totals(variant: Variant, x: Array) -> Array:
    """Sums over the windows, channel by channel; the border adds nothing."""
    padded = variant.padded(x)
    single = padded.reshape(-1, 1, *padded.shape[2:])
    sums = op.conv2d(single, np.ones((1, 1, variant.kernel_size, variant.kernel_size)), None, stride=variant.stride)
    return sums.reshape(*x.shape[:2], *sums.shape[2:])


CONVOLUTION = Operation(_convolution)
PRODUCT = Operation(_product)
MAX_POOL = Operation(lambda variant, x, _: _maximum(variant, x, -np.inf), exact=True)
ZERO_MAX_POOL = Operation(lambda variant, x, _: _maximum(variant, x, 0.0), exact=True)
AVERAGE_POOL = Operation(lambda variant, x, _: _totals(variant, x) / _totals(variant, np.ones((1, 1, *x.shape[2:]))))
"""Over a window, its padding not counted."""
COUNTING_AVERAGE_POOL = Operation(lambda variant, x, _: _totals(variant, x) / variant.kernel_size**2)
"""Over a window, its padding counted."""
GLOBAL_AVERAGE_POOL = Operation(lambda variant, x, _: op.global_avg_pool2d(x), over_all=True)
GLOBAL_MAX_POOL = Operation(lambda variant, x, _: x.max(axis=(2, 3)), exact=True, over_all=True)


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


def even_pads(padding: int) -> Pads:
    """The same padding on all four sides."""
    return (padding, padding), (padding, padding)


def _apart(pads: Pads, others: Pads) -> str:
    """The first axis on which they differ: of an odd and an even side, one alone is padded asymmetrically."""
    return next(f"{one} instead of {other}" for one, other in zip(pads, others, strict=True) if one != other)


def wrong_padding(base: Variant) -> Iterator[Variant]:
    """Another border, or another stride."""
    (before, after), _ = base.pads
    same = _same_pads(base)
    if same != base.pads:
        yield replace(base, name=f"asymmetric padding as in 'same', {_apart(same, base.pads)}", pads=same)
    flipped = (same[0][::-1], same[1][::-1])
    if flipped not in (same, base.pads):
        yield replace(base, name=f"asymmetric padding, {_apart(flipped, base.pads)}", pads=flipped)
    for change, words in ((-1, "less"), (1, "more")):
        # An image smaller than the window gives no output, which a framework refuses.
        if before + change >= 0 and min(base.x.shape[2:]) + before + after + 2 * change >= base.kernel_size:
            pads = even_pads(before + change)
            yield replace(base, name=f"padding one {words}, {before + change} instead of {before}", pads=pads)
    if base.stride > 1:
        # Ceil mode keeps a last window that begins inside the image, padded at its end.
        room = [(n + before + after - base.kernel_size) % base.stride for n in base.x.shape[2:]]
        pads = tuple((before, after + (base.stride - left if left else 0)) for left in room)
        if pads != base.pads:
            yield replace(base, name="ceil mode: output size rounded up", pads=pads)
    for stride in {1, 2} - {base.stride}:
        yield replace(base, name=f"stride {stride} instead of {base.stride}: on the wrong layer", stride=stride)


def wrong_kernel(base: Variant) -> Iterator[Variant]:
    """A kernel turned, or too small."""
    assert base.weight is not None
    size = base.kernel_size
    if size == 1:
        return
    yield replace(base, name="kernel transposed in height and width", weight=base.weight.swapaxes(2, 3))
    yield replace(base, name="kernel flipped: true convolution", weight=base.weight[:, :, ::-1, ::-1])
    if size == 5 and min(map(min, base.pads)) >= 1:
        inner = base.weight[:, :, 1:-1, 1:-1]
        pads = tuple((before - 1, after - 1) for before, after in base.pads)
        yield replace(base, name="3×3 kernel in place of a 5×5 one", weight=inner, kernel_size=3, pads=pads)


def wrong_weights(base: Variant, layer: str, others: Mapping[str, tuple[Array, Array]]) -> Iterator[Variant]:
    """Weights whose axes are taken for others; or kernel and bias of one of the ``others``, by the layer's name."""
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
    for name, (foreign, bias) in others.items():
        if name != layer and foreign.ndim == weight.ndim and foreign.shape[1:] == weight.shape[1:]:
            yield replace(base, name=f"weights of {name}", weight=foreign, bias=bias)
            if foreign.shape == weight.shape:
                yield replace(base, name=f"kernel of {name}", weight=foreign)


def wrong_bias_and_relu(base: Variant) -> Iterator[Variant]:
    """Bias or ReLU missing, twice, or in the wrong order."""
    assert base.bias is not None
    yield replace(base, name="bias missing", bias=None)
    yield replace(base, name="bias added twice", bias=2 * base.bias)
    if base.relu == "after":
        yield replace(base, name="ReLU missing", relu="none")
        yield replace(base, name="ReLU before the bias", relu="before")
    else:
        yield replace(base, name="a ReLU too many", relu="after")


def wrong_average(base: Variant) -> Iterator[Variant]:
    """A global average pool that takes the maximum, or counts a border."""
    yield replace(base, name="maximum instead of average", operation=GLOBAL_MAX_POOL)
    height, width = base.x.shape[2:]
    for border in (1, 2):
        counted = (height + 2 * border) * (width + 2 * border) / (height * width)
        yield replace(base, name=f"average counting a padding of {border}", x=base.x / counted)


def wrong_maximum(base: Variant) -> Iterator[Variant]:
    """A max-pool that takes an average, or has another border."""
    yield replace(base, name="average instead of maximum", operation=AVERAGE_POOL)
    yield replace(base, name="average instead of maximum, counting padding", operation=COUNTING_AVERAGE_POOL)
    yield replace(base, name="border padded with zero instead of minus infinity", operation=ZERO_MAX_POOL)


def wrong_input_layout(base: Variant) -> Iterator[Variant]:
    """An input (N, C, H, W) whose axes are taken for others."""
    _, c, h, w = base.x.shape
    if c > 1 and h * w > 1:
        yield replace(base, name="input: NHWC memory read as NCHW", x=_nhwc_as_nchw(base.x))
        yield replace(base, name="input: NCHW memory read as NHWC", x=_nchw_as_nhwc(base.x))
    if h > 1 or w > 1:
        yield replace(base, name="input: height and width swapped", x=base.x.swapaxes(2, 3))


def wrong_output_layout(base: Variant) -> Iterator[Variant]:
    """An output (N, C, H, W) whose axes are taken for others."""
    yield replace(base, name="output: NHWC memory read as NCHW", finish=_nhwc_as_nchw)
    yield replace(base, name="output: NCHW memory read as NHWC", finish=_nchw_as_nhwc)


def _nhwc_as_nchw(x: Array) -> Array:
    return np.ascontiguousarray(nchw_to_nhwc(x)).reshape(x.shape)


def _nchw_as_nhwc(x: Array) -> Array:
    return nhwc_to_nchw(x.reshape(len(x), *x.shape[2:], x.shape[1]))


def _same_pads(base: Variant) -> Pads:
    """What ``padding='same'`` pads: as much as gives ceil(n / stride), the odd pixel at the end."""
    size, stride = base.kernel_size, base.stride
    totals = (max((-(-n // stride) - 1) * stride + size - n, 0) for n in base.x.shape[2:])
    return tuple((total // 2, total - total // 2) for total in totals)


def _per_channel(bias: Array, z: Array) -> Array:
    return bias.reshape(-1, *(1,) * (z.ndim - 2))
