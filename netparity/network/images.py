"""Whether images, labels, batches and cotangents are what a network takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from netparity.network.contract import Array, Batch
from netparity.network.errors import ImagesError


def check_images(images: Array, in_channels: int | None = None) -> None:
    """Raises unless ``images`` are what a network takes: (N, C, H, W), float32 or float64, finite, none empty.

    Args:
        images: The images; their values may be of any size.
        in_channels: The C that they must have; None takes any.

    Raises:
        ImagesError: With the first thing that is wrong, where it is, and what was expected.
    """
    if not isinstance(images, np.ndarray):
        raise ImagesError(f"The images are a {type(images).__name__}; expected a NumPy array (N, C, H, W).")
    if images.dtype == np.uint8:
        raise ImagesError("The images have dtype uint8; expected float32 or float64: divide by 255 for [0, 1].")
    if images.dtype not in (np.float32, np.float64):
        raise ImagesError(f"The images have dtype {images.dtype}; expected float32 or float64.")
    if images.ndim != 4:
        raise ImagesError(f"The images have shape {images.shape}; expected four axes (N, C, H, W).")
    for axis, length in zip(("batch", "channel axis", "height", "width"), images.shape, strict=True):
        if length == 0:
            raise ImagesError(f"The images have shape {images.shape}: the {axis} is empty; expected 1 or more.")
    if in_channels is not None and images.shape[1] != in_channels:
        raise ImagesError(f"The images have {images.shape[1]} channels (shape {images.shape}); expected {in_channels}.")
    finite = np.isfinite(images)
    if not finite.all():
        where = tuple(np.argwhere(~finite)[0].tolist())
        raise ImagesError(f"The images hold {images[where]} at (n, c, h, w) = {where}; expected finite numbers.")


def check_labels(labels: Array, batch_size: int, num_classes: int) -> None:
    """Raises unless ``labels`` are class numbers for a batch: (``batch_size``,), integer, in 0 … ``num_classes`` - 1.

    Raises:
        ImagesError: With the first thing that is wrong, where it is, and what was expected.
    """
    if not isinstance(labels, np.ndarray):
        raise ImagesError(f"The labels are a {type(labels).__name__}; expected a NumPy array (N,).")
    if not np.issubdtype(labels.dtype, np.integer):
        raise ImagesError(f"The labels have dtype {labels.dtype}; expected an integer dtype.")
    if labels.shape != (batch_size,):
        raise ImagesError(f"The labels have shape {labels.shape}; expected ({batch_size},), one for each image.")
    outside = (labels < 0) | (labels >= num_classes)
    if outside.any():
        where = int(outside.argmax())
        raise ImagesError(f"Label {where} is {labels[where]}; expected 0 to {num_classes - 1}.")


def check_cotangent(name: str, cotangent: Array, shape: tuple[int, ...]) -> None:
    """Raises unless ``cotangent`` has the shape of the output of the layer ``name``.

    Raises:
        ImagesError: With both shapes.
    """
    if np.shape(cotangent) != shape:
        raise ImagesError(f"The cotangent of {name!r} has shape {np.shape(cotangent)}; expected {shape}.")


def checked_batches(
    batches: Iterable[Batch],
    in_channels: int,
    num_classes: int,
    dtype: npt.DTypeLike,
    *,
    may_be_empty: bool = False,
) -> Iterator[Batch]:
    """Batches as a training loop takes them, each checked when its turn comes.

    Args:
        batches: Images (N, C, H, W) and labels (N,).
        in_channels, num_classes: Channels of the images and logits of the network.
        dtype: What the images come in.
        may_be_empty: Whether N may be 0, as it may in one process's part of a batch.

    Yields:
        Images in ``dtype`` and labels, int64; contiguous and writeable: new arrays only where the caller's are not so.

    Raises:
        ImagesError: As in :func:`check_images` and :func:`check_labels`.
    """
    for images, labels in batches:
        if not (may_be_empty and len(images) == len(labels) == 0):
            check_images(images, in_channels)
            check_labels(labels, len(images), num_classes)
        yield np.require(images, dtype, ["C", "W"]), np.require(labels, np.int64, ["C", "W"])
