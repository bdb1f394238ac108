"""Who imports whom, and what an import does beside: each package in a fresh interpreter, and its source read."""

from __future__ import annotations

import ast
import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from parity_tests.support.backends import FRAMEWORKS, require
from parity_tests.support.interpreter import in_fresh_interpreter
from parity_tests.support.tiers import representative

OURS = ("googlenet_np", "googlenet_torch", "googlenet_tf", "googlenet_mx", "netparity", "parity_tests")
WHOLE_FRAMEWORKS = ("torch", "tensorflow", "keras", "mxnet", "jax")


# What an import does

IMPORT = """
    import importlib, json, locale, os, random, signal, sys, threading
    from pathlib import Path

    def state():
        found = {
            "environment": dict(os.environ),
            "path": list(sys.path),
            "random": hash(random.getstate()),
            "locale": locale.setlocale(locale.LC_ALL),
            "signals": [str(signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)],
            "hooks": [str(sys.excepthook), str(sys.displayhook)],
            "folder": os.getcwd(),
            "threads": threading.active_count(),
            "files": sorted(str(path) for folder in (Path.cwd(), Path.home()) for path in folder.rglob("*")),
        }
        if np := sys.modules.get("numpy"):
            found["numpy"] = [np.geterr(), np.get_printoptions(), "bool" in vars(np), np.random.get_state()[1].tolist()]
        if torch := sys.modules.get("torch"):
            found["torch"] = [
                str(torch.get_default_dtype()), torch.get_num_threads(), torch.get_num_interop_threads(),
                torch.initial_seed(), torch.is_grad_enabled(), torch.are_deterministic_algorithms_enabled(),
                torch.get_float32_matmul_precision(), torch.backends.mkldnn.enabled, torch.backends.cudnn.benchmark,
            ]
        if tf := sys.modules.get("tensorflow"):
            found["tensorflow"] = [
                tf.keras.backend.floatx(), tf.keras.backend.image_data_format(), tf.executing_eagerly(),
                tf.config.threading.get_intra_op_parallelism_threads(),
                tf.config.experimental.tensor_float_32_execution_enabled(),
            ]
        if mx := sys.modules.get("mxnet"):
            found["mxnet"] = [mx.util.is_np_array(), mx.util.is_np_shape(), mx.autograd.is_recording()]
        return json.loads(json.dumps(found))

    package, framework, report = sys.argv[1:]
    import numpy
    if framework == "mxnet" and not hasattr(numpy, "bool"):
        numpy.bool = bool
        import mxnet
        del numpy.bool
    elif framework:
        importlib.import_module(framework)
    before = state()
    importlib.import_module(package)
    after = state()
    changed = {key: [before[key], after[key]] for key in before if before[key] != after[key]}
    loaded = sorted({name.partition(".")[0] for name in sys.modules})
    Path(report).write_text(json.dumps({"changed": changed, "loaded": loaded}))
"""


@pytest.mark.parametrize(
    ("package", "backend"),
    [
        ("googlenet_np", None),
        pytest.param("netparity", None, marks=pytest.mark.exhaustive),  # the command's module imports it
        ("netparity.cli.main", None),
        ("googlenet_torch.backend", "torch"),
        pytest.param("googlenet_tf.backend", "tf", marks=pytest.mark.exhaustive),
        pytest.param("googlenet_mx.backend", "mx", marks=pytest.mark.exhaustive),
    ],
)
def test_an_import_loads_no_other_framework_and_leaves_everything_as_it_was(
    tmp_path: Path, package: str, backend: str | None
) -> None:
    """The framework comes first, so that what it does by itself (Keras writes to the home folder) is not counted."""
    framework = ""
    if backend:
        require(backend)
        framework = FRAMEWORKS[backend]
    result = in_fresh_interpreter(IMPORT, tmp_path, package, framework, str(tmp_path / "report.json"))
    report = json.loads((tmp_path / "report.json").read_text())
    own = {framework} | ({"keras"} if backend == "tf" else set())
    assert set(report["loaded"]) & set(WHOLE_FRAMEWORKS) <= own
    below = {"netparity"} if package.startswith("netparity") else {"netparity", "googlenet_np"}
    assert {name for name in report["loaded"] if name in OURS} <= {package.partition(".")[0], *below}
    assert report["changed"] == {}
    assert result.stdout == ""
    if not backend:
        assert result.stderr == ""


