"""The contract between the comparer and a framework: NumPy arrays in, NumPy arrays out, NCHW at the border.

Importing the module that holds a backend imports its framework.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from netparity.network.errors import OptionError

Array = npt.NDArray[Any]
Batch = tuple[Array, Array]
DType = Literal["float32", "float64"]
DTYPES: tuple[DType, ...] = ("float32", "float64")


class Gradients(NamedTuple):
    """What one forward and backward pass gives.

    Attributes:
        loss: Cross-entropy of the softmax of the logits, mean over the batch, in nats.
        weights: Gradients by the parameters, under canonical names, in canonical order and layout.
        images: Gradient by the images, (N, C, H, W).
    """

    loss: float
    weights: dict[str, Array]
    images: Array


class LayerGradients(NamedTuple):
    """What the backward pass of one layer gives.

    Attributes:
        weights: ``{"weight": …, "bias": …}`` in canonical layout; empty for a layer without parameters.
        inputs: Gradient by the layer's input, in the input's shape.
    """

    weights: dict[str, Array]
    inputs: Array


@dataclass(frozen=True)
class Hyperparameters:
    """Hyperparameters of SGD on the mean cross-entropy of a batch, equal in meaning in every framework.

    With the gradient ``g`` of the loss by a parameter ``w``, a step is

        v ← momentum · v + g + weight_decay · w,    w ← w − lr · v

    (Polyak's heavy ball, v = 0 at first; weight decay is the gradient of ``weight_decay/2 · |w|²``, of biases as well,
    and not part of the loss that is reported). Label smoothing (Szegedy et al., arXiv 1512.00567, section 7) trains for
    1 − label_smoothing of the label plus label_smoothing / num_classes of every class.

    Each number is rounded to float32, as Keras and MXNet keep it, so that all frameworks mean the same one.

    Raises:
        OptionError: A number is out of its range.
    """

    lr: float = 0.1
    momentum: float = 0.0
    weight_decay: float = 0.0
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        for name, limit in {"lr": np.inf, "momentum": 1.0, "weight_decay": np.inf, "label_smoothing": 1.0}.items():
            given = getattr(self, name)
            value = float(np.float32(given))
            if not 0 <= value < limit or (name == "lr" and not value):
                floor = "above 0" if name == "lr" else "0 or more"
                upper = "" if limit == np.inf else f" and under {limit:g}"
                raise OptionError(f"{name} is {given}; expected a finite number, {floor}{upper}.")
            object.__setattr__(self, name, value)


class Step(NamedTuple):
    """What one step of training saw before it changed the weights.

    Attributes:
        loss: Cross-entropy with the smoothed labels, mean over the batch, in nats.
        accuracy: Share of the batch whose largest logit is the label's.
        images: How many images the batch has. Where several processes share it, all three are those of the whole batch.
    """

    loss: float
    accuracy: float
    images: int


Listener = Callable[[Step], None]
Forward = Callable[[Array], Array]
"""One way to the logits: images (N, C, H, W) in, logits (N, num_classes) out, finished when it returns."""

Steps = Callable[[Sequence[Batch]], Sequence[float]]
"""One way to train: a step for each batch, and the loss that each saw; the last step is finished when it returns."""


class OptimizerState(NamedTuple):
    """What SGD with momentum carries from step to step: ``v = scale · array`` of :class:`Hyperparameters`' formula.

    PyTorch keeps v itself (scale 1). Keras and MXNet keep the last change of the weights, −lr · v (scale −1 / lr). As
    the scale tells them apart, a state goes back into its own framework bit for bit, and into another by a factor.

    Attributes:
        arrays: Arrays by canonical parameter name, in canonical layout; empty without momentum.
    """

    arrays: dict[str, Array]
    scale: float

    def scaled(self, scale: float) -> dict[str, Array]:
        """The arrays for a framework whose scale is ``scale``: as they are, if it is the same."""
        if scale == self.scale:
            return self.arrays
        return {name: array * array.dtype.type(self.scale / scale) for name, array in self.arrays.items()}


@runtime_checkable
class BuiltModel(Protocol):
    """A network with its weights in place, in one dtype. Every array is NCHW, (N, C) after the global pool.

    Arrays that come back belong to the caller: contiguous, in the model's dtype, changed by nobody afterwards.
    """

    def activations(self, images: Array) -> dict[str, Array]:
        """Every named activation of one forward pass over ``images`` (N, C, H, W), in canonical order."""
        ...

    def layer(self, name: str, inputs: Array) -> Array:
        """The output of one named layer, its ReLU included, on ``inputs`` that the caller chose.

        A block's name takes the block's input and gives its concatenated output.
        """
        ...

    def gradients(self, images: Array, labels: Array) -> Gradients:
        """Mean cross-entropy of ``images`` (N, C, H, W) and ``labels`` (N,) integer, and all its gradients."""
        ...

    def layer_gradients(self, name: str, inputs: Array, cotangent: Array) -> LayerGradients:
        """Gradients of ``sum(layer(name, inputs) * cotangent)``; ``cotangent`` has the layer output's shape."""
        ...

    def predict(self, images: Array) -> Array:
        """Logits (N, num_classes) of ``images`` (N, C, H, W), by the fastest path that the framework has."""
        ...

    def train(
        self,
        batches: Iterable[Batch],
        hyperparameters: Hyperparameters,
        *,
        state: OptimizerState | None = None,
        listener: Listener | None = None,
    ) -> OptimizerState:
        """One step of the framework's own training loop for each batch, and the optimiser's state after the last.

        Args:
            batches: Images (N, C, H, W) and labels (N,) integer; N may differ from batch to batch.
            hyperparameters: Settings of the optimiser and the loss.
            state: What the optimiser starts from, and zero where it is empty; by default what the last call of the same
                hyperparameters left, and zero at first.
            listener: Hears of every step.

        Raises:
            ImagesError: A batch is not valid, with what was wrong; the steps before it are done.
            WeightsError: The state is not one of this network's; no step is done.

        What ``batches`` or ``listener`` raises ends the training and comes out as it is.
        """
        ...

    def export_weights(self) -> dict[str, Array]:
        """The model's weights as canonical copies, in the model's dtype."""
        ...


