"""``googlenet_mx`` as a Gluon user meets it, and the parts of its backend that only MXNet can get wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from googlenet_np.architecture import GOOGLENET
from googlenet_np.weights import init_weights
from netparity.network.errors import ImagesError, UnknownLayerError, WeightsError
from netparity.network.kinds import Concat, MaxPool2d
from parity_tests.support.backends import late, require
from parity_tests.support.tiers import representative

require("mx")

googlenet_mx, mx, backend = late("googlenet_mx"), late("mxnet"), late("googlenet_mx.backend")

Array = npt.NDArray[Any]
Weights = dict[str, Array]

LAYERS = ["b1.conv", "b1.pool", "b3.inception_3a", "b3.inception_3a.p4_1", "b5.pool", "fc"]
"""One of each kind."""

CHANNELS, CLASSES = 2, 7
EPSILON = {"float32": 1e-5, "float64": 1e-13}
"""Generous for the roundings of one forward pass, relative to the largest entry."""


@pytest.fixture(scope="module")
def weights() -> Weights:
    return init_weights(3, in_channels=CHANNELS, num_classes=CLASSES)


@pytest.fixture(scope="module")
def other_weights() -> Weights:
    return init_weights(4, in_channels=CHANNELS, num_classes=CLASSES)


@pytest.fixture(scope="module")
def images() -> Array:
    return np.random.default_rng(5).normal(size=(3, CHANNELS, 40, 21)).astype(np.float32)


@pytest.fixture(scope="module")
def built(weights: Weights) -> dict[str, Any]:
    """The backend's model in each dtype; no test changes them."""
    return {dtype: backend.Backend().build(weights, dtype) for dtype in ("float32", "float64")}


def gluon_model(weights: Weights, dtype: str = "float32") -> Any:
    model = googlenet_mx.GoogLeNet(CLASSES, CHANNELS)
    model.cast(dtype)
    googlenet_mx.import_weights(model, weights)
    return model


def logits(model: Any, images: Array, dtype: str = "float32") -> Array:
    result: Array = model(mx.nd.array(images, dtype=dtype)).asnumpy()
    return result


def same_bits(actual: Weights, desired: Weights) -> bool:
    return list(actual) == list(desired) and all(
        actual[name].dtype == desired[name].dtype and actual[name].tobytes() == desired[name].tobytes()
        for name in desired
    )


def run_python(code: str, *arguments: str, folder: Path, path: list[str] | None = None) -> str:
    """What a fresh interpreter prints, on either stream; fails unless it ends well."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*(path or []), *filter(None, sys.path)])}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        check=False,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


# Importing


@pytest.mark.exhaustive
def test_import_leaves_numpy_and_mxnet_as_they_were(tmp_path: Path) -> None:
    code = """
import sys
import numpy
before = set(vars(numpy))
import googlenet_mx
import mxnet
assert "bool" not in vars(numpy) and "bool" not in before
assert not mxnet.util.is_np_array() and not mxnet.util.is_np_shape()
assert not {"torch", "tensorflow", "keras", "jax"} & set(sys.modules)
"""
    assert run_python(code, folder=tmp_path) == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.exhaustive
def test_import_keeps_a_numpy_bool_that_somebody_else_made(tmp_path: Path) -> None:
    run_python("import numpy; numpy.bool = bool; import googlenet_mx; assert numpy.bool is bool", folder=tmp_path)


@pytest.mark.exhaustive
def test_import_works_after_mxnet_has_failed_to_import(tmp_path: Path) -> None:
    code = """
try:
    import mxnet
except AttributeError:
    import googlenet_mx, mxnet
    model = googlenet_mx.GoogLeNet()
    model.initialize()
    print(model(mxnet.nd.ones((2, 1, 9, 7))).shape)
"""
    assert "(2, 10)" in run_python(code, folder=tmp_path)


def test_a_failed_import_leaves_no_numpy_bool(tmp_path: Path) -> None:
    (tmp_path / "mxnet.py").write_text("import numpy\nnumpy.bool\nraise ImportError('broken')\n")
    code = """
