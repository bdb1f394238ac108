"""Any network in NumPy: the ground truth that backends are compared with.

Float64 by default; the same code runs in float32. A batch is shared out among threads and worked through in chunks
whose activations fit :data:`CHUNK_BYTES`, so memory beyond what a caller asks to keep does not grow with the batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import numpy as np

from netparity.network.contract import Array, Gradients, LayerGradients, check_dtype
from netparity.network.errors import ImagesError
from netparity.network.images import check_cotangent, check_images, check_labels
from netparity.network.kinds import Layer
from netparity.network.network import IMAGES, Network
from netparity.network.operations import softmax_cross_entropy
from netparity.network.weights import check_weights, weights_like
from netparity.system.threads import share_out

Perturb = Callable[[Layer, Sequence[Array], Array], Array]

CHUNK_BYTES = 128 << 20
"""Activations held at once, in bytes. Larger chunks are no faster: each layer's data have left the cache anyway."""


def forward(
    network: Network,
    weights: Mapping[str, Array],
    images: Array,
    *,
    dtype: str = "float64",
    layers: Collection[str] | None = None,
) -> dict[str, Array]:
    """Every named activation of one forward pass, in canonical order.

    Args:
        network: The network.
        weights: A canonical weights set; float32 entries are exact in float64.
        images: (N, C, H, W), float32 or float64.
        dtype: ``"float64"`` or ``"float32"``, of the arithmetic and the result.
        layers: The names to keep; None keeps all, which may take more memory than a machine has, for a big batch of
            big images.

    Returns:
        Contiguous arrays (N, C, H, W); (N, C) after a global pool, (N, num_classes) at the end.

    Raises:
        WeightsError, ImagesError, OptionError, UnknownLayerError: What was wrong, and what was expected.
    """
    weights, images = _prepared(network, weights, images, dtype)
    kept = _allocated(network, weights, images, layers)

    def work(chunks: Iterator[slice]) -> None:
        for chunk in chunks:
            _keep(kept, chunk, _forward(network, weights, images[chunk]))

    share_out(work, len(images), _at_once(network, weights, images))
    return kept


def gradients(
    network: Network,
    weights: Mapping[str, Array],
    images: Array,
    labels: Array,
    *,
    dtype: str = "float64",
    label_smoothing: float = 0.0,
) -> Gradients:
    """Mean cross-entropy over the batch and its gradients by all parameters and by the images.

    Ties in a max-pool go to the first maximum in row-major order; the derivative of ReLU at zero is zero.

    Args:
        network, weights, images, dtype: As in :func:`forward`.
        labels: (N,), whole numbers under num_classes.
        label_smoothing: As in :func:`~netparity.network.operations.softmax_cross_entropy`.

    Returns:
        ``(loss, weight gradients, image gradient)``: a float, a dict in canonical order and layout, (N, C, H, W).

    Raises:
        WeightsError, ImagesError, OptionError: What was wrong, and what was expected.
    """
    weights, images = _prepared(network, weights, images, dtype)
    check_labels(labels, len(images), weights_like(network, weights)[1])
    return _gradients(network, weights, images, labels, {}, label_smoothing)


