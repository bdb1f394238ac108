"""The comparer put to the test by faults: of each in the catalogue, was it caught, located and named?

Run as ``python -m parity_tests.proof.fault_report``. Every fault goes through a real run, in a process of its own.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from googlenet_np import GOOGLENET, init_weights, sample_images
from netparity.network.contract import DType, Hyperparameters
from netparity.runs.case import Case
from netparity.runs.side_by_side import run
from netparity.verdict.findings import TRAINING, Check, CheckKind, Status
from netparity.verdict.report import BackendReport
from netparity.verdict.training_truth import Steps
from netparity.workers.backends import Subject
from parity_tests.proof.faults import FAULTS, Fault
from parity_tests.proof.soundness import installed

__all__ = ["Outcome", "batches", "judge", "main"]

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


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; gives its exit code: 0 where all is as the catalogue says, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m parity_tests.proof.fault_report", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("words", nargs="*", help="only faults whose name holds one of these words (default: all)")
    options = parser.parse_args(arguments)
    console = Console(highlight=False, soft_wrap=True)
    start = time.monotonic()
    present = ["numpy", *installed()]
    chosen = [fault for fault in FAULTS if not options.words or any(word in fault.name for word in options.words)]
    faults = [fault for fault in chosen if fault.framework in present]
    outcomes: list[Outcome] = []
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("faults", total=len(faults))
        for batch in batches(faults):
            for outcome in judge(batch):
                outcomes.append(outcome)
                mark = "[green]ok [/]" if outcome.as_catalogued else "[bold red]BAD[/]"
                console.print(f"{mark} {escape(outcome.sentence())}")
                progress.advance(task)
    _print_counts(console, outcomes, len(chosen) - len(faults))
    console.print(f"{time.monotonic() - start:.0f} s")
    return 0 if all(outcome.as_catalogued for outcome in outcomes) else 1


def _print_counts(console: Console, outcomes: Sequence[Outcome], left_out: int) -> None:
    known = [outcome for outcome in outcomes if outcome.fault.cause is not None]
    several = sum(outcome.named and len(outcome.explanations) > 1 for outcome in known)
    console.print(
        f"\n{len(outcomes)} faults, {sum(outcome.fault.framework != 'numpy' for outcome in outcomes)} of them made in "
        f"real frameworks{f'; {left_out} left out, whose framework is not installed' if left_out else ''}\n"
        f"caught   {sum(outcome.caught for outcome in outcomes)} of {len(outcomes)}\n"
        f"located  {sum(outcome.located for outcome in outcomes)} of {len(outcomes)}\n"
        f"named    {sum(outcome.named for outcome in known)} of {len(known)} with a known cause "
        f"({several} of them beside others that give the same numbers)\n"
        f"misnamed {sum(outcome.misnamed for outcome in outcomes)} of {len(outcomes)}"
    )


if __name__ == "__main__":
    sys.exit(main())
