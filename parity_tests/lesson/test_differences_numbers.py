"""The entries of ``docs/differences/numbers.md``, each held true; ``test_differences.py`` pairs them."""

from __future__ import annotations

import hashlib
import os
import platform
import random
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from googlenet_np import GOOGLENET, ImagesError, WeightsError, init_weights, sample_images
from netparity.network import layout
from netparity.network.kinds.precisions import PRECISIONS, Precision
from netparity.verdict.bounds import UNIT_ROUNDOFF, gamma
from netparity.verdict.ground_truth import GroundTruth
from parity_tests.support.backends import BACKENDS, framework, load, package, require
from parity_tests.support.command import LIMIT

Array = npt.NDArray[Any]

NAN = float("nan")
IMAGES, LABELS = sample_images(2)
WINDOWS = np.array([[NAN, 1, 2], [1, NAN, 2], [1, 2, NAN], [NAN, NAN, NAN]], np.float32)
"""Of three pixels, with their NaN first, in the middle, last, and everywhere."""


def keras_3() -> Any:
    tf = framework("tf")
    if tf.keras.__version__.startswith("2."):
        pytest.skip("an observation of Keras 3")
    return tf


# Default dtypes


def test_default_dtype() -> None:
    """A float64 array stays float64 in PyTorch and in TensorFlow's tensors."""
    third = np.array([[1 / 3, 2 / 3]])
    torch, tf = framework("torch"), framework("tf")
    assert torch.tensor(third).dtype == torch.float64
    assert torch.tensor([1 / 3]).dtype == torch.float32
    assert tf.constant(third).dtype == tf.float64
    assert tf.constant([1 / 3]).dtype == tf.float32


def test_default_dtype_of_mxnet_arrays_is_float32_whatever_they_are_of() -> None:
    mx = framework("mx")
    assert mx.nd.array(np.array([1 / 3])).dtype == np.float32
    assert mx.nd.array(np.array([16777217])).asscalar() == 16777216
    assert mx.nd.array(np.array([1 / 3]), dtype="float64").dtype == np.float64


@pytest.mark.parametrize("name", BACKENDS)
def test_default_dtype_of_layers(name: str) -> None:
    """A float32 layer refuses float64 in PyTorch and in MXNet, and rounds it in Keras."""
    library, third = framework(name), np.array([[1 / 3, 2 / 3]])
    match name:
        case "torch":
            with pytest.raises(RuntimeError, match="same dtype"):
                library.nn.Linear(2, 1)(library.tensor(third))
        case "tf":
            assert library.keras.layers.Dense(1)(third).dtype == library.float32
        case _:
            layer = library.gluon.nn.Dense(1, in_units=2)
            layer.initialize()
            with pytest.raises(library.MXNetError, match="expected float64, got float32"):
                layer(library.nd.array(third, dtype="float64")).asnumpy()


def test_default_dtype_of_keras_loss() -> None:
    tf = keras_3()
    logits, label = np.array([[1 / 3, 2.0, -1.0]]), np.array([1])
    exact = np.log(np.exp(logits[0]).sum()) - logits[0, 1]
    rounded = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)(label, logits)
    kept = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype="float64")(label, logits)
    assert (rounded.dtype, kept.dtype) == (tf.float32, tf.float64)
    assert 1e-9 < abs(np.float64(rounded) - exact) < 1e-6
    assert abs(np.float64(kept) - exact) < 1e-14


# Other precision


@cache
def truth() -> GroundTruth:
    return GroundTruth(GOOGLENET, init_weights(0), IMAGES, LABELS)


def share(output: Array) -> float:
    """Of the rounding bound of ``b2.conv2`` on the reference's own input."""
    local = truth().local(GOOGLENET["b2.conv2"], "float32")
    assert local.bound is not None
    return float(np.max(np.abs(output - local.output) / local.bound.probable))


def convolved() -> Array:
    local = truth().local(GOOGLENET["b2.conv2"], "float32")
    return load("torch").build(init_weights(0), "float32").layer("b2.conv2", local.inputs)


def test_silent_precision() -> None:
    """Without oneDNN: other bits, within the bound. In bfloat16: far beyond it, in a tensor that may say float32."""
    torch = framework("torch")
    usual = convolved()
    with torch.backends.mkldnn.flags(enabled=False):
        other = convolved()
    assert share(usual) < 1
    assert share(other) < 1
    with torch.autocast("cpu", dtype=torch.bfloat16):
        layer = load("torch").build(init_weights(0), "float32")._model.b2.conv2  # type: ignore[attr-defined]
        inputs = torch.from_numpy(truth().local(GOOGLENET["b2.conv2"], "float32").inputs)
        coarse = layer(inputs).relu()
    assert coarse.dtype == torch.bfloat16
    assert share(coarse.detach().float().numpy()) > 50


