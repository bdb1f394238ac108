"""Traces: what ``record`` keeps, what ``compare`` says of two of them, and a sentence for every file that is none."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import pytest

from googlenet_np import GOOGLENET, init_weights, load_images, sample_images, save_weights
from netparity import FLOAT64_GATE
from netparity.compare.comparison import compare_traces
from netparity.files.hashing import array_sha256
from netparity.files.trace import ACTIVATIONS, GRADIENTS, Trace, open_trace, write_trace
from netparity.network.errors import FileError, OptionError
from netparity.network.kinds import Conv2d
from parity_tests.compare.traces import CASE, NUMPY, WRONG, with_change
from parity_tests.support import numpy_backend
from parity_tests.support.command import LIMIT, Command, sentence
from parity_tests.support.tiers import representative

Array = npt.NDArray[Any]

# What a trace holds


def test_it_holds_what_the_backend_computed(trace: Trace) -> None:
    dtype = trace.header["dtype"]
    weights = init_weights(3)
    images, labels = sample_images(3, image_size=(19, 33))
    model = numpy_backend.Backend().build(weights, dtype)
    right = model.activations(images)
    assert list(trace.under(ACTIVATIONS)) == list(GOOGLENET.names)
    for name, array in trace.under(ACTIVATIONS).items():
        assert array.dtype == dtype
        np.testing.assert_array_equal(array, right[name])
    assert list(trace.under(GRADIENTS)) == [*weights, "images"]
    loss, by_weights, by_images = model.gradients(images, labels)
    assert trace.tensors["loss"] == pytest.approx(loss, rel=1e-5)
    if dtype == "float64":
        np.testing.assert_array_equal(trace.tensors[GRADIENTS + "images"], by_images)
        np.testing.assert_array_equal(trace.tensors[GRADIENTS + "fc.bias"], by_weights["fc.bias"])
    np.testing.assert_array_equal(trace.tensors["predictions"], right["fc"].argmax(axis=1))


def test_the_header_says_what_made_it_and_of_what(trace: Trace) -> None:
    header = trace.header
    assert header["versions"] == {"numpy": np.__version__}
    assert {"python", "numpy", "platform", "processor", "cores", "features", "OMP_NUM_THREADS"} <= set(
        header["environment"]
    )
    assert header["settings"]["seed"] == 3
    assert header["settings"]["shape"] == [3, 1, 19, 33]
    assert sorted(header["sha256"]) == ["images", "labels", "weights"]
    assert all(len(digest) == 64 for digest in header["sha256"].values())
    images, labels = sample_images(3, image_size=(19, 33))
    assert header["sha256"]["images"] == array_sha256(images)
    assert header["sha256"]["labels"] == array_sha256(labels)
    assert {ACTIVATIONS + name for name in GOOGLENET.names} | {"logits"} <= set(header["allowed"])
    if header["dtype"] == "float32":
        assert set(header["local"]) == set(GOOGLENET.names)
        assert all(0 <= share < 1 for share in header["local"].values())
        assert all(header["local"][layer.name] > 0 for layer in GOOGLENET.layers if isinstance(layer, Conv2d))


def test_float64_may_move_by_the_gate(recorded: Callable[[str], Path]) -> None:
    """Of each tensor's largest entry, however large or small that is."""
    trace = open_trace(recorded("float64"))
    for name, array in trace.under(ACTIVATIONS).items():
        assert trace.header["allowed"][ACTIVATIONS + name] == pytest.approx(FLOAT64_GATE * np.abs(array).max())


def test_numpy_alone_reads_it(recorded: Callable[[str], Path]) -> None:
    program = (
        "import sys; from netparity.files.trace import open_trace; open_trace(sys.argv[1]);"
        "print({name.partition('.')[0] for name in sys.modules} & {'safetensors', 'rich', 'typer', 'PIL', 'scipy'})"
    )
    ran = [sys.executable, "-c", program, str(recorded("float32"))]
    assert subprocess.check_output(ran, text=True, timeout=LIMIT) == "set()\n"


def test_safetensors_reads_it_too(recorded: Callable[[str], Path], single: Trace) -> None:
    from safetensors.numpy import load_file

    tensors = load_file(recorded("float32"))
    assert tensors.keys() == single.tensors.keys()
    for name, array in tensors.items():
        np.testing.assert_array_equal(array, single.tensors[name])


