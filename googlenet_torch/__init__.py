"""GoogLeNet in PyTorch.

>>> import torch
>>> from googlenet_torch import GoogLeNet, export_weights
>>> model = GoogLeNet(num_classes=10, in_channels=1)
>>> logits = model(torch.rand(2, 1, 96, 96))  # images N x C x H x W to logits N x num_classes
>>> weights = export_weights(model)  # 116 NumPy arrays that googlenet_tf and googlenet_mx import as they are
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from googlenet_torch.model import GoogLeNet, Inception
from googlenet_torch.weights import export_weights, import_weights
from netparity.system.lazy import lazy

if TYPE_CHECKING:
    from googlenet_torch.checkpoint import load_checkpoint, save_checkpoint
else:  # with all that reads files
    __getattr__, __dir__ = lazy(__name__, __file__)

__all__ = ["GoogLeNet", "Inception", "export_weights", "import_weights", "load_checkpoint", "save_checkpoint"]
