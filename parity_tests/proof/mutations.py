"""The comparer weakened on purpose, one way at a time: do its own tests fail each time?

Run as ``python -m parity_tests.proof.mutations``. Each mutation replaces one expression of the comparer in a copy of
the packages, where the quick tests then run, up to the first that fails. One that fails no test shows a hole in the
tests: no test would stop somebody who weakens the comparer like that by mistake.
"""

from __future__ import annotations

import argparse
import enum
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from netparity.workers.process import THREAD_VARIABLES

__all__ = ["MUTATIONS", "ROOT", "Copy", "Mutation", "Outcome", "Verdict", "copies", "main", "outcomes", "refusal"]

ROOT = Path(__file__).resolve().parents[2]
"""Where the packages lie side by side, in the repository as in an installation."""

PACKAGES = ("googlenet_np", "netparity", "parity_tests")
"""What the chosen tests import; no framework."""

TESTS = ("test_measure.py", "test_checks.py", "test_bounds.py")
"""The tests of the comparer that run in its own process, the quickest first."""

RUNS = (
    "test_run.py::test_a_run_of_no_backend_is_no_pass",
    "test_run.py::test_gradients_of_the_wrong_form_are_an_error",
    "test_run.py::test_what_a_backend_cannot_do_is_skipped_and_no_pass",
    "test_run.py::test_a_missing_framework_is_skipped_if_nobody_asked_for_it",
    "test_run.py::test_layers_that_cannot_be_called_alone_are_no_pass_and_hide_no_other",
    "test_checks.py::test_float64_is_judged_on_two_images",
)
"""Those of whole runs that are quick: with one backend or none, and no time to wait for."""

ASSERTION = re.compile(r"assert |AssertionError|Failed: ")
"""How pytest begins the message of a test that failed because it found what it looks for, and did not just crash."""

TIMEOUT = 300.0
"""Seconds that the tests of one mutation may take; they take about ten where nothing fails."""

POLL = 0.02
"""Seconds between two looks at whether a test run has ended."""


