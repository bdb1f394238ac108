"""What a benchmark sets the backends against: engines that run an exported network, and the processor itself.

Each is loaded in a process of its own, like a backend. Importing this module imports none of them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from netparity.network.contract import Forward
from netparity.workers.backends import Subject

ENGINES = (Subject("onnxruntime", f"{__name__}:OnnxRuntime"), Subject("openvino", f"{__name__}:OpenVino"))
"""The engines; the first is the one that every way is compared with."""

PROCESSOR = Subject("processor", f"{__name__}:Processor")


@dataclass(frozen=True)
class OpenedNetwork:
    """A network that an engine has read: logits (N, num_classes) of images (N, C, H, W)."""

    predict: Forward


class OnnxRuntime:
    """ONNX Runtime on the CPU, as it is set up by default."""

    def __init__(self) -> None:
        import onnxruntime

        self._runtime = onnxruntime

    def versions(self) -> dict[str, str]:
        """ONNX Runtime's and NumPy's versions."""
        return {"onnxruntime": self._runtime.__version__, "numpy": np.__version__}

    def open(self, path: Path) -> OpenedNetwork:
        """A session for the network in an ONNX file."""
        options = self._runtime.SessionOptions()
        options.intra_op_num_threads = _threads()  # it does not read OMP_NUM_THREADS
        session = self._runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return OpenedNetwork(lambda images: session.run(None, {name: images})[0])


class OpenVino:
    """OpenVINO on the CPU, in float32: by itself it takes bfloat16 where the processor has it."""

    def __init__(self) -> None:
        import openvino

        self._openvino = openvino

    def versions(self) -> dict[str, str]:
        """OpenVINO's and NumPy's versions."""
        return {"openvino": self._openvino.__version__.partition("-")[0], "numpy": np.__version__}

    def open(self, path: Path) -> OpenedNetwork:
        """The network in an ONNX file, compiled."""
        options = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": _threads(),
            "INFERENCE_PRECISION_HINT": "f32",
        }
        compiled = self._openvino.Core().compile_model(str(path), "CPU", options)
        # A copy: the engine writes its next answer where this one is.
        return OpenedNetwork(lambda images: np.array(compiled(images)[compiled.output(0)]))


class Processor:
    """No engine: a process in which NumPy multiplies large matrices."""

    def versions(self) -> dict[str, str]:
        """NumPy's version."""
        return {"numpy": np.__version__}


def _threads() -> int:
    """As many as the comparer allows this process."""
    return int(os.environ["OMP_NUM_THREADS"])
