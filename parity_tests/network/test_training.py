"""The reference's training against numbers worked by hand, and what a training may be asked for."""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from googlenet_np import GOOGLENET, ImagesError, OptionError, WeightsError, init_weights, reference, sample_images
from netparity.network import sgd
from netparity.network.contract import Batch, Hyperparameters, OptimizerState, Step
from netparity.network.operations import softmax_cross_entropy
from netparity.network.sgd import heavy_ball

Array = npt.NDArray[Any]

train = functools.partial(sgd.train, GOOGLENET)

LOGITS = np.log(np.array([[1.0, 2.0, 5.0], [6.0, 1.0, 1.0]]))
"""The softmax is 1/8, 2/8, 5/8 and 6/8, 1/8, 1/8."""
LABELS = np.array([2, 1])


class TestLabelSmoothing:
    def test_value_by_hand(self) -> None:
        losses, _ = softmax_cross_entropy(LOGITS, LABELS, 0.3)
        # The target is 0.1 for every class and 0.7 more for the label.
        first = -(0.1 * np.log(1 / 8) + 0.1 * np.log(2 / 8) + 0.8 * np.log(5 / 8))
        second = -(0.1 * np.log(6 / 8) + 0.8 * np.log(1 / 8) + 0.1 * np.log(1 / 8))
        np.testing.assert_allclose(losses, [first, second], rtol=1e-14)

    def test_gradient_by_hand(self) -> None:
        _, gradient = softmax_cross_entropy(LOGITS, LABELS, 0.3)
        first = [1 / 8 - 0.1, 2 / 8 - 0.1, 5 / 8 - 0.8]
        second = [6 / 8 - 0.1, 1 / 8 - 0.8, 1 / 8 - 0.1]
        np.testing.assert_allclose(gradient, [first, second], rtol=1e-14)

    @pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
    def test_gradient_by_differences(self, smoothing: float) -> None:
        logits = np.random.default_rng(0).standard_normal((2, 5)) * 3
        labels = np.array([4, 0])
        _, gradient = softmax_cross_entropy(logits, labels, smoothing)
        step = 1e-6
        for place in np.ndindex(logits.shape):
            moved = [logits.copy(), logits.copy()]
            moved[0][place] += step
            moved[1][place] -= step
            above, below = (softmax_cross_entropy(each, labels, smoothing)[0].sum() for each in moved)
            assert (above - below) / (2 * step) == pytest.approx(gradient[place], abs=1e-8)

    def test_nothing_smoothed_is_the_plain_cross_entropy(self) -> None:
        losses, gradient = softmax_cross_entropy(LOGITS, LABELS)
        np.testing.assert_allclose(losses, [-np.log(5 / 8), -np.log(1 / 8)], rtol=1e-14)
        np.testing.assert_allclose(gradient, [[1 / 8, 2 / 8, -3 / 8], [6 / 8, -7 / 8, 1 / 8]], rtol=1e-14)

    def test_large_logits(self) -> None:
        losses, gradient = softmax_cross_entropy(np.array([[1e4, 0.0], [0.0, 1e4]]), np.array([0, 0]), 0.2)
        np.testing.assert_allclose(losses, [1e3, 9e3], rtol=1e-14)
        np.testing.assert_allclose(gradient, [[0.1, -0.1], [-0.9, 0.9]], atol=1e-15)

    def test_reaches_the_networks_gradients(self) -> None:
        images, labels = sample_images(2, image_size=(9, 11))
        weights = init_weights(0)
        loss, by_weights, _ = reference.gradients(weights, images, labels, label_smoothing=0.25)
        logits = reference.forward(weights, images, layers=["fc"])["fc"]
        losses, by_logits = softmax_cross_entropy(logits, labels, 0.25)
        assert loss == pytest.approx(losses.mean())
        np.testing.assert_allclose(by_weights["fc.bias"], by_logits.mean(axis=0), rtol=1e-12, atol=1e-15)


