"""TensorFlow's ways through this network, for the benchmark: the plain one, and what makes it faster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from googlenet_tf.model import GoogLeNet
from googlenet_tf.training import SGD
from netparity.network import layout
from netparity.network.contract import Array, Batch, Forward, Hyperparameters, Steps


class Ways:
    """:class:`netparity.network.contract.BenchmarkedModel`, whose ways train the model itself."""

    _model: GoogLeNet

    def ways(self) -> Mapping[str, Callable[[], Forward]]:
        return {
            "eager": lambda: _forward(self._model),
            "tf.function": lambda: _forward(tf.function(self._model)),
            "XLA": lambda: _forward(tf.function(self._model, jit_compile=True)),
        }

    def training_ways(self, hyperparameters: Hyperparameters) -> Mapping[str, Callable[[], Steps]]:
        return {
            "eager": lambda: _steps(_step(self._model, hyperparameters)),
            "tf.function": lambda: _steps(tf.function(_step(self._model, hyperparameters))),
        }


def _forward(call: Callable[[tf.Tensor], tf.Tensor]) -> Forward:
    def forward(images: Array) -> Array:
        return np.array(call(tf.constant(layout.nchw_to_nhwc(images))))

    return forward


def _step(model: GoogLeNet, hyperparameters: Hyperparameters) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    optimizer = SGD(hyperparameters.lr, momentum=hyperparameters.momentum, l2=hyperparameters.weight_decay, name="sgd")
    optimizer.build(model.trainable_variables)
    loss_of = tf.keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=hyperparameters.label_smoothing)
    classes = model.fc.units

    def step(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = loss_of(tf.one_hot(labels, classes, dtype=images.dtype), model(images))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    return step


def _steps(step: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> Steps:
    def steps(batches: Sequence[Batch]) -> list[float]:
        return [
            float(step(tf.constant(layout.nchw_to_nhwc(images)), tf.constant(labels))) for images, labels in batches
        ]

    return steps
