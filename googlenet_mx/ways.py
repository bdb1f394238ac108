"""MXNet's ways through this network, for the benchmark: the plain one, and what makes it faster.

MXNet computes in threads of its own; each way waits for what it has begun before it returns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import mxnet as mx
from mxnet import autograd, gluon

from googlenet_mx.model import GoogLeNet
from googlenet_mx.training import Training, soft_targets
from googlenet_mx.weights import as_ndarray, export_weights, import_weights
from googlenet_np.weights import weights_like
from netparity.network.contract import Array, Batch, Forward, Hyperparameters, Step, Steps


class Ways:
    """:class:`netparity.network.contract.BenchmarkedModel`, whose ways train copies of the model.

    ``train`` is the contract's, which may return while the last step's update is still under way: here it waits.
    """

    _model: GoogLeNet

    def ways(self) -> Mapping[str, Callable[[], Forward]]:
        return {
            "eager": lambda: _forward(self._model),
            "hybridized": lambda: _forward(_hybridized(_copy(self._model))),
        }

    def training_ways(self, hyperparameters: Hyperparameters) -> Mapping[str, Callable[[], Steps]]:
        return {
            "train": lambda: _train(Training(_copy(self._model), hyperparameters)),
            "eager": lambda: _steps(_copy(self._model), hyperparameters),
            "hybridized": lambda: _steps(_hybridized(_copy(self._model)), hyperparameters),
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
    options = {"learning_rate": hyperparameters.lr, "momentum": hyperparameters.momentum}
    trainer = gluon.Trainer(model.collect_params(), "sgd", {**options, "wd": hyperparameters.weight_decay})
    loss_of = gluon.loss.SoftmaxCrossEntropyLoss(sparse_label=False)

    def steps(batches: Sequence[Batch]) -> list[float]:
        losses = []
        for images, labels in batches:
            with autograd.record():
                logits = model(as_ndarray(images, images.dtype))
                loss = loss_of(logits, soft_targets(labels, logits, hyperparameters.label_smoothing))
            loss.backward()
            trainer.step(len(images))
            losses.append(loss)
        mx.nd.waitall()
        return [float(loss.asnumpy().mean()) for loss in losses]

    return steps