class TestHeavyBall:
    def test_two_steps_by_hand(self) -> None:
        h = Hyperparameters(lr=0.5, momentum=0.75, weight_decay=0.25)  # exact in float32
        w, v = np.array([8.0]), np.array([0.0])
        w, v = heavy_ball(w, v, np.array([1.0]), h, 7)
        # v = 0.75·0 + 1 + 0.25·8 = 3; w = 8 − 0.5·3
        assert (v.item(), w.item()) == (3.0, 6.5)
        w, v = heavy_ball(w, v, np.array([-2.0]), h, 7)
        # v = 0.75·3 − 2 + 0.25·6.5 = 1.875; w = 6.5 − 0.5·1.875
        assert (v.item(), w.item()) == (1.875, 5.5625)

    def test_gradient_descent_without_anything_else(self) -> None:
        w, v = heavy_ball(np.array([8.0]), np.array([100.0]), np.array([4.0]), Hyperparameters(lr=0.5), 7)
        assert (v.item(), w.item()) == (4.0, 6.0)


H = Hyperparameters(lr=0.0625, momentum=0.5, weight_decay=0.125, label_smoothing=0.25)


@functools.cache
def initial() -> Mapping[str, Array]:
    return init_weights(0)


@functools.cache
def batches() -> list[Batch]:
    images, labels = sample_images(9, image_size=(9, 11))
    return [(images[rows], labels[rows]) for rows in (slice(2), slice(2, 5), slice(5, 9), slice(8, 9))]


class TestTrain:
    def test_two_steps_of_the_network(self) -> None:
        """Written out once more; the gradients are the reference's, which tests of its own prove."""
        right = {name: weight.astype(np.float64) for name, weight in initial().items()}
        velocity = {name: np.zeros(weight.shape) for name, weight in right.items()}
        losses, accuracies = [], []
        for images, labels in batches()[:2]:
            loss, gradients, _ = reference.gradients(right, images, labels, label_smoothing=0.25)
            logits = reference.forward(right, images, layers=["fc"])["fc"]
            losses.append(loss)
            accuracies.append((logits.argmax(axis=1) == labels).mean())
            for name, gradient in gradients.items():
                velocity[name] = 0.5 * velocity[name] + (gradient + 0.125 * right[name])
                right[name] = right[name] - 0.0625 * velocity[name]
        steps: list[Step] = []
        weights, state = train(initial(), batches()[:2], H, listener=steps.append)
        assert list(weights) == list(initial())
        for name, weight in weights.items():
            np.testing.assert_allclose(weight, right[name], rtol=0, atol=1e-14, err_msg=name)
            np.testing.assert_allclose(state.arrays[name], velocity[name], rtol=0, atol=1e-14, err_msg=name)
        assert state.scale == 1
        np.testing.assert_allclose([step.loss for step in steps], losses, rtol=1e-13)
        assert [step.accuracy for step in steps] == accuracies

    def test_going_on_gives_the_bits_of_an_unbroken_run(self) -> None:
        steps: list[Step] = []
        weights, state = train(initial(), batches(), H, listener=steps.append)
        parts: list[Step] = []
        half, carried = train(initial(), batches()[:2], H, listener=parts.append)
        rest, after = train(half, iter(batches()[2:]), H, state=carried, listener=parts.append)
        assert parts == steps
        np.testing.assert_equal(rest, weights)
        np.testing.assert_equal(after.arrays, state.arrays)

    def test_nothing_that_is_handed_in_changes(self) -> None:
        state = OptimizerState({name: weight * 0.5 for name, weight in initial().items()}, 1.0)
        weights, given, steps = dict(initial()), copy.deepcopy(state), copy.deepcopy(batches()[:1])
        before = copy.deepcopy(weights)
        trained, _ = train(weights, steps, H, state=state)
        np.testing.assert_equal(weights, before)
        np.testing.assert_equal(state.arrays, given.arrays)
        for one, other in zip(steps[0], batches()[0], strict=True):
            np.testing.assert_array_equal(one, other)
        assert not any(np.shares_memory(trained[name], weights[name]) for name in weights)

    def test_no_momentum_no_state(self) -> None:
        _, state = train(initial(), batches()[:1], Hyperparameters())
        assert state == OptimizerState({}, 1.0)

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_dtype(self, dtype: str) -> None:
        weights, state = train(initial(), batches()[:1], H, dtype=dtype)
        assert {array.dtype for array in [*weights.values(), *state.arrays.values()]} == {np.dtype(dtype)}

    def test_a_state_of_another_scale(self) -> None:
        _, state = train(initial(), batches()[:1], H)
        scaled = OptimizerState({name: array * -4 for name, array in state.arrays.items()}, -0.25)
        right = train(initial(), batches()[:1], H, state=state)
        actual = train(initial(), batches()[:1], H, state=scaled)
        np.testing.assert_equal(actual[0], right[0])
        np.testing.assert_equal(actual[1].arrays, right[1].arrays)

    def test_perturbed_forward_passes(self) -> None:
        """What the noise floor stands on: every layer but one is left alone, and its change goes everywhere."""

        def perturb(layer: Any, _inputs: Any, output: Array) -> Array:
            return output + (np.arange(10.0) if layer.name == "fc" else 0.0)

        steps: list[Step] = []
        train(initial(), batches()[:1], Hyperparameters(), perturb=perturb, listener=steps.append)
        images, labels = batches()[0]
        logits = reference.forward(initial(), images, layers=["fc"])["fc"] + np.arange(10.0)
        assert steps[0].loss == pytest.approx(softmax_cross_entropy(logits, labels)[0].mean())

    def test_bad_input_is_refused(self) -> None:
        images, labels = batches()[0]
        with pytest.raises(ImagesError, match="Label 0 is"):
            train(initial(), [(images, labels + 10)], H)
        with pytest.raises(WeightsError, match=r"missing: fc\.bias"):
            train({name: w for name, w in initial().items() if name != "fc.bias"}, [], H)
        with pytest.raises(WeightsError, match=r"^The optimiser's state: .*115 missing"):
            train(initial(), [], H, state=OptimizerState({"fc.bias": np.zeros(10)}, 1.0))
        with pytest.raises(OptionError, match="float16"):
            train(initial(), [], H, dtype="float16")


