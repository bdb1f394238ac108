"""GoogLeNet's canonical weights: seeded initialisation, and whether weights are such a set.

A weights set is a ``dict`` of 116 arrays under canonical names (``b1.conv.weight`` … ``fc.bias``), kernels OIHW,
dense (out, in). How many image channels and classes it is for follows from the shapes of its first and last layer.
"""

from __future__ import annotations

import math

import numpy as np

from googlenet_np.architecture import GOOGLENET, on_googlenet
from netparity.network import weights as checks
from netparity.network.contract import Array
from netparity.network.errors import OptionError

SCHEMES = ("xavier_uniform", "pytorch", "keras", "gluon")


def init_weights(
    seed: int, *, in_channels: int = 1, num_classes: int = 10, scheme: str = "xavier_uniform"
) -> dict[str, Array]:
    """Seeded canonical float32 weights, drawn by NumPy's PCG64: the same bits on every platform.

    Schemes:
        ``xavier_uniform``: weights U(±√(6 / (fan_in + fan_out))) (Glorot & Bengio, AISTATS 2010, eq. 16), biases
        U(±1/√fan_in): what the source document's PyTorch tab trains with. The biases are not zero, on purpose:
        over zero biases a forgotten one would go unseen.
        ``pytorch``: PyTorch's default, weights and biases U(±1/√fan_in).
        ``keras``: Keras' default, Glorot uniform weights, zero biases.
        ``gluon``: Gluon's default, weights U(±0.07), zero biases.

    Raises:
        OptionError: An unknown scheme, a negative seed, or a count under 1.
    """
    if scheme not in SCHEMES:
        raise OptionError(f"The initialisation scheme is {scheme!r}; expected one of {', '.join(SCHEMES)}.")
    if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool) or seed < 0:
        raise OptionError(f"The seed is {seed!r}; expected a whole number of 0 or more.")
    random = np.random.Generator(np.random.PCG64(int(seed)))
    weights: dict[str, Array] = {}
    fan_in = fan_out = 1
    for name, shape in GOOGLENET.parameter_shapes(in_channels, num_classes).items():
        if name.endswith(".weight"):
            receptive_field = math.prod(shape[2:])
            fan_out, fan_in = shape[0] * receptive_field, shape[1] * receptive_field
            glorot = math.sqrt(6 / (fan_in + fan_out))
            limits = {"xavier_uniform": glorot, "pytorch": 1 / math.sqrt(fan_in), "keras": glorot, "gluon": 0.07}
            limit = limits[scheme]
        else:
            limit = 1 / math.sqrt(fan_in) if scheme in ("xavier_uniform", "pytorch") else 0.0
        # Not random.uniform: a compiler may fuse its product and sum, and round once where others round twice.
        weights[name] = (random.random(shape) * (2 * limit) - limit).astype(np.float32)
    return weights


weights_like = on_googlenet(checks.weights_like, __name__)
check_weights = on_googlenet(checks.check_weights, __name__)
check_state = on_googlenet(checks.check_state, __name__)
