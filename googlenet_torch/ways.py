"""PyTorch's ways through this network, for the benchmark: the plain one, and what makes it faster."""

from __future__ import annotations

import copy
import inspect
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from googlenet_torch.model import GoogLeNet
from netparity.network.contract import Array, Batch, Forward, Hyperparameters, Steps


class Ways:
    """:class:`netparity.network.contract.BenchmarkedModel` and ``ExportableModel``; a way gets a copy to change."""

    _model: GoogLeNet

    def ways(self) -> Mapping[str, Callable[[], Forward]]:
        return {
            "eager": lambda: _forward(self._model, torch.contiguous_format),
            "channels-last": lambda: _forward(_channels_last(self._model), torch.channels_last),
            "torch.compile": lambda: _forward(_compiled(_channels_last(self._model)), torch.channels_last),
        }

    def training_ways(self, hyperparameters: Hyperparameters) -> Mapping[str, Callable[[], Steps]]:
        return {
            "eager": lambda: _steps(copy.deepcopy(self._model), torch.contiguous_format, hyperparameters),
            "channels-last": lambda: _steps(_channels_last(self._model), torch.channels_last, hyperparameters),
        }

    def export_onnx(self, path: Path) -> None:
        weight = self._model.get_parameter("b1.conv.weight")
        images = torch.zeros(1, weight.shape[1], 32, 32, dtype=weight.dtype)
        options: dict[str, Any] = {"input_names": ["images"], "output_names": ["logits"]}
        options["dynamic_axes"] = {"images": {0: "N", 2: "H", 3: "W"}, "logits": {0: "N"}}
        if "dynamo" in inspect.signature(torch.onnx.export).parameters:  # not before PyTorch 2.5
            options["dynamo"] = False  # that exporter takes ten times as long (measured), and another package
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of being the older one
            torch.onnx.export(self._model, (images,), str(path), **options)


def _channels_last(model: nn.Module) -> nn.Module:
    own: nn.Module = copy.deepcopy(model).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return own  # (the overload is missing in the stubs)


def _compiled(model: nn.Module) -> Any:
    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    if shutil.which(compiler) is None:
        raise NotImplementedError(f"torch.compile needs a C++ compiler, and there is no {compiler!r}")
    return torch.compile(model)


def _forward(model: Any, memory_format: torch.memory_format) -> Forward:
    @torch.inference_mode()
    def forward(images: Array) -> Array:
        x = torch.from_numpy(images).to(memory_format=memory_format)
        logits: Tensor = model(x)
        return logits.numpy()

    return forward


def _steps(model: nn.Module, memory_format: torch.memory_format, hyperparameters: Hyperparameters) -> Steps:
    model.train()
    loss_of = nn.CrossEntropyLoss(label_smoothing=hyperparameters.label_smoothing)
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=hyperparameters.lr,
        momentum=hyperparameters.momentum,
        weight_decay=hyperparameters.weight_decay,
    )

    def steps(batches: Sequence[Batch]) -> list[float]:
        losses = []
        for images, labels in batches:
            loss = loss_of(model(torch.from_numpy(images).to(memory_format=memory_format)), torch.from_numpy(labels))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    return steps
