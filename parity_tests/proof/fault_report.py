"""The comparer put to the test by faults: of each in the catalogue, was it caught, located and named?

Every fault goes through a real run, in a process of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from googlenet_np import GOOGLENET, init_weights, sample_images
from netparity.network.contract import DType, Hyperparameters
from netparity.runs.case import Case
from netparity.runs.side_by_side import run
from netparity.verdict.findings import TRAINING, Check, CheckKind, Status
from netparity.verdict.report import BackendReport
from netparity.verdict.training_truth import Steps
from netparity.workers.backends import Subject
from parity_tests.proof.faults import FAULTS, Fault

__all__ = ["Outcome", "batches", "judge"]

BATCH = 15
"""Faults judged side by side. They share one reference, which takes as long as judging half a dozen of them."""

LOCAL_FIRST = (
    CheckKind.WEIGHTS,
    CheckKind.LAYERS,
    CheckKind.LAYER_GRADIENTS,
    CheckKind.SHAPES,
    CheckKind.OUTPUTS,
    CheckKind.GRADIENTS,
    CheckKind.PREDICTION,
    CheckKind.END_TO_END,
    CheckKind.TRAINING,
)
"""The checks in the order in which they say where a fault is: those of one tensor or one layer alone come first."""


@dataclass(frozen=True)
class Outcome:
    """What was reported of one fault."""

    fault: Fault
    report: BackendReport

    @property
    def caught(self) -> bool:
        """Whether any check failed; one that merely could not be made catches nothing."""
        return any(check.status.failed for check in self.report.checks)

    @property
    def location(self) -> tuple[Check, str, Status] | None:
        """The first check that fails, the first tensor that fails in it, and how."""
        failed = [check for check in self.report.checks if check.status.failed]
        for check in sorted(failed, key=lambda check: LOCAL_FIRST.index(check.check.kind)):
            if found := check.first_failure:
                return check.check, found.name, found.status
        return None

    @property
    def located(self) -> bool:
        """Whether it is where the catalogue says, and a proof unless the catalogue says otherwise."""
        allowed = [Status.FAIL] + [Status.SUSPECT] * self.fault.suspect
        return self.location in [(self.fault.check, self.fault.place, status) for status in allowed]

    @property
    def explanations(self) -> tuple[str, ...]:
        """What the diagnosis names."""
        return self.report.diagnosis.explanations if self.report.diagnosis else ()

    @property
    def named(self) -> bool:
        """Whether the diagnosis names the cause, perhaps with others that explain the numbers as well."""
        return self.fault.cause is not None and any(self.fault.cause in words for words in self.explanations)

    @property
    def misnamed(self) -> bool:
        """Whether the diagnosis names something else only."""
        return bool(self.explanations) and not self.named

    @property
    def as_catalogued(self) -> bool:
        """Whether all is as the catalogue says."""
        return self.caught and self.located and self.named == (self.fault.cause is not None) and not self.misnamed

    def sentence(self) -> str:
        """What was reported, for a person."""
        if self.location is None:
            return f"{self.fault.name}: not caught"
        check, place, status = self.location
        return f"{self.fault.name}: {check} – {status} at {place}; {'; or '.join(self.explanations) or 'no name'}"


def batches(faults: Sequence[Fault] = FAULTS) -> list[tuple[Fault, ...]]:
    """Faults that are judged side by side: of one framework, and in the same precisions."""
    kinds: dict[tuple[str, tuple[DType, ...]], list[Fault]] = {}
    for fault in faults:
        kinds.setdefault((fault.framework, fault.dtypes), []).append(fault)
    return [tuple(kind[start : start + BATCH]) for kind in kinds.values() for start in range(0, len(kind), BATCH)]


def judge(batch: Sequence[Fault]) -> Iterator[Outcome]:
    """What a run reports of faults of one batch."""

    def make_case() -> Case:
        # Even sizes, at which "same" pads asymmetrically, and three channels, to be reversed.
        images, labels = sample_images(3, image_size=(40, 56), in_channels=3)
        weights = init_weights(0, in_channels=3)
        if batch[0].check == TRAINING:
            return Case(GOOGLENET, weights, images, labels, (), training=_steps())
        return Case(GOOGLENET, weights, images, labels, batch[0].dtypes)

    report = run(make_case, [Subject(fault.name, fault.target, required=True) for fault in batch])
    for fault, backend in zip(batch, report.backends, strict=True):
        yield Outcome(fault, backend)


def _steps() -> Steps:
    """Four steps with every hyperparameter at work; four images each, by which a division is exact."""
    images, labels = sample_images(16, image_size=(24, 32), in_channels=3)
    batches = [(images[start : start + 4], labels[start : start + 4]) for start in range(0, 16, 4)]
    return Steps(batches, Hyperparameters(momentum=0.9, weight_decay=0.01, label_smoothing=0.1))