@dataclass(frozen=True)
class Mutation:
    """One way to weaken the comparer.

    Attributes:
        name: What it does, for a person.
        file: The file that it changes, from the folder of the packages.
        old: What stands there, once.
        new: What it puts there.
        tests: What is to notice, in the order in which it is run, if not :data:`TESTS`.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...] = ()

    def applied(self, source: str) -> str:
        """The file's text, mutated.

        Raises:
            ValueError: ``old`` does not stand there exactly once: the code has changed since.
        """
        if (count := source.count(self.old)) != 1:
            raise ValueError(f"{self.name!r}: {self.old!r} stands {count} times in {self.file}, expected once.")
        return source.replace(self.old, self.new)

    @property
    def order(self) -> tuple[str, ...]:
        """The tests that are run, those of the mutated file itself first."""
        own = f"test_{Path(self.file).name}"
        return self.tests or tuple(sorted(TESTS, key=lambda name: name != own))


class Verdict(enum.Enum):
    """What the tests say of a mutation."""

    RED = "red"
    SURVIVES = "survives"
    BROKEN = "broken"
    """They could not be run, or the mutated code raised: that says nothing about what the tests look at."""


MARKS = {
    Verdict.RED: "[green]red     [/]",
    Verdict.SURVIVES: "[bold red]SURVIVES[/]",
    Verdict.BROKEN: "[bold red]BROKEN  [/]",
}


@dataclass(frozen=True)
class Outcome:
    """What became of one mutation.

    Attributes:
        mutation: The mutation.
        verdict: What the tests say.
        words: The test that went red, or why it is broken.
        seconds: How long the tests took.
    """

    mutation: Mutation
    verdict: Verdict
    words: str
    seconds: float

    def sentence(self) -> str:
        """For a person."""
        words = f": {self.words}" if self.words else ""
        return f"{self.mutation.name} ({self.mutation.file}){words}"


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
}

MUTATIONS = tuple(
    Mutation(name, f"netparity/{file}", old, new, RUNS if file.startswith("runs/") else ())
    for file, ways in _CATALOGUE.items()
    for name, old, new in ways
)
"""The catalogue."""


class Copy:
    """A copy of the packages, in which one test run at a time is made.

    Args:
        folder: An empty folder for it, and for whatever the tests write.
        threads: How many the tests may use.

    Attributes:
        process: The test run, over or not; None before the first.
    """

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self.folder = folder
        for package in PACKAGES:
            shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
        if (settings := ROOT / "pyproject.toml").exists():  # not in an installation
            shutil.copy(settings, folder)
        (folder / "temporary").mkdir()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        self._environment = dict.fromkeys(THREAD_VARIABLES, str(threads)) | inherited
        # First the copy, then an installed project, editable or not. A compiled file would outlive its mutation.
        self._environment |= {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        self._environment["TMPDIR"] = str(folder / "temporary")
        self.process: subprocess.Popen[bytes] | None = None
        self._deadline = 0.0

    def imported(self) -> list[Path]:
        """The files as which a test run imports the packages."""
        files = ", ".join(f"{package}.__file__" for package in PACKAGES)
        command = [sys.executable, "-c", f"import {', '.join(PACKAGES)}\nprint({files}, sep='\\n')"]
        printed = subprocess.check_output(command, cwd=self.folder, env=self._environment, text=True)
        return [Path(line) for line in printed.splitlines()]

    def start(self, tests: Sequence[str]) -> None:
        """Starts a run of ``tests``, as they are called in ``parity_tests``, up to the first that fails."""
        self._report.unlink(missing_ok=True)
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
        command += [f"--junitxml={self._report}", *(f"parity_tests/{test}" for test in tests)]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that it is ended with all that it has started, and by nobody else
            )
        self._deadline = time.monotonic() + TIMEOUT

    def result(self) -> tuple[Verdict, str] | None:
        """What came of the run, and the test that failed or why it says nothing; None as long as it goes on."""
        assert self.process is not None
        code = self.process.poll()
        if code is None:
            if time.monotonic() < self._deadline:
                return None
            self.end()
            return Verdict.BROKEN, f"the tests did not finish within {TIMEOUT:g} s"
        if code == pytest.ExitCode.OK:
            return Verdict.SURVIVES, ""
        cases = ElementTree.parse(self._report).iter("testcase") if self._report.exists() else ()
        found = [(_name(case), fault) for case in cases for fault in case if fault.tag in ("failure", "error")]
        for test, fault in found:
            message = fault.get("message", "")
            if code != pytest.ExitCode.TESTS_FAILED or fault.tag == "error" or not ASSERTION.match(message):
                last = ((fault.text or "").splitlines() or [""])[-1]
                return Verdict.BROKEN, f"{test}: {message.partition(chr(10))[0]} ({last.strip()})"
            return Verdict.RED, test
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return Verdict.BROKEN, f"pytest ended with exit code {code}: {' '.join(lines[-3:])}"

    def end(self) -> None:
        """Ends the run, if one goes on."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    @property
    def _report(self) -> Path:
        return self.folder / "report.xml"

    @property
    def _log(self) -> Path:
        return self.folder / "output.txt"


def _name(case: ElementTree.Element) -> str:
    """The test as pytest calls it; of a module that cannot be imported, the module."""
    module = case.get("classname", "").rpartition(".")[2]
    return f"{module}.py::{case.get('name')}" if module else case.get("name", "")