import numpy
try:
    import googlenet_mx
except ImportError as error:
    assert "bool" not in vars(numpy)
    print(error)
"""
    assert run_python(code, folder=tmp_path, path=[str(tmp_path)]) == "broken\n"


# The model


@pytest.mark.parametrize(("in_channels", "num_classes", "count"), [(1, 10, 5_977_530), (3, 1000, 6_998_552)])
def test_parameter_count(in_channels: int, num_classes: int, count: int) -> None:
    model = googlenet_mx.GoogLeNet(num_classes, in_channels)
    assert sum(int(np.prod(parameter.shape)) for parameter in model.collect_params().values()) == count


@pytest.mark.parametrize(
    "size",
    [(31, 33), *(pytest.param(size, marks=pytest.mark.exhaustive) for size in [(1, 1), (1, 7), (28, 28), (96, 96)])],
    ids=str,
)
@pytest.mark.parametrize(("in_channels", "num_classes"), [(1, 10), (3, 1000)])
def test_shapes(in_channels: int, num_classes: int, size: tuple[int, int]) -> None:
    model = backend.Backend().build(init_weights(0, in_channels=in_channels, num_classes=num_classes), "float32")
    activations = model.activations(np.ones((2, in_channels, *size), np.float32))
    expected = GOOGLENET.output_shapes(in_channels, num_classes, size)
    del expected["images"]
    assert {name: array.shape for name, array in activations.items()} == {
        name: (2, *shape) for name, shape in expected.items()
    }


@pytest.mark.parametrize("arguments", [{"num_classes": 0}, {"in_channels": 0}, {"num_classes": -3}], ids=str)
def test_impossible_counts_are_refused(arguments: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="expected 1 or more"):
        googlenet_mx.GoogLeNet(**arguments)


def test_features_are_what_the_last_layer_reads(weights: Weights, images: Array) -> None:
    model = gluon_model(weights)
    features = model.features(mx.nd.array(images))
    assert features.shape == (3, 1024)
    np.testing.assert_array_equal(model.fc(features).asnumpy(), logits(model, images))


@pytest.mark.parametrize("hybridized", [False, True])
def test_input_channels_are_inferred_at_the_first_call(hybridized: bool, images: Array) -> None:
    model = googlenet_mx.GoogLeNet(CLASSES, in_channels=None)
    model.initialize()
    model.hybridize(hybridized)
    assert logits(model, images).shape == (3, CLASSES)
    assert model.b1.conv.weight.shape == (64, CHANNELS, 7, 7)


def test_inception_infers_its_input_channels() -> None:
    block = googlenet_mx.Inception(3, (4, 5), (6, 7), 8)
    block.initialize()
    assert block(mx.nd.ones((2, 11, 5, 6))).shape == (2, 3 + 5 + 7 + 8, 5, 6)
    assert [branch.weight.shape[1] for branch in (block.p1_1, block.p2_1, block.p3_1, block.p4_2)] == [11] * 4


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("static", [False, True])
def test_hybridized_computes_the_same(static: bool, dtype: str, weights: Weights, images: Array) -> None:
    model = gluon_model(weights, dtype)
    plain = logits(model, images, dtype)
    model.hybridize(static_alloc=static, static_shape=static)
    hybridized = logits(model, images, dtype)
    assert hybridized.dtype == dtype
    np.testing.assert_allclose(hybridized, plain, rtol=0, atol=EPSILON[dtype] * abs(plain).max())


@pytest.mark.filterwarnings("ignore:Cannot decide type:UserWarning")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_export_and_imports(dtype: str, weights: Weights, images: Array, tmp_path: Path) -> None:
    model = gluon_model(weights, dtype)
    model.hybridize()
    expected = logits(model, images, dtype)
    model.export(str(tmp_path / "net"), epoch=7)
    loaded = mx.gluon.SymbolBlock.imports(str(tmp_path / "net-symbol.json"), "data", str(tmp_path / "net-0007.params"))
    np.testing.assert_array_equal(logits(loaded, images, dtype), expected)


def test_saved_parameters_have_canonical_names(weights: Weights, tmp_path: Path) -> None:
    gluon_model(weights).save_parameters(str(tmp_path / "net.params"))
    saved = {name: array.asnumpy() for name, array in mx.nd.load(str(tmp_path / "net.params")).items()}
    assert same_bits({name: saved.pop(name) for name in weights}, weights)
    assert saved == {}


@pytest.mark.parametrize("in_channels", [CHANNELS, None])
def test_load_parameters(in_channels: int | None, weights: Weights, tmp_path: Path) -> None:
    gluon_model(weights).save_parameters(str(tmp_path / "net.params"))
    loaded = googlenet_mx.GoogLeNet(CLASSES, in_channels)
    loaded.load_parameters(str(tmp_path / "net.params"))
    assert same_bits(googlenet_mx.export_weights(loaded), weights)


@pytest.mark.exhaustive
def test_works_under_set_np(weights: Weights, images: Array, tmp_path: Path) -> None:
    np.savez(tmp_path / "weights.npz", **weights)
    np.save(tmp_path / "images.npy", images)
    code = """
