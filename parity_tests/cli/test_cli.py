"""The command line: what it prints, what it writes, its exit codes, and one sentence for whatever is wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from googlenet_np import GOOGLENET, init_weights, save_weights
from netparity.network.errors import FileError
from netparity.network.registered import BACKEND_GROUP
from netparity.network.settings import CaseSettings
from netparity.runs import case
from netparity.show.run import write_json, write_junit
from netparity.verdict.report import Report
from parity_tests.support.command import LIMIT, NUMPY, SMALL, Command, Result
from parity_tests.support.misbehaving import LAST_WORDS
from parity_tests.support.tiers import representative


def misbehaving(*names: str) -> tuple[str, ...]:
    return tuple(part for name in names for part in ("--backend", f"{name}=parity_tests.support.misbehaving:{name}"))


# Help


def test_help_says_what_there_is(command: Command) -> None:
    result = command("--help")
    assert result.code == 0
    assert "compute the same network?" in result.words
    assert "With no command: run" in result.words
    assert "Exit codes: 0 pass, 1 a check failed, 2 it could not be run." in result.words
    assert re.search(r"run .*Judge every installed backend of the default network against the", result.out)
    assert re.search(r"summary .*Show the network's shapes", result.out)


@pytest.mark.parametrize("arguments", [("run", "--help"), ("run", "-h")])
def test_help_of_run_explains_every_option(command: Command, arguments: tuple[str, ...]) -> None:
    result = command(*arguments)
    assert result.code == 0
    options = ["--backend", "--seed", "--image-size", "--in-channels", "--num-classes", "--batch-size", "--images"]
    options += [
        "--weights",
        "--dtype",
        "--layers",
        "--strict",
        "--json",
        "--junit",
        "--html",
        "--timeout",
        "--memory-limit",
    ]
    assert [option for option in options if f"{option} " not in result.out] == []
    assert "bound that is derived and not tuned" in result.words
    for default in ("every one that is installed", "the network's sample images", "initial ones, by the seed", "both"):
        assert default in result.words


@pytest.mark.parametrize("name", ["netparity", "googlenet-parity"])
def test_completion_knows_every_name_of_the_command(name: str) -> None:
    """A shell asks by the name under which completion was installed."""
    program = f"import sys; sys.argv = ['/bin/{name}']; from netparity.__main__ import main; main()"
    asked = {"COMP_WORDS": f"{name} summ", "COMP_CWORD": "1"}
    variable = f"_{name.replace('-', '_').upper()}_COMPLETE"
    environment = {**os.environ, **asked, variable: "complete_bash", "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.check_output([sys.executable, "-c", program], env=environment, text=True) == "summary\n"


# The run


@pytest.fixture(scope="module")
def printed() -> Result:
    """What a run without a command's name prints, layer by layer."""
    done = subprocess.run(
        [sys.executable, "-m", "netparity", *SMALL, *NUMPY, "--layers"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "140", "TERM": "dumb"},
        capture_output=True,
        text=True,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def test_run_is_the_default_and_prints_what_a_person_wants_to_know(printed: Result) -> None:
    result = printed
    assert (result.code, result.err) == (0, "")
    assert "Fashion-MNIST test images: 2 × 1×17×23, 10 classes xavier_uniform weights, seed 0" in result.words
    row = next(line for line in result.out.splitlines() if line.strip().startswith(f"numpy {np.__version__}"))
    assert re.search(r"0\.\d{3} .* 0\.\d{3} .* 0\.\d{3} [\w.]+ .* 0\.\d{3} .* \d+\.\d s +pass", row)
    assert "pass: numpy – the same GoogLeNet as the float64 reference." in result.words


def test_layers_are_shown_one_by_one(printed: Result) -> None:
    rows = {words[0]: words[1:] for line in printed.out.splitlines() if (words := line.split())}
    assert [name for name in GOOGLENET.names if name.rpartition("inception_")[2] not in rows] == []
    assert all(re.fullmatch(r"0\.\d{3}", cell) for cell in rows["b2.conv2"])
    assert len(rows["b2.conv2"]) == len(rows["fc"]) == 3, "forward, backward, accumulated"
    assert rows["b2.pool"][0] == "0", "a maximum rounds nothing"
    assert len(rows["3a"]) == 2, "a block has no backward pass of its own"
    assert "fwd, bwd: the layer alone" in printed.out


@pytest.mark.exhaustive
def test_a_layer_that_is_beyond_its_bound_stands_out(command: Command) -> None:
    result = command(*SMALL, "--backend", "f=parity_tests.proof.faults:b1.conv: bias missing", "--layers")
    assert result.code == 1
    share = re.search(r"b1\.conv +(\S+) ", result.out)
    assert share is not None
    assert float(share[1]) > 1


def test_what_is_shown_and_not_judged_stands_below(printed: Result) -> None:
    assert re.search(
        r"Shown, not judged: gradients float32, end to end, off by \d\.\de-\d\d \(numpy, [\w.]+\) of the largest "
        r"entry; rounding may decide [\d,]+ signs of ReLUs and [\d,]+ maxima of pools among [\d,]+",
        printed.words,
    )


@pytest.mark.parametrize("name", representative(["CannotTrain", "CannotCallSome"], quick=["CannotTrain"]))
def test_strict_takes_no_skip_for_a_pass(command: Command, name: str) -> None:
    arguments = (*SMALL, *misbehaving(name), "--dtype", "float32")
    assert command(*arguments).code == 0
    result = command(*arguments, "--strict")
    assert result.code == 2
    assert f"error: --strict, and skipped were: {name}: " in result.err
    assert "layer gradients float32" in result.err


@pytest.mark.exhaustive
def test_strict_leaves_a_pass_a_pass_and_a_failure_a_failure(command: Command) -> None:
    assert command(*SMALL, *NUMPY, "--strict", "--dtype", "float32").code == 0
    assert command(*SMALL, *misbehaving("GivesNaN"), "--strict", "--dtype", "float32").code == 1


def test_no_argument_at_all_is_the_main_job(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every registered backend, 16 images of 96×96, seed 0, both precisions; those that are missing are skipped."""
    asked: list[Any] = []

    def run(make_case: Callable[[], Any], subjects: list[Any], **options: Any) -> Any:
        asked.append((make_case(), subjects, options))
        return Report(GOOGLENET, (), asked[0][0].settings)

    monkeypatch.setattr("netparity.runs.side_by_side.run", run)
    monkeypatch.setattr("netparity.workers.backends.registered_backends", lambda: {"torch": "a:B", "mx": "c:D"})
    result = command()
    whole, subjects, options = asked[0]
    assert whole.images.shape == (16, 1, 96, 96)
    assert whole.dtypes == ("float32", "float64")
    assert (whole.settings.seed, whole.settings.num_classes) == (0, 10)
    assert [(subject.name, subject.target, subject.required) for subject in subjects] == [
        ("torch", "a:B", False),
        ("mx", "c:D", False),
    ]
    assert (options["timeout"], options["memory_limit"]) == (600, None)
    assert result.code == 2
    assert "no backend is installed: pip install 'googlenet-parity[torch]'" in result.words


def test_a_difference_is_exit_code_1_and_names_its_place(command: Command) -> None:
    result = command(*SMALL, *misbehaving("GivesNaN"), *NUMPY, "--dtype", "float32")
    assert result.code == 1
    assert "b3.inception_3b.p3_2 holds nan at (1, 95, 2, 2)" in result.words
    assert "fail: 1 of 2 judged backends pass." in result.words


@pytest.mark.exhaustive
def test_a_backend_that_dies_is_exit_code_2_and_has_last_words(command: Command) -> None:
    result = command(*SMALL, *misbehaving("IsKilled"), *NUMPY, "--dtype", "float32")
    assert result.code == 2
    assert f"IsKilled was killed by SIGKILL, as when memory runs out; its last words: {LAST_WORDS}" in result.words
    assert result.words.count(LAST_WORDS) == 1, "a death is told of once"
    assert "error: 1 of 2 judged backends pass." in result.words


@pytest.mark.exhaustive
def test_a_missing_framework_that_was_named_is_exit_code_2(command: Command) -> None:
    result = command(*SMALL, *misbehaving("NeedsMissingModule"), *NUMPY, "--dtype", "float32")
    assert result.code == 2
    assert "needs the Python module 'no_such_framework', which is not installed" in result.words


def test_a_missing_framework_that_was_not_named_is_skipped(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    registered = {"numpy": NUMPY[1].partition("=")[2], "other": "parity_tests.support.misbehaving:NeedsMissingModule"}
    monkeypatch.setattr("netparity.workers.backends.registered_backends", lambda: registered)
    result = command(*SMALL, "--dtype", "float32")
    assert result.code == 0
    assert "skipped other: load – other needs the Python module 'no_such_framework'" in result.words
    assert "pass: numpy – the same" in result.words


def test_options_reach_the_run(command: Command, tmp_path: Path) -> None:
    options = ("--seed", 7, "--image-size", 9, 31, "--in-channels", 3, "--num-classes", 4, "--batch-size", 3)
    result = command("run", *options, *NUMPY, "--dtype", "float64", "--json", tmp_path / "report.json")
    assert result.code == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["settings"] == {
        "seed": 7,
        "weights": "xavier_uniform",
        "images": "Fashion-MNIST test images",
        "shape": [3, 3, 9, 31],
        "num_classes": 4,
        "dtypes": ["float64"],
        "network": "GoogLeNet",
    }
    assert [check["check"] for check in report["backends"][0]["checks"]] == [
        "weights float64",
        "shapes float64",
        "outputs float64",
        "gradients float64",
    ]


def test_weights_and_images_of_ones_own(command: Command, tmp_path: Path) -> None:
    save_weights(tmp_path / "own.safetensors", init_weights(3, in_channels=3, num_classes=6))
    np.save(tmp_path / "own.npy", np.random.default_rng(0).normal(size=(2, 3, 5, 11)))
    result = command(
        "--weights", tmp_path / "own.safetensors", "--images", tmp_path / "own.npy", *NUMPY, "--dtype", "float32"
    )
    assert result.code == 0
    assert ": 2 × 3×5×11, 6 classes" in result.words


@pytest.mark.exhaustive
def test_a_folder_of_pictures(command: Command, tmp_path: Path) -> None:
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 30, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    result = command("--images", tmp_path, "--in-channels", 3, "--image-size", 8, 12, *NUMPY, "--dtype", "float32")
    assert result.code == 0
    assert ": 3 × 3×8×12, 10 classes" in result.words


# Files that it writes


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the reports of a run in which one passes, one fails, one errs and one is missing an ability."""
    folder = tmp_path_factory.mktemp("reports")
    names = misbehaving("GivesNaN", "RaisesStrangeWords", "CannotTrain")
    subprocess.run(
        [sys.executable, "-m", "netparity", *SMALL, *NUMPY, *names, "--json", "run.json", "--junit", "run.xml"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=False,
    )
    return folder


def test_json_has_everything(written: Path) -> None:
    report = json.loads((written / "run.json").read_text(), parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
    assert {key: report[key] for key in ("format", "format_version", "status", "exit_code")} == {
        "format": "netparity report",
        "format_version": 1,
        "status": "error",
        "exit_code": 2,
    }
    assert {"python", "numpy", "platform", "processor", "cores"} <= set(report["environment"])
    assert report["settings"]["shape"] == [2, 1, 17, 23]
    numpy, fails, errs, cannot = report["backends"]
    assert [backend["status"] for backend in report["backends"]] == ["pass", "fail", "error", "pass"]
    assert numpy["versions"] == {"numpy": np.__version__}
    assert numpy["seconds"] > 0
    layers = next(check for check in numpy["checks"] if check["check"] == "layers float32")
    assert [found["name"] for found in layers["measurements"]] == list(GOOGLENET.names)
    assert set(layers["measurements"][0]) == {
        *("name", "status", "share", "error", "limit", "index", "actual", "desired", "beyond", "message")
    }
    assert layers["share"] == max(found["share"] for found in layers["measurements"])
    assert layers["worst"] in GOOGLENET.names
    shapes = next(check for check in fails["checks"] if check["check"] == "shapes float32")
    assert shapes["status"] == "fail"
    assert "holds nan" in shapes["message"]
    assert shapes["share"] is None, "infinity, which JSON lacks"
    assert {check["status"] for check in errs["checks"]} == {"error"}
    assert [check["check"] for check in cannot["checks"] if check["status"] == "skipped"] == [
        "layer gradients float32",
        "gradients float64",
    ]


def test_junit_has_a_suite_for_each_backend_and_a_case_for_each_check(written: Path) -> None:
    root = ElementTree.parse(written / "run.xml").getroot()
    assert (root.tag, root.get("name")) == ("testsuites", "netparity")
    assert [suite.get("name") for suite in root] == ["numpy", "GivesNaN", "RaisesStrangeWords", "CannotTrain"]
    for suite in root:
        kinds = [case[0].tag if len(case) else "passed" for case in suite]
        assert suite.get("tests") == str(len(kinds))
        for attribute, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert suite.get(attribute) == str(kinds.count(kind))
        assert float(suite.get("time", "nan")) > 0
    totals = [[suite.get(kind) for kind in ("failures", "errors", "skipped")] for suite in root]
    assert totals[0] == ["0", "0", "0"]
    assert int(totals[1][0] or 0) > 0
    assert totals[2] == ["0", root[2].get("tests"), "0"]
    assert totals[3] == ["0", "0", "2"]
    skipped = root[3].find(".//skipped")
    assert skipped is not None
    assert "an inference engine has no gradients" in skipped.get("message", "")
    assert {case.get("classname") for case in root[1]} == {"GivesNaN"}


@pytest.mark.parametrize("write", [write_json, write_junit])
def test_a_report_is_written_whole_or_not_at_all(tmp_path: Path, write: Callable[[Path, Report], None]) -> None:
    path = tmp_path / "report"
    settings = CaseSettings(0, "xavier_uniform", "images", (2, 1, 9, 11), 10, ("float32",))
    write(path, Report(GOOGLENET, (), settings))
    before = path.read_bytes()
    with pytest.raises((TypeError, AttributeError)):
        write(path, Report(GOOGLENET, (object(),), settings))  # type: ignore[arg-type]
    with pytest.raises(FileError, match="Cannot write"):
        write(tmp_path, Report(GOOGLENET, (), settings))
    assert [entry.name for entry in tmp_path.iterdir()] == ["report"]
    assert path.read_bytes() == before


def test_a_report_that_cannot_be_written_is_exit_code_2(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "no such folder" / "report"
    result = command(*SMALL, *NUMPY, "--dtype", "float32", "--json", path)
    assert result.code == 2
    assert result.err == f"error: Cannot write '{path}': No such file or directory.\n"
    assert "pass: numpy" in result.words, "the table is there all the same"


# Bad input


def save_images(path: Path, **change: Any) -> Path:
    images = np.random.default_rng(0).normal(size=change.get("shape", (2, 1, 8, 9))).astype(np.float32)
    if "value" in change:
        images[-1, -1, -1, -1] = change["value"]
    np.save(path, images.astype(change.get("dtype", np.float32)))
    return path


def truncated(path: Path) -> Path:
    save_weights(path, init_weights(0))
    path.write_bytes(path.read_bytes()[:-1000])
    return path


def other_weights(path: Path, dtype: type[np.floating[Any]] = np.float32) -> Path:
    """For 3 channels and 6 classes."""
    weights = init_weights(0, in_channels=3, num_classes=6)
    save_weights(path, {name: weight.astype(dtype) for name, weight in weights.items()})
    return path


BAD: dict[str, tuple[Callable[[Path], tuple[object, ...]], str]] = {
    "unknown backend": (lambda _: ("--backend", "caffe"), "There is no backend 'caffe'; registered are: "),
    "height 0": (lambda _: ("--image-size", 0, 5), "image height is 0; expected a whole number of 1 or more."),
    "width below 0": (lambda _: ("--image-size", 5, -1), "image width is -1; expected a whole number of 1 or more."),
    "float16": (lambda _: ("--dtype", "float16"), "The dtype is 'float16'; expected one of float32, float64."),
    "no weights": (lambda at: ("--weights", at / "w"), "Cannot read '{at}/w': No such file or directory."),
    "weights are a folder": (lambda at: ("--weights", at), "Cannot read '{at}': Is a directory."),
    "truncated weights": (lambda at: ("--weights", truncated(at / "w")), "'{at}/w' is not a safetensors file"),
    "images for weights": (lambda at: ("--weights", save_images(at / "i.npy")), "'{at}/i.npy' is not a safetensors"),
    "float64 weights": (
        lambda at: ("--weights", other_weights(at / "w", np.float64), "--in-channels", 3),
        "'{at}/w' holds float64 weights",
    ),
    "channels of weights": (
        lambda at: ("--weights", other_weights(at / "w"), "--in-channels", 1),
        "'{at}/w' is for 3 image channels; 1 were asked for.",
    ),
    "classes of weights": (
        lambda at: ("--weights", other_weights(at / "w"), "--num-classes", 10),
        "'{at}/w' is for 6 classes; 10 were asked for.",
    ),
    "no images": (lambda at: ("--images", at / "i.npy"), "Cannot read '{at}/i.npy': No such file or directory."),
    "empty folder": (lambda at: ("--images", at), "The folder '{at}' holds no image files."),
    "weights for images": (lambda at: ("--images", other_weights(at / "w")), "'{at}/w' is neither a .npy file nor a"),
    "rank": (
        lambda at: ("--images", save_images(at / "i.npy", shape=(2, 1, 1, 1, 5))),
        "'{at}/i.npy': The images have shape (2, 1, 1, 1, 5); expected four axes (N, C, H, W).",
    ),
    "channels": (
        lambda at: ("--images", save_images(at / "i.npy", shape=(2, 3, 8, 9))),
        "'{at}/i.npy': The images have 3 channels (shape (2, 3, 8, 9)); expected 1.",
    ),
    "channels of images and weights": (
        lambda at: ("--images", save_images(at / "i.npy"), "--weights", other_weights(at / "w")),
        "The images have 1 channels (shape (2, 1, 8, 9)); expected 3.",
    ),
    "dtype": (
        lambda at: ("--images", save_images(at / "i.npy", dtype=np.int64)),
        "The images have dtype int64; expected float32 or float64.",
    ),
    "NaN": (lambda at: ("--images", save_images(at / "i.npy", value=np.nan)), "nan at (n, c, h, w) = (1, 0, 7, 8)"),
    "infinity": (
        lambda at: ("--images", save_images(at / "i.npy", value=np.inf)),
        "inf at (n, c, h, w) = (1, 0, 7, 8)",
    ),
    "too large for float32": (
        lambda at: ("--images", save_images(at / "i.npy", value=3e38), "--weights", steep_weights(at / "w")),
        "With these weights and images, 'b1.conv' is beyond the range of float32.",
    ),
    "empty batch": (
        lambda at: ("--images", save_images(at / "i.npy", shape=(0, 1, 8, 9))),
        "The images have shape (0, 1, 8, 9): the batch is empty; expected 1 or more.",
    ),
    "zero-sized side": (
        lambda at: ("--images", save_images(at / "i.npy", shape=(2, 1, 8, 0))),
        "The images have shape (2, 1, 8, 0): the width is empty; expected 1 or more.",
    ),
    "batch of images": (
        lambda at: ("--images", save_images(at / "i.npy"), "--batch-size", 3),
        "'{at}/i.npy' holds 2 images; 3 were asked for.",
    ),
    "size of images": (
        lambda at: ("--images", save_images(at / "i.npy"), "--image-size", 9, 8),
        "The images in '{at}/i.npy' are 8×9 pixels; 9×8 were asked for, and arrays keep their size.",
    ),
}


ONE_OF_EACH_KIND = (
    *("unknown backend", "width below 0", "float16", "no weights", "truncated weights", "channels of weights"),
    *("no images", "rank", "NaN", "size of images"),
)


def steep_weights(path: Path) -> Path:
    save_weights(path, {name: weight * 1000 for name, weight in init_weights(0).items()})
    return path


@pytest.mark.parametrize("fault", representative(BAD, quick=ONE_OF_EACH_KIND))
def test_bad_input_is_exit_code_2_and_one_sentence(command: Command, tmp_path: Path, fault: str) -> None:
    arguments, sentence = BAD[fault]
    result = command(*NUMPY, *arguments(tmp_path))
    assert result.code == 2
    assert result.out == ""
    assert result.err.startswith("error: ")
    assert result.err.endswith(".\n")
    assert result.err.count("\n") == 1
    assert sentence.format(at=tmp_path) in result.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--num-classes", "0"), "'--num-classes'"),
        (("--in-channels", "0"), "'--in-channels'"),
        (("--batch-size", "0"), "'--batch-size'"),
        (("--batch-size", "two"), "'--batch-size'"),
        (("--seed", "-1"), "'--seed'"),
        (("--timeout", "0"), "'--timeout'"),
        (("--timeout", "nan"), "'--timeout'"),
        (("--memory-limit", "-1"), "'--memory-limit'"),
        (("--image-size", "5"), "'--image-size' requires 2 arguments"),
        (("--backends", "torch"), "No such option: --backends"),
        (("run", "summary"), "unexpected extra argument"),
        (("judge",), "No such command 'judge'"),
        (("summary", "--batch-size", "0"), "'--batch-size'"),
        (("summary", "--num-classes", "0"), "'--num-classes'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_options_are_exit_code_2_and_say_which(command: Command, arguments: tuple[str, ...], words: str) -> None:
    result = command(*arguments)
    assert (result.code, result.out) == (2, "")
    assert words in result.err


def test_summary_of_an_impossible_size(command: Command) -> None:
    result = command("summary", "--image-size", 0, 96)
    assert (result.code, result.out) == (2, "")
    assert result.err == "error: image height is 0; expected a whole number of 1 or more.\n"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (MemoryError("Unable to allocate 146. GiB for an array"), "Out of memory. Unable to allocate 146. GiB"),
        (OSError(28, "No space left on device", "/tmp/x"), "No space left on device"),
    ],
)
def test_a_machine_that_is_too_small_is_no_failed_check(
    command: Command, monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
) -> None:
    def fail(options: object) -> None:
        raise error

    monkeypatch.setattr(case, "make_case", fail)
    result = command(*SMALL, *NUMPY)
    assert (result.code, result.out) == (2, "")
    assert sentence in result.err


# Signals


@pytest.mark.parametrize(("sent", "code"), representative([("SIGINT", 130), ("SIGTERM", 143)], quick=[("SIGINT", 130)]))
def test_a_signal_that_comes_within_a_finalizer_is_not_lost(sent: str, code: int) -> None:
    """Python prints and ignores what is raised there, the handler's exception among it."""
    script = f"""if True:
        import os, signal, sys, time
        from netparity.cli import main as cli

        class Dying:
            def __del__(self):
                os.kill(os.getpid(), signal.{sent})
                time.sleep(1)

        def app(prog_name):
            Dying()
            try:
                time.sleep({2 * LIMIT})
            except KeyboardInterrupt:
                sys.exit(130)

        cli.app = app
        cli.main()
        """
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=LIMIT, check=False)
    assert (done.returncode, done.stderr) == (code, "")


@pytest.mark.parametrize(
    ("sent", "code", "words"),
    representative(
        [
            (signal.SIGINT, 130, "Interrupted; every process that was started has been ended.\n"),
            (signal.SIGTERM, 143, ""),
        ],
        quick=lambda case: case[0] is signal.SIGTERM,
    ),
)
def test_a_run_that_is_told_to_stop_leaves_nothing_behind(
    tmp_path: Path, sent: signal.Signals, code: int, words: str
) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "netparity", *SMALL, *misbehaving("Hangs"), *NUMPY],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + LIMIT
    while len(list(tmp_path.glob("netparity-*/*/*"))) < 3:  # until the backends have begun to answer
        assert time.monotonic() < deadline, f"the limit of {LIMIT:.0f} s was reached"
        time.sleep(0.1)
    process.send_signal(sent)
    out, err = process.communicate(timeout=LIMIT)
    assert (process.returncode, out, err) == (code, "", words)
    assert list(tmp_path.iterdir()) == []


# The summary


def rows(text: str) -> dict[str, list[str]]:
    """The tables' rows by their first word; the cells are what two spaces or more divide."""
    lines = [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]
    return {cells[0]: cells[1:] for cells in lines if len(cells) > 1}


SUMMARIES = {
    "default": (
        (),
        {
            "b1": ["1×64×24×24", "1×24×24×64", "1×64×24×24", "3,200"],
            "b2": ["1×192×12×12", "1×12×12×192", "1×192×12×12", "114,944"],
            "b3": ["1×480×6×6", "1×6×6×480", "1×480×6×6", "552,432"],
            "b4": ["1×832×3×3", "1×3×3×832", "1×832×3×3", "2,809,168"],
            "b5": ["1×1024", "1×1024", "1×1024×1×1", "2,487,536"],
            "fc": ["1×10", "1×10", "1×10", "10,250", "10,240"],
            "all": ["5,977,530", "276,066,304"],
        },
    ),
    "1×1": (
        ("--image-size", 1, 1),
        {
            "b1": ["1×64×1×1", "1×1×1×64", "1×64×1×1", "3,200", "3,136"],
            "b4": ["1×832×1×1", "1×1×1×832", "1×832×1×1", "2,809,168"],
            "b5": ["1×1024", "1×1024", "1×1024×1×1", "2,487,536"],
            "all": ["5,977,530"],
        },
    ),
    "the paper's": (
        ("--in-channels", 3, "--num-classes", 1000, "--image-size", 224, 224),
        {
            "b1": ["1×64×56×56", "1×56×56×64", "1×64×56×56", "9,472", "118,013,952"],
            "b2": ["1×192×28×28", "1×28×28×192", "1×192×28×28", "114,944", "359,661,568"],
            "b3": ["1×480×14×14", "1×14×14×480", "1×480×14×14", "552,432"],
            "b4": ["1×832×7×7", "1×7×7×832", "1×832×7×7", "2,809,168"],
            "fc": ["1×1000", "1×1000", "1×1000", "1,025,000", "1,024,000"],
            "all": ["6,998,552", "1,582,671,872"],
        },
    ),
    "uneven batch": (
        ("--batch-size", 5, "--image-size", 31, 65),
        {"b1": ["5×64×8×17", "5×8×17×64", "5×64×8×17"], "b4": ["5×832×1×3", "5×1×3×832", "5×832×1×3"]},
    ),
}


@pytest.mark.parametrize("name", SUMMARIES)
def test_summary_shapes_and_totals(command: Command, name: str) -> None:
    arguments, expected = SUMMARIES[name]
    result = command("summary", *arguments)
    assert (result.code, result.err) == (0, "")
    found = rows(result.out)
    for stage, cells in expected.items():
        assert found[stage][: len(cells)] == cells


def test_summary_stages_add_up(command: Command) -> None:
    found = rows(command("summary", "--image-size", 33, 47).out)
    for column in (-2, -1):
        numbers = [int(found[stage][column].replace(",", "")) for stage in ("b1", "b2", "b3", "b4", "b5", "fc", "all")]
        assert sum(numbers[:-1]) == numbers[-1]


def test_summary_of_every_layer(command: Command) -> None:
    found = rows(command("summary", "--layers").out)
    assert [name for name in found if "." in name or name == "fc"] == list(GOOGLENET.names)
    assert found["b3.inception_3a.p3_2"][:3] == ["1×32×12×12", "1×12×12×32", "1×32×12×12"]
    assert found["b1.conv"][-2:] == ["3,200", "7,225,344"]
    assert found["b5.pool"] == ["1×1024", "1×1024", "1×1024×1×1", "0", "0"]


PAPER = {
    "conv1": ("2.7 K *", "34 M *"),
    "conv2": ("112 K", "360 M"),
    "3a": ("159 K", "128 M"),
    "3b": ("380 K", "304 M"),
    "4a": ("364 K", "73 M"),
    "4b": ("437 K", "88 M"),
    "4c": ("463 K *", "100 M"),
    "4d": ("580 K *", "119 M"),
    "4e": ("840 K", "170 M"),
    "5a": ("1072 K *", "54 M *"),
    "5b": ("1388 K *", "71 M"),
    "linear": ("1000 K", "1 M"),
}
"""The paper's Table 1; those with a star do not follow from its channel numbers."""


@pytest.mark.parametrize("line", PAPER)
def test_summary_stands_beside_the_papers_figures(command: Command, line: str) -> None:
    cells = rows(command("summary").out)[line]
    assert (cells[2], cells[5]) == PAPER[line]


def test_summary_says_where_the_paper_disagrees_with_itself(command: Command) -> None:
    words = command("summary").words
    assert "arXiv 1409.4842" in words
    assert "Figures marked * are the paper's own and do not follow from the channel numbers" in words
    assert "conv1 as described has 64 kernels of 7×7×3, thus 9.2 K and 118 M" in words


# Registration


def test_the_three_are_registered_in_the_order_in_which_people_name_them() -> None:
    from importlib.metadata import entry_points

    from netparity.workers.backends import registered_backends

    if not entry_points(group=BACKEND_GROUP):
        pytest.skip("the distribution is not installed, so nothing is registered")
    assert list(registered_backends().items())[:3] == [
        (name, f"googlenet_{name}.backend:Backend") for name in ("torch", "tf", "mx")
    ]
