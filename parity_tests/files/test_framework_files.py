"""Each framework's own files: this project's weights out and in, the source document's in, and damaged ones refused."""

from __future__ import annotations

import pickle
import zipfile
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from googlenet_np.architecture import GOOGLENET
from googlenet_np.module_trees import GLUON_EXPORT, GLUON_SOURCE, KERAS, PROJECT, TORCH_NOTE, TORCH_SOURCE
from googlenet_np.reference import forward
from googlenet_np.weight_files import load_weights, save_weights
from googlenet_np.weights import init_weights
from netparity.files.stored_tensors import canonical_weights, renamed
from netparity.network import layout
from netparity.network.errors import FileError, WeightsError
from netparity.network.module_tree import ModuleTree
from parity_tests.files.formats import Stored
from parity_tests.support.backends import package
from parity_tests.support.files import Runs, assert_same_bits, files_of_at_most
from parity_tests.support.tiers import representative

Array = npt.NDArray[Any]
Weights = dict[str, Array]

CHANNELS, CLASSES = 3, 7
FORMATS = (("torch", ".pt"), ("torch", ".pth"), ("tf", ".keras"), ("tf", ".weights.h5"), ("mx", ".params"))


@pytest.fixture(params=FORMATS, ids="".join)
def file_format(request: pytest.FixtureRequest) -> tuple[ModuleType, str]:
    """A package, its framework imported, and the ending of one of its files."""
    name, suffix = request.param
    return package(name), suffix


def make_weights(dtype: str = "float32") -> Weights:
    """float64 ones are no float32 numbers, so that a way through float32 would show."""
    weights = init_weights(5, in_channels=CHANNELS, num_classes=CLASSES)
    return {name: array.astype(dtype) * (1 + np.finfo(dtype).eps) for name, array in weights.items()}


@pytest.fixture(scope="module")
def weights() -> Weights:
    return make_weights()


@pytest.fixture(scope="module", params=representative(["float32", "float64"], quick=["float64"]))
def any_weights(request: pytest.FixtureRequest) -> Weights:
    return make_weights(request.param)


@pytest.fixture(scope="module")
def images() -> Array:
    """33 × 65: sizes 32k + 1, at which the source's TensorFlow tab pads as the others do."""
    return np.random.Generator(np.random.PCG64(6)).standard_normal((2, CHANNELS, 33, 65))


def assert_same_network(logits: Array, weights: Weights, images: Array) -> None:
    """In float64, within the design's gate for wiring."""
    expected = forward(weights, images)["fc"]
    assert np.abs(logits - expected).max() <= 1e-12 * np.abs(expected).max()


def test_round_trip(file_format: tuple[ModuleType, str], any_weights: Weights, tmp_path: Path) -> None:
    framework, suffix = file_format
    before = {name: array.copy() for name, array in any_weights.items()}
    framework.save_checkpoint(tmp_path / f"net{suffix}", dict(reversed(any_weights.items())))
    assert_same_bits(framework.load_checkpoint(str(tmp_path / f"net{suffix}")), any_weights)
    assert_same_bits(any_weights, before)
    assert [path.name for path in tmp_path.iterdir()] == [f"net{suffix}"]


@pytest.mark.exhaustive
def test_goes_through_the_canonical_file(
    file_format: tuple[ModuleType, str], any_weights: Weights, tmp_path: Path
) -> None:
    framework, suffix = file_format
    framework.save_checkpoint(tmp_path / f"net{suffix}", any_weights)
    save_weights(tmp_path / "net.safetensors", framework.load_checkpoint(tmp_path / f"net{suffix}"))
    assert_same_bits(load_weights(tmp_path / "net.safetensors"), any_weights)


# What each framework itself writes and reads


