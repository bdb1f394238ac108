"""TensorFlow's side of the contract in :mod:`netparity.network.contract`: NCHW at the border, NHWC within.

What runs once runs eagerly, since tracing a ``tf.function`` through this network takes longer than one pass.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import cached_property, partial
from importlib.metadata import version
from typing import Any

import numpy as np
import tensorflow as tf

from googlenet_np.architecture import GOOGLENET
from googlenet_np.backend import TrainedModel, checked_sizes, parameters_in
from googlenet_tf.inference import Inference
from googlenet_tf.joint import JointTraining
from googlenet_tf.layers import KERAS_2
from googlenet_tf.model import GoogLeNet
from googlenet_tf.training import Training
from googlenet_tf.ways import Ways
from googlenet_tf.weights import canonical_array, export_weights, import_weights, named_layer, named_variables
from netparity.network import layout
from netparity.network.contract import Array, DType, Gradients, Hyperparameters, LayerGradients
from netparity.network.errors import OptionError
from netparity.network.images import check_cotangent


class Backend:
    """TensorFlow behind :class:`netparity.network.contract.Backend`, with the ``padding`` of ``GoogLeNet``."""

    name = "tf"

    def __init__(self, padding: str = "symmetric") -> None:
        self._padding = padding
        self._strategy: tf.distribute.Strategy | None = None

    def versions(self) -> dict[str, str]:
        """TensorFlow's, Keras' and NumPy's versions."""
        return {"tensorflow": tf.__version__, "keras": version("keras"), "numpy": np.__version__}

    def join(self) -> tuple[int, int]:
        """Meets the other workers that TensorFlow's own variable ``TF_CONFIG`` lists; before TensorFlow does anything.

        A chief is first. It takes Keras 3, and workers of one device each.
        """
        if "TF_CONFIG" not in os.environ:
            return 0, 1
        rank, count = _worker()
        if count == 1:
            return 0, 1
        if KERAS_2:
            raise OptionError("Several processes need Keras 3; this is Keras 2.")
        try:
            self._strategy = tf.distribute.MultiWorkerMirroredStrategy()
        except (RuntimeError, tf.errors.OpError) as error:
            raise OptionError(f"TensorFlow cannot meet the other workers of TF_CONFIG: {error}") from None
        if self._strategy.num_replicas_in_sync != count:
            devices = self._strategy.num_replicas_in_sync
            raise OptionError(f"The {count} workers of TF_CONFIG have {devices} devices; expected one of each.")
        return rank, count

    def build(self, weights: Mapping[str, Array], dtype: DType) -> TFModel:
        in_channels, num_classes = checked_sizes(weights, dtype)
        with self._strategy.scope() if self._strategy else nullcontext():
            model = GoogLeNet(num_classes, None, self._padding, dtype=dtype)
            for layer in GOOGLENET.weighted:  # random weights, which the given ones replace at once, would take longer
                named_layer(model, layer.name).kernel_initializer = tf.keras.initializers.Zeros()
            model.build((None, None, None, in_channels))
        import_weights(model, weights)
        return TFModel(model, self._strategy)


class SamePadding(Backend):
    """TensorFlow as the source document has it, padded by Keras: a backend that differs, and that a lesson can run."""

    def __init__(self) -> None:
        super().__init__("same")


