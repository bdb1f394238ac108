"""What a comparison finds: measurements of single tensors, and checks."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from netparity.network.contract import DType
from netparity.network.network import Network


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


class CheckKind(str, enum.Enum):
    """What is checked of a backend."""

    LOAD = "load"
    """That it can be imported."""
    ABILITIES = "abilities"
    """That it can compute anything at all."""
    WEIGHTS = "weights"
    """The weights that went in come out."""
    SHAPES = "shapes"
    """Every named activation has the right name, place, shape and dtype."""
    OUTPUTS = "outputs"
    """Every named activation, end to end in float64."""
    GRADIENTS = "gradients"
    """Loss and gradients, end to end in float64."""
    LAYERS = "layers"
    """Each layer alone, forward, on the reference's own input."""
    LAYER_GRADIENTS = "layer gradients"
    """Each layer alone, backward, on the reference's own input."""
    END_TO_END = "end to end"
    """Every named activation, end to end in float32."""
    PREDICTION = "prediction"
    """The logits of the fast path."""
    TRAINING = "training"
    """Some steps of training."""
    ANSWER = "answer"
    """What a way of a backend gives in a benchmark."""

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Check:
    """One check: what is checked, and in which precision, if it has one."""

    kind: CheckKind
    dtype: DType | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.dtype}" if self.dtype else str(self.kind)


LAYERS = Check(CheckKind.LAYERS, "float32")
LAYER_GRADIENTS = Check(CheckKind.LAYER_GRADIENTS, "float32")
END_TO_END = Check(CheckKind.END_TO_END, "float32")
OUTPUTS = Check(CheckKind.OUTPUTS, "float64")
GRADIENTS = Check(CheckKind.GRADIENTS, "float64")
TRAINING = Check(CheckKind.TRAINING, "float64")


@dataclass(frozen=True)
class Measurement:
    """One tensor of a backend set against the reference's.

    Attributes:
        name: The layer's or parameter's canonical name.
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
        message: A sentence; for a failure it names the first tensor in canonical order that fails.
        measurements: In canonical order; empty where nothing was compared.
    """

    check: Check
    status: Status
    message: str = ""
    measurements: tuple[Measurement, ...] = ()

    @classmethod
    def of(cls, check: Check, measurements: Iterable[Measurement], passed: str = "") -> CheckResult:
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

    def layer_shares(self, network: Network) -> dict[str, float]:
        """The largest share of each layer of the network, its output's, its parameters' and its gradients' together."""
        shares: dict[str, float] = {}
        for found in self.measurements:
            if layer := network.layer_of(found.name):
                shares[layer] = max(shares.get(layer, 0.0), found.share)
        return shares
