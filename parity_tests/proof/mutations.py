"""The engine weakened on purpose, one way at a time: do its tests fail each time?

Each mutation replaces one expression in a copy of the packages, where the tests that mirror the changed file then run,
up to the first that fails. One that fails no test shows a hole in the tests: no test would stop somebody who weakens
the engine like that by mistake.
"""

from __future__ import annotations

import enum
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

from netparity.workers.process import THREAD_VARIABLES
from parity_tests.support.command import LIMIT
from parity_tests.support.places import ROOT

__all__ = ["MUTATIONS", "Mutation", "Verdict", "copy_packages", "try_out"]

PACKAGES = ("googlenet_np", "netparity", "parity_tests")
"""What the chosen tests import; no framework."""

ASSERTION = re.compile(r"assert |AssertionError|Failed: ")
"""How pytest begins the message of a test that failed because it found what it looks for, and did not just crash."""


class Verdict(enum.Enum):
    """What the tests say of a mutation."""

    RED = "red in the quick tier"
    LARGER = "red only in the larger tier"
    SURVIVES = "surviving"
    BROKEN = "broken"
    """They could not be run, or the mutated code raised: that says nothing about what the tests look at."""


@dataclass(frozen=True)
class Mutation:
    """One way to weaken the engine.

    Attributes:
        name: What it does, for a person.
        file: The file that it changes, from the folder of the packages.
        old: What stands there, once.
        new: What it puts there.
        tests: What is to notice: files and folders of ``parity_tests`` in the order in which they run, and options.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def applied(self, source: str) -> str:
        """The file's text, mutated.

        Raises:
            ValueError: ``old`` does not stand there exactly once: the code has changed since.
        """
        if (count := source.count(self.old)) != 1:
            raise ValueError(f"{self.name!r}: {self.old!r} stands {count} times in {self.file}, expected once.")
        return source.replace(self.old, self.new)


def copy_packages(folder: Path) -> None:
    """Copies the packages into an empty folder, in which mutations are tried out one at a time."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    if (settings := ROOT / "pyproject.toml").exists():  # not in an installation
        shutil.copy(settings, folder)
    (folder / "temporary").mkdir()


def try_out(mutation: Mutation, folder: Path) -> tuple[Verdict, str]:
    """What the tests in a copy say of a mutation, and the test that went red, or why it is broken.

    The test that went red must pass again as soon as the mutation is taken back.
    """
    file = folder / mutation.file
    source = file.read_text(encoding="utf-8")
    try:
        file.write_text(mutation.applied(source), encoding="utf-8")
    except ValueError as error:
        return Verdict.BROKEN, str(error)
    tests = [f"parity_tests/{name}" if ".py" in name else name for name in mutation.tests]
    try:
        verdict, words = _run(folder, Verdict.RED, [*tests, "-m", "not exhaustive and not proof"])
        if verdict is Verdict.SURVIVES:
            verdict, words = _run(folder, Verdict.LARGER, [*tests, "-m", "exhaustive"])
    finally:
        file.write_text(source, encoding="utf-8")
    if verdict in (Verdict.RED, Verdict.LARGER) and (folder, words) not in _SOUND:
        own, _ = _run(folder, verdict, [_node(folder, words), "-m", "not proof"])
        if own is not Verdict.SURVIVES:
            return Verdict.BROKEN, f"without it, too: {words}"
        _SOUND.add((folder, words))
    return verdict, words


def _node(folder: Path, test: str) -> str:
    """What pytest calls a test, of which a report gives the module, the class if there is one, and the name."""
    place, _, name = test.partition("::")
    module, classes = place.split("."), list[str]()
    while not (path := folder.joinpath(*module).with_suffix(".py")).exists():
        classes.insert(0, module.pop())
    return "::".join([str(path.relative_to(folder)), *classes, name])


_SOUND: set[tuple[Path, str]] = set()
"""Tests that are known to pass in a copy that is as it should be."""


