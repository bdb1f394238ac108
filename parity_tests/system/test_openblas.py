"""OpenBLAS is told what the processor has, and nobody else is."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from netparity.system.openblas import VARIABLE, openblas_kernels

HASWELL = "fpu sse3 avx avx2 fma bmi2"
SKYLAKE = f"{HASWELL} avx512f avx512dq avx512cd avx512bw avx512vl"


@pytest.mark.parametrize(
    ("flags", "kernels"),
    [
        (SKYLAKE, "SkylakeX"),
        (f"{SKYLAKE} avx512_bf16 amx_tile", "SkylakeX"),
        (SKYLAKE.replace(" avx512vl", ""), "Haswell"),  # Xeon Phi has no VL
        (HASWELL, "Haswell"),
        ("fpu sse3 avx avx2", None),
        ("fpu sse3", None),
        ("", None),
    ],
)
def test_kernels_are_those_that_the_processor_runs(tmp_path: Path, flags: str, kernels: str | None) -> None:
    listed = tmp_path / "cpuinfo"
    listed.write_text(
        f"processor\t: 0\nflags\t\t: {flags}\nvmx flags\t: avx2 fma\n\nprocessor\t: 1\nflags\t\t: {flags}\n"
    )
    assert openblas_kernels(listed) == kernels


def test_no_list_of_processors_is_no_advice(tmp_path: Path) -> None:
    assert openblas_kernels(tmp_path / "missing") is None
    (tmp_path / "arm").write_text("processor\t: 0\nFeatures\t: fp asimd\n")
    assert openblas_kernels(tmp_path / "arm") is None


PROBE = """
import os
from netparity.system.openblas import VARIABLE, import_numpy
import_numpy()
from threadpoolctl import threadpool_info
import numpy
print(*[library["architecture"] for library in threadpool_info() if library["internal_api"] == "openblas"])
print(os.environ.get(VARIABLE))
"""


def told(**variables: str) -> list[str]:
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    done = subprocess.run(
        [sys.executable, "-c", PROBE], env={**environment, **variables}, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_numpy_gets_the_kernels_and_the_variable_is_gone() -> None:
    kernels = openblas_kernels()
    if kernels is None or not (found := told()[0]):
        pytest.skip("this NumPy has no OpenBLAS, or this processor none of the kernels")
    assert found == kernels
    assert told()[1] == "None"


def test_what_the_environment_has_chosen_stays() -> None:
    if not told()[0] or platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("this NumPy has no OpenBLAS with the kernels of Prescott")
    found, variable = told(OPENBLAS_CORETYPE="Prescott")
    assert (found, variable) == ("Prescott", "Prescott")
