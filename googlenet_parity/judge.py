"""A trace set against the reference: as much of a run's verdict as can be had without the backend."""

from __future__ import annotations

from collections.abc import Iterator

from googlenet_np.backend import DType, check_dtype
from googlenet_np.errors import OptionError
from googlenet_parity import checks
from googlenet_parity.ground_truth import GroundTruth
from googlenet_parity.hashing import array_sha256, weights_sha256
from googlenet_parity.run import Case
from googlenet_parity.trace import ACTIVATIONS, GRADIENT_IMAGES, GRADIENTS, Trace
from googlenet_parity.verdict import BackendReport, CheckResult, Measurement, Status

__all__ = ["judge"]


def judge(trace: Trace, case: Case) -> BackendReport:
    """The checks of a run, on what a trace holds.

    Args:
        trace: A whole one, no golden.
        case: What it is a trace of; its ``dtypes`` do not matter.

    Raises:
        OptionError: It is a golden, or a trace of other weights or images.
    """
    if trace.sampled:
        raise OptionError(
            f"The trace of {trace.label} is a golden, a sample of its numbers: it can be compared with, "
            f"and not be judged by the reference."
        )
    given = {"weights": weights_sha256(case.weights), "images": array_sha256(case.images)}
    for what, digest in given.items():
        if trace.header["sha256"].get(what) != digest:
            raise OptionError(f"The trace of {trace.label} is of other {what} than the case that it is judged by.")
    dtype = check_dtype(trace.header["dtype"])
    truth = GroundTruth(case.weights, case.images, case.labels)
    results = tuple(_check(trace, truth, case, dtype))
    return BackendReport(trace.header["backend"], trace.header["versions"], results)


def _check(trace: Trace, truth: GroundTruth, case: Case, dtype: DType) -> Iterator[CheckResult]:
    activations = trace.under(ACTIVATIONS)
    yield checks.check_shapes(f"shapes {dtype}", truth, dtype, activations)
    if dtype == "float32":
        # Each layer alone was judged when the trace was recorded, which is the only time that it could be.
        yield CheckResult.of(f"layers {dtype}", [_alone(*item) for item in trace.header["local"].items()])
        yield checks.check_end_to_end(f"end to end {dtype}", truth, dtype, activations)
        yield checks.check_prediction(f"prediction {dtype}", truth, dtype, trace.tensors["logits"])
        return
    yield checks.check_outputs(f"outputs {dtype}", truth, activations)
    name = f"gradients {dtype}"
    if "loss" not in trace.tensors:
        yield CheckResult(name, Status.SKIPPED, f"{trace.label} gave no gradients.")
        return
    images = slice(trace.header["settings"].get(GRADIENT_IMAGES))
    wiring = GroundTruth(case.weights, case.images[images], case.labels[images])
    yield checks.check_gradients(name, wiring, float(trace.tensors["loss"][0]), trace.under(GRADIENTS))


def _alone(name: str, share: float) -> Measurement:
    message = f"used {share:.3g} of what is allowed when the trace was recorded"
    return Measurement(name, Status.PASS if share <= 1 else Status.FAIL, share, message=message)
