"""Goldens: what a small file keeps of a trace, what it sees and what not, and the project's own.

``make goldens`` makes the project's own. They are of one processor and one set of libraries; on others bits may differ,
which the end of a run tells, and rounding must explain it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from googlenet_np import forward, gradients, init_weights, sample_images
from netparity.compare.comparison import compare_traces
from netparity.files.golden import ENTRIES, SUMMARIES, kept_shape, places
from netparity.files.hashing import array_sha256, weights_sha256
from netparity.files.trace import ACTIVATIONS, GRADIENTS, Trace, open_trace, write_trace
from netparity.network.errors import FileError
from netparity.testing.assertions import assert_parity
from netparity.testing.plugin import Parity
from parity_tests.compare.traces import CASE, NUMPY, WRONG, with_change
from parity_tests.support.backends import BACKENDS, require
from parity_tests.support.command import Command, sentence
from parity_tests.support.tiers import representative

Array = npt.NDArray[Any]

DTYPES = ("float32", "float64")
QUICK = [("torch", "float32")]
"""What stands for the others in the quick tests."""

FOLDER = Path(__file__).with_name("golden")
LAYER = f"{ACTIVATIONS}b3.inception_3a.p2_2"
"""A tensor that a golden has a sample of."""


# The project's own


@pytest.mark.parametrize(("backend", "dtype"), representative(product(BACKENDS, DTYPES), quick=QUICK))
def test_kept_numbers(parity: Parity, backend: str, dtype: str) -> None:
    """A number that a new version of a library moved beyond rounding fails here, by name."""
    require(backend)
    # An odd and an even side: a layout that is read wrongly shows, and a padding that is not symmetric.
    parity(backend, golden=f"golden/{backend}-{dtype}.safetensors", batch_size=2, image_size=(33, 40), dtype=dtype)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("backend", "fault", "layer", "cause"),
    [
        ("torch", "BFloat16", "b1.conv", "computed in bfloat16"),
        ("tf", "SamePadding", "b1.conv", "asymmetric padding as in 'same', (2, 3) instead of (3, 3)"),
        ("mx", "ForeignKernel", "b4.inception_4c.p3_2", "kernel of b4.inception_4b.p3_2"),
    ],
)
def test_a_fault_in_a_framework_is_found_and_named(backend: str, fault: str, layer: str, cause: str) -> None:
    """The quick tests see the same in ``testing/test_assertions``, where NumPy stands for the frameworks."""
    require(backend)
    with pytest.raises(AssertionError) as error:
        assert_parity(f"parity_tests.proof.faulty.{backend}:{fault}", golden=FOLDER / f"{backend}-float32.safetensors")
    first, *others = str(error.value).splitlines()
    assert first.startswith(f"{layer} of parity_tests.proof.faulty.{backend}.{fault} ")
    (why,) = [line for line in others if line.startswith("  why: ")]
    assert why.startswith(f"  why: {layer}: explained by ")
    assert cause in why


def test_they_are_small_and_all_there() -> None:
    sizes = {path.stem: path.stat().st_size for path in FOLDER.iterdir()}
    assert set(sizes) == {f"{backend}-{dtype}" for backend in BACKENDS for dtype in DTYPES}
    assert sum(sizes.values()) < 2**20


@pytest.mark.parametrize(("backend", "dtype"), representative(product(BACKENDS, DTYPES), quick=QUICK))
def test_they_are_right(backend: str, dtype: str) -> None:
    """Held to the reference in the same precision; a golden of wrong numbers would keep them wrong."""
    golden = open_trace(FOLDER / f"{backend}-{dtype}.safetensors")
    weights = init_weights(0)
    images, labels = sample_images(2, image_size=(33, 40))
    assert golden.header["sha256"]["weights"] == weights_sha256(weights)
    assert golden.header["sha256"]["images"] == array_sha256(images)
    right = {ACTIVATIONS + name: array for name, array in forward(weights, images, dtype=dtype).items()}
    right["logits"] = right[f"{ACTIVATIONS}fc"]
    right["predictions"] = right["logits"].argmax(axis=1)
    loss, by_weights, by_images = gradients(weights, images, labels)
    right["loss"] = np.array([loss])
    right |= {GRADIENTS + name: by.astype(dtype) for name, by in {**by_weights, "images": by_images}.items()}
    found = compare_traces(golden, replace(golden, header=without(golden.header, SUMMARIES), tensors=right))
    assert found.first_beyond is None
    assert len(found.differences) == len(right)
    assert found.changed == ()


def without(header: Any, key: str) -> dict[str, Any]:
    return {name: value for name, value in header.items() if name != key}


# What is kept


@pytest.mark.parametrize("size", [65, 1000, 4097, 10**7 + 1])
def test_the_places_are_spread_over_all(size: int) -> None:
    kept = places(LAYER, size)
    assert (np.diff(kept) > 0).all()
    assert (kept * ENTRIES // size - np.arange(ENTRIES)).max() <= 0  # no later than the end of its stretch
    assert (kept >= np.arange(ENTRIES) * size // ENTRIES).all()


def test_the_places_are_the_same_for_ever() -> None:
    """A golden does not say which entries it has; others would be taken for changed numbers."""
    assert places(LAYER, 2 * 128 * 5 * 5)[:6].tolist() == [77, 114, 292, 329, 419, 518]
    assert places(LAYER, 6400).tolist() != places(f"{ACTIVATIONS}b1.conv", 6400).tolist()


def test_what_it_keeps(trace: Trace) -> None:
    golden = trace.condensed()
    assert golden.sampled
    assert golden.condensed() is golden
    assert without(golden.header, SUMMARIES) == trace.header
    for name, array in trace.tensors.items():
        summary = golden.header[SUMMARIES][name]
        assert (summary["dtype"], tuple(summary["shape"])) == (array.dtype.name, array.shape)
        assert summary["sha256"] == array_sha256(array)
        if array.size <= ENTRIES or "/" not in name:
            np.testing.assert_array_equal(golden.tensors[name], array)
        else:
            np.testing.assert_array_equal(golden.tensors[name], array.flat[places(name, array.size)])
            assert (summary["smallest"], summary["largest"]) == (array.min(), array.max())
            assert summary["mean"] == pytest.approx(array.mean(dtype=np.float64), rel=1e-12, abs=1e-18)


@pytest.fixture(scope="module")
def kept(recorded: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden of the NumPy backend in float32; not to be changed."""
    golden = open_trace(recorded("float32")).condensed()
    path = tmp_path_factory.mktemp("goldens") / "numpy.safetensors"
    write_trace(path, golden.header, golden.tensors)
    return path


