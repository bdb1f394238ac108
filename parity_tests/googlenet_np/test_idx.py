"""IDX files: read as they are, and one sentence about each way to be none."""

from __future__ import annotations

import gzip
import hashlib
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from googlenet_np.idx import MOST_BYTES, idx_sha256, read_idx
from netparity.network.errors import FileError
from parity_tests.support.idx_files import idx

Array = npt.NDArray[Any]
Pack = Callable[[bytes], bytes]

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 5, 7), np.uint8)


def plain(content: bytes) -> bytes:
    return content


@pytest.fixture(params=[plain, gzip.compress], ids=["plain", "gzipped"])
def pack(request: pytest.FixtureRequest) -> Pack:
    packing: Pack = request.param
    return packing


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "x-idx3-ubyte"


@pytest.mark.parametrize("shape", [(11,), (3, 5, 7), (2, 3, 5, 7)])
def test_reads_what_is_there(file: Path, pack: Pack, shape: tuple[int, ...]) -> None:
    desired = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    file.write_bytes(pack(idx(desired)))
    actual = read_idx(file)
    assert actual.dtype == np.uint8
    assert actual.flags.writeable
    np.testing.assert_array_equal(actual, desired)


def test_gzip_of_several_members(file: Path) -> None:
    content = idx(PIXELS)
    file.write_bytes(gzip.compress(content[:50]) + gzip.compress(content[50:]))
    np.testing.assert_array_equal(read_idx(file), PIXELS)


def test_larger_than_a_piece(file: Path, pack: Pack) -> None:
    desired = np.random.default_rng(2).integers(0, 256, (3, 701, 997), np.uint8)
    file.write_bytes(pack(idx(desired)))
    np.testing.assert_array_equal(read_idx(file), desired)


def test_sha256_is_that_of_the_unpacked_file() -> None:
    assert idx_sha256(PIXELS) == hashlib.sha256(idx(PIXELS)).hexdigest()
    assert idx_sha256(PIXELS[:, ::2]) == hashlib.sha256(idx(PIXELS[:, ::2])).hexdigest()


def header(*shape: int, kind: int = 8, axes: int | None = None) -> bytes:
    return struct.pack(f">HBB{len(shape)}I", 0, kind, len(shape) if axes is None else axes, *shape)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89PNG" + idx(PIXELS), "is no IDX file of unsigned bytes: it begins with 89 50 4e 47"),
        (header(2, 3, kind=0x0D) + bytes(24), "is no IDX file of unsigned bytes: it begins with 00 00 0d 02"),
        (b"\0\0\x08", "ends within its IDX header, after 3 bytes"),
        (header(3, 5, 7)[:-1], "ends within its IDX header, after 15 bytes"),
        (header(axes=0), "claims 0 axes; expected 1 to 32"),
        (header(*[1] * 33) + b"x", "claims 33 axes; expected 1 to 32"),
        (header(0, 5, 7), r"claims the shape \(0, 5, 7\), 0 bytes"),
        (header(2**31, 1) + bytes(9), rf"claims the shape \(2147483648, 1\), 2147483648 bytes; .* {MOST_BYTES}"),
        (header(*[2**32 - 1] * 32) + bytes(9), "bytes; expected 1 to"),
        (idx(PIXELS)[:-1], r"is truncated: its shape \(3, 5, 7\) needs 105 bytes, and 104 are there"),
        (header(3, 5, 7), r"is truncated: .* needs 105 bytes, and 0 are there"),
        (idx(PIXELS) + b"x", r"goes on after the 105 bytes of its shape \(3, 5, 7\)"),
    ],
    ids=[
        *(
            "magic",
            "floats",
            "half a magic",
            "half a header",
            "no axes",
            "many axes",
            "empty axis",
            "large",
            "overflow",
        ),
        *("a byte less", "header alone", "a byte more"),
    ],
)
def test_mutilated(file: Path, pack: Pack, content: bytes, message: str) -> None:
    file.write_bytes(pack(content))
    with pytest.raises(FileError, match=message) as caught:
        read_idx(file)
    assert str(caught.value).startswith(f"'{file}' ")
    assert str(caught.value).endswith(".")


def test_empty_file(file: Path) -> None:
    file.touch()
    with pytest.raises(FileError, match="ends within its IDX header, after 0 bytes"):
        read_idx(file)


def test_folder_in_place_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=rf"Cannot read '{tmp_path}': Is a directory\."):
        read_idx(tmp_path)


