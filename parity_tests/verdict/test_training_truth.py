"""What is said of a training: one thing wrong fails by its name; a known mistake is named, an unknown one is not.

Each of them trains, and the diagnosis once for every mistake that it knows. The quick tests do so with a GoogLeNet of
an eighth of the channels; that the network's size makes no difference, the exhaustive ones show.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from googlenet_np import GOOGLENET, init_weights, sample_images
from netparity.diagnosis.training_mistakes import diagnose_training
from netparity.network import sgd
from netparity.network.contract import Batch, Hyperparameters, OptimizerState, Step
from netparity.network.kinds import Conv2d
from netparity.network.network import Network
from netparity.verdict.bounds import FLOAT64_GATE
from netparity.verdict.checks import check_training
from netparity.verdict.findings import TRAINING, CheckResult, Status
from netparity.verdict.report import Diagnosis
from netparity.verdict.training_truth import Steps, TrainingTruth
from parity_tests.support.numpy_backend import Backend
from parity_tests.support.tiers import representative

Array = npt.NDArray[Any]
Rule = Callable[[Array, Array, Array, Hyperparameters, int], tuple[Array, Array]]

NARROW = Network(
    "narrow",
    tuple(
        replace(layer, out_channels=layer.out_channels // 8) if isinstance(layer, Conv2d) else layer
        for layer in GOOGLENET
    ),
)
"""Its convolutions have a sixty-fourth of the weights; layers, names and paths are GoogLeNet's."""

NETWORKS = pytest.mark.parametrize(
    "network", representative([NARROW, GOOGLENET], quick=[NARROW]), ids=lambda network: network.name
)

ALL = Hyperparameters(lr=0.05, momentum=0.9, weight_decay=0.01, label_smoothing=0.1)


@functools.cache
def batches() -> Sequence[Batch]:
    """Of different sizes, so that a mean taken twice is no other learning rate."""
    images, labels = sample_images(16, image_size=(9, 11))
    return [(images[rows], labels[rows]) for rows in (slice(2), slice(2, 5), slice(5, 9), slice(9, 11), slice(11, 16))]


@functools.cache
def initial(network: Network) -> dict[str, Array]:
    """Weights that leave the activations' size about as it is, so that every layer learns."""
    if network is GOOGLENET:
        return init_weights(0)
    random = np.random.default_rng(0)
    return {
        name: (random.standard_normal(shape) * (2 / np.prod(shape[1:])) ** 0.5).astype(np.float32)
        for name, shape in network.parameter_shapes(in_channels=1, num_classes=10).items()
    }


@functools.cache
def truth(hyperparameters: Hyperparameters = ALL, network: Network = NARROW) -> TrainingTruth:
    return TrainingTruth(network, initial(network), Steps(batches(), hyperparameters))


@functools.cache
def trained(
    hyperparameters: Hyperparameters = ALL, network: Network = NARROW
) -> tuple[Array, dict[str, Array], OptimizerState]:
    """By the NumPy backend, through the contract."""
    steps: list[Step] = []
    backend = Backend()
    backend.architecture = network
    model = backend.build(initial(network), "float64")
    state = model.train(batches(), hyperparameters, listener=steps.append)
    return np.array([step.loss for step in steps]), model.export_weights(), state


class Given:
    """What a backend gave, in copies to be spoiled."""

    def __init__(self, hyperparameters: Hyperparameters = ALL, network: Network = NARROW) -> None:
        losses, weights, state = trained(hyperparameters, network)
        self.losses = losses.copy()
        self.weights = {name: array.copy() for name, array in weights.items()}
        self.arrays = {name: array.copy() for name, array in state.arrays.items()}
        self.scale = state.scale
        self.truth = truth(hyperparameters, network)

    def check(self) -> CheckResult:
        state = OptimizerState(self.arrays, self.scale)
        return check_training(TRAINING, self.truth, self.losses, self.weights, state)


