"""One batch in the parts of several processes, which a distribution strategy trains on as one process would."""

from __future__ import annotations

import tensorflow as tf

from googlenet_tf.model import GoogLeNet
from googlenet_tf.training import Training
from netparity.network.contract import Hyperparameters


class JointTraining(Training):
    """``Training`` whose processes take each step together, each with a part of the batch. Keras 3 alone.

    Args:
        model: One that was made in the strategy's scope.
        hyperparameters: Of the optimiser and the loss.
        strategy: A ``MultiWorkerMirroredStrategy``.
    """

    shared = True

    def __init__(self, model: GoogLeNet, hyperparameters: Hyperparameters, strategy: tf.distribute.Strategy) -> None:
        self.strategy = strategy
        with strategy.scope():
            super().__init__(model, hyperparameters)

    def tensor_step(self, x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """The step on this process's part of a batch; what all parts together saw."""
        return self.strategy.run(self._part, (x, y))

    def _part(self, x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, ...]:
        images = _sum(tf.cast(tf.shape(y)[0], y.dtype))
        with tf.GradientTape() as tape:
            logits = self.model(x, training=True)
            # Its share of the joint batch's mean; the optimiser adds the shares' gradients up.
            loss = tf.reduce_sum(self.loss(y, logits)) / images
        variables = self.model.trainable_variables
        gradients = tape.gradient(loss, variables)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        right = tf.cast(tf.argmax(logits, axis=1) == tf.argmax(y, axis=1), y.dtype)
        return _sum(loss), _sum(tf.reduce_sum(right)) / images, tf.cast(images, tf.int32)


def _sum(part: tf.Tensor) -> tf.Tensor:
    """The sum over all processes."""
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, part)
