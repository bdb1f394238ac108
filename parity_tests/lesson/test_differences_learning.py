"""The entries of the site's page *What differs in learning*: each a fact that is true as long as its test passes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from googlenet_np import GOOGLENET, forward, init_weights, sample_images
from netparity.network import layout
from netparity.network.contract import OptimizerState
from netparity.network.operations import max_pool2d, max_pool2d_backward, softmax_cross_entropy
from parity_tests.support.backends import BACKENDS, package

Array = npt.NDArray[Any]

LOGITS = np.array([[2.0, 0.5, -1.0], [0.0, 0.0, 3.0]], np.float32)
LABELS = np.array([0, 1])

each_framework = pytest.mark.parametrize("name", BACKENDS)


def default_model(name: str) -> Any:
    """A network whose weights are the framework's own choice, from a seed."""
    model = package(name).GoogLeNet
    if name == "torch":
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return model()
    if name == "tf":
        import tensorflow as tf

        tf.keras.utils.set_random_seed(0)
        return model()
    import mxnet as mx

    mx.random.seed(0)
    made = model()
    made.initialize()
    return made


def logits_of(name: str, model: Any, images: Array) -> Array:
    if name == "torch":
        import torch

        found: Array = model(torch.from_numpy(images)).detach().numpy()
        return found
    if name == "tf":
        return np.asarray(model(layout.nchw_to_nhwc(images)))
    import mxnet as mx

    return np.asarray(model(mx.nd.array(images)).asnumpy())


def fan_in(weights: dict[str, Array], layer: str) -> int:
    return math.prod(weights[f"{layer}.weight"].shape[1:])


# Initialisation


@pytest.mark.exhaustive
@each_framework
def test_default_initialisation(name: str) -> None:
    weights = package(name).export_weights(default_model(name))
    for layer in GOOGLENET.weighted:
        kernel = weights[f"{layer.name}.weight"]
        inputs = fan_in(weights, layer.name)
        outputs = kernel.shape[0] * math.prod(kernel.shape[2:])
        limit = {"torch": 1 / math.sqrt(inputs), "tf": math.sqrt(6 / (inputs + outputs)), "mx": 0.07}[name]
        assert np.abs(kernel).max() <= limit * (1 + 1e-6), layer.name
        # Of n uniform draws, the largest is this close to the end in all but a millionth of the cases.
        assert np.abs(kernel).max() >= limit * (1 - 14 / kernel.size), layer.name
        assert np.abs(kernel).std() == pytest.approx(limit / math.sqrt(12), rel=0.1), layer.name


@pytest.mark.parametrize("scheme", ["pytorch", "keras", "gluon", "xavier_uniform"])
def test_of_the_schemes_pytorchs_alone_loses_the_image(scheme: str) -> None:
    images, _ = sample_images(8)
    logits = forward(init_weights(0, scheme=scheme), images, layers=["fc"])["fc"]
    seen = logits.std(axis=0).mean() / np.abs(logits).max()
    assert seen < 1e-4 if scheme == "pytorch" else seen > 1e-3


@pytest.mark.exhaustive
@each_framework
def test_bias_initialisation(name: str) -> None:
    model = default_model(name)
    weights = package(name).export_weights(model)
    black = logits_of(name, model, np.zeros((2, 1, 33, 49), np.float32))
    for layer in GOOGLENET.weighted:
        bias = weights[f"{layer.name}.bias"]
        if name == "torch":
            assert 0 < np.abs(bias).max() <= 1 / math.sqrt(fan_in(weights, layer.name)), layer.name
        else:
            assert not bias.any(), layer.name
    assert black.any() == (name == "torch")


# The loss


@each_framework
def test_loss_reduction(name: str) -> None:
    package(name)
    losses, _ = softmax_cross_entropy(LOGITS.astype(np.float64), LABELS)
    desired = losses if name == "mx" else losses.mean()
    actual = cross_entropy(name)
    assert actual.shape == desired.shape
    np.testing.assert_allclose(actual, desired, rtol=1e-4)  # MXNet's logarithm has five digits


