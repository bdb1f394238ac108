"""Training in every backend against the reference's: the same losses, weights and momenta, step after step.

Everything is on in most tests (momentum, weight decay, label smoothing), and batches differ in size, for what a
framework means by each of them shows only then.
"""

from __future__ import annotations

import functools
import gc
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from googlenet_np import GOOGLENET, forward, gradients, init_weights, sample_images
from googlenet_np.batches import Batches
from googlenet_np.fashion_mnist import load_fashion_mnist
from netparity.network import sgd
from netparity.network.contract import Backend, Batch, BuiltModel, DType, Hyperparameters, OptimizerState, Step
from netparity.network.errors import ImagesError, WeightsError
from netparity.verdict.bounds import FLOAT64_GATE
from parity_tests.support.backends import BACKENDS, load
from parity_tests.support.tiers import representative

pytestmark = pytest.mark.filterwarnings("ignore:Even though the `tf.config.experimental_run_functions_eagerly`")

Array = npt.NDArray[Any]

ALL = Hyperparameters(lr=0.05, momentum=0.9, weight_decay=0.01, label_smoothing=0.1)
SIZES = (3, 5, 2, 4)
"""Images of one batch after the other."""
STEPS = 20

QUICK = [("torch", "tf"), ("mx", "torch")]
"""Each backend in one pair at least."""


class Trained(NamedTuple):
    """Where some steps of training lead."""

    weights: dict[str, Array]
    state: OptimizerState
    steps: list[Step]


@functools.cache
def initial() -> Mapping[str, Array]:
    return init_weights(5)


@functools.cache
def batches(count: int = STEPS) -> Sequence[Batch]:
    images, labels = sample_images(16, image_size=(17, 23))
    random = np.random.default_rng(1)
    drawn = [random.permutation(16)[: SIZES[place % len(SIZES)]] for place in range(count)]
    return [(images[rows], labels[rows]) for rows in drawn]


def given(count: int = STEPS, dtype: DType = "float64") -> list[Batch]:
    """The batches as the contract wants them."""
    return [(images.astype(dtype), labels) for images, labels in batches()[:count]]


@functools.cache
def desired(count: int, hyperparameters: Hyperparameters) -> Trained:
    """The reference's training."""
    steps: list[Step] = []
    weights, state = sgd.train(GOOGLENET, initial(), batches()[:count], hyperparameters, listener=steps.append)
    return Trained(weights, state, steps)


def build(backend: Backend, dtype: DType = "float64") -> BuiltModel:
    return backend.build(initial(), dtype)


def train(model: BuiltModel, batches: Any, hyperparameters: Hyperparameters = ALL, **options: Any) -> Trained:
    steps: list[Step] = []
    state = model.train(batches, hyperparameters, listener=steps.append, **options)
    return Trained(model.export_weights(), state, steps)


def assert_close(actual: Mapping[str, Array], right: Mapping[str, Array], scales: Mapping[str, Array]) -> None:
    """Within the gate, as a share of the largest entry of ``scales``."""
    assert list(actual) == list(right)
    for name, array in right.items():
        assert actual[name].dtype == np.float64, name
        limit = FLOAT64_GATE * max(np.abs(array).max(), np.abs(scales[name]).max())
        np.testing.assert_allclose(actual[name], array, rtol=0, atol=limit, err_msg=name)


def assert_agrees(actual: Trained, right: Trained) -> None:
    """Losses and accuracies of all steps, and weights and momenta after the last."""
    losses = [step.loss for step in right.steps]
    np.testing.assert_allclose([step.loss for step in actual.steps], losses, rtol=FLOAT64_GATE, atol=0)
    assert [step.accuracy for step in actual.steps] == pytest.approx([step.accuracy for step in right.steps])
    assert_close(actual.weights, right.weights, right.weights)
    # What a momentum is added to sets the scale where it is itself a small difference of large terms.
    assert_close(actual.state.scaled(1.0), right.state.arrays, right.weights)


def assert_same_bits(actual: Mapping[str, Array], right: Mapping[str, Array]) -> None:
    assert list(actual) == list(right)
    for name, array in right.items():
        assert actual[name].tobytes() == array.tobytes(), name


