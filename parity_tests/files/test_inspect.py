"""``inspect``: what a file holds, what is wrong with it, and what its exit code says of that."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from googlenet_np import GOOGLENET, forward, init_weights, sample_images
from netparity.files import checkpoint
from netparity.files.hashing import array_sha256, weights_sha256
from netparity.files.inspection import Inspection, inspect_file
from netparity.files.tensors import load_tensors, save_tensors
from netparity.files.trace import ACTIVATIONS, Trace, open_trace, write_trace
from netparity.network.contract import OptimizerState
from netparity.network.errors import NetparityError
from netparity.network.settings import CaseSettings
from parity_tests.files.bad_files import BAD, contents
from parity_tests.files.formats import ENDINGS, HEADS, LOADED, PROPER_NAMES, Stored, write_keras_2
from parity_tests.support.backends import require
from parity_tests.support.command import Command, sentence
from parity_tests.support.files import under_the_old_name
from parity_tests.support.interpreter import in_fresh_interpreter
from parity_tests.support.tiers import representative

SETTINGS = CaseSettings(0, "xavier_uniform", "samples", (2, 1, 9, 7), 10, ("float32",)).to_json()

Array = npt.NDArray[Any]
Weights = dict[str, Array]


@pytest.fixture(autouse=True)
def _no_large_files_stay(tmp_path: Path) -> Iterator[None]:
    """Pytest keeps what three runs wrote."""
    yield
    shutil.rmtree(tmp_path)


def document(command: Command, path: Path) -> dict[str, Any]:
    """What ``--json`` writes, and what JSON says of the exit code."""
    report = path.with_name("report.json")
    result = command("inspect", path, "--json", report)
    assert result.err == ""
    found: dict[str, Any] = json.loads(report.read_text(), parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
    assert found["exit_code"] == result.code == (1 if found["problems"] else 0)
    assert found["status"] == ("wrong" if found["problems"] else "sound")
    assert all(character.isprintable() for character in result.out.replace("\n", ""))
    return found


# Sound files


@pytest.mark.exhaustive
@pytest.mark.parametrize("ending", ENDINGS)
def test_the_same_weights_have_the_same_hashes_in_every_format(
    ending: str, stored: Stored, weights: Weights, command: Command, tmp_path: Path
) -> None:
    if backend := ENDINGS[ending]:
        require(backend)
    (tmp_path / f"net{ending}").symlink_to(stored(ending))
    found = document(command, tmp_path / f"net{ending}")
    assert found["problems"] == []
    assert found["kind"] == "weights"
    assert found["sha256"] == weights_sha256(weights)
    assert {row["canonical"]: row["sha256"] for row in found["tensors"]} == {
        name: array_sha256(array) for name, array in weights.items()
    }
    assert [row["canonical"] for row in found["tensors"]] == list(weights), "in canonical order"
    assert found["size"] == stored(ending).stat().st_size


def test_what_a_person_sees(stored: Stored, weights: Weights, command: Command) -> None:
    result = command("inspect", stored(".safetensors"))
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"'{stored('.safetensors')}': weights\n")
    for words in ("format version 1 ", "image channels 3 ", "classes 7 ", f"SHA-256 {weights_sha256(weights)}"):
        assert words in result.words
    digest = array_sha256(weights["b3.inception_3a.p2_2.weight"])[:12]
    assert f"b3.inception_3a.p2_2.weight 128×96×3×3 float32 {digest}…" in result.words
    assert "canonical name" not in result.out, "it is in the file"
    assert result.words.endswith("sound: the 116 tensors of a GoogLeNet, whole and finite.")


@pytest.mark.exhaustive
def test_other_names_stand_beside_the_canonical_ones(stored: Stored, command: Command) -> None:
    require("tf")
    result = command("inspect", stored(".keras"))
    assert re.search(r"b1/conv/vars/0 +b1\.conv\.weight +7×7×3×64 +float32", result.out)
    assert "those of this project's tree as Keras 3 writes it" in result.words
    assert re.search(r"version of keras +\d+\.\d+", result.out)
    assert "Hashes are of the canonical layout" in result.words


def test_keras_2s_h5(command: Command, weights: Weights, tmp_path: Path) -> None:
    require("tf")
    write_keras_2(tmp_path / "net.h5", weights)
    found = document(command, tmp_path / "net.h5")
    assert (found["problems"], found["sha256"]) == ([], weights_sha256(weights))
    assert found["facts"]["version of keras"] == "2.15.0"
    assert found["tensors"][2]["name"] == "sequential/conv2d_115/kernel:0"


def test_a_trainings_checkpoint(weights: Weights, command: Command, tmp_path: Path) -> None:
    save_training(tmp_path / "c.safetensors", weights, history=[{"train_loss": float("nan")}])
    found = document(command, tmp_path / "c.safetensors")
    assert (found["problems"], found["kind"]) == ([], "a training's checkpoint")
    assert found["sha256"] == weights_sha256(weights)
    assert found["facts"]["trained for"] == "3 epochs and 2 steps"
    assert found["facts"]["versions"] == "torch 2.13.0"
    assert found["header"]["history"] == [{"train_loss": None}], "JSON has no NaN"
    assert len(found["tensors"]) == 232


def save_training(path: Path, weights: Weights, state: Weights | None = None, **others: Any) -> None:
    state = {name: np.ones_like(array) for name, array in weights.items()} if state is None else state
    progress = checkpoint.Progress(epoch=3, step=2)
    chosen = {"backend": "torch", "versions": {"torch": "2.13.0"}}
    checkpoint.save(path, checkpoint.Checkpoint(weights, OptimizerState(state, 1.0), progress, chosen, **others))


@pytest.fixture(scope="module")
def trace() -> Trace:
    """As ``record`` makes it, of two images of 9×7; without gradients, as of a backend that has none."""
    images, labels = sample_images(2, image_size=(9, 7))
    outputs = forward(init_weights(0), images, dtype="float32")
    tensors = {ACTIVATIONS + name: outputs[name] for name in GOOGLENET.names}
    tensors |= {"logits": outputs["fc"], "predictions": labels.astype(np.int64)}
    header = {
        "backend": "torch",
        "dtype": "float32",
        "versions": {"torch": "2.13.0"},
        "environment": {"processor": "a\x1b[31m", "features": ["avx", "fma"]},
        "settings": SETTINGS,
        "sha256": {"weights": "0" * 64},
        "allowed": {},
        "local": {},
    }
    return Trace(header, tensors)


def save_trace(path: Path, trace: Trace, **tensors: Array | None) -> Path:
    """With other tensors, or without those that are None; dots in their names are written as dashes."""
    changes = {name.replace("__", "/").replace("_dot_", "."): array for name, array in tensors.items()}
    changed = {name: array for name, array in {**trace.tensors, **changes}.items() if array is not None}
    write_trace(path, trace.header, changed)
    return path


def test_a_trace(trace: Trace, command: Command, tmp_path: Path) -> None:
    found = document(command, save_trace(tmp_path / "t.safetensors", trace))
    assert (found["problems"], found["kind"]) == ([], "a trace")
    assert found["facts"]["backend"] == "torch 2.13.0"
    assert found["facts"]["SHA-256 of weights"] == "0" * 64
    assert found["facts"]["environment"] == r"processor a\x1b[31m, features avx/fma"
    assert len(found["tensors"]) == 83
    by_name = {row["name"]: row for row in found["tensors"]}
    assert by_name["logits"]["sha256"] == array_sha256(np.asarray(trace.tensors["logits"]))


def test_a_golden(trace: Trace, command: Command, tmp_path: Path) -> None:
    golden = trace.condensed()
    found = document(command, save_trace(tmp_path / "g.safetensors", golden))
    assert found["problems"] == []
    assert found["kind"] == "a golden"
    assert {row["name"]: row["shape"] for row in found["tensors"]}["activations/b1.conv"] == [64]


def test_a_golden_of_other_shapes(trace: Trace, command: Command, tmp_path: Path) -> None:
    name = "activations/b1.conv"
    other = replace(trace, tensors={**trace.tensors, name: np.asarray(trace.tensors[name])[:, :, :1]}).condensed()
    (problem,) = document(command, save_trace(tmp_path / "g.safetensors", other))["problems"]
    assert problem.startswith(f"{name!r} is a sample of float32 of shape (")
    assert ", expected float32 of shape (" in problem


def test_files_from_before_the_program_had_its_name(
    stored: Stored, trace: Trace, weights: Weights, command: Command, tmp_path: Path
) -> None:
    """They hold no network's name: they are of the default one."""
    save_training(tmp_path / "training", weights)
    save_trace(tmp_path / "trace", trace)
    for name, path in (("weights", stored(".safetensors")), ("training", tmp_path / "training")):
        (tmp_path / name).write_bytes(under_the_old_name(path.read_bytes()))
    (tmp_path / "trace").write_bytes(under_the_old_name((tmp_path / "trace").read_bytes()))
    found = [document(command, tmp_path / name) for name in ("weights", "training", "trace")]
    assert [each["kind"] for each in found] == ["weights", "a training's checkpoint", "a trace"]
    assert [each["problems"] for each in found] == [[], [], []]
    assert [each["sha256"] for each in found] == [weights_sha256(weights), weights_sha256(weights), None]


