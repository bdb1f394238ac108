"""``convert``: every format into every format, bit for bit; for whatever is wrong, one sentence, and nothing lost."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from googlenet_np.module_trees import TORCH_SOURCE
from googlenet_np.weight_files import load_weights, save_weights
from netparity.files import checkpoint
from netparity.files import formats as file_formats
from netparity.network.contract import OptimizerState
from parity_tests.files.bad_files import BAD, contents, saved, there
from parity_tests.files.formats import ENDINGS, HEADS, LOADED, PROPER_NAMES, make_weights, read, write_keras_2
from parity_tests.support.backends import FRAMEWORKS, require
from parity_tests.support.command import Command, sentence
from parity_tests.support.files import assert_same_bits, files_of_at_most
from parity_tests.support.interpreter import in_fresh_interpreter
from parity_tests.support.tiers import representative

Array = npt.NDArray[Any]
Weights = dict[str, Array]
Stored = Callable[[str], Path]


@pytest.fixture(autouse=True)
def _no_large_files_stay(tmp_path: Path) -> Iterator[None]:
    """Pytest keeps what three runs wrote, and each of these tests writes tens of megabytes."""
    yield
    shutil.rmtree(tmp_path)


# Every format into every format


PAIRS = list(product(ENDINGS, ENDINGS))
ROUND = list(pairwise([*ENDINGS, next(iter(ENDINGS))]))
"""A way round all formats: each is read once and written once."""


@pytest.mark.parametrize(
    ("source", "target"), representative(PAIRS, quick=ROUND), ids=[f"{source} to {target}" for source, target in PAIRS]
)
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


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("dtype", "in_channels", "num_classes"),
    [("float32", 1, 1), ("float64", 3, 7), ("float32", 4, 1000)],
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


@pytest.mark.parametrize("dtype", representative(["float32", "float64"], quick=["float32"]))
@pytest.mark.parametrize("tree", ["document", "note"])
def test_the_source_documents_torch(tree: str, dtype: str, command: Command, tmp_path: Path) -> None:
    require("torch")
    import torch

    from parity_tests.source_document import torch_model as source_torch

    net = source_torch.document(7) if tree == "document" else source_torch.Note(7)
    source_torch.fill(net, weights := make_weights(dtype))
    torch.save(net.state_dict(), tmp_path / "net.pt")
    assert_converts(tmp_path / "net.pt", weights, command, f"(PyTorch, the {SOURCES[tree]}'s PyTorch tree)")


SOURCES = {"document": "source document", "note": "study note"}


@pytest.mark.exhaustive
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_source_documents_tensorflow(dtype: str, command: Command, tmp_path: Path) -> None:
    """The quick tests read such a file in ``test_framework_files``, and convert the file of Keras 2 below."""
    require("tf")
    from parity_tests.source_document import tf_model as source_tf

    weights = make_weights(dtype)
    net = source_tf.document(7, 3, dtype)
    source_tf.fill(net, weights)
    net.save_weights(tmp_path / "net.weights.h5")
    assert_converts(tmp_path / "net.weights.h5", weights, command, "the source document's TensorFlow tree")


def test_keras_2s_h5(command: Command, tmp_path: Path) -> None:
    require("tf")
    write_keras_2(tmp_path / "net.h5", weights := make_weights())
    assert_converts(tmp_path / "net.h5", weights, command, "as Keras 2 numbers them in .h5")


@pytest.mark.parametrize("np_semantics", representative([True, False], quick=[True]))
def test_the_source_documents_mxnet(np_semantics: bool, command: Command, tmp_path: Path) -> None:
    require("mx")
    from parity_tests.source_document import mx_model as source_mx

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


@pytest.mark.exhaustive
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


CUT_SHORT = {"cut short .pt", "cut short .weights.h5", "cut short .params"}
"""Two others stand for them in the quick tests, and ``test_framework_files`` cuts every format."""


@pytest.mark.parametrize("fault", representative(BAD, quick=lambda fault: fault not in CUT_SHORT))
def test_bad_input_is_one_sentence_and_nothing_is_lost(fault: str, command: Command, tmp_path: Path) -> None:
    make_source, target, words = BAD[fault]
    source = make_source(tmp_path)
    name = target if isinstance(target, str) else target(tmp_path)
    before = contents(tmp_path)
    assert words.format(at=tmp_path) in sentence(command("convert", source, tmp_path / name))
    assert contents(tmp_path) == before, "nor did anything that was in it run"


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


@pytest.mark.parametrize("ending", representative(ENDINGS, quick=[".pt", ".keras"]))
def test_a_full_disk_keeps_the_old_file(ending: str, stored: Stored, tiny_disk: Path, command: Command) -> None:
    if backend := ENDINGS[ending]:
        require(backend)
    there(tiny_disk, f"out{ending}")
    message = sentence(command("convert", stored(".safetensors"), tiny_disk / f"out{ending}", "--force"))
    assert message == f"error: Cannot write '{tiny_disk}/out{ending}': No space left on device.\n"
    assert contents(tiny_disk) == {f"{tiny_disk}/out{ending}": b"precious"}


@pytest.mark.exhaustive
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


@pytest.mark.parametrize("ending", representative(ENDINGS, quick=[".safetensors", ".params"]))
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
