"""The catalogue of faults: what is made wrong, and what must be reported of it.

Every fault is a backend that a run finds by name. Most are NumPy backends with one thing wrong
(:mod:`parity_tests.proof.faulty.numpy_backend`); some are real frameworks, set up as people do it by mistake.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from netparity.network.contract import DTYPES, DType, Hyperparameters, LayerGradients
from netparity.network.layout import nchw_to_nhwc, oihw_to_hwio, out_in_to_in_out
from netparity.verdict.findings import GRADIENTS, LAYER_GRADIENTS, LAYERS, OUTPUTS, TRAINING, Check, CheckKind
from parity_tests.proof.faulty import numpy_backend as faulty
from parity_tests.proof.faulty.numpy_backend import Changed, OtherWindows, same_padding
from parity_tests.support.numpy_backend import Backend

__all__ = ["FAULTS", "Fault"]

Array = npt.NDArray[Any]

SHAPES = Check(CheckKind.SHAPES, "float32")
WEIGHTS = Check(CheckKind.WEIGHTS, "float32")
PREDICTION = Check(CheckKind.PREDICTION, "float32")


@dataclass(frozen=True)
class Fault:
    """One fault, and what must be reported.

    Attributes:
        name: What is wrong, and where; unique.
        backend: The faulty NumPy backend, or the ``module:attribute`` of one that is made in a framework.
        place: The first tensor in canonical order that must fail: a layer, a parameter, or one of a layer's gradients.
        cause: Words that the diagnosis must hold; None where it must name nothing, since no known difference explains
            the numbers.
        check: The check in which it must fail first.
        suspect: Whether the failure may be no proof.
    """

    name: str
    backend: Backend | str
    place: str
    cause: str | None = None
    check: Check = LAYERS
    suspect: bool = False

    @property
    def framework(self) -> str:
        """``numpy``, ``torch``, ``tf`` or ``mx``."""
        return self.backend.partition(":")[0].rpartition(".")[2] if isinstance(self.backend, str) else "numpy"

    @property
    def dtypes(self) -> tuple[DType, ...]:
        """The precisions in which it is judged: float64 as well, which takes longer, where it shows there first.

        One of training is in no single pass; it is judged by a training alone.
        """
        if self.check == TRAINING:
            return ()
        return DTYPES if self.check.dtype == "float64" else ("float32",)

    @property
    def target(self) -> str:
        """Its ``module:attribute``."""
        return self.backend if isinstance(self.backend, str) else f"{__name__}:{self.name}"


def __getattr__(name: str) -> Callable[[], Backend]:
    """A worker process finds a NumPy backend here, under the fault's own name."""
    for fault in FAULTS:
        if fault.name == name and isinstance(fault.backend, Backend):
            backend = fault.backend
            return lambda: backend
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _at(places: str, words: str, make: Callable[[str], Backend], cause: str | None, **options: Any) -> list[Fault]:
    """The same fault at several layers."""
    return [Fault(f"{place}: {words}", make(place), place, cause, **options) for place in places.split()]


def _gradient_at(places: str, words: str, make: Callable[[str], Backend], key: str) -> list[Fault]:
    """The same fault in the backward passes of several layers; ``key``, of ``weight, bias, inputs``, fails first."""
    return [
        Fault(f"{place}: {words}", make(place), f"{place}.{key}", check=LAYER_GRADIENTS) for place in places.split()
    ]


# What is done to an array


def _flipped(kernel: Array) -> Array:
    return kernel[:, :, ::-1, ::-1]


def _transposed(kernel: Array) -> Array:
    return kernel.swapaxes(2, 3)


def _misread(array: Array) -> Array:
    """NHWC memory read as NCHW."""
    return np.ascontiguousarray(nchw_to_nhwc(array)).reshape(array.shape)


def _spread(x: Array) -> Array:
    """As if the sum were divided by the area of an image padded by 1."""
    height, width = x.shape[2:]
    return x * (height * width / ((height + 2) * (width + 2)))