LOADED = """
    import importlib, sys
    importlib.import_module(sys.argv[1])
    print(*sorted(sys.modules))
"""


def test_the_engine_alone_loads_nothing(tmp_path: Path) -> None:
    """Pytest loads it for its plugin in every run, and the command prepares the import of NumPy, which comes later."""
    loaded = in_fresh_interpreter(LOADED, tmp_path, "netparity").stdout.split()
    assert {name.partition(".")[0] for name in loaded} & {*MAY_IMPORT["netparity"], *WHOLE_FRAMEWORKS} == set()


@pytest.mark.parametrize("name", FRAMEWORKS)
@pytest.mark.exhaustive
def test_a_framework_package_loads_what_a_network_is_and_no_other_room(tmp_path: Path, name: str) -> None:
    require(name)
    loaded = in_fresh_interpreter(LOADED, tmp_path, f"googlenet_{name}").stdout.split()
    rooms = {module.split(".")[1] for module in loaded if module.startswith("netparity.")}
    assert rooms == {"network", "system"}


ORDER = """
    import sys
    from importlib import import_module
    import numpy as np
    from googlenet_np import init_weights, sample_images

    had_bool = "bool" in vars(np)
    modules = [import_module(f"googlenet_{name}.backend") for name in sys.argv[1:]]
    assert ("bool" in vars(np)) == had_bool
    images, _ = sample_images(2, image_size=(9, 7))
    logits = [module.Backend().build(init_weights(0), "float32").predict(images) for module in modules]
    for other in logits[1:]:
        np.testing.assert_allclose(other, logits[0], rtol=0, atol=1e-5)
    print("agreed", file=sys.stderr)
"""


@pytest.mark.parametrize("order", [("torch", "tf", "mx"), ("mx", "tf", "torch")], ids=" ".join)
@pytest.mark.exhaustive
def test_the_three_work_in_one_process_whichever_comes_first(tmp_path: Path, order: tuple[str, ...]) -> None:
    """Of the six orders, two in which each framework comes once before each other; a process takes five seconds."""
    for name in order:
        require(name)
    result = in_fresh_interpreter(ORDER, tmp_path, *order)
    assert result.stdout == ""
    assert result.stderr.endswith("agreed\n")


LOAD = """
    import gc, sys
    from netparity.workers.worker import Calls, import_backend

    target, *folder = sys.argv[1:]
    sys.path += folder
    Calls(import_backend).load(target=target)
    print("matplotlib" in sys.modules, gc.isenabled())
    import matplotlib
"""


@pytest.mark.exhaustive
def test_a_worker_spares_tensorflow_the_plots(tmp_path: Path) -> None:
    """Keras imports Matplotlib where it can, which takes as long as the rest of Keras; a worker draws nothing."""
    require("tf")
    assert in_fresh_interpreter(LOAD, tmp_path, "googlenet_tf.backend:Backend").stdout == "False True\n"


def test_a_backend_that_cannot_do_without_plots_gets_them(tmp_path: Path) -> None:
    (tmp_path / "plotting.py").write_text("import matplotlib\nfrom parity_tests.support.numpy_backend import Backend\n")
    assert in_fresh_interpreter(LOAD, tmp_path, "plotting:Backend", str(tmp_path)).stdout == "True True\n"


