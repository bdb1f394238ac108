"""What answers the source document's exercises, ``examples/exercises``: variants by parity, classics by counting."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from googlenet_np import GOOGLENET, gradients
from googlenet_np import init_weights as googlenet_weights
from netparity.network import layout
from netparity.network.network import Network
from netparity.network.operations import softmax_cross_entropy
from parity_tests.support.backends import BACKENDS, load
from parity_tests.support.tiers import representative

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "exercises"
if not EXAMPLE.exists():
    pytest.skip("needs the source tree: the package is installed without examples/", allow_module_level=True)
sys.path.append(str(EXAMPLE))

classics: Any = import_module("classics")
variants: Any = import_module("variants_np")

Array = npt.NDArray[Any]

RTOL = 1e-10
"""Of the largest logit. One rounding to float32 anywhere would be 10⁻⁸ at least; float64 comes to 10⁻¹³ at most."""

CASES = [("batch_norm", False), ("batch_norm", True), ("factorized", False), ("residual", False), ("small", False)]


@pytest.fixture(params=BACKENDS)
def framework(request: pytest.FixtureRequest) -> str:
    load(request.param)
    return str(request.param)


@pytest.fixture
def implementation(framework: str) -> Any:
    return import_module(f"variants_{framework}")


def assert_close(actual: Array, desired: Array) -> None:
    assert actual.shape == desired.shape
    assert actual.dtype == desired.dtype
    np.testing.assert_allclose(actual, desired, rtol=0, atol=RTOL * np.abs(desired).max())


# Variants


@pytest.mark.parametrize(("name", "training"), representative(CASES, quick=[("batch_norm", True)]))
def test_a_variant_is_its_table(implementation: Any, name: str, training: bool) -> None:
    variant = variants.VARIANTS[name]
    weights = variants.init_weights(variant, 0, in_channels=2, num_classes=7)
    size = (28, 20) if name == "small" else (67, 72)
    images = np.random.default_rng(1).standard_normal((3, 2, *size))
    model = implementation.with_weights(name, weights)
    actual = implementation.outputs(model, images, training=training)
    assert_close(actual, variants.forward(variant, weights, images, training=training)["fc"])


@pytest.mark.exhaustive
@pytest.mark.parametrize(("name", "training"), CASES)
def test_the_frameworks_go_back_through_a_variant_alike(name: str, training: bool) -> None:
    """Its gradient by the images, which comes through every layer: theirs agree, as the reference only goes forward."""
    weights = variants.init_weights(variants.VARIANTS[name], 0, in_channels=2, num_classes=7)
    random = np.random.default_rng(1)
    images = random.standard_normal((3, 2, *((28, 20) if name == "small" else (67, 72))))
    cotangent = random.standard_normal((3, 7))
    for framework in BACKENDS:
        load(framework)
    first, *others = (image_gradient(framework, name, weights, images, cotangent, training) for framework in BACKENDS)
    assert np.abs(first).max() > 0
    for other in others:
        assert_close(other, first)


def image_gradient(
    framework: str, name: str, weights: dict[str, Array], images: Array, cotangent: Array, training: bool
) -> Array:
    """Of the sum of the logits, each times its entry of ``cotangent``."""
    model: Any = import_module(f"variants_{framework}").with_weights(name, weights)
    seeds = tensor(framework, cotangent)
    if framework == "tf":
        by_images = value_and_gradient(
            framework, lambda x: model(x, training=training) * seeds, layout.nchw_to_nhwc(images)
        )[1]
        return layout.nhwc_to_nchw(by_images)
    if framework == "torch":
        model.train(training)
    return value_and_gradient(framework, lambda x: (model(x) * seeds).sum(), images, training=training)[1]


def test_a_variant_has_the_weights_of_its_blocks() -> None:
    """Of the changes to GoogLeNet's 5,977,530 parameters, worked out by hand."""
    reduced = {"3a": 32, "3b": 96, "4a": 48, "4b": 64, "4c": 64, "4d": 64, "4e": 128, "5a": 128, "5b": 128}
    before = {"3a": 16, "3b": 32, "4a": 16, "4b": 24, "4c": 24, "4d": 32, "4e": 32, "5a": 32, "5b": 48}
    factorized = sum(9 * before[block] * c + 9 * c * c + c - 25 * before[block] * c for block, c in reduced.items())
    sizes = [
        (192, 256),
        (256, 480),
        (480, 512),
        (512, 512),
        (512, 512),
        (512, 528),
        (528, 832),
        (832, 832),
        (832, 1024),
    ]
    residual = sum(out * out + out + (into * out + out if into != out else 0) for into, out in sizes)
    normalized = 64 + 64 + 192 + sum(out for _, out in sizes) + sum(before.values())
    normalized += sum((96, 128, 96, 112, 128, 144, 160, 160, 192))  # the reductions before 3x3
    extra = {"factorized": factorized, "residual": residual, "batch_norm": 4 * normalized, "small": -40 * 64}
    found = {
        name: sum(prod(shape) for shape in variant.parameter_shapes().values()) - 5977530
        for name, variant in variants.VARIANTS.items()
    }
    assert found == extra


