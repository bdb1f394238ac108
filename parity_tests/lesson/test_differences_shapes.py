"""The entries of ``docs/differences/shapes.md``, each held true; ``test_differences.py`` pairs them."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from googlenet_np import GOOGLENET, FileError, WeightsError, init_weights, load_weights, sample_images, save_weights
from netparity.network import layout
from parity_tests.support.backends import BACKENDS, framework, package
from parity_tests.support.tiers import representative

Array = npt.NDArray[Any]


def windows(name: str, width: int) -> list[float]:
    """How many pixels of a row each window of 7 covers at stride 2, padded as the source document's tab says."""
    if name == "torch":
        torch = framework("torch")
        row, kernel = torch.ones(1, 1, 1, width), torch.ones(1, 1, 1, 7)
        return torch.nn.functional.conv2d(row, kernel, stride=2, padding=(0, 3)).flatten().tolist()
    if name == "tf":
        tf = framework("tf")
        row, kernel = tf.ones((1, 1, width, 1)), tf.ones((1, 7, 1, 1))
        return tf.nn.conv2d(row, kernel, strides=2, padding="SAME").numpy().ravel().tolist()
    mx = framework("mx")
    row, kernel = mx.nd.ones((1, 1, 1, width)), mx.nd.ones((1, 1, 1, 7))
    seen = mx.nd.Convolution(row, kernel, kernel=(1, 7), stride=(1, 2), pad=(0, 3), num_filter=1, no_bias=True)
    return seen.asnumpy().ravel().tolist()


