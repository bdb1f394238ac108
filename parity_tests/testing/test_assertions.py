"""The assertion for people's own tests: what it takes, what it holds to, and what it says when it fails."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from googlenet_np import GOOGLENET, init_weights, load_images, sample_images, save_weights
from netparity.compare.comparison import Comparison
from netparity.compare.recording import record, record_case
from netparity.compare.stored import judge_trace
from netparity.files.trace import ACTIVATIONS, Trace, open_trace, write_trace
from netparity.network.errors import FileError, ImagesError, OptionError, WeightsError
from netparity.runs.case import Case
from netparity.testing import MissingFrameworkError, assert_parity, update_golden
from netparity.verdict.findings import Status
from netparity.verdict.report import BackendReport
from netparity.workers.backends import Subject
from parity_tests.support.misbehaving import ForgetsABias
from parity_tests.support.numpy_backend import Backend
from parity_tests.support.tiers import representative

NUMPY = "numpy=parity_tests.support.numpy_backend:Backend"
WRONG = "wrong=parity_tests.support.misbehaving:ForgetsABias"
SMALL: dict[str, Any] = {"image_size": (17, 23), "batch_size": 2}
LAYER = "b3.inception_3b.p1_1"


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the NumPy backend, seed 3; not to be changed."""
    path = tmp_path_factory.mktemp("goldens") / "numpy.safetensors"
    update_golden(NUMPY, path, weights=3, **SMALL)
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """A whole trace of one backend in one precision, recorded once."""
    folder = tmp_path_factory.mktemp("traces")

    def get(backend: str, dtype: str) -> Path:
        path = folder / f"{backend.partition('=')[0]}-{dtype}.safetensors"
        if not path.exists():
            trace = record(backend, dtype=dtype, seed=3, **SMALL)
            write_trace(path, trace.header, trace.tensors)
        return path

    return get


def judged(*arguments: Any, **options: Any) -> BackendReport:
    report = assert_parity(*arguments, **options)
    assert isinstance(report, BackendReport)
    return report


def compared(*arguments: Any, **options: Any) -> Comparison:
    found = assert_parity(*arguments, **options)
    assert isinstance(found, Comparison)
    return found


def failure(*arguments: Any, **options: Any) -> list[str]:
    """The lines of the message with which it fails."""
    with pytest.raises(AssertionError) as error:
        assert_parity(*arguments, **options)
    return str(error.value).splitlines()


def rewritten(path: Path, folder: Path, **header: Any) -> Path:
    """A copy of a golden with another header."""
    kept = open_trace(path)
    write_trace(folder / "rewritten.safetensors", {**kept.header, **header}, kept.tensors)
    return folder / "rewritten.safetensors"


# Against the reference


@pytest.mark.parametrize(
    "backend",
    representative([NUMPY, "parity_tests.support.numpy_backend:Backend", Backend], quick=[NUMPY]),
    ids=["named", "target", "class"],
)
def test_a_backend_that_is_right_passes(backend: Any) -> None:
    report = judged(backend, dtype="float32", **SMALL)
    assert report.status is Status.PASS
    assert [str(check.check) for check in report.checks][:3] == ["weights float32", "shapes float32", "layers float32"]


@pytest.mark.exhaustive
def test_both_precisions_are_judged_where_none_is_named() -> None:
    report = judged(NUMPY, **SMALL)
    assert {check.check.dtype for check in report.checks} == {"float32", "float64"}


def test_a_failure_names_the_layer_and_the_cause() -> None:
    first, second, *others = failure(ForgetsABias, weights=3, **SMALL)
    assert first == f"{LAYER} of parity_tests.support.misbehaving.ForgetsABias is not what the float64 reference says."
    words = r" uses \S+ of what is allowed at \(\d+, \d+, \d+, \d+\): \S+ instead of \S+,"
    assert re.match(f"  fail layers float32: {LAYER}{words}", second)
    assert others[0].startswith(f"  why: {LAYER}: explained by ")
    assert "bias" in others[0]
    assert any(line.startswith("  fail end to end float32: ") for line in others)
    case = "  case: float32, float64, 2 × 1×17×23 from Fashion-MNIST test images, weights of xavier_uniform, seed 3"
    assert case in others
    assert f"  versions: numpy {np.__version__}" in others
    assert others[-1].startswith("  environment: python ")


