"""The same few steps of training in every backend and in the reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from googlenet_np.architecture import check_count
from googlenet_np.backend import Batch, DType, Hyperparameters, check_dtype
from googlenet_np.errors import OptionError
from googlenet_np.images import sample_images
from googlenet_np.weights import init_weights
from googlenet_parity.case import SAMPLES
from googlenet_parity.run import Case
from googlenet_parity.training_truth import Steps

__all__ = ["Options", "make_case"]


@dataclass(frozen=True)
class Options:
    """What a caller may choose.

    Attributes:
        steps: How many.
        batch_size: Images of a step, of the sixteen that ship with the package.
        image_size: Height and width.
        seed: Of the weights and of the batches.
        dtype: float64 or float32.
        scheme: The initial weights, one of :data:`googlenet_np.weights.SCHEMES`.
    """

    steps: int = 20
    batch_size: int = 8
    image_size: tuple[int, int] = (32, 32)
    seed: int = 0
    dtype: str = "float64"
    scheme: str = "xavier_uniform"


def make_case(options: Options, hyperparameters: Hyperparameters) -> Case:
    """The steps; in float32 also the first batch, to be judged layer by layer.

    Raises:
        GoogLeNetError: An option is out of its range.
    """
    dtype = check_dtype(options.dtype)
    check_count("steps", options.steps)
    check_count("batch_size", options.batch_size)
    if options.batch_size > SAMPLES:
        raise OptionError(f"The batch size is {options.batch_size}; a lockstep has {SAMPLES} images to choose from.")
    weights = init_weights(options.seed, scheme=options.scheme)
    batches = draw_batches(options)
    images, labels = batches[0]
    settings = {
        "seed": options.seed,
        "weights": options.scheme,
        "images": f"{options.steps} steps on Fashion-MNIST test images",
        "shape": list(images.shape),
        "num_classes": 10,
        "dtypes": [dtype],
        "hyperparameters": vars(hyperparameters),
    }
    dtypes: tuple[DType, ...] = ("float32",) if dtype == "float32" else ()
    return Case(weights, images, labels, dtypes, settings, Steps(batches, hyperparameters, dtype))


def draw_batches(options: Options) -> list[Batch]:
    """Batches without repetition within each, drawn by the seed."""
    images, labels = sample_images(SAMPLES, image_size=options.image_size)
    random = np.random.default_rng(options.seed)
    drawn = [random.permutation(SAMPLES)[: options.batch_size] for _ in range(options.steps)]
    return [(images[rows], labels[rows]) for rows in drawn]
