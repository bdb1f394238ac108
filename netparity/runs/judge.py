"""Judging backends from Python: in this process, or each in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import Any

from netparity.network.contract import DTYPES, Array, Backend
from netparity.network.errors import OptionError
from netparity.network.registered import RegisteredNetwork
from netparity.runs import side_by_side
from netparity.runs.case import AnyPath, Options, make_case
from netparity.system.progress import ProgressListener
from netparity.verdict.report import Report
from netparity.workers.backends import Subject, find_backend, find_maker
from netparity.workers.in_process import InProcess
from netparity.workers.interpreters import same_import_path

Maker = str | Callable[[], Any]


def judge(
    subjects: Maker | Backend | Sequence[Maker | Backend],
    images: AnyPath | Array | None = None,
    *,
    labels: Array | None = None,
    weights: AnyPath | Mapping[str, Array] | None = None,
    network: str | RegisteredNetwork | None = None,
    image_size: tuple[int, int] | None = None,
    batch_size: int | None = None,
    dtypes: Sequence[str] = DTYPES,
    seed: int = 0,
) -> Report:
    """Judges backends in this process, one after the other: in a notebook, in a debugger, in a test.

    The verdict is that of :func:`run`. What a backend raises is an error of its check; a backend that ends the process
    ends this one.

    Args:
        subjects: One backend or several: a registered name (``torch``), ``module:attribute``,
            ``name=module:attribute``, a class or a function that makes a backend, or a backend itself.
        images: A ``.npy`` file, a folder of image files, or an array (N, C, H, W); by default the network's samples.
        labels: A class for each image, (N,); by default those of the samples, or one class after the other.
        weights: Canonical weights, or a file of them; by default the network's initial weights.
        network: A registered network or its name; by default the one that is meant where none is named.
        image_size: Height and width; by default the network's, or the images' own.
        batch_size: How many of the images; by default all.
        dtypes: The precisions, ``float32`` and ``float64``.
        seed: Seed of the initial weights.

    Raises:
        NetparityError: There is no such backend, network or file, or the options do not fit each other.

    Examples:
        >>> import netparity
        >>> report = netparity.judge("torch")
        >>> report.backends[0]["layers float32"].status
        <Status.PASS: 'pass'>
    """
    found = [_local(subject) for subject in _several(subjects)]
    options = Options(
        seed,
        image_size,
        batch_size=batch_size,
        images=images,
        weights=weights,
        dtypes=dtypes,
        labels=labels,
        network=network,
    )
    case = make_case(options)
    backends = [InProcess(subject.name, make) for subject, make in found]
    return side_by_side.judge_case(case, [subject for subject, _ in found], backends, in_threads=False)


def run(
    subjects: Maker | Sequence[Maker],
    images: AnyPath | Array | None = None,
    *,
    labels: Array | None = None,
    weights: AnyPath | Mapping[str, Array] | None = None,
    network: str | RegisteredNetwork | None = None,
    image_size: tuple[int, int] | None = None,
    batch_size: int | None = None,
    dtypes: Sequence[str] = DTYPES,
    seed: int = 0,
    timeout: float = 600.0,
    memory_limit: int | None = None,
    listener: ProgressListener | None = None,
) -> Report:
    """Judges backends side by side, each in a process of its own, which finds the modules that this one finds.

    Args:
        subjects: One backend or several: a registered name (``torch``), ``module:attribute``,
            ``name=module:attribute``, or a class or a function at the top of a module.
        images, labels, weights, network, image_size, batch_size, dtypes, seed: As in :func:`judge`.
        timeout: Seconds that a process may take.
        memory_limit: Bytes of address space that it may use; None for no limit.
        listener: Hears of each answer; its task is the backend's name.

    Raises:
        NetparityError: There is no such backend, network or file, or the options do not fit each other.
    """
    found = [Subject(*find_maker(subject), required=True) for subject in _several(subjects)]
    options = Options(
        seed,
        image_size,
        batch_size=batch_size,
        images=images,
        weights=weights,
        dtypes=dtypes,
        labels=labels,
        network=network,
    )
    with same_import_path():
        return side_by_side.run(
            partial(make_case, options), found, timeout=timeout, memory_limit=memory_limit, listener=listener
        )


def _several(subjects: Any) -> list[Any]:
    return list(subjects) if isinstance(subjects, (list, tuple)) else [subjects]


def _local(subject: Maker | Backend) -> tuple[Subject, Callable[[], Any]]:
    """A backend that is to be judged in this process, and what makes it."""
    if isinstance(subject, str):
        name, target = find_backend(subject)
        return Subject(name, target, required=True), partial(_made, *target.split(":", 1))
    if not isinstance(subject, type) and hasattr(subject, "build"):
        name = str(getattr(subject, "name", type(subject).__name__))
        return Subject(name, "", required=True), lambda: subject
    if callable(subject):
        name = getattr(subject, "__qualname__", type(subject).__name__)
        return Subject(f"{subject.__module__}.{name}", "", required=True), subject
    raise OptionError(
        f"The backend is {subject!r}; expected a name, module:attribute, a class or a function that makes one, "
        f"or an object that keeps the contract netparity.Backend."
    )


def _made(module: str, attribute: str) -> Any:
    return getattr(import_module(module), attribute)()
