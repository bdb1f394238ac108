"""Training in TensorFlow: Keras' ``compile`` and ``fit``."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np
import tensorflow as tf

from googlenet_tf.joint import JointModel
from googlenet_tf.model import GoogLeNet
from googlenet_tf.weights import canonical_array, keras_array, named_variables
from netparity.network import layout
from netparity.network.contract import Batch, Hyperparameters, Listener, OptimizerState, Step


class Training:
    """Stochastic gradient descent on a ``GoogLeNet``.

    Args:
        model: One that has weights. It is compiled.
        strategy: A ``MultiWorkerMirroredStrategy`` in whose scope the model was made: its processes take each step
            together, each with a part of the batch. Keras 3 alone.
    """

    def __init__(
        self, model: GoogLeNet, hyperparameters: Hyperparameters, strategy: tf.distribute.Strategy | None = None
    ) -> None:
        self.model = model
        self.hyperparameters = hyperparameters
        self.strategy = strategy
        self.shared = strategy is not None
        self._scope: Any = strategy.scope if strategy else nullcontext
        self.fitted = JointModel(model, hyperparameters.label_smoothing) if strategy else model
        with self._scope():
            self.optimizer = SGD(
                hyperparameters.lr, momentum=hyperparameters.momentum, l2=hyperparameters.weight_decay, name="sgd"
            )
            self.optimizer.build(model.trainable_variables)
            loss_and_metrics = {} if strategy else self._loss_and_metrics()
            # On the CPU, XLA trains at half the speed.
            self.fitted.compile(self.optimizer, **loss_and_metrics, jit_compile=False)
        self._source = _Source(model, shared=self.shared)
        self._data = self._dataset()

    def train(self, batches: Iterable[Batch], listener: Listener | None = None) -> None:
        """One step for each batch of images (N, C, H, W), in the model's dtype, and labels (N,)."""
        self._source.begin(batches)
        callbacks = [_EachBatch(listener, self._source)] if listener else []
        with self._scope(), warnings.catch_warnings():
            # Keras would rather know beforehand how many batches there are.
            warnings.filterwarnings("ignore", "Your input ran out of data", UserWarning)
            try:
                self.fitted.fit(self._data, shuffle=False, verbose=0, callbacks=callbacks)
            finally:
                self._source.end()

    def export_state(self) -> OptimizerState:
        """Copies of the momentum variables; empty without momentum."""
        momentums = {name: canonical_array(tf.convert_to_tensor(m)) for name, m in self._momentums().items()}
        return OptimizerState(momentums, self._scale)

    def import_state(self, state: OptimizerState) -> None:
        """Goes on from this state, whichever framework made it."""
        arrays = state.scaled(self._scale)
        for name, momentum in self._momentums().items():
            momentum.assign(keras_array(arrays[name], self.model.dtype) if arrays else tf.zeros_like(momentum))

    def _dataset(self) -> Any:
        """What ``fit`` reads, whatever the source holds: made once, since TensorFlow traces each dataset anew.

        Not ``from_generator``: where one is made, TensorFlow sets the C library's ``M_MMAP_THRESHOLD``, and from then
        on the whole process gets its large arrays from the kernel, and clears them, each time.
        """
        source, dtype = self._source, self.model.dtype
        shapes = (None, None, None, source.channels), (None, source.classes)

        def read(_: tf.Tensor) -> tuple[tf.Tensor, ...]:
            more, *arrays = tf.numpy_function(source.next, [], (tf.bool, dtype, dtype))
            return more, *(tf.ensure_shape(array, shape) for array, shape in zip(arrays, shapes, strict=True))

        # There is nothing to tune, and where an iterator ends, TensorFlow waits for the thread that would: up to 10 s.
        untuned = tf.data.Options()
        untuned.autotune.enabled = False

        def dataset(_: Any = None) -> tf.data.Dataset:
            steps = tf.data.Dataset.range(tf.int64.max)
            read_steps = steps.map(read).take_while(lambda more, *_: more).map(lambda _, *batch: batch)
            return read_steps.with_options(untuned)

        return self.strategy.distribute_datasets_from_function(dataset) if self.strategy else dataset()

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

    @property
    def _scale(self) -> float:
        """Keras keeps the last change of the weights, -lr * v."""
        return -1 / float(tf.convert_to_tensor(self.optimizer.learning_rate))

    def _momentums(self) -> dict[str, Any]:
        """The optimiser's momentum variables under canonical parameter names."""
        if not self.optimizer.momentum:
            return {}
        by_id = dict(zip(map(id, self.model.trainable_variables), self.optimizer.momentums, strict=True))
        return {name: by_id[id(variable)] for name, variable in named_variables(self.model).items()}


class SGD(tf.keras.optimizers.SGD):
    """Keras' own, with weight decay that goes through the momentum; ``weight_decay`` of Keras goes past it.

    Of each parameter, ``l2`` times its value is added to its gradient.
    """

    def __init__(self, *args: Any, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.l2 = l2

    def update_step(self, gradient: tf.Tensor, variable: Any, *args: Any) -> None:
        """One parameter's step; Keras 3 passes the learning rate, too."""
        if self.l2:
            gradient = gradient + tf.cast(self.l2, variable.dtype) * tf.convert_to_tensor(variable)
        super().update_step(gradient, variable, *args)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "l2": self.l2}


class _Source:
    """Batches as Keras takes them. TensorFlow reads them in a thread of its own, and would hide what one raises.

    Where other processes have parts of them (``shared``), they may not just end before their time.
    """

    def __init__(self, model: GoogLeNet, *, shared: bool = False) -> None:
        assert model.in_channels is not None  # it has weights
        self.channels, self.classes, self.dtype = model.in_channels, model.fc.units, model.dtype
        self.lengths: deque[int] = deque()  # of the batches that were handed out and are not trained on yet, in order
        self._batches: Iterator[Batch] = iter(())
        self._shared = shared
        self._failure: Exception | None = None

    def begin(self, batches: Iterable[Batch]) -> None:
        """Hands out these from now on, NCHW."""
        self._batches, self._failure = iter(batches), None
        self.lengths.clear()

    def next(self) -> tuple[bool, Any, Any]:
        """Whether there is one more; its images, NHWC, and its labels, one-hot, since Keras smooths no others."""
        try:
            for images, labels in self._batches:
                self.lengths.append(len(images))
                return True, layout.nchw_to_nhwc(images), np.eye(self.classes, dtype=self.dtype)[labels]
        except Exception as error:
            self._failure = error
            if self._shared:
                raise
        return False, np.empty((0, 0, 0, self.channels), self.dtype), np.empty((0, self.classes), self.dtype)

    def end(self) -> None:
        """Lets go of the batches, and raises what ended them before their time."""
        failure = self._failure
        self.begin(())
        if failure:
            raise failure


class _EachBatch(tf.keras.callbacks.Callback):
    """Reports every batch by itself; Keras' own numbers are means since the epoch began."""

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
