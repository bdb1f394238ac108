"""Training in MXNet, to be read beside its siblings ``googlenet_{torch,tf,mx}/training.py``.

MXNet leaves the step to the user: see ``Training.step``. It writes over the gradients of the step before.
"""

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
        hyperparameters: Of the optimiser and the loss.
        kvstore: As Gluon's ``Trainer`` takes it.
    """

    shared = False  # whether other processes have parts of each batch

    def __init__(self, model: GoogLeNet, hyperparameters: Hyperparameters, kvstore: Any = None) -> None:
        self.model = model
        self.model.hybridize(static_alloc=True, static_shape=True)
        self.hyperparameters = hyperparameters
        self.loss = gluon.loss.SoftmaxCrossEntropyLoss(sparse_label=False)
        optimizer = mx.optimizer.SGD(
            learning_rate=hyperparameters.lr,
            momentum=hyperparameters.momentum,
            wd=hyperparameters.weight_decay,
        )
        parameters = named_parameters(model)
        self.trainer = gluon.Trainer([*parameters.values()], optimizer, kvstore=kvstore, update_on_kvstore=False)
        # The number that the trainer has for each parameter: its place in the list.
        self.numbers = {name: number for number, name in enumerate(parameters)}

    def train(self, batches: Iterable[Batch], listener: Listener | None = None) -> None:
        """One step for each batch of images (N, C, H, W), in the model's dtype, and labels (N,)."""
        for images, labels in batches:
            step = self.step(images, labels)
            if listener:
                listener(step)

    def step(self, images: Array, labels: Array) -> Step:
        """One step on one batch; what it saw before it changed the weights."""
        x = as_ndarray(images, images.dtype)
        with autograd.record():
            logits = self.model(x)
            y = soft_targets(labels, logits, self.hyperparameters.label_smoothing)
            loss = self.loss(logits, y).mean()  # Gluon's losses are one number per image
        loss.backward()
        self.trainer.step(1)  # the gradient is a mean already: nothing to divide by
        return seen(loss, logits, labels)

    def export_state(self) -> OptimizerState:
        """Copies of the momenta under canonical names; empty before the first step, and without momentum."""
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
        make_ready(self.trainer)
        (updater,) = self.trainer._updaters
        return updater


def soft_targets(labels: Array, logits: Any, smoothing: float) -> Any:
    """The labels one-hot, and smoothed, which Gluon cannot; (N, num_classes), in the dtype of the logits."""
    classes = logits.shape[1]
    one_hot = np.eye(classes, dtype=logits.dtype)[labels]
    return as_ndarray(one_hot * (1 - smoothing) + smoothing / classes, logits.dtype)


def seen(loss: Any, logits: Any, labels: Array) -> Step:
    """The mean loss, the accuracy and the images of one step; waits for MXNet to compute them."""
    accuracy = (logits.asnumpy().argmax(axis=1) == labels).mean()
    return Step(float(loss.asnumpy().item()), float(accuracy), len(labels))


def make_ready(trainer: gluon.Trainer) -> None:
    """What a trainer else does in its first step: it sets up its key-value store, and brings weights there."""
    if not trainer._kv_initialized:
        trainer._init_kvstore()
    if trainer._params_to_init:
        trainer._init_params()
