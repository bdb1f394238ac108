"""Checkpoints: everything comes back bit for bit, is written whole or not at all, and a damaged file is refused."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from googlenet_np import GOOGLENET, FileError, WeightsError, init_weights, save_weights
from netparity.files import checkpoint
from netparity.files.checkpoint import Checkpoint, Progress
from netparity.files.tensors import FORMAT_VERSION, save_tensors
from netparity.network.contract import OptimizerState
from parity_tests.support.files import under_the_old_name
from parity_tests.support.tiers import representative

Array = npt.NDArray[Any]
Header = dict[str, Any]

REPEATABLE = settings(deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow])

SCALE = -1 / float(np.float32(0.1))
PROGRESS = Progress(epoch=3, step=17, loss=1234.5678901234567, correct=321.00000000000006, seconds=0.1 + 0.2)
SETTINGS = {"backend": "torch", "hyperparameters": {"lr": float(np.float32(0.1))}, "image_size": [96, 96]}
HISTORY = [{"epoch": 1, "train_loss": 2.0000000000000004}, {"epoch": 2, "train_loss": 1 / 3}]


@pytest.fixture(scope="module")
def whole() -> Checkpoint:
    """Not to be changed. Among the numbers are some that only their bits tell apart."""
    weights, momenta = init_weights(1), init_weights(2)
    weights["fc.bias"][:4] = [-0.0, 0.0, np.finfo(np.float32).tiny / 4, np.finfo(np.float32).max]
    return Checkpoint(weights, OptimizerState(momenta, SCALE), PROGRESS, SETTINGS, HISTORY)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint.safetensors"


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory, whole: Checkpoint) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "checkpoint.safetensors"
    checkpoint.save(path, whole)
    return path.read_bytes()


def assert_same_bits(actual: Any, right: Any) -> None:
    assert list(actual) == list(right)
    for name, array in right.items():
        assert actual[name].dtype == array.dtype, name
        assert actual[name].tobytes() == array.tobytes(), name


class TestRoundTrip:
    def test_bit_for_bit(self, path: Path, whole: Checkpoint) -> None:
        checkpoint.save(path, whole)
        loaded = checkpoint.load(GOOGLENET, path)
        assert_same_bits(loaded.weights, whole.weights)
        assert_same_bits(loaded.state.arrays, whole.state.arrays)
        assert loaded.state.scale == SCALE
        assert loaded.progress == PROGRESS
        assert loaded.settings == SETTINGS
        assert loaded.history == HISTORY

    def test_without_momentum(self, path: Path, whole: Checkpoint) -> None:
        checkpoint.save(path, Checkpoint(whole.weights, OptimizerState({}, 1.0), Progress(), SETTINGS))
        loaded = checkpoint.load(GOOGLENET, path)
        assert loaded.state == OptimizerState({}, 1.0)
        assert loaded.progress == Progress()
        assert loaded.history == []

    def test_float64(self, path: Path, whole: Checkpoint) -> None:
        weights = {name: array.astype(np.float64) / 3 for name, array in whole.weights.items()}
        checkpoint.save(path, Checkpoint(weights, OptimizerState({}, 1.0), Progress(), SETTINGS))
        assert_same_bits(checkpoint.load(GOOGLENET, path).weights, weights)

    def test_the_same_bytes_again(self, path: Path, content: bytes) -> None:
        path.write_bytes(content)
        loaded = checkpoint.load(GOOGLENET, path)
        checkpoint.save(path, loaded)
        assert path.read_bytes() == content

    def test_from_before_the_program_had_its_name(self, path: Path, content: bytes, whole: Checkpoint) -> None:
        path.write_bytes(under_the_old_name(content))
        loaded = checkpoint.load(GOOGLENET, path)
        assert_same_bits(loaded.weights, whole.weights)
        assert_same_bits(loaded.state.arrays, whole.state.arrays)
        assert (loaded.progress, loaded.settings, loaded.history) == (PROGRESS, SETTINGS, HISTORY)

    def test_what_is_loaded_may_be_changed(self, path: Path, content: bytes) -> None:
        path.write_bytes(content)
        loaded = checkpoint.load(GOOGLENET, path)
        for array in [*loaded.weights.values(), *loaded.state.arrays.values()]:
            array.fill(1)


class TestAtomic:
    def test_full_disk(self, monkeypatch: pytest.MonkeyPatch, path: Path, whole: Checkpoint) -> None:
        path.write_bytes(b"what was there")

        def fsync(_: int) -> None:
            assert path.read_bytes() == b"what was there"  # as a reader sees it while the new one is written
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", fsync)
        with pytest.raises(FileError, match=rf"^Cannot write {re.escape(repr(str(path)))}: No space left on device\.$"):
            checkpoint.save(path, whole)
        assert path.read_bytes() == b"what was there"
        assert list(path.parent.iterdir()) == [path]

    def test_takes_the_place_of_an_older_one(self, path: Path, content: bytes, whole: Checkpoint) -> None:
        path.write_bytes(b"what was there")
        checkpoint.save(path, whole)
        assert path.read_bytes() == content
        assert list(path.parent.iterdir()) == [path]


def refused(path: Path, words: str, error: type[Exception] = FileError) -> None:
    """One sentence that names the file."""
    with pytest.raises(error, match=words) as raised:
        checkpoint.load(GOOGLENET, path)
    message = str(raised.value)
    assert repr(str(path)) in message
    assert message.endswith(".")
    assert "\n" not in message


def changed(whole: Checkpoint, change: Callable[[Header], object]) -> Header:
    header: Header = {
        "optimizer_scale": whole.state.scale,
        "progress": dict(vars(whole.progress)),
        "settings": whole.settings,
        "history": whole.history,
    }
    change(header)
    return header


HEADERS: dict[str, Callable[[Header], object]] = {
    "no scale": lambda header: header.pop("optimizer_scale"),
    "scale that is no number": lambda header: header.update(optimizer_scale="large"),
    "scale that is null": lambda header: header.update(optimizer_scale=None),
    "scale that is infinite": lambda header: header.update(optimizer_scale=float("inf")),
    "scale of zero": lambda header: header.update(optimizer_scale=0.0),
    "no progress": lambda header: header.pop("progress"),
    "progress that is a list": lambda header: header.update(progress=[1, 2]),
    "progress with more": lambda header: header["progress"].update(speed=3),
    "half an epoch": lambda header: header["progress"].update(epoch=0.5),
    "step before the first": lambda header: header["progress"].update(step=-1),
    "epoch that is a word": lambda header: header["progress"].update(epoch="two"),
    "NaN loss": lambda header: header["progress"].update(loss=float("nan")),
    "no settings": lambda header: header.pop("settings"),
    "settings that are a number": lambda header: header.update(settings=7),
    "no history": lambda header: header.pop("history"),
    "history that is null": lambda header: header.update(history=None),
    "history of numbers": lambda header: header.update(history=[1]),
}


class TestRefused:
    def test_no_such_file(self, path: Path) -> None:
        refused(path, "^Cannot read .*No such file")

    @pytest.mark.parametrize("share", [0.0, 1e-7, 0.001, 0.3, 0.9999999])
    def test_truncated(self, path: Path, content: bytes, share: float) -> None:
        path.write_bytes(content[: int(share * len(content))])
        refused(path, "is not a safetensors file")

    def test_weights_alone(self, path: Path, whole: Checkpoint) -> None:
        save_weights(path, init_weights(0))
        refused(path, r"is no checkpoint of a training; it is a file of weights\.$")

    def test_another_programs_file(self, path: Path) -> None:
        from safetensors.numpy import save

        path.write_bytes(save({"weights/fc.bias": np.zeros(10, np.float32)}, {"format": "pt"}))
        refused(path, r"is no checkpoint of a training; it is another program's file\.$")

    def test_a_newer_format(self, path: Path, content: bytes) -> None:
        old, new = (f'\\"format_version\\": {version}'.encode() for version in (FORMAT_VERSION, FORMAT_VERSION + 1))
        assert content.count(old) == 1
        path.write_bytes(content.replace(old, new))
        refused(path, rf"has format version {FORMAT_VERSION + 1}; this program reads up to {FORMAT_VERSION}")

    @pytest.mark.parametrize("name", HEADERS)
    def test_header(self, path: Path, whole: Checkpoint, name: str) -> None:
        tensors = {f"weights/{key}": array for key, array in whole.weights.items()}
        tensors |= {f"optimizer/{key}": array for key, array in whole.state.arrays.items()}
        save_tensors(path, "checkpoint", tensors, changed(whole, HEADERS[name]), allow_nan=True)
        refused(path, "is a checkpoint whose header is damaged: ")

    @pytest.mark.parametrize(
        ("drop", "words"),
        [
            ("weights/fc.bias", r": The weights do not have the 116 canonical names; 1 missing: fc\.bias\.$"),
            ("optimizer/fc.bias", r": The optimiser's state: .*; 1 missing: fc\.bias\.$"),
        ],
    )
    def test_a_tensor_is_missing(self, path: Path, whole: Checkpoint, drop: str, words: str) -> None:
        tensors = {f"weights/{key}": array for key, array in whole.weights.items()}
        tensors |= {f"optimizer/{key}": array for key, array in whole.state.arrays.items()}
        del tensors[drop]
        save_tensors(path, "checkpoint", tensors, changed(whole, lambda _: None))
        refused(path, words, WeightsError)

    def test_weights_and_momenta_of_two_networks(self, path: Path, whole: Checkpoint) -> None:
        other = OptimizerState(init_weights(0, num_classes=7), 1.0)
        checkpoint.save(path, Checkpoint(whole.weights, other, Progress(), SETTINGS))
        refused(path, r"The optimiser's state: .*'fc\.bias' has shape \(7,\)", WeightsError)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, whole: Checkpoint) -> bytes:
    """A checkpoint's header and a few small tensors, so that most mutations hit the header."""
    path = tmp_path_factory.mktemp("small") / "checkpoint.safetensors"
    tensors = {"weights/fc.bias": np.ones(10, np.float32), "optimizer/fc.bias": np.ones(10, np.float32)}
    save_tensors(path, "checkpoint", tensors, changed(whole, lambda _: None))
    return path.read_bytes()


