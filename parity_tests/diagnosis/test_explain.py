"""Causes of a layer's error in networks other than GoogLeNet; its own are in ``faults.py``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from netparity import IMAGES, Conv2d, Dense, GlobalAvgPool2d, GroundTruth, Layer, Network, diagnose
from netparity.network.operations import conv2d, relu


@dataclass(frozen=True)
class Scale(GlobalAvgPool2d):
    """A global average pool with a factor for each channel, which no other kind has."""

    parameters: ClassVar[tuple[str, ...]] = ("factor",)

    def parameter_shapes(
        self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]
    ) -> dict[str, tuple[int, ...]]:
        return {"factor": output_shape}


def truth_of(layer: Conv2d, pool: Layer) -> GroundTruth:
    """The reference of a network of a convolution, a pool and a dense layer."""
    network = Network("small", (layer, replace(pool, inputs=(layer.name,)), Dense("fc", (pool.name,))))
    random = np.random.default_rng(0)
    shapes = network.parameter_shapes(in_channels=3, num_classes=4)
    weights = {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    return GroundTruth(network, weights, random.random((2, 3, 7, 9), np.float32), np.array([0, 3]))


PLAIN = GlobalAvgPool2d("pool", (IMAGES,))


@pytest.mark.parametrize("pool", [PLAIN, Scale("pool", (IMAGES,))], ids=["plain", "parameters of another name"])
@pytest.mark.parametrize("padding", [0, 1, 2])
def test_a_missing_bias_is_found(padding: int, pool: Layer) -> None:
    truth = truth_of(Conv2d("conv", (IMAGES,), 5, kernel_size=5, padding=padding), pool)
    exact, kernel = truth.images.astype(np.float64), truth.exact_weights["conv.weight"]
    actual = relu(conv2d(exact, kernel, None, padding=padding))
    assert diagnose(truth, "conv", "float64", actual).explanations == ("bias missing",)


@pytest.mark.parametrize("padding", [1, 2])
def test_a_kernel_that_is_too_small_is_found_where_the_border_allows_it(padding: int) -> None:
    truth = truth_of(Conv2d("conv", (IMAGES,), 5, kernel_size=5, padding=padding), PLAIN)
    exact, weights = truth.images.astype(np.float64), truth.exact_weights
    inner = np.ascontiguousarray(weights["conv.weight"][:, :, 1:-1, 1:-1])
    actual = relu(conv2d(exact, inner, weights["conv.bias"], padding=padding - 1))
    assert diagnose(truth, "conv", "float64", actual).explanations == ("3×3 kernel in place of a 5×5 one",)
