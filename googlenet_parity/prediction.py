"""From images to classes with probabilities, by a trained network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from googlenet_np import reference
from googlenet_np.backend import Backend
from googlenet_np.errors import FileError
from googlenet_np.fashion_mnist import CLASSES
from googlenet_np.files import atomic_write
from googlenet_np.images import image_files, load_images
from googlenet_np.tensor_files import load_tensors
from googlenet_np.weights import load_weights, weights_like
from googlenet_parity import checkpoint

__all__ = ["REFERENCE", "Network", "Prediction", "Seen", "classify", "load_named_images", "load_network", "logits"]

Array = npt.NDArray[Any]

REFERENCE = "numpy"
"""The name under which the NumPy reference predicts: no backend, and there wherever this is."""

CHUNK = 64
"""Images that go through a network at once."""


@dataclass(frozen=True)
class Network:
    """Weights, and the size of the images that they were trained on."""

    weights: Mapping[str, Array]
    image_size: tuple[int, int] = (96, 96)

    @property
    def in_channels(self) -> int:
        """Channels of the images that it takes."""
        return weights_like(self.weights)[0]


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


def load_network(path: Path) -> Network:
    """The network in a training's checkpoint, or in a file of canonical weights.

    Raises:
        FileError, WeightsError: It cannot be read as either.
    """
    _, kind, _ = load_tensors(path)
    if kind != checkpoint.KIND:
        return Network(load_weights(path))
    saved = checkpoint.load(path)
    try:
        height, width = map(int, saved.settings["image_size"])
    except (KeyError, TypeError, ValueError):
        raise FileError(f"{str(path)!r} is a checkpoint that does not say how large its images are.") from None
    return Network(saved.weights, (height, width))


def load_named_images(path: Path, image_size: tuple[int, int], in_channels: int) -> tuple[Array, list[str]]:
    """Images as of :func:`~googlenet_np.load_images`, and their names: of their files, or their numbers."""
    images = load_images(path, image_size=image_size, in_channels=in_channels)
    return images, [file.name for file in image_files(path)] if path.is_dir() else list(map(str, range(len(images))))


def logits(backend: Backend | None, weights: Mapping[str, Array], images: Array) -> Array:
    """Logits (N, num_classes), float32, by the backend's fast path; by the reference, where it is None."""
    images = images.astype(np.float32)
    chunks = [images[start : start + CHUNK] for start in range(0, len(images), CHUNK)]
    if backend is None:
        return np.concatenate(
            [reference.forward(weights, chunk, dtype="float32", layers=["fc"])["fc"] for chunk in chunks]
        )
    model = backend.build({name: weight.astype(np.float32) for name, weight in weights.items()}, "float32")
    return np.concatenate([model.predict(chunk) for chunk in chunks])


def classify(logits: Array, names: Sequence[str], top: int) -> list[Prediction]:
    """The ``top`` likeliest classes of each image: (N, K) logits and N names. Of equal ones, the first goes first."""
    classes = CLASSES if logits.shape[1] == len(CLASSES) else [f"class {number}" for number in range(logits.shape[1])]
    exponentials = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    return [
        Prediction(name, tuple(Seen(int(k), classes[k], float(shares[k])) for k in best))
        for name, shares, best in zip(names, probabilities, order, strict=True)
    ]


def write_json(path: Path, predictions: Sequence[Prediction]) -> None:
    """All of them as one JSON list.

    Raises:
        FileError: The file cannot be written.
    """
    with atomic_write(path) as file:
        file.write((json.dumps([asdict(one) for one in predictions], indent=1) + "\n").encode())
