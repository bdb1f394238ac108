"""Weights files that cannot be written or are not what they should be.

A file is written whole or not at all. A file is read as what it says, or refused by one of two exceptions, whatever
somebody did to its bytes.
"""

from __future__ import annotations

import errno
import io
import json
import os
import pickle
import re
import zipfile
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from googlenet_np import GOOGLENET, FileError, WeightsError, init_weights, load_weights, save_weights
from parity_tests.support.files import under_the_old_name
from parity_tests.support.tiers import representative

Array = npt.NDArray[Any]
Weights = dict[str, Array]
Mutation = tuple[Any, ...]

REPEATABLE = settings(deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow])

DTYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}


@pytest.fixture(scope="module")
def weights() -> Weights:
    """Not to be changed."""
    return init_weights(1, in_channels=3, num_classes=7)


@pytest.fixture(scope="module")
def full_file(tmp_path_factory: pytest.TempPathFactory, weights: Weights) -> bytes:
    path = tmp_path_factory.mktemp("full") / "weights.safetensors"
    save_weights(path, weights)
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weights.safetensors"


@pytest.fixture
def old_file(path: Path) -> Path:
    """A file that is there already, alone in its folder."""
    path.write_bytes(b"what was there")
    return path


def quoted(path: Path) -> str:
    """How a message names a path, as a regular expression."""
    return re.escape(repr(str(path)))


def assert_untouched(old_file: Path) -> None:
    assert old_file.read_bytes() == b"what was there"
    assert list(old_file.parent.iterdir()) == [old_file]


