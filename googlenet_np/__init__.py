"""The shared NumPy layer: architecture, canonical weights, the reference, and the contract that backends keep.

>>> from googlenet_np import forward, init_weights, sample_images
>>> images, labels = sample_images(2)
>>> forward(init_weights(0), images)["fc"].shape
(2, 10)
"""

from googlenet_np.architecture import GOOGLENET, Architecture, LayerRow, layer_table
from googlenet_np.backend import Backend, BuiltModel, Gradients, LayerGradients
from googlenet_np.batches import Batches
from googlenet_np.errors import (
    DataError,
    FileError,
    GoogLeNetError,
    ImagesError,
    OptionError,
    UnknownLayerError,
    WeightsError,
)
from googlenet_np.fashion_mnist import CLASSES, FashionMNIST, find_fashion_mnist, load_fashion_mnist
from googlenet_np.idx import read_idx
from googlenet_np.images import check_images, check_labels, load_images, sample_images
from googlenet_np.reference import forward, gradients, layer, layer_gradients
from googlenet_np.weights import check_weights, init_weights, load_weights, save_weights

__all__ = [
    "CLASSES",
    "GOOGLENET",
    "Architecture",
    "Backend",
    "Batches",
    "BuiltModel",
    "DataError",
    "FashionMNIST",
    "FileError",
    "GoogLeNetError",
    "Gradients",
    "ImagesError",
    "LayerGradients",
    "LayerRow",
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