def test_torch_reads_what_is_saved_and_writes_what_is_read(any_weights: Weights, tmp_path: Path) -> None:
    googlenet_torch = package("torch")
    import torch

    googlenet_torch.save_checkpoint(tmp_path / "net.pt", any_weights)
    model = googlenet_torch.GoogLeNet(CLASSES, CHANNELS).to(torch.from_numpy(any_weights["fc.bias"]).dtype)
    model.load_state_dict(torch.load(tmp_path / "net.pt", weights_only=True))
    assert_same_bits(googlenet_torch.export_weights(model), any_weights)
    torch.save(model.to(memory_format=torch.channels_last).state_dict(), tmp_path / "own.pth")
    assert_same_bits(googlenet_torch.load_checkpoint(tmp_path / "own.pth"), any_weights)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("suffix", "padding"),
    product([".keras", ".weights.h5"], ["symmetric", "same"]),
)
def test_keras_reads_what_is_saved_and_writes_what_is_read(
    suffix: str, padding: str, weights: Weights, tmp_path: Path
) -> None:
    googlenet_tf = package("tf")
    import tensorflow as tf

    path = tmp_path / f"net{suffix}"
    googlenet_tf.save_checkpoint(path, weights)
    if suffix == ".keras":
        model = tf.keras.models.load_model(path, safe_mode=True)
        assert_same_bits(googlenet_tf.export_weights(model), weights)
    model = googlenet_tf.GoogLeNet(CLASSES, CHANNELS, padding=padding)
    if suffix == ".weights.h5":
        model.load_weights(path)
    else:
        googlenet_tf.import_weights(model, weights)
    model.compile(tf.keras.optimizers.Adam(0.01), "mse", run_eagerly=True)
    model.fit(tf.ones((2, 32, 33, CHANNELS)), tf.ones((2, CLASSES)), verbose=0)
    (model.save if suffix == ".keras" else model.save_weights)(tmp_path / f"own{suffix}")
    trained = googlenet_tf.export_weights(model)
    assert not np.array_equal(trained["fc.bias"], weights["fc.bias"])
    assert_same_bits(googlenet_tf.load_checkpoint(tmp_path / f"own{suffix}"), trained)


def test_gluon_reads_what_is_saved_and_writes_what_is_read(any_weights: Weights, tmp_path: Path) -> None:
    googlenet_mx = package("mx")
    import mxnet as mx

    googlenet_mx.save_checkpoint(tmp_path / "net.params", any_weights)
    model = googlenet_mx.GoogLeNet(CLASSES, CHANNELS)
    model.cast(any_weights["fc.bias"].dtype)
    model.load_parameters(str(tmp_path / "net.params"))
    assert_same_bits(googlenet_mx.export_weights(model), any_weights)
    model.save_parameters(str(tmp_path / "own.params"))
    assert_same_bits(googlenet_mx.load_checkpoint(tmp_path / "own.params"), any_weights)
    model.hybridize()
    model(mx.nd.ones((2, CHANNELS, 32, 33), dtype=any_weights["fc.bias"].dtype))
    model.export(str(tmp_path / "own"))
    assert_same_bits(googlenet_mx.load_checkpoint(tmp_path / "own-0000.params"), any_weights)


def test_gluon_in_numpy_semantics(weights: Weights, tmp_path: Path) -> None:
    googlenet_mx = package("mx")
    import mxnet as mx

    with mx.util.np_shape(True), mx.util.np_array(True):
        googlenet_mx.save_checkpoint(tmp_path / "np.params", weights)
        model = googlenet_mx.GoogLeNet(CLASSES, CHANNELS)
        model.load_parameters(str(tmp_path / "np.params"))
    googlenet_mx.save_checkpoint(tmp_path / "nd.params", weights)
    assert_same_bits(googlenet_mx.load_checkpoint(tmp_path / "np.params"), weights)
    with mx.util.np_shape(True), mx.util.np_array(True):
        assert_same_bits(googlenet_mx.load_checkpoint(tmp_path / "nd.params"), weights)
        assert_same_bits(googlenet_mx.load_checkpoint(tmp_path / "np.params"), weights)


# The source document's own networks


@pytest.mark.parametrize("tree", ["document", "note"])
def test_torch_source(tree: str, any_weights: Weights, images: Array, tmp_path: Path) -> None:
    googlenet_torch = package("torch")
    import torch

    from parity_tests.source_document import torch_model as source_torch

    net = source_torch.document(CLASSES) if tree == "document" else source_torch.Note(CLASSES)
    source_torch.fill(net, any_weights)
    torch.save(net.state_dict(), tmp_path / "net.pt")
    keys = {"document": ("0.0.weight", "2.0.p1_1.weight"), "note": ("net.0.0.weight", "net.2.0.b1_1.weight")}[tree]
    assert set(keys) < set(net.state_dict())
    loaded = googlenet_torch.load_checkpoint(tmp_path / "net.pt")
    assert_same_bits(loaded, any_weights)
    assert_same_network(source_torch.logits(net.double(), images), loaded, images)