# Files in which something is wrong


def change(weights: Weights, **changes: Array | None) -> Weights:
    """Other tensors, or without those that are None; ``fc_bias`` stands for ``fc.bias``."""
    names = {name.replace("_", ".", 1): array for name, array in changes.items()}
    return {name: array for name, array in {**weights, **names}.items() if array is not None}


WRONG: dict[str, tuple[dict[str, Array | None], list[str]]] = {
    "missing": ({"fc_bias": None}, ["1 tensor is missing: fc.bias."]),
    "no counts": ({"fc_weight": None, "b1_conv.weight": None}, ["2 tensors are missing: b1.conv.weight, fc.weight."]),
    "unexpected": (
        {"a_\x1b[2J": np.zeros(3, np.int8), "z_\u202e": np.zeros(1)},
        [r"2 tensors are unexpected: a.\x1b[2J, z.\u202e."],
    ),
    "shape": ({"fc_bias": np.zeros(6, np.float32)}, ["'fc.bias' has shape (6,), expected (7,)."]),
    "rank": (
        {"fc_weight": np.zeros(7, np.float32)},
        ["'fc.weight' has shape (7,); expected 2 axes, none of them empty."],
    ),
    "dtype": ({"fc_bias": np.zeros(7, np.float16)}, ["'fc.bias' has dtype float16, expected float32 or float64."]),
    "not a number": (
        {"fc_bias": np.array([0, 1, np.nan, 3, np.inf, 5, 6], np.float32)},
        ["'fc.bias' holds nan at (2,), expected finite numbers."],
    ),
    "several": (
        {"fc_bias": None, "b_x": np.zeros(3), "b1_conv.bias": np.zeros(3, np.float32)},
        [
            "1 tensor is missing: fc.bias.",
            "1 tensor is unexpected: b.x.",
            "'b1.conv.bias' has shape (3,), expected (64,).",
        ],
    ),
}


