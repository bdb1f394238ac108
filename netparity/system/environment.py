"""Where numbers were made: interpreter, NumPy, operating system, processor, threads, and switches that move numbers."""

from __future__ import annotations

import os
import platform
from typing import Any

import numpy as np

from netparity.system.processor import about_processor

FEATURES = ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "asimd", "sve", "bf16")
"""Of the processor: those by which mathematical libraries choose their code, and with it the order of their sums."""

SWITCHES = (
    *("OMP_", "OPENBLAS_", "MKL_", "DNNL_", "ONEDNN_", "XLA_", "TORCH_", "MXNET_", "KERAS_", "NVIDIA_TF32"),
    *("TF_ENABLE_", "TF_DETERMINISTIC_", "TF_NUM_", "TF_XLA_", "TF_USE_", "TF_CUDNN_", "TF_DISABLE_"),
)
"""Beginnings of the variables that decide about threads, libraries, precision and determinism."""


def environment() -> dict[str, Any]:
    """Interpreter, NumPy, operating system, processor."""
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": platform.platform(),
        "processor": about_processor("model name") or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
    }


def full_environment() -> dict[str, Any]:
    """The environment, with the processor's features and each variable that is set and may move numbers."""
    flags = set((about_processor("flags") or about_processor("Features")).split())
    variables = {name: value for name, value in sorted(os.environ.items()) if name.startswith(SWITCHES)}
    return {**environment(), "features": [name for name in FEATURES if name in flags], **variables}
