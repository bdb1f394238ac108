"""GoogLeNet's canonical weights in safetensors files: :mod:`netparity.files.weights` on GoogLeNet."""

from __future__ import annotations

from googlenet_np.architecture import on_googlenet
from netparity.files import weights

load_weights = on_googlenet(weights.load_weights, __name__)
save_weights = on_googlenet(weights.save_weights, __name__)
