"""MXNet's ways through this network, for the benchmark: the plain one, and what makes it faster.

MXNet computes in threads of its own; each way waits for what it has begun before it returns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon

from googlenet_mx.model import GoogLeNet
from googlenet_mx.training import Training
from googlenet_mx.weights import as_ndarray, export_weights, import_weights
from googlenet_np.weights import weights_like
from netparity.network.contract import Array, Batch, Forward, Hyperparameters, Step, Steps


def ways(model: GoogLeNet) -> Mapping[str, Callable[[], Forward]]:
    """Makers of the ways to the logits, by name."""
    return {
        "eager": lambda: _forward(model),
        "hybridized": lambda: _forward(_hybridized(_copy(model))),
    }


def training_ways(model: GoogLeNet, hyperparameters: Hyperparameters) -> Mapping[str, Callable[[], Steps]]:
    """Makers of the ways to train a copy of ``model``, by name.

    ``train`` is the contract's, which may return while the last step's update is still under way: here it waits.
    """
    return {
        "train": lambda: _train(Training(_copy(model), hyperparameters)),
        "eager": lambda: _steps(_copy(model), hyperparameters),
        "hybridized": lambda: _steps(_hybridized(_copy(model)), hyperparameters),
    }


def _copy(model: GoogLeNet) -> GoogLeNet:
    """The same weights in a model of its own: a block that is hybridized silences its hooks."""
    weights = export_weights(model)
    in_channels, num_classes = weights_like(weights)
    own = GoogLeNet(num_classes, in_channels)
    own.cast(model.fc.weight.dtype)
    import_weights(own, weights)
    return own


def _hybridized(model: GoogLeNet) -> GoogLeNet:
    model.hybridize(static_alloc=True, static_shape=True)
    return model


def _forward(model: GoogLeNet) -> Forward:
    def forward(images: Array) -> Array:
        logits: Array = model(as_ndarray(images, images.dtype)).asnumpy()
        return logits

    return forward


def _train(training: Training) -> Steps:
    def steps(batches: Sequence[Batch]) -> list[float]:
        seen: list[Step] = []
        training.train(batches, seen.append)
        mx.nd.waitall()
        return [step.loss for step in seen]

    return steps


def _steps(model: GoogLeNet, hyperparameters: Hyperparameters) -> Steps:
    """Gluon's loop as its own guides have it: a loss for each image, and a step that divides by their number."""
    trainer = gluon.Trainer(
        model.collect_params(),
        "sgd",
        {
            "learning_rate": hyperparameters.lr,
            "momentum": hyperparameters.momentum,
            "wd": hyperparameters.weight_decay,
        },
    )
    smoothing = hyperparameters.label_smoothing
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss(sparse_label=False)

    def steps(batches: Sequence[Batch]) -> list[float]:
        losses = []
        for images, labels in batches:
            with autograd.record():
                logits = model(as_ndarray(images, images.dtype))
                one_hot = np.eye(logits.shape[1], dtype=images.dtype)[labels]
                targets = as_ndarray(one_hot * (1 - smoothing) + smoothing / logits.shape[1], images.dtype)
                loss = loss_of(logits, targets)
            loss.backward()
            trainer.step(len(images))
            losses.append(loss)
        mx.nd.waitall()
        return [float(loss.asnumpy().mean()) for loss in losses]

    return steps