def forward_and_gradients(
    network: Network,
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
        network, weights, images, labels, dtype, label_smoothing: As in :func:`gradients`.
        layers: As in :func:`forward`.
        perturb: Changes a layer's output before its ReLU, given the layer and its inputs; None changes nothing.

    Raises:
        WeightsError, ImagesError, OptionError, UnknownLayerError: What was wrong, and what was expected.
    """
    weights, images = _prepared(network, weights, images, dtype)
    check_labels(labels, len(images), weights_like(network, weights)[1])
    kept = _allocated(network, weights, images, layers)
    return kept, _gradients(network, weights, images, labels, kept, label_smoothing, perturb)


def layer(network: Network, name: str, weights: Mapping[str, Array], inputs: Array, *, dtype: str = "float64") -> Array:
    """One named layer alone, its ReLU included.

    Args:
        network, dtype: As in :func:`forward`.
        name: A canonical name. A block's name takes the block's input and gives its concatenated output.
        weights: A canonical weights set; only this layer's entries are read.
        inputs: (N, C, H, W), or (N, C) for a dense layer.

    Raises:
        UnknownLayerError, ImagesError, OptionError: What was wrong, and what was expected.
    """
    part, own, inputs = _part(network, name, weights, inputs, dtype)
    return np.ascontiguousarray(_forward(part, own, inputs)[name])


def layer_gradients(
    network: Network,
    name: str,
    weights: Mapping[str, Array],
    inputs: Array,
    cotangent: Array,
    *,
    dtype: str = "float64",
) -> LayerGradients:
    """Gradients of ``sum(layer(name, weights, inputs) * cotangent)``.

    Args:
        network, name, weights, inputs, dtype: As in :func:`layer`.
        cotangent: An array in the shape of the layer's output.

    Returns:
        ``({"weight": …, "bias": …}, input gradient)``; for a block, each key begins with the layer's name within
        it, as in ``conv1.weight``.

    Raises:
        UnknownLayerError, ImagesError, OptionError: What was wrong, and what was expected.
    """
    part, own, inputs = _part(network, name, weights, inputs, dtype)
    activations = _forward(part, own, inputs)
    check_cotangent(name, cotangent, activations[name].shape)
    by_weights = {key: np.zeros_like(weight) for key, weight in own.items()}
    by_inputs = _backward(part, own, activations, cotangent.astype(inputs.dtype), by_weights)
    short = {key.removeprefix(f"{name}."): gradient for key, gradient in by_weights.items()}
    return LayerGradients(short, np.ascontiguousarray(by_inputs))


def _prepared(
    network: Network, weights: Mapping[str, Array], images: Array, dtype: str
) -> tuple[dict[str, Array], Array]:
    """Both checked, and in ``dtype``."""
    dtype = check_dtype(dtype)
    check_weights(network, weights)
    check_images(images, weights_like(network, weights)[0])
    own = {name: weights[name].astype(dtype, copy=False) for name in network.parameter_shapes()}
    return own, images.astype(dtype, copy=False)


def _part(
    network: Network, name: str, weights: Mapping[str, Array], inputs: Array, dtype: str
) -> tuple[Network, dict[str, Array], Array]:
    """One layer (or one block) as a network of its own, with its weights and inputs, both in ``dtype``."""
    part = network.part(name)
    dtype = check_dtype(dtype)
    inputs = np.asarray(inputs)
    rank = part.layers[0].rank
    first = next((layer for layer in part.weighted if layer.inputs == (IMAGES,)), None)
    channels = None if first is None else weights[f"{first.name}.weight"].shape[1]
    if inputs.ndim != rank or 0 in inputs.shape or (channels is not None and inputs.shape[1] != channels):
        wanted = f"(N, {channels or 'C'}, H, W)" if rank == 4 else f"(N, {channels})"
        raise ImagesError(f"The inputs of {name!r} have shape {inputs.shape}; expected {wanted}, none of them zero.")
    if inputs.dtype not in (np.float32, np.float64):
        raise ImagesError(f"The inputs of {name!r} have dtype {inputs.dtype}; expected float32 or float64.")
    names = [f"{layer.name}.{key}" for layer in part.weighted for key in layer.parameters]
    own = {name: weights[name].astype(dtype, copy=False) for name in names}
    return part, own, inputs.astype(dtype, copy=False)


def _gradients(
    network: Network,
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
            activations = _forward(network, weights, images[chunk], perturb)
            _keep(kept, chunk, activations)
            losses, by_logits = softmax_cross_entropy(activations[network.output], labels[chunk], label_smoothing)
            loss += float(losses.sum())
            by_images[chunk] = _backward(network, weights, activations, by_logits / len(images), by_weights)
        return loss, by_weights

    # What perturbs may draw random numbers, in the order in which it is called.
    alone = perturb is not None
    (loss, by_weights), *others = share_out(work, len(images), _at_once(network, weights, images), alone=alone)
    for further_loss, further in others:
        loss += further_loss
        for name, gradient in further.items():
            by_weights[name] += gradient
    return Gradients(loss / len(images), by_weights, by_images)


def _shapes(network: Network, weights: Mapping[str, Array], images: Array) -> dict[str, tuple[int, ...]]:
    return network.output_shapes(*weights_like(network, weights), image_size=images.shape[2:])


def _allocated(
    network: Network, weights: Mapping[str, Array], images: Array, layers: Collection[str] | None
) -> dict[str, Array]:
    """Room for the activations of these layers, or of all, in canonical order."""
    for name in layers or ():
        network[name]  # raises where there is none
    shapes = _shapes(network, weights, images)
    names = [name for name in network.names if layers is None or name in layers]
    return {name: np.empty((len(images), *shapes[name]), images.dtype) for name in names}


def _keep(kept: Mapping[str, Array], chunk: slice, activations: Mapping[str, Array]) -> None:
    for name, array in kept.items():
        array[chunk] = activations[name]


def _at_once(network: Network, weights: Mapping[str, Array], images: Array) -> int:
    """How many images' activations :data:`CHUNK_BYTES` have room for; at least one's."""
    per_image = sum(math.prod(shape) for shape in _shapes(network, weights, images).values()) * images.itemsize
    return max(1, CHUNK_BYTES // per_image)


def _forward(
    network: Network, weights: Mapping[str, Array], images: Array, perturb: Perturb | None = None
) -> dict[str, Array]:
    activations: dict[str, Array] = {IMAGES: images}
    for layer in network:
        inputs = [activations[name] for name in layer.inputs]
        output = before_activation(layer, inputs, weights)
        if perturb:
            output = perturb(layer, inputs, output)
        activations[layer.name] = layer.activate(output)
    return activations


def before_activation(layer: Layer, inputs: Sequence[Array], weights: Mapping[str, Array]) -> Array:
    """One layer's output before its ReLU, a new array, its parameters taken from a whole set of weights."""
    return layer.forward(inputs, _parameters(layer, weights))


def _parameters(layer: Layer, weights: Mapping[str, Array]) -> dict[str, Array]:
    return {key: weights[f"{layer.name}.{key}"] for key in layer.parameters}


def _backward(
    network: Network,
    weights: Mapping[str, Array],
    activations: Mapping[str, Array],
    cotangent: Array,
    by_weights: dict[str, Array],
) -> Array:
    """Adds the weights' gradients to ``by_weights`` and returns the images'."""
    pending: dict[str, Array] = {network.output: cotangent}
    for layer in reversed(network.layers):
        arrived = pending.pop(layer.name)
        inputs = [activations[name] for name in layer.inputs]
        given, own = layer.backward(inputs, activations[layer.name], arrived, _parameters(layer, weights))
        for key, gradient in own.items():
            by_weights[f"{layer.name}.{key}"] += gradient
        for name, gradient in zip(layer.inputs, given, strict=True):
            pending[name] = pending[name] + gradient if name in pending else gradient
    return pending[IMAGES]
