"""What test_distributed.py starts in several processes: a few float64 steps, each process with its part of a batch.

``python -m parity_tests.packages.joint_training BACKEND FOLDER [DEATH]`` joins the others, trains, and writes what it
was told and where it came to as ``FOLDER/RANK.npz``. With DEATH, all train on, the process of rank 1 dies after that
step, and one that nevertheless came to the end writes ``FOLDER/RANK-alone.npz``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from googlenet_np import init_weights, sample_images
from netparity.network.contract import Backend, Batch, BuiltModel, Hyperparameters, JoiningBackend, Step

__all__ = ["ALL", "Trained", "batches", "load", "mx", "tf", "torch", "train"]

Array = npt.NDArray[Any]

ALL = Hyperparameters(lr=0.05, momentum=0.9, weight_decay=0.01, label_smoothing=0.1)
SIZES = (3, 5, 2, 1)
"""Images of one joint batch after the other; of the last, the second process has none."""


class Trained(NamedTuple):
    """Where some steps of training lead."""

    steps: list[Step]
    weights: dict[str, Array]
    state: dict[str, Array]


def batches(rank: int, count: int) -> Sequence[Batch]:
    """The ``rank``-th of ``count`` parts of every joint batch."""
    images, labels = sample_images(sum(SIZES), image_size=(17, 23))
    ends = np.cumsum(SIZES)
    parts = [slice(end - size + rank, end, count) for end, size in zip(ends, SIZES, strict=True)]
    return [(images[part].astype(np.float64), labels[part]) for part in parts]


def train(model: BuiltModel, given: Sequence[Batch], death: int = 0) -> Trained:
    """All steps, in two calls: the optimiser's state is taken out between them, and put in again."""
    steps: list[Step] = []

    def listener(step: Step) -> None:
        steps.append(step)
        if len(steps) == death:
            os._exit(3)

    state = model.train(given[:2], ALL, listener=listener)
    state = model.train(given[2:], ALL, state=state, listener=listener)
    return Trained(steps, model.export_weights(), state.scaled(1.0))


def _in_float64(name: str) -> Backend:
    made: Any = import_module(f"googlenet_{name}.backend").Backend()
    build = made.build
    made.build = lambda weights, _: build(weights, "float64")
    return made


def torch() -> Backend:
    """PyTorch, in float64 whatever it is told; so are the other two, for the command line, which trains in float32."""
    return _in_float64("torch")


def tf() -> Backend:
    """TensorFlow."""
    return _in_float64("tf")


def mx() -> Backend:
    """MXNet."""
    return _in_float64("mx")


def save(path: Path, trained: Trained) -> None:
    """Writes it; :func:`load` reads it."""
    arrays = {f"weights/{name}": array for name, array in trained.weights.items()}
    arrays |= {f"state/{name}": array for name, array in trained.state.items()}
    np.savez(path, steps=np.array(trained.steps), **arrays)


def load(path: Path) -> Trained:
    """What a process of rank 0 or 1 wrote."""
    with np.load(path) as file:
        steps = [Step(loss, accuracy, int(images)) for loss, accuracy, images in file["steps"]]
        weights, state = (
            {name.removeprefix(prefix): file[name] for name in file.files if name.startswith(prefix)}
            for prefix in ("weights/", "state/")
        )
    return Trained(steps, weights, state)


def main(name: str, folder: str, death: str = "0") -> None:
    """One process."""
    backend = _in_float64(name)
    assert isinstance(backend, JoiningBackend)
    rank, count = backend.join()
    assert count == 2
    model = backend.build(init_weights(5), "float64")
    save(Path(folder) / f"{rank}.npz", train(model, batches(rank, count)))
    if step := int(death):
        # In the same processes, since importing a framework, and tracing for TensorFlow, is what takes the time.
        save(Path(folder) / f"{rank}-alone.npz", train(model, batches(rank, count), step if rank == 1 else 0))


if __name__ == "__main__":
    main(*sys.argv[1:])
