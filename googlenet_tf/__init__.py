"""GoogLeNet in TensorFlow: a Keras model, and its weights as NumPy arrays.

Usage::

    from googlenet_np.weights import init_weights
    from googlenet_tf import GoogLeNet, export_weights, import_weights

    model = GoogLeNet(num_classes=10, in_channels=1)  # a tf.keras.Model: compile, fit, save
    import_weights(model, init_weights(seed=0))
    logits = model(images)  # N x H x W x 1 to N x 10
    weights = export_weights(model)  # NumPy arrays, in the layouts that all frameworks here share
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
