"""Weights between a PyTorch model and the canonical NumPy set, whose layouts and names are PyTorch's own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from googlenet_np.architecture import GOOGLENET
from googlenet_np.weights import check_weights
from netparity.network.contract import Array
from netparity.network.errors import WeightsError
from netparity.network.weights import check_precision


def export_weights(model: nn.Module) -> dict[str, Array]:
    """The canonical weights set of a model: 116 contiguous copies in the model's dtype.

    Args:
        model: A ``GoogLeNet``, or what ``torch.compile`` made of one; on any device, in any memory format.

    Raises:
        WeightsError: The model is no ``GoogLeNet``, or does not know its input channels yet.
    """
    tensors = _tensors(model)
    if is_lazy(tensors["b1.conv.weight"]):
        raise WeightsError("The model does not know its input channels yet; call it once, or import weights into it.")
    # NumPy copies, in one thread. PyTorch would take several, which on busy cores wait for each other far longer.
    return {name: tensor.cpu().numpy().copy() for name, tensor in tensors.items()}


def import_weights(model: nn.Module, weights: Mapping[str, Array]) -> None:
    """Writes a canonical weights set into a ``GoogLeNet``: all of it or, on error, none of it.

    A model that does not know its input channels yet (``in_channels=None``) takes them from the weights.

    Args:
        model: As in :func:`export_weights`.
        weights: Canonical names to arrays, which are neither changed nor kept. float32 goes into a float64 model.

    Raises:
        WeightsError: The set is not canonical, is for other channels or classes, or would lose bits in the model's
            dtype (float64 into float32); or the model is no ``GoogLeNet``.
    """
    tensors = _tensors(model)
    kernel, bias = tensors["b1.conv.weight"], tensors["fc.bias"]
    check_weights(weights, in_channels=None if is_lazy(kernel) else kernel.shape[1], num_classes=bias.shape[0])
    check_precision(weights, {name: str(tensor.dtype).removeprefix("torch.") for name, tensor in tensors.items()})
    with torch.no_grad():
        if is_lazy(kernel):
            channels = weights["b1.conv.weight"].shape[1]
            model.get_submodule("b1.conv")(torch.zeros(1, channels, 1, 1, dtype=kernel.dtype, device=kernel.device))
            tensors = _tensors(model)
        for name, tensor in tensors.items():
            host = tensor.cpu()  # the tensor itself, if it is there already
            np.copyto(host.numpy(), weights[name])
            tensor.copy_(host)  # to another device; else it copies nothing, and tells autograd of the change


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    """The model's tensors themselves, not copies, under canonical names and in canonical order."""
    names = GOOGLENET.parameter_shapes()
    tensors = {name.replace("_orig_mod.", ""): tensor for name, tensor in model.state_dict().items()}
    if difference := sorted(tensors.keys() ^ names.keys()):
        raise WeightsError(f"The model is no GoogLeNet: its state_dict differs in {', '.join(difference)}.")
    return {name: tensors[name] for name in names}