class TestWriting:
    def test_takes_the_place_of_an_older_file(self, old_file: Path, weights: Weights) -> None:
        save_weights(old_file, weights)
        np.testing.assert_equal(load_weights(old_file), weights)
        assert list(old_file.parent.iterdir()) == [old_file]

    def test_full_disk(self, monkeypatch: pytest.MonkeyPatch, old_file: Path, weights: Weights) -> None:
        def fsync(_: int) -> None:
            assert old_file.read_bytes() == b"what was there"  # as a reader sees it while the new one is written
            assert len(list(old_file.parent.iterdir())) == 2  # beside it: a rename across file systems is a copy
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", fsync)
        with pytest.raises(FileError, match=rf"^Cannot write {quoted(old_file)}: No space left on device\.$"):
            save_weights(old_file, weights)
        assert_untouched(old_file)

    def test_full_disk_and_no_older_file(self, monkeypatch: pytest.MonkeyPatch, path: Path, weights: Weights) -> None:
        def fsync(_: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", fsync)
        with pytest.raises(FileError, match="No space left on device"):
            save_weights(path, weights)
        assert list(path.parent.iterdir()) == []

    def test_interrupt(self, monkeypatch: pytest.MonkeyPatch, old_file: Path, weights: Weights) -> None:
        def fsync(_: int) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(os, "fsync", fsync)
        with pytest.raises(KeyboardInterrupt):
            save_weights(old_file, weights)
        assert_untouched(old_file)

    def test_weights_that_do_not_fit(self, old_file: Path, weights: Weights) -> None:
        with pytest.raises(WeightsError, match=r"'fc\.bias' holds nan at \(0,\)"):
            save_weights(old_file, {**weights, "fc.bias": np.full(7, np.nan)})
        assert_untouched(old_file)

    def test_missing_folder(self, tmp_path: Path, weights: Weights) -> None:
        path = tmp_path / "no such folder" / "weights.safetensors"
        with pytest.raises(FileError, match=rf"^Cannot write {quoted(path)}: No such file or directory\.$"):
            save_weights(path, weights)
        assert list(tmp_path.iterdir()) == []

    def test_folder_that_is_a_file(self, old_file: Path, weights: Weights) -> None:
        with pytest.raises(FileError, match="Not a directory"):
            save_weights(old_file / "weights.safetensors", weights)
        assert_untouched(old_file)

    def test_folder_that_cannot_be_written(
        self, monkeypatch: pytest.MonkeyPatch, old_file: Path, weights: Weights
    ) -> None:
        def refuse(*_: Any, **__: Any) -> int:  # root may write to any folder, so permissions would prove nothing
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

        with monkeypatch.context() as patched:
            patched.setattr(os, "open", refuse)
            with pytest.raises(FileError, match="Permission denied"):
                save_weights(old_file, weights)
        assert_untouched(old_file)

    def test_target_that_is_a_folder(self, path: Path, weights: Weights) -> None:
        path.mkdir()
        with pytest.raises(FileError, match=rf"^Cannot write {quoted(path)}: Is a directory\.$"):
            save_weights(path, weights)
        assert path.is_dir()
        assert list(path.parent.iterdir()) == [path]

    def test_longest_name_that_a_file_system_takes(self, tmp_path: Path, weights: Weights) -> None:
        path = tmp_path / ("n" * os.pathconf(tmp_path, "PC_NAME_MAX"))
        save_weights(path, weights)
        assert list(tmp_path.iterdir()) == [path]

    def test_name_that_is_too_long(self, tmp_path: Path, weights: Weights) -> None:
        path = tmp_path / ("n" * (os.pathconf(tmp_path, "PC_NAME_MAX") + 1))
        with pytest.raises(FileError, match="File name too long"):
            save_weights(path, weights)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("umask", [0o022, 0o077, 0o002], ids=oct)
    def test_permissions_follow_the_umask(self, path: Path, weights: Weights, umask: int) -> None:
        before = os.umask(umask)
        try:
            save_weights(path, weights)
        finally:
            after = os.umask(before)
        assert after == umask
        assert oct(path.stat().st_mode & 0o777) == oct(0o666 & ~umask)


def frame(header: bytes, body: bytes | memoryview = b"") -> bytes:
    """The bytes of a safetensors file: the header's length in eight bytes, the header, the tensors."""
    return b"".join((len(header).to_bytes(8, "little"), header, body))


def header_of(data: bytes | bytearray) -> dict[str, Any]:
    header: dict[str, Any] = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return header


def body_of(data: bytes | bytearray) -> memoryview:
    return memoryview(data)[8 + int.from_bytes(data[:8], "little") :]


def with_field(data: bytes, name: str, **fields: Any) -> bytes:
    header = header_of(data)
    header[name] |= fields
    return frame(json.dumps(header).encode(), body_of(data))


class TestReading:
    def test_no_such_file(self, path: Path) -> None:
        with pytest.raises(FileError, match=rf"^Cannot read {quoted(path)}: No such file or directory\.$"):
            load_weights(path)

    def test_folder(self, tmp_path: Path) -> None:
        with pytest.raises(FileError, match=rf"^Cannot read {quoted(tmp_path)}: Is a directory\.$"):
            load_weights(tmp_path)

    @pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 100, 10_000, -4, -1])
    def test_truncated(self, path: Path, full_file: bytes, length: int) -> None:
        self.refuse(path, full_file[:length])

    def test_truncated_at_the_end_of_the_header(self, path: Path, full_file: bytes) -> None:
        self.refuse(path, full_file[: len(full_file) - len(body_of(full_file))])

    def test_bytes_too_many(self, path: Path, full_file: bytes) -> None:
        self.refuse(path, full_file + b"\0")

    @pytest.mark.parametrize("length", [0, 1, 99_999_999, 100_000_001, 2**31, 2**63, 2**64 - 1])
    def test_header_length_that_is_not_the_headers(self, path: Path, full_file: bytes, length: int) -> None:
        self.refuse(path, length.to_bytes(8, "little") + full_file[8:])

    @pytest.mark.parametrize(
        "header",
        [b"", b"{", b"no JSON", b"\xff\xfe\x00", b"[]", b"7", b"null", b'"text"', b"[" * 5000, b'{"fc.bias":' * 5000],
        ids=lambda header: repr(header[:12]),
    )
    def test_header_that_is_no_json_object(self, path: Path, header: bytes) -> None:
        self.refuse(path, frame(header))

    @pytest.mark.parametrize(
        "fields",
        [
            {"data_offsets": [0, 27]},
            {"data_offsets": [4, 32]},
            {"data_offsets": [28, 0]},
            {"data_offsets": [-28, 0]},
            {"data_offsets": [2**63, 2**63 + 28]},
            {"data_offsets": [2**64, 2**64 + 28]},
            {"data_offsets": [0]},
            {"data_offsets": None},
            {"data_offsets": [0, 28.5]},
            {"shape": [8]},
            {"shape": [-7]},
            {"shape": [2**62, 2**62]},
            {"shape": [0, 2**64 - 1, 2**64 - 1]},
            {"shape": "7"},
        ],
        ids=str,
    )
    def test_header_that_lies(self, path: Path, full_file: bytes, fields: dict[str, Any]) -> None:
        """``fc.bias`` is 28 bytes long and does not begin at 0, where another tensor lies."""
        self.refuse(path, with_field(full_file, "fc.bias", **fields))

    def test_tensors_that_overlap(self, path: Path, full_file: bytes) -> None:
        place = header_of(full_file)["b2.conv1.bias"]["data_offsets"]
        self.refuse(path, with_field(full_file, "b3.inception_3a.p1_1.bias", data_offsets=place))

    def test_gap_between_tensors(self, path: Path, full_file: bytes) -> None:
        header = header_of(full_file)
        del header["fc.bias"]
        self.refuse(path, frame(json.dumps(header).encode(), body_of(full_file)))

    @pytest.mark.parametrize("dtype", ["BF16", "F8_E4M3", "F8_E5M2", "F4", "F128", "float32", "", None, 32, ["F32"]])
    def test_dtype_that_numpy_lacks(self, path: Path, full_file: bytes, dtype: Any) -> None:
        self.refuse(path, with_field(full_file, "fc.bias", dtype=dtype))

    @pytest.mark.parametrize(("dtype", "size"), [("BF16", 2), ("F8_E4M3", 1), ("F8_E5M2", 1)])
    def test_whole_file_of_a_dtype_that_numpy_lacks(self, path: Path, dtype: str, size: int) -> None:
        header = {"fc.bias": {"dtype": dtype, "shape": [7], "data_offsets": [0, 7 * size]}}
        self.refuse(path, frame(json.dumps(header).encode(), bytes(7 * size)))

    def test_zip(self, path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("fc.bias.npy", bytes(100))
        self.refuse(path, path.read_bytes())

    @pytest.mark.parametrize("protocol", [0, 2, 4, 5])
    def test_pickle_is_not_run(self, path: Path, protocol: int) -> None:
        class Payload:
            def __reduce__(self) -> tuple[Any, ...]:
                return Path.touch, (path.with_name("ran"),)

        data = pickle.dumps({"fc.bias": Payload()}, protocol)
        self.refuse(path, data)
        assert not path.with_name("ran").exists()
        pickle.loads(data)
        assert path.with_name("ran").exists(), "the payload does what it should not be able to do here"

    def test_npz(self, path: Path, weights: Weights) -> None:
        buffer = io.BytesIO()
        np.savez(buffer, **{"fc.bias": weights["fc.bias"]})
        self.refuse(path, buffer.getvalue())

    @pytest.mark.parametrize(
        ("name", "dtype", "complaint"),
        [
            ("fc.bias", "I32", "'fc.bias' has dtype int32, expected float32 or float64"),
            ("fc.bias", "U32", "'fc.bias' has dtype uint32, expected float32 or float64"),
            ("b2.conv1.weight", "I32", "'b2.conv1.weight' has dtype int32, expected float32 or float64"),
        ],
    )
    def test_dtype_that_weights_lack(self, path: Path, full_file: bytes, name: str, dtype: str, complaint: str) -> None:
        path.write_bytes(with_field(full_file, name, dtype=dtype))
        with pytest.raises(WeightsError, match=f"^{quoted(path)}: .*{complaint}"):
            load_weights(path)

    def test_missing_and_unexpected(self, path: Path, full_file: bytes) -> None:
        header = header_of(full_file)
        header["aux.bias"] = header.pop("fc.bias")
        path.write_bytes(frame(json.dumps(header).encode(), body_of(full_file)))
        with pytest.raises(
            WeightsError, match=rf"^{quoted(path)}: .*; 1 missing: fc\.bias; 1 unexpected: aux\.bias\.$"
        ):
            load_weights(path)

    def test_no_tensors(self, path: Path) -> None:
        path.write_bytes(frame(b"{}"))
        with pytest.raises(WeightsError, match=rf"^{quoted(path)}: .*116 missing"):
            load_weights(path)

    def test_transposed_shape(self, path: Path, full_file: bytes) -> None:
        path.write_bytes(with_field(full_file, "fc.weight", shape=[1024, 7]))
        with pytest.raises(WeightsError, match=rf"^{quoted(path)}: .*'fc\.weight' has shape \(1024, 7\)"):
            load_weights(path)

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_value_that_is_not_finite(self, path: Path, full_file: bytes, value: float) -> None:
        start = len(full_file) - len(body_of(full_file)) + header_of(full_file)["fc.bias"]["data_offsets"][0]
        data = full_file[:start] + np.array(value, "<f4").tobytes() + full_file[start + 4 :]
        path.write_bytes(data)
        with pytest.raises(WeightsError, match=rf"^{quoted(path)}: .*'fc\.bias' holds {value} at \(0,\)"):
            load_weights(path)

    def test_file_that_another_program_wrote(self, path: Path, full_file: bytes, weights: Weights) -> None:
        """No metadata, another order, and the spaces with which safetensors aligns its header."""
        header = header_of(full_file)
        del header["__metadata__"]
        path.write_bytes(frame(json.dumps(header, indent=1, sort_keys=True).encode() + b"   ", body_of(full_file)))
        np.testing.assert_equal(load_weights(path), weights)

    def test_file_from_before_the_program_had_its_name(self, path: Path, full_file: bytes, weights: Weights) -> None:
        path.write_bytes(under_the_old_name(full_file))
        np.testing.assert_equal(load_weights(path), weights)

    def test_refusal_leaves_the_file_alone(self, old_file: Path) -> None:
        with pytest.raises(FileError):
            load_weights(old_file)
        assert_untouched(old_file)

    @staticmethod
    def refuse(path: Path, data: bytes) -> None:
        path.write_bytes(data)
        with pytest.raises(FileError, match=rf"^{quoted(path)} is not a safetensors file of NumPy dtypes: .*\.$"):
            load_weights(path)


@pytest.fixture(scope="module")
def small_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A safetensors file of all 116 names whose tensors have one entry each: 13 kB instead of 24 MB."""
    from safetensors.numpy import save

    shapes = GOOGLENET.parameter_shapes()
    data: bytes = save({name: np.ones([1] * len(shape), np.float32) for name, shape in shapes.items()}, {"a": "b"})
    return data


@pytest.fixture(scope="module")
def mutilated_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hypothesis runs many examples in one test; each writes the same file anew."""
    return tmp_path_factory.mktemp("mutilated") / "weights.safetensors"


NAMES = st.sampled_from([*GOOGLENET.parameter_shapes(), "__metadata__"])
INTEGERS = st.one_of(st.integers(-2, 70_000), st.sampled_from([2**31, 2**32, 2**62, 2**63, 2**64 - 1, 2**64]))
VALUES = st.one_of(
    st.lists(INTEGERS, max_size=5),
    st.sampled_from(["F32", "F64", "F16", "BF16", "F8_E4M3", "C64", "I64", "U8", "BOOL", "f32"]),
    INTEGERS,
    st.none() | st.booleans() | st.floats() | st.text(max_size=8),
    st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=2),
)
HEADER_MUTATIONS = st.one_of(
    st.tuples(st.just("field"), NAMES, st.sampled_from(["dtype", "shape", "data_offsets", "extra"]), VALUES),
    st.tuples(st.just("entry"), NAMES | st.text(max_size=8), VALUES),
    st.tuples(st.just("drop field"), NAMES, st.sampled_from(["dtype", "shape", "data_offsets"])),
    st.tuples(st.just("drop"), NAMES),
    st.tuples(st.just("swap"), NAMES, NAMES),
    st.tuples(st.just("rename"), NAMES, NAMES | st.text(max_size=8)),
)
PLACES = st.one_of(
    # As a share of the header, from its length on; or of the whole file, where nearly all is tensors.
    st.tuples(st.just("header"), st.floats(0, 1)),
    st.tuples(st.just("file"), st.floats(0, 1)),
    st.tuples(st.just("length"), st.floats(0, 1)),
)
BYTE_MUTATIONS = st.one_of(
    st.tuples(st.just("flip"), PLACES, st.integers(0, 7)),
    st.tuples(st.just("delete"), PLACES, st.integers(1, 64)),
    st.tuples(st.just("insert"), PLACES, st.binary(min_size=1, max_size=16)),
    st.tuples(st.just("truncate"), PLACES),
)
MUTATIONS = st.tuples(st.lists(HEADER_MUTATIONS, max_size=2), st.lists(BYTE_MUTATIONS, max_size=2)).filter(any)


