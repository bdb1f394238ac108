"""The same few steps of training in every backend and in the reference."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from netparity.network.contract import Hyperparameters, check_dtype
from netparity.network.errors import OptionError
from netparity.network.network import check_count
from netparity.network.registered import RegisteredNetwork, default_network
from netparity.runs.case import Case
from netparity.verdict.training_truth import Steps


@dataclass(frozen=True)
class Lockstep:
    """What a caller may choose.

    Attributes:
        batch_size: Images of a step, of the network's sample images, drawn without repetition.
        image_size: Height and width.
        seed: Seed of the weights and of the batches.
        dtype: float64 or float32.
        scheme: The initial weights: one of the network's initialisation schemes, by default its own.
        network: By default the one that is meant where none is named.
    """

    steps: int = 20
    batch_size: int = 8
    image_size: tuple[int, int] = (32, 32)
    seed: int = 0
    dtype: str = "float64"
    scheme: str | None = None
    network: RegisteredNetwork | None = None


def make_lockstep(options: Lockstep, hyperparameters: Hyperparameters) -> Case:
    """The steps; in float32 also the first batch, to be judged layer by layer.

    Raises:
        NetparityError: An option is out of its range, or a batch is to be larger than there are images.
    """
    dtype = check_dtype(options.dtype)
    check_count("steps", options.steps)
    registered = options.network or default_network()
    samples = registered.sample_count
    check_count("batch_size", options.batch_size)
    if options.batch_size > samples:
        raise OptionError(f"The batch size is {options.batch_size}; a lockstep has {samples} images to choose from.")
    images, labels = registered.take_samples(samples, image_size=options.image_size)
    labels = labels % registered.num_classes
    random = np.random.default_rng(options.seed)
    drawn = [random.permutation(samples)[: options.batch_size] for _ in range(options.steps)]  # no image twice in one
    batches = [(images[rows], labels[rows]) for rows in drawn]
    images, labels = batches[0]
    scheme = options.scheme or registered.scheme
    weights = registered.make_weights(options.seed, scheme=scheme)
    dtypes = (dtype,) if dtype == "float32" else ()
    steps = Steps(batches, hyperparameters, dtype)
    case = Case(registered.network, weights, images, labels, dtypes, training=steps)
    settings = replace(
        case.settings,
        seed=options.seed,
        weights=scheme,
        images=f"{options.steps} steps on {registered.samples}",
        dtypes=(dtype,),
        hyperparameters=hyperparameters,
    )
    return replace(case, settings=settings)
