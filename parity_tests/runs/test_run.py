"""A run, with backends that misbehave in every way: what they do is reported, and costs nobody but themselves."""

from __future__ import annotations

import functools
import os
import signal
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, NoReturn

import pytest

from googlenet_np import GOOGLENET, init_weights, sample_images
from netparity.network.contract import DTYPES, DType, Hyperparameters
from netparity.network.errors import OptionError
from netparity.runs.case import Case
from netparity.runs.side_by_side import run
from netparity.verdict.findings import Status
from netparity.verdict.report import BackendReport, Report
from netparity.verdict.training_truth import Steps
from netparity.workers.backends import Subject
from parity_tests.support.command import LIMIT
from parity_tests.support.misbehaving import HANGING, LAST_WORDS
from parity_tests.support.selection import selected
from parity_tests.support.tiers import representative

NUMPY = "parity_tests.support.numpy_backend:Backend"
EVERY_CHECK = ("weights", "shapes", "layers", "layer gradients", "end to end", "prediction")


@functools.cache
def small_case() -> Case:
    images, labels = sample_images(2, image_size=(17, 23))
    return Case(GOOGLENET, init_weights(0), images, labels, ("float32",))


def subject(name: str, *, required: bool = True) -> Subject:
    return Subject(name, f"parity_tests.support.misbehaving:{name}", required)


def judge(*subjects: Subject, timeout: float = LIMIT, memory_limit: int | None = None) -> dict[str, BackendReport]:
    report = run(small_case, subjects, timeout=timeout, memory_limit=memory_limit)
    return {backend.name: backend for backend in report.backends}


def assert_passes(backend: BackendReport) -> None:
    """Every check was made, of everything that it is to be made of, and passes."""
    statuses = {str(check.check): check.status for check in backend.checks}
    assert statuses == {f"{check} float32": Status.PASS for check in EVERY_CHECK}
    assert [found.name for found in backend["layers float32"].measurements] == list(GOOGLENET.names)
    assert len(backend["weights float32"].measurements) == 116
    assert backend.status is Status.PASS


class Expected(NamedTuple):
    """What a run is to say of a backend: its status, the check that tells, and words of its message."""

    status: Status
    check: str
    words: str