def cross_entropy(name: str) -> Array:
    """By the loss that each framework's guides train with."""
    if name == "torch":
        import torch

        return np.asarray(torch.nn.CrossEntropyLoss()(torch.tensor(LOGITS), torch.tensor(LABELS)))
    if name == "tf":
        import tensorflow as tf

        return np.asarray(tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)(LABELS, LOGITS))
    import mxnet as mx

    loss = mx.gluon.loss.SoftmaxCrossEntropyLoss()
    return np.asarray(loss(mx.nd.array(LOGITS), mx.nd.array(LABELS)).asnumpy())


@pytest.mark.parametrize(
    ("mean", "n", "desired"), [(False, 1, -4.0), (False, 4, -1.0), (True, 1, -1.0), (True, 4, -0.25)]
)
def test_gluons_step_divides_what_backward_has_summed(mean: bool, n: int, desired: float) -> None:
    package("mx")
    import mxnet as mx

    weight = gluon_weight(0.0)
    trainer = mx.gluon.Trainer([weight], "sgd", {"learning_rate": 1})
    with mx.autograd.record():
        losses = weight.data() * mx.nd.ones(4, dtype="float64")
        loss = losses.mean() if mean else losses
    loss.backward()
    trainer.step(n)
    assert weight.data().asscalar() == desired


def gluon_weight(value: float) -> Any:
    import mxnet as mx

    weight = mx.gluon.Parameter("weight", shape=(1,), dtype="float64", init=mx.init.Constant(value))
    weight.initialize()
    return weight


# Modes


@each_framework
def test_training_and_inference_modes(name: str) -> None:
    """Which switch a layer listens to, by dropout: what vanishes without a word, in training, and in inference."""
    package(name)
    assert (
        vanishing(name)
        == {
            "torch": {"nothing said": True, "training": True, "inference": False},
            "tf": {"nothing said": False, "training": True, "inference": False},
            "mx": {"nothing said": False, "training": True, "inference": False},
        }[name]
    )


def vanishing(name: str) -> dict[str, bool]:
    """Whether dropout drops, in each mode, by the framework's own word for it."""
    ones = np.ones((1, 1000), np.float32)
    if name == "torch":
        import torch

        x, layer = torch.tensor(ones), torch.nn.Dropout(0.5)
        outputs = {
            "nothing said": layer(x).numpy(),
            "training": layer.train()(x).numpy(),
            "inference": layer.eval()(x).numpy(),
        }
    elif name == "tf":
        import tensorflow as tf

        keras = tf.keras.layers.Dropout(0.5)
        outputs = {
            "nothing said": np.asarray(keras(ones)),
            "training": np.asarray(keras(ones, training=True)),
            "inference": np.asarray(keras(ones, training=False)),
        }
    else:
        import mxnet as mx

        y, gluon = mx.nd.array(ones), mx.gluon.nn.Dropout(0.5)
        outputs = {"nothing said": gluon(y).asnumpy()}
        with mx.autograd.record():
            outputs["training"] = gluon(y).asnumpy()
        with mx.autograd.record(train_mode=False):
            outputs["inference"] = gluon(y).asnumpy()
    return {mode: bool((output == 0).any()) for mode, output in outputs.items()}


@pytest.mark.exhaustive
@each_framework
def test_no_layer_of_this_network_listens_to_the_mode(name: str) -> None:
    model = package(name).GoogLeNet()
    weights = init_weights(0)
    package(name).import_weights(model, weights)
    images, _ = sample_images(2, image_size=(33, 49))
    if name == "torch":
        training, inference = (logits_of(name, mode, images) for mode in (model.train(), model.eval()))
        np.testing.assert_array_equal(training, inference)
    elif name == "tf":
        x = layout.nchw_to_nhwc(images)
        np.testing.assert_array_equal(model(x, training=True), model(x, training=False))
    else:
        import mxnet as mx

        with mx.autograd.train_mode():
            training = logits_of(name, model, images)
        inference = logits_of(name, model, images)
        # MXNet may take other kernels in training, whose roundings are others.
        assert np.abs(training - inference).max() < 1e-5 * np.abs(inference).max()


# Steps

RATES = (0.5, 0.5, 0.125, 0.125)


