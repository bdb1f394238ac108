"""What a comparison finds: measurements of single tensors, checks of a backend, and the report of a run."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from googlenet_np.architecture import GOOGLENET

__all__ = [
    "BackendReport",
    "CheckResult",
    "Definition",
    "Diagnosis",
    "ErrorMap",
    "Measurement",
    "Observation",
    "Report",
    "SourceLine",
    "Status",
    "worst",
]

LOCATING = ("layers float32", "outputs float64", "layer gradients float32")
"""The checks whose first failure says where a fault is, the surest of them first."""


class Status(str, enum.Enum):
    """The verdict of a check, mildest first."""

    PASS = "pass"
    SKIPPED = "skipped"
    """Not done, for the reason given; never counted as a pass."""
    SUSPECT = "suspect"
    """Beyond the bound that holds while roundings are independent, within the one that always holds: a failure."""
    FAIL = "fail"
    ERROR = "error"
    """The backend raised, died or ran out of time."""

    def __str__(self) -> str:
        return self.value

    @property
    def failed(self) -> bool:
        """Whether this is a difference in the numbers."""
        return self in (Status.SUSPECT, Status.FAIL)


def worst(statuses: Iterable[Status]) -> Status:
    """The most severe of ``statuses``; ``skipped`` for none at all."""
    order = list(Status)
    return max(statuses, key=order.index, default=Status.SKIPPED)


@dataclass(frozen=True)
class Measurement:
    """One tensor of a backend set against the reference's.

    Attributes:
        name: The layer's or parameter's canonical name.
        status: ``pass``, ``suspect`` or ``fail``.
        share: The largest error as a share of what is allowed; above 1 fails, infinite for what cannot be compared.
        error: The absolute error at the worst entry.
        limit: What is allowed there.
        index: The worst entry, or None.
        actual: The backend's number there.
        desired: The reference's.
        beyond: The share of entries that are beyond what is allowed.
        message: A sentence, if the tensor cannot be compared number by number.
    """

    name: str
    status: Status
    share: float
    error: float = 0.0
    limit: float = 0.0
    index: tuple[int, ...] | None = None
    actual: float = float("nan")
    desired: float = float("nan")
    beyond: float = 0.0
    message: str = ""

    def sentence(self) -> str:
        """What was found, for a person."""
        if self.message:
            return f"{self.name} {self.message}"
        where = f" at {self.index}" if self.index is not None else ""
        return (
            f"{self.name} uses {self.share:.3g} of what is allowed{where}: {self.actual:.9g} instead of "
            f"{self.desired:.9g}, {self.error:.3g} off where {self.limit:.3g} is allowed; "
            f"{self.beyond:.2%} of its entries are beyond"
        )


@dataclass(frozen=True)
class CheckResult:
    """One check of one backend.

    Attributes:
        check: The check's name.
        status: The verdict.
        message: A sentence; for a failure it names the first tensor in canonical order that fails.
        measurements: In canonical order; empty where nothing was compared.
    """

    check: str
    status: Status
    message: str = ""
    measurements: tuple[Measurement, ...] = ()

    @classmethod
    def of(cls, check: str, measurements: Iterable[Measurement], passed: str = "") -> CheckResult:
        """The result that follows from ``measurements``: the status of the worst, the sentence of the first to fail."""
        measured = tuple(measurements)
        failures = [measurement for measurement in measured if measurement.status is not Status.PASS]
        if not failures:
            return cls(check, Status.PASS, passed, measured)
        more = f" ({len(failures)} of {len(measured)} fail)" if len(failures) > 1 else ""
        status = worst(measurement.status for measurement in failures)
        hint = " No proof: it takes roundings that depend on each other, as degenerate data make them." * (
            status is Status.SUSPECT
        )
        return cls(check, status, f"{failures[0].sentence()}{more}.{hint}", measured)

    @property
    def worst(self) -> Measurement | None:
        """The measurement with the largest share, the first of them."""
        return max(self.measurements, key=lambda measurement: measurement.share, default=None)

    @property
    def first_failure(self) -> Measurement | None:
        """The first measurement in canonical order that does not pass."""
        return next((found for found in self.measurements if found.status is not Status.PASS), None)

    @property
    def layer_shares(self) -> dict[str, float]:
        """The largest share of each layer; a gradient's name is its layer's and a last word more."""
        shares: dict[str, float] = {}
        for found in self.measurements:
            if layer := layer_of(found.name):
                shares[layer] = max(shares.get(layer, 0.0), found.share)
        return shares


def layer_of(tensor: str) -> str:
    """The layer whose output, parameter or gradient a tensor is; empty if it is none's."""
    return next((name for name in (tensor, tensor.rpartition(".")[0]) if name in GOOGLENET.names), "")