EXPECTED = {
    "RaisesWhenMade": Expected(Status.ERROR, "load", "raised RuntimeError: no device was found."),
    "RaisesInVersions": Expected(Status.ERROR, "load", "raised LookupError: the version is a secret."),
    "RaisesInBuild": Expected(Status.ERROR, "weights float32", "raised RuntimeError: cannot build a model of float32."),
    "RaisesStrangeWords": Expected(
        Status.ERROR, "weights float32", "raised RuntimeError: \\x1b[31mred\\x1b[0m\\x00 [bold] \\udcff<&>."
    ),
    "NeedsMissingModule": Expected(
        Status.ERROR, "load", "NeedsMissingModule needs the Python module 'no_such_framework', which is not installed."
    ),
    "NeedsMissingModuleLater": Expected(
        Status.ERROR, "weights float32", "needs the Python module 'no_such_library', which is not installed."
    ),
    "RaisesHalfway": Expected(Status.ERROR, "layers float32", "ArithmeticError: the fourth stage is beyond me."),
    "IsKilled": Expected(
        Status.ERROR, "shapes float32", f"was killed by SIGKILL, as when memory runs out; its last words: {LAST_WORDS}"
    ),
    "Exits": Expected(Status.ERROR, "shapes float32", f"exit code 3; its last words: {LAST_WORDS}"),
    "ExitsAtOnce": Expected(Status.ERROR, "shapes float32", f"exit code 0; its last words: {LAST_WORDS}"),
    "Floods": Expected(Status.ERROR, "weights float32", "so on and so on and so on"),
    "GivesLists": Expected(Status.ERROR, "shapes float32", "gave a list for 'b1.conv'; expected a NumPy array"),
    "GivesTuple": Expected(Status.ERROR, "shapes float32", "gave a tuple; expected a dict"),
    "GivesObjects": Expected(Status.ERROR, "layers float32", "gave an array of object for 'output'"),
    "GivesTupleNames": Expected(Status.ERROR, "shapes float32", "under the name ('b1', 'conv')"),
    "GivesWrongShape": Expected(
        Status.FAIL, "shapes float32", "b5.pool has shape (2, 1024, 1, 1), expected (2, 1024)."
    ),
    "GivesScalars": Expected(
        Status.FAIL, "layers float32", "b1.conv has shape (), expected (2, 64, 9, 12) (72 of 81 fail)."
    ),
    "GivesDoubles": Expected(
        Status.FAIL, "shapes float32", "b1.conv has dtype float64, expected float32 (81 of 81 fail)."
    ),
    "GivesNaN": Expected(Status.FAIL, "end to end float32", "b3.inception_3b.p3_2 holds nan at (1, 95, 2, 2)"),
    "GivesTooFew": Expected(Status.FAIL, "shapes float32", "b4.inception_4c is missing."),
    "GivesUnknown": Expected(Status.FAIL, "shapes float32", "b6.conv is no layer of the network."),
    "GivesUnordered": Expected(Status.FAIL, "shapes float32", "comes out of canonical order"),
    "GivesNoLogits": Expected(Status.ERROR, "prediction float32", "gave a NoneType for 'logits'"),
    "ReusesOneBuffer": Expected(Status.FAIL, "layers float32", "b3.inception_3a uses inf of what is allowed"),
    "KeepsItsWeights": Expected(Status.ERROR, "abilities", "can compute nothing that these checks need."),
    "CannotBuild": Expected(Status.ERROR, "abilities", "can compute nothing that these checks need."),
    "CannotCallSomeAndFails": Expected(Status.FAIL, "layers float32", "b5.pool uses "),
    "RaisesInOneLayer": Expected(Status.ERROR, "layers float32", "ArithmeticError: that one is beyond me."),
    "RaisesInOneLayerAndFails": Expected(Status.FAIL, "layers float32", "b5.pool uses "),
    "ChangesItsInputs": Expected(Status.ERROR, "end to end float32", "output array is read-only"),
}
GOOD = {"Backend": NUMPY, "Talks": subject("Talks").target, "ReturnsViews": subject("ReturnsViews").target}
OF_EACH_EXIT_CODE = ("Backend", "GivesNaN", "IsKilled")
ONE_OF_EACH_KIND = {
    "RaisesWhenMade",
    "RaisesStrangeWords",
    "NeedsMissingModuleLater",
    "IsKilled",
    "Exits",
    "Floods",
    "GivesLists",
    "GivesWrongShape",
    "GivesNaN",
    "KeepsItsWeights",
    "CannotCallSomeAndFails",
}


class Together(NamedTuple):
    backends: dict[str, BackendReport]
    seconds: float


@pytest.fixture(scope="module")
def together(request: pytest.FixtureRequest) -> Together:
    """Everybody whose test is run, in one run, the good ones last, when the others have done their worst."""
    names = selected(request, "name").union(OF_EACH_EXIT_CODE)
    wrong = [subject(name) for name in EXPECTED if name in names]
    good = [Subject(name, target) for name, target in GOOD.items() if name in names]
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONUNBUFFERED", raising=False)  # with it, last words would be heard by chance
        start = time.monotonic()
        backends = judge(*wrong, *good)
        return Together(backends, time.monotonic() - start)


@pytest.mark.parametrize("name", representative(EXPECTED, quick=ONE_OF_EACH_KIND))
def test_what_a_backend_did_is_reported(together: Together, name: str) -> None:
    backend, expected = together.backends[name], EXPECTED[name]
    check = backend[expected.check]
    assert (backend.status, check.status) == (expected.status, expected.status)
    assert expected.words in check.message
    assert check.message.isprintable()
    assert len(check.message) < 1200
    assert 0 < backend.seconds <= together.seconds


@pytest.mark.parametrize("name", representative(GOOD, quick={"Backend", "Talks"}))
def test_the_others_finish_and_pass(together: Together, name: str) -> None:
    assert_passes(together.backends[name])


def test_a_failure_is_exit_code_1_and_an_error_is_2(together: Together) -> None:
    good, fails, errs = (together.backends[name] for name in OF_EACH_EXIT_CODE)
    skipped = replace(good, checks=(replace(good.checks[0], status=Status.SKIPPED),))
    exit_codes = [
        Report(GOOGLENET, backends, small_case().settings).exit_code
        for backends in ((good,), (good, skipped), (good, fails), (errs, good), (errs, fails), (skipped,), ())
    ]
    assert exit_codes == [0, 0, 1, 2, 2, 2, 2]


