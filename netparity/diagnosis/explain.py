"""Why a layer's numbers are not the reference's: which known difference gives them, within the same bound.

It works on the numbers alone, so it serves any backend. Where the layer can be called once more, a permutation of its
channels is found as well, from its answers to single pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from netparity.network.contract import Array, DType
from netparity.network.kinds import Layer
from netparity.network.kinds.mistakes import Variant, low_precision
from netparity.verdict.bounds import UNIT_ROUNDOFF, gamma, probable_gamma
from netparity.verdict.ground_truth import GroundTruth
from netparity.verdict.report import Diagnosis

Probe = Callable[[Array], Array]


def _explains(variant: Variant, actual: Array, dtype: DType, confidence: float) -> bool:
    """Whether a variant's output is what a backend gave, up to rounding."""
    output = variant.output()
    if output.shape != actual.shape:
        return False
    # Products of a coarse format are summed in float32.
    sums: DType = dtype if variant.precision is None else "float32"
    u = UNIT_ROUNDOFF[sums]
    factor = min(gamma(variant.length, u), probable_gamma(variant.length, u, confidence))
    allowed = variant.magnitude() * factor + float(np.finfo(sums).tiny) * variant.length
    if variant.precision is not None:
        if not np.array_equal(variant.precision.rounded(actual), actual):
            return False
        # A sum is rounded to the coarse format before its bias is added, and again afterwards.
        largest = np.abs(output) + allowed + (0 if variant.bias is None else np.abs(variant.bias).max())
        allowed = allowed + 2 * variant.precision.unit_roundoff * largest + variant.precision.smallest
    with np.errstate(invalid="ignore"):
        return bool((np.abs(actual - output) <= allowed).all())


def diagnose(
    truth: GroundTruth,
    name: str,
    dtype: DType,
    actual: Array,
    *,
    branches: Sequence[Array] = (),
    others: Mapping[str, Array] | None = None,
    probe: Probe | None = None,
) -> Diagnosis:
    """Looks for the cause of one layer's error.

    Args:
        truth, name, dtype: The reference's numbers, the layer's canonical name, and what the backend computes in.
        actual: What the layer gave on :meth:`GroundTruth.inputs`, or in a forward pass if it fails in no other way;
            for a block, what it gave in a forward pass.
        branches: What the branches of a block gave in that forward pass, in order.
        others: What the layers of that forward pass gave, if the layer may have been fed another's output.
        probe: Calls the layer once more, on other inputs.
    """
    layer = truth.network[name]
    if layer.joins:
        found = [words for words, output in layer.reordered(branches) if np.array_equal(output, actual)]
        return Diagnosis(name, tuple(found), pattern(actual, layer.forward(branches, {}), 0.0))
    local = truth.local(layer, dtype)
    bound = 0.0 if local.bound is None else local.bound.probable
    where = pattern(actual, local.output, bound)
    same = actual.shape == local.output.shape and bool((np.abs(actual - local.output) <= bound).all())
    if same or not actual.ndim or not np.isfinite(actual).all():
        return Diagnosis(name, (), where)
    confidence = truth.confidence(dtype)

    def explains(variant: Variant) -> bool:
        # One sample first, since most variants are wrong from the start; then all.
        one = replace(variant, x=variant.x[:1])
        return _explains(one, actual[:1], dtype, confidence) and _explains(variant, actual, dtype, confidence)

    weights = truth.exact_weights
    own = {key: weights[f"{name}.{key}"] for key in layer.parameters}
    base = layer.right(local.inputs.astype(np.float64), own)
    kernels = {
        each.name: (weights[f"{each.name}.weight"], weights[f"{each.name}.bias"])
        for each in truth.network.weighted
        if each.parameters == ("weight", "bias")
    }
    candidates = [
        layer.mistakes(base, kernels),
        _candidates(base, actual, local.output, dtype, probe),
        _fed_others(layer, base, others or {}),
    ]
    explanations = [variant.name for variant in chain(*candidates) if explains(variant)]
    if not explanations and actual.shape == local.output.shape:
        explanations = list(_samples(actual, local.output, bound))
    return Diagnosis(name, tuple(dict.fromkeys(explanations)), where)


def pattern(actual: Array, desired: Array, bound: Array | float) -> str:
    """Where a tensor is beyond its bound: in shape, one entry, some samples, some channels, the border, everywhere."""
    if actual.shape != desired.shape:
        return f"its shape is {actual.shape} instead of {desired.shape}"
    finite = np.isfinite(actual)
    if not finite.all():
        return f"{np.count_nonzero(~finite)} of {actual.size} entries are not finite"
    wrong = np.abs(actual - desired) > bound
    count = np.count_nonzero(wrong)
    if count <= 1:
        return f"one entry is off, {tuple(np.argwhere(wrong)[0].tolist())}" if count else "no entry is beyond its bound"
    parts = []
    for axis, word in enumerate(("sample", "channel")[: actual.ndim]):
        hit = np.flatnonzero(wrong.any(axis=tuple(other for other in range(actual.ndim) if other != axis)))
        if len(hit) <= actual.shape[axis] / 2:  # more says little: an entry after a closed ReLU is never off
            listed = ", ".join(map(str, hit[:4])) + (", …" if len(hit) > 4 else "")
            parts.append(f"{word} {listed} only" if len(hit) == 1 else f"{word}s {listed} only")
    if actual.ndim == 4 and min(actual.shape[2:]) > 4 and not wrong[:, :, 2:-2, 2:-2].any():
        parts.append("the border only")
    return f"{count / wrong.size:.2%} of entries are off: {', '.join(parts) or 'everywhere'}"


