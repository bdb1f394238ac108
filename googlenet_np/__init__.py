"""GoogLeNet in NumPy: its architecture, canonical weights, the reference, sample images, and Fashion-MNIST.

>>> from googlenet_np import forward, init_weights, sample_images
>>> images, labels = sample_images(2)
>>> forward(init_weights(0), images)["fc"].shape
(2, 10)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from googlenet_np.architecture import GOOGLENET, layer_table
from googlenet_np.reference import forward, gradients, layer, layer_gradients
from googlenet_np.weights import check_weights, init_weights, load_weights, save_weights
from netparity.network.contract import Backend, BuiltModel, Gradients, LayerGradients
from netparity.network.errors import (
    DataError,
    FileError,
    ImagesError,
    NetparityError,
    OptionError,
    UnknownLayerError,
    WeightsError,
)
from netparity.network.images import check_images, check_labels
from netparity.network.network import LayerRow, Network
from netparity.system.lazy import lazy

if TYPE_CHECKING:
    from googlenet_np.batches import Batches
    from googlenet_np.fashion_mnist import CLASSES, FashionMNIST, find_fashion_mnist, load_fashion_mnist
    from googlenet_np.idx import read_idx
    from googlenet_np.images import sample_images
    from netparity.files.pictures import load_images
else:  # what the frameworks' packages have no use for
    __getattr__, __dir__ = lazy(__name__, __file__)

__all__ = [
    "CLASSES",
    "GOOGLENET",
    "Backend",
    "Batches",
    "BuiltModel",
    "DataError",
    "FashionMNIST",
    "FileError",
    "Gradients",
    "ImagesError",
    "LayerGradients",
    "LayerRow",
    "NetparityError",
    "Network",
    "OptionError",
    "UnknownLayerError",
    "WeightsError",
    "check_images",
    "check_labels",
    "check_weights",
    "find_fashion_mnist",
    "forward",
    "gradients",
    "init_weights",
    "layer",
    "layer_gradients",
    "layer_table",
    "load_fashion_mnist",
    "load_images",
    "load_weights",
    "read_idx",
    "sample_images",
    "save_weights",
]
