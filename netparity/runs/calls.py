"""What one backend is asked in one run, and its answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import asdict
from typing import Any

from netparity.network.contract import Array, DType
from netparity.runs.truths import Truths
from netparity.system.progress import ProgressListener
from netparity.workers.replies import BackendError, CalledBackend, Reply


class BackendCalls:
    """One backend's calls, each with its answer as soon as there is one, of which the listener hears.

    Attributes:
        seconds: How long the backend was at work, its start included; in this process, the time of its calls.
    """

    def __init__(self, backend: CalledBackend, listener: ProgressListener | None = None) -> None:
        self.seconds = 0.0
        self._backend = backend
        self._listener = listener
        self._calls: dict[tuple[str, ...], Future[Reply]] = {}
        self._answered = 0
        self._watch(("load",), backend.loaded)

    # Asking, in this order

    def ask_whole(self, truths: Truths) -> None:
        """Makes the calls that need nothing of the reference."""
        for dtype, truth in truths.by_dtype.items():
            self.call("build", dtype, truth.weights)
            self.call("activations", dtype, {"images": truth.images})
            if wiring := truths.by_dtype.get("float64"):
                self.call("gradients", dtype, {"images": wiring.images, "labels": wiring.labels})
            if dtype == "float32":
                self.call("predict", dtype, {"images": truth.images})

    def ask_layers(self, truths: Truths) -> None:
        """Makes the calls that feed each layer the reference's own input."""
        if truth := truths.by_dtype.get("float32"):
            for layer in truths.network.computing:
                self.call("layer", "float32", {"inputs": truth.inputs(layer, "float32")}, name=layer.name)

    def ask_layer_gradients(self, truths: Truths) -> None:
        """Makes the calls for the backward pass of each layer alone."""
        for name, truth in truths.backward.items():
            arrays = {"inputs": truth.inputs, "cotangent": truth.cotangent}
            self.call("layer_gradients", "float32", arrays, name=name)

    def ask_training(self, truths: Truths) -> None:
        """Makes the calls for some steps of training, which change the weights: the last of all."""
        if (training := truths.training) is None:
            return
        steps = training.steps
        arrays: dict[str, Array] = {}
        for place, (images, labels) in enumerate(steps.batches):
            arrays |= {f"images {place}": images.astype(steps.dtype), f"labels {place}": labels}
        self.call("build", steps.dtype, training.initial)
        hyperparameters = asdict(steps.hyperparameters)
        self.call("train", steps.dtype, arrays, count=len(steps.batches), hyperparameters=hyperparameters)

    def ask_layer(self, name: str, dtype: DType, inputs: Array) -> Array:
        """Calls one layer once more, waits, and gives its output. Raises :class:`BackendError`."""
        call = self._backend.call("layer", {"inputs": inputs}, dtype=dtype, name=name)
        return call.result().arrays["output"]

    def call(self, method: str, dtype: str, arrays: Mapping[str, Array], **values: Any) -> None:
        """Makes one call; its key for :meth:`reply` is the method, the precision, and the layer if there is one."""
        names = [value for value in values.values() if isinstance(value, str)]
        self._watch((method, dtype, *names), self._backend.call(method, arrays, dtype=dtype, **values))

    # Answers

    def reply(self, *key: str) -> Reply:
        """The answer to a call (its method, and precision and layer if it has them), once it has come.

        Raises:
            BackendError: There is none.
        """
        return self._calls[key].result()

    def each(
        self, method: str, dtype: DType, layers: Iterable[str]
    ) -> tuple[dict[str, Reply], dict[str, BackendError]]:
        """What a method gave for each layer alone, and why it gave nothing for the others."""
        answers, refusals = {}, {}
        for layer in layers:
            try:
                answers[layer] = self.reply(method, dtype, layer)
            except BackendError as error:
                refusals[layer] = error
        return answers, refusals

    def forget(self) -> None:
        """Drops all answers: futures and their callbacks hold each other, and a next case is to find memory free."""
        self._calls.clear()

    def _watch(self, key: tuple[str, ...], call: Future[Reply]) -> None:
        def answered(_: Future[Reply]) -> None:
            self._answered += 1
            self.seconds = self._backend.seconds
            if self._listener:
                self._listener(self._backend.label, self._answered, len(self._calls), " ".join(key))

        self._calls[key] = call
        call.add_done_callback(answered)
