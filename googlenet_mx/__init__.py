"""GoogLeNet in MXNet Gluon.

>>> from googlenet_mx import GoogLeNet, export_weights  # before the first "import mxnet": NumPy lacks what that needs
>>> import mxnet as mx
>>> model = GoogLeNet(num_classes=10, in_channels=1)
>>> model.initialize(mx.init.Xavier())
>>> logits = model(mx.nd.random.uniform(shape=(2, 1, 96, 96)))  # images N x C x H x W to logits N x num_classes
>>> weights = export_weights(model)  # 116 NumPy arrays that googlenet_torch and googlenet_tf import as they are
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from googlenet_mx import _numpy_bool  # noqa: F401 -- first, as it makes "import mxnet" work everywhere below
from googlenet_mx.model import GoogLeNet, Inception
from googlenet_mx.weights import export_weights, import_weights
from netparity.system.lazy import lazy

if TYPE_CHECKING:
    from googlenet_mx.checkpoint import load_checkpoint, save_checkpoint
else:  # with all that reads files
    __getattr__, __dir__ = lazy(__name__, __file__)

__all__ = ["GoogLeNet", "Inception", "export_weights", "import_weights", "load_checkpoint", "save_checkpoint"]
