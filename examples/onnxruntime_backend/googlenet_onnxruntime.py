"""ONNX Runtime as a backend of googlenet-parity, forward only: a whole backend from outside, in one file.

The PyTorch model is exported to ONNX, and from there on nothing but that graph computes. What stands under a layer's
name is read off the graph as well: a node whose name says that it runs inside a layer's module begins that layer, and
a ReLU or a flattening finishes the layer that it reads. One that the export left out would be missing here too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import torch
from onnx import helper, numpy_helper
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NoKernelError
from torch.onnx import TrainingMode

from googlenet_np import GOOGLENET
from googlenet_torch import GoogLeNet, import_weights
from netparity import IMAGES, DType, Gradients, LayerGradients, check_dtype, weights_like

__all__ = ["Backend", "OnnxModel"]

Array = npt.NDArray[Any]

FINISHING = ("Relu", "Flatten")
"""Operators that belong to the layer whose output they read, whatever module they run in."""

FORWARD_ONLY = "ONNX Runtime runs an exported graph forwards and has no gradients"


class Backend:
    """ONNX Runtime on the CPU, behind :class:`netparity.Backend`."""

    name = "ort"

    def versions(self) -> dict[str, str]:
        """ONNX Runtime, and what made its graph."""
        return {module.__name__: module.__version__ for module in (ort, onnx, torch, np)}

    def build(self, weights: Mapping[str, Array], dtype: DType) -> OnnxModel:
        """The graph of a PyTorch ``GoogLeNet`` of ``dtype`` with these weights.

        Raises:
            NotImplementedError: ONNX Runtime lacks an operator in ``dtype``.
            OptionError: ``dtype`` is neither ``"float32"`` nor ``"float64"``.
            WeightsError: The set is not canonical, or is float64 for a float32 model.
        """
        torch_dtype: torch.dtype = getattr(torch, check_dtype(dtype))
        in_channels, num_classes = weights_like(GOOGLENET, weights)
        model = GoogLeNet(num_classes, in_channels).to(torch_dtype)
        import_weights(model, weights)
        with TemporaryDirectory() as folder:
            path = Path(folder, "googlenet.onnx")
            torch.onnx.export(
                model,
                (torch.zeros(1, in_channels, 32, 32, dtype=torch_dtype),),
                path,
                input_names=[IMAGES],
                dynamic_axes={IMAGES: {0: "N", 2: "H", 3: "W"}},
                training=TrainingMode.PRESERVE,  # for inference, equal tensors (biases of zeros, say) become one
                dynamo=False,  # the newer exporter takes ten times as long (measured) and another package
            )
            return OnnxModel(onnx.load(path), dtype)


class OnnxModel:
    """A graph behind :class:`netparity.BuiltModel`, where the methods are described.

    Args:
        model: ``GoogLeNet`` as PyTorch exports it, its nodes named after the modules that they run in.
        dtype: Of its weights.
    """

    def __init__(self, model: onnx.ModelProto, dtype: DType) -> None:
        self._model = model
        self._dtype = np.dtype(dtype)
        self._layers = _layers(model.graph)
        self._whole = _session(model)
        # With every activation an output, fewer operators can be fused: a session apart from the one that predicts.
        self._recording = self._cut(model.graph.node, [nodes[-1].output[0] for nodes in self._layers.values()])

    def activations(self, images: Array) -> dict[str, Array]:
        return dict(zip(self._layers, self._run(self._recording, images), strict=True))

    def layer(self, name: str, inputs: Array) -> Array:
        inside = f"{GOOGLENET[name].name}."  # of a block, its members too
        nodes = [node for layer, own in self._layers.items() if f"{layer}.".startswith(inside) for node in own]
        return self._run(self._cut(nodes, nodes[-1].output), inputs)[0]

    def gradients(self, images: Array, labels: Array) -> Gradients:
        raise NotImplementedError(FORWARD_ONLY)

    def layer_gradients(self, name: str, inputs: Array, cotangent: Array) -> LayerGradients:
        raise NotImplementedError(FORWARD_ONLY)

    def predict(self, images: Array) -> Array:
        return self._run(self._whole, images)[0]

    def export_weights(self) -> dict[str, Array]:
        held = {tensor.name: numpy_helper.to_array(tensor) for tensor in self._model.graph.initializer}
        return {name: held[name].copy() for name in GOOGLENET.parameter_shapes()}

    def _cut(self, nodes: Sequence[onnx.NodeProto], outputs: Iterable[str]) -> ort.InferenceSession:
        """A session of those nodes alone; its input is what the first of them reads."""
        read = {name for node in nodes for name in node.input}
        element = helper.np_dtype_to_tensor_dtype(self._dtype)
        graph = helper.make_graph(
            nodes,
            "cut",
            [helper.make_tensor_value_info(nodes[0].input[0], element, None)],
            [helper.make_empty_tensor_value_info(output) for output in outputs],
            [tensor for tensor in self._model.graph.initializer if tensor.name in read],
        )
        like = {"opset_imports": self._model.opset_import, "ir_version": self._model.ir_version}
        return _session(helper.make_model(graph, **like))

    def _run(self, session: ort.InferenceSession, inputs: Array) -> list[Array]:
        (argument,) = session.get_inputs()
        outputs: list[Array] = session.run(None, {argument.name: np.ascontiguousarray(inputs, self._dtype)})
        return outputs


def _layers(graph: onnx.GraphProto) -> dict[str, list[onnx.NodeProto]]:
    """The nodes that make up every named layer, in canonical order; the last one gives its activation."""
    layers: dict[str, list[onnx.NodeProto]] = {name: [] for name in GOOGLENET.names}
    owners: dict[str, str] = {}
    for node in graph.node:
        module = node.name.strip("/").rpartition("/")[0].replace("/", ".")  # "/b1/conv/Conv" runs in b1.conv
        owner = owners[node.input[0]] if node.op_type in FINISHING else module
        layers[owner].append(node)
        owners[node.output[0]] = owner
    return layers


def _session(model: onnx.ModelProto) -> ort.InferenceSession:
    options = ort.SessionOptions()
    # The comparer limits threads by OMP_NUM_THREADS, to which PyTorch keeps and which ONNX Runtime does not read.
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except NoKernelError as error:
        raise NotImplementedError(f"ONNX Runtime lacks an operator in this precision: {error}") from error