@pytest.mark.parametrize("width", [96, 97])
@pytest.mark.parametrize("name", BACKENDS)
def test_same_padding(name: str, width: int) -> None:
    first, *_, last = seen = windows(name, width)
    assert len(seen) == -(-width // 2)
    if width == 97:
        assert (first, last) == (4, 4)
    else:
        assert (first, last) == ((5, 4) if name == "tf" else (4, 5))


@pytest.mark.parametrize(
    ("size", "least", "most"),
    representative(
        [(65, 0, 0), (96, 0.03, 0.04), (97, 0, 0), (98, 0.001, 0.003), (224, 0.01, 0.02), (225, 0, 0)],
        quick=lambda case: case[0] == 96,
    ),
)
def test_same_padding_moves_the_logits(size: int, least: float, most: float) -> None:
    tf_package = package("tf")
    weights = init_weights(0)
    images = layout.nchw_to_nhwc(sample_images(4, image_size=(size, size))[0])
    logits = []
    for padding in ("symmetric", "same"):
        model = tf_package.GoogLeNet(padding=padding)
        tf_package.import_weights(model, weights)
        logits.append(model(images).numpy())
    off = np.linalg.norm(logits[1] - logits[0]) / np.linalg.norm(logits[0])
    # Two ways to the same numbers may take two kernels; the longest sum of a forward pass has 1,440 terms.
    assert least <= off <= max(most, 1440 * 2.0**-24)


def test_same_padding_is_refused_by_torch_at_stride_two() -> None:
    torch = framework("torch")
    with pytest.raises(ValueError, match="not supported for strided convolutions"):
        torch.nn.Conv2d(1, 64, kernel_size=7, stride=2, padding="same")


@pytest.mark.parametrize(("channels", "right"), [(1, True), (3, False)])
def test_data_layout(channels: int, right: bool) -> None:
    """With one channel a reshape is as good as a permutation, which hides that it is none."""
    batch = sample_images(2, image_size=(48, 64), in_channels=channels)[0]
    nhwc = layout.nchw_to_nhwc(batch)
    assert np.array_equal(batch.reshape(nhwc.shape), nhwc) is right


@pytest.mark.parametrize("name", BACKENDS)
def test_data_layout_of_each_framework(name: str) -> None:
    images = sample_images(2, image_size=(48, 64), in_channels=3)[0]
    weights = init_weights(0, in_channels=3)
    model = package(name).GoogLeNet(in_channels=3)
    package(name).import_weights(model, weights)
    match name:
        case "torch":
            shape = model.b1(framework("torch").from_numpy(images)).shape
        case "tf":
            shape = model.b1(layout.nchw_to_nhwc(images)).shape
        case _:
            shape = model.b1(framework("mx").nd.array(images)).shape
    assert tuple(shape) == ((2, 12, 16, 64) if name == "tf" else (2, 64, 12, 16))


def test_data_layout_that_mxnet_takes_and_cannot_compute() -> None:
    mx = framework("mx")
    layer = mx.gluon.nn.Conv2D(4, 3, layout="NHWC")
    layer.initialize()
    y = layer(mx.nd.zeros((2, 8, 9, 3)))
    assert y.shape == (2, 6, 7, 4)
    with pytest.raises(mx.MXNetError):
        y.asnumpy()


@pytest.mark.parametrize("name", BACKENDS)
def test_kernel_layout(name: str) -> None:
    layer = package(name).GoogLeNet().b2.conv2
    if name == "tf":
        assert tuple(layer.kernel.shape) == (3, 3, 64, 192)
    else:
        assert tuple(layer.weight.shape) == (192, 64, 3, 3)


def test_kernel_layout_by_a_wrong_transposition_has_the_right_shape() -> None:
    kernel = init_weights(0)["b2.conv2.weight"]
    assert kernel.T.shape == layout.oihw_to_hwio(kernel).shape
    assert not np.array_equal(kernel.T, layout.oihw_to_hwio(kernel))
    sizes = [layer.kernel_size for layer in GOOGLENET.weighted if hasattr(layer, "kernel_size")]
    assert (sizes.count(1), len(sizes)) == (37, 57)


@pytest.mark.parametrize("name", BACKENDS)
def test_dense_layout(name: str) -> None:
    layer = package(name).GoogLeNet(num_classes=7).fc
    if name == "tf":
        assert tuple(layer.kernel.shape) == (1024, 7)
    else:
        assert tuple(layer.weight.shape) == (7, 1024)


def test_dense_layout_depends_on_how_a_map_was_flattened() -> None:
    features = np.arange(24).reshape(2, 3, 2, 2)
    pooled = features[:, :, :1, :1]
    assert not np.array_equal(features.reshape(2, -1), layout.nchw_to_nhwc(features).reshape(2, -1))
    assert np.array_equal(pooled.reshape(2, -1), layout.nchw_to_nhwc(pooled).reshape(2, -1))


@pytest.mark.parametrize("name", BACKENDS)
def test_global_pool(name: str) -> None:
    library = framework(name)
    match name:
        case "torch":
            assert library.nn.AdaptiveAvgPool2d((1, 1))(library.zeros(2, 5, 3, 4)).shape == (2, 5, 1, 1)
            with pytest.raises(RuntimeError):
                library.nn.Linear(5, 7)(library.zeros(2, 5, 1, 1))
        case "tf":
            assert library.keras.layers.GlobalAvgPool2D()(library.zeros((2, 3, 4, 5))).shape == (2, 5)
        case _:
            pooled = library.gluon.nn.GlobalAvgPool2D()(library.nd.zeros((2, 5, 3, 4)))
            dense = library.gluon.nn.Dense(7)
            dense.initialize()
            assert pooled.shape == (2, 5, 1, 1)
            assert dense(pooled).shape == (2, 7)


@pytest.mark.parametrize("name", BACKENDS)
def test_shape_inference(name: str) -> None:
    """Before the first call a placeholder, nothing, or a length of 0; afterwards the same weights as ever."""
    library = framework(name)
    model = package(name).GoogLeNet(in_channels=None)
    match name:
        case "torch":
            assert isinstance(model.b1.conv, library.nn.LazyConv2d)
            assert isinstance(model.b1.conv.weight, library.nn.parameter.UninitializedParameter)
            images = library.zeros(2, 3, 33, 40)
        case "tf":
            assert model.weights == []
            images = library.zeros((2, 33, 40, 3))
        case _:
            model.initialize()
            assert (model.b1.conv.weight.shape, model.b2.conv1.weight.shape) == ((64, 0, 7, 7), (64, 64, 1, 1))
            images = library.nd.zeros((2, 3, 33, 40))
    with pytest.raises(WeightsError):
        package(name).export_weights(model)
    model(images)
    assert package(name).export_weights(model)["b1.conv.weight"].shape == (64, 3, 7, 7)
    if name == "torch":
        assert type(model.b1.conv) is library.nn.Conv2d


@pytest.mark.parametrize("name", BACKENDS)
def test_parameter_names(name: str) -> None:
    """In PyTorch the path, the same in each model; in Keras and Gluon a counted name of the model is in front."""
    listed: dict[str, Callable[[Any], list[str]]] = {
        "torch": lambda model: list(model.state_dict()),
        "tf": lambda model: [variable.path for variable in model.weights],
        "mx": lambda model: list(model.collect_params()),
    }
    first, second = (listed[name](package(name).GoogLeNet()) for _ in range(2))
    canonical = list(GOOGLENET.parameter_shapes())
    assert len(first) == len(second) == len(canonical)
    if name == "torch":
        assert first == second == canonical
        return
    assert set(first).isdisjoint(second)
    if name == "tf":
        ending = [path.partition("/")[2].replace("/", ".").replace("kernel", "weight") for path in second]
        assert ending == canonical


def test_parameter_names_are_needed_as_most_shapes_occur_twice() -> None:
    shapes = Counter(GOOGLENET.parameter_shapes().values())
    assert (shapes.total(), sum(count == 1 for count in shapes.values())) == (116, 44)


FORMATS = {
    ".pt": ("torch", b"PK"),
    ".keras": ("tf", b"PK"),
    ".weights.h5": ("tf", b"\x89HDF"),
    ".params": ("mx", b"\x12\x01"),
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("suffix", [*FORMATS, ".safetensors"])
def test_save_formats(suffix: str, tmp_path: Path) -> None:
    weights, path = init_weights(0), tmp_path / f"lesson{suffix}"
    if suffix in FORMATS:
        name, magic = FORMATS[suffix]
        save, load = operator.attrgetter("save_checkpoint", "load_checkpoint")(package(name))
    else:
        save, load, magic = save_weights, load_weights, b""
    save(path, weights)
    back = load(path)
    assert path.read_bytes().startswith(magic)
    assert list(back) == list(weights)
    assert all(np.array_equal(back[key], weights[key]) for key in weights)


class Greeting:
    """What a pickle may hold: a call of whatever can be imported."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return print, ("a file that you loaded says hello",)


def test_save_formats_of_torch_hold_a_pickle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch = framework("torch")
    torch.save({"b1.conv.weight": Greeting()}, tmp_path / "greeting.pt")
    torch.load(tmp_path / "greeting.pt", weights_only=False)
    assert "says hello" in capsys.readouterr().out
    with pytest.raises(FileError):
        package("torch").load_checkpoint(tmp_path / "greeting.pt")
    assert capsys.readouterr().out == ""