def mutilated(original: bytes, mutations: tuple[list[Mutation], list[Mutation]]) -> bytearray:
    """First the header's fields are changed, then the bytes of the file."""
    in_header, in_bytes = mutations
    data = bytearray(original)
    if in_header:
        header = header_of(original)
        for mutation in in_header:
            change_header(header, mutation)
        data[: len(original) - len(body_of(original))] = frame(json.dumps(header).encode())
    for kind, place, *value in in_bytes:
        at = position(data, place)
        match kind, value:
            case "flip", [bit]:
                data[at : at + 1] = bytes(byte ^ 1 << bit for byte in data[at : at + 1])
            case "delete", [count]:
                del data[at : at + count]
            case "insert", [inserted]:
                data[at:at] = inserted
            case _:
                del data[at:]
    return data


def change_header(header: dict[str, Any], mutation: Mutation) -> None:
    match mutation:
        case "field", name, field, value:
            header[name] = {**as_dict(header.get(name)), field: value}
        case "entry", name, value:
            header[name] = value
        case "drop field", name, field:
            as_dict(header.get(name)).pop(field, None)
        case "drop", name:
            header.pop(name, None)
        case "swap", one, other:
            header[one], header[other] = header.get(other), header.get(one)
        case _, old, new:
            header[new] = header.pop(old, None)