def _run(folder: Path, red: Verdict, arguments: Sequence[str]) -> tuple[Verdict, str]:
    """Runs tests in a copy up to the first that fails: ``red``, and that test, if it is an assertion that fails."""
    report = folder / "report.xml"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--hypothesis-seed=0", f"--junitxml={report}", *arguments]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    # First the copy, then an installed project, editable or not. A compiled file would outlive its mutation.
    places = {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(folder / "temporary")}
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=dict.fromkeys(THREAD_VARIABLES, "1") | inherited | places,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,  # so that it is ended with all that it has started, and by nobody else
    )
    try:
        printed, _ = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return Verdict.BROKEN, f"the tests did not finish within the limit of {LIMIT:g} s"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        return Verdict.SURVIVES, ""
    cases = ElementTree.parse(report).iter("testcase") if report.exists() else ()
    for case in cases:
        for fault in case:
            if fault.tag not in ("failure", "error"):
                continue
            test, message = f"{case.get('classname')}::{case.get('name')}", fault.get("message", "")
            if (
                process.returncode == pytest.ExitCode.TESTS_FAILED
                and fault.tag == "failure"
                and ASSERTION.match(message)
            ):
                return red, test
            last = ((fault.text or "").splitlines() or [""])[-1]
            return Verdict.BROKEN, f"{test}: {message.partition(chr(10))[0]} ({last.strip()})"
    return Verdict.BROKEN, f"pytest ended with exit code {process.returncode}: {' '.join(printed.splitlines()[-3:])}"


# What is to notice

_VERDICT = ("verdict/test_tensors.py", "verdict/test_checks.py", "verdict/test_bounds.py")
"""The tests of the comparer that run in its own process, the quickest first."""

_RUNS = (
    "runs/test_run.py::test_a_run_of_no_backend_is_no_pass",
    "runs/test_run.py::test_gradients_of_the_wrong_form_are_an_error",
    "runs/test_run.py::test_what_a_backend_cannot_do_is_skipped_and_no_pass",
    "runs/test_run.py::test_a_missing_framework_is_skipped_if_nobody_asked_for_it",
    "runs/test_run.py::test_layers_that_cannot_be_called_alone_are_no_pass_and_hide_no_other",
    "verdict/test_checks.py::test_float64_is_judged_on_two_images",
)
"""Those of whole runs that are quick: with one backend or none, and no time to wait for."""

_KEPT = "not kept_numbers and not framework and not they_are and not commands and not float64"
_FOUND = "not every_way and not onnx_runtime and not told_to_stop and not gives_no_answer"
_OTHERS = {
    "runs": _RUNS,
    "files/golden": ("compare/test_golden.py", "-k", _KEPT),
    "compare/comparison": ("compare/test_golden.py", "compare/test_traces.py", "-k", _KEPT),
    "compare/matrix": ("compare/test_matrix.py", "-k", "row or names"),
    "compare/recording": (
        "compare/test_traces.py",
        "compare/test_golden.py",
        "-k",
        "not kept_numbers and not framework",
    ),
    "bench/timings": ("bench/test_bench.py", "-k", "median or numbers or ratio or operations or limit or exit_codes"),
    "bench/judge": ("bench/test_bench.py", "-k", "large_batch or found or wrong or judge"),
    "bench/measure": ("bench/test_bench.py", "-k", _FOUND),
    "bench/entrants": ("bench/test_bench.py", "-k", _FOUND),
}
"""By file or folder, without frameworks, and only those that are near: a copy's tests take seconds."""


def _tests(file: str) -> tuple[str, ...]:
    """The tests that mirror a file of the engine, its own first."""
    own = f"test_{Path(file).name}"
    others = _OTHERS.get(file.removesuffix(".py")) or _OTHERS.get(file.partition("/")[0])
    return others or tuple(sorted(_VERDICT, key=lambda test: Path(test).name != own))


# The catalogue

_ERROR = "np.abs(np.subtract(actual, desired, out=error), out=error)"
_ACTIVATIONS = "truth.activations.items()"
_KINDS = "in truth.gradients.items():"

