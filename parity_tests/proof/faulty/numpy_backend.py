"""The ways in which the NumPy backend is made faulty: each a backend that does one thing wrong, at a place of choice.

They are written without a look at what the comparer knows of such faults (:mod:`netparity.network.kinds.mistakes`):
were there one piece of code for both, a slip in it would be invisible. :mod:`parity_tests.proof.faults` says which
of them there are, and what must be reported of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from googlenet_np import GOOGLENET
from netparity.network import operations as op
from netparity.network import reference
from netparity.network.contract import Batch, Gradients, Hyperparameters, LayerGradients, Listener, OptimizerState
from netparity.network.kinds import Conv2d, Layer, MaxPool2d
from netparity.network.network import Network
from netparity.verdict.bounds import UNIT_ROUNDOFF, confidence, gamma, probable_gamma
from parity_tests.support.numpy_backend import Backend

__all__ = [
    "BlocksSwapped",
    "BranchesReordered",
    "Changed",
    "ChangedBackward",
    "ChangedGradients",
    "ChangedImages",
    "ChangedLayer",
    "ChangedLayerGradients",
    "ChangedPrediction",
    "ChangedRecord",
    "ComputesInFloat32",
    "ImportsOther",
    "LastMaximum",
    "LowPrecision",
    "NoMask",
    "NoReLU",
    "OtherPool",
    "OtherStep",
    "OtherWindows",
    "PerturbedEntry",
    "ReLUBeforeBias",
    "SummedLoss",
    "UnsmoothedTraining",
    "same_padding",
]

Array = npt.NDArray[Any]
Change = Callable[[Array], Array]
Pads = Callable[[int], tuple[int, int]]


def _as_it_is(array: Array) -> Array:
    return array


# Forward: one layer


class Changed(Backend):
    """One layer is fed, computes with, or gives something else; the weights that it exports are right.

    Args:
        name: The layer's canonical name.
        inputs, weight, bias, output: What is made of each of them; the output is the one after the ReLU.
    """

    def __init__(
        self,
        name: str,
        *,
        inputs: Change = _as_it_is,
        weight: Change = _as_it_is,
        bias: Change = _as_it_is,
        output: Change = _as_it_is,
    ) -> None:
        self._at = name
        self._inputs, self._weight, self._bias, self._output = inputs, weight, bias, output

    def before_activation(self, layer: Layer, inputs: Sequence[Array]) -> Array:
        if layer.name != self._at:
            return super().before_activation(layer, inputs)
        return reference.before_activation(layer, [self._inputs(x) for x in inputs], self._own_weights())

    def activate(self, layer: Layer, output: Array) -> Array:
        output = super().activate(layer, output)
        return output if layer.name != self._at else self._output(output)

    def backward(self, layer: Layer, inputs: Array, cotangent: Array) -> LayerGradients:
        if layer.name != self._at:
            return super().backward(layer, inputs, cotangent)
        own, x = self._own_weights(), self._inputs(inputs)
        return reference.layer_gradients(self.architecture, layer.name, own, x, cotangent, dtype=self.dtype)

    def _own_weights(self) -> Mapping[str, Array]:
        own = {f"{self._at}.weight": self._weight, f"{self._at}.bias": self._bias}
        return self.weights | {name: change(self.weights[name]) for name, change in own.items() if name in self.weights}


class NoReLU(Backend):
    """One layer is without its ReLU."""

    def __init__(self, name: str) -> None:
        self._at = name

    def activate(self, layer: Layer, output: Array) -> Array:
        return output if layer.name == self._at else super().activate(layer, output)


class ReLUBeforeBias(Backend):
    """One convolution adds its bias after its ReLU."""

    def __init__(self, name: str) -> None:
        self._at = name

    def activate(self, layer: Layer, output: Array) -> Array:
        if layer.name != self._at:
            return super().activate(layer, output)
        bias = self.weights[f"{layer.name}.bias"][:, None, None]
        return np.maximum(output - bias, 0) + bias


class OtherWindows(Backend):
    """One convolution or max-pool pads or strides otherwise, forward and backward.

    Args:
        name: The layer's canonical name.
        pads: From an axis' length to how much goes before it and after it.
        stride: None keeps the layer's own.
        weight: What is made of the kernel.
    """

    def __init__(self, name: str, pads: Pads, *, stride: int | None = None, weight: Change = _as_it_is) -> None:
        self._at, self._pads, self._stride, self._weight = name, pads, stride, weight

    def before_activation(self, layer: Layer, inputs: Sequence[Array]) -> Array:
        if layer.name != self._at:
            return super().before_activation(layer, inputs)
        padded, stride = self._padded(layer, inputs[0])
        if isinstance(layer, MaxPool2d):
            return op.max_pool2d(padded, kernel_size=layer.kernel_size, stride=stride, padding=0)
        return op.conv2d(padded, self._kernel(), self.weights[f"{layer.name}.bias"], stride=stride)

    def backward(self, layer: Layer, inputs: Array, cotangent: Array) -> LayerGradients:
        if layer.name != self._at:
            return super().backward(layer, inputs, cotangent)
        padded, stride = self._padded(layer, inputs)
        output = self.before_activation(layer, [inputs])
        by_weights: dict[str, Array] = {}
        if isinstance(layer, MaxPool2d):
            size = layer.kernel_size
            by_padded = op.max_pool2d_backward(padded, output, cotangent, kernel_size=size, stride=stride, padding=0)
        else:
            passed = op.relu_backward(output, cotangent)
            by_weight, by_bias, by_padded = op.conv2d_backward(padded, self._kernel(), passed, stride=stride)
            by_weights = {"weight": by_weight, "bias": by_bias}
        (top, _), (left, _) = (self._pads(n) for n in inputs.shape[2:])
        height, width = inputs.shape[2:]
        return LayerGradients(by_weights, by_padded[:, :, top : top + height, left : left + width])

    def _kernel(self) -> Array:
        return self._weight(self.weights[f"{self._at}.weight"])

    def _padded(self, layer: Layer, x: Array) -> tuple[Array, int]:
        assert isinstance(layer, (Conv2d, MaxPool2d))
        border = -np.inf if isinstance(layer, MaxPool2d) else 0
        pads = [(0, 0), (0, 0), *(self._pads(n) for n in x.shape[2:])]
        return np.pad(x, pads, constant_values=border), self._stride or layer.stride


def same_padding(kernel_size: int, stride: int) -> Pads:
    """What TensorFlow's ``padding="same"`` pads."""

    def pads(n: int) -> tuple[int, int]:
        outputs = (n + stride - 1) // stride
        total = max(0, (outputs - 1) * stride + kernel_size - n)
        return total // 2, total - total // 2

    return pads