@each_framework
def test_momentum(name: str) -> None:
    """Steps of gradient 1 and momentum 1/2, whose rate changes half-way: exact numbers, worked by hand."""
    package(name)
    velocity, step = [1.0, 1.5, 1.75, 1.875], [-0.5, -0.75, -0.5, -0.375]
    # PyTorch takes rate · velocity off; the others add the step, into which a rate goes once.
    by_velocity, by_step = [-0.5, -1.25, -1.46875, -1.703125], [-0.5, -1.25, -1.75, -2.125]
    weights, remembered = zip(*steps(name, 0.0, 1.0, RATES, momentum=0.5), strict=True)
    assert list(weights) == (by_velocity if name == "torch" else by_step)
    assert list(remembered) == (velocity if name == "torch" else step)


def steps(
    name: str, start: float, gradient: float, rates: tuple[float, ...], *, momentum: float, decay: float = 0.0
) -> list[tuple[float, float]]:
    """A float64 weight after each step of the framework's own SGD, and what the optimiser remembers."""
    found = []
    if name == "torch":
        import torch

        weight = torch.nn.Parameter(torch.tensor([start], dtype=torch.float64))
        sgd = torch.optim.SGD([weight], lr=rates[0], momentum=momentum, weight_decay=decay)
        for rate in rates:
            sgd.param_groups[0]["lr"] = rate
            weight.grad = torch.full_like(weight, gradient)
            sgd.step()
            buffer = sgd.state[weight].get("momentum_buffer")
            found.append((weight.item(), 0.0 if buffer is None else buffer.item()))
    elif name == "tf":
        import tensorflow as tf

        variable = tf.Variable([start], dtype="float64")
        keras = tf.keras.optimizers.SGD(rates[0], momentum=momentum, weight_decay=decay or None)
        for rate in rates:
            keras.learning_rate = rate
            keras.apply_gradients([(tf.constant([gradient], "float64"), variable)])
            kept = np.asarray(keras.momentums[0]).item() if momentum else 0.0
            found.append((variable.numpy().item(), kept))
    else:
        import mxnet as mx

        array = mx.nd.array([start], dtype="float64")
        optimizer = mx.optimizer.SGD(learning_rate=rates[0], momentum=momentum, wd=decay)
        state = optimizer.create_state(0, array)
        for rate in rates:
            optimizer.set_learning_rate(rate)
            optimizer.update(0, array, mx.nd.array([gradient], dtype="float64"), state)
            found.append((array.asscalar().item(), 0.0 if state is None else state.asscalar().item()))
    return found


@each_framework
def test_a_learning_rate_is_a_float32_number_but_in_pytorch(name: str) -> None:
    package(name)
    ((weight, _),) = steps(name, 0.0, -1.0, (0.1,), momentum=0.0)
    assert weight == (0.1 if name == "torch" else float(np.float32(0.1)))


def test_a_state_goes_to_another_rate_with_its_velocity() -> None:
    state = OptimizerState({"weight": np.array([-0.75])}, scale=-1 / 0.5)
    assert state.scaled(1.0)["weight"] == 1.5
    assert state.scaled(-1 / 0.125)["weight"] == -0.125 * 1.5


@each_framework
@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_weight_decay(name: str, momentum: float) -> None:
    """Three steps of a weight of 1 by nothing but its decay: 1/2 · 1/4 of it each, or that with momentum."""
    package(name)
    past = [0.875, 0.875**2, 0.875**3]
    # v = 1/4, 11/32, 89/256 in turn, and the weight loses half of it.
    through = [0.875, 0.703125, 0.529296875]
    weights = [weight for weight, _ in steps(name, 1.0, 0.0, (0.5,) * 3, momentum=momentum, decay=0.25)]
    assert weights == (through if momentum and name != "tf" else past)


def test_this_projects_keras_decays_through_the_momentum() -> None:
    package("tf")
    import tensorflow as tf

    from googlenet_tf.sgd import SGD

    weight = tf.Variable([1.0], dtype="float64")
    optimizer = SGD(0.5, momentum=0.5, l2=0.25)
    for _ in range(3):
        optimizer.apply_gradients([(tf.constant([0.0], "float64"), weight)])
    assert weight.numpy().item() == 0.529296875


@pytest.mark.parametrize(("known", "desired"), [(False, 0.875), (True, 1.0)])
def test_mxnet_spares_a_bias_that_it_knows_by_name(known: bool, desired: float) -> None:
    package("mx")
    import mxnet as mx

    names = {"param_idx2name": {0: "dense0_bias"}} if known else {}
    optimizer = mx.optimizer.SGD(learning_rate=0.5, wd=0.25, **names)
    bias = mx.nd.ones(1)
    optimizer.update(0, bias, mx.nd.zeros(1), optimizer.create_state(0, bias))
    assert bias.asscalar() == desired