@pytest.mark.exhaustive
def test_tf_source(any_weights: Weights, images: Array, tmp_path: Path) -> None:
    googlenet_tf = package("tf")
    from parity_tests.source_document import tf_model as source_tf

    dtype = any_weights["fc.bias"].dtype.name
    net = source_tf.document(CLASSES, CHANNELS, dtype)
    source_tf.fill(net, any_weights)
    net.save_weights(tmp_path / "net.weights.h5")
    loaded = googlenet_tf.load_checkpoint(tmp_path / "net.weights.h5")
    assert_same_bits(loaded, any_weights)
    if dtype == "float64":
        assert_same_network(source_tf.logits(net, images), loaded, images)


@pytest.mark.parametrize("first", [0, 57])
def test_tf_source_as_keras_2_numbered_it(first: int, any_weights: Weights, tmp_path: Path) -> None:
    """As TensorFlow 2.15.1 writes it: groups of the stages, and in them layers numbered through the process."""
    googlenet_tf = package("tf")
    import h5py

    with h5py.File(tmp_path / "net.h5", "w") as file:
        file.attrs["layer_names"] = ["sequential"]
        for i, (name, array) in enumerate(any_weights.items()):
            layer = "dense" if name.startswith("fc") else f"conv2d_{first + i // 2}".removesuffix("_0")
            kind = "kernel" if name.endswith("weight") else "bias"
            permuted = {4: layout.oihw_to_hwio, 2: layout.out_in_to_in_out}.get(array.ndim, np.array)(array)
            file[f"sequential/{layer}/{kind}:0"] = permuted
    assert_same_bits(googlenet_tf.load_checkpoint(tmp_path / "net.h5"), any_weights)


@pytest.mark.parametrize("np_semantics", [True, False])
def test_mx_source(np_semantics: bool, any_weights: Weights, images: Array, tmp_path: Path) -> None:
    googlenet_mx = package("mx")
    from parity_tests.source_document import mx_model as source_mx

    net = source_mx.document(CLASSES)
    source_mx.fill(net, any_weights)
    source_mx.save(net, tmp_path / "net.params", np_semantics=np_semantics)
    loaded = googlenet_mx.load_checkpoint(tmp_path / "net.params")
    assert_same_bits(loaded, any_weights)
    net.cast("float64")
    assert_same_network(source_mx.logits(net, images), loaded, images)


# Wrapped state dicts


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module.", "_orig_mod.module.", "module._orig_mod.", "net."])
@pytest.mark.parametrize("wrapper", [None, "state_dict", "model_state_dict"])
def test_torch_wrappers(prefix: str, wrapper: str | None, weights: Weights, tmp_path: Path) -> None:
    googlenet_torch = package("torch")
    import torch

    state = {prefix + name: torch.from_numpy(array) for name, array in weights.items()}
    content = {wrapper: state, "epoch": 3, "optimizer": {"lr": 0.1}} if wrapper else state
    torch.save(content, tmp_path / "net.pt")
    assert_same_bits(googlenet_torch.load_checkpoint(tmp_path / "net.pt"), weights)


def test_two_state_dicts_are_refused(weights: Weights, tmp_path: Path) -> None:
    googlenet_torch = package("torch")
    import torch

    torch.save({"state_dict": {}, "model_state_dict": {}}, tmp_path / "net.pt")
    with pytest.raises(WeightsError, match="state_dict and model_state_dict"):
        googlenet_torch.load_checkpoint(tmp_path / "net.pt")


# What is refused


@pytest.mark.parametrize("writer", ["pickle", "torch"])
def test_no_pickle_is_run(writer: str, tmp_path: Path) -> None:
    googlenet_torch = package("torch")
    import torch

    made = tmp_path / "made"
    with (tmp_path / "net.pt").open("wb") as file:
        (pickle.dump if writer == "pickle" else torch.save)({"fc.bias": Runs(made)}, file)
    pickle.loads(pickle.dumps(Runs(made)))  # it would
    made.unlink()
    with pytest.raises(FileError, match=r"net\.pt' is no PyTorch file of tensors .* could run code"):
        googlenet_torch.load_checkpoint(tmp_path / "net.pt")
    assert not made.exists()


