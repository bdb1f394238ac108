"""What a few steps of training must come to, and which known mistake comes to what a backend gave instead."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from googlenet_np import reference
from googlenet_np.architecture import GOOGLENET, Layer
from googlenet_np.backend import Batch, DType, Hyperparameters, OptimizerState, Step
from googlenet_np.training import Rule, heavy_ball, train
from googlenet_np.weights import weights_like
from googlenet_parity.bounds import UNIT_ROUNDOFF, confidence, probable_gamma, sum_length
from googlenet_parity.verdict import Diagnosis

__all__ = ["Steps", "TrainingTruth", "diagnose_training"]

Array = npt.NDArray[Any]

TRIED_STEPS = 4
"""Steps after which a mistake is told from every other: momentum shows in the loss of the third."""


@dataclass(frozen=True)
class Steps:
    """What backends are trained with.

    Attributes:
        batches: A step for each: images (N, C, H, W) and labels (N,).
        hyperparameters: Of the optimiser and the loss.
        dtype: In float64 they are judged; in float32, where each kink that rounding decides takes them further apart,
            they are shown.
    """

    batches: Sequence[Batch]
    hyperparameters: Hyperparameters
    dtype: DType = "float64"


class TrainingTruth:
    """The reference's training, in float64; worked out when first asked for.

    Args:
        weights: To begin with; canonical.
        steps: What it is trained with.
    """

    def __init__(self, weights: Mapping[str, Array], steps: Steps) -> None:
        self.initial = weights
        self.steps = steps
        self._mistaken: dict[str, list[float]] = {}

    @property
    def losses(self) -> Array:
        """The loss of each step, before it changes the weights: (steps,)."""
        return np.array([step.loss for step in self._trained[2]])

    def prepare(self) -> None:
        """Works out what a report will need."""
        if self.steps.dtype == "float32":
            self.loss_floor  # noqa: B018
        self.losses  # noqa: B018

    @property
    def accuracies(self) -> Array:
        """The share of right answers of each step, likewise: (steps,)."""
        return np.array([step.accuracy for step in self._trained[2]])

    @property
    def weights(self) -> dict[str, Array]:
        """After the last step."""
        return self._trained[0]

    @property
    def state(self) -> OptimizerState:
        """The optimiser's, after the last step."""
        return self._trained[1]

    @cached_property
    def loss_floor(self) -> Array:
        """How far float32 may take the loss of each step, (steps,): what decides nothing, but tells much from little.

        Two trainings of the reference in float32, every sum in every forward pass moved by its probable bound: with a
        random sign for each entry, and all of them up. The largest strays so far.
        """
        strayed = np.zeros(len(self.losses))
        for noise in (_Noise(self.initial, self.steps, upward=False), _Noise(self.initial, self.steps, upward=True)):
            seen: list[Step] = []
            train(
                self.initial,
                self.steps.batches,
                self.steps.hyperparameters,
                listener=seen.append,
                dtype="float32",
                perturb=noise,
            )
            strayed = np.maximum(strayed, np.abs([step.loss for step in seen] - self.losses))
        return np.maximum.accumulate(strayed)

    def comes_to(self, mistake: _Mistake, losses: Array, gate: float) -> bool:
        """Whether the reference, with that mistake, gives these losses; what it gives is worked out only once."""
        known = self._mistaken.setdefault(mistake.name, [])
        if not _alike(known, losses, gate):
            return False
        if len(known) == min(TRIED_STEPS, len(losses)):
            return True
        seen: list[float] = []

        def compare(step: Step) -> None:
            seen.append(step.loss)
            if not _alike(seen, losses, gate):
                raise _OtherLossError

        try:
            with np.errstate(all="ignore"):  # some mistakes diverge
                batches = self.steps.batches[:TRIED_STEPS]
                train(self.initial, batches, mistake.hyperparameters, listener=compare, rule=mistake.rule)
        except _OtherLossError:
            return False
        finally:
            self._mistaken[mistake.name] = seen
        return True

    @cached_property
    def _trained(self) -> tuple[dict[str, Array], OptimizerState, list[Step]]:
        seen: list[Step] = []
        weights, state = train(self.initial, self.steps.batches, self.steps.hyperparameters, listener=seen.append)
        return weights, state, seen