def _inner(kernel: Array) -> Array:
    return kernel[:, :, 1:4, 1:4]


def _rolled(axis: int) -> Callable[[Array], Array]:
    return lambda array: np.roll(array, 1, axis)


def _last_is(value: float) -> Callable[[Array], Array]:
    def change(array: Array) -> Array:
        array[(-1,) * array.ndim] = value
        return array

    return change


def _stale(array: Array) -> Array:
    """The last sample of the batch still holds what the first one is."""
    array[-1] = array[0]
    return array


def _averaged(*, counting: bool) -> Callable[[Array], Array]:
    """Means over windows of 3×3, padded by 1."""

    def change(x: Array) -> Array:
        pads = ((0, 0), (0, 0), (1, 1), (1, 1))
        sums, counts = (
            np.lib.stride_tricks.sliding_window_view(np.pad(array, pads), (1, 1, 3, 3)).sum(axis=(4, 5, 6, 7))
            for array in (x, np.ones_like(x))
        )
        means: Array = sums / (9 if counting else counts)
        return means

    return change


def _bfloat16(array: Array) -> Array:
    return _to_bits(array, 8)


def _float16(array: Array) -> Array:
    return array.astype(np.float16).astype(np.float32)


def _tf32(array: Array) -> Array:
    return _to_bits(array, 11)


def _to_bits(array: Array, bits: int) -> Array:
    """Rounded to so many bits of significand."""
    significand, exponent = np.frexp(array)
    return np.ldexp(np.rint(np.ldexp(significand, bits)), exponent - bits).astype(np.float32)


# What is done to gradients


def _with(key: str, change: Callable[[Array], Array]) -> Callable[..., LayerGradients]:
    """Changes one of a layer's gradients; takes what it is given last."""

    def changed(*given: Any) -> LayerGradients:
        right: LayerGradients = given[-1]
        if key == "inputs":
            return right._replace(inputs=change(right.inputs))
        return right._replace(weights={**right.weights, key: change(right.weights[key])})

    return changed


def _without_bias(gradients: LayerGradients) -> LayerGradients:
    return gradients._replace(weights={"weight": gradients.weights["weight"]})


# What is done to dictionaries


def _without(name: str) -> Callable[[dict[str, Array]], dict[str, Array]]:
    return lambda arrays: {key: array for key, array in arrays.items() if key != name}


def _replaced(name: str, change: Callable[[Array], Array]) -> Callable[[dict[str, Array]], dict[str, Array]]:
    return lambda arrays: {**arrays, name: change(arrays[name])}


def _taken_from(other: str, name: str, kinds: str = "weight bias") -> Callable[[dict[str, Array]], dict[str, Array]]:
    """Those of the layer ``name`` are those of ``other``."""
    moved = {f"{name}.{kind}": f"{other}.{kind}" for kind in kinds.split()}
    return lambda arrays: {key: arrays[moved.get(key, key)] for key in arrays}


# The catalogue


def _momentum_twice(w: Array, v: Array, g: Array, h: Hyperparameters) -> tuple[Array, Array]:
    v = h.momentum**2 * v + g + h.weight_decay * w
    return w - h.lr * v, v


def _momentum_forgotten(w: Array, v: Array, g: Array, h: Hyperparameters) -> tuple[Array, Array]:
    v = g + h.weight_decay * w
    return w - h.lr * v, v


def _biases_kept(w: Array, v: Array, g: Array, h: Hyperparameters) -> tuple[Array, Array]:
    v = h.momentum * v + (g if w.ndim == 1 else g + h.weight_decay * w)
    return w - h.lr * v, v


def _lr_in_velocity(w: Array, v: Array, g: Array, h: Hyperparameters) -> tuple[Array, Array]:
    v = h.momentum * v + h.lr * (g + h.weight_decay * w)
    return w - h.lr * v, v


