"""One batch in the parts of several processes: what Keras' ``fit`` needs to train on it as one process would."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from googlenet_tf.model import GoogLeNet


class JointModel(tf.keras.Model):
    """A network of which several processes train a part of each batch: its loss and metrics are the joint batch's.

    In Keras 3, ``fit`` runs in a ``MultiWorkerMirroredStrategy`` on two conditions. The model must be made outside the
    strategy's scope (only its variables inside), or ``fit`` fails: "Attempt to convert a value (PerReplica: …) with an
    unsupported type". And metrics must be one number per image, of which ``fit`` takes the mean over all processes; for
    those of Keras it fails, "Invalid reduction dimension 0 for input with 0 dimensions". Besides, Keras would take the
    mean of the parts' mean losses, which is wrong where they differ in length, and no number where one is empty.
    """

    def __init__(self, network: GoogLeNet, label_smoothing: float) -> None:
        super().__init__(dtype=network.dtype_policy)
        self.network = network
        self.label_smoothing = label_smoothing
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """The network's logits (N, num_classes)."""
        return self.network(x)

    def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, *_: Any, **__: Any) -> tf.Tensor:
        """This process's share of the joint batch's mean loss; the optimiser adds the shares' gradients up."""
        return tf.reduce_sum(self._cross_entropy(y, y_pred)) / _joint_images(y)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, *_: Any, **__: Any) -> dict[str, tf.Tensor]:
        """One number per image, each (N,)."""
        right = tf.cast(tf.argmax(y_pred, axis=1) == tf.argmax(y, axis=1), y.dtype)
        images = _joint_images(y) * tf.ones_like(right)
        return {"cross_entropy": self._cross_entropy(y, y_pred), "accuracy": right, "images": images}

    def reset_metrics(self) -> None:
        """Does nothing: the numbers are each step's own, and to reset Keras' mean loss takes all processes."""

    def _cross_entropy(self, y: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        return tf.keras.losses.categorical_crossentropy(
            y, logits, from_logits=True, label_smoothing=self.label_smoothing
        )


def _joint_images(y: tf.Tensor) -> tf.Tensor:
    """Images of all processes' parts, as a number of the labels' dtype."""
    part = tf.cast(tf.shape(y)[0], y.dtype)
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, part)