def test_a_run_of_no_backend_is_no_pass() -> None:
    report = run(small_case, [])
    assert (report.status, report.exit_code, report.backends) == (Status.SKIPPED, 2, ())


# Frameworks that are missing, and abilities


def test_a_missing_framework_is_skipped_if_nobody_asked_for_it() -> None:
    report = run(small_case, [subject("NeedsMissingModule", required=False), Subject("numpy", NUMPY)])
    missing, present = report.backends
    assert (missing.status, missing.versions) == (Status.SKIPPED, {})
    assert "'no_such_framework', which is not installed" in missing["load"].message
    assert_passes(present)
    assert report.exit_code == 0


@pytest.mark.exhaustive
def test_one_missing_framework_by_itself_is_no_pass() -> None:
    assert run(small_case, [subject("NeedsMissingModule", required=False)]).exit_code == 2


def test_what_a_backend_cannot_do_is_skipped_and_no_pass() -> None:
    report = run(lambda: replace(small_case(), dtypes=("float32", "float64")), [subject("CannotTrain")])
    skipped = [check for check in report.backends[0].checks if check.status is not Status.PASS]
    assert [(str(check.check), check.status) for check in skipped] == [
        ("layer gradients float32", Status.SKIPPED),
        ("gradients float64", Status.SKIPPED),
    ]
    for check in skipped:
        assert "an inference engine has no gradients" in check.message
    assert (report.status, report.exit_code) == (Status.PASS, 0), "what it can do, it does right"


@pytest.mark.exhaustive
def test_a_backend_that_nobody_asked_for_and_that_computes_nothing_is_an_error() -> None:
    """It is there, it keeps its weights, and a pass of that alone would say what nobody saw."""
    report = run(small_case, [subject("KeepsItsWeights", required=False), Subject("numpy", NUMPY)])
    assert (report.backends[0].status, report.exit_code) == (Status.ERROR, 2)


def test_layers_that_cannot_be_called_alone_are_no_pass_and_hide_no_other() -> None:
    (backend,) = run(small_case, [subject("CannotCallSome")]).backends
    check = backend["layers float32"]
    assert check.status is Status.SKIPPED
    assert "Left out 2 layers, b2.conv2 first, as CannotCallSome raised" in check.message
    assert "fused with its neighbours" in check.message
    assert [found.name for found in check.measurements] == [
        name for name in GOOGLENET.names if name not in ("b2.conv2", "b4.inception_4c.p2_2")
    ]
    assert {found.status for found in check.measurements} == {Status.PASS}


@pytest.mark.exhaustive
def test_float32_gradients_end_to_end_are_shown_and_decide_nothing() -> None:
    case = replace(small_case(), dtypes=("float32", "float64"))
    right, wrong = run(lambda: case, [Subject("right", NUMPY), subject("WrongOnlyEndToEnd")]).backends
    assert right.status is wrong.status is Status.PASS
    for backend, share in ((right, 0.0), (wrong, 0.02)):
        (seen,) = backend.observations
        assert seen.name == "gradients float32"
        assert seen.values["fc.bias"] == pytest.approx(share, abs=1e-4)


@pytest.mark.exhaustive
def test_one_precision_alone_shows_no_gradients_end_to_end() -> None:
    """They are held against the float64 reference, which a run in float32 alone does not work out."""
    assert run(small_case, [Subject("numpy", NUMPY)]).backends[0].observations == ()


@pytest.mark.exhaustive
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_training_is_a_check_of_its_own(dtype: DType) -> None:
    """In float64 its numbers count, in float32 their form."""
    images, labels = sample_images(4, image_size=(17, 23))
    steps = Steps([(images[:2], labels[:2]), (images[2:], labels[2:])], Hyperparameters(momentum=0.5), dtype)
    case = Case(GOOGLENET, init_weights(0), images, labels, (), training=steps)
    expected = {
        "Backend": (Status.PASS, "2 steps"),
        "RaisesInTraining": (Status.ERROR, "raised ArithmeticError: not with these batches."),
        "CannotTakeSteps": (Status.SKIPPED, "an inference engine takes no steps"),
        "TrainsInSilence": (Status.FAIL, "losses has shape (0,), expected (2,)"),
        "ForgetsItsState": (Status.ERROR, "raised AttributeError"),
        "TrainsToNaN": (Status.FAIL, "fc.weight holds nan at (0, 0)"),
    }
    subjects = [Subject(name, NUMPY) if name == "Backend" else subject(name, required=False) for name in expected]
    report = run(lambda: case, subjects)
    check = f"training {dtype}"
    found = {backend.name: (backend[check].status, backend[check].message) for backend in report.backends}
    assert {name: status for name, (status, _) in found.items()} == {name: at for name, (at, _) in expected.items()}
    assert [name for name, (_, words) in expected.items() if words not in found[name][1]] == []
    assert len(report.losses) == len(report.backends[0].losses) == 2
    assert len(report.loss_floor) == (2 if dtype == "float32" else 0)