FAULTS: tuple[Fault, ...] = (
    # How a layer pads and strides
    *_at("b1.conv", "asymmetric padding", lambda at: OtherWindows(at, same_padding(7, 2)), "asymmetric padding"),
    *_at(
        "b1.pool b4.pool",
        "asymmetric padding",
        lambda at: OtherWindows(at, same_padding(3, 2)),
        "asymmetric padding",
    ),
    *_at("b1.conv", "padding one less", lambda at: OtherWindows(at, lambda n: (2, 2)), "padding one less"),
    *_at("b3.pool", "padding one less", lambda at: OtherWindows(at, lambda n: (0, 0)), "padding one less"),
    *_at("b2.conv2", "padding one more", lambda at: OtherWindows(at, lambda n: (2, 2)), "padding one more"),
    *_at("b4.inception_4c.p3_2", "padding one less", lambda at: OtherWindows(at, lambda n: (1, 1)), "padding one less"),
    *_at("b1.pool", "ceil mode", lambda at: OtherWindows(at, lambda n: (1, 2 - n % 2)), "ceil mode"),
    *_at(
        "b1.pool", "stride moved on", lambda at: OtherWindows(at, lambda n: (1, 1), stride=1), "stride 1 instead of 2"
    ),
    *_at("b2.conv2", "stride", lambda at: OtherWindows(at, lambda n: (1, 1), stride=2), "stride 2 instead of 1"),
    # How a kernel is read
    *_at(
        "b1.conv b5.inception_5b.p3_2",
        "kernel transposed",
        lambda at: Changed(at, weight=_transposed),
        "kernel transposed",
    ),
    *_at(
        "b2.conv2 b4.inception_4c.p3_2",
        "kernel flipped",
        lambda at: Changed(at, weight=_flipped),
        "kernel flipped",
    ),
    *_at(
        "b3.inception_3a.p3_2 b4.inception_4e.p3_2",
        "3×3 kernel",
        lambda at: OtherWindows(at, lambda n: (1, 1), weight=_inner),
        "3×3 kernel in place of a 5×5 one",
    ),
    *_at(
        "b2.conv2",
        "HWIO memory read as OIHW",
        lambda at: Changed(at, weight=lambda weight: oihw_to_hwio(weight).reshape(weight.shape)),
        "HWIO memory read as it stands",
    ),
    *_at(
        "fc",
        "(in, out) memory read as (out, in)",
        lambda at: Changed(at, weight=lambda weight: out_in_to_in_out(weight).reshape(weight.shape)),
        "(in, out) memory read as it stands",
    ),
    *_at(
        "b2.conv1",
        "(out, in) swapped",
        lambda at: Changed(at, weight=lambda weight: weight.swapaxes(0, 1)),
        "(out, in) swapped",
    ),
    # The order of channels, and the layout of activations
    *_at("b1.conv", "BGR", lambda at: Changed(at, inputs=lambda x: x[:, ::-1]), "(BGR for RGB)"),
    *_at(
        "b4.inception_4b.p1_1",
        "input channels reversed",
        lambda at: Changed(at, weight=lambda weight: weight[:, ::-1]),
        "input channels reversed",
    ),
    *_at(
        "b2.conv1 b4.inception_4d.p2_2",
        "input channels permuted",
        lambda at: Changed(at, inputs=_rolled(1)),
        "input channels permuted",
    ),
    *_at(
        "b2.conv2 b5.inception_5a.p4_2",
        "output channels permuted",
        lambda at: Changed(at, output=_rolled(1)),
        "output channels permuted",
    ),
    *_at(
        "b2.pool b4.inception_4a.p1_1",
        "NHWC memory read as NCHW",
        lambda at: Changed(at, inputs=_misread),
        "input: NHWC memory read as NCHW",
    ),
    *_at(
        "b3.inception_3b.p4_2",
        "output in NHWC memory read as NCHW",
        lambda at: Changed(at, output=_misread),
        "output: NHWC memory read as NCHW",
    ),
    # Bias and ReLU
    *_at("b1.conv b4.inception_4e.p3_1", "bias missing", lambda at: Changed(at, bias=np.zeros_like), "bias missing"),
    *_at(
        "b2.conv2 b5.inception_5a.p4_2",
        "bias added twice",
        lambda at: Changed(at, bias=lambda bias: 2 * bias),
        "bias added twice",
    ),
    *_at("b1.conv b5.inception_5b.p1_1", "ReLU missing", faulty.NoReLU, "ReLU missing"),
    *_at("b2.conv1 b4.inception_4c.p2_2", "ReLU before bias", faulty.ReLUBeforeBias, "ReLU before the bias"),
    *_at("fc", "ReLU", lambda at: Changed(at, output=lambda y: np.maximum(y, 0)), "a ReLU too many"),
    # Pools
    *_at(
        "b2.pool b4.inception_4a.p4_1",
        "average",
        lambda at: faulty.OtherPool(at, _averaged(counting=False)),
        "average instead of maximum",
    ),
    *_at(
        "b5.inception_5a.p4_1",
        "average that counts padding",
        lambda at: faulty.OtherPool(at, _averaged(counting=True)),
        "average instead of maximum, counting padding",
    ),
    *_at(
        "b5.pool", "average counts padding", lambda at: Changed(at, inputs=_spread), "average counting a padding of 1"
    ),
    *_at("b5.pool", "maximum", lambda at: faulty.OtherPool(at, lambda x: x.max(axis=(2, 3))), "maximum instead of"),
    # What is joined to what
    *(
        Fault(
            f"{block}: branches concatenated in another order",
            faulty.BranchesReordered(block, order),
            block,
            f"branches concatenated in another order ({words})",
        )
        for block, order, words in (
            ("b3.inception_3a", (0, 2, 1, 3), "branch 1, branch 3, branch 2, branch 4"),
            ("b5.inception_5b", (1, 2, 3, 0), "branch 2, branch 3, branch 4, branch 1"),
        )
    ),
    *(
        Fault(
            f"{first}: swapped with {second}",
            faulty.BlocksSwapped(first, second),
            f"{first}.p1_1",
            f"fed {second}",
            check=OUTPUTS,
        )
        for first, second in (("b4.inception_4b", "b4.inception_4c"),)
    ),
    # Weights
    *(
        Fault(
            f"{at}: {kinds} of {other}",
            faulty.ImportsOther(_taken_from(other, at, kinds), secretly=True),
            at,
            f"{'weights' if 'bias' in kinds else 'kernel'} of {other}",
        )
        for at, other, kinds in (
            ("b4.inception_4c.p4_2", "b4.inception_4b.p4_2", "weight bias"),
            ("b4.inception_4c.p3_2", "b4.inception_4b.p3_2", "weight"),
        )
    ),
    Fault(
        "b5.inception_5a.p2_2: shares its weights with b4.inception_4e.p2_2",
        faulty.ImportsOther(_taken_from("b4.inception_4e.p2_2", "b5.inception_5a.p2_2")),
        "b5.inception_5a.p2_2.weight",
        "weights of b4.inception_4e.p2_2",
        check=WEIGHTS,
    ),
    Fault(
        "b1.conv: weights stored in bfloat16",
        faulty.ImportsOther(lambda weights: {name: _bfloat16(array) for name, array in weights.items()}),
        "b1.conv.weight",
        "weights rounded to bfloat16",
        check=WEIGHTS,
    ),
    # The images
    *_at("b1.conv", "images scaled by 255", lambda at: Changed(at, inputs=lambda x: x * 255), "input scaled by 255"),
    *(
        Fault(f"images: {words}", faulty.ChangedImages(change), "b1.conv", cause, check=OUTPUTS)
        for words, change, cause in (
            ("divided by 255 twice", lambda images: images / 255, "input scaled by 1/255"),
            ("BGR", lambda images: images[:, ::-1], "(BGR for RGB)"),
        )
    ),
    # Precision
    Fault("bfloat16", faulty.LowPrecision(_bfloat16, stored=True), "b1.conv", "computed in bfloat16"),
    Fault("float16", faulty.LowPrecision(_float16, stored=True), "b1.conv", "computed in float16"),
    Fault("TF32", faulty.LowPrecision(_tf32), "b1.conv", "TF32"),
    *_at(
        "b4.inception_4a.p2_2",
        "operands rounded to TF32",
        lambda at: faulty.LowPrecision(_tf32, at),
        "operands rounded to TF32",
    ),
    *_at(
        "b3.inception_3b.p2_2",
        "operands rounded to bfloat16",
        lambda at: faulty.LowPrecision(_bfloat16, at),
        "operands rounded to bfloat16",
    ),
    *_at("b4.inception_4d.p1_1", "float32 in a float64 model", faulty.ComputesInFloat32, "float32", check=OUTPUTS),
    # Single entries
    *(
        Fault(f"{at}: one entry {times} times its bound off", faulty.PerturbedEntry(at, times), at, suspect=times == 2)
        for at, times in (
            ("b1.conv", 2),
            ("b4.inception_4d.p3_2", 2),
            ("fc", 2),
            ("b4.inception_4e.p1_1", 10),
            ("b5.pool", 10),
            ("b3.inception_3a.p2_2", 1000),
        )
    ),
    *_at("b4.inception_4b.p2_2", "NaN in one entry", lambda at: Changed(at, output=_last_is(np.nan)), None),
    *_at("fc", "infinity in one entry", lambda at: Changed(at, output=_last_is(np.inf)), None),
    *_at(
        "b3.inception_3b.p2_1 b4.inception_4e.p4_1 fc",
        "one sample stale",
        lambda at: Changed(at, output=_stale),
        "sample 2 holds sample 0's output",
    ),
    # What is handed out
    *(
        Fault(f"{place}: {words}", faulty.ChangedRecord(change), place, check=SHAPES)
        for place, words, change in (
            ("b5.pool", "1×1 kept", _replaced("b5.pool", lambda y: y[:, :, None, None])),
            ("b3.pool", "NHWC", _replaced("b3.pool", nchw_to_nhwc)),
            ("fc", "float64", _replaced("fc", lambda y: y.astype(np.float64))),
            ("aux1", "no layer", lambda arrays: {**arrays, "aux1": arrays["fc"]}),
        )
    ),
    *_at("b4.inception_4c", "not given", lambda at: faulty.ChangedRecord(_without(at)), None),
    *_at("b2.pool", "float16", lambda at: faulty.ChangedLayer(at, lambda y: y.astype(np.float16)), None),
    *(
        Fault(f"prediction: {words}", backend, "fc", check=PREDICTION)
        for words, backend in (
            ("bfloat16 weights", faulty.ChangedPrediction(weights=_bfloat16)),
            ("one sample stale", faulty.ChangedPrediction(logits=_stale)),
            ("NaN in one entry", faulty.ChangedPrediction(logits=_last_is(np.nan))),
        )
    ),
    # Backward, end to end
    Fault("loss: summed over the batch", faulty.SummedLoss(value=True), "loss", check=GRADIENTS),
    Fault("gradients: summed over the batch", faulty.SummedLoss(value=False), "b1.conv.weight", check=GRADIENTS),
    *(
        Fault(f"{place}: {words}", faulty.ChangedGradients(change), place, check=GRADIENTS)
        for place, words, change in (
            ("b4.inception_4b.p3_2.bias", "gradient missing", _without("b4.inception_4b.p3_2.bias")),
            ("fc.weight", "gradient halved", _replaced("fc.weight", lambda g: g / 2)),
            ("b1.conv.bias", "gradient zero", _replaced("b1.conv.bias", np.zeros_like)),
            (
                "b4.inception_4c.p4_2.weight",
                "gradient of another layer",
                _taken_from("b4.inception_4b.p4_2", "b4.inception_4c.p4_2"),
            ),
            ("b2.conv2.weight", "NaN in the gradient", _replaced("b2.conv2.weight", _last_is(np.nan))),
        )
    ),
    # Backward, layer by layer
    *_gradient_at("b2.conv1 b4.inception_4a.p2_2", "ReLU forgotten backwards", faulty.NoMask, "weight"),
    *_gradient_at("b3.inception_3a.p4_1 b4.pool", "gradient to the last maximum", faulty.LastMaximum, "inputs"),
    *_gradient_at(
        "b1.conv b5.inception_5a.p3_2",
        "gradient of a flipped kernel",
        lambda at: faulty.ChangedBackward(at, _with("weight", _flipped)),
        "weight",
    ),
    *_gradient_at(
        "b4.inception_4d.p4_2",
        "bias gradient missing",
        lambda at: faulty.ChangedLayerGradients(at, _without_bias),
        "bias",
    ),
    *_gradient_at(
        "fc", "bias gradient halved", lambda at: faulty.ChangedBackward(at, _with("bias", lambda g: g / 2)), "bias"
    ),
    *_gradient_at(
        "b4.inception_4e.p4_1",
        "detached",
        lambda at: faulty.ChangedBackward(at, _with("inputs", np.zeros_like)),
        "inputs",
    ),
    *_gradient_at(
        "b5.pool",
        "gradient not divided by the area",
        lambda at: faulty.ChangedBackward(at, _with("inputs", lambda g: g * g[0, 0].size)),
        "inputs",
    ),
    *_gradient_at(
        "b3.inception_3b.p2_2",
        "one sample's input gradient stale",
        lambda at: faulty.ChangedBackward(at, _with("inputs", _stale)),
        "inputs",
    ),
    # Training
    *(
        Fault(f"training: {words}", faulty.OtherStep(change), "losses", cause, check=TRAINING)
        for words, change, cause in (
            ("momentum applied twice", _momentum_twice, "momentum applied twice"),
            ("momentum forgotten", _momentum_forgotten, "momentum missing"),
            ("biases do not decay", _biases_kept, "weight decay of weights, not of biases"),
            ("one learning rate too many in the velocity", _lr_in_velocity, None),
        )
    ),
    Fault("training: hard labels", faulty.UnsmoothedTraining(), "losses", "label smoothing missing", check=TRAINING),
    # Real frameworks
    *(
        Fault(f"{framework}: {name}", f"parity_tests.proof.faulty.{framework}:{name}", place, cause, check=check)
        for framework, name, place, cause, check in (
            ("torch", "BFloat16", "b1.conv", "computed in bfloat16", LAYERS),
            ("torch", "WithoutReLU", "b3.inception_3a.p2_1", "ReLU missing", LAYERS),
            ("torch", "CeilMode", "b2.pool", "ceil mode", LAYERS),
            ("torch", "WeightsSwapped", "b4.inception_4e.p2_2", "weights of b5.inception_5a.p2_2", LAYERS),
            ("tf", "SamePadding", "b1.conv", "asymmetric padding", LAYERS),
            ("tf", "BiasDropped", "b4.inception_4d.p1_1", "bias missing", LAYERS),
            ("tf", "MisreadImages", "b1.conv", "input: NCHW memory read as NHWC", LAYERS),
            ("tf", "MixedFloat16", "b1.conv", "computed in float16", LAYERS),
            ("mx", "BranchesReordered", "b4.inception_4b", "(branch 1, branch 3, branch 2, branch 4)", LAYERS),
            ("mx", "AveragePool", "b3.pool", "average instead of maximum, counting padding", LAYERS),
            ("mx", "ForeignKernel", "b4.inception_4c.p3_2", "kernel of b4.inception_4b.p3_2", LAYERS),
            ("torch", "Nesterov", "losses", "Nesterov's momentum", TRAINING),
            ("tf", "DecoupledWeightDecay", "losses", "weight decay past the momentum", TRAINING),
            ("mx", "DividedTwice", "losses", "gradient divided by the batch twice", TRAINING),
        )
    ),
)
"""In the order of what they touch."""
