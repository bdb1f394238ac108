"""What a training needs to go on as if it had never stopped: one file, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from netparity.files.tensors import header_number, load_tensors, save_tensors
from netparity.network.contract import Array, OptimizerState
from netparity.network.errors import FileError, WeightsError
from netparity.network.network import Network
from netparity.network.weights import check_state, check_weights, weights_like

KIND = "checkpoint"
WEIGHTS, OPTIMIZER = "weights/", "optimizer/"


@dataclass(frozen=True)
class Progress:
    """How far a training is. Its random numbers all follow from the seed and the epoch, so this is their state too.

    Attributes:
        epoch: Epochs that are whole.
        step: Steps of the one that is not.
        loss, correct: Sum of the losses, and number of right answers, over the images of those steps.
        seconds: How many seconds those steps took.
    """

    epoch: int = 0
    step: int = 0
    loss: float = 0.0
    correct: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True)
class Checkpoint:
    """A training at one moment: canonical weights, the optimiser's state, how far it is, what it was started with, and
    a record for each whole epoch.
    """

    weights: Mapping[str, Array]
    state: OptimizerState
    progress: Progress
    settings: dict[str, Any]
    history: list[dict[str, Any]] = field(default_factory=list)


def save(path: str | os.PathLike[str], checkpoint: Checkpoint) -> None:
    """Writes a checkpoint atomically.

    Raises:
        FileError: It cannot be written; what was at ``path`` stays.
    """
    tensors = {WEIGHTS + name: array for name, array in checkpoint.weights.items()}
    tensors |= {OPTIMIZER + name: array for name, array in checkpoint.state.arrays.items()}
    header = {
        "optimizer_scale": checkpoint.state.scale,
        "progress": vars(checkpoint.progress),
        "settings": checkpoint.settings,
        "history": checkpoint.history,
    }
    # A training that diverged has losses in its history that are no finite numbers.
    save_tensors(path, KIND, tensors, header, allow_nan=True)


def load(network: Network, path: str | os.PathLike[str]) -> Checkpoint:
    """Reads a checkpoint: its arrays in canonical order, which may be changed.

    Raises:
        FileError: No such file, or no checkpoint.
        WeightsError: Its weights, or the optimiser's state, are no canonical set of this network.
    """
    tensors, kind, header = load_tensors(path)
    if kind != KIND:
        what = f"a file of {kind}" if kind else "another program's file"
        raise FileError(f"{os.fspath(path)!r} is no checkpoint of a training; it is {what}.")
    weights = _under(WEIGHTS, tensors, network)
    try:
        scale = header_number("optimizer_scale", header["optimizer_scale"])
        if not scale:
            raise ValueError("the optimizer_scale is 0")
        state = OptimizerState(_under(OPTIMIZER, tensors, network), scale)
        progress, settings = _progress(header["progress"]), dict(header["settings"])
        history = [dict(record) for record in header["history"]]
        check_weights(network, weights)
        check_state(network, state, *weights_like(network, weights))
    except WeightsError as error:
        raise WeightsError(f"{os.fspath(path)!r}: {error}") from None
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise FileError(f"{os.fspath(path)!r} is a checkpoint whose header is damaged: {error!r}.") from None
    return Checkpoint(weights, state, progress, settings, history)


def _progress(header: Mapping[str, Any]) -> Progress:
    progress = Progress(**header)
    for name, value in vars(progress).items():
        header_number(name, value)
        if name in ("epoch", "step") and (not isinstance(value, int) or value < 0):
            raise ValueError(f"the {name} is {value!r}")
    return progress


def _under(prefix: str, tensors: Mapping[str, Array], network: Network) -> dict[str, Array]:
    """The tensors of one group in canonical order, since safetensors gives them in any; unknown names last."""
    own = {name.removeprefix(prefix): np.array(array) for name, array in tensors.items() if name.startswith(prefix)}
    order = {name: place for place, name in enumerate(network.parameter_shapes())}
    return dict(sorted(own.items(), key=lambda item: (order.get(item[0], len(order)), item[0])))
