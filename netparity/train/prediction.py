"""From images to classes with probabilities, by a trained network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from netparity.files import checkpoint
from netparity.files.pictures import image_files, load_images
from netparity.files.tensors import load_tensors
from netparity.files.weights import load_weights
from netparity.network import reference
from netparity.network.contract import Array, Backend
from netparity.network.errors import FileError
from netparity.network.registered import RegisteredNetwork
from netparity.network.weights import weights_like
from netparity.workers.backends import MissingModuleError, find_backend, make_backend, registered_backends

REFERENCE = "numpy"
"""The name under which the NumPy reference predicts: no backend, and there wherever this is."""

CHUNK = 64
"""Images that go through a network at once."""


@dataclass(frozen=True)
class TrainedNetwork:
    """A registered network with canonical weights, and the height and width of the images that it was trained on."""

    registered: RegisteredNetwork
    weights: Mapping[str, Array]
    image_size: tuple[int, int]

    @property
    def in_channels(self) -> int:
        """Channels of the images that it takes."""
        return weights_like(self.registered.network, self.weights)[0]


@dataclass(frozen=True)
class Seen:
    """One class that an image may be of."""

    number: int
    name: str
    probability: float


@dataclass(frozen=True)
class Prediction:
    """An image by its name, and its likeliest classes, the likeliest first."""

    name: str
    classes: tuple[Seen, ...]


def load_network(registered: RegisteredNetwork, path: Path) -> TrainedNetwork:
    """The network with the weights in a training's checkpoint, or in a file of canonical weights.

    Raises:
        FileError, WeightsError: It cannot be read as either.
    """
    _, kind, _ = load_tensors(path)
    if kind != checkpoint.KIND:
        return TrainedNetwork(registered, load_weights(registered.network, path), registered.image_size)
    saved = checkpoint.load(registered.network, path)
    try:
        height, width = map(int, saved.settings["image_size"])
    except (KeyError, TypeError, ValueError):
        raise FileError(f"{str(path)!r} is a checkpoint that does not say how large its images are.") from None
    return TrainedNetwork(registered, saved.weights, (height, width))


def load_named_images(path: Path, image_size: tuple[int, int], in_channels: int) -> tuple[Array, list[str]]:
    """Images, as :func:`~netparity.files.pictures.load_images` loads them, and the names of their files or numbers."""
    images = load_images(path, image_size=image_size, in_channels=in_channels)
    return images, [file.name for file in image_files(path)] if path.is_dir() else list(map(str, range(len(images))))


def choose_backend(name: str | None) -> Backend | None:
    """The backend that is to predict; None stands for the reference.

    Args:
        name: A backend, or :data:`REFERENCE`. None takes the first registered backend that is installed, else the
            reference.

    Raises:
        OptionError: There is no such backend, or it cannot be made; without a name, one that is installed is broken.
    """
    if name == REFERENCE:
        return None
    if name is not None:
        return make_backend(*find_backend(name))
    for known, target in registered_backends().items():
        try:
            return make_backend(known, target)
        except MissingModuleError:
            continue
    return None


def logits(backend: Backend | None, trained: TrainedNetwork, images: Array) -> Array:
    """Logits (N, num_classes), float32, by the backend's fast path; by the reference, where it is None."""
    images = images.astype(np.float32)
    chunks = [images[start : start + CHUNK] for start in range(0, len(images), CHUNK)]
    if backend is None:
        network = trained.registered.network
        only = partial(reference.forward, network, trained.weights, dtype="float32", layers=[network.output])
        return np.concatenate([only(chunk)[network.output] for chunk in chunks])
    model = backend.build({name: weight.astype(np.float32) for name, weight in trained.weights.items()}, "float32")
    return np.concatenate([model.predict(chunk) for chunk in chunks])


def classify(logits: Array, names: Sequence[str], top: int, classes: Sequence[str] = ()) -> list[Prediction]:
    """The likeliest classes of each image; of equal ones, the first goes first.

    Args:
        logits: (N, K).
        names: Those of the N images.
        top: How many classes are given for each image.
        classes: What they are called, if they are as many as the logits.
    """
    if logits.shape[1] != len(classes):
        classes = [f"class {number}" for number in range(logits.shape[1])]
    exponentials = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    return [
        Prediction(name, tuple(Seen(int(k), classes[k], float(shares[k])) for k in best))
        for name, shares, best in zip(names, probabilities, order, strict=True)
    ]
