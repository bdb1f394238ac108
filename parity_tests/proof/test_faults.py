"""Faults, injected: each is caught, at its place, by its name. The catalogue is :mod:`parity_tests.proof.faults`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from netparity.verdict.findings import LAYERS, Status
from parity_tests.proof.fault_report import batches, judge
from parity_tests.proof.faults import FAULTS, Fault
from parity_tests.support.backends import require

FAULT = next(fault for fault in FAULTS if fault.name == "b1.conv: bias missing")


@pytest.mark.proof
@pytest.mark.parametrize("batch", batches(), ids=lambda batch: f"{batch[0].name} … {batch[-1].name}")
def test_faults(batch: Sequence[Fault], record_property: Callable[[str, object], None]) -> None:
    if batch[0].framework != "numpy":
        require(batch[0].framework)
    outcomes = list(judge(batch))
    known = [outcome for outcome in outcomes if outcome.fault.cause is not None]
    record_property("faults", len(outcomes))
    record_property("in real frameworks", len(outcomes) * (batch[0].framework != "numpy"))
    record_property("caught", sum(outcome.caught for outcome in outcomes))
    record_property("located", sum(outcome.located for outcome in outcomes))
    record_property("with a known cause", len(known))
    record_property("named", sum(outcome.named for outcome in known))
    record_property("named beside others", sum(outcome.named and len(outcome.explanations) > 1 for outcome in known))
    record_property("misnamed", sum(outcome.misnamed for outcome in outcomes))
    assert [outcome.sentence() for outcome in outcomes if not outcome.as_catalogued] == []


@pytest.mark.exhaustive
def test_one_fault_in_each_framework() -> None:
    chosen = [fault for fault in FAULTS if fault.name in ("torch: WithoutReLU", "tf: SamePadding", "mx: ForeignKernel")]
    for fault in chosen:
        require(fault.framework)
    assert [outcome.sentence() for outcome in judge(chosen) if not outcome.as_catalogued] == []
    assert len(chosen) == 3


def test_there_are_as_many_as_are_promised() -> None:
    counts = Counter(fault.framework for fault in FAULTS)
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 60
    assert sum(counts[name] for name in ("torch", "tf", "mx")) >= 10
    assert min(counts[name] for name in ("torch", "tf", "mx")) >= 3


@pytest.mark.exhaustive
def test_no_fault_is_no_catch() -> None:
    """The report of the faults can itself tell a fault from none, and one place, name or proof from another."""
    none, elsewhere, otherwise, nameless, there = judge(
        [
            replace(FAULT, name="none", backend="parity_tests.support.numpy_backend:Backend"),
            replace(FAULT, place="b2.conv2"),
            replace(FAULT, cause="ReLU missing"),
            replace(FAULT, cause=None),
            FAULT,
        ]
    )
    assert (none.caught, none.located, none.named, none.misnamed) == (False, False, False, False)
    assert (elsewhere.caught, elsewhere.located, elsewhere.named) == (True, False, True)
    assert (otherwise.located, otherwise.named, otherwise.misnamed) == (True, False, True)
    assert nameless.misnamed
    assert not any(outcome.as_catalogued for outcome in (none, elsewhere, otherwise, nameless))
    assert there.as_catalogued
    assert there.location == (LAYERS, "b1.conv", Status.FAIL)