@pytest.mark.exhaustive
def test_weights_and_images_may_be_arrays(tmp_path: Path) -> None:
    weights = init_weights(1, in_channels=3, num_classes=4)
    images, _ = sample_images(2, image_size=(9, 13), in_channels=3)
    case: dict[str, Any] = {"weights": weights, "images": images, "dtype": "float32"}
    assert_parity(NUMPY, **case)
    lines = failure(WRONG, **case)
    assert "  case: float32, 2 × 3×9×13 from the caller, weights of the caller" in lines


@pytest.mark.exhaustive
def test_weights_and_images_may_be_files(tmp_path: Path) -> None:
    save_weights(tmp_path / "weights.safetensors", init_weights(1, num_classes=4))
    np.save(tmp_path / "images.npy", np.arange(2 * 9 * 13, dtype=np.uint8).reshape(2, 1, 9, 13))
    case: dict[str, Any] = {"weights": tmp_path / "weights.safetensors", "images": str(tmp_path / "images.npy")}
    update_golden(NUMPY, tmp_path / "golden.safetensors", **case)
    arrays: dict[str, Any] = {"weights": init_weights(1, num_classes=4), "images": load_images(tmp_path / "images.npy")}
    assert compared(NUMPY, golden=tmp_path / "golden.safetensors", **arrays).identical
    lines = failure(WRONG, golden=tmp_path / "golden.safetensors", **case)
    assert f"--weights {case['weights']} --images {case['images']} --image-size 9 13 --batch-size 2" in lines[-1]
    lines = failure(WRONG, golden=tmp_path / "golden.safetensors", **arrays)
    assert lines[-1].endswith("update_golden() of netparity.testing, with the same arguments")


@pytest.mark.parametrize(
    ("backend", "words"),
    representative(
        [
            ("parity_tests.support.misbehaving:RaisesWhenMade", "no device was found"),
            ("parity_tests.support.misbehaving:IsKilled", "was killed by SIGKILL"),
        ],
        quick=lambda case: "RaisesWhenMade" in case[0],
    ),
)
def test_a_backend_that_gives_nothing_fails_with_its_last_words(backend: str, words: str, golden: Path) -> None:
    assert words in failure(backend, dtype="float32", **SMALL)[1]
    assert words in failure(backend, golden=golden)[0]


def test_a_backend_that_takes_too_long_fails(golden: Path) -> None:
    assert "did not finish within 0.01 s" in failure(NUMPY, golden=golden, timeout=0.01)[0]


# Against a golden


def test_the_same_numbers_pass(golden: Path) -> None:
    assert compared(NUMPY, golden=golden, require="bitwise").identical


def test_other_numbers_fail(golden: Path) -> None:
    first, second, *others = failure(WRONG, golden=golden)
    assert first == (f"{LAYER} of wrong {np.__version__} is not what {golden} holds, and rounding does not explain it.")
    words = r"\S+, \S+ ulp, \S+ of what rounding allows: \S+ and \S+ at \(\d+, \d+, \d+, \d+\); "
    assert re.match(f"  {LAYER} differs by {words}", second)
    assert re.match(r"  of 201 tensors, \d+ changed, \d+ by more than rounding can do$", others[0])
    (opinion,) = [line for line in others if line.startswith("  against the float64 reference: ")]
    assert opinion.startswith(f"  against the float64 reference: fail layers float32: {LAYER} uses ")
    assert any(line.startswith(f"  why: {LAYER}: explained by ") and "bias" in line for line in others)
    assert "  backend: numpy before, wrong now" in others
    assert others[-1] == (
        f"  If the new numbers are the right ones: netparity record {WRONG} -o {golden} --golden --force "
        f"--seed 3 --image-size 17 23 --batch-size 2 --dtype float32"
    )


@pytest.mark.exhaustive
def test_a_golden_of_wrong_numbers_is_called_that(golden: Path, tmp_path: Path) -> None:
    update_golden(WRONG, tmp_path / "wrong.safetensors", weights=3, **SMALL)
    lines = failure(NUMPY, golden=tmp_path / "wrong.safetensors")
    assert "  against the float64 reference: numpy passes, so it is the golden that is wrong" in lines


