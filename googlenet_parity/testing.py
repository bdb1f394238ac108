"""For people's own tests: a backend held to the float64 reference, or to numbers that were kept.

>>> from googlenet_parity.testing import assert_parity
>>> assert_parity("torch")  # by the verdict of googlenet-parity run
>>> assert_parity("torch", golden="tests/golden/torch.safetensors")  # by what it gave before

With pytest there is a fixture that does the same, ``parity`` (:mod:`googlenet_parity.pytest_plugin`).
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from googlenet_np.backend import DTYPES, check_dtype
from googlenet_np.errors import FileError, GoogLeNetError, OptionError
from googlenet_parity.case import ARRAYS_NAME, SAMPLES_NAME, Options, make_case, options_like
from googlenet_parity.comparison import REQUIREMENTS, Comparison, compare_traces
from googlenet_parity.failure import told_comparison, told_verdict
from googlenet_parity.judge import judge
from googlenet_parity.recording import MissingFrameworkError, RecordingError, record
from googlenet_parity.registry import Subject, find_backend
from googlenet_parity.run import run
from googlenet_parity.trace import Trace, open_trace, write_trace
from googlenet_parity.verdict import BackendReport, Report, Status

__all__ = ["MissingFrameworkError", "assert_parity", "update_golden"]

Array = npt.NDArray[Any]
AnyPath = str | os.PathLike[str]
AnyBackend = AnyPath | Trace | Callable[[], Any]
AnyWeights = int | AnyPath | Mapping[str, Array] | None
AnyImages = AnyPath | Array | None


@overload
def assert_parity(
    backend: AnyBackend,
    *,
    golden: None = None,
    require: str = "rounding",
    weights: AnyWeights = None,
    images: AnyImages = None,
    image_size: tuple[int, int] | None = None,
    batch_size: int | None = None,
    dtype: str | None = None,
    timeout: float = 600.0,
    remake: str | None = None,
) -> BackendReport: ...


@overload
def assert_parity(
    backend: AnyBackend,
    *,
    golden: AnyPath | Trace,
    require: str = "rounding",
    weights: AnyWeights = None,
    images: AnyImages = None,
    image_size: tuple[int, int] | None = None,
    batch_size: int | None = None,
    dtype: str | None = None,
    timeout: float = 600.0,
    remake: str | None = None,
) -> Comparison: ...


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

    Without ``golden``, the verdict is that of ``googlenet-parity run``. With it, the backend runs what the golden ran,
    and its numbers are set against the kept ones as ``googlenet-parity compare`` does it. A backend runs in a process
    of its own, which finds the modules that this one finds.

    Args:
        backend: A registered name (``torch``), ``module:attribute``, ``name=module:attribute``, or a class or function
            at the top of a module; or a trace, or the path of one, of which nothing is run.
        golden: A golden or any other trace.
        require: Of a golden: ``rounding`` takes what rounding explains, ``bitwise`` takes nothing.
        weights: A seed, the path of canonical weights, or the weights themselves; by default the golden's seed, or 0.
        images: The path of a ``.npy`` file or of a folder, or an array (N, C, H, W); by default the images that ship
            with the package.
        image_size: Height and width; by default the golden's, or 96×96.
        batch_size: How many images; by default the golden's, or 16.
        dtype: ``float32`` or ``float64``; by default the golden's, or both, one after the other.
        timeout: Seconds that the backend may take.
        remake: The command that the message names for a golden to be made anew; ``googlenet-parity record`` by default.

    Returns:
        What was found: the report, or the comparison.

    Raises:
        AssertionError: The numbers are not the same, or the backend raised, died or ran out of time; the message names
            the first layer that is wrong, by how much and where, why, and what differs in versions and environment.
        MissingFrameworkError: The backend's framework is not installed.
        GoogLeNetError: There is no such backend or file, or the options do not fit each other.
    """
    __tracebackhide__ = True
    try:
        if require not in REQUIREMENTS:
            raise OptionError(f"require is {require!r}; expected {' or '.join(REQUIREMENTS)}.")
        given = _options(weights, images, image_size, batch_size, dtype)
        if golden is None:
            return _judged(backend, given, _seed(weights), timeout)
        return _compared(backend, golden, given, _seed(weights), require, timeout, remake)
    except MissingFrameworkError as error:
        raise error.with_traceback(None) from None
    except RecordingError as error:
        raise AssertionError(str(error)) from None
    except GoogLeNetError as error:
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
    """Writes a golden, or writes it anew; the folder is made if it is not there.

    Args:
        backend: As of :func:`assert_parity`, as are the others.
        golden: Where it is to be. What is not given is as of the golden that is there.
        dtype: By default float32, or that of the golden that is there.

    Returns:
        The golden.

    Raises:
        RecordingError: The backend gave nothing; what was at ``golden`` stays.
        GoogLeNetError: There is no such backend, the options do not fit each other, what is at ``golden`` cannot be
            read, or it cannot be written.
    """
    path = Path(golden)
    options = _options(weights, images, image_size, batch_size, dtype or "float32")
    if path.exists():
        options = options_like(open_trace(path).header, options, _seed(weights))
        options = replace(options, dtypes=(dtype,)) if dtype else options
    trace = (_stored(backend) or _recorded(*_found(backend), options, timeout)).condensed()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_trace(path, trace.header, trace.tensors)
    return trace


