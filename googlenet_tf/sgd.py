"""Keras' SGD, with the weight decay that PyTorch and MXNet have."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


class SGD(tf.keras.optimizers.SGD):
    """Keras' own, with weight decay that goes through the momentum; ``weight_decay`` of Keras goes past it.

    Of each parameter, ``l2`` times its value is added to its gradient.
    """

    def __init__(self, *args: Any, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.l2 = l2

    def update_step(self, gradient: tf.Tensor, variable: Any, *args: Any) -> None:
        """One parameter's step; Keras 3 passes the learning rate, too."""
        if self.l2:
            gradient = gradient + tf.cast(self.l2, variable.dtype) * tf.convert_to_tensor(variable)
        super().update_step(gradient, variable, *args)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "l2": self.l2}
