"""Faults made in PyTorch, each in the way in which they are made by mistake."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from googlenet_np.weights import weights_like
from googlenet_torch import backend
from googlenet_torch.model import GoogLeNet, Inception
from googlenet_torch.training import Training
from googlenet_torch.weights import import_weights
from netparity.network.contract import DType, Hyperparameters

Array = npt.NDArray[Any]
Weights = Mapping[str, Array]

SWAPPED = "b4.inception_4e.p2_2", "b5.inception_5a.p2_2"
"""Two layers whose kernels have the same shape."""


class BFloat16(backend.Backend):
    """Its convolutions take and give float32, and compute in bfloat16."""

    def build(self, weights: Weights, dtype: DType) -> backend.TorchModel:
        model = _model(weights, dtype)
        for module in model.modules():
            if isinstance(module, nn.Conv2d) and dtype == "float32":
                module.__class__ = _BFloat16Conv2d
        return backend.TorchModel(model)


class WithoutReLU(backend.Backend):
    """One Inception block forgets the ReLU between its two convolutions."""

    def build(self, weights: Weights, dtype: DType) -> backend.TorchModel:
        model = _model(weights, dtype)
        model.get_submodule("b3.inception_3a").__class__ = _InceptionWithoutReLU
        return backend.TorchModel(model)


class CeilMode(backend.Backend):
    """A max-pool rounds its output size up, as Caffe does."""

    def build(self, weights: Weights, dtype: DType) -> backend.TorchModel:
        model = _model(weights, dtype)
        setattr(model.get_submodule("b2.pool"), "ceil_mode", True)  # noqa: B010 – of a type that says only Module
        return backend.TorchModel(model)


class WeightsSwapped(backend.Backend):
    """Two layers get each other's weights, and give them back as if nothing were wrong."""

    def build(self, weights: Weights, dtype: DType) -> backend.TorchModel:
        return _SwappedBack(_model(_swapped(weights), dtype))


class Nesterov(backend.Backend):
    """The optimiser is made with ``nesterov=True``."""

    def build(self, weights: Weights, dtype: DType) -> backend.TorchModel:
        return _Nesterov(_model(weights, dtype))


class _Nesterov(backend.TorchModel):
    def training(self, hyperparameters: Hyperparameters) -> Training:
        training = super().training(hyperparameters)
        for group in training.optimizer.param_groups:
            group["nesterov"] = True
        return training


class _BFloat16Conv2d(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        x = x.bfloat16()
        assert self.bias is not None
        return F.conv2d(x, self.weight.bfloat16(), self.bias.bfloat16(), self.stride, self.padding).float()


class _InceptionWithoutReLU(Inception):
    def forward(self, x: Tensor) -> Tensor:
        p1 = F.relu(self.p1_1(x))
        p2 = F.relu(self.p2_2(self.p2_1(x)))
        p3 = F.relu(self.p3_2(F.relu(self.p3_1(x))))
        p4 = F.relu(self.p4_2(self.p4_1(x)))
        return torch.cat((p1, p2, p3, p4), dim=1)


class _SwappedBack(backend.TorchModel):
    def export_weights(self) -> dict[str, Array]:
        return _swapped(super().export_weights())


def _swapped(weights: Weights) -> dict[str, Array]:
    one, other = SWAPPED
    pairs = [(f"{one}.{kind}", f"{other}.{kind}") for kind in ("weight", "bias")]
    moved = {name: weights[partner] for pair in pairs for name, partner in (pair, pair[::-1])}
    return {**weights, **moved}


def _model(weights: Weights, dtype: DType) -> GoogLeNet:
    in_channels, num_classes = weights_like(weights)
    model = GoogLeNet(num_classes, in_channels)
    model.to(getattr(torch, dtype))
    import_weights(model, weights)
    return model