@pytest.mark.exhaustive
def test_gradients_of_the_wrong_form_are_an_error() -> None:
    report = run(lambda: replace(small_case(), dtypes=("float64",)), [subject("GivesLossOnly")])
    assert report.backends[0]["gradients float64"].status is Status.ERROR


@pytest.mark.parametrize(
    ("source", "words"),
    representative(
        [
            ("raise RuntimeError('framework.so has no symbol _ZN3foo')", "RuntimeError: framework.so has no symbol"),
            ("def broken(:", "SyntaxError"),
            ("", "AttributeError: module 'broken_framework' has no attribute 'Backend'"),
            ("import sys; sys.exit('no licence')", "ended by itself with exit code 1; its last words: no licence"),
        ],
        quick=lambda case: case[0].startswith("raise"),
    ),
    ids=["raises", "syntax", "empty", "exits"],
)
def test_a_module_that_cannot_be_imported_is_an_error_though_nobody_asked_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, words: str
) -> None:
    (tmp_path / "broken_framework.py").write_text(textwrap.dedent(source), encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    backend = judge(Subject("broken", "broken_framework:Backend"))["broken"]
    assert backend["load"].status is Status.ERROR
    assert words in backend["load"].message


# Limits


class WhenItHangs(threading.Timer):
    """Runs out when the process that it is for hangs, and not by the clock, which a busy machine may overtake."""

    def run(self) -> None:
        sign = Path(os.environ[HANGING], self.function.__self__.label)  # type: ignore[attr-defined]
        limit = time.monotonic() + LIMIT
        while not (sign.exists() or time.monotonic() > limit):
            if self.finished.wait(0.05):
                return
        self.function()


@pytest.fixture
def hanging(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Callable[[], set[str]]:
    """Lets the time of a backend be over once it hangs, but for those that never hang; gives who did."""
    folder = tmp_path_factory.mktemp("hanging")
    monkeypatch.setenv(HANGING, str(folder))
    monkeypatch.setattr("netparity.workers.process.threading.Timer", WhenItHangs)
    return lambda: {path.name for path in folder.iterdir()}


def test_a_backend_that_does_not_finish_is_ended(
    hanging: Callable[[], set[str]], left_behind: Callable[[], list[str]]
) -> None:
    names = ("Hangs", "HangsDeaf", "LeavesHeir")
    backends = judge(*map(subject, names), Subject("numpy", NUMPY))
    assert hanging() == set(names), f"not all of them came as far as to hang within the test's limit of {LIMIT:g} s"
    assert left_behind() != [], "the run has waited for the heir, which lives on"
    for name in names:
        message = backends[name]["shapes float32"].message
        assert message == f"{name} did not finish within {LIMIT:g} s and was ended; its last words: {LAST_WORDS}"
        assert backends[name]["weights float32"].status is Status.PASS, "what was answered in time counts"
    assert_passes(backends["numpy"])


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_endless_time_is_no_limit() -> None:
    assert_passes(judge(Subject("numpy", NUMPY), timeout=float("inf"))["numpy"])


def test_a_backend_that_takes_all_memory_is_stopped_at_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")  # whose buffers would take it all where there are many cores
    backends = judge(subject("ExhaustsMemory"), Subject("numpy", NUMPY), memory_limit=1 << 30)
    assert "MemoryError" in backends["ExhaustsMemory"]["weights float32"].message
    assert backends["ExhaustsMemory"].status is Status.ERROR
    assert_passes(backends["numpy"])


# Names


@pytest.mark.exhaustive
def test_names_are_but_names() -> None:
    """Neither do two of the same name meet, nor does a name lead to a file."""
    subjects = [Subject("../x/[y]", NUMPY), replace(subject("GivesNaN"), name="../x/[y]")]
    report = run(small_case, subjects)
    assert [backend.status for backend in report.backends] == [Status.PASS, Status.FAIL]
    assert {backend.name for backend in report.backends} == {"../x/[y]"}


@pytest.mark.exhaustive
def test_reports_come_in_the_order_of_the_asking() -> None:
    report = run(small_case, [Subject("slow", NUMPY), subject("RaisesWhenMade")])
    assert [backend.name for backend in report.backends] == ["slow", "RaisesWhenMade"]


def test_a_listener_is_told_of_every_answer() -> None:
    told: list[tuple[str, float, float, str]] = []
    run(small_case, [Subject("numpy", NUMPY)], listener=lambda *what: told.append(what))
    layers = sum(layer.kind != "concat" for layer in GOOGLENET)
    names, done, totals, steps = zip(*told, strict=True)
    assert set(names) == {"numpy"}
    assert list(done) == list(range(1, 1 + len(told)))
    assert (done[-1], totals[-1]) == (4 + 2 * layers, 4 + 2 * layers)
    assert (steps[0], steps[-1]) == ("load", "layer_gradients float32 fc")


# Nothing stays behind


@pytest.fixture
def left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[str]]]:
    """Gives what is left of a run: its files, and its processes, known by a variable that they inherit."""
    if not Path("/proc/self/environ").exists():
        pytest.skip("processes are looked up in /proc")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("GOOGLENET_TEST_RUN", str(tmp_path))
    mark = f"GOOGLENET_TEST_RUN={tmp_path}".encode()

    def processes() -> Iterator[int]:
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit() and int(folder.name) != os.getpid():
                try:
                    environment = (folder / "environ").read_bytes()
                except OSError:  # it has ended since, or is another user's
                    continue
                if mark in environment.split(b"\0"):
                    yield int(folder.name)

    yield lambda: [path.name for path in tmp_path.iterdir()] + [f"process {process}" for process in processes()]
    for process in processes():
        os.kill(process, signal.SIGKILL)