def as_dict(entry: Any) -> dict[str, Any]:
    return entry if isinstance(entry, dict) else {}


def position(data: bytearray, place: tuple[str, float]) -> int:
    where, share = place
    sizes = {"length": 8, "header": 8 + min(int.from_bytes(data[:8], "little"), len(data)), "file": len(data)}
    return int(share * sizes[where])


def strictly_read(data: bytes | bytearray) -> Weights:
    """What a safetensors file holds, by the letter of its format: tensors that tile the body in some order."""
    header, body = header_of(data), body_of(data)
    header.pop("__metadata__", None)
    tensors, end = {}, 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        start, (begin, end) = end, entry["data_offsets"]
        dtype = DTYPES[entry["dtype"]]
        assert begin == start
        assert end - begin == prod(entry["shape"]) * dtype.itemsize
        tensors[name] = np.frombuffer(body[begin:end], dtype).reshape(entry["shape"])
    assert end == len(body)
    return tensors


def assert_whole(loaded: Weights, data: bytes | bytearray) -> None:
    """What came back is a full canonical set, and what the file holds, bit for bit."""
    held = strictly_read(data)
    shapes = GOOGLENET.parameter_shapes(loaded["b1.conv.weight"].shape[1], loaded["fc.weight"].shape[0])
    assert [(name, array.shape) for name, array in loaded.items()] == list(shapes.items())
    assert all(np.isfinite(array).all() for array in loaded.values())
    assert sorted(held) == sorted(loaded)
    assert {name: array.tobytes() for name, array in loaded.items()} == {
        name: array.tobytes() for name, array in held.items()
    }