def test_silent_precision_by_a_switch_that_keeps_the_dtype() -> None:
    torch = framework("torch")
    if not hasattr(torch.backends.mkldnn, "conv") or not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("needs a PyTorch and a processor that can convolve in bfloat16")
    usual, before = convolved(), torch.backends.mkldnn.conv.fp32_precision
    try:
        torch.backends.mkldnn.conv.fp32_precision = "bf16"
        coarse = convolved()
    finally:
        torch.backends.mkldnn.conv.fp32_precision = before
    assert coarse.dtype == np.float32
    if np.array_equal(coarse, usual):
        pytest.skip("oneDNN does not take bfloat16 for float32 on this processor")
    assert share(coarse) > 50


@pytest.mark.parametrize("precision", PRECISIONS, ids=lambda precision: precision.name)
def test_silent_precision_of_each_coarser_format_is_beyond_the_bound(precision: Precision) -> None:
    torch = framework("torch")
    local, weights = truth().local(GOOGLENET["b2.conv2"], "float32"), init_weights(0)
    inputs, kernel = precision.rounded(local.inputs), precision.rounded(weights["b2.conv2.weight"])
    bias = torch.from_numpy(weights["b2.conv2.bias"].astype(np.float64))
    y = torch.nn.functional.conv2d(torch.from_numpy(inputs), torch.from_numpy(kernel), bias, padding=1).relu()
    assert share(y.numpy()) > 9


def test_silent_precision_of_graphics_processors_is_on_by_default() -> None:
    torch, tf = framework("torch"), framework("tf")
    assert torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
    assert tf.config.experimental.tensor_float_32_execution_enabled()


# Threads and repetition

# Not which bits differ, and where: a library picks its kernels by the processor, and some keep to fewer threads than
# they may have where two of them share a core. The site's page shows what a build of it has seen.

PROBE = """
import sys
import netparity
report = netparity.judge(sys.argv[1], batch_size=2, image_size=(32, 40), dtypes=["float32"])
print(report.status.name, [check.message for check in report.backends[0].checks if check.status.name == "FAIL"])
"""


def of_a_process(*arguments: str, **environment: str) -> str:
    """The last line that a program prints, with no other setting of threads than these."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "GOMP_", "KMP_", "MKL_"))}
    settings = {**kept, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment}
    command = [sys.executable, "-W", "ignore", "-c", *arguments]
    done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False, timeout=LIMIT)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_threads_that_divide_a_sum_change_its_last_digit() -> None:
    """What a thread more does to a bias' gradient, a sum over pixels: two sums, and their sum. It is as good a sum."""
    pixels = np.random.default_rng(0).standard_normal(2 * 48 * 48).astype(np.float32)
    one, first, second = (np.add.accumulate(part)[-1] for part in (pixels, *np.split(pixels, 2)))
    two = first + second
    assert one != two
    bound = gamma(len(pixels), UNIT_ROUNDOFF["float32"]) * np.abs(pixels).sum(dtype=np.float64)
    exact = pixels.sum(dtype=np.float64)
    assert abs(one - exact) < bound
    assert abs(two - exact) < bound


@pytest.mark.exhaustive
@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize("name", BACKENDS)
def test_threads(name: str, threads: str) -> None:
    """Verdicts do not depend on them: a bound holds for each order of summation."""
    framework(name)
    assert of_a_process(PROBE, name, OMP_NUM_THREADS=threads, TF_NUM_INTRAOP_THREADS=threads) == "PASS []"


