"""``googlenet_tf`` through its public names: the Keras model, its weights, its backend."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest

from googlenet_np.architecture import GOOGLENET
from googlenet_np.weights import init_weights
from netparity.network import contract, layout
from netparity.network.errors import ImagesError, OptionError, UnknownLayerError, WeightsError
from netparity.network.kinds import Concat, Conv2d, MaxPool2d
from parity_tests.support.backends import late, package, require
from parity_tests.support.command import LIMIT
from parity_tests.support.tiers import representative

require("tf")

if TYPE_CHECKING:
    import tensorflow as tf

    from googlenet_tf import GoogLeNet, Inception, export_weights, import_weights
    from googlenet_tf.backend import Backend, TFModel
    from googlenet_tf.weights import named_layer
else:
    tf = late("tensorflow")
    GoogLeNet, Inception = late("googlenet_tf", "GoogLeNet"), late("googlenet_tf", "Inception")
    export_weights, import_weights = late("googlenet_tf", "export_weights"), late("googlenet_tf", "import_weights")
    Backend, TFModel = late("googlenet_tf.backend", "Backend"), late("googlenet_tf.backend", "TFModel")
    named_layer = late("googlenet_tf.weights", "named_layer")

Array = npt.NDArray[Any]
Weights = dict[str, Array]

LAYERS = ["b1.conv", "b1.pool", "b3.inception_3a", "b3.inception_3a.p4_1", "b5.pool", "fc"]
"""One of each kind."""


@pytest.fixture(scope="module")
def weights() -> Weights:
    return init_weights(0, in_channels=3, num_classes=7)


@pytest.fixture(scope="module")
def built64(weights: Weights) -> TFModel:
    return Backend().build(weights, "float64")


@pytest.fixture(scope="module", params=representative(contract.DTYPES, ["float32"]))
def built(request: pytest.FixtureRequest, weights: Weights) -> TFModel:
    return Backend().build(weights, request.param)


@pytest.fixture(scope="module")
def activations(built: TFModel) -> Weights:
    """Every activation of two images of 48 x 40, after the images themselves."""
    images = _images(2, 3, 48, 40, dtype=_dtype(built))
    return {"images": images, **built.activations(images)}


def _images(*shape: int, dtype: str = "float32") -> Array:
    return np.random.default_rng(1).normal(size=shape).astype(dtype)


def _input_of(name: str) -> str:
    """The activation that a layer, or a whole block, reads."""
    layer = GOOGLENET[name]
    return GOOGLENET[layer.inputs[0]].inputs[0] if isinstance(layer, Concat) else layer.inputs[0]


def _dtype(built: TFModel) -> str:
    return built.export_weights()["fc.bias"].dtype.name


def _is_own(array: Array) -> bool:
    return array.flags.owndata and array.flags.c_contiguous and array.flags.writeable


def _relative(actual: Array, desired: Array) -> float:
    return float(np.abs(actual - desired).max() / np.abs(desired).max())


@pytest.fixture(scope="module", params=[(10, 1), (1000, 3)], ids=["10-classes-1-channel", "1000-classes-3-channels"])
def model(request: pytest.FixtureRequest) -> Any:
    return GoogLeNet(*request.param)


def test_parameter_count(model: Any) -> None:
    assert model.count_params() == {1: 5_977_530, 3: 6_998_552}[model.in_channels]


@pytest.mark.parametrize("size", [(1, 1), (28, 28), (31, 33), (96, 96)])
def test_logits_have_one_row_per_image(model: Any, size: tuple[int, int]) -> None:
    logits = model(np.zeros((2, *size, model.in_channels), np.float32))
    assert logits.shape == (2, model.fc.units)
    assert logits.dtype == tf.float32


@pytest.mark.parametrize("arguments", [{"num_classes": 0}, {"in_channels": 0}, {"padding": "valid"}])
def test_an_impossible_argument_is_refused_by_name(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(arguments))}=.*; expected"):
        GoogLeNet(**arguments)


def test_canonical_names_are_attributes() -> None:
    model = GoogLeNet(in_channels=3)
    assert model.b1.conv.kernel.shape == (7, 7, 3, 64)
    assert model.get_layer("b3").inception_3a.get_layer("p2_2").kernel.shape == (3, 3, 96, 128)


def test_channels_are_inferred_at_the_first_call() -> None:
    model = GoogLeNet(7, in_channels=None)
    assert not model.built
    model(np.zeros((2, 5, 6, 4), np.float32))
    assert model.in_channels == 4
    assert model.b1.conv.kernel.shape == (7, 7, 4, 64)


@pytest.mark.parametrize("in_channels", [None, 5])
def test_an_inception_block_stands_alone(in_channels: int | None) -> None:
    block = Inception(2, (3, 4), (6, 7), 8, in_channels=in_channels)
    assert block.built == (in_channels is not None)
    assert block(np.zeros((2, 9, 11, 5), np.float32)).shape == (2, 9, 11, 2 + 4 + 7 + 8)
    again = Inception.from_config(block.get_config())
    assert [variable.shape for variable in again.weights] == [variable.shape for variable in block.weights]


@pytest.mark.parametrize("in_channels", [3, None])
def test_a_wrong_channel_count_is_an_error(in_channels: int | None) -> None:
    model = GoogLeNet(in_channels=in_channels)
    model(np.zeros((2, 5, 6, 3), np.float32))
    with pytest.raises(ValueError, match="incompatible"):
        model(np.zeros((2, 5, 6, 1), np.float32))


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("policy", "variables", "logits"), [("float64", "float64", "float64"), ("mixed_float16", "float32", "float16")]
)
def test_a_dtype_policy_reaches_every_layer(policy: str, variables: str, logits: str) -> None:
    model = GoogLeNet(in_channels=3, dtype=policy)
    assert {tf.as_dtype(variable.dtype).name for variable in model.weights} == {variables}
    assert model(np.ones((2, 9, 8, 3), np.float32)).dtype == logits


@pytest.mark.parametrize(("size", "agree"), [((96, 64), False), ((97, 65), True)])
@pytest.mark.exhaustive
def test_same_padding_agrees_only_where_keras_pads_evenly(
    weights: Weights, built64: TFModel, size: tuple[int, int], agree: bool
) -> None:
    images = _images(2, 3, *size, dtype="float64")
    same = Backend(padding="same").build(weights, "float64").activations(images)["fc"]
    difference = _relative(same, built64.activations(images)["fc"])
    assert difference < 1e-12 if agree else difference > 1e-3


@pytest.mark.exhaustive
def test_one_step_of_fit_changes_every_weight(weights: Weights) -> None:
    model = GoogLeNet(7, 3)
    import_weights(model, weights)
    model.compile("sgd", tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    history = model.fit(_images(4, 33, 31, 3), np.arange(4), batch_size=4, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert not [name for name, array in export_weights(model).items() if np.array_equal(array, weights[name])]


_LOAD = """
import sys
import numpy as np, tensorflow as tf
import googlenet_tf
images = np.load("images.npy")
whole = tf.keras.models.load_model("model.keras")
weights_only = googlenet_tf.GoogLeNet(7, 3, "same")
weights_only.load_weights("model.weights.h5")
np.savez("logits.npz", whole=whole(images), weights_only=weights_only(images))
assert whole.padding == "same" and whole.optimizer is not None
assert not {"torch", "mxnet", "jax"} & set(sys.modules)
"""


@pytest.mark.exhaustive
def test_saved_files_load_in_a_fresh_process(weights: Weights, tmp_path: Path) -> None:
    model = GoogLeNet(7, in_channels=None, padding="same")
    import_weights(model, weights)
    model.compile("sgd", "mse")
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    images = _images(2, 33, 31, 3)
    np.save(tmp_path / "images.npy", images)
    root = str(Path(__file__).parents[2])
    fresh = subprocess.run(
        [sys.executable, "-c", _LOAD],
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert fresh.returncode == 0, fresh.stderr
    assert fresh.stdout == ""
    logits = np.load(tmp_path / "logits.npz")
    np.testing.assert_array_equal(logits["whole"], model(images))
    np.testing.assert_array_equal(logits["weights_only"], model(images))


@pytest.mark.exhaustive
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("in_channels", [3, None])
def test_weights_come_back_bit_for_bit(weights: Weights, in_channels: int | None, dtype: str) -> None:
    model = GoogLeNet(7, in_channels, dtype=dtype)
    import_weights(model, weights)
    exported = export_weights(model)
    assert list(exported) == list(weights)
    for name, array in exported.items():
        assert array.dtype == dtype
        assert _is_own(array), name
        np.testing.assert_array_equal(array, weights[name], err_msg=name)


@pytest.mark.exhaustive
def test_nobody_shares_memory_with_the_model(weights: Weights) -> None:
    given = {name: array.copy() for name, array in weights.items()}
    model = GoogLeNet(7, 3)
    import_weights(model, given)
    for array in given.values():
        array.fill(1)
    for array in export_weights(model).values():
        array.fill(2)
    for name, array in export_weights(model).items():
        np.testing.assert_array_equal(array, weights[name], err_msg=name)


def test_read_only_and_strided_weights_are_welcome(weights: Weights) -> None:
    given = {name: np.asfortranarray(array) for name, array in weights.items()}
    for array in given.values():
        array.flags.writeable = False
    model = GoogLeNet(7, 3)
    import_weights(model, given)
    for name, array in export_weights(model).items():
        np.testing.assert_array_equal(array, weights[name], err_msg=name)


@pytest.mark.parametrize(
    ("fault", "message"),
    representative(
        [
            ({"fc.bias": None}, "1 missing: fc.bias"),
            ({"fc.gain": np.ones(7, np.float32)}, "1 unexpected: fc.gain"),
            ({"fc.weight": np.ones((1024, 7), np.float32)}, "fc.weight"),
            ({"b5.inception_5b.p4_2.bias": np.full(128, np.nan, np.float32)}, "b5.inception_5b.p4_2.bias.*nan"),
            ({"b2.conv1.bias": np.ones(64, np.int32)}, "b2.conv1.bias.*int32"),
            ({"b2.conv1.bias": np.ones(64, np.float64)}, "float32.*b2.conv1.bias"),
        ],
        quick=lambda case: case[1].endswith(("fc.bias", "nan")),
    ),
    ids=["missing", "unexpected", "shape", "NaN", "int32", "float64"],
)
def test_weights_that_do_not_fit_leave_the_model_alone(
    weights: Weights, fault: dict[str, Array | None], message: str
) -> None:
    model = GoogLeNet(7, 3)
    before = [variable.numpy() for variable in model.weights]
    faulty = {name: array for name, array in {**weights, **fault}.items() if array is not None}
    with pytest.raises(WeightsError, match=message):
        import_weights(model, faulty)
    for variable, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_refused_weights_do_not_settle_the_channels(weights: Weights) -> None:
    model = GoogLeNet(7, in_channels=None)
    with pytest.raises(WeightsError, match="float32"):
        import_weights(model, {**weights, "fc.bias": np.zeros(7)})
    assert model.in_channels is None
    assert not model.built


@pytest.mark.parametrize("arguments", [(7, 1), (8, 3)])
def test_weights_for_other_channels_or_classes_are_refused(weights: Weights, arguments: tuple[int, int]) -> None:
    with pytest.raises(WeightsError, match="shape"):
        import_weights(GoogLeNet(*arguments), weights)


def test_a_model_without_weights_cannot_export_them() -> None:
    with pytest.raises(WeightsError, match="in_channels=None"):
        export_weights(GoogLeNet(in_channels=None))


def test_the_backend_keeps_its_contract(built: TFModel) -> None:
    assert isinstance(Backend(), contract.Backend)
    assert isinstance(built, contract.BuiltModel)
    assert next(iter(Backend().versions())) == "tensorflow"


def test_an_unknown_dtype_is_refused(weights: Weights) -> None:
    with pytest.raises(OptionError, match="float16"):
        Backend().build(weights, "float16")  # type: ignore[arg-type]


@pytest.mark.exhaustive
def test_activations_are_canonical(built: TFModel, activations: Weights) -> None:
    shapes = GOOGLENET.output_shapes(3, 7, (48, 40))
    assert list(activations) == list(shapes)
    for name, array in activations.items():
        assert array.shape == (2, *shapes[name]), name
        assert array.dtype == _dtype(built), name
        assert _is_own(array), name


@pytest.mark.parametrize("name", representative(GOOGLENET.names, LAYERS))
def test_a_layer_alone_computes_what_it_does_in_the_model(built: TFModel, activations: Weights, name: str) -> None:
    np.testing.assert_array_equal(built.layer(name, activations[_input_of(name)]), activations[name])


@pytest.mark.parametrize("name", [layer.name for layer in GOOGLENET if isinstance(layer, Conv2d)])
def test_a_convolution_is_recorded_behind_its_relu(activations: Weights, name: str) -> None:
    assert activations[name].min() == 0 < activations[name].max()


def test_activations_show_what_the_model_really_does(weights: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    built, images = Backend().build(weights, "float32"), _images(2, 3, 48, 40)
    monkeypatch.setattr(package("tf").Inception, "call", _branches_in_the_wrong_order)
    wrong = built.activations(images)
    block = GOOGLENET["b3.inception_3a"]
    right = np.concatenate([wrong[branch] for branch in block.inputs], axis=1)
    assert wrong[block.name].shape == right.shape
    assert not np.array_equal(wrong[block.name], right)


def _branches_in_the_wrong_order(block: Any, x: Any) -> Any:
    p1, p2, p3 = block.p1_1(x), block.p2_2(block.p2_1(x)), block.p3_2(block.p3_1(x))
    return tf.concat((p2, p1, p3, block.p4_2(block.p4_1(x))), axis=-1)


def test_the_strided_convolution_is_padded_alike_on_four_sides(weights: Weights, built64: TFModel) -> None:
    inputs = _images(2, 3, 8, 10, dtype="float64")
    padded = np.pad(inputs, ((0, 0), (0, 0), (3, 3), (3, 3)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (7, 7), (2, 3))[:, :, ::2, ::2]  # type: ignore[call-overload]
    sums = np.einsum("nchwyx,ocyx->nohw", windows, weights["b1.conv.weight"].astype(np.float64))
    desired = np.maximum(sums + weights["b1.conv.bias"].reshape(-1, 1, 1), 0)
    np.testing.assert_allclose(built64.layer("b1.conv", inputs), desired, rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", [layer.name for layer in GOOGLENET if isinstance(layer, MaxPool2d)])
def test_a_max_pool_ignores_its_border(built: TFModel, name: str) -> None:
    stride = 1 if name.endswith("p4_1") else 2
    inputs = _images(2, 5, 6, 7, dtype=_dtype(built)) - 10
    padded = np.pad(inputs, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    taps = [padded[:, :, y : y + 6 : stride, x : x + 7 : stride] for y in range(3) for x in range(3)]
    np.testing.assert_array_equal(built.layer(name, inputs), np.maximum.reduce(taps))


def test_gradients_are_those_of_the_keras_model(weights: Weights, built64: TFModel) -> None:
    images, labels = _images(3, 3, 33, 20, dtype="float64"), np.array([6, 0, 3])
    model = GoogLeNet(7, 3, dtype="float64")
    import_weights(model, weights)
    x = tf.constant(layout.nchw_to_nhwc(images))
    with tf.GradientTape() as tape:
        tape.watch(x)
        # Not the class of that name, which works in float32 whatever it is given.
        losses = tf.keras.losses.sparse_categorical_crossentropy(labels, model(x), from_logits=True)
        loss = tf.reduce_mean(losses)
    by_kernel, by_dense, by_images = tape.gradient(loss, [model.b3.inception_3b.p3_2.kernel, model.fc.kernel, x])

    actual = built64.gradients(images, labels)
    assert list(actual.weights) == list(weights)
    assert actual.loss == pytest.approx(float(loss), rel=1e-14)
    for gradient, desired in [
        (actual.weights["b3.inception_3b.p3_2.weight"], layout.hwio_to_oihw(by_kernel.numpy())),
        (actual.weights["fc.weight"], layout.in_out_to_out_in(by_dense.numpy())),
        (actual.images, layout.nhwc_to_nchw(by_images.numpy())),
    ]:
        assert gradient.dtype == np.float64
        np.testing.assert_allclose(gradient, desired, rtol=0, atol=1e-13 * np.abs(desired).max())


@pytest.mark.exhaustive
def test_gradients_predict_how_the_loss_changes(weights: Weights, built64: TFModel) -> None:
    images, labels, step = _images(3, 3, 33, 20, dtype="float64"), np.array([6, 0, 3]), 1e-5
    gradients = built64.gradients(images, labels)
    slope = sum(float((gradient**2).sum()) for gradient in gradients.weights.values())

    def loss_at(distance: float) -> float:
        moved = {name: weights[name] + distance * gradient for name, gradient in gradients.weights.items()}
        return Backend().build(moved, "float64").gradients(images, labels).loss

    assert (loss_at(step) - loss_at(-step)) / (2 * step) == pytest.approx(
        slope, rel=1e-4
    )  # kinks of the ReLUs in between


@pytest.mark.parametrize(
    "name", ["b1.conv", "b1.pool", "b2.conv2", "b3.inception_3a.p4_1", "b4.inception_4a", "b5.pool", "fc"]
)
def test_layer_gradients_predict_how_the_output_changes(built64: TFModel, name: str) -> None:
    shapes, rng = GOOGLENET.output_shapes(3, 7, (48, 40)), np.random.default_rng(2)
    inputs, direction = rng.normal(size=(2, 2, *shapes[_input_of(name)]))
    cotangent, step = rng.normal(size=(2, *shapes[name])), 1e-7
    change = built64.layer(name, inputs + step * direction) - built64.layer(name, inputs - step * direction)

    gradients = built64.layer_gradients(name, inputs, cotangent)
    assert gradients.inputs.shape == inputs.shape
    assert (change * cotangent).sum() / (2 * step) == pytest.approx((gradients.inputs * direction).sum(), rel=1e-5)
    parameters = GOOGLENET.parameter_shapes(3, 7)
    own = {key.removeprefix(f"{name}."): shape for key, shape in parameters.items() if key.startswith(f"{name}.")}
    assert {key: array.shape for key, array in gradients.weights.items()} == own


def test_layer_gradients_by_the_bias_sum_the_cotangent(built64: TFModel) -> None:
    cotangent = _images(4, 7, dtype="float64")
    gradients = built64.layer_gradients("fc", _images(4, 1024, dtype="float64"), cotangent)
    np.testing.assert_allclose(gradients.weights["bias"], cotangent.sum(axis=0), rtol=1e-14)


@pytest.mark.exhaustive
def test_predict_gives_the_logits_at_every_size(built: TFModel, activations: Weights) -> None:
    for shape in ((2, 3, 48, 40), (3, 3, 9, 7), (2, 3, 48, 40)):
        logits = built.predict(_images(*shape))
        assert logits.shape == (shape[0], 7)
    np.testing.assert_allclose(logits, activations["fc"], rtol=0, atol=1e-5 * np.abs(activations["fc"]).max())


@pytest.mark.exhaustive
def test_what_the_model_does_otherwise_predict_does_too(weights: Weights) -> None:
    """A ReLU that is missing, a layer of another kind, one that computes something else: as they stand."""

    class Doubling(tf.keras.layers.Conv2D):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return 2 * super().call(x)

    class Averaging(tf.keras.layers.MaxPool2D):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return tf.nn.avg_pool2d(x, self.pool_size, self.strides, "SAME")

    model, images = GoogLeNet(7, 3), _images(2, 3, 48, 40)
    import_weights(model, weights)
    right = TFModel(model).predict(images)
    model.b1.conv.activation = tf.keras.activations.linear
    model.b2.conv1.__class__ = Doubling
    model.b2.pool.__class__ = Averaging
    logits = TFModel(model).predict(images)
    np.testing.assert_allclose(logits, TFModel(model).activations(images)["fc"], rtol=1e-5, atol=1e-6)
    assert not np.allclose(logits, right, rtol=1e-3)


@pytest.mark.exhaustive
def test_predict_leaves_the_model_as_it_was(weights: Weights) -> None:
    model, images = GoogLeNet(7, 3), _images(2, 3, 48, 40)
    import_weights(model, weights)
    before = np.asarray(model(layout.nchw_to_nhwc(images)))
    TFModel(model).predict(images)
    np.testing.assert_array_equal(model(layout.nchw_to_nhwc(images)), before)
    assert not [name for name in GOOGLENET.names if "call" in vars(named_layer(model, name))]


@pytest.mark.parametrize("name", ["b6", "b3", "b3.inception_3a.p5_1", ""])
def test_an_unknown_layer_is_refused(built: TFModel, name: str) -> None:
    with pytest.raises(UnknownLayerError, match="81 layers"):
        built.layer(name, _images(2, 3, 5, 6))
    with pytest.raises(UnknownLayerError, match="81 layers"):
        built.layer_gradients(name, _images(2, 3, 5, 6), _images(2, 3, 5, 6))


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((2, 1, 5, 6), np.float32), np.array([0, 1]), "1 channels"),
        (np.zeros((2, 3, 5, 0), np.float32), np.array([0, 1]), "width is empty"),
        (np.full((2, 3, 5, 6), np.inf, np.float32), np.array([0, 1]), "inf"),
        (np.zeros((2, 3, 5, 6), np.float32), np.array([0, 7]), "Label 1 is 7"),
    ],
)
def test_impossible_images_and_labels_are_refused(built: TFModel, images: Array, labels: Array, message: str) -> None:
    with pytest.raises(ImagesError, match=message):
        built.gradients(images, labels)


def test_a_cotangent_of_another_shape_is_refused(built: TFModel) -> None:
    with pytest.raises(ImagesError, match=r"\(2, 64, 5, 6\); expected \(2, 64, 3, 3\)"):
        built.layer_gradients("b1.pool", np.zeros((2, 64, 5, 6)), np.zeros((2, 64, 5, 6)))