class _Noise:
    """Moves every sum of a float32 forward pass by its probable rounding bound."""

    def __init__(self, weights: Mapping[str, Array], steps: Steps, *, upward: bool) -> None:
        images = [images for images, _ in steps.batches]
        shapes = GOOGLENET.output_shapes(*weights_like(weights), image_size=images[0].shape[2:])
        self._lengths = {layer.name: sum_length(layer, shapes[layer.inputs[0]]) for layer in GOOGLENET}
        products = sum(self._lengths[name] * math.prod(shapes[name]) for name in GOOGLENET.names)
        self._confidence = confidence(products * sum(map(len, images)), UNIT_ROUNDOFF["float32"])
        # |W| of the first step serves for all: a few steps change it little, and a floor is no bound.
        self._weights = {name: np.abs(weight) for name, weight in weights.items()}
        self._random = None if upward else np.random.default_rng(0)

    def __call__(self, layer: Layer, inputs: Sequence[Array], output: Array) -> Array:
        length = self._lengths[layer.name]
        if not length:
            return output
        magnitude = reference.before_activation(layer, [np.abs(inputs[0])], self._weights)
        moved = magnitude * np.float32(probable_gamma(length, UNIT_ROUNDOFF["float32"], self._confidence))
        if self._random is not None:
            moved *= self._random.choice(np.array([-1, 1], np.float32), moved.shape)
        return output + moved


@dataclass(frozen=True)
class _Mistake:
    """A training with one thing wrong."""

    name: str
    hyperparameters: Hyperparameters
    rule: Rule = heavy_ball


class _OtherLossError(Exception):
    """A mistake gives another loss than the backend."""


def diagnose_training(truth: TrainingTruth, losses: Array, gate: float) -> Diagnosis:
    """Which known mistakes give the backend's losses.

    Args:
        truth: The reference.
        losses: The backend's, (steps,).
        gate: The share of a loss that two which agree may differ by.
    """
    count = len(truth.losses)
    if losses.shape != (count,) or not np.isfinite(losses).all():
        return Diagnosis("training", (), "its losses cannot be compared")
    off = np.flatnonzero(np.abs(losses - truth.losses) > gate * np.abs(truth.losses))
    if not len(off):
        return Diagnosis("training", (), "its losses are right in every step")
    mistakes = _mistakes(truth.steps.hyperparameters)
    names = tuple(mistake.name for mistake in mistakes if truth.comes_to(mistake, losses, gate))
    return Diagnosis("training", names, f"the loss is off from step {off[0] + 1} of {count} on")


def _alike(some: Sequence[float], losses: Array, gate: float) -> bool:
    """Whether the first of the losses are these."""
    return all(abs(one - other) <= gate * max(abs(one), abs(other)) for one, other in zip(some, losses, strict=False))


def _mistakes(right: Hyperparameters) -> Iterator[_Mistake]:
    if right.momentum:
        yield _Mistake("momentum applied twice", right, _momentum_twice)
        yield _Mistake("momentum missing", replace(right, momentum=0.0))
        yield _Mistake("Nesterov's momentum", right, _nesterov)
        yield _Mistake("gradient damped by 1 − momentum", right, _damped)
    if right.weight_decay:
        yield _Mistake("weight decay missing", replace(right, weight_decay=0.0))
        yield _Mistake("weight decay applied twice", replace(right, weight_decay=2 * right.weight_decay))
        yield _Mistake("weight decay of weights, not of biases", right, _without_biases)
        if right.momentum:
            yield _Mistake("weight decay past the momentum, as of Keras' weight_decay", right, _decoupled)
    if right.label_smoothing:
        yield _Mistake("label smoothing missing", replace(right, label_smoothing=0.0))
    yield _Mistake("gradient summed over the batch instead of averaged", right, _summed)
    yield _Mistake("gradient divided by the batch twice", right, _averaged_twice)


def _momentum_twice(w: Array, v: Array, g: Array, h: Hyperparameters, size: int) -> tuple[Array, Array]:
    return heavy_ball(w, h.momentum * v, g, h, size)


def _nesterov(w: Array, v: Array, g: Array, h: Hyperparameters, size: int) -> tuple[Array, Array]:
    _, v = heavy_ball(w, v, g, h, size)
    return w - h.lr * (g + h.weight_decay * w + h.momentum * v), v


def _damped(w: Array, v: Array, g: Array, h: Hyperparameters, _size: int) -> tuple[Array, Array]:
    v = h.momentum * v + (1 - h.momentum) * (g + h.weight_decay * w)
    return w - h.lr * v, v


def _without_biases(w: Array, v: Array, g: Array, h: Hyperparameters, size: int) -> tuple[Array, Array]:
    return heavy_ball(w, v, g, h if w.ndim > 1 else replace(h, weight_decay=0.0), size)


def _decoupled(w: Array, v: Array, g: Array, h: Hyperparameters, size: int) -> tuple[Array, Array]:
    return heavy_ball(w * (1 - h.lr * h.weight_decay), v, g, replace(h, weight_decay=0.0), size)


def _summed(w: Array, v: Array, g: Array, h: Hyperparameters, size: int) -> tuple[Array, Array]:
    return heavy_ball(w, v, g * size, h, size)


def _averaged_twice(w: Array, v: Array, g: Array, h: Hyperparameters, size: int) -> tuple[Array, Array]:
    return heavy_ball(w, v, g / size, h, size)
