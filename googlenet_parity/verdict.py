"""What a comparison finds: measurements of single tensors, checks of a backend, and the report of a run."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["BackendReport", "CheckResult", "Diagnosis", "Measurement", "Observation", "Report", "Status", "worst"]


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
    """

    name: str
    versions: dict[str, str]
    checks: tuple[CheckResult, ...]
    seconds: float = 0.0
    diagnosis: Diagnosis | None = None
    observations: tuple[Observation, ...] = ()
    losses: tuple[float, ...] = ()

    @property
    def status(self) -> Status:
        """The most severe status of its checks; a check that was skipped leaves a pass a pass."""
        done = [check.status for check in self.checks if check.status is not Status.SKIPPED]
        return worst(done)

    def __getitem__(self, check: str) -> CheckResult:
        return next(result for result in self.checks if result.check == check)


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
    def exit_code(self) -> int:
        """0: every backend that was judged passes. 1: one fails. 2: one could not be judged, or there was none."""
        if self.status is Status.PASS:
            return 0
        return 1 if self.status.failed else 2
