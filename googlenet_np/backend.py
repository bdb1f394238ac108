"""What the sides of the three frameworks in the contract of :mod:`netparity.network.contract` share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from googlenet_np.weights import check_state, check_weights, weights_like
from netparity.network.contract import Array, Batch, Hyperparameters, Listener, OptimizerState, check_dtype
from netparity.network.images import check_images, check_labels, checked_batches

T = TypeVar("T")


class TrainedModel(ABC):
    """What of :class:`netparity.network.contract.BuiltModel` is the same whichever framework computes.

    ``dtype`` is what the model trains in.
    """

    def __init__(self, in_channels: int, num_classes: int, dtype: str) -> None:
        self._in_channels, self._num_classes, self._dtype = in_channels, num_classes, dtype
        self._training: Any = None

    def train(
        self,
        batches: Iterable[Batch],
        hyperparameters: Hyperparameters,
        *,
        state: OptimizerState | None = None,
        listener: Listener | None = None,
    ) -> OptimizerState:
        if self._training is None or self._training.hyperparameters != hyperparameters:
            self._training = self.training(hyperparameters)
        if state is not None:
            check_state(state, self._in_channels, self._num_classes)
            self._training.import_state(state)
        may_be_empty = self._training.shared
        checked = checked_batches(batches, self._in_channels, self._num_classes, self._dtype, may_be_empty=may_be_empty)
        with self._ready_to_train():
            self._training.train(checked, listener)
        state_after: OptimizerState = self._training.export_state()
        return state_after

    @abstractmethod
    def training(self, hyperparameters: Hyperparameters) -> Any:
        """A new ``Training`` of this model, ``shared`` where other processes have parts of each batch."""

    @contextmanager
    def _ready_to_train(self) -> Iterator[None]:
        try:
            yield
        finally:
            self.__dict__.pop("_inference", None)  # it was made of the weights as they were

    def _images(self, images: Array, labels: Array | None = None) -> Any:
        """The framework's own copy of images, which are checked, and so are their labels."""
        check_images(images, self._in_channels)
        if labels is not None:
            check_labels(labels, len(images), self._num_classes)
        return self._tensor(images)

    @abstractmethod
    def _tensor(self, array: Array) -> Any:
        """The framework's own copy of an array of the contract, in the model's dtype."""


def checked_sizes(weights: Mapping[str, Array], dtype: str) -> tuple[int, int]:
    """The channels and classes of the model that a backend is asked to build.

    Raises:
        OptionError: ``dtype`` is neither ``"float32"`` nor ``"float64"``.
        WeightsError: The set is not canonical.
    """
    check_dtype(dtype)
    check_weights(weights)
    return weights_like(weights)


def parameters_in(name: str, parameters: Mapping[str, T]) -> dict[str, T]:
    """The parameters of a layer or a block, out of all that have canonical names, under their names within it."""
    prefix = f"{name}."
    return {key.removeprefix(prefix): found for key, found in parameters.items() if key.startswith(prefix)}