class OtherPool(Backend):
    """One pool computes something else than it should.

    Args:
        name: The layer's canonical name.
        pool: From what it is fed to what it gives; of a max-pool, at stride 1.
    """

    def __init__(self, name: str, pool: Change) -> None:
        self._at, self._pool = name, pool

    def before_activation(self, layer: Layer, inputs: Sequence[Array]) -> Array:
        if layer.name != self._at:
            return super().before_activation(layer, inputs)
        output = self._pool(inputs[0])
        return output[:, :, :: layer.stride, :: layer.stride] if isinstance(layer, MaxPool2d) else output


class PerturbedEntry(Backend):
    """In float32, the last entry of one layer's output is off by so many times what rounding can probably do to it."""

    PRODUCTS = 10**12
    """More than a run over small images has: the bound that is exceeded is no smaller than the run's own."""

    def __init__(self, name: str, times: float) -> None:
        self._at, self._times = name, times

    def before_activation(self, layer: Layer, inputs: Sequence[Array]) -> Array:
        if layer.name == self._at:
            exact = {name: np.abs(array.astype(np.float64)) for name, array in self.weights.items()}
            magnitude = reference.before_activation(layer, [np.abs(inputs[0].astype(np.float64))], exact).flat[-1]
            length, u = layer.sum_length(inputs[0].shape[1:]), UNIT_ROUNDOFF["float32"]
            factor = min(gamma(length, u), probable_gamma(length, u, confidence(self.PRODUCTS, u)))
            self._error = self._times * magnitude * factor
        return super().before_activation(layer, inputs)

    def activate(self, layer: Layer, output: Array) -> Array:
        output = super().activate(layer, output)
        if layer.name == self._at and self.dtype == "float32":
            output[(-1,) * output.ndim] += self._error
        return output


class LowPrecision(Backend):
    """In float32, some layers compute in a coarser format.

    Args:
        rounded: Rounds to it.
        names: The layers; None for all.
        stored: Whether outputs are rounded to it as well, or operands alone.
    """

    def __init__(self, rounded: Change, *names: str, stored: bool = False) -> None:
        self._rounded, self._names, self._stored = rounded, names or GOOGLENET.names, stored

    def before_activation(self, layer: Layer, inputs: Sequence[Array]) -> Array:
        if not self._coarse(layer):
            return super().before_activation(layer, inputs)
        own = {
            name: self._rounded(array) if self._stored or name.endswith(".weight") else array
            for name, array in self.weights.items()
            if name.startswith(f"{layer.name}.")
        }
        return reference.before_activation(layer, [self._rounded(x) for x in inputs], own)

    def activate(self, layer: Layer, output: Array) -> Array:
        output = super().activate(layer, output)
        return self._rounded(output) if self._coarse(layer) and self._stored else output

    def _coarse(self, layer: Layer) -> bool:
        return self.dtype == "float32" and layer.name in self._names


