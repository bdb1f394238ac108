"""From the options of a run to what the backends are given."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from netparity.files.pictures import load_images
from netparity.files.trace import Trace
from netparity.files.weights import load_weights
from netparity.network.contract import DTYPES, Array, DType, check_dtype
from netparity.network.errors import OptionError
from netparity.network.images import check_images, check_labels
from netparity.network.network import Network
from netparity.network.registered import RegisteredNetwork, default_network, find_network
from netparity.network.settings import CALLER, CaseSettings
from netparity.network.weights import check_weights, weights_like
from netparity.verdict.training_truth import Steps

AnyPath = str | os.PathLike[str]


@dataclass(frozen=True)
class Case:
    """What the backends are given.

    Attributes:
        network: The network that they are judged by.
        weights: A canonical weights set, float32.
        images: (N, C, H, W), float32.
        labels: (N,).
        dtypes: The precisions in which backends are judged.
        settings: How the case came about, for the report; by default what its arrays say of themselves.
        training: Steps that they are trained with, after all other checks; None for none.
    """

    network: Network
    weights: Mapping[str, Array]
    images: Array
    labels: Array
    dtypes: tuple[DType, ...] = DTYPES
    settings: CaseSettings = None  # type: ignore[assignment]  # never None once it is made
    training: Steps | None = None

    def __post_init__(self) -> None:
        if self.settings is None:
            _, num_classes = weights_like(self.network, self.weights)
            shape, name = self.images.shape, self.network.name
            settings = CaseSettings(None, CALLER, CALLER, shape, num_classes, self.dtypes, name)
            object.__setattr__(self, "settings", settings)


@dataclass(frozen=True)
class Options:
    """What a caller may choose; None stands for a default that follows from the other options.

    Attributes:
        seed: Seed of the weights.
        image_size: Height and width; by default the network's, or the images' own.
        in_channels: By default the weights' own, or the network's.
        num_classes: By default the weights' own, or the network's.
        batch_size: By default as many sample images as the network has, or all of the images.
        images: A ``.npy`` file or a folder of image files; or an array as such a file holds it.
        weights: A canonical safetensors file, or what it holds; by default the network's own initial weights.
        dtypes: Precisions to judge in.
        labels: A class for each image; by default those of the sample images, or one class after the other.
        network: A registered network or its name; by default the one that is meant where none is named.
    """

    seed: int = 0
    image_size: tuple[int, int] | None = None
    in_channels: int | None = None
    num_classes: int | None = None
    batch_size: int | None = None
    images: AnyPath | Array | None = None
    weights: AnyPath | Mapping[str, Array] | None = None
    dtypes: Sequence[str] = DTYPES
    labels: Array | None = None
    network: RegisteredNetwork | str | None = None

    @property
    def registered(self) -> RegisteredNetwork:
        """The network. Raises :class:`~netparity.network.errors.OptionError` where there is none."""
        if self.network is None:
            return default_network()
        return find_network(self.network) if isinstance(self.network, str) else self.network


def make_case(options: Options) -> Case:
    """Weights, images and labels as the options want them.

    Raises:
        NetparityError: A file cannot be read, or options that do not fit each other.
    """
    dtypes: tuple[DType, ...] = tuple(dict.fromkeys(check_dtype(dtype) for dtype in options.dtypes))
    registered = options.registered
    weights = _weights(registered, options)
    in_channels, num_classes = weights_like(registered.network, weights)
    images, labels = _images(registered, options, in_channels)
    if options.labels is not None:
        check_labels(options.labels, len(labels), num_classes)
        labels = options.labels
    count = options.batch_size or len(images)
    if count > len(images):
        raise OptionError(f"{_called(options.images)} holds {len(images)} images; {count} were asked for.")
    images, labels = images[:count], labels[:count] % num_classes
    case = Case(registered.network, weights, images, labels, dtypes)
    settings = replace(
        case.settings,
        seed=options.seed if options.weights is None else None,
        weights=registered.scheme if options.weights is None else _named(options.weights),
        images=registered.samples if options.images is None else _named(options.images),
    )
    return replace(case, settings=settings)


def options_like(trace: Trace, given: Options, seed: int | None) -> Options:
    """The options with which a live backend runs what a trace ran; those that were given count first.

    Args:
        trace: The trace.
        given: The options; their seed and dtypes do not matter.
        seed: Seed of the weights, if one was given.

    Raises:
        OptionError: The trace is of another network, or its weights or images came from a file, or a caller, that
            nobody names.
    """
    registered, settings = given.registered, trace.settings
    if settings.network not in ("", registered.network.name):
        raise OptionError(f"The trace is of the network {settings.network}, not of {registered.network.name}.")
    for what, named, known in (
        ("weights", given.weights, settings.seed is not None),
        ("images", given.images, settings.images == registered.samples),
    ):
        if named is None and not known:
            again = f"name them again with --{what} ({what}= in Python)"
            raise OptionError(f"The trace is of {what} from '{getattr(settings, what)}'; {again}.")
    count, channels, height, width = settings.shape
    return replace(
        given,
        seed=settings.seed or 0 if seed is None else seed,
        image_size=given.image_size or ((height, width) if given.images is None else None),
        in_channels=channels if given.weights is None else None,
        num_classes=settings.num_classes if given.weights is None else None,
        batch_size=given.batch_size or count,
        dtypes=(trace.header["dtype"],),
    )


def _weights(registered: RegisteredNetwork, options: Options) -> dict[str, Array]:
    """The weights, of the sizes that were asked for."""
    given = options.weights
    if given is None:
        return registered.make_weights(options.seed, in_channels=options.in_channels, num_classes=options.num_classes)
    if isinstance(given, (str, os.PathLike)):
        weights = load_weights(registered.network, given)
    else:
        check_weights(registered.network, given)
        weights = {name: given[name] for name in registered.network.parameter_shapes()}  # hashes depend on the order
    in_channels, num_classes = weights_like(registered.network, weights)
    sizes = {"image channels": (options.in_channels, in_channels), "classes": (options.num_classes, num_classes)}
    for what, (wanted, own) in sizes.items():
        if wanted is not None and wanted != own:
            raise OptionError(f"{_called(given)} is for {own} {what}; {wanted} were asked for.")
    if any(weight.dtype != np.float32 for weight in weights.values()):
        raise OptionError(f"{_called(given)} holds float64 weights; a float32 model cannot take them exactly.")
    return weights


def _images(registered: RegisteredNetwork, options: Options, in_channels: int) -> tuple[Array, Array]:
    """All the images that there are to choose from, float32; their labels may be beyond the network's classes."""
    given, size = options.images, options.image_size or registered.image_size
    if given is None:
        count = options.batch_size or registered.sample_count
        return registered.take_samples(count, image_size=size, in_channels=in_channels)
    if isinstance(given, (str, os.PathLike)):
        images = load_images(given, image_size=size, in_channels=in_channels)
    else:
        images = given
        if isinstance(given, np.ndarray) and given.dtype == np.uint8:
            images = np.divide(given, 255, dtype=np.float32)
        check_images(images, in_channels)
    images = images.astype(np.float32)
    check_images(images, in_channels)  # once more: a float64 image may be beyond float32's range
    if options.image_size is not None and images.shape[2:] != options.image_size:
        raise OptionError(
            f"The images in {_called(given)} are {images.shape[2]}×{images.shape[3]} pixels; "
            f"{size[0]}×{size[1]} were asked for, and arrays keep their size."
        )
    return images, np.arange(len(images))


def _named(given: AnyPath | Mapping[str, Array] | Array) -> str:
    """How a report calls weights or images that are not the default ones."""
    return str(given) if isinstance(given, (str, os.PathLike)) else CALLER


def _called(given: AnyPath | Mapping[str, Array] | Array | None) -> str:
    """How a sentence names weights or images that were given."""
    return repr(str(given)) if isinstance(given, (str, os.PathLike)) else f"What {CALLER} gave"
