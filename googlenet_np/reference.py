"""GoogLeNet in NumPy: :mod:`netparity.network.reference` on :data:`~googlenet_np.GOOGLENET`."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from googlenet_np.architecture import GOOGLENET
from netparity.network import reference
from netparity.network.contract import Array, Gradients, LayerGradients


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
        layers: The names to keep; None keeps all 81, which takes more memory than a machine has for a big batch of big
            images: in float64, 12.0 GB for 256 one-channel images of 224×224.

    Returns:
        Contiguous arrays (N, C, H, W); (N, C) after the global pool, (N, num_classes) at the end.

    Raises:
        WeightsError, ImagesError, OptionError, UnknownLayerError: What was wrong, and what was expected.
    """
    return reference.forward(GOOGLENET, weights, images, dtype=dtype, layers=layers)


def gradients(
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
        weights, images, dtype: As in :func:`forward`.
        labels: (N,), whole numbers under num_classes.
        label_smoothing: As in :class:`netparity.Hyperparameters`.

    Returns:
        ``(loss, weight gradients, image gradient)``: a float, a dict in canonical order and layout, (N, C, H, W).

    Raises:
        WeightsError, ImagesError, OptionError: What was wrong, and what was expected.
    """
    return reference.gradients(GOOGLENET, weights, images, labels, dtype=dtype, label_smoothing=label_smoothing)


def layer(name: str, weights: Mapping[str, Array], inputs: Array, *, dtype: str = "float64") -> Array:
    """One named layer alone, its ReLU included.

    Args:
        name: A canonical name. A block's name takes the block's input and gives its concatenated output.
        weights: A canonical weights set; only this layer's entries are read.
        inputs: (N, C, H, W), or (N, C) for ``fc``.
        dtype: As in :func:`forward`.

    Raises:
        UnknownLayerError, ImagesError, OptionError: What was wrong, and what was expected.
    """
    return reference.layer(GOOGLENET, name, weights, inputs, dtype=dtype)


def layer_gradients(
    name: str,
    weights: Mapping[str, Array],
    inputs: Array,
    cotangent: Array,
    *,
    dtype: str = "float64",
) -> LayerGradients:
    """Gradients of ``sum(layer(name, weights, inputs) * cotangent)``.

    Args:
        name, weights, inputs, dtype: As in :func:`layer`.
        cotangent: An array in the shape of the layer's output.

    Returns:
        ``({"weight": …, "bias": …}, input gradient)``; for a block the keys are ``p1_1.weight`` and so on.

    Raises:
        UnknownLayerError, ImagesError, OptionError: What was wrong, and what was expected.
    """
    return reference.layer_gradients(GOOGLENET, name, weights, inputs, cotangent, dtype=dtype)