import warnings
import numpy as np
import googlenet_mx
from googlenet_mx.backend import Backend
from mxnet import gluon, npx
from mxnet import np as mnp
npx.set_np()
weights, images = dict(np.load("weights.npz")), np.load("images.npy")
model = googlenet_mx.GoogLeNet(7, in_channels=None)
googlenet_mx.import_weights(model, weights)
logits = {"plain": model(mnp.array(images))}
assert isinstance(logits["plain"], mnp.ndarray)
model.hybridize()
logits["hybridized"] = model(mnp.array(images))
model.export("net")
with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "Cannot decide type")
    logits["imports"] = gluon.SymbolBlock.imports("net-symbol.json", "data", "net-0000.params")(mnp.array(images))
model.save_parameters("net.params")
loaded = googlenet_mx.GoogLeNet(7, 2)
loaded.load_parameters("net.params")
logits["loaded"] = loaded(mnp.array(images))
googlenet_mx.import_weights(loaded, googlenet_mx.export_weights(model))
logits["imported"] = loaded(mnp.array(images))
logits = {name: array.asnumpy() for name, array in logits.items()}
built = Backend().build(weights, "float32")
logits["activations"] = built.activations(images)["fc"]
logits["predict"] = built.predict(images)
loss, _, by_images = built.gradients(images, np.array([0, 3, 6]))
np.savez("out.npz", loss=loss, by_images=by_images, **logits)
"""
    run_python(code, folder=tmp_path)
    out = dict(np.load(tmp_path / "out.npz"))
    built = backend.Backend().build(weights, "float32")
    expected = built.gradients(images, np.array([0, 3, 6]))
    atol = EPSILON["float32"]
    assert out.pop("loss") == pytest.approx(expected.loss, abs=atol)
    np.testing.assert_allclose(out.pop("by_images"), expected.images, rtol=0, atol=atol * abs(expected.images).max())
    desired = built.predict(images)
    assert len(out) == 7
    assert {name: array.shape for name, array in out.items() if abs(array - desired).max() > atol} == {}


def test_one_trainer_step_goes_down_the_mean_gradient(weights: Weights, images: Array) -> None:
    # Eighths and halves, since MXNet rounds the learning rate and 1 / batch size to float32, in a float64 model too.
    learning_rate, batch, labels = 0.125, images[:2], np.array([6, 0])
    model = gluon_model(weights, "float64")
    gradients = backend.MXNetModel(model).gradients(batch, labels)
    trainer = mx.gluon.Trainer(model.collect_params(), "sgd", {"learning_rate": learning_rate})
    with mx.autograd.record():
        outputs = model(mx.nd.array(batch, dtype="float64"))
        losses = mx.gluon.loss.SoftmaxCrossEntropyLoss()(outputs, mx.nd.array(labels))
    losses.backward()
    trainer.step(len(batch))
    after = googlenet_mx.export_weights(model)
    error = {name: abs(after[name] - weights[name] + learning_rate * gradients.weights[name]).max() for name in weights}
    assert {name: value for name, value in error.items() if value > 1e-14} == {}
    assert {name for name in weights if (after[name] == weights[name]).all()} == set()


# Weights


@pytest.mark.parametrize("hybridized", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_round_trip_bit_for_bit(dtype: str, hybridized: bool, weights: Weights) -> None:
    given = {name: array.astype(dtype) + np.dtype(dtype).type(1e-12) for name, array in weights.items()}
    model = gluon_model(given, dtype)
    model.hybridize(hybridized)
    exported = googlenet_mx.export_weights(model)
    assert same_bits(exported, given)
    assert all(array.flags.c_contiguous and array.flags.writeable for array in exported.values())


def test_float32_goes_into_a_float64_model_exactly(weights: Weights) -> None:
    exported = googlenet_mx.export_weights(gluon_model(weights, "float64"))
    assert same_bits(exported, {name: array.astype(np.float64) for name, array in weights.items()})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_model_and_arrays_do_not_share_memory(dtype: str, weights: Weights) -> None:
    given = {name: array.astype(dtype) for name, array in weights.items()}
    model = gluon_model(given, dtype)
    for array in (*given.values(), *googlenet_mx.export_weights(model).values()):
        array.fill(9)
    assert same_bits(googlenet_mx.export_weights(model), {name: array.astype(dtype) for name, array in weights.items()})


def test_read_only_arrays_of_any_memory_order_are_read_and_left_alone(weights: Weights) -> None:
    given = {name: np.asfortranarray(array) for name, array in weights.items()}
    given["fc.weight"] = np.repeat(weights["fc.weight"], 2, axis=1)[:, ::2]
    for array in given.values():
        array.flags.writeable = False
    exported = googlenet_mx.export_weights(gluon_model(given))
    assert same_bits(exported, weights)
    assert same_bits(given, weights)
    assert not any(array.flags.writeable for array in given.values())


@pytest.mark.parametrize("hybridized", [False, True])
def test_import_into_a_model_that_has_run(
    hybridized: bool, weights: Weights, other_weights: Weights, images: Array
) -> None:
    # oneDNN has moved the parameters into layouts of its own by then.
    model = gluon_model(other_weights)
    model.hybridize(hybridized)
    before = logits(model, images)
    googlenet_mx.import_weights(model, weights)
    after = logits(model, images)
    assert same_bits(googlenet_mx.export_weights(model), weights)
    np.testing.assert_array_equal(after, logits(gluon_model(weights), images))
    assert abs(after - before).max() > 1e-3


@pytest.mark.exhaustive
@pytest.mark.parametrize("hybridized", [False, True])
@pytest.mark.parametrize("initialized", [False, True])
def test_import_needs_no_forward_pass(initialized: bool, hybridized: bool, weights: Weights, images: Array) -> None:
    model = googlenet_mx.GoogLeNet(CLASSES, in_channels=None)
    if initialized:
        model.initialize()
    model.hybridize(hybridized)
    googlenet_mx.import_weights(model, weights)
    assert same_bits(googlenet_mx.export_weights(model), weights)
    np.testing.assert_array_equal(logits(model, images), logits(gluon_model(weights), images))


@pytest.mark.parametrize("in_channels", [CHANNELS, None])
def test_import_keeps_the_contexts(in_channels: int | None, weights: Weights) -> None:
    contexts = [mx.cpu(0), mx.cpu(1)]
    model = googlenet_mx.GoogLeNet(CLASSES, in_channels)
    model.initialize(ctx=contexts)
    googlenet_mx.import_weights(model, weights)
    for name, parameter in (("b1.conv.weight", model.b1.conv.weight), ("fc.bias", model.fc.bias)):
        assert parameter.list_ctx() == contexts
        for array in parameter.list_data():
            np.testing.assert_array_equal(array.asnumpy(), weights[name])


def test_import_reaches_a_trainer_that_keeps_copies(weights: Weights, other_weights: Weights, images: Array) -> None:
    contexts = [mx.cpu(0), mx.cpu(1)]
    model = googlenet_mx.GoogLeNet(CLASSES, CHANNELS)
    model.initialize(ctx=contexts)
    googlenet_mx.import_weights(model, other_weights)
    trainer = mx.gluon.Trainer(model.collect_params(), "sgd", {"learning_rate": 0.0}, update_on_kvstore=True)

    def step() -> None:
        with mx.autograd.record():
            outputs = [model(mx.nd.array(images, ctx=context)) for context in contexts]
        mx.autograd.backward(outputs)
        trainer.step(1)

    step()
    googlenet_mx.import_weights(model, weights)
    step()
    assert same_bits(googlenet_mx.export_weights(model), weights)


def test_import_draws_no_random_numbers(weights: Weights) -> None:
    mx.random.seed(0)
    expected = mx.nd.random.uniform(shape=(4,)).asnumpy()
    mx.random.seed(0)
    gluon_model(weights)
    np.testing.assert_array_equal(mx.nd.random.uniform(shape=(4,)).asnumpy(), expected)


def _replaced(name: str, change: Callable[[Array], Array]) -> Callable[[Weights], Weights]:
    return lambda weights: {**weights, name: change(weights[name])}


def _with_nan(array: Array) -> Array:
    array = array.copy()
    array.flat[-1] = np.nan
    return array


@pytest.mark.parametrize(
    ("mutilate", "message"),
    representative(
        [
            (lambda weights: {name: weights[name] for name in weights if name != "fc.bias"}, "1 missing: fc.bias"),
            (lambda weights: {**weights, "aux.weight": np.ones(1)}, "1 unexpected: aux.weight"),
            (
                _replaced("b5.inception_5b.p4_2.weight", lambda array: array[..., 0]),
                r"p4_2.weight' has shape \(128, 832, 1\)",
            ),
            (_replaced("b1.conv.weight", lambda array: array[:, :1]), r"b1.conv.weight' has shape \(64, 1, 7, 7\)"),
            (lambda _: init_weights(4, in_channels=CHANNELS, num_classes=6), r"fc.weight' has shape \(6, 1024\)"),
            (_replaced("fc.weight", _with_nan), "fc.weight' holds nan"),
            (_replaced("fc.bias", lambda array: array.astype(np.int64)), "fc.bias' has dtype int64"),
            (_replaced("fc.bias", lambda array: array.astype(np.float64)), "losing bits, 'fc.bias' of float64"),
        ],
        quick=lambda case: case[1].endswith(("fc.bias", "holds nan")),
    ),
    ids=["missing", "unexpected", "rank", "channels", "classes", "nan", "int", "float64"],
)
def test_an_unfit_set_leaves_the_model_untouched(
    mutilate: Callable[[Weights], Weights], message: str, weights: Weights, other_weights: Weights
) -> None:
    model = gluon_model(weights)
    with pytest.raises(WeightsError, match=message):
        googlenet_mx.import_weights(model, mutilate(other_weights))
    assert same_bits(googlenet_mx.export_weights(model), weights)


def test_an_unfit_set_leaves_an_uninitialized_model_uninitialized(weights: Weights) -> None:
    model = googlenet_mx.GoogLeNet(CLASSES, in_channels=None)
    with pytest.raises(WeightsError, match=r"fc\.weight' holds nan"):
        googlenet_mx.import_weights(model, _replaced("fc.weight", _with_nan)(weights))
    with pytest.raises(WeightsError, match="no weights yet"):
        googlenet_mx.export_weights(model)


def test_export_says_that_input_channels_are_unknown() -> None:
    model = googlenet_mx.GoogLeNet(in_channels=None)
    model.initialize()
    with pytest.raises(WeightsError, match="does not know its input channels"):
        googlenet_mx.export_weights(model)


def test_another_network_is_refused() -> None:
    with pytest.raises(WeightsError, match="no GoogLeNet"):
        googlenet_mx.export_weights(mx.gluon.nn.Dense(3))


# The backend


def layer_inputs(name: str, images: Array, activations: dict[str, Array]) -> Array:
    """What the named layer, or the block's first layer, read in the forward pass that gave ``activations``."""
    first = next(layer for layer in GOOGLENET if layer.name == name or layer.name.startswith(f"{name}."))
    return activations.get(first.inputs[0], images)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_activations_belong_to_the_caller(dtype: str, built: dict[str, Any], images: Array) -> None:
    activations = built[dtype].activations(images)
    assert tuple(activations) == GOOGLENET.names
    assert {(array.dtype.name, array.flags.c_contiguous) for array in activations.values()} == {(dtype, True)}
    before = {name: array.copy() for name, array in activations.items()}
    built[dtype].activations(-images)
    assert same_bits(activations, before)