@pytest.mark.parametrize("fault", WRONG)
def test_what_is_wrong_is_said(fault: str, weights: Weights, command: Command, tmp_path: Path) -> None:
    changes, problems = WRONG[fault]
    save_tensors(tmp_path / "net.safetensors", "weights", change(weights, **changes), {})
    found = document(command, tmp_path / "net.safetensors")
    assert [problem.removeprefix(f"'{tmp_path}/net.safetensors': ") for problem in found["problems"]] == problems
    assert found["sha256"] is None
    assert len(found["tensors"]) == len(change(weights, **changes))


def test_what_is_wrong_stands_last_on_the_terminal(weights: Weights, command: Command, tmp_path: Path) -> None:
    changes, problems = WRONG["several"]
    save_tensors(tmp_path / "net.safetensors", "weights", change(weights, **changes), {})
    result = command("inspect", tmp_path / "net.safetensors")
    assert result.code == 1
    assert result.out.endswith("\n".join(["wrong: 3 things.", *(f"– {problem}" for problem in problems), ""]))


def test_a_long_list_is_cut_on_the_terminal_alone(weights: Weights, command: Command, tmp_path: Path) -> None:
    with np.errstate(over="ignore"):
        halves = {name: array.astype(np.float16) for name, array in weights.items()}
    save_tensors(tmp_path / "net.safetensors", "weights", halves, {})
    assert len(document(command, tmp_path / "net.safetensors")["problems"]) == 116
    result = command("inspect", tmp_path / "net.safetensors")
    assert result.out.endswith("– … and 104 more; --json has all of them.\n")


