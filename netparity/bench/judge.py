"""Whether a way's answer is right: a fast wrong answer has no speed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from netparity.bench.timings import Setting
from netparity.network.contract import Array
from netparity.network.operations import softmax_cross_entropy
from netparity.network.registered import RegisteredNetwork
from netparity.verdict.bounds import UNIT_ROUNDOFF
from netparity.verdict.findings import Check, CheckKind, CheckResult, Measurement, Status
from netparity.verdict.ground_truth import GroundTruth
from netparity.verdict.tensors import malformed, measure_limit

ANSWER = Check(CheckKind.ANSWER)


class Judge:
    """Says whether a way's answer is right, for ``images`` sample images of one height and width in float32."""

    def __init__(
        self, registered: RegisteredNetwork, weights: Mapping[str, Array], image_size: tuple[int, int], images: int
    ) -> None:
        samples = registered.take_samples(images, image_size=image_size)
        self.truth = GroundTruth(registered.network, weights, *samples)

    def batch(self, size: int) -> tuple[Array, Array]:
        """Images and labels, repeated as often as it takes."""
        places = self._places(size)
        return self.truth.images[places], self.truth.labels[places]

    def check(self, setting: Setting, answer: Array) -> CheckResult:
        """Judges what a way gave on :meth:`batch`: logits, or the losses that two steps of training saw.

        Logits must be within the noise floor of the reference. So must the first loss, which moves by twice as much at
        most; and the second must be less, or the first step was none. What else a step does is judged by ``train
        --lockstep``, in float64.
        """
        places = self._places(setting.batch_size)
        logits = self.truth.activations[self.truth.network.output][places]
        floor = self.truth.noise_floor("float32")[self.truth.network.output]
        if not setting.training:
            return CheckResult.of(ANSWER, [measure_limit("logits", answer, logits, floor, "float32")])
        if fault := malformed("losses", answer, (2,), "float64"):
            return CheckResult.of(ANSWER, [fault])
        loss = softmax_cross_entropy(logits, self.truth.labels[places])[0].mean()
        # The sums over classes and images, and a few operations more, each off by no more than this.
        roundings = UNIT_ROUNDOFF["float32"] * (logits.size + 8) * max(1.0, float(np.ptp(logits)))
        first = measure_limit("loss", answer[:1], np.array([loss]), 2 * floor + roundings, "float64")
        message = f"is {answer[1]:.9g} on the same batch again, after {answer[0]:.9g}: the step before has not trained"
        second = Measurement("loss", Status.FAIL, float("inf"), message=message)
        return CheckResult.of(ANSWER, [first] if answer[1] < answer[0] else [first, second])

    def _places(self, size: int) -> Array:
        return np.arange(size) % len(self.truth.images)
