"""The verdict on one backend's answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from netparity.network.contract import Array, DType, OptimizerState
from netparity.runs.calls import BackendCalls
from netparity.runs.truths import Truths
from netparity.verdict import checks
from netparity.verdict.findings import Check, CheckKind, CheckResult, Status
from netparity.verdict.training_truth import TrainingTruth
from netparity.workers.replies import AbilityError, BackendError

MakeCheck = Callable[[Check], CheckResult]


def judge_answers(calls: BackendCalls, truths: Truths) -> list[CheckResult]:
    """Every check that is to be made of a backend; each waits for the answers that it needs."""
    planned: dict[Check, MakeCheck] = {}
    for dtype in truths.by_dtype:
        planned |= {Check(kind, dtype): make for kind, make in _Answers(calls, truths, dtype).checks().items()}
    # A backend is asked for its layers last.
    alone = (CheckKind.LAYERS, CheckKind.LAYER_GRADIENTS)
    done = {check: _made(check, planned[check]) for check in sorted(planned, key=lambda check: check.kind in alone)}
    results = [done[check] for check in planned]
    if training := truths.training:
        check = Check(CheckKind.TRAINING, training.steps.dtype)
        results.append(_made(check, lambda check: _judge_training(check, calls, training)))
    return results


def judge_abilities(name: str, required: bool, results: Sequence[CheckResult]) -> Iterator[CheckResult]:
    """An error, if a backend was asked for (``required``), or keeps its weights, and yet can compute nothing."""
    computed = [result for result in results if result.check.kind is not CheckKind.WEIGHTS]
    if any(result.status is not Status.SKIPPED for result in computed):
        return
    if required or any(result.status is not Status.SKIPPED for result in results):
        reason = f"{name} can compute nothing that these checks need."
        yield CheckResult(Check(CheckKind.ABILITIES), Status.ERROR, reason)


class _Answers:
    """One backend's answers in one precision, and the checks of them."""

    def __init__(self, calls: BackendCalls, truths: Truths, dtype: DType) -> None:
        self._calls = calls
        self._truth = truths.by_dtype[dtype]
        self._backward = truths.backward
        self._dtype = dtype

    def checks(self) -> dict[CheckKind, MakeCheck]:
        """The checks in this precision, in the order in which they are reported."""
        truth, dtype = self._truth, self._dtype
        both: dict[CheckKind, MakeCheck] = {
            CheckKind.WEIGHTS: lambda check: checks.check_weights_kept(check, truth, dtype, self._exported()),
            CheckKind.SHAPES: lambda check: checks.check_shapes(check, truth, dtype, self._activations()),
        }
        if dtype == "float64":
            return {
                **both,
                CheckKind.OUTPUTS: lambda check: checks.check_outputs(check, truth, self._activations()),
                CheckKind.GRADIENTS: lambda check: checks.check_gradients(check, truth, *self._gradients()),
            }
        return {
            **both,
            CheckKind.LAYERS: self._judge_layers,
            CheckKind.LAYER_GRADIENTS: self._judge_layer_gradients,
            CheckKind.END_TO_END: lambda check: checks.check_end_to_end(check, truth, dtype, self._activations()),
            CheckKind.PREDICTION: lambda check: checks.check_prediction(check, truth, dtype, self._logits()),
        }

    def _reply(self, method: str) -> Any:
        self._exported()  # a model that could not be built is why there is nothing else
        return self._calls.reply(method, self._dtype)

    def _exported(self) -> dict[str, Array]:
        return self._calls.reply("build", self._dtype).arrays

    def _activations(self) -> dict[str, Array]:
        return self._reply("activations").arrays

    def _logits(self) -> Array:
        return self._reply("predict").arrays["logits"]

    def _gradients(self) -> tuple[float, dict[str, Array]]:
        reply = self._reply("gradients")
        return reply.values["loss"], reply.arrays

    def _judge_layers(self, check: Check) -> CheckResult:
        self._exported()
        answers, refusals = self._calls.each("layer", self._dtype, self._backward)
        outputs = {layer: reply.arrays["output"] for layer, reply in answers.items()}
        whole, reason = None, None
        try:
            whole = self._activations()
        except BackendError as error:
            reason = error
        # A layer that is wrong by itself may be why no forward pass succeeds.
        result = checks.check_layers(check, self._truth, self._dtype, outputs, whole, unable=refusals)
        return _unless_refused(result, refusals, reason)

    def _judge_layer_gradients(self, check: Check) -> CheckResult:
        self._exported()
        answers, refusals = self._calls.each("layer_gradients", self._dtype, self._backward)
        given = {layer: reply.arrays for layer, reply in answers.items()}
        chosen = {layer: self._backward[layer] for layer in given}
        return _unless_refused(checks.check_layer_gradients(check, chosen, self._dtype, given), refusals)


def _judge_training(check: Check, calls: BackendCalls, training: TrainingTruth) -> CheckResult:
    reply = calls.reply("train", training.steps.dtype)
    losses, weights = reply.arrays["losses"], _under("weights ", reply.arrays)
    if training.steps.dtype == "float32":
        return checks.check_training_form(check, training, losses, weights)
    state = OptimizerState(_under("state ", reply.arrays), reply.values["scale"])
    return checks.check_training(check, training, losses, weights, state)


def _under(prefix: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _unless_refused(
    result: CheckResult, refusals: Mapping[str, BackendError], reason: BackendError | None = None
) -> CheckResult:
    """The result of the layers that could be called; a pass counts as skipped if some could not, or for the reason.

    Raises:
        BackendError: Why nothing can be said.
    """
    errors = [*refusals.values(), *([] if reason is None else [reason])]
    if result.status.failed or not errors:
        return result
    for error in errors:
        if not isinstance(error, AbilityError):
            raise error
    if not result.measurements:
        raise errors[0]
    what = f"{len(refusals)} layers, {next(iter(refusals))} first," if refusals else "the blocks"
    return CheckResult(result.check, Status.SKIPPED, f"Left out {what} as {errors[0]}", result.measurements)


def _made(check: Check, make: MakeCheck) -> CheckResult:
    try:
        return make(check)
    except AbilityError as error:
        return CheckResult(check, Status.SKIPPED, str(error))
    except BackendError as error:
        return CheckResult(check, Status.ERROR, str(error))