class TFModel(Ways, TrainedModel):
    """A ``GoogLeNet`` behind :class:`netparity.network.contract.BuiltModel`, where the methods are described.

    Args:
        model: One that has weights. It is used, not copied: weights written later do count, except in ``predict``,
            which keeps those of its first call for each shape, until the next ``train``.
        strategy: As :class:`~googlenet_tf.joint.JointTraining` takes it.
    """

    def __init__(self, model: GoogLeNet, strategy: tf.distribute.Strategy | None = None) -> None:
        assert model.in_channels is not None  # it has weights
        super().__init__(model.in_channels, model.fc.units, model.dtype)
        self._model = model
        self._strategy = strategy

    def activations(self, images: Array) -> dict[str, Array]:
        outputs: dict[str, tf.Tensor] = {}

        def record(name: str, call: Any, *args: Any, **kwargs: Any) -> tf.Tensor:
            outputs[name] = call(*args, **kwargs)
            return outputs[name]

        layers = {name: named_layer(self._model, name) for name in GOOGLENET.names}
        with replaced_calls({layer: partial(record, name, layer.call) for name, layer in layers.items()}):
            self._model(self._images(images))
        return {name: _array(outputs[name]) for name in GOOGLENET.names}

    def layer(self, name: str, inputs: Array) -> Array:
        return _array(named_layer(self._model, GOOGLENET[name].name)(self._tensor(inputs)))

    def gradients(self, images: Array, labels: Array) -> Gradients:
        x = self._images(images, labels)
        with tf.GradientTape() as tape:
            tape.watch(x)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels.astype(np.int64), self._model(x))
            loss = tf.reduce_mean(losses)
        return Gradients(float(loss), *_gradients(tape, loss, named_variables(self._model), x))

    def layer_gradients(self, name: str, inputs: Array, cotangent: Array) -> LayerGradients:
        layer = named_layer(self._model, GOOGLENET[name].name)
        x = self._tensor(inputs)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
        check_cotangent(name, cotangent, _array(y).shape)
        variables = parameters_in(name, named_variables(self._model))
        return LayerGradients(*_gradients(tape, y, variables, x, self._tensor(cotangent)))

    def predict(self, images: Array) -> Array:
        return _array(self._inference(self._images(images)))

    def training(self, hyperparameters: Hyperparameters) -> Training:
        if self._strategy:
            return JointTraining(self._model, hyperparameters, self._strategy)
        return Training(self._model, hyperparameters)

    def export_weights(self) -> dict[str, Array]:
        return export_weights(self._model)

    @cached_property
    def _inference(self) -> Inference:
        return Inference(self._model)

    def _tensor(self, array: Array) -> tf.Tensor:
        return tf.convert_to_tensor(layout.nchw_to_nhwc(array) if array.ndim == 4 else array, self._model.compute_dtype)


def _worker() -> tuple[int, int]:
    """This process's place among the workers of ``TF_CONFIG``, and how many there are."""
    try:
        resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
        jobs = resolver.cluster_spec().as_dict()
        chiefs = len(jobs.get("chief", ()))
        workers = {"chief": range(chiefs), "worker": range(chiefs, chiefs + len(jobs.get("worker", ())))}
        return workers[resolver.task_type][resolver.task_id], workers["worker"].stop
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise OptionError(
            f"TF_CONFIG describes no place among workers ({error!r}); expected "
            '{"cluster": {"worker": [addresses]}, "task": {"type": "worker", "index": number}}.'
        ) from None


def _array(tensor: tf.Tensor) -> Array:
    array = np.asarray(tensor)
    return np.array(layout.nhwc_to_nchw(array) if array.ndim == 4 else array, order="C")


def _gradients(
    tape: tf.GradientTape, target: tf.Tensor, variables: Mapping[str, Any], x: tf.Tensor, cotangent: Any = None
) -> tuple[dict[str, Array], Array]:
    """The gradients by the variables and by ``x``, in canonical layouts; zero where ``target`` depends on none."""
    *weights, inputs = tape.gradient(
        target, [*variables.values(), x], cotangent, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    return dict(zip(variables, map(canonical_array, weights), strict=True)), _array(inputs)


@contextmanager
def replaced_calls(calls: Mapping[tf.keras.layers.Layer, Callable[..., tf.Tensor]]) -> Iterator[None]:
    """Within the block, layers are called by what is given for them: Keras has no hooks."""
    try:
        for layer, call in calls.items():
            layer.call = call
        yield
    finally:
        for layer in calls:
            del layer.call
