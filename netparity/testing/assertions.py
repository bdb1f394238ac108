"""The assertions for people's own tests: a backend held to the float64 reference, or to numbers that were kept.

:mod:`netparity.testing` gives them their short names, and an example.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from netparity.compare.comparison import Comparison, Requirement, compare_traces, find_requirement
from netparity.compare.recording import MissingFrameworkError, RecordingError, record_case
from netparity.compare.stored import judge_trace
from netparity.files.trace import Trace, open_trace, write_trace
from netparity.network.contract import DTYPES, Array, check_dtype
from netparity.network.errors import FileError, NetparityError, OptionError
from netparity.network.registered import default_network
from netparity.network.settings import CALLER
from netparity.runs.case import AnyPath, Options, make_case, options_like
from netparity.runs.side_by_side import run
from netparity.testing.messages import comparison_message, verdict_message
from netparity.verdict.findings import CheckKind, Status
from netparity.verdict.report import BackendReport, Report
from netparity.workers.backends import Subject, find_maker
from netparity.workers.interpreters import same_import_path

AnyBackend = AnyPath | Trace | Callable[[], Any]
AnyWeights = int | AnyPath | Mapping[str, Array] | None
AnyImages = AnyPath | Array | None


if TYPE_CHECKING:
    from typing_extensions import TypedDict, Unpack

    class _Choices(TypedDict, total=False):
        require: str
        weights: AnyWeights
        images: AnyImages
        image_size: tuple[int, int] | None
        batch_size: int | None
        dtype: str | None
        timeout: float
        remake: str | None


@overload
def assert_parity(backend: AnyBackend, *, golden: None = None, **choices: Unpack[_Choices]) -> BackendReport: ...


@overload
def assert_parity(backend: AnyBackend, *, golden: AnyPath | Trace, **choices: Unpack[_Choices]) -> Comparison: ...


def assert_parity(
    backend: AnyBackend,
    *,
    golden: AnyPath | Trace | None = None,
    require: str = "rounding",
    weights: AnyWeights = None,
    images: AnyImages = None,
    image_size: tuple[int, int] | None = None,
    batch_size: int | None = None,
    dtype: str | None = None,
    timeout: float = 600.0,
    remake: str | None = None,
) -> BackendReport | Comparison:
    """Raises unless a backend computes what the float64 reference does, or what a golden holds.

    Without ``golden``, the verdict is that of ``netparity run``. With it, the backend runs what the golden ran, and its
    numbers are set against the kept ones as ``netparity compare`` does it. A backend runs in a process of its own,
    which finds the modules that this one finds.

    Args:
        backend: A registered name (``torch``), ``module:attribute``, ``name=module:attribute``, or a class or function
            at the top of a module; or a trace, or the path of one, of which nothing is run.
        golden: A golden or any other trace.
        require: How close to a golden: ``rounding`` takes what rounding explains, ``bitwise`` takes nothing.
        weights: A seed, the path of canonical weights, or the weights themselves; by default the golden's seed, or 0.
        images: The path of a ``.npy`` file or of a folder, or an array (N, C, H, W); by default the network's own
            sample images.
        image_size: Height and width; by default the golden's, or the network's.
        batch_size: How many images; by default the golden's number, or all.
        dtype: ``float32`` or ``float64``; by default the golden's, or both, one after the other.
        timeout: Seconds that the backend may take.
        remake: The command that the message names for a golden to be made anew; ``netparity record`` by default.

    Returns:
        The report; or the comparison with ``golden``.

    Raises:
        AssertionError: The numbers are not the same, or the backend raised, died or ran out of time; the message names
            the first layer that is wrong, by how much and where, why, and what differs in versions and environment.
        MissingFrameworkError: The backend's framework is not installed.
        NetparityError: There is no such backend or file, or the options do not fit each other.
    """
    __tracebackhide__ = True
    try:
        required = find_requirement(require, "require")
        given = _options(weights, images, image_size, batch_size, dtype)
        if golden is None:
            return _judged(backend, given, _seed(weights), timeout)
        return _compared(backend, golden, given, _seed(weights), required, timeout, remake)
    except MissingFrameworkError as error:
        raise error.with_traceback(None) from None
    except RecordingError as error:
        raise AssertionError(str(error)) from None
    except NetparityError as error:
        raise error.with_traceback(None) from None  # its sentence says it all


def update_golden(
    backend: AnyBackend,
    golden: AnyPath,
    *,
    weights: AnyWeights = None,
    images: AnyImages = None,
    image_size: tuple[int, int] | None = None,
    batch_size: int | None = None,
    dtype: str | None = None,
    timeout: float = 600.0,
) -> Trace:
    """Writes a golden, or writes it anew, and gives it; the folder is made if it is not there.

    Args:
        golden: Where it is to be. What is not given is taken from the golden that is there.
        dtype: By default float32, or that of the golden that is there.
        backend, weights, images, image_size, batch_size, timeout: As in :func:`assert_parity`.

    Raises:
        RecordingError: The backend gave nothing; what was at ``golden`` stays.
        NetparityError: There is no such backend, the options do not fit each other, what is at ``golden`` cannot be
            read, or it cannot be written.
    """
    path = Path(golden)
    options = _options(weights, images, image_size, batch_size, dtype or "float32")
    if path.exists():
        options = options_like(open_trace(path), options, _seed(weights))
        options = replace(options, dtypes=(dtype,)) if dtype else options
    trace = (_stored(backend) or _recorded(*find_maker(backend), options, timeout)).condensed()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_trace(path, trace.header, trace.tensors)
    return trace


def _judged(backend: AnyBackend, options: Options, seed: int | None, timeout: float) -> BackendReport:
    """The verdict of the float64 reference."""
    __tracebackhide__ = True
    if trace := _stored(backend):
        case = make_case(options_like(trace, options, seed))
        report = Report(case.network, (judge_trace(trace, case),), case.settings, trace.header["environment"])
    else:
        report = _run(*find_maker(backend), options, timeout)
    (found,) = report.backends
    if found.status is not Status.PASS:
        raise AssertionError(verdict_message(report))
    return found


def _compared(
    backend: AnyBackend,
    golden: AnyPath | Trace,
    options: Options,
    seed: int | None,
    required: Requirement,
    timeout: float,
    remake: str | None,
) -> Comparison:
    """The comparison with a golden."""
    __tracebackhide__ = True
    kept, name = _golden(golden, remake)
    if (trace := _stored(backend)) is None:
        dtypes = options.dtypes if len(options.dtypes) == 1 else (kept.header["dtype"],)
        options = replace(options_like(kept, options, seed), dtypes=dtypes)
        trace = _recorded(*find_maker(backend), options, timeout)
    remake = remake or _command(backend, golden, trace)
    try:
        found = compare_traces(kept, trace, required)
    except OptionError as error:
        raise OptionError(f"{error} If the golden is to be of these: {remake}") from None
    if found.status is not Status.PASS:
        opinion = None
        if found.first_beyond and _stored(backend) is None:
            opinion = _run(*find_maker(backend), replace(options, dtypes=DTYPES), timeout).backends[0]
        raise AssertionError(comparison_message(found, name, trace.settings, opinion, remake))
    return found


def _golden(golden: AnyPath | Trace, remake: str | None) -> tuple[Trace, str]:
    """A golden, and what it is called; a :class:`FileError` says what makes one that is not there."""
    if isinstance(golden, Trace):
        return golden, f"the trace of {golden.label}"
    if not Path(golden).exists():
        how = remake or f"netparity record BACKEND --golden -o {shlex.quote(os.fspath(golden))}"
        raise FileError(f"There is no golden {os.fspath(golden)!r}. To make it: {how}")
    return open_trace(golden), os.fspath(golden)


def _stored(backend: AnyBackend) -> Trace | None:
    """The trace that stands for a backend, or None where there is something to run."""
    if isinstance(backend, Trace):
        return backend
    if isinstance(backend, os.PathLike):
        return open_trace(backend)
    if isinstance(backend, str) and (backend.endswith((".safetensors", ".trace")) or Path(backend).is_file()):
        return open_trace(backend)
    return None


def _run(label: str, target: str, options: Options, timeout: float) -> Report:
    """What a run says of one backend. Raises :class:`MissingFrameworkError`."""
    with same_import_path():
        report = run(lambda: make_case(options), [Subject(label, target)], timeout=timeout)
    first = report.backends[0].checks[0]
    if first.status is Status.SKIPPED and first.check.kind is CheckKind.LOAD:
        raise MissingFrameworkError(first.message, label)
    return report


def _recorded(label: str, target: str, options: Options, timeout: float) -> Trace:
    case = make_case(options)
    with same_import_path():
        return record_case(case, Subject(label, target), case.dtypes[0], timeout=timeout)


def _options(
    weights: AnyWeights,
    images: AnyImages,
    image_size: tuple[int, int] | None,
    batch_size: int | None,
    dtype: str | None,
) -> Options:
    return Options(
        seed=_seed(weights) or 0,
        image_size=image_size,
        batch_size=batch_size,
        images=images,
        weights=None if isinstance(weights, (int, np.integer)) else weights,
        dtypes=DTYPES if dtype is None else (check_dtype(dtype),),
    )


def _seed(weights: AnyWeights) -> int | None:
    return int(weights) if isinstance(weights, (int, np.integer)) else None


def _command(backend: AnyBackend, golden: AnyPath | Trace, trace: Trace) -> str:
    """What makes a golden of these numbers."""
    settings = trace.settings
    arrays = CALLER in (settings.weights, settings.images)
    if arrays or isinstance(golden, Trace) or not isinstance(backend, str) or _stored(backend):
        return "update_golden() of netparity.testing, with the same arguments"
    count, _, height, width = settings.shape
    words = ["netparity", "record", backend, "-o", os.fspath(golden), "--golden", "--force"]
    words += ["--weights", settings.weights] if settings.seed is None else ["--seed", str(settings.seed)]
    words += [] if settings.images == default_network().samples else ["--images", settings.images]
    words += ["--image-size", f"{height}", f"{width}", "--batch-size", f"{count}", "--dtype", trace.header["dtype"]]
    return shlex.join(words)
