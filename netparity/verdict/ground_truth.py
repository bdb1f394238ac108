"""What the reference says of one case, computed once and set against every backend."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

import numpy as np

from netparity.network import reference
from netparity.network.contract import Array, DType, Gradients
from netparity.network.errors import ImagesError
from netparity.network.kinds import Kinks, Layer
from netparity.network.network import IMAGES, Network
from netparity.network.weights import check_weights, weights_like
from netparity.verdict.bounds import UNIT_ROUNDOFF, Bound, confidence
from netparity.verdict.noise_floor import noise_floor

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
    """The reference's numbers for one set of weights, images and labels; each is computed when it is first needed.

    Args:
        network: The network.
        weights: A canonical weights set.
        images: (N, C, H, W), float32.
        labels: (N,).
        backends: How many backends the run compares: its chance of a false alarm is shared among them.
        seed: Seed of the noise floor's perturbations.
    """

    def __init__(
        self,
        network: Network,
        weights: Mapping[str, Array],
        images: Array,
        labels: Array,
        *,
        backends: int = 1,
        seed: int = 0,
    ) -> None:
        check_weights(network, weights)
        self.network = network
        self.weights = dict(weights)
        self.images = images
        self.labels = labels
        self.shapes = network.output_shapes(*weights_like(network, weights), image_size=images.shape[2:])
        self._backends = backends
        self._seed = seed
        self._rounded: dict[tuple[str, str], Array] = {}
        self._locals: dict[tuple[str, str], Local] = {}
        self._noise: dict[str, tuple[dict[str, float], Kinks]] = {}

    @cached_property
    def activations(self) -> dict[str, Array]:
        """Every named activation, end to end in float64."""
        # One pass gives both, if the gradients were asked for first.
        if "_both" in self.__dict__:
            return self._both[0]
        return reference.forward(self.network, self.weights, self.images)

    @cached_property
    def gradients(self) -> Gradients:
        """Loss and gradients, end to end in float64."""
        return self._both[1]

    @cached_property
    def _both(self) -> tuple[dict[str, Array], Gradients]:
        return reference.forward_and_gradients(self.network, self.weights, self.images, self.labels)

    def prepare_gradients(self) -> None:
        """Computes now what judging gradients needs."""
        _ = self.gradient_scales

    @cached_property
    def gradient_scales(self) -> dict[str, float]:
        """How large the numbers are of which ``loss`` and each gradient are the sum: what their errors are a share of.

        A gradient may be next to nothing and yet a sum of large terms: over a batch whose samples pull in opposite
        directions, or of a softmax that is next to certain of its label. The first image, labelled as what it least
        looks like, has neither.
        """
        gradients = self.gradients  # first, as the activations come with them
        logits = self.activations[self.network.output]
        # An error in the logits is an equal error in the loss, and as large a share of a probability.
        largest = float(np.abs(logits).max())
        label = logits[:1].argmin(axis=1)
        alone = reference.gradients(self.network, self.weights, self.images[:1], label).weights
        scales = {"loss": max(gradients.loss, largest)}
        for name, gradient in gradients.weights.items():
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
        """How far each layer's worst entry strays if every layer errs by its whole local bound."""
        return self._noise_of(dtype)[0]

    def kinks(self, dtype: DType) -> Kinks:
        """How many kinks of the first :data:`WIRING_SAMPLES` images an error of the noise floor may decide."""
        return self._noise_of(dtype)[1]

    def _noise_of(self, dtype: DType) -> tuple[dict[str, float], Kinks]:
        if dtype not in self._noise:
            self._noise[dtype] = noise_floor(
                self.network,
                self.weights,
                {IMAGES: self.images, **self.activations},
                lambda layer: None if layer.joins else self.local(layer, dtype).bound,
                dtype,
                samples=WIRING_SAMPLES,
                seed=self._seed,
            )
        return self._noise[dtype]

    def length(self, layer: Layer) -> int:
        """How many terms one output entry of ``layer`` sums."""
        return layer.sum_length(self.shapes[layer.inputs[0]])

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
        per_image = sum(entries[layer.name] * self.length(layer) for layer in self.network)
        # A backward pass has twice the products of a forward pass: for the weights, and for the inputs.
        passes = len(self.images) + 2 * min(len(self.images), GRADIENT_SAMPLES)
        return per_image * passes * self._backends

    def _local(self, layer: Layer, dtype: DType) -> Local:
        if layer.joins:
            raise TypeError(f"{layer.name} only joins others: it is judged against their own outputs.")
        inputs = self.inputs(layer, dtype)
        exact = inputs.astype(np.float64)
        output = reference.before_activation(layer, [exact], self.exact_weights)
        before = output[:GRADIENT_SAMPLES].copy()
        output = np.ascontiguousarray(layer.activate(output))
        if not self.length(layer):
            return Local(inputs, before, output, None)
        magnitude = reference.before_activation(layer, [np.abs(exact)], self._absolute_weights)
        weight = self._absolute_weights.get(f"{layer.name}.weight")
        largest = max(float(np.abs(exact).max()), 0.0 if weight is None else float(weight.max()))
        magnitude = np.ascontiguousarray(magnitude)
        bound = Bound.of_sums(magnitude, self.length(layer), dtype, self.confidence(dtype), largest)
        return Local(inputs, before, output, bound)