def test_the_same_content_gives_the_same_bytes(single: Trace, tmp_path: Path) -> None:
    for name in "ab":
        write_trace(tmp_path / name, single.header, single.tensors)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(("named", "checked"), [("", True), ("GoogLeNet", True), ("LeNet", False)])
def test_layers_are_those_of_the_network_that_the_header_names(
    single: Trace, tmp_path: Path, named: str, checked: bool
) -> None:
    """Older versions knew one network and named none; of a network that is not here, nobody knows the layers."""
    settings = {**single.header["settings"], "network": named}
    tensors = {name: array for name, array in single.tensors.items() if name != f"{ACTIVATIONS}b1.pool"}
    write_trace(tmp_path / "trace", {**single.header, "settings": settings}, tensors)
    for network in (None, GOOGLENET) if checked else (GOOGLENET,):
        with pytest.raises(FileError, match=r"its layers are not those of GoogLeNet; 1 missing: b1\.pool\."):
            open_trace(tmp_path / "trace", network)
    if not checked:
        assert open_trace(tmp_path / "trace").settings.network == named


# Two traces


@pytest.mark.exhaustive  # as the golden's commands are, in test_golden
def test_the_same_backend_twice_is_the_same_bit_for_bit(command: Command, recorded: Callable[[str], Path]) -> None:
    result = command("compare", recorded("float32"), NUMPY, "--require", "bitwise")
    assert result.out.splitlines()[-1] == "pass: every bit is the same."
    assert result.code == 0


def test_a_difference_that_rounding_explains(single: Trace) -> None:
    name = f"{ACTIVATIONS}b3.inception_3a.p2_2"
    largest = single.tensors[name].argmax()
    place = tuple(map(int, np.unravel_index(largest, single.tensors[name].shape)))

    def next_number(array: Array) -> None:
        array[place] = np.nextafter(array[place], np.float32(np.inf))

    other = with_change(single, name, next_number)
    found = compare_traces(single, other)
    assert not found.identical
    assert found.exit_code == 0
    (difference,) = [d for d in found.differences if not d.identical]
    assert difference is found.first_different
    assert (difference.name, difference.index) == (name, place)
    assert difference.ulp == pytest.approx(1)
    assert difference.share is not None
    assert 0 < difference.share < 1
    assert difference.differing == pytest.approx(1 / single.tensors[name].size)
    assert compare_traces(single, other, "bitwise").exit_code == 1


def test_a_difference_beyond_rounding(trace: Trace) -> None:
    name = f"{ACTIVATIONS}b4.inception_4d"
    allowed = 2 * trace.header["allowed"][name]

    def beyond(array: Array) -> None:
        array[2, 1, 0, 1] += 3 * allowed

    found = compare_traces(trace, with_change(trace, name, beyond))
    assert found.exit_code == 1
    assert found.first_beyond is not None
    assert (found.first_beyond.name, found.first_beyond.index) == (name, (2, 1, 0, 1))
    assert found.first_beyond.share == pytest.approx(3, rel=1e-3)
    assert found.first_beyond.first == float(trace.tensors[name][2, 1, 0, 1])


def test_the_first_of_several_is_the_first_in_the_network(single: Trace) -> None:
    def plus_one(array: Array) -> None:
        array += 1

    other = with_change(with_change(single, f"{ACTIVATIONS}fc", plus_one), f"{ACTIVATIONS}b2.conv1", plus_one)
    found = compare_traces(single, other)
    assert found.first_different is found.first_beyond
    assert found.first_beyond is not None
    assert found.first_beyond.name == f"{ACTIVATIONS}b2.conv1"


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_is_beyond_rounding(single: Trace, value: float) -> None:
    def spoil(array: Array) -> None:
        array.flat[5] = value

    name = f"{ACTIVATIONS}b1.pool"
    spoiled = with_change(single, name, spoil)
    for pair in ((single, spoiled), (spoiled, single)):
        found = compare_traces(*pair)
        assert found.exit_code == 1
        assert found.first_beyond is not None
        assert found.first_beyond.name == name
        assert str(value) in found.first_beyond.sentence()
    assert compare_traces(spoiled, spoiled).identical


