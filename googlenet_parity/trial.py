"""One backend in one run: the calls that it is asked, and the verdict that follows from its answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from googlenet_np.architecture import GOOGLENET, Concat, Layer
from googlenet_np.backend import DType, OptimizerState
from googlenet_parity import checks
from googlenet_parity.bounds import FLOAT64_GATE
from googlenet_parity.client import AbilityError, BackendError, MissingBackendError, Reply, Worker
from googlenet_parity.definition import find_lines
from googlenet_parity.diagnosis import diagnose
from googlenet_parity.error_map import map_errors
from googlenet_parity.ground_truth import GroundTruth
from googlenet_parity.layer_gradients import LayerGradientTruth
from googlenet_parity.registry import Subject
from googlenet_parity.training_truth import TrainingTruth, diagnose_training
from googlenet_parity.verdict import (
    BackendReport,
    CheckResult,
    Definition,
    Diagnosis,
    ErrorMap,
    Observation,
    Status,
    faulty_layer,
    locate,
)

__all__ = ["SINGLE", "Listener", "Trial"]

Array = npt.NDArray[Any]

DIAGNOSED: dict[str, DType] = {"layers float32": "float32", "outputs float64": "float64"}
"""The checks whose first failure is looked into, and the precision in which its layer is called."""

DIAGNOSED_TRAINING = "training float64"
"""Likewise of a training."""

SINGLE = tuple(layer for layer in GOOGLENET if not isinstance(layer, Concat))
"""The layers that compute something by themselves."""


class Listener(Protocol):
    """Is told how a run goes on; may be called from other threads."""

    def __call__(self, backend: str, done: int, total: int, step: str) -> None:
        """``done`` of ``total`` calls are answered, ``step`` the last of them."""
        ...


class Trial:
    """One backend's calls, and what follows from their answers."""

    def __init__(self, subject: Subject, worker: Worker, listener: Listener | None) -> None:
        self.subject = subject
        self._worker = worker
        self._listener = listener
        self._calls: dict[tuple[str, ...], Future[Reply]] = {}
        self._answered = 0
        self._seconds = 0.0
        self._watch(("load",), worker.loaded)

    def ask_whole(self, truths: Mapping[DType, GroundTruth]) -> None:
        """Makes the calls that need nothing of the reference."""
        for dtype, truth in truths.items():
            self._call("build", dtype, truth.weights)
            self._call("activations", dtype, {"images": truth.images})
            if wiring := truths.get("float64"):
                self._call("gradients", dtype, {"images": wiring.images, "labels": wiring.labels})
            if dtype == "float32":
                self._call("predict", dtype, {"images": truth.images})

    def ask_layers(self, truth: GroundTruth) -> None:
        """Makes the calls that feed each layer the reference's own input."""
        for layer in SINGLE:
            self._call("layer", "float32", {"inputs": truth.inputs(layer, "float32")}, name=layer.name)

    def ask_layer_gradients(self, backward: Mapping[str, LayerGradientTruth]) -> None:
        """Makes the calls for the backward pass of each layer alone."""
        for name, truth in backward.items():
            arrays = {"inputs": truth.inputs, "cotangent": truth.cotangent}
            self._call("layer_gradients", "float32", arrays, name=name)

    def ask_training(self, training: TrainingTruth) -> None:
        """Makes the calls for some steps of training, which change the weights: the last of all."""
        steps = training.steps
        arrays: dict[str, Array] = {}
        for place, (images, labels) in enumerate(steps.batches):
            arrays |= {f"images {place}": images.astype(steps.dtype), f"labels {place}": labels}
        self._call("build", steps.dtype, training.initial)
        self._call(
            "train", steps.dtype, arrays, count=len(steps.batches), hyperparameters=asdict(steps.hyperparameters)
        )

    def report(
        self,
        truths: Mapping[DType, GroundTruth],
        backward: Mapping[str, LayerGradientTruth],
        training: TrainingTruth | None = None,
    ) -> BackendReport:
        """The verdict on all answers; each is judged when it has come."""
        versions: dict[str, str] = {}
        try:
            versions = self._reply("load").values["versions"]
        except MissingBackendError as error:
            status = Status.ERROR if self.subject.required else Status.SKIPPED
            results = [CheckResult("load", status, str(error))]
        except BackendError as error:
            results = [CheckResult("load", Status.ERROR, str(error))]
        else:
            planned: dict[str, Callable[[str], CheckResult]] = {}
            for dtype, truth in truths.items():
                planned |= self._checks(truth, backward, dtype)
            done = {name: _result(name, planned[name]) for name in sorted(planned, key=_answered_late)}
            results = [done[name] for name in planned]
            if training:
                check = f"training {training.steps.dtype}"
                results.append(_result(check, lambda name: self._check_training(name, training)))
            results += self._abilities(results)
        diagnosis = self._diagnose(truths, results)
        if diagnosis is None and training and any(r.check == DIAGNOSED_TRAINING and r.status.failed for r in results):
            diagnosis = diagnose_training(training, self._reply("train", "float64").arrays["losses"], FLOAT64_GATE)
        error_map = self._map_errors(truths, backward, results)
        definition = self._define(results)
        observations = tuple(self._observe(truths))
        losses: tuple[float, ...] = ()
        if training:
            with suppress(BackendError):
                losses = tuple(map(float, self._reply("train", training.steps.dtype).arrays["losses"]))
        # The callbacks and this trial hold each other; without the answers, a next case finds their memory free.
        self._calls.clear()
        name = self.subject.name
        return BackendReport(
            name, versions, tuple(results), self._seconds, diagnosis, observations, losses, error_map, definition
        )

    def _check_training(self, name: str, training: TrainingTruth) -> CheckResult:
        dtype = training.steps.dtype
        reply = self._reply("train", dtype)
        losses, weights = reply.arrays["losses"], _under("weights ", reply.arrays)
        if dtype == "float32":
            return checks.check_training_form(name, training, losses, weights)
        state = OptimizerState(_under("state ", reply.arrays), reply.values["scale"])
        return checks.check_training(name, training, losses, weights, state)

    def _abilities(self, results: Sequence[CheckResult]) -> Iterator[CheckResult]:
        """An error, if a backend keeps its weights or was asked for, and cannot compute a thing."""
        computed = [result for result in results if not result.check.startswith("weights")]
        if any(result.status is not Status.SKIPPED for result in computed):
            return
        if self.subject.required or any(result.status is not Status.SKIPPED for result in results):
            reason = f"{self.subject.name} can compute nothing that these checks need."
            yield CheckResult("abilities", Status.ERROR, reason)

    def _observe(self, truths: Mapping[DType, GroundTruth]) -> Iterator[Observation]:
        """Float32 gradients end to end, which jump wherever rounding decides a kink."""
        if not {"float32", "float64"} <= truths.keys():
            return
        with suppress(BackendError):  # what it cannot do, the checks say
            reply = self._reply("gradients", "float32")
            yield checks.observe_gradients(
                "gradients float32", truths["float64"], truths["float32"].kinks("float32"), reply.arrays
            )

    def _diagnose(self, truths: Mapping[DType, GroundTruth], results: Sequence[CheckResult]) -> Diagnosis | None:
        """What is the matter with the first layer that fails by itself: in float32, else in float64."""
        for check, dtype in DIAGNOSED.items():
            failure = next((result.first_failure for result in results if result.check == check), None)
            if failure is not None:
                with suppress(BackendError, KeyError, ValueError):  # then the failure's own sentence must do
                    return self._explain(truths[dtype], GOOGLENET[failure.name], dtype)
        return None

    def _explain(self, truth: GroundTruth, layer: Layer, dtype: DType) -> Diagnosis:
        if isinstance(layer, Concat):
            activations = self._reply("activations", dtype).arrays
            branches = [activations[branch] for branch in layer.inputs]
            return diagnose(truth, layer.name, dtype, activations[layer.name], branches=branches)

        def ask(inputs: Array) -> Array:
            call = self._worker.call("layer", {"inputs": inputs}, dtype=dtype, name=layer.name)
            return call.result().arrays["output"]

        actual = ask(truth.inputs(layer, dtype))
        if not checks.measure_layer(truth, layer, dtype, actual).status.failed:
            # Right by itself: what it was fed in the forward pass is wrong.
            activations = self._reply("activations", dtype).arrays
            return diagnose(truth, layer.name, dtype, activations[layer.name], others=activations)
        return diagnose(truth, layer.name, dtype, actual, probe=ask)

    def _map_errors(
        self,
        truths: Mapping[DType, GroundTruth],
        backward: Mapping[str, LayerGradientTruth],
        results: Sequence[CheckResult],
    ) -> ErrorMap | None:
        """Where the error is in the tensor whose failure says most surely where the fault is."""
        if (located := locate(results)) is None:
            return None
        check, failure = located
        with suppress(BackendError, KeyError):  # what did not come cannot be drawn
            if check.check == "layers float32":
                return self._map_layer(truths["float32"], GOOGLENET[failure.name], "float32")
            if check.check == "outputs float64":
                actual = self._reply("activations", "float64").arrays[failure.name]
                right = truths["float64"].activations[failure.name]
                return map_errors(failure.name, actual, right, FLOAT64_GATE * float(np.abs(right).max()), "float64")
            if check.check == "layer gradients float32":
                layer, _, kind = failure.name.rpartition(".")
                desired, bound = backward[layer].gradients[kind]
                actual = self._reply("layer_gradients", "float32", layer).arrays[kind]
                axis = 1 if kind == "inputs" else 0
                return map_errors(failure.name, actual, desired, bound.probable, "float32", channel_axis=axis)
        return None

    def _map_layer(self, truth: GroundTruth, layer: Layer, dtype: DType) -> ErrorMap | None:
        if isinstance(layer, Concat):
            activations = self._reply("activations", dtype).arrays
            branches = np.concatenate([activations[branch] for branch in layer.inputs], axis=1)
            return map_errors(layer.name, activations[layer.name], branches, None, dtype)
        local = truth.local(layer, dtype)
        limit = None if local.bound is None else local.bound.probable
        return map_errors(
            layer.name, self._reply("layer", dtype, layer.name).arrays["output"], local.output, limit, dtype
        )

    def _define(self, results: Sequence[CheckResult]) -> Definition | None:
        """How the backend defines the layer that fails, as far as its source can be found."""
        located = locate(results)
        if located is None or not (layer := faulty_layer(*located)):
            return None
        with suppress(BackendError):
            told = self._worker.call("definition").result().values
            if told and (lines := find_lines(told["source"], layer)):
                return Definition(layer, told["file"], lines)
        return None

    def _checks(
        self, truth: GroundTruth, backward: Mapping[str, LayerGradientTruth], dtype: DType
    ) -> dict[str, Callable[[str], CheckResult]]:
        """The checks in one precision, by name; each is given its name and waits for the answers that it needs."""

        def exported() -> dict[str, Array]:
            return self._reply("build", dtype).arrays

        def activations() -> dict[str, Array]:
            exported()
            return self._reply("activations", dtype).arrays

        def logits() -> Array:
            exported()
            return self._reply("predict", dtype).arrays["logits"]

        def gradients() -> tuple[float, dict[str, Array]]:
            exported()
            reply = self._reply("gradients", dtype)
            return reply.values["loss"], reply.arrays

        def layers(name: str) -> CheckResult:
            exported()
            answers, refusals = self._each("layer", dtype)
            outputs = {layer: reply.arrays["output"] for layer, reply in answers.items()}
            whole, reason = None, None
            try:
                whole = activations()
            except BackendError as error:
                reason = error
            # A layer that is wrong by itself may be why no forward pass succeeds.
            result = checks.check_layers(name, truth, dtype, outputs, whole, unable=refusals)
            return _unless_refused(result, refusals, reason)

        def layer_gradients(name: str) -> CheckResult:
            exported()
            answers, refusals = self._each("layer_gradients", dtype)
            given = {layer: reply.arrays for layer, reply in answers.items()}
            chosen = {layer: backward[layer] for layer in given}
            return _unless_refused(checks.check_layer_gradients(name, chosen, dtype, given), refusals)

        checked: dict[str, Callable[[str], CheckResult]] = {
            "weights": lambda name: checks.check_weights_kept(name, truth, dtype, exported()),
            "shapes": lambda name: checks.check_shapes(name, truth, dtype, activations()),
        }
        if dtype == "float64":
            checked["outputs"] = lambda name: checks.check_outputs(name, truth, activations())
            checked["gradients"] = lambda name: checks.check_gradients(name, truth, *gradients())
        else:
            checked["layers"] = layers
            checked["layer gradients"] = layer_gradients
            checked["end to end"] = lambda name: checks.check_end_to_end(name, truth, dtype, activations())
            checked["prediction"] = lambda name: checks.check_prediction(name, truth, dtype, logits())
        return {f"{what} {dtype}": check for what, check in checked.items()}

    def _call(self, method: str, dtype: str, arrays: Mapping[str, Array], **values: Any) -> None:
        names = [value for value in values.values() if isinstance(value, str)]
        self._watch((method, dtype, *names), self._worker.call(method, arrays, dtype=dtype, **values))

    def _watch(self, key: tuple[str, ...], call: Future[Reply]) -> None:
        def answered(_: Future[Reply]) -> None:
            self._answered += 1
            self._seconds = time.monotonic() - self._worker.started
            if self._listener:
                self._listener(self.subject.name, self._answered, len(self._calls), " ".join(key))

        self._calls[key] = call
        call.add_done_callback(answered)

    def _each(self, method: str, dtype: DType) -> tuple[dict[str, Reply], dict[str, BackendError]]:
        """What a method gave for each layer alone, and why it gave nothing for the others."""
        answers, refusals = {}, {}
        for layer in SINGLE:
            try:
                answers[layer.name] = self._reply(method, dtype, layer.name)
            except BackendError as error:
                refusals[layer.name] = error
        return answers, refusals

    def _reply(self, *key: str) -> Reply:
        return self._calls[key].result()


def _answered_late(check: str) -> bool:
    """Whether a check is of the layers alone, for which a backend is asked last."""
    return check.startswith("layer")


def _under(prefix: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _unless_refused(
    result: CheckResult, refusals: Mapping[str, BackendError], reason: BackendError | None = None
) -> CheckResult:
    """The result, if it is a failure, or if nothing was refused; a pass of what is left is none.

    Args:
        result: Of the layers that the backend did call.
        refusals: Why it did not call the others.
        reason: Why it gave nothing else that the check needs.

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


def _result(name: str, check: Callable[[str], CheckResult]) -> CheckResult:
    try:
        return check(name)
    except AbilityError as error:
        return CheckResult(name, Status.SKIPPED, str(error))
    except BackendError as error:
        return CheckResult(name, Status.ERROR, str(error))