@pytest.mark.exhaustive
def test_what_differs_in_versions_is_named(golden: Path, tmp_path: Path) -> None:
    older = rewritten(golden, tmp_path, versions={"numpy": "1.0"})
    assert f"  numpy: 1.0 before, {np.__version__} now" in failure(WRONG, golden=older)


def test_bits_that_rounding_explains(golden: Path) -> None:
    kept = open_trace(golden)
    name = f"{ACTIVATIONS}{LAYER}"
    array = np.array(kept.tensors[name])
    place = array.argmax()
    array[place] = np.nextafter(array[place], np.float32(np.inf))
    summaries = {**kept.header["summaries"], name: {**kept.header["summaries"][name], "sha256": "0" * 64}}
    other = Trace({**kept.header, "summaries": summaries}, {**kept.tensors, name: array})
    assert not compared(golden, golden=other).identical
    first, *others = failure(golden, golden=other, require="bitwise")
    assert first == (
        f"{LAYER} of numpy {np.__version__} is not what the trace of numpy {np.__version__} holds, bit for bit; "
        f"rounding explains it."
    )
    assert "  versions and environment are those of the golden" in others


@pytest.mark.parametrize(
    ("options", "words"),
    representative(
        [
            ({"weights": 4}, "other weights"),
            ({"batch_size": 1}, "other images"),
            ({"image_size": (9, 9)}, "other images"),
            ({"dtype": "float64"}, "another precision (float32 and float64)"),
        ],
        quick=lambda case: "weights" in case[0],
    ),
)
def test_a_golden_of_another_case_is_refused(golden: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError) as error:
        assert_parity(NUMPY, golden=golden, **options)
    assert words in str(error.value)
    assert "If the golden is to be of these: netparity record numpy=" in str(error.value)


def test_no_golden(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"There is no golden '.*none'\. To make it: netparity record BACKEND"):
        assert_parity(NUMPY, golden=tmp_path / "none")


@pytest.mark.exhaustive
def test_an_update_keeps_what_is_not_given_anew(golden: Path, tmp_path: Path) -> None:
    path = tmp_path / "new" / "golden.safetensors"
    update_golden(NUMPY, path, weights=3, image_size=(17, 23), batch_size=2, dtype="float64")
    before = path.read_bytes()
    update_golden(NUMPY, path)
    assert path.read_bytes() == before
    assert update_golden(NUMPY, path, batch_size=1, dtype="float32").header["settings"] == {
        **open_trace(golden).header["settings"],
        "shape": [1, 1, 17, 23],
        "gradient_images": 1,
    }


def test_an_update_that_fails_leaves_what_is_there(golden: Path, tmp_path: Path) -> None:
    path = tmp_path / "golden.safetensors"
    path.write_bytes(golden.read_bytes())
    with pytest.raises(ValueError, match="no device was found"):
        update_golden("parity_tests.support.misbehaving:RaisesWhenMade", path)
    assert path.read_bytes() == golden.read_bytes()
    path.write_text("precious", encoding="utf-8")
    with pytest.raises(FileError, match="is not a safetensors file"):
        update_golden(NUMPY, path)
    assert path.read_text(encoding="utf-8") == "precious"


# Traces


@pytest.mark.exhaustive
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_trace_is_judged_by_the_reference(whole: Callable[[str, str], Path], dtype: str) -> None:
    report = judged(whole(NUMPY, dtype))
    assert report.status is Status.PASS
    assert {check.status for check in report.checks} == {Status.PASS}
    lines = failure(whole(WRONG, dtype))
    check = "layers float32" if dtype == "float32" else "outputs float64"
    assert lines[0] == f"{LAYER} of wrong is not what the float64 reference says."
    assert lines[1].startswith(f"  fail {check}: {LAYER} use")


