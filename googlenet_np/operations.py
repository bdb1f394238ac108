"""The network's operations in NumPy, forward and backward, for any floating dtype.

Every array is NCHW by its axes. In memory the ones made here lie as CNHW, because then a convolution is one matrix
product (output channels, taps) @ (taps, positions) whose result needs no further permutation. NumPy's functions
follow the memory order by themselves, so nothing outside this file has to know.

A backward function takes the gradient by its operation's output, called the cotangent, and gives the gradients by
its inputs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from googlenet_np.layout import cnhw_to_nchw, in_out_to_out_in, nchw_to_cnhw, out_in_to_in_out

__all__ = [
    "conv2d",
    "conv2d_backward",
    "dense",
    "dense_backward",
    "global_avg_pool2d",
    "global_avg_pool2d_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "relu",
    "relu_backward",
    "softmax_cross_entropy",
]

Array = npt.NDArray[Any]

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
    height, width = _output_size(x, kernel_size, stride, padding)
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
    matrix = weight.reshape(out_channels, -1)
    weight_gradient = np.zeros_like(matrix)
    by_padded = _padded(np.zeros_like(x), padding, 0)
    for images, columns in _unfold(x, kernel_size, stride, padding):
        group = _matrix(cotangent[images])
        weight_gradient += group @ columns.T
        by_columns = (matrix.T @ group).reshape(channels, kernel_size, kernel_size, -1, *cotangent.shape[2:])
        for row, column, window in _windows(by_padded[images], kernel_size, stride, cotangent.shape[2:]):
            np.add(window, cnhw_to_nchw(by_columns[:, row, column]), out=window)
    inner = by_padded[:, :, padding : padding + x.shape[2], padding : padding + x.shape[3]]
    return weight_gradient.reshape(weight.shape), cotangent.sum(axis=(0, 2, 3)), inner


def max_pool2d(x: Array, *, kernel_size: int, stride: int, padding: int) -> Array:
    """Maximum over square windows of ``x`` (N, C, H, W); the border is minus infinity. NaN stays NaN."""
    height, width = _output_size(x, kernel_size, stride, padding)
    padded = _padded(x, padding, -np.inf)
    # The maximum of a square is the maximum of its rows' maxima: 2 K comparisons instead of K squared.
    rows = _running_maximum(padded, kernel_size, stride, width)
    return _running_maximum(rows.swapaxes(2, 3), kernel_size, stride, height).swapaxes(2, 3)


def _running_maximum(x: Array, kernel_size: int, stride: int, size: int) -> Array:
    """Maxima over windows of ``kernel_size`` entries of the last axis, ``stride`` apart."""
    span = (size - 1) * stride + 1
    maximum = x[..., :span:stride].copy(order="K")
    for tap in range(1, kernel_size):
        np.maximum(maximum, x[..., tap : tap + span : stride], out=maximum)
    return maximum


def max_pool2d_backward(x: Array, y: Array, cotangent: Array, *, kernel_size: int, stride: int, padding: int) -> Array:
    """Gradient of :func:`max_pool2d`, whose output was ``y``, by ``x``.

    A window's whole cotangent goes to its first maximum in row-major order.
    """
    size = cotangent.shape[2:]
    padded = _padded(x, padding, -np.inf)
    gradient = _padded(np.zeros_like(x), padding, 0)
    unsent = np.ones_like(cotangent, bool)
    here, sent = np.empty_like(unsent), np.empty_like(cotangent)
    places = zip(
        _windows(padded, kernel_size, stride, size), _windows(gradient, kernel_size, stride, size), strict=True
    )
    for (_, _, window), (_, _, target) in places:
        np.equal(window, y, out=here)
        here &= unsent
        unsent ^= here
        np.add(target, np.multiply(cotangent, here, out=sent), out=target)
    return gradient[:, :, padding : padding + x.shape[2], padding : padding + x.shape[3]]


def relu(x: Array) -> Array:
    """max(x, 0), in place: ``x`` itself comes back."""
    return np.maximum(x, 0, out=x)


def relu_backward(y: Array, cotangent: Array) -> Array:
    """Gradient of :func:`relu` by its input, given its output ``y``: at zero the derivative is zero."""
    return np.multiply(cotangent, y > 0)


def global_avg_pool2d(x: Array) -> Array:
    """Mean over height and width, (N, C, H, W) to (N, C)."""
    mean: Array = np.mean(x, axis=(2, 3))
    return mean


def global_avg_pool2d_backward(x: Array, cotangent: Array) -> Array:
    """Gradient of :func:`global_avg_pool2d` by ``x``."""
    gradient = _empty(x.shape, x.dtype)
    gradient[...] = (cotangent / (x.shape[2] * x.shape[3]))[:, :, None, None]
    return gradient


def dense(x: Array, weight: Array, bias: Array) -> Array:
    """``x`` (N, in) times ``weight`` (out, in) plus ``bias`` (out,): (N, out)."""
    y: Array = x @ out_in_to_in_out(weight)
    return y + bias


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


def _output_size(x: Array, kernel_size: int, stride: int, padding: int) -> tuple[int, int]:
    height, width = ((n + 2 * padding - kernel_size) // stride + 1 for n in x.shape[2:])
    return height, width


def _empty(shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
    """(N, C, H, W) by its axes, CNHW in memory."""
    n, c, h, w = shape
    return cnhw_to_nchw(np.empty((c, n, h, w), dtype))


def _matrix(x: Array) -> Array:
    """(N, C, H, W) as (C, N H W): a view where the memory allows it, as it does for whatever is made here."""
    cnhw = nchw_to_cnhw(x)
    return cnhw.reshape(len(cnhw), -1)


def _padded(x: Array, padding: int, value: float) -> Array:
    if not padding:
        return x
    n, c, h, w = x.shape
    padded = _empty((n, c, h + 2 * padding, w + 2 * padding), x.dtype)
    padded[:, :, :padding] = padded[:, :, h + padding :] = value
    padded[:, :, :, :padding] = padded[:, :, :, w + padding :] = value
    padded[:, :, padding : h + padding, padding : w + padding] = x
    return padded


def _windows(padded: Array, kernel_size: int, stride: int, size: tuple[int, ...]) -> Iterator[tuple[int, int, Array]]:
    """For each tap of the kernel, row by row: its row, its column, and the view of all pixels that it meets."""
    rows, columns = ((n - 1) * stride + 1 for n in size)
    for row in range(kernel_size):
        for column in range(kernel_size):
            yield row, column, padded[:, :, row : row + rows : stride, column : column + columns : stride]


def _unfold(x: Array, kernel_size: int, stride: int, padding: int) -> Iterator[tuple[slice, Array]]:
    """The images in groups: which ones, and their pixels as (C K K, N H' W'), a column for each output position."""
    height, width = size = _output_size(x, kernel_size, stride, padding)
    if kernel_size == stride == 1 and not padding:
        yield slice(None), _matrix(x)
        return
    taps = x.shape[1] * kernel_size**2
    group = max(1, COLUMN_BYTES // (taps * height * width * x.itemsize))
    for start in range(0, len(x), group):
        images = slice(start, min(start + group, len(x)))
        count = images.stop - start
        columns = np.empty((x.shape[1], kernel_size, kernel_size, count, height, width), x.dtype)
        for row, column, window in _windows(_padded(x[images], padding, 0), kernel_size, stride, size):
            columns[:, row, column] = nchw_to_cnhw(window)
        yield images, columns.reshape(taps, -1)