@dataclass(frozen=True)
class Diagnosis:
    """What is the matter with one layer.

    Attributes:
        layer: Its canonical name.
        explanations: Every known difference that gives the backend's numbers; none, one or several.
        pattern: Where the error is.
    """

    layer: str
    explanations: tuple[str, ...]
    pattern: str

    def sentence(self) -> str:
        """For a person."""
        if not self.explanations:
            return f"{self.layer}: no known difference explains the numbers; {self.pattern}."
        return f"{self.layer}: explained by {'; or by '.join(self.explanations)} ({self.pattern})."


@dataclass(frozen=True)
class ErrorMap:
    """Where in one tensor the error is, small enough to be drawn.

    Attributes:
        tensor: A layer's canonical name, or that of one of its gradients.
        bounded: Whether the numbers are shares of what is allowed; otherwise nothing is, and they are absolute errors.
        size: Height and width of the tensor; None if it has none, as behind the global pool.
        pixels: The largest number at each place over all others with it, row by row; of a large tensor, in squares.
        channels: The largest of each channel.
    """

    tensor: str
    bounded: bool
    size: tuple[int, int] | None
    pixels: tuple[tuple[float, ...], ...]
    channels: tuple[float, ...]


@dataclass(frozen=True)
class SourceLine:
    """A line of a file, and whether it is one of those that matter."""

    number: int
    text: str
    marked: bool = False


@dataclass(frozen=True)
class Definition:
    """The lines of a backend's own source that make one layer.

    Attributes:
        layer: Its canonical name.
        file: The module as a path, from its package on.
        lines: In order; where numbers are missing, lines were left out.
    """

    layer: str
    file: str
    lines: tuple[SourceLine, ...]


@dataclass(frozen=True)
class Observation:
    """Numbers that are worth a look and decide nothing.

    Attributes:
        name: What was looked at.
        message: What is to be seen, in a sentence.
        values: By tensor.
    """

    name: str
    message: str
    values: dict[str, float] = field(default_factory=dict)

    @property
    def worst(self) -> str:
        """The tensor with the largest value, the first of them."""
        return max(self.values, key=lambda name: self.values[name])


@dataclass(frozen=True)
class BackendReport:
    """One backend in one run.

    Attributes:
        name: The backend's name.
        versions: As the backend tells them; empty if it could not be loaded.
        checks: In the order in which they are made.
        seconds: From the start of its process to its last answer.
        diagnosis: What is the matter with the first layer that fails by itself, if one does.
        observations: What is shown and decides nothing.
        losses: Of each step of training, if it was trained.
        error_map: Where the error is in the tensor that fails first.
        definition: How the backend defines that tensor's layer, if it is one whose definition can be found.
    """

    name: str
    versions: dict[str, str]
    checks: tuple[CheckResult, ...]
    seconds: float = 0.0
    diagnosis: Diagnosis | None = None
    observations: tuple[Observation, ...] = ()
    losses: tuple[float, ...] = ()
    error_map: ErrorMap | None = None
    definition: Definition | None = None

    @property
    def status(self) -> Status:
        """The most severe status of its checks; a check that was skipped leaves a pass a pass."""
        done = [check.status for check in self.checks if check.status is not Status.SKIPPED]
        return worst(done)

    @property
    def skips(self) -> str:
        """How many checks it was spared, in brackets: a pass should not look like more than it is."""
        skipped = sum(check.status is Status.SKIPPED for check in self.checks)
        return f" ({skipped} of {len(self.checks)} checks skipped)" if skipped else ""

    @property
    def located(self) -> tuple[CheckResult, Measurement] | None:
        """The failure that says most surely where a fault is, and its check; None if no tensor fails."""
        return locate(self.checks)

    def find(self, check: str) -> CheckResult | None:
        """The check of that name, if it was to be made."""
        return next((result for result in self.checks if result.check == check), None)

    def __getitem__(self, check: str) -> CheckResult:
        return next(result for result in self.checks if result.check == check)