class ComputesInFloat32(Backend):
    """A float64 model of which one layer computes in float32."""

    def __init__(self, name: str) -> None:
        self._at = name

    def before_activation(self, layer: Layer, inputs: Sequence[Array]) -> Array:
        if layer.name != self._at:
            return super().before_activation(layer, inputs)
        own = {name: array.astype(np.float32) for name, array in self.weights.items()}
        return reference.before_activation(layer, [x.astype(np.float32) for x in inputs], own)


# Forward: what is wired to what


class BranchesReordered(Backend):
    """One block concatenates its branches in another order."""

    def __init__(self, name: str, order: Sequence[int]) -> None:
        self._at, self._order = name, order

    def before_activation(self, layer: Layer, inputs: Sequence[Array]) -> Array:
        if layer.name == self._at:
            inputs = [inputs[number] for number in self._order]
        return super().before_activation(layer, inputs)


class BlocksSwapped(Backend):
    """Two Inception blocks that follow each other run in the wrong order; every layer by itself is right."""

    def __init__(self, first: str, second: str) -> None:
        def members(name: str) -> list[Layer]:
            return [*GOOGLENET.members(name), GOOGLENET[name]]

        before = members(first)[0].inputs[0]
        reads = {before: second, first: before, second: first}
        moved = members(second) + members(first)
        start = GOOGLENET.names.index(members(first)[0].name)
        layers = (*GOOGLENET.layers[:start], *moved, *GOOGLENET.layers[start + len(moved) :])
        rewired = (replace(layer, inputs=tuple(reads.get(name, name) for name in layer.inputs)) for layer in layers)
        self.architecture = Network(GOOGLENET.name, tuple(rewired))

    def activations(self, images: Array) -> dict[str, Array]:
        activations = super().activations(images)
        return {name: activations[name] for name in GOOGLENET.names}


class ChangedImages(Backend):
    """Something is made of the images before the network sees them."""

    def __init__(self, change: Change) -> None:
        self._change = change

    def activations(self, images: Array) -> dict[str, Array]:
        return super().activations(self._change(self._own(images)))


class ChangedPrediction(Backend):
    """The fast path alone is wrong: something else is made of the logits, or other weights give them."""

    def __init__(self, *, logits: Change = _as_it_is, weights: Change = _as_it_is) -> None:
        self._logits, self._changed = logits, weights

    def predict(self, images: Array) -> Array:
        fast = Backend().build({name: self._changed(array) for name, array in self.weights.items()}, self.dtype)
        return self._logits(fast.predict(images))


# What is imported, and what is handed out


class ImportsOther(Backend):
    """Other weights are imported.

    Args:
        change: From the right weights to the wrong ones.
        secretly: Whether the right ones are exported all the same.
    """

    def __init__(self, change: Callable[[dict[str, Array]], dict[str, Array]], *, secretly: bool = False) -> None:
        self._change, self._secretly = change, secretly

    def import_weights(self, weights: Mapping[str, Array]) -> dict[str, Array]:
        self._exported = super().import_weights(weights)
        wrong = self._change(self._exported)
        if not self._secretly:
            self._exported = wrong
        return wrong

    def export_weights(self) -> dict[str, Array]:
        return self._exported


class ChangedRecord(Backend):
    """What is handed out of a forward pass is not what was computed."""

    def __init__(self, change: Callable[[dict[str, Array]], dict[str, Array]]) -> None:
        self._change = change

    def activations(self, images: Array) -> dict[str, Array]:
        return self._change(super().activations(images))

    def predict(self, images: Array) -> Array:
        return super().activations(images)["fc"]

    def gradients(self, images: Array, labels: Array) -> Gradients:
        return Backend().build(self.weights, self.dtype).gradients(images, labels)


class ChangedLayer(Backend):
    """What is handed out of one layer alone is not what was computed."""

    def __init__(self, name: str, change: Change) -> None:
        self._at, self._change = name, change

    def layer(self, name: str, inputs: Array) -> Array:
        output = super().layer(name, inputs)
        return self._change(output) if name == self._at else output