class TestOptimizerState:
    def test_of_the_same_scale_are_the_very_arrays(self) -> None:
        arrays = {"a": np.array([1.0, 3.0], np.float32)}
        scaled = OptimizerState(arrays, -1 / 0.3).scaled(-1 / 0.3)
        assert scaled["a"] is arrays["a"]

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_of_another_scale(self, dtype: type[np.floating[Any]]) -> None:
        """v = scale · array: what one keeps as −3 under −4 is 12, and another keeps it as 24 under 0.5."""
        arrays = {"a": np.array([-3.0, 0.5], dtype)}
        scaled = OptimizerState(arrays, -4.0).scaled(0.5)
        np.testing.assert_array_equal(scaled["a"], [24.0, -4.0])
        assert scaled["a"].dtype == dtype
        np.testing.assert_array_equal(arrays["a"], [-3.0, 0.5])


class TestHyperparameters:
    def test_the_defaults_are_the_source_documents(self) -> None:
        assert Hyperparameters() == Hyperparameters(0.1, 0.0, 0.0, 0.0)

    @pytest.mark.parametrize("name", ["lr", "momentum", "weight_decay", "label_smoothing"])
    def test_rounded_to_float32(self, name: str) -> None:
        assert getattr(Hyperparameters(**{name: 0.3}), name) == float(np.float32(0.3)) != 0.3
        assert type(getattr(Hyperparameters(**{name: 0.3}), name)) is float

    @pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), -float("inf"), 1e39])
    @pytest.mark.parametrize("name", ["lr", "momentum", "weight_decay", "label_smoothing"])
    @pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
    def test_what_none_of_them_can_be(self, name: str, value: float) -> None:
        with pytest.raises(OptionError, match=rf"^{name} is {re.escape(str(value))}; expected a finite number, .*\.$"):
            Hyperparameters(**{name: value})

    @pytest.mark.parametrize(
        ("name", "value", "words"),
        [
            ("lr", 0.0, "above 0"),
            ("lr", 1e-60, "above 0"),
            ("momentum", 1.0, "0 or more and under 1"),
            ("momentum", 1 - 1e-12, "0 or more and under 1"),
            ("label_smoothing", 1.0, "0 or more and under 1"),
        ],
    )
    def test_the_ends_of_their_ranges(self, name: str, value: float, words: str) -> None:
        with pytest.raises(OptionError, match=rf"^{name} is {value}; expected a finite number, {words}\.$"):
            Hyperparameters(**{name: value})

    @pytest.mark.parametrize(
        ("name", "value"),
        [("lr", 1e-30), ("lr", 1e6), ("momentum", 0.999), ("weight_decay", 10.0), ("label_smoothing", 0.999)],
    )
    def test_what_they_can_be(self, name: str, value: float) -> None:
        assert getattr(Hyperparameters(**{name: value}), name) == pytest.approx(value)
