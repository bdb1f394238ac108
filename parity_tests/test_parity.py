"""The claim of this project: GoogLeNet in PyTorch, TensorFlow and MXNet is one network.

One set of canonical weights, in NumPy, goes into all three. Then all three have the same 81 activations of the same
shapes, compute the same outputs, and differentiate to the same gradients: each as the float64 reference does, and each
as its neighbours do. Everything here is in NumPy at the border, with images in the layout NCHW.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import netparity
from googlenet_np import GOOGLENET, forward, gradients, init_weights
from netparity import FLOAT64_GATE
from netparity.verdict.findings import Status
from parity_tests.support.backends import BACKENDS, load, package

Array = npt.NDArray[Any]

REFERENCE = "reference"
PAIRS = [*((name, REFERENCE) for name in BACKENDS), *combinations(BACKENDS, 2)]

SIZES = [(1, 1), (33, 47), (96, 96), pytest.param((97, 129), marks=pytest.mark.exhaustive)]
"""Height and width: the smallest, two odd numbers, the source document's, and 32k + 1."""

WEIGHTS = init_weights(seed=0)


@dataclass(frozen=True)
class Computed:
    """What one implementation makes of two images of one size, in float64.

    Attributes:
        activations: Layer to its output, (2, channels, height, width) or (2, classes), in the network's order.
        gradients: Of the mean cross-entropy by every weight, and by the images under the name ``images``.
    """

    activations: dict[str, Array]
    gradients: dict[str, Array]


@cache
def computed(name: str, size: tuple[int, int]) -> Computed:
    # Noise: in the even areas of a picture the entries of a max-pool's window are equal, and whose gradient is whose
    # is then each framework's choice.
    images, labels = np.random.default_rng(0).standard_normal((2, 1, *size), np.float32), np.array([3, 8])
    if name == REFERENCE:
        activations, derived = forward(WEIGHTS, images), gradients(WEIGHTS, images, labels)
    else:
        model = load(name).build(WEIGHTS, "float64")
        activations, derived = model.activations(images.astype(np.float64)), model.gradients(images, labels)
    return Computed(dict(activations), {**derived.weights, "images": derived.images})


def differences(actual: dict[str, Array], desired: dict[str, Array]) -> list[str]:
    """A sentence for each tensor whose entries differ by more than float64 rounding, relative to its largest entry."""
    far = {name: np.abs(actual[name] - array).max() / np.abs(array).max() for name, array in desired.items()}
    return [
        f"{name} differs by {share:.1e} of its largest entry" for name, share in far.items() if share > FLOAT64_GATE
    ]


@pytest.mark.parametrize("framework", BACKENDS)
def test_the_same_weights_go_in_and_come_out_bit_for_bit(framework: str) -> None:
    googlenet = package(framework)
    model = googlenet.GoogLeNet()
    googlenet.import_weights(model, WEIGHTS)
    exported = googlenet.export_weights(model)
    assert list(exported) == list(WEIGHTS)
    assert len(exported) == 116
    assert [name for name in exported if exported[name].tobytes() != WEIGHTS[name].tobytes()] == []


@pytest.mark.parametrize("size", SIZES, ids="{0[0]}x{0[1]}".format)
@pytest.mark.parametrize("framework", BACKENDS)
def test_the_shapes_are_the_same_layer_by_layer(framework: str, size: tuple[int, int]) -> None:
    activations = computed(framework, size).activations
    assert list(activations) == list(GOOGLENET.names)
    assert len(activations) == 81
    shapes = {name: array.shape[1:] for name, array in activations.items()}
    assert {"images": (1, *size), **shapes} == GOOGLENET.output_shapes(image_size=size)


@pytest.mark.parametrize("size", SIZES, ids="{0[0]}x{0[1]}".format)
@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_the_outputs_are_the_same(one: str, other: str, size: tuple[int, int]) -> None:
    assert differences(computed(one, size).activations, computed(other, size).activations) == []


@pytest.mark.parametrize("size", SIZES, ids="{0[0]}x{0[1]}".format)
@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_the_gradients_are_the_same(one: str, other: str, size: tuple[int, int]) -> None:
    assert differences(computed(one, size).gradients, computed(other, size).gradients) == []


@pytest.mark.parametrize("framework", BACKENDS)
def test_the_verdict_is_that_it_is_the_same_network(framework: str) -> None:
    """In float32 too, where every layer has to stay within the bound that is derived for its rounding."""
    load(framework)
    report = netparity.judge(framework, batch_size=2, image_size=(33, 47))
    assert report.status is Status.PASS, report.verdict
