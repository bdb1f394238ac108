"""TensorFlow as the comparer meets it: see :mod:`googlenet_np.backend` for the contract.

What runs once runs eagerly, since tracing a ``tf.function`` through this network takes longer than one pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from googlenet_np import layout
from googlenet_np.architecture import GOOGLENET
from googlenet_np.backend import DType, Gradients, LayerGradients, check_dtype
from googlenet_np.weights import check_weights, weights_like
from googlenet_tf.model import GoogLeNet
from googlenet_tf.weights import canonical_array, export_weights, import_weights, named_layer, named_variables

__all__ = ["Backend", "BuiltModel"]

Array = npt.NDArray[Any]


class Backend:
    """TensorFlow through ``googlenet_tf``.

    Args:
        padding: As :class:`~googlenet_tf.GoogLeNet` takes it. Only ``"symmetric"`` can agree with the other frameworks.
    """

    name = "tf"

    def __init__(self, padding: str = "symmetric") -> None:
        self._padding = padding

    def versions(self) -> dict[str, str]:
        """TensorFlow's, Keras' and NumPy's versions."""
        return {"tensorflow": tf.__version__, "keras": version("keras"), "numpy": np.__version__}

    def build(self, weights: Mapping[str, Array], dtype: DType) -> BuiltModel:
        """A model of ``dtype`` with these canonical weights; channels and classes follow from their shapes.

        Raises:
            OptionError: ``dtype`` is not float32 or float64.
            WeightsError: The set is not canonical, or holds float64 for a float32 model.
        """
        check_weights(weights)
        in_channels, num_classes = weights_like(weights)
        model = GoogLeNet(num_classes, in_channels, self._padding, dtype=check_dtype(dtype))
        import_weights(model, weights)
        return BuiltModel(model)


class BuiltModel:
    """One Keras model behind NumPy arrays, NCHW at the border and NHWC within.

    Args:
        model: A model that has weights.
    """

    def __init__(self, model: GoogLeNet) -> None:
        self.model = model
        self._predict: dict[tuple[int, ...], Any] = {}

    def activations(self, images: Array) -> dict[str, Array]:
        """Every named activation of one forward pass over ``images`` (N, C, H, W), in canonical order."""
        with _recorded({name: named_layer(self.model, name) for name in GOOGLENET.names}) as outputs:
            self.model(self._to_nhwc(images))
        return {name: _to_nchw(outputs[name]) for name in GOOGLENET.names}

    def layer(self, name: str, inputs: Array) -> Array:
        """The output of one named layer, or of one block, on ``inputs``.

        Raises:
            UnknownLayerError: No layer has that name.
        """
        return _to_nchw(named_layer(self.model, GOOGLENET[name].name)(self._to_nhwc(inputs)))

    def gradients(self, images: Array, labels: Array) -> Gradients:
        """Mean cross-entropy of ``images`` (N, C, H, W) and ``labels`` (N,) integer, and all its gradients."""
        x = self._to_nhwc(images)
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, self.model(x)))
        weights, inputs = _gradients(tape, loss, named_variables(self.model), x)
        return Gradients(float(loss), weights, inputs)

    def layer_gradients(self, name: str, inputs: Array, cotangent: Array) -> LayerGradients:
        """Gradients of ``sum(layer(name, inputs) * cotangent)``.

        Raises:
            UnknownLayerError: No layer has that name.
        """
        layer = named_layer(self.model, GOOGLENET[name].name)
        variables = {"weight": layer.kernel, "bias": layer.bias} if GOOGLENET[name] in GOOGLENET.weighted else {}
        x = self._to_nhwc(inputs)
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = layer(x)
        return LayerGradients(*_gradients(tape, outputs, variables, x, self._to_nhwc(cotangent)))

    def predict(self, images: Array) -> Array:
        """Logits (N, num_classes) of ``images`` (N, C, H, W), by a graph that is traced once for each input shape."""
        x = self._to_nhwc(images)
        shape = tuple(x.shape)
        if shape not in self._predict:
            # Apart from each other: one tf.function warns when it meets many shapes.
            self._predict[shape] = tf.function(self.model).get_concrete_function(tf.TensorSpec(shape, x.dtype))
        return _to_nchw(self._predict[shape](x))

    def export_weights(self) -> dict[str, Array]:
        """The model's weights as canonical copies, in the model's dtype."""
        return export_weights(self.model)

    def _to_nhwc(self, array: Array) -> tf.Tensor:
        return tf.convert_to_tensor(layout.nchw_to_nhwc(array) if array.ndim == 4 else array, self.model.compute_dtype)


def _to_nchw(tensor: tf.Tensor) -> Array:
    array = np.asarray(tensor)
    return np.array(layout.nhwc_to_nchw(array) if array.ndim == 4 else array, order="C")


def _gradients(
    tape: tf.GradientTape,
    target: tf.Tensor,
    variables: Mapping[str, Any],
    x: tf.Tensor,
    cotangent: tf.Tensor | None = None,
) -> tuple[dict[str, Array], Array]:
    """The gradients by the variables and by ``x``, in canonical layouts; zero where ``target`` depends on none."""
    *weights, inputs = tape.gradient(
        target, [*variables.values(), x], cotangent, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    return dict(zip(variables, map(canonical_array, weights), strict=True)), _to_nchw(inputs)


@contextmanager
def _recorded(layers: Mapping[str, tf.keras.layers.Layer]) -> Iterator[dict[str, tf.Tensor]]:
    """Within the block, what each layer computes goes into the dictionary: Keras has no forward hooks."""
    outputs: dict[str, tf.Tensor] = {}

    def recording(name: str, call: Any) -> Any:
        def recorded(*args: Any, **kwargs: Any) -> tf.Tensor:
            outputs[name] = call(*args, **kwargs)
            return outputs[name]

        return recorded

    try:
        for name, layer in layers.items():
            layer.call = recording(name, layer.call)
        yield outputs
    finally:
        for layer in layers.values():
            del layer.call