class TestMutilatedFiles:
    """The only outcomes are FileError, WeightsError, or a set that is whole; anything else that is raised fails."""

    @pytest.mark.parametrize("examples", representative([150, 2000], quick=[150]))
    def test_small_file(self, examples: int, small_file: bytes, mutilated_path: Path) -> None:
        @settings(REPEATABLE, max_examples=examples)
        @given(mutations=MUTATIONS)
        def is_refused(mutations: Any) -> None:
            mutilated_path.write_bytes(mutilated(small_file, mutations))
            with pytest.raises((FileError, WeightsError)) as error:
                load_weights(mutilated_path)
            assert str(mutilated_path) in str(error.value)

        is_refused()

    @pytest.mark.parametrize("examples", representative([15, 100], quick=[15]))
    def test_full_file(self, examples: int, full_file: bytes, mutilated_path: Path) -> None:
        @settings(REPEATABLE, max_examples=examples)
        @given(mutations=MUTATIONS)
        def is_whole_or_refused(mutations: Any) -> None:
            data = mutilated(full_file, mutations)
            mutilated_path.write_bytes(data)
            try:
                loaded = load_weights(mutilated_path)
            except (FileError, WeightsError) as error:
                assert str(mutilated_path) in str(error)
            else:
                assert_whole(loaded, data)

        is_whole_or_refused()

    @pytest.mark.parametrize("place", [0.0, 0.2, 0.4, 0.6, 0.8, 0.999999])
    def test_flipped_bit_that_leaves_a_number(self, path: Path, full_file: bytes, place: float) -> None:
        """Nothing in the file could tell: the other outcome of the test above, which it must be able to have."""
        data = bytearray(full_file)
        size = len(body_of(full_file)) // 4
        data[-4 * size + 4 * int(place * size)] ^= 1
        path.write_bytes(data)
        assert_whole(load_weights(path), data)
