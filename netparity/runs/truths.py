"""What the reference says of a case, for all the backends that are given it."""

from __future__ import annotations

from functools import cached_property

from netparity.network.contract import DType
from netparity.runs.case import Case
from netparity.verdict.ground_truth import WIRING_SAMPLES, GroundTruth
from netparity.verdict.layer_gradients import LayerGradientTruth, layer_gradient_truth
from netparity.verdict.training_truth import TrainingTruth


class Truths:
    """The reference's numbers of a case in each precision, shared by all backends; computed when first needed.

    Attributes:
        by_dtype: The numbers for each precision in which backends are judged.
        training: Those of the steps of training, if there are any.
    """

    def __init__(self, case: Case, backends: int) -> None:
        self.network = case.network
        self.by_dtype: dict[DType, GroundTruth] = {}
        for dtype in case.dtypes:
            chosen = slice(WIRING_SAMPLES if dtype == "float64" else None)
            self.by_dtype[dtype] = GroundTruth(
                case.network, case.weights, case.images[chosen], case.labels[chosen], backends=max(1, backends)
            )
        self.training = TrainingTruth(case.network, case.weights, case.training) if case.training else None

    @cached_property
    def backward(self) -> dict[str, LayerGradientTruth]:
        """The backward pass of each layer alone, in float32; of none, where that is not judged."""
        if (truth := self.by_dtype.get("float32")) is None:
            return {}
        return {layer.name: layer_gradient_truth(truth, layer, "float32") for layer in self.network.computing}

    def prepare(self) -> None:
        """Computes now what judging the answers needs: in one thread, and while the backends are at work."""
        if truth := self.by_dtype.get("float32"):
            truth.noise_floor("float32")
        if self.training:
            self.training.prepare()
        if truth := self.by_dtype.get("float64"):
            truth.prepare_gradients()