def assert_fails(result: CheckResult, name: str, count: int = 1) -> None:
    assert result.status is Status.FAIL
    assert result.first_failure is not None
    assert result.first_failure.name == name
    assert sum(found.status is Status.FAIL for found in result.measurements) == count


class TestCheck:
    @NETWORKS
    def test_what_is_right_passes(self, network: Network) -> None:
        result = Given(network=network).check()
        assert result.status is Status.PASS
        assert len(result.measurements) == 1 + 2 * 116
        assert "5 steps" in result.message

    def test_a_state_of_another_scale_passes(self) -> None:
        given = Given()
        given.scale = -20.0
        given.arrays = {name: array / -20 for name, array in given.arrays.items()}
        assert given.check().status is Status.PASS

    def test_within_the_gate_and_beyond(self) -> None:
        given = Given()
        largest = np.abs(given.truth.weights["fc.weight"]).max()
        given.weights["fc.weight"][-1, -1] += 0.5 * FLOAT64_GATE * largest
        assert given.check().status is Status.PASS
        given.weights["fc.weight"][-1, -1] += 0.7 * FLOAT64_GATE * largest
        assert_fails(given.check(), "fc.weight")

    @pytest.mark.parametrize("step", range(5))
    def test_one_loss(self, step: int) -> None:
        given = Given()
        given.losses[step] *= 1 + 1e-10
        assert_fails(given.check(), "losses")

    @pytest.mark.parametrize("name", ["b1.conv.bias", "b4.inception_4c.p3_2.weight", "fc.bias"])
    def test_one_entry_of_a_weight(self, name: str) -> None:
        given = Given()
        given.weights[name].flat[-1] += 1e-6
        assert_fails(given.check(), name)

    @pytest.mark.parametrize("name", ["b1.conv.weight", "b5.inception_5b.p1_1.bias", "fc.weight"])
    def test_one_entry_of_a_momentum(self, name: str) -> None:
        given = Given()
        given.arrays[name].flat[-1] += 1e-6
        assert_fails(given.check(), f"{name} momentum")

    def test_what_is_missing(self) -> None:
        given = Given()
        del given.arrays["b2.conv1.bias"]
        assert_fails(given.check(), "b2.conv1.bias momentum")
        del given.weights["b2.conv1.weight"]
        assert_fails(given.check(), "b2.conv1.weight", 2)

    def test_all_momenta_missing(self) -> None:
        given = Given()
        given.arrays = {}
        assert_fails(given.check(), "b1.conv.weight momentum", 116)

    def test_what_is_unknown(self) -> None:
        given = Given()
        given.arrays["aux.bias"] = np.zeros(3)
        assert_fails(given.check(), "aux.bias momentum")
        given.weights["aux.bias"] = np.zeros(3)
        assert_fails(given.check(), "aux.bias", 2)

    def test_momenta_without_momentum(self) -> None:
        given = Given(replace(ALL, momentum=0.0))
        assert given.check().status is Status.PASS
        given.arrays["fc.bias"] = np.zeros(10)
        assert_fails(given.check(), "fc.bias momentum")

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_not_finite(self, value: float) -> None:
        given = Given()
        given.weights["fc.bias"][3] = value
        assert_fails(given.check(), "fc.bias")

    def test_another_dtype(self) -> None:
        given = Given()
        given.weights["fc.bias"] = given.weights["fc.bias"].astype(np.float32)
        assert_fails(given.check(), "fc.bias")

    def test_a_step_too_few(self) -> None:
        given = Given()
        given.losses = given.losses[:-1]
        assert_fails(given.check(), "losses")


# The rules as one would get them wrong, by the frameworks' own formulas


def ball(w: Array, v: Array, g: Array, h: Hyperparameters, decay: float) -> tuple[Array, Array]:
    v = h.momentum * v + (g + decay * w)
    return w - h.lr * v, v


def momentum_missing(w: Array, v: Array, g: Array, h: Hyperparameters, size: int) -> tuple[Array, Array]:
    return w - h.lr * (g + h.weight_decay * w), v