def largest_difference(one: Trained, other: Trained) -> float:
    return max(float(np.abs(one.weights[name] - other.weights[name]).max()) for name in one.weights)


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    """Frameworks' models are garbage in cycles, and Python does not see how large."""
    gc.freeze()  # whatever is there already is not looked through again
    yield
    gc.collect()


@pytest.fixture
def traced() -> None:
    """A test that asks for this trains TensorFlow in graphs, as users do."""


@pytest.fixture(autouse=True)
def eager(request: pytest.FixtureRequest) -> Iterator[None]:
    """In the other tests TensorFlow trains eagerly.

    Tracing a training takes longer than a few steps, and the graph is never released: Keras' optimiser reduces the
    gradients through a ``tf.custom_gradient``, which TensorFlow keeps for ever, with all that it refers to.
    """
    case = getattr(request.node, "callspec", None)
    if case is None or "tf" not in case.id.split("-") or "traced" in request.fixturenames:
        yield
        return
    load("tf")
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


# The same steps


@pytest.mark.usefixtures("traced")
@pytest.mark.exhaustive
def test_twenty_steps_with_everything_on(backend: Backend) -> None:
    assert_agrees(train(build(backend), given()), desired(STEPS, ALL))


def test_four_steps_with_everything_on(backend: Backend) -> None:
    assert_agrees(train(build(backend), given(4)), desired(4, ALL))


ALONE: dict[str, dict[str, float]] = {
    "lr": {"lr": 0.3},
    "momentum": {"momentum": 0.5},
    "weight_decay": {"weight_decay": 0.3},
    "label_smoothing": {"label_smoothing": 0.25},
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ALONE)
def test_each_hyperparameter_alone(backend: Backend, name: str) -> None:
    plain, changed = Hyperparameters(), Hyperparameters(**ALONE[name])
    assert largest_difference(desired(2, plain), desired(2, changed)) > 1e-4
    assert_agrees(train(build(backend), given(2), changed), desired(2, changed))


@pytest.mark.exhaustive
def test_without_momentum_there_is_no_state(backend: Backend) -> None:
    hyperparameters = Hyperparameters(0.05, 0.0, 0.01, 0.1)
    trained = train(build(backend), given(2), hyperparameters)
    assert trained.state.arrays == {}
    assert_agrees(trained, desired(2, hyperparameters))


@pytest.mark.parametrize(("in_channels", "num_classes"), [(3, 7)])
@pytest.mark.exhaustive
def test_other_channels_and_classes(backend: Backend, in_channels: int, num_classes: int) -> None:
    weights = init_weights(2, in_channels=in_channels, num_classes=num_classes)
    images, labels = sample_images(6, image_size=(23, 17), in_channels=in_channels)
    steps = [(images[rows].astype(np.float64), labels[rows] % num_classes) for rows in (slice(2), slice(1, 6))]
    model = backend.build(weights, "float64")
    actual = train(model, steps)
    seen: list[Step] = []
    right, state = sgd.train(GOOGLENET, weights, steps, ALL, listener=seen.append)
    assert_agrees(actual, Trained(right, state, seen))


# Going on


@functools.cache
def first_half(name: str) -> Trained:
    return train(build(load(name)), given(2))


@pytest.mark.parametrize(("source", "target"), representative(permutations(BACKENDS, 2), QUICK))
def test_hand_over_to_another_framework(source: str, target: str) -> None:
    before = first_half(source)
    model = load(target).build(before.weights, "float64")
    after = train(model, given(4)[2:], state=before.state)
    assert_agrees(after._replace(steps=before.steps + after.steps), desired(4, ALL))


@pytest.mark.exhaustive
def test_hand_over_to_the_reference(backend: Backend) -> None:
    before = first_half(backend.name)
    steps: list[Step] = []
    weights, state = sgd.train(
        GOOGLENET, before.weights, batches()[2:4], ALL, state=before.state, listener=steps.append
    )
    assert_agrees(Trained(weights, state, before.steps + steps), desired(4, ALL))


