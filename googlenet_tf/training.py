"""Training in TensorFlow, to be read beside its siblings ``googlenet_{torch,tf,mx}/training.py``.

TensorFlow leaves the step to Keras' ``fit`` or, as here, to the user: see ``Training.tensor_step``. A tape makes the
gradients anew, and the whole step is traced once.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from googlenet_tf.model import GoogLeNet
from googlenet_tf.sgd import SGD
from googlenet_tf.weights import canonical_array, keras_array, named_variables
from netparity.network.contract import Array, Batch, Hyperparameters, Listener, OptimizerState, Step
from netparity.network.layout import nchw_to_nhwc


class Training:
    """Stochastic gradient descent on a ``GoogLeNet``.

    Args:
        model: One that has weights.
        hyperparameters: Of the optimiser and the loss.
    """

    shared = False  # whether other processes have parts of each batch

    def __init__(self, model: GoogLeNet, hyperparameters: Hyperparameters) -> None:
        self.model = model
        self.hyperparameters = hyperparameters
        self.loss = partial(
            tf.keras.losses.categorical_crossentropy, from_logits=True, label_smoothing=hyperparameters.label_smoothing
        )
        self.optimizer = SGD(
            hyperparameters.lr,
            momentum=hyperparameters.momentum,
            l2=hyperparameters.weight_decay,
        )
        self.optimizer.build(model.trainable_variables)
        # A step is traced once, for batches of any length and size.
        shapes = (None, None, None, model.in_channels), (None, model.fc.units)
        signature = [tf.TensorSpec(shape, model.dtype) for shape in shapes]
        self.traced = tf.function(self.tensor_step, input_signature=signature, autograph=False)

    def train(self, batches: Iterable[Batch], listener: Listener | None = None) -> None:
        """One step for each batch of images (N, C, H, W), in the model's dtype, and labels (N,)."""
        for images, labels in batches:
            step = self.step(images, labels)
            if listener:
                listener(step)

    def step(self, images: Array, labels: Array) -> Step:
        """One step on one batch; what it saw before it changed the weights."""
        x = tf.constant(nchw_to_nhwc(images))
        y = tf.constant(np.eye(self.model.fc.units, dtype=images.dtype)[labels])  # Keras smooths no others
        return Step(*(number.numpy().item() for number in self.traced(x, y)))

    def tensor_step(self, x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """The step itself, on images (N, H, W, C) and labels (N, num_classes)."""
        with tf.GradientTape() as tape:
            logits = self.model(x, training=True)
            loss = tf.reduce_mean(self.loss(y, logits))  # this loss is one number per image
        variables = self.model.trainable_variables
        gradients = tape.gradient(loss, variables)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        right = tf.argmax(logits, axis=1) == tf.argmax(y, axis=1)
        return loss, tf.reduce_mean(tf.cast(right, tf.float64)), tf.shape(y)[0]

    def export_state(self) -> OptimizerState:
        """Copies of the momenta under canonical names; empty without momentum."""
        momenta = {name: canonical_array(tf.convert_to_tensor(m)) for name, m in self._momenta().items()}
        return OptimizerState(momenta, self._scale)

    def import_state(self, state: OptimizerState) -> None:
        """Goes on from this state, whichever framework made it."""
        arrays = state.scaled(self._scale)
        for name, momentum in self._momenta().items():
            momentum.assign(keras_array(arrays[name], self.model.dtype) if arrays else tf.zeros_like(momentum))

    @property
    def _scale(self) -> float:
        """Keras keeps the last change of the weights, -lr * v."""
        return -1 / float(tf.convert_to_tensor(self.optimizer.learning_rate))

    def _momenta(self) -> dict[str, Any]:
        """The optimiser's momentum variables under canonical parameter names."""
        if not self.optimizer.momentum:
            return {}
        by_id = dict(zip(map(id, self.model.trainable_variables), self.optimizer.momentums, strict=True))
        return {name: by_id[id(variable)] for name, variable in named_variables(self.model).items()}