def momentum_twice(w: Array, v: Array, g: Array, h: Hyperparameters, size: int) -> tuple[Array, Array]:
    v = h.momentum * h.momentum * v + (g + h.weight_decay * w)
    return w - h.lr * v, v


def nesterov(w: Array, v: Array, g: Array, h: Hyperparameters, size: int) -> tuple[Array, Array]:
    """torch.optim.SGD(nesterov=True)."""
    g = g + h.weight_decay * w
    v = h.momentum * v + g
    return w - h.lr * (g + h.momentum * v), v


def damped(w: Array, v: Array, g: Array, h: Hyperparameters, size: int) -> tuple[Array, Array]:
    """torch.optim.SGD(dampening=momentum), from a velocity of zero."""
    v = h.momentum * v + (1 - h.momentum) * (g + h.weight_decay * w)
    return w - h.lr * v, v


def decay_missing(w: Array, v: Array, g: Array, h: Hyperparameters, size: int) -> tuple[Array, Array]:
    return ball(w, v, g, h, 0.0)


def decay_twice(w: Array, v: Array, g: Array, h: Hyperparameters, size: int) -> tuple[Array, Array]:
    return ball(w, v, g, h, 2 * h.weight_decay)


def decay_of_weights_only(w: Array, v: Array, g: Array, h: Hyperparameters, size: int) -> tuple[Array, Array]:
    return ball(w, v, g, h, h.weight_decay if w.ndim > 1 else 0.0)


def decay_past_the_momentum(w: Array, v: Array, g: Array, h: Hyperparameters, size: int) -> tuple[Array, Array]:
    """tf.keras.optimizers.SGD(weight_decay=…): the variables shrink before they are updated."""
    return ball(w - w * h.weight_decay * h.lr, v, g, h, 0.0)


def summed(w: Array, v: Array, g: Array, h: Hyperparameters, size: int) -> tuple[Array, Array]:
    """Gluon's Trainer.step(1) behind a loss that is no mean."""
    return ball(w, v, size * g, h, h.weight_decay)


def averaged_twice(w: Array, v: Array, g: Array, h: Hyperparameters, size: int) -> tuple[Array, Array]:
    """Gluon's Trainer.step(n) behind a loss that is a mean."""
    return ball(w, v, g / size, h, h.weight_decay)


def upwards(w: Array, v: Array, g: Array, h: Hyperparameters, size: int) -> tuple[Array, Array]:
    return ball(w, v, -g, h, h.weight_decay)


def half_rate(w: Array, v: Array, g: Array, h: Hyperparameters, size: int) -> tuple[Array, Array]:
    return ball(w, v, g, replace(h, lr=h.lr / 2), h.weight_decay)


MISTAKES: dict[str, Rule] = {
    "momentum missing": momentum_missing,
    "momentum applied twice": momentum_twice,
    "Nesterov's momentum": nesterov,
    "gradient damped by 1 − momentum": damped,
    "weight decay missing": decay_missing,
    "weight decay applied twice": decay_twice,
    "weight decay of weights, not of biases": decay_of_weights_only,
    "weight decay past the momentum, as in Keras' weight_decay": decay_past_the_momentum,
    "gradient summed over the batch instead of averaged": summed,
    "gradient divided by the batch twice": averaged_twice,
}

TELLING = ("Nesterov's momentum", "weight decay past the momentum, as in Keras' weight_decay")
"""Those that people make most easily: an option of PyTorch's, and one of Keras'."""


@functools.cache
def losses_of(rule: Rule, hyperparameters: Hyperparameters = ALL, network: Network = NARROW) -> Array:
    class Mistaken(Backend):
        architecture = network

        def step(self, w: Array, v: Array, g: Array, hyperparameters: Hyperparameters, size: int) -> Any:
            return rule(w, v, g, hyperparameters, size)

    steps: list[Step] = []
    Mistaken().build(initial(network), "float64").train(batches(), hyperparameters, listener=steps.append)
    return np.array([step.loss for step in steps])