@pytest.mark.exhaustive
def test_a_trace_is_judged_on_as_many_gradients_as_it_has(tmp_path: Path) -> None:
    """It has those of eight images, a run those of two; and whatever it says of them must be a number of images."""
    case = Case(GOOGLENET, init_weights(0), *sample_images(9, image_size=(5, 7)))
    trace = record_case(case, Subject("numpy", NUMPY.partition("=")[2]), "float64")
    assert trace.tensors["gradients/images"].shape == (8, 1, 5, 7)
    assert judge_trace(trace, case)["gradients float64"].status is Status.PASS
    for count in (0, True, "8", 2.0):
        settings = {**trace.header["settings"], "gradient_images": count}
        write_trace(tmp_path / "trace", {**trace.header, "settings": settings}, trace.tensors)
        with pytest.raises(FileError, match=r"damaged trace: the gradient_images (is|are) "):
            open_trace(tmp_path / "trace")


@pytest.mark.exhaustive
def test_a_trace_is_compared_with_a_golden(whole: Callable[[str, str], Path], golden: Path) -> None:
    assert compared(str(whole(NUMPY, "float32")), golden=golden).identical
    assert compared(open_trace(golden), golden=whole(NUMPY, "float32")).identical
    lines = failure(whole(WRONG, "float32"), golden=golden)
    assert lines[0].startswith(f"{LAYER} of wrong {np.__version__} is not what {golden} holds, and rounding does not")


def test_a_golden_cannot_be_judged_by_the_reference(golden: Path) -> None:
    with pytest.raises(OptionError, match="is a golden, a sample of its numbers"):
        assert_parity(golden)


@pytest.mark.parametrize("options", representative([{"weights": 4}, {"batch_size": 1}], quick=[{"weights": 4}]))
def test_a_trace_of_another_case_is_refused(whole: Callable[[str, str], Path], options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=r"is of other (weights|images) than the case"):
        assert_parity(whole(NUMPY, "float32"), **options)


# What cannot be run


@pytest.mark.exhaustive
def test_a_missing_framework() -> None:
    with pytest.raises(MissingFrameworkError, match="no_such_framework") as error:
        assert_parity("one=parity_tests.support.misbehaving:NeedsMissingModule", **SMALL)
    assert error.value.backend == "one"


def test_a_missing_framework_of_a_golden(golden: Path) -> None:
    with pytest.raises(MissingFrameworkError, match="no_such_framework"):
        assert_parity("parity_tests.support.misbehaving:NeedsMissingModule", golden=golden)


@pytest.mark.parametrize("module", ["no_such_port", "parity_tests.no_such_port", "parity_tests.support.backends.torch"])
def test_a_module_that_is_not_there_is_no_missing_framework(module: str) -> None:
    with pytest.raises(OptionError, match=f"There is no module '{module}', in which the backend"):
        assert_parity(f"{module}:Backend")


def test_a_backend_that_another_process_cannot_find() -> None:
    class Local(Backend):
        pass

    backends: list[Any] = [Local, Backend(), Local().build]
    for backend in backends:
        with pytest.raises(OptionError, match="expected a class or a function at the top of a module"):
            assert_parity(backend)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"require": "exact"}, OptionError, "require is 'exact'; expected rounding or bitwise."),
        ({"dtype": "float16"}, OptionError, "The dtype is 'float16'"),
        ({"weights": -1}, OptionError, "The seed is -1"),
        ({"weights": {"fc.bias": np.zeros(10)}}, WeightsError, "do not have the 116 canonical names"),
        ({"weights": "none.safetensors"}, FileError, "Cannot read 'none.safetensors'"),
        ({"images": np.zeros((2, 3, 8, 9), np.float32)}, ImagesError, "have 3 channels"),
        ({"images": [[1.0]]}, ImagesError, "The images are a list"),
        ({"images": np.zeros((2, 1, 8, 9)), "batch_size": 3}, OptionError, "What the caller gave holds 2 images"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=re.escape(words)):
        assert_parity(NUMPY, **options)


@pytest.mark.exhaustive
def test_a_module_that_only_this_process_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, golden: Path) -> None:
    """pytest puts the folders of tests on the path; the backend's process is to find what is there."""
    (tmp_path / "port_of_somebody.py").write_text(
        "from parity_tests.support.numpy_backend import Backend", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    before = dict(os.environ)
    assert compared("port_of_somebody:Backend", golden=golden).identical
    assert dict(os.environ) == before