def test_zeros_of_another_sign_are_other_bits(single: Trace) -> None:
    array = single.tensors[f"{ACTIVATIONS}b1.conv"]
    place = np.flatnonzero(array == 0)[0]

    def negate(array: Array) -> None:
        array.flat[place] = -0.0

    found = compare_traces(single, with_change(single, f"{ACTIVATIONS}b1.conv", negate))
    assert not found.identical
    assert (found.exit_code, found.largest.share) == (0, 0)
    assert compare_traces(single, with_change(single, f"{ACTIVATIONS}b1.conv", negate), "bitwise").exit_code == 1


def test_float32_gradients_are_shown_and_not_judged(single: Trace) -> None:
    def twice(array: Array) -> None:
        array *= 1.02

    found = compare_traces(single, with_change(single, f"{GRADIENTS}b1.conv.weight", twice))
    assert found.exit_code == 0
    assert not found.identical
    assert "not judged" not in str(found.first_different)
    assert found.first_different is not None
    assert found.first_different.share is None


def test_predictions_that_changed(single: Trace) -> None:
    def another(array: Array) -> None:
        array[1] = (array[1] + 1) % 10

    found = compare_traces(single, with_change(single, "predictions", another))
    before = int(single.tensors["predictions"][1])
    assert found.changed == ((1, before, (before + 1) % 10),)


def test_a_fault_in_a_live_backend(command: Command, recorded: Callable[[str], Path], tmp_path: Path) -> None:
    files = ("--json", tmp_path / "found.json", "--junit", tmp_path / "found.xml")
    result = command("compare", recorded("float32"), WRONG, *files)
    assert result.code == 1
    assert "fail: rounding does not explain what differs." in result.out
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert found["exit_code"] == 1
    assert found["first_beyond"] in [d["name"] for d in found["differences"] if d["beyond"]]
    suite = ElementTree.parse(tmp_path / "found.xml").getroot()[0]
    assert int(suite.attrib["failures"]) == sum(d["beyond"] for d in found["differences"])
    assert len(suite.findall("testcase/failure")) == int(suite.attrib["failures"])


def test_what_differs_around_the_numbers(single: Trace) -> None:
    header = {**single.header, "versions": {"numpy": "0.9"}}
    header["environment"] = {**single.header["environment"], "OMP_NUM_THREADS": "64"}
    found = compare_traces(single, replace(single, header=header))
    assert found.environment == (
        ("numpy", np.__version__, "0.9"),
        ("OMP_NUM_THREADS", single.header["environment"]["OMP_NUM_THREADS"], "64"),
    )


@pytest.mark.parametrize("what", ["weights", "images", "labels"])
def test_what_cannot_be_compared_is_refused(single: Trace, what: str) -> None:
    other = replace(single, header={**single.header, "sha256": {**single.header["sha256"], what: "0" * 64}})
    with pytest.raises(OptionError, match=rf"cannot be compared: other {what} \(SHA-256 \w{{12}}… and 0{{12}}…\)\.$"):
        compare_traces(single, other)


def test_two_precisions_are_refused(command: Command, recorded: Callable[[str], Path]) -> None:
    message = sentence(command("compare", recorded("float32"), recorded("float64")))
    assert "another precision (float32 and float64)" in message


def test_another_precision_than_the_traces_is_refused_before_the_work(
    command: Command, recorded: Callable[[str], Path]
) -> None:
    path = recorded("float32")
    message = sentence(command("compare", path, NUMPY, "--dtype", "float64"))
    assert message == f"error: --dtype is float64, but '{path}' is a trace in float32.\n"
    assert command("compare", path, path, "--dtype", "float32").code == 0


def test_help_of_compare_says_what_a_trace_decides(command: Command) -> None:
    words = command("compare", "--help").words
    for default in ("0", "the network's", "all", "float32"):
        assert f"the trace's, else {default})" in words


@pytest.mark.exhaustive
def test_a_live_backend_runs_what_the_trace_ran(command: Command, tmp_path: Path) -> None:
    images, _ = sample_images(2, image_size=(8, 9), in_channels=3)
    np.save(tmp_path / "images.npy", images)
    save_weights(tmp_path / "weights.safetensors", init_weights(1, in_channels=3, num_classes=4))
    of_files = ("--weights", tmp_path / "weights.safetensors", "--images", tmp_path / "images.npy")
    path = tmp_path / "trace.safetensors"
    assert command("record", NUMPY, "-o", path, *of_files).code == 0
    np.testing.assert_array_equal(load_images(tmp_path / "images.npy", in_channels=3), images)
    assert "name them again with --weights" in sentence(command("compare", path, NUMPY))
    assert command("compare", path, NUMPY, *of_files, "--require", "bitwise").code == 0


