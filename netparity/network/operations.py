"""The network's operations in NumPy, forward and backward, for any floating dtype.

Every array is NCHW by its axes. In memory the ones made here lie as CNHW, because then a convolution is one matrix
product (output channels, taps) @ (taps, positions) whose result needs no further permutation. NumPy's functions
follow the memory order by themselves, so nothing outside this file has to know.

A backward function takes the gradient by its operation's output, called the cotangent, and gives the gradients by
its inputs.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from netparity.network.contract import Array
from netparity.network.layout import cnhw_to_nchw, in_out_to_out_in, nchw_to_cnhw, out_in_to_in_out

Part = tuple[slice, ...]

COLUMN_BYTES = 4 << 20
"""Working memory for the unfolded input of a convolution; images are taken in groups that fit, at least one."""


def conv2d(x: Array, weight: Array, bias: Array | None, *, stride: int = 1, padding: int = 0) -> Array:
    """Cross-correlation, as deep learning calls convolution.

    Args:
        x: (N, C, H, W).
        weight: (O, C, K, K).
        bias: (O,), or None.
        stride: In both directions.
        padding: Zeros on all four sides.

    Returns:
        (N, O, H', W') with H' = (H + 2 padding - K) // stride + 1.
    """
    out_channels, _, kernel_size, _ = weight.shape
    height, width = output_size(x.shape[2:], kernel_size, stride, padding)
    y = _empty((len(x), out_channels, height, width), x.dtype)
    matrix = weight.reshape(out_channels, -1)
    for images, columns in _unfold(x, kernel_size, stride, padding):
        np.matmul(matrix, columns, out=_matrix(y[images]))
    if bias is not None:
        y += bias[:, None, None]
    return y


def conv2d_backward(
    x: Array, weight: Array, cotangent: Array, *, stride: int = 1, padding: int = 0
) -> tuple[Array, Array, Array]:
    """Gradients of :func:`conv2d` by ``weight`` (O, C, K, K), ``bias`` (O,) and ``x`` (N, C, H, W)."""
    out_channels, channels, kernel_size, _ = weight.shape
    size = cotangent.shape[2:]
    matrix = weight.reshape(out_channels, -1)
    by_weight = np.zeros_like(matrix)
    by_x = _empty(x.shape, x.dtype)
    pointwise = _is_pointwise(kernel_size, stride, padding)
    if not pointwise:
        by_x[...] = 0
    for images, columns in _unfold(x, kernel_size, stride, padding):
        group = _matrix(cotangent[images])
        by_weight += group @ columns.T
        if pointwise:
            np.matmul(matrix.T, group, out=_matrix(by_x[images]))
            continue
        by_columns = (matrix.T @ group).reshape(channels, kernel_size, kernel_size, -1, *size)
        for row, column, inner, outer in _windows(x.shape[2:], kernel_size, stride, padding, size):
            window = by_x[images][inner]
            np.add(window, cnhw_to_nchw(by_columns[:, row, column])[outer], out=window)
    return by_weight.reshape(weight.shape), cotangent.sum(axis=(0, 2, 3)), by_x


def max_pool2d(x: Array, *, kernel_size: int, stride: int, padding: int) -> Array:
    """Maximum over square windows of ``x`` (N, C, H, W); the border is minus infinity. NaN stays NaN."""
    # The maximum of a square is the maximum of its columns' maxima: 2 K comparisons instead of K squared.
    columns = _running_maximum(x, 2, kernel_size, stride, padding)
    return _running_maximum(columns, 3, kernel_size, stride, padding)


def _running_maximum(x: Array, axis: int, kernel_size: int, stride: int, padding: int) -> Array:
    """Maxima over windows of ``kernel_size`` entries along one axis, ``stride`` apart; the border is nothing."""
    shape = list(x.shape)
    shape[axis] = _output_length(x.shape[axis], kernel_size, stride, padding)
    maximum = _empty(tuple(shape), x.dtype)
    maximum[...] = -np.inf
    for _, inner, outer in _taps(x.shape[axis], kernel_size, stride, padding, shape[axis]):
        met = _along(axis, outer)
        np.maximum(maximum[met], x[_along(axis, inner)], out=maximum[met])
    return maximum


def max_pool2d_backward(x: Array, y: Array, cotangent: Array, *, kernel_size: int, stride: int, padding: int) -> Array:
    """Gradient of :func:`max_pool2d`, whose output was ``y``, by ``x``.

    A window's whole cotangent goes to its first maximum in row-major order: to the first row whose own maximum it is,
    and there to the first column.
    """
    rows = _running_maximum(x, 3, kernel_size, stride, padding)
    by_rows = _sent_to_first(rows, y, cotangent, 2, kernel_size, stride, padding)
    return _sent_to_first(x, rows, by_rows, 3, kernel_size, stride, padding)


def _sent_to_first(
    x: Array, y: Array, cotangent: Array, axis: int, kernel_size: int, stride: int, padding: int
) -> Array:
    """Gradient of :func:`_running_maximum`, whose output was ``y``: a cotangent goes to the first maximum."""
    gradient = _empty(x.shape, x.dtype)
    gradient[...] = 0
    unsent = _empty(y.shape, cotangent.dtype)
    unsent[...] = cotangent
    here, work = np.empty_like(unsent, bool), np.empty_like(unsent)
    for _, inner, outer in _taps(x.shape[axis], kernel_size, stride, padding, y.shape[axis]):
        met, target = _along(axis, outer), gradient[_along(axis, inner)]
        sent = np.multiply(unsent[met], np.equal(x[_along(axis, inner)], y[met], out=here[met]), out=work[met])
        np.add(target, sent, out=target)
        np.subtract(unsent[met], sent, out=unsent[met])
    return gradient


def relu(x: Array) -> Array:
    """max(x, 0), in place: ``x`` itself comes back."""
    return np.maximum(x, 0, out=x)


def relu_backward(y: Array, cotangent: Array) -> Array:
    """Gradient of :func:`relu` by its input, given its output ``y``: at zero the derivative is zero."""
    return np.multiply(cotangent, y > 0)


def global_avg_pool2d(x: Array) -> Array:
    """Mean over height and width, (N, C, H, W) to (N, C)."""
    return x.mean(axis=(2, 3))


def global_avg_pool2d_backward(x: Array, cotangent: Array) -> Array:
    """Gradient of :func:`global_avg_pool2d` by ``x``."""
    gradient = _empty(x.shape, x.dtype)
    gradient[...] = (cotangent / (x.shape[2] * x.shape[3]))[:, :, None, None]
    return gradient


def dense(x: Array, weight: Array, bias: Array) -> Array:
    """``x`` (N, in) times ``weight`` (out, in) plus ``bias`` (out,): (N, out)."""
    return x @ out_in_to_in_out(weight) + bias


def dense_backward(x: Array, weight: Array, cotangent: Array) -> tuple[Array, Array, Array]:
    """Gradients of :func:`dense` by ``weight`` (out, in), ``bias`` (out,) and ``x`` (N, in)."""
    return in_out_to_out_in(x.T @ cotangent), cotangent.sum(axis=0), cotangent @ weight


def softmax_cross_entropy(logits: Array, labels: Array, label_smoothing: float = 0.0) -> tuple[Array, Array]:
    """Cross-entropy of the softmax, per sample (not averaged), and its gradient by the logits.

    Args:
        logits: (N, K).
        labels: (N,) whole numbers under K.
        label_smoothing: ε of the target (1 − ε) · one-hot + ε / K.

    Returns:
        Losses (N,) in nats, and softmax(logits) minus the target (N, K).
    """
    shifted = logits - logits.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    sums = exponentials.sum(axis=1, keepdims=True)
    picked = np.arange(len(logits)), labels
    gradient = exponentials / sums
    log_sums = np.log(sums[:, 0])
    losses = log_sums - shifted[picked]
    gradient[picked] -= 1
    if label_smoothing:
        classes = logits.shape[1]
        losses = (1 - label_smoothing) * losses + label_smoothing * (log_sums - shifted.mean(axis=1))
        gradient[picked] += label_smoothing
        gradient -= label_smoothing / classes
    return losses, gradient


def output_size(size: tuple[int, ...], kernel_size: int, stride: int, padding: int) -> tuple[int, int]:
    """Height and width of what square windows give on an input of height and width ``size``."""
    height, width = (_output_length(n, kernel_size, stride, padding) for n in size)
    return height, width


def _output_length(n: int, kernel_size: int, stride: int, padding: int) -> int:
    return (n + 2 * padding - kernel_size) // stride + 1


def _is_pointwise(kernel_size: int, stride: int, padding: int) -> bool:
    """Whether a convolution meets every pixel once and alone, so that the input is its own unfolded form."""
    return kernel_size == stride == 1 and not padding


def _empty(shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
    """(N, C, H, W) by its axes, CNHW in memory."""
    n, c, h, w = shape
    return cnhw_to_nchw(np.empty((c, n, h, w), dtype))


def _matrix(x: Array) -> Array:
    """(N, C, H, W) as (C, N H W): a view where the memory allows it, as it does for whatever is made here."""
    cnhw = nchw_to_cnhw(x)
    return cnhw.reshape(len(cnhw), -1)


def _along(axis: int, part: slice) -> Part:
    return (slice(None),) * axis + (part,)


def _taps(n: int, kernel_size: int, stride: int, padding: int, length: int) -> Iterator[tuple[int, slice, slice]]:
    """For each tap of a kernel along one axis: its place, the pixels that it meets, and the outputs it meets them for.

    There are ``n`` pixels and ``length`` outputs. Where a tap hangs over the border it meets nothing, so no padded copy
    of the input is needed.
    """
    for tap in range(kernel_size):
        offset = tap - padding
        first = max(0, -(offset // stride))
        last = min(length - 1, (n - 1 - offset) // stride)
        if first <= last:
            inner = slice(first * stride + offset, last * stride + offset + 1, stride)
            yield tap, inner, slice(first, last + 1)


def _windows(
    size: tuple[int, ...], kernel_size: int, stride: int, padding: int, outputs: tuple[int, ...]
) -> Iterator[tuple[int, int, Part, Part]]:
    """For each tap of a square kernel: row and column, the pixels that it meets, the outputs it meets them for."""
    for row, rows, out_rows in _taps(size[0], kernel_size, stride, padding, outputs[0]):
        for column, columns, out_columns in _taps(size[1], kernel_size, stride, padding, outputs[1]):
            yield row, column, (*_along(2, rows), columns), (*_along(2, out_rows), out_columns)


def _unfold(x: Array, kernel_size: int, stride: int, padding: int) -> Iterator[tuple[slice, Array]]:
    """The images in groups: which ones, and their pixels as (C K K, N H' W'), a column for each output position.

    What is given holds until the next is asked for.
    """
    if _is_pointwise(kernel_size, stride, padding):
        yield slice(None), _matrix(x)
        return
    size = output_size(x.shape[2:], kernel_size, stride, padding)
    taps = x.shape[1] * kernel_size**2
    group = max(1, COLUMN_BYTES // (taps * size[0] * size[1] * x.itemsize))
    columns = np.empty(0)
    for start in range(0, len(x), group):
        images = slice(start, min(start + group, len(x)))
        shape = (x.shape[1], kernel_size, kernel_size, images.stop - start, *size)
        if columns.shape != shape:
            columns = np.zeros(shape, x.dtype)  # what lies on the border stays zero from group to group
        for row, column, inner, outer in _windows(x.shape[2:], kernel_size, stride, padding, size):
            cnhw_to_nchw(columns[:, row, column])[outer] = x[images][inner]
        yield images, columns.reshape(taps, -1)