@pytest.mark.parametrize("size", representative([0, 1, 7, 100, 5_000, 1_000_000, -100_000, -1], quick=[1_000_000]))
def test_a_file_cut_short(size: int, file_format: tuple[ModuleType, str], stored: Stored, tmp_path: Path) -> None:
    framework, suffix = file_format
    path = tmp_path / f"net{suffix}"
    path.write_bytes(stored(suffix).read_bytes()[:size])
    with pytest.raises(FileError, match=r"net.* is no") as caught:
        framework.load_checkpoint(path)
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize("start", representative([512, 1024], quick=[512]))
def test_a_keras_archive_cut_short_where_hdf5_finds_its_beginning(
    start: int, stored: Stored, weights: Weights, tmp_path: Path
) -> None:
    """HDF5 looks for its signature at 0, 512, 1024 …, and in an archive the weights may happen to begin there."""
    googlenet_tf = package("tf")
    path = tmp_path / "net.keras"
    heads = 30 + len("config.json") + 30 + len("model.weights.h5")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", " " * (start - heads))
        archive.write(stored(".weights.h5"), "model.weights.h5")
    content = path.read_bytes()
    assert content.index(b"\x89HDF") == start
    assert_same_bits(googlenet_tf.load_checkpoint(path), weights)
    path.write_bytes(content[:-1])
    with pytest.raises(FileError, match="is no"):
        googlenet_tf.load_checkpoint(path)


@pytest.mark.parametrize("content", [b"", b"no weights\n" * 1000, b"PK\x03\x04" + bytes(5000), b"\x89HDF\r\n\x1a\n"])
def test_a_foreign_file(content: bytes, file_format: tuple[ModuleType, str], tmp_path: Path) -> None:
    framework, suffix = file_format
    (tmp_path / f"net{suffix}").write_bytes(content)
    with pytest.raises(FileError, match=r"net.* is no"):
        framework.load_checkpoint(tmp_path / f"net{suffix}")


OTHERS = [(own, other) for own in FORMATS for other in FORMATS if own[0] != other[0]]


NATIVE = (".pt", ".keras", ".params")
"""One ending of each framework."""


@pytest.mark.parametrize(
    ("own", "other"),
    representative(OTHERS, quick=lambda pair: all(suffix in NATIVE for _, suffix in pair)),
    ids="".join,
)
def test_a_file_of_another_framework(
    own: tuple[str, str], other: tuple[str, str], stored: Stored, tmp_path: Path
) -> None:
    (tmp_path / f"net{own[1]}").symlink_to(stored(other[1]))
    with pytest.raises((FileError, WeightsError), match="net"):
        package(own[0]).load_checkpoint(tmp_path / f"net{own[1]}")


def test_no_such_file(file_format: tuple[ModuleType, str], tmp_path: Path) -> None:
    framework, suffix = file_format
    with pytest.raises(FileError, match=r"Cannot read '.*net.*': No such file"):
        framework.load_checkpoint(tmp_path / f"net{suffix}")
    with pytest.raises(FileError, match=r"Cannot read .*: Is a directory"):
        framework.load_checkpoint(tmp_path)


def test_an_hdf5_file_that_is_no_weights_file(tmp_path: Path) -> None:
    googlenet_tf = package("tf")
    import h5py

    with h5py.File(tmp_path / "net.weights.h5", "w") as file:
        file["table"] = np.zeros((3, 4))
    with pytest.raises(WeightsError, match=r"net.weights.h5'.* nearest is .* 116 missing: .* 1 unexpected: table\."):
        googlenet_tf.load_checkpoint(tmp_path / "net.weights.h5")


def test_hdf5_reads_no_other_file(tmp_path: Path) -> None:
    googlenet_tf = package("tf")
    import h5py

    (tmp_path / "secret").write_bytes(bytes(40))
    with h5py.File(tmp_path / "net.weights.h5", "w") as file:
        file.create_dataset("fc/vars/1", (10,), "f4", external=[(str(tmp_path / "secret"), 0, 40)])
    with pytest.raises(FileError, match="not a whole file of Keras weights"):
        googlenet_tf.load_checkpoint(tmp_path / "net.weights.h5")