@pytest.mark.exhaustive
def test_threads_of_a_process_that_has_mxnet() -> None:
    """MXNet takes half of the processors, for PyTorch in the same process too, unless the environment says how many."""
    framework("torch")
    framework("mx")
    if platform.machine() != "x86_64":
        pytest.skip("MXNet counts hyperthreads on x86 alone")
    code = "import numpy; numpy.bool = bool; import mxnet, torch; print(torch.get_num_threads(), {})"
    cores = "len(os.sched_getaffinity(0))" if hasattr(os, "sched_getaffinity") else "os.cpu_count()"
    code = f"import os; {code.format(cores)}"
    by_itself, cores_there = map(int, of_a_process(code).split())
    asked_for = int(of_a_process(code, OMP_NUM_THREADS=str(cores_there)).split()[0])
    assert by_itself <= max(1, cores_there // 2)
    assert int(of_a_process(code, OMP_NUM_THREADS="1").split()[0]) == 1
    # MKL keeps to the cores that share nothing, which may be half of them again.
    assert by_itself <= asked_for <= cores_there


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", BACKENDS)
def test_determinism(name: str) -> None:
    """On the same threads, gradients repeat bit for bit."""
    model = load(name).build(init_weights(0), "float32")
    first, second = (model.gradients(IMAGES, LABELS) for _ in range(2))
    assert first.loss == second.loss
    assert [hashlib.sha256(first.weights[key].tobytes()).digest() for key in first.weights] == [
        hashlib.sha256(second.weights[key].tobytes()).digest() for key in second.weights
    ]


def test_determinism_of_one_image_in_pytorch() -> None:
    """Small convolutions of one image are MKL's, whose threads may add their sums in any order; one thread has none."""
    torch = framework("torch")
    model = load("torch").build(init_weights(0), "float32")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        first, *others = [model.gradients(*sample_images(1, image_size=(32, 32))) for _ in range(5)]
    finally:
        torch.set_num_threads(threads)
    assert all(np.array_equal(other.weights[key], first.weights[key]) for other in others for key in first.weights)


def twice(seed: Callable[[int], Any], draw: Callable[[], Any]) -> bool:
    """Whether the same seed gives the same draws."""
    seed(0)
    first = draw()
    seed(0)
    return np.array_equal(first, draw())


def test_determinism_by_torch_seed() -> None:
    torch = framework("torch")

    def draw() -> Array:
        return torch.nn.Linear(3, 2).weight.detach().numpy().copy()

    assert twice(torch.manual_seed, draw)
    assert not twice(np.random.seed, draw)


@pytest.mark.exhaustive
def test_determinism_by_keras_seed() -> None:
    """``tf.random.set_seed`` does not reach the initial weights of Keras 3; Python's ``random`` does."""
    tf = keras_3()

    def draw() -> Array:
        layer = tf.keras.layers.Dense(2)
        layer.build((None, 3))
        return layer.kernel.numpy()

    assert twice(tf.random.set_seed, lambda: tf.random.uniform((3,)).numpy())
    assert not twice(tf.random.set_seed, draw)
    assert twice(tf.keras.utils.set_random_seed, draw)
    assert twice(random.seed, draw)


def test_determinism_by_mxnet_seed() -> None:
    """MXNet's seed governs initial weights, NumPy's the order in which Gluon's loader shuffles."""
    mx = framework("mx")

    def draw() -> Array:
        layer = mx.gluon.nn.Dense(2, in_units=3)
        layer.initialize()
        return layer.weight.data().asnumpy()

    def shuffle() -> list[int]:
        return list(mx.gluon.data.RandomSampler(100))

    assert (twice(mx.random.seed, draw), twice(np.random.seed, draw)) == (True, False)
    assert (twice(mx.random.seed, shuffle), twice(np.random.seed, shuffle)) == (False, True)


# NaN


def pooled(name: str, windows: Array) -> Array:
    """The maximum of each row, by the framework's max-pool."""
    library, (count, width) = framework(name), windows.shape
    match name:
        case "torch":
            tensor = library.from_numpy(windows.reshape(1, count, 1, width))
            return library.nn.functional.max_pool2d(tensor, (1, width)).numpy().ravel()
        case "tf":
            tensor = library.constant(windows.reshape(count, 1, width, 1))
            return library.nn.max_pool2d(tensor, (1, width), (1, width), "VALID").numpy().ravel()
    tensor = library.nd.array(windows.reshape(1, count, 1, width), dtype=windows.dtype)
    return library.nd.Pooling(tensor, kernel=(1, width), stride=(1, width), pool_type="max").asnumpy().ravel()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", BACKENDS)
def test_nan(name: str, dtype: str) -> None:
    """PyTorch's max-pool hands NaN on; the others drop it, and give the smallest number where there is nothing else."""
    desired: list[float] = [NAN] * 4 if name == "torch" else [2, 2, 2, float(np.finfo(dtype).min)]
    np.testing.assert_array_equal(pooled(name, WINDOWS.astype(dtype)), desired)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", BACKENDS)
def test_nan_in_relu(name: str, dtype: str) -> None:
    library, x = framework(name), np.array([-1, NAN, 2], dtype)
    match name:
        case "torch":
            y = library.relu(library.from_numpy(x)).numpy()
        case "tf":
            y = library.nn.relu(x).numpy()
        case _:
            y = library.nd.Activation(library.nd.array(x, dtype=dtype), act_type="relu").asnumpy()
            kept = library.nd.relu(library.nd.array(x, dtype=dtype)).asnumpy()
            np.testing.assert_array_equal(kept, [0, NAN, 2])
    np.testing.assert_array_equal(y, [0, 0 if (name, dtype) == ("mx", "float32") else NAN, 2])


@pytest.mark.parametrize(("name", "arrives"), [("torch", True), ("tf", True), ("mx", False)])
def test_nan_in_the_network(name: str, arrives: bool) -> None:
    library, own = framework(name), package(name)
    broken = IMAGES.copy()
    broken[0, 0, 40, 40] = NAN
    model = own.GoogLeNet()
    own.import_weights(model, init_weights(0))
    match name:
        case "torch":
            logits = model(library.from_numpy(broken)).detach().numpy()
        case "tf":
            logits = model(layout.nchw_to_nhwc(broken)).numpy()
        case _:
            logits = model(library.nd.array(broken)).asnumpy()
    assert np.isnan(logits).tolist() == [[arrives] * 10, [False] * 10]


def test_nan_is_stopped_where_it_comes_in() -> None:
    require("torch")
    broken = IMAGES.copy()
    broken[0, 0, 40, 40] = NAN
    with pytest.raises(ImagesError, match="nan"):
        load("torch").build(init_weights(0), "float32").predict(broken)
    with pytest.raises(WeightsError, match="nan"):
        load("torch").build({**init_weights(0), "fc.bias": np.full(10, NAN, np.float32)}, "float32")