def test_no_file(file: Path) -> None:
    with pytest.raises(FileError, match=r"x-idx3-ubyte': No such file or directory\."):
        read_idx(file)


def flipped(content: bytes, position: int) -> bytes:
    changed = bytearray(content)
    changed[position] ^= 0xFF
    return bytes(changed)


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(idx(PIXELS))[:-1],
        gzip.compress(idx(PIXELS))[:40],
        gzip.compress(idx(PIXELS))[:5],
        flipped(gzip.compress(idx(PIXELS)), -5),
        flipped(gzip.compress(idx(PIXELS)), -1),
        flipped(gzip.compress(idx(PIXELS)), 10),
        flipped(gzip.compress(idx(PIXELS)), 2),
        gzip.compress(idx(PIXELS)) + b"trailing bytes",
    ],
    ids=["cut end", "cut", "cut header", "checksum", "length", "first block", "method", "trailing"],
)
def test_damaged_gzip(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(FileError, match=rf"^'{file}' is a damaged gzip file: .*[^.]\.$"):
        read_idx(file)


@pytest.mark.parametrize(
    ("claimed", "there", "message"),
    [
        ((2**30,), 100, "is truncated"),
        ((2**32 - 1,) * 3, 100, "expected 1 to"),
        ((3, 5, 7), 200 * 2**20, "goes on after"),
    ],
    ids=["a gigabyte, of which 100 bytes are there", "more than any machine has", "a gzip bomb"],
)
def test_takes_no_memory_for_what_is_claimed(file: Path, claimed: tuple[int, ...], there: int, message: str) -> None:
    packing = zlib.compressobj(wbits=31)
    with file.open("wb") as target:
        target.write(packing.compress(header(*claimed)))
        for _ in range(there // 2**20 or 1):
            target.write(packing.compress(bytes(min(there, 2**20))))
        target.write(packing.flush())
    tracemalloc.start()
    try:
        with pytest.raises(FileError, match=message):
            read_idx(file)
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()


class TestFuzzed:
    """Mutated bytes are read as what they then say, or are refused by this error and no other."""

    EDITS = st.lists(
        st.tuples(st.sampled_from(["change", "insert", "delete", "cut"]), st.integers(0, 10**6), st.integers(0, 255)),
        min_size=1,
        max_size=4,
    )

    @settings(max_examples=500, deadline=None)
    @given(edits=EDITS)
    @example(edits=[("change", 4, 255)])
    @example(edits=[("change", 3, 255)])
    def test_plain(self, tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[str, int, int]]) -> None:
        content = mutated(idx(PIXELS), edits)
        if content.startswith(b"\x1f\x8b"):
            return  # gzip, by chance
        array = read_or_refuse(tmp_path_factory, content)
        assert array is None or idx(array) == content

    @pytest.mark.exhaustive
    @settings(max_examples=500, deadline=None)
    @given(edits=EDITS)
    def test_gzipped(self, tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[str, int, int]]) -> None:
        content = mutated(gzip.compress(idx(PIXELS), mtime=0), edits)
        array = read_or_refuse(tmp_path_factory, content)
        assert array is None or idx(array) == (gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content)

    @pytest.mark.exhaustive
    @settings(max_examples=300, deadline=None)
    @given(edits=EDITS, shape=st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=4))
    def test_any_shape_claimed(
        self, tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[str, int, int]], shape: list[int]
    ) -> None:
        content = gzip.compress(mutated(header(*shape) + PIXELS.tobytes(), edits), mtime=0)
        array = read_or_refuse(tmp_path_factory, content)
        assert array is None or idx(array) == gzip.decompress(content)


def mutated(content: bytes, edits: list[tuple[str, int, int]]) -> bytes:
    changed = bytearray(content)
    for kind, number, byte in edits:
        position = number % max(len(changed), 1)
        if kind == "change":
            changed[position : position + 1] = bytes([byte])
        elif kind == "insert":
            changed.insert(position, byte)
        elif kind == "delete":
            del changed[position : position + 1]
        else:
            del changed[position:]
    return bytes(changed)


def read_or_refuse(folders: pytest.TempPathFactory, content: bytes) -> Array | None:
    """What is read of these bytes, in little memory; None where they are refused."""
    file = folders.mktemp("fuzzed") / "x-idx3-ubyte"
    file.write_bytes(content)
    tracemalloc.start()
    try:
        return read_idx(file)
    except FileError as error:
        assert str(file) in str(error)
        return None
    finally:
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
        tracemalloc.stop()
        file.unlink()
        file.parent.rmdir()