@pytest.mark.usefixtures("traced")
@pytest.mark.exhaustive
def test_resuming_gives_the_bits_of_an_unbroken_run(backend: Backend) -> None:
    unbroken = train(build(backend, "float32"), given(4, "float32"))
    before = train(build(backend, "float32"), given(2, "float32"))
    resumed = train(backend.build(before.weights, "float32"), given(4, "float32")[2:], state=before.state)
    assert before.steps + resumed.steps == unbroken.steps
    assert_same_bits(resumed.weights, unbroken.weights)
    assert_same_bits(resumed.state.arrays, unbroken.state.arrays)
    assert resumed.state.scale == unbroken.state.scale


@pytest.mark.exhaustive
def test_a_step_on_one_image_has_the_same_bits_each_time(backend: Backend) -> None:
    """One image can be left for an epoch's last batch, and libraries compute it in other ways than several."""
    batch = [(images[:1], labels[:1]) for images, labels in given(1, "float32")]
    right, *others = [train(build(backend, "float32"), batch) for _ in range(3)]
    for other in others:
        assert_same_bits(other.weights, right.weights)


@pytest.mark.usefixtures("traced")
@pytest.mark.exhaustive
def test_a_second_call_goes_on_by_itself(backend: Backend) -> None:
    model = build(backend)
    before = train(model, given(2))
    after = train(model, given(4)[2:])
    assert_agrees(after._replace(steps=before.steps + after.steps), desired(4, ALL))


@pytest.mark.exhaustive
def test_an_empty_state_begins_anew(backend: Backend) -> None:
    model = build(backend)
    model.train(given(2), ALL)
    before = model.export_weights()
    after = train(model, given(3)[2:], state=OptimizerState({}, 1.0))
    weights, state = sgd.train(GOOGLENET, before, batches()[2:3], ALL)
    assert_agrees(after, Trained(weights, state, after.steps))


@pytest.mark.exhaustive
def test_other_hyperparameters_begin_anew(backend: Backend) -> None:
    model = build(backend)
    model.train(given(2), ALL)
    before = model.export_weights()
    other = Hyperparameters(0.02, 0.5)
    after = train(model, given(3)[2:], other)
    weights, state = sgd.train(GOOGLENET, before, batches()[2:3], other)
    assert_agrees(after, Trained(weights, state, after.steps))


@pytest.mark.exhaustive
def test_another_learning_rate_keeps_the_velocity(backend: Backend) -> None:
    """Where a framework's momentum holds the learning rate, a state must be converted, not copied."""
    model = build(backend)
    state = model.train(given(2), ALL)
    before = model.export_weights()
    slower = Hyperparameters(0.005, 0.9)
    after = train(model, given(3)[2:], slower, state=state)
    right = sgd.train(GOOGLENET, before, batches()[2:3], slower, state=state)
    assert_agrees(after, Trained(*right, after.steps))


@pytest.mark.exhaustive
def test_a_state_that_momentum_does_not_want(backend: Backend) -> None:
    state = desired(2, ALL).state
    trained = train(build(backend), given(2), Hyperparameters(0.05), state=state)
    assert trained.state.arrays == {}
    assert_agrees(trained, desired(2, Hyperparameters(0.05)))


# What a training leaves behind


@pytest.mark.usefixtures("traced")
@pytest.mark.exhaustive
def test_everything_else_uses_the_new_weights(backend: Backend) -> None:
    model = build(backend)
    images, labels = given(2)[1]
    model.predict(images)  # whatever is kept of the old weights, is kept now
    model.activations(images)
    for count in (1, 2):
        model.train(given(1), ALL)
        weights = model.export_weights()
        assert_close(weights, desired(count, ALL).weights if count == 1 else weights, weights)
        activations = forward(weights, images)
        assert_close(model.activations(images), activations, activations)
        logits = {"fc": activations["fc"]}
        assert_close({"fc": model.predict(images)}, logits, logits)
        inputs = activations["b2.pool"]
        block = {"block": activations["b3.inception_3a"]}
        assert_close({"block": model.layer("b3.inception_3a", inputs)}, block, block)
        right = gradients(weights, images, labels)
        actual = model.gradients(images, labels)
        assert actual.loss == pytest.approx(right.loss, rel=FLOAT64_GATE)
        assert_close(actual.weights, right.weights, right.weights)


