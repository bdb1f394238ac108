"""``convert``: every format into every format, bit for bit; for whatever is wrong, one sentence, and nothing lost."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from googlenet_np.module_trees import TORCH_SOURCE
from googlenet_np.weight_files import load_weights, save_weights
from googlenet_np.weights import init_weights
from netparity.files import checkpoint
from netparity.files import formats as file_formats
from netparity.files.tensors import save_tensors
from netparity.network import layout
from netparity.network.contract import OptimizerState
from parity_tests.backends import FRAMEWORKS, require
from parity_tests.test_checkpoints import Runs, assert_same_bits, files_of_at_most
from parity_tests.test_cli import Command, Result, command
from parity_tests.test_isolation import in_fresh_interpreter

__all__ = ["command"]  # a fixture

Array = npt.NDArray[Any]
Weights = dict[str, Array]
Stored = Callable[[str], Path]

ENDINGS: dict[str, str | None] = {
    ".safetensors": None,
    ".pt": "torch",
    ".keras": "tf",
    ".weights.h5": "tf",
    ".params": "mx",
}
"""Each format's own, and the backend whose framework it takes."""


def make_weights(dtype: str = "float32", in_channels: int = 3, num_classes: int = 7) -> Weights:
    """With what a way through another dtype or through arithmetic would lose."""
    weights = init_weights(5, in_channels=in_channels, num_classes=num_classes)
    weights = {name: array.astype(dtype) * (1 + np.finfo(dtype).eps) for name, array in weights.items()}
    limits = np.finfo(dtype)
    weights["b1.conv.bias"][:4] = [-0.0, limits.smallest_subnormal, limits.max, -limits.tiny]
    return weights


def write(path: Path, weights: Mapping[str, Array], backend: str | None) -> None:
    """By the package of the framework itself."""
    if backend is None:
        save_weights(path, weights)
    else:
        require(backend)
        import_module(f"googlenet_{backend}").save_checkpoint(path, weights)


def read(path: Path, backend: str | None) -> Weights:
    if backend is None:
        return load_weights(path)
    require(backend)
    loaded: Weights = import_module(f"googlenet_{backend}").load_checkpoint(path)
    return loaded


@pytest.fixture(scope="module")
def weights() -> Weights:
    return make_weights()


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory, weights: Weights) -> Iterator[Stored]:
    """A file of the weights in each format, written once by its framework; not to be changed."""
    folder = tmp_path_factory.mktemp("stored")

    def get(ending: str) -> Path:
        path = folder / f"net{ending}"
        if not path.exists():
            write(path, weights, ENDINGS[ending])
        return path

    yield get
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def _no_large_files_stay(tmp_path: Path) -> Iterator[None]:
    """Pytest keeps what three runs wrote, and each of these tests writes tens of megabytes."""
    yield
    shutil.rmtree(tmp_path)


def sentence(result: Result) -> str:
    assert result.code == 2
    assert result.out == ""
    assert result.err.startswith("error: ")
    assert result.err.endswith(".\n")
    assert result.err.count("\n") == 1
    assert result.err[:-1].isprintable()
    return result.err


# Every format into every format


PAIRS = [pytest.param(source, target, id=f"{source} to {target}") for source, target in product(ENDINGS, ENDINGS)]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_every_format_into_every_format(
    source: str, target: str, stored: Stored, weights: Weights, command: Command, tmp_path: Path
) -> None:
    for backend in filter(None, (ENDINGS[source], ENDINGS[target])):
        require(backend)
    before = stored(source).read_bytes()
    result = command("convert", stored(source), tmp_path / f"out{target}")
    assert (result.code, result.err) == (0, "")
    assert_same_bits(read(tmp_path / f"out{target}", ENDINGS[target]), weights)
    assert stored(source).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [f"out{target}"]


