"""The whole network in NumPy: the ground truth that backends are compared with.

Float64 by default; the same code runs in float32. A batch is shared out among threads and worked through in chunks
whose activations fit :data:`CHUNK_BYTES`, so memory beyond what a caller asks to keep does not grow with the batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from googlenet_np import operations as op
from googlenet_np.architecture import (
    GOOGLENET,
    IMAGES,
    Architecture,
    Concat,
    Conv2d,
    Dense,
    GlobalAvgPool2d,
    Layer,
    MaxPool2d,
)
from googlenet_np.backend import Gradients, LayerGradients, check_dtype
from googlenet_np.errors import ImagesError
from googlenet_np.images import check_images, check_labels
from googlenet_np.threads import share_out
from googlenet_np.weights import check_weights, weights_like

__all__ = [
    "Perturb",
    "activate",
    "before_activation",
    "forward",
    "forward_and_gradients",
    "gradients",
    "layer",
    "layer_gradients",
]

Array = npt.NDArray[Any]
Perturb = Callable[[Layer, Sequence[Array], Array], Array]

CHUNK_BYTES = 128 << 20
"""Activations held at once, in bytes. Larger chunks are no faster: each layer's data have left the cache anyway."""


def forward(
    weights: Mapping[str, Array],
    images: Array,
    *,
    dtype: str = "float64",
    layers: Collection[str] | None = None,
) -> dict[str, Array]:
    """Every named activation of one forward pass, in canonical order.

    Args:
        weights: A canonical weights set; float32 entries are exact in float64.
        images: (N, C, H, W), float32 or float64.
        dtype: ``"float64"`` or ``"float32"``, of the arithmetic and the result.
        layers: The names to keep; None keeps all 81. A big batch of big images has more activations than a machine
            has memory: 256 one-channel images of 224×224 have 12.0 GB of them in float64, their logits 20 kB.

    Returns:
        Contiguous arrays (N, C, H, W); ``b5.pool`` is (N, 1024), ``fc`` (N, num_classes).

    Raises:
        WeightsError, ImagesError, OptionError, UnknownLayerError: What was wrong, and what was expected.
    """
    weights, images = _prepared(weights, images, dtype)
    for name in layers or ():
        GOOGLENET[name]
    kept = _allocated(weights, images, [name for name in GOOGLENET.names if layers is None or name in layers])

    def work(chunks: Iterator[slice]) -> None:
        for chunk in chunks:
            _keep(kept, chunk, _forward(weights, images[chunk], GOOGLENET))

    share_out(work, len(images), _at_once(weights, images))
    return kept


def gradients(
    weights: Mapping[str, Array],
    images: Array,
    labels: Array,
    *,
    dtype: str = "float64",
    label_smoothing: float = 0.0,
) -> Gradients:
    """Mean cross-entropy over the batch and its gradients by all 116 parameters and by the images.

    Ties in a max-pool go to the first maximum in row-major order; the derivative of ReLU at zero is zero.

    Args:
        weights: A canonical weights set.
        images: (N, C, H, W), float32 or float64.
        labels: (N,), whole numbers under num_classes.
        dtype: Of the arithmetic and the result.
        label_smoothing: As of :func:`~googlenet_np.operations.softmax_cross_entropy`.

    Returns:
        ``(loss, weight gradients, image gradient)``: a float, a dict in canonical order and layout, (N, C, H, W).

    Raises:
        WeightsError, ImagesError, OptionError: What was wrong, and what was expected.
    """
    weights, images = _prepared(weights, images, dtype)
    check_labels(labels, len(images), len(weights["fc.bias"]))
    return _gradients(weights, images, labels, {}, label_smoothing)


def forward_and_gradients(
    weights: Mapping[str, Array],
    images: Array,
    labels: Array,
    *,
    dtype: str = "float64",
    layers: Collection[str] | None = None,
    label_smoothing: float = 0.0,
    perturb: Perturb | None = None,
) -> tuple[dict[str, Array], Gradients]:
    """What :func:`forward` and :func:`gradients` give, from one forward pass.

    Args:
        weights, images, labels, dtype, label_smoothing: As of :func:`gradients`.
        layers: As of :func:`forward`.
        perturb: Changes a layer's output before its ReLU, given the layer and its inputs; None changes nothing.
    """
    weights, images = _prepared(weights, images, dtype)
    check_labels(labels, len(images), len(weights["fc.bias"]))
    kept = _allocated(weights, images, GOOGLENET.names if layers is None else layers)
    return kept, _gradients(weights, images, labels, kept, label_smoothing, perturb)


def layer(name: str, weights: Mapping[str, Array], inputs: Array, *, dtype: str = "float64") -> Array:
    """One named layer alone, its ReLU included.

    Args:
        name: A canonical name. A block's name takes the block's input and gives its concatenated output.
        weights: A canonical weights set; only this layer's entries are read.
        inputs: (N, C, H, W), or (N, C) for ``fc``.
        dtype: Of the arithmetic and the result.

    Raises:
        UnknownLayerError, ImagesError, OptionError: What was wrong, and what was expected.
    """
    part, own, inputs = _part(name, weights, inputs, dtype)
    return np.ascontiguousarray(_forward(own, inputs, part)[name])