@functools.cache
def diagnosis_of(rule: Rule, network: Network, hyperparameters: Hyperparameters = ALL) -> Diagnosis:
    given = losses_of(rule, hyperparameters, network)
    return diagnose_training(truth(hyperparameters, network), given, FLOAT64_GATE)


@NETWORKS
class TestDiagnosis:
    @pytest.mark.parametrize("name", representative(MISTAKES, quick=TELLING))
    def test_a_known_mistake_is_named(self, name: str, network: Network) -> None:
        diagnosis = diagnosis_of(MISTAKES[name], network)
        assert diagnosis.explanations == (name,)
        assert "the loss is off from step" in diagnosis.pattern

    def test_hard_labels(self, network: Network) -> None:
        losses = trained(replace(ALL, label_smoothing=0.0), network)[0]
        diagnosis = diagnose_training(truth(network=network), losses, FLOAT64_GATE)
        assert diagnosis.explanations == ("label smoothing missing",)
        assert diagnosis.pattern == "the loss is off from step 1 of 5 on"

    @pytest.mark.parametrize("rule", representative([upwards, half_rate], quick=[half_rate]))
    def test_an_unknown_mistake_is_not(self, rule: Rule, network: Network) -> None:
        diagnosis = diagnosis_of(rule, network)
        assert diagnosis.explanations == ()
        assert diagnosis.pattern == "the loss is off from step 2 of 5 on"

    def test_momentum_shows_from_the_third_step_on(self, network: Network) -> None:
        assert diagnosis_of(momentum_missing, network).pattern == "the loss is off from step 3 of 5 on"

    def test_plain_descent_has_fewer_mistakes_to_make(self, network: Network) -> None:
        diagnosis = diagnosis_of(summed, network, Hyperparameters(0.05))
        assert diagnosis.explanations == ("gradient summed over the batch instead of averaged",)

    def test_what_is_right_has_no_mistake(self, network: Network) -> None:
        diagnosis = diagnose_training(truth(network=network), trained(network=network)[0], FLOAT64_GATE)
        assert diagnosis.explanations == ()
        assert diagnosis.pattern == "its losses are right in every step"

    @pytest.mark.parametrize("losses", [np.ones(4), np.ones((5, 1)), np.full(5, np.nan), np.full(5, np.inf)])
    def test_what_cannot_be_compared(self, losses: Array, network: Network) -> None:
        diagnosis = diagnose_training(truth(network=network), losses, FLOAT64_GATE)
        assert diagnosis.explanations == ()
        assert diagnosis.pattern == "its losses cannot be compared"


@functools.cache
def float32(network: Network) -> TrainingTruth:
    return TrainingTruth(network, initial(network), Steps(batches(), ALL, "float32"))


@NETWORKS
class TestFloor:
    def test_positive_growing_and_small(self, network: Network) -> None:
        floor = float32(network).loss_floor
        assert floor.shape == (5,)
        assert (floor > 0).all()
        assert (np.diff(floor) >= 0).all()
        assert floor[-1] < 0.1

    def test_float32_stays_within(self, network: Network) -> None:
        steps: list[Step] = []
        sgd.train(network, initial(network), batches(), ALL, listener=steps.append, dtype="float32")
        off = np.abs(np.array([step.loss for step in steps]) - float32(network).losses)
        assert (off <= float32(network).loss_floor).all()
        assert off.max() > 0, "float32 was asked for, and computed in"

    def test_a_mistake_does_not(self, network: Network) -> None:
        off = np.abs(losses_of(half_rate, network=network) - float32(network).losses)
        assert (off[2:] > float32(network).loss_floor[2:]).all()

    def test_the_reference_itself(self, network: Network) -> None:
        """In float64, whatever the backends are trained in."""
        losses, weights, state = trained(network=network)
        np.testing.assert_allclose(float32(network).losses, losses, rtol=1e-14)
        np.testing.assert_equal(float32(network).weights, weights)
        np.testing.assert_equal(float32(network).state.arrays, state.arrays)
