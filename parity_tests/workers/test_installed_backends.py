"""Backends from outside: an entry point of any installed package is found and judged like the project's own.

The one of ``examples/`` is run where its frameworks are installed, and skipped by name elsewhere.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from googlenet_np import GOOGLENET, init_weights, save_weights
from netparity.network.errors import OptionError
from netparity.network.registered import BACKEND_GROUP
from netparity.workers.backends import Subject, choose, find_backend
from parity_tests.support.interpreter import register
from parity_tests.support.tiers import representative

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "onnxruntime_backend"

FORWARD_CHECKS = {f"{check} float32" for check in ("weights", "shapes", "layers", "end to end", "prediction")}
BACKWARD_CHECKS = {"gradients float64", "layer gradients float32"}

OUTSIDER = """
from parity_tests.support.numpy_backend import Backend

class Outsider(Backend):
    name = "outsider"

    def gradients(self, images, labels):
        raise NotImplementedError("time runs forwards only")

    def layer_gradients(self, name, inputs, cotangent):
        raise NotImplementedError("time runs forwards only")
"""


def run(*arguments: str, folder: Path, path: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """What a run that passes reports of each backend, with ``path`` before everything that is installed."""
    report = folder / "report.json"
    command = [sys.executable, "-m", "netparity", "run", "--batch-size", "2", "--image-size", "17", "23"]
    done = subprocess.run(
        [*command, "--json", str(report), *arguments],
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*map(str, path), *filter(None, sys.path)])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {backend["name"]: backend for backend in json.loads(report.read_text(encoding="utf-8"))["backends"]}


def by_status(backend: dict[str, Any]) -> dict[str, set[str]]:
    """The names of the backend's checks under their status."""
    statuses: dict[str, set[str]] = {}
    for check in backend["checks"]:
        statuses.setdefault(check["status"], set()).add(check["check"])
    return statuses


def reasons(backend: dict[str, Any], checks: set[str]) -> set[str]:
    return {check["message"] for check in backend["checks"] if check["check"] in checks}


def judged_layers(backend: dict[str, Any]) -> list[str]:
    (check,) = (check for check in backend["checks"] if check["check"] == "layers float32")
    return [measurement["name"] for measurement in check["measurements"]]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder with an installed outsider, and in which no framework can be imported."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "outsider.py").write_text(OUTSIDER, encoding="utf-8")
    for framework in ("torch", "tensorflow", "mxnet"):
        source = f"raise ModuleNotFoundError('No module named {framework}', name={framework!r})"
        (folder / f"{framework}.py").write_text(source, encoding="utf-8")
    register(folder, "outsider", "outsider:Outsider")
    return folder


@pytest.mark.parametrize("arguments", representative(["--backend outsider", ""], quick=[""]))
def test_a_registered_backend_is_found_and_judged(tmp_path: Path, outside: Path, arguments: str) -> None:
    backends = run(*arguments.split(), folder=tmp_path, path=[outside])
    backend = backends["outsider"]
    assert backend["status"] == "pass"
    assert backend["versions"].keys() == {"numpy"}
    assert by_status(backend) == {
        "pass": FORWARD_CHECKS | {f"{check} float64" for check in ("weights", "shapes", "outputs")},
        "skipped": BACKWARD_CHECKS,
    }
    assert reasons(backend, BACKWARD_CHECKS) == {"outsider raised NotImplementedError: time runs forwards only."}
    assert judged_layers(backend) == list(GOOGLENET.names)
    assert not arguments or set(backends) == {"outsider"}


def test_a_backend_of_another_network_is_asked_for_by_its_full_name_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not entry_points(group=BACKEND_GROUP):
        pytest.skip("the distribution is not installed, so nothing is registered")
    before = choose([])
    for name, target in (("other:torch", "other:Backend"), ("other:jax", "other:Jax"), ("paddle", "paddling:Backend")):
        register(tmp_path, name, target)
    monkeypatch.syspath_prepend(tmp_path)
    assert choose([]) == [*before, Subject("paddle", "paddling:Backend")], "other's are no GoogLeNet"
    assert find_backend("torch") == find_backend("googlenet:torch") == ("torch", "googlenet_torch.backend:Backend")
    assert find_backend("paddle") == find_backend("googlenet:paddle") == ("paddle", "paddling:Backend")
    assert find_backend("other:torch") == ("other:torch", "other:Backend")
    with pytest.raises(OptionError, match="no backend 'jax'; registered are: torch, tf, mx, paddle"):
        find_backend("jax")


@pytest.mark.exhaustive
def test_the_example_passes(tmp_path: Path) -> None:
    for framework in ("onnx", "onnxruntime", "torch"):
        if find_spec(framework) is None:
            pytest.skip(f"backend 'ort': {framework} is not installed")
    if not EXAMPLE.exists():
        pytest.skip("needs the source tree: the package is installed without examples/")
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    ((name, target),) = project["entry-points"][BACKEND_GROUP].items()
    register(tmp_path, name, target)
    weights = init_weights(0)
    weights["b2.conv1.bias"] = weights["b1.conv.bias"]  # equal tensors, which an exporter may merge
    save_weights(tmp_path / "weights.safetensors", weights)
    arguments = ("--backend", name, "--weights", "weights.safetensors")
    backend = run(*arguments, folder=tmp_path, path=[tmp_path, EXAMPLE])[name]
    statuses = by_status(backend)
    assert statuses.keys() == {"pass", "skipped"}
    assert statuses["pass"] >= FORWARD_CHECKS
    assert statuses["skipped"] >= BACKWARD_CHECKS
    assert "has no gradients" in reasons(backend, {"layer gradients float32"}).pop()
    assert judged_layers(backend) == list(GOOGLENET.names)