def layer_gradients(
    name: str, weights: Mapping[str, Array], inputs: Array, cotangent: Array, *, dtype: str = "float64"
) -> LayerGradients:
    """Gradients of ``sum(layer(name, weights, inputs) * cotangent)``.

    Args:
        name: A canonical name.
        weights: A canonical weights set; only this layer's entries are read.
        inputs: (N, C, H, W), or (N, C) for ``fc``.
        cotangent: In the shape of the layer's output.
        dtype: Of the arithmetic and the result.

    Returns:
        ``({"weight": …, "bias": …}, input gradient)``; for a block the keys are ``p1_1.weight`` and so on.

    Raises:
        UnknownLayerError, ImagesError, OptionError: What was wrong, and what was expected.
    """
    part, own, inputs = _part(name, weights, inputs, dtype)
    activations = _forward(own, inputs, part)
    if np.shape(cotangent) != activations[name].shape:
        raise ImagesError(
            f"The cotangent of {name!r} has shape {np.shape(cotangent)}; expected {activations[name].shape}."
        )
    by_weights = {key: np.zeros_like(weight) for key, weight in own.items()}
    by_inputs = _backward(own, activations, cotangent.astype(inputs.dtype), part, by_weights)
    short = {key.removeprefix(f"{name}."): gradient for key, gradient in by_weights.items()}
    return LayerGradients(short, np.ascontiguousarray(by_inputs))


def _prepared(weights: Mapping[str, Array], images: Array, dtype: str) -> tuple[dict[str, Array], Array]:
    """Both checked, and in ``dtype``."""
    dtype = check_dtype(dtype)
    check_weights(weights)
    check_images(images, weights_like(weights)[0])
    return {name: weights[name].astype(dtype, copy=False) for name in GOOGLENET.parameter_shapes()}, images.astype(
        dtype, copy=False
    )


def _part(
    name: str, weights: Mapping[str, Array], inputs: Array, dtype: str
) -> tuple[Architecture, dict[str, Array], Array]:
    """One layer (or one block) as a network of its own that reads ``images``, with its weights and inputs."""
    found = GOOGLENET[name]
    members = [found]
    if isinstance(found, Concat):
        members = [layer for layer in GOOGLENET if layer.name.startswith(f"{name}.")] + members
    inside = {layer.name for layer in members}
    part = Architecture(name, tuple(_rewired(layer, inside) for layer in members))
    dtype = check_dtype(dtype)
    inputs = np.asarray(inputs)
    rank = 2 if isinstance(found, Dense) else 4
    first = next((layer for layer in part.weighted if layer.inputs == (IMAGES,)), None)
    channels = None if first is None else weights[f"{first.name}.weight"].shape[1]
    if inputs.ndim != rank or 0 in inputs.shape or (channels is not None and inputs.shape[1] != channels):
        wanted = f"(N, {channels or 'C'}, H, W)" if rank == 4 else f"(N, {channels})"
        raise ImagesError(f"The inputs of {name!r} have shape {inputs.shape}; expected {wanted}, none of them zero.")
    if inputs.dtype not in (np.float32, np.float64):
        raise ImagesError(f"The inputs of {name!r} have dtype {inputs.dtype}; expected float32 or float64.")
    own = {
        f"{layer.name}.{kind}": weights[f"{layer.name}.{kind}"].astype(dtype, copy=False)
        for layer in part.weighted
        for kind in ("weight", "bias")
    }
    return part, own, inputs.astype(dtype, copy=False)


def _rewired(layer: Layer, inside: set[str]) -> Layer:
    return replace(layer, inputs=tuple(name if name in inside else IMAGES for name in layer.inputs))


def _gradients(
    weights: dict[str, Array],
    images: Array,
    labels: Array,
    kept: Mapping[str, Array],
    label_smoothing: float,
    perturb: Perturb | None = None,
) -> Gradients:
    """The gradients; on the way, the activations that ``kept`` has arrays for."""
    by_images = np.empty_like(images)

    def work(chunks: Iterator[slice]) -> tuple[float, dict[str, Array]]:
        loss, by_weights = 0.0, {name: np.zeros_like(weight) for name, weight in weights.items()}
        for chunk in chunks:
            activations = _forward(weights, images[chunk], GOOGLENET, perturb)
            _keep(kept, chunk, activations)
            losses, by_logits = op.softmax_cross_entropy(activations["fc"], labels[chunk], label_smoothing)
            loss += float(losses.sum())
            by_images[chunk] = _backward(weights, activations, by_logits / len(images), GOOGLENET, by_weights)
        return loss, by_weights

    # What perturbs may draw random numbers, in the order in which it is called.
    alone = perturb is not None
    (loss, by_weights), *others = share_out(work, len(images), _at_once(weights, images), alone=alone)
    for further_loss, further in others:
        loss += further_loss
        for name, gradient in further.items():
            by_weights[name] += gradient
    return Gradients(loss / len(images), by_weights, by_images)