@pytest.mark.exhaustive
def test_what_is_handed_in_is_left_alone(backend: Backend) -> None:
    weights = {name: array.copy() for name, array in initial().items()}
    state = OptimizerState({name: array.copy() for name, array in desired(2, ALL).state.arrays.items()}, 1.0)
    steps = given(2)
    copies = [(images.copy(), labels.copy()) for images, labels in steps]
    for array in [*weights.values(), *state.arrays.values(), *(array for step in steps for array in step)]:
        array.flags.writeable = False
    backend.build(weights, "float64").train(steps, ALL, state=state)
    assert_same_bits(weights, initial())
    assert_same_bits(state.arrays, desired(2, ALL).state.arrays)
    for step, copied in zip(steps, copies, strict=True):
        for array, right in zip(step, copied, strict=True):
            np.testing.assert_array_equal(array, right)


@pytest.mark.exhaustive
def test_what_comes_back_belongs_to_the_caller(backend: Backend) -> None:
    model = build(backend)
    before = train(model, given(1))
    kept = {name: array.copy() for name, array in before.state.arrays.items()}
    model.train(given(2), ALL)
    assert_same_bits(before.state.arrays, kept)


# How batches come


@pytest.mark.usefixtures("traced")
@pytest.mark.exhaustive
def test_batches_from_a_generator(backend: Backend) -> None:
    listed = train(build(backend, "float32"), given(4, "float32"))
    model = build(backend, "float32")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        generated = train(model, (batch for batch in given(4, "float32")))
        assert_same_bits(generated.weights, listed.weights)
        assert generated.steps == listed.steps
    assert not [warning for warning in caught if "ran out of data" in str(warning.message)]


@pytest.mark.usefixtures("traced")
@pytest.mark.exhaustive
def test_no_batches_are_no_steps(backend: Backend) -> None:
    model = build(backend, "float32")
    trained = train(model, iter([]))
    assert trained.steps == []
    assert_same_bits(trained.weights, initial())


@pytest.mark.exhaustive
def test_without_a_listener(backend: Backend) -> None:
    model = build(backend)
    state = model.train(given(2), ALL)
    assert_agrees(Trained(model.export_weights(), state, desired(2, ALL).steps), desired(2, ALL))


@pytest.mark.parametrize(
    "change",
    [
        lambda images, labels: (images.astype(np.float32), labels.astype(np.uint8)),
        lambda images, labels: (images[::-1, :, ::-1], labels[::-1]),
        lambda images, labels: (np.asfortranarray(images), labels.astype(">i4")),
    ],
    ids=["other dtypes", "negative strides", "another memory order"],
)
@pytest.mark.exhaustive
def test_any_arrays_of_the_right_values(backend: Backend, change: Callable[[Array, Array], Batch]) -> None:
    """The sample images are float32, so that their values are kept."""
    batch = change(*given(1)[0])
    actual = train(build(backend), [batch])
    steps: list[Step] = []
    weights, state = sgd.train(GOOGLENET, initial(), [batch], ALL, listener=steps.append)
    assert_agrees(actual, Trained(weights, state, steps))


class BrokenError(Exception):
    """Raised by what a test hands in."""


@pytest.mark.exhaustive
def test_what_a_listener_raises(backend: Backend) -> None:
    model = build(backend, "float32")
    steps: list[Step] = []

    def listener(step: Step) -> None:
        steps.append(step)
        if len(steps) == 2:
            raise BrokenError("the listener")

    with pytest.raises(BrokenError, match=r"^the listener$"):
        model.train(given(4, "float32"), ALL, listener=listener)
    assert len(steps) == 2
    assert len(train(model, given(1, "float32")).steps) == 1


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("count", representative([0, 2], [2]))
@pytest.mark.exhaustive
def test_what_the_batches_raise(backend: Backend, count: int) -> None:
    def failing() -> Iterator[Batch]:
        yield from given(count, "float32")
        raise BrokenError("the batches")

    model = build(backend, "float32")
    steps: list[Step] = []
    with pytest.raises(BrokenError, match=r"^the batches$"):
        model.train(failing(), ALL, listener=steps.append)
    assert len(steps) == count
    assert len(train(model, given(1, "float32")).steps) == 1