def locate(checks: Iterable[CheckResult]) -> tuple[CheckResult, Measurement] | None:
    """The first failure of the checks in :data:`LOCATING`, else of any other, and its check."""
    made = list(checks)
    first = [check for name in LOCATING for check in made if check.check == name]
    return next(((check, failure) for check in first + made if (failure := check.first_failure) is not None), None)


def faulty_layer(check: CheckResult, failure: Measurement) -> str:
    """The layer that a failure of this check lays the fault to; empty if it is none's.

    A weight that is off after some steps of training is no fault of its layer's: every layer has a part in each step.
    """
    return "" if check.check.startswith("training") else layer_of(failure.name)


@dataclass(frozen=True)
class Report:
    """A whole run.

    Attributes:
        backends: In the order in which they were asked for.
        settings: What was run: images, sizes, seed, weights.
        environment: Where it was run: Python, NumPy, platform, processor.
        losses: The reference's of each step of training, if there was one.
        loss_floor: How far float32 may take each of them; none in float64.
    """

    backends: tuple[BackendReport, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    losses: tuple[float, ...] = ()
    loss_floor: tuple[float, ...] = ()

    @property
    def status(self) -> Status:
        """The most severe status of its backends, missing ones aside; ``skipped`` if none was judged."""
        return worst(backend.status for backend in self.backends if backend.status is not Status.SKIPPED)

    @property
    def skipped(self) -> tuple[str, ...]:
        """Every check that was not made, after its backend's name."""
        return tuple(
            f"{backend.name}: {check.check}"
            for backend in self.backends
            for check in backend.checks
            if check.status is Status.SKIPPED
        )

    @property
    def observed(self) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
        """What is shown and decides nothing, of several backends together: name, message, and each one's number."""
        lines: dict[tuple[str, str], list[str]] = {}
        for backend in self.backends:
            for seen in backend.observations:
                value = f"{seen.values[seen.worst]:.1e} ({backend.name}, {seen.worst})"
                lines.setdefault((seen.name, seen.message), []).append(value)
        return tuple((*what, tuple(values)) for what, values in lines.items())

    @property
    def verdict(self) -> tuple[Status, str]:
        """The last word on the run, and the sentence behind it."""
        judged = tuple(backend for backend in self.backends if backend.status is not Status.SKIPPED)
        if self.status is Status.PASS:
            names = ", ".join(backend.name + backend.skips for backend in judged)
            return Status.PASS, f"{names} – the same GoogLeNet as the float64 reference."
        if judged:
            passed = sum(backend.status is Status.PASS for backend in judged)
            return self.status, f"{passed} of {len(judged)} judged backends pass."
        if any(backend.versions for backend in self.backends):
            return Status.ERROR, "nothing could be judged: every check was skipped."
        return Status.ERROR, "no backend is installed: pip install 'googlenet-parity[torch]', [tf] or [mx]."

    @property
    def exit_code(self) -> int:
        """0: every backend that was judged passes. 1: one fails. 2: one could not be judged, or there was none."""
        if self.status is Status.PASS:
            return 0
        return 1 if self.status.failed else 2
