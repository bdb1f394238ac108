"""What the reference says of one case, worked out once and set against every backend."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from googlenet_np import reference
from googlenet_np.architecture import GOOGLENET, IMAGES, Concat, Conv2d, Layer, MaxPool2d
from googlenet_np.backend import DType, Gradients
from googlenet_np.errors import ImagesError
from googlenet_np.weights import check_weights, weights_like
from googlenet_parity.bounds import UNIT_ROUNDOFF, Bound, confidence, sum_length
from googlenet_parity.kinks import Kinks, undecided_maxima, undecided_signs

__all__ = ["GRADIENT_SAMPLES", "WIRING_SAMPLES", "GroundTruth", "Local"]

Array = npt.NDArray[Any]


GRADIENT_SAMPLES = 2
"""Images on which gradients are judged layer by layer. A backward pass treats all images alike, so a few will do; what
joins them, the sum over the batch, is judged over all of them end to end in float64."""


WIRING_SAMPLES = 2
"""Images on which float64 is judged. It settles the wiring, which is the same for every image, and the sum over a
batch, for which two will do; in float32, where each image has roundings of its own, all of them are."""


class Local(NamedTuple):
    """One layer alone, on the reference's own input rounded to the working precision.

    Attributes:
        inputs: What the layer is fed, in the working precision.
        before: What it should give before its ReLU, in float64, for the first :data:`GRADIENT_SAMPLES` images.
        output: What it should give, in float64.
        bound: How far rounding may take it; None for a layer that rounds nothing.
    """

    inputs: Array
    before: Array
    output: Array
    bound: Bound | None


class GroundTruth:
    """The reference's numbers for one set of weights, images and labels; each is computed when first asked for.

    Args:
        weights: A canonical weights set.
        images: (N, C, H, W), float32.
        labels: (N,).
        backends: How many backends the run compares: its chance of a false alarm is shared among them.
        seed: Of the noise floor's perturbations.
    """

    def __init__(
        self, weights: Mapping[str, Array], images: Array, labels: Array, *, backends: int = 1, seed: int = 0
    ) -> None:
        check_weights(weights)
        self.weights = dict(weights)
        self.images = images
        self.labels = labels
        self.shapes = GOOGLENET.output_shapes(*weights_like(weights), image_size=images.shape[2:])
        self._backends = backends
        self._seed = seed
        self._rounded: dict[tuple[str, str], Array] = {}
        self._locals: dict[tuple[str, str], Local] = {}
        self._floors: dict[str, dict[str, float]] = {}
        self._kinks: dict[str, Kinks] = {}

    @cached_property
    def activations(self) -> dict[str, Array]:
        """Every named activation, end to end in float64."""
        return reference.forward(self.weights, self.images)

    @cached_property
    def gradients(self) -> Gradients:
        """Loss and gradients, end to end in float64."""
        self.activations, gradients = reference.forward_and_gradients(self.weights, self.images, self.labels)
        return gradients

    @cached_property
    def gradient_scales(self) -> dict[str, float]:
        """How large the numbers are of which ``loss`` and each gradient are the sum: what their errors are a share of.

        A gradient may be next to nothing and yet a sum of large terms: over a batch whose samples pull in opposite
        directions, or of a softmax that is next to certain of its label. The first image, labelled as what it least
        looks like, has neither.
        """
        logits = self.activations["fc"]
        # An error in the logits is an equal error in the loss, and as large a share of a probability.
        largest = float(np.abs(logits).max())
        label = logits[:1].argmin(axis=1)
        alone = reference.gradients(self.weights, self.images[:1], label).weights
        scales = {"loss": max(self.gradients.loss, largest)}
        for name, gradient in self.gradients.weights.items():
            terms = float(np.abs(alone[name]).max()) / len(self.images)
            scales[name] = max(float(np.abs(gradient).max()), terms) * max(1.0, largest)
        return scales

    def inputs(self, layer: Layer, dtype: DType) -> Array:
        """The reference's own input to ``layer``, rounded to ``dtype``; the same array for all that read the same.

        Raises:
            ImagesError: It is beyond the range of ``dtype``, in which nothing can be judged then.
        """
        name = layer.inputs[0]
        if (name, dtype) not in self._rounded:
            exact = self.images if name == IMAGES else self.activations[name]
            with np.errstate(over="ignore"):
                rounded = exact.astype(dtype)
            if not np.isfinite(rounded).all():
                raise ImagesError(f"With these weights and images, {name!r} is beyond the range of {dtype}.")
            self._rounded[name, dtype] = rounded
        return self._rounded[name, dtype]

    def local(self, layer: Layer, dtype: DType) -> Local:
        """What ``layer`` should give on :meth:`inputs`, and how far rounding may take it."""
        if (layer.name, dtype) not in self._locals:
            self._locals[layer.name, dtype] = self._local(layer, dtype)
        return self._locals[layer.name, dtype]

    def noise_floor(self, dtype: DType) -> dict[str, float]:
        """How far each layer's worst entry strays if every layer errs by its whole local bound.

        Two runs of the reference in the working precision, every sum moved by its probable bound: with a random
        sign for each entry; and all of them up, which is the worst that roundings can do to one-signed weights.
        """
        if dtype not in self._floors:
            self._perturb(dtype)
        return self._floors[dtype]

    def kinks(self, dtype: DType) -> Kinks:
        """How many kinks of the first :data:`WIRING_SAMPLES` images an error of the noise floor may decide."""
        self.noise_floor(dtype)
        return self._kinks[dtype]

    def _perturb(self, dtype: DType) -> None:
        """Works out the noise floor and, in the second of its runs, the kinks within it."""
        random = np.random.default_rng(self._seed)
        weights = {name: array.astype(dtype) for name, array in self.weights.items()}
        floor = dict.fromkeys([IMAGES, *GOOGLENET.names], 0.0)
        kinks = []
        for sign in (None, 1):
            activations = {IMAGES: self.images.astype(dtype)}
            for layer in GOOGLENET:
                inputs = [activations[name] for name in layer.inputs]
                output = reference.before_activation(layer, inputs, weights)
                bound = None if isinstance(layer, Concat) else self.local(layer, dtype).bound
                if bound is not None:
                    output += bound.probable * (_signs(random, output.shape) if sign is None else sign)
                before = output[:WIRING_SAMPLES].copy() if sign and isinstance(layer, Conv2d) else None
                activations[layer.name] = reference.activate(layer, output)
                strayed = np.abs(activations[layer.name] - self.activations[layer.name]).max()
                floor[layer.name] = max(floor[layer.name], float(strayed))
                # An entry that is within the floor of its kink was moved by as much at most: it is within twice that.
                if before is not None:
                    kinks.append(undecided_signs(before, 2 * floor[layer.name]))
                elif sign and isinstance(layer, MaxPool2d):
                    kinks.append(undecided_maxima(layer, inputs[0][:WIRING_SAMPLES], floor[layer.inputs[0]]))
        del floor[IMAGES]
        self._floors[dtype] = floor
        self._kinks[dtype] = Kinks(*map(sum, zip(*kinks, strict=True)))

    def length(self, layer: Layer) -> int:
        """How many terms one output entry of ``layer`` sums."""
        return sum_length(layer, self.shapes[layer.inputs[0]])

    def confidence(self, dtype: DType) -> float:
        """λ of the whole run."""
        return confidence(self._products, UNIT_ROUNDOFF[dtype])

    @cached_property
    def exact_weights(self) -> dict[str, Array]:
        """The weights in float64, in which float32 numbers are exact."""
        return {name: array.astype(np.float64) for name, array in self.weights.items()}

    @cached_property
    def _absolute_weights(self) -> dict[str, Array]:
        return {name: np.abs(array) for name, array in self.exact_weights.items()}

    @cached_property
    def _products(self) -> int:
        """Products in all the sums that a run compares."""
        entries = {name: int(np.prod(shape)) for name, shape in self.shapes.items()}
        per_image = sum(entries[layer.name] * self.length(layer) for layer in GOOGLENET)
        # A backward pass has twice the products of a forward pass: for the weights, and for the inputs.
        passes = len(self.images) + 2 * min(len(self.images), GRADIENT_SAMPLES)
        return per_image * passes * self._backends

    def _local(self, layer: Layer, dtype: DType) -> Local:
        if isinstance(layer, Concat):
            raise TypeError(f"{layer.name} is a concatenation: it is judged against its own branches.")
        inputs = self.inputs(layer, dtype)
        exact = inputs.astype(np.float64)
        output = reference.before_activation(layer, [exact], self.exact_weights)
        before = output[:GRADIENT_SAMPLES].copy()
        output = np.ascontiguousarray(reference.activate(layer, output))
        if isinstance(layer, MaxPool2d):
            return Local(inputs, before, output, None)
        magnitude = reference.before_activation(layer, [np.abs(exact)], self._absolute_weights)
        weight = self._absolute_weights.get(f"{layer.name}.weight")
        largest = max(float(np.abs(exact).max()), 0.0 if weight is None else float(weight.max()))
        bound = Bound.of_sums(
            np.ascontiguousarray(magnitude),
            self.length(layer),
            dtype,
            self.confidence(dtype),
            largest,
        )
        return Local(inputs, before, output, bound)


def _signs(random: np.random.Generator, shape: tuple[int, ...]) -> Array:
    count = int(np.prod(shape))
    bits = np.unpackbits(np.frombuffer(random.bytes(-(-count // 8)), np.uint8), count=count)
    return (bits.astype(np.float32) * 2 - 1).reshape(shape)
