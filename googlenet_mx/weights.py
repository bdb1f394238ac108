"""Weights between a Gluon model and the canonical NumPy set, whose layouts and names are the model's own."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import mxnet as mx
import numpy as np
import numpy.typing as npt
from mxnet import autograd
from mxnet.gluon import Parameter
from mxnet.gluon.parameter import DeferredInitializationError

from googlenet_mx.model import GoogLeNet
from googlenet_np.architecture import GOOGLENET
from googlenet_np.weights import check_weights, weights_like
from netparity.network.contract import Array
from netparity.network.errors import WeightsError
from netparity.network.weights import check_precision


def export_weights(model: GoogLeNet) -> dict[str, Array]:
    """The canonical weights set of a model: 116 contiguous copies in the model's dtype.

    Args:
        model: An initialised model, on any context, hybridized or not. Of several contexts, the first is read.

    Raises:
        WeightsError: The model is no ``GoogLeNet``, is not initialised, or does not know its input channels yet.
    """
    parameters = named_parameters(model)
    try:
        arrays = {name: parameter.list_data()[0] for name, parameter in parameters.items()}
    except DeferredInitializationError:
        raise WeightsError("The model does not know its input channels yet; call it once, or import weights.") from None
    except RuntimeError:
        raise WeightsError("The model has no weights yet; call its initialize(), or import weights.") from None
    return {name: array.asnumpy() for name, array in arrays.items()}


def import_weights(model: GoogLeNet, weights: Mapping[str, Array]) -> None:
    """Writes a canonical weights set into a ``GoogLeNet``: all of it or, on error, none of it.

    A model that is not initialised becomes so, and one that does not know its input channels yet takes them from the
    weights; neither needs a forward pass.

    Args:
        model: On any context, hybridized or not. It keeps its contexts; one that has none gets MXNet's current one.
        weights: Canonical names to arrays, which are neither changed nor kept. float32 goes into a float64 model.

    Raises:
        WeightsError: The set is not canonical, is for other channels or classes, or would lose bits in the model's
            dtype (float64 into float32); or the model is no ``GoogLeNet``.
    """
    parameters = named_parameters(model)
    # Gluon writes a length that it does not know as 0, or as -1 under npx.set_np().
    channels = parameters["b1.conv.weight"].shape[1]
    check_weights(weights, in_channels=channels if channels > 0 else None, num_classes=parameters["fc.bias"].shape[0])
    check_precision(weights, {name: np.dtype(parameter.dtype).name for name, parameter in parameters.items()})
    with autograd.pause():
        for name, shape in GOOGLENET.parameter_shapes(*weights_like(weights)).items():
            _allocate(parameters[name], shape)
            for target in parameters[name].list_data():
                _write(target, weights[name])
        # A trainer may keep copies of its parameters and go on from those; it drops them all when one is set this way.
        parameters["fc.bias"].set_data(as_ndarray(weights["fc.bias"], parameters["fc.bias"].dtype))


def named_parameters(model: GoogLeNet) -> dict[str, Parameter]:
    """The model's parameters themselves, under canonical names and in canonical order."""
    try:
        return {name: attrgetter(name)(model) for name in GOOGLENET.parameter_shapes()}
    except AttributeError as error:
        raise WeightsError(f"The model is no GoogLeNet: {error}.") from None


def as_ndarray(array: Array, dtype: npt.DTypeLike) -> Any:
    """A copy as an MXNet array of the kind that Gluon works with at the moment: ``mx.np`` or, by default, ``mx.nd``."""
    return (mx.np if mx.util.is_np_array() else mx.nd).array(array, dtype=dtype)


def _allocate(parameter: Parameter, shape: tuple[int, ...]) -> None:
    """Gives a parameter its memory, unless it has it already."""
    try:
        parameter.list_data()
        return
    except DeferredInitializationError:
        contexts = parameter.list_ctx()
    except RuntimeError:
        contexts = None
    parameter.shape = shape
    # Zeros draw no random numbers; Gluon's default initialiser would advance a user's seed.
    parameter.initialize(mx.init.Zero(), ctx=contexts)


def _write(target: Any, array: Array) -> None:
    try:
        # What ``target[:] = array`` ends in, less parsing the index: 15 ms for 116 tensors instead of 24 (measured).
        target._sync_copyfrom(array)
    except (AttributeError, mx.MXNetError):
        # The plain way. A forward pass may leave a parameter in a layout of oneDNN's own, which only it can overwrite.
        as_ndarray(array, target.dtype).copyto(target)
