"""The entries of the site's page *What differs in execution*: each a fact that is true as long as its test passes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from googlenet_np import GOOGLENET, forward, gradients, init_weights, sample_images
from netparity.network import layout, reference
from netparity.network.contract import Gradients
from netparity.network.kinds import Conv2d, Layer
from netparity.verdict.ground_truth import GroundTruth
from parity_tests.support.backends import BACKENDS, load, package, require
from parity_tests.support.tiers import representative

Array = npt.NDArray[Any]

LAYER = "b5.inception_5b.p1_1"

each_framework = pytest.mark.parametrize("name", BACKENDS)


@functools.cache
def batch() -> tuple[Array, Array]:
    return sample_images(3, image_size=(65, 97))


@functools.cache
def kink() -> tuple[tuple[int, ...], float]:
    """Of all entries of ``LAYER``, where the one is that comes closest to its ReLU's kink, and how close."""
    before: dict[str, Array] = {}

    def keep(layer: Layer, _inputs: Sequence[Array], output: Array) -> Array:
        before[layer.name] = output.copy()
        return output

    reference.forward_and_gradients(GOOGLENET, init_weights(0), *batch(), layers=[], perturb=keep)
    entries = before[LAYER]
    place = np.unravel_index(np.abs(entries).argmin(), entries.shape)
    return tuple(map(int, place)), float(entries[place])


@functools.cache
def at_the_kink(side: int) -> Mapping[str, Array]:
    """Weights with which that entry is 10⁻¹² of this sign: one bias is moved."""
    weights = {name: weight.astype(np.float64) for name, weight in init_weights(0).items()}
    place, value = kink()
    weights[f"{LAYER}.bias"][place[1]] += side * 1e-12 - value
    return weights


def errors(actual: Mapping[str, Array], desired: Mapping[str, Array]) -> dict[str, float]:
    """Each tensor's largest difference, as a share of the tensor's largest entry."""
    return {name: float(np.abs(actual[name] - right).max() / np.abs(right).max()) for name, right in desired.items()}


def jumps(gradients_at: Callable[[int], Gradients]) -> dict[str, float]:
    shut, opened = (gradients_at(side).weights for side in (-1, 1))
    return errors(opened, shut)


# Kinks


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", BACKENDS)
def test_kinks(name: str) -> None:
    """10⁻¹² on either side of one kink: the same logits, and gradients that are apart by the same jump everywhere."""
    backend = load(name)
    logits = [forward(at_the_kink(side), batch()[0], layers=["fc"]) for side in (-1, 1)]
    assert errors(*logits)["fc"] < 1e-9
    desired = jumps(lambda side: gradients(at_the_kink(side), *batch()))
    actual = jumps(lambda side: backend.build(at_the_kink(side), "float64").gradients(*batch()))
    assert desired[f"{LAYER}.weight"] > 1e-3
    assert desired["b1.conv.weight"] > 1e-4
    assert actual == pytest.approx(desired, rel=1e-6, abs=1e-10)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", BACKENDS)
def test_float32_gradients_are_those_of_their_own_decisions(name: str) -> None:
    """Off by percents from a reference on the other side of the kink, and not from one that decides as they do.

    Which side a framework is on, its rounding says; so the reference is put on the other one.
    """
    backend, (place, _) = load(name), kink()
    model = backend.build({name: weight.astype(np.float32) for name, weight in at_the_kink(1).items()}, "float32")
    with training(name):
        activations = model.activations(batch()[0])
    other = at_the_kink(-1 if activations[LAYER][place] > 0 else 1)

    def decided(layer: Layer, _inputs: Sequence[Array], output: Array) -> Array:
        if not isinstance(layer, Conv2d):
            return output
        theirs = activations[layer.name]
        return np.where(theirs > 0, theirs, -1.0)

    actual = model.gradients(*batch()).weights
    _, same = reference.forward_and_gradients(GOOGLENET, other, *batch(), layers=[], perturb=decided)
    assert max(errors(actual, gradients(other, *batch()).weights).values()) > 1e-3
    # What the longest sum of a forward pass, of 1,440 terms, may round.
    assert max(errors(actual, same.weights).values()) < 1440 * 2.0**-24


def training(name: str) -> AbstractContextManager[Any]:
    """What makes a forward pass the one that a backward pass stands on: MXNet's bits in training are others."""
    if name != "mx":
        return nullcontext()
    manager: AbstractContextManager[Any] = import_module("mxnet").autograd.record()
    return manager


