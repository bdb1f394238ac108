"""Who takes part in a benchmark: every way that a backend names, and the engines that run what a backend exports."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from netparity.bench.engines import ENGINES
from netparity.bench.processes import Processes
from netparity.network.contract import Array
from netparity.network.errors import OptionError
from netparity.verdict.findings import Status
from netparity.workers.backends import Subject, choose
from netparity.workers.client import Worker
from netparity.workers.replies import AbilityError, BackendError, MissingBackendError

NO_EXPORT = "no backend here writes ONNX"


@dataclass(frozen=True)
class Entrant:
    """A way that is to be measured, or why it cannot be.

    Attributes:
        subject: The backend or the engine that has it.
        version: Version of its framework.
        way: As the backend names it.
        onnx: What an engine reads; None for a backend, which gets the weights.
        status: ``pass`` for one that can be measured.
        message: Why it cannot.
    """

    subject: Subject
    version: str = ""
    way: str = ""
    onnx: Path | None = None
    status: Status = Status.PASS
    message: str = ""

    @property
    def label(self) -> str:
        """Its name in messages."""
        return f"{self.subject.name} {self.way}".strip()


@dataclass(frozen=True)
class Ways:
    """The ways of a backend to the logits and in training, or one entrant in each that says why it has none.

    Where its network was asked for as ONNX and can be written, ``onnx`` is that file.
    """

    forward: tuple[Entrant, ...]
    training: tuple[Entrant, ...]
    onnx: Path | None = None


def find_ways(
    subjects: Sequence[Subject],
    weights: Mapping[str, Array],
    processes: Processes,
    *,
    only: Sequence[str],
    export: bool,
    tell: Callable[[str], None],
) -> list[Ways]:
    """Asks each backend for its ways, in processes that are not measured.

    Args:
        weights: A canonical set.
        only: The names of the ways that are wanted; none for all.
        export: Whether networks are wanted as ONNX, too.
        tell: Is called with a sentence before each backend is asked.

    Raises:
        OptionError: No backend has a way of a name in ``only``.
    """
    found = []
    for subject in subjects:
        tell(f"{subject.name}: which ways?")
        found.append(_ways(subject, weights, processes, export=export))
    known = dict.fromkeys(each.way for ways in found for each in (*ways.forward, *ways.training) if each.way)
    if known and (unknown := [way for way in only if way not in known]):
        raise OptionError(f"No backend has a way named {unknown[0]!r}; known here: {', '.join(known)}.")

    def wanted(entrants: tuple[Entrant, ...]) -> tuple[Entrant, ...]:
        return tuple(each for each in entrants if not (only and each.way) or each.way in only)

    return [replace(ways, forward=wanted(ways.forward), training=wanted(ways.training)) for ways in found]


def find_engines(
    subjects: Sequence[Subject], found: Sequence[Ways], weights: Mapping[str, Array], processes: Processes
) -> Iterator[Entrant]:
    """The engines, which run what one of these backends has exported, or else the first other one that can."""
    asked = {subject.target for subject in subjects}
    others = (_ways(each, weights, processes, export=True) for each in choose(()) if each.target not in asked)
    onnx = next((ways.onnx for source in (found, others) for ways in source if ways.onnx), None)
    for engine in ENGINES:
        entrant = Entrant(engine, way="predict", onnx=onnx)
        try:
            with processes.start(engine, engine.name) as worker:
                entrant = replace(entrant, version=_version(worker, processes))
            if onnx is None:
                entrant = replace(entrant, status=Status.SKIPPED, message=f"{engine.name}: {NO_EXPORT}.")
        except BackendError as error:
            entrant = replace(entrant, status=status_of(error), message=str(error))
        yield entrant


def status_of(error: BackendError) -> Status:
    """The status of a way that raised: ``skipped`` for what is not there, ``error`` for all else."""
    return Status.SKIPPED if isinstance(error, AbilityError | MissingBackendError) else Status.ERROR


def _ways(subject: Subject, weights: Mapping[str, Array], processes: Processes, *, export: bool) -> Ways:
    try:
        with processes.start(subject, subject.name) as worker:
            version = _version(worker, processes)
            processes.ask(worker, worker.call("build", weights, dtype="float32"))
            names = processes.ask(worker, worker.call("ways")).values
            onnx = _exported(worker, processes) if export else None
    except BackendError as error:
        missing = isinstance(error, MissingBackendError) and not subject.required
        status = Status.SKIPPED if missing else Status.ERROR
        nothing = (Entrant(subject, status=status, message=str(error)),)
        return Ways(nothing, nothing)
    forward, training = (
        tuple(Entrant(subject, version, way) for way in names[kind]) for kind in ("forward", "training")
    )
    return Ways(forward, training, onnx)


def _version(worker: Worker, processes: Processes) -> str:
    versions: Mapping[str, str] = processes.ask(worker, worker.loaded).values["versions"]
    return next(iter(versions.values()), "")


def _exported(worker: Worker, processes: Processes) -> Path | None:
    path = Path(tempfile.mkdtemp(dir=processes.folder), "network.onnx")
    try:
        processes.ask(worker, worker.call("export_onnx", path=str(path)))
    except BackendError:  # another one may
        return None
    return path