@pytest.fixture(scope="module")
def activations(built: dict[str, Any], images: Array) -> dict[str, Array]:
    result: dict[str, Array] = built["float32"].activations(images)
    return result


@pytest.mark.parametrize("name", representative(GOOGLENET.names, LAYERS))
def test_a_layer_alone_gives_its_activation(
    name: str, built: dict[str, Any], images: Array, activations: dict[str, Array]
) -> None:
    alone = built["float32"].layer(name, layer_inputs(name, images, activations))
    np.testing.assert_array_equal(alone, activations[name])


@pytest.mark.parametrize("block", [layer for layer in GOOGLENET if isinstance(layer, Concat)], ids=attrgetter("name"))
def test_a_block_is_its_branches_in_order(block: Concat, activations: dict[str, Array]) -> None:
    branches = [activations[name] for name in block.inputs]
    np.testing.assert_array_equal(activations[block.name], np.concatenate(branches, axis=1))


def test_activations_record_what_the_blocks_compute(weights: Weights, images: Array) -> None:
    # A block that computes something else must show: the backend may not put in what the block should have done.
    model = gluon_model(weights)
    model.b3.inception_3a.p2_1.act = mx.gluon.nn.Activation("sigmoid")
    built = backend.MXNetModel(model)
    activations = built.activations(images)
    tampered = activations["b3.inception_3a.p2_1"]
    assert 0 < tampered.min() < tampered.max() < 1
    np.testing.assert_array_equal(built.layer("b3.inception_3a.p2_1", activations["b2.pool"]), tampered)
    assert abs(activations["fc"] - built.predict(images)).max() == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_predict(dtype: str, built: dict[str, Any], images: Array) -> None:
    expected = built[dtype].activations(images)["fc"]
    first = built[dtype].predict(images)
    second = built[dtype].predict(images[:2, :, :9])
    np.testing.assert_allclose(first, expected, rtol=0, atol=EPSILON[dtype] * abs(expected).max())
    assert first.dtype == dtype
    assert second.shape == (2, CLASSES)