# What is no batch, and no state

BAD_BATCHES: dict[str, tuple[Callable[[Array, Array], tuple[Any, Any]], str]] = {
    "label too high": (lambda images, labels: (images, labels + 10), r"Label 0 is 1\d; expected 0 to 9\."),
    "negative label": (lambda images, labels: (images, labels - 10), r"Label 0 is -\d+; expected 0 to 9\."),
    "labels that are no integers": (lambda images, labels: (images, labels / 2), "labels have dtype float64"),
    "a label too few": (lambda images, labels: (images, labels[:-1]), r"labels have shape \(4,\); expected \(5,\)"),
    "channels": (lambda images, labels: (np.repeat(images, 3, axis=1), labels), "images have 3 channels"),
    "bytes": (lambda images, labels: (images.astype(np.uint8), labels), "images have dtype uint8"),
    "rank": (lambda images, labels: (images[:, 0], labels), "expected four axes"),
    "NaN": (lambda images, labels: (images * np.nan, labels), "images hold nan at"),
}


@functools.cache
def shared(name: str) -> BuiltModel:
    """One that is trained on whatever a test has."""
    return build(load(name), "float32")


@pytest.mark.parametrize("fault", representative(BAD_BATCHES, ["label too high"]))
def test_bad_batches_are_refused(backend: Backend, fault: str) -> None:
    spoil, words = BAD_BATCHES[fault]
    first, second = given(2, "float32")
    model = shared(backend.name)
    steps: list[Step] = []
    with pytest.raises(ImagesError, match=words):
        model.train([first, spoil(*second)], ALL, listener=steps.append)
    assert len(steps) == 1


BAD_STATES: dict[str, tuple[Callable[[dict[str, Array]], dict[str, Array]], str]] = {
    "missing": (lambda arrays: {k: v for k, v in arrays.items() if k != "fc.bias"}, r"1 missing: fc\.bias"),
    "unexpected": (lambda arrays: {**arrays, "aux.bias": arrays["fc.bias"]}, r"1 unexpected: aux\.bias"),
    "shape": (lambda arrays: {**arrays, "fc.weight": arrays["fc.weight"].T}, r"'fc\.weight' has shape"),
    "NaN": (lambda arrays: {**arrays, "fc.bias": arrays["fc.bias"] * np.nan}, r"'fc\.bias' holds nan"),
}


@pytest.mark.parametrize("fault", BAD_STATES)
def test_bad_states_are_refused(backend: Backend, fault: str) -> None:
    spoil, words = BAD_STATES[fault]
    model = shared(backend.name)
    before = model.export_weights()
    with pytest.raises(WeightsError, match=f"^The optimiser's state: .*{words}"):
        model.train(given(1, "float32"), ALL, state=OptimizerState(spoil(dict(initial())), 1.0))
    assert_same_bits(model.export_weights(), before)


# A real training


@pytest.mark.usefixtures("traced")
@pytest.mark.exhaustive
def test_a_few_hundred_real_images_teach_the_network_something(backend: Backend, fashion_mnist: Path) -> None:
    """From 2.9 nats to a mean of 1.24 to 1.37 over the sixth epoch (measured); a guess among ten costs 2.30.

    A deep network without normalisation stays long on a plateau from weights that are as small as Xavier's; somewhat
    larger ones leave it at once.
    """
    weights = {
        name: array * np.float32(1.6 if name.endswith("weight") else 1) for name, array in init_weights(0).items()
    }
    images, labels = load_fashion_mnist("train", fashion_mnist)
    data = Batches(images, labels, 16, image_size=(32, 32), limit=256)
    model = backend.build(weights, "float32")
    trained = train(model, [batch for epoch in range(6) for batch in data.epoch(epoch)], Hyperparameters(0.002, 0.9))
    assert trained.steps[0].loss > 2
    assert np.mean([step.loss for step in trained.steps[-len(data) :]]) < 1.6
    right = sum((model.predict(x).argmax(axis=1) == y).sum() for x, y in data.epoch(0))
    assert right / len(data.images) > 0.4
