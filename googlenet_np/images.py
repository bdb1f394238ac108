"""The sixteen sample images that ship with the package, and how grey images are prepared for the network.

The samples are real: sixteen test images of Fashion-MNIST (Xiao, Rasul & Vollgraf, arXiv 1708.07747; MIT licence,
Zalando SE), which cover its ten classes: the first test image of each class and the six earliest others, that is
numbers 0 to 13, 18 and 19. ``tools/make_sample_images.py`` made the sheet that holds them.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from netparity.network.network import check_count, check_image_size

SAMPLE_SHEET_FILE = Path(__file__).parent / "data" / "fashion_mnist_16.png"
SAMPLE_LABELS_FILE = SAMPLE_SHEET_FILE.with_suffix(".json")
SHEET_SIDE = 4  # tiles, in row-major order
TILE_SIDE = 28  # pixels


def sample_images(
    batch_size: int = 16, *, image_size: tuple[int, int] = (96, 96), in_channels: int = 1
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Real images and their labels: the samples, resized by Pillow's bilinear filter, then divided by 255.

    Channel c of image i is sample (i + c) modulo 16, so that a swapped channel order shows. From the seventeenth on,
    each round of sixteen is rolled one pixel further to the right, so that a batch does not repeat itself.

    Returns:
        Images (N, C, H, W), float32 in [0, 1], and labels (N,), int64 in 0 … 9: the class of the first channel.

    Raises:
        OptionError: A count or a size is not a whole number of 1 or more.
    """
    check_count("batch_size", batch_size)
    check_count("in_channels", in_channels)
    check_image_size(image_size)
    samples = prepare_images(_tiles(), image_size)[:, 0]  # 16 x H x W
    labels = np.array(json.loads(SAMPLE_LABELS_FILE.read_text(encoding="utf-8"))["labels"], np.int64)

    count = len(samples)
    number = np.arange(batch_size)
    images = samples[(number[:, None] + np.arange(in_channels)) % count]  # N x C x H x W
    for start in range(count, batch_size, count):
        images[start : start + count] = np.roll(images[start : start + count], start // count, axis=3)
    return images, labels[number % count]


def prepare_images(images: npt.NDArray[np.uint8], image_size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Grey images as a network takes them: resized by Pillow's bilinear filter, as bytes, then divided by 255.

    Args:
        images: (N, h, w), uint8; N may be 0.

    Returns:
        (N, 1, H, W), float32 in [0, 1], contiguous.
    """
    from PIL import Image

    from netparity.files.pictures import resized_pixels

    prepared = np.empty((len(images), 1, *image_size), np.float32)
    for image, place in zip(images, prepared, strict=True):
        place[0] = resized_pixels(Image.fromarray(image), image_size)
    return prepared


def _tiles() -> npt.NDArray[np.uint8]:
    """The sixteen samples as they are, 16 x 28 x 28."""
    from PIL import Image

    with Image.open(SAMPLE_SHEET_FILE) as sheet:
        rows = np.asarray(sheet).reshape(SHEET_SIDE, TILE_SIDE, SHEET_SIDE, TILE_SIDE)
    return rows.swapaxes(1, 2).reshape(SHEET_SIDE**2, TILE_SIDE, TILE_SIDE)
