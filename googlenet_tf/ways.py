"""TensorFlow's ways through this network, for the benchmark: the plain one, and what makes it faster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from googlenet_tf.model import GoogLeNet
from googlenet_tf.training import Training
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
        classes = self._model.fc.units
        return {
            "eager": lambda: _steps(Training(self._model, hyperparameters).tensor_step, classes),
            "tf.function": lambda: _steps(tf.function(Training(self._model, hyperparameters).tensor_step), classes),
        }


def _forward(call: Callable[[tf.Tensor], tf.Tensor]) -> Forward:
    def forward(images: Array) -> Array:
        return np.array(call(tf.constant(layout.nchw_to_nhwc(images))))

    return forward


def _steps(step: Callable[..., Sequence[tf.Tensor]], classes: int) -> Steps:
    def steps(batches: Sequence[Batch]) -> list[float]:
        losses = []
        for images, labels in batches:
            loss, *_ = step(tf.constant(layout.nchw_to_nhwc(images)), tf.one_hot(labels, classes, dtype=images.dtype))
            losses.append(float(loss))
        return losses

    return steps
