"""What a few steps of training must come to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from netparity.network import reference
from netparity.network.contract import Array, Batch, DType, Hyperparameters, OptimizerState, Step
from netparity.network.kinds import Layer
from netparity.network.network import Network
from netparity.network.sgd import train
from netparity.network.weights import weights_like
from netparity.verdict.bounds import UNIT_ROUNDOFF, confidence, probable_gamma


@dataclass(frozen=True)
class Steps:
    """What backends are trained with.

    Attributes:
        batches: A step for each: images (N, C, H, W) and labels (N,).
        hyperparameters: Settings of the optimiser and the loss.
        dtype: In float64 they are judged; in float32, where each kink that rounding decides takes them further apart,
            they are shown.
    """

    batches: Sequence[Batch]
    hyperparameters: Hyperparameters
    dtype: DType = "float64"


class TrainingTruth:
    """The reference's training of a network, from these canonical weights on, in float64; computed when needed."""

    def __init__(self, network: Network, weights: Mapping[str, Array], steps: Steps) -> None:
        self.network = network
        self.initial = weights
        self.steps = steps

    @property
    def losses(self) -> Array:
        """The loss of each step, before it changes the weights: (steps,)."""
        return self._trained[2]

    def prepare(self) -> None:
        """Computes now what a report will need: the losses, and in float32 their floor, which needs them first."""
        _ = self.loss_floor if self.steps.dtype == "float32" else self.losses

    @property
    def weights(self) -> dict[str, Array]:
        """The weights after the last step."""
        return self._trained[0]

    @property
    def state(self) -> OptimizerState:
        """The optimiser's state after the last step."""
        return self._trained[1]

    @cached_property
    def loss_floor(self) -> Array:
        """How far float32 may take the loss of each step, (steps,): what decides nothing, but tells much from little.

        Two trainings of the reference in float32, every sum in every forward pass moved by its probable bound: with a
        random sign for each entry, and all of them up. The largest strays so far.
        """
        strayed = np.zeros(len(self.losses))
        for upward in (False, True):
            noise = _Noise(self.network, self.initial, self.steps, upward=upward)
            _, _, losses = self._train("float32", noise)
            strayed = np.maximum(strayed, np.abs(losses - self.losses))
        return np.maximum.accumulate(strayed)

    @cached_property
    def _trained(self) -> tuple[dict[str, Array], OptimizerState, Array]:
        return self._train("float64", None)

    def _train(self, dtype: DType, perturb: reference.Perturb | None) -> tuple[dict[str, Array], OptimizerState, Array]:
        seen: list[Step] = []
        given = self.steps.batches, self.steps.hyperparameters
        trained = train(self.network, self.initial, *given, listener=seen.append, dtype=dtype, perturb=perturb)
        return *trained, np.array([step.loss for step in seen])


class _Noise:
    """Moves every sum of a float32 forward pass by its probable rounding bound."""

    def __init__(self, network: Network, weights: Mapping[str, Array], steps: Steps, *, upward: bool) -> None:
        images = [images for images, _ in steps.batches]
        shapes = network.output_shapes(*weights_like(network, weights), image_size=images[0].shape[2:])
        self._lengths = {layer.name: layer.sum_length(shapes[layer.inputs[0]]) for layer in network}
        products = sum(self._lengths[name] * math.prod(shapes[name]) for name in network.names)
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
