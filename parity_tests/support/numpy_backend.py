"""A backend whose framework is NumPy, so that the comparer can be tested without a framework, and tested by faults.

A fault is a subclass that overrides one of the small steps, or the ``architecture``:

>>> class BiasForgotten(Backend):
...     def import_weights(self, weights):
...         return super().import_weights(weights) | {"b1.conv.bias": np.zeros(64, self.dtype)}

Every method of the contract goes through the same steps, so a fault shows wherever it would in a framework. A run finds
it by name, as ``module:BiasForgotten``; a check can be given what ``BiasForgotten().build(weights, dtype)`` computes.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from googlenet_np.architecture import GOOGLENET
from netparity.network import operations, reference, sgd
from netparity.network.contract import (
    Batch,
    DType,
    Gradients,
    Hyperparameters,
    LayerGradients,
    Listener,
    OptimizerState,
)
from netparity.network.kinds import Concat, Layer
from netparity.network.network import IMAGES, Network

__all__ = ["Backend"]

Array = npt.NDArray[Any]


class Backend:
    """GoogLeNet in the reference's own operations: the contract's backend, and once built, its model.

    Attributes:
        architecture: The layers, their numbers and what each of them reads.
        dtype: Of the arithmetic and of every array that comes back.
        weights: What the model computes with, under canonical names.
    """

    name = "numpy"
    architecture: Network = GOOGLENET
    dtype: DType
    weights: dict[str, Array]

    # The steps, each of them small enough to go wrong alone

    def import_weights(self, weights: Mapping[str, Array]) -> dict[str, Array]:
        """What the model keeps of the weights that it is built with."""
        return {name: np.array(weight, self.dtype) for name, weight in weights.items()}

    def before_activation(self, layer: Layer, inputs: Sequence[Array]) -> Array:
        """One layer's output before its ReLU: a new array."""
        return reference.before_activation(layer, inputs, self.weights)

    def activate(self, layer: Layer, output: Array) -> Array:
        """``output`` after the layer's ReLU, if it has one."""
        return layer.activate(output)

    def loss(self, logits: Array, labels: Array) -> tuple[float, Array]:
        """Mean cross-entropy over the batch, and its gradient by the logits."""
        losses, by_logits = operations.softmax_cross_entropy(logits, labels)
        return float(losses.mean()), by_logits / len(logits)

    def backward(self, layer: Layer, inputs: Array, cotangent: Array) -> LayerGradients:
        """The gradients of one layer that is no concatenation."""
        network, weights = self.architecture, self.weights
        return reference.layer_gradients(network, layer.name, weights, inputs, cotangent, dtype=self.dtype)

    def step(self, w: Array, v: Array, g: Array, hyperparameters: Hyperparameters, size: int) -> tuple[Array, Array]:
        """One parameter and its velocity, a step of training later."""
        return sgd.heavy_ball(w, v, g, hyperparameters, size)

    # The contract

    def versions(self) -> dict[str, str]:
        return {"numpy": np.__version__}

    def build(self, weights: Mapping[str, Array], dtype: DType) -> Backend:
        model = copy.copy(self)
        model.dtype = dtype
        model.weights = model.import_weights(weights)
        return model

    def activations(self, images: Array) -> dict[str, Array]:
        return self._forward(self.architecture.layers, {IMAGES: images})

    def layer(self, name: str, inputs: Array) -> Array:
        members = self._members(name)
        return self._forward(members, {members[0].inputs[0]: inputs})[name]

    def gradients(self, images: Array, labels: Array) -> Gradients:
        layers = self.architecture.layers
        activations = {IMAGES: self._own(images), **self.activations(images)}
        loss, by_logits = self.loss(activations[layers[-1].name], labels)
        by_weights, by_images = self._backward(layers, activations, by_logits)
        return Gradients(loss, {name: by_weights[name] for name in self.weights}, by_images)

    def layer_gradients(self, name: str, inputs: Array, cotangent: Array) -> LayerGradients:
        members = self._members(name)
        given = {members[0].inputs[0]: self._own(inputs)}
        by_weights, by_inputs = self._backward(members, given | self._forward(members, given), cotangent)
        return LayerGradients({key.removeprefix(f"{name}."): value for key, value in by_weights.items()}, by_inputs)

    def predict(self, images: Array) -> Array:
        return self.activations(images)[self.architecture.layers[-1].name]

    def train(
        self,
        batches: Iterable[Batch],
        hyperparameters: Hyperparameters,
        *,
        state: OptimizerState | None = None,
        listener: Listener | None = None,
    ) -> OptimizerState:
        self.weights, after = sgd.train(
            self.architecture,
            self.weights,
            batches,
            hyperparameters,
            state=state,
            listener=listener,
            dtype=self.dtype,
            rule=self.step,
        )
        return after

    def export_weights(self) -> dict[str, Array]:
        return {name: weight.copy() for name, weight in self.weights.items()}

    # How the steps make up the contract

    def _own(self, array: Array) -> Array:
        return np.ascontiguousarray(array, self.dtype)

    def _members(self, name: str) -> tuple[Layer, ...]:
        """The layer of that name alone, or the layers of that block, its concatenation last."""
        last = self.architecture[name]
        inside = [layer for layer in self.architecture if layer.name.startswith(f"{name}.")]
        return (*inside, last)

    def _forward(self, layers: Sequence[Layer], given: Mapping[str, Array]) -> dict[str, Array]:
        """Every activation of ``layers``, which read each other and what is ``given``."""
        activations = {name: self._own(array) for name, array in given.items()}
        for layer in layers:
            inputs = [activations[name] for name in layer.inputs]
            activations[layer.name] = self._own(self.activate(layer, self.before_activation(layer, inputs)))
        return {layer.name: activations[layer.name] for layer in layers}

    def _backward(
        self, layers: Sequence[Layer], activations: Mapping[str, Array], cotangent: Array
    ) -> tuple[dict[str, Array], Array]:
        """The gradients by the parameters of ``layers`` and by what the first of them reads."""
        by_weights: dict[str, Array] = {}
        pending = {layers[-1].name: self._own(cotangent)}
        for layer in reversed(layers):
            arrived = pending.pop(layer.name)
            if isinstance(layer, Concat):
                ends = np.cumsum([activations[name].shape[1] for name in layer.inputs])[:-1]
                given = np.split(arrived, ends, axis=1)
            else:
                of_layer = self.backward(layer, activations[layer.inputs[0]], arrived)
                by_weights |= {f"{layer.name}.{kind}": gradient for kind, gradient in of_layer.weights.items()}
                given = [of_layer.inputs]
            for name, gradient in zip(layer.inputs, given, strict=True):
                pending[name] = pending[name] + gradient if name in pending else gradient
        return by_weights, pending[layers[0].inputs[0]]