@pytest.mark.parametrize(
    ("dtype", "in_channels", "num_classes"), [("float32", 1, 1), ("float64", 3, 7), ("float32", 4, 1000)]
)
def test_through_all_of_them_and_back(
    dtype: str, in_channels: int, num_classes: int, command: Command, tmp_path: Path
) -> None:
    """The canonical file comes back byte for byte, whatever was between."""
    for backend in FRAMEWORKS:
        require(backend)
    first = tmp_path / "first.safetensors"
    save_weights(first, make_weights(dtype, in_channels, num_classes))
    names = [
        "first.safetensors",
        "a.pth",
        "b.keras",
        "c.params",
        "d.weights.h5",
        "e.params",
        "f.pt",
        "last.safetensors",
    ]
    for source, target in pairwise(names):
        result = command("convert", tmp_path / source, tmp_path / target)
        assert result.code == 0
        assert f"116 tensors, {dtype}, {in_channels} image channel" in result.out
        assert f"{num_classes} class" in result.out
    assert (tmp_path / names[-1]).read_bytes() == first.read_bytes()


def test_what_it_prints(stored: Stored, command: Command, tmp_path: Path) -> None:
    require("torch")
    result = command("convert", stored(".pt"), tmp_path / "net.safetensors")
    assert result.out == (
        f"'{stored('.pt')}' (PyTorch, this project's tree) is now '{tmp_path}/net.safetensors' (safetensors): "
        f"116 tensors, float32, 3 image channels, 7 classes.\n"
    )


@pytest.mark.parametrize("ending", ENDINGS)
def test_content_says_what_a_file_is_and_not_its_name(
    ending: str, stored: Stored, weights: Weights, command: Command, tmp_path: Path
) -> None:
    wrong = tmp_path / ("net.pt" if ending != ".pt" else "net.params")
    wrong.symlink_to(stored(ending))
    assert command("convert", wrong, tmp_path / "out.safetensors").code == 0
    assert_same_bits(load_weights(tmp_path / "out.safetensors"), weights)


def test_two_dtypes_stay_two(command: Command, tmp_path: Path) -> None:
    require("torch")
    mixed = make_weights() | {"fc.bias": np.linspace(0, 1, 7)}
    save_weights(tmp_path / "in.safetensors", mixed)
    assert "float32 and float64" in command("convert", tmp_path / "in.safetensors", tmp_path / "out.pt").out
    assert_same_bits(read(tmp_path / "out.pt", "torch"), mixed)


# Other trees, and other kinds of file


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("tree", ["document", "note"])
def test_the_source_documents_torch(tree: str, dtype: str, command: Command, tmp_path: Path) -> None:
    require("torch")
    import torch

    from parity_tests import source_torch

    net = source_torch.document(7) if tree == "document" else source_torch.Note(7)
    source_torch.fill(net, weights := make_weights(dtype))
    torch.save(net.state_dict(), tmp_path / "net.pt")
    assert_converts(tmp_path / "net.pt", weights, command, f"(PyTorch, the {SOURCES[tree]}'s PyTorch tree)")


SOURCES = {"document": "source document", "note": "study note"}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_source_documents_tensorflow(dtype: str, command: Command, tmp_path: Path) -> None:
    require("tf")
    from parity_tests import source_tf

    weights = make_weights(dtype)
    net = source_tf.document(7, 3, dtype)
    source_tf.fill(net, weights)
    net.save_weights(tmp_path / "net.weights.h5")
    assert_converts(tmp_path / "net.weights.h5", weights, command, "the source document's TensorFlow tree")


def test_keras_2s_h5(command: Command, tmp_path: Path) -> None:
    require("tf")
    write_keras_2(tmp_path / "net.h5", weights := make_weights())
    assert_converts(tmp_path / "net.h5", weights, command, "as Keras 2 numbers them in .h5")