def test_a_header_that_says_something_else(weights: Weights, command: Command, tmp_path: Path) -> None:
    header = {"architecture": {"name": "GoogLeNet", "in_channels": 1, "num_classes": 7}}
    save_tensors(tmp_path / "net.safetensors", "weights", weights, header)
    found = document(command, tmp_path / "net.safetensors")
    assert found["problems"] == ["Its header says (channels, classes) are (1, 7), and its tensors are for (3, 7)."]


def test_a_kind_that_is_not_known(weights: Weights, command: Command, tmp_path: Path) -> None:
    save_tensors(tmp_path / "net.safetensors", "te\x1bars", weights, {})
    found = document(command, tmp_path / "net.safetensors")
    assert found["problems"] == [r"It says that it is a file of te\x1bars, which is not known here."]


@pytest.mark.parametrize("count", [0, 3])
def test_another_programs_tensors(count: int, command: Command, tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({f"a{i}": np.ones((i + 1, 2), np.int64) for i in range(count)}, tmp_path / "net.safetensors")
    found = document(command, tmp_path / "net.safetensors")
    assert found["kind"] == "tensors"
    assert found["problems"] == [f"None of its {count} tensors has a name that a GoogLeNet's has."]
    assert [(row["name"], row["shape"]) for row in found["tensors"]] == [(f"a{i}", [i + 1, 2]) for i in range(count)]


def test_bfloat16_in_safetensors(command: Command, tmp_path: Path) -> None:
    entry = {"fc.bias": {"dtype": "BF16", "shape": [7], "data_offsets": [0, 14]}}
    head = json.dumps(entry).encode()
    (tmp_path / "net").write_bytes(len(head).to_bytes(8, "little") + head + bytes(14))
    found = document(command, tmp_path / "net")
    assert "'fc.bias' is BF16, expected float32 or float64." in found["problems"]
    assert found["tensors"] == [
        {
            "name": "fc.bias",
            "canonical": "fc.bias",
            "shape": [7],
            "dtype": "BF16",
            "sha256": None,
            "problem": "'fc.bias' is BF16, expected float32 or float64",
        }
    ]


def test_bfloat16_and_text_in_a_state_dict(weights: Weights, command: Command, tmp_path: Path) -> None:
    require("torch")
    import torch

    state: dict[str, Any] = {name: torch.from_numpy(array) for name, array in weights.items()}
    state |= {"fc.bias": state["fc.bias"].bfloat16(), "fc.weight": state["fc.weight"].to_sparse(), "words": "x\x1b"}
    torch.save(state, tmp_path / "net.pt")
    found = document(command, tmp_path / "net.pt")
    assert found["problems"] == [
        "1 tensor is unexpected: words.",
        "'fc.weight' is torch.float32, torch.sparse_coo, expected float32 or float64.",
        "'fc.bias' is torch.bfloat16, expected float32 or float64.",
    ]


def test_two_names_for_one_tensor(weights: Weights, command: Command, tmp_path: Path) -> None:
    require("torch")
    import torch

    state = {name: torch.from_numpy(array) for name, array in weights.items()}
    torch.save({**state, "_orig_mod.fc.bias": state["fc.bias"]}, tmp_path / "net.pt")
    found = document(command, tmp_path / "net.pt")
    assert found["problems"] == ["'fc.bias' and '_orig_mod.fc.bias' both stand for 'fc.bias'; expected one of them."]
    assert len(found["tensors"]) == 117


def test_an_hdf5_file_that_is_no_weights_file(command: Command, tmp_path: Path) -> None:
    require("tf")
    import h5py

    with h5py.File(tmp_path / "net.h5", "w") as file:
        file["table"] = np.zeros((3, 4))
        file["wo\x1brds"] = "text"
        file["objects"] = np.array(["a", "bc"], h5py.string_dtype())
    found = document(command, tmp_path / "net.h5")
    assert found["problems"] == ["None of its 3 tensors has a name that a GoogLeNet's has."]
    assert [(row["name"], row["shape"], row["dtype"]) for row in found["tensors"]] == [
        ("objects", [2], "object"),
        ("table", [3, 4], "float64"),
        ("wo\x1brds", [], "bytes32"),
    ]
    assert found["tensors"][0]["sha256"] is None, "it would be of addresses in memory"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"activations__b1_dot_pool": None}, "its layers are not those of GoogLeNet; 1 missing: b1.pool."),
        ({"activations__b9": np.zeros(1, np.float32)}, "1 unexpected: 'b9'."),
        ({"logits": None}, "1 tensor is missing: logits."),
        ({"words": np.zeros(1)}, "'words' has no place in a trace."),
        ({"logits": np.zeros((2, 7), np.float32)}, "'logits' has shape (2, 7), expected (2, 10)."),
        ({"logits": np.zeros((2, 10))}, "'logits' has dtype float64, expected float32."),
        ({"logits": np.full((2, 10), np.inf, np.float32)}, "'logits' holds inf at (0, 0), expected finite numbers."),
        ({"predictions": np.zeros(3, np.int64)}, "'predictions' has shape (3,), expected (2,)."),
        ({"gradients__fc_dot_bias": np.zeros(3, np.float32)}, "'gradients/fc.bias' has shape (3,), expected (10,)."),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_trace_with_one_thing_wrong(
    changes: dict[str, Array | None], words: str, trace: Trace, command: Command, tmp_path: Path
) -> None:
    found = document(command, save_trace(tmp_path / "t.safetensors", trace, **changes))
    assert len(found["problems"]) == 1
    assert found["problems"][0].endswith(words)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("settings", {}),
        ("settings", {**SETTINGS, "shape": [2, 1, 9]}),
        ("settings", {**SETTINGS, "shape": [2, 1, 9, 0]}),
        ("settings", {**SETTINGS, "shape": "many"}),
        ("settings", {**SETTINGS, "shape": [[2], 1, 9, 7]}),
        ("settings", {**SETTINGS, "hyperparameters": {"lr": -1}}),
        ("dtype", 32),
        ("sha256", ["none"]),
    ],
)
def test_a_trace_whose_header_says_nonsense(
    key: str, value: object, trace: Trace, command: Command, tmp_path: Path
) -> None:
    path = save_trace(tmp_path / "t.safetensors", replace(trace, header={**trace.header, key: value}))
    assert document(command, path)["problems"]