def test_weights_written_later_count(weights: Weights, other_weights: Weights, images: Array) -> None:
    model = gluon_model(weights)
    built = backend.MXNetModel(model)
    built.predict(images)
    googlenet_mx.import_weights(model, other_weights)
    expected = logits(gluon_model(other_weights), images)
    np.testing.assert_array_equal(built.predict(images), expected)
    np.testing.assert_array_equal(built.activations(images)["fc"], expected)


def test_loss_in_float64_is_float64(built: dict[str, Any], images: Array) -> None:
    labels = np.array([6, 0, 3])
    scores = built["float64"].activations(images)["fc"].astype(np.longdouble)
    log_softmax = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    expected = -log_softmax[np.arange(3), labels].mean()
    assert built["float64"].gradients(images, labels).loss == pytest.approx(float(expected), rel=1e-14)


def test_gradients_follow_a_finite_difference(built: dict[str, Any], images: Array) -> None:
    model, labels, step = built["float64"], np.array([6, 0, 3]), 1e-6
    x = images.astype(np.float64)
    direction = np.random.default_rng(6).normal(size=x.shape)
    difference = model.gradients(x + step * direction, labels).loss - model.gradients(x - step * direction, labels).loss
    by_images = model.gradients(x, labels).images
    assert difference / (2 * step) == pytest.approx((by_images * direction).sum(), rel=1e-4)