def write_keras_2(path: Path, weights: Weights) -> None:
    """As TensorFlow 2.15.1 saves the source document's network, the third in its process."""
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = ["sequential"]
        file.attrs["keras_version"] = "2.15.0"
        for i, (name, array) in enumerate(weights.items()):
            layer = "dense_2" if name.startswith("fc") else f"conv2d_{114 + i // 2}"
            kind = "kernel" if name.endswith("weight") else "bias"
            permuted = {4: layout.oihw_to_hwio, 2: layout.out_in_to_in_out}.get(array.ndim, np.array)(array)
            file[f"sequential/{layer}/{kind}:0"] = permuted


@pytest.mark.parametrize("np_semantics", [True, False])
def test_the_source_documents_mxnet(np_semantics: bool, command: Command, tmp_path: Path) -> None:
    require("mx")
    from parity_tests import source_mx

    net = source_mx.document(7)
    source_mx.fill(net, weights := make_weights("float64"))
    source_mx.save(net, tmp_path / "net.params", np_semantics=np_semantics)
    assert_converts(tmp_path / "net.params", weights, command, "(MXNet, the source document's MXNet tree)")


def test_a_state_dict_that_another_program_put_into_safetensors(
    weights: Weights, command: Command, tmp_path: Path
) -> None:
    from safetensors.numpy import save_file

    save_file({key: weights[name] for key, name in TORCH_SOURCE.parameters.items()}, tmp_path / "net.safetensors")
    assert_converts(tmp_path / "net.safetensors", weights, command, "the source document's PyTorch tree")


def test_a_trainings_checkpoint(weights: Weights, command: Command, tmp_path: Path) -> None:
    momenta = {name: np.ones_like(array) for name, array in weights.items()}
    trained = checkpoint.Checkpoint(weights, OptimizerState(momenta, 1.0), checkpoint.Progress(3), {})
    checkpoint.save(tmp_path / "net.safetensors", trained)
    assert_converts(tmp_path / "net.safetensors", weights, command, "the weights in a training's checkpoint")


def assert_converts(path: Path, weights: Weights, command: Command, words: str) -> None:
    target = path.with_name("out.safetensors")
    result = command("convert", path, target)
    assert (result.code, result.err) == (0, "")
    assert words in result.out
    assert_same_bits(load_weights(target), weights)


# Frameworks


LOADED = """
    import atexit, runpy, sys
    atexit.register(lambda: print(*sorted({"torch", "tensorflow", "mxnet"} & set(sys.modules)), file=sys.stderr))
    sys.argv[0] = "netparity"
    runpy.run_module("netparity", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize(
    ("source", "target"),
    [(".safetensors", ".safetensors"), (".safetensors", ".pt"), (".params", ".safetensors"), (".pt", ".keras")],
    ids=str,
)
def test_only_the_frameworks_of_the_two_are_imported(source: str, target: str, stored: Stored, tmp_path: Path) -> None:
    needed = [backend for ending in (source, target) if (backend := ENDINGS[ending])]
    for backend in needed:
        require(backend)
    files = [str(stored(source)), str(tmp_path / f"out{target}")]
    result = in_fresh_interpreter(LOADED, tmp_path, "convert", *files)
    assert result.stderr.splitlines()[-1:] == [" ".join(sorted(FRAMEWORKS[backend] for backend in needed))]
    assert len(result.stderr.splitlines()) == 1, "TensorFlow's greetings are not for the terminal"


@pytest.fixture(params=FRAMEWORKS)
def absent(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A backend whose framework cannot be found, as if it were not installed."""
    backend: str = request.param
    for name in list(sys.modules):
        if name.partition(".")[0] == f"googlenet_{backend}":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, FRAMEWORKS[backend], None)
    return backend


PROPER_NAMES = {"torch": "PyTorch", "tf": "TensorFlow", "mx": "MXNet"}

HEADS = {
    "torch": b"\x80\x02}q\x00.",
    "tf": b"\x89HDF\r\n\x1a\n" + bytes(100),
    "mx": b"\x12\x01" + bytes(100),
}
"""Enough of a file to know its format."""