def test_the_file(kept: Path, single: Trace) -> None:
    assert kept.stat().st_size < 150_000
    golden = open_trace(kept)
    assert compare_traces(golden, single).identical
    assert compare_traces(single, golden).identical
    assert compare_traces(golden, golden, "bitwise").exit_code == 0


@pytest.mark.exhaustive
def test_the_commands(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "golden.safetensors"
    assert command("record", NUMPY, "-o", path, "--golden", *CASE).code == 0
    assert open_trace(path).sampled
    result = command("compare", path, NUMPY, "--require", "bitwise")
    assert (result.code, result.out.splitlines()[-1]) == (0, "pass: every bit is the same.")
    result = command("compare", path, WRONG)
    assert result.code == 1
    assert "First beyond rounding: b3.inception_3b.p1_1 differs by 0.01," in result.words
    assert "of the 64 entries kept differ" in result.words


# What it sees, and what not


def unkept(array: Array) -> int:
    """A place that a golden does not keep, and whose number is neither the smallest nor the largest."""
    flat = array.reshape(-1)
    free = np.setdiff1d(np.flatnonzero((flat > flat.min()) & (flat < flat.max())), places(LAYER, array.size))
    return int(free[len(free) // 2])


def test_a_changed_entry_that_it_keeps_is_found_where_it_is(kept: Path, single: Trace) -> None:
    limit = 2 * single.header["allowed"][LAYER]
    place = int(places(LAYER, single.tensors[LAYER].size)[40])

    def move(array: Array) -> None:
        array.flat[place] += 3 * limit

    found = compare_traces(open_trace(kept), with_change(single, LAYER, move))
    assert found.exit_code == 1
    assert found.first_beyond is found.first_different
    assert found.first_beyond is not None
    assert found.first_beyond.index == tuple(map(int, np.unravel_index(place, single.tensors[LAYER].shape)))
    assert found.first_beyond.share == pytest.approx(3, rel=1e-2)
    assert (found.first_beyond.sampled, found.first_beyond.differing) == (ENTRIES, 1 / ENTRIES)
    assert "of the 64 entries kept differ" in found.first_beyond.sentence()


def test_other_bits_that_it_does_not_keep_are_seen_by_the_hash(kept: Path, single: Trace) -> None:
    def next_number(array: Array) -> None:
        place = unkept(array)
        array.flat[place] = np.nextafter(array.flat[place], np.float32(0))

    changed = with_change(single, LAYER, next_number)
    found = compare_traces(open_trace(kept), changed)
    (difference,) = [difference for difference in found.differences if not difference.identical]
    assert difference.name == LAYER
    assert found.exit_code == 0
    assert compare_traces(open_trace(kept), changed, "bitwise").exit_code == 1
    # The mean of all entries may move by the change of one.
    assert difference.statistic == "mean" or "has other bits, and the 64 entries kept" in difference.sentence()


@pytest.mark.parametrize(("statistic", "sign"), [("largest", 1), ("smallest", -1)])
def test_an_outlier_is_seen_wherever_it_is(kept: Path, single: Trace, statistic: str, sign: int) -> None:
    def spike(array: Array) -> None:
        array.flat[unkept(array)] = sign * 100

    found = compare_traces(open_trace(kept), with_change(single, LAYER, spike))
    assert found.first_beyond is not None
    assert (found.first_beyond.name, found.first_beyond.statistic) == (LAYER, statistic)
    assert (found.first_beyond.first < found.first_beyond.second) == (sign > 0)
    assert f"as its {statistic} number" in found.first_beyond.sentence()


def test_a_shift_of_all_that_it_does_not_keep_moves_the_mean(kept: Path, single: Trace) -> None:
    limit = 2 * single.header["allowed"][LAYER]

    def shift(array: Array) -> None:
        flat = array.reshape(-1)
        before = flat[places(LAYER, flat.size)].copy()
        ends = [flat.argmin(), flat.argmax()]
        extremes = flat[ends].copy()
        flat += np.float32(3 * limit)
        flat[places(LAYER, flat.size)] = before
        flat[flat > extremes[1]] = extremes[1]
        flat[ends] = extremes

    found = compare_traces(open_trace(kept), with_change(single, LAYER, shift))
    assert found.first_beyond is not None
    assert (found.first_beyond.name, found.first_beyond.statistic) == (LAYER, "mean")


def test_no_statistic_moves_further_than_the_farthest_entry(single: Trace) -> None:
    """So that each may be judged by the bound of the entries."""
    random = np.random.default_rng(5)

    def jitter(array: Array) -> None:
        array += random.uniform(-1, 1, array.shape).astype(np.float32)

    changed = with_change(single, LAYER, jitter)
    farthest = np.abs(changed.tensors[LAYER] - single.tensors[LAYER]).max()
    one, other = (each.condensed().header[SUMMARIES][LAYER] for each in (single, changed))
    for statistic in ("smallest", "largest", "mean"):
        assert abs(one[statistic] - other[statistic]) <= farthest * (1 + 1e-6)


def test_what_it_cannot_see(kept: Path, single: Trace) -> None:
    """One entry, not kept and no extreme, moved beyond rounding: it says that bits changed, and takes it for rounding.

    ``docs/regression.md`` says so; a whole trace sees it.
    """
    limit = 2 * single.header["allowed"][LAYER]

    def move(array: Array) -> None:
        array.flat[unkept(array)] += 3 * limit

    changed = with_change(single, LAYER, move)
    assert compare_traces(single, changed).exit_code == 1
    found = compare_traces(open_trace(kept), changed)
    assert found.exit_code == 0
    assert not found.identical


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_is_seen_wherever_it_is(kept: Path, single: Trace, value: float) -> None:
    def spoil(array: Array) -> None:
        array.flat[unkept(array)] = value

    found = compare_traces(open_trace(kept), with_change(single, LAYER, spoil))
    assert found.first_beyond is not None
    assert found.first_beyond.name == LAYER
    assert "holds numbers that are not finite" in found.first_beyond.sentence()


def test_zeros_of_another_sign_that_it_keeps(kept: Path, single: Trace) -> None:
    name = f"{ACTIVATIONS}b1.conv"
    kept_places = places(name, single.tensors[name].size)
    place = next(place for place in kept_places if single.tensors[name].flat[place] == 0)

    def negate(array: Array) -> None:
        array.flat[place] = -0.0

    found = compare_traces(open_trace(kept), with_change(single, name, negate))
    assert not found.identical
    assert found.first_different is not None
    assert (found.exit_code, found.first_different.share) == (0, 0)
    assert found.first_different.differing == 1 / ENTRIES


def test_another_shape(kept: Path, single: Trace) -> None:
    changed = replace(single, tensors={**single.tensors, LAYER: single.tensors[LAYER][:, :, :1]})
    found = compare_traces(open_trace(kept), changed)
    assert found.first_beyond is not None
    assert "is float32 of shape (3, 128, 3, 5) in the first, float32 of shape (3, 128, 1, 5) in the second" in (
        found.first_beyond.sentence()
    )


def test_a_missing_gradient(kept: Path, single: Trace) -> None:
    tensors = {name: array for name, array in single.tensors.items() if name != f"{GRADIENTS}fc.bias"}
    found = compare_traces(open_trace(kept), replace(single, tensors=tensors))
    assert [d.sentence() for d in found.differences if not d.identical] == [
        f"{GRADIENTS}fc.bias is missing in the second"
    ]


# Files that are none

DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut in the header": (lambda content: content[:500], "cut short in its header"),
    "cut in the numbers": (lambda content: content[:-1], "its tensors take"),
    "a newer version": (
        lambda content: content.replace(rb"{\"format_version\": 1,", rb"{\"format_version\": 9,"),
        "has format version 9",
    ),
    "a layer by another name": (
        lambda content: content.replace(b"activations/b1.pool", b"activations/b1.poll"),
        "1 missing: b1.pool; 1 unexpected: 'b1.poll'",
    ),
    "a summary by another name": (
        lambda content: content.replace(rb"\"activations/b1.pool\": {", rb"\"activations/b1.poll\": {"),
        "either the numbers or the summary of 'activations/b1.poll', 'activations/b1.pool', and not both",
    ),
    "a summary of another shape": (
        lambda content: content.replace(rb"\"shape\": [3, 10]", rb"\"shape\": [9, 10]"),
        "it should keep (64,) numbers",
    ),
    "a summary without numbers": (
        lambda content: content.replace(rb"\"shape\": [3, 10]", rb"\"shape\": [-3, 1]"),
        "the shape of 'activations/fc' is (-3, 1)",
    ),
    "a summary of another dtype": (
        lambda content: content.replace(rb"{\"dtype\": \"float32\"", rb"{\"dtype\": \"float64\""),
        "'activations/b1.conv', float64 of shape (3, 64, 10, 17), it should keep",
    ),
    "other numbers": (
        lambda content: content[:-260] + bytes([content[-260] ^ 1]) + content[-259:],
        "the numbers of 'gradients/fc.bias' have not the hash",
    ),
    "no mean": (lambda content: content.replace(rb"\"mean\"", rb"\"maen\""), "its header has no 'mean'"),
    "no summaries": (
        lambda content: content.replace(rb"\"summaries\": {", rb"\"summaries\": 0, \"s\": {"),
        "",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_golden(damage: str, kept: Path, command: Command, tmp_path: Path) -> None:
    spoil, words = DAMAGES[damage]
    content = kept.read_bytes()
    spoiled = spoil(content)
    assert spoiled != content
    added = len(spoiled) - len(content)
    if 0 < added < 100:  # of the header, whose length stands first
        spoiled = (int.from_bytes(spoiled[:8], "little") + added).to_bytes(8, "little") + spoiled[8:]
    path = tmp_path / "spoiled.safetensors"
    path.write_bytes(spoiled)
    with pytest.raises(FileError) as error:
        open_trace(path)
    assert words in str(error.value)
    assert words in sentence(command("compare", path, kept))


def test_what_is_kept_whole_however_large() -> None:
    assert kept_shape("logits", (100, 10)) == (100, 10)
    assert kept_shape(LAYER, (100, 10)) == (ENTRIES,)
