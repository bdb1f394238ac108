"""From the options of a run to what the backends are given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from googlenet_np.backend import DTYPES, DType, check_dtype
from googlenet_np.errors import OptionError
from googlenet_np.images import check_images, load_images, sample_images
from googlenet_np.weights import init_weights, load_weights, weights_like
from googlenet_parity.run import Case

__all__ = ["Options", "make_case"]

SAMPLES = 16
"""Images of the default run: as many as ship with the package."""


SAMPLES_NAME = "Fashion-MNIST test images"
"""What a report calls them."""


@dataclass(frozen=True)
class Options:
    """What a caller may choose; None stands for a default that follows from the other options.

    Attributes:
        seed: Of the weights.
        image_size: Height and width; by default 96×96, or the images' own.
        in_channels: By default the weights' own, or 1.
        num_classes: By default the weights' own, or 10.
        batch_size: By default 16, or all of the images.
        images: A ``.npy`` file or a folder of image files.
        weights: A canonical safetensors file; by default seeded Xavier weights.
        dtypes: Precisions to judge in.
    """

    seed: int = 0
    image_size: tuple[int, int] | None = None
    in_channels: int | None = None
    num_classes: int | None = None
    batch_size: int | None = None
    images: Path | None = None
    weights: Path | None = None
    dtypes: tuple[str, ...] = DTYPES


def make_case(options: Options) -> Case:
    """Weights, images and labels as the options want them.

    Raises:
        GoogLeNetError: A file cannot be read, or options that do not fit each other.
    """
    dtypes: tuple[DType, ...] = tuple(dict.fromkeys(check_dtype(dtype) for dtype in options.dtypes))
    if options.weights is None:
        in_channels, num_classes = options.in_channels or 1, options.num_classes or 10
        weights = init_weights(options.seed, in_channels=in_channels, num_classes=num_classes)
    else:
        weights = load_weights(options.weights)
        in_channels, num_classes = weights_like(weights)
        for what, wanted, given in (
            ("image channels", options.in_channels, in_channels),
            ("classes", options.num_classes, num_classes),
        ):
            if wanted is not None and wanted != given:
                raise OptionError(f"{str(options.weights)!r} is for {given} {what}; {wanted} were asked for.")
    if any(weight.dtype != np.float32 for weight in weights.values()):
        raise OptionError(f"{str(options.weights)!r} holds float64 weights; a float32 model cannot take them exactly.")
    size = options.image_size or (96, 96)
    if options.images is None:
        images, labels = sample_images(options.batch_size or SAMPLES, image_size=size, in_channels=in_channels)
    else:
        images = load_images(options.images, image_size=size, in_channels=in_channels).astype(np.float32)
        check_images(images, in_channels)  # once more: a float64 image may be beyond float32's range
        count = options.batch_size or len(images)
        if count > len(images):
            raise OptionError(f"{str(options.images)!r} holds {len(images)} images; {count} were asked for.")
        if options.image_size is not None and images.shape[2:] != options.image_size:
            raise OptionError(
                f"The images in {str(options.images)!r} are {images.shape[2]}×{images.shape[3]} pixels; "
                f"{size[0]}×{size[1]} were asked for, and arrays keep their size."
            )
        images, labels = images[:count], np.arange(count)
    settings = {
        "seed": None if options.weights else options.seed,
        "weights": str(options.weights or "xavier_uniform"),
        "images": str(options.images or SAMPLES_NAME),
        "shape": list(images.shape),
        "num_classes": num_classes,
        "dtypes": list(dtypes),
    }
    return Case(weights, images, labels % num_classes, dtypes, settings)
