"""One backend in one run: everything that is reported of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from netparity.runs.answers import judge_abilities, judge_answers
from netparity.runs.calls import BackendCalls
from netparity.runs.faults import explain_failure, map_failure
from netparity.runs.truths import Truths
from netparity.verdict import checks
from netparity.verdict.findings import Check, CheckKind, CheckResult, Status
from netparity.verdict.report import BackendReport, Observation
from netparity.workers.backends import Subject
from netparity.workers.replies import BackendError, MissingBackendError


def report_backend(subject: Subject, calls: BackendCalls, truths: Truths) -> BackendReport:
    """The verdict on all of a backend's answers, which are dropped afterwards; each is judged when it has come."""
    versions: dict[str, str] = {}
    load = Check(CheckKind.LOAD)
    try:
        versions = calls.reply("load").values["versions"]
    except MissingBackendError as error:
        results = [CheckResult(load, Status.ERROR if subject.required else Status.SKIPPED, str(error))]
    except BackendError as error:
        results = [CheckResult(load, Status.ERROR, str(error))]
    else:
        results = judge_answers(calls, truths)
        results += judge_abilities(subject.name, subject.required, results)
    report = BackendReport(
        subject.name,
        versions,
        tuple(results),
        diagnosis=explain_failure(calls, truths, results),
        observations=tuple(_observations(calls, truths)),
        losses=_losses(calls, truths),
        error_map=map_failure(calls, truths, results),
        seconds=calls.seconds,
    )
    calls.forget()
    return report


def _observations(calls: BackendCalls, truths: Truths) -> Iterator[Observation]:
    """Float32 gradients end to end, which jump wherever rounding decides a kink."""
    if not {"float32", "float64"} <= truths.by_dtype.keys():
        return
    with suppress(BackendError):  # what it cannot do, the checks say
        reply = calls.reply("gradients", "float32")
        kinks = truths.by_dtype["float32"].kinks("float32")
        yield checks.observe_gradients("gradients float32", truths.by_dtype["float64"], kinks, reply.arrays)


def _losses(calls: BackendCalls, truths: Truths) -> tuple[float, ...]:
    if truths.training:
        with suppress(BackendError):
            return tuple(map(float, calls.reply("train", truths.training.steps.dtype).arrays["losses"]))
    return ()
