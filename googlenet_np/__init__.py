"""The shared NumPy layer: architecture, canonical weights, the reference, and the contract that backends keep.

>>> from googlenet_np import forward, init_weights, sample_images
>>> images, labels = sample_images(2)
>>> forward(init_weights(0), images)["fc"].shape
(2, 10)
"""

from googlenet_np.architecture import GOOGLENET, Architecture, LayerRow, layer_table
from googlenet_np.backend import Backend, BuiltModel, Gradients, LayerGradients
from googlenet_np.errors import FileError, GoogLeNetError, ImagesError, OptionError, UnknownLayerError, WeightsError
from googlenet_np.images import check_images, check_labels, load_images, sample_images
from googlenet_np.reference import forward, gradients, layer, layer_gradients
from googlenet_np.weights import check_weights, init_weights, load_weights, save_weights

__all__ = [
    "GOOGLENET",
    "Architecture",
    "Backend",
    "BuiltModel",
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
    "forward",
    "gradients",
    "init_weights",
    "layer",
    "layer_gradients",
    "layer_table",
    "load_images",
    "load_weights",
    "sample_images",
    "save_weights",
]