def _shapes(weights: Mapping[str, Array], images: Array) -> dict[str, tuple[int, ...]]:
    return GOOGLENET.output_shapes(*weights_like(weights), image_size=images.shape[2:])


def _allocated(weights: Mapping[str, Array], images: Array, names: Collection[str]) -> dict[str, Array]:
    shapes = _shapes(weights, images)
    return {name: np.empty((len(images), *shapes[name]), images.dtype) for name in names}


def _keep(kept: Mapping[str, Array], chunk: slice, activations: Mapping[str, Array]) -> None:
    for name, array in kept.items():
        array[chunk] = activations[name]


def _at_once(weights: Mapping[str, Array], images: Array) -> int:
    """How many images' activations :data:`CHUNK_BYTES` have room for; at least one's."""
    per_image = sum(math.prod(shape) for shape in _shapes(weights, images).values()) * images.itemsize
    return max(1, CHUNK_BYTES // per_image)


def _forward(
    weights: Mapping[str, Array], images: Array, architecture: Architecture, perturb: Perturb | None = None
) -> dict[str, Array]:
    activations: dict[str, Array] = {IMAGES: images}
    for layer in architecture:
        inputs = [activations[name] for name in layer.inputs]
        output = before_activation(layer, inputs, weights)
        if perturb:
            output = perturb(layer, inputs, output)
        activations[layer.name] = activate(layer, output)
    return activations


def before_activation(layer: Layer, inputs: Sequence[Array], weights: Mapping[str, Array]) -> Array:
    """One layer's output before its ReLU: a new array, NCHW by its axes, its memory order left open."""
    x = inputs[0]
    match layer:
        case Conv2d(stride=stride, padding=padding):
            weight, bias = weights[f"{layer.name}.weight"], weights[f"{layer.name}.bias"]
            return op.conv2d(x, weight, bias, stride=stride, padding=padding)
        case MaxPool2d(kernel_size=kernel_size, stride=stride, padding=padding):
            return op.max_pool2d(x, kernel_size=kernel_size, stride=stride, padding=padding)
        case Concat():
            return np.concatenate(inputs, axis=1)
        case GlobalAvgPool2d():
            return op.global_avg_pool2d(x)
        case Dense():
            return op.dense(x, weights[f"{layer.name}.weight"], weights[f"{layer.name}.bias"])
    raise TypeError(f"{layer!r} is no layer that the reference knows.")


def activate(layer: Layer, output: Array) -> Array:
    """``output`` behind the layer's ReLU, in place; a layer without one gives it back as it is."""
    return op.relu(output) if isinstance(layer, Conv2d) else output


def _backward(
    weights: Mapping[str, Array],
    activations: Mapping[str, Array],
    cotangent: Array,
    architecture: Architecture,
    by_weights: dict[str, Array],
) -> Array:
    """Adds the weights' gradients to ``by_weights`` and returns the images'."""
    pending: dict[str, Array] = {architecture.layers[-1].name: cotangent}
    for layer in reversed(architecture.layers):
        arrived = pending.pop(layer.name)
        x = activations[layer.inputs[0]]
        match layer:
            case Concat():
                ends = np.cumsum([activations[name].shape[1] for name in layer.inputs])[:-1]
                given = np.split(arrived, ends, axis=1)
            case MaxPool2d(kernel_size=kernel_size, stride=stride, padding=padding):
                y = activations[layer.name]
                given = [op.max_pool2d_backward(x, y, arrived, kernel_size=kernel_size, stride=stride, padding=padding)]
            case GlobalAvgPool2d():
                given = [op.global_avg_pool2d_backward(x, arrived)]
            case Conv2d(stride=stride, padding=padding):
                arrived = op.relu_backward(activations[layer.name], arrived)
                given = [
                    _weighted(
                        layer,
                        by_weights,
                        op.conv2d_backward(x, weights[f"{layer.name}.weight"], arrived, stride=stride, padding=padding),
                    )
                ]
            case Dense():
                given = [_weighted(layer, by_weights, op.dense_backward(x, weights[f"{layer.name}.weight"], arrived))]
            case _:
                raise TypeError(f"{layer!r} is no layer that the reference knows.")
        for name, gradient in zip(layer.inputs, given, strict=True):
            pending[name] = pending[name] + gradient if name in pending else gradient
    return pending[IMAGES]


def _weighted(layer: Layer, by_weights: dict[str, Array], given: tuple[Array, Array, Array]) -> Array:
    by_weights[f"{layer.name}.weight"] += given[0]
    by_weights[f"{layer.name}.bias"] += given[1]
    return given[2]
