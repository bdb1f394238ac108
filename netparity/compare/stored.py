"""A trace set against the reference: as much of a run's verdict as can be had without the backend."""

from __future__ import annotations

from collections.abc import Iterator

from netparity.files.hashing import array_sha256, weights_sha256
from netparity.files.trace import ACTIVATIONS, GRADIENTS, Trace
from netparity.network.contract import DType, check_dtype
from netparity.network.errors import OptionError
from netparity.runs.case import Case
from netparity.verdict import checks, findings
from netparity.verdict.findings import Check, CheckKind, CheckResult, Measurement, Status
from netparity.verdict.ground_truth import GroundTruth
from netparity.verdict.report import BackendReport


def judge_trace(trace: Trace, case: Case) -> BackendReport:
    """The checks of a run, on what a trace holds.

    Args:
        trace: A whole one, no golden.
        case: The weights and images that it is a trace of; its ``dtypes`` do not matter.

    Raises:
        OptionError: It is a golden, or a trace of other weights or images.
    """
    if trace.sampled:
        raise OptionError(
            f"The trace of {trace.label} is a golden, a sample of its numbers: it can be compared with, "
            f"and not be judged by the reference."
        )
    for what, digest in (("weights", weights_sha256(case.weights)), ("images", array_sha256(case.images))):
        if trace.header["sha256"].get(what) != digest:
            raise OptionError(f"The trace of {trace.label} is of other {what} than the case that it is judged by.")
    dtype = check_dtype(trace.header["dtype"])
    truth = GroundTruth(case.network, case.weights, case.images, case.labels)
    return BackendReport(trace.header["backend"], trace.header["versions"], tuple(_check(trace, truth, case, dtype)))


def _check(trace: Trace, truth: GroundTruth, case: Case, dtype: DType) -> Iterator[CheckResult]:
    activations = trace.under(ACTIVATIONS)
    yield checks.check_shapes(Check(CheckKind.SHAPES, dtype), truth, dtype, activations)
    if dtype == "float32":
        # Each layer alone was judged when the trace was recorded, which is the only time that it could be.
        yield CheckResult.of(findings.LAYERS, [_alone(*item) for item in trace.header["local"].items()])
        yield checks.check_end_to_end(findings.END_TO_END, truth, dtype, activations)
        yield checks.check_prediction(Check(CheckKind.PREDICTION, dtype), truth, dtype, trace.tensors["logits"])
        return
    yield checks.check_outputs(findings.OUTPUTS, truth, activations)
    if "loss" not in trace.tensors:
        yield CheckResult(findings.GRADIENTS, Status.SKIPPED, f"{trace.label} gave no gradients.")
        return
    images = slice(trace.settings.gradient_images)
    wiring = GroundTruth(case.network, case.weights, case.images[images], case.labels[images])
    yield checks.check_gradients(findings.GRADIENTS, wiring, float(trace.tensors["loss"][0]), trace.under(GRADIENTS))


def _alone(name: str, share: float) -> Measurement:
    message = f"used {share:.3g} of what is allowed when the trace was recorded"
    return Measurement(name, Status.PASS if share <= 1 else Status.FAIL, share, message=message)
