"""Which known mistake of a training gives the losses that a backend gave."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import takewhile

import numpy as np

from netparity.network.contract import Array, Hyperparameters, Step
from netparity.network.sgd import Rule, heavy_ball, train
from netparity.verdict.report import Diagnosis
from netparity.verdict.training_truth import TrainingTruth

TRIED_STEPS = 4
"""Steps after which every mistake can be distinguished from the others: momentum shows in the loss of the third."""


@dataclass(frozen=True)
class _Mistake:
    """A training with one thing wrong."""

    name: str
    hyperparameters: Hyperparameters
    rule: Rule = heavy_ball


def diagnose_training(truth: TrainingTruth, losses: Array, gate: float) -> Diagnosis:
    """Which known mistakes give the backend's losses, (steps,); two which agree differ by the gate's share at most."""
    count = len(truth.losses)
    if losses.shape != (count,) or not np.isfinite(losses).all():
        return Diagnosis("training", (), "its losses cannot be compared")
    off = np.flatnonzero(np.abs(losses - truth.losses) > gate * np.abs(truth.losses))
    if not len(off):
        return Diagnosis("training", (), "its losses are right in every step")
    mistakes = _mistakes(truth.steps.hyperparameters)
    names = tuple(mistake.name for mistake in mistakes if _comes_to(truth, mistake, losses, gate))
    return Diagnosis("training", names, f"the loss is off from step {off[0] + 1} of {count} on")


def _comes_to(truth: TrainingTruth, mistake: _Mistake, losses: Array, gate: float) -> bool:
    """Whether the reference, with that mistake, gives these losses."""
    seen: list[Step] = []

    def alike() -> bool:
        pairs = ((step.loss, loss) for step, loss in zip(seen, losses, strict=False))
        return all(abs(one - other) <= gate * max(abs(one), abs(other)) for one, other in pairs)

    batches = takewhile(lambda _: alike(), truth.steps.batches[:TRIED_STEPS])
    with np.errstate(all="ignore"):  # some mistakes diverge
        train(truth.network, truth.initial, batches, mistake.hyperparameters, listener=seen.append, rule=mistake.rule)
    return alike()


def _mistakes(right: Hyperparameters) -> Iterator[_Mistake]:
    if right.momentum:
        yield _Mistake("momentum applied twice", right, _momentum_twice)
        yield _Mistake("momentum missing", replace(right, momentum=0.0))
        yield _Mistake("Nesterov's momentum", right, _nesterov)
        yield _Mistake("gradient damped by 1 − momentum", right, _damped)
    if right.weight_decay:
        yield _Mistake("weight decay missing", replace(right, weight_decay=0.0))
        yield _Mistake("weight decay applied twice", replace(right, weight_decay=2 * right.weight_decay))
        yield _Mistake("weight decay of weights, not of biases", right, _without_biases)
        if right.momentum:
            yield _Mistake("weight decay past the momentum, as in Keras' weight_decay", right, _decoupled)
    if right.label_smoothing:
        yield _Mistake("label smoothing missing", replace(right, label_smoothing=0.0))
    yield _Mistake("gradient summed over the batch instead of averaged", right, _summed)
    yield _Mistake("gradient divided by the batch twice", right, _averaged_twice)


def _momentum_twice(w: Array, v: Array, g: Array, h: Hyperparameters, size: int) -> tuple[Array, Array]:
    return heavy_ball(w, h.momentum * v, g, h, size)


def _nesterov(w: Array, v: Array, g: Array, h: Hyperparameters, size: int) -> tuple[Array, Array]:
    _, v = heavy_ball(w, v, g, h, size)
    return w - h.lr * (g + h.weight_decay * w + h.momentum * v), v


def _damped(w: Array, v: Array, g: Array, h: Hyperparameters, _size: int) -> tuple[Array, Array]:
    v = h.momentum * v + (1 - h.momentum) * (g + h.weight_decay * w)
    return w - h.lr * v, v


def _without_biases(w: Array, v: Array, g: Array, h: Hyperparameters, size: int) -> tuple[Array, Array]:
    return heavy_ball(w, v, g, h if w.ndim > 1 else replace(h, weight_decay=0.0), size)


def _decoupled(w: Array, v: Array, g: Array, h: Hyperparameters, size: int) -> tuple[Array, Array]:
    return heavy_ball(w * (1 - h.lr * h.weight_decay), v, g, replace(h, weight_decay=0.0), size)


def _summed(w: Array, v: Array, g: Array, h: Hyperparameters, size: int) -> tuple[Array, Array]:
    return heavy_ball(w, v, g * size, h, size)


def _averaged_twice(w: Array, v: Array, g: Array, h: Hyperparameters, size: int) -> tuple[Array, Array]:
    return heavy_ball(w, v, g / size, h, size)