def _candidates(base: Variant, actual: Array, desired: Array, dtype: DType, probe: Probe | None) -> Iterator[Variant]:
    """What any kind of layer may have wrong."""
    yield from low_precision(base, dtype)
    if actual.shape == desired.shape:
        yield from _output_permuted(base, actual, desired)
        yield from _scaled(base, actual)
    if probe is not None and base.weight is not None:
        yield from _input_permuted(base, probe)


def _fed_others(layer: Layer, base: Variant, others: Mapping[str, Array]) -> Iterator[Variant]:
    """The layer fed what another layer of the same forward pass gave."""
    for name, output in others.items():
        if name not in layer.inputs and output.shape == base.x.shape:
            yield replace(base, name=f"fed {name} instead of {layer.inputs[0]}", x=output.astype(np.float64))


def _output_permuted(base: Variant, actual: Array, desired: Array) -> Iterator[Variant]:
    """The output's channels in another order: each of the backend's is matched with the reference's nearest."""
    rows, sources = (array.swapaxes(0, 1).reshape(array.shape[1], -1) for array in (actual, desired))
    order = _nearest(rows, sources)
    moves = _moves(order)
    alive = rows.any(axis=1)  # a channel that is zero throughout is like any other that is
    if not moves or not (alive & (order != np.arange(len(order)))).any():
        return
    what = "permuted" if len(set(order[alive].tolist())) == alive.sum() else "that hold other channels"
    yield replace(base, name=f"output channels {what} ({moves})", finish=lambda z: z[:, order])


def _nearest(mine: Array, theirs: Array) -> Array:
    """For each row of ``mine`` the nearest of ``theirs``: the one in its own place, where none is nearer."""
    distance = np.square(mine).sum(1)[:, None] + np.square(theirs).sum(1)[None] - 2 * mine @ theirs.T
    order = distance.argmin(axis=1)
    own = np.arange(len(order))
    return np.where(distance[own, order] < distance.diagonal(), order, own)


def _moves(order: Array) -> str:
    """Which entries of a permutation are not in their place, in words; empty if all are."""
    moved = np.flatnonzero(order != np.arange(len(order)))
    listed = [f"{place} is {order[place]}" for place in moved[:4]] + ["…"] * (len(moved) > 4)
    return f"{len(moved)} moved: {', '.join(listed)}" if len(moved) else ""


def _scaled(base: Variant, actual: Array) -> Iterator[Variant]:
    """A factor on the input: the slope of the backend's output over the reference's, where its ReLU is open."""
    linear = replace(base, bias=None, relu="none").output()
    lifted = actual - (0 if base.bias is None else base.bias.reshape(-1, *(1,) * (actual.ndim - 2)))
    open_ = actual > 0 if base.relu == "after" else np.ones(actual.shape, bool)
    power = float(np.square(linear[open_]).sum())
    if not power or linear.shape != actual.shape:
        return
    factor = float((linear * lifted)[open_].sum()) / power
    known = {1 / 255: "1/255", 255.0: "255", 2.0: "2", 0.5: "1/2", -1.0: "-1"}
    near = next((value for value in known if abs(factor / value - 1) < 1e-3), None)
    if abs(factor - 1) > 1e-3:
        words = known.get(near, f"{factor:.6g}") if near is not None else f"{factor:.6g}"
        hint = " (pixels in 0 … 255 for 0 … 1)" * (words == "255") + " (divided by 255 twice)" * (words == "1/255")
        yield replace(base, name=f"input scaled by {words}{hint}", x=base.x * (factor if near is None else near))


def _input_permuted(base: Variant, probe: Probe) -> Iterator[Variant]:
    """The input's channels in another order, read off the layer's answers to one channel at a time."""
    weight = base.weight
    assert weight is not None
    channels, size = weight.shape[1], base.kernel_size
    shape = (channels, channels) if weight.ndim == 2 else (channels, channels, size, size)
    ones = np.zeros(shape, np.float32)
    # The pixel in the middle meets every tap of the kernel if the image is as large as the kernel.
    ones[(np.arange(channels), np.arange(channels), *(size // 2,) * (weight.ndim - 2))] = 1
    try:
        answers = probe(ones).astype(np.float64)
    except Exception:
        return
    expected = replace(base, x=ones.astype(np.float64)).output()
    if answers.shape != expected.shape:
        return
    order = _nearest(answers.reshape(channels, -1), expected.reshape(channels, -1))
    if (moves := _moves(order)) and len(set(order.tolist())) == channels:
        yield replace(base, name=f"input channels permuted ({moves})", weight=weight[:, order])


def _samples(actual: Array, desired: Array, bound: Array | float) -> Iterator[str]:
    """Samples that are another sample's output, rounding aside."""
    allowed = np.broadcast_to(bound, desired.shape)
    wrong = [n for n in range(len(actual)) if (np.abs(actual[n] - desired[n]) > allowed[n]).any()]
    for n in wrong:
        for other in range(len(actual)):
            if other != n and (np.abs(actual[n] - desired[other]) <= allowed[other]).all():
                yield f"sample {n} holds sample {other}'s output"
