"""The network as TensorFlow runs it fastest on the CPU, for inference alone.

Traced from the model itself, so that whatever the model does, this does too, but for one thing that changes no bit of
what comes out: weights are constants, which oneDNN lays out once, and not in every call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from googlenet_tf.model import GoogLeNet


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
            self._graphs[shape] = graph.get_concrete_function(tf.TensorSpec(shape, images.dtype))
        return self._graphs[shape](images)

    def _function(self) -> Callable[[tf.Tensor], tf.Tensor]:
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
