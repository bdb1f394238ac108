"""The network as PyTorch runs it fastest on the CPU, for inference alone.

Traced from the model itself, so that whatever the model does, this does too. oneDNN Graph then takes convolutions with
their biases and ReLUs, pools and the dense layer over as partitions, compiled for one shape of input. Measured by
``netparity bench``: as fast as ONNX Runtime, where ``torch.compile`` is slower and takes 40 s to compile.

It is reached through TorchScript, which PyTorch has deprecated. Without it, or in a PyTorch that has no oneDNN Graph,
what is left is the model in channels-last.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

# Pixels of the images that are computed together. More at a time leave the processor's caches, and take arrays of 32 MB
# and more, which the C library gets anew from the kernel in every call: 128 images of 96×96 at once took 1.3 times as
# long, and twice the memory (measured).
PIXELS = 32 * 96 * 96

RUNS = 3  # until a network is as it stays: the first is watched, the second fuses, the third runs what is fused


class Inference:
    """A network that computes what ``model`` does, compiled at the first call for each shape of input, and kept.

    Many images are computed some at a time, so that one costs the same, in time and memory, whatever the batch. The
    model, on the CPU and in evaluation mode, is copied: weights written later do not count.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = copy.deepcopy(model).eval()
        self._model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in the stubs
        self._model.requires_grad_(False)  # as constants of a trace must be
        self._networks: dict[torch.Size, Any] = {}

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Tensor:
        """Logits (N, num_classes) of ``images`` (N, C, H, W)."""
        together = max(1, PIXELS // max(1, images.shape[-2] * images.shape[-1]))
        if len(images) > together:
            return torch.cat([self(part) for part in images.split(together)])
        images = images.contiguous(memory_format=torch.channels_last)
        if images.shape not in self._networks:
            self._networks[images.shape] = self.compiled(images) or self._model
        logits: Tensor = self._networks[images.shape](images)
        return logits

    def compiled(self, images: Tensor) -> Any:
        """The network for inputs like ``images``, or None where it cannot be had: it is for float32."""
        if images.dtype is not torch.float32 or not hasattr(torch.jit, "enable_onednn_fusion"):
            return None
        with _fusion():
            try:
                # A function, whose weights are constants of its trace. Those of a module would be its attributes until
                # they are frozen, and each module in it a script module first, which takes two to three times the time.
                network: Any = torch.jit.trace(lambda x: self._model(x), images, check_trace=False)  # noqa: PLW0108
                for _ in range(RUNS):
                    network(images)
            except RuntimeError:  # TorchScript cannot have this model, or oneDNN this shape
                return None
        return network


@contextmanager
def _fusion() -> Iterator[None]:
    """Lets TorchScript fuse; it is one switch for the whole process, and goes back to where it was."""
    before = torch.jit.onednn_fusion_enabled()
    torch.jit.enable_onednn_fusion(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        torch.jit.enable_onednn_fusion(before)