_CATALOGUE: dict[str, list[tuple[str, str, str]]] = {
    "verdict/bounds.py": [
        ("FLOAT64_GATE × 1e9", "FLOAT64_GATE = 1e-12", "FLOAT64_GATE = 1e-3"),
        ("bounds × 1000", "worst + own, probable + own", "1000 * (worst + own), 1000 * (probable + own)"),
        ("certain bound × 1000", "self.magnitude * self.certain_factor", "1000 * self.magnitude * self.certain_factor"),
        ("unit roundoff of float16", '"float32": 2.0**-24', '"float32": 2.0**-11'),
        ("γ of float16", "worst = gamma(length, u)", "worst = gamma(length, 2.0**-11)"),
        ("γ~ of float16", "probable_gamma(length, u, confidence))", "probable_gamma(length, 2.0**-11, confidence))"),
        ("γ~ left out", "min(worst, probable_gamma(length, u, confidence))", "worst"),
        ("λ × 1000", "return math.sqrt(2 * ", "return 1000 * math.sqrt(2 * "),
        ("false alarms next to impossible", "FALSE_ALARM = 1e-9", "FALSE_ALARM = 1e-300"),
        ("underflow of an ulp", "float(np.finfo(dtype).tiny) * 2", "float(np.finfo(dtype).eps) * 2"),
        ("small numbers flushed", "np.abs(array) < np.finfo(dtype).tiny", "np.abs(array) < 1e-5"),
    ],
    "verdict/tensors.py": [
        ("NaN is no difference", "if not np.isfinite(largest):", "if np.isinf(largest):"),
        ("NaN is well-formed", "np.isfinite(actual).all()", "(~np.isinf(actual)).all()"),
        ("infinity is no difference", _ERROR, f"{_ERROR}; error[np.isinf(actual)] = 0"),
        ("infinity is well-formed", "np.isfinite(actual).all()", "(~np.isnan(actual)).all()"),
        ("means compared", _ERROR, "error[...] = np.abs(np.mean(actual) - np.mean(desired))"),
        ("mean error for the largest", _ERROR, f"{_ERROR}; error[...] = np.mean(error)"),
        (
            "median error for the largest",
            "int(np.argmax(share))",
            "int(np.argsort(share, axis=None)[np.size(share) // 2])",
        ),
        ("largest error for the largest share", "int(np.argmax(share))", "int(np.argmax(error))"),
        (
            "sorted before comparison",
            _ERROR,
            "np.abs((np.sort(actual, axis=None) - np.sort(desired, axis=None)).reshape(error.shape), out=error)",
        ),
        ("sign of the error forgotten", _ERROR, "np.subtract(actual, desired, out=error)"),
        ("no proof below zero", "np.abs(actual - desired) > bound.certain", "actual - desired > bound.certain"),
        ("first sample compared alone", _ERROR, f"{_ERROR}; np.atleast_1d(error)[1:] = 0"),
        ("first channel compared alone", _ERROR, f"{_ERROR}; np.atleast_2d(error)[:, 1:] = 0"),
        ("a few entries beyond accepted", "Status.FAIL if beyond else", "Status.FAIL if beyond > 0.01 else"),
        ("last pixel left out", _ERROR, f"{_ERROR}; error[..., -1:] *= error.ndim < 4"),
        ("errors taken in float32", "subtract(actual, desired,", "subtract(actual, desired.astype(actual.dtype),"),
        ("dtype ignored", "elif actual.dtype != dtype:", "elif actual.dtype.kind != 'f':"),
        ("equal but for 1e-5", "np.array_equal(actual, desired)", "np.allclose(actual, desired)"),
        ("suspect measured as a pass", "status=Status.SUSPECT", "status=Status.PASS"),
    ],
    "verdict/checks.py": [
        (
            "missing layer accepted",
            "names = truth.network.names",
            "names = tuple(name for name in truth.network.names if name in activations)",
        ),
        (
            "unknown layer accepted",
            "names = truth.network.names",
            "names = truth.network.names; activations = {key: activations[key] for key in activations if key in names}",
        ),
        (
            "sizes of layers compared for shapes",
            "return malformed(name, actual, shape, dtype)",
            "return malformed(name, actual if actual is None else actual.ravel(), (int(np.prod(shape)),), dtype)",
        ),
        (
            "number of samples ignored",
            "return malformed(name, actual, shape, dtype)",
            "return malformed(name, actual, shape if actual is None else (len(actual), *shape[1:]), dtype)",
        ),
        ("order of layers ignored", "tuple(activations) != names", "set(activations) != set(names)"),
        (
            "missing weight accepted",
            "weight in truth.weights.items()",
            "weight in [own for own in truth.weights.items() if own[0] in exported]",
        ),
        ("unknown weight accepted", "in exported if name not in truth.weights", "in ()"),
        (
            "biases not kept",
            "weight in truth.weights.items()",
            "weight in [own for own in truth.weights.items() if own[1].ndim > 1]",
        ),
        ("weights kept about", "actual.tobytes() != desired.tobytes()", "not np.allclose(actual, desired)"),
        ("weights kept but for zero's sign", "actual.tobytes() != desired.tobytes()", "(actual != desired).any()"),
        ("last output skipped", f"right in {_ACTIVATIONS}", f"right in list({_ACTIVATIONS})[:-1]"),
        ("missing output accepted", f"right in {_ACTIVATIONS}", f"right in {_ACTIVATIONS} if name in activations"),
        ("loss not compared", "right in desired.items()", "right in desired.items() if name != 'loss'"),
        ("missing gradient accepted", "right in desired.items()", "right in desired.items() if name in given"),
        (
            "gradients of biases skipped",
            "right in desired.items()",
            "right in desired.items() if not name.endswith('bias')",
        ),
        (
            "gradient of the images skipped",
            'measured.append(_well_formed("images", gradients.get("images"), truth.images.shape, "float64"))',
            "pass",
        ),
        ("unknown gradient accepted", 'in gradients if name not in {*desired, "images"}', "in ()"),
        ("first layer skipped", "for layer in truth.network:", "for layer in truth.network.layers[1:]:"),
        ("last layer skipped", "for layer in truth.network:", "for layer in truth.network.layers[:-1]:"),
        (
            "layer without output accepted",
            "for layer in truth.network:",
            "for layer in [own for own in truth.network if own.name in {**outputs, **(activations or {})}]:",
        ),
        ("concatenations not compared", "if activations is not None:", "if False:"),
        (
            "concatenations compared about",
            "measure_equal(layer.name, activations[layer.name], joined, dtype)",
            "measure_limit(layer.name, activations[layer.name], joined, 1e-3, dtype)",
        ),
        (
            "pools compared about",
            "measure_equal(layer.name, actual, local.output, dtype)",
            "measure_limit(layer.name, actual, local.output, 1e-3, dtype)",
        ),
        ("first layer's gradients skipped", "in truths.items():", "in list(truths.items())[1:]:"),
        ("last layer's gradients skipped", "in truths.items():", "in list(truths.items())[:-1]:"),
        ("gradient of weights skipped", _KINDS, "in [own for own in truth.gradients.items() if own[0] != 'weight']:"),
        ("gradient of biases skipped", _KINDS, "in [own for own in truth.gradients.items() if own[0] != 'bias']:"),
        ("gradient of inputs skipped", _KINDS, "in [own for own in truth.gradients.items() if own[0] != 'inputs']:"),
        (
            "missing gradient of a layer accepted",
            _KINDS,
            "in [own for own in truth.gradients.items() if own[0] in given[name]]:",
        ),
        ("unknown gradient of a layer accepted", "in given[name] if key not in truth.gradients", "in ()"),
        ("first layer skipped end to end", f"desired in {_ACTIVATIONS}", f"desired in list({_ACTIVATIONS})[1:]"),
        ("last layer skipped end to end", f"desired in {_ACTIVATIONS}", f"desired in list({_ACTIVATIONS})[:-1]"),
        ("prediction may be anything", "truth.noise_floor(dtype)[output]", "abs(truth.activations[output]).max()"),
    ],
    "verdict/ground_truth.py": [
        ("forward bound × 1000", "np.ascontiguousarray(magnitude)", "1000 * np.ascontiguousarray(magnitude)"),
        ("forward bound × 10", "np.ascontiguousarray(magnitude)", "10 * np.ascontiguousarray(magnitude)"),
        ("scale of gradients × 1e9", "* max(1.0, largest)", "* max(1e9, largest)"),
        ("layers fed ones", "self._rounded[name, dtype] = rounded", "self._rounded[name, dtype] = 0 * rounded + 1"),
        ("layer gradients of one image", "GRADIENT_SAMPLES = 2", "GRADIENT_SAMPLES = 1"),
    ],
    "verdict/noise_floor.py": [
        ("noise floor × 1000", "float(strayed)", "float(1000 * strayed)"),
        ("noise floor × 10", "float(strayed)", "float(10 * strayed)"),
    ],
    "verdict/layer_gradients.py": [
        (
            "gradient bound × 1000",
            "np.ascontiguousarray(sums.magnitude)",
            "1000 * np.ascontiguousarray(sums.magnitude)",
        ),
        ("gradient bound × 10", "np.ascontiguousarray(sums.magnitude)", "10 * np.ascontiguousarray(sums.magnitude)"),
        ("undecided signs kept", "cotangent[open_] = 0", "cotangent[open_] *= 1"),
        ("all signs undecided", "<= local.bound.certain[:GRADIENT_SAMPLES]", "<= np.inf"),
        ("half the signs undecided", "<= local.bound.certain[:GRADIENT_SAMPLES]", "<= np.median(np.abs(local.before))"),
        (
            "cotangents all alike",
            "standard_normal(shape, np.float32).astype(dtype)",
            "standard_normal(1, np.float32).astype(dtype) * np.ones(shape, dtype)",
        ),
    ],
    "verdict/findings.py": [
        ("suspect counts as a pass", "is not Status.PASS]", "not in (Status.PASS, Status.SUSPECT)]"),
        ("last failure reported", "failures[0]", "failures[-1]"),
        ("last failure looked into", "found in self.measurements if", "found in self.measurements[::-1] if"),
        ("mildest status counts", "return max(statuses", "return min(statuses"),
        ("suspect is no failure", "self in (Status.SUSPECT, Status.FAIL)", "self is Status.FAIL"),
        ("nothing judged is a pass", "default=Status.SKIPPED", "default=Status.PASS"),
    ],
    "verdict/report.py": [
        ("error ignored", "is not Status.SKIPPED]", "not in (Status.SKIPPED, Status.ERROR)]"),
        ("error is exit code 0", "return 1 if self.status.failed else 2", "return 1 if self.status.failed else 0"),
    ],
    "network/kinds/convolution.py": [
        ("γ of sums that are too long", "self.kernel_size**2 + 1", "self.kernel_size**4 + 1"),
    ],
    "runs/truths.py": [
        ("float64 judged on one image", 'slice(WIRING_SAMPLES if dtype == "float64"', 'slice(1 if dtype == "float64"'),
    ],
    "runs/answers.py": [
        ("a skipped check passes", "(check, Status.SKIPPED, str(error))", "(check, Status.PASS, str(error))"),
        ("a check with an error passes", "(check, Status.ERROR, str(error))", "(check, Status.PASS, str(error))"),
        ("layers left out pass", "CheckResult(result.check, Status.SKIPPED,", "CheckResult(result.check, Status.PASS,"),
        ("layers not judged", "CheckKind.LAYERS: self._judge_layers,", ""),
    ],
    "files/golden.py": [
        ("hash of a part", '"sha256": array_sha256(array)}', '"sha256": array_sha256(array[:1])}'),
        ("other places kept", "drawn % (ends[1:] - ends[:-1])", "drawn % np.uint64(1)"),
        ("mean of a part", "array.mean(dtype=np.float64)", "array.reshape(-1)[:64].mean(dtype=np.float64)"),
        ("smallest of a part", "float(array.min())", "float(np.abs(array).min())"),
        ("kept numbers need no hash", 'if whole and array_sha256(array) != summary["sha256"]:', "if False:"),
        ("logits kept in part", "if name in WHOLE or math", "if math"),
    ],
    "compare/comparison.py": [
        ("beyond rounding accepted", "not self.share <= 1", "not self.share <= 1e9"),
        ("NaN in a trace is no difference", "(np.isfinite(a) & np.isfinite(b))] = np.inf", "np.isfinite(a)] = 0"),
        ("no bound counts", "None if None in allowed else sum(allowed)", "None"),
        ("first chunk compared alone", "range(0, one.size, CHUNK)", "range(0, min(one.size, CHUNK), CHUNK)"),
        ("values compared for bits", "a.view(bits) != b.view(bits)", "a != b"),
        ("other labels compared", '("weights", "images", "labels"):', '("weights", "images"):'),
        ("missing tensor is the same", "identical=False, share=None,", "identical=True, share=None,"),
        ("bits not required", "if self.required is Requirement.BITWISE:", "if False:"),
        ("statistics not compared", "for statistic in STATISTICS:", "for statistic in ():"),
    ],
    "compare/matrix.py": [
        ("row without a trace passes", "(self.error and self.report.status is Status.PASS)", "False"),
        ("rows apart pass", "self.rows), *apart])", "self.rows)])"),
        ("row with an error is exit code 0", "1 if status.failed else 2", "1 if status.failed else 0"),
        ("neighbours compared alone", "combinations(ran, 2)", "zip(ran, ran[1:], strict=False)"),
        ("equal but for rounding", "if pair.comparison.identical}", "if not pair.comparison.first_beyond}"),
        ("names may be the same", "names.count(name) > 1", "names.count(name) > 2"),
    ],
    "compare/recording.py": [
        ("wrong form recorded", "and (fatal or result.status.failed)", "and False"),
        ("other predictions", ".argmax(axis=1)", ".argmin(axis=1)"),
        ("float64 may move by 1e-3", "FLOAT64_GATE * scale for name, scale in largest", "1e-3 for name, _ in largest"),
        ("float32 may move by anything", "limit for name, limit in floor", "1e3 for name, limit in floor"),
        ("hash of one image", '"images": array_sha256(case.images)', '"images": array_sha256(case.images[:1])'),
        ("layers use nothing of their bounds", "min(found.share, largest) for", "0 * found.share for"),
    ],
    "bench/timings.py": [
        ("fastest round for the median", "statistics.median(self.seconds)", "min(self.seconds)"),
        ("ratio the other way", "theirs / mine for", "mine / theirs for"),
        ("gradient of the images counted", "3 * total - sum(", "3 * total - 0 * sum("),
        ("raising is no failure", "statuses <= {Status.SKIPPED, Status.ERROR}", "statuses <= {Status.SKIPPED}"),
        ("one right answer is enough", "int(any(timing.status", "int(all(timing.status"),
        ("slowest product for the limit", "min(seconds)", "max(seconds)"),
    ],
    "bench/judge.py": [
        ("any logits are right", "answer, logits, floor,", "answer, logits, 1e9 * floor,"),
        ("a step may do nothing", "if answer[1] < answer[0] else", "if True else"),
        ("any loss is right", "2 * floor + roundings", "1e9"),
        ("first image judged alone", "np.arange(size) %", "0 * np.arange(size) %"),
    ],
    "bench/measure.py": [
        ("kept answer is right", '"images": 1 - self._batch["images"]', '"images": self._batch["images"]'),
        ("always the same order", "-1 if number % 2 else 1", "1"),
        ("last answer not judged", "if not self.setting.training:  # in", "if False:  # in"),
        ("wrong answer is timed", "if checked.status is not Status.PASS:", "if False:"),
    ],
    "bench/entrants.py": [
        (
            "raising is skipped",
            "isinstance(error, AbilityError | MissingBackendError)",
            "isinstance(error, BackendError)",
        ),
        ("named and missing is skipped", " and not subject.required", ""),
        ("all ways measured", "if not (only and each.way) or each.way in only", "if True"),
        ("unknown way accepted", "if known and (unknown", "if not known and (unknown"),
        ("engine without a network takes part", "if onnx is None:", "if False:"),
    ],
}

MUTATIONS = tuple(
    Mutation(name, f"netparity/{file}", old, new, _tests(file))
    for file, ways in _CATALOGUE.items()
    for name, old, new in ways
)
"""The catalogue."""