def assert_nothing(left_behind: Callable[[], list[str]]) -> None:
    """What was killed is given the time to die, which on a busy machine is no moment."""
    limit = time.monotonic() + LIMIT
    while left := left_behind():
        assert time.monotonic() < limit, f"{left} are still there after the test's limit of {LIMIT:g} s"
        time.sleep(0.05)


def test_a_run_leaves_nothing_behind(hanging: Callable[[], set[str]], left_behind: Callable[[], list[str]]) -> None:
    during: list[list[str]] = []
    subjects = [subject(name) for name in ("HangsDeaf", "IsKilled", "Exits")]

    def look(task: str, done: float, total: float, step: str) -> None:
        if step == "load":
            during.append(left_behind())

    run(small_case, subjects, listener=look)
    assert hanging() == {"HangsDeaf"}, f"it did not come as far as to hang within the test's limit of {LIMIT:g} s"
    assert any("process" in entry for entries in during for entry in entries), "the fixture sees nothing"
    assert_nothing(left_behind)


@pytest.mark.parametrize("error", [OptionError("These do not fit."), KeyboardInterrupt()], ids=["bad case", "Ctrl-C"])
def test_a_run_that_ends_early_leaves_nothing_behind(
    left_behind: Callable[[], list[str]], error: BaseException
) -> None:
    def no_case() -> NoReturn:
        limit = time.monotonic() + LIMIT
        while len(left_behind()) <= 2:  # until both have come as far as to have an environment of their own
            assert time.monotonic() < limit, f"within {LIMIT:g} s, no backend is under way while the case is made"
        raise error

    with pytest.raises(type(error)):
        run(no_case, [Subject("numpy", NUMPY), subject("Talks")])
    assert_nothing(left_behind)


def test_a_run_that_is_interrupted_at_work_leaves_nothing_behind(left_behind: Callable[[], list[str]]) -> None:
    def interrupt(task: str, done: float, total: float, step: str) -> None:
        if (task, step) == ("numpy", "layer float32 fc"):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(small_case, [Subject("numpy", NUMPY), subject("HangsDeaf")], listener=interrupt)
    assert_nothing(left_behind)
