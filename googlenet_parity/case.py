"""From the options of a run to what the backends are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from googlenet_np.backend import DTYPES, DType, check_dtype
from googlenet_np.errors import OptionError
from googlenet_np.images import check_images, load_images, sample_images
from googlenet_np.weights import check_weights, init_weights, load_weights, weights_like
from googlenet_parity.run import Case

__all__ = ["Options", "make_case", "options_like"]

Array = npt.NDArray[Any]

SAMPLES = 16
"""Images of the default run: as many as ship with the package."""


SAMPLES_NAME = "Fashion-MNIST test images"
"""What a report calls them."""

ARRAYS_NAME = "the caller"
"""What a report says of weights and images that came from no file."""


@dataclass(frozen=True)
class Options:
    """What a caller may choose; None stands for a default that follows from the other options.

    Attributes:
        seed: Of the weights.
        image_size: Height and width; by default 96×96, or the images' own.
        in_channels: By default the weights' own, or 1.
        num_classes: By default the weights' own, or 10.
        batch_size: By default 16, or all of the images.
        images: A ``.npy`` file or a folder of image files; or an array as such a file holds it.
        weights: A canonical safetensors file, or what it holds; by default seeded Xavier weights.
        dtypes: Precisions to judge in.
    """

    seed: int = 0
    image_size: tuple[int, int] | None = None
    in_channels: int | None = None
    num_classes: int | None = None
    batch_size: int | None = None
    images: Path | Array | None = None
    weights: Path | Mapping[str, Array] | None = None
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
        weights = _weights(options.weights)
        in_channels, num_classes = weights_like(weights)
        for what, wanted, given in (
            ("image channels", options.in_channels, in_channels),
            ("classes", options.num_classes, num_classes),
        ):
            if wanted is not None and wanted != given:
                raise OptionError(f"{_called(options.weights)} is for {given} {what}; {wanted} were asked for.")
    if options.weights is not None and any(weight.dtype != np.float32 for weight in weights.values()):
        name = _called(options.weights)
        raise OptionError(f"{name} holds float64 weights; a float32 model cannot take them exactly.")
    size = options.image_size or (96, 96)
    if options.images is None:
        images, labels = sample_images(options.batch_size or SAMPLES, image_size=size, in_channels=in_channels)
    else:
        images = _images(options.images, size, in_channels).astype(np.float32)
        check_images(images, in_channels)  # once more: a float64 image may be beyond float32's range
        count = options.batch_size or len(images)
        if count > len(images):
            raise OptionError(f"{_called(options.images)} holds {len(images)} images; {count} were asked for.")
        if options.image_size is not None and images.shape[2:] != options.image_size:
            raise OptionError(
                f"The images in {_called(options.images)} are {images.shape[2]}×{images.shape[3]} pixels; "
                f"{size[0]}×{size[1]} were asked for, and arrays keep their size."
            )
        images, labels = images[:count], np.arange(count)
    settings = {
        "seed": options.seed if options.weights is None else None,
        "weights": "xavier_uniform" if options.weights is None else _named(options.weights),
        "images": SAMPLES_NAME if options.images is None else _named(options.images),
        "shape": list(images.shape),
        "num_classes": num_classes,
        "dtypes": list(dtypes),
    }
    return Case(weights, images, labels % num_classes, dtypes, settings)


def options_like(header: Mapping[str, Any], given: Options, seed: int | None) -> Options:
    """The options with which a live backend runs what a trace ran; those that were given count first.

    Args:
        header: The trace's.
        given: The options; their seed and dtypes do not matter.
        seed: Of the weights, if one was given.

    Raises:
        OptionError: The trace's weights or images came from a file, or a caller, that nobody names.
    """
    settings: dict[str, Any] = header["settings"]
    for what, named, known in (
        ("weights", given.weights, settings["seed"] is not None),
        ("images", given.images, settings["images"] == SAMPLES_NAME),
    ):
        if named is None and not known:
            again = f"name them again with --{what} ({what}= in Python)"
            raise OptionError(f"The trace is of {what} from '{settings[what]}'; {again}.")
    count, channels, height, width = settings["shape"]
    return replace(
        given,
        seed=settings["seed"] or 0 if seed is None else seed,
        image_size=given.image_size or ((height, width) if given.images is None else None),
        in_channels=channels if given.weights is None else None,
        num_classes=settings["num_classes"] if given.weights is None else None,
        batch_size=given.batch_size or count,
        dtypes=(header["dtype"],),
    )


def _weights(given: Path | Mapping[str, Array]) -> dict[str, Array]:
    if isinstance(given, Path):
        return load_weights(given)
    check_weights(given)
    return dict(given)


def _images(given: Path | Array, size: tuple[int, int], in_channels: int) -> Array:
    if isinstance(given, Path):
        return load_images(given, image_size=size, in_channels=in_channels)
    images = given
    if isinstance(given, np.ndarray) and given.dtype == np.uint8:
        images = np.divide(given, 255, dtype=np.float32)
    check_images(images, in_channels)
    return images


def _named(given: Path | Mapping[str, Array] | Array) -> str:
    """How a report calls weights or images that are not the default ones."""
    return str(given) if isinstance(given, Path) else ARRAYS_NAME


def _called(given: Path | Mapping[str, Array] | Array) -> str:
    """The same in a sentence."""
    return repr(str(given)) if isinstance(given, Path) else f"What {ARRAYS_NAME} gave"