# Graphs


@pytest.mark.parametrize("name", representative(BACKENDS, quick=["torch"]))
def test_graph_and_eager(name: str) -> None:
    """A graph gives what eager calls give; PyTorch's the same bits, as it is the same calls, in the same order."""
    own = package(name)
    images, _ = batch()
    model = own.GoogLeNet()
    own.import_weights(model, init_weights(0))
    eager, graph = both(name, model, images)
    assert eager.any()
    if name == "torch":
        np.testing.assert_array_equal(graph, eager)
    else:  # TensorFlow may fuse, and both plan the memory, by which a library may pick its kernels
        floor = GroundTruth(GOOGLENET, init_weights(0), *batch()).noise_floor("float32")[GOOGLENET.output]
        np.testing.assert_allclose(graph, eager, rtol=0, atol=2 * floor)


def both(name: str, model: Any, images: Array) -> tuple[Array, Array]:
    """Logits of the eager model, and of its graph."""
    if name == "torch":
        import torch

        x = torch.from_numpy(images)
        with torch.no_grad():
            return model(x).numpy(), torch.export.export(model, (x,)).module()(x).numpy()
    if name == "tf":
        import tensorflow as tf

        inputs = tf.constant(layout.nchw_to_nhwc(images))
        return model(inputs).numpy(), tf.function(model)(inputs).numpy()
    import mxnet as mx

    array = mx.nd.array(images)
    eager = model(array).asnumpy()
    model.hybridize(static_alloc=True, static_shape=True)
    return eager, model(array).asnumpy()


@pytest.mark.parametrize(
    ("options", "traces"),
    [
        ({}, [1, 2, 3]),
        ({"reduce_retracing": True}, [1, None]),
        ({"input_signature": [(None, 4)]}, [None]),
    ],
    ids=["as it is", "reduce_retracing", "input_signature"],
)
def test_python_in_a_tf_function_runs_once_for_each_trace(options: dict[str, Any], traces: list[int | None]) -> None:
    require("tf")
    import tensorflow as tf

    seen: list[int | None] = []

    def noting(x: tf.Tensor) -> tf.Tensor:
        seen.append(x.shape[0])
        return 2 * x

    options = {
        key: [tf.TensorSpec(s) for s in value] if key == "input_signature" else value for key, value in options.items()
    }
    function = tf.function(noting, **options)
    for count in (1, 2, 3, 2):
        function(tf.zeros((count, 4)))
    assert seen == traces


def test_a_tf_function_is_traced_for_each_python_number() -> None:
    require("tf")
    import tensorflow as tf

    seen = []

    def noting(x: tf.Tensor, factor: Any) -> tf.Tensor:
        seen.append(factor)
        return x * factor

    scaled = tf.function(noting)
    for factor in (0.5, 0.25, 0.5):
        scaled(tf.ones(3), factor)
    assert seen == [0.5, 0.25]
    for factor in (0.5, 0.25, 0.5):
        scaled(tf.ones(3), tf.constant(factor))
    assert len(seen) == 3


def test_hooks_inside_a_hybridized_gluon_block_are_silent() -> None:
    load("mx")
    import mxnet as mx

    import googlenet_mx

    heard = []
    model = googlenet_mx.GoogLeNet()
    model.initialize()
    x = mx.nd.zeros((2, 1, 17, 23))
    model.b1.register_forward_hook(lambda *_: heard.append("b1"))
    model(x)
    assert heard == ["b1"]
    with pytest.warns(UserWarning, match="the hooks will not take effect"):
        model.hybridize()
    model(x)  # the trace itself, in which the hook hears a symbol
    heard.clear()
    model(x)
    assert heard == []


def test_hooks_of_an_exported_pytorch_program_are_silent() -> None:
    load("torch")
    import torch

    import googlenet_torch

    heard = []
    block = googlenet_torch.Inception(2, (3, 4), (5, 6), 7, in_channels=8)
    block.p1_1.register_forward_hook(lambda *_: heard.append("p1_1"))
    x = torch.zeros(2, 8, 5, 7)
    block(x)
    assert heard == ["p1_1"]
    program = torch.export.export(block, (x,)).module()
    heard.clear()
    program(x)
    assert heard == []
