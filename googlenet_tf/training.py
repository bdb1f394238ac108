"""Training in TensorFlow: Keras' ``compile`` and ``fit``."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import tensorflow as tf

from googlenet_np import layout
from googlenet_np.backend import Batch, Hyperparameters, Listener, OptimizerState, Step
from googlenet_tf.joint import JointModel
from googlenet_tf.model import GoogLeNet
from googlenet_tf.weights import canonical_array, keras_array, named_variables

__all__ = ["Training"]


class Training:
    """Stochastic gradient descent on a ``GoogLeNet``.

    Args:
        model: One that has weights. It is compiled.
        hyperparameters: Of the optimiser and the loss.
        strategy: A ``MultiWorkerMirroredStrategy`` in whose scope the model was made: its processes take each step
            together, each with a part of the batch. Keras 3 alone.
    """

    def __init__(
        self,
        model: GoogLeNet,
        hyperparameters: Hyperparameters,
        strategy: tf.distribute.Strategy | None = None,
    ) -> None:
        self.model = model
        self.hyperparameters = hyperparameters
        self.strategy = strategy
        self.fitted = JointModel(model, hyperparameters.label_smoothing) if strategy else model
        with self._scope():
            self.optimizer = SGD(
                hyperparameters.lr, momentum=hyperparameters.momentum, l2=hyperparameters.weight_decay, name="sgd"
            )
            self.optimizer.build(model.trainable_variables)
            loss_and_metrics = {} if strategy else self._loss_and_metrics()
            # On the CPU, XLA trains at half the speed.
            self.fitted.compile(self.optimizer, **loss_and_metrics, jit_compile=False)

    def train(self, batches: Iterable[Batch], listener: Listener | None = None) -> None:
        """One step for each batch of images (N, C, H, W), in the model's dtype, and labels (N,)."""
        source = _Source(batches, self.model.fc.units, shared=self.strategy is not None)
        callbacks = [_EachBatch(listener, source)] if listener else []
        data: Any = self._dataset(source)
        if self.strategy:
            data = self.strategy.distribute_datasets_from_function(lambda _: self._dataset(source))
        with self._scope(), warnings.catch_warnings():
            # Keras would rather know beforehand how many batches there are.
            warnings.filterwarnings("ignore", "Your input ran out of data", UserWarning)
            try:
                self.fitted.fit(data, shuffle=False, verbose=0, callbacks=callbacks)
            finally:
                source.raise_failure()

    def export_state(self) -> OptimizerState:
        """Copies of the momentum variables; empty without momentum."""
        momentums = self._momentums()
        return OptimizerState(
            {name: canonical_array(tf.convert_to_tensor(m)) for name, m in momentums.items()}, self._scale
        )

    def import_state(self, state: OptimizerState) -> None:
        """Goes on from this state, whichever framework made it."""
        momentums = self._momentums()
        arrays = state.scaled(self._scale)
        for name, momentum in momentums.items():
            momentum.assign(keras_array(arrays[name], self.model.dtype) if arrays else tf.zeros_like(momentum))

    def _dataset(self, source: _Source) -> tf.data.Dataset:
        signature = (
            tf.TensorSpec((None, None, None, self.model.in_channels), self.model.dtype),
            tf.TensorSpec((None, source.classes), self.model.dtype),
        )
        return tf.data.Dataset.from_generator(source.batches, output_signature=signature)

    def _loss_and_metrics(self) -> dict[str, Any]:
        options = {"from_logits": True, "label_smoothing": self.hyperparameters.label_smoothing}
        dtype = self.model.dtype
        # Keras 3 casts logits to the loss's own dtype, float32 by default; Keras 2 has no such argument, and no cast.
        of_loss = {} if tf.keras.__version__.startswith("2.") else {"dtype": dtype}
        return {
            "loss": tf.keras.losses.CategoricalCrossentropy(**options, **of_loss),
            "metrics": [
                tf.keras.metrics.CategoricalCrossentropy(**options, dtype=dtype, name="cross_entropy"),
                tf.keras.metrics.CategoricalAccuracy(dtype=dtype, name="accuracy"),
            ],
        }

    def _scope(self) -> AbstractContextManager[Any]:
        return self.strategy.scope() if self.strategy else nullcontext()

    @property
    def _scale(self) -> float:
        """Keras keeps the last change of the weights, -lr * v."""
        return -1 / float(tf.convert_to_tensor(self.optimizer.learning_rate))

    def _momentums(self) -> dict[str, Any]:
        """The optimiser's momentum variables under canonical parameter names."""
        if not self.optimizer.momentum:
            return {}
        places = {id(variable): place for place, variable in enumerate(self.model.trainable_variables)}
        return {
            name: self.optimizer.momentums[places[id(variable)]]
            for name, variable in named_variables(self.model).items()
        }


class SGD(tf.keras.optimizers.SGD):
    """Keras' own, with weight decay that goes through the momentum; ``weight_decay`` of Keras goes past it.

    Args:
        args, kwargs: As of ``tf.keras.optimizers.SGD``.
        l2: The weight decay: what of each parameter is added to its gradient.
    """

    def __init__(self, *args: Any, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.l2 = l2

    def update_step(self, gradient: tf.Tensor, variable: Any, *args: Any) -> None:
        """One parameter's step; Keras 3 hands the learning rate in as well."""
        if self.l2:
            gradient = gradient + tf.cast(self.l2, variable.dtype) * tf.convert_to_tensor(variable)
        super().update_step(gradient, variable, *args)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "l2": self.l2}


class _Source:
    """Batches as Keras takes them. TensorFlow reads them in a thread of its own, and would hide what one raises.

    Args:
        batches: NCHW.
        classes: Of the labels.
        shared: Whether other processes have parts of the batches, so that they may not just end before their time.
    """

    def __init__(self, batches: Iterable[Batch], classes: int, *, shared: bool = False) -> None:
        self.classes = classes
        self.lengths: deque[int] = deque()
        """Of the batches that were handed out, first of those that are not trained on yet."""
        self._batches = batches
        self._shared = shared
        self._failure: Exception | None = None

    def batches(self) -> Iterator[tuple[Any, Any]]:
        """Images NHWC, and labels one-hot, since Keras smooths no others; they end where there is no next."""
        try:
            for images, labels in self._batches:
                self.lengths.append(len(images))
                yield layout.nchw_to_nhwc(images), np.eye(self.classes, dtype=images.dtype)[labels]
        except Exception as error:
            self._failure = error
            if self._shared:
                raise

    def raise_failure(self) -> None:
        """Raises what ended the batches before their time."""
        if self._failure:
            raise self._failure


class _EachBatch(tf.keras.callbacks.Callback):
    """Tells of every batch by itself; Keras' own numbers are means since the epoch began."""

    def __init__(self, listener: Listener, source: _Source) -> None:
        super().__init__()
        self._listener = listener
        self._source = source

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self.model.reset_metrics()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        assert logs is not None
        images = logs.get("images", self._source.lengths.popleft())
        self._listener(Step(float(logs["cross_entropy"]), float(logs["accuracy"]), int(images)))
