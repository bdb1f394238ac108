"""How far activations stray in a forward pass in which every sum errs by its bound, and which kinks that decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from netparity.network import reference
from netparity.network.contract import Array, DType
from netparity.network.kinds import Kinks, Layer
from netparity.network.network import IMAGES, Network
from netparity.verdict.bounds import Bound


def noise_floor(
    network: Network,
    weights: Mapping[str, Array],
    activations: Mapping[str, Array],
    bound_of: Callable[[Layer], Bound | None],
    dtype: DType,
    *,
    samples: int,
    seed: int,
) -> tuple[dict[str, float], Kinks]:
    """How far each layer's worst entry strays, and the undecided kinks of the first ``samples`` images.

    Two runs of the reference in the working precision, every sum moved by its probable bound: with a random sign for
    each entry; and all of them up, which is the worst that roundings can do to one-signed weights. Kinks are those of
    the second run that an error of the floor may decide.

    Args:
        network: The network.
        weights: A canonical set.
        activations: Every exact activation, float64, and the images.
        bound_of: How far rounding may take a layer by itself; None for one that rounds nothing.
        dtype: The working precision.
        samples: Images whose kinks are counted.
        seed: Seed of the signs.
    """
    random = np.random.default_rng(seed)
    weights = {name: array.astype(dtype) for name, array in weights.items()}
    floor = dict.fromkeys([IMAGES, *network.names], 0.0)
    kinks = []
    for sign in (None, 1):
        moved = {IMAGES: activations[IMAGES].astype(dtype)}
        for layer in network:
            inputs = [moved[name] for name in layer.inputs]
            output = reference.before_activation(layer, inputs, weights)
            if (bound := bound_of(layer)) is not None:
                output += bound.probable * (_signs(random, output.shape) if sign is None else sign)
            before = output[:samples].copy() if sign and layer.activated else output[:samples]
            moved[layer.name] = layer.activate(output)
            strayed = np.abs(moved[layer.name] - activations[layer.name]).max()
            floor[layer.name] = max(floor[layer.name], float(strayed))
            if sign:
                # An entry within the floor of its kink was moved by as much at most: it is within twice that.
                error, input_error = 2 * floor[layer.name], floor[layer.inputs[0]]
                x, after_a_pool = inputs[0][:samples], network.reads_a_pool(layer)
                kinks.append(layer.undecided(before, x, error, input_error, after_a_pool=after_a_pool))
    del floor[IMAGES]
    return floor, Kinks(*map(sum, zip(*kinks, strict=True)))


def _signs(random: np.random.Generator, shape: tuple[int, ...]) -> Array:
    count = int(np.prod(shape))
    bits = np.unpackbits(np.frombuffer(random.bytes(-(-count // 8)), np.uint8), count=count)
    return (bits.astype(np.float32) * 2 - 1).reshape(shape)