@runtime_checkable
class BenchmarkedModel(Protocol):
    """A built model that can compute in more ways than the contract has methods, for ``netparity bench``.

    What stands under a name makes the way when it is called, so that nothing is copied or compiled for ways that nobody
    asks for; a way that this machine lacks something for raises :class:`NotImplementedError` there, or at its first
    call, with the reason. Ways compute what the model does, in its dtype. ``predict`` and ``train``, where they are not
    named here, are the contract's own methods. A model without this protocol is measured by those alone.
    """

    def ways(self) -> Mapping[str, Callable[[], Forward]]:
        """Ways to the logits, by the name that people in this framework know them by."""
        ...

    def training_ways(self, hyperparameters: Hyperparameters) -> Mapping[str, Callable[[], Steps]]:
        """Ways to train, which change the way's weights and perhaps the model's, by such a name."""
        ...


@runtime_checkable
class ExportableModel(Protocol):
    """A built model that can be written for engines which run networks and do not define them."""

    def export_onnx(self, path: Path) -> None:
        """Writes the network as ONNX: input ``images`` (N, C, H, W), all but C free; the logits its one output."""
        ...


@runtime_checkable
class Backend(Protocol):
    """A framework, as the comparer sees it."""

    name: str

    def versions(self) -> dict[str, str]:
        """The framework's own version first, then those of the libraries that decide its numbers."""
        ...

    def build(self, weights: Mapping[str, Array], dtype: DType) -> BuiltModel:
        """A model of ``dtype`` with these canonical weights; channels and classes follow from their shapes."""
        ...


@runtime_checkable
class JoiningBackend(Backend, Protocol):
    """A backend whose models several processes can train together, each on its part of every batch.

    Once they have joined, a model that is built takes, by ``train``, this process's part of as many batches as the
    others do; a part may be empty, (0, C, H, W). A step is the one that a process alone would take on the joint batch,
    and each process hears of that step.
    """

    def join(self) -> tuple[int, int]:
        """Meets the processes that the framework's launcher started with this one; called first, and once.

        Returns:
            This process's rank and the number of processes, as :class:`~netparity.network.registered.Batches` has
            them; (0, 1) for one that was started alone.

        Raises:
            OptionError: What the launcher says makes no sense, the others cannot be met, or this framework cannot.
        """
        ...


def check_dtype(dtype: str) -> DType:
    """``dtype`` itself. Raises :class:`~netparity.network.errors.OptionError` unless it is one of :data:`DTYPES`."""
    for known in DTYPES:
        if dtype == known:
            return known
    given = np.dtype(dtype).name if isinstance(dtype, type) else repr(dtype)
    raise OptionError(f"The dtype is {given}; expected one of {', '.join(DTYPES)}.")
