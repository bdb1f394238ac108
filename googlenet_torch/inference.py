"""The network as PyTorch runs it fastest on the CPU, for inference alone.

Derived from the model's own graph, so that whatever the model does, this does too: each convolution and the ReLU behind
it become one call of oneDNN, with weights that lie in memory as oneDNN wants them for that input. It is the call that
``torch.compile`` makes; here it takes no compiler and no time.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

__all__ = ["can_fuse", "fused"]

RELUS = (F.relu, torch.relu, "relu")


def can_fuse(dtype: torch.dtype) -> bool:
    """Whether this PyTorch has oneDNN and its fused convolution, which is for float32."""
    has_call = hasattr(torch.ops.mkldnn, "_convolution_pointwise")
    return dtype is torch.float32 and torch.backends.mkldnn.is_available() and has_call


def fused(model: nn.Module) -> fx.GraphModule:
    """A network that computes what ``model`` does, with convolutions and ReLUs fused; inputs in channels-last.

    Args:
        model: On the CPU, traceable, float32; only read. Its weights are copied at the first call for each shape.
    """
    network = fx.symbolic_trace(model)
    modules = dict(network.named_modules())
    for node in list(network.graph.nodes):
        if not _is_plain_convolution(node, modules):
            continue
        relu = next(iter(node.users)) if len(node.users) == 1 else None
        if relu is None or not _is_relu(relu, modules):
            continue
        name = f"{node.target}.fused".replace(".", "_")
        network.add_submodule(name, _ConvolutionReLU(modules[node.target]))
        with network.graph.inserting_after(node):
            call = network.graph.call_module(name, node.args)
        relu.replace_all_uses_with(call)
        network.graph.erase_node(relu)
        network.graph.erase_node(node)
    network.recompile()
    return network


def _is_plain_convolution(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    module = modules.get(str(node.target)) if node.op == "call_module" else None
    return type(module) is nn.Conv2d and module.padding_mode == "zeros" and not isinstance(module.padding, str)


def _is_relu(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    if node.op == "call_module":
        return type(modules.get(str(node.target))) is nn.ReLU
    return node.op in ("call_function", "call_method") and node.target in RELUS


class _ConvolutionReLU(nn.Module):
    """A convolution with bias and ReLU in one pass.

    Args:
        convolution: Whose weights and numbers it takes.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self._convolution = convolution
        self._packed: dict[torch.Size, Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        conv = self._convolution
        numbers = (conv.padding, conv.stride, conv.dilation, conv.groups)
        if x.shape not in self._packed:
            pack: Any = torch._C._nn.mkldnn_reorder_conv2d_weight  # of which PyTorch's stubs know one argument
            weight = conv.weight.detach().contiguous(memory_format=torch.channels_last).to_mkldnn()
            self._packed[x.shape] = pack(weight, *numbers, x.shape)
        y: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, self._packed[x.shape], conv.bias, *numbers, "relu", [], ""
        )
        return y
