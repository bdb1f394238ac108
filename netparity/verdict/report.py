"""What a comparison reports: each backend's checks with what is the matter, and the whole run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from netparity.network.frameworks import FRAMEWORKS, how_to_install
from netparity.network.network import Network
from netparity.network.settings import CaseSettings
from netparity.verdict.findings import (
    LAYER_GRADIENTS,
    LAYERS,
    OUTPUTS,
    Check,
    CheckKind,
    CheckResult,
    Measurement,
    Status,
    worst,
)

LOCATING = (LAYERS, OUTPUTS, LAYER_GRADIENTS)
"""The checks whose first failure says where a fault is, the surest of them first."""

DIAGNOSED = (LAYERS, OUTPUTS)
"""The checks whose first failure is looked into, in their own precision."""


@dataclass(frozen=True)
class Diagnosis:
    """What is the matter with one layer.

    Attributes:
        explanations: Every known difference that gives the backend's numbers; none, one or several.
        pattern: Where the error is.
    """

    layer: str
    explanations: tuple[str, ...]
    pattern: str

    def sentence(self) -> str:
        """The diagnosis in a sentence."""
        if not self.explanations:
            return f"{self.layer}: no known difference explains the numbers; {self.pattern}."
        return f"{self.layer}: explained by {'; or by '.join(self.explanations)} ({self.pattern})."


@dataclass(frozen=True)
class ErrorMap:
    """Where in one tensor the error is, small enough to be drawn.

    Attributes:
        tensor: A layer's canonical name, or that of one of its gradients.
        bounded: Whether the numbers are shares of what is allowed; otherwise nothing is, and they are absolute errors.
        size: Height and width of the tensor; None if it has none, as after the global pool.
        pixels: The largest number at each place over all others with it, row by row; of a large tensor, in squares.
        channels: The largest of each channel.
    """

    tensor: str
    bounded: bool
    size: tuple[int, int] | None
    pixels: tuple[tuple[float, ...], ...]
    channels: tuple[float, ...]


@dataclass(frozen=True)
class Observation:
    """Numbers that are worth a look and decide nothing.

    Attributes:
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
        versions: As the backend tells them; empty if it could not be loaded.
        checks: In the order in which they are made.
        seconds: How long it was at work, its start included; in this process, the time of its calls.
        diagnosis: What is the matter with the first layer that fails by itself, if one does.
        observations: What is shown and not judged.
        losses: The loss of each step of training; empty if it was not trained.
        error_map: Where the error is in the tensor that fails first.
    """

    name: str
    versions: dict[str, str]
    checks: tuple[CheckResult, ...]
    seconds: float = 0.0
    diagnosis: Diagnosis | None = None
    observations: tuple[Observation, ...] = ()
    losses: tuple[float, ...] = ()
    error_map: ErrorMap | None = None

    @property
    def status(self) -> Status:
        """The most severe status of its checks; a check that was skipped leaves a pass a pass."""
        return worst([check.status for check in self.checks if check.status is not Status.SKIPPED])

    @property
    def skips(self) -> str:
        """How many checks it was spared, in brackets: a pass should not look like more than it is."""
        skipped = sum(check.status is Status.SKIPPED for check in self.checks)
        return f" ({skipped} of {len(self.checks)} checks skipped)" if skipped else ""

    def find(self, check: Check) -> CheckResult | None:
        """What became of a check; None if it was not to be made."""
        return next((result for result in self.checks if result.check == check), None)

    def __getitem__(self, check: Check | str) -> CheckResult:
        """What became of a check, which may be named as in the table: ``report["layers float32"]``.

        Raises:
            KeyError: It was not to be made.
        """
        for result in self.checks:
            if check in (result.check, str(result.check)):
                return result
        raise KeyError(str(check))


def locate(checks: Sequence[CheckResult]) -> tuple[CheckResult, Measurement] | None:
    """The failure that says most surely where a fault is, and its check; None if no tensor fails."""
    first = [check for name in LOCATING for check in checks if check.check == name]
    return next(((check, failure) for check in [*first, *checks] if (failure := check.first_failure) is not None), None)


def faulty_layer(network: Network, check: CheckResult, failure: Measurement) -> str:
    """The layer that a failure of this check lays the fault to; empty if it belongs to no layer.

    A weight that is off after some steps of training is no fault of its layer's: every layer has a part in each step.
    """
    return "" if check.check.kind is CheckKind.TRAINING else network.layer_of(failure.name)


@dataclass(frozen=True)
class Report:
    """A whole run.

    Attributes:
        network: The network that was judged.
        backends: In the order in which they were asked for.
        settings: What was run.
        environment: Where it was run: Python, NumPy, platform, processor.
        losses: The reference's loss of each step of training; empty if there was none.
        loss_floor: How far float32 may take each of them; none in float64.
    """

    network: Network
    backends: tuple[BackendReport, ...]
    settings: CaseSettings
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
        """What is shown and not judged, of several backends together: name, message, and each one's number."""
        lines: dict[tuple[str, str], list[str]] = {}
        for backend in self.backends:
            for seen in backend.observations:
                value = f"{seen.values[seen.worst]:.1e} ({backend.name}, {seen.worst})"
                lines.setdefault((seen.name, seen.message), []).append(value)
        return tuple((*what, tuple(values)) for what, values in lines.items())

    @property
    def verdict(self) -> tuple[Status, str]:
        """The verdict on the run, and a sentence that gives its reason."""
        judged = tuple(backend for backend in self.backends if backend.status is not Status.SKIPPED)
        if self.status is Status.PASS:
            names = ", ".join(backend.name + backend.skips for backend in judged)
            return Status.PASS, f"{names} – the same {self.network.name} as the float64 reference."
        if judged:
            passed = sum(backend.status is Status.PASS for backend in judged)
            return self.status, f"{passed} of {len(judged)} judged backends pass."
        if any(backend.versions for backend in self.backends):
            return Status.ERROR, "nothing could be judged: every check was skipped."
        first, *others, last = FRAMEWORKS
        extras = f"{how_to_install(first)}, {', '.join(f'[{extra}]' for extra in others)} or [{last}]"
        return Status.ERROR, f"no backend is installed: {extras}."

    @property
    def exit_code(self) -> int:
        """0: every backend that was judged passes. 1: one fails. 2: one could not be judged, or there was none."""
        if self.status is Status.PASS:
            return 0
        return 1 if self.status.failed else 2
