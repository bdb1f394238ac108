"""GoogLeNet in NumPy: its architecture, canonical weights, the reference, sample images, and Fashion-MNIST.

>>> from googlenet_np import forward, init_weights, sample_images
>>> images, labels = sample_images(2)
>>> forward(init_weights(0), images)["fc"].shape
(2, 10)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netparity.system.lazy import lazy

if TYPE_CHECKING:  # each name as itself, which makes it public for type checkers
    from googlenet_np.architecture import GOOGLENET as GOOGLENET
    from googlenet_np.architecture import layer_table as layer_table
    from googlenet_np.batches import Batches as Batches
    from googlenet_np.fashion_mnist import CLASSES as CLASSES
    from googlenet_np.fashion_mnist import FashionMNIST as FashionMNIST
    from googlenet_np.fashion_mnist import find_fashion_mnist as find_fashion_mnist
    from googlenet_np.fashion_mnist import load_fashion_mnist as load_fashion_mnist
    from googlenet_np.idx import read_idx as read_idx
    from googlenet_np.images import sample_images as sample_images
    from googlenet_np.reference import forward as forward
    from googlenet_np.reference import gradients as gradients
    from googlenet_np.reference import layer as layer
    from googlenet_np.reference import layer_gradients as layer_gradients
    from googlenet_np.weight_files import load_weights as load_weights
    from googlenet_np.weight_files import save_weights as save_weights
    from googlenet_np.weights import check_weights as check_weights
    from googlenet_np.weights import init_weights as init_weights
    from netparity.files.pictures import load_images as load_images
    from netparity.network.contract import Backend as Backend
    from netparity.network.contract import BuiltModel as BuiltModel
    from netparity.network.contract import Gradients as Gradients
    from netparity.network.contract import LayerGradients as LayerGradients
    from netparity.network.errors import DataError as DataError
    from netparity.network.errors import FileError as FileError
    from netparity.network.errors import ImagesError as ImagesError
    from netparity.network.errors import NetparityError as NetparityError
    from netparity.network.errors import OptionError as OptionError
    from netparity.network.errors import UnknownLayerError as UnknownLayerError
    from netparity.network.errors import WeightsError as WeightsError
    from netparity.network.images import check_images as check_images
    from netparity.network.images import check_labels as check_labels
    from netparity.network.network import LayerRow as LayerRow
    from netparity.network.network import Network as Network
else:  # each when it is asked for: the frameworks' packages have no use for most
    __getattr__, __dir__ = lazy(__name__, __file__)