# Label smoothing


@each_framework
def test_label_smoothing(name: str) -> None:
    package(name)
    losses, _ = softmax_cross_entropy(LOGITS.astype(np.float64), LABELS, 0.3)
    assert smoothed(name, 0.3) == pytest.approx(losses.mean(), rel=1e-5)


def smoothed(name: str, smoothing: float) -> float:
    one_hot = np.eye(3, dtype=np.float32)[LABELS]
    if name == "torch":
        import torch

        return torch.nn.CrossEntropyLoss(label_smoothing=smoothing)(torch.tensor(LOGITS), torch.tensor(LABELS)).item()
    if name == "tf":
        import tensorflow as tf

        loss = tf.keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)
        return float(loss(one_hot, LOGITS))
    import mxnet as mx

    soft = one_hot * (1 - smoothing) + smoothing / 3
    by_image = mx.gluon.loss.SoftmaxCrossEntropyLoss(sparse_label=False)(mx.nd.array(LOGITS), mx.nd.array(soft))
    return float(by_image.asnumpy().mean())


def test_keras_smooths_one_hot_labels_only() -> None:
    package("tf")
    import tensorflow as tf

    with pytest.raises(TypeError, match="label_smoothing"):
        tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True, label_smoothing=0.1)


# Ties


@each_framework
def test_max_pool_ties(name: str) -> None:
    """Of three values only, so that nearly every window has ties; the reference's rule is: the first one takes all."""
    package(name)
    x = np.random.default_rng(0).integers(0, 3, (2, 5, 9, 11)).astype(np.float32)
    y = max_pool2d(x, kernel_size=3, stride=2, padding=1)
    desired = max_pool2d_backward(x, y, np.ones_like(y), kernel_size=3, stride=2, padding=1)
    np.testing.assert_array_equal(pool_gradient(name, x), desired)


def test_the_first_of_equal_maxima_in_row_major_order_takes_all() -> None:
    x = np.ones((2, 3, 2, 4))
    gradient = max_pool2d_backward(x, x[:, :, :1, ::2], np.ones((2, 3, 1, 2)), kernel_size=2, stride=2, padding=0)
    np.testing.assert_array_equal(gradient, np.broadcast_to([[1, 0, 1, 0], [0, 0, 0, 0]], x.shape))


def pool_gradient(name: str, x: Array) -> Array:
    """By the input, of the sum of a 3×3 max-pool of stride 2 with one pixel of padding."""
    if name == "torch":
        import torch

        tensor = torch.tensor(x, requires_grad=True)
        torch.nn.functional.max_pool2d(tensor, 3, 2, 1).sum().backward()
        assert tensor.grad is not None
        return tensor.grad.numpy()
    if name == "tf":
        import tensorflow as tf

        inputs = tf.constant(layout.nchw_to_nhwc(x))
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            padded = tf.pad(inputs, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=-np.inf)
            total = tf.reduce_sum(tf.nn.max_pool2d(padded, 3, 2, "VALID"))
        return layout.nhwc_to_nchw(tape.gradient(total, inputs).numpy())
    import mxnet as mx

    array = mx.nd.array(x)
    array.attach_grad()
    with mx.autograd.record():
        total = mx.nd.Pooling(array, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="max").sum()
    total.backward()
    return np.asarray(array.grad.asnumpy())


@each_framework
def test_another_maximum_has_another_rule(name: str) -> None:
    package(name)
    equal = np.ones(4, np.float32)
    if name == "torch":
        import torch

        tensor = torch.tensor(equal, requires_grad=True)
        tensor.amax().backward()
        assert tensor.grad is not None
        assert tensor.grad.tolist() == [0.25] * 4
    elif name == "tf":
        import tensorflow as tf

        inputs = tf.constant(equal)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            largest = tf.reduce_max(inputs)
        assert tape.gradient(largest, inputs).numpy().tolist() == [0.25] * 4
    else:
        import mxnet as mx

        array = mx.nd.array(equal)
        array.attach_grad()
        with mx.autograd.record():
            total = array.max()
        total.backward()
        assert array.grad.asnumpy().tolist() == [1.0] * 4
