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

from netparity.network.contract import Array, Batch, Forward, Hyperparameters, Steps


def ways(model: nn.Module) -> Mapping[str, Callable[[], Forward]]:
    """Makers of the ways to the logits, by name; ``model`` is copied where a way needs it otherwise."""
    return {
        "eager": lambda: _forward(model, torch.contiguous_format),
        "channels-last": lambda: _forward(_channels_last(model), torch.channels_last),
        "torch.compile": lambda: _forward(_compiled(_channels_last(model)), torch.channels_last),
    }


def training_ways(model: nn.Module, hyperparameters: Hyperparameters) -> Mapping[str, Callable[[], Steps]]:
    """Makers of the ways to train a copy of ``model``, by name."""
    return {
        "eager": lambda: _steps(copy.deepcopy(model), torch.contiguous_format, hyperparameters),
        "channels-last": lambda: _steps(_channels_last(model), torch.channels_last, hyperparameters),
    }


def export_onnx(model: nn.Module, path: Path) -> None:
    """Writes the graph as ONNX: input ``images``, whose N, H and W are free; the logits its one output."""
    weight = model.get_parameter("b1.conv.weight")
    # The newer exporter takes ten times as long (measured) and another package; PyTorch before 2.5 has no choice.
    older: dict[str, Any] = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of being the older one
        torch.onnx.export(
            model,
            (torch.zeros(1, weight.shape[1], 32, 32, dtype=weight.dtype),),
            str(path),
            input_names=["images"],
            output_names=["logits"],
            dynamic_axes={"images": {0: "N", 2: "H", 3: "W"}, "logits": {0: "N"}},
            **older,
        )


def _channels_last(model: nn.Module) -> nn.Module:
    own = copy.deepcopy(model)
    own.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in the stubs
    return own


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