def _judged(backend: AnyBackend, options: Options, seed: int | None, timeout: float) -> BackendReport:
    """The verdict of the float64 reference."""
    __tracebackhide__ = True
    if trace := _stored(backend):
        case = make_case(options_like(trace.header, options, seed))
        report = Report((judge(trace, case),), case.settings, trace.header["environment"])
    else:
        report = _run(*_found(backend), options, timeout)
    (found,) = report.backends
    if found.status is not Status.PASS:
        raise AssertionError(told_verdict(report))
    return found


def _compared(
    backend: AnyBackend,
    golden: AnyPath | Trace,
    options: Options,
    seed: int | None,
    require: str,
    timeout: float,
    remake: str | None,
) -> Comparison:
    """The comparison with a golden."""
    __tracebackhide__ = True
    kept, name = _golden(golden, remake)
    if (trace := _stored(backend)) is None:
        dtypes = options.dtypes if len(options.dtypes) == 1 else (kept.header["dtype"],)
        options = replace(options_like(kept.header, options, seed), dtypes=dtypes)
        trace = _recorded(*_found(backend), options, timeout)
    remake = remake or _command(backend, golden, trace)
    try:
        found = compare_traces(kept, trace, require)
    except OptionError as error:
        raise OptionError(f"{error} If the golden is to be of these: {remake}") from None
    if found.status is not Status.PASS:
        opinion = None
        if found.first_beyond and _stored(backend) is None:
            opinion = _run(*_found(backend), replace(options, dtypes=DTYPES), timeout).backends[0]
        raise AssertionError(told_comparison(found, name, trace.header["settings"], opinion, remake))
    return found


def _golden(golden: AnyPath | Trace, remake: str | None) -> tuple[Trace, str]:
    """A golden, and what it is called.

    Raises:
        FileError: It is not there, or none; with what makes it.
    """
    if isinstance(golden, Trace):
        return golden, f"the trace of {golden.label}"
    if not Path(golden).exists():
        how = remake or f"googlenet-parity record BACKEND --golden -o {shlex.quote(os.fspath(golden))}"
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


def _found(backend: AnyBackend) -> tuple[str, str]:
    """The name and the ``module:attribute`` of a backend that is to be run.

    Raises:
        OptionError: There is none, or it cannot be found from another process.
    """
    if not isinstance(backend, str):
        module, name = getattr(backend, "__module__", None), getattr(backend, "__qualname__", None)
        if not module or not name or "." in name or module == "__main__":
            raise OptionError(
                f"The backend is {backend!r}. It runs in a process of its own, which finds it by its name: expected a "
                f"class or a function at the top of a module that can be imported, or such a name."
            )
        backend = f"{module}:{name}"
    label, target = find_backend(backend)
    module = target.partition(":")[0]
    if not _exists(module):
        raise OptionError(f"There is no module {module!r}, in which the backend {label!r} should be.")
    return label, target


def _exists(module: str) -> bool:
    """Whether there is a module of that name, found without importing one, which may take a framework along."""
    top, *inner = module.split(".")
    spec = sys.modules[top].__spec__ if top in sys.modules else find_spec(top)
    for part in inner:
        if spec is None or spec.submodule_search_locations is None:
            return False
        spec = PathFinder.find_spec(f"{spec.name}.{part}", spec.submodule_search_locations)
    return spec is not None


def _run(label: str, target: str, options: Options, timeout: float) -> Report:
    """What a run says of one backend.

    Raises:
        MissingFrameworkError: Its framework is not installed.
    """
    with _same_modules():
        report = run(lambda: make_case(options), [Subject(label, target)], timeout=timeout)
    first = report.backends[0].checks[0]
    if first.status is Status.SKIPPED and first.check == "load":
        raise MissingFrameworkError(first.message, label)
    return report


def _recorded(label: str, target: str, options: Options, timeout: float) -> Trace:
    case = make_case(options)
    with _same_modules():
        subject = Subject(label, target)
        return record(case, subject, case.dtypes[0], timeout=timeout)


@contextlib.contextmanager
def _same_modules() -> Iterator[None]:
    """Processes that are started here find the modules that this one finds: pytest, too, puts folders on its path."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def _options(
    weights: AnyWeights,
    images: AnyImages,
    image_size: tuple[int, int] | None,
    batch_size: int | None,
    dtype: str | None,
) -> Options:
    arrays = weights if isinstance(weights, Mapping) else None
    return Options(
        seed=_seed(weights) or 0,
        image_size=image_size,
        batch_size=batch_size,
        images=Path(images) if isinstance(images, (str, os.PathLike)) else images,
        weights=Path(weights) if isinstance(weights, (str, os.PathLike)) else arrays,
        dtypes=DTYPES if dtype is None else (check_dtype(dtype),),
    )


def _seed(weights: AnyWeights) -> int | None:
    return int(weights) if isinstance(weights, (int, np.integer)) else None


def _command(backend: AnyBackend, golden: AnyPath | Trace, trace: Trace) -> str:
    """What makes a golden of these numbers."""
    settings = trace.header["settings"]
    arrays = ARRAYS_NAME in (settings["weights"], settings["images"])
    if arrays or isinstance(golden, Trace) or not isinstance(backend, str) or _stored(backend):
        return "update_golden() of googlenet_parity.testing, with the same arguments"
    _, _, height, width = settings["shape"]
    words = ["googlenet-parity", "record", backend, "-o", os.fspath(golden), "--golden", "--force"]
    words += ["--seed", settings["seed"]] if settings["seed"] is not None else ["--weights", settings["weights"]]
    words += [] if settings["images"] == SAMPLES_NAME else ["--images", settings["images"]]
    words += ["--image-size", height, width, "--batch-size", settings["shape"][0], "--dtype", trace.header["dtype"]]
    return shlex.join(map(str, words))