@pytest.mark.parametrize(
    "arguments", representative(["--help", "run --help", "summary", "run --dtype float16"], ["summary"])
)
def test_the_command_line_itself_needs_no_framework(tmp_path: Path, arguments: str) -> None:
    source = """
        import atexit, runpy, sys
        def loaded():
            print(*(name for name in sys.modules if name in {frameworks}), file=sys.stderr)
        atexit.register(loaded)
        sys.argv[1:] = sys.argv[1].split()
        try:
            runpy.run_module("netparity", run_name="__main__", alter_sys=True)
        except SystemExit:
            pass
    """
    result = in_fresh_interpreter(source.replace("{frameworks}", str(set(WHOLE_FRAMEWORKS))), tmp_path, arguments)
    assert result.stderr.splitlines()[-1] == ""


# Who imports whom, by the source

STANDARD = set(sys.stdlib_module_names)
MAY_IMPORT = {
    "googlenet_np": {"numpy", "PIL", "pooch", "netparity"},
    "googlenet_torch": {"numpy", "torch", "googlenet_np", "netparity"},
    "googlenet_tf": {"numpy", "h5py", "tensorflow", "keras", "googlenet_np", "netparity"},
    "googlenet_mx": {"numpy", "mxnet", "googlenet_np", "netparity"},
    "netparity": {
        *("numpy", "safetensors", "PIL", "threadpoolctl", "typer", "rich", "jinja2", "matplotlib", "tomli", "pytest"),
        *("onnxruntime", "openvino"),
        "typing_extensions",  # for type checkers, which have it built in
    },
}
"""Beside the standard library and themselves (DESIGN, section 1); h5py is what Keras itself brings for its files."""

MODEL_MAY_IMPORT = {
    "googlenet_torch": {"torch"},
    "googlenet_tf": {"tensorflow", "keras", "googlenet_tf"},
    "googlenet_mx": {"mxnet", "googlenet_mx"},  # its own _numpy_bool, without which MXNet cannot be imported
}
"""``model.py`` is the book's page: it needs its framework alone."""


def sources() -> list[Any]:
    """Every module of the packages that ship, but for the tests."""
    found = []
    for package in MAY_IMPORT:
        spec = find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        folder = Path(spec.origin).parent
        found += [pytest.param(package, path, id=f"{package}/{path.name}") for path in sorted(folder.rglob("*.py"))]
    return found


def imported(path: Path) -> set[str]:
    """The packages that a module imports anywhere in it, in functions and for types too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            found.add(str(node.module).partition(".")[0])
    return found - {"__future__"}


@pytest.mark.parametrize(("package", "path"), sources())
def test_a_module_imports_what_its_package_may_and_no_more(package: str, path: Path) -> None:
    assert imported(path) - STANDARD <= MAY_IMPORT[package] | {package}


def test_the_comparer_needs_no_pytest() -> None:
    """But for its plugin, which pytest alone loads."""
    paths = [source.values[1] for source in sources()]
    assert [path.name for path in paths if "pytest" in imported(path)] == ["plugin.py"]


def test_the_comparer_imports_engines_in_one_module() -> None:
    """Which a benchmark's processes load, and nothing else does."""
    paths = [source.values[1] for source in sources()]
    assert [path.name for path in paths if imported(path) & {"onnxruntime", "openvino"}] == ["engines.py"]


@pytest.mark.parametrize("package", MODEL_MAY_IMPORT)
def test_a_model_imports_its_framework_alone(package: str) -> None:
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    assert imported(Path(spec.origin).with_name("model.py")) - STANDARD <= MODEL_MAY_IMPORT[package]


@pytest.mark.parametrize(("package", "path"), [source for source in sources() if "netparity" in str(source.id)])
def test_the_comparer_names_no_framework_package(package: str, path: Path) -> None:
    """It meets a backend only through the registry; a package's name in a string could be imported all the same."""
    strings = {node.value for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Constant)}
    named = {word for word in strings if isinstance(word, str) and word.startswith(OURS[1:4])}
    assert not named
