"""GoogLeNet in NumPy: :mod:`netparity.network.reference` on :data:`~googlenet_np.GOOGLENET`."""

from __future__ import annotations

from googlenet_np.architecture import on_googlenet
from netparity.network import reference

forward = on_googlenet(reference.forward, __name__)
gradients = on_googlenet(reference.gradients, __name__)
layer = on_googlenet(reference.layer, __name__)
layer_gradients = on_googlenet(reference.layer_gradients, __name__)
