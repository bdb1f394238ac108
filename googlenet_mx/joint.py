"""One batch in the parts of several processes, which a distributed key-value store trains on as one process would."""

from __future__ import annotations

from typing import Any

import mxnet as mx
import numpy as np
from mxnet import autograd

from googlenet_mx.model import GoogLeNet
from googlenet_mx.training import Training, make_ready, seen, soft_targets
from googlenet_mx.weights import as_ndarray
from netparity.network.contract import Array, Hyperparameters, Step


class JointTraining(Training):
    """``Training`` whose processes take each step together.

    Each has a part of the batch, and all have the same weights, at first those of rank 0.

    Args:
        model: As in ``Training``.
        hyperparameters: Of the optimiser and the loss.
        kvstore: A distributed key-value store, of no other training.
    """

    shared = True

    def __init__(self, model: GoogLeNet, hyperparameters: Hyperparameters, kvstore: Any) -> None:
        super().__init__(model, hyperparameters, kvstore)
        self.kvstore = kvstore
        self.sums_key = len(self.numbers)  # the first number that the trainer has not taken
        kvstore.init(self.sums_key, mx.nd.zeros(3))
        # Left to its first step, the trainer asks for rank 0's weights and sends gradients under the same key at once;
        # the server may answer with the gradients.
        make_ready(self.trainer)
        mx.nd.waitall()

    def step(self, images: Array, labels: Array) -> Step:
        """One step on this process's part of a batch; what all parts together saw."""
        part = len(images)
        if not part:  # MXNet has no empty arrays: a single image, without weight
            images, labels = np.zeros((1, *images.shape[1:]), images.dtype), np.zeros(1, labels.dtype)
        x = as_ndarray(images, images.dtype)
        with autograd.record():
            logits = self.model(x)
            y = soft_targets(labels, logits, self.hyperparameters.label_smoothing)
            loss = self.loss(logits, y).mean()
        step = self._joint(seen(loss, logits, labels), part)
        loss.backward(loss.ones_like() * (part / step.images))  # the key-value store adds the parts up
        self.trainer.step(1)
        return step

    def _joint(self, step: Step, part: int) -> Step:
        """The step of the joint batch, of one on this process's part of it, which has ``part`` images."""
        sums = mx.nd.array([step.loss * part, step.accuracy * part, part])
        self.kvstore.push(self.sums_key, sums)
        self.kvstore.pull(self.sums_key, out=sums)
        loss, right, images = sums.asnumpy().tolist()
        return Step(loss / images, right / images, int(images))
