"""Weights between a Keras model and the canonical NumPy set.

Keras keeps kernels HWIO and dense weights (in, out), so every weight is permuted on its way.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from googlenet_np.architecture import GOOGLENET
from googlenet_np.weights import check_weights, weights_like
from googlenet_tf.model import GoogLeNet
from netparity.network import layout
from netparity.network.contract import Array
from netparity.network.errors import WeightsError
from netparity.network.weights import check_precision

# By rank: kernels and dense weights.
_TO_KERAS = {4: layout.oihw_to_hwio, 2: layout.out_in_to_in_out}
_TO_CANONICAL = {4: layout.hwio_to_oihw, 2: layout.in_out_to_out_in}


def export_weights(model: GoogLeNet) -> dict[str, Array]:
    """The canonical weights set of a model: 116 contiguous copies in the model's dtype.

    Raises:
        WeightsError: The model has no weights yet.
    """
    if not model.built:
        raise WeightsError("The model has no weights before its first call, as it was made with in_channels=None.")
    variables = named_variables(model)
    # All are read before one is permuted: amid large copies, each of TensorFlow's calls takes several times as long.
    tensors = [tf.raw_ops.ReadVariableOp(resource=_handles(v)[0], dtype=v.dtype) for v in variables.values()]
    with ThreadPoolExecutor() as threads:  # permuting is most of the work, and NumPy lets go of the interpreter for it
        return dict(zip(variables, threads.map(canonical_array, tensors), strict=True))


def import_weights(model: GoogLeNet, weights: Mapping[str, Array]) -> None:
    """Writes a canonical weights set into a ``GoogLeNet``: all of it or, on error, none of it.

    Args:
        model: One made with ``in_channels=None`` takes the set's channels.
        weights: Canonical names to arrays, which are neither changed nor kept. float32 goes into a float64 model.

    Raises:
        WeightsError: The set is not canonical, is for other channels or classes, or would lose bits in the model's
            dtype (float64 into float32).
    """
    check_weights(weights, in_channels=model.in_channels, num_classes=model.fc.units)
    dtype = np.dtype(tf.as_dtype(model.variable_dtype).as_numpy_dtype)
    check_precision(weights, dict.fromkeys(weights, dtype.name))
    model.build((None, None, None, weights_like(weights)[0]))
    variables = named_variables(model)

    with ThreadPoolExecutor() as threads:
        arrays = list(threads.map(lambda name: keras_array(weights[name], dtype), variables))
    for variable, array in zip(variables.values(), arrays, strict=True):
        # Not variable.assign(array), which takes three times as long; what it checks has been checked.
        for handle in _handles(variable):
            tf.raw_ops.AssignVariableOp(resource=handle, value=array)


def canonical_layout(weight: Array) -> Array:
    """A view of a Keras weight in canonical layout: HWIO to OIHW, (in, out) to (out, in); other ranks as they are."""
    return _TO_CANONICAL[weight.ndim](weight) if weight.ndim in _TO_CANONICAL else weight


def canonical_array(weight: tf.Tensor) -> Array:
    """A contiguous copy of a weight, or of the gradient by one: HWIO to OIHW, (in, out) to (out, in)."""
    return np.array(canonical_layout(np.asarray(weight)), order="C")


def keras_array(weight: Array, dtype: npt.DTypeLike) -> Array:
    """A contiguous copy of a canonical weight for Keras: OIHW to HWIO, (out, in) to (in, out)."""
    return np.array(_TO_KERAS[weight.ndim](weight) if weight.ndim in _TO_KERAS else weight, dtype, order="C")


def _handles(variable: Any) -> list[Any]:
    """Handles of a variable's memory; one for each replica in this process, if a distribution strategy made it."""
    stored = variable if isinstance(variable, tf.Variable) else variable.value  # Keras 3 wraps TensorFlow's
    replicas = stored.values if isinstance(stored, tf.distribute.DistributedValues) else (stored,)
    return [replica.handle for replica in replicas]


def named_layer(model: GoogLeNet, name: str) -> tf.keras.layers.Layer:
    """The layer, or the Inception block, that has this canonical name."""
    return attrgetter(name)(model)


def named_variables(model: GoogLeNet) -> dict[str, Any]:
    """The model's variables under canonical names, in canonical order."""
    names = [layer.name for layer in GOOGLENET.weighted]
    pairs = (("weight", "kernel"), ("bias", "bias"))
    return {f"{name}.{ours}": getattr(named_layer(model, name), keras) for name in names for ours, keras in pairs}