# Backward


class ChangedBackward(Backend):
    """The backward pass of one layer gives something else, end to end as well.

    Args:
        name: The layer's canonical name.
        change: From the layer's input, the cotangent and the right gradients to what it gives.
    """

    def __init__(self, name: str, change: Callable[[Array, Array, LayerGradients], LayerGradients]) -> None:
        self._at, self._change = name, change

    def backward(self, layer: Layer, inputs: Array, cotangent: Array) -> LayerGradients:
        right = super().backward(layer, inputs, cotangent)
        return right if layer.name != self._at else self._change(inputs, cotangent, right)


class NoMask(Backend):
    """The backward pass of one convolution forgets its ReLU."""

    def __init__(self, name: str) -> None:
        self._at = name

    def backward(self, layer: Layer, inputs: Array, cotangent: Array) -> LayerGradients:
        if layer.name != self._at or not isinstance(layer, Conv2d):
            return super().backward(layer, inputs, cotangent)
        kernel = self.weights[f"{layer.name}.weight"]
        by_weight, by_bias, by_inputs = op.conv2d_backward(
            inputs, kernel, cotangent, stride=layer.stride, padding=layer.padding
        )
        return LayerGradients({"weight": by_weight, "bias": by_bias}, by_inputs)


class LastMaximum(Backend):
    """One max-pool hands its gradient to the last of several maxima."""

    def __init__(self, name: str) -> None:
        self._at = name

    def backward(self, layer: Layer, inputs: Array, cotangent: Array) -> LayerGradients:
        if layer.name != self._at or not isinstance(layer, MaxPool2d):
            return super().backward(layer, inputs, cotangent)
        size, stride, padding = layer.kernel_size, layer.stride, layer.padding
        padded = np.pad(inputs, ((0, 0), (0, 0), (padding, padding), (padding, padding)), constant_values=-np.inf)
        gradient = np.zeros_like(padded)
        for n, c, row, column in np.ndindex(cotangent.shape):
            top, left = row * stride, column * stride
            window = padded[n, c, top : top + size, left : left + size]
            down, right = np.argwhere(window == window.max())[-1]
            gradient[n, c, top + down, left + right] += cotangent[n, c, row, column]
        height, width = inputs.shape[2:]
        return LayerGradients({}, gradient[:, :, padding : padding + height, padding : padding + width])


class ChangedGradients(Backend):
    """What is handed out of an end-to-end backward pass is not what was computed."""

    def __init__(self, change: Callable[[dict[str, Array]], Mapping[str, Array]]) -> None:
        self._change = change

    def gradients(self, images: Array, labels: Array) -> Gradients:
        right = super().gradients(images, labels)
        return right._replace(weights=dict(self._change(right.weights)))


class ChangedLayerGradients(Backend):
    """What is handed out of the backward pass of one layer alone is not what was computed."""

    def __init__(self, name: str, change: Callable[[LayerGradients], LayerGradients]) -> None:
        self._at, self._change = name, change

    def layer_gradients(self, name: str, inputs: Array, cotangent: Array) -> LayerGradients:
        right = super().layer_gradients(name, inputs, cotangent)
        return self._change(right) if name == self._at else right


class SummedLoss(Backend):
    """Summed over the batch instead of averaged: the loss and its gradients, or the gradients alone."""

    def __init__(self, *, value: bool) -> None:
        self._value = value

    def loss(self, logits: Array, labels: Array) -> tuple[float, Array]:
        mean, by_logits = super().loss(logits, labels)
        return mean * len(logits) if self._value else mean, by_logits * len(logits)


# Training


class OtherStep(Backend):
    """Another rule for a step of training.

    Args:
        change: Parameter, velocity, gradient and hyperparameters to the new parameter and the new velocity.
    """

    def __init__(self, change: Callable[[Array, Array, Array, Hyperparameters], tuple[Array, Array]]) -> None:
        self._change = change

    def step(self, w: Array, v: Array, g: Array, hyperparameters: Hyperparameters, size: int) -> tuple[Array, Array]:
        return self._change(w, v, g, hyperparameters)


class UnsmoothedTraining(Backend):
    """Labels stay as hard as they are."""

    def train(
        self,
        batches: Iterable[Batch],
        hyperparameters: Hyperparameters,
        *,
        state: OptimizerState | None = None,
        listener: Listener | None = None,
    ) -> OptimizerState:
        hard = replace(hyperparameters, label_smoothing=0.0)
        return super().train(batches, hard, state=state, listener=listener)
