"""Which kernels NumPy's OpenBLAS multiplies matrices with.

OpenBLAS asks the processor for its model, and takes its oldest kernels, of SSE3, where it does not know the answer:
the one in NumPy 1.26.4 does so on processors that came after it, and is then five times slower than it could be.
Which instructions there are, the operating system says too.
"""

from __future__ import annotations

import os
from pathlib import Path

from netparity.system.processor import LISTED, about_processor

VARIABLE = "OPENBLAS_CORETYPE"
"""The variable that names OpenBLAS's kernels; OpenBLAS reads it when it is loaded, and never again."""

NEEDS = {
    "SkylakeX": {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl", "avx2", "fma"},
    "Haswell": {"avx2", "fma"},
}
"""What a set of kernels needs of the processor; the first that has it all is taken."""


def openblas_kernels(processors: Path = LISTED) -> str | None:
    """OpenBLAS's name for the best kernels that this x86 processor runs; None where it had better choose by itself."""
    found = set(about_processor("flags", processors).split())
    return next((name for name, needed in NEEDS.items() if needed <= found), None)


def kernel_variables() -> dict[str, str]:
    """The variable that names the best kernels; empty where the caller's environment has chosen or none is better."""
    kernels = openblas_kernels()
    return {} if kernels is None or VARIABLE in os.environ else {VARIABLE: kernels}


def import_numpy() -> None:
    """Imports NumPy with the best kernels, unless the caller's environment has chosen or NumPy is there already.

    The variable is gone again afterwards: a framework that brings an OpenBLAS of its own runs as it does elsewhere.
    """
    variables = kernel_variables()
    os.environ.update(variables)
    try:
        import numpy  # noqa: F401
    finally:
        for variable in variables:
            del os.environ[variable]