def test_arrays_without_names(tmp_path: Path) -> None:
    googlenet_mx = package("mx")
    import mxnet as mx

    mx.nd.save(str(tmp_path / "net.params"), [mx.nd.zeros((2, 3))])
    with pytest.raises(WeightsError, match="arrays without names"):
        googlenet_mx.load_checkpoint(tmp_path / "net.params")


@pytest.mark.parametrize("content", [3, [1, 2], {}, {"fc.bias": 3}])
def test_a_torch_file_without_state_dict(content: Any, tmp_path: Path) -> None:
    googlenet_torch = package("torch")
    import torch

    torch.save(content, tmp_path / "net.pt")
    with pytest.raises(WeightsError, match=r"net.pt'"):
        googlenet_torch.load_checkpoint(tmp_path / "net.pt")


def test_a_torch_file_with_something_else_for_a_tensor(weights: Weights, tmp_path: Path) -> None:
    googlenet_torch = package("torch")
    import torch

    torch.save({name: torch.from_numpy(array) for name, array in weights.items()} | {"fc.bias": "x"}, tmp_path / "n")
    with pytest.raises(WeightsError, match=r"'fc.bias' is a str, expected a NumPy array"):
        googlenet_torch.load_checkpoint(tmp_path / "n")


def test_a_lazy_torch_model_before_its_first_call(tmp_path: Path) -> None:
    googlenet_torch = package("torch")
    import torch

    from parity_tests.source_document.torch_model import Note

    torch.save(Note(CLASSES).state_dict(), tmp_path / "net.pt")
    with pytest.raises(FileError, match=r"a lazy model's after its first call\.$"):
        googlenet_torch.load_checkpoint(tmp_path / "net.pt")


def test_a_torch_file_in_half_precision(weights: Weights, tmp_path: Path) -> None:
    googlenet_torch = package("torch")
    import torch

    torch.save({name: torch.from_numpy(array).bfloat16() for name, array in weights.items()}, tmp_path / "net.pt")
    with pytest.raises(WeightsError, match=r"'b1.conv.weight' is torch.bfloat16"):
        googlenet_torch.load_checkpoint(tmp_path / "net.pt")


# Key sets and shapes

TREES = (PROJECT, TORCH_SOURCE, TORCH_NOTE, GLUON_SOURCE, GLUON_EXPORT, *KERAS)


def in_tree(tree: ModuleTree, weights: Weights) -> Weights:
    return {key: weights[name] for key, name in tree.parameters.items()}


@pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree.name)
def test_a_tree_is_found_by_its_keys_alone(tree: ModuleTree, weights: Weights) -> None:
    shuffled = dict(sorted(in_tree(tree, weights).items(), reverse=True))
    assert_same_bits(canonical_weights(GOOGLENET, shuffled, TREES), weights)


def test_trees_share_no_set_of_keys() -> None:
    assert len({frozenset(tree.parameters) for tree in TREES}) == len(TREES)
    assert {len(tree.parameters) for tree in TREES} == {116}


@pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree.name)
def test_missing_and_unexpected_keys_are_named(tree: ModuleTree, weights: Weights) -> None:
    tensors = in_tree(tree, weights)
    first, *_, last = tensors
    gone = sorted((first, last))
    for key in gone:
        del tensors[key]
    tensors |= {"z": weights["fc.bias"], "a\x1b": weights["fc.bias"]}
    with pytest.raises(WeightsError) as caught:
        canonical_weights(GOOGLENET, tensors, TREES)
    assert str(caught.value) == (
        f"The tensors are not those of a GoogLeNet; nearest is {tree.name}: 2 missing: {', '.join(gone)}; "
        f"2 unexpected: a\\x1b, z."
    )