# Files that are no traces


DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda content: b"", "cut short in its header"),
    "cut in the header": (lambda content: content[:500], "cut short in its header"),
    "cut in the numbers": (lambda content: content[:-1], "its tensors take"),
    "longer": (lambda content: content + b"\0", "its tensors take"),
    "text": (lambda content: b"once upon a time", "cut short in its header"),
    "another shape": (
        lambda content: content.replace(b"[3, 64, 10, 17]", b"[3, 64, 17, 11]"),
        "does not fit its place",
    ),
    "negative shape": (lambda content: content.replace(b"[3, 64, 10, 17]", b"[3, 64,-10,-17]"), "no whole numbers"),
    "a newer version": (
        lambda content: content.replace(rb"{\"format_version\": 1,", rb"{\"format_version\": 9,"),
        "has format version 9",
    ),
    "a layer by another name": (
        lambda content: content.replace(b'"activations/b1.pool"', b'"activations/b1.poll"'),
        "1 missing: b1.pool; 1 unexpected: 'b1.poll'",
    ),
    "another dtype": (lambda content: content.replace(b'"F32"', b'"F8_"', 1), "damaged trace"),
    "no table": (
        lambda content: content.replace(rb"\"sha256\": {", rb"\"sha255\": {"),
        "its header has no 'sha256'",
    ),
    "another kind": (
        lambda content: content.replace(b"netparity trace", b"netparity tears"),
        "it is a file of tears",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_trace(damage: str, recorded: Callable[[str], Path], command: Command, tmp_path: Path) -> None:
    spoil, words = DAMAGES[damage]
    content = recorded("float32").read_bytes()
    spoiled = spoil(content)
    assert spoiled != content
    path = tmp_path / "spoiled.safetensors"
    path.write_bytes(spoiled)
    with pytest.raises(FileError, match=words):
        open_trace(path)
    assert words in sentence(command("compare", path, recorded("float32")))


def test_no_such_trace(command: Command, tmp_path: Path) -> None:
    assert "Cannot read" in sentence(command("compare", tmp_path / "none.safetensors", NUMPY))


def test_a_file_that_is_there_stays(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "trace.safetensors"
    path.write_text("precious", encoding="utf-8")
    assert "is there already; --force writes over it" in sentence(command("record", NUMPY, "-o", path, *CASE))
    assert path.read_text(encoding="utf-8") == "precious"
    assert command("record", NUMPY, "-o", path, *CASE, "--force").code == 0
    open_trace(path)


@pytest.mark.parametrize(
    ("backend", "words"),
    representative(
        [
            ("parity_tests.support.misbehaving:RaisesWhenMade", "no device was found"),
            ("parity_tests.support.misbehaving:IsKilled", "was killed by SIGKILL"),
            ("parity_tests.support.misbehaving:NeedsMissingModule", "no_such_framework"),
            ("parity_tests.support.misbehaving:GivesWrongShape", "There is nothing to record"),
            ("parity_tests.support.misbehaving:GivesTooFew", "There is nothing to record"),
            ("none", "There is no backend 'none'"),
        ],
        quick=lambda case: case[0].endswith(("IsKilled", "GivesWrongShape", "none")),
    ),
)
def test_a_backend_that_gives_no_trace(command: Command, tmp_path: Path, backend: str, words: str) -> None:
    assert words in sentence(command("record", backend, "-o", tmp_path / "trace.safetensors", *CASE))
    assert list(tmp_path.iterdir()) == []


def test_what_is_beyond_the_first_chunk_is_compared(single: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays are read in parts; here each is small enough that the last entry is in a later one."""
    small = {name: single.tensors[name] for name in ("logits", "predictions", "loss")}
    single = replace(single, tensors=small)
    monkeypatch.setattr("netparity.compare.comparison.CHUNK", 7)

    def spoil(array: Array) -> None:
        array.flat[-1] = 100

    found = compare_traces(single, with_change(single, "logits", spoil)).first_beyond
    assert found is not None
    assert (found.name, found.index) == ("logits", (2, 9))
