"""PyTorch's side of the contract in :mod:`netparity.network.contract`.

What stands under a layer's name is read off the model itself: ``torch.fx`` traces the forward pass once. A ReLU that
the model leaves out is missing from the activation, too; a hook that added it would hide the fault.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed, fx, nn
from torch.nn import functional as F

from googlenet_np.architecture import GOOGLENET
from googlenet_np.backend import TrainedModel, checked_sizes
from googlenet_torch.inference import Inference
from googlenet_torch.joint import JointTraining
from googlenet_torch.model import GoogLeNet
from googlenet_torch.training import Training
from googlenet_torch.ways import Ways
from googlenet_torch.weights import export_weights, import_weights
from netparity.network.contract import Array, DType, Gradients, Hyperparameters, LayerGradients
from netparity.network.errors import OptionError
from netparity.network.images import check_cotangent


class Backend:
    """PyTorch on the CPU, behind :class:`netparity.network.contract.Backend`."""

    name = "torch"

    def versions(self) -> dict[str, str]:
        """PyTorch, the libraries that it convolves and multiplies with (oneDNN, MKL), and NumPy."""
        libraries = {"oneDNN": r"MKL-DNN v([\d.]+)", "MKL": r"Math Kernel Library Version ([\d.]+)"}
        built_with = torch.__config__.show()
        found = {name: match[1] for name, pattern in libraries.items() if (match := re.search(pattern, built_with))}
        return {"torch": torch.__version__, **found, "numpy": np.__version__}

    def join(self) -> tuple[int, int]:
        """Meets the other processes of ``torchrun``, or of what else sets its variables, by Gloo."""
        if os.environ.get("WORLD_SIZE", "1") == "1":
            return 0, 1
        if not distributed.is_initialized():
            try:
                distributed.init_process_group("gloo")
            except (RuntimeError, ValueError) as error:
                raise OptionError(f"PyTorch cannot meet the other processes of torchrun: {error}") from None
        return distributed.get_rank(), distributed.get_world_size()

    def build(self, weights: Mapping[str, Array], dtype: DType) -> TorchModel:
        in_channels, num_classes = checked_sizes(weights, dtype)
        with torch.random.fork_rng(devices=[]):  # initial values that are overwritten should not advance a user's seed
            model = GoogLeNet(num_classes, in_channels)
        model.to(getattr(torch, dtype))
        import_weights(model, weights)
        return TorchModel(model)


class TorchModel(Ways, TrainedModel):
    """A ``GoogLeNet`` behind :class:`netparity.network.contract.BuiltModel`, where the methods are described.

    The model is on the CPU, knows its input channels, and is not to be changed afterwards.
    """

    def __init__(self, model: GoogLeNet) -> None:
        kernel = model.get_parameter("b1.conv.weight")
        super().__init__(kernel.shape[1], model.fc.out_features, str(kernel.dtype).removeprefix("torch."))
        self._model = model
        self._whole = fx.Tracer().trace(model)
        layers = _layers(self._whole)
        self._parts = {name: _extract(nodes) for name, nodes in layers.items()}
        *_, output = self._whole.nodes
        output.args = ({name: nodes[-1] for name, nodes in layers.items()},)

    @torch.inference_mode()
    def activations(self, images: Array) -> dict[str, Array]:
        recorded = self._run(self._whole, self._images(images))
        return {name: _array(tensor) for name, tensor in recorded.items()}

    @torch.inference_mode()
    def layer(self, name: str, inputs: Array) -> Array:
        return _array(self._run(self._parts[GOOGLENET[name].name], self._tensor(inputs)))

    @torch.enable_grad()
    def gradients(self, images: Array, labels: Array) -> Gradients:
        x = self._images(images, labels).requires_grad_()
        loss = F.cross_entropy(self._model(x), torch.tensor(np.asarray(labels, np.int64)))
        return Gradients(loss.item(), *_gradients(loss, self._model, x))

    @torch.enable_grad()
    def layer_gradients(self, name: str, inputs: Array, cotangent: Array) -> LayerGradients:
        x = self._tensor(inputs).requires_grad_()
        y = self._run(self._parts[GOOGLENET[name].name], x)
        check_cotangent(name, cotangent, tuple(y.shape))
        # The same gradients, each factor times one; handed a cotangent, PyTorch imports SymPy, for half a second.
        return LayerGradients(*_gradients((y * self._tensor(cotangent)).sum(), self._model.get_submodule(name), x))

    @torch.inference_mode()
    def predict(self, images: Array) -> Array:
        return _array(self._inference(self._images(images)))

    def training(self, hyperparameters: Hyperparameters) -> Training:
        joint = distributed.is_initialized() and distributed.get_world_size() > 1
        return (JointTraining if joint else Training)(self._model, hyperparameters)

    def export_weights(self) -> dict[str, Array]:
        return export_weights(self._model)

    @cached_property
    def _inference(self) -> Inference:
        return Inference(self._model)

    def _run(self, graph: fx.Graph, x: Tensor) -> Any:
        return fx.Interpreter(self._model, graph=graph).run(x)

    def _tensor(self, array: Array) -> Tensor:
        return torch.tensor(np.ascontiguousarray(array), dtype=self._model.fc.weight.dtype)


def _layers(graph: fx.Graph) -> dict[str, list[fx.Node]]:
    """The nodes that make up every named layer, in canonical order; the last one gives its activation.

    A layer owns what runs inside the module of its name, and what follows up to the next layer or concatenation.
    """
    layers: dict[str, list[fx.Node]] = {name: [] for name in GOOGLENET.names}
    for node in graph.nodes:
        for module in layers.keys() & node.meta.get("nn_module_stack", {}).keys():
            layers[module].append(node)
    firsts = {nodes[0] for nodes in layers.values()}
    for nodes in layers.values():
        while len(nodes[-1].users) == 1:
            (user,) = nodes[-1].users
            if user in firsts or user.op == "output" or len(user.all_input_nodes) > 1:
                break
            nodes.append(user)
    return layers


def _extract(nodes: list[fx.Node]) -> fx.Graph:
    """Those nodes as a graph of their own, whose one input stands for whatever they read from outside."""
    graph = fx.Graph()
    x = graph.placeholder("x")
    copies: dict[fx.Node, fx.Node] = {}
    for node in nodes:
        copies[node] = graph.node_copy(node, lambda read: copies.get(read, x))
    graph.output(copies[nodes[-1]])
    return graph


def _gradients(y: Tensor, module: nn.Module, x: Tensor) -> tuple[dict[str, Array], Array]:
    """Gradients of the number ``y`` by the module's parameters, under their names, and by ``x``."""
    parameters = dict(module.named_parameters())
    by_x, *by_parameters = torch.autograd.grad(y, [x, *parameters.values()])
    return {name: _array(by) for name, by in zip(parameters, by_parameters, strict=True)}, _array(by_x)


def _array(tensor: Tensor) -> Array:
    return tensor.detach().contiguous().numpy()