@pytest.mark.parametrize("name", representative(variants.VARIANTS, quick=["batch_norm"]))
def test_a_variant_of_mxnet_hybridizes(name: str) -> None:
    load("mx")
    module = import_module("variants_mx")
    images = np.random.default_rng(1).standard_normal((2, 1, 28, 32))
    model = module.with_weights(name, variants.init_weights(variants.VARIANTS[name], 0))
    before = module.outputs(model, images)
    model.hybridize()
    assert_close(module.outputs(model, images), before)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", variants.VARIANTS)
def test_a_variant_of_tensorflow_is_a_keras_model(name: str) -> None:
    load("tf")
    import tensorflow as tf

    model = getattr(import_module("variants_tf"), name)()
    before = model.get_weights()
    model.compile("sgd", tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(np.random.default_rng(1).random((2, 28, 32, 1), np.float32), np.array([3, 7]), verbose=0)
    assert all((was != now).any() for was, now in zip(before, model.get_weights(), strict=True) if was.ndim > 1)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_label_smoothing(framework: str, implementation: Any, label_smoothing: float) -> None:
    random = np.random.default_rng(2)
    logits, labels = random.standard_normal((5, 7)), random.integers(0, 7, 5)
    losses, by_logits = softmax_cross_entropy(logits, labels, label_smoothing)
    targets = tensor(framework, labels)
    loss, gradient = value_and_gradient(
        framework, lambda x: implementation.smoothed_cross_entropy(x, targets, label_smoothing), logits
    )
    assert_close(loss, losses.mean())
    assert_close(gradient, by_logits / len(logits))


def tensor(framework: str, array: Array) -> Any:
    """The framework's own, of the same dtype."""
    if framework == "torch":
        return import_module("torch").from_numpy(array)
    if framework == "tf":
        return import_module("tensorflow").constant(array)
    return import_module("mxnet").nd.array(array, dtype=array.dtype)


def value_and_gradient(
    framework: str, function: Callable[[Any], Any], array: Array, *, training: bool = True
) -> tuple[Any, Array]:
    """What a function of the framework's tensors gives for an array, and the gradient of its sum by the array.

    Args:
        framework: Its name.
        function: From a tensor to a tensor; of no axes in PyTorch.
        array: Where it is taken.
        training: The mode in which MXNet records.
    """
    if framework == "torch":
        x = tensor(framework, array).requires_grad_()
        value = function(x)
        value.backward()
        return value.detach().numpy(), x.grad.numpy()
    if framework == "tf":
        x = tensor(framework, array)
        with import_module("tensorflow").GradientTape() as tape:
            tape.watch(x)
            value = function(x)
        return value.numpy(), tape.gradient(value, x).numpy()
    autograd = import_module("mxnet").autograd
    x = tensor(framework, array)
    x.attach_grad()
    with autograd.record(train_mode=training):
        value = function(x)
    value.backward(train_mode=training)
    return value.asnumpy()[0], x.grad.asnumpy()


# The running statistics of batch normalisation


@pytest.mark.parametrize(("framework", "variance"), [("torch", 8 / 3), ("tf", 2.0), ("mx", 2.0)])
def test_what_is_kept_of_a_variance(framework: str, variance: float) -> None:
    """Of 0, 2, 4, 2 the variance is 2; PyTorch keeps the estimate for what they are a sample of, 8/3."""
    load(framework)
    assert kept_variance(framework) == pytest.approx(0.9 + 0.1 * variance, rel=1e-6)


def test_mxnet_keeps_nothing_before_it_goes_back() -> None:
    load("mx")
    assert kept_variance("mx", backward=False) == 1


def kept_variance(framework: str, backward: bool = True) -> float:
    """After one step over 0, 2, 4, 2, from 1."""
    images = np.array([0.0, 2.0, 4.0, 2.0], np.float32).reshape(4, 1, 1, 1)
    if framework == "torch":
        import torch

        norm = torch.nn.BatchNorm2d(1, momentum=0.1)
        norm(torch.from_numpy(images))
        return norm.running_var.item()  # type: ignore[union-attr]  # None where nothing is kept
    if framework == "tf":
        import tensorflow as tf

        norm = tf.keras.layers.BatchNormalization(momentum=0.9)
        norm(images, training=True)
        return float(norm.moving_variance.numpy()[0])
    import mxnet as mx

    norm = mx.gluon.nn.BatchNorm(momentum=0.9, in_channels=1)
    norm.initialize()
    with mx.autograd.record():
        y = norm(mx.nd.array(images))
    if backward:
        y.backward()
    return float(norm.running_var.data().asscalar())


# The smallest image


@pytest.mark.exhaustive
@pytest.mark.parametrize(("size", "silent"), [(64, 16), (65, 0)])
def test_from_65_pixels_on_every_weight_has_a_say(size: int, silent: int) -> None:
    """The last 5x5 convolution at 2x2 pixels has 16 of its 25 taps on the image in some place, and 9 nowhere."""
    images = np.random.default_rng(3).random((2, 1, size, size), np.float32)
    found = gradients(googlenet_weights(0), images, np.array([3, 7]))
    kernel = found.weights["b5.inception_5b.p3_2.weight"]
    assert np.count_nonzero(~kernel.any(axis=(0, 1))) == silent


# The classics

TOTALS = {  # parameters for one channel and ten classes, added up by hand
    "AlexNet": 11712 + 614656 + 885120 + 1327488 + 884992 + 26218496 + 16781312 + 40970,
    "VGG-11": 640 + 73856 + 295168 + 590080 + 1180160 + 3 * 2359808 + 102764544 + 16781312 + 40970,
    "NiN": (11712 + 2 * 9312) + (614656 + 2 * 65792) + (885120 + 2 * 147840) + (34570 + 2 * 110),
    "GoogLeNet": 5977530,
}


def network(name: str) -> Network:
    tables = {"AlexNet": classics.ALEXNET, "VGG-11": classics.VGG11, "NiN": classics.nin(), "GoogLeNet": GOOGLENET}
    found: Network = tables[name]
    return found


@pytest.mark.parametrize("name", TOTALS)
def test_parameters_of_the_classics(name: str) -> None:
    rows = network(name).table(image_size=classics.IMAGE_SIZE)
    assert sum(row.parameters for row in rows) == TOTALS[name]


def test_vgg_has_its_published_parameters() -> None:
    """132.9 million for three channels and a thousand classes; 133 in Table 2 of the paper."""
    rows = classics.VGG11.table(3, 1000, classics.IMAGE_SIZE)
    assert sum(row.parameters for row in rows) == 132_863_336


@pytest.mark.parametrize("name", ["AlexNet", "VGG-11", "NiN"])
def test_the_classics_as_pytorch_has_them(name: str) -> None:
    """Written as one would write them in PyTorch, dense layers and all: the same parameters, products and shapes."""
    load("torch")
    import torch
    from torch import nn

    def conv(before: int, out: int, kernel: int, stride: int = 1, padding: int = 0) -> list[nn.Module]:
        return [nn.Conv2d(before, out, kernel, stride, padding), nn.ReLU()]

    def mlp(before: int, out: int, kernel: int, stride: int = 1, padding: int = 0) -> list[nn.Module]:
        return [*conv(before, out, kernel, stride, padding), *conv(out, out, 1), *conv(out, out, 1)]

    def dense(before: int) -> list[nn.Module]:
        hidden = [nn.Linear(before, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU()]
        return [nn.Flatten(), *hidden, nn.Linear(4096, 10)]

    halve, shrink = nn.MaxPool2d(2), nn.MaxPool2d(3, 2)
    with torch.device("meta"):  # shapes without memory or arithmetic
        layers = {
            "AlexNet": lambda: [
                *(*conv(1, 96, 11, 4, 1), shrink, *conv(96, 256, 5, 1, 2), shrink, *conv(256, 384, 3, 1, 1)),
                *(*conv(384, 384, 3, 1, 1), *conv(384, 256, 3, 1, 1), shrink, *dense(6400)),
            ],
            "VGG-11": lambda: [
                *(*conv(1, 64, 3, 1, 1), halve, *conv(64, 128, 3, 1, 1), halve),
                *(*conv(128, 256, 3, 1, 1), *conv(256, 256, 3, 1, 1), halve),
                *(*conv(256, 512, 3, 1, 1), *conv(512, 512, 3, 1, 1), halve),
                *(*conv(512, 512, 3, 1, 1), *conv(512, 512, 3, 1, 1), halve, *dense(25088)),
            ],
            "NiN": lambda: [
                *(*mlp(1, 96, 11, 4), shrink, *mlp(96, 256, 5, 1, 2), shrink, *mlp(256, 384, 3, 1, 1), shrink),
                *(*mlp(384, 10, 3, 1, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
            ],
        }[name]()
        parameters, products, x = [], [], torch.empty(1, 1, *classics.IMAGE_SIZE)
        for layer in layers:
            x = layer(x)
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                parameters.append(sum(tensor.numel() for tensor in layer.parameters()))
                products.append(layer.weight.numel() * prod(x.shape[2:]))
    rows = network(name).table(image_size=classics.IMAGE_SIZE)
    weighted = [row for row in rows if row.parameters]
    assert [row.parameters for row in weighted] == parameters
    assert [row.multiply_adds for row in weighted] == products
    assert rows[-1].output_shape == x.shape[1:]
