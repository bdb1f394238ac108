"""Faults made in MXNet, each in the way in which they are made by mistake."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from googlenet_mx import backend
from googlenet_mx.model import GoogLeNet, Inception
from googlenet_mx.training import Training
from googlenet_mx.weights import import_weights
from googlenet_np.weights import weights_like
from netparity.network.contract import DType, Hyperparameters

# isort: split
# MXNet comes last: googlenet_mx lends it the alias of NumPy that it needs while it is imported.
from mxnet import gluon
from mxnet.gluon import nn

Array = npt.NDArray[Any]
Weights = Mapping[str, Array]

FOREIGN = {"b4.inception_4c.p3_2.weight": "b4.inception_4b.p3_2.weight"}
"""A kernel, and the one that is written in its place."""


class BranchesReordered(backend.Backend):
    """One block concatenates its branches as 1, 3, 2, 4."""

    def build(self, weights: Weights, dtype: DType) -> backend.MXNetModel:
        model = _model(weights, dtype)
        model.b4.inception_4b.__class__ = _Reordered
        return backend.MXNetModel(model)


class AveragePool(backend.Backend):
    """A pool takes the average, and counts its padding."""

    def build(self, weights: Weights, dtype: DType) -> backend.MXNetModel:
        model = _model(weights, dtype)
        model.b3.pool.__class__ = _AveragePool
        return backend.MXNetModel(model)


class ForeignKernel(backend.Backend):
    """A layer computes with another layer's kernel, which is not what it exports."""

    def build(self, weights: Weights, dtype: DType) -> backend.MXNetModel:
        foreign = {name: weights[other] for name, other in FOREIGN.items()}
        return _Exporting(_model({**weights, **foreign}, dtype), weights)


class DividedTwice(backend.Backend):
    """The trainer divides by the batch what is a mean already."""

    def build(self, weights: Weights, dtype: DType) -> backend.MXNetModel:
        return _DividedTwice(_model(weights, dtype))


class _DividedTwice(backend.MXNetModel):
    def training(self, hyperparameters: Hyperparameters) -> Training:
        training = super().training(hyperparameters)
        training.trainer = _Dividing(training.trainer._params, training.trainer._optimizer, kvstore=None)
        return training


class _Dividing(gluon.Trainer):
    def step(self, batch_size: int, ignore_stale_grad: bool = False) -> None:
        super().step(4 * batch_size, ignore_stale_grad)


class _Reordered(Inception):
    def hybrid_forward(self, F: Any, x: Any) -> Any:
        p1 = self.p1_1(x)
        p2 = self.p2_2(self.p2_1(x))
        p3 = self.p3_2(self.p3_1(x))
        p4 = self.p4_2(self.p4_1(x))
        return F.concat(p1, p3, p2, p4, dim=1)


class _AveragePool(nn.MaxPool2D):
    def hybrid_forward(self, F: Any, x: Any) -> Any:
        options = {"kernel": (3, 3), "stride": (2, 2), "pad": (1, 1)}
        return F.Pooling(x, pool_type="avg", count_include_pad=True, **options)


class _Exporting(backend.MXNetModel):
    """A model that exports what it was told to have been given."""

    def __init__(self, model: GoogLeNet, weights: Weights) -> None:
        super().__init__(model)
        self._given = weights

    def export_weights(self) -> dict[str, Array]:
        return {name: self._given[name].astype(array.dtype) for name, array in super().export_weights().items()}


def _model(weights: Weights, dtype: DType) -> GoogLeNet:
    in_channels, num_classes = weights_like(weights)
    model = GoogLeNet(num_classes, in_channels)
    model.cast(dtype)
    import_weights(model, weights)
    return model