@pytest.mark.parametrize("change", ["missing", "extra", "shape"])
@pytest.mark.parametrize("name", ["torch", "mx"])
def test_a_file_with_one_thing_wrong(name: str, change: str, weights: Weights, tmp_path: Path) -> None:
    framework = package(name)
    wrong = dict(weights)
    if change == "missing":
        del wrong["b4.inception_4c.p3_2.bias"]
    elif change == "extra":
        wrong["b6.conv.weight"] = weights["fc.bias"]
    else:
        wrong["b4.inception_4c.p3_2.bias"] = weights["fc.bias"]
    write(name, tmp_path / "net", wrong)
    expected = {
        "missing": "1 missing: b4.inception_4c.p3_2.bias",
        "extra": "1 unexpected: b6.conv.weight",
        "shape": r"'b4.inception_4c.p3_2.bias' has shape \(7,\), expected \(64,\)",
    }[change]
    with pytest.raises(WeightsError, match=expected):
        framework.load_checkpoint(tmp_path / "net")


def write(name: str, path: Path, arrays: Weights) -> None:
    if name == "torch":
        import torch

        torch.save({name: torch.from_numpy(array) for name, array in arrays.items()}, path)
    else:
        import mxnet as mx

        mx.nd.save(str(path), {name: mx.nd.array(array, dtype=array.dtype) for name, array in arrays.items()})


def test_two_tensors_for_one_name_are_refused(weights: Weights, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"^'a.fc' and 'b.fc' both stand for 'fc'; expected one of them\.$"):
        renamed({"a.fc": weights["fc.bias"], "b.fc": weights["fc.bias"]}, lambda name: name[2:])


@pytest.mark.parametrize("change", ["missing", "extra", "shape"])
def test_a_keras_file_with_one_thing_wrong(change: str, stored: Stored, tmp_path: Path) -> None:
    googlenet_tf = package("tf")
    import h5py

    path = tmp_path / "net.weights.h5"
    path.write_bytes(stored(".weights.h5").read_bytes())
    with h5py.File(path, "a") as file:
        if change != "extra":
            del file["fc/vars/1"]
        if change != "missing":
            file["fc/vars/1" if change == "shape" else "fc/vars/2"] = np.zeros((2, 3, 4), np.float32)
    expected = {
        "missing": "1 missing: fc.bias",
        "extra": "1 unexpected: fc/vars/2",
        "shape": r"'fc.bias' has shape \(2, 3, 4\), expected \(7,\)",
    }[change]
    with pytest.raises(WeightsError, match=expected):
        googlenet_tf.load_checkpoint(path)


# Writing


def test_only_a_canonical_set_is_written(file_format: tuple[ModuleType, str], weights: Weights, tmp_path: Path) -> None:
    framework, suffix = file_format
    wrong = {name: array for name, array in weights.items() if name != "fc.bias"}
    with pytest.raises(WeightsError, match=r"1 missing: fc\.bias"):
        framework.save_checkpoint(tmp_path / f"net{suffix}", wrong)
    assert list(tmp_path.iterdir()) == []


def test_a_keras_model_has_one_dtype(weights: Weights, tmp_path: Path) -> None:
    googlenet_tf = package("tf")
    mixed = weights | {"fc.bias": weights["fc.bias"].astype(np.float64)}
    with pytest.raises(WeightsError, match="float32 and float64; a Keras model has one"):
        googlenet_tf.save_checkpoint(tmp_path / "net.keras", mixed)


def test_keras_wants_an_ending(weights: Weights, tmp_path: Path) -> None:
    googlenet_tf = package("tf")
    with pytest.raises(FileError, match=r"net.h5': expected a name that ends in \.keras or \.weights\.h5"):
        googlenet_tf.save_checkpoint(tmp_path / "net.h5", weights)


@pytest.mark.exhaustive
def test_no_folder_to_write_to(file_format: tuple[ModuleType, str], weights: Weights, tmp_path: Path) -> None:
    framework, suffix = file_format
    with pytest.raises(FileError, match=r"Cannot write .*: No such file"):
        framework.save_checkpoint(tmp_path / "nowhere" / f"net{suffix}", weights)


@pytest.mark.exhaustive
def test_a_full_disk_leaves_the_old_file(file_format: tuple[ModuleType, str], weights: Weights, tmp_path: Path) -> None:
    framework, suffix = file_format
    path = tmp_path / f"net{suffix}"
    path.write_bytes(b"the old one")
    with files_of_at_most(1_000_000), pytest.raises(FileError, match=r"Cannot write '.*net"):
        framework.save_checkpoint(path, weights)
    assert path.read_bytes() == b"the old one"
    assert [left.name for left in tmp_path.iterdir()] == [path.name]