def test_a_framework_that_is_missing(absent: str, weights: Weights, command: Command, tmp_path: Path) -> None:
    save_weights(tmp_path / "in.safetensors", weights)
    (tmp_path / "in").write_bytes(HEADS[absent])
    suffix = next(ending for ending, backend in ENDINGS.items() if backend == absent)
    words = f"which needs {PROPER_NAMES[absent]}, and that is not installed (there is no Python module "
    for source, target in (("in.safetensors", f"out{suffix}"), ("in", "out.safetensors")):
        message = sentence(command("convert", tmp_path / source, tmp_path / target))
        assert words in message
        assert message.endswith(f"pip install 'googlenet-parity[{absent}]'.\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "in.safetensors"]


def test_a_framework_that_is_broken(monkeypatch: pytest.MonkeyPatch, command: Command, tmp_path: Path) -> None:
    def fail(name: str) -> None:
        raise ImportError("libcudart.so.12: cannot open\nshared object file")

    monkeypatch.setattr(file_formats, "import_module", fail)
    (tmp_path / "in.pt").write_bytes(HEADS["torch"])
    message = sentence(command("convert", tmp_path / "in.pt", tmp_path / "out.safetensors"))
    assert "is installed and cannot be imported: libcudart.so.12: cannot open shared object file." in message


# What is refused


def evil(at: Path, writer: str) -> Path:
    """A file that would make another one if it were unpickled."""
    require("torch")
    import torch

    with (at / "in.pt").open("wb") as file:
        (pickle.dump if writer == "pickle" else torch.save)({"fc.bias": Runs(at / "made")}, file)
    return at / "in.pt"


def no_weights(at: Path) -> Path:
    require("tf")
    import h5py

    with h5py.File(at / "in.h5", "w") as file:
        file["table"] = np.zeros((3, 4))
        file["words"] = "no array, but text"
    return at / "in.h5"


def made(at: Path, content: bytes, name: str = "in.pt") -> Path:
    (at / name).write_bytes(content)
    return at / name


def saved(at: Path, **changes: Array) -> Path:
    save_tensors(at / "in.safetensors", "weights", init_weights(0) | changes, {})
    return at / "in.safetensors"


def two_dtypes(at: Path) -> Path:
    require("tf")
    return saved(at, **{"fc.bias": np.zeros(10)})


def cut(at: Path, suffix: str, size: int) -> Path:
    write(at / f"in{suffix}", init_weights(0), ENDINGS[suffix])
    os.truncate(at / f"in{suffix}", size)
    return at / f"in{suffix}"


def zipped(at: Path) -> Path:
    with zipfile.ZipFile(at / "in.keras", "w") as archive:
        archive.writestr("words.txt", "words")
    return at / "in.keras"


def newer(at: Path) -> Path:
    return made(at, saved(at).read_bytes().replace(rb"\"format_version\": 1}", rb"\"format_version\": 9}"))


def kind(at: Path, name: str) -> Path:
    save_tensors(at / "in.safetensors", name, {"loss": np.zeros(1)}, {})
    return at / "in.safetensors"


def there(at: Path, name: str = "out.pt") -> str:
    (at / name).write_text("precious", encoding="utf-8")
    return name


def fifo(at: Path) -> Path:
    os.mkfifo(at / "in.pt")
    return at / "in.pt"


def link(at: Path) -> str:
    (at / "out.safetensors").symlink_to(saved(at))
    return "out.safetensors"


SAFE = "out.safetensors"

BAD: dict[str, tuple[Callable[[Path], Path], Callable[[Path], str] | str, str]] = {
    "no such file": (lambda at: at / "in.pt", SAFE, "Cannot read '{at}/in.pt': No such file or directory."),
    "a folder": (lambda at: at, SAFE, "'{at}' is a folder; expected a file."),
    "a pipe": (fifo, SAFE, "'{at}/in.pt' is no regular file; expected a file."),
    "empty": (lambda at: made(at, b""), SAFE, "'{at}/in.pt' is empty; expected a file of weights."),
    "text": (
        lambda at: made(at, b"once upon a time", "in"),
        SAFE,
        "'{at}/in' is no file of weights that is known here; expected a file of safetensors (.safetensors), PyTorch",
    ),
    "text by the name of weights": (
        lambda at: made(at, b"once upon a time"),
        SAFE,
        "'{at}/in.pt' is no file of PyTorch, although its name says so, or its beginning is damaged.",
    ),
    "a picture": (
        lambda at: made(at, b"\x89PNG\r\n\x1a\n" + bytes(50)),
        SAFE,
        "no file of PyTorch, although its name says so; it is a PNG picture.",
    ),
    "a pointer of Git LFS": (
        lambda at: made(at, b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "in.params"),
        SAFE,
        "no file of MXNet, although its name says so; it is a pointer of Git LFS",
    ),
    "a web page": (lambda at: made(at, b"\n <!DOCTYPE html>", "in"), SAFE, "'{at}/in' is a web page; expected a"),
    "another zip": (zipped, SAFE, "although its name says so; it is a zip archive of something else."),
    "cut short safetensors": (
        lambda at: cut(at, ".safetensors", 10**6),
        SAFE,
        "is a safetensors file that is damaged or",
    ),
    "cut short .pt": (lambda at: cut(at, ".pt", 10**6), SAFE, "'{at}/in.pt' is not a whole PyTorch file"),
    "cut short .keras": (lambda at: cut(at, ".keras", 10**6), SAFE, "is not a whole file of Keras weights"),
    "cut short .weights.h5": (lambda at: cut(at, ".weights.h5", 10**6), SAFE, "is not a whole file of Keras weights"),
    "cut short .params": (lambda at: cut(at, ".params", 10**6), SAFE, "is not a whole file of MXNet arrays"),
    "a pickle": (lambda at: evil(at, "pickle"), SAFE, "(pathlib.Path.touch, pathlib.PosixPath) could run code and is"),
    "a pickle in a PyTorch file": (lambda at: evil(at, "torch"), SAFE, "pathlib.PosixPath) could run code and is not"),
    "a .h5 that is no weights file": (no_weights, SAFE, "2 unexpected: table, words."),
    "a trace": (lambda at: kind(at, "trace"), SAFE, "'{at}/in.safetensors' is a trace, which holds no weights."),
    "another kind": (lambda at: kind(at, "te\x1bars"), SAFE, r"is a te\x1bars, which holds no weights."),
    "a newer version": (newer, SAFE, "has format version 9; this program reads up to 1."),
    "no number": (
        lambda at: saved(at, **{"fc.bias": np.full(10, np.nan, np.float32)}),
        SAFE,
        "'fc.bias' holds nan at (0,), expected finite numbers.",
    ),
    "another tensor": (
        lambda at: saved(at, **{"a\x1b": np.zeros(2)}),
        SAFE,
        r"nearest is this project's tree: 1 unexpected: a\x1b.",
    ),
    "two dtypes for Keras": (
        two_dtypes,
        "out.keras",
        "The weights are float32 and float64; a Keras model has one dtype.",
    ),
    "an ending that is unknown": (
        saved,
        "out.bin",
        "expected a name that ends in .safetensors, .pt, .pth, .keras, .weights.h5 or .params.",
    ),
    "an .h5 that would be ambiguous": (saved, "out.h5", "'{at}/out.h5' does not say its format; expected"),
    "no ending": (saved, "out", "'{at}/out' does not say its format; expected a name that ends in"),
    "a file that is there": (saved, there, "'{at}/out.pt' is there already; --force writes over it."),
    "a folder in its place": (saved, lambda at: folder(at, "out.pt"), "Cannot write '{at}/out.pt': it is a folder."),
    "a folder that is missing": (saved, "no/out.pt", "Cannot write '{at}/no/out.pt': there is no folder '{at}/no'."),
    "itself": (saved, "in.safetensors", "'{at}/in.safetensors' is what is to be read; expected another name for"),
    "itself by another name": (saved, link, "'{at}/out.safetensors' is what is to be read; expected another name"),
}


def folder(at: Path, name: str) -> str:
    (at / name).mkdir()
    return name


@pytest.mark.parametrize("fault", BAD)
def test_bad_input_is_one_sentence_and_nothing_is_lost(fault: str, command: Command, tmp_path: Path) -> None:
    make_source, target, words = BAD[fault]
    source = make_source(tmp_path)
    name = target if isinstance(target, str) else target(tmp_path)
    before = contents(tmp_path)
    assert words.format(at=tmp_path) in sentence(command("convert", source, tmp_path / name))
    assert contents(tmp_path) == before, "nor did anything that was in it run"


def contents(at: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in at.rglob("*")}


def test_force_does_not_write_a_file_over_itself(command: Command, tmp_path: Path) -> None:
    path = saved(tmp_path)
    assert "is what is to be read" in sentence(command("convert", path, path, "--force"))


def test_force_writes_over_another_file(weights: Weights, stored: Stored, command: Command, tmp_path: Path) -> None:
    there(tmp_path, "out.safetensors")
    assert command("convert", stored(".safetensors"), tmp_path / "out.safetensors", "--force").code == 0
    assert_same_bits(load_weights(tmp_path / "out.safetensors"), weights)


# Disks and signals


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one mebibyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("a tiny file system: there is no command 'mount'")
    if mounted.returncode:
        pytest.skip(f"a tiny file system: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_full_disk_keeps_the_old_file(ending: str, stored: Stored, tiny_disk: Path, command: Command) -> None:
    if backend := ENDINGS[ending]:
        require(backend)
    there(tiny_disk, f"out{ending}")
    message = sentence(command("convert", stored(".safetensors"), tiny_disk / f"out{ending}", "--force"))
    assert message == f"error: Cannot write '{tiny_disk}/out{ending}': No space left on device.\n"
    assert contents(tiny_disk) == {f"{tiny_disk}/out{ending}": b"precious"}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_limit_on_files_keeps_the_old_file(ending: str, stored: Stored, tmp_path: Path, command: Command) -> None:
    if backend := ENDINGS[ending]:
        require(backend)
        import_module(f"googlenet_{backend}")
    source = stored(".safetensors")
    there(tmp_path, f"out{ending}")
    with files_of_at_most(1_000_000):
        message = sentence(command("convert", source, tmp_path / f"out{ending}", "--force"))
    assert f"Cannot write '{tmp_path}/out{ending}'" in message
    assert contents(tmp_path) == {f"{tmp_path}/out{ending}": b"precious"}


@pytest.mark.parametrize("ending", ENDINGS)
def test_ctrl_c_keeps_the_old_file(
    ending: str, stored: Stored, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: Command
) -> None:
    if backend := ENDINGS[ending]:
        require(backend)
    source = stored(".safetensors")
    there(tmp_path, f"out{ending}")

    def fsync(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", fsync)
    result = command("convert", source, tmp_path / f"out{ending}", "--force")
    assert (result.code, result.out, result.err) == (130, "", "Interrupted; no half file is left.\n")
    assert contents(tmp_path) == {f"{tmp_path}/out{ending}": b"precious"}


# Help


def test_help_teaches(command: Command) -> None:
    result = command("convert", "--help")
    assert result.code == 0
    for words in (
        "safetensors, PyTorch, Keras, MXNet",
        "no pickle is run",
        "--force",
        "Example: netparity convert",
    ):
        assert words in result.words
