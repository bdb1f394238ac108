"""Training in MXNet Gluon: a loss, ``autograd.record``, and a ``Trainer``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon

from googlenet_mx.model import GoogLeNet
from googlenet_mx.weights import as_ndarray, named_parameters
from netparity.network.contract import Array, Batch, Hyperparameters, Listener, OptimizerState, Step


class Training:
    """Stochastic gradient descent on a ``GoogLeNet``.

    Args:
        model: On the CPU, initialised. It is hybridized, and so are its children: their hooks fall silent.
        kvstore: A distributed key-value store, of no other training. Its processes take each step together: each has a
            part of the batch, and all have the same weights, at first those of rank 0.
    """

    def __init__(self, model: GoogLeNet, hyperparameters: Hyperparameters, kvstore: Any = None) -> None:
        self.model = model
        self.hyperparameters = hyperparameters
        self.model.hybridize(static_alloc=True, static_shape=True)
        self.loss = gluon.loss.SoftmaxCrossEntropyLoss(sparse_label=False)
        # The number that the trainer has for each parameter: its place in the list.
        self.numbers = {name: number for number, name in enumerate(named_parameters(model))}
        self.sums_key = len(self.numbers)  # the first number that the trainer has not taken
        self.trainer = gluon.Trainer(
            [*named_parameters(model).values()],
            mx.optimizer.SGD(
                learning_rate=hyperparameters.lr, momentum=hyperparameters.momentum, wd=hyperparameters.weight_decay
            ),
            kvstore=kvstore,
            update_on_kvstore=False,
        )
        self.kvstore = kvstore
        self.shared = kvstore is not None
        if kvstore is not None:
            kvstore.init(self.sums_key, mx.nd.zeros(3))
            # Left to its first step, the trainer asks for rank 0's weights and sends gradients under the same key at
            # once; the server may answer with the gradients.
            self._ready()
            mx.nd.waitall()

    def train(self, batches: Iterable[Batch], listener: Listener | None = None) -> None:
        """One step for each batch of images (N, C, H, W), in the model's dtype, and labels (N,)."""
        for batch in batches:
            part = len(batch[0])
            images, labels = batch if part else _stand_in(batch)
            x = as_ndarray(images, images.dtype)
            with autograd.record():
                logits = self.model(x)
                # Gluon's losses are one number per image; and it has no label smoothing of its own.
                loss = self.loss(logits, soft_targets(labels, logits, self.hyperparameters.label_smoothing)).mean()
            if self.kvstore is None:
                loss.backward()
            else:
                step = self._joint(_step(loss, logits, labels), part)
                loss.backward(loss.ones_like() * (part / step.images))  # the key-value store adds the parts up
            self.trainer.step(1)  # the gradient is a mean already: nothing to divide by
            if listener:
                listener(_step(loss, logits, labels) if self.kvstore is None else step)

    def _joint(self, step: Step, part: int) -> Step:
        """The step of the joint batch, of one on this process's part of it, which has ``part`` images."""
        sums = mx.nd.array([step.loss * part, step.accuracy * part, part])
        self.kvstore.push(self.sums_key, sums)
        self.kvstore.pull(self.sums_key, out=sums)
        loss, right, images = sums.asnumpy().tolist()
        return Step(loss / images, right / images, int(images))

    def export_state(self) -> OptimizerState:
        """Copies of the momentum arrays, which MXNet makes at the first step; empty before, and without momentum."""
        states = {name: self._updater.states.get(number) for name, number in self.numbers.items()}
        return OptimizerState({name: s.asnumpy() for name, s in states.items() if s is not None}, self._scale)

    def import_state(self, state: OptimizerState) -> None:
        """Goes on from this state, whichever framework made it."""
        updater = self._updater
        updater.states.clear()
        updater.states_synced.clear()
        if not self.hyperparameters.momentum:
            return
        for name, array in state.scaled(self._scale).items():
            updater.states[self.numbers[name]] = as_ndarray(array, self.model.fc.weight.dtype)
            updater.states_synced[self.numbers[name]] = True

    @property
    def _scale(self) -> float:
        """MXNet keeps the last change of the weights, -lr * v."""
        return -1 / self.trainer.learning_rate

    @property
    def _updater(self) -> Any:
        """Gluon's only way to the optimiser's state that is not a pickle, its ``save_states``."""
        self._ready()
        (updater,) = self.trainer._updaters
        return updater

    def _ready(self) -> None:
        """What the trainer else does in its first step: it sets up its key-value store, and brings weights there."""
        if not self.trainer._kv_initialized:
            self.trainer._init_kvstore()
        if self.trainer._params_to_init:
            self.trainer._init_params()


def soft_targets(labels: Array, logits: Any, smoothing: float) -> Any:
    """The labels one-hot, and smoothed; (N, num_classes), in the dtype of the logits."""
    classes = logits.shape[1]
    one_hot = np.eye(classes, dtype=logits.dtype)[labels]
    return as_ndarray(one_hot * (1 - smoothing) + smoothing / classes, logits.dtype)


def _stand_in(batch: Batch) -> Batch:
    """A single image in place of an empty part of a joint batch, without weight: MXNet has no empty arrays."""
    images, labels = batch
    return np.zeros((1, *images.shape[1:]), images.dtype), np.zeros(1, labels.dtype)


def _step(loss: Any, logits: Any, labels: Array) -> Step:
    accuracy = (logits.asnumpy().argmax(axis=1) == labels).mean()
    return Step(float(loss.asnumpy().item()), float(accuracy), len(labels))
