"""Batches to train and to test with: the same images in the same order, whichever framework they are for."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from googlenet_np.images import prepare_images
from netparity.network.contract import Batch
from netparity.network.errors import ImagesError, OptionError
from netparity.network.images import check_labels
from netparity.network.network import check_count, check_image_size

AHEAD = 2  # batches that are prepared before they are asked for


class Batches:
    """Grey images and their labels, epoch by epoch, prepared in the background while the last batch is trained on.

    The order of epoch e is NumPy's permutation seeded by ``[seed, e]``, so that it needs none of the epochs before it
    and training can go on anywhere. The last batch has what is left, as in the source document's loop.

    Args:
        images: (N, h, w), uint8.
        labels: (N,), integers from 0 on.
        batch_size: Images of a batch, over all its shards.
        image_size: Height and width that images are resized to, as :func:`~googlenet_np.sample_images` does it.
        seed: 0 or more; None keeps the images in their own order in every epoch, as is usual for a test.
        limit: How many images to take, the first ones; None, or more than there are, takes all.
        shard: ``(rank, count)``: of each batch, only every ``count``-th image from the ``rank``-th on, so that
            ``count`` processes share the batches that one alone would have. Where a batch's length is no multiple of
            ``count``, as the last one's may be, its shards differ by one image, and the shortest may be empty.

    Raises:
        ImagesError: The images or the labels do not have these shapes and dtypes, or there are none.
        OptionError: A count, a size, the seed or the shard is not valid.
    """

    def __init__(
        self,
        images: npt.NDArray[np.uint8],
        labels: npt.NDArray[Any],
        batch_size: int = 128,
        *,
        image_size: tuple[int, int] = (96, 96),
        seed: int | None = 0,
        limit: int | None = None,
        shard: tuple[int, int] = (0, 1),
    ) -> None:
        if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 3 or images.size == 0:
            what = f"{images.dtype} {images.shape}" if isinstance(images, np.ndarray) else type(images).__name__
            raise ImagesError(f"The images are {what}; expected a NumPy array (N, h, w), uint8, none of them empty.")
        check_labels(labels, len(images), np.iinfo(np.int64).max)
        check_count("batch_size", batch_size)
        check_image_size(image_size)
        if limit is not None:
            check_count("limit", limit)
        if seed is not None:
            _check_number("seed", seed)
        self.images, self.labels = images[:limit], labels[:limit].astype(np.int64)
        self.batch_size, self.image_size, self.seed = batch_size, image_size, seed
        self.rank, self.count = _check_shard(shard)

    def __len__(self) -> int:
        """Batches of an epoch."""
        return len(range(0, len(self.images), self.batch_size))

    def __iter__(self) -> Iterator[Batch]:
        """The batches of epoch 0."""
        return self.epoch(0)

    def order(self, epoch: int) -> npt.NDArray[np.int64]:
        """The numbers of the images in the order of one epoch, (N,)."""
        if self.seed is None:
            return np.arange(len(self.images))
        return np.random.default_rng([self.seed, epoch]).permutation(len(self.images))

    def epoch(self, epoch: int, *, start: int = 0) -> Iterator[Batch]:
        """The batches of one epoch, counted from 0, from batch ``start`` on.

        A batch is images (N, 1, H, W), float32 in [0, 1], contiguous, and labels (N,), int64: new arrays each time.
        When the iterator ends, fails or is closed, its thread has ended.
        """
        _check_number("epoch", epoch)
        _check_number("start", start)
        order, size = self.order(epoch), self.batch_size
        joint = (order[first : first + size] for first in range(start * size, len(order), size))
        return self._prefetched(rows[self.rank :: self.count] for rows in joint)

    def _prefetched(self, parts: Iterator[npt.NDArray[np.int64]]) -> Iterator[Batch]:
        background = ThreadPoolExecutor(1, "batches")
        try:
            batches = (background.submit(self._prepare, rows) for rows in parts)
            coming = deque(islice(batches, AHEAD))
            while coming:
                batch = coming.popleft().result()
                coming.extend(islice(batches, 1))
                yield batch
        finally:
            background.shutdown(cancel_futures=True)

    def _prepare(self, rows: npt.NDArray[np.int64]) -> Batch:
        return prepare_images(self.images[rows], self.image_size), self.labels[rows]


def _check_number(what: str, value: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise OptionError(f"{what} is {value!r}; expected a whole number of 0 or more.")


def _check_shard(shard: tuple[int, int]) -> tuple[int, int]:
    try:
        rank, count = shard
    except (TypeError, ValueError):
        raise OptionError(f"The shard is {shard!r}; expected a rank and a count.") from None
    check_count("The shard's count", count)
    if not isinstance(rank, int) or isinstance(rank, bool) or not 0 <= rank < count:
        raise OptionError(f"The shard's rank is {rank!r}; expected 0 to {count - 1}.")
    return rank, count
