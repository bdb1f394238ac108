"""The network as TensorFlow runs it fastest on the CPU, for inference alone.

Traced from the model itself, so that whatever the model does, this does too, with three differences that change no bit
of what comes out:

- Weights are constants, which oneDNN lays out once, and not in every call.
- A padded pool pads by itself, and not a copy of its input, which takes 5 % of the time of 32 images (measured). For
  training oneDNN has no backward pass of that.
- Biases are added by the operation that the graph optimiser looks for; for what Keras writes it takes 0.25 s longer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import tensorflow as tf

from googlenet_np.architecture import GOOGLENET
from googlenet_tf.model import GoogLeNet, SymmetricConv2D, SymmetricMaxPool2D, on_four_sides
from googlenet_tf.weights import named_layer

Call = Callable[[tf.Tensor], tf.Tensor]


def _convolve(layer: tf.keras.layers.Conv2D, x: tf.Tensor) -> tf.Tensor:
    return layer.activation(tf.nn.bias_add(layer.convolution_op(x, layer.kernel), layer.bias))


def _pool(layer: SymmetricMaxPool2D, x: tf.Tensor) -> tf.Tensor:
    return tf.nn.max_pool2d(x, layer.pool_size, layer.strides, padding=on_four_sides(layer.pool_size))


CALLS: dict[type, Callable[[Any, tf.Tensor], tf.Tensor]] = {
    tf.keras.layers.Conv2D: _convolve,
    SymmetricConv2D: _convolve,
    SymmetricMaxPool2D: _pool,
}
"""What layers are called by, those alone that are just what ``model.py`` makes: convolutions and padded pools."""


class Inference:
    """A network that computes what ``model`` does, traced at the first call for each shape of input, and kept.

    The model has weights; those written after a trace do not count in it.
    """

    def __init__(self, model: GoogLeNet) -> None:
        self._model = model
        self._graphs: dict[tuple[int, ...], Any] = {}

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Logits (N, num_classes) of ``images`` (N, H, W, C)."""
        shape = tuple(images.shape)
        if shape not in self._graphs:
            # A graph for each shape: TensorFlow would warn of one function that is traced for many.
            graph = tf.function(self._function(), autograph=False)
            with replaced_calls(self._calls()):
                self._graphs[shape] = graph.get_concrete_function(tf.TensorSpec(shape, images.dtype))
        return self._graphs[shape](images)

    def _function(self) -> Call:
        """The model with constant weights; with Keras 2 as it is."""
        model = self._model
        if not hasattr(model, "stateless_call"):
            return model
        trainable = [variable.numpy() for variable in model.trainable_variables]
        others = [variable.numpy() for variable in model.non_trainable_variables]

        def function(images: tf.Tensor) -> tf.Tensor:
            logits, _ = model.stateless_call([*map(tf.constant, trainable)], [*map(tf.constant, others)], images)
            return logits

        return function

    def _calls(self) -> dict[tf.keras.layers.Layer, Call]:
        layers = [named_layer(self._model, name) for name in GOOGLENET.names]
        return {layer: partial(CALLS[type(layer)], layer) for layer in layers if type(layer) in CALLS}


@contextmanager
def replaced_calls(calls: Mapping[tf.keras.layers.Layer, Call]) -> Iterator[None]:
    """Within the block, layers are called by what is given for them: Keras has no hooks."""
    try:
        for layer, call in calls.items():
            layer.call = call
        yield
    finally:
        for layer in calls:
            del layer.call