@pytest.mark.parametrize("which", ["weights", "state"])
def test_a_trainings_checkpoint_with_one_thing_wrong(
    which: str, weights: Weights, command: Command, tmp_path: Path
) -> None:
    wrong = change(weights, fc_bias=None)
    right = {"weights": weights, "state": {name: np.ones_like(array) for name, array in weights.items()}}
    save_training(tmp_path / "c.safetensors", **(right | {which: wrong}))
    found = document(command, tmp_path / "c.safetensors")
    named = {"weights": "The weights", "state": "The optimiser's state"}[which]
    assert found["problems"] == [f"{named}: 1 tensor is missing: fc.bias."]
    assert len(found["tensors"]) == 231


def test_a_trainings_checkpoint_that_says_nonsense(weights: Weights, command: Command, tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    save_training(path, weights, {})
    tensors, kind, header = load_tensors(path)
    assert kind is not None
    save_tensors(path, kind, {**tensors, "words": np.zeros(2)}, header)
    assert document(command, path)["problems"] == ["1 tensor is unexpected: words."]
    save_tensors(path, kind, tensors, {**header, "progress": {"epoch": -1}})
    problems = document(command, path)["problems"]
    assert len(problems) == 1
    assert "is a checkpoint whose header is damaged" in problems[0]


# Files that cannot be read

READABLE = {
    "a .h5 that is no weights file",
    "a trace",
    "another kind",
    "no number",
    "another tensor",
    "two dtypes for Keras",
}
"""What is bad for ``convert``, and can be judged."""

UNREADABLE = [fault for fault, (_, target, _) in BAD.items() if target == "out.safetensors" and fault not in READABLE]


OF_EACH_KIND = (
    "no such file",
    "a folder",
    "a pipe",
    "empty",
    "text",
    "a picture",
    "cut short safetensors",
    "cut short .keras",
    "a pickle",
    "a newer version",
)
"""``convert`` refuses all of them in its quick tests, in the same words."""


@pytest.mark.parametrize("fault", representative(UNREADABLE, quick=OF_EACH_KIND))
def test_what_cannot_be_read_is_one_sentence(fault: str, command: Command, tmp_path: Path) -> None:
    make_source, _, words = BAD[fault]
    source = make_source(tmp_path)
    before = contents(tmp_path)
    message = sentence(command("inspect", source, "--json", tmp_path / "report.json"))
    assert words.format(at=tmp_path) in message
    assert contents(tmp_path) == before


def test_a_framework_that_is_missing(absent: str, command: Command, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(HEADS[absent])
    message = sentence(command("inspect", tmp_path / "in"))
    assert f"which needs {PROPER_NAMES[absent]}, and that is not installed (there is no Python module " in message
    assert message.endswith(f"pip install 'googlenet-parity[{absent}]'.\n")


def test_safetensors_need_no_framework(stored: Stored, tmp_path: Path) -> None:
    result = in_fresh_interpreter(LOADED, tmp_path, "inspect", str(stored(".safetensors")))
    assert "sound: " in result.stdout
    assert result.stderr == "\n", "no framework was imported"


def test_the_report_does_not_take_the_files_place(stored: Stored, command: Command, tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to(stored(".safetensors"))
    before = stored(".safetensors").read_bytes()
    for name in (stored(".safetensors"), tmp_path / "link.json"):
        assert "which is the file to inspect; expected another name" in sentence(
            command("inspect", stored(".safetensors"), "--json", name)
        )
    assert stored(".safetensors").read_bytes() == before


def test_ctrl_c(stored: Stored, monkeypatch: pytest.MonkeyPatch, command: Command) -> None:
    def interrupt(array: Array) -> None:
        raise KeyboardInterrupt

    path = stored(".safetensors")
    monkeypatch.setattr("netparity.files.inspection.findings.array_sha256", interrupt)
    result = command("inspect", path)
    assert (result.code, result.out, result.err) == (130, "", "Interrupted.\n")


@pytest.mark.parametrize("examples", representative([50, 300], quick=[50]))
def test_whatever_is_done_to_a_file_it_is_judged_or_refused(
    examples: int, small: Mapping[str, bytes], tmp_path: Path
) -> None:
    path = tmp_path / "net.safetensors"

    @settings(
        deadline=None,
        derandomize=True,
        database=None,
        max_examples=examples,
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def is_judged_or_refused(data: st.DataObject) -> None:
        content = bytearray(small[data.draw(st.sampled_from(sorted(small)))])
        for _ in range(data.draw(st.integers(1, 4))):
            place = data.draw(st.integers(0, min(len(content), 20_000) - 1))
            content[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        path.write_bytes(content)
        try:
            found = inspect_file(path)
        except NetparityError as error:
            assert str(error).isprintable()
            assert str(error).endswith(".")
        else:
            assert isinstance(found, Inspection)
            assert all(problem.isprintable() for problem in found.problems)

    is_judged_or_refused()


@pytest.fixture(scope="module")
def small(trace: Trace, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Files of few numbers: the network's names over tensors of one entry, and a trace of small images."""
    folder = tmp_path_factory.mktemp("small")
    shapes = GOOGLENET.parameter_shapes()
    tensors = {name: np.ones([1] * len(shape), np.float32) for name, shape in shapes.items()}
    save_tensors(folder / "weights", "weights", tensors, {"architecture": {"in_channels": 1, "num_classes": 1}})
    state = {f"{prefix}{name}": array for name, array in tensors.items() for prefix in ("weights/", "optimizer/")}
    save_tensors(folder / "checkpoint", "checkpoint", state, {"settings": {}, "progress": {}})
    write_trace(folder / "trace", trace.header, trace.tensors)
    assert open_trace(folder / "trace")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# Help


def test_help_teaches(command: Command) -> None:
    result = command("inspect", "--help")
    assert result.code == 0
    for words in (
        "what is wrong with it",
        "--json",
        "0 a sound file, 1 something is wrong with it, 2 it cannot be read",
    ):
        assert words in result.words