@pytest.fixture(scope="module")
def mutilated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hypothesis runs many examples in one test; each writes the same file anew."""
    return tmp_path_factory.mktemp("mutilated") / "checkpoint.safetensors"


MUTATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("flip"), st.floats(0, 1, exclude_max=True), st.integers(0, 7)),
        st.tuples(st.just("delete"), st.floats(0, 1, exclude_max=True), st.integers(1, 64)),
        st.tuples(st.just("insert"), st.floats(0, 1), st.binary(min_size=1, max_size=16)),
        st.tuples(st.just("truncate"), st.floats(0, 1, exclude_max=True), st.none()),
    ),
    min_size=1,
    max_size=3,
)


def mutilate(original: bytes, mutations: list[tuple[str, float, Any]]) -> bytes:
    data = bytearray(original)
    for kind, share, value in mutations:
        at = int(share * len(data))
        if kind == "flip":
            data[at : at + 1] = bytes(byte ^ 1 << value for byte in data[at : at + 1])
        elif kind == "delete":
            del data[at : at + value]
        elif kind == "insert":
            data[at:at] = value
        else:
            del data[at:]
    return bytes(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


class TestMutilated:
    """The only outcomes are FileError and WeightsError, which name the file; or a checkpoint that is whole."""

    @pytest.mark.parametrize("examples", representative([100, 1000], quick=[100]))
    def test_bytes(self, examples: int, small: bytes, mutilated: Path) -> None:
        @settings(REPEATABLE, max_examples=examples)
        @given(mutations=MUTATIONS)
        def is_refused(mutations: Any) -> None:
            mutilated.write_bytes(mutilate(small, mutations))
            with pytest.raises((FileError, WeightsError)) as error:
                checkpoint.load(GOOGLENET, mutilated)
            assert repr(str(mutilated)) in str(error.value)

        is_refused()

    @pytest.mark.parametrize("examples", representative([8, 40], quick=[8]))
    def test_bytes_of_a_whole_file(self, examples: int, content: bytes, mutilated: Path) -> None:
        @settings(REPEATABLE, max_examples=examples)
        @given(mutations=MUTATIONS)
        def is_whole_or_refused(mutations: Any) -> None:
            mutilated.write_bytes(mutilate(content, mutations))
            self.load(mutilated)

        is_whole_or_refused()

    @pytest.mark.parametrize("examples", representative([10, 60], quick=[10]))
    def test_header(self, examples: int, whole: Checkpoint, mutilated: Path) -> None:
        tensors = {f"weights/{name}": array for name, array in whole.weights.items()}

        @settings(REPEATABLE, max_examples=examples)
        @given(key=st.sampled_from(["optimizer_scale", "progress", "settings", "history"]), value=JSON)
        def is_whole_or_refused(key: str, value: Any) -> None:
            header = changed(whole, lambda header: header.update({key: value}))
            save_tensors(mutilated, "checkpoint", tensors, header, allow_nan=True)
            self.load(mutilated)

        is_whole_or_refused()

    @pytest.mark.parametrize("examples", representative([10, 60], quick=[10]))
    def test_progress(self, examples: int, whole: Checkpoint, mutilated: Path) -> None:
        tensors = {f"weights/{name}": array for name, array in whole.weights.items()}

        @settings(REPEATABLE, max_examples=examples)
        @given(key=st.sampled_from(["epoch", "step", "loss", "correct", "seconds"]), value=JSON)
        def is_whole_or_refused(key: str, value: Any) -> None:
            header = changed(whole, lambda header: header["progress"].update({key: value}))
            save_tensors(mutilated, "checkpoint", tensors, header, allow_nan=True)
            self.load(mutilated)

        is_whole_or_refused()

    @staticmethod
    def load(path: Path) -> None:
        try:
            loaded = checkpoint.load(GOOGLENET, path)
        except (FileError, WeightsError) as error:
            assert repr(str(path)) in str(error)
            return
        assert loaded.progress.epoch >= 0
        assert loaded.progress.step >= 0
        assert np.isfinite([*vars(loaded.progress).values(), loaded.state.scale]).all()
        assert loaded.state.scale
        assert all(np.isfinite(array).all() for array in loaded.weights.values())
        assert all(isinstance(record, dict) for record in loaded.history)
        json.dumps(loaded.settings)