def test_gradients_are_complete_and_belong_to_the_caller(
    built: dict[str, Any], images: Array, weights: Weights
) -> None:
    gradients = built["float32"].gradients(images, np.array([6, 0, 3]))
    assert {name: array.shape for name, array in gradients.weights.items()} == {
        name: array.shape for name, array in weights.items()
    }
    assert list(gradients.weights) == list(weights)
    before = {name: array.copy() for name, array in gradients.weights.items()}
    built["float32"].gradients(-images, np.array([1, 2, 3]))
    assert same_bits(gradients.weights, before)


def test_dense_gradients_by_hand(built: dict[str, Any], weights: Weights) -> None:
    rng = np.random.default_rng(7)
    x, cotangent = rng.normal(size=(3, 1024)), rng.normal(size=(3, CLASSES))
    gradients = built["float64"].layer_gradients("fc", x, cotangent)
    np.testing.assert_allclose(gradients.inputs, cotangent @ weights["fc.weight"], rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(gradients.weights["weight"], cotangent.T @ x, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(gradients.weights["bias"], cotangent.sum(axis=0), rtol=1e-12, atol=1e-13)


def test_global_pool_gradients_by_hand(built: dict[str, Any]) -> None:
    cotangent = np.random.default_rng(8).normal(size=(2, 1024))
    gradients = built["float64"].layer_gradients("b5.pool", np.ones((2, 1024, 3, 5)), cotangent)
    expected = np.broadcast_to(cotangent[:, :, None, None] / 15, (2, 1024, 3, 5))
    np.testing.assert_allclose(gradients.inputs, expected, rtol=1e-15)
    assert gradients.weights == {}


@pytest.mark.parametrize("name", ["b2.conv1", "b2.pool", "b3.inception_3a", "b3.inception_3a.p4_1", "fc"])
def test_layer_gradients_are_named_after_the_layer(
    name: str, built: dict[str, Any], images: Array, activations: dict[str, Array]
) -> None:
    gradients = built["float32"].layer_gradients(name, layer_inputs(name, images, activations), activations[name])
    inside = [layer for layer in GOOGLENET.weighted if layer.name == name or layer.name.startswith(f"{name}.")]
    expected = [f"{layer.name}.{kind}".removeprefix(f"{name}.") for layer in inside for kind in ("weight", "bias")]
    assert list(gradients.weights) == expected
    assert gradients.inputs.shape == layer_inputs(name, images, activations).shape


# Max-pools


MAX_POOLS = ["b1.pool", "b3.inception_3a.p4_1"]  # stride 2 and stride 1
CHANNELS_IN = {"b1.pool": 64, "b3.inception_3a.p4_1": 192}


def windows(name: str, height: int, width: int) -> list[tuple[int, int, list[tuple[int, int]]]]:
    """For every output position of the pool, the input positions that it sees, in row-major order."""
    pool = GOOGLENET[name]
    assert isinstance(pool, MaxPool2d)
    reach, stride = pool.kernel_size // 2, pool.stride
    return [
        (i, j, [
            (y, x)
            for y in range(max(0, i * stride - reach), min(height, i * stride + reach + 1))
            for x in range(max(0, j * stride - reach), min(width, j * stride + reach + 1))
        ])
        for i in range(-(-height // stride))
        for j in range(-(-width // stride))
    ]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (31, 33), (12, 8)], ids=str)
@pytest.mark.parametrize("name", MAX_POOLS)
def test_max_pools_pad_with_minus_infinity(name: str, size: tuple[int, int], dtype: str, built: dict[str, Any]) -> None:
    x = -np.random.default_rng(9).uniform(1, 2, (2, CHANNELS_IN[name], *size)).astype(dtype)
    y = built[dtype].layer(name, x)
    seen = windows(name, *size)
    assert y.shape == (*x.shape[:2], seen[-1][0] + 1, seen[-1][1] + 1)
    expected = np.empty_like(y)
    for i, j, positions in seen:
        expected[:, :, i, j] = np.max([x[:, :, row, column] for row, column in positions], axis=0)
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MAX_POOLS)
def test_max_pool_ties_go_to_the_first_maximum(name: str, dtype: str, built: dict[str, Any]) -> None:
    rng = np.random.default_rng(10)
    x = rng.integers(-2, 1, (2, CHANNELS_IN[name], 6, 9)).astype(dtype)  # three values: nearly every window has a tie
    cotangent = rng.integers(1, 100, built[dtype].layer(name, x).shape).astype(dtype)
    expected = np.zeros_like(x)
    n, c = np.indices(x.shape[:2])
    for i, j, positions in windows(name, 6, 9):
        first = np.argmax([x[:, :, row, column] for row, column in positions], axis=0)
        row, column = np.array(positions)[first].transpose(2, 0, 1)
        np.add.at(expected, (n, c, row, column), cotangent[:, :, i, j])
    np.testing.assert_array_equal(built[dtype].layer_gradients(name, x, cotangent).inputs, expected)


# Misuse of the backend


@pytest.mark.parametrize("method", ["layer", "layer_gradients"])
def test_an_unknown_layer_is_refused(method: str, built: dict[str, Any], images: Array) -> None:
    cotangent = [images] if method == "layer_gradients" else []
    with pytest.raises(UnknownLayerError, match=r"'b1\.convolution' is no layer"):
        getattr(built["float32"], method)("b1.convolution", images, *cotangent)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model, images: model.predict(images[:, :1]), "1 channels"),
        (lambda model, images: model.activations(images[0]), "four axes"),
        (lambda model, images: model.gradients(images, np.array([0, 1, CLASSES])), "Label 2 is 7"),
        (lambda model, images: model.layer_gradients("b1.conv", images, images), "cotangent of 'b1.conv'"),
    ],
    ids=["channels", "rank", "label", "cotangent"],
)
def test_unfit_arrays_are_refused(
    call: Callable[[Any, Array], object], message: str, built: dict[str, Any], images: Array
) -> None:
    with pytest.raises(ImagesError, match=message):
        call(built["float32"], images)


def test_float64_weights_are_no_float32_model(weights: Weights) -> None:
    with pytest.raises(WeightsError, match="losing bits"):
        backend.Backend().build({name: array.astype(np.float64) for name, array in weights.items()}, "float32")


def test_float32_weights_do_not_fit_a_part_that_was_cast(weights: Weights) -> None:
    model = googlenet_mx.GoogLeNet(CLASSES, CHANNELS)
    googlenet_mx.import_weights(model, weights)
    model.b1.cast("float16")
    with pytest.raises(WeightsError, match="2 of the 116 arrays do not fit a model of float16 without losing bits"):
        googlenet_mx.import_weights(model, {name: array + 1 for name, array in weights.items()})
    assert np.array_equal(googlenet_mx.export_weights(model)["fc.bias"], weights["fc.bias"]), "none of it was written"


def test_versions_name_mxnet_first() -> None:
    assert next(iter(backend.Backend().versions().items())) == ("mxnet", mx.__version__)