@contextmanager
def copies(count: int = 1) -> Iterator[list[Copy]]:
    """So many copies; in the end their test runs are ended, and they are removed."""
    threads = max(1, (os.cpu_count() or 1) // count)
    with ExitStack() as stack:
        # A process that was ended with its tests may still write; then its file is not waited for.
        temporary = tempfile.TemporaryDirectory(prefix="googlenet-mutations-", ignore_cleanup_errors=True)
        folder = Path(stack.enter_context(temporary)).resolve()
        made: list[Copy] = []
        for number in range(count):
            (folder / str(number)).mkdir()
            made.append(Copy(folder / str(number), threads))
            stack.callback(made[-1].end)
        yield made


def refusal(copy: Copy, tests: Sequence[str]) -> str:
    """Why no mutation can be judged in ``copy``, or nothing: its tests must pass as it is, and test the copy."""
    for file in copy.imported():
        if not file.resolve().is_relative_to(copy.folder):
            return f"the tests import {file}, which is not in the copy"
    copy.start(tests)
    while (result := copy.result()) is None:
        time.sleep(POLL)
    verdict, words = result
    return "" if verdict is Verdict.SURVIVES else f"the tests fail as it is: {words}"


def outcomes(mutations: Iterable[Mutation], copies: Sequence[Copy]) -> Iterator[Outcome]:
    """What becomes of the mutations, tried out side by side, one in each copy; in the order in which they end."""
    waiting = deque(mutations)
    free = list(copies)
    running: dict[Copy, tuple[Mutation, str, float]] = {}
    while waiting or running:
        while waiting and free:
            mutation, copy = waiting.popleft(), free.pop()
            file = copy.folder / mutation.file
            source = file.read_text(encoding="utf-8")
            try:
                file.write_text(mutation.applied(source), encoding="utf-8")
            except ValueError as error:
                free.append(copy)
                yield Outcome(mutation, Verdict.BROKEN, str(error), 0.0)
                continue
            copy.start(mutation.order)
            running[copy] = mutation, source, time.monotonic()
        time.sleep(POLL)
        for copy, (mutation, source, start) in list(running.items()):
            if (result := copy.result()) is not None:
                (copy.folder / mutation.file).write_text(source, encoding="utf-8")
                free.append(copy)
                del running[copy]
                yield Outcome(mutation, *result, time.monotonic() - start)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; gives its exit code: 0 if all turn the tests red, 1 if one survives, 2 if one cannot be judged."""
    parser = argparse.ArgumentParser(
        prog="python -m parity_tests.proof.mutations", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("words", nargs="*", help="only mutations whose name holds one of these words (default: all)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="how many side by side")
    parser.add_argument("--verbose", action="store_true", help="say of each mutation which test it turns red")
    options = parser.parse_args(arguments)
    console = Console(highlight=False, soft_wrap=True)
    chosen = [own for own in MUTATIONS if not options.words or any(word in own.name for word in options.words)]
    if not chosen:
        parser.error("no mutation's name holds one of these words")
    tests = tuple(dict.fromkeys(test for mutation in chosen for test in mutation.order))
    start = time.monotonic()
    found: list[Outcome] = []
    jobs = max(1, min(options.jobs, len(chosen)))
    with copies(jobs) as places, Progress(console=console, transient=True) as progress:
        task = progress.add_task("without a mutation", total=len(chosen))
        if words := refusal(places[0], tests):
            console.print(f"[bold red]No mutation can be judged:[/] {escape(words)}.")
            return 2
        for outcome in outcomes(chosen, places):
            found.append(outcome)
            progress.update(task, description="mutations", advance=1)
            if options.verbose or outcome.verdict is not Verdict.RED:
                console.print(f"{MARKS[outcome.verdict]} {escape(outcome.sentence())}, {outcome.seconds:.1f} s")
    counts = Counter(outcome.verdict for outcome in found)
    broken = f", {counts[Verdict.BROKEN]} broken" if counts[Verdict.BROKEN] else ""
    console.print(
        f"{len(found)} mutations, {counts[Verdict.RED]} turn the suite red, {counts[Verdict.SURVIVES]} survive{broken}"
        f" ({time.monotonic() - start:.0f} s)"
    )
    return 2 if broken else 1 if counts[Verdict.SURVIVES] else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # which would leave the copies and their tests behind
    sys.exit(main())
