"""GoogLeNet in TensorFlow.

>>> import tensorflow as tf
>>> from googlenet_tf import GoogLeNet, export_weights
>>> model = GoogLeNet(num_classes=10, in_channels=1)  # a tf.keras.Model: compile, fit, save
>>> logits = model(tf.random.uniform((2, 96, 96, 1)))  # images N x H x W x C to logits N x num_classes
>>> weights = export_weights(model)  # 116 NumPy arrays that googlenet_torch and googlenet_mx import as they are
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from googlenet_tf.model import GoogLeNet, Inception
from googlenet_tf.weights import export_weights, import_weights
from netparity.system.lazy import lazy

if TYPE_CHECKING:
    from googlenet_tf.checkpoint import load_checkpoint, save_checkpoint
else:  # with all that reads files
    __getattr__, __dir__ = lazy(__name__, __file__)

__all__ = ["GoogLeNet", "Inception", "export_weights", "import_weights", "load_checkpoint", "save_checkpoint"]
